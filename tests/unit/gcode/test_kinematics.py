"""Time: against closed formulas for single moves, and against what must hold for any sequence."""

import itertools
from dataclasses import replace
from math import cos, pi, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.kinematics import Junction, MotionLimits, Planner, slower, trapezoid_s, with_command, with_velocity_limit

NO_JERK = MotionLimits(
    speed_mm_s=(500, 500, 500, 500),
    acceleration_mm_s2=(1000, 1000, 1000, 1000),
    jerk_mm_s=(0.0001, 0.0001, 0.0001, 0.0001),
)


def seconds(limits: MotionLimits, *moves: tuple[float, float, float, float, float]) -> float:
    planner = Planner(limits)
    for x, y, z, e, speed in moves:
        planner.move((x, y, z, e), speed)
    return planner.finish()


def test_a_long_move_accelerates_cruises_and_brakes() -> None:
    """100 mm at 50 mm/s with 1000 mm/s2: 0.05 s up, 0.05 s down over 1.25 mm each, the rest at speed."""
    assert seconds(NO_JERK, (100, 0, 0, 0, 50)) == pytest.approx(0.1 + 97.5 / 50, rel=1e-3)


def test_a_short_move_never_reaches_its_speed() -> None:
    assert seconds(NO_JERK, (1, 0, 0, 0, 500)) == pytest.approx(2 * sqrt(1 / 1000), rel=1e-3)


def test_trapezoid_between_given_speeds() -> None:
    assert trapezoid_s(10, 20, 20, 20, 1000) == pytest.approx(0.5)
    assert trapezoid_s(100, 10, 30, 20, 100) == pytest.approx(0.2 + 0.1 + (100 - 4 - 2.5) / 30)


def test_a_straight_line_in_pieces_takes_as_long_as_whole() -> None:
    whole = seconds(NO_JERK, (100, 0, 0, 5, 50))
    pieces = seconds(NO_JERK, *[(1, 0, 0, 0.05, 50)] * 100)
    assert pieces == pytest.approx(whole, rel=1e-3)


def test_a_line_longer_than_the_look_ahead_is_not_braked_in_between() -> None:
    whole = seconds(NO_JERK, (300, 0, 0, 0, 50))
    pieces = seconds(NO_JERK, *[(0.1, 0, 0, 0, 50)] * 3000)
    assert pieces == pytest.approx(whole, rel=1e-3)


def test_turning_back_stops_without_jerk() -> None:
    there = seconds(NO_JERK, (50, 0, 0, 0, 50))
    assert seconds(NO_JERK, (50, 0, 0, 0, 50), (-50, 0, 0, 0, 50)) == pytest.approx(2 * there, rel=1e-3)


def test_jerk_lets_a_corner_pass_faster() -> None:
    square = [(20.0, 0.0, 0.0, 0.0, 60.0), (0.0, 20.0, 0.0, 0.0, 60.0)]
    lively = MotionLimits(jerk_mm_s=(10, 10, 0.4, 5), print_acceleration_mm_s2=500, travel_acceleration_mm_s2=500)
    stiff = MotionLimits(jerk_mm_s=(1, 1, 0.4, 5), print_acceleration_mm_s2=500, travel_acceleration_mm_s2=500)
    assert seconds(lively, *square) < seconds(stiff, *square)


def test_the_exact_corner_speed_of_a_right_angle() -> None:
    """At a right angle each axis jumps by the corner speed, so the corner passes at the jerk: 10 mm/s here."""
    limits = MotionLimits(
        speed_mm_s=(500, 500, 10, 60),
        acceleration_mm_s2=(100, 100, 100, 100),
        jerk_mm_s=(10, 10, 10, 10),
        travel_acceleration_mm_s2=100,
    )
    half = trapezoid_s(20, 10, 40, 10, 100)
    assert seconds(limits, (20, 0, 0, 0, 40), (0, 20, 0, 0, 40)) == pytest.approx(2 * half, rel=1e-6)


def test_where_both_blocks_could_start_from_rest_the_next_one_starts_at_its_own_speed() -> None:
    """Marlin's rule: up to Z the axes leave at 0.4 mm/s, but the line after it begins at the jerk of X."""
    limits = MotionLimits(
        speed_mm_s=(500, 500, 12, 60),
        acceleration_mm_s2=(1000, 1000, 200, 5000),
        jerk_mm_s=(8, 8, 0.4, 5),
        travel_acceleration_mm_s2=1000,
    )
    lift, line = trapezoid_s(2, 0.4, 12, 8, 200), trapezoid_s(5, 8, 50, 8, 1000)
    assert seconds(limits, (0, 0, 2, 0, 180), (5, 0, 0, 0, 50)) == pytest.approx(lift + line, rel=1e-6)


