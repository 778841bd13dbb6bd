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
from typing import Final
from urllib.parse import urlsplit

from farm.errors import ConfigurationError, NotAllowedError, UnreachableError

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


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
            f"{url!r} is not the URL of a broker.", next_step="Write mqtt://HOST:1883 or mqtts://HOST:8883."
        ) from error
    if not address.host or parts.username is not None or parts.path.strip("/"):
        raise ConfigurationError(
            f"The broker URL must name a host and port only (it begins {parts.scheme}://{address.host}).",
            next_step="Write mqtt://HOST:1883 or mqtts://HOST:8883; the password belongs into a file.",
        )
    return address


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that trusts `ca_file` only, or the system's authorities when it is None.

    Raises:
        ConfigurationError: the file cannot be read as certificates.

    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{ca_file} cannot be read as a certificate: {error}.", next_step="Join the farm again, or restore that file."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def explain_tls(error: ssl.SSLError, where: str) -> CertificateError:
    """Translate a failed handshake with `where`; a wrong clock is the likely cause of a certificate that is not valid *yet*."""
    if isinstance(error, ssl.SSLCertVerificationError):
        steps = {
            9: "Set the clock of this machine (it is behind the farm's), then try again.",  # X509_V_ERR_CERT_NOT_YET_VALID
            10: "Restart the farm's daemon: it renews its certificate. Check the clock of this machine too.",  # ..._HAS_EXPIRED
            62: "Add this host name to names in [http] of the farm's farm.toml and restart it.",  # ..._HOSTNAME_MISMATCH
            64: "Add this address to names in [http] of the farm's farm.toml and restart it.",  # ..._IP_ADDRESS_MISMATCH
        }
        return CertificateError(
            f"The certificate of {where} is not accepted: {error.verify_message}.",
            next_step=steps.get(error.verify_code, "Somebody else answers there, or the farm has a new authority: join it again."),
        )
    return CertificateError(
        f"{where} does not speak TLS as expected: {error.reason or error}.",
        next_step="Check the port: mqtts:// needs the TLS port of the farm's broker.",
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
        raise UnreachableError(
            f"No broker answers at {address}: {getattr(error, 'strerror', None) or error}.",
            next_step="Check that the farm runs, the address, and the network.",
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
        raise UnreachableError(
            f"{address} closed the connection: {error.strerror or error}.",
            next_step="Check the port, and that the farm's broker runs.",
            code="broker-unreachable",
        ) from error
