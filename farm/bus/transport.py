"""How to reach a broker: its URL, and a connected socket with or without TLS.

FarmError
├── UnreachableError         nothing answers, or not as a broker does ("broker-unreachable")
│   └── CertificateError     the TLS certificate is not the farm's ("broker-certificate")
└── NotAllowedError
    └── LoginRefusedError    the broker refuses this user name and password ("broker-login")
"""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from farm.errors import ConfigurationError, NotAllowedError, UnreachableError
from farm.language import system_words
from gcode.texts import Bilingual

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
CHECK_THE_WAY: Final = Bilingual(
    "Check that the farm runs, the address, and the network.", "Vérifiez que la ferme fonctionne, l'adresse et le réseau."
)


class CertificateError(UnreachableError):
    """Something speaks TLS there, but its certificate does not prove that it is our farm."""

    code = "broker-certificate"


class LoginRefusedError(NotAllowedError):
    """The broker does not accept this user name and password."""

    code = "broker-login"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL that `parse_url` reads as this address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_url(url: str) -> Address:
    """Read `mqtt://host:port` or `mqtts://host:port`; the port may be left out.

    Raises:
        ConfigurationError: another scheme, no host, a bad port, or a password in the URL.

    """
    try:
        parts = urlsplit(url)
        address = Address(parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.scheme == "mqtts")
    except (KeyError, ValueError) as error:
        raise ConfigurationError(
            Bilingual(f"{url!r} is not the URL of a broker.", f"{url!r} n'est pas l'URL d'un courtier."),
            next_step=Bilingual("Write mqtt://HOST:1883 or mqtts://HOST:8883.", "Écrivez mqtt://HÔTE:1883 ou mqtts://HÔTE:8883."),
        ) from error
    if not address.host or parts.username is not None or parts.path.strip("/"):
        raise ConfigurationError(
            Bilingual(
                f"The broker URL must name a host and port only (it begins {parts.scheme}://{address.host}).",
                f"L'URL du courtier ne doit nommer qu'une machine et un port (elle commence par {parts.scheme}://{address.host}).",
            ),
            next_step=Bilingual(
                "Write mqtt://HOST:1883 or mqtts://HOST:8883; the password belongs into a file.",
                "Écrivez mqtt://HÔTE:1883 ou mqtts://HÔTE:8883 ; le mot de passe va dans un fichier.",
            ),
        )
    return address


class _TlsSocket(ssl.SSLSocket):
    """Closed when its handshake fails, whatever the reason."""

    def getpeername(self) -> Any:
        """Its address, None when it has gone away: the handshake finds that out, too. ssl asks before, and leaves us open then."""
        try:
            return super().getpeername()
        except OSError:
            return None


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that trusts `ca_file` only, or the system's authorities when it is None.

    Raises:
        ConfigurationError: the file cannot be read as certificates.

    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            Bilingual(
                f"{ca_file} cannot be read as a certificate: {error}.",
                f"Impossible de lire {ca_file} comme un certificat : {system_words(error).fr}.",
            ),
            next_step=Bilingual(
                "Join the farm again, or restore that file.", "Rejoignez la ferme de nouveau, ou restaurez ce fichier."
            ),
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TlsSocket
    return context


_CERTIFICATE_FR: Final = {  # as below; English has OpenSSL's own words
    9: "il n'est pas encore valable",
    10: "il n'est plus valable",
    18: "il ne vient pas d'une autorité connue",
    19: "il ne vient pas d'une autorité connue",
    20: "il ne vient pas d'une autorité connue",
    62: "il est pour un autre nom",
    64: "il est pour une autre adresse",
}
_STEPS_OF_A_CERTIFICATE: Final = {  # by the numbers of OpenSSL's x509_vfy.h
    9: Bilingual(  # X509_V_ERR_CERT_NOT_YET_VALID
        "Set the clock of this machine (it is behind the farm's), then try again.",
        "Réglez l'horloge de cette machine (elle retarde sur celle de la ferme), puis réessayez.",
    ),
    10: Bilingual(  # ..._HAS_EXPIRED
        "Restart the farm's daemon: it renews its certificate. Check the clock of this machine too.",
        "Redémarrez le démon de la ferme : il renouvelle son certificat. Vérifiez aussi l'horloge de cette machine.",
    ),
    62: Bilingual(  # ..._HOSTNAME_MISMATCH
        "Add this host name to names in [http] of the farm's farm.toml and restart it.",
        "Ajoutez ce nom de machine à names dans [http] du farm.toml de la ferme et redémarrez-la.",
    ),
    64: Bilingual(  # ..._IP_ADDRESS_MISMATCH
        "Add this address to names in [http] of the farm's farm.toml and restart it.",
        "Ajoutez cette adresse à names dans [http] du farm.toml de la ferme et redémarrez-la.",
    ),
}
_SOMEBODY_ELSE: Final = Bilingual(
    "Somebody else answers there, or the farm has a new authority: join it again.",
    "Quelqu'un d'autre répond là-bas, ou la ferme a une nouvelle autorité : rejoignez-la de nouveau.",
)


def certificate_words(error: ssl.SSLCertVerificationError) -> Bilingual:
    """Why a certificate is not accepted, without a full stop."""
    return Bilingual(error.verify_message, _CERTIFICATE_FR.get(error.verify_code, error.verify_message))


def explain_tls(error: ssl.SSLError, where: str) -> CertificateError:
    """Translate a failed handshake with `where`; a wrong clock is the likely cause of a certificate that is not valid *yet*."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = certificate_words(error)
        return CertificateError(
            Bilingual(
                f"The certificate of {where} is not accepted: {said.en}.",
                f"Le certificat de {where} n'est pas accepté : {said.fr}.",
            ),
            next_step=_STEPS_OF_A_CERTIFICATE.get(error.verify_code, _SOMEBODY_ELSE),
        )
    why = error.reason or error
    return CertificateError(
        Bilingual(f"{where} does not speak TLS as expected: {why}.", f"{where} ne parle pas TLS comme attendu : {why}."),
        next_step=Bilingual(
            "Check the port: mqtts:// needs the TLS port of the farm's broker.",
            "Vérifiez le port : mqtts:// demande le port TLS du courtier de la ferme.",
        ),
    )


def open_socket(address: Address, context: ssl.SSLContext | None, timeout_s: float) -> socket.socket:
    """Resolve, connect and shake hands; blocks up to `timeout_s` a step, so it runs in a thread.

    Raises:
        UnreachableError: no such name, nothing listens there, or no answer in time.
        CertificateError: the TLS handshake failed.

    """
    try:
        raw = socket.create_connection((address.host, address.port), timeout=timeout_s)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
        why = system_words(error)
        raise UnreachableError(
            Bilingual(f"No broker answers at {address}: {why.en}.", f"Aucun courtier ne répond à {address} : {why.fr}."),
            next_step=CHECK_THE_WAY,
            code="broker-unreachable",
        ) from error
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(raw, server_hostname=address.host) if context else raw
    except ssl.SSLError as error:
        raw.close()
        raise explain_tls(error, str(address)) from error
    except OSError as error:
        raw.close()
        why = system_words(error)
        raise UnreachableError(
            Bilingual(f"{address} closed the connection: {why.en}.", f"{address} a fermé la connexion : {why.fr}."),
            next_step=Bilingual(
                "Check the port, and that the farm's broker runs.",
                "Vérifiez le port, et que le courtier de la ferme fonctionne.",
            ),
            code="broker-unreachable",
        ) from error
