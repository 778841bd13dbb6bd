"""Bitmaps against distances."""

from itertools import pairwise
from math import hypot, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.frame.bitmap import Grid
from gcode.frame.geometry import Point, contains, distance_to_segment, signed_area
from gcode.profile import Box

GRID = Grid(-10.0, -10.0, 0.5, 60, 50)
spots = st.tuples(st.floats(-8, 18), st.floats(-8, 13))


def middles() -> list[tuple[int, int, Point]]:
    return [(row, column, (-10 + (column + 0.5) * 0.5, -10 + (row + 0.5) * 0.5)) for row in range(50) for column in range(60)]


def is_set(rows: dict[int, int], row: int, column: int) -> bool:
    return bool(rows.get(row, 0) >> column & 1)


@given(st.lists(spots, min_size=1, max_size=4), st.floats(0.6, 4))
def test_what_is_near_a_line_is_marked_and_what_is_far_is_not(path: list[Point], radius: float) -> None:
    rows: dict[int, int] = {}
    GRID.discs(path, radius, rows)
    lines = list(pairwise(path)) or [(path[0], path[0])]
    for row, column, point in middles():
        away = min(distance_to_segment(point, line) for line in lines)
        if away <= radius:
            assert is_set(rows, row, column)
        if away > hypot(radius, 0.25) + 1e-6:
            assert not is_set(rows, row, column)


def test_nothing_outside_the_grid_is_marked() -> None:
    rows: dict[int, int] = {}
    GRID.discs([(-30, 0), (60, 0)], 30, rows)
    assert min(rows) == 0
    assert max(rows) == 49
    assert all(bits < 1 << 60 for bits in rows.values())
    rows = {}
    GRID.discs([(-60, 0)], 3, rows)
    GRID.box(Box(100, 100, 0, 120, 120, 1), 2, rows)
    assert GRID.packed(rows) == 0


def test_a_box_covers_all_it_touches() -> None:
    rows: dict[int, int] = {}
    GRID.box(Box(0.1, 0.1, 0, 2, 2, 5), 1.0, rows)
    for row, column, (x, y) in middles():
        inside = -0.9 <= x <= 3 and -0.9 <= y <= 3
        outside = x < -1.3 or x > 3.4 or y < -1.3 or y > 3.4
        assert not (inside and not is_set(rows, row, column))
        assert not (outside and is_set(rows, row, column))


@given(spots, st.integers(-3, 3), st.integers(-3, 3))
def test_a_shift_of_the_integer_is_a_shift_on_the_bed(spot: Point, columns: int, lines: int) -> None:
    near = (spot[0] * 0.5, spot[1] * 0.5)
    here: dict[int, int] = {}
    there: dict[int, int] = {}
    GRID.discs([near], 1.5, here)
    GRID.discs([(near[0] + columns * 0.5, near[1] + lines * 0.5)], 1.5, there)
    shift = GRID.shifted_bits(columns, lines)
    moved = GRID.packed(here) << shift if shift >= 0 else GRID.packed(here) >> -shift
    assert (moved ^ GRID.packed(there)).bit_count() <= 4, "but for cells on the very border"


def test_the_border_of_a_disc_is_one_circle() -> None:
    rows: dict[int, int] = {}
    GRID.discs([(0, 0)], 5, rows)
    (loop,) = GRID.contours(rows)
    assert signed_area(loop) == pytest.approx(pi * 25, rel=0.05), "counter-clockwise"
    assert all(hypot(x, y) == pytest.approx(5, abs=0.5) for x, y in loop)


def test_the_border_of_a_ring_has_a_hole_the_other_way_round() -> None:
    rows: dict[int, int] = {}
    GRID.discs([(3, -3), (9, -3), (9, 3), (3, 3), (3, -3)], 1, rows)
    areas = sorted(signed_area(loop) for loop in GRID.contours(rows))
    assert len(areas) == 2
    assert areas[0] < 0 < areas[1]
    assert areas[0] == pytest.approx(-16, rel=0.3)


def test_cells_that_touch_in_a_corner_have_borders_of_their_own() -> None:
    loops = GRID.contours({10: 1 << 10, 11: 1 << 11})
    assert len(loops) == 2
    assert all(len(loop) == 4 and signed_area(loop) > 0 for loop in loops)
    assert GRID.contours({}) == []


def test_borders_enclose_what_is_marked() -> None:
    rows: dict[int, int] = {}
    GRID.discs([(0, 0), (6, 5)], 2, rows)
    (loop,) = GRID.contours(rows)
    for row, column, point in middles():
        away = distance_to_segment(point, ((0, 0), (6, 5)))
        if away < 1.2:
            assert contains(loop, point)
        if away > 2.8:
            assert not contains(loop, point)
        assert isinstance(is_set(rows, row, column), bool)
