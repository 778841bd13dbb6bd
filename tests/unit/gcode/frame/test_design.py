"""Dimensions: their bounds, what contradicts what, and the frame of each printer."""

from dataclasses import replace
from math import hypot, inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.frame import FrameDesign, FrameError, default_design
from gcode.frame.design import DIMENSIONS, SIZES, letter_height_mm, shortened, skin_inset_mm, unshortened
from gcode.frame.holes import HOLE_STANDARDS
from gcode.profile import Box, bundled_profiles
from tests.unit.gcode.samples import profile


@pytest.mark.parametrize("name", DIMENSIONS)
@pytest.mark.parametrize("side", ["below", "above", "nan", "inf"])
def test_every_dimension_has_bounds_and_the_error_names_it(name: str, side: str) -> None:
    dimension = DIMENSIONS[name]
    value: Any = {"below": dimension.low - 1, "above": dimension.high + 1, "nan": nan, "inf": inf}[side]
    change: dict[str, Any] = {name: value}
    with pytest.raises(FrameError) as caught:
        replace(FrameDesign(), **change)
    error = caught.value
    assert error.parameter == name
    assert name in error.bilingual.en
    assert name in error.bilingual.fr
    assert dimension.meaning.en in error.bilingual.en
    assert dimension.meaning.fr in error.bilingual.fr
    assert f"{dimension.low:g}" in error.bilingual.en


@pytest.mark.parametrize(
    ("change", "parameter", "message"),
    [
        ({"wall_lines": 3}, "wall_lines", "an even number"),
        ({"layer_height_mm": 0.45}, "layer_height_mm", "0.8 x line_width_mm"),
        (
            {"height_mm": 2.5, "layer_height_mm": 0.4, "line_width_mm": 1.2, "wall_lines": 2, "pin_mm": 6.0},
            "pin_mm",
            "at most the wall",
        ),
        ({"pin_mm": 3.0}, "pin_mm", "does not pass a hole of 5.5 mm"),
        ({"height_mm": 5.7}, "pin_mm", "does not pass a hole"),
        ({"pin_head_mm": 2.0}, "pin_head_mm", "at least pin_mm"),
        ({"head_depth_mm": 90.0}, "head_depth_mm", "shorter arms do not hold"),
        ({"line_width_mm": 1.0, "wall_lines": 4, "forehead_offset_mm": 15.0}, "forehead_offset_mm", "four walls"),
        ({"skin_radius_mm": 2.4}, "skin_radius_mm", "too thin"),
        ({"holes": "5-hole"}, "holes", "one of iso838"),
        ({"revision": "é"}, "revision", "letters A-Z"),
        ({"revision": "A" * 17}, "revision", "up to 16"),
        ({"revision": "R3", "height_mm": 2.5}, "revision", "band higher"),
        ({"revision": "A" * 16, "head_depth_mm": 100.0}, "revision", "arm longer"),
    ],
)
def test_dimensions_that_contradict_each_other_are_told(change: dict[str, Any], parameter: str, message: str) -> None:
    with pytest.raises(FrameError, match=message) as caught:
        replace(FrameDesign(), **change)
    assert caught.value.parameter == parameter
    assert caught.value.bilingual.fr != caught.value.bilingual.en


@pytest.mark.parametrize("holes", HOLE_STANDARDS)
@pytest.mark.parametrize("layer_height_mm", [0.15, 0.2, 0.3])
def test_necks_pass_the_smallest_hole_and_heads_hold_in_the_largest(holes: str, layer_height_mm: float) -> None:
    design = FrameDesign(holes=holes, layer_height_mm=layer_height_mm)
    standard = HOLE_STANDARDS[holes]
    assert hypot(design.pin_mm, design.printed_height_mm) == design.pin_diagonal_mm <= standard.smallest_mm
    assert standard.largest_mm < design.head_diagonal_mm < standard.largest_mm + 0.5
    assert design.pin_neck_mm > 0.5, "room for the sheet between band and head"


def test_a_head_goes_through_the_nominal_hole_by_bending_the_sheet_only() -> None:
    """A hole of 6 mm is as long around as the head is: it becomes a rectangle, nothing is stretched."""
    design = FrameDesign()
    assert 2 * (design.head_mm + design.printed_height_mm) < 3.1416 * 6.0 + 0.1


