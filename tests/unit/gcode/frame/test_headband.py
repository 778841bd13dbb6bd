"""The shape of a frame: sizes, holes that fit, loops that neither cross nor leave the part."""

from dataclasses import replace
from itertools import combinations, pairwise
from math import pi

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gcode.frame import FrameDesign, FrameError
from gcode.frame.geometry import GeometryError, Point, Polyline, contains, crossing, distance, distance_to_segment, signed_area
from gcode.frame.headband import LayerShape, band, frame_layers, layer_outlines, layer_shape, skeleton, walks
from gcode.frame.holes import HOLE_STANDARDS
from gcode.frame.strokes import Band, Track

DESIGNS = [
    FrameDesign(),
    FrameDesign(wall_lines=4, line_width_mm=0.6),
    FrameDesign(holes="iso838"),
    FrameDesign(holes="us3"),
    FrameDesign(head_depth_mm=120, hooks=False),
    FrameDesign(line_width_mm=0.45, layer_height_mm=0.2),
    FrameDesign(head_width_mm=160, head_depth_mm=160, skin_radius_mm=0),
    FrameDesign(revision="R3"),
]
IDS = ["standard", "four lines", "two pins", "american", "short, no hooks", "fine", "large, square edges", "letters"]


def segments(loop: Polyline) -> list[tuple[Point, Point]]:
    return list(zip(loop, [*loop[1:], loop[0]], strict=True))


