"""Other agents of Essaim on this computer, and the printers of their node.toml: those are enrolled already.

Found by their command lines, which Linux shows to everybody; a node.toml that this user may not read stays unknown.
"""

import platform
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from drivers.discovery.mdns import FoundOctoPrint
from drivers.marlin.holders import PROC, Holder, holder_of
from drivers.marlin.ports import SerialPort
from farm.commands.owned import OwnPrinters
from farm.config import PrinterSection
from farm.process import command_line
from gcode.texts import NOTHING, Bilingual, printable

MAX_AGENTS: Final = 64
_MAX_FILE_BYTES: Final = 1 << 20
_MAX_NAME: Final = 80
_AGENT: Final = "farm.node"  # python -m farm.node --config=...: what `farm node` becomes
_CONFIG: Final = "--config"


@dataclass(frozen=True, slots=True)
class Agent:
    """A running agent. `node`: what people call its node, empty when its node.toml cannot be read."""

    pid: int
    node: str
    printers: OwnPrinters


@dataclass(frozen=True, slots=True)
class Place:
    """Where a printer is enrolled: the node, and what the printer is called there; either may be unknown (empty)."""

    node: str
    printer: str


def running(own: Path | None, proc: Path = PROC) -> list[Agent]:
    """The agents on this computer, without the one of `own` (our node.toml). Blocks for some milliseconds."""
    found = []
    for pid, words in _agents(proc):
        path = _config(words, proc / str(pid))
        if path is None or own is None or not _same(path, own):
            found.append(_read(pid, path))
        if len(found) >= MAX_AGENTS:
            break
    return found


def _agents(proc: Path) -> Iterator[tuple[int, list[str]]]:
    for process in sorted(proc.glob("[0-9]*")):
        words = command_line(int(process.name), proc) if process.name.isdigit() else []
        if ("-m", _AGENT) in pairwise(words):
            yield int(process.name), words[words.index(_AGENT) + 1 :]


def _config(words: list[str], process: Path) -> Path | None:
    """The node.toml that an agent was started with; a path of its own folder can be followed where this user may see that."""
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name, sign, value = word.partition("=")
        if name == _CONFIG:
            return process / "cwd" / (value if sign else following)
    return None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _read(pid: int, path: Path | None) -> Agent:
    unknown = Agent(pid, "", OwnPrinters())
    if path is None:
        return unknown
    try:
        with path.open("rb") as file:
            table = tomllib.loads(file.read(_MAX_FILE_BYTES).decode())
    except (OSError, ValueError):  # not for this user, or no TOML any more
        return unknown
    sections = table.get("printers", [])
    name = table.get("name")
    node = printable(name, _MAX_NAME) if isinstance(name, str) and name else platform.node()
    return Agent(pid, node, OwnPrinters(_sections(sections if isinstance(sections, list) else [])))


def _sections(tables: Iterable[Any]) -> Iterator[PrinterSection]:
    for table in tables:
        try:
            yield PrinterSection.model_validate(table)
        except ValidationError:
            continue  # the agent itself has told its people


class Neighbours:
    """What other programs of this computer have already."""

    def __init__(self, agents: Iterable[Agent], proc: Path = PROC) -> None:
        self._agents = tuple(agents)
        self._proc = proc

    @classmethod
    def look(cls, own: Path | None) -> "Neighbours":
        """All that run now, besides the agent of `own`."""
        return cls(running(own))

    def holder(self, port: SerialPort) -> Holder | None:
        """The process that holds a port now."""
        return holder_of(port.kernel_name, self._proc)

    def at_port(self, port: SerialPort, holder: Holder | None) -> Place | None:
        """Where the printer on a port is enrolled: by the port's names in a node.toml, else by the agent that holds it."""
        for agent in self._agents:
            name = agent.printers.at_port(port)
            if name is not None:
                return Place(agent.node, name)
        held = next((agent for agent in self._agents if holder is not None and agent.pid == holder.pid), None)
        return Place(held.node, "") if held is not None else None

    def at_octoprint(self, found: FoundOctoPrint) -> Place | None:
        """Where an OctoPrint is enrolled, by its address in a node.toml."""
        for agent in self._agents:
            name = agent.printers.at_octoprint(found)
            if name is not None:
                return Place(agent.node, name)
        return None


def enrolled_text(place: Place) -> Bilingual:
    """What follows the line of a printer that another agent has."""
    who, qui = f": {place.printer}" if place.printer else "", f" : {place.printer}" if place.printer else ""
    if not place.node:
        return Bilingual(
            " - already enrolled by another agent on this computer", " - déjà inscrite par un autre agent de cet ordinateur"
        )
    return Bilingual(
        f" - already enrolled at node {place.node}{who} (another agent on this computer)",
        f" - déjà inscrite au nœud {place.node}{qui} (un autre agent de cet ordinateur)",
    )


def in_use_text(holder: Holder | None) -> Bilingual:
    """What follows the line of a port that another program holds."""
    if holder is None:
        return NOTHING
    if not holder.name:
        return Bilingual(" - in use by another program", " - utilisé par un autre programme")
    by = holder.text
    return Bilingual(f" - in use by another program: {by.en}", f" - utilisé par un autre programme : {by.fr}")
