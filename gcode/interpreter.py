"""Reads a G-code file line by line in plain Python, in one pass: the oracle of `gcode.scan`, and what a node checks with."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from math import inf, pi
from typing import BinaryIO, Final

from gcode.claims import Claims, tail_limits
from gcode.facts import MAX_LAYERS, GcodeFacts
from gcode.kinematics import MotionLimits, Planner, with_command
from gcode.machine import Machine, Move
from gcode.profile import Box, PrinterProfile, limits_of
from gcode.reader import Line, read_lines

PLA_DENSITY_G_CM3: Final = 1.24
DEFAULT_FILAMENT_DIAMETER_MM: Final = 1.75
_MICROMETRES: Final = 1000
_PLANNER_CODES: Final = frozenset({"M201", "M203", "M204", "M205"})
_STOPPING_CODES: Final = frozenset({"G28", "G29", "G80", "M0", "M1", "M109", "M190", "M400", "M600"})


class _Bounds:
    """The smallest box around points."""

    def __init__(self) -> None:
        self._low = [inf, inf, inf]
        self._high = [-inf, -inf, -inf]

    def add(self, point: tuple[float, float, float]) -> None:
        low, high = self._low, self._high
        for axis, value in enumerate(point):
            low[axis] = min(low[axis], value)
            high[axis] = max(high[axis], value)

    def box(self) -> Box | None:
        return None if self._low[0] > self._high[0] else Box(*self._low, *self._high)


@dataclass(slots=True)
class _Filament:
    """Filament of one tool: what stays in the print, so a retraction and its return count nothing."""

    fed_mm: float = 0.0
    most_mm: float = 0.0

    def feed(self, filament_mm: float) -> None:
        self.fed_mm += filament_mm
        self.most_mm = max(self.most_mm, self.fed_mm)


@dataclass(slots=True)
class _Layers:
    """Heights at which plastic is laid, in micrometres."""

    heights: set[int] = field(default_factory=set)

    def add(self, height_mm: float) -> None:
        if height_mm > 0 and len(self.heights) < MAX_LAYERS:
            self.heights.add(round(height_mm * _MICROMETRES))

    def first_mm(self) -> float | None:
        return min(self.heights) / _MICROMETRES if self.heights else None

    def typical_mm(self) -> float | None:
        ordered = sorted(self.heights)
        steps = Counter(above - below for below, above in itertools.pairwise(ordered))
        return steps.most_common(1)[0][0] / _MICROMETRES if steps else self.first_mm()


class FactsCollector:
    """Gathers facts line by line; `gcode.checks` feeds it in the same pass as its rules."""

    def __init__(self, limits: MotionLimits, *, filament_diameter_mm: float, density_g_cm3: float) -> None:
        self.machine = Machine()
        self.claims = Claims()
        self.lines = 0
        self.commands = 0
        self.unreadable = 0
        self._planner = Planner(limits)
        self._grams_per_mm = pi * filament_diameter_mm**2 / 4 * density_g_cm3 / 1000
        self._filament: dict[int, _Filament] = {}
        self._layers = _Layers()
        self._extruding = _Bounds()
        self._travel = _Bounds()
        self._max_nozzle_c = 0.0
        self._max_bed_c = 0.0

    def feed(self, line: Line) -> tuple[Move, ...]:
        """Take one line; give the moves it made."""
        self.lines += 1
        if line.comment:
            self._comment(line.comment)
        self.unreadable += line.defect is not None
        if not line.code or line.defect:
            return ()
        self.commands += 1
        moves = self.machine.apply(line)
        for move in moves:
            self._move(move)
        if not moves:
            self._other(line)
        return moves

    def _comment(self, comment: str) -> None:
        before = self.claims.layers_begin
        self.claims.read(comment)
        if self.claims.layers_begin and not before:
            self._layers = _Layers()

    def _move(self, move: Move) -> None:
        start, end, filament_mm, speed_mm_s, extrudes = move
        self._planner.move((end[0] - start[0], end[1] - start[1], end[2] - start[2], filament_mm), speed_mm_s)
        self._travel.add(end)
        if filament_mm:
            self._filament.setdefault(self.machine.tool, _Filament()).feed(filament_mm)
        if extrudes:
            self._extruding.add(start)
            self._extruding.add(end)
            self._layers.add(end[2])

    def _other(self, line: Line) -> None:
        if line.code in _PLANNER_CODES:
            self._planner.limits = with_command(self._planner.limits, line.code, line.parameters)
        elif line.code in _STOPPING_CODES:
            self._planner.wait()
        elif line.code == "G4":
            self._planner.wait(line.parameters.get("S", 0.0) + line.parameters.get("P", 0.0) / 1000)
        self._max_nozzle_c = max(self._max_nozzle_c, *self.machine.nozzle_c.values(), 0.0)
        self._max_bed_c = max(self._max_bed_c, self.machine.bed_c)

    def finish(self, size_bytes: int) -> GcodeFacts:
        """The facts of everything that was fed."""
        machine, claims = self.machine, self.claims
        filament_mm = sum(filament.most_mm for filament in self._filament.values())
        return GcodeFacts(
            size_bytes=size_bytes,
            lines=self.lines,
            commands=self.commands,
            time_s=self._planner.finish(),
            filament_mm=filament_mm,
            filament_g=filament_mm * self._grams_per_mm,
            layers=len(self._layers.heights),
            first_layer_height_mm=self._layers.first_mm(),
            layer_height_mm=self._layers.typical_mm(),
            extruding=self._extruding.box(),
            travel=self._travel.box(),
            max_nozzle_c=self._max_nozzle_c,
            max_bed_c=self._max_bed_c,
            tools=tuple(sorted(self._filament)),
            slicer=claims.slicer,
            claimed_time_s=claims.time_s,
            claimed_filament_mm=claims.filament_mm,
            claimed_filament_g=claims.filament_g,
            printer_model=claims.printer_model,
            homes=machine.homed,
            heaters_off_at_end=not machine.bed_c and not any(machine.nozzle_c.values()),
            unreadable=self.unreadable,
        )


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


def make_collector(stream: BinaryIO, profile: PrinterProfile | None, density_g_cm3: float = PLA_DENSITY_G_CM3) -> FactsCollector:
    """A collector with the limits that the file's own settings name at its end, else the profile's."""
    diameter_mm = DEFAULT_FILAMENT_DIAMETER_MM if profile is None else profile.filament_mm
    limits = tail_limits(stream) or limits_of(profile)
    return FactsCollector(limits, filament_diameter_mm=diameter_mm, density_g_cm3=density_g_cm3)


def read_facts(stream: BinaryIO, profile: PrinterProfile | None = None, *, density_g_cm3: float = PLA_DENSITY_G_CM3) -> GcodeFacts:
    """Read a whole program. Never raises on content: rubbish has no layers, and `gcode.checks` says what is wrong with it."""
    counting = CountingStream(stream)
    collector = make_collector(stream, profile, density_g_cm3)
    for line in read_lines(counting):
        collector.feed(line)
    return collector.finish(counting.size_bytes)
