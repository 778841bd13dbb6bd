"""OctoPrints that announce themselves in the local network (`_octoprint._tcp`, by OctoPrint's bundled discovery plugin).

Whatever comes from the network is a hint, and text: shortened, made printable, never believed. The announcement may hold a user
name and a password of a reverse proxy in clear (`u`, `p`): they are not read. An instance is known by its `uuid`, addresses change.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Lock
from typing import TYPE_CHECKING, Final

from drivers.errors import Bilingual, DriverError
from drivers.system_words import system_words

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

SERVICE: Final = "_octoprint._tcp.local."
MAX_FOUND: Final = 64
MAX_TEXT: Final = 80
MAX_ADDRESSES: Final = 8
RESOLVE_S: Final = 1.5  # for one announcement; all of them together get as long as the listening
_UUID: Final = re.compile(r"[0-9a-fA-F-]{32,36}")
_HOST: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")
_PATH: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
_NAME: Final = re.compile(r'^OctoPrint instance (?:"(.*)"|on (.*))$')


class DiscoveryError(DriverError):
    """OctoPrints cannot be looked for on this computer."""

    code = "discovery"


@dataclass(frozen=True, slots=True)
class FoundOctoPrint:
    """An instance that announced itself. All texts are untrusted, printable and short."""

    name: str
    uuid: str | None
    version: str | None
    host: str  # as announced, such as octopi.local
    addresses: tuple[str, ...]  # the best first
    port: int
    path: str  # behind a reverse proxy, else empty
    guarded: bool  # a proxy before it asks for a user name and a password

    @property
    def url(self) -> str:
        """The printer URL to begin with; a key file belongs to it."""
        address = self.addresses[0] if self.addresses else self.host
        shown = f"[{address}]" if ":" in address else address
        return f"octoprint+http://{shown}{'' if self.port == 80 else f':{self.port}'}{self.path}"

    @property
    def here(self) -> bool:
        """Whether it can be reached from this computer only."""
        return bool(self.addresses) and all(ip_address(address).is_loopback for address in self.addresses)


def text_of(raw: bytes | str | None) -> str | None:
    """An announced text, printable and short; None when there is none."""
    if raw is None:
        return None
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return "".join(sign if sign.isprintable() else "?" for sign in text[:MAX_TEXT]).strip() or None


def best_addresses(announced: Iterable[str]) -> tuple[str, ...]:
    """Those that a URL can hold, the one that works from most places first.

    A link-local IPv6 address works only with the name of an interface, which a URL cannot hold. Loopback is last: it means this
    computer, whoever announced it.
    """
    usable: list[IPv4Address | IPv6Address] = []
    for text in list(announced)[: MAX_ADDRESSES * 4]:
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            continue
        bad = address.is_multicast or address.is_unspecified or (address.version == 6 and address.is_link_local)
        if not bad and address not in usable:
            usable.append(address)
    usable.sort(key=lambda address: (address.is_loopback, address.is_link_local, address.version))
    return tuple(str(address) for address in usable[:MAX_ADDRESSES])


def read_announcement(
    instance: str, host: str, addresses: Iterable[str], port: int, properties: Mapping[bytes, bytes | None]
) -> FoundOctoPrint | None:
    """What an announcement says; None when it names no place that can be asked."""
    usable, host = best_addresses(addresses), host.rstrip(".")
    if not 1 <= port <= 65_535 or not (usable or _HOST.fullmatch(host)):
        return None
    name = instance.removesuffix(f".{SERVICE}")
    named = _NAME.match(name)
    uuid, path = text_of(properties.get(b"uuid")), text_of(properties.get(b"path")) or ""
    return FoundOctoPrint(
        name=text_of((named[1] or named[2]) if named else name) or "OctoPrint",
        uuid=uuid if uuid and _UUID.fullmatch(uuid) else None,
        version=text_of(properties.get(b"version")),
        host=host if _HOST.fullmatch(host) else "",
        addresses=usable,
        port=port,
        path=path.rstrip("/") if _PATH.fullmatch(path) else "",
        guarded=b"u" in properties or b"p" in properties,
    )


class _Names:
    """The names that were announced, at most MAX_FOUND. Told in zeroconf's thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._names: dict[str, None] = {}

    def add_service(self, _zeroconf: "Zeroconf", _kind: str, name: str) -> None:
        """An instance is there."""
        with self._lock:
            if len(self._names) < MAX_FOUND:
                self._names[name] = None

    def update_service(self, zeroconf: "Zeroconf", kind: str, name: str) -> None:
        """It announced itself again."""
        self.add_service(zeroconf, kind, name)

    def remove_service(self, _zeroconf: "Zeroconf", _kind: str, name: str) -> None:
        """It said good-bye."""
        with self._lock:
            self._names.pop(name, None)

    def all(self) -> list[str]:
        """The names so far."""
        with self._lock:
            return list(self._names)


def find_octoprints(seconds: float, interfaces: list[str] | None = None) -> list[FoundOctoPrint]:
    """Listen for `seconds` on all interfaces (or those with these addresses). Blocks that long, and at most twice as long.

    Raises:
        DiscoveryError: zeroconf is not installed, or this computer has no network.

    """
    try:
        from zeroconf import InterfaceChoice, ServiceBrowser, Zeroconf  # noqa: PLC0415 - only while a person scans
    except ImportError as error:
        raise DiscoveryError(
            Bilingual(
                "OctoPrints are not looked for: zeroconf is missing.", "Les OctoPrint ne sont pas cherchés : zeroconf manque."
            ),
            next_step=Bilingual("Install it: pip install 'essaim[discovery]'", "Installez-le : pip install 'essaim[discovery]'"),
        ) from error
    try:
        zeroconf = Zeroconf(interfaces=interfaces or InterfaceChoice.All)
    except OSError as error:
        why = system_words(error)
        raise DiscoveryError(
            Bilingual(
                f"OctoPrints are not looked for: the network cannot be used ({why.en}).",
                f"Les OctoPrint ne sont pas cherchés : le réseau ne peut pas être utilisé ({why.fr}).",
            ),
            next_step=Bilingual("Check the network of this computer.", "Vérifiez le réseau de cet ordinateur."),
        ) from error
    names = _Names()
    try:
        browser = ServiceBrowser(zeroconf, SERVICE, listener=names)  # type: ignore[arg-type]  # it has the methods, not the base class
        time.sleep(seconds)
        browser.cancel()
        return _resolve(zeroconf, names.all(), time.monotonic() + seconds)
    finally:
        zeroconf.close()


def _resolve(zeroconf: "Zeroconf", names: list[str], end_s: float) -> list[FoundOctoPrint]:
    found: dict[str, FoundOctoPrint] = {}
    for name in names:
        left_s = min(RESOLVE_S, end_s - time.monotonic())
        info = zeroconf.get_service_info(SERVICE, name, timeout=max(1, int(left_s * 1000)))
        one = _read(info) if info is not None else None
        if one is not None:
            found.setdefault(one.uuid or f"{one.host}:{one.port}{one.path}", one)
    return sorted(found.values(), key=lambda one: (one.name.casefold(), one.url))


def _read(info: "ServiceInfo") -> FoundOctoPrint | None:
    return read_announcement(info.name, info.server or "", info.parsed_addresses(), info.port or 0, info.properties)
