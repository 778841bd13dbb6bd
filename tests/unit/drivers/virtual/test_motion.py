from math import inf, sqrt

import pytest

from drivers.virtual.motion import Block, Limits, Move, Planner, Position
from drivers.virtual.options import PLANNED_MOVES

ORIGIN: Position = (0.0, 0.0, 0.0, 0.0)


class Log:
    """What was executed."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.planner = Planner(Limits(), self.blocks.append)
        self.place = ORIGIN

    def go(self, x: float, y: float = 0.0, z: float = 0.0, e: float = 0.0, *, speed: float = 50.0, now_s: float = 0.0) -> None:
        target = (x, y, z, e)
        self.planner.append(Move(self.place, target, speed), now_s)
        self.place = target

    def finish(self) -> float:
        """Run to the end; returns when that was."""
        end_s = 0.0
        while self.planner.busy:
            end_s = self.planner.next_end_s
            self.planner.advance(end_s)
        return end_s


@pytest.fixture
def log() -> Log:
    return Log()


def test_single_move_is_a_trapezoid(log: Log) -> None:
    log.go(100.0, speed=50.0)
    ramp_s = 50 / 3000
    assert log.finish() == pytest.approx(100 / 50 + ramp_s)


def test_short_move_is_a_triangle(log: Log) -> None:
    log.go(0.5, speed=100.0)
    assert log.finish() == pytest.approx(2 * sqrt(0.5 / 3000))


@pytest.mark.parametrize(("axis", "fastest"), [("z", 5.0), ("e", 25.0)])
def test_axis_limits_bound_the_speed(log: Log, axis: str, fastest: float) -> None:
    log.go(0.0, **{axis: 10.0}, speed=200.0)
    assert log.finish() == pytest.approx(10 / fastest, rel=0.03)


def test_extruder_limit_slows_the_move_it_belongs_to(log: Log) -> None:
    log.go(10.0, e=10.0, speed=200.0)
    assert log.finish() == pytest.approx(10 / 25, rel=0.03)


def after_a_first_move(*places: tuple[float, float]) -> float:
    """How long moves take that were all planned before the first of them begins: only then can the planner look ahead."""
    log = Log()
    log.go(-10.0)
    log.go(0.0)
    for place in places:
        log.go(*place)
    log.finish()
    return log.blocks[-1].end_s - log.blocks[1].end_s


def test_straight_moves_in_a_row_do_not_stop() -> None:
    pieces = [(10.0 * number, 0.0) for number in range(1, 11)]
    assert after_a_first_move(*pieces) == pytest.approx(after_a_first_move((100.0, 0.0)), rel=1e-6)


def test_reversal_stops(log: Log) -> None:
    log.go(10.0)
    log.go(0.0)
    single = Log()
    single.go(10.0)
    assert log.finish() == pytest.approx(2 * single.finish())


def test_corner_is_slower_than_a_line_and_faster_than_a_stop() -> None:
    line_s = after_a_first_move((20.0, 0.0))
    corner_s = after_a_first_move((10.0, 0.0), (10.0, 10.0))
    stop_s = after_a_first_move((10.0, 0.0), (0.0, 0.0))
    assert line_s < corner_s < stop_s


def test_a_move_brakes_for_what_follows_later() -> None:
    """A long move, then a hundredth of a millimetre on, then back: the long move must already brake."""
    tail_s = after_a_first_move((10.0, 0.0), (10.01, 0.0), (0.0, 0.0)) - after_a_first_move((10.0, 0.0))
    back_s = after_a_first_move((10.0, 0.0), (0.0, 0.0)) - after_a_first_move((10.0, 0.0))
    assert tail_s == pytest.approx(back_s, abs=0.005)


def test_moves_follow_each_other_without_gaps(log: Log) -> None:
    for number in range(1, 9):
        log.go(float(number), number % 2)
    log.finish()
    assert len(log.blocks) == 8
    for before, after in zip(log.blocks, log.blocks[1:], strict=False):
        assert after.start_s == before.end_s
        assert after.end_s > after.start_s


def test_a_move_after_a_pause_starts_when_it_comes(log: Log) -> None:
    log.go(1.0)
    log.planner.advance(10.0)
    assert not log.planner.busy
    assert log.planner.idle_since_s == log.blocks[0].end_s
    log.go(2.0, now_s=10.0)
    log.finish()
    assert log.blocks[1].start_s == 10.0


def test_room_for_fifteen_moves(log: Log) -> None:
    assert log.planner.free == PLANNED_MOVES == 15
    for number in range(1, 16):
        log.go(float(number))
    assert log.planner.free == 0
    log.planner.advance(log.planner.next_end_s)
    assert log.planner.free == 1


def test_move_of_no_length_vanishes(log: Log) -> None:
    log.go(0.0)
    assert not log.planner.busy
    assert log.planner.next_end_s == inf


def test_position_in_the_middle_of_a_move(log: Log) -> None:
    log.go(100.0, 50.0, e=2.0)
    half_s = log.planner.next_end_s / 2
    assert log.planner.position(half_s) == pytest.approx((50.0, 25.0, 0.0, 1.0))
    log.finish()
    assert log.planner.position(1e9) == (100.0, 50.0, 0.0, 2.0)


def test_stop_ends_in_the_middle_and_counts_what_was_extruded(log: Log) -> None:
    log.go(100.0, e=2.0)
    log.go(200.0, e=4.0)
    half_s = log.planner.next_end_s / 2
    log.planner.stop(half_s)
    assert not log.planner.busy
    assert log.planner.reached == pytest.approx((50.0, 0.0, 0.0, 1.0))
    assert [block.extruded_mm for block in log.blocks] == [pytest.approx(1.0)]


def test_stop_of_nothing_is_nothing(log: Log) -> None:
    log.planner.stop(5.0)
    assert log.blocks == []


def test_flow_scales_filament_only() -> None:
    log = Log()
    log.planner.append(Move(ORIGIN, (10.0, 0.0, 0.0, 2.0), 50.0, flow=0.95), 0.0)
    log.finish()
    assert log.blocks[0].extruded_mm == pytest.approx(1.9)
    assert log.planner.reached[3] == 2.0


def test_arc_takes_as_long_as_its_path() -> None:
    chord, arc = Log(), Log()
    chord.go(10.0, speed=10.0)
    arc.planner.append(Move(ORIGIN, (10.0, 0.0, 0.0, 0.0), 10.0, arc_mm=31.4), 0.0)
    assert arc.finish() == pytest.approx(3.14 * chord.finish(), rel=0.01)


@pytest.mark.parametrize(("e", "limit"), [(1.0, "printing"), (0.0, "travelling")])
def test_acceleration_depends_on_the_kind_of_move(log: Log, e: float, limit: str) -> None:
    fast_s = Log()
    fast_s.go(10.0, e=e)
    setattr(log.planner._limits, limit, 100.0)
    log.go(10.0, e=e)
    assert log.finish() > fast_s.finish() * 1.5


def test_swept_and_cut_are_kept() -> None:
    log = Log()
    log.planner.append(Move(ORIGIN, (1.0, 0.0, 0.0, 1.0), 50.0, cut=True), 0.0)
    log.planner.append(Move((1.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 2.0), 50.0), 0.0)
    log.finish()
    assert [(block.swept, block.cut) for block in log.blocks] == [(True, True), (False, False)]