def test_an_axis_that_turns_back_may_leave_and_return_at_its_jerk() -> None:
    limits = MotionLimits(acceleration_mm_s2=(1000, 1000, 100, 5000), jerk_mm_s=(8, 8, 0.4, 5))
    half = trapezoid_s(50, 8, 50, 8, 1000)
    assert seconds(limits, (50, 0, 0, 0, 50), (-50, 0, 0, 0, 50)) == pytest.approx(2 * half, rel=1e-6)


def test_axes_have_their_own_limits() -> None:
    slow_z = MotionLimits(speed_mm_s=(500, 500, 10, 60), acceleration_mm_s2=(3000, 3000, 1e6, 1e4), travel_acceleration_mm_s2=1e6)
    assert seconds(slow_z, (0, 0, 100, 0, 200)) == pytest.approx(10, rel=0.01)
    diagonal = MotionLimits(speed_mm_s=(30, 500, 10, 60), acceleration_mm_s2=(1e6, 1e6, 1e6, 1e4), travel_acceleration_mm_s2=1e6)
    assert seconds(diagonal, (30, 40, 0, 0, 100)) == pytest.approx(1.0, rel=0.01)


def test_retractions_use_their_own_acceleration_and_the_extruders_speed() -> None:
    quick = MotionLimits(speed_mm_s=(500, 500, 10, 40), retract_acceleration_mm_s2=1e6, acceleration_mm_s2=(1e6, 1e6, 1e6, 1e6))
    assert seconds(quick, (0, 0, 0, -4, 100)) == pytest.approx(0.1, rel=0.01)


def test_printing_and_travelling_accelerate_differently() -> None:
    limits = MotionLimits(print_acceleration_mm_s2=500, travel_acceleration_mm_s2=2000, acceleration_mm_s2=(3000, 3000, 100, 1e5))
    assert seconds(limits, (20, 0, 0, 0, 100)) < seconds(limits, (20, 0, 0, 1, 100))


def test_waiting_stops_the_machine() -> None:
    planner = Planner(NO_JERK)
    planner.move((50, 0, 0, 0), 50)
    planner.wait(2.0)
    planner.move((50, 0, 0, 0), 50)
    assert planner.finish() == pytest.approx(2.0 + 2 * seconds(NO_JERK, (50, 0, 0, 0, 50)), rel=1e-3)


def test_moves_of_nothing_take_no_time() -> None:
    assert seconds(NO_JERK, (0, 0, 0, 0, 50), (10, 0, 0, 0, 0)) == 0


def test_commands_change_the_limits_from_there_on() -> None:
    limits = MotionLimits()
    assert with_command(limits, "M203", {"X": 30.0}).speed_mm_s == (30, 500, 10, 60)
    assert with_command(limits, "M201", {"Z": 7.0}).acceleration_mm_s2[2] == 7
    assert with_command(limits, "M205", {"X": 3.0, "E": 1.0}).jerk_mm_s == (3, 8, 0.4, 1)
    assert with_command(limits, "M204", {"S": 700.0}).travel_acceleration_mm_s2 == 700
    separate = with_command(limits, "M204", {"P": 1.0, "R": 2.0, "T": 3.0})
    assert (separate.print_acceleration_mm_s2, separate.retract_acceleration_mm_s2, separate.travel_acceleration_mm_s2) == (1, 2, 3)
    assert with_command(limits, "M999", {}) is limits


def test_a_planner_obeys_a_command_between_moves() -> None:
    planner = Planner(NO_JERK)
    planner.limits = with_command(planner.limits, "M203", {"X": 10.0})
    planner.move((100, 0, 0, 0), 500)
    assert planner.finish() == pytest.approx(10, rel=0.01)


coordinate = st.floats(-100, 100).map(lambda value: round(value, 3))
moves_strategy = st.lists(st.tuples(coordinate, coordinate, coordinate, st.floats(-5, 5), st.floats(0.1, 300)), max_size=60)


