"""Plane geometry, checked by measuring."""

import itertools
from math import cos, pi, sin

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gcode.frame.geometry import (
    Point,
    arc,
    contains,
    crossing,
    cubic,
    distance,
    distance_to_segment,
    hull,
    length,
    nearest_on_segment,
    signed_area,
    simplified,
    simplified_loop,
)

SQUARE = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]


def test_measures() -> None:
    assert signed_area(SQUARE) == 100
    assert signed_area(SQUARE[::-1]) == -100
    assert length(SQUARE) == 30
    assert distance((0, 0), (3, 4)) == 5
    assert distance_to_segment((5, 3), ((0, 0), (10, 0))) == 3
    assert distance_to_segment((13, 4), ((0, 0), (10, 0))) == 5
    assert distance_to_segment((3, 4), ((0, 0), (0, 0))) == 5


def test_an_arc_stays_on_its_circle_with_both_ends() -> None:
    points = arc((1, 2), 5, 0, pi)
    assert points[0] == pytest.approx((6, 2))
    assert points[-1] == pytest.approx((-4, 2))
    assert all(distance((1, 2), point) == pytest.approx(5) for point in points)
    middles = [((x1 + x2) / 2, (y1 + y2) / 2) for (x1, y1), (x2, y2) in itertools.pairwise(points)]
    assert all(distance((1, 2), middle) > 5 - 0.051 for middle in middles)


def test_crossings() -> None:
    assert crossing(((0, 0), (10, 10)), ((0, 10), (10, 0))) == (5, 5)
    assert crossing(((0, 0), (1, 1)), ((5, 0), (5, 9))) is None
    assert crossing(((0, 0), (9, 0)), ((0, 1), (9, 1))) is None


def test_simplifying_drops_what_lies_on_the_way() -> None:
    assert simplified([(0, 0), (5, 0.01), (10, 0)], 0.1) == [(0, 0), (10, 0)]
    assert simplified([(0, 0), (5, 1), (10, 0)], 0.1) == [(0, 0), (5, 1), (10, 0)]
    assert simplified_loop([*SQUARE[:1], (5.0, 0.0), *SQUARE[1:]], 0.1) == SQUARE


points = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=30)


@given(points, st.floats(0.01, 5))
def test_what_is_left_is_near_all_that_was(line: list[Point], error: float) -> None:
    kept = simplified(line, error)
    assert (kept[0], kept[-1]) == (line[0], line[-1])
    for point in line:
        assert min(distance_to_segment(point, pair) for pair in itertools.pairwise(kept)) <= error + 1e-9


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=40))
def test_a_hull_turns_left_only_and_holds_everything(cloud: list[Point]) -> None:
    found = hull(cloud)
    corners = len(found)
    for index in range(corners if corners > 2 else 0):
        triple = [found[index - 2], found[index - 1], found[index]]
        assert signed_area(triple) > 0
        for x, y in cloud:
            assert signed_area([found[index - 1], found[index], (x, y)]) >= -1e-3


def test_a_hull_of_points_in_a_row_has_no_corners() -> None:
    assert hull([(2.0546875, 0.0), (2.0546875, 3.0), (2.0546875, 25.0)]) == [(2.054688, 0.0), (2.054688, 25.0)]


def test_a_hull_of_circles_is_not_confused_by_points_that_nearly_coincide() -> None:
    circles = [point for corner in SQUARE for point in arc(corner, 4, 0, 2 * pi)]
    found = hull(circles)
    assert all(signed_area([found[i - 2], found[i - 1], found[i]]) > 0 for i in range(len(found)))


