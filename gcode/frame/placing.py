"""Where frames lie on the bed: nested by their true shape, off clips and purge lines, the clearance apart.

Shapes become bitmaps of half a millimetre, each thicker by half the clearance, and frames by their brim too: what does not overlap
there keeps the clearance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Final, NamedTuple

from gcode.frame.bitmap import HALF_DIAGONAL, Grid
from gcode.frame.design import BED_MARGIN_MM, FrameDesign
from gcode.frame.errors import FrameError
from gcode.frame.geometry import Point, Polyline
from gcode.frame.headband import frame_layers, walks
from gcode.profile import Box, PrinterProfile
from gcode.texts import Bilingual

_CELL_MM: Final = 0.5
_BESIDE_BRIM_MM: Final = 1.0  # to the edge of the bed: half a line, and what rounding to whole lines adds
_COARSE_STEPS: Final = 35  # to each side of the middle, at most
_FINE_STEPS: Final = 70


class Placement(NamedTuple):
    """A copy: quarter turns to the left about the design's origin, then moved."""

    x: float
    y: float
    quarter_turns: int

    def point(self, x: float, y: float) -> Point:
        """A point of the design on the bed."""
        for _ in range(self.quarter_turns):
            x, y = -y, x
        return (x + self.x, y + self.y)

    def on_bed(self, line: Sequence[Point]) -> Polyline:
        """A polyline of the design on the bed."""
        return [self.point(x, y) for x, y in line]


@dataclass(frozen=True, slots=True)
class _Turned:
    """One of the four ways that a frame may lie: its extent around its own middle, and its bitmap in the middle of the grid."""

    quarter_turns: int
    middle: Point  # of its extent, from the design's origin
    half_x: float
    half_y: float
    bits: int


def outlines_at_widest(design: FrameDesign) -> list[Polyline]:
    """The outlines of all different layers: letters stand out, skin steps back."""
    return list({id(shape): shape.outline for shape in frame_layers(design)}.values())


def _extent(lines: Sequence[Polyline]) -> Box:
    xs, ys = [x for line in lines for x, _ in line], [y for line in lines for _, y in line]
    return Box(min(xs), min(ys), 0.0, max(xs), max(ys), 0.0)


def marked(grid: Grid, design: FrameDesign, placement: Placement, around_mm: float, rows: dict[int, int]) -> None:
    """Mark a frame and everything within `around_mm` of it."""
    found = walks(design, 0.0)
    half = design.wall_mm / 2
    letters = 0.4 if design.revision else 0.0
    grid.discs(placement.on_bed(found.front.points), half + around_mm, rows)
    grid.discs(placement.on_bed(found.forehead.points), half + around_mm, rows)
    for arm in found.arms:
        grid.discs(placement.on_bed(arm.points), half + letters + around_mm, rows)
    for pin in found.pins:
        grid.discs(placement.on_bed(pin.points), design.pin_mm / 2 + around_mm, rows)
        grid.discs(placement.on_bed(pin.points[-1:]), design.head_mm / 2 + around_mm, rows)
    for arm in found.arms:
        grid.discs(placement.on_bed(arm.points[-1:]), half + arm.bulge_mm + around_mm, rows)


