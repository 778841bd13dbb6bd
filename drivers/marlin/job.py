"""A print in the making: where it is in its file, which modes the file has set, and our own lines around it. Pure."""

import re
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Final

from drivers.base import Fault, PrintEnd
from drivers.marlin.lines import MOVES, ProgramLine, word

FENCE: Final = b""  # stands in a script for a fence of the channel
PARK_LIFT_MM: Final = 5.0
SAFE_LIFT_MM: Final = 10.0
LIFT_MM_MIN: Final = 600  # a slow lead screw follows it
STEPPER_TIMEOUT_S: Final = 120  # Marlin's default; while paused the motors must hold their place
CHAMBER: Final = frozenset({b"M141", b"M191"})
_MOVES: Final = frozenset({b"G0", b"G1", b"G2", b"G3"})
_FEEDRATE: Final = re.compile(rb"F ?([0-9.]+)")


class Phase(IntEnum):
    """What the session does."""

    CLOSED = auto()
    GREETING = auto()  # waiting for `start`, or asking M115
    LOCATING = auto()  # which line number has the machine?
    SETUP = auto()
    READY = auto()
    REATTACHING = auto()  # is the machine where the job of an earlier process must be?
    ERRAND = auto()  # lines of ours between two jobs
    STARTING = auto()
    RUNNING = auto()
    PAUSING = auto()
    PAUSED = auto()
    RESUMING = auto()
    ABORTING = auto()  # heaters off, nozzle away, then the end
    DRAINING = auto()  # all is sent; waiting until the last move is done
    KILLED = auto()


HOLDABLE: Final = frozenset({Phase.STARTING, Phase.RUNNING, Phase.PAUSING, Phase.PAUSED, Phase.RESUMING})
IN_JOB: Final = frozenset(
    {Phase.STARTING, Phase.RUNNING, Phase.PAUSING, Phase.PAUSED, Phase.RESUMING, Phase.ABORTING, Phase.DRAINING}
)


@dataclass(frozen=True, slots=True)
class Position:
    """Millimetres, as M114 tells them."""

    x: float
    y: float
    z: float
    e: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job that is being ended will have ended."""

    end: PrintEnd
    detail: str
    fault: Fault | None = None
    by_person: bool = False


@dataclass(slots=True)
class Modes:
    """What the accepted lines of the file have set: needed to go on after a pause exactly as before."""

    homed: bool = False
    extruded: bool = False
    relative: bool = False
    relative_extrusion: bool = False
    inches: bool = False
    chamber: bool = False  # it was told to be warm
    feedrate: bytes = b""  # as the file wrote it: mm/min, or inches

    def note(self, command: bytes) -> None:
        """Take one accepted command."""
        if command[:3] in MOVES:
            if not self.extruded or b"F" in command:
                self._move(command)
            return
        name = word(command)
        if name in _MOVES:
            self._move(command)
        elif name in {b"G90", b"G91"}:  # Marlin lets both set the extruder's mode as well
            self.relative = self.relative_extrusion = name == b"G91"
        elif name in {b"M82", b"M83"}:
            self.relative_extrusion = name == b"M83"
        elif name in {b"G20", b"G21"}:
            self.inches = name == b"G20"
        elif name == b"G28":
            self.homed = True
        elif name in CHAMBER:
            self.chamber = True

    def _move(self, command: bytes) -> None:
        self.extruded = self.extruded or b"E" in command
        if found := _FEEDRATE.search(command):
            self.feedrate = found.group(1)


@dataclass(slots=True)
class Job:
    """One print. `size_bytes` is the file's; `offset` is where the last accepted line ends."""

    name: str
    size_bytes: int
    offset: int = 0
    begun: bool = False
    complete: bool = False  # the whole file is in `lines` or sent
    lines: deque[ProgramLine] = field(default_factory=deque)
    modes: Modes = field(default_factory=Modes)
    hold: bool = False  # whether it should stand still
    told_at: Position | None = None  # where the machine said last that it stands
    parked_at: Position | None = None
    phase: Phase = Phase.STARTING  # where to go on after contact was lost
    script: tuple[bytes, ...] = ()  # and with which lines of ours
    lost_at_s: float | None = None
    ending: Ending | None = None

    @property
    def progress(self) -> float:
        """0.0-1.0 by place in the file."""
        return min(self.offset / self.size_bytes, 1.0) if self.size_bytes else 0.0

    def told(self, position: Position | None) -> None:
        """The machine says where it stands; believed when it says so twice, because noise in what it says shows nowhere else."""
        self.parked_at = position if position == self.told_at else None
        self.told_at = position


def park(position: Position, modes: Modes) -> list[bytes]:
    """Lift the nozzle off the part and hold the motors; the firmware's own limits cut the lift short near the top."""
    return [*_in_millimetres(modes), b"G90", _z(position.z + PARK_LIFT_MM), b"M84 S0", FENCE]


def unpark(position: Position | None, modes: Modes) -> list[bytes]:
    """Back to the part, with the file's modes and speed."""
    lines = [b"M84 S%d" % STEPPER_TIMEOUT_S]
    if position is not None:
        travel = f"G1 X{position.x:.2f} Y{position.y:.2f} F3000".encode()
        lines += [*_in_millimetres(modes), b"G90", travel, _z(position.z), f"G92 E{position.e:.2f}".encode()]
    lines += [b"G20"] if modes.inches else []
    lines += [b"G91" if modes.relative else b"G90", b"M83" if modes.relative_extrusion else b"M82"]
    return lines + ([b"G1 F" + modes.feedrate] if modes.feedrate else [])


def make_safe(cold: list[bytes], *, homed: bool, inches: bool = False) -> list[bytes]:
    """`cold` and fan off, nozzle away when the machine knows where it is; motors go off later by themselves."""
    lines = [FENCE, *cold, b"M107"]
    if homed:
        lines += [*([b"G21"] if inches else []), b"G91", f"G1 Z{SAFE_LIFT_MM:g} F{LIFT_MM_MIN}".encode(), b"G90", b"M400"]
    return [*lines, b"M84 S%d" % STEPPER_TIMEOUT_S, FENCE]


def heaters_off(extruders: int, *, chamber: bool = False) -> list[bytes]:
    """No heat any more, in the nozzles, in the bed and, if there is one, in the chamber."""
    nozzles = [b"M104 S0"] if extruders == 1 else [b"M104 T%d S0" % index for index in range(extruders)]
    return [*nozzles, b"M140 S0", *([b"M141 S0"] if chamber else [])]


def _in_millimetres(modes: Modes) -> list[bytes]:
    return [b"G21"] if modes.inches else []


def _z(height_mm: float) -> bytes:
    return f"G1 Z{height_mm:.2f} F{LIFT_MM_MIN}".encode()
