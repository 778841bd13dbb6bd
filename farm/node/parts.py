"""What an agent is made of besides its core: bus, drivers, programs. Tests and the people's node put in others."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from drivers.base import Driver, EventListener
from drivers.registry import open_driver
from farm.bus.client import BusClient, Callbacks, Login
from farm.bus.messages import PrinterReport
from farm.bus.topics import node_subscription
from farm.config import NodeSettings, PrinterSection
from farm.errors import ConfigurationError
from farm.node.checking import FILE_NAME, Check, OwnerFile, ProcessCheck
from farm.node.core import PrinterSetup
from farm.node.fetch import Source
from farm.node.files import ProgramCache, Programs
from farm.node.join import Identity
from farm.node.speaker import Bus
from farm.profiles import own_profiles, profile_id
from gcode.profile import bundled_ids
from gcode.texts import Bilingual

BusFactory = Callable[[Identity, Callbacks], Bus]
DriverFactory = Callable[[str, EventListener], Driver]
ProgramsFactory = Callable[[Path, Callable[[], None]], ProgramCache]


def mqtt_bus(identity: Identity, callbacks: Callbacks) -> Bus:
    """The MQTT client of this identity."""
    return BusClient(
        identity.mqtt_urls,
        Login(identity.node, identity.password),
        callbacks,
        subscriptions=[node_subscription(identity.node)],
        ca_file=identity.ca_file,
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """What may be another than usual.

    `bus` makes the connection; `open_printer` makes drivers; `sections` are the printers, by a key that keeps their id for ever
    (None: those of the settings, by name); `programs` makes the cache for (folder, what to call on a change) (None: HTTP). `beside`
    is called with the agent and runs as long as it works: the node's own page. `check` judges every program before it is printed
    (None: a process of its own); `limits` is where the owner's limits.toml is when node.toml names none
    (None: there is none).
    """

    bus: BusFactory = mqtt_bus
    open_printer: DriverFactory = open_driver
    sections: Mapping[str, PrinterSection] | None = None
    programs: ProgramsFactory | None = None
    beside: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    check: Check | None = None
    limits: Path | None = Path(FILE_NAME)

    def sections_of(self, settings: NodeSettings) -> Mapping[str, PrinterSection]:
        """The printers by key. ConfigurationError: two have one name."""
        return by_name(settings.printers) if self.sections is None else self.sections

    def check_of(self, folder: Path, profiles_folder: Path | None = None) -> Check:
        """Who judges programs before they are printed; answers are kept in `folder`."""
        return ProcessCheck(folder, profiles_folder=profiles_folder) if self.check is None else self.check

    def owner_of(self, settings: NodeSettings) -> OwnerFile:
        """The owner's limits. One that node.toml names must be there."""
        return OwnerFile(self.limits) if settings.limits is None else OwnerFile(settings.limits, required=True)

    def programs_of(self, settings: NodeSettings, identity: Identity, folder: Path, on_change: Callable[[], None]) -> ProgramCache:
        """The cache of programs."""
        if self.programs is not None:
            return self.programs(folder, on_change)
        source = Source(identity.farm_url, identity.node, identity.password, identity.ca_file)
        room = {"max_bytes": settings.cache.max_bytes, "reserve_bytes": settings.ledger.ballast_bytes}
        return Programs(folder, source, on_change=on_change, **room)


def by_name(sections: Iterable[PrinterSection]) -> dict[str, PrinterSection]:
    """Printers by their names.

    Raises:
        ConfigurationError: two have the same.

    """
    found: dict[str, PrinterSection] = {}
    for section in sections:
        if section.name in found:
            raise ConfigurationError(
                Bilingual(f"Two printers are called {section.name!r}.", f"Deux imprimantes s'appellent {section.name!r}."),
                next_step=Bilingual(
                    "Give each printer of node.toml a name of its own.",
                    "Donnez à chaque imprimante de node.toml un nom à elle.",
                ),
            )
        found[section.name] = section
    return found


def known_profiles(folder: Path | None = None) -> list[str]:
    """The ids of the bundled profiles and of those in a folder.

    Raises:
        ConfigurationError: as `farm.profiles.own_profiles`.

    """
    return sorted([*bundled_ids(), *own_profiles(folder)])


def with_profile(section: PrinterSection, folder: Path | None = None) -> PrinterSection:
    """The same with the whole id of its profile, of which the end is enough where it is bundled (`ender3`).

    A mistyped one is found now: the farm would wait for ever for a program that fits it.

    Raises:
        ConfigurationError: there is no such profile, or several; the message names the printer and the known ones. Or an own one is
            wrong.

    """
    whole = profile_id(ConfigurationError, section.profile, known_profiles(folder), printer=section.name)
    return section.model_copy(update={"profile": whole})


def check_setup(setup: PrinterSetup) -> None:
    """Find now what would make every report of this node unreadable for the daemon.

    Raises:
        ConfigurationError: a value of the printer's section cannot be used.

    """
    values = {"id": setup.id, "name": setup.name, "driver": setup.driver, "profile": setup.profile}
    try:
        PrinterReport.model_validate({**values, "state": "offline", "bed": "unknown"})
    except ValidationError as error:
        where = str(error.errors()[0]["loc"][0])
        what = f"{where} = {values.get(where, '')!r}"
        raise ConfigurationError(
            Bilingual(
                f"Printer {setup.name!r}: {what} cannot be used.", f"Imprimante {setup.name!r} : {what} ne peut pas être utilisé."
            ),
            next_step=Bilingual(
                "Use letters, digits, points and dashes, such as generic-210.",
                "Prenez des lettres, des chiffres, des points et des tirets, comme generic-210.",
            ),
        ) from error
