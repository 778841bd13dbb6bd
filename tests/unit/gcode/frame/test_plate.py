"""Plates and stacks: which layers they have, how standoffs carry, what gets a brim."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from gcode.frame import Adhesion, FrameDesign, FrameError, Plate
from gcode.frame.geometry import Point, contains, distance, distance_to_segment
from gcode.frame.headband import frame_layers, skeleton
from gcode.frame.plate import (
    PLATE_DIMENSIONS,
    check_height,
    contact_mm2,
    slices,
    stack_height_mm,
    standoff_places,
    standoffs,
    wants_brim,
)
from gcode.frame.strokes import Edge
from gcode.profile import Box
from tests.unit.gcode.samples import profile

DESIGN = FrameDesign()


def test_one_frame_has_its_layers_from_the_bed_up() -> None:
    pieces = list(slices(DESIGN, Plate()))
    assert [piece.z_mm for piece in pieces] == pytest.approx([0.3 * (layer + 1) for layer in range(16)])
    assert not any(piece.bridges or piece.standoffs for piece in pieces)


def test_a_stack_repeats_them_over_gaps_with_standoffs() -> None:
    pieces = list(slices(DESIGN, Plate(stack=3, gap_mm=0.25)))
    assert len(pieces) == 3 * 16 + 2
    assert [index for index, piece in enumerate(pieces) if piece.standoffs] == [16, 33]
    assert [index for index, piece in enumerate(pieces) if piece.bridges] == [17, 34]
    for below, above in pairwise(pieces):
        assert above.z_mm - above.thickness_mm == pytest.approx(below.z_mm), "each layer lies on the one below"
    assert pieces[16].thickness_mm == 0.25
    assert pieces[-1].z_mm == pytest.approx(stack_height_mm(DESIGN, Plate(stack=3))) == pytest.approx(3 * 4.8 + 0.5)


def test_no_part_of_a_bridge_is_far_from_a_standoff() -> None:
    """Every point of the drawing is at most half the spacing from one, pins and hooks included."""
    middles = [
        ((way.tracks[0][0][0] + way.tracks[0][1][0]) / 2, (way.tracks[0][0][1] + way.tracks[0][1][1]) / 2)
        for way in standoffs(DESIGN, 10.0).ways
    ]
    drawing = skeleton(DESIGN)
    curves = [drawing.front, drawing.forehead, drawing.arm, [(-x, y) for x, y in drawing.arm]]
    for curve in curves:
        for (x1, y1), (x2, y2) in pairwise(curve):
            for step in range(5):
                point: Point = (x1 + (x2 - x1) * step / 4, y1 + (y2 - y1) * step / 4)
                assert min(distance(point, middle) for middle in middles) < 5.6
    assert len(middles) < 90, "each one must be broken when frames are taken apart"


def test_standoffs_stand_on_the_frame_below() -> None:
    shape = standoffs(DESIGN, 8.0)
    below = frame_layers(DESIGN)[-1]
    for way in shape.ways:
        (track,) = way.tracks
        for x, y, width in track:
            assert contains(below.outline, (x, y))
            assert not contains(below.window_outline, (x, y))
            assert width < DESIGN.line_width_mm


def test_more_standoffs_where_they_are_asked_for() -> None:
    assert len(standoffs(DESIGN, 5.0).ways) > 1.7 * len(standoffs(DESIGN, 10.0).ways)


def test_how_high_a_stack_may_be_is_told() -> None:
    printer = replace(profile(), volume=Box(0, 0, 0, 210, 210, 50))
    check_height(DESIGN, Plate(stack=9), printer)
    with pytest.raises(FrameError, match=r"A stack of 10 is 50 mm high .* prints 50 mm: 9 fit") as caught:
        check_height(DESIGN, Plate(stack=10), printer)
    assert caught.value.parameter == "stack"
    assert "il en tient 9" in caught.value.bilingual.fr
    with pytest.raises(FrameError) as caught:
        check_height(DESIGN, Plate(), replace(profile(), volume=Box(0, 0, 0, 210, 210, 4)))
    assert caught.value.parameter == "height_mm"


@pytest.mark.parametrize("name", PLATE_DIMENSIONS)
@pytest.mark.parametrize("beyond", [-1000, 1000])
def test_figures_out_of_bounds_are_named(name: str, beyond: int) -> None:
    change: dict[str, Any] = {name: beyond}
    with pytest.raises(FrameError, match=f"{name} is {beyond}") as caught:
        Plate(**change)
    assert caught.value.parameter == name


def test_parts() -> None:
    assert Plate(count=2, stack=5).parts == 10


def test_what_is_tall_or_stands_on_little_gets_a_brim() -> None:
    assert not wants_brim(DESIGN, Plate())
    assert wants_brim(DESIGN, Plate(stack=12))
    slight = FrameDesign(
        line_width_mm=0.6, wall_lines=2, layer_height_mm=0.2, pin_mm=1.2, skin_radius_mm=0.2, hook_gap_mm=3, pin_head_mm=2
    )
    assert contact_mm2(slight) < 850
    assert wants_brim(slight, Plate())
    assert not wants_brim(slight, Plate(adhesion=Adhesion.SKIRT))
    assert wants_brim(DESIGN, Plate(adhesion=Adhesion.BRIM))
    assert not wants_brim(slight, Plate(adhesion=Adhesion.NONE))


def test_contact_is_the_first_layers_area() -> None:
    assert contact_mm2(DESIGN) == pytest.approx(2000, rel=0.15)
    assert contact_mm2(DESIGN) < contact_mm2(FrameDesign(skin_radius_mm=0)), "the rounding leaves less of it"


def test_standoffs_reach_from_face_to_face() -> None:
    """Their round ends touch both faces of the layer below the gap; heads of pins and hooks are wider, and forks."""
    base = frame_layers(DESIGN)[0]
    sides = [side for loop in (base.outline, base.window_outline) for side in pairwise([*loop, loop[0]])]
    shorter = 0
    for way in standoffs(DESIGN, 10.0).ways:
        (((x1, y1, width), (x2, y2, _)),) = way.tracks
        rims = [min(distance_to_segment(end, side) for side in sides) - width / 2 for end in ((x1, y1), (x2, y2))]
        assert min(rims) > -0.06, "none stands out"
        shorter += max(rims) > 0.06
    assert shorter <= len(skeleton(DESIGN).pins) + 4
    assert {width for way in standoffs(DESIGN, 10.0).ways for _, _, width in way.tracks[0]} == {0.9 * DESIGN.line_width_mm}


def test_standoffs_are_drawn_back_and_forth() -> None:
    tracks = [way.tracks[0] for way in standoffs(DESIGN, 10.0).ways]
    hops = sum(distance(first[-1][:2], second[0][:2]) for first, second in pairwise(tracks))
    same_side = sum(distance(first[0][:2], second[0][:2]) for first, second in pairwise(tracks))
    assert hops < same_side


def test_standoff_places_are_even_and_end_at_the_end() -> None:
    edge = Edge(((0.0, 5.0), (30.0, 5.0), (30.0, 25.0)), left=(0.0, 0.2, 0.4), right=(0.5, 0.1, 0.0))
    places = standoff_places(edge, 10.0)
    assert [point for point, *_ in places] == [(10, 5), (20, 5), (30, 5), (30, 15), (30, 25)]
    assert [(left, right) for _, _, left, right in places] == [(0.2, 0.5), (0.2, 0.5), (0.2, 0.5), (0.4, 0.1), (0.4, 0.1)]
    normals = [normal for _, normal, _, _ in places]
    first, middle, last = edge.normals
    assert (first, last) == ((0, 1), (-1, 0))
    assert normals == [first, middle, middle, middle, last], "the nearer end's"
    assert len(standoff_places(edge, 1000.0)) == 1
    assert [point for point, *_ in standoff_places(edge, 1000.0)] == [(30, 25)]
    assert [(left, right) for _, _, left, right in standoff_places(Edge(((0, 0), (0, 9))), 4)] == [(0, 0)] * 3


@pytest.mark.parametrize("room_mm", [4.0, 9.85, 9.84, 20.0, 60.3])
def test_as_many_as_are_said_to_fit_do_fit_and_no_more(room_mm: float) -> None:
    printer = replace(profile(), volume=Box(0, 0, 2.0, 210, 210, 2.0 + room_mm))
    with pytest.raises(FrameError) as caught:
        check_height(DESIGN, Plate(stack=40), printer)
    fit = int(str(caught.value.bilingual.en).rsplit(": ", 1)[1].removesuffix(" fit."))
    assert caught.value.parameter == ("stack" if fit else "height_mm")
    if fit:
        check_height(DESIGN, Plate(stack=fit), printer)
    with pytest.raises(FrameError):
        check_height(DESIGN, Plate(stack=fit + 1), printer)


@pytest.mark.parametrize(("stack", "wanted"), [(7, False), (8, False), (9, True)])
def test_a_stack_gets_its_brim_from_40_mm_up(stack: int, wanted: bool) -> None:
    """4.8 mm each and 0.25 mm between: eight are 40.15 mm high with a gap of 0.25 mm, 39.1 mm with one of 0.1 mm."""
    assert wants_brim(DESIGN, Plate(stack=stack, gap_mm=0.1)) == wanted
    assert wants_brim(DESIGN, Plate(stack=8)) is True