class _Bed:
    """The bed as a bitmap with what is taken."""

    def __init__(
        self, design: FrameDesign, profile: PrinterProfile, obstacles: Sequence[Box], clearance_mm: float, brim_mm: float
    ) -> None:
        volume, margin_mm = profile.volume, _margin_mm(brim_mm)
        self.middle = ((volume.min_x + volume.max_x) / 2, (volume.min_y + volume.max_y) / 2)
        self.half_x = (volume.max_x - volume.min_x) / 2 - margin_mm
        self.half_y = (volume.max_y - volume.min_y) / 2 - margin_mm
        around = ceil((clearance_mm + 2 * brim_mm + 2) / _CELL_MM) * _CELL_MM
        wide, high = ceil(self.half_x + around) + margin_mm, ceil(self.half_y + around) + margin_mm
        reach = max(wide, high, design.depth_mm / 2 + around + 10)
        cells = 2 * ceil(reach / _CELL_MM)
        self.grid = Grid(self.middle[0] - cells / 2 * _CELL_MM, self.middle[1] - cells / 2 * _CELL_MM, _CELL_MM, cells, cells)
        rows: dict[int, int] = {}
        for box in obstacles:
            self.grid.box(box, clearance_mm / 2, rows)
        self.taken = self.grid.packed(rows)
        self.turned = [self._turn(design, turns, clearance_mm / 2 + brim_mm) for turns in range(4)]

    def _turn(self, design: FrameDesign, turns: int, around_mm: float) -> _Turned:
        upright = Placement(0.0, 0.0, turns)
        extent = _extent([upright.on_bed(line) for line in outlines_at_widest(design)])
        middle = ((extent.min_x + extent.max_x) / 2, (extent.min_y + extent.max_y) / 2)
        centred = Placement(self.middle[0] - middle[0], self.middle[1] - middle[1], turns)
        rows: dict[int, int] = {}
        marked(self.grid, design, centred, around_mm + HALF_DIAGONAL * _CELL_MM, rows)
        half_x, half_y = (extent.max_x - extent.min_x) / 2, (extent.max_y - extent.min_y) / 2
        return _Turned(turns, middle, half_x, half_y, self.grid.packed(rows))

    def free(self, turned: _Turned, columns: int, rows: int, taken: int) -> bool:
        """Whether a copy may lie this many cells from the middle of the bed."""
        shift = self.grid.shifted_bits(columns, rows)
        return not taken & (turned.bits << shift if shift >= 0 else turned.bits >> -shift)

    def laid(self, turned: _Turned, columns: int, rows: int, taken: int) -> int:
        shift = self.grid.shifted_bits(columns, rows)
        return taken | (turned.bits << shift if shift >= 0 else turned.bits >> -shift)

    def ranges(self, turned: _Turned) -> tuple[int, int] | None:
        """How many cells a copy may move from the middle to each side."""
        x, y = int((self.half_x - turned.half_x + 1e-9) / _CELL_MM), int((self.half_y - turned.half_y + 1e-9) / _CELL_MM)
        return (x, y) if self.half_x >= turned.half_x - 1e-9 and self.half_y >= turned.half_y - 1e-9 else None

    def placement(self, spot: "_Spot") -> Placement:
        turned = self.turned[spot.turns]
        x, y = self.middle[0] + spot.columns * _CELL_MM, self.middle[1] + spot.rows * _CELL_MM
        return Placement(x - turned.middle[0], y - turned.middle[1], spot.turns)


class _Spot(NamedTuple):
    turns: int
    columns: int
    rows: int


def _extent_of(bed: _Bed, spots: Sequence[_Spot]) -> Box:
    low_x = min(spot.columns * _CELL_MM - bed.turned[spot.turns].half_x for spot in spots)
    high_x = max(spot.columns * _CELL_MM + bed.turned[spot.turns].half_x for spot in spots)
    low_y = min(spot.rows * _CELL_MM - bed.turned[spot.turns].half_y for spot in spots)
    high_y = max(spot.rows * _CELL_MM + bed.turned[spot.turns].half_y for spot in spots)
    return Box(low_x, low_y, 0.0, high_x, high_y, 0.0)


