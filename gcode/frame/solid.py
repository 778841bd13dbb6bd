"""Flat shapes grown upwards to watertight solids, and binary STL."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final

from gcode.frame.geometry import GeometryError, Point, Polyline, contains, crossing, distance, signed_area

Corner = tuple[float, float, float]
Triangle = tuple[Corner, Corner, Corner]
_HEADER: Final = b"Essaim solid, millimetres".ljust(80, b"\0")
_FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Level:
    """A section through a solid; the loops of all levels of a solid have the same number of points in the same order."""

    z_mm: float
    outline: Sequence[Point]
    window: Sequence[Point] = ()


def _counter_clockwise(loop: Sequence[Point]) -> Polyline:
    return list(loop) if signed_area(loop) > 0 else list(loop)[::-1]


def _clockwise(loop: Sequence[Point]) -> Polyline:
    return _counter_clockwise(loop)[::-1]


def _bridged(outline: Polyline, window: Polyline) -> Polyline:
    """One polygon of both: a cut to the window and back along the shortest line between them that crosses nothing."""
    pairs = sorted((distance(o, w), i, j) for i, o in enumerate(outline) for j, w in enumerate(window))
    walls = [*zip(outline, [*outline[1:], outline[0]], strict=True), *zip(window, [*window[1:], window[0]], strict=True)]
    for _, i, j in pairs:
        ends = {outline[i], window[j]}
        cut = (outline[i], window[j])
        if not any(crossing(cut, wall) for wall in walls if ends.isdisjoint(wall)):
            return [*outline[: i + 1], *window[j:], *window[: j + 1], *outline[i:]]
    raise GeometryError("the window is not inside the outline")


def _turn(first: Point, middle: Point, last: Point) -> float:
    return (middle[0] - first[0]) * (last[1] - middle[1]) - (middle[1] - first[1]) * (last[0] - middle[0])


def _is_ear(corner: tuple[Point, Point, Point], others: Sequence[Point]) -> bool:
    first, middle, last = corner
    if _turn(first, middle, last) <= _FLAT:
        return False
    return not any(
        _turn(first, middle, point) >= 0 and _turn(middle, last, point) >= 0 and _turn(last, first, point) >= 0
        for point in others
        if point not in corner
    )


def triangulated(outline: Sequence[Point], window: Sequence[Point] = ()) -> list[tuple[Point, Point, Point]]:
    """Counter-clockwise triangles that cover the shape, by clipping ears.

    Raises:
        GeometryError: the loops cross themselves or each other.

    """
    polygon = _counter_clockwise(outline)
    if window:
        if not all(contains(outline, point) for point in window):
            raise GeometryError("the window is not inside the outline")
        polygon = _bridged(polygon, _clockwise(window))
    triangles = []
    index, misses = 0, 0
    while len(polygon) > 3:
        index %= len(polygon)
        corner = (polygon[index - 1], polygon[index], polygon[(index + 1) % len(polygon)])
        if _is_ear(corner, polygon):
            triangles.append(corner)
            del polygon[index]
            misses = 0
        else:
            index, misses = index + 1, misses + 1
        if misses > len(polygon):
            raise GeometryError("the outline crosses itself")
    first, middle, last = polygon
    if _turn(first, middle, last) <= 0:
        raise GeometryError("the outline crosses itself")
    return [*triangles, (first, middle, last)]


def _side(low: Polyline, low_z: float, high: Polyline, high_z: float) -> Iterable[Triangle]:
    """The side between two loops above one another; the solid lies to their left."""
    lows, highs = zip(low, [*low[1:], low[0]], strict=True), zip(high, [*high[1:], high[0]], strict=True)
    for (low_first, low_last), (high_first, high_last) in zip(lows, highs, strict=True):
        yield ((*low_first, low_z), (*low_last, low_z), (*high_last, high_z))
        yield ((*low_first, low_z), (*high_last, high_z), (*high_first, high_z))


def lofted(levels: Sequence[Level]) -> list[Triangle]:
    """The triangles of the solid between the levels from the lowest up, seen from outside counter-clockwise.

    Raises:
        GeometryError: the loops cross themselves or each other.

    """
    lowest, highest = levels[0], levels[-1]
    triangles: list[Triangle] = []
    for first, middle, last in triangulated(lowest.outline, lowest.window):
        triangles.append(((*last, lowest.z_mm), (*middle, lowest.z_mm), (*first, lowest.z_mm)))
    for first, middle, last in triangulated(highest.outline, highest.window):
        triangles.append(((*first, highest.z_mm), (*middle, highest.z_mm), (*last, highest.z_mm)))
    for low, high in pairwise(levels):
        triangles += _side(_counter_clockwise(low.outline), low.z_mm, _counter_clockwise(high.outline), high.z_mm)
        if low.window:
            triangles += _side(_clockwise(low.window), low.z_mm, _clockwise(high.window), high.z_mm)
    return triangles


def _normal(triangle: Triangle) -> Corner:
    (x1, y1, z1), (x2, y2, z2), (x3, y3, z3) = triangle
    ax, ay, az, bx, by, bz = x2 - x1, y2 - y1, z2 - z1, x3 - x1, y3 - y1, z3 - z1
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    size = (x * x + y * y + z * z) ** 0.5 or 1.0
    return (x / size, y / size, z / size)


def stl(triangles: Sequence[Triangle]) -> bytes:
    """Binary STL (80 bytes of header, a count, 50 bytes a triangle; little-endian)."""
    rows = (struct.pack("<12fH", *_normal(triangle), *chain.from_iterable(triangle), 0) for triangle in triangles)
    return _HEADER + struct.pack("<I", len(triangles)) + b"".join(rows)
