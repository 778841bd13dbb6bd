"""How long moves take on a machine with limited acceleration: trapezoids, junction speeds and look-ahead. Pure.

The physics is that of the firmwares. A block accelerates evenly to its cruise speed and decelerates evenly, and never starts faster
than it and its followers can brake. Where two blocks meet, one of three models limits the speed:

- "jerk", Marlin's classic jerk (https://marlinfw.org/docs/configuration/configuration.html#jerk): no axis may change its speed by
  more than its jerk; an axis that turns back comes to rest in between, so the larger of its two speeds counts, not their sum.
- "deviation", Marlin's and grbl's junction deviation: the corner is passed as if on an arc that leaves it by so many millimetres,
  with the acceleration of the block as centripetal acceleration.
- "corner", Klipper's square corner velocity (https://www.klipper3d.org/Kinematics.html): the same arc, its deviation such that a
  right angle is passed at this speed whatever the acceleration.

Heating, homing and probing take time that is not in here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import acos, inf, sqrt
from typing import Final, Literal, Protocol

from gcode.reader import arguments, number_in

Junction = Literal["jerk", "deviation", "corner"]
_Axes = tuple[float, float, float, float]

_LOOK_AHEAD_BLOCKS: Final = (
    1024  # a block further away than half of this never limits one (512 blocks of 0.1 mm brake from 200 mm/s)
)
_STANDSTILL: Final = 1e-9
_SLOWEST_MM_S2: Final = 1.0
SHARED: Final = 0.99  # classic jerk: where both blocks could start from rest faster than the corner allows, the next one does
_STRAIGHT: Final = 0.999999  # cosines beyond are taken as this: the arc of a straight line has no end
_SMALL_BLOCK_MM: Final = 1.0  # Marlin takes shorter ones as chords of a curve when they turn by less than 45 degrees
_CURVE: Final = 0.7071067812
_KLIPPER_EXTRUDER_MM_S: Final = 1.0  # default of instantaneous_corner_velocity
_KLIPPER_CRUISE_RATIO: Final = 0.5  # default of minimum_cruise_ratio


@dataclass(frozen=True, slots=True)
class MotionLimits:
    """What a machine allows, for the axes X, Y, Z, E: mm/s, mm/s2, and jerk in mm/s.

    `junction` says which of `jerk_mm_s`, `deviation_mm` and `corner_mm_s` limits corners; with "corner" the jerk of E is Klipper's
    instantaneous corner velocity of the extruder. `path_mm_s` limits the speed along the path, whatever the axes may do.
    """

    speed_mm_s: _Axes = (500.0, 500.0, 10.0, 60.0)
    acceleration_mm_s2: _Axes = (3000.0, 3000.0, 100.0, 10000.0)
    jerk_mm_s: _Axes = (8.0, 8.0, 0.4, 5.0)
    print_acceleration_mm_s2: float = 1000.0
    travel_acceleration_mm_s2: float = 1000.0
    retract_acceleration_mm_s2: float = 1000.0
    junction: Junction = "jerk"
    deviation_mm: float = 0.013  # Marlin's default
    corner_mm_s: float = 5.0  # Klipper's default
    cruise_ratio: float = 0.0  # this part of a block is passed at even speed (Klipper's minimum_cruise_ratio), 0 to below 1
    least_print_mm_s: float = 0.0  # M205 S: no printing move is slower
    least_travel_mm_s: float = 0.0  # M205 T
    path_mm_s: float = inf


def slower(one: MotionLimits, other: MotionLimits) -> MotionLimits:
    """Of each figure the slower one; corners are passed as `other` says."""

    def least(ours: _Axes, theirs: _Axes) -> _Axes:
        x, y, z, e = (min(pair) if min(pair) > 0 else max(pair) for pair in zip(ours, theirs, strict=True))  # 0: no limit
        return (x, y, z, e)

    return replace(
        other,
        speed_mm_s=least(one.speed_mm_s, other.speed_mm_s),
        acceleration_mm_s2=least(one.acceleration_mm_s2, other.acceleration_mm_s2),
        jerk_mm_s=least(one.jerk_mm_s, other.jerk_mm_s),
        print_acceleration_mm_s2=min(one.print_acceleration_mm_s2, other.print_acceleration_mm_s2),
        travel_acceleration_mm_s2=min(one.travel_acceleration_mm_s2, other.travel_acceleration_mm_s2),
        retract_acceleration_mm_s2=min(one.retract_acceleration_mm_s2, other.retract_acceleration_mm_s2),
        deviation_mm=min(one.deviation_mm, other.deviation_mm),
        corner_mm_s=min(one.corner_mm_s, other.corner_mm_s),
        cruise_ratio=max(one.cruise_ratio, other.cruise_ratio),
        path_mm_s=min(one.path_mm_s, other.path_mm_s),
    )


def as_klipper(limits: MotionLimits) -> MotionLimits:
    """The same machine under Klipper with its default corners, where nobody says more."""
    x, y, z, _ = limits.jerk_mm_s
    return replace(limits, junction="corner", jerk_mm_s=(x, y, z, _KLIPPER_EXTRUDER_MM_S), cruise_ratio=_KLIPPER_CRUISE_RATIO)


def _with_axes(values: _Axes, parameters: Mapping[str, float], scale: float = 1.0) -> _Axes:
    x, y, z, e = (
        max(parameters[letter] * scale, 0.0) if letter in parameters else value
        for letter, value in zip("XYZE", values, strict=True)
    )
    return (x, y, z, e)


def _m201(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    return replace(limits, acceleration_mm_s2=_with_axes(limits.acceleration_mm_s2, parameters))


def _m203(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    return replace(limits, speed_mm_s=_with_axes(limits.speed_mm_s, parameters))


def _m203_reprap(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    return replace(limits, speed_mm_s=_with_axes(limits.speed_mm_s, parameters, 1 / 60))


def _m204(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    """S sets print and travel, T beside it the retraction (Marlin up to 1.0, Prusa MK2 and MK3); P, R and T alone name them."""
    both = parameters.get("S")
    if both is not None:
        return replace(
            limits,
            print_acceleration_mm_s2=both,
            travel_acceleration_mm_s2=both,
            retract_acceleration_mm_s2=parameters.get("T", parameters.get("R", limits.retract_acceleration_mm_s2)),
        )
    return replace(
        limits,
        print_acceleration_mm_s2=parameters.get("P", limits.print_acceleration_mm_s2),
        travel_acceleration_mm_s2=parameters.get("T", limits.travel_acceleration_mm_s2),
        retract_acceleration_mm_s2=parameters.get("R", limits.retract_acceleration_mm_s2),
    )


def _m204_klipper(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    """Klipper has one acceleration: S, or the lesser of P and T."""
    acceleration = parameters.get("S")
    if acceleration is None and "P" in parameters and "T" in parameters:
        acceleration = min(parameters["P"], parameters["T"])
    return limits if acceleration is None else _one_acceleration(limits, acceleration)


def _one_acceleration(limits: MotionLimits, acceleration_mm_s2: float) -> MotionLimits:
    return replace(limits, print_acceleration_mm_s2=acceleration_mm_s2, travel_acceleration_mm_s2=acceleration_mm_s2)


def _m205(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    """X, Y, Z, E: classic jerk; J: junction deviation; S and T: least speeds of printing and travel."""
    junction: Junction = limits.junction
    if parameters.get("J", 0.0) > 0:
        junction = "deviation"
    elif "X" in parameters or "Y" in parameters:
        junction = "jerk"
    return replace(
        limits,
        jerk_mm_s=_with_axes(limits.jerk_mm_s, parameters),
        junction=junction,
        deviation_mm=parameters.get("J", 0.0) or limits.deviation_mm,
        least_print_mm_s=parameters.get("S", limits.least_print_mm_s),
        least_travel_mm_s=parameters.get("T", limits.least_travel_mm_s),
    )


def _m566(limits: MotionLimits, parameters: Mapping[str, float]) -> MotionLimits:
    return replace(limits, jerk_mm_s=_with_axes(limits.jerk_mm_s, parameters, 1 / 60))


_Change = Callable[[MotionLimits, Mapping[str, float]], MotionLimits]
_MARLIN: Final[dict[str, _Change]] = {"M201": _m201, "M203": _m203, "M204": _m204, "M205": _m205}
_BY_FLAVOUR: Final[dict[str, dict[str, _Change]]] = {
    "klipper": {"M204": _m204_klipper},
    "reprapfirmware": {"M201": _m201, "M203": _m203_reprap, "M204": _m204, "M205": _m205, "M566": _m566},
}
LIMIT_CODES: Final = frozenset({"M201", "M203", "M204", "M205", "M566"})


def with_command(limits: MotionLimits, code: str, parameters: Mapping[str, float], flavour: str | None = None) -> MotionLimits:
    """The limits after M201 (acceleration), M203 (speed), M204 (working accelerations), M205 (corners); else the same.

    Speeds are in mm/s, for RepRapFirmware M203 and M566 in mm/min; Klipper obeys M204 only.
    """
    change = _BY_FLAVOUR.get(flavour or "", _MARLIN).get(code)
    return limits if change is None else change(limits, parameters)


def with_velocity_limit(limits: MotionLimits, text: str) -> MotionLimits:
    """The limits after Klipper's SET_VELOCITY_LIMIT with these arguments."""
    values = arguments(text)
    if limits.junction != "corner":
        limits = as_klipper(limits)
    velocity, acceleration = number_in(values, "VELOCITY"), number_in(values, "ACCEL")
    corner, ratio = number_in(values, "SQUARE_CORNER_VELOCITY"), number_in(values, "MINIMUM_CRUISE_RATIO")
    to_decel = number_in(values, "ACCEL_TO_DECEL")
    if acceleration is not None and acceleration > 0:
        limits = _one_acceleration(limits, acceleration)
    if ratio is None and to_decel is not None and limits.print_acceleration_mm_s2 > 0:
        ratio = 1 - to_decel / limits.print_acceleration_mm_s2
    return replace(
        limits,
        path_mm_s=velocity if velocity is not None and velocity > 0 else limits.path_mm_s,
        corner_mm_s=limits.corner_mm_s if corner is None else max(corner, 0.0),
        cruise_ratio=limits.cruise_ratio if ratio is None else min(max(ratio, 0.0), 0.99),
    )


