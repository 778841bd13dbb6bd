"""Programs of frames: they pass our own checks, lay the right plastic, and nothing sticks out, crosses or drags."""

from collections import Counter
from dataclasses import replace
from functools import cache
from io import BytesIO
from math import pi

import pytest

from gcode.checks import Verdict, inspect
from gcode.facts import GcodeFacts
from gcode.frame import (
    FrameDesign,
    FrameError,
    default_design,
    frame_gcode,
    frame_lines,
    frame_program,
    frame_stl,
)
from gcode.frame.geometry import contains, distance, signed_area
from gcode.frame.headband import frame_shape
from gcode.frame.program import MAX_FLOW_MM3_S
from gcode.interpreter import read_facts
from gcode.machine import Machine, Move
from gcode.profile import Box, bundled_profiles
from gcode.reader import read_lines
from tests.unit.gcode.samples import profile

NAMES = list(bundled_profiles())


@cache
def made(name: str) -> bytes:
    return frame_program(profile(name))


@cache
def facts(name: str) -> GcodeFacts:
    return read_facts(BytesIO(made(name)), profile(name))


@cache
def typed_moves(name: str) -> list[tuple[str, Move]]:
    machine, kind, found = Machine(), "", []
    for line in read_lines(BytesIO(made(name))):
        if line.comment.startswith("TYPE:"):
            kind = line.comment[5:]
        found += [(kind, move) for move in machine.apply(line)]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_our_own_checks_without_a_warning(name: str) -> None:
    report = inspect(BytesIO(made(name)), (profile(name),)).reports[0]
    assert report.verdict is Verdict.PASS
    assert report.findings == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_is_a_believable_print(name: str) -> None:
    found = facts(name)
    assert 10 * 60 < found.time_s < 100 * 60
    assert 10 < found.filament_g < 20
    assert 4_000 < found.lines < 13_000
    assert (found.layers, found.layer_height_mm, found.first_layer_height_mm) == (17, 0.3, 0.3)
    assert found.homes
    assert found.heaters_off_at_end


