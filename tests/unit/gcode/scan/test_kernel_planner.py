"""The compiled planner against the interpreter's: the same seconds for each move."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.kinematics import MotionLimits, Planner
from gcode.scan.columns import Columns, joined, picked
from gcode.scan.kernel import KernelError, KernelPlanning, Library
from tests.unit.gcode.scan.compiled import build_kernel


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(build_kernel(tmp_path_factory.mktemp("kernel")))


class Part:
    def __init__(self) -> None:
        self.time_s = 0.0


LIMITS = [
    MotionLimits(),
    MotionLimits(jerk_mm_s=(10, 10, 0.2, 2.5), print_acceleration_mm_s2=1250, least_print_mm_s=2, least_travel_mm_s=30),
    MotionLimits(junction="deviation", deviation_mm=0.02),
    MotionLimits(junction="deviation", deviation_mm=0.08, retract_acceleration_mm_s2=0.0, jerk_mm_s=(0, 0, 0, 0)),
    MotionLimits(junction="corner", corner_mm_s=8, cruise_ratio=0.5, jerk_mm_s=(8, 8, 0.4, 1.0)),
    MotionLimits(junction="corner", corner_mm_s=0, path_mm_s=80, speed_mm_s=(500, 300, 0, 60)),
]
STEP = st.sampled_from([0.0, 0.0, 0.1, -0.1, 0.5, 3.0, -7.0, 40.0, 1e-10])
MOVE = st.tuples(STEP, STEP, STEP, STEP, st.sampled_from([0.0, 1.0, 20.0, 60.0, 150.0, 900.0]))
Steps = list[tuple[float, float, float, float, float]]


def columns_of(steps: Steps) -> Columns:
    count = len(steps)
    deltas = np.array(steps, float).reshape(count, 5).T
    end = np.cumsum(deltas[:3], axis=1) if count else np.zeros((3, 0))
    start = np.concatenate((np.zeros((3, 1)), end), axis=1)[:, :count]
    whole = np.arange(1, count + 1)
    return Columns(whole, whole, start, end, deltas[3], deltas[4], np.zeros(count, np.uint8), np.zeros(count, np.uint8))


def oracle_seconds(columns: Columns, which: list[int], stops: dict[int, float]) -> tuple[list[float], float]:
    planner = Planner(LIMITS[0])
    parts = [Part() for _ in range(len(columns))]
    deltas = columns.end - columns.start
    for index, part in enumerate(parts):
        if index in stops:
            planner.wait(stops[index])
        planner.limits = LIMITS[which[index]]
        x, y, z = map(float, deltas[:, index])
        planner.move((x, y, z, float(columns.filament_mm[index])), float(columns.speed_mm_s[index]), [part])
    if len(parts) in stops:
        planner.wait(stops[len(parts)])
    total_s = planner.finish()
    return [part.time_s for part in parts], total_s


def slices(columns: Columns, cuts: list[int]) -> Iterator[tuple[int, int, Columns]]:
    for begin, end in pairwise([0, *sorted(cuts), len(columns)]):
        yield begin, end, picked(columns, slice(begin, end))


def kernel_seconds(library: Library, columns: Columns, which: list[int], stops: dict[int, float], cuts: list[int]) -> list[float]:
    planning = KernelPlanning(library)
    given_s: list[float] = []
    parts = list(slices(columns, cuts))
    for number, (begin, end, part) in enumerate(parts):
        last = number == len(parts) - 1
        inside = [(row - begin, dwell) for row, dwell in sorted(stops.items()) if begin <= row < end or (last and row == end)]
        planning.add(part, LIMITS, np.array(which[begin:end], np.int32), inside)
        taken: list[float] = planning.take().tolist()
        assert len(given_s) + len(taken) <= max(end - 1, 0), "the last move may still get a dwell"
        given_s += taken
    rest: list[float] = planning.finish().tolist()
    return given_s + rest


@given(st.lists(MOVE, max_size=60), st.data())
def test_seconds_are_the_planners(library: Library, steps: Steps, data: st.DataObject) -> None:
    count = len(steps)
    which = data.draw(st.lists(st.integers(0, len(LIMITS) - 1), min_size=count, max_size=count))
    stops = data.draw(st.dictionaries(st.integers(1, max(count, 1)), st.sampled_from([0.0, 0.5, 3.0]), max_size=4))
    stops = {row: dwell for row, dwell in stops.items() if row <= count}
    cuts = data.draw(st.lists(st.integers(0, count), max_size=4))
    columns = columns_of(steps)
    wanted, total_s = oracle_seconds(columns, which, stops)
    found = kernel_seconds(library, columns, which, stops, cuts)
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert sum(found) == pytest.approx(total_s, rel=1e-9)


@pytest.mark.parametrize("limits", range(len(LIMITS)))
def test_long_rows_of_moves_are_cut_where_the_planner_cuts_them(library: Library, limits: int) -> None:
    random = np.random.default_rng(limits)
    steps = [(float(x), float(y), 0.0, 0.02, 120.0) for x, y in random.normal(0, 0.3, (5000, 2))]
    columns = columns_of(steps)
    wanted, _ = oracle_seconds(columns, [limits] * 5000, {2500: 1.0})
    found = kernel_seconds(library, columns, [limits] * 5000, {2500: 1.0}, [1, 1000, 1024, 1025, 3000])
    assert found == pytest.approx(wanted, rel=1e-9)


def test_dwell_before_the_first_move_goes_to_it(library: Library) -> None:
    columns = columns_of([(10.0, 0.0, 0.0, 0.0, 50.0)])
    alone = kernel_seconds(library, columns, [0], {}, [])
    assert kernel_seconds(library, columns, [0], {0: 5.0}, [])[0] == pytest.approx(alone[0] + 5)


def test_moves_that_take_no_time_do_not_pile_up(library: Library) -> None:
    planning = KernelPlanning(library)
    planning.add(columns_of([(10.0, 0.0, 0.0, 0.0, 50.0)]), LIMITS, np.zeros(1, np.int32), [])
    assert not len(planning.take())
    idle = columns_of([(1.0, 0.0, 0.0, 0.0, 0.0)] * 70_000)
    planning.add(idle, LIMITS, np.zeros(70_000, np.int32), [])
    assert len(planning.take()) == 70_000


def test_a_limit_that_is_not_there_moves_nothing(library: Library) -> None:
    planning = KernelPlanning(library)
    planning.add(columns_of([(10.0, 0.0, 0.0, 0.0, 50.0)] * 3), LIMITS, np.array([-1, 7, 0], np.int32), [])
    seconds = planning.finish().tolist()
    assert seconds[:2] == [0, 0]
    assert seconds[2] > 0


def test_a_damaged_plan_is_refused(library: Library) -> None:
    planning = KernelPlanning(library)
    planning._first = 5
    with pytest.raises(KernelError, match="refuses"):
        planning.add(columns_of([(1.0, 0.0, 0.0, 0.0, 5.0)]), LIMITS, np.zeros(1, np.int32), [])


def test_nothing_added_is_nothing_planned(library: Library) -> None:
    planning = KernelPlanning(library)
    planning.add(joined(()), LIMITS, np.zeros(0, np.int32), [])
    assert len(planning.take()) == len(planning.finish()) == 0