def _inverse(limits: _Axes) -> _Axes:
    """One over each limit; 0 for an axis that has none."""
    x, y, z, e = (1 / limit if limit > 0 else 0.0 for limit in limits)
    return (x, y, z, e)


def _axis_limit(inverse: _Axes, direction: _Axes) -> float:
    """The largest value along `direction` that keeps every axis within its limit, of which `inverse` has the inverse."""
    limit_x, limit_y, limit_z, limit_e = inverse
    x, y, z, e = direction
    share = max(abs(x) * limit_x, abs(y) * limit_y, abs(z) * limit_z, abs(e) * limit_e)
    return 1 / share if share else inf


def _jerk_factor(jerk: _Axes, before: _Axes, after: _Axes) -> float:
    """How much a junction must slow down (0-1) so that no axis jumps by more than its jerk."""
    factor = 1.0
    for limit, leaving, entering in zip(jerk, before, after, strict=True):
        turns_back = leaving * entering < 0
        change = max(abs(leaving), abs(entering)) if turns_back else abs(entering - leaving)
        if change * factor > limit:
            factor = limit / change
    return factor


def _arc_factor(cosine: float) -> float:
    """Radius of the arc that rounds a corner, in units of its deviation; `cosine` is that of the angle between the two lines."""
    half_sine = sqrt((1 - max(cosine, -_STRAIGHT)) / 2)
    return half_sine / (1 - half_sine)


