"""Adds up time and filament by layer and by feature. docs/gcode.md ("What the facts mean") has the rules."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import Final

from gcode.facts import MAX_FEATURES, MAX_LAYERS, FeatureFacts, LayerFacts

STEP_MM: Final = 0.04  # less is no new layer where the file marks none
_SAME_MM: Final = 1e-4


class Share:
    """What a part of the file takes: the planner adds the seconds, the engine the filament."""

    __slots__ = ("filament_mm", "time_s")

    def __init__(self) -> None:
        self.time_s = 0.0
        self.filament_mm = 0.0


class Layer(Share):
    """A share with a place; `z_mm` is the highest of its extruding moves, -inf while there are none."""

    __slots__ = ("line", "offset", "z_mm")

    def __init__(self, line: int, offset: int) -> None:
        super().__init__()
        self.line = line
        self.offset = offset
        self.z_mm = -inf


class LayerTable:
    """Layers in the order of the file."""

    def __init__(self) -> None:
        self.count = 0
        self.current = Layer(0, 0)  # what comes before the first layer is in none
        self.marked = False
        self._began_z = inf
        self._kept: list[Layer] = []

    def mark(self, line: int, offset: int, *, first: bool) -> None:
        """A layer mark stands here; `first`: everything before is start code."""
        if first:
            self.count = 0
            self._kept = []
            self.marked = True
        self.current = Layer(line, offset)

    def begins(self, z_mm: float) -> bool:
        """Whether an extruding move at this height begins a layer of its own, in a file without marks."""
        return not self.marked and abs(z_mm - self._began_z) > STEP_MM

    def begin(self, line: int, offset: int, z_mm: float) -> None:
        """A layer without a mark begins with the extruding move of this line."""
        self._began_z = z_mm
        self.current = Layer(line, offset)

    def lay(self, z_mm: float) -> None:
        """Plastic is laid at this height, in the current layer; the first time it is kept."""
        layer = self.current
        if layer.z_mm == -inf:
            self.count += 1
            if len(self._kept) < MAX_LAYERS:
                self._kept.append(layer)
        layer.z_mm = max(layer.z_mm, z_mm)

    def facts(self) -> tuple[LayerFacts, ...]:
        """The table; thickness is the way down to the next lower layer among those before."""
        heights: list[float] = []
        rows = []
        for layer in self._kept:
            place = bisect_left(heights, layer.z_mm - _SAME_MM)
            below_mm = heights[place - 1] if place else 0.0
            rows.append(LayerFacts(layer.z_mm, layer.z_mm - below_mm, layer.offset, layer.line, layer.time_s, layer.filament_mm))
            if place == len(heights) or heights[place] > layer.z_mm + _SAME_MM:
                insort(heights, layer.z_mm)
        return tuple(rows)


def first_height_mm(rows: Sequence[LayerFacts]) -> float | None:
    """Thickness of the first layer, to the micrometre."""
    return round(rows[0].height_mm, 3) if rows else None


def typical_height_mm(rows: Sequence[LayerFacts]) -> float | None:
    """The commonest thickness above the first layer, to the micrometre; of one layer its own."""
    heights = Counter(round(row.height_mm, 3) for row in rows[1:])
    return heights.most_common(1)[0][0] if heights else first_height_mm(rows)


class FeatureTable:
    """Features by name, in the order of their first line."""

    def __init__(self) -> None:
        self.current = Share()  # what comes before the first, and what is too much
        self._shares: dict[str, Share] = {}

    def select(self, name: str) -> None:
        """What follows is of this kind."""
        share = self._shares.get(name)
        if share is None:
            share = Share()
            if len(self._shares) < MAX_FEATURES:
                self._shares[name] = share
        self.current = share

    def facts(self) -> tuple[FeatureFacts, ...]:
        """The table."""
        return tuple(FeatureFacts(name, share.time_s, share.filament_mm) for name, share in self._shares.items())
