"""Gathers facts from columns of moves: boxes, layers, features, filament, times. The interpreter does the same move by move."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np

from gcode.layers import FeatureTable, Layer, LayerTable, Share
from gcode.profile import Box
from gcode.scan.columns import Columns, Floats, Integers, MoveFlag
from gcode.scan.numbers import Flags

_EXTRUDES = np.uint8(MoveFlag.EXTRUDES)
_ARC = np.uint8(MoveFlag.ARC)
_LAST_OF_ARC = np.uint8(MoveFlag.ARC | MoveFlag.LAST)


@dataclass(frozen=True, slots=True)
class Points:
    """Some points, and the box around them (None around nothing)."""

    places: Floats  # (3, n)
    box: Box | None

    @classmethod
    def of(cls, places: Floats) -> "Points":
        """Any points."""
        return cls(places, _box(places) if places.shape[1] else None)


class Moves:
    """Columns of moves, and what several stages want to know of them; found once, when it is first asked for."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def lays(self) -> Flags:
        """Which moves lay plastic."""
        flags: Flags = (self.columns.flags & _EXTRUDES).astype(bool)
        return flags

    @cached_property
    def laying(self) -> Integers:
        """The rows that lay plastic."""
        return self.lays.nonzero()[0]

    @cached_property
    def ends(self) -> Box:
        """The box around all ends."""
        return _box(self.columns.end)

    @cached_property
    def starts(self) -> Box:
        """The box around all starts."""
        return _box(self.columns.start)

    @cached_property
    def laid_starts(self) -> Points:
        """Where plastic begins; one for each of `laying`."""
        return Points.of(self._laid(self.columns.start))

    @cached_property
    def laid_ends(self) -> Points:
        """Where plastic ends."""
        return Points.of(self._laid(self.columns.end))

    def _laid(self, points: Floats) -> Floats:
        return points if len(self.laying) == len(self) else points.take(self.laying, axis=1)

    @cached_property
    def travels(self) -> Integers:
        """The rows that lay no plastic."""
        return (~self.lays).nonzero()[0]

    @cached_property
    def travel_ends(self) -> Points:
        """Where these end."""
        return Points.of(self.columns.end.take(self.travels, axis=1))

    @cached_property
    def speeds(self) -> tuple[float, float]:
        """The slowest and the fastest."""
        return float(self.columns.speed_mm_s.min()), float(self.columns.speed_mm_s.max())


def _box(points: Floats) -> Box:
    low, high = points.min(axis=1), points.max(axis=1)
    return Box(*low.tolist(), *high.tolist())


@dataclass(frozen=True, slots=True)
class FeatureMark:
    """Before this row a feature begins."""

    row: int
    name: str


@dataclass(frozen=True, slots=True)
class LayerMark:
    """Before this row a layer begins, with the mark in this line; `first`: what was laid before is start code."""

    row: int
    line: int
    offset: int
    first: bool


Mark = FeatureMark | LayerMark


class _Reach:
    """The smallest box around points."""

    def __init__(self) -> None:
        self._low = [inf, inf, inf]
        self._high = [-inf, -inf, -inf]

    def take(self, box: Box) -> None:
        """Make it hold a box."""
        self._low = list(map(min, self._low, (box.min_x, box.min_y, box.min_z)))
        self._high = list(map(max, self._high, (box.max_x, box.max_y, box.max_z)))

    def take_laid(self, moves: Moves) -> None:
        """Make it hold the moves that lay plastic; only the axes along which any move reaches beyond it are looked at."""
        for points, box in ((moves.columns.start, moves.starts), (moves.columns.end, moves.ends)):
            lows, highs = (box.min_x, box.min_y, box.min_z), (box.max_x, box.max_y, box.max_z)
            for axis, (low, high) in enumerate(zip(lows, highs, strict=True)):
                if low >= self._low[axis] and high <= self._high[axis]:
                    continue
                chosen = points[axis] if len(moves.laying) == len(moves) else points[axis, moves.laying]
                self._low[axis] = min(self._low[axis], float(chosen.min()))
                self._high[axis] = max(self._high[axis], float(chosen.max()))

    def box(self) -> Box | None:
        """The box, None around nothing."""
        return None if self._low[0] > self._high[0] else Box(*self._low, *self._high)


@dataclass(slots=True)
class _Filament:
    fed_mm: float = 0.0
    most_mm: float = 0.0


@dataclass(slots=True)
class _Run:
    """Moves that wait for their seconds, all of one layer and feature."""

    count: int
    layer: Layer
    feature: Share