def trapezoid_s(
    distance_mm: float,
    entry_mm_s: float,
    cruise_mm_s: float,
    exit_mm_s: float,
    acceleration_mm_s2: float,
    cruise_ratio: float = 0.0,
) -> float:
    """Seconds for a block; entry and exit must be reachable from each other within the distance."""
    entry_squared, exit_squared = entry_mm_s * entry_mm_s, exit_mm_s * exit_mm_s
    mean_squared = (entry_squared + exit_squared) / 2
    peak_squared = mean_squared + acceleration_mm_s2 * distance_mm * (1 - cruise_ratio)
    if peak_squared < cruise_mm_s * cruise_mm_s:
        cruise_mm_s = max(sqrt(peak_squared), entry_mm_s, exit_mm_s)
    even_mm = distance_mm - (cruise_mm_s * cruise_mm_s - mean_squared) / acceleration_mm_s2
    return (2 * cruise_mm_s - entry_mm_s - exit_mm_s) / acceleration_mm_s2 + max(even_mm, 0.0) / cruise_mm_s


class Timed(Protocol):
    """What the seconds of moves are added to: the file's part (layer, feature) that a move belongs to."""

    time_s: float


class _Block:
    """A move that waits for its followers."""

    __slots__ = ("acceleration", "cruise", "cruise_ratio", "distance", "entry_squared", "parts")

    def __init__(self, distance: float, cruise: float, acceleration: float, cruise_ratio: float, parts: Iterable[Timed]) -> None:
        self.distance = distance
        self.cruise = cruise
        self.acceleration = acceleration
        self.cruise_ratio = cruise_ratio
        self.parts = parts
        self.entry_squared = 0.0  # the most that the junction allows


