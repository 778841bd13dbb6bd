"""Seconds of moves with NumPy: `gcode.kinematics.Planner` for whole columns at once.

Look-ahead in terms of squared speeds is a running minimum: no block may be entered faster than its junction allows (m), nor faster
than its followers can brake, u[i] = min(m[i], u[i+1] + 2 a[i] d[i]); the speeds that are reached are the same from the other end.
Both are `minimum.accumulate` after subtracting the running sum of 2 a d. A term is never larger than the m that it could exceed, so
that a very long move does not drown the others in rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from gcode.kinematics import SHARED, MotionLimits
from gcode.scan.columns import Columns, Floats, Integers
from gcode.scan.corners import STANDSTILL, Blocks, RowLimits, axis_limit, corner_speeds, safe_speeds
from gcode.scan.numbers import Flags

LOOK_AHEAD_BLOCKS: Final = 1024
_SLOWEST_MM_S2: Final = 1.0
_SETTLED_BLOCKS: Final = 4096  # fewer are not worth a pass
_DROWNED: Final = 1e-9  # a speed that is a smaller part of a sum has lost more than half of its digits
_RUN: Final = 4096  # rows between which the running sums start again at 0: their rounding grows with them


@dataclass(frozen=True, slots=True)
class _Queue:
    """Blocks that wait for their followers."""

    row: Integers  # counts all moves of the file, also those that take no time
    distance_mm: Floats
    cruise_mm_s: Floats
    acceleration_mm_s2: Floats
    cruise_ratio: Floats
    most: Floats  # squared speed that the junction at its beginning allows
    safe: Floats  # squared speed from which it may stop at its end, and start after a stop
    fresh: Flags  # it starts after a stop

    def __len__(self) -> int:
        return len(self.row)

    def picked(self, rows: slice) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def followed_by(self, other: Self) -> Self:
        return type(self)(*(np.concatenate([getattr(self, field.name), getattr(other, field.name)]) for field in fields(self)))


def _blocks(columns: Columns, limits: RowLimits) -> tuple[Blocks, Integers, RowLimits]:
    """The moves that take time, and which these are."""
    parts = np.empty((4, len(columns)))
    np.subtract(columns.end, columns.start, out=parts[:3])
    parts[3] = columns.filament_mm
    x, y, z, e = parts
    distance = np.sqrt(x * x + y * y + z * z)
    travels = distance > STANDSTILL
    np.copyto(distance, np.abs(e), where=~travels)
    speed = columns.speed_mm_s
    timed = (distance > STANDSTILL) & (speed > 0)
    rows = timed.nonzero()[0]
    if len(rows) < len(columns):
        limits, parts, distance, speed, travels = (
            limits.picked(rows),
            parts.take(rows, axis=1),
            distance[rows],
            speed[rows],
            travels[rows],
        )
    prints = parts[3] > 0
    direction = parts / distance
    least = np.where(prints, limits.column(lambda one: one.least_print_mm_s), limits.column(lambda one: one.least_travel_mm_s))
    most = np.minimum(limits.column(lambda one: one.path_mm_s), axis_limit(limits.axes(lambda one: one.speed_mm_s), direction))
    wanted = np.where(
        prints,
        limits.column(lambda one: one.print_acceleration_mm_s2),
        limits.column(lambda one: one.travel_acceleration_mm_s2),
    )
    wanted = np.where(travels, wanted, limits.column(lambda one: one.retract_acceleration_mm_s2))
    possible = axis_limit(limits.axes(lambda one: one.acceleration_mm_s2), direction)
    acceleration = np.maximum(np.minimum(wanted, possible), _SLOWEST_MM_S2)
    return Blocks(direction, distance, np.minimum(np.maximum(speed, least), most), acceleration), rows, limits


def running_minimum(most: Floats, step: Floats) -> Floats:
    """u[0] = most[0], u[i] = min(most[i], u[i-1] + step[i])."""
    result = np.empty_like(most)
    before = np.inf
    for begin in range(0, len(most), _RUN):
        part = slice(begin, begin + _RUN)
        limit = most[part]
        total = np.add.accumulate(np.minimum(step[part], limit))
        ahead = limit - total
        ahead[0] = min(ahead[0], before)
        np.minimum.accumulate(ahead, out=ahead)
        rough = np.clip(ahead + total, 0.0, limit, out=result[part])
        if rough.min() < _DROWNED * total[-1]:
            # A small speed behind a large sum has lost digits: where it is its own limit it gets them back, else those of its step.
            np.minimum(limit, np.append(before, rough[:-1]) + step[part], out=rough)
        before = float(result[part][-1])
    return result


def _seconds(queue: _Queue, entry_squared: Floats, exit_squared: Floats) -> Floats:
    """The trapezoid of each block (`gcode.kinematics.trapezoid_s`)."""
    entry, leaving = np.sqrt(entry_squared), np.sqrt(exit_squared)
    cruise, acceleration = queue.cruise_mm_s, queue.acceleration_mm_s2
    mean = (entry_squared + exit_squared) / 2
    peak = mean + acceleration * queue.distance_mm * (1 - queue.cruise_ratio)
    highest = np.maximum(np.maximum(np.sqrt(peak), entry), leaving)
    cruise = np.where(peak < cruise * cruise, highest, cruise)
    even_mm = queue.distance_mm - (cruise * cruise - mean) / acceleration
    return (2 * cruise - entry - leaving) / acceleration + np.maximum(even_mm, 0.0) / cruise


def _planned(queue: _Queue, entry_squared: float | None) -> tuple[Floats, Floats]:
    """Seconds of each block if the last comes to a stop, and squared speeds at its end.

    `entry_squared` is that of the first block when its predecessors are settled; None after a stop.
    """
    count = len(queue)
    stops = np.append(queue.fresh[1:].nonzero()[0] + 1, count)  # before which blocks there is one
    steps = 2 * queue.acceleration_mm_s2 * queue.distance_mm
    # A stop is a node of its own between two blocks: from it nothing has to be braked, and behind it everything starts anew.
    most = np.insert(queue.most, stops, queue.safe[stops - 1])
    braking = np.insert(steps, stops, np.inf)
    reached = running_minimum(most[::-1], braking[::-1])[::-1]
    place = np.arange(count) + np.searchsorted(stops, np.arange(count), "right")
    gaining = np.empty_like(most)
    gaining[place + 1] = steps
    first = place[queue.fresh]
    reached[first], gaining[first] = queue.most[queue.fresh], np.inf
    if entry_squared is not None:
        reached[0] = entry_squared
    gaining[0] = np.inf
    speeds = running_minimum(reached, gaining)
    return _seconds(queue, speeds[place], speeds[place + 1]), speeds[place + 1]


class NumpyPlanning:
    """A `gcode.scan.columns.Planning`."""

    def __init__(self) -> None:
        self._queue: _Queue | None = None
        self._last: Blocks | None = None  # the last block that was added, None when there was none since a stop
        self._last_safe = 0.0
        self._entry_squared: float | None = None  # of the first block in the queue, None after a stop
        self._dwell: list[tuple[int, float]] = []  # in which row of the file
        self._rows = 0  # added so far
        self._given = 0
        self._settled: list[tuple[Integers, Floats]] = []

    def add(
        self, columns: Columns, limits: Sequence[MotionLimits], which: NDArray[np.int32], stops: Sequence[tuple[int, float]]
    ) -> None:
        """See `gcode.scan.columns.Planning`."""
        self._dwell += [(self._rows + before - 1, seconds) for before, seconds in stops if seconds > 0 and self._rows + before]
        with np.errstate(all="ignore"):
            blocks, rows, row_limits = _blocks(columns, RowLimits(limits, which))
            self._enqueue(blocks, rows, row_limits, [before for before, _ in stops])
            self._rows += len(columns)
            if self._queue is not None and len(self._queue) >= LOOK_AHEAD_BLOCKS + _SETTLED_BLOCKS:
                self._settle(len(self._queue) - LOOK_AHEAD_BLOCKS)

    def _enqueue(self, blocks: Blocks, rows: Integers, limits: RowLimits, stops: list[int]) -> None:
        fresh = np.zeros(len(rows) + 1, bool)
        fresh[np.searchsorted(rows, stops)] = True
        fresh[0] |= self._last is None
        if len(rows):
            safe = safe_speeds(blocks, limits)
            before = blocks if self._last is None else self._last
            before = before.picked(slice(0, 1)).followed_by(blocks.picked(slice(0, -1)))
            corner = corner_speeds(before, blocks, limits)
            safe_before = np.append(self._last_safe, safe[:-1])
            shared = np.minimum(safe, safe_before) > SHARED * corner
            entry = np.where(shared, np.minimum(safe, before.cruise_mm_s), corner)
            entry = np.where(fresh[:-1], safe, entry)
            ratio = np.broadcast_to(limits.column(lambda one: one.cruise_ratio), (len(rows),))
            times = (blocks.distance_mm, blocks.cruise_mm_s, blocks.acceleration_mm_s2, ratio)
            added = _Queue(rows + self._rows, *times, entry * entry, safe * safe, fresh[:-1])
            self._queue = added if self._queue is None else self._queue.followed_by(added)
            self._last, self._last_safe = blocks.picked(slice(-1, None)), float(safe[-1])
        if fresh[-1]:
            self._last = None

    def _settle(self, count: int) -> None:
        """Plan everything that waits, and count the first `count` blocks."""
        queue = self._queue
        if queue is None or not count:
            return
        seconds, exit_squared = _planned(queue, None if queue.fresh[0] else self._entry_squared)
        self._settled.append((queue.row[:count], seconds[:count]))
        self._entry_squared = float(exit_squared[count - 1])
        self._queue = queue.picked(slice(count, None))

    def take(self) -> Floats:
        """See `gcode.scan.columns.Planning`."""
        waiting = self._queue is not None and len(self._queue)
        first = int(self._queue.row[0]) if self._queue is not None and waiting else self._rows
        return self._give(min(first, self._rows - 1))

    def finish(self) -> Floats:
        """See `gcode.scan.columns.Planning`."""
        with np.errstate(all="ignore"):
            self._settle(0 if self._queue is None else len(self._queue))
        return self._give(self._rows)

    def _give(self, end: int) -> Floats:
        """The seconds of the rows up to `end`; what is known of rows behind it waits."""
        seconds = np.zeros(max(end - self._given, 0))
        settled, self._settled = self._settled, []
        for row, known_s in settled:
            count = int(np.searchsorted(row, end))
            seconds[row[:count] - self._given] = known_s[:count]
            if count < len(row):
                self._settled.append((row[count:], known_s[count:]))
        for row_of_dwell, dwell_s in self._dwell:
            if row_of_dwell < end:
                seconds[row_of_dwell - self._given] += dwell_s
        self._dwell = [(row, dwell_s) for row, dwell_s in self._dwell if row >= end]
        self._given += len(seconds)
        return seconds
