"""Bands along a drawing of curves, and the lines side by side that fill them.

A shape is everything within half a wall of its *skeleton*, a drawing of curves (`Edge`) that meet in nodes. A walk around one face
of the drawing, shifted to the left by d, is a closed loop at distance d: with d = half the wall it is the outline, with smaller d
it is a line of the nozzle. Loops at d, d + w, d + 2w... tile the shape without gap or overlap, whatever its forks and corners are,
because all are shifted from the same points. An edge may be narrower on one side or both (`left`, `right`): its lines share what
is left, each a little thinner.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import atan2, ceil, hypot, pi, sqrt
from typing import Final

from gcode.frame.geometry import GeometryError, Point, arc, crossing, distance, nearest_on_segment

Vertex = tuple[float, float, float]  # x, y and the width of the line here
Track = list[Vertex]
_GENTLE_TURN: Final = 0.45  # radians: below, a mitre is as good as a cut
_STRAIGHT: Final = 1e-6
_SAME_MM: Final = 1e-6
_HEAD_STEP: Final = 2 * pi / 18  # a circle of 2 mm as a polygon is 0.03 mm off
_RING_STEP: Final = 2 * pi / 10


@dataclass(frozen=True, slots=True)
class Edge:
    """A curve of the skeleton in the direction it is walked.

    `left` and `right` are how far each face steps back from half the wall at each point (mm; negative: it stands out; empty: not at
    all). A tip is a free end; its round head is wider by `bulge_mm`.
    """

    points: tuple[Point, ...]
    is_tip: bool = False
    bulge_mm: float = 0.0
    left: tuple[float, ...] = ()
    right: tuple[float, ...] = ()
    normals: tuple[Point, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.normals:
            object.__setattr__(self, "normals", tuple(_normals(self.points)))

    def reversed(self) -> "Edge":
        """The same curve walked back: left is right."""
        normals = tuple((-x, -y) for x, y in reversed(self.normals))
        return Edge(self.points[::-1], left=self.right[::-1], right=self.left[::-1], normals=normals)


def _unit(first: Sequence[float], second: Sequence[float]) -> Point:
    x, y = second[0] - first[0], second[1] - first[1]
    size = hypot(x, y)
    return (x / size, y / size)


def _normals(points: Sequence[Point]) -> list[Point]:
    """To the left of a smooth polyline, as long as a mitre asks: a point moved by d normals lies d beside both its lines."""
    directions = [_unit(first, second) for first, second in itertools.pairwise(points)]
    found = []
    for before, after in zip([directions[0], *directions], [*directions, directions[-1]], strict=True):
        x, y = -(before[1] + after[1]) / 2, (before[0] + after[0]) / 2
        squared = x * x + y * y
        found.append((x / squared, y / squared))
    return found


@dataclass(frozen=True, slots=True)
class Band:
    """How a skeleton becomes plastic: thickness of the wall in mm and how many lines share it."""

    wall_mm: float
    lines: int

    def track(self, edge: Edge, line: float) -> Track:
        """Line number `line` of an edge counted from its left face: 0.5 is the middle of the first line, 0 the face itself."""
        half, share = self.wall_mm / 2, 1 / self.lines
        if not edge.left and not edge.right:
            width = self.wall_mm * share
            away = half - line * width
            return [(x + nx * away, y + ny * away, width) for (x, y), (nx, ny) in zip(edge.points, edge.normals, strict=True)]
        none = (0.0,) * len(edge.points)
        found: Track = []
        for (x, y), (nx, ny), left, right in zip(edge.points, edge.normals, edge.left or none, edge.right or none, strict=True):
            width = (self.wall_mm - left - right) * share
            away = half - left - line * width
            found.append((x + nx * away, y + ny * away, width))
        return found

    def loop(self, walk: Sequence[Edge], line: float) -> Track:
        """The closed loop of line number `line` to the left of a walk around one face (the last point is not repeated).

        Raises:
            GeometryError: two strokes that share a node do not meet.

        """
        pieces = [self.track(edge, line) for edge in walk]
        for index, edge in enumerate(walk):
            following = (index + 1) % len(walk)
            pieces[index], pieces[following] = _join(pieces[index], pieces[following], edge, walk[following])
        points = [vertex for piece in pieces for vertex in piece]
        return [
            vertex
            for vertex, previous in zip(points, [points[-1], *points[:-1]], strict=True)
            # Where a thin pin meets the band two vertices lie on one another: the line changes its width there at once.
            if max(map(abs, (vertex[0] - previous[0], vertex[1] - previous[1], vertex[2] - previous[2]))) > _SAME_MM
        ]


def _cut(before: Track, after: Track) -> tuple[Track, Track]:
    """Cut two curves off where they cross, seen from the corner they share."""
    for index in range(len(before) - 1, 0, -1):
        segment = (before[index - 1][:2], before[index][:2])
        for follower in range(1, len(after)):
            point = crossing(segment, (after[follower - 1][:2], after[follower][:2]))
            if point is not None:
                return [*before[:index], (*point, before[index][2])], [(*point, after[follower - 1][2]), *after[follower:]]
    raise GeometryError(f"two strokes near {before[-1][0]:.1f}, {before[-1][1]:.1f} do not meet: a part is too short for the wall")


def _mitred(before: Track, after: Track) -> tuple[Track, Track] | None:
    """Let two curves end where their last lines cross, or None when that is beyond the lines."""
    (x1, y1), (x2, y2) = before[-2][:2], before[-1][:2]
    (x3, y3), (x4, y4) = after[0][:2], after[1][:2]
    across = (x2 - x1) * (y4 - y3) - (y2 - y1) * (x4 - x3)
    along = ((x3 - x1) * (y4 - y3) - (y3 - y1) * (x4 - x3)) / across
    other = ((x3 - x1) * (y2 - y1) - (y3 - y1) * (x2 - x1)) / across
    if along <= 0 or other >= 1:
        return None
    x, y = x1 + along * (x2 - x1), y1 + along * (y2 - y1)
    return [*before[:-1], (x, y, before[-1][2])], [(x, y, after[0][2]), *after[1:]]


def _cap(before: Track, after: Track, edge: Edge, offset_mm: float) -> tuple[Track, Track]:
    """Go round a free tip: a circle wider than the stroke by the bulge."""
    tip, width = edge.points[-1], before[-1][2]
    radius = offset_mm + edge.bulge_mm
    back = sqrt(max(radius**2 - offset_mm**2, 0.0))
    if distance(before[-1][:2], before[0][:2]) <= back:
        raise GeometryError("a tip's head is longer than its stroke")
    along = _unit(edge.points[-2], tip)
    heading = atan2(along[1], along[0])
    half = pi - atan2(offset_mm, back) if back else pi / 2
    circle = [(x, y, width) for x, y in arc(tip, radius, heading + half, -2 * half, _HEAD_STEP)]
    begin = len(before) - 1
    while begin > 1 and distance(before[begin - 1][:2], before[-1][:2]) < back:
        begin -= 1
    end = 1
    while end < len(after) - 1 and distance(after[end][:2], after[0][:2]) < back:
        end += 1
    return [*before[:begin], *circle[:-1]], [circle[-1], *after[end:]]


def _join(before: Track, after: Track, edge: Edge, follower: Edge) -> tuple[Track, Track]:
    end, node = before[-1], edge.points[-1]
    offset_mm = distance(end[:2], node)
    if edge.is_tip:
        return _cap(before, after, edge, offset_mm)
    arriving, leaving = _unit(*edge.points[-2:]), _unit(*follower.points[:2])
    turn = atan2(arriving[0] * leaving[1] - arriving[1] * leaving[0], arriving[0] * leaving[0] + arriving[1] * leaving[1])
    if abs(turn) < _STRAIGHT:
        return before, after
    mitre = _mitred(before, after) if abs(turn) < _GENTLE_TURN else None
    if mitre is not None:
        return mitre
    if turn > 0:
        return _cut(before, after)
    begin = atan2(arriving[0], -arriving[1])
    return [*before, *((x, y, end[2]) for x, y in arc(node, offset_mm, begin, turn)[1:-1])], after


def opened(loop: Track, target: Point) -> Track:
    """A closed loop as a way to go: it begins at its point nearest to `target` and ends there again."""
    around = [*loop, loop[0]]
    spots = [nearest_on_segment(target, (first[:2], second[:2])) for first, second in itertools.pairwise(around)]
    index = min(range(len(spots)), key=lambda number: distance(target, spots[number]))
    start = (*spots[index], loop[index][2])
    rest = [*loop[index + 1 :], *loop[: index + 1]]
    return [start, *(vertex for vertex in rest if distance(vertex[:2], start[:2]) > 1e-3), start]


def rings(centre: Point, radius_mm: float, line_width_mm: float, facing: Point) -> list[Track]:
    """Circles inside one another that fill a disc, each a closed way that begins on the side of `facing`, from inside out."""
    count = ceil(radius_mm / line_width_mm - 0.25)
    if count < 1:
        return []
    width = radius_mm / count
    begin = atan2(facing[1] - centre[1], facing[0] - centre[0])
    radii = [(number + 0.5) * width for number in range(count)]
    return [
        [(x, y, width) for x, y in arc(centre, radius, begin, 2 * pi, _HEAD_STEP if radius > 1 else _RING_STEP)] for radius in radii
    ]


def with_detours(way: Track, detours: Sequence[tuple[Point, list[Track]]]) -> list[Track]:
    """A way broken up where it comes nearest to a place, to draw something there and then to go on."""
    parts = [way]
    for place, extra in detours:
        pairs = [
            (distance(place, vertex[:2]), part, index) for part, track in enumerate(parts) for index, vertex in enumerate(track)
        ]
        _, part, index = min(pairs)
        broken = parts[part]
        pieces = [piece for piece in (broken[: index + 1], *extra, broken[index:]) if len(piece) > 1]
        parts[part : part + 1] = pieces
    return parts
