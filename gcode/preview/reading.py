"""Reads a program for drawing: the columns of the fast engine as strokes, with their layer and kind of line."""

from collections import deque
from collections.abc import Sequence
from math import inf, pi
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from gcode.layers import LayerTable
from gcode.preview.features import TRAVEL, UNMARKED, Feature, feature_of
from gcode.preview.strokes import START_CODE, Drawing, Strokes, Thinner
from gcode.profile import PrinterProfile
from gcode.scan.engine import walk
from gcode.scan.gather import FeatureMark, Mark, Moves
from gcode.survey import Survey, survey

MAX_FEATURES: Final = 64  # names; what comes after is drawn as the last
_GRIFFIN_DIAMETER_MM: Final = 2.85  # every machine of that flavour (Ultimaker 2+, 3 and S5)


class _Features:
    """Kinds of line in the order of their first mark."""

    def __init__(self) -> None:
        self.table: list[Feature] = [TRAVEL, UNMARKED]
        self._rows: dict[str, int] = {}

    def row(self, name: str) -> int:
        known = self._rows.get(name)
        if known is not None:
            return known
        if len(self._rows) >= MAX_FEATURES:
            return len(self.table) - 1
        feature = feature_of(name, len(self._rows))
        if feature not in self.table:
            self.table.append(feature)
        self._rows[name] = self.table.index(feature)
        return self._rows[name]


class Gatherer:
    """Takes moves and marks of a program in order; keeps every layer, or only one (from 0)."""

    def __init__(self, *, layer: int | None, travels: bool) -> None:
        self.layers = LayerTable()
        self._features = _Features()
        self._only = layer
        self._travels = travels
        self._thinner = Thinner()
        self._row = 1

    def add(self, moves: Moves, marks: Sequence[Mark]) -> None:
        """The moves of a block, and the marks among them in their order."""
        count = len(moves)
        heights = self._heights(moves)
        bounds = sorted({0, *(mark.row for mark in marks), *heights} - {count}) if count else []
        highest_mm = np.maximum.reduceat(np.where(moves.lays, moves.columns.end[2], -inf), bounds).tolist() if bounds else []
        due = deque(marks)
        runs = _Runs(bounds, count)
        for row, height_mm in zip(bounds, highest_mm, strict=True):
            while due and due[0].row <= row:
                self._obey(due.popleft(), moves, runs)
            if row in heights and self.layers.begins(heights[row]):
                self.layers.begin(0, 0, heights[row])
            coming = self._current()
            if height_mm > -inf:
                self.layers.lay(height_mm)
            runs.add(row, coming if height_mm == -inf else self.layers.count - 1, self._row)
        self._keep(moves, runs)
        for mark in due:
            self._obey(mark, moves, runs)

    def _heights(self, moves: Moves) -> dict[int, float]:
        """In a file without layer marks: the rows at which the height of the plastic changes, and that height."""
        if self.layers.marked or not len(moves.laying):
            return {}
        heights = moves.columns.end[2, moves.laying]
        changed = np.append(True, heights[1:] != heights[:-1]).nonzero()[0]
        return dict(zip(moves.laying[changed].tolist(), heights[changed].tolist(), strict=True))

    def _obey(self, mark: Mark, moves: Moves, runs: "_Runs") -> None:
        if isinstance(mark, FeatureMark):
            self._row = self._features.row(mark.name)
            return
        if mark.first:  # what was laid before is start code
            self._keep(moves, runs)
            self._restart()
        self.layers.mark(mark.line, mark.offset, first=mark.first)

    def _restart(self) -> None:
        before = self._thinner.strokes()
        self._thinner = Thinner()
        if self._only is None and len(before):
            layer = np.full(len(before), START_CODE, np.int32)
            self._thinner.add(Strokes(before.start, before.end, before.filament_mm, layer, before.feature))

    def _current(self) -> int:
        """The layer, from 0, that a travel leads to."""
        begins = self.layers.marked and self.layers.current.z_mm == -inf
        return self.layers.count if begins else self.layers.count - 1

    def _keep(self, moves: Moves, runs: "_Runs") -> None:
        """Make strokes of the moves that are in no stroke yet."""
        begin, layer, row = runs.taken()
        columns = moves.columns
        stop = begin + len(layer)
        chosen = moves.lays[begin:stop]
        if self._travels:
            goes = (columns.start[:2, begin:stop] != columns.end[:2, begin:stop]).any(axis=0)
            row = np.where(chosen, row, 0).astype(np.uint8)
            chosen = chosen | goes
        if self._only is not None:
            chosen = chosen & (layer == self._only)
        rows = chosen.nonzero()[0]
        if len(rows):
            place = rows + begin
            filament_mm = np.where(row[rows] > 0, columns.filament_mm[place], 0.0).astype(np.float32)
            start, end = (points[:, place].T.astype(np.float32) for points in (columns.start, columns.end))
            self._thinner.add(Strokes(start, end, filament_mm, layer[rows], row[rows]))

    def drawing(self, diameter_mm: float) -> Drawing:
        """Everything that was kept."""
        z_mm = tuple(layer.z_mm for layer in self.layers.facts())
        return Drawing(self._thinner.strokes(), tuple(self._features.table), z_mm, pi * diameter_mm**2 / 4)


class _Runs:
    """Rows of a block that belong to one layer and one kind of line."""

    def __init__(self, bounds: Sequence[int], count: int) -> None:
        self._length = dict(zip(bounds, np.diff([*bounds, count]).tolist(), strict=True))
        self._begin = 0
        self._lengths: list[int] = []
        self._layers: list[int] = []
        self._rows: list[int] = []

    def add(self, begin: int, layer: int, row: int) -> None:
        """The next run begins at this row."""
        self._lengths.append(self._length[begin])
        self._layers.append(layer)
        self._rows.append(row)

    def taken(self) -> tuple[int, NDArray[np.int32], NDArray[np.uint8]]:
        """Where the runs begin that were not taken yet, and layer and kind of each of their rows."""
        begin = self._begin
        layer = np.repeat(np.array(self._layers, np.int32), self._lengths)
        row = np.repeat(np.array(self._rows, np.uint8), self._lengths)
        self._begin += len(layer)
        self._lengths, self._layers, self._rows = [], [], []
        return begin, layer, row


def _diameter_mm(found: Survey, profile: PrinterProfile | None) -> float:
    griffin = profile is None and found.flavour == "griffin"
    return _GRIFFIN_DIAMETER_MM if griffin else found.filament_mm


def read_drawing(
    stream: BinaryIO, profile: PrinterProfile | None = None, *, layer: int | None = None, travels: bool = False
) -> Drawing:
    """Read a whole program from where `stream` stands. Bounded memory; never raises on content.

    `layer` (from 0) keeps only that one; `travels` keeps moves that lay nothing, as the first row of `features`.
    """
    found = survey(stream, profile)
    gatherer = Gatherer(layer=layer, travels=travels)
    walk(stream, found, gatherer.add)
    return gatherer.drawing(_diameter_mm(found, profile))