def _steps(most: int, steps: int) -> list[int]:
    """From one side to the other, both included, at least two cells apart and no more than `steps` to each side of the middle."""
    return sorted({*range(-most, most + 1, max(2, -(-most // steps))), most})


def _best(bed: _Bed, spots: list[_Spot], taken: int, steps: int) -> _Spot | None:
    """The spot for one more copy that keeps the extent of all smallest."""
    best, best_cost = None, float("inf")
    now = _extent_of(bed, spots)
    for turned in bed.turned:
        reach = bed.ranges(turned)
        if reach is None:
            continue
        for rows in _steps(reach[1], steps):
            high = max(now.max_y, rows * _CELL_MM + turned.half_y) - min(now.min_y, rows * _CELL_MM - turned.half_y)
            for columns in _steps(reach[0], steps):
                wide = max(now.max_x, columns * _CELL_MM + turned.half_x) - min(now.min_x, columns * _CELL_MM - turned.half_x)
                if wide * high < best_cost and bed.free(turned, columns, rows, taken):
                    best, best_cost = _Spot(turned.quarter_turns, columns, rows), wide * high
    return best


def _first_spots(bed: _Bed) -> Iterator[_Spot]:
    """For each way to lie the lowest free corner, from which a cluster grows."""
    for turned in bed.turned:
        reach = bed.ranges(turned)
        if reach is None:
            continue
        spots = ((columns, rows) for rows in _steps(reach[1], _FINE_STEPS) for columns in _steps(reach[0], _FINE_STEPS))
        free = next((spot for spot in spots if bed.free(turned, *spot, bed.taken)), None)
        if free is not None:
            yield _Spot(turned.quarter_turns, *free)


def _cluster(bed: _Bed, first: _Spot, count: int) -> list[_Spot]:
    """As many as fit, at most `count`, each as near to the others as it goes."""
    spots = [first]
    taken = bed.laid(bed.turned[first.turns], first.columns, first.rows, bed.taken)
    while len(spots) < count:
        spot = _best(bed, spots, taken, _COARSE_STEPS) or _best(bed, spots, taken, _FINE_STEPS)
        if spot is None:
            break
        spots.append(spot)
        taken = bed.laid(bed.turned[spot.turns], spot.columns, spot.rows, taken)
    return spots


def _centred(bed: _Bed, spots: list[_Spot]) -> list[_Spot]:
    """The cluster moved towards the middle of the bed as far as obstacles allow."""
    extent = _extent_of(bed, spots)
    to_x = round(-(extent.min_x + extent.max_x) / 2 / _CELL_MM)
    to_y = round(-(extent.min_y + extent.max_y) / 2 / _CELL_MM)
    for tenths in range(10, 0, -1):
        columns, rows = round(to_x * tenths / 10), round(to_y * tenths / 10)
        moved = [_Spot(spot.turns, spot.columns + columns, spot.rows + rows) for spot in spots]
        if all(bed.free(bed.turned[spot.turns], spot.columns, spot.rows, bed.taken) for spot in moved):
            return moved
    return spots


def _single(bed: _Bed) -> _Spot | None:
    """The free spot nearest to the middle, as drawn if possible, else turned."""
    for turned in bed.turned:
        reach = bed.ranges(turned)
        if reach is None:
            continue
        spots = [(columns, rows) for rows in _steps(reach[1], _FINE_STEPS) for columns in _steps(reach[0], _FINE_STEPS)]
        spots = [(0, 0), *sorted(spots, key=lambda spot: spot[0] ** 2 + spot[1] ** 2)]
        free = next((spot for spot in spots if bed.free(turned, *spot, bed.taken)), None)
        if free is not None:
            return _Spot(turned.quarter_turns, *free)
    return None


def _spots(bed: _Bed, count: int) -> list[_Spot]:
    """The best that is found: the most copies, then the least extent."""
    if count == 1:
        spot = _single(bed)
        return [spot] if spot else []
    best: list[_Spot] = []
    for first in _first_spots(bed):
        found = _cluster(bed, first, count)
        if len(found) > len(best) or (len(found) == len(best) and _area(bed, found) < _area(bed, best)):
            best = found
    return _centred(bed, best) if best else []


def _area(bed: _Bed, spots: list[_Spot]) -> float:
    extent = _extent_of(bed, spots)
    return (extent.max_x - extent.min_x) * (extent.max_y - extent.min_y)


def _margin_mm(brim_mm: float) -> float:
    """How far from the edge of the bed a frame stays."""
    return max(BED_MARGIN_MM, brim_mm + _BESIDE_BRIM_MM)


def _does_not_fit(design: FrameDesign, profile: PrinterProfile, count: int, fit: int, brim_mm: float) -> FrameError:
    volume, margin_mm = profile.volume, _margin_mm(brim_mm)
    bed = f"{volume.max_x - volume.min_x:.0f} x {volume.max_y - volume.min_y:.0f} mm"
    extent = _extent(outlines_at_widest(design))
    size = f"{extent.max_x - extent.min_x:.0f} x {extent.max_y - extent.min_y:.0f} mm"
    if count > 1 and fit:
        return FrameError(
            Bilingual(
                f"{count} frames do not fit {profile.name} ({bed}): {fit} {'does' if fit == 1 else 'do'}. "
                "Stack them, or make head_depth_mm smaller.",
                f"{count} visières ne tiennent pas sur {profile.name} ({bed}) : il en tient {fit}. "
                "Empilez-les, ou réduisez head_depth_mm.",
            ),
            parameter="count",
            value=count,
        )
    brim = "brim_mm, " if margin_mm > BED_MARGIN_MM else ""
    longer = "head_depth_mm" if design.depth_mm > design.width_mm else "head_width_mm"
    return FrameError(
        Bilingual(
            f"The frame is {size} and needs {margin_mm:g} mm around it: it does not fit {profile.name} ({bed}). "
            f"Make {brim}head_width_mm or head_depth_mm smaller.",
            f"La visière mesure {size}, plus {margin_mm:g} mm autour : elle ne tient pas sur {profile.name} ({bed}). "
            f"Réduisez {brim}head_width_mm ou head_depth_mm.",
        ),
        parameter="brim_mm" if brim else longer,
        value=size,
    )


@lru_cache(maxsize=8)
def placed(
    design: FrameDesign,
    profile: PrinterProfile,
    count: int,
    obstacles: tuple[Box, ...],
    clearance_mm: float,
    brim_mm: float = 0.0,
) -> tuple[Placement, ...]:
    """Places for `count` frames with a brim around each: about the middle of the bed, `clearance_mm` from each other and obstacles.

    Raises:
        FrameError: they do not fit; it says how many do.

    """
    bed = _Bed(design, profile, obstacles, clearance_mm, brim_mm)
    spots = _spots(bed, count)
    if len(spots) < count:
        raise _does_not_fit(design, profile, count, len(spots), brim_mm)
    return tuple(bed.placement(spot) for spot in spots)
