"""The shape of a frame: sizes, holes that fit, loops that neither cross nor leave the part."""

from dataclasses import replace
from itertools import combinations
from math import hypot

import pytest

from gcode.frame.geometry import Point, Polyline, contains, crossing, distance, distance_to_segment, signed_area
from gcode.frame.headband import FrameDesign, FrameError, FrameShape, default_design, frame_shape
from gcode.profile import Box, bundled_profiles
from tests.unit.gcode.samples import profile

DESIGNS = [
    FrameDesign(),
    FrameDesign(wall_lines=6, line_width_mm=0.48),
    FrameDesign(pins=2),
    FrameDesign(depth_mm=160),
    FrameDesign(line_width_mm=0.45, layer_height_mm=0.2, height_mm=5.0),
    FrameDesign(width_mm=170, depth_mm=190),
]
IDS = ["standard", "six lines", "two pins", "short", "fine", "large"]


def segments(loop: Polyline) -> list[tuple[Point, Point]]:
    return list(zip(loop, [*loop[1:], loop[0]], strict=True))


def nearest(point: Point, loops: list[Polyline]) -> float:
    return min(distance_to_segment(point, segment) for loop in loops for segment in segments(loop))


def all_loops(shape: FrameShape) -> list[Polyline]:
    return [*shape.outside, *shape.window]


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_the_size_is_as_designed(design: FrameDesign) -> None:
    xs, ys = zip(*frame_shape(design).outline, strict=True)
    assert max(ys) - min(ys) == pytest.approx(design.depth_mm, abs=0.1)
    assert design.width_mm - 1.5 <= max(xs) - min(xs) <= design.width_mm
    assert max(xs) == pytest.approx(-min(xs), abs=0.1), "symmetric"


