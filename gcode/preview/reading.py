"""Reads a program for drawing: the interpreter's moves as strokes, with their layer and kind of line."""

from array import array
from dataclasses import dataclass, field
from math import pi
from typing import BinaryIO, Final

import numpy as np

from gcode.interpreter import DEFAULT_FILAMENT_DIAMETER_MM
from gcode.machine import Machine, Move
from gcode.preview.features import TRAVEL, UNMARKED, Feature, feature_name, feature_of
from gcode.preview.strokes import START_CODE, Drawing, Strokes, Thinner
from gcode.profile import PrinterProfile
from gcode.reader import read_lines

MAX_FEATURES: Final = 64  # names; what comes after is drawn as the last
MAX_LAYERS: Final = 20_000
_BLOCK: Final = 65_536
_SAME_LAYER_MM: Final = 0.04
_LAYER_MARKS: Final = ("LAYER_CHANGE", "AFTER_LAYER_CHANGE", "LAYER:", "layer ", "CHANGE_LAYER")
_GRIFFIN_DIAMETER_MM: Final = 2.85  # every machine of that flavour (Ultimaker 2+, 3 and S5)


@dataclass(slots=True)
class Layering:
    """Which layer plastic belongs to, by the rules of `gcode.facts`: by height until the file marks its layers."""

    z_mm: list[float] = field(default_factory=list)
    number: int = START_CODE
    marked: bool = False
    _pending: bool = False
    _begun_mm: float = 0.0

    def mark(self) -> bool:
        """A layer mark; True when it is the first: what was found so far was start code."""
        first = not self.marked
        if first:
            self.z_mm.clear()
            self.number = START_CODE
        self.marked = self._pending = True
        return first

    def coming(self) -> int:
        """The layer that a travel belongs to: it leads to what is laid next."""
        return len(self.z_mm) if self._pending else self.number

    def extrude(self, z_mm: float) -> int:
        """Plastic is laid at this height; gives its layer."""
        begins = self._pending if self.marked else not self.z_mm or abs(z_mm - self._begun_mm) > _SAME_LAYER_MM
        if begins and len(self.z_mm) < MAX_LAYERS:
            self._pending = False
            self._begun_mm = z_mm
            self.number = len(self.z_mm)
            self.z_mm.append(z_mm)
        elif self.number >= 0:
            self.z_mm[self.number] = max(self.z_mm[self.number], z_mm)
        return self.number


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
    """Takes moves and comments of a program in order; keeps every layer, or only one."""

    def __init__(self, *, layer: int | None, travels: bool) -> None:
        self.layering = Layering()
        self.features = _Features()
        self.diameter_mm = DEFAULT_FILAMENT_DIAMETER_MM
        self._only = layer
        self._travels = travels
        self._thinner = Thinner()
        self._row = 1
        self._places = array("f")  # seven numbers a stroke: start, end, filament
        self._layers = array("i")
        self._rows = array("B")

    def comment(self, text: str) -> None:
        """What a comment says about the lines after it."""
        name = feature_name(text)
        if name is not None:
            self._row = self.features.row(name)
        elif text.startswith(_LAYER_MARKS):
            if self.layering.mark():
                self._restart()
        elif text.startswith("FLAVOR:Griffin"):
            self.diameter_mm = _GRIFFIN_DIAMETER_MM

    def _restart(self) -> None:
        """Layers begin here: what was laid before them is start code."""
        self._flush()
        before = self._thinner.strokes()
        self._thinner = Thinner()
        if self._only is None and len(before):
            layer = np.full(len(before), START_CODE, np.int32)
            self._thinner.add(Strokes(before.start, before.end, before.filament_mm, layer, before.feature))

    def move(self, move: Move) -> None:
        """One move of the machine."""
        start, end, filament_mm, _, extrudes = move
        if extrudes:
            layer, row = self.layering.extrude(end[2]), self._row
        elif self._travels and start[:2] != end[:2]:
            layer, row, filament_mm = self.layering.coming(), 0, 0.0
        else:
            return
        if self._only is not None and layer != self._only:
            return
        self._places.extend((*start, *end, filament_mm))
        self._layers.append(layer)
        self._rows.append(row)
        if len(self._layers) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        if not self._layers:
            return
        places = np.frombuffer(self._places, np.float32).reshape(-1, 7).copy()
        layer, row = np.frombuffer(self._layers, np.int32).copy(), np.frombuffer(self._rows, np.uint8).copy()
        self._places, self._layers, self._rows = array("f"), array("i"), array("B")
        self._thinner.add(Strokes(places[:, :3], places[:, 3:6], places[:, 6], layer, row))

    def drawing(self, profile: PrinterProfile | None) -> Drawing:
        """Everything that was kept."""
        self._flush()
        diameter_mm = self.diameter_mm if profile is None else profile.filament_mm
        area_mm2 = pi * diameter_mm**2 / 4
        return Drawing(self._thinner.strokes(), tuple(self.features.table), tuple(self.layering.z_mm), area_mm2)


def read_drawing(
    stream: BinaryIO, profile: PrinterProfile | None = None, *, layer: int | None = None, travels: bool = False
) -> Drawing:
    """Read a whole program from where `stream` stands. Bounded memory; never raises on content.

    `layer` (from 0) keeps only that one; `travels` keeps moves that lay nothing, as the first row of `features`.
    """
    gatherer, machine = Gatherer(layer=layer, travels=travels), Machine()
    for line in read_lines(stream):
        if line.comment:
            gatherer.comment(line.comment)
        if line.code and not line.defect:
            for move in machine.apply(line):
                gatherer.move(move)
    return gatherer.drawing(profile)
