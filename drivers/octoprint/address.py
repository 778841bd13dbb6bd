"""The URL of an OctoPrint printer: `octoprint+http://host:port/prefix?key_file=/path` (or `octoprint+https`, with `ca_file=`).

The application key is never in the URL, because URLs end up in logs, reports and screenshots: it is in a file of its own.
Options: `key_file` (needed), `ca_file`, `snapshot_url` (a camera on OctoPrint's host: a path or a whole URL) and `power=psucontrol`
(switch the printer on by OctoPrint's PSU Control plugin when the driver begins).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from drivers.errors import AddressError, Bilingual
from drivers.system_words import system_words

_EXAMPLE: Final = "octoprint+http://octopi.local:5000?key_file=/etc/essaim/printer1.key"
_SCHEMES: Final = {"octoprint+http": "http", "octoprint+https": "https"}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"^[A-Za-z0-9._-]{1,253}$|^[0-9A-Fa-f:.]{2,45}$")
_PREFIX: Final = re.compile(r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$")
_TARGET: Final = re.compile(r"^/[\x21\x24-\x7e]{0,500}$")  # a path with its query, fit for the first line of a request
# A key must be fit for a header: an HTTP library quotes an unfit header, and so the key, in its error message.
KEY: Final = re.compile(r"^[A-Za-z0-9_-]{8,128}$")
_MAX_KEY_FILE_BYTES: Final = 1024
_OPTIONS: Final = ("key_file", "ca_file", "snapshot_url", "power")
_POWER: Final = "psucontrol"
_FORM: Final = Bilingual(f"Write it like {_EXAMPLE}", f"Écrivez-la comme {_EXAMPLE}")
_ENROL: Final = Bilingual(
    "`farm printers add URL --name NAME --profile PROFILE` asks OctoPrint for a key, which one click allows. Or by hand:",
    "`farm printers add URL --name NOM --profile PROFIL` demande une clé à OctoPrint, qu'un clic accorde. Ou à la main :",
)
_KEY_STEPS: Final = Bilingual(
    "Make an application key in OctoPrint (Settings > Application Keys) and write it, alone, into that file.",
    "Créez une clé d'application dans OctoPrint (Settings > Application Keys) et écrivez-la, seule, dans ce fichier.",
)


@dataclass(frozen=True, slots=True)
class Camera:
    """Where a camera's pictures are: on OctoPrint's own host, perhaps at another port. `target` is path and query."""

    scheme: str
    authority: str
    target: str


@dataclass(frozen=True, slots=True)
class OctoPrintAddress:
    """Where an OctoPrint is. `prefix` is the path before `/api` (empty, or as `/octoprint` behind a reverse proxy)."""

    scheme: str  # "http" or "https"
    authority: str  # "host:port"
    prefix: str
    key_file: Path
    ca_file: Path | None = None
    camera: Camera | None = None
    switches_power: bool = False  # power=psucontrol

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
            why = system_words(error)
            detail = Bilingual(
                f"The key file {self.key_file} cannot be read: {why.en}.",
                f"Le fichier de clé {self.key_file} est illisible : {why.fr}.",
            )
            raise AddressError(detail, next_step=_KEY_STEPS) from error
        key = content.decode("ascii", "replace").strip()
        if len(content) > _MAX_KEY_FILE_BYTES or not KEY.match(key):
            detail = Bilingual(
                f"The key file {self.key_file} does not hold one OctoPrint key.",
                f"Le fichier {self.key_file} ne contient pas une clé OctoPrint.",
            )
            raise AddressError(detail, next_step=_KEY_STEPS)
        return key


def _refuse(en: str, fr: str, step: Bilingual = _FORM) -> AddressError:
    return AddressError(Bilingual(en, fr), next_step=step)


def _host_and_port(parts: SplitResult, scheme: str) -> tuple[str, int]:
    try:
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[scheme]
    except ValueError as error:
        raise _refuse(
            "The port in the OctoPrint URL is not a number up to 65535.", "Le port de l'URL n'est pas un nombre jusqu'à 65535."
        ) from error
    if not _HOST.match(host):
        raise _refuse("The OctoPrint URL names no host.", "L'URL d'OctoPrint ne nomme pas d'hôte.")
    return host, port


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if options.keys() & {"key", "apikey", "api_key"}:
        step = Bilingual(
            f"Write the key into a file and name that: {_EXAMPLE}", f"Mettez la clé dans un fichier et nommez-le : {_EXAMPLE}"
        )
        raise _refuse("The OctoPrint URL holds a key.", "L'URL d'OctoPrint contient une clé.", step)
    if unknown := sorted(options.keys() - set(_OPTIONS)):
        raise _refuse(
            f"The OctoPrint URL has an option that does not exist: {unknown[0][:40]!r}.",
            f"L'URL d'OctoPrint a une option qui n'existe pas : {unknown[0][:40]!r}.",
            Bilingual(f"The options are {', '.join(_OPTIONS)}.", f"Les options sont {', '.join(_OPTIONS)}."),
        )
    if options.get("power", _POWER) != _POWER:
        step = Bilingual("Write power=psucontrol or leave it out.", "Écrivez power=psucontrol ou rien.")
        raise _refuse("power= has a value that does not exist.", "power= a une valeur qui n'existe pas.", step)
    if not options.get("key_file"):
        step = Bilingual(f"{_ENROL.en} {_FORM.en} - {_KEY_STEPS.en}", f"{_ENROL.fr} {_FORM.fr} - {_KEY_STEPS.fr}")
        raise _refuse("The OctoPrint URL names no key file.", "L'URL d'OctoPrint ne nomme pas de fichier de clé.", step)
    return options


_CAMERA_STEP: Final = Bilingual(
    "Write a path as /webcam/?action=snapshot, or an http URL on the same host.",
    "Écrivez un chemin comme /webcam/?action=snapshot, ou une URL http sur le même hôte.",
)


def _camera(url: str, scheme: str, host: str, port: int) -> Camera:
    """Only OctoPrint's own host: the URL may be copied out of settings that others can change."""
    if url.startswith("/") and not url.startswith("//"):
        camera = Camera(scheme, _authority(host, port), url)
    else:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _refuse("snapshot_url is no URL.", "snapshot_url n'est pas une URL.", _CAMERA_STEP) from error
        if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or parts.fragment:
            raise _refuse("snapshot_url is no plain http URL.", "snapshot_url n'est pas une URL http simple.", _CAMERA_STEP)
        other, other_port = _host_and_port(parts, parts.scheme)
        if other.lower() != host.lower():
            raise _refuse("snapshot_url names another host.", "snapshot_url nomme un autre hôte.", _CAMERA_STEP)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        camera = Camera(parts.scheme, _authority(other, other_port), target)
    if not _TARGET.match(camera.target):
        raise _refuse("snapshot_url has odd characters.", "snapshot_url a des caractères interdits", _CAMERA_STEP)
    return camera


