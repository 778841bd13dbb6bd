"""Reads a G-code file line by line in plain Python, in one pass: the oracle of `gcode.scan`, and what a node checks with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from gcode.events import FEATURE, FIRST_LAYER, LAYER, LIMITS, STOP, EventReader
from gcode.facts import GcodeFacts
from gcode.kinematics import Planner
from gcode.layers import FeatureTable, LayerTable, Share
from gcode.machine import Machine, Move, Point
from gcode.profile import Box, PrinterProfile
from gcode.reader import MOVES, Line, read_lines
from gcode.survey import DEFAULT_FILAMENT_DIAMETER_MM, PLA_DENSITY_G_CM3, Survey, survey
from gcode.totals import Totals, facts_of

__all__ = [
    "DEFAULT_FILAMENT_DIAMETER_MM",
    "PLA_DENSITY_G_CM3",
    "CountingStream",
    "FactsCollector",
    "make_collector",
    "read_facts",
]


_POINTS: Final = 2048


class _Bounds:
    """The smallest box around points; they are looked at by the thousand, which is three times as fast as one by one."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._box: Box | None = None

    def add(self, point: Point) -> None:
        self._points.append(point)
        if len(self._points) >= _POINTS:
            self._fold()

    def _fold(self) -> None:
        points, self._points = self._points, []
        if self._box is not None:
            box = self._box
            points += [(box.min_x, box.min_y, box.min_z), (box.max_x, box.max_y, box.max_z)]
        if points:
            xs, ys, zs = zip(*points, strict=True)
            self._box = Box(min(xs), min(ys), min(zs), max(xs), max(ys), max(zs))

    def box(self) -> Box | None:
        self._fold()
        return self._box


@dataclass(slots=True)
class _Filament:
    """Filament of one tool: what stays in the print, so a retraction and its return count nothing."""

    fed_mm: float = 0.0
    most_mm: float = 0.0

    def feed(self, filament_mm: float) -> None:
        self.fed_mm += filament_mm
        self.most_mm = max(self.most_mm, self.fed_mm)


class FactsCollector:
    """Gathers facts line by line; `gcode.checks` feeds it in the same pass as its rules."""

    def __init__(self, found: Survey) -> None:
        self.machine: Machine = found.machine()
        self.events = EventReader(self.machine, found)
        self._lines = 0
        self._commands = 0
        self._last_command_line = 0
        self._last_extrusion_line = 0
        self._planner = Planner(found.limits)
        self._filament: dict[int, _Filament] = {}
        self._layers = LayerTable()
        self._features = FeatureTable()
        self._parts: tuple[Share, Share] = (self._layers.current, self._features.current)
        self._extruding = _Bounds()
        self._travel = _Bounds()

    def feed(self, line: Line) -> tuple[Move, ...]:
        """Take one line; give the moves it made."""
        self._lines += 1
        code = line.code
        if not code or line.defect is not None:
            self._changed(self.events.feed(line), line)
            return ()
        self._commands += 1
        self._last_command_line = line.number
        if code not in MOVES:
            moves = self.machine.apply(line)
            self._changed(self.events.feed(line), line)
        else:
            if line.comment:
                self._changed(self.events.comment(line.comment), line)
            moves = self.machine.apply(line)
        for move in moves:
            self._move(move, line)
        return moves

    def _changed(self, change: int, line: Line) -> None:
        """Pass on what a line changed besides the machine's state."""
        if change & LIMITS:
            self._planner.limits = self.events.limits
        if change & STOP:
            self._planner.wait(self.events.dwell_s)
        if change & FEATURE:
            self._features.select(self.events.feature or "")
        if change & LAYER:
            self._layers.mark(line.number, line.offset, first=bool(change & FIRST_LAYER))
        if change & (LAYER | FEATURE):
            self._parts = (self._layers.current, self._features.current)

    def _move(self, move: Move, line: Line) -> None:
        start, end, filament_mm, speed_mm_s, extrudes = move
        if extrudes:
            self._extrude(start, end, line)
        parts = self._parts
        if filament_mm:
            self._filament.setdefault(self.machine.tool, _Filament()).feed(filament_mm)
            for part in parts:
                part.filament_mm += filament_mm
        self._travel.add(end)
        self._planner.move((end[0] - start[0], end[1] - start[1], end[2] - start[2], filament_mm), speed_mm_s, parts)

    def _extrude(self, start: Point, end: Point, line: Line) -> None:
        height_mm = end[2]
        if self._layers.begins(height_mm):
            self._layers.begin(line.number, line.offset, height_mm)
            self._parts = (self._layers.current, self._features.current)
        self._layers.lay(height_mm)
        self._extruding.add(start)
        self._extruding.add(end)
        self._last_extrusion_line = line.number

    def finish(self, size_bytes: int) -> GcodeFacts:
        """The facts of everything that was fed."""
        totals = Totals(
            size_bytes=size_bytes,
            lines=self._lines,
            commands=self._commands,
            time_s=self._planner.finish(),
            filament_mm={tool: filament.most_mm for tool, filament in self._filament.items()},
            layers=self._layers,
            features=self._features,
            extruding=self._extruding.box(),
            travel=self._travel.box(),
            extruder_mode=self.machine.extruder_mode,
            arcs=self.machine.arcs,
            last_extrusion_line=self._last_extrusion_line,
            last_command_line=self._last_command_line,
        )
        return facts_of(totals, self.events)


class CountingStream:
    """Counts the bytes that are read through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """Read from the stream behind."""
        content = self._stream.read(size)
        self.size_bytes += len(content)
        return content


def make_collector(
    stream: BinaryIO,
    profile: PrinterProfile | None,
    density_g_cm3: float = PLA_DENSITY_G_CM3,
    claims: Mapping[str, str] | None = None,
    *,
    capped: bool = False,
) -> FactsCollector:
    """A collector with the limits that the file's own settings name at either end, else the profile's; `capped`: see `survey`."""
    return FactsCollector(survey(stream, profile, density_g_cm3=density_g_cm3, claims=claims, capped=capped))


def read_facts(
    stream: BinaryIO,
    profile: PrinterProfile | None = None,
    *,
    density_g_cm3: float = PLA_DENSITY_G_CM3,
    claims: Mapping[str, str] | None = None,
) -> GcodeFacts:
    """Read a whole program. Never raises on content: rubbish has no layers, and `gcode.checks` says what is wrong with it.

    `claims` are those of the container (`gcode.containers.OpenedProgram.claims`), whose stream cannot be looked at from its end.
    """
    counting = CountingStream(stream)
    collector = make_collector(stream, profile, density_g_cm3, claims)
    for line in read_lines(counting):
        collector.feed(collector.machine.doubted(line))
    return collector.finish(counting.size_bytes)