@given(moves_strategy)
def test_no_sequence_is_faster_than_its_commanded_speed(moves: list[tuple[float, float, float, float, float]]) -> None:
    limits = MotionLimits(speed_mm_s=(1e6, 1e6, 1e6, 1e6))
    least = sum(sqrt(x * x + y * y + z * z) / speed for x, y, z, _, speed in moves)
    assert seconds(limits, *moves) >= least - 1e-6


@given(moves_strategy, st.integers(1, 50))
def test_more_acceleration_never_takes_longer(moves: list[tuple[float, float, float, float, float]], factor: int) -> None:
    slow = MotionLimits(acceleration_mm_s2=(100, 100, 100, 100))
    fast = MotionLimits(acceleration_mm_s2=(100 * factor, 100 * factor, 100 * factor, 100 * factor))
    assert seconds(fast, *moves) <= seconds(slow, *moves) + 1e-6


@given(moves_strategy)
def test_stopping_between_moves_never_saves_time(moves: list[tuple[float, float, float, float, float]]) -> None:
    alone = sum(seconds(NO_JERK, move) for move in moves)
    assert seconds(NO_JERK, *moves) <= alone * 1.0001 + 1e-6


def whole_plan_s(limits: MotionLimits, moves: list[tuple[float, float, float, float, float]]) -> float:
    """An oracle that holds every block at once: corners by bisection, speeds by relaxation until nothing changes."""
    blocks = []
    for x, y, z, e, wanted in moves:
        distance = sqrt(x * x + y * y + z * z) or abs(e)
        parts = [part / distance for part in (x, y, z, e)]
        kind = limits.retract_acceleration_mm_s2
        if x or y or z:
            kind = limits.print_acceleration_mm_s2 if e > 0 else limits.travel_acceleration_mm_s2
        acceleration = min([kind, *(a / abs(p) for a, p in zip(limits.acceleration_mm_s2, parts, strict=True) if p)])
        speed = min([wanted, *(v / abs(p) for v, p in zip(limits.speed_mm_s, parts, strict=True) if p)])
        safe = min([speed, *(j / abs(p) for j, p in zip(limits.jerk_mm_s, parts, strict=True) if p)])
        blocks.append((distance, speed, max(acceleration, 1.0), safe, parts))
    corners = [blocks[0][3]]
    for (_, speed_a, _, safe_a, parts_a), (_, speed_b, _, safe_b, parts_b) in itertools.pairwise(blocks):
        low, high = 0.0, min(speed_a, speed_b)
        for _ in range(60):
            middle = (low + high) / 2
            jumps = [
                (abs(b - a) if a * b >= 0 else max(abs(a), abs(b))) * middle  # an axis that turns back rests in between
                for a, b in zip(parts_a, parts_b, strict=True)
            ]
            fits = all(jump <= jerk for jump, jerk in zip(jumps, limits.jerk_mm_s, strict=True))
            low, high = (middle, high) if fits else (low, middle)
        corners.append(min(safe_b, speed_a) if min(safe_a, safe_b) > 0.99 * low else low)
    corners.append(blocks[-1][3])
    changed = True
    while changed:
        changed = False
        for index, (distance, _, acceleration, _, _) in enumerate(blocks):
            for here, there in ((index, index + 1), (index + 1, index)):
                most = sqrt(corners[there] ** 2 + 2 * acceleration * distance)
                if corners[here] > most + 1e-9:
                    corners[here], changed = most, True
    return sum(
        trapezoid_s(distance, corners[index], speed, corners[index + 1], acceleration)
        for index, (distance, speed, acceleration, _, _) in enumerate(blocks)
    )


lengths = st.floats(0.05, 30).map(lambda value: round(value, 3))
sideways, upwards = st.sampled_from([0.0, 0.3, -4.0, 20.0]), st.sampled_from([0.0, 0.0, 0.0, 0.3])
real_moves = st.lists(st.tuples(lengths, sideways, upwards, st.floats(-1, 2), st.floats(5, 200)), min_size=1, max_size=40)


@given(real_moves)
def test_the_planner_agrees_with_an_oracle_that_sees_everything(moves: list[tuple[float, float, float, float, float]]) -> None:
    limits = MotionLimits(acceleration_mm_s2=(800, 900, 100, 5000), travel_acceleration_mm_s2=700, retract_acceleration_mm_s2=1500)
    assert seconds(limits, *moves) == pytest.approx(whole_plan_s(limits, moves), rel=1e-6)