def parse_address(parts: SplitResult) -> OctoPrintAddress:
    """Read the split URL of a printer. Touches no file and no network.

    Raises:
        AddressError: another scheme, no host, a key or password in the URL, an unknown option. The URL itself is never repeated
            in the message: it may hold a secret.

    """
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise _refuse("This is no OctoPrint URL.", "Ce n'est pas une URL d'OctoPrint.")
    if "@" in parts.netloc:
        step = Bilingual(f"Leave it out: {_EXAMPLE}", f"Enlevez-le : {_EXAMPLE}")
        raise _refuse("The OctoPrint URL holds a user name or password.", "L'URL contient un nom ou un mot de passe.", step)
    if not _PREFIX.match(parts.path) or parts.fragment:
        raise _refuse(
            "The path in the OctoPrint URL has odd characters.",
            "Le chemin de l'URL a des caractères interdits.",
        )
    options = _options(parts.query)
    ca_file = options.get("ca_file")
    if ca_file and scheme == "http":
        step = Bilingual("Begin the URL with octoprint+https://", "Commencez l'URL par octoprint+https://")
        raise _refuse("ca_file needs an encrypted connection.", "ca_file demande une connexion chiffrée.", step)
    host, port = _host_and_port(parts, scheme)
    camera = options.get("snapshot_url")
    return OctoPrintAddress(
        scheme=scheme,
        authority=_authority(host, port),
        prefix=parts.path.rstrip("/"),
        key_file=Path(options["key_file"]).expanduser(),
        ca_file=Path(ca_file).expanduser() if ca_file else None,
        camera=_camera(camera, scheme, host, port) if camera else None,
        switches_power="power" in options,
    )


def with_key_file(url: str, key_file: Path) -> str:
    """The printer's URL with its `key_file` option; one that is there already stays."""
    if "key_file=" in url.partition("?")[2]:
        return url
    return f"{url}{'&' if '?' in url else '?'}key_file={quote(str(key_file), safe='/~')}"
