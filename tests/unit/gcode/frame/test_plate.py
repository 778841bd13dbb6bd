"""Plates and stacks: which layers they have, how standoffs carry, what gets a brim."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from gcode.frame import Adhesion, FrameDesign, FrameError, Plate
from gcode.frame.geometry import Point, contains, distance
from gcode.frame.headband import frame_layers, skeleton
from gcode.frame.plate import PLATE_DIMENSIONS, check_height, contact_mm2, slices, stack_height_mm, standoffs, wants_brim
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