class Gatherer:
    """Adds up what moves do. `add` them in the order of the file, then `settle` their seconds as they become known."""

    def __init__(self) -> None:
        self.layers = LayerTable()
        self.features = FeatureTable()
        self.time_s = 0.0
        self.arcs = 0
        self.last_extrusion_line = 0
        self._filament: dict[int, _Filament] = {}
        self._laid = _Reach()
        self._went = _Reach()
        self._runs: deque[_Run] = deque()

    @property
    def began(self) -> bool:
        """Whether there was a move."""
        return self._went.box() is not None

    def extruding(self) -> Box | None:
        """Around all plastic."""
        return self._laid.box()

    def travel(self) -> Box | None:
        """Around all ends of moves."""
        return self._went.box()

    def filament_mm(self) -> dict[int, float]:
        """What stays in the print, by tool."""
        return {tool: filament.most_mm for tool, filament in self._filament.items()}

    def add(self, moves: Moves, marks: Sequence[Mark]) -> None:
        """Take moves, and the marks among them in their order."""
        if len(moves):
            self._went.take(moves.ends)
            if len(moves.laying):
                self._laid.take_laid(moves)
                self.last_extrusion_line = int(moves.columns.line[moves.laying[-1]])
            if np.bitwise_or.reduce(moves.columns.flags) & _ARC:
                self.arcs += int(((moves.columns.flags & _LAST_OF_ARC) == _LAST_OF_ARC).sum())
            self._feed(moves.columns)
        self._share(moves, marks)

    def _feed(self, columns: Columns) -> None:
        """Filament of each tool: what stays is the most that was ever fed, a retraction at the end counts nothing."""
        tools = columns.tool
        first = int(tools[0])
        if (tools == first).all():
            self._feed_tool(first, columns.filament_mm)
            return
        for tool in np.unique(tools).tolist():
            self._feed_tool(tool, columns.filament_mm[tools == tool])

    def _feed_tool(self, tool: int, filament_mm: Floats) -> None:
        if not filament_mm.any():
            return
        filament = self._filament.setdefault(tool, _Filament())
        fed = np.add.accumulate(filament_mm)
        filament.most_mm = max(filament.most_mm, filament.fed_mm + float(fed.max()))
        filament.fed_mm += float(fed[-1])

    def _heights(self, moves: Moves) -> dict[int, float]:
        """In a file without layer marks: the rows at which the height of the plastic changes, and that height."""
        if self.layers.marked or not len(moves.laying):
            return {}
        heights = moves.columns.end[2, moves.laying]
        changed = np.append(True, heights[1:] != heights[:-1]).nonzero()[0]
        return dict(zip(moves.laying[changed].tolist(), heights[changed].tolist(), strict=True))

    def _share(self, moves: Moves, marks: Sequence[Mark]) -> None:
        """Give every move to its layer and its feature."""
        count, columns = len(moves), moves.columns
        heights = self._heights(moves)
        bounds = sorted({0, *(mark.row for mark in marks), *heights} - {count}) if count else []
        if bounds:
            filament_mm = np.add.reduceat(columns.filament_mm, bounds).tolist()
            highest_mm = np.maximum.reduceat(np.where(moves.lays, columns.end[2], -inf), bounds).tolist()
            due = deque(marks)
            for index, row in enumerate(bounds):
                while due and due[0].row <= row:
                    self._obey(due.popleft())
                if row in heights and self.layers.begins(heights[row]):
                    self.layers.begin(int(columns.line[row]), int(columns.offset[row]), heights[row])
                stop = bounds[index + 1] if index + 1 < len(bounds) else count
                self._take_run(stop - row, filament_mm[index], highest_mm[index])
            marks = tuple(due)
        for mark in marks:
            self._obey(mark)

    def _obey(self, mark: Mark) -> None:
        if isinstance(mark, FeatureMark):
            self.features.select(mark.name)
        else:
            self.layers.mark(mark.line, mark.offset, first=mark.first)

    def _take_run(self, count: int, filament_mm: float, highest_mm: float) -> None:
        if highest_mm > -inf:
            self.layers.lay(highest_mm)
        layer, feature = self.layers.current, self.features.current
        layer.filament_mm += filament_mm
        feature.filament_mm += filament_mm
        if self._runs and self._runs[-1].layer is layer and self._runs[-1].feature is feature:
            self._runs[-1].count += count
        else:
            self._runs.append(_Run(count, layer, feature))

    def settle(self, seconds: Floats) -> None:
        """Take the seconds of the next moves that have none yet."""
        taken, bounds, runs = 0, [], []
        while taken < len(seconds):
            run = self._runs[0]
            bounds.append(taken)
            runs.append(run)
            part = min(run.count, len(seconds) - taken)
            taken += part
            run.count -= part
            if not run.count:
                self._runs.popleft()
        if not bounds:
            return
        for run, part_s in zip(runs, np.add.reduceat(seconds, bounds).tolist(), strict=True):
            run.layer.time_s += part_s
            run.feature.time_s += part_s
            self.time_s += part_s
