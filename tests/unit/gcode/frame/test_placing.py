"""Frames on the bed: measured between their outlines, nothing nearer than the clearance, nothing on clips."""

from dataclasses import replace
from itertools import combinations
from math import hypot

import pytest

from gcode.frame import FrameDesign, FrameError
from gcode.frame.geometry import Point, Polyline, contains, distance_to_segment
from gcode.frame.headband import frame_layers
from gcode.frame.placing import Placement, outlines_at_widest, placed
from gcode.profile import Box, PrinterProfile
from tests.unit.gcode.samples import profile

TWO_PINS = FrameDesign(holes="iso838")


def bed(x: float, y: float, keep_out: tuple[Box, ...] = ()) -> PrinterProfile:
    return replace(profile("generic-300"), volume=Box(0, 0, 0, x, y, 250), keep_out=keep_out, name=f"bed {x:g}")


def outlines(design: FrameDesign, places: tuple[Placement, ...]) -> list[Polyline]:
    """Every copy's outermost border; letters and skin are thinner than a tenth of the clearance that is measured."""
    shape = frame_layers(design)[design.layers // 2]
    return [place.on_bed(shape.outline) for place in places]


def gap_mm(first: Polyline, second: Polyline) -> float:
    """The exact distance between two polygons that do not overlap: from a corner of one to a side of the other."""

    def one_way(corners: Polyline, loop: Polyline) -> float:
        sides = list(zip(loop, [*loop[1:], loop[0]], strict=True))
        return min(distance_to_segment(corner, side) for corner in corners for side in sides)

    assert not any(contains(second, corner) for corner in first)
    assert not any(contains(first, corner) for corner in second)
    return min(one_way(first, second), one_way(second, first))


def test_one_lies_in_the_middle_of_any_bed() -> None:
    for volume in (Box(0, 0, 0, 250, 210, 200), Box(-110, -105, 0, 110, 105, 200)):
        printer = replace(profile(), volume=volume)
        (place,) = placed(TWO_PINS, printer, 1, (), 3.0)
        xs, ys = zip(*outlines(TWO_PINS, (place,))[0], strict=True)
        assert max(xs) + min(xs) == pytest.approx(volume.min_x + volume.max_x, abs=0.01)
        assert max(ys) + min(ys) == pytest.approx(volume.min_y + volume.max_y, abs=0.01)
        assert place.quarter_turns == 0


def test_it_is_turned_where_it_only_fits_so() -> None:
    (place,) = placed(TWO_PINS, bed(210, 170), 1, (), 3.0)
    assert place.quarter_turns in {1, 3}


@pytest.mark.parametrize(("x", "y", "count", "clearance_mm"), [(250, 210, 2, 2.0), (300, 300, 2, 5.0), (230, 420, 3, 3.0)])
def test_several_keep_the_clearance_and_stay_on_the_bed(x: float, y: float, count: int, clearance_mm: float) -> None:
    places = placed(TWO_PINS, bed(x, y), count, (), clearance_mm)
    found = outlines(TWO_PINS, places)
    assert len(found) == count
    for first, second in combinations(found, 2):
        assert gap_mm(first, second) >= clearance_mm
    for outline in found:
        assert all(5.9 <= px <= x - 5.9 and 5.9 <= py <= y - 5.9 for px, py in outline)


def test_they_nest_by_their_shape_not_by_boxes() -> None:
    """Two frames of 152 x 180 mm lie on 238 x 198 mm: the arms of each reach into the other."""
    places = placed(TWO_PINS, bed(250, 210), 2, (), 3.0)
    first, second = outlines(TWO_PINS, places)
    boxes = [(min(x for x, _ in outline), max(x for x, _ in outline)) for outline in (first, second)]
    overlap = min(boxes[0][1], boxes[1][1]) - max(boxes[0][0], boxes[1][0])
    assert overlap > 90
    assert gap_mm(first, second) < 12, "no room is wasted"


def test_a_cluster_lies_in_the_middle() -> None:
    found = outlines(TWO_PINS, placed(TWO_PINS, bed(300, 300), 2, (), 3.0))
    xs, ys = [x for line in found for x, _ in line], [y for line in found for _, y in line]
    assert (max(xs) + min(xs)) / 2 == pytest.approx(150, abs=1)
    assert (max(ys) + min(ys)) / 2 == pytest.approx(150, abs=1)


def to_box_mm(point: Point, box: Box) -> float:
    dx = max(box.min_x - point[0], 0, point[0] - box.max_x)
    dy = max(box.min_y - point[1], 0, point[1] - box.max_y)
    return hypot(dx, dy)


@pytest.mark.parametrize(
    "clip",
    [Box(0, 90, 0, 45, 120, 10), Box(95, 190, 0, 115, 210, 10), Box(170, 0, 0, 210, 45, 10)],
    ids=["left", "back", "corner"],
)
@pytest.mark.parametrize("count", [1, 2])
def test_clips_are_kept_clear(clip: Box, count: int) -> None:
    printer = bed(300, 300, (clip,))
    places = placed(TWO_PINS, printer, count, printer.keep_out, 3.0)
    for outline in outlines(TWO_PINS, places):
        for (x1, y1), (x2, y2) in zip(outline, [*outline[1:], outline[0]], strict=True):
            for step in range(5):
                point = (x1 + (x2 - x1) * step / 4, y1 + (y2 - y1) * step / 4)
                assert to_box_mm(point, clip) >= 2.5


def test_a_clip_in_the_middle_of_the_bed_moves_the_frame_aside() -> None:
    """In the open middle of a frame a clip may stand; on its band it may not."""
    front = Box(140, 225, 0, 160, 245, 10)
    (place,) = placed(TWO_PINS, bed(300, 300), 1, (front,), 3.0)
    (outline,) = outlines(TWO_PINS, (place,))
    assert not any(to_box_mm(point, front) < 1.5 for point in outline)
    assert placed(TWO_PINS, bed(300, 300), 1, (), 3.0) != (place,)


def test_how_many_fit_is_told() -> None:
    with pytest.raises(FrameError, match=r"4 frames do not fit bed 250 .*: 2 do") as caught:
        placed(TWO_PINS, bed(250, 210), 4, (), 3.0)
    assert caught.value.parameter == "count"
    assert "il en tient 2" in caught.value.bilingual.fr
    with pytest.raises(FrameError, match=r"2 frames do not fit bed 200 .*: 1 does"):
        placed(TWO_PINS, bed(200, 200), 2, (), 3.0)


def test_a_frame_too_large_for_the_bed_is_told_with_its_size() -> None:
    with pytest.raises(FrameError, match=r"The frame is 152 x 180 mm and needs 6 mm around it: it does not fit bed 150") as caught:
        placed(TWO_PINS, bed(150, 300), 1, (), 3.0)
    assert caught.value.parameter in {"head_width_mm", "head_depth_mm"}
    with pytest.raises(FrameError, match="does not fit"):
        placed(TWO_PINS, bed(200, 200, (Box(0, 0, 0, 200, 200, 5),)), 1, (Box(0, 0, 0, 200, 200, 5),), 3.0)


@pytest.mark.parametrize("brim_mm", [0.0, 5.0, 15.0])
def test_frames_keep_the_room_of_their_brim_to_the_edge(brim_mm: float) -> None:
    """A purge line in front pushes the frame to the other edge, and no farther."""
    margin_mm = max(6.0, brim_mm + 1)
    line = Box(0, 0, 0, 300, 105, 1)
    room = margin_mm + brim_mm + 105 + 187
    printer = bed(300, room)
    (place,) = placed(TWO_PINS, printer, 1, (line,), 3.0, brim_mm)
    highest = max(y for loop in outlines(TWO_PINS, (place,)) for _, y in loop)
    assert room - margin_mm - 8 < highest <= room - margin_mm
    with pytest.raises(FrameError, match=f"needs {brim_mm + 61:g} mm around it") as caught:
        placed(TWO_PINS, printer, 1, (line,), 3.0, brim_mm + 60)
    assert caught.value.parameter == "brim_mm"


@pytest.mark.parametrize("brim_mm", [0.0, 15.0])
def test_neighbours_have_both_brims_between_them_and_a_clip_has_one(brim_mm: float) -> None:
    clip = Box(0, 0, 0, 40, 40, 10)
    places = placed(TWO_PINS, bed(420, 330), 2, (clip,), 3.0, brim_mm)
    first, second = outlines(TWO_PINS, places)
    assert 2 * brim_mm + 3 <= gap_mm(first, second) < 2 * brim_mm + 12
    assert min(to_box_mm(point, clip) for point in first + second) >= brim_mm + 2.9


def test_quarter_turns() -> None:
    assert Placement(10, 20, 0).point(1, 2) == (11, 22)
    assert Placement(10, 20, 1).point(1, 2) == (8, 21)
    assert Placement(10, 20, 2).point(1, 2) == (9, 18)
    assert Placement(10, 20, 3).point(1, 2) == (12, 19)


def test_letters_count_for_the_size() -> None:
    lettered = FrameDesign(revision="R3")
    assert len(outlines_at_widest(lettered)) > len(outlines_at_widest(FrameDesign()))
