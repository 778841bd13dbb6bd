"""The URL of an OctoPrint printer: `octoprint+http://host:port/prefix?key_file=/path` (or `octoprint+https`, with `ca_file=`).

The application key is never in the URL, because URLs end up in logs, reports and screenshots: it is in a file of its own.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl

from drivers.errors import AddressError

_EXAMPLE: Final = "octoprint+http://octopi.local:5000?key_file=/etc/essaim/printer1.key"
_SCHEMES: Final = {"octoprint+http": "http", "octoprint+https": "https"}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"^[A-Za-z0-9._-]{1,253}$|^[0-9A-Fa-f:.]{2,45}$")
_PREFIX: Final = re.compile(r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$")
# A key must be fit for a header: an HTTP library quotes an unfit header, and so the key, in its error message.
_KEY: Final = re.compile(r"^[A-Za-z0-9_-]{8,128}$")
_MAX_KEY_FILE_BYTES: Final = 1024
_KEY_STEPS: Final = "Make an application key in OctoPrint (Settings > Application Keys) and write it, alone, into that file."


@dataclass(frozen=True, slots=True)
class OctoPrintAddress:
    """Where an OctoPrint is. `prefix` is the path before `/api` (empty, or as `/octoprint` behind a reverse proxy)."""

    scheme: str  # "http" or "https"
    authority: str  # "host:port"
    prefix: str
    key_file: Path
    ca_file: Path | None = None

    @property
    def base_url(self) -> str:
        """What `/api/...` is appended to."""
        return f"{self.scheme}://{self.authority}{self.prefix}"

    @property
    def socket_url(self) -> str:
        """The SockJS server's raw websocket: plain JSON both ways, no SockJS framing."""
        return f"{'wss' if self.scheme == 'https' else 'ws'}://{self.authority}{self.prefix}/sockjs/websocket"

    def read_key(self) -> str:
        """The application key. Blocks; is read again at every session, so that a new key needs no restart.

        Raises:
            AddressError: no such file, not readable, or what is in it is no key.

        """
        try:
            with self.key_file.open("rb") as file:
                content = file.read(_MAX_KEY_FILE_BYTES + 1)
        except OSError as error:
            raise AddressError(f"The key file {self.key_file} cannot be read: {error.strerror}.", next_step=_KEY_STEPS) from error
        key = content.decode("ascii", "replace").strip()
        if len(content) > _MAX_KEY_FILE_BYTES or not _KEY.match(key):
            raise AddressError(f"The key file {self.key_file} does not hold one OctoPrint key.", next_step=_KEY_STEPS)
        return key


def _authority(parts: SplitResult, scheme: str) -> str:
    try:
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[scheme]
    except ValueError as error:
        raise AddressError("The port in the OctoPrint URL is not a number up to 65535.", next_step=_form()) from error
    if not _HOST.match(host):
        raise AddressError("The OctoPrint URL names no host.", next_step=_form())
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _form() -> str:
    return f"Write it like {_EXAMPLE}"


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if options.keys() & {"key", "apikey", "api_key"}:
        raise AddressError("The OctoPrint URL holds a key.", next_step=f"Write the key into a file and name that: {_EXAMPLE}")
    if unknown := sorted(options.keys() - {"key_file", "ca_file"}):
        raise AddressError(
            f"The OctoPrint URL has an option that does not exist: {unknown[0][:40]!r}.",
            next_step="The options are key_file and, with octoprint+https, ca_file.",
        )
    if not options.get("key_file"):
        raise AddressError("The OctoPrint URL names no key file.", next_step=f"{_form()} - {_KEY_STEPS}")
    return options


def parse_address(parts: SplitResult) -> OctoPrintAddress:
    """Read the split URL of a printer. Touches no file and no network.

    Raises:
        AddressError: another scheme, no host, a key or password in the URL, an unknown option. The URL itself is never repeated
            in the message: it may hold a secret.

    """
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise AddressError("This is no OctoPrint URL.", next_step=_form())
    if "@" in parts.netloc:
        raise AddressError("The OctoPrint URL holds a user name or password.", next_step=f"Leave it out: {_EXAMPLE}")
    if not _PREFIX.match(parts.path) or parts.fragment:
        raise AddressError("The path in the OctoPrint URL has characters that do not belong there.", next_step=_form())
    options = _options(parts.query)
    ca_file = options.get("ca_file")
    if ca_file and scheme == "http":
        raise AddressError("ca_file needs an encrypted connection.", next_step="Begin the URL with octoprint+https://")
    return OctoPrintAddress(
        scheme=scheme,
        authority=_authority(parts, scheme),
        prefix=parts.path.rstrip("/"),
        key_file=Path(options["key_file"]).expanduser(),
        ca_file=Path(ca_file).expanduser() if ca_file else None,
    )