def test_the_look_ahead_loses_nothing_over_thousands_of_blocks() -> None:
    """A spiral of short lines, longer than the buffer several times over."""
    moves = [(cos(turn / 20) * 0.4, sin(turn / 20) * 0.4, 0.0, 0.01, 80.0) for turn in range(5000)]
    moves += [(-0.3, 0.02 * (number % 3), 0.0, 0.01, 120.0) for number in range(2000)]
    assert seconds(MotionLimits(), *moves) == pytest.approx(whole_plan_s(MotionLimits(), moves), rel=1e-6)


CORNER = MotionLimits(
    speed_mm_s=(500, 500, 500, 500),
    acceleration_mm_s2=(1000, 1000, 1000, 1000),
    travel_acceleration_mm_s2=1000,
    print_acceleration_mm_s2=1000,
)
RIGHT_ANGLE = [(20.0, 0.0, 0.0, 0.0, 100.0), (0.0, 20.0, 0.0, 0.0, 100.0)]


def test_the_corner_of_klipper_is_passed_at_its_square_corner_velocity() -> None:
    """Whatever the acceleration; https://www.klipper3d.org/Kinematics.html."""
    for acceleration in (500.0, 1000.0):
        limits = replace(CORNER, junction="corner", corner_mm_s=5, travel_acceleration_mm_s2=acceleration)
        leg = trapezoid_s(20, 0, 100, 5, acceleration)
        assert seconds(limits, *RIGHT_ANGLE) == pytest.approx(2 * leg, rel=1e-6)


def test_junction_deviation_is_the_arc_that_leaves_the_corner_by_so_much() -> None:
    """At a right angle the arc's radius is d / (sqrt(2) - 1), v2 = a r; the axes limit a along the bisector."""
    limits = replace(CORNER, junction="deviation", deviation_mm=0.02)
    corner = sqrt(1000 * 0.02 / (sqrt(2) - 1))
    leg = trapezoid_s(20, 0, 100, corner, 1000)
    assert seconds(limits, *RIGHT_ANGLE) == pytest.approx(2 * leg, rel=1e-6)


@pytest.mark.parametrize("junction", ["deviation", "corner"])
def test_arcs_make_no_corner_of_a_straight_line_and_a_stop_of_turning_back(junction: Junction) -> None:
    limits = replace(CORNER, junction=junction)
    whole = seconds(limits, (40, 0, 0, 0, 50))
    assert seconds(limits, *[(0.4, 0, 0, 0, 50)] * 100) == pytest.approx(whole, rel=1e-3)
    assert seconds(limits, (40, 0, 0, 0, 50), (-40, 0, 0, 0, 50)) == pytest.approx(2 * whole, rel=1e-6)


def test_small_blocks_of_a_curve_keep_to_its_centripetal_acceleration() -> None:
    """A circle of radius 5 in short chords: the speed settles at sqrt(a r), whatever the corners alone would allow."""
    chords = 400
    step = 2 * pi / chords
    moves = [(-5 * sin(n * step) * step, 5 * cos(n * step) * step, 0.0, 0.0, 400.0) for n in range(chords)] * 4
    for junction in ("deviation", "corner"):
        limits = replace(CORNER, junction=junction, deviation_mm=1.0, corner_mm_s=100)
        at_limit = 4 * 2 * pi * 5 / sqrt(1000 * 5)
        assert at_limit * 0.95 < seconds(limits, *moves) < at_limit * 1.15


def test_the_extruder_of_klipper_limits_corners_too() -> None:
    moves = [(20.0, 0.0, 0.0, 0.0, 50.0), (20.0, 0.0, 0.0, 2.0, 50.0)]
    limits = replace(CORNER, junction="corner", jerk_mm_s=(8, 8, 0.4, 1))
    leg = trapezoid_s(20, 0, 50, 10, 1000)
    assert seconds(limits, *moves) == pytest.approx(2 * leg, rel=1e-6), "0.1 mm of filament a mm: 1 mm/s at 10 mm/s"
    assert seconds(limits, (20, 0, 0, 1, 50), (0, 0, 0, -1, 50)) == pytest.approx(
        seconds(limits, (20, 0, 0, 1, 50)) + seconds(limits, (0, 0, 0, -1, 50)), rel=1e-9
    )


