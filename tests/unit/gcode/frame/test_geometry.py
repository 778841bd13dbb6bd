"""Plane geometry, checked by measuring."""

import itertools
from math import pi

import pytest
from hypothesis import given
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
