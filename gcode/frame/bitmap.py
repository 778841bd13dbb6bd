"""Bitmaps as single large integers: whether two shapes overlap is one shift and one AND, fast without any library."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, hypot, sqrt
from typing import Final

from gcode.frame.geometry import Point, Polyline
from gcode.profile import Box

_SAMPLE_MM: Final = 0.5
HALF_DIAGONAL: Final = sqrt(0.5)


@dataclass(frozen=True, slots=True)
class Grid:
    """Square cells from a corner on; a cell's middle decides what it belongs to. Bits go by rows from the lowest y."""

    min_x: float
    min_y: float
    cell_mm: float
    columns: int
    rows: int

    def shifted_bits(self, columns: int, rows: int) -> int:
        """How far a bitmap moves to the left for a shift in cells."""
        return rows * self.columns + columns

    def packed(self, rows: dict[int, int]) -> int:
        """One integer of rows of bits; what lies outside is left out."""
        whole = (1 << self.columns) - 1
        return sum((bits & whole) << (row * self.columns) for row, bits in rows.items() if 0 <= row < self.rows)

    def discs(self, path: Sequence[Point], radius_mm: float, rows: dict[int, int]) -> None:
        """Mark all cells whose middle is within a radius of a polyline (within a tenth of a millimetre more)."""
        reach = hypot(radius_mm, _SAMPLE_MM / 2)
        for x, y in _sampled(path):
            first = max(ceil((y - reach - self.min_y) / self.cell_mm - 0.5), 0)
            last = min(floor((y + reach - self.min_y) / self.cell_mm - 0.5), self.rows - 1)
            for row in range(first, last + 1):
                away = self.min_y + (row + 0.5) * self.cell_mm - y
                half = sqrt(max(reach * reach - away * away, 0.0))
                rows[row] = rows.get(row, 0) | self._span(x - half, x + half)

    def box(self, box: Box, around_mm: float, rows: dict[int, int]) -> None:
        """Mark all cells that a box and its surroundings touch."""
        around_mm += HALF_DIAGONAL * self.cell_mm
        first = max(ceil((box.min_y - around_mm - self.min_y) / self.cell_mm - 0.5), 0)
        last = min(floor((box.max_y + around_mm - self.min_y) / self.cell_mm - 0.5), self.rows - 1)
        bits = self._span(box.min_x - around_mm, box.max_x + around_mm)
        for row in range(first, last + 1):
            rows[row] = rows.get(row, 0) | bits

    def _span(self, low_x: float, high_x: float) -> int:
        first = max(ceil((low_x - self.min_x) / self.cell_mm - 0.5), 0)
        last = min(floor((high_x - self.min_x) / self.cell_mm - 0.5), self.columns - 1)
        return (1 << (last + 1)) - (1 << first) if last >= first else 0

    def contours(self, rows: dict[int, int]) -> list[Polyline]:
        """The borders of what is marked, as closed polylines through the middles of the cells' sides."""
        leaving = _border(rows, self.columns)
        found = []
        while leaving:
            start = next(iter(leaving))
            loop = _followed(start, leaving)
            middles = [((x1 + x2) / 2, (y1 + y2) / 2) for (x1, y1), (x2, y2) in zip(loop, [*loop[1:], loop[0]], strict=True)]
            found.append([(self.min_x + x * self.cell_mm, self.min_y + y * self.cell_mm) for x, y in middles])
        return found


Corner = tuple[int, int]


def _sampled(path: Sequence[Point]) -> Iterable[Point]:
    yield path[0]
    for (x1, y1), (x2, y2) in pairwise(path):
        count = ceil(hypot(x2 - x1, y2 - y1) / _SAMPLE_MM)
        for step in range(1, count + 1):
            yield (x1 + (x2 - x1) * step / count, y1 + (y2 - y1) * step / count)


def _columns(bits: int) -> Iterable[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _border(rows: dict[int, int], columns: int) -> dict[Corner, list[Corner]]:
    """The sides of marked cells beside unmarked ones, from corner to corner with the marked cell on the left."""
    sides: dict[Corner, list[Corner]] = {}

    def add(start: Corner, end: Corner) -> None:
        sides.setdefault(start, []).append(end)

    for row, bits in rows.items():
        for column in _columns(bits & ~rows.get(row - 1, 0)):
            add((column, row), (column + 1, row))
        for column in _columns(bits & ~rows.get(row + 1, 0)):
            add((column + 1, row + 1), (column, row + 1))
        for column in _columns(bits & ~(bits << 1)):
            add((column, row + 1), (column, row))
        for column in _columns(bits & ~(bits >> 1) & ((1 << columns) - 1)):
            add((column + 1, row), (column + 1, row + 1))
    return sides


def _followed(start: Corner, leaving: dict[Corner, list[Corner]]) -> list[Corner]:
    """Take one closed border out of the sides; where two touch in a corner it turns left, so that each stays simple."""
    loop, here, before = [start], start, (0, 0)
    while True:
        ends = leaving[here]
        dx, dy = before
        turned = min(ends, key=lambda end: (end[0] - here[0], end[1] - here[1]) != (-dy, dx))
        ends.remove(turned)
        if not ends:
            del leaving[here]
        before, here = (turned[0] - here[0], turned[1] - here[1]), turned
        if here == start:
            return loop
        loop.append(here)
