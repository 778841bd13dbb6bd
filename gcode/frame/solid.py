"""A flat shape with one window, extruded to a watertight solid and written as binary STL."""

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Final

from gcode.frame.geometry import GeometryError, Point, Polyline, contains, crossing, distance, signed_area

Corner = tuple[float, float, float]
Triangle = tuple[Corner, Corner, Corner]
_HEADER: Final = b"Essaim solid, millimetres".ljust(80, b"\0")
_FLAT: Final = 1e-9


def _counter_clockwise(loop: Sequence[Point]) -> Polyline:
    return list(loop) if signed_area(loop) > 0 else list(loop)[::-1]


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


def triangulated(outline: Sequence[Point], window: Sequence[Point]) -> list[tuple[Point, Point, Point]]:
    """Counter-clockwise triangles that cover the shape, by clipping ears.

    Raises:
        GeometryError: the loops cross themselves or each other.

    """
    if not all(contains(outline, point) for point in window):
        raise GeometryError("the window is not inside the outline")
    polygon = _bridged(_counter_clockwise(outline), _counter_clockwise(window)[::-1])
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


def _wall(loop: Polyline, height_mm: float) -> list[Triangle]:
    """The side above a loop; the solid lies to the loop's left."""
    triangles: list[Triangle] = []
    for (x1, y1), (x2, y2) in zip(loop, [*loop[1:], loop[0]], strict=True):
        low_first, low_last, high_first, high_last = (x1, y1, 0.0), (x2, y2, 0.0), (x1, y1, height_mm), (x2, y2, height_mm)
        triangles += [(low_first, low_last, high_last), (low_first, high_last, high_first)]
    return triangles


def extruded(outline: Sequence[Point], window: Sequence[Point], height_mm: float) -> list[Triangle]:
    """The triangles of the solid between z = 0 and `height_mm`, seen from outside counter-clockwise."""
    triangles: list[Triangle] = []
    for first, middle, last in triangulated(outline, window):
        triangles.append(((*first, height_mm), (*middle, height_mm), (*last, height_mm)))
        triangles.append(((*last, 0.0), (*middle, 0.0), (*first, 0.0)))
    return triangles + _wall(_counter_clockwise(outline), height_mm) + _wall(_counter_clockwise(window)[::-1], height_mm)


def _normal(triangle: Triangle) -> Corner:
    (x1, y1, z1), (x2, y2, z2), (x3, y3, z3) = triangle
    ax, ay, az, bx, by, bz = x2 - x1, y2 - y1, z2 - z1, x3 - x1, y3 - y1, z3 - z1
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    size = (x * x + y * y + z * z) ** 0.5 or 1.0
    return (x / size, y / size, z / size)


def extruded_stl(outline: Sequence[Point], window: Sequence[Point], height_mm: float) -> bytes:
    """Binary STL (80 bytes of header, a count, 50 bytes a triangle; little-endian).

    Raises:
        GeometryError: the loops cross themselves or each other.

    """
    triangles = extruded(outline, window, height_mm)
    rows = (struct.pack("<12fH", *_normal(triangle), *chain.from_iterable(triangle), 0) for triangle in triangles)
    return _HEADER + struct.pack("<I", len(triangles)) + b"".join(rows)