def test_a_part_of_each_block_is_passed_at_even_speed() -> None:
    """Klipper's minimum_cruise_ratio: of 10 mm half is left to speed up and slow down."""
    limits = replace(CORNER, junction="corner", cruise_ratio=0.5)
    peak = sqrt(1000 * 10 * 0.5)
    assert seconds(limits, (10, 0, 0, 0, 400)) == pytest.approx(2 * peak / 1000 + 5 / peak, rel=1e-6)
    assert seconds(limits, (1000, 0, 0, 0, 40)) == pytest.approx(seconds(replace(limits, cruise_ratio=0), (1000, 0, 0, 0, 40)))


def test_speeds_have_a_floor_and_the_path_a_ceiling() -> None:
    slow = replace(NO_JERK, least_print_mm_s=10, least_travel_mm_s=20)
    assert seconds(slow, (100, 0, 0, 1, 1)) == pytest.approx(10, rel=0.01)
    assert seconds(slow, (100, 0, 0, 0, 1)) == pytest.approx(5, rel=0.01)
    assert seconds(replace(NO_JERK, path_mm_s=5), (30, 40, 0, 0, 200)) == pytest.approx(10, rel=0.01)


def test_commands_of_marlin_choose_the_corners() -> None:
    deviation = with_command(MotionLimits(), "M205", {"J": 0.05})
    assert (deviation.junction, deviation.deviation_mm) == ("deviation", 0.05)
    assert with_command(deviation, "M205", {"X": 9.0}).junction == "jerk"
    assert with_command(deviation, "M205", {"E": 2.0}).junction == "deviation"
    assert with_command(MotionLimits(), "M205", {"S": 3.0, "T": 4.0}) == MotionLimits(least_print_mm_s=3, least_travel_mm_s=4)


def test_m204_of_old_marlin_and_of_klipper() -> None:
    old = with_command(MotionLimits(), "M204", {"S": 700.0, "T": 900.0})
    assert (old.print_acceleration_mm_s2, old.travel_acceleration_mm_s2, old.retract_acceleration_mm_s2) == (700, 700, 900)
    klipper = with_command(MotionLimits(), "M204", {"P": 700.0, "T": 900.0}, "klipper")
    assert (klipper.print_acceleration_mm_s2, klipper.travel_acceleration_mm_s2) == (700, 700)
    assert with_command(MotionLimits(), "M204", {"P": 700.0}, "klipper") == MotionLimits()


def test_set_velocity_limit() -> None:
    limits = with_velocity_limit(MotionLimits(), "VELOCITY=300 ACCEL=5000 SQUARE_CORNER_VELOCITY=7.5 MINIMUM_CRUISE_RATIO=0.25")
    assert (limits.junction, limits.corner_mm_s, limits.cruise_ratio) == ("corner", 7.5, 0.25)
    assert (limits.path_mm_s, limits.print_acceleration_mm_s2, limits.travel_acceleration_mm_s2) == (300, 5000, 5000)
    assert with_velocity_limit(limits, "ACCEL_TO_DECEL=1250").cruise_ratio == 0.75
    assert with_velocity_limit(limits, "ACCEL=nan VELOCITY=-1 MINIMUM_CRUISE_RATIO=9").cruise_ratio == 0.99
    assert with_velocity_limit(limits, "") == limits


class Bucket:
    def __init__(self) -> None:
        self.time_s = 0.0


@given(real_moves, st.sampled_from(["jerk", "deviation", "corner"]))
def test_the_seconds_of_moves_add_up_to_the_whole(
    moves: list[tuple[float, float, float, float, float]], junction: Junction
) -> None:
    planner = Planner(replace(MotionLimits(), junction=junction, cruise_ratio=0.5))
    buckets = [Bucket() for _ in moves]
    for (x, y, z, e, speed), bucket in zip(moves, buckets, strict=True):
        planner.move((x, y, z, e), speed, (bucket,))
    planner.wait(3.0)
    total = planner.finish()
    assert sum(bucket.time_s for bucket in buckets) == pytest.approx(total, rel=1e-9)
    assert buckets[-1].time_s >= 3.0, "waiting belongs to the move before"
    assert all(bucket.time_s > 0 for bucket in buckets)


@pytest.mark.parametrize("code", ["M201", "M203", "M205"])
def test_a_limit_below_nought_is_none(code: str) -> None:
    limits = with_command(MotionLimits(), code, {"X": -5.0, "Y": -1.0})
    planner = Planner(limits)
    for delta in ((1, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1)):
        planner.move(delta, 10.0)
    assert 0.4 <= planner.finish() < 1