@pytest.mark.parametrize("name", NAMES)
def test_the_header_tells_what_the_program_does(name: str) -> None:
    found = facts(name)
    assert found.slicer == "Essaim frame"
    assert found.claimed_time_s == pytest.approx(found.time_s, abs=1)
    assert found.claimed_filament_mm == pytest.approx(found.filament_mm, abs=0.01)
    assert found.claimed_filament_g == pytest.approx(found.filament_g, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_the_part_has_the_volume_of_its_solid(name: str) -> None:
    printer, design = profile(name), default_design(profile(name))
    shape = frame_shape(design)
    solid = (abs(signed_area(shape.outline)) - abs(signed_area(shape.window_outline))) * design.height_mm
    fed = sum(move.filament_mm for kind, move in typed_moves(name) if "erimeter" in kind and move.extrudes)
    assert fed * pi * printer.filament_mm**2 / 4 == pytest.approx(solid, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_on_the_bed_with_a_margin(name: str) -> None:
    volume = profile(name).volume
    for kind, move in typed_moves(name):
        if kind == "Custom" or not move.extrudes:
            continue
        for x, y, _ in (move.start, move.end):
            assert volume.min_x + 5 <= x <= volume.max_x - 5
            assert volume.min_y + 5 <= y <= volume.max_y - 5


def test_the_skirt_goes_around_the_part_without_touching_it() -> None:
    skirt = [move.start[:2] for kind, move in typed_moves("generic-210") if kind == "Skirt/Brim" and move.extrudes]
    part = {move.start[:2] for kind, move in typed_moves("generic-210") if "erimeter" in kind and move.extrudes}
    inner = skirt[len(skirt) // 2 :]
    assert all(contains(inner, point) for point in part)
    assert min(distance(point, corner) for point in part for corner in skirt) > 3
    assert {move.end[2] for kind, move in typed_moves("generic-210") if kind == "Skirt/Brim" and move.extrudes} == {0.3}


def test_every_layer_is_the_same_so_nothing_overhangs() -> None:
    layers: dict[float, list[tuple[float, float]]] = {}
    for kind, move in typed_moves("generic-210"):
        if "erimeter" in kind and move.extrudes:
            layers.setdefault(round(move.end[2], 3), []).append(move.end[:2])
    assert list(layers) == [round(0.3 * number, 3) for number in range(1, 18)]
    first, *others = layers.values()
    assert all(layer == first for layer in others)


def test_loops_are_closed_and_their_seams_are_at_the_front() -> None:
    loops: list[list[Move]] = [[]]
    for kind, move in typed_moves("generic-210"):
        if "erimeter" in kind and move.extrudes:
            loops[-1].append(move)
        elif loops[-1]:
            loops.append([])
    closed = [loop for loop in loops if loop]
    assert len(closed) == 17 * 4
    front_y = max(move.end[1] for _, move in typed_moves("generic-210") if move.extrudes and move.end[2] > 0.5)
    for loop in closed:
        assert loop[0].start == loop[-1].end
        assert front_y - loop[0].start[1] < 3


def test_the_nozzle_never_travels_far_over_a_started_layer_without_a_retraction() -> None:
    retracted, dragged = False, 0.0
    for kind, move in typed_moves("generic-210"):
        if move.start == move.end:
            retracted = move.filament_mm < 0
        elif kind != "Custom" and not move.extrudes and not retracted:
            dragged = max(dragged, distance(move.start[:2], move.end[:2]))
    assert dragged < 1.5


def test_far_travels_are_lifted_off_the_layer() -> None:
    """0.3 mm above the line that is drawn next."""
    flights: list[float] = []
    for kind, move in typed_moves("generic-210"):
        if kind == "Custom":
            continue
        if move.extrudes:
            assert all(height == pytest.approx(move.start[2] + 0.3) for height in flights)
            flights.clear()
        elif distance(move.start[:2], move.end[:2]) > 1.5:
            flights += [move.start[2], move.end[2]]


def test_retractions_and_their_returns_are_even() -> None:
    retraction_mm = profile("generic-210").retraction_mm
    counts = Counter(move.filament_mm for kind, move in typed_moves("generic-210") if kind != "Custom" and move.start == move.end)
    assert counts == {retraction_mm: 17 + 1, -retraction_mm: 17 + 1}, "one a layer, one from the skirt to the part"


def test_the_first_layer_is_slow_and_the_fan_waits_for_the_second() -> None:
    printer = profile("generic-210")
    first = {
        move.speed_mm_s for kind, move in typed_moves("generic-210") if kind != "Custom" and move.extrudes and move.end[2] == 0.3
    }
    later = {
        move.speed_mm_s for kind, move in typed_moves("generic-210") if kind != "Custom" and move.extrudes and move.end[2] > 0.3
    }
    assert first == {printer.first_layer_speed_mm_s}
    assert min(later) > printer.first_layer_speed_mm_s
    text = made("generic-210").decode()
    before_fan, after_fan = text.split("M106 S255")
    assert before_fan.count(";LAYER_CHANGE") == 2
    assert "M107" in before_fan
    assert "M107" in after_fan


def test_the_hot_end_is_not_asked_for_more_than_it_melts() -> None:
    hasty = replace(profile(), print_speed_mm_s=200)
    for line in frame_lines(default_design(hasty), hasty):
        assert not line.startswith("G1 F") or float(line[4:]) / 60 * 0.6 * 0.3 <= MAX_FLOW_MM3_S + 0.01


def test_start_and_end_code_are_the_profiles_with_its_temperatures() -> None:
    printer = replace(profile(), nozzle_c=233, bed_c=71)
    text = frame_program(printer).decode()
    assert "M109 S233\n" in text
    assert "M190 S71\n" in text
    assert "{" not in text
    assert text.endswith("M84\n")


def test_the_same_input_gives_the_same_bytes() -> None:
    assert frame_program(profile("generic-300")) == made("generic-300")


def test_it_lies_in_the_middle_of_any_bed() -> None:
    found = frame_program(replace(profile(), volume=Box(-105, -105, 0, 105, 105, 200), purge=Box(-110, -110, 0, 110, 110, 1)))
    machine, xs = Machine(), []
    for line in read_lines(BytesIO(found)):
        xs += [move.end[0] for move in machine.apply(line) if move.extrudes and move.end[2] > 0.5]
    assert max(xs) + min(xs) == pytest.approx(0, abs=0.1)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(FrameError, match="does not fit Generic Marlin, 210 mm bed"):
        frame_gcode(FrameDesign(depth_mm=200), profile("generic-210"))
    with pytest.raises(FrameError, match="mm high"):
        frame_gcode(FrameDesign(), replace(profile(), volume=Box(0, 0, 0, 210, 210, 4)))


def test_a_small_bed_gets_a_program_too() -> None:
    small = replace(
        profile(), volume=Box(0, 0, 0, 180, 180, 180), purge=Box(-2, -2, 0, 182, 182, 1), end_gcode="M104 S0\nM140 S0\n"
    )
    assert inspect(BytesIO(frame_program(small)), (small,)).reports[0].findings == ()


def test_the_solid_has_the_designs_height() -> None:
    assert len(frame_stl(FrameDesign())) > 10_000
