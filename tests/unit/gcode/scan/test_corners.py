"""Speeds at corners against the planner's own, pair by pair, for each of the three models."""

from dataclasses import replace
from math import inf
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.kinematics import Junction, MotionLimits, Planner
from gcode.scan.corners import Blocks, RowLimits, axis_limit, corner_speeds, safe_speeds

Axes = tuple[float, float, float, float]
parts = st.integers(-20, 20).map(lambda value: value / 4)
moves = st.tuples(parts, parts, parts, parts).filter(any)
LIMITS = MotionLimits(jerk_mm_s=(8.0, 9.0, 0.4, 1.5), acceleration_mm_s2=(1000.0, 1500.0, 100.0, 5000.0))
MODELS: tuple[Junction, ...] = ("jerk", "deviation", "corner")


def blocks_of(*deltas: Axes, speed_mm_s: float = 100.0, acceleration_mm_s2: float = 900.0) -> Blocks:
    table = np.array(deltas, float).T
    distance = np.sqrt((table[:3] * table[:3]).sum(axis=0))
    distance = np.where(distance > 1e-9, distance, np.abs(table[3]))
    count = len(deltas)
    return Blocks(table / distance, distance, np.full(count, speed_mm_s), np.full(count, acceleration_mm_s2))


def limits_of(*limits: MotionLimits) -> RowLimits:
    return RowLimits(limits, np.arange(len(limits), dtype=np.int32))


def planner_speed(one: Axes, other: Axes, limits: MotionLimits) -> float:
    """What the planner allows at the corner between two moves."""
    limits = replace(
        limits,
        speed_mm_s=(inf, inf, inf, inf),
        acceleration_mm_s2=(0.0, 0.0, 0.0, 0.0),
        print_acceleration_mm_s2=900.0,
        travel_acceleration_mm_s2=900.0,
        retract_acceleration_mm_s2=900.0,
    )
    planner = Planner(limits)
    passed: list[float] = []
    junction = planner._junction

    def _listen(*corner: Any) -> float:
        passed.append(junction(*corner))
        return passed[-1]

    with mock.patch.object(planner, "_junction", _listen):
        for delta in (one, other):
            planner.move(delta, 100.0)
    return passed[0]


@pytest.mark.parametrize("model", MODELS)
@given(one=moves, other=moves)
def test_corners_are_those_of_the_planner(model: Junction, one: Axes, other: Axes) -> None:
    limits = replace(LIMITS, junction=model, acceleration_mm_s2=(0.0, 0.0, 0.0, 0.0))
    blocks = blocks_of(one, other)
    rows = limits_of(limits, limits)
    with np.errstate(all="ignore"):
        corner = corner_speeds(blocks.picked(slice(0, 1)), blocks.picked(slice(1, 2)), rows.picked(slice(1, 2)))
    assert corner.tolist() == pytest.approx([planner_speed(one, other, limits)], rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(moves, moves, st.sampled_from(MODELS)), min_size=1, max_size=8))
def test_a_row_has_the_model_of_its_own_limits(rows: list[tuple[Axes, Axes, Junction]]) -> None:
    before, after = blocks_of(*(row[0] for row in rows)), blocks_of(*(row[1] for row in rows))
    limits = [replace(LIMITS, junction=model) for _, _, model in rows]
    with np.errstate(all="ignore"):
        together = corner_speeds(before, after, limits_of(*limits)).tolist()
        alone = [
            corner_speeds(before.picked(slice(index, index + 1)), after.picked(slice(index, index + 1)), limits_of(one)).item()
            for index, one in enumerate(limits)
        ]
    assert together == pytest.approx(alone)


def test_an_axis_that_rests_or_has_no_limit_limits_nothing() -> None:
    direction = np.array([[1.0, 0.5], [0.0, 0.5], [0.0, 0.0], [0.0, 0.0]])
    limits = [np.array(value) for value in (10.0, 0.0, 1.0, 1.0)]
    with np.errstate(all="ignore"):
        assert axis_limit(limits, direction).tolist() == [10.0, 20.0]
        assert axis_limit([np.array(0.0)] * 4, direction).tolist() == [inf, inf]


def test_only_with_jerk_a_block_may_start_at_speed() -> None:
    blocks = blocks_of((1, 0, 0, 0), (0, 0, 1, 0), (1, 0, 0, 0))
    limits = [LIMITS, LIMITS, replace(LIMITS, junction="corner")]
    with np.errstate(all="ignore"):
        assert safe_speeds(blocks, limits_of(*limits)).tolist() == [8.0, 0.4, 0.0]


def test_figures_of_rows() -> None:
    fast = replace(LIMITS, path_mm_s=5.0)
    limits = RowLimits([LIMITS, fast], np.array([0, 1, 1, 0], np.int32))
    assert limits.column(lambda one: one.path_mm_s).tolist() == [inf, 5.0, 5.0, inf]
    assert limits.column(lambda one: one.deviation_mm).shape == ()
    assert limits.picked(np.array([1])).column(lambda one: one.path_mm_s).tolist() == [5.0]