def test_klippers_m204_takes_the_lesser_of_both_and_needs_both() -> None:
    for parameters in ({"P": 700.0, "T": 900.0}, {"P": 900.0, "T": 700.0}):
        assert with_command(MotionLimits(), "M204", parameters, "klipper").print_acceleration_mm_s2 == 700
    assert with_command(MotionLimits(), "M204", {"T": 700.0}, "klipper") == MotionLimits()
    assert with_command(MotionLimits(), "M204", {"S": 500.0, "P": 700.0, "T": 900.0}, "klipper").print_acceleration_mm_s2 == 500


def test_speeds_of_reprapfirmware_are_per_minute() -> None:
    limits = with_command(MotionLimits(), "M203", {"X": 12000.0, "E": 600.0}, "reprapfirmware")
    assert limits.speed_mm_s == pytest.approx((200, 500, 10, 10))
    assert with_command(limits, "M566", {"X": 600.0}, "reprapfirmware").jerk_mm_s == pytest.approx((10, 8, 0.4, 5))
    assert with_velocity_limit(limits, "VELOCITY=0").path_mm_s == limits.path_mm_s


def test_long_chords_are_no_curve_to_marlin() -> None:
    """Chords of a circle of radius 60 at 90 mm/s: those of 0.5 mm keep to sqrt(a r) = 77 mm/s, those of 2 mm to their corners."""
    limits = replace(CORNER, junction="deviation", deviation_mm=0.013, print_acceleration_mm_s2=100, travel_acceleration_mm_s2=100)
    for chord_mm, wanted_mm_s in ((0.5, 77.5), (2.0, 90.0)):
        count = round(6000 / chord_mm)
        angle = chord_mm / 60
        moves = [(-chord_mm * sin(n * angle), chord_mm * cos(n * angle), 0.0, 0.0, 90.0) for n in range(count)]
        braking_s = wanted_mm_s / 100
        assert seconds(limits, *moves) == pytest.approx(6000 / wanted_mm_s + braking_s, rel=0.02), chord_mm


def test_klippers_corners_between_lifts_and_moves_are_right_angles_and_retractions_stops() -> None:
    """From Z to X the corner counts; from a retraction on the spot everything starts at rest."""
    klipper = replace(CORNER, junction="corner")
    apart = seconds(klipper, (0, 0, 5, 0, 50)) + seconds(klipper, (50, 0, 0, 0, 50))
    assert seconds(klipper, (0, 0, 5, 0, 50), (50, 0, 0, 0, 50)) < apart - 1e-6
    assert seconds(klipper, (50, 0, 0, 0, 50), (0, 0, 5, 0, 50)) < apart - 1e-6
    drawn = seconds(klipper, (50, 0, 0, 0, 50), (0, 0, 0, -2, 30), (50, 0, 0, 0, 50))
    alone = 2 * seconds(klipper, (50, 0, 0, 0, 50)) + seconds(klipper, (0, 0, 0, -2, 30))
    assert drawn == pytest.approx(alone)


def test_a_planner_holds_a_bounded_number_of_moves() -> None:
    planner = Planner(MotionLimits())
    for _ in range(5000):
        planner.move((0.1, 0.0, 0.0, 0.0), 100.0)
        assert len(planner._blocks) <= 1024
    assert planner.finish() == pytest.approx(seconds(MotionLimits(), (500, 0, 0, 0, 100)), rel=1e-3)


def test_of_two_machines_the_slower_one() -> None:
    fast = MotionLimits(speed_mm_s=(900, 100, 10, 0), print_acceleration_mm_s2=20_000, least_print_mm_s=50, junction="deviation")
    slow = MotionLimits(speed_mm_s=(300, 300, 10, 60), print_acceleration_mm_s2=1500, path_mm_s=200)
    found = slower(fast, slow)
    assert found.speed_mm_s == (300.0, 100.0, 10.0, 60.0), "0 is no limit"
    assert (found.print_acceleration_mm_s2, found.path_mm_s) == (1500, 200)
    assert found.least_print_mm_s == 0, "a file cannot ask for speed at least"
    assert slower(slow, slow) == slow, "and corners are those of the second"
    assert found.junction == "jerk"