class Planner:
    """Adds up the seconds of a stream of moves; memory is bounded by the look-ahead."""

    def __init__(self, limits: MotionLimits) -> None:
        self.limits = limits
        self._time_s = 0.0
        self._blocks: list[_Block] = []
        self._direction: _Axes = (0.0, 0.0, 0.0, 0.0)  # of the last move; per mm of path
        self._last: _Block | None = None  # None: at rest
        self._safe_speed = 0.0
        self._committed_squared = 0.0  # entry speed of the first block that is still held
        self._parts: Iterable[Timed] = ()

    @property
    def limits(self) -> MotionLimits:
        """What counts for the moves that follow."""
        return self._limits

    @limits.setter
    def limits(self, limits: MotionLimits) -> None:
        self._limits = limits
        self._slowness = _inverse(limits.speed_mm_s)
        self._sluggishness = _inverse(limits.acceleration_mm_s2)
        self._stiffness = _inverse(limits.jerk_mm_s)

    def move(self, delta_mm: _Axes, speed_mm_s: float, parts: Iterable[Timed] = ()) -> None:
        """Add a straight move; `speed_mm_s` is along XYZ, or of the filament when nothing else moves.

        Its seconds are added to each of `parts` when they are known, at the latest by `wait`.
        """
        self._parts = parts
        x, y, z, e = delta_mm
        distance = sqrt(x * x + y * y + z * z)
        travels = distance > _STANDSTILL
        if not travels:
            distance = abs(e)
        if distance <= _STANDSTILL or speed_mm_s <= 0:
            return
        direction = (x / distance, y / distance, z / distance, e / distance)
        limits = self._limits
        least = limits.least_print_mm_s if e > 0 else limits.least_travel_mm_s
        speed = min(max(speed_mm_s, least), limits.path_mm_s, _axis_limit(self._slowness, direction))
        acceleration = min(self._acceleration(travels, e), _axis_limit(self._sluggishness, direction))
        block = _Block(distance, speed, max(acceleration, _SLOWEST_MM_S2), limits.cruise_ratio, parts)
        self._append(direction, block)

    def _acceleration(self, travels: bool, e: float) -> float:
        if not travels:
            return self._limits.retract_acceleration_mm_s2
        return self._limits.print_acceleration_mm_s2 if e > 0 else self._limits.travel_acceleration_mm_s2

    def _append(self, direction: _Axes, block: _Block) -> None:
        jerky = self._limits.junction == "jerk"
        safe = min(block.cruise, _axis_limit(self._stiffness, direction)) if jerky else 0.0
        entry = safe
        if self._last is not None:
            entry = self._junction(direction, block, self._last)
            if min(safe, self._safe_speed) > SHARED * entry:
                entry = min(safe, self._last.cruise)
        block.entry_squared = entry * entry
        if self._last is None:
            self._committed_squared = block.entry_squared
        self._blocks.append(block)
        self._direction, self._last, self._safe_speed = direction, block, safe
        if len(self._blocks) >= _LOOK_AHEAD_BLOCKS:
            self._commit(_LOOK_AHEAD_BLOCKS // 2)

    def _junction(self, direction: _Axes, block: _Block, last: _Block) -> float:
        """The speed at which the junction with the block before may be passed."""
        slowest = min(last.cruise, block.cruise)
        match self._limits.junction:
            case "jerk":
                before_x, before_y, before_z, before_e = self._direction
                x, y, z, e = direction
                before = (before_x * slowest, before_y * slowest, before_z * slowest, before_e * slowest)
                after = (x * slowest, y * slowest, z * slowest, e * slowest)
                return slowest * _jerk_factor(self._limits.jerk_mm_s, before, after)
            case "deviation":
                return min(slowest, sqrt(self._deviation_squared(direction, block)))
            case "corner":
                return min(slowest, sqrt(self._corner_squared(direction, block, last)))

    def _deviation_squared(self, direction: _Axes, block: _Block) -> float:
        """v2 = a r of the arc; all four axes count, the acceleration is limited along the change of direction."""
        before, after = _unit(self._direction), _unit(direction)
        cosine = -sum(one * other for one, other in zip(before, after, strict=True))
        if cosine > _STRAIGHT:
            return 0.0
        x, y, z, e = (other - one for one, other in zip(before, after, strict=True))
        acceleration = min(block.acceleration, _axis_limit(self._sluggishness, _unit((x, y, z, e))))
        squared = acceleration * self._limits.deviation_mm * _arc_factor(cosine)
        if block.distance < _SMALL_BLOCK_MM and cosine < -_CURVE:
            turn = acos(-max(cosine, -_STRAIGHT))
            squared = min(squared, acceleration * block.distance / turn)
        return squared

    def _corner_squared(self, direction: _Axes, block: _Block, last: _Block) -> float:
        """The arc, which touches neither block beyond its middle, and the extruder; a retraction begins and ends at rest."""
        before_x, before_y, before_z, before_e = self._direction
        x, y, z, e = direction
        if not (before_x or before_y or before_z) or not (x or y or z):
            return 0.0
        cosine = -(before_x * x + before_y * y + before_z * z)
        if cosine > _STRAIGHT:
            return 0.0
        squared = self._limits.corner_mm_s**2 * (sqrt(2) - 1) * _arc_factor(cosine)
        cosine = max(cosine, -_STRAIGHT)
        half_tangent = sqrt((1 - cosine) / (1 + cosine)) / 2
        squared = min(squared, half_tangent * block.distance * block.acceleration, half_tangent * last.distance * last.acceleration)
        change = abs(e - before_e)
        return min(squared, (self._limits.jerk_mm_s[3] / change) ** 2) if change > _STANDSTILL else squared

    def _commit(self, count: int) -> None:
        """Plan everything that is held, as if it stopped after the last block, and count the first `count` blocks."""
        entries = self._reverse_pass()
        entry_squared, total_s = self._committed_squared, 0.0
        for index in range(count):
            block = self._blocks[index]
            exit_squared = min(entries[index + 1], entry_squared + 2 * block.acceleration * block.distance)
            seconds = trapezoid_s(
                block.distance, sqrt(entry_squared), block.cruise, sqrt(exit_squared), block.acceleration, block.cruise_ratio
            )
            total_s += seconds
            for part in block.parts:
                part.time_s += seconds
            entry_squared = exit_squared
        self._time_s += total_s
        self._committed_squared = entry_squared
        del self._blocks[:count]

    def _reverse_pass(self) -> list[float]:
        """The squared entry speed of each block from which its followers can still brake, and the exit of the last."""
        exit_squared = self._safe_speed**2
        entries = [exit_squared]
        for block in reversed(self._blocks):
            exit_squared = min(block.entry_squared, exit_squared + 2 * block.acceleration * block.distance)
            entries.append(exit_squared)
        entries.reverse()
        return entries

    def wait(self, seconds: float = 0.0) -> None:
        """Come to a stop (G4, M400, M109...) and wait; the waiting belongs to the move before."""
        self._commit(len(self._blocks))
        self._last, self._safe_speed, self._committed_squared = None, 0.0, 0.0
        if seconds > 0:
            self._time_s += seconds
            for part in self._parts:
                part.time_s += seconds

    def finish(self) -> float:
        """Stop, and give the seconds of everything so far."""
        self.wait()
        return self._time_s


def _unit(vector: _Axes) -> _Axes:
    x, y, z, e = vector
    length = sqrt(x * x + y * y + z * z + e * e)
    return (x / length, y / length, z / length, e / length) if length > _STANDSTILL else (0.0, 0.0, 0.0, 0.0)