def test_a_bezier_curve_has_its_ends_and_its_middle() -> None:
    curve = cubic((0, 0), (0, 10), (10, 10), (10, 0), 0.5)
    assert (curve[0], curve[-1]) == ((0, 0), (10, 0))
    assert curve[len(curve) // 2] == pytest.approx((5, 7.5))


def test_inside_and_outside() -> None:
    assert contains(SQUARE, (5, 5))
    assert not contains(SQUARE, (15, 5))
    assert not contains(SQUARE, (5, -1))


near = st.tuples(*[st.floats(-9, 9).map(lambda value: round(value, 2))] * 2)
shift = st.tuples(*[st.integers(-300, 300)] * 2)


def moved(points: list[Point], by: Point) -> list[Point]:
    return [(x + by[0], y + by[1]) for x, y in points]


@given(near, near, near, near, shift)
def test_where_two_segments_cross_lies_on_both_wherever_they_are(a: Point, b: Point, c: Point, d: Point, by: Point) -> None:
    """Signs of areas say whether they cross; what nearly touches is left to chance."""
    sides = [signed_area([a, b, c]), signed_area([a, b, d]), signed_area([c, d, a]), signed_area([c, d, b])]
    assume(min(map(abs, sides)) > 1e-3)
    a, b, c, d = moved([a, b, c, d], by)
    found = crossing((a, b), (c, d))
    assert (found is not None) == (sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0)
    if found is not None:
        assert distance_to_segment(found, (a, b)) < 1e-6
        assert distance_to_segment(found, (c, d)) < 1e-6


def test_segments_that_touch_cross_and_parallel_ones_do_not() -> None:
    assert crossing(((1, 1), (5, 1)), ((5, 1), (5, 9))) == (5, 1)
    assert crossing(((1, 1), (5, 1)), ((3, 1), (3, 9))) == (3, 1)
    assert crossing(((1, 1), (5, 1)), ((2, 1), (4, 1))) is None


@given(near, st.floats(0.1, 40), st.floats(-3, 3), st.floats(-7, 7))
def test_an_arc_keeps_to_its_circle_between_its_points_too(centre: Point, radius: float, begin: float, sweep: float) -> None:
    points = arc(centre, radius, begin, sweep)
    for first, second in itertools.pairwise(points):
        assert distance(centre, first) == pytest.approx(radius)
        middle = ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
        assert distance(centre, middle) > radius - 0.051 or len(points) == 3
    assert points[0] == pytest.approx((centre[0] + radius * cos(begin), centre[1] + radius * sin(begin)))
    assert points[-1] == pytest.approx((centre[0] + radius * cos(begin + sweep), centre[1] + radius * sin(begin + sweep)))
    assert len(points) >= 3


@given(near, near, near, near, shift)
def test_a_curve_leaves_and_arrives_along_its_handles(a: Point, b: Point, c: Point, d: Point, by: Point) -> None:
    """De Casteljau's halving gives its middle; fine steps leave towards the first handle."""
    a, b, c, d = moved([a, b, c, d], by)
    points = cubic(a, b, c, d, 0.5)
    assert points[0] == pytest.approx(a)
    assert points[-1] == pytest.approx(d)
    assert len(points) >= 5
    if len(points) % 2:
        middle = ((a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8, (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8)
        assert points[len(points) // 2] == pytest.approx(middle)
    quarter = cubic(a, b, c, d, 1e9)[1]
    weights = (27 / 64, 27 / 64, 9 / 64, 1 / 64)
    assert quarter == pytest.approx(tuple(sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True)) for axis in (0, 1)))
    reversed_points = cubic(d, c, b, a, 0.5)[::-1]
    assert all(one == pytest.approx(other, abs=1e-9) for one, other in zip(points, reversed_points, strict=True))


@given(st.lists(near, min_size=3, max_size=12), near, shift)
def test_what_is_inside_a_triangle_fan_stays_so_wherever_it_lies(cloud: list[Point], point: Point, by: Point) -> None:
    loop = hull(cloud)
    assume(len(loop) > 2)
    sides = [signed_area([first, second, point]) for first, second in itertools.pairwise([*loop, loop[0]])]
    assume(min(map(abs, sides)) > 1e-3)
    inside = all(side > 0 for side in sides)
    assert contains(loop, point) == inside
    assert contains(moved(loop, by), moved([point], by)[0]) == inside
    assert contains(loop[::-1], point) == inside


@given(near, near, near, shift)
def test_the_nearest_point_is_at_an_end_or_square_to_the_segment(point: Point, a: Point, b: Point, by: Point) -> None:
    point, a, b = moved([point, a, b], by)
    x, y = nearest_on_segment(point, (a, b))
    if (x, y) not in {a, b}:
        assert (point[0] - x) * (b[0] - a[0]) + (point[1] - y) * (b[1] - a[1]) == pytest.approx(0, abs=1e-6)
    assert distance_to_segment((x, y), (a, b)) < 1e-6
    steps = [(a[0] + (b[0] - a[0]) * step / 20, a[1] + (b[1] - a[1]) * step / 20) for step in range(21)]
    assert distance(point, (x, y)) <= min(distance(point, step) for step in steps) + 1e-9
    assert nearest_on_segment(point, (a, a)) == a


def test_a_loop_is_simplified_around_its_first_point() -> None:
    square = [(0.0, 0.0), (5.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0), (0.0, 5.0)]
    assert simplified_loop(square, 0.1) == [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
