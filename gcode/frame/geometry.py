"""Plane geometry: distances, arcs, crossings, simpler lines, hulls. Points are x and y in millimetres."""

import itertools
from collections.abc import Iterable, Sequence
from math import acos, ceil, cos, hypot, sin
from typing import Final

Point = tuple[float, float]
Polyline = list[Point]
_PARALLEL = 1e-9
_ARC_ERROR_MM = 0.05


class GeometryError(ValueError):
    """Two strokes do not meet as drawn: the dimensions contradict each other."""


def distance(first: Point, second: Point) -> float:
    """Millimetres between two points."""
    return hypot(second[0] - first[0], second[1] - first[1])


def length(points: Sequence[Point]) -> float:
    """Millimetres along a polyline."""
    return sum(distance(first, second) for first, second in itertools.pairwise(points))


def signed_area(loop: Sequence[Point]) -> float:
    """Square millimetres, positive when the loop runs counter-clockwise."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(loop, [*loop[1:], loop[0]], strict=True)) / 2


def arc(centre: Point, radius_mm: float, begin: float, sweep: float, step: float | None = None) -> Polyline:
    """Points on a circle, both ends included, at most `step` apart; without it the chords leave the circle by at most 0.05 mm.

    Angles in radians. Circles within one another with the same step are parallel.
    """
    step = step or 2 * acos(max(1 - _ARC_ERROR_MM / max(radius_mm, 2 * _ARC_ERROR_MM), 0.5))
    count = max(ceil(abs(sweep) / step), 2)
    angles = [begin + sweep * index / count for index in range(count + 1)]
    return [(centre[0] + radius_mm * cos(angle), centre[1] + radius_mm * sin(angle)) for angle in angles]


def crossing(first: tuple[Point, Point], second: tuple[Point, Point]) -> Point | None:
    """Where two segments meet, or None."""
    (x1, y1), (x2, y2) = first
    (x3, y3), (x4, y4) = second
    across = (x2 - x1) * (y4 - y3) - (y2 - y1) * (x4 - x3)
    if abs(across) < _PARALLEL:
        return None
    along = ((x3 - x1) * (y4 - y3) - (y3 - y1) * (x4 - x3)) / across
    other = ((x3 - x1) * (y2 - y1) - (y3 - y1) * (x2 - x1)) / across
    if -_PARALLEL <= along <= 1 + _PARALLEL and -_PARALLEL <= other <= 1 + _PARALLEL:
        return (x1 + along * (x2 - x1), y1 + along * (y2 - y1))
    return None


def kept(points: Sequence[Point], error_mm: float) -> list[int]:
    """The indexes of an open polyline's points that stay when all others are within `error_mm` of it (Douglas and Peucker 1973)."""
    keep = {0, len(points) - 1}
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        farthest, worst = 0, error_mm
        for index in range(first + 1, last):
            away = distance_to_segment(points[index], (points[first], points[last]))
            if away > worst:
                farthest, worst = index, away
        if farthest:
            keep.add(farthest)
            spans += [(first, farthest), (farthest, last)]
    return sorted(keep)


def simplified(points: Sequence[Point], error_mm: float) -> Polyline:
    """An open polyline without the points that are within `error_mm` of what remains."""
    return [points[index] for index in kept(points, error_mm)]


def simplified_loop(loop: Sequence[Point], error_mm: float) -> Polyline:
    """`simplified` for a closed loop; the first point stays."""
    return simplified([*loop, loop[0]], error_mm)[:-1]


def nearest_on_segment(point: Point, segment: tuple[Point, Point]) -> Point:
    """The point of a segment that is nearest to a point."""
    (x1, y1), (x2, y2) = segment
    squared = (x2 - x1) ** 2 + (y2 - y1) ** 2
    along = ((point[0] - x1) * (x2 - x1) + (point[1] - y1) * (y2 - y1)) / squared if squared else 0.0
    along = min(max(along, 0.0), 1.0)
    return (x1 + along * (x2 - x1), y1 + along * (y2 - y1))


def distance_to_segment(point: Point, segment: tuple[Point, Point]) -> float:
    """Millimetres from a point to the nearest point of a segment."""
    return distance(point, nearest_on_segment(point, segment))


def hull(points: Iterable[Point]) -> Polyline:
    """The convex hull, counter-clockwise (Andrew's monotone chain); points within a millionth of a millimetre are one."""
    ordered = sorted({(round(x, 6), round(y, 6)) for x, y in points})
    return _half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1]


_FLAT_MM2: Final = 1e-9  # a corner of less is straight: the sign of its area is a matter of rounding


def _half_hull(ordered: Sequence[Point]) -> Polyline:
    chain: Polyline = []
    for point in ordered:
        while len(chain) > 1 and signed_area([chain[-2], chain[-1], point]) <= _FLAT_MM2:
            chain.pop()
        chain.append(point)
    return chain


def cubic(start: Point, first_handle: Point, second_handle: Point, end: Point, step_mm: float) -> Polyline:
    """A Bezier curve in steps of about `step_mm`, both ends included."""
    control = [start, first_handle, second_handle, end]
    count = max(ceil(length(control) / step_mm), 4)
    points = []
    for index in range(count + 1):
        t = index / count
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        x = sum(weight * point[0] for weight, point in zip(weights, control, strict=True))
        y = sum(weight * point[1] for weight, point in zip(weights, control, strict=True))
        points.append((x, y))
    return points


def contains(loop: Sequence[Point], point: Point) -> bool:
    """Whether a point is inside a closed loop (even-odd rule)."""
    inside = False
    for (x1, y1), (x2, y2) in zip(loop, [*loop[1:], loop[0]], strict=True):
        if (y1 > point[1]) != (y2 > point[1]) and point[0] < x1 + (point[1] - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside
