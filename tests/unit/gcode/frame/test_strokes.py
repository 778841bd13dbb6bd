"""Strokes: loops at a distance from a drawing, checked by measuring that distance."""

from itertools import pairwise
from math import pi

import pytest

from gcode.frame.geometry import GeometryError, Point, distance, distance_to_segment, signed_area
from gcode.frame.strokes import Band, Edge, Track, opened, rings, with_detours

WIDE = Band(4.0, 4)


def around(walk: list[Edge], offset: float) -> list[Point]:
    """The loop at a distance from the skeleton: the face of a band twice as thick."""
    return [(x, y) for x, y, _ in Band(2 * offset, 2).loop(walk, 0)]


def single_stroke(bulge_mm: float = 0.0) -> list[Edge]:
    """One stroke from 0,0 to 20,0 with two free ends."""
    there = Edge(((0.0, 0.0), (20.0, 0.0)), is_tip=True, bulge_mm=bulge_mm)
    return [there, Edge(there.points[::-1], is_tip=True, bulge_mm=bulge_mm)]


def test_a_line_lies_to_the_left_of_its_edge() -> None:
    edge = Edge(((0.0, 0.0), (10.0, 0.0)))
    assert WIDE.track(edge, 0.5) == [(0, 1.5, 1), (10, 1.5, 1)]
    assert WIDE.track(edge, 3.5) == [(0, -1.5, 1), (10, -1.5, 1)]
    assert WIDE.track(edge.reversed(), 0.5) == [(10, -1.5, 1), (0, -1.5, 1)]


def test_lines_of_a_bent_edge_are_parallel_to_its_pieces() -> None:
    """A mitre: the bend moves farther than the ends, so that both pieces keep their distance."""
    edge = Edge(((0.0, 0.0), (10.0, 0.0), (18.0, 6.0)))
    for line in (0.5, 1.5, 2.5, 3.5):
        away = 2 - line
        for first, second in pairwise(WIDE.track(edge, line)):
            middle = ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
            assert min(distance_to_segment(middle, pair) for pair in pairwise(edge.points)) == pytest.approx(abs(away))


def test_a_narrower_face_makes_all_lines_a_little_thinner() -> None:
    """The left face steps back by 0.8: four lines share 3.2 mm and still touch."""
    edge = Edge(((0.0, 0.0), (10.0, 0.0)), left=(0.8, 0.8))
    lines = [WIDE.track(edge, number + 0.5)[0] for number in range(4)]
    assert [width for _, _, width in lines] == pytest.approx([0.8] * 4)
    assert [y for _, y, _ in lines] == pytest.approx([0.8, 0.0, -0.8, -1.6])
    assert WIDE.track(edge, 0)[0][1] == pytest.approx(1.2)
    assert WIDE.track(edge, 4)[0][1] == pytest.approx(-2.0), "the right face stays"


def test_walked_back_left_is_right() -> None:
    edge = Edge(((0.0, 0.0), (10.0, 0.0)), left=(0.8, 0.0), right=(0.0, 0.4))
    back = edge.reversed()
    assert back.left == (0.4, 0.0)
    assert back.right == (0.0, 0.8)
    for line in (0.5, 1.5, 2.5, 3.5):
        for vertex, same in zip(WIDE.track(edge, line), WIDE.track(back, 4 - line)[::-1], strict=True):
            assert vertex == pytest.approx(same)


def test_a_face_that_stands_out_makes_lines_wider() -> None:
    edge = Edge(((0.0, 0.0), (10.0, 0.0)), left=(-0.4, -0.4))
    assert WIDE.track(edge, 0)[0][1] == pytest.approx(2.4)
    assert WIDE.track(edge, 0.5)[0][2] == pytest.approx(1.1)


def test_around_one_stroke_runs_a_stadium() -> None:
    loop = around(single_stroke(), 2)
    assert abs(signed_area(loop)) == pytest.approx(20 * 4 + pi * 4, rel=0.02)
    assert all(distance_to_segment(point, ((0, 0), (20, 0))) == pytest.approx(2) for point in loop)


def test_a_bulge_is_a_wider_round_head() -> None:
    loop = around(single_stroke(bulge_mm=1.0), 2)
    assert max(x for x, _ in loop) == pytest.approx(23, abs=0.06)
    assert max(y for _, y in loop) == pytest.approx(3, abs=0.06)
    assert [y for x, y in loop if abs(y) < 1.9 and 0 < x < 20] == [], "the sides are straight"


def test_points_of_the_stroke_inside_its_head_are_left_out() -> None:
    there = Edge(tuple((float(x), 0.0) for x in range(21)), is_tip=True, bulge_mm=3.0)
    loop = Band(4, 2).loop([there, Edge(there.points[::-1], is_tip=True, bulge_mm=3.0)], 0)
    for x, y, _ in loop:
        assert distance((x, y), (20, 0)) > 4.9
        assert distance((x, y), (0, 0)) > 4.9


