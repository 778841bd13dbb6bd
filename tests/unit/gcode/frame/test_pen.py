"""The pen: how much filament a line takes, when it is drawn back, when it is lifted."""

from dataclasses import replace
from itertools import pairwise
from math import pi

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gcode.frame.geometry import crossing, distance, length
from gcode.frame.pen import Pen, box_loop, crosses, drawn, feed, way_around
from gcode.profile import Box
from tests.unit.gcode.samples import profile

SQUARE = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
PRINTER = replace(profile(), retraction_mm=2.0, retraction_speed_mm_s=35.0, travel_speed_mm_s=120.0)


def e_words(lines: tuple[str, ...]) -> list[float]:
    return [float(line.partition("E")[2]) for line in lines]


def test_a_line_takes_its_width_times_height_in_filament() -> None:
    found = drawn([(0, 0, 0.5), (10, 0, 0.5), (10, 10, 0.5)], 0.3, PRINTER)
    mm3 = sum(e_words(found.lines)) * pi * PRINTER.filament_mm**2 / 4
    assert mm3 == pytest.approx(20 * 0.5 * 0.3, rel=1e-4)
    assert (found.start, found.end, found.path_mm) == ((0.0, 0.0), (10.0, 10.0), 20.0)
    assert found.lines[0].startswith("G1 X10.000 Y0.000 E")


def test_a_line_that_grows_wider_takes_the_mean() -> None:
    growing = e_words(drawn([(0, 0, 0.4), (10, 0, 0.6)], 0.3, PRINTER).lines)
    even = e_words(drawn([(0, 0, 0.5), (10, 0, 0.5)], 0.3, PRINTER).lines)
    assert growing == even


def test_moves_too_short_to_write_are_not_lost() -> None:
    track = [(0.004 * step, 0.0, 0.5) for step in range(2501)]
    found = drawn(track, 0.3, PRINTER)
    assert len(found.lines) < 1000
    assert sum(e_words(found.lines)) == pytest.approx(
        sum(e_words(drawn([(0, 0, 0.5), (10, 0, 0.5)], 0.3, PRINTER).lines)), rel=2e-3
    )


def test_a_line_may_change_its_width_on_the_spot() -> None:
    found = e_words(drawn([(0, 0, 0.4), (10, 0, 0.4), (10, 0, 0.6), (20, 0, 0.6)], 0.3, PRINTER).lines)
    assert len(found) == 2
    assert found[1] / found[0] == pytest.approx(1.5, rel=1e-3)


def test_thicker_filament_is_fed_slower() -> None:
    thin = sum(e_words(drawn([(0, 0, 0.5), (100, 0, 0.5)], 0.3, PRINTER).lines))
    thick = sum(e_words(drawn([(0, 0, 0.5), (100, 0, 0.5)], 0.3, replace(PRINTER, filament_mm=2.85)).lines))
    assert thin / thick == pytest.approx((2.85 / 1.75) ** 2, rel=1e-3)


def ready() -> Pen:
    pen = Pen(PRINTER, (0.0, 0.0))
    pen.layer(0.3)
    pen.travel((5.0, 5.0))
    pen.lines.clear()
    return pen


def test_the_first_travel_comes_from_above() -> None:
    """Off the purge line: up, across, down."""
    pen = Pen(PRINTER, (0.0, 0.0))
    pen.layer(0.3)
    pen.travel((5.0, 5.0))
    assert pen.lines == [
        "G1 E-2 F2100",
        "G1 Z0.700 F600",
        "G1 Z0.700 F600",
        "G1 X5.000 Y5.000 F7200",
        "G1 Z0.300 F600",
        "G1 E2 F2100",
    ]


def test_a_far_travel_is_drawn_back_and_not_lifted() -> None:
    pen = ready()
    pen.travel((50.0, 5.0))
    assert pen.lines == ["G1 E-2 F2100", "G1 X50.000 Y5.000 F7200", "G1 E2 F2100"]
    assert pen.at == (50, 5)


def test_over_plastic_it_is_lifted() -> None:
    pen = ready()
    pen.travel((50.0, 5.0), lifted=True)
    assert pen.lines == ["G1 E-2 F2100", "G1 Z0.700 F600", "G1 X50.000 Y5.000 F7200", "G1 Z0.300 F600", "G1 E2 F2100"]


def test_inside_the_band_nothing_is_drawn_back() -> None:
    pen = ready()
    pen.travel((5.5, 5.0), draw_back=False)
    assert pen.lines == ["G1 X5.500 Y5.000 F7200"]


