"""Where a file leaves the nozzle: a small interpreter of moves, to verify by M114 that a place in the file is the machine's. Pure.

It knows what Marlin does with G0 to G3, G20, G21, G28, G90 to G92, M82 and M83. What it does not know for sure it forgets: an axis
is unknown until an absolute move or G92 names it, and after anything that might shift coordinates nothing is ever sure again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from drivers.marlin.job import Modes, Position
from drivers.marlin.lines import ProgramLine, word

AXES: Final = "XYZE"
PLACE_TOLERANCE_MM: Final = 0.011  # M114 tells two decimals
FILAMENT_TOLERANCE_MM: Final = 0.05  # the firmware adds thousands of small lengths in single precision
INCH_MM: Final = 25.4
_MOVES: Final = frozenset({b"G0", b"G1", b"G2", b"G3"})
_STILL: Final = frozenset({b"G4", b"G17", b"G80"})
# M codes that move, or may, so that the place is unknown after them
_MOVING: Final = frozenset({b"M0", b"M1", b"M48", b"M125", b"M600", b"M665", b"M666", b"M701", b"M702", b"M860", b"M1001"})
# What shifts the coordinates that M114 tells
_SHIFTING: Final = frozenset({b"G53", b"G54", b"G55", b"G56", b"G57", b"G58", b"G59", b"M206", b"M218", b"M290", b"M428", b"M851"})
# Said twice they do the same as said once
_REPEATABLE: Final = frozenset(
    {
        *(b"G4", b"G20", b"G21", b"G90", b"G91", b"G92", b"M73", b"M82", b"M83", b"M104", b"M105", b"M106", b"M107", b"M109"),
        *(b"M117", b"M140", b"M190", b"M201", b"M203", b"M204", b"M205", b"M220", b"M221", b"M400", b"M900"),
    }
)
_WORDS: Final = re.compile(rb"([XYZE]) ?([-+]?(?:\d+\.?\d*|\.\d+))")


@dataclass(slots=True)
class Place:
    """Millimetres by axis; None: unknown."""

    at: list[float | None] = field(default_factory=lambda: [None] * 4)
    relative: bool = False
    relative_extrusion: bool = False
    scale: float = 1.0
    lost: bool = False

    def note(self, command: bytes) -> None:
        """Take one command of the file."""
        name = word(command)
        if name in _MOVES:
            self._move(command)
        elif name == b"G92" and not command.startswith(b"G92."):
            self._set(command)
        elif name in {b"G90", b"G91"}:
            self.relative = self.relative_extrusion = name == b"G91"
        elif name in {b"M82", b"M83"}:
            self.relative_extrusion = name == b"M83"
        elif name in {b"G20", b"G21"}:
            self.scale = INCH_MM if name == b"G20" else 1.0
        else:
            self._other(name, command)

    def _other(self, name: bytes, command: bytes) -> None:
        if name in _SHIFTING or command.startswith(b"G92."):
            self.lost = True
        if name == b"G28":
            self.at[:3] = [None] * 3
        elif name in _MOVING or name[:1] == b"T" or (name[:1] == b"G" and name not in _STILL):
            self.at = [None] * 4

    def _move(self, command: bytes) -> None:
        for letter, number in _WORDS.findall(command):
            axis = AXES.index(letter.decode())
            value = float(number) * self.scale
            if self.relative_extrusion if axis == 3 else self.relative:
                before = self.at[axis]
                self.at[axis] = None if before is None else before + value
            else:
                self.at[axis] = value

    def _set(self, command: bytes) -> None:
        named = _WORDS.findall(command)
        for letter, number in named:
            self.at[AXES.index(letter.decode())] = float(number) * self.scale
        if not named:
            self.at = [0.0] * 4

    def copy(self) -> "Place":
        """This moment's."""
        return replace(self, at=list(self.at))

    def agrees(self, told: Position) -> bool:
        """Whether the machine stands here: X, Y and Z must be known, E where it is known."""
        x, y, z, e = self.at
        if self.lost or x is None or y is None or z is None:
            return False
        apart = max(abs(x - told.x), abs(y - told.y), abs(z - told.z))
        return apart <= PLACE_TOLERANCE_MM and (e is None or abs(e - told.e) <= FILAMENT_TOLERANCE_MM)


def repeatable(command: bytes) -> bool:
    """Whether saying it once more changes nothing, when nothing moved in between."""
    name = word(command)
    return name in _REPEATABLE or (name in {b"G0", b"G1"} and not _WORDS.search(command))


@dataclass(frozen=True, slots=True)
class Candidate:
    """The machine may have executed the file up to `offset`: then it stands at `place`, with these modes."""

    offset: int
    place: Place
    modes: Modes


@dataclass(slots=True)
class Replay:
    """Follows a file to where the machine may be. `candidates` are neighbours: each is one line further than the one before."""

    offset: int  # of the bookmark
    possible: range  # lines of the file after it
    candidates: list[Candidate] = field(default_factory=list)
    lines: list[ProgramLine] = field(default_factory=list)  # after the first candidate
    _place: Place = field(default_factory=Place)
    _modes: Modes = field(default_factory=Modes)
    _beyond: int = -1  # lines after the bookmark; -1: not there yet
    _end: int = 0

    @property
    def found(self) -> bool:
        """Whether all candidates were met: no more of the file is needed."""
        return bool(self.possible) and self._beyond >= self.possible[-1]

    def take(self, lines: Sequence[ProgramLine]) -> None:
        """Follow some more lines of the file."""
        for line in lines:
            self._reach(line.end_offset)
            if self.candidates:
                self.lines.append(line)
            if not self.found:
                self._follow(line)

    def over(self) -> None:
        """The file has no more lines."""
        self._reach(None)

    def _reach(self, end_offset: int | None) -> None:
        """Before the line that ends at `end_offset`: see whether the bookmark is here."""
        if self._beyond < 0 and (end_offset is None or end_offset > self.offset) and self._end == self.offset:
            self._beyond = 0
            self._consider()

    def _follow(self, line: ProgramLine) -> None:
        self._place.note(line.command)
        self._modes.note(line.command)
        self._end = line.end_offset or 0  # a reader tells it for every line
        if self._beyond >= 0:
            self._beyond += 1
            self._consider()

    def _consider(self) -> None:
        if self._beyond in self.possible:
            self.candidates.append(Candidate(self._end, self._place.copy(), replace(self._modes)))

    def choose(self, told: Position) -> tuple[Candidate, list[ProgramLine]] | None:
        """Where to go on when the machine stands at `told`, with the lines that follow; None when that is not sure.

        Several neighbours agree when lines between them do not move. The first of them is right: what does not move is said again.
        """
        agreeing = [index for index, candidate in enumerate(self.candidates) if candidate.place.agrees(told)]
        if not agreeing:
            return None
        first, last = agreeing[0], agreeing[-1]
        if not all(repeatable(line.command) for line in self.lines[first:last]):
            return None
        return self.candidates[first], self.lines[first:]
