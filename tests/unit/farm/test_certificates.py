import ipaddress
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from farm.certificates import Certificates, default_names, ensure_certificates, server_names
from farm.errors import ConfigurationError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ["farm.local", "192.168.1.10"]


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(made: Certificates) -> tuple[bytes, bytes, bytes]:
    return made.authority.read_bytes(), made.certificate.read_bytes(), made.key.read_bytes()


def test_the_authority_signs_a_certificate_with_all_names(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path / "keys", NAMES, now=NOW)
    server, authority = read(made.certificate), read(made.authority)
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["farm.local"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("192.168.1.10")]
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_certificates_are_valid_since_yesterday_for_clocks_that_are_behind(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path, NAMES, now=NOW)
    for path in (made.authority, made.certificate):
        assert read(path).not_valid_before_utc == NOW - timedelta(days=1)
    assert read(made.authority).not_valid_after_utc > NOW + timedelta(days=19 * 365)


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    ensure_certificates(tmp_path / "keys", NAMES, now=NOW)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) == 0o600


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    before = contents(ensure_certificates(tmp_path, NAMES, now=NOW))
    again = ensure_certificates(tmp_path, [*reversed(NAMES), NAMES[0]], now=NOW + timedelta(days=300))
    assert contents(again) == before


@pytest.mark.parametrize(
    ("names", "later"),
    [
        (NAMES, timedelta(days=397 - 1 - 59)),  # near its end
        (NAMES, timedelta(days=-30)),  # the clock was wrong when it was made
        ([*NAMES, "other.local"], timedelta()),
        (NAMES[:1], timedelta()),
    ],
)
def test_the_server_certificate_is_renewed_under_the_same_authority(tmp_path: Path, names: list[str], later: timedelta) -> None:
    first = ensure_certificates(tmp_path, NAMES, now=NOW)
    authority, certificate, key = contents(first)
    pin = first.pin
    second = ensure_certificates(tmp_path, names, now=NOW + later)
    assert contents(second)[0] == authority
    assert contents(second)[1] != certificate
    assert contents(second)[2] != key
    assert second.pin == pin


def test_a_certificate_of_another_authority_is_replaced(tmp_path: Path) -> None:
    ours = ensure_certificates(tmp_path / "ours", NAMES, now=NOW)
    theirs = ensure_certificates(tmp_path / "theirs", NAMES, now=NOW)
    ours.certificate.write_bytes(theirs.certificate.read_bytes())
    ours.key.write_bytes(theirs.key.read_bytes())
    again = ensure_certificates(tmp_path / "ours", NAMES, now=NOW)
    read(again.certificate).verify_directly_issued_by(read(again.authority))


def test_a_crash_between_key_and_certificate_is_repaired(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path, NAMES, now=NOW)
    other = ensure_certificates(tmp_path / "other", NAMES, now=NOW)
    made.key.write_bytes(other.key.read_bytes())
    again = ensure_certificates(tmp_path, NAMES, now=NOW)
    assert contents(again)[2] != other.key.read_bytes()


def test_a_lost_authority_key_is_told_and_no_new_authority_made(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path, NAMES, now=NOW)
    before = made.authority.read_bytes()
    (tmp_path / "ca.key").unlink()
    with pytest.raises(ConfigurationError, match=r"ca\.key is missing") as caught:
        ensure_certificates(tmp_path, NAMES, now=NOW)
    assert "backup" in caught.value.next_step
    assert "ca.key manque" in caught.value.detail_fr
    assert made.authority.read_bytes() == before


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "server.pem", "server.key"])
def test_a_damaged_file_is_told(tmp_path: Path, name: str) -> None:
    ensure_certificates(tmp_path, NAMES, now=NOW)
    (tmp_path / name).write_text("-----BEGIN damage-----")
    with pytest.raises(ConfigurationError, match="damaged"):
        ensure_certificates(tmp_path, [*NAMES, "x"] if name == "ca.key" else NAMES, now=NOW)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        ensure_certificates(tmp_path / "file" / "keys", NAMES, now=NOW)


def test_this_machine_is_known_by_name_and_loopback() -> None:
    names = default_names()
    assert {"localhost", "127.0.0.1", "::1"} <= set(names)
    assert any(name.endswith(".local") for name in names)


def test_the_default_names_make_a_certificate(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path, default_names(), now=NOW)
    assert "localhost" in read(made.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName)


def test_the_names_that_were_given_come_first_and_once() -> None:
    names = server_names("192.168.1.10", ["farm.example", "localhost"])
    assert names[:3] == ["farm.example", "localhost", "192.168.1.10"]
    assert len(names) == len(set(names))
    assert set(default_names()) <= set(names)


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_all_addresses_is_no_name(everywhere: str) -> None:
    assert everywhere not in server_names(everywhere, [])


def test_without_a_network_there_is_still_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_socket: socket.socket, _address: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    assert default_names()[-3:] == ["localhost", "127.0.0.1", "::1"]


def test_an_authority_key_of_another_kind_is_told(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, NAMES, now=NOW)
    key = ed25519.Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.PKCS8
    (tmp_path / "ca.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    with pytest.raises(ConfigurationError, match="not an elliptic curve key") as caught:
        ensure_certificates(tmp_path, [*NAMES, "x"], now=NOW)
    assert "n'est pas une clé sur courbe elliptique" in caught.value.detail_fr
