"""The farm's own certificate authority and the certificate that its servers show. For the daemon: nodes have no `cryptography`."""

import ipaddress
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from farm.errors import ConfigurationError
from farm.keys import certificate_pin, write_private
from farm.language import system_words
from gcode.texts import Bilingual, BilingualError

_CA_DAYS: Final = 20 * 365
_SERVER_DAYS: Final = 397  # what browsers accept at most
_RENEW_BEFORE: Final = timedelta(days=60)
_NO_KEY: Final = Bilingual("ca.key is missing", "ca.key manque")
_OTHER_KEY: Final = Bilingual("ca.key is not an elliptic curve key", "ca.key n'est pas une clé sur courbe elliptique")
_BACKDATED: Final = timedelta(days=1)  # a Raspberry Pi without network time wakes up in the past


@dataclass(frozen=True, slots=True)
class Certificates:
    """The farm's files: what nodes trust, and what its servers show. Keys are readable by the daemon's user only."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def authority_pem(self) -> str:
        """The authority's certificate, for nodes."""
        return self.authority.read_text("utf-8")

    @property
    def pin(self) -> str:
        """The pin that join codes carry."""
        return certificate_pin(self.authority_pem)


def default_names() -> list[str]:
    """Names and addresses by which others may reach this machine: host name, its mDNS name, loopback, the outgoing address."""
    host = socket.gethostname()
    names = [host, f"{host.partition('.')[0]}.local", "localhost", "127.0.0.1", "::1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): asks the routing table, sends nothing
            names.append(str(probe.getsockname()[0]))
        except OSError:
            pass  # no route: loopback is all there is
    return names


def server_names(host: str, given: Iterable[str]) -> list[str]:
    """Every name and address by which a server on `host` may be reached; the first is what others are told."""
    own = [] if host in {"0.0.0.0", "::"} else [host]  # noqa: S104 - compared, not bound
    return list(dict.fromkeys([*given, *own, *default_names()]))


def ensure_certificates(folder: Path, names: Iterable[str], *, farm: str = "Essaim", now: datetime | None = None) -> Certificates:
    """Make, keep or renew the farm's authority and server certificate in `folder`.

    The authority is made once (P-256, 20 years). The server certificate is made anew when `names` are not the ones it has, when it
    was signed by another authority, or when it ends within 60 days; restart the servers then. Blocks for some milliseconds.

    Raises:
        ConfigurationError: the folder cannot be written, or a file in it is damaged.

    """
    paths = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    moment = now or datetime.now(UTC)
    wanted = sorted(set(names))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority_key = folder / "ca.key"
        if not paths.authority.exists():
            _make_authority(paths.authority, authority_key, farm, moment)
        elif not authority_key.exists():
            raise BilingualError(_NO_KEY)  # a new authority would silently lock out every node that trusts the old one
        if not _still_good(paths, wanted, moment):
            _make_server_certificate(paths, authority_key, wanted, moment)
    except OSError as error:
        raise ConfigurationError(
            Bilingual(
                f"The keys in {folder} cannot be written: {error.strerror}.",
                f"Impossible d'écrire les clés dans {folder} : {system_words(error).fr}.",
            ),
            next_step=Bilingual("Give this user the right to write there.", "Donnez à cet utilisateur le droit d'y écrire."),
        ) from error
    except (ValueError, TypeError) as error:  # what cryptography raises for a damaged file
        why = error.bilingual if isinstance(error, BilingualError) else Bilingual(str(error), str(error))
        raise ConfigurationError(
            Bilingual(
                f"A key or certificate in {folder} is damaged: {why.en}.",
                f"Une clé ou un certificat de {folder} est abîmé : {why.fr}.",
            ),
            next_step=Bilingual(
                "Restore that folder from the backup; without it every joined node must join again.",
                "Restaurez ce dossier depuis la sauvegarde ; sans lui, chaque nœud doit rejoindre la ferme de nouveau.",
            ),
        ) from error
    return paths


def _make_authority(certificate_path: Path, key_path: Path, farm: str, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{farm[:50]} farm {secrets.token_hex(4)}")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _dated(now, _CA_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_path, _key_pem(key))
    write_private(certificate_path, _certificate_pem(certificate))


def _make_server_certificate(paths: Certificates, authority_key: Path, names: list[str], now: datetime) -> None:
    authority = x509.load_pem_x509_certificate(paths.authority.read_bytes())
    signing_key = serialization.load_pem_private_key(authority_key.read_bytes(), password=None)
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey):
        raise BilingualError(_OTHER_KEY)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _dated(now, _SERVER_DAYS)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Essaim daemon")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    write_private(paths.key, _key_pem(key))
    write_private(paths.certificate, _certificate_pem(certificate))


def _still_good(paths: Certificates, names: list[str], now: datetime) -> bool:
    if not (paths.certificate.exists() and paths.key.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(paths.certificate.read_bytes())
    key = serialization.load_pem_private_key(paths.key.read_bytes(), password=None)
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(paths.authority.read_bytes()))
    except (InvalidSignature, ValueError):
        return False
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    have = sorted(str(name.value) for name in extension)
    in_time = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
    return (
        in_time
        and have == sorted(str(_general_name(name).value) for name in names)
        and key.public_key() == certificate.public_key()
    )


def _dated(now: datetime, days: int) -> x509.CertificateBuilder:
    begin = now - _BACKDATED
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
