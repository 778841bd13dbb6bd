"""Speeds at which corners may be passed, for many corners at once; `gcode.kinematics` explains the three models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gcode.kinematics import MotionLimits
from gcode.scan.columns import Floats, Integers

STANDSTILL: Final = 1e-9
_STRAIGHT: Final = 0.999999
_SMALL_BLOCK_MM: Final = 1.0
_CURVE: Final = 0.7071067812


class RowLimits:
    """The limits of each row; a figure that is the same in all of them stays one number."""

    def __init__(self, limits: Sequence[MotionLimits], which: NDArray[np.int32]) -> None:
        self._limits = limits
        self._which = which

    def column(self, get: Callable[[MotionLimits], float]) -> Floats:
        """One figure of the limits, for each row."""
        table = np.array([get(one) for one in self._limits])
        return np.array(table[0]) if (table == table[0]).all() else table[self._which]

    def axes(self, get: Callable[[MotionLimits], Sequence[float]]) -> list[Floats]:
        """Four figures, for X, Y, Z and E."""
        tables = np.array([get(one) for one in self._limits])
        return [table[0] if (table == table[0]).all() else table[self._which] for table in tables.T]

    def rows(self, name: str) -> Integers:
        """The rows whose limits have that model of corners."""
        return np.array([one.junction == name for one in self._limits])[self._which].nonzero()[0]

    def picked(self, rows: Integers | slice) -> "RowLimits":
        """The limits of some rows."""
        return RowLimits(self._limits, self._which[rows])


@dataclass(frozen=True, slots=True)
class Blocks:
    """Moves that take time."""

    direction: Floats  # (4, n), per mm of path
    distance_mm: Floats
    cruise_mm_s: Floats
    acceleration_mm_s2: Floats

    def __len__(self) -> int:
        return len(self.distance_mm)

    def picked(self, rows: Integers | slice) -> "Blocks":
        """Some of them."""
        direction = self.direction[:, rows] if isinstance(rows, slice) else self.direction.take(rows, axis=1)
        return Blocks(direction, self.distance_mm[rows], self.cruise_mm_s[rows], self.acceleration_mm_s2[rows])

    def followed_by(self, other: "Blocks") -> "Blocks":
        """These and then others."""
        return Blocks(
            np.concatenate([self.direction, other.direction], axis=1),
            np.concatenate([self.distance_mm, other.distance_mm]),
            np.concatenate([self.cruise_mm_s, other.cruise_mm_s]),
            np.concatenate([self.acceleration_mm_s2, other.acceleration_mm_s2]),
        )


def axis_limit(limits: Sequence[Floats], direction: Floats) -> Floats:
    """The largest value along each direction that keeps every axis within its limit; an axis with limit 0 has none."""
    least = np.full(direction.shape[1], np.inf)
    for limit, part in zip(limits, direction, strict=True):
        if part.any():
            np.minimum(least, np.where(limit > 0, limit, np.inf) / np.abs(part), out=least)
    return least


def _arc_factor(cosine: Floats) -> Floats:
    half_sine: Floats = np.sqrt((1 - np.maximum(cosine, -_STRAIGHT)) / 2)
    return half_sine / (1 - half_sine)


def _unit(vectors: Floats) -> Floats:
    length = np.sqrt((vectors * vectors).sum(axis=0))
    units: Floats = np.where(length > STANDSTILL, vectors / length, 0.0)
    return units


def _jerk(before: Blocks, after: Blocks, limits: RowLimits) -> Floats:
    """Classic jerk: no axis may change its speed by more."""
    slowest: Floats = np.minimum(before.cruise_mm_s, after.cruise_mm_s)
    factor: Floats = np.ones(len(after))
    jerk = limits.axes(lambda one: one.jerk_mm_s)
    for limit, out, into in zip(jerk, before.direction, after.direction, strict=True):
        if not out.any() and not into.any():
            continue
        leaving, entering = out * slowest, into * slowest
        change = np.where(leaving * entering < 0, np.maximum(np.abs(leaving), np.abs(entering)), np.abs(entering - leaving))
        factor = np.where(change * factor > limit, limit / change, factor)
    speeds: Floats = slowest * factor
    return speeds


def _deviation(before: Blocks, after: Blocks, limits: RowLimits) -> Floats:
    """Junction deviation: the acceleration is limited along the change of direction."""
    leaving, entering = _unit(before.direction), _unit(after.direction)
    cosine = -(leaving * entering).sum(axis=0)
    along = axis_limit(limits.axes(lambda one: one.acceleration_mm_s2), _unit(entering - leaving))
    acceleration = np.minimum(after.acceleration_mm_s2, along)
    squared = acceleration * limits.column(lambda one: one.deviation_mm) * _arc_factor(cosine)
    turn = np.arccos(np.clip(-cosine, -1.0, _STRAIGHT))
    curved = (after.distance_mm < _SMALL_BLOCK_MM) & (cosine < -_CURVE)
    squared = np.where(curved, np.minimum(squared, acceleration * after.distance_mm / turn), squared)
    squared[cosine > _STRAIGHT] = 0.0
    return squared


def _corner(before: Blocks, after: Blocks, limits: RowLimits) -> Floats:
    """Square corner velocity: the arc touches neither block beyond its middle, and the extruder has its own limit."""
    cosine = -(before.direction[:3] * after.direction[:3]).sum(axis=0)
    corner_mm_s = limits.column(lambda one: one.corner_mm_s)
    squared: Floats = corner_mm_s * corner_mm_s * (np.sqrt(2) - 1) * _arc_factor(cosine)
    bounded = np.maximum(cosine, -_STRAIGHT)
    half_tangent = np.sqrt((1 - bounded) / (1 + bounded)) / 2
    for block in (before, after):
        squared = np.minimum(squared, half_tangent * block.distance_mm * block.acceleration_mm_s2)
    change = np.abs(after.direction[3] - before.direction[3])
    extruder = limits.column(lambda one: one.jerk_mm_s[3]) / change
    np.minimum(squared, extruder * extruder, out=squared, where=change > STANDSTILL)
    still = ~before.direction[:3].any(axis=0) | ~after.direction[:3].any(axis=0)
    squared[still | (cosine > _STRAIGHT)] = 0.0
    return squared


def corner_speeds(before: Blocks, after: Blocks, limits: RowLimits) -> Floats:
    """The speed (mm/s) at which each block of `before` may pass into its fellow of `after`; `limits` are those of `after`."""
    speeds = np.minimum(before.cruise_mm_s, after.cruise_mm_s)
    rows = limits.rows("jerk")
    if len(rows) == len(after):
        return _jerk(before, after, limits)
    if len(rows):
        speeds[rows] = _jerk(before.picked(rows), after.picked(rows), limits.picked(rows))
    for name, model in (("deviation", _deviation), ("corner", _corner)):
        rows = limits.rows(name)
        if len(rows):
            squared = model(before.picked(rows), after.picked(rows), limits.picked(rows))
            speeds[rows] = np.minimum(speeds[rows], np.sqrt(squared))
    return speeds


def safe_speeds(blocks: Blocks, limits: RowLimits) -> Floats:
    """The speed at which each block may start from rest: its jerk; 0 under the other models."""
    speeds = np.zeros(len(blocks))
    rows = limits.rows("jerk")
    if len(rows):
        chosen = blocks.picked(rows)
        jerk = limits.picked(rows).axes(lambda one: one.jerk_mm_s)
        speeds[rows] = np.minimum(chosen.cruise_mm_s, axis_limit(jerk, chosen.direction))
    return speeds
