"""Judges of moves at their edges."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.judges import moves
from gcode.judges.situation import Situation
from gcode.machine import Machine, Move, Point
from gcode.profile import Box
from tests.unit.gcode.samples import profile

CLIP = Box(0, 0, 0, 10, 20, 3)


def situation(machine: Machine | None = None) -> Situation:
    return Situation.of(machine or Machine(), profile())


def moving(x: float, y: float, z: float, *, extrudes: bool, speed_mm_s: float = 50.0) -> Move:
    return Move((100, 100, z), (x, y, z), 1.0 if extrudes else 0.0, speed_mm_s, extrudes)


@pytest.mark.parametrize(
    ("place", "outside"),
    [
        ((210, 210, 200), False),
        ((210.02, 210, 200), True),
        ((-3, 100, 0.3), False),
        ((-3, 100, 1.5), True),
        ((-6, 100, 0.3), True),
        ((100, 100, 201), True),
    ],
)
def test_plastic_stays_in_the_volume_or_low_in_the_purge_box(place: Point, outside: bool) -> None:
    assert (moves.extrudes_outside(moving(*place, extrudes=True), situation(), profile()) is not None) == outside
    assert moves.extrudes_outside(moving(*place, extrudes=False), situation(), profile()) is None


@pytest.mark.parametrize(
    ("start", "end", "outside"),
    [
        ((-3, 100, 15), (-3, 120, 0.2), False),  # a purge line that comes down
        ((-3, 100, 0.2), (-3, 120, 15), True),  # and one that goes up
        ((-3, 100, 15), (-3, 120, 1.5), True),  # not low enough
        ((-6, 100, 15), (-3, 120, 0.2), True),  # from beside the purge box
        ((-3, 100, 201), (-3, 120, 0.2), True),
        ((-3, 100, 15), (20, 120, 15), True),
    ],
)
def test_plastic_may_come_down_into_the_purge_box(start: Point, end: Point, outside: bool) -> None:
    assert (moves.extrudes_outside(Move(start, end, 1.0, 50, extrudes=True), situation(), profile()) is not None) == outside


def test_the_axis_that_leaves_is_told_with_its_limit() -> None:
    wrong = moves.extrudes_outside(Move((300, 100, 5), (100, 100, 5), 1.0, 50, extrudes=True), situation(), profile())
    assert wrong == ("X300.00 Y100.00 Z5.00, X 210", 300.0, 210.0)
    below = moves.extrudes_outside(moving(100, -60, 5, extrudes=True), situation(), profile())
    assert below == ("X100.00 Y-60.00 Z5.00, Y 0", -60.0, 0.0)


def test_travelling_may_pass_high_over_the_purge_box() -> None:
    assert moves.travels_outside(moving(-3, 100, 50, extrudes=False), situation(), profile()) is None
    assert moves.travels_outside(moving(-9, 100, 50, extrudes=False), situation(), profile()) is not None
    assert moves.travels_outside(moving(100, 100, 250, extrudes=False), situation(), profile()) is not None
    assert moves.travels_outside(moving(-9, 100, 50, extrudes=True), situation(), profile()) is None, "another rule"


def test_into_the_bed() -> None:
    assert moves.below_bed(moving(100, 100, -0.1, extrudes=False), situation(), profile()) is None
    assert moves.below_bed(moving(100, 100, -0.2, extrudes=False), situation(), profile()) is not None


@pytest.mark.parametrize(
    ("start", "end", "crosses"),
    [
        ((5, 5, 1), (50, 50, 1), True),  # begins in it
        ((50, 50, 1), (5, 5, 1), True),
        ((-5, 10, 1), (50, 10, 1), True),  # goes through it
        ((-5, 10, 5), (50, 10, 5), False),  # above
        ((11, -5, 1), (11, 50, 1), False),  # beside
        ((10, -5, 1), (10, 50, 1), False),  # along its edge
        ((-5, 25, 1), (25, -5, 1), True),  # cuts a corner
        ((-5, 40, 1), (40, 25, 1), False),
        ((5, 5, 1), (5, 5, 9), True),  # straight up
        ((5, 5, 4), (5, 5, 9), False),
    ],
)
def test_a_line_crosses_a_clip_or_not(start: Point, end: Point, crosses: bool) -> None:
    clipped = replace(profile(), keep_out=(Box(100, 100, 0, 101, 101, 1), CLIP))
    move = Move(start, end, 1.0, 50, extrudes=True)
    assert (moves.lays_on_clip(move, situation(), clipped) is not None) == crosses
    assert moves.lays_on_clip(move._replace(extrudes=False), situation(), clipped) is None
    assert moves.lays_on_clip(move, situation(), profile()) is None


_NUMBERS = st.floats(-30, 30)
_POINTS = st.tuples(_NUMBERS, _NUMBERS, st.floats(0, 6))


@given(_POINTS, _POINTS)
def test_a_line_of_which_a_point_is_in_the_clip_crosses_it(start: Point, end: Point) -> None:
    steps = [tuple(a + (b - a) * step / 200 for a, b in zip(start, end, strict=True)) for step in range(201)]
    inner = Box(0.02, 0.02, 0.02, 9.98, 19.98, 2.98)
    touched = any(
        inner.min_x < x < inner.max_x and inner.min_y < y < inner.max_y and inner.min_z < z < inner.max_z for x, y, z in steps
    )
    assert moves.crosses(start, end, CLIP) or not touched


def test_cold_extrusion_looks_at_the_tool_in_use() -> None:
    machine = Machine(tool=1, nozzle_c={0: 200.0})
    move = moving(100, 50, 0.2, extrudes=True)
    wrong = moves.extrudes_cold(move, situation(machine), profile())
    assert wrong == ("0 < 170 °C", 0.0, 170.0)
    machine.nozzle_c[1] = 169.0
    assert moves.extrudes_cold(move, situation(machine), profile()) is not None
    machine.nozzle_c[1] = 170.0
    assert moves.extrudes_cold(move, situation(machine), profile()) is None
    assert moves.extrudes_cold(moving(1, 1, 1, extrudes=False), situation(Machine()), profile()) is None


def test_where_heat_comes_from_elsewhere_nothing_is_said() -> None:
    move = moving(100, 50, 0.2, extrudes=True)
    for flavour in ("griffin", "klipper"):
        other = replace(profile(), flavour=flavour)
        assert moves.extrudes_cold(move, situation(), other) is None, "a header or a macro heats"
        assert moves.extrudes_cold(move, situation(Machine(nozzle_c={0: 0.0})), other) is not None, "the file itself cooled it"
    hidden = situation(Machine(nozzle_c={0: 0.0}))
    hidden.macro_line = 5
    assert moves.extrudes_cold(move, hidden, profile()) is None


@pytest.mark.parametrize(("speed_mm_s", "absurd"), [(2000, False), (2001, True), (0.02, False), (0.019, True), (0, True)])
def test_speeds_of_no_printer(speed_mm_s: float, absurd: bool) -> None:
    move = moving(1, 1, 1, extrudes=False, speed_mm_s=speed_mm_s)
    assert (moves.absurd_speed(move, situation(), profile()) is not None) == absurd


def test_after_the_motors_were_switched_off() -> None:
    now = situation()
    travel = moving(1, 1, 1, extrudes=False)
    assert moves.moves_unpowered(travel, now, profile()) is None
    now.motors_off = True
    assert moves.moves_unpowered(travel, now, profile()) is not None
    assert moves.moves_unpowered(travel._replace(start=travel.end), now, profile()) is None, "only filament moves"


TALL = replace(profile(), keep_out=(Box(0, 0, 0, 10, 20, 400), Box(100, 100, 0, 110, 110, 12)))


@pytest.mark.parametrize(
    ("start", "end", "hits"),
    [
        ((50, 5, 1), (5, 5, 1), True),  # into it
        ((50, 5, 1), (-5, 5, 1), True),  # through it
        ((50, 5, 4.9), (-5, 5, 4.9), True),
        ((50, 5, 5.1), (-5, 5, 5.1), False),  # as high as the printer: no clip is that high
        ((50, 5, 9), (5, 5, 1), True),  # down onto it
        ((5, 5, 1), (50, 5, 1), False),  # out of it, after homing
        ((10.005, 5, 1), (5, 5, 1), False),  # from its edge
        ((50, 105, 11), (150, 105, 11), True),  # a height of its own
        ((50, 105, 12.1), (150, 105, 12.1), False),
    ],
)
def test_travel_through_a_clip(start: Point, end: Point, hits: bool) -> None:
    move = Move(start, end, 0.0, 50, extrudes=False)
    known = moves.travels_into_clip(move, situation(), TALL) is not None
    guessed = moves.may_travel_into_clip(move, situation(), TALL) is not None
    assert (known, guessed) == (hits and start[1] > 100, hits and start[1] < 100), "nobody said how high the first is"
    for judge in (moves.travels_into_clip, moves.may_travel_into_clip):
        assert judge(move._replace(extrudes=True), situation(), TALL) is None, "plastic is another rule's"
        assert judge(move, situation(), profile()) is None


def test_a_place_as_high_as_the_printer_has_a_clip_of_our_height() -> None:
    assert [box.max_z for box in moves.guessed_clips(TALL)] == [moves.CLIP_MM]
    assert moves.clips(TALL) == TALL.keep_out[1:]
