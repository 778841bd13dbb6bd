"""Curves: every chord end lies on the curve, and no chord leaves it by more than is said."""

from itertools import pairwise
from math import cos, hypot, pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.arcs import CHORD_ERROR_MM, MAX_CHORDS, PLANES, arc_points, curve_points

ORIGIN = (0.0, 0.0, 0.0)


def length_mm(points: list[tuple[float, float, float]]) -> float:
    path = [ORIGIN, *points]
    return sum(hypot(*(b - a for a, b in zip(one, other, strict=True))) for one, other in pairwise(path))


@given(st.floats(0.1, 150), st.floats(-pi, pi), st.floats(0.1, 6.2), st.booleans(), st.floats(-5, 5))
def test_chords_stay_on_the_circle_and_near_the_arc(radius: float, begin: float, turn: float, clockwise: bool, rise: float) -> None:
    start = (radius * cos(begin), radius * sin(begin), 0.0)
    angle = begin - turn if clockwise else begin + turn
    end = (radius * cos(angle), radius * sin(angle), rise)
    points = arc_points(start, end, {"I": -start[0], "J": -start[1]}, clockwise=clockwise, plane=PLANES["G17"])
    assert points[-1] == end
    assert all(hypot(x, y) == pytest.approx(radius, rel=1e-9) for x, y, _ in points)
    middles = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip([start, *points], points, strict=False)]
    assert all(hypot(*middle) >= radius - CHORD_ERROR_MM * 1.01 for middle in middles)
    heights = [point[2] for point in points]
    assert heights == sorted(heights, reverse=rise < 0)


@given(st.floats(1, 50), st.floats(0.2, 3.0), st.booleans())
def test_radius_and_centre_name_the_same_arc(radius: float, turn: float, clockwise: bool) -> None:
    end = (radius * (1 - cos(turn)), (radius * sin(turn)) * (1 if clockwise else -1), 0.0)
    by_centre = arc_points(ORIGIN, end, {"I": radius}, clockwise=clockwise, plane=PLANES["G17"])
    by_radius = arc_points(ORIGIN, end, {"R": radius}, clockwise=clockwise, plane=PLANES["G17"])
    assert length_mm(by_centre) == pytest.approx(radius * turn, rel=0.01)
    assert length_mm(by_radius) == pytest.approx(radius * turn, rel=0.01)


@pytest.mark.parametrize(
    ("plane", "end", "centre"), [("G18", (0.0, 5.0, 20.0), {"K": 10.0}), ("G19", (5.0, 20.0, 0.0), {"J": 10.0})]
)
def test_the_other_planes(plane: str, end: tuple[float, float, float], centre: dict[str, float]) -> None:
    """Half a circle of radius 10 that rises by 5 along the third axis."""
    points = arc_points(ORIGIN, end, centre, clockwise=True, plane=PLANES[plane])
    assert points[-1] == end
    assert length_mm(points) == pytest.approx(hypot(10 * pi, 5), rel=0.001)
    free = {"G18": 0, "G19": 2}[plane]
    assert max(abs(point[free]) for point in points) == pytest.approx(10, abs=0.02)


def test_whole_turns_besides() -> None:
    once = arc_points(ORIGIN, (20.0, 0.0, 1.0), {"I": 10.0}, clockwise=True, plane=PLANES["G17"])
    thrice = arc_points(ORIGIN, (20.0, 0.0, 1.0), {"I": 10.0, "P": 2.0}, clockwise=True, plane=PLANES["G17"])
    assert length_mm(thrice) == pytest.approx(length_mm(once) + 40 * pi, rel=0.01)


def test_no_arc_has_more_chords_than_the_limit() -> None:
    assert len(arc_points(ORIGIN, (1.0, 0.0, 0.0), {"I": 9e5, "P": 1e9}, clockwise=True, plane=PLANES["G17"])) == MAX_CHORDS


def test_a_curve_leaves_and_arrives_along_its_control_points() -> None:
    points = curve_points(ORIGIN, (30.0, 0.0, 3.0), {"I": 0.0, "J": 20.0, "P": 0.0, "Q": 20.0})
    assert points[-1] == (30.0, 0.0, 3.0)
    assert max(y for _, y, _ in points) == pytest.approx(15, abs=0.01), "three quarters of the control points' height"
    assert points[0][1] > 5 * points[0][0]
    assert [z for _, _, z in points] == sorted(z for _, _, z in points)