def test_a_head_of_ones_own() -> None:
    assert FrameDesign(pin_head_mm=5.0).head_mm == 5.0


def test_sizes_follow_from_the_dimensions() -> None:
    design = FrameDesign(head_width_mm=150, head_depth_mm=140, forehead_offset_mm=40)
    assert design.width_mm == pytest.approx(150 + 2 * design.wall_mm)
    assert design.depth_mm == 180
    assert design.arm_length_mm == 140 - 48
    assert design.front_depth_mm == 88
    assert design.layers == 16
    assert design.printed_height_mm == pytest.approx(4.8)
    assert letter_height_mm(design) == pytest.approx(3.8)


@given(st.floats(0, 1.2), st.floats(0, 4.8), st.floats(0, 4.8))
def test_the_skin_side_is_rounded_and_nowhere_steeper_than_45_degrees(radius: float, low: float, high: float) -> None:
    design = FrameDesign(skin_radius_mm=radius)
    first, second = skin_inset_mm(design, low), skin_inset_mm(design, high)
    assert 0 <= first <= 0.59 * radius + 1e-9
    assert abs(first - second) <= abs(low - high) + 1e-9 or max(low, high) > 4.8 - radius


def test_the_rounding_is_at_both_faces_and_the_middle_is_plain() -> None:
    design = FrameDesign(skin_radius_mm=1.0)
    assert skin_inset_mm(design, 0) == skin_inset_mm(design, design.printed_height_mm) == pytest.approx(0.586, abs=0.001)
    assert skin_inset_mm(design, 2.4) == 0
    assert skin_inset_mm(FrameDesign(skin_radius_mm=0), 0) == 0


@pytest.mark.parametrize(
    ("nozzle_mm", "lines", "line_mm", "layer_mm"),
    [(0.25, 10, 0.324, 0.15), (0.4, 6, 0.54, 0.3), (0.5, 6, 0.54, 0.3), (0.6, 4, 0.81, 0.3), (0.8, 4, 0.81, 0.3)],
)
def test_lines_suit_the_nozzle(nozzle_mm: float, lines: int, line_mm: float, layer_mm: float) -> None:
    design = default_design(replace(profile(), nozzle_mm=nozzle_mm))
    assert (design.wall_lines, design.line_width_mm, design.layer_height_mm) == (lines, line_mm, layer_mm)
    assert design.layer_height_mm <= 0.75 * nozzle_mm + 1e-9


@pytest.mark.parametrize("found", bundled_profiles().values(), ids=lambda found: found.id)
@pytest.mark.parametrize("size", SIZES)
def test_every_bundled_printer_gets_a_frame(found: object, size: str) -> None:
    printer = profile(getattr(found, "id"))  # noqa: B009 - the fixture's type is wide
    design = default_design(printer, size)
    assert design.head_width_mm == SIZES[size].head_width_mm
    assert design.depth_mm <= printer.volume.max_y - printer.volume.min_y - 10


def test_a_child_gets_a_smaller_one_with_the_same_holes() -> None:
    adult, child = SIZES["adult"], SIZES["child"]
    assert child.head_width_mm < adult.head_width_mm
    assert child.head_depth_mm < adult.head_depth_mm
    assert child.holes == adult.holes


def test_a_bed_of_180_mm_gets_shorter_arms() -> None:
    mini = replace(profile(), volume=Box(0, 0, 0, 180, 180, 180))
    short, whole = default_design(mini), unshortened(mini)
    assert short.depth_mm < 180 - 10
    assert short.arm_length_mm > 80
    assert whole.depth_mm == 180
    assert replace(short, head_depth_mm=whole.head_depth_mm) == whole, "nothing else differs"
    assert shortened(short, mini) == short


def test_a_pin_in_the_middle_of_the_front_takes_room_too() -> None:
    mini = replace(profile(), volume=Box(0, 0, 0, 180, 180, 180))
    american = shortened(replace(unshortened(mini), holes="us3"), mini)
    assert american.depth_mm + american.pin_reach_mm < 180 - 10


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(FrameError, match=r"120 mm deep: even with the shortest arms that hold, the frame needs 14[0-9] mm"):
        default_design(replace(profile(), volume=Box(0, 0, 0, 200, 120, 150)))
    with pytest.raises(FrameError, match="adult or child") as caught:
        default_design(profile(), "giant")
    assert caught.value.parameter == "size"