def test_a_new_layer_is_drawn_back_once() -> None:
    pen = ready()
    pen.layer(0.6)
    pen.travel((7.0, 5.0))
    assert pen.lines == ["G1 E-2 F2100", "G1 Z0.600 F600", "G1 X7.000 Y5.000 F7200", "G1 E2 F2100"]
    pen.lines.clear()
    pen.layer(0.9)
    pen.travel((7.0, 5.0))
    assert pen.lines == ["G1 E-2 F2100", "G1 Z0.900 F600", "G1 E2 F2100"], "straight up needs no travel"


def test_over_a_low_clip_it_goes_above_it() -> None:
    clip = Box(20, 0, 0, 30, 10, 8)
    pen = Pen(replace(PRINTER, keep_out=(clip,)), (0.0, 0.0))
    pen.layer(0.3)
    pen.travel((5.0, 5.0))
    assert not any("Z9" in line for line in pen.lines)
    pen.lines.clear()
    pen.travel((50.0, 5.0))
    assert pen.lines[1:4] == ["G1 Z9.000 F600", "G1 X50.000 Y5.000 F7200", "G1 Z0.300 F600"]
    pen.lines.clear()
    pen.travel((50.0, 60.0))
    assert not any("Z" in line for line in pen.lines), "beside it there is no reason to"
    pen.layer(10.0)
    pen.lines.clear()
    pen.travel((5.0, 5.0))
    assert not any("Z" in line for line in pen.lines), "nor above it"


def test_around_a_clip_as_high_as_the_printer() -> None:
    clip = Box(20, 0, 0, 30, 10, PRINTER.volume.max_z)
    pen = Pen(replace(PRINTER, keep_out=(clip,)), (5.0, 5.0))
    pen.layer(0.3)
    pen.travel((5.0, 6.0))
    pen.lines.clear()
    pen.travel((50.0, 6.0))
    assert not any("Z" in line for line in pen.lines)
    assert len([line for line in pen.lines if "X" in line]) == 3, "over two of its corners"


@given(st.tuples(*[st.floats(0, 100)] * 2), st.tuples(*[st.floats(0, 100)] * 2))
def test_ways_around_are_clear_and_not_longer_than_they_must_be(start: tuple[float, float], end: tuple[float, float]) -> None:
    box = Box(40, 40, 0, 60, 55, 100)
    border = [box_loop(box, 2.0)]
    assume(not any(36 < x < 64 and 36 < y < 59 for x, y in (start, end)))
    way = way_around(start, end, [box])
    assert (way[0], way[-1]) == (start, end)
    assert not any(crosses(first, second, border) for first, second in pairwise(way))
    assert length(way) <= distance(start, end) + 50
    if not crosses(start, end, border):
        assert way == [start, end]


def test_where_no_way_around_is_known_it_goes_straight() -> None:
    """From inside: every way crosses the border."""
    assert way_around((50, 50), (90, 90), [Box(40, 40, 0, 60, 55, 100)]) == [(50, 50), (90, 90)]


def test_a_printer_without_retraction_gets_none() -> None:
    pen = Pen(replace(PRINTER, retraction_mm=0.0), (0.0, 0.0))
    pen.layer(0.3)
    pen.travel((5.0, 5.0))
    assert not any("E" in line for line in pen.lines)


def test_drawing_sets_the_speed() -> None:
    pen = ready()
    track = drawn([(5, 5, 0.5), (10, 5, 0.5)], 0.3, PRINTER)
    pen.draw(track, 40)
    assert pen.lines == ["G1 F2400", *track.lines]
    assert feed(0.5) == "F30"


def test_crossings() -> None:
    assert crosses((-5, 5), (5, 5), [SQUARE])
    assert not crosses((2, 2), (8, 8), [SQUARE])
    assert not crosses((-5, 20), (15, 20), [SQUARE])
    assert not crosses((-0.5, 5), (5, 5), [SQUARE], skip_mm=1.0), "the wall that it starts from does not count"
    assert crosses((-0.5, 5), (15, 5), [SQUARE], skip_mm=1.0)
    assert box_loop(Box(0, 0, 0, 10, 5, 1), 1) == [(-1, -1), (11, -1), (11, 6), (-1, 6)]


somewhere = st.tuples(*[st.integers(-20, 20).map(float)] * 2)


