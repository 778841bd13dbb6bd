"""Finds the driver for a printer's URL. Third-party drivers register under the entry point group `essaim.drivers`.

A URL's scheme names the kind: `marlin:///dev/serial/by-id/...?baud=115200`, `octoprint+http://host:port?key_file=...`, `virtual://`,
`manual://`. The module of a kind is imported only when a printer of that kind is made, so that an agent pays for what it uses.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final
from urllib.parse import SplitResult, urlsplit

from drivers.base import Driver, EventListener
from drivers.errors import AddressError

DriverFactory = Callable[[SplitResult, EventListener], Driver]

# scheme -> "module:function"; the function takes the split URL and the listener, and does no I/O
BUILT_IN: Final[dict[str, str]] = {
    "marlin": "drivers.marlin.printer:from_url",
    "octoprint+http": "drivers.octoprint.printer:from_url",
    "octoprint+https": "drivers.octoprint.printer:from_url",
    "virtual": "drivers.virtual.printer:from_url",
    "manual": "drivers.manual:from_url",
}
ENTRY_POINT_GROUP: Final = "essaim.drivers"


def _load(target: str) -> DriverFactory:
    module, _, name = target.partition(":")
    factory: DriverFactory = getattr(import_module(module), name)
    return factory


def schemes() -> list[str]:
    """All URL schemes that have a driver on this machine."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def open_driver(url: str, listener: EventListener) -> Driver:
    """Make the driver for `url`; it is not connected yet.

    Raises:
        AddressError: no driver has this scheme, or the URL is malformed; the message names the schemes there are.

    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AddressError(f"The printer URL {url!r} cannot be read: {error}.", next_step="Check its form.") from error
    if parts.scheme in BUILT_IN:
        return _load(BUILT_IN[parts.scheme])(parts, listener)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == parts.scheme:
            factory: DriverFactory = point.load()
            return factory(parts, listener)
    known = ", ".join(f"{scheme}://" for scheme in schemes())
    raise AddressError(
        f"No driver for the printer URL {url!r}.",
        next_step=f"Begin it with one of: {known}. Example: marlin:///dev/ttyUSB0",
    )
