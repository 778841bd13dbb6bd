"""When it is quiet, and what that keeps from starting."""

from dataclasses import replace

import pytest

from drivers.base import PrinterState
from farm.node import core
from farm.node.core import Moment, StartJob
from farm.node.core.quiet import CLOCK_IS_SET_S, why_all_quiet, why_quiet
from tests.unit.farm.node.bench import A, Bench, allocation, setup

H = 3600.0
NIGHT = ((22 * H, 7 * H),)
NOON = ((12 * H, 14 * H),)


def at(day_s: float, wall_s: float = 1_800_000_000.0) -> Moment:
    return Moment(1_000.0, wall_s, lambda kind: kind, day_s)


@pytest.mark.parametrize(
    ("hours", "day_s", "quiet"),
    [
        (NIGHT, 22 * H - 1, False),
        (NIGHT, 22 * H, True),
        (NIGHT, 0.0, True),
        (NIGHT, 7 * H - 1, True),
        (NIGHT, 7 * H, False),
        (NOON, 12 * H - 1, False),
        (NOON, 12 * H, True),
        (NOON, 14 * H, False),
        (NIGHT + NOON, 13 * H, True),
        (NIGHT + NOON, 23 * H, True),
        ((), 23 * H, False),
    ],
)
def test_within_quiet_time_nothing_starts(hours: tuple[tuple[float, float], ...], day_s: float, quiet: bool) -> None:
    reason = why_quiet(hours, 0.0, at(day_s))
    assert (reason is not None) is quiet
    if reason is not None:
        assert reason.code == "quiet-hours"


@pytest.mark.parametrize(
    ("day_s", "takes_s", "starts"),
    [
        (20 * H, 2 * H, True),  # ends when it begins
        (20 * H, 2 * H + 1, False),
        (7 * H, 15 * H, True),
        (7 * H, 16 * H, False),  # longer than any day: never
        (21.99 * H, 60.0, False),
    ],
)
def test_a_job_must_end_before_quiet_time(day_s: float, takes_s: float, starts: bool) -> None:
    assert (why_quiet(NIGHT, takes_s, at(day_s)) is None) is starts


def test_the_nearest_of_several_quiet_times_counts() -> None:
    hours = NIGHT + NOON
    assert why_quiet(hours, 4 * H, at(7 * H)) is None
    noon = why_quiet(hours, 6 * H, at(7 * H))
    assert noon is not None
    assert "12:00" in noon.en
    assert "12:00" in noon.fr
    assert why_quiet(hours, 7 * H, at(14 * H)) is None


def test_the_reason_says_until_when_in_both_languages() -> None:
    reason = why_quiet(((22 * H, 7.5 * H), (5 * H, 6 * H)), 0.0, at(5.5 * H))
    assert reason is not None
    assert (reason.en, reason.fr) == ("It is quiet time until 07:30.", "Heures de silence jusqu'à 07:30.")


def test_a_clock_that_was_never_set_keeps_no_quiet_hours() -> None:
    reason = why_quiet(NIGHT, 0.0, at(12 * H, CLOCK_IS_SET_S - 1))
    assert reason is not None
    assert reason.code == "clock-not-set"
    assert "horloge" in reason.fr
    assert why_quiet(NIGHT, 0.0, at(12 * H, CLOCK_IS_SET_S)) is None
    assert why_quiet((), 0.0, at(12 * H, 0.0)) is None, "without quiet hours nobody asks the clock"


def test_one_job_that_fits_is_enough() -> None:
    now = at(20 * H)
    assert why_all_quiet(NIGHT, [3 * H, 1 * H], now) is None
    assert why_all_quiet(NIGHT, [3 * H, 4 * H], now) is not None
    assert why_all_quiet(NIGHT, [], now) is None
    assert why_all_quiet(NIGHT, [], at(23 * H)) is not None
    assert why_all_quiet((), [3 * H], now) is None


# --- in the core: a program of the bench takes 100 s


def quiet_bench(day_s: float) -> Bench:
    bench = Bench(setup(A, quiet_hours=NIGHT))
    bench.local_day_s = day_s
    return bench


def test_nothing_starts_that_would_run_into_quiet_time_and_the_report_says_so() -> None:
    bench = quiet_bench(22 * H - 99)
    assert bench.report().printers[0].ready, "nothing waits: a short job may come"
    bench.allocate(allocation())
    assert bench.tick().instructions == ()
    (told,) = bench.report().printers
    assert told.reason is not None
    assert (told.ready, told.reason.code) == (False, "quiet-hours")
    assert "22:00" in told.reason.en
    bench.pass_time(100, stride_s=1000)
    assert bench.starts == 0
    (told,) = bench.report().printers
    assert told.reason is not None
    assert "07:00" in told.reason.en
    bench.allocate(allocation(autonomy_s=50_000))
    bench.pass_time(9 * H - 10)
    assert bench.starts == 0
    bench.pass_time(10)
    assert bench.starts == 1


def test_a_job_that_fits_before_quiet_time_starts() -> None:
    bench = quiet_bench(22 * H - 100)
    bench.allocate(allocation())
    assert [type(one) for one in bench.tick().instructions] == [StartJob]


def test_a_shorter_job_goes_first_when_the_longer_would_run_into_quiet_time() -> None:
    bench = quiet_bench(22 * H - 500)
    long = allocation("long", priority=9)
    long = long.model_copy(update={"program": long.program.model_copy(update={"estimated_s": 600.0})})
    bench.allocate(long, allocation("short"))
    bench.tick()
    assert bench.state.started == {"short": 1}


def test_a_running_print_is_never_stopped_for_quiet_time() -> None:
    bench = quiet_bench(22 * H - 100)
    start = bench.start(A)
    bench.instructions.clear()
    bench.pass_time(200)
    bench.status(A, PrinterState.PRINTING, job=start.job)
    assert bench.instructions == []
    assert bench.state.occupations[A].running


def test_it_is_asked_again_just_before_the_first_command() -> None:
    bench = quiet_bench(22 * H - 100)
    bench.allocate(allocation())
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    assert core.may_begin(bench.state, start, bench.moment) is None
    bench.local_day_s += 1  # the commit took long
    why_not = core.may_begin(bench.state, start, bench.moment)
    assert why_not is not None
    assert "22:00" in why_not


def test_a_clock_that_was_never_set_starts_nothing() -> None:
    bench = quiet_bench(12 * H)
    bench.wall_s = 1_000.0
    bench.allocate(allocation())
    assert bench.tick().instructions == ()
    (told,) = bench.report().printers
    assert told.reason is not None
    assert told.reason.code == "clock-not-set"
    bench.state = replace(bench.state, printers={A: replace(bench.state.printers[A], setup=setup(A))})
    assert len(bench.tick().instructions) == 1
