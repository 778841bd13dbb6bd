"""STL: watertight, right way out, and of the right volume."""

import struct

import pytest

from gcode.frame.geometry import GeometryError, Polyline, signed_area
from gcode.frame.solid import Level, lofted, stl, triangulated
from tests.unit.gcode.frame.mesh import assert_watertight, parsed, volume_mm3

OUTLINE: Polyline = [(0, 0), (10, 0), (10, 10), (6, 10), (5, 8), (4, 10), (0, 10)]
WINDOW: Polyline = [(2, 2), (4, 2), (4, 4), (2, 4)]


def test_triangles_cover_the_shape_once() -> None:
    triangles = triangulated(OUTLINE, WINDOW)
    assert all(signed_area(list(triangle)) > 0 for triangle in triangles)
    assert sum(signed_area(list(triangle)) for triangle in triangles) == pytest.approx(signed_area(OUTLINE) - 4)
    assert sum(signed_area(list(triangle)) for triangle in triangulated(OUTLINE)) == pytest.approx(signed_area(OUTLINE))


@pytest.mark.parametrize("outline", [OUTLINE, OUTLINE[::-1]], ids=["counter-clockwise", "clockwise"])
@pytest.mark.parametrize("window", [WINDOW, WINDOW[::-1], []], ids=["counter-clockwise", "clockwise", "no window"])
def test_the_solid_is_closed_and_right_way_out(outline: Polyline, window: Polyline) -> None:
    triangles = lofted([Level(0, outline, window), Level(3, outline, window)])
    assert_watertight(triangles)
    assert volume_mm3(triangles) == pytest.approx((signed_area(OUTLINE) - (4 if window else 0)) * 3)


def test_sections_of_different_size_are_joined_by_slopes() -> None:
    """A pyramid's stump: 10 x 10 below, 6 x 6 above, 3 high."""
    low: Polyline = [(0, 0), (10, 0), (10, 10), (0, 10)]
    high: Polyline = [(2, 2), (8, 2), (8, 8), (2, 8)]
    triangles = lofted([Level(0, low), Level(3, high), Level(4, high)])
    assert_watertight(triangles)
    assert volume_mm3(triangles) == pytest.approx((100 + 36 + 60) * 3 / 3 + 36)


def test_normals_point_outwards() -> None:
    content = stl(lofted([Level(0, OUTLINE, WINDOW), Level(3, OUTLINE, WINDOW)]))
    for number, triangle in enumerate(parsed(content)):
        normal = struct.unpack_from("<3f", content, 84 + 50 * number)
        if all(corner[2] == 3 for corner in triangle):
            assert normal == (0, 0, 1)
        if all(corner[2] == 0 for corner in triangle):
            assert normal == (0, 0, -1)


def test_a_window_outside_is_told() -> None:
    with pytest.raises(GeometryError, match="not inside"):
        triangulated(OUTLINE, [(20, 20), (21, 20), (21, 21)])


def test_an_outline_that_crosses_itself_is_told() -> None:
    bow: Polyline = [(0, 0), (20, 20), (20, 0), (0, 20)]
    with pytest.raises(GeometryError):
        triangulated(bow, [(18, 9.5), (19, 10), (18, 10.5)])