def middle(design: FrameDesign) -> LayerShape:
    return frame_layers(design)[design.layers // 2]


def tracks(shape: LayerShape) -> list[Track]:
    return [track for way in shape.ways for track in way.tracks]


def area_mm2(shape: LayerShape) -> float:
    return abs(signed_area(shape.outline)) - abs(signed_area(shape.window_outline))


def drawn_mm2(shape: LayerShape) -> float:
    return sum(
        distance(first[:2], second[:2]) * (first[2] + second[2]) / 2 for track in tracks(shape) for first, second in pairwise(track)
    )


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_the_size_is_as_designed(design: FrameDesign) -> None:
    xs, ys = zip(*middle(design).outline, strict=True)
    pins_in_front = design.pin_reach_mm if 0.0 in design.standard.places_mm else 0.0
    assert max(ys) - min(ys) == pytest.approx(design.depth_mm + pins_in_front, abs=0.1)
    assert max(xs) + min(xs) == pytest.approx(0, abs=0.1) or design.revision, "symmetric"
    assert max(x for x, y in middle(design).outline if abs(y) < 2) == pytest.approx(design.width_mm / 2, abs=0.1)


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_a_head_has_the_room_it_was_promised(design: FrameDesign) -> None:
    """Between the arms at the temples, and from the forehead to the ends of the arms, and to the sheet."""
    outline = middle(design).outline
    upwards = ((0.0, -200.0), (0.0, 200.0))
    forehead_y = min(point[1] for point in (crossing(side, upwards) for side in segments(outline)) if point)
    assert forehead_y == pytest.approx(design.forehead_depth_mm, abs=0.1)
    assert forehead_y - min(y for _, y in outline) == pytest.approx(design.head_depth_mm, abs=0.1)
    assert design.front_depth_mm - forehead_y == pytest.approx(design.forehead_offset_mm, abs=0.1)
    across = ((-200.0, 0.0), (200.0, 0.0))
    temples = [abs(point[0]) for point in (crossing(side, across) for side in segments(outline)) if point]
    assert 2 * min(temples) == pytest.approx(design.head_width_mm, abs=0.7)


def may_touch(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Whether the boxes around two segments overlap."""
    return all(max(a[axis] for a in first) >= min(b[axis] for b in second) for axis in (0, 1)) and all(
        max(b[axis] for b in second) >= min(a[axis] for a in first) for axis in (0, 1)
    )


@pytest.mark.parametrize("design", [DESIGNS[0], DESIGNS[3]], ids=[IDS[0], IDS[3]])
def test_no_loop_crosses_itself_or_another(design: FrameDesign) -> None:
    wall, found = band(design), walks(design, 0.3)
    loops = [
        list(dict.fromkeys((x, y) for x, y, _ in wall.loop(walk, line + 0.5)))
        for walk in (found.outside, found.window)
        for line in range(design.wall_lines // 2)
    ]
    rows = [(number, index, len(loop), pair) for number, loop in enumerate(loops) for index, pair in enumerate(segments(loop))]
    for (loop_a, index_a, count, first), (loop_b, index_b, _, second) in combinations(rows, 2):
        neighbours = loop_a == loop_b and (index_b - index_a) % count in {1, count - 1}
        if not neighbours and may_touch(first, second):
            assert crossing(first, second) is None, (first, second)


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
@pytest.mark.parametrize("layer", [0, 1, 8])
def test_the_lines_fill_the_part(design: FrameDesign, layer: int) -> None:
    """Lines side by side: their area is the part's area, without holes or doubled plastic."""
    shape = frame_layers(design)[layer]
    assert drawn_mm2(shape) == pytest.approx(area_mm2(shape), rel=0.004)


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_no_line_is_too_thin_to_hold_or_too_wide_to_flow(design: FrameDesign) -> None:
    for shape in frame_layers(design):
        widths = [vertex[2] for track in tracks(shape) for vertex in track]
        assert min(widths) >= 0.6 * design.line_width_mm
        assert max(widths) <= 1.25 * design.line_width_mm


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_every_line_lies_inside_the_part(design: FrameDesign) -> None:
    for shape in {id(shape): shape for shape in frame_layers(design)}.values():
        for track in tracks(shape):
            for first, second in pairwise(track):
                point = ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
                assert contains(shape.outline, point)
                assert not contains(shape.window_outline, point)


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_ways_are_closed_and_short_steps_join_their_parts(design: FrameDesign) -> None:
    for way in middle(design).ways:
        assert way.tracks[0][0][:2] == pytest.approx(way.tracks[-1][-1][:2], abs=1e-6)
        for track, following in pairwise(way.tracks):
            assert distance(track[-1][:2], following[0][:2]) < design.head_mm / 2


def test_outer_and_inner_face_are_external_and_drawn_last_and_first() -> None:
    ways = middle(FrameDesign()).ways
    assert [way.is_external for way in ways] == [True, False, False, False, False, True]


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_seams_are_on_the_front_away_from_skin_and_pins(design: FrameDesign) -> None:
    front_y = design.front_depth_mm
    seams = {way.tracks[0][0][:2] for shape in frame_layers(design) for way in shape.ways}
    for x, y in seams:
        assert front_y - y < design.wall_mm + 6
        assert all(abs(x - place) > 6 for place in design.standard.places_mm)
        assert y > design.forehead_depth_mm + 2 * design.wall_mm, "not on the forehead's band"


def test_seams_of_two_layers_do_not_lie_on_one_another() -> None:
    first, second = (frame_layers(FrameDesign())[layer].ways[-1].tracks[0][0][:2] for layer in (6, 7))
    assert distance(first, second) > 5


@pytest.mark.parametrize("holes", ["iso838", "888", "us3"])
def test_pins_stand_exactly_where_the_holes_are(holes: str) -> None:
    """Measured along the outer face, where the sheet lies; the sheet's middle is the frame's."""
    design = FrameDesign(holes=holes)
    drawing = skeleton(design)
    face = [(x, y) for x, y, _ in band(design).track(walks(design, 0.0).front, 0)]
    walked = [0.0]
    for first, second in pairwise(face):
        walked.append(walked[-1] + distance(first, second))
    centre = walked[-1] / 2
    for index, place in zip(drawing.pins, design.standard.places_mm, strict=True):
        assert walked[index] - centre == pytest.approx(place, abs=0.3)
    gaps = [walked[second] - walked[first] for first, second in pairwise(drawing.pins)]
    wanted = [second - first for first, second in pairwise(design.standard.places_mm)]
    assert gaps == pytest.approx(wanted, abs=0.3)


@pytest.mark.parametrize("holes", ["iso838", "888", "us3"])
def test_each_pin_stands_upright_on_the_face_and_has_a_round_head(holes: str) -> None:
    design = FrameDesign(holes=holes)
    found = walks(design, 0.0)
    outline = middle(design).outline
    for pin in found.pins:
        foot, tip = pin.points
        assert distance(foot, tip) == pytest.approx(design.wall_mm / 2 + design.head_middle_mm)
        away = [distance(point, tip) for point in outline if distance(point, tip) < design.head_mm / 2 + 0.01]
        assert len(away) > 12
        assert min(away) == pytest.approx(design.head_mm / 2, abs=0.01)


def test_hooks_leave_the_room_that_was_asked_for() -> None:
    for gap_mm in (4.0, 6.0):
        design = FrameDesign(hook_gap_mm=gap_mm)
        arm = skeleton(design).arm
        bottom = min(range(len(arm)), key=lambda index: arm[index][1])
        legs = arm[bottom][0] - min(x for x, _ in arm[bottom - 4 :]), max(x for x, _ in arm[bottom:]) - arm[bottom][0]
        assert sum(legs) - design.wall_mm == pytest.approx(gap_mm, abs=0.25)
        assert arm[-1][1] - arm[bottom][1] > design.hook_length_mm, "the free leg points forward: what pulls backward stays in"
    plain = skeleton(FrameDesign(hooks=False)).arm
    assert min(y for _, y in plain) == plain[-1][1], "without hooks the arm just ends"


def test_the_skin_side_steps_back_and_the_other_faces_do_not() -> None:
    design = FrameDesign()
    first, plain = layer_outlines(design, 0.4), layer_outlines(design, 0.0)
    moved = [distance(one, other) for one, other in zip(first[0], plain[0], strict=True)]
    assert len(first[0]) == len(plain[0]), "points correspond"
    assert first[1] == plain[1], "the window has no skin side"
    for point, shift in zip(plain[0], moved, strict=True):
        if point[1] > design.forehead_depth_mm + 4 or abs(point[0]) > design.head_width_mm / 2 + 1:
            assert shift == pytest.approx(0, abs=1e-6), "front, pins and outer faces"
        elif abs(point[0]) < 40 and point[1] > 0:
            assert shift == pytest.approx(0.4, abs=0.01)
    assert max(moved) < 0.45


def test_only_layers_near_the_faces_differ() -> None:
    layers = frame_layers(FrameDesign())
    areas = [round(area_mm2(shape), 3) for shape in layers]
    assert areas == areas[::-1]
    assert areas[0] < areas[1] < areas[2] < areas[3]
    assert len(set(areas[3:-3])) == 1


def test_letters_stand_out_of_the_right_arm_only_and_grow_slowly() -> None:
    plain, lettered = FrameDesign(), FrameDesign(revision="R3")
    rises = []
    for shape, other in zip(frame_layers(lettered), frame_layers(plain), strict=True):
        reach = max(distance_of(point, other.outline) for point in shape.outline if not contains(other.outline, point))
        where = [point for point in shape.outline if distance_of(point, other.outline) > 0.1]
        assert all(point[0] > 55 and point[1] < -10 for point in where)
        rises.append(reach)
    assert max(rises) == pytest.approx(0.4, abs=0.06)
    assert rises[0] < 0.06
    assert all(second - first < 0.3 for first, second in pairwise(rises))


def distance_of(point: Point, loop: Polyline) -> float:
    return min(distance_to_segment(point, pair) for pair in segments(loop))


def test_a_front_too_short_for_the_holes_is_told() -> None:
    narrow = FrameDesign(head_width_mm=115, forehead_depth_mm=32, forehead_offset_mm=34, head_depth_mm=110)
    with pytest.raises(FrameError, match="too short for the holes of 888") as caught:
        frame_layers(narrow)
    assert caught.value.parameter == "holes"
    assert frame_layers(replace(narrow, holes="iso838"))


def test_strokes_that_do_not_meet_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No dimensions within the bounds are known that come to this; were there any, nothing half-made must come out."""

    def torn(*_: object) -> Track:
        raise GeometryError("two strokes do not meet")

    monkeypatch.setattr(Band, "loop", torn)
    with pytest.raises(FrameError, match="do not make a frame: two strokes do not meet"):
        layer_shape(FrameDesign(), 0.123)
    with pytest.raises(FrameError, match="do not make a frame"):
        layer_outlines(FrameDesign(), 0.123)


def skeleton_fits(design: FrameDesign) -> bool:
    """Whether the front is long enough for the holes: half an ellipse is at least as long as half a circle of its mean axis."""
    mean = (design.width_mm / 2 + design.front_depth_mm) / 2
    return pi * mean / 2 > design.standard.places_mm[-1] + design.pin_mm + 1


@given(
    st.floats(125, 175),
    st.floats(110, 180),
    st.sampled_from([6, 8]),
    st.floats(2, 12),
    st.floats(2, 20),
    st.sampled_from(list(HOLE_STANDARDS)),
)
def test_any_frame_is_filled(width: float, depth: float, lines: int, gap: float, leg: float, holes: str) -> None:
    """Whatever the dimensions: lines fill the outline, neither less nor more."""
    design = FrameDesign(
        head_width_mm=width,
        head_depth_mm=depth,
        wall_lines=lines,
        hook_gap_mm=gap,
        hook_length_mm=leg,
        holes=holes,
        skin_radius_mm=0.8,
    )
    long_enough = skeleton_fits(design)
    assume(long_enough)
    shape = layer_shape(design, 0.3)
    assert drawn_mm2(shape) == pytest.approx(area_mm2(shape), rel=0.01)


def test_a_frame_is_about_as_large_as_those_of_2020() -> None:
    """3DVerkstan's was 158 x 180 x 5 mm and 12.6 cm3."""
    design = FrameDesign()
    assert sum(area_mm2(shape) for shape in frame_layers(design)) * design.layer_height_mm / 1000 == pytest.approx(10.5, abs=1.5)
    assert drawn_mm2(middle(design)) > pi * 600