def fork(angle_x: float) -> list[Edge]:
    """Three strokes from the origin: left, right, and up or slanted, as a walk around all of them."""
    right = Edge(((0.0, 0.0), (30.0, 0.0)), is_tip=True)
    left = Edge(((0.0, 0.0), (-30.0, 0.0)), is_tip=True)
    up = Edge(((0.0, 0.0), (angle_x, 25.0)), is_tip=True)
    # Clockwise, so that the outside is on the left.
    return [left, left.reversed(), up, up.reversed(), right, right.reversed()]


@pytest.mark.parametrize("angle_x", [0.0, 10.0, 25.0, -20.0])
def test_at_a_fork_every_point_keeps_its_distance(angle_x: float) -> None:
    walk = fork(angle_x)
    for offset in (0.3, 0.9, 1.5):
        for point in around(walk, offset):
            nearest = min(distance_to_segment(point, (edge.points[0], edge.points[-1])) for edge in walk)
            assert nearest == pytest.approx(offset, abs=1e-6)


@pytest.mark.parametrize("rise", [1.0, -1.0])
def test_a_gentle_bend_between_two_edges_is_a_mitre(rise: float) -> None:
    """One point, whatever the turn: sections of a solid keep their number of points."""
    first, second = Edge(((0.0, 0.0), (10.0, 0.0))), Edge(((10.0, 0.0), (20.0, rise)), is_tip=True)
    walk = [first, second, second.reversed(), Edge(first.points[::-1], is_tip=True)]
    loop = around(walk, 2)
    near = [point for point in loop if distance(point, (10, 0)) < 2.2]
    assert len(near) == 2
    assert all(distance_to_segment(point, ((0, 0), (10, 0))) == pytest.approx(2, abs=0.01) for point in near)


def test_a_sharp_turn_outwards_is_an_arc() -> None:
    corner = [Edge(((-20.0, 0.0), (0.0, 0.0))), Edge(((0.0, 0.0), (0.0, -20.0)), is_tip=True)]
    walk = [*corner, corner[1].reversed(), Edge(corner[0].points[::-1], is_tip=True)]
    rounded = [(x, y) for x, y in around(walk, 2) if x > 0 and y > 0]
    assert len(rounded) > 2
    assert all(distance(point, (0, 0)) == pytest.approx(2) for point in rounded)


def test_strokes_too_short_to_meet_are_an_error() -> None:
    stub = Edge(((0.0, 0.0), (0.0, 1.0)), is_tip=True)
    side = Edge(((0.0, 0.0), (9.0, 0.0)), is_tip=True)
    with pytest.raises(GeometryError, match="do not meet"):
        around([stub, stub.reversed(), side, side.reversed()], 3)


def test_a_head_longer_than_its_stroke_is_an_error() -> None:
    stub = Edge(((0.0, 0.0), (1.0, 0.0)), is_tip=True, bulge_mm=5)
    with pytest.raises(GeometryError, match="longer than its stroke"):
        around([stub, Edge(stub.points[::-1], is_tip=True, bulge_mm=5)], 1)


SQUARE: Track = [(0, 0, 1), (10, 0, 1), (10, 10, 2), (0, 10, 2)]


def test_a_loop_is_opened_where_it_is_asked_to_and_ends_there() -> None:
    way = opened(SQUARE, (4, -3))
    assert way[0] == way[-1]
    assert way[0] == pytest.approx((4, 0, 1))
    assert way[1:-1] == [(10, 0, 1), (10, 10, 2), (0, 10, 2), (0, 0, 1)]
    assert opened(SQUARE, (20, 20))[0][:2] == (10, 10)


@pytest.mark.parametrize(("radius", "count"), [(0.1, 0), (0.45, 1), (1.05, 2), (2.1, 4)])
def test_rings_fill_a_disc(radius: float, count: int) -> None:
    found = rings((5, 5), radius, 0.54, (5, 9))
    assert len(found) == count
    area = sum(distance(first[:2], second[:2]) * first[2] for ring in found for first, second in pairwise(ring))
    if count:
        assert area == pytest.approx(pi * radius**2, rel=0.03)
        assert all(ring[0][:2] == pytest.approx(ring[-1][:2]) for ring in found)
        assert all(ring[0][0] == pytest.approx(5) and ring[0][1] > 5 for ring in found), (
            "they begin on the side they are come to from"
        )


def test_a_detour_breaks_a_way_where_it_comes_near() -> None:
    way: Track = [(0, 0, 1), (10, 0, 1), (20, 0, 1), (30, 0, 1)]
    extra: Track = [(20, 2, 1), (21, 2, 1)]
    assert with_detours(way, [((20, 2), [extra])]) == [way[:3], extra, way[2:]]
    assert with_detours(way, [((0, 2), [extra])]) == [extra, way], "at its very beginning nothing is left before it"
    assert with_detours(way, []) == [way]
    assert with_detours(way, [((20, 2), []), ((10, 1), [])]) == [way[:2], way[1:3], way[2:]]