def may_touch(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Whether the boxes around two segments overlap."""
    return all(max(a[axis] for a in first) >= min(b[axis] for b in second) for axis in (0, 1)) and all(
        max(b[axis] for b in second) >= min(a[axis] for a in first) for axis in (0, 1)
    )


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_no_loop_crosses_itself_or_another(design: FrameDesign) -> None:
    loops = all_loops(frame_shape(design))
    rows = [
        (number, index, len(loop), segment) for number, loop in enumerate(loops) for index, segment in enumerate(segments(loop))
    ]
    for (loop_a, index_a, count, first), (loop_b, index_b, _, second) in combinations(rows, 2):
        neighbours = loop_a == loop_b and (index_b - index_a) % count in {1, count - 1}
        if not neighbours and may_touch(first, second):
            assert crossing(first, second) is None, (first, second)


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_every_line_lies_inside_the_part_half_a_line_from_its_edge(design: FrameDesign) -> None:
    shape = frame_shape(design)
    edges = [shape.outline, shape.window_outline]
    for loops in (shape.outside, shape.window):
        for number, loop in enumerate(loops):
            for (x1, y1), (x2, y2) in segments(loop):
                middle = ((x1 + x2) / 2, (y1 + y2) / 2)
                assert contains(shape.outline, middle)
                assert not contains(shape.window_outline, middle)
                assert nearest(middle, edges) >= (number + 0.5) * design.line_width_mm - 0.13, "within two curve errors"


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_the_lines_fill_the_part(design: FrameDesign) -> None:
    """Lines of one width side by side: their area is the part's area, without holes or doubled plastic."""
    shape = frame_shape(design)
    part = abs(signed_area(shape.outline)) - abs(signed_area(shape.window_outline))
    drawn = sum(distance(*segment) for loop in all_loops(shape) for segment in segments(loop)) * design.line_width_mm
    assert drawn == pytest.approx(part, rel=0.01)


def test_neighbouring_lines_are_one_width_apart() -> None:
    shape, width = frame_shape(FrameDesign()), FrameDesign().line_width_mm
    gaps = sorted(nearest(point, [shape.outside[0]]) for point in shape.outside[1])
    assert gaps[len(gaps) // 2] == pytest.approx(width, abs=0.07)
    across = sorted(nearest(point, [shape.outside[1]]) for point in shape.window[1])
    assert across[len(across) // 2] == pytest.approx(width, abs=0.07), "the innermost lines of both sides are neighbours too"


def pin_tips(design: FrameDesign) -> list[Point]:
    """Middles of the round heads in front, found as the farthest points from the front ellipse."""
    half_width = design.width_mm / 2 - design.wall_mm / 2 - (design.pin_reach_mm if design.pins == 4 else 0)
    reach = design.front_depth_mm - design.wall_mm / 2
    outline = [point for point in frame_shape(design).outline if point[1] > 2]
    out = [point for point in outline if hypot(point[0] / half_width, point[1] / reach) - 1 > (design.wall_mm / 2 + 3) / reach]
    groups: list[list[Point]] = []
    for point in out:
        home = next((group for group in groups if distance(group[0], point) < 8), None)
        if home is None:
            groups.append([point])
        else:
            home.append(point)
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


@pytest.mark.parametrize("pins", [2, 4])
def test_there_are_as_many_pins_as_designed(pins: int) -> None:
    assert len(pin_tips(FrameDesign(pins=pins))) == pins


def test_pins_are_80_mm_apart_along_the_face() -> None:
    """The middle two: their feet are 80 mm apart on the arc, so a little less in a straight line; heads spread out again."""
    tips = sorted(pin_tips(FrameDesign(pins=2)))
    assert distance(*tips) == pytest.approx(80, abs=4)
    assert tips[0][1] == pytest.approx(tips[1][1], abs=0.2)


def test_a_punched_hole_passes_the_neck_and_is_held_by_the_head() -> None:
    design = FrameDesign()
    assert design.pin_diagonal_mm < 6.0
    head = hypot(design.wall_mm + 2 * design.pin_bulge_mm, design.height_mm)
    assert design.hole_mm < head < design.hole_mm + 0.5, "a sheet of 0.2 mm gives by half a millimetre, not more"
    assert design.pin_neck_mm > 0.5, "room for the sheet between band and head"


def test_nothing_overhangs_and_whole_layers() -> None:
    design = FrameDesign()
    assert design.layers == 17
    assert design.layers * design.layer_height_mm == pytest.approx(design.height_mm)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wall_lines": 3}, "even"),
        ({"wall_lines": 0}, "even"),
        ({"pins": 3}, "pins"),
        ({"layer_height_mm": 0.55}, "layer_height_mm"),
        ({"height_mm": 0.5}, "three layers"),
        ({"wall_lines": 8}, "does not pass a hole"),
        ({"depth_mm": 120.0}, "arms are too short"),
        ({"pin_pitch_mm": 95.0}, "too short for 4 pins"),
        ({"pin_neck_mm": 0.01, "pin_bulge_mm": 3.0}, "do not make a frame"),
    ],
)
def test_dimensions_that_contradict_each_other_are_told(change: dict[str, float], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        frame_shape(FrameDesign(**change))  # type: ignore[arg-type]  # the table mixes int and float fields


@pytest.mark.parametrize("found", bundled_profiles().values(), ids=lambda found: found.id)
def test_every_bundled_printer_gets_the_standard_frame(found: object) -> None:
    design = default_design(profile(getattr(found, "id")))  # noqa: B009 - the fixture's type is wide
    assert (design.width_mm, design.depth_mm) == (158, 180)
    assert design.depth_mm <= 190


def test_a_bed_of_180_mm_gets_shorter_arms() -> None:
    small = replace(profile(), volume=Box(0, 0, 0, 180, 180, 180))
    assert default_design(small).depth_mm == 160


def test_a_tiny_bed_is_told() -> None:
    with pytest.raises(FrameError, match="150 mm wide; a frame needs 178"):
        default_design(replace(profile(), volume=Box(0, 0, 0, 150, 150, 150)))
    with pytest.raises(FrameError, match="arms are too short"):
        default_design(replace(profile(), volume=Box(0, 0, 0, 200, 120, 150)))
