"""Finds the driver for a printer's URL. Third-party drivers register under the entry point group `essaim.drivers`.

A URL's scheme names the kind: `marlin:///dev/serial/by-id/...?baud=115200`, `octoprint+http://host:port?key_file=...`, `virtual://`,
`manual://`. The module of a kind is imported only when a printer of that kind is made, so that an agent pays for what it uses.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final
from urllib.parse import SplitResult, urlsplit

from drivers.base import Driver, EventListener
from drivers.errors import AddressError, Bilingual

DriverFactory = Callable[[SplitResult, EventListener], Driver]

# scheme -> "module:function"; the function takes the split URL and the listener, and does no I/O
BUILT_IN: Final[dict[str, str]] = {
    "marlin": "drivers.marlin.printer:from_url",
    "octoprint+http": "drivers.octoprint.printer:from_url",
    "octoprint+https": "drivers.octoprint.printer:from_url",
    "virtual": "drivers.virtual.printer:from_url",
    "manual": "drivers.manual:from_url",
}
EXAMPLE: Final = "marlin:///dev/ttyUSB0"
ENTRY_POINT_GROUP: Final = "essaim.drivers"


def _load(target: str) -> DriverFactory:
    module, _, name = target.partition(":")
    factory: DriverFactory = getattr(import_module(module), name)
    return factory


def schemes() -> list[str]:
    """All URL schemes that have a driver on this machine."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def shown(url: str) -> str:
    """A printer URL without its query, which may name a key, and without what belongs before an @."""
    bare = url.partition("?")[0]
    scheme, found, rest = bare.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else bare


def open_driver(url: str, listener: EventListener) -> Driver:
    """Make the driver for `url`; it is not connected yet.

    Raises:
        AddressError: no driver has this scheme (the message names those that there are), its package is broken, or the URL is
            malformed.

    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AddressError(
            Bilingual(f"The printer URL {shown(url)!r} cannot be read.", f"L'adresse {shown(url)!r} est illisible."),
            next_step=Bilingual(f"Check its form. Example: {EXAMPLE}", f"Vérifiez sa forme. Exemple : {EXAMPLE}"),
        ) from error  # which may say the URL back
    if parts.scheme in BUILT_IN:
        return _load(BUILT_IN[parts.scheme])(parts, listener)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == parts.scheme:
            return _of_others(point)(parts, listener)
    if parts.scheme in {"http", "https"}:
        raise AddressError(
            Bilingual("A web address is no printer URL.", "Une adresse web n'est pas une adresse d'imprimante."),
            next_step=Bilingual(
                f"If it is an OctoPrint, write octoprint+ before it: octoprint+{parts.scheme}://...",
                f"Si c'est un OctoPrint, écrivez octoprint+ devant : octoprint+{parts.scheme}://...",
            ),
        )
    known = ", ".join(f"{scheme}://" for scheme in schemes())
    raise AddressError(
        Bilingual(f"No driver for the printer URL {shown(url)!r}.", f"Aucun pilote pour l'adresse {shown(url)!r}."),
        next_step=Bilingual(
            f"Begin it with one of: {known}. Example: {EXAMPLE}", f"Commencez-la par l'un de : {known}. Exemple : {EXAMPLE}"
        ),
    )


def _of_others(point: EntryPoint) -> DriverFactory:
    try:
        factory: DriverFactory = point.load()
    except (ImportError, AttributeError, SyntaxError) as error:  # what an installed package can do wrong before its code runs
        package = point.dist.name if point.dist is not None else point.value
        raise AddressError(
            Bilingual(
                f"The driver for {point.name}:// ({package}) cannot be loaded: {error}.",
                f"Le pilote pour {point.name}:// ({package}) ne se charge pas : {error}.",
            ),
            next_step=Bilingual(
                f"Install {package} again, or ask who made it.", f"Réinstallez {package}, ou demandez à son auteur."
            ),
        ) from error
    return factory
