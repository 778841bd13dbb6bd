"""Reads a program for drawing: the interpreter's moves as strokes, with their layer and kind of line."""

from array import array
from math import inf, pi
from typing import BinaryIO, Final

import numpy as np

from gcode.events import FEATURE, FIRST_LAYER, LAYER, EventReader
from gcode.layers import LayerTable
from gcode.machine import Move
from gcode.preview.features import TRAVEL, UNMARKED, Feature, feature_of
from gcode.preview.strokes import START_CODE, Drawing, Strokes, Thinner
from gcode.profile import PrinterProfile
from gcode.reader import read_lines
from gcode.survey import Survey, survey

MAX_FEATURES: Final = 64  # names; what comes after is drawn as the last
_BLOCK: Final = 65_536
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
        self._places = array("f")  # seven numbers a stroke: start, end, filament
        self._numbers = array("i")
        self._rows = array("B")

    def select(self, name: str) -> None:
        """What follows is of this kind."""
        self._row = self._features.row(name)

    def mark(self, *, first: bool) -> None:
        """A layer mark; `first`: what was laid before is start code."""
        if first:
            self._restart()
        self.layers.mark(0, 0, first=first)

    def _restart(self) -> None:
        self._flush()
        before = self._thinner.strokes()
        self._thinner = Thinner()
        if self._only is None and len(before):
            layer = np.full(len(before), START_CODE, np.int32)
            self._thinner.add(Strokes(before.start, before.end, before.filament_mm, layer, before.feature))

    def _current(self) -> int:
        """The layer, from 0, that plastic would be laid in now."""
        begins = self.layers.marked and self.layers.current.z_mm == -inf
        return self.layers.count if begins else self.layers.count - 1

    def move(self, move: Move) -> None:
        """One move of the machine."""
        start, end, filament_mm, _, extrudes = move
        if extrudes:
            if self.layers.begins(end[2]):
                self.layers.begin(0, 0, end[2])
            self.layers.lay(end[2])
            layer, row = self.layers.count - 1, self._row
        elif self._travels and start[:2] != end[:2]:
            layer, row, filament_mm = self._current(), 0, 0.0
        else:
            return
        if self._only is not None and layer != self._only:
            return
        self._places.extend((*start, *end, filament_mm))
        self._numbers.append(layer)
        self._rows.append(row)
        if len(self._numbers) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        if not self._numbers:
            return
        places = np.frombuffer(self._places, np.float32).reshape(-1, 7).copy()
        layer, row = np.frombuffer(self._numbers, np.int32).copy(), np.frombuffer(self._rows, np.uint8).copy()
        self._places, self._numbers, self._rows = array("f"), array("i"), array("B")
        self._thinner.add(Strokes(places[:, :3], places[:, 3:6], places[:, 6], layer, row))

    def drawing(self, diameter_mm: float) -> Drawing:
        """Everything that was kept."""
        self._flush()
        z_mm = tuple(layer.z_mm for layer in self.layers.facts())
        return Drawing(self._thinner.strokes(), tuple(self._features.table), z_mm, pi * diameter_mm**2 / 4)


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
    machine, gatherer = found.machine(), Gatherer(layer=layer, travels=travels)
    events = EventReader(machine, found)
    for line in read_lines(stream):
        if line.comment:
            _hear(events.comment(line.comment), events, gatherer)
        if line.code and not line.defect:
            for move in machine.apply(line):
                gatherer.move(move)
    return gatherer.drawing(_diameter_mm(found, profile))


def _hear(change: int, events: EventReader, gatherer: Gatherer) -> None:
    if change & FEATURE:
        gatherer.select(events.feature or "")
    if change & LAYER:
        gatherer.mark(first=bool(change & FIRST_LAYER))
