"""How long moves take on a machine with limited acceleration: trapezoids, junction speeds and look-ahead. Pure.

The physics is that of Marlin with classic jerk (https://marlinfw.org/docs/configuration/configuration.html#jerk): a block
accelerates evenly to its cruise speed and decelerates evenly; where two blocks meet no axis may change its speed by more than its
jerk; a block never starts faster than it and its followers can brake. Heating, homing and probing take time that is not in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt
from typing import Final

_LOOK_AHEAD_BLOCKS: Final = (
    1024  # a block further away than half of this never limits one (512 blocks of 0.1 mm brake from 200 mm/s)
)
_STANDSTILL: Final = 1e-9
_Axes = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class MotionLimits:
    """What a machine allows, for the axes X, Y, Z, E: mm/s, mm/s2, and jerk in mm/s."""

    speed_mm_s: _Axes = (500.0, 500.0, 10.0, 60.0)
    acceleration_mm_s2: _Axes = (3000.0, 3000.0, 100.0, 10000.0)
    jerk_mm_s: _Axes = (8.0, 8.0, 0.4, 5.0)
    print_acceleration_mm_s2: float = 1000.0
    travel_acceleration_mm_s2: float = 1000.0
    retract_acceleration_mm_s2: float = 1000.0


def _with_axes(values: _Axes, parameters: Mapping[str, float]) -> _Axes:
    x, y, z, e = (parameters.get(letter, value) for letter, value in zip("XYZE", values, strict=True))
    return (x, y, z, e)


def _accelerations(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    """M204: S sets print and travel (Marlin up to 1.0, Prusa MK2 and MK3); P, R and T name them one by one."""
    both = parameters.get("S")
    return MotionLimits(
        limits.speed_mm_s,
        limits.acceleration_mm_s2,
        limits.jerk_mm_s,
        parameters.get("P", limits.print_acceleration_mm_s2 if both is None else both),
        parameters.get("T", limits.travel_acceleration_mm_s2) if both is None else both,
        parameters.get("R", limits.retract_acceleration_mm_s2),
    )


def with_command(limits: MotionLimits, code: str, parameters: Mapping[str, float]) -> MotionLimits:
    """The limits after M201 (acceleration), M203 (speed, mm/s), M204 (working accelerations) or M205 (jerk); else the same."""
    if code == "M204":
        return _accelerations(limits, parameters)
    speed, acceleration, jerk = limits.speed_mm_s, limits.acceleration_mm_s2, limits.jerk_mm_s
    if code == "M201":
        acceleration = _with_axes(acceleration, parameters)
    elif code == "M203":
        speed = _with_axes(speed, parameters)
    elif code == "M205":
        jerk = _with_axes(jerk, parameters)
    else:
        return limits
    return MotionLimits(
        speed,
        acceleration,
        jerk,
        limits.print_acceleration_mm_s2,
        limits.travel_acceleration_mm_s2,
        limits.retract_acceleration_mm_s2,
    )


def _axis_limit(limits: _Axes, direction: _Axes) -> float:
    """The largest value along `direction` that keeps every axis within its limit; an axis with limit 0 has none."""
    least = inf
    for limit, part in zip(limits, direction, strict=True):
        if part and limit > 0:
            least = min(least, limit / abs(part))
    return least


def _jerk_factor(jerk: _Axes, before: _Axes, after: _Axes) -> float:
    """How much a junction must slow down (0-1) so that no axis jumps by more than its jerk."""
    factor = 1.0
    for limit, leaving, entering in zip(jerk, before, after, strict=True):
        change = abs(entering - leaving) * factor
        if change > limit:
            factor *= limit / change
    return factor


def trapezoid_s(distance_mm: float, entry_mm_s: float, cruise_mm_s: float, exit_mm_s: float, acceleration_mm_s2: float) -> float:
    """Seconds for a block; entry and exit must be reachable from each other within the distance."""
    speeding_mm = (cruise_mm_s**2 - entry_mm_s**2) / (2 * acceleration_mm_s2)
    braking_mm = (cruise_mm_s**2 - exit_mm_s**2) / (2 * acceleration_mm_s2)
    cruising_mm = distance_mm - speeding_mm - braking_mm
    if cruising_mm >= 0:
        return (2 * cruise_mm_s - entry_mm_s - exit_mm_s) / acceleration_mm_s2 + cruising_mm / cruise_mm_s
    peak_squared = (2 * acceleration_mm_s2 * distance_mm + entry_mm_s**2 + exit_mm_s**2) / 2
    peak_mm_s = sqrt(max(peak_squared, entry_mm_s**2, exit_mm_s**2))
    return (2 * peak_mm_s - entry_mm_s - exit_mm_s) / acceleration_mm_s2


class Planner:
    """Adds up the seconds of a stream of moves; memory is bounded by the look-ahead."""

    def __init__(self, limits: MotionLimits) -> None:
        self.limits = limits
        self._time_s = 0.0
        self._distance: list[float] = []
        self._cruise: list[float] = []
        self._acceleration: list[float] = []
        self._entry_squared: list[float] = []  # the most that junction and jerk allow
        self._velocity: _Axes = (0.0, 0.0, 0.0, 0.0)
        self._speed = 0.0
        self._safe_speed = 0.0
        self._committed_squared = 0.0  # entry speed of the first block that is still held

    def command(self, code: str, parameters: Mapping[str, float]) -> None:
        """Obey M201, M203, M204 and M205 from here on."""
        self.limits = with_command(self.limits, code, parameters)

    def move(self, delta_mm: _Axes, speed_mm_s: float) -> None:
        """Add a straight move; `speed_mm_s` is along XYZ, or of the filament when nothing else moves."""
        x, y, z, e = delta_mm
        distance = sqrt(x * x + y * y + z * z)
        travels = distance > _STANDSTILL
        if not travels:
            distance = abs(e)
        if distance <= _STANDSTILL or speed_mm_s <= 0:
            return
        direction = (x / distance, y / distance, z / distance, e / distance)
        limits = self.limits
        if not travels:
            acceleration = limits.retract_acceleration_mm_s2
        elif e > 0:
            acceleration = limits.print_acceleration_mm_s2
        else:
            acceleration = limits.travel_acceleration_mm_s2
        acceleration = min(acceleration, _axis_limit(limits.acceleration_mm_s2, direction))
        speed = min(speed_mm_s, _axis_limit(limits.speed_mm_s, direction))
        self._append(direction, distance, speed, max(acceleration, 1.0))

    def _append(self, direction: _Axes, distance: float, speed: float, acceleration: float) -> None:
        x, y, z, e = direction
        velocity = (x * speed, y * speed, z * speed, e * speed)
        safe = min(speed, _axis_limit(self.limits.jerk_mm_s, direction))
        entry = safe
        if self._speed > 0:
            entry = max(self._junction(velocity, speed), min(safe, self._safe_speed))
        self._distance.append(distance)
        self._cruise.append(speed)
        self._acceleration.append(acceleration)
        self._entry_squared.append(entry * entry)
        if len(self._distance) == 1 and self._speed == 0:
            self._committed_squared = entry * entry
        self._velocity, self._speed, self._safe_speed = velocity, speed, safe
        if len(self._distance) >= _LOOK_AHEAD_BLOCKS:
            self._commit(_LOOK_AHEAD_BLOCKS // 2)

    def _junction(self, velocity: _Axes, speed: float) -> float:
        """The speed at which the junction with the block before may be passed."""
        slowest = min(self._speed, speed)
        before_scale, after_scale = slowest / self._speed, slowest / speed
        before_x, before_y, before_z, before_e = self._velocity
        before = (before_x * before_scale, before_y * before_scale, before_z * before_scale, before_e * before_scale)
        after_x, after_y, after_z, after_e = velocity
        after = (after_x * after_scale, after_y * after_scale, after_z * after_scale, after_e * after_scale)
        return slowest * _jerk_factor(self.limits.jerk_mm_s, before, after)

    def _commit(self, count: int) -> None:
        """Plan everything that is held, as if it stopped after the last block, and count the first `count` blocks."""
        entries = self._reverse_pass()
        entry_squared = self._committed_squared
        for index in range(count):
            distance, acceleration = self._distance[index], self._acceleration[index]
            reachable = entry_squared + 2 * acceleration * distance
            exit_squared = min(entries[index + 1], reachable)
            self._time_s += trapezoid_s(distance, sqrt(entry_squared), self._cruise[index], sqrt(exit_squared), acceleration)
            entry_squared = exit_squared
        self._committed_squared = entry_squared
        del self._distance[:count], self._cruise[:count], self._acceleration[:count], self._entry_squared[:count]

    def _reverse_pass(self) -> list[float]:
        """The squared entry speed of each block from which its followers can still brake, and the exit of the last."""
        exit_squared = self._safe_speed**2
        entries = [exit_squared]
        for distance, acceleration, most in zip(
            reversed(self._distance), reversed(self._acceleration), reversed(self._entry_squared), strict=True
        ):
            exit_squared = min(most, exit_squared + 2 * acceleration * distance)
            entries.append(exit_squared)
        entries.reverse()
        return entries

    def wait(self, seconds: float = 0.0) -> None:
        """Come to a stop (G4, M400, M109...) and wait."""
        self._commit(len(self._distance))
        self._velocity, self._speed, self._safe_speed, self._committed_squared = (0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0
        self._time_s += max(seconds, 0.0)

    def finish(self) -> float:
        """Stop, and give the seconds of everything so far."""
        self.wait()
        return self._time_s
