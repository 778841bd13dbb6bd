"""STL: watertight, right way out, and of the right volume."""

import struct
from collections import Counter

import pytest

from gcode.frame import frame_stl
from gcode.frame.geometry import GeometryError, Polyline, signed_area
from gcode.frame.headband import FrameDesign, frame_shape
from gcode.frame.solid import Triangle, extruded, extruded_stl, triangulated

OUTLINE: Polyline = [(0, 0), (10, 0), (10, 10), (6, 10), (5, 8), (4, 10), (0, 10)]
WINDOW: Polyline = [(2, 2), (4, 2), (4, 4), (2, 4)]


def parsed(content: bytes) -> list[Triangle]:
    (count,) = struct.unpack_from("<I", content, 80)
    assert len(content) == 84 + 50 * count
    triangles = []
    for number in range(count):
        values = struct.unpack_from("<12fH", content, 84 + 50 * number)
        triangles.append((values[3:6], values[6:9], values[9:12]))
    return triangles


def volume(triangles: list[Triangle]) -> float:
    total = 0.0
    for (x1, y1, z1), (x2, y2, z2), (x3, y3, z3) in triangles:
        total += x1 * (y2 * z3 - y3 * z2) - y1 * (x2 * z3 - x3 * z2) + z1 * (x2 * y3 - x3 * y2)
    return total / 6


def assert_watertight(triangles: list[Triangle]) -> None:
    """Every edge is walked once in each direction: closed, and all faces look outwards or all inwards."""
    edges = Counter((corner, triangle[(index + 1) % 3]) for triangle in triangles for index, corner in enumerate(triangle))
    assert set(edges.values()) == {1}
    assert all((last, first) in edges for first, last in edges)


def test_triangles_cover_the_shape_once() -> None:
    triangles = triangulated(OUTLINE, WINDOW)
    assert all(signed_area(list(triangle)) > 0 for triangle in triangles)
    assert sum(signed_area(list(triangle)) for triangle in triangles) == pytest.approx(signed_area(OUTLINE) - 4)


@pytest.mark.parametrize("outline", [OUTLINE, OUTLINE[::-1]], ids=["counter-clockwise", "clockwise"])
@pytest.mark.parametrize("window", [WINDOW, WINDOW[::-1]], ids=["counter-clockwise", "clockwise"])
def test_the_solid_is_closed_and_right_way_out(outline: Polyline, window: Polyline) -> None:
    triangles = extruded(outline, window, 3)
    assert_watertight(triangles)
    assert volume(triangles) == pytest.approx((signed_area(OUTLINE) - 4) * 3)


def test_normals_point_outwards() -> None:
    content = extruded_stl(OUTLINE, WINDOW, 3)
    for number, triangle in enumerate(parsed(content)):
        normal = struct.unpack_from("<3f", content, 84 + 50 * number)
        if all(corner[2] == 3 for corner in triangle):
            assert normal == (0, 0, 1)
        if all(corner[2] == 0 for corner in triangle):
            assert normal == (0, 0, -1)


@pytest.mark.parametrize("design", [FrameDesign(), FrameDesign(pins=2, depth_mm=160)], ids=["standard", "short"])
def test_the_frame_as_it_is_written(design: FrameDesign) -> None:
    """Rounded to 32-bit floats, as the file holds it."""
    triangles = parsed(frame_stl(design))
    assert_watertight(triangles)
    shape = frame_shape(design)
    area = abs(signed_area(shape.outline)) - abs(signed_area(shape.window_outline))
    assert volume(triangles) == pytest.approx(area * design.height_mm, rel=1e-4)
    assert {round(corner[2], 4) for triangle in triangles for corner in triangle} == {0, 5.1}


def test_a_window_outside_is_told() -> None:
    with pytest.raises(GeometryError, match="not inside"):
        triangulated(OUTLINE, [(20, 20), (21, 20), (21, 21)])


def test_an_outline_that_crosses_itself_is_told() -> None:
    bow: Polyline = [(0, 0), (20, 20), (20, 0), (0, 20)]
    with pytest.raises(GeometryError):
        triangulated(bow, [(18, 9.5), (19, 10), (18, 10.5)])