@given(somewhere, somewhere, st.lists(st.lists(somewhere, min_size=3, max_size=5), max_size=3), st.floats(0, 5))
def test_a_way_crosses_what_any_of_its_sides_crosses(
    start: tuple[float, float], end: tuple[float, float], loops: list[list[tuple[float, float]]], skip_mm: float
) -> None:
    """What is left out for speed changes nothing."""
    met = [crossing((start, end), side) for loop in loops for side in pairwise([*loop, loop[0]])]
    assert crosses(start, end, loops, skip_mm) == any(point is not None and distance(start, point) > skip_mm for point in met)


@given(somewhere, st.lists(st.tuples(somewhere, st.floats(0.3, 0.8)), min_size=2, max_size=6))
def test_a_line_takes_the_same_filament_wherever_it_lies(
    by: tuple[float, float], corners: list[tuple[tuple[float, float], float]]
) -> None:
    here = drawn([(x, y, width) for (x, y), width in corners], 0.3, PRINTER)
    there = drawn([(x + by[0], y + by[1], width) for (x, y), width in corners], 0.3, PRINTER)
    assert e_words(there.lines) == pytest.approx(e_words(here.lines), abs=2e-5)
    assert there.path_mm == pytest.approx(here.path_mm) == pytest.approx(length([place for place, _ in corners]))
    assert there.end == (corners[-1][0][0] + by[0], corners[-1][0][1] + by[1])


def test_the_first_layer_is_reached_even_where_the_nozzle_already_is() -> None:
    pen = Pen(PRINTER, (5.0, 5.0))
    pen.layer(0.3)
    pen.travel((5.0, 5.0))
    assert pen.lines[-2:] == ["G1 Z0.300 F600", "G1 E2 F2100"]


def test_short_retractions_are_made_too() -> None:
    pen = Pen(replace(PRINTER, retraction_mm=0.4), (0.0, 0.0))
    pen.draw_back()
    pen.draw_back()
    assert pen.lines == ["G1 E-0.4 F2100"], "once"


def test_words_are_written_in_their_place() -> None:
    pen = ready()
    pen.write("M106 S255", ";a")
    pen.travel((50.0, 5.0))
    assert pen.lines[:3] == ["M106 S255", ";a", "G1 E-2 F2100"]


def test_after_a_line_the_nozzle_is_at_its_end() -> None:
    pen = ready()
    pen.draw(drawn([(5, 5, 0.5), (10, 5, 0.5)], 0.3, PRINTER), 40)
    pen.lines.clear()
    pen.travel((10.0, 5.0))
    assert pen.lines == []
    assert pen.at == (10.0, 5.0)


@pytest.mark.parametrize("heights", [(8, 20), (20, 8)])
def test_over_several_clips_it_goes_above_the_highest(heights: tuple[float, float]) -> None:
    first, second = heights
    clips = (Box(20, 0, 0, 30, 10, first), Box(60, 0, 0, 70, 10, second), Box(60, 50, 0, 70, 60, 90))
    pen = Pen(replace(PRINTER, keep_out=clips), (5.0, 5.0))
    pen.layer(0.3)
    pen.travel((6.0, 5.0))
    pen.lines.clear()
    pen.travel((90.0, 5.0))
    assert [line for line in pen.lines if "Z" in line] == ["G1 Z21.000 F600", "G1 Z0.300 F600"]


def test_around_one_clip_and_over_another_on_the_same_way() -> None:
    high, low = Box(20, 0, 0, 30, 10, PRINTER.volume.max_z), Box(60, -30, 0, 70, 30, 8)
    pen = Pen(replace(PRINTER, keep_out=(high, low)), (5.0, 5.0))
    pen.layer(0.3)
    pen.travel((6.0, 5.0))
    pen.lines.clear()
    pen.travel((90.0, 5.0))
    assert [line for line in pen.lines if "Z" in line] == ["G1 Z9.000 F600", "G1 Z0.300 F600"]
    assert len([line for line in pen.lines if "X" in line]) > 1


def test_the_shortest_way_around_is_taken() -> None:
    box = Box(40, 40, 0, 60, 80, 100)
    below = way_around((30, 45), (70, 45), [box])
    assert [round(y) for _, y in below[1:-1]] == [38, 38], "the lower side is nearer"
    above = way_around((30, 75), (70, 75), [box])
    assert [round(y) for _, y in above[1:-1]] == [82, 82]
    assert len(way_around((30, 45), (55, 30), [box])) == 3, "one corner is enough"
    assert all(distance(corner, (50, 60)) > 22 for corner in below[1:-1]), "two millimetres beside it"
