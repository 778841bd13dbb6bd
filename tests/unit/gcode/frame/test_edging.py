"""Skirts and brims."""

from dataclasses import replace
from itertools import pairwise

import pytest

from gcode.frame import FrameDesign, Plate
from gcode.frame.edging import brim, skirt
from gcode.frame.geometry import contains, distance, distance_to_segment
from gcode.frame.headband import frame_layers
from gcode.frame.placing import placed
from gcode.profile import Box
from tests.unit.gcode.samples import profile

DESIGN = FrameDesign(holes="iso838")
PRINTER = profile("generic-300")


def test_a_skirt_goes_around_all_frames_without_touching_one() -> None:
    places = placed(DESIGN, PRINTER, 2, (), 3.0)
    tracks = skirt(DESIGN, places, PRINTER, ())
    assert len(tracks) == 2
    loops = [[(x, y) for x, y, _ in track] for track in tracks]
    outlines = [place.on_bed(frame_layers(DESIGN)[8].outline) for place in places]
    for loop in loops:
        assert loop[0] == loop[-1]
        sides = list(pairwise(loop))
        for outline in outlines:
            assert all(contains(loop, point) for point in outline)
            assert min(distance_to_segment(point, side) for point in outline[::4] for side in sides) > 2.9
    assert all(contains(loops[0], point) for point in loops[1]), "from outside in, so that the travel to the part crosses none"


@pytest.mark.parametrize(
    "obstacle", [Box(0, 140, 0, 85, 160, 8), Box(140, 0, 0, 160, 66, 8)], ids=["clip at the left", "clip in front"]
)
def test_a_skirt_is_left_out_where_a_clip_is_in_its_way(obstacle: Box) -> None:
    places = placed(DESIGN, PRINTER, 1, (), 3.0)
    assert skirt(DESIGN, places, PRINTER, ())
    assert skirt(DESIGN, places, PRINTER, (obstacle,)) == []


def test_a_skirt_is_left_out_where_the_bed_ends() -> None:
    places = placed(DESIGN, PRINTER, 1, (), 3.0)
    tight = replace(PRINTER, volume=Box(72, 55, 0, 228, 245, 250))
    assert skirt(DESIGN, places, tight, ()) == []


def test_a_brim_lies_beside_the_part_and_is_as_wide_as_asked_for() -> None:
    places = placed(DESIGN, PRINTER, 1, (), 9.0)
    tracks = brim(DESIGN, places, Plate(brim_mm=3.0))
    outline = places[0].on_bed(frame_layers(DESIGN)[8].outline)
    window = places[0].on_bed(frame_layers(DESIGN)[8].window_outline)
    sides = [*pairwise([*outline, outline[0]]), *pairwise([*window, window[0]])]
    aways = [min(distance_to_segment((x, y), side) for side in sides) for track in tracks for x, y, _ in track[::3]]
    assert min(aways) > 0.0, "no line of it lies in the part"
    assert max(aways) < 3.4
    for track in tracks:
        for x, y, _ in track[::3]:
            assert not contains(outline, (x, y)) or contains(window, (x, y))


def test_brims_of_neighbours_do_not_overlap() -> None:
    plate = Plate(count=2, brim_mm=3.0)
    places = placed(DESIGN, PRINTER, 2, (), plate.clearance_mm, plate.brim_mm)
    first, second = ([(x, y) for track in brim(DESIGN, (place,), plate) for x, y, _ in track] for place in places)
    assert min(distance(one, other) for one in first[::12] for other in second[::12]) > 2.0


@pytest.mark.parametrize("clip", [Box(0, 100, 0, 66, 200, 8), Box(0, 0, 0, 66, 300, 1)], ids=["clip", "purge line"])
def test_a_brim_lies_beside_a_clip_and_its_width_counts_once(clip: Box) -> None:
    """The bed is as wide as clip, clearance, brim, frame and margin: were the brim counted twice, nothing would fit."""
    plate = Plate(brim_mm=10.0)
    wide_mm = clip.max_x + plate.clearance_mm + plate.brim_mm + 152 + (plate.brim_mm + 1)
    tight = replace(PRINTER, volume=Box(0, 0, 0, wide_mm + 1.5, 300, 250))
    (place,) = placed(DESIGN, tight, 1, (clip,), plate.clearance_mm, plate.brim_mm)
    assert place.quarter_turns in {0, 2}
    nearest_mm = min(x for track in brim(DESIGN, (place,), plate) for x, _, _ in track) - DESIGN.line_width_mm / 2
    assert plate.clearance_mm - 0.3 <= nearest_mm - clip.max_x <= plate.clearance_mm + 2.5


def test_a_brim_grows_from_outside_in() -> None:
    tracks = brim(DESIGN, placed(DESIGN, PRINTER, 1, (), 9.0), Plate(brim_mm=2.0))
    lengths = [sum(distance(first[:2], second[:2]) for first, second in pairwise(track)) for track in tracks]
    assert max(x for x, _, _ in tracks[0]) > max(x for x, _, _ in tracks[-1]) or max(lengths) == lengths[0]


@pytest.mark.parametrize("side", ["min_x", "min_y", "max_x", "max_y"])
def test_a_skirt_needs_a_line_of_bed_beyond_it_on_every_side(side: str) -> None:
    places = placed(DESIGN, PRINTER, 1, (), 3.0)
    outer = skirt(DESIGN, places, PRINTER, ())[0]
    axis, outward = "xy".index(side[-1]), -1 if side.startswith("min") else 1
    extreme = max((vertex[axis] for vertex in outer), key=lambda value: value * outward)
    edge = extreme + outward * DESIGN.line_width_mm
    roomy = replace(PRINTER, volume=replace(PRINTER.volume, **{side: edge + outward * 0.01}))
    tight = replace(PRINTER, volume=replace(PRINTER.volume, **{side: edge - outward * 0.01}))
    assert len(skirt(DESIGN, places, roomy, ())) == 2
    assert skirt(DESIGN, places, tight, ()) == []


def test_the_lines_of_a_skirt_touch_each_other_three_millimetres_from_the_part() -> None:
    places = placed(DESIGN, PRINTER, 1, (), 3.0)
    outer, inner = ([(x, y) for x, y, _ in track] for track in skirt(DESIGN, places, PRINTER, ()))
    apart = [min(distance_to_segment(point, side) for side in pairwise(outer)) for point in inner]
    assert min(apart) > DESIGN.line_width_mm - 0.11
    assert max(apart) < DESIGN.line_width_mm + 0.11
    outline = places[0].on_bed(frame_layers(DESIGN)[8].outline)
    nearest = min(distance_to_segment(point, side) for point in outline for side in pairwise(inner))
    assert nearest == pytest.approx(3.0 + DESIGN.line_width_mm / 2, abs=0.16), "chords and what is simplified are in it"
