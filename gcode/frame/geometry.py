"""Plane geometry for strokes: bands of even width along a drawing of curves, and closed loops at any distance from that drawing.

The idea: a shape is everything within half a wall of its *skeleton*, a drawing of curves that meet in nodes. A walk around one face
of the drawing, shifted to the left by d, is a closed loop at distance d: with d = half the wall it is the outline, with smaller
d it is a toolpath. Loops at d, d + w, d + 2w... tile the shape without gap or overlap, whatever its forks and corners are.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import acos, atan2, ceil, cos, hypot, pi, sin, sqrt
from typing import Final

Point = tuple[float, float]
Polyline = list[Point]
_PARALLEL = 1e-9
_ARC_ERROR_MM = 0.05


class GeometryError(ValueError):
    """Two strokes do not meet as drawn: the dimensions contradict each other."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A curve of the skeleton in the direction it is walked. A tip is a free end; its round head is wider by `bulge_mm`."""

    points: tuple[Point, ...]
    is_tip: bool = False
    bulge_mm: float = 0.0

    def reversed(self) -> "Edge":
        """The same curve walked back."""
        return Edge(self.points[::-1])


def distance(first: Point, second: Point) -> float:
    """Millimetres between two points."""
    return hypot(second[0] - first[0], second[1] - first[1])


def length(points: Sequence[Point]) -> float:
    """Millimetres along a polyline."""
    return sum(distance(first, second) for first, second in itertools.pairwise(points))


def signed_area(loop: Sequence[Point]) -> float:
    """Square millimetres, positive when the loop runs counter-clockwise."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(loop, [*loop[1:], loop[0]], strict=True)) / 2


def _unit(first: Point, second: Point) -> Point:
    size = distance(first, second)
    return ((second[0] - first[0]) / size, (second[1] - first[1]) / size)


def shifted(points: Sequence[Point], offset_mm: float) -> Polyline:
    """A smooth polyline moved to its left; corners are mitred, so they must be gentle."""
    directions = [_unit(first, second) for first, second in itertools.pairwise(points)]
    moved = []
    for index, (x, y) in enumerate(points):
        before = directions[max(index - 1, 0)]
        after = directions[min(index, len(directions) - 1)]
        normal_x, normal_y = -(before[1] + after[1]) / 2, (before[0] + after[0]) / 2
        scale = offset_mm / (normal_x**2 + normal_y**2)
        moved.append((x + normal_x * scale, y + normal_y * scale))
    return moved


def arc(centre: Point, radius_mm: float, begin: float, sweep: float) -> Polyline:
    """Points on a circle, both ends included; the chords leave it by at most 0.05 mm. Angles in radians."""
    step = 2 * acos(max(1 - _ARC_ERROR_MM / max(radius_mm, 2 * _ARC_ERROR_MM), 0.5))
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


def _trim(before: Polyline, after: Polyline) -> tuple[Polyline, Polyline]:
    """Cut two curves off where they cross, seen from the corner they share."""
    for index in range(len(before) - 1, 0, -1):
        segment = (before[index - 1], before[index])
        for follower in range(1, len(after)):
            point = crossing(segment, (after[follower - 1], after[follower]))
            if point is not None:
                return [*before[:index], point], [point, *after[follower:]]
    raise GeometryError(f"two strokes near {before[-1][0]:.1f}, {before[-1][1]:.1f} do not meet: a part is too short for the wall")


def _cap(before: Polyline, after: Polyline, edge: Edge, offset_mm: float) -> tuple[Polyline, Polyline]:
    """Go round a free tip: a circle wider than the stroke by the bulge."""
    tip = edge.points[-1]
    radius = offset_mm + edge.bulge_mm
    back = sqrt(radius**2 - offset_mm**2)
    if length(before) <= back:
        raise GeometryError("a tip's head is longer than its stroke")
    along = _unit(edge.points[-2], tip)
    heading = atan2(along[1], along[0])
    half = pi - atan2(offset_mm, back) if back else pi / 2
    circle = arc(tip, radius, heading + half, -2 * half)
    return [*before[:-1], *circle[:-1]], [circle[-1], *after[1:]]


def _join(before: Polyline, after: Polyline, edge: Edge, follower: Edge, offset_mm: float) -> tuple[Polyline, Polyline]:
    if edge.is_tip:
        return _cap(before, after, edge, offset_mm)
    arriving, leaving = _unit(*edge.points[-2:]), _unit(*follower.points[:2])
    turn = atan2(arriving[0] * leaving[1] - arriving[1] * leaving[0], arriving[0] * leaving[0] + arriving[1] * leaving[1])
    if turn > 0.02:
        return _trim(before, after)
    if turn < -0.02:
        begin = atan2(arriving[0], -arriving[1])
        return [*before, *arc(edge.points[-1], offset_mm, begin, turn)[1:-1]], after
    return before, after


def loop_around(walk: Sequence[Edge], offset_mm: float) -> Polyline:
    """The closed loop `offset_mm` to the left of a walk around one face of the skeleton (the last point is not repeated).

    Raises:
        GeometryError: two strokes that share a node do not meet at this distance.

    """
    pieces = [shifted(edge.points, offset_mm) for edge in walk]
    for index, edge in enumerate(walk):
        following = (index + 1) % len(walk)
        pieces[index], pieces[following] = _join(pieces[index], pieces[following], edge, walk[following], offset_mm)
    points = [point for piece in pieces for point in piece]
    return [point for point, previous in zip(points, [points[-1], *points[:-1]], strict=True) if distance(point, previous) > 1e-6]


def simplified(points: Sequence[Point], error_mm: float) -> Polyline:
    """Leave out the points of an open polyline that are within `error_mm` of what remains (Douglas and Peucker 1973)."""
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
    return [points[index] for index in sorted(keep)]


def simplified_loop(loop: Sequence[Point], error_mm: float) -> Polyline:
    """`simplified` for a closed loop; the first point stays."""
    return simplified([*loop, loop[0]], error_mm)[:-1]


def _nearest_on_segment(point: Point, segment: tuple[Point, Point]) -> Point:
    (x1, y1), (x2, y2) = segment
    squared = (x2 - x1) ** 2 + (y2 - y1) ** 2
    along = ((point[0] - x1) * (x2 - x1) + (point[1] - y1) * (y2 - y1)) / squared if squared else 0.0
    along = min(max(along, 0.0), 1.0)
    return (x1 + along * (x2 - x1), y1 + along * (y2 - y1))


def distance_to_segment(point: Point, segment: tuple[Point, Point]) -> float:
    """Millimetres from a point to the nearest point of a segment."""
    return distance(point, _nearest_on_segment(point, segment))


def starting_near(loop: Sequence[Point], target: Point) -> Polyline:
    """The same loop, beginning at its point nearest to `target` (which becomes a point of its own)."""
    segments = list(zip(loop, [*loop[1:], loop[0]], strict=True))
    index = min(range(len(segments)), key=lambda number: distance_to_segment(target, segments[number]))
    start = _nearest_on_segment(target, segments[index])
    rest = [*loop[index + 1 :], *loop[: index + 1]]
    return [start, *(point for point in rest if distance(point, start) > 1e-3)]


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
