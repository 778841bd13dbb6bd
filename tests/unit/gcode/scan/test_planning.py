"""Seconds of columns of moves against the planner that takes them one by one."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcode.kinematics import Junction, MotionLimits, Planner
from gcode.scan.columns import Columns, Floats, picked
from gcode.scan.planning import LOOK_AHEAD_BLOCKS, NumpyPlanning, running_minimum
from tests.stateful.effort import examples

LIMITS = (
    MotionLimits(),
    MotionLimits(jerk_mm_s=(8.0, 8.0, 0.4, 1.5), print_acceleration_mm_s2=800, travel_acceleration_mm_s2=1500, path_mm_s=90.0),
    MotionLimits(junction="deviation", least_print_mm_s=5.0),
    MotionLimits(junction="corner", cruise_ratio=0.5, jerk_mm_s=(8.0, 8.0, 0.4, 1.0)),
    MotionLimits(speed_mm_s=(0.0, 0.0, 0.0, 0.0), jerk_mm_s=(0.0, 0.0, 0.0, 0.0), acceleration_mm_s2=(0.0, 0.0, 0.0, 0.0)),
)
lengths = st.one_of(st.just(0.0), st.integers(-400, 400).map(lambda value: value / 20), st.sampled_from([1e-4, -1e-5, 300.0]))
deltas = st.tuples(lengths, lengths, st.sampled_from([0.0, 0.0, 0.0, 0.2, -0.2]), lengths)
speeds = st.sampled_from([0.0, 0.5, 20.0, 60.0, 150.0, 400.0, 5000.0])


@dataclass
class Part:
    """What the planner adds seconds to."""

    time_s: float = 0.0


@dataclass
class Job:
    deltas: list[tuple[float, float, float, float]] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    which: list[int] = field(default_factory=list)
    stops: list[tuple[int, float]] = field(default_factory=list)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    job, which = Job(), 0
    moves: list[tuple[tuple[float, float, float, float], float]] = draw(st.lists(st.tuples(deltas, speeds), max_size=30))
    for delta, speed in moves:
        if draw(st.integers(0, 7)) == 0:
            which = draw(st.integers(0, len(LIMITS) - 1))
        if draw(st.integers(0, 7)) == 0 and job.deltas:
            job.stops.append((len(job.deltas), draw(st.sampled_from([0.0, 1.5]))))
        job.deltas.append(delta)
        job.speeds.append(speed)
        job.which.append(which)
    stops_at_the_end = draw(st.booleans())
    if job.deltas and stops_at_the_end:
        job.stops.append((len(job.deltas), 2.0))
    return job


def columns_of(job: Job) -> Columns:
    table = np.array(job.deltas, float).reshape(-1, 4).T
    count = len(job.deltas)
    ends = np.add.accumulate(table[:3], axis=1)
    starts = np.hstack([np.zeros((3, 1)), ends[:, :-1]]) if count else ends
    numbers, small = np.arange(count), np.zeros(count, np.uint8)
    return Columns(numbers, numbers, starts, ends, table[3], np.array(job.speeds, float), small, small)


def one_by_one(job: Job) -> list[float]:
    columns = columns_of(job)
    planner = Planner(LIMITS[0])
    parts = [Part() for _ in job.deltas]
    stops = list(job.stops)
    for index, part in enumerate(parts):
        while stops and stops[0][0] <= index:
            planner.wait(stops.pop(0)[1])
        planner.limits = LIMITS[job.which[index]]
        x, y, z = (columns.end[:, index] - columns.start[:, index]).tolist()
        planner.move((x, y, z, columns.filament_mm.item(index)), job.speeds[index], (part,))
    for _, dwell_s in stops:
        planner.wait(dwell_s)
    planner.finish()
    return [part.time_s for part in parts]


def all_at_once(job: Job, cuts: list[int]) -> list[float]:
    planning, columns, seconds = NumpyPlanning(), columns_of(job), list[Floats]()
    bounds = sorted({0, *(cut for cut in cuts if cut < len(columns)), len(columns)})
    for begin, end in pairwise(bounds):
        stops = [(before - begin, dwell_s) for before, dwell_s in job.stops if begin <= before < end or before == end == bounds[-1]]
        planning.add(picked(columns, slice(begin, end)), LIMITS, np.array(job.which[begin:end], np.int32), stops)
        seconds.append(planning.take())
    assert sum(map(len, seconds)) < max(len(columns), 1)  # dwell may still follow the last move
    together: list[float] = np.concatenate([*seconds, planning.finish()]).tolist()
    return together


@given(jobs(), st.lists(st.integers(0, 30), max_size=4))
@example(Job([(0.0, 0.0001, 0.0, 3.5), (0.0, 0.0, 0.0, 0.05)], [0.5, 5000.0], [4, 4], [(1, 0.0)]), [])
def test_every_move_takes_as_long_as_the_planner_says(job: Job, cuts: list[int]) -> None:
    found, wanted = all_at_once(job, cuts), one_by_one(job)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6)  # of a move that is over in microseconds the last bits may differ
    assert sum(found) == pytest.approx(sum(wanted), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("model", ["jerk", "deviation", "corner"])
def test_a_long_curve_brakes_over_many_moves_and_many_calls(model: Junction) -> None:
    limits = replace(LIMITS[0], junction=model, print_acceleration_mm_s2=300.0)
    angles = np.linspace(0, 60 * np.pi, 20_000)
    places = np.array([30 * np.cos(angles), 30 * np.sin(angles), np.zeros_like(angles)])
    count = len(angles) - 1
    speed = np.where(np.arange(count) % 3000 < 1500, 200.0, 3.0)
    small, numbers = np.zeros(count, np.uint8), np.arange(count)
    columns = Columns(numbers, numbers, places[:, :-1], places[:, 1:], np.full(count, 0.01), speed, small, small)
    planning, total_s, given_moves = NumpyPlanning(), 0.0, 0
    for begin in range(0, count, 700):
        part = picked(columns, slice(begin, begin + 700))
        planning.add(part, [limits], np.zeros(len(part), np.int32), [])
        seconds = planning.take()
        total_s, given_moves = total_s + float(seconds.sum()), given_moves + len(seconds)
        assert begin + len(part) - given_moves <= LOOK_AHEAD_BLOCKS + 4096 + 700
    rest = planning.finish()
    planner = Planner(limits)
    for begin_mm, end_mm, mm_s in zip(columns.start.T.tolist(), columns.end.T.tolist(), speed.tolist(), strict=True):
        planner.move((end_mm[0] - begin_mm[0], end_mm[1] - begin_mm[1], 0.0, 0.01), mm_s)
    assert given_moves + len(rest) == count
    assert total_s + float(rest.sum()) == pytest.approx(planner.finish(), rel=1e-6)


def test_moves_that_take_no_time_are_given_too() -> None:
    job = Job([(0.0, 0.0, 0.0, 0.0)] * 3, [10.0] * 3, [0] * 3, [(2, 1.5)])
    assert all_at_once(job, [1, 2]) == [0.0, 1.5, 0.0]


def test_nothing_takes_no_time() -> None:
    planning = NumpyPlanning()
    assert (len(planning.take()), len(planning.finish())) == (0, 0)


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e12)), min_size=1, max_size=50), st.integers(0, 3))
def test_a_running_minimum(rows: list[tuple[float, float]], copies: int) -> None:
    rows = rows * (1 + copies * 60)
    wanted, before = [], float("inf")
    for most, step in rows:
        before = min(most, before + step)
        wanted.append(before)
    found = running_minimum(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
    assert found.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-6)
