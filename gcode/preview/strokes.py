"""Lines of plastic as columns, and how they are thinned: what lies between reading a file and drawing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gcode.preview.features import Feature

MAX_STROKES: Final = 1_000_000  # 34 MB as columns; a 60 MB file has about two million moves
FINEST_MM: Final = 0.02
START_CODE: Final = -1  # the layer of what is laid before the first layer: purge lines
_DEFAULT_HEIGHT_MM: Final = 0.2
_THICKEST_MM: Final = 1.0
_NARROWEST_MM: Final = 0.25
_WIDEST_MM: Final = 1.6

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Strokes:
    """Straight lines in the order of the file, machine coordinates in mm. All columns have the same length n."""

    start: Singles  # (n, 3)
    end: Singles  # (n, 3)
    filament_mm: Singles
    layer: NDArray[np.int32]  # from 0, START_CODE before the first
    feature: NDArray[np.uint8]  # row of `Drawing.features`

    def __len__(self) -> int:
        return len(self.layer)

    def chosen(self, which: NDArray[np.bool_] | Integers) -> "Strokes":
        """Some of them, by mask or by index."""
        return Strokes(self.start[which], self.end[which], self.filament_mm[which], self.layer[which], self.feature[which])


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a file lays down. `layer_z_mm` has one row a layer; `layers` are all of the file, also when only one was kept."""

    strokes: Strokes
    features: tuple[Feature, ...]
    layer_z_mm: tuple[float, ...]
    filament_area_mm2: float

    @property
    def layers(self) -> int:
        """How many layers the file has."""
        return len(self.layer_z_mm)


def no_strokes() -> Strokes:
    """None at all."""
    points = np.empty((0, 3), np.float32)
    return Strokes(points, points, np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.uint8))


def joined(pieces: Sequence[Strokes]) -> Strokes:
    """One after the other."""
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return no_strokes()
    return Strokes(
        np.concatenate([piece.start for piece in pieces]),
        np.concatenate([piece.end for piece in pieces]),
        np.concatenate([piece.filament_mm for piece in pieces]),
        np.concatenate([piece.layer for piece in pieces]),
        np.concatenate([piece.feature for piece in pieces]),
    )


def lengths_mm(strokes: Strokes) -> Doubles:
    """How long each is."""
    across = (strokes.end - strokes.start).astype(np.float64)
    lengths: Doubles = np.sqrt(np.einsum("ij,ij->i", across, across))
    return lengths


def continues(strokes: Strokes) -> NDArray[np.bool_]:
    """For each but the last: whether the next goes on where it ends, in the same layer and of the same kind."""
    same_place = (strokes.end[:-1] == strokes.start[1:]).all(axis=1)
    same: NDArray[np.bool_] = same_place & (strokes.layer[:-1] == strokes.layer[1:]) & (strokes.feature[:-1] == strokes.feature[1:])
    return same


def thinned(strokes: Strokes, tolerance_mm: float) -> Strokes:
    """Leave out points of a path that come within `tolerance_mm` along it after the one before; no end of a path is moved."""
    if len(strokes) < 2:
        return strokes
    cells = np.floor(np.cumsum(lengths_mm(strokes)) / tolerance_mm)
    ends = np.ones(len(strokes), bool)
    ends[:-1] = ~continues(strokes) | (cells[:-1] != cells[1:])
    last = np.flatnonzero(ends)
    first = np.concatenate(([0], last[:-1] + 1))
    filament_mm = np.add.reduceat(strokes.filament_mm, first)
    return Strokes(strokes.start[first], strokes.end[last], filament_mm, strokes.layer[last], strokes.feature[last])


def every_other_layer(strokes: Strokes, stride: int) -> Strokes:
    """Leave out whole layers but each `stride`-th and the last: what is left when paths cannot be made simpler."""
    layer = strokes.layer
    keep = (layer < 0) | (layer % stride == 0) | (layer == layer.max(initial=0))
    return strokes.chosen(keep)


class Thinner:
    """Collects strokes in bounded memory: the more there are, the coarser they are kept."""

    def __init__(self, most: int = MAX_STROKES) -> None:
        self._most = most
        self._tolerance_mm = FINEST_MM
        self._stride = 1
        self._pieces: list[Strokes] = []
        self._count = 0

    def add(self, strokes: Strokes) -> None:
        """Take more of them."""
        if self._stride > 1:
            strokes = every_other_layer(strokes, self._stride)
        kept = thinned(strokes, self._tolerance_mm)
        self._pieces.append(kept)
        self._count += len(kept)
        while self._count > self._most:
            self._coarser()

    def _coarser(self) -> None:
        whole = joined(self._pieces)
        if self._tolerance_mm < 0.5:
            self._tolerance_mm *= 4
            whole = thinned(whole, self._tolerance_mm)
        else:
            self._stride *= 2
            whole = every_other_layer(whole, self._stride)
            if len(whole) > self._most and self._stride > 1024:  # one layer of more lines than a picture has pixels
                whole = whole.chosen(np.arange(0, len(whole), 2))
        self._pieces, self._count = [whole], len(whole)

    def strokes(self) -> Strokes:
        """All of them."""
        return joined(self._pieces)


def heights_mm(layer_z_mm: Sequence[float]) -> Doubles:
    """How thick each layer is: down to the nearest lower one before it, as `gcode.facts.LayerFacts.height_mm`."""
    heights = []
    below: list[float] = []
    for z_mm in layer_z_mm:
        while below and below[-1] >= z_mm - 1e-6:
            below.pop()
        heights.append(z_mm - below[-1] if below else z_mm)
        below.append(z_mm)
    return np.asarray(heights, np.float64)


def line_sizes_mm(drawing: Drawing) -> tuple[Doubles, Doubles]:
    """Width and height of each stroke, from the filament that goes into all lines of its kind in its layer."""
    strokes, kinds = drawing.strokes, len(drawing.features)
    heights = np.append(heights_mm(drawing.layer_z_mm), _DEFAULT_HEIGHT_MM)  # the last: start code, layer -1
    height = np.clip(heights, 0.05, _THICKEST_MM)[strokes.layer]
    group = (strokes.layer.astype(np.int64) + 1) * kinds + strokes.feature
    length = np.bincount(group, lengths_mm(strokes))
    filament = np.bincount(group, strokes.filament_mm)
    section_mm2 = filament * drawing.filament_area_mm2 / np.maximum(length, 1e-9)
    width = section_mm2[group] / height + height * (1 - pi / 4)
    return np.clip(width, _NARROWEST_MM, _WIDEST_MM), height


def up_to_layer(drawing: Drawing, layer: int) -> Drawing:
    """What stands when `layer` (from 1) is done."""
    strokes = drawing.strokes
    return Drawing(strokes.chosen(strokes.layer < layer), drawing.features, drawing.layer_z_mm, drawing.filament_area_mm2)
