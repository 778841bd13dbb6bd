"""Moves: Marlin's planner of 16 blocks with trapezoids and junction speeds, reduced to when each move starts and ends.

Lengths in mm, speeds in mm/s, accelerations in mm/s2, times in (virtual) seconds.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, sqrt
from typing import Final

from drivers.virtual.options import PLANNED_MOVES

Position = tuple[float, float, float, float]  # X, Y, Z, E

STEPS_PER_MM: Final = (80.0, 80.0, 400.0, 93.0)
JUNCTION_DEVIATION_MM: Final = 0.01
SLOWEST_MM_S: Final = 0.05


@dataclass(slots=True)
class Limits:
    """What M201, M203 and M204 set. The defaults are Marlin's."""

    speed: list[float] = field(default_factory=lambda: [500.0, 500.0, 5.0, 25.0])
    acceleration: list[float] = field(default_factory=lambda: [3000.0, 3000.0, 100.0, 10000.0])
    printing: float = 3000.0
    retracting: float = 3000.0
    travelling: float = 3000.0


@dataclass(frozen=True, slots=True)
class Move:
    """A wanted move, machine coordinates.

    `flow` scales the filament (M221); `arc_mm` is the length of a path that is not straight; `cut` says that the software endstops
    shortened it.
    """

    origin: Position
    target: Position
    speed: float
    flow: float = 1.0
    arc_mm: float | None = None
    cut: bool = False


@dataclass(slots=True)
class Block:
    """One planned move. `extruded_mm` is the filament it pushes (negative: retraction); `swept` says that X or Y moves."""

    origin: Position
    target: Position
    length: float
    unit: tuple[float, float, float]
    speed: float
    acceleration: float
    junction: float  # highest speed at which it may be entered
    extruded_mm: float
    swept: bool
    cut: bool
    start_s: float = 0.0
    end_s: float = 0.0


class Planner:
    """The queue of moves and the clock of the one that is being executed."""

    def __init__(self, limits: Limits, on_done: Callable[[Block], None], room: int = PLANNED_MOVES) -> None:
        self._limits = limits
        self._room = room
        self._on_done = on_done
        self._blocks: deque[Block] = deque()  # the first is being executed
        self._exit_speed = 0.0
        self.reached: Position = (0.0, 0.0, 0.0, 0.0)  # where the last executed move ended
        self.idle_since_s = 0.0

    @property
    def free(self) -> int:
        """How many more moves it takes."""
        return self._room - len(self._blocks)

    @property
    def busy(self) -> bool:
        """Something moves."""
        return bool(self._blocks)

    @property
    def next_end_s(self) -> float:
        """When the move that is being executed ends; infinite when nothing moves."""
        return self._blocks[0].end_s if self._blocks else inf

    def append(self, move: Move, now_s: float) -> None:
        """Plan a move. Moves of no length vanish."""
        block = self._plan(move)
        if block is None:
            return
        self._blocks.append(block)
        if len(self._blocks) == 1:
            self._exit_speed = 0.0
            self._start(now_s)

    def _plan(self, move: Move) -> Block | None:
        origin, target, speed = move.origin, move.target, move.speed
        dx, dy, dz, de = target[0] - origin[0], target[1] - origin[1], target[2] - origin[2], target[3] - origin[3]
        straight = sqrt(dx * dx + dy * dy + dz * dz)
        length = move.arc_mm or straight or abs(de)
        if not length:
            return None
        limits = self._limits
        with_motion = limits.printing if de else limits.travelling
        acceleration = with_motion if straight else limits.retracting
        for delta, fastest, steepest in zip((dx, dy, dz, de), limits.speed, limits.acceleration, strict=True):
            if delta:
                share = length / abs(delta)
                speed = min(speed, fastest * share)
                acceleration = min(acceleration, steepest * share)
        speed = max(speed, SLOWEST_MM_S)
        unit = (dx / straight, dy / straight, dz / straight) if straight else (0.0, 0.0, 0.0)
        junction = self._junction(unit, speed, acceleration) if straight and self._blocks else 0.0
        return Block(origin, target, length, unit, speed, acceleration, junction, de * move.flow, bool(dx or dy), move.cut)

    def _junction(self, unit: tuple[float, float, float], speed: float, acceleration: float) -> float:
        """How fast the corner to the previous move may be taken (junction deviation, as grbl and Marlin define it)."""
        last = self._blocks[-1]
        cosine = -(last.unit[0] * unit[0] + last.unit[1] * unit[1] + last.unit[2] * unit[2])
        if last.unit == (0.0, 0.0, 0.0) or cosine > 0.999999:
            return 0.0
        fastest = min(last.speed, speed)
        if cosine < -0.999999:
            return fastest
        half_sine = sqrt(0.5 * (1.0 - cosine))
        return min(fastest, sqrt(acceleration * JUNCTION_DEVIATION_MM * half_sine / (1.0 - half_sine)))

    def _start(self, now_s: float) -> None:
        block = self._blocks[0]
        entry, leave = self._exit_speed, min(self._leaving(), block.speed)
        block.start_s = now_s
        block.end_s = now_s + _duration_s(block, entry, min(leave, sqrt(entry * entry + 2 * block.acceleration * block.length)))
        self._exit_speed = leave

    def _leaving(self) -> float:
        """How fast the first move may end: as the planned moves after it still can brake to a stop."""
        room = 0.0
        allowed = inf
        for number, block in enumerate(self._blocks):
            if number:
                allowed = min(allowed, sqrt(block.junction * block.junction + room))
                room += 2 * block.acceleration * block.length
                if room >= allowed * allowed:
                    return allowed
        return min(allowed, sqrt(room))

    def advance(self, now_s: float) -> None:
        """Execute until `now_s`."""
        blocks = self._blocks
        while blocks and blocks[0].end_s <= now_s:
            block = blocks.popleft()
            self.reached = block.target
            if blocks:
                self._start(block.end_s)
            else:
                self.idle_since_s = block.end_s
            self._on_done(block)

    def position(self, now_s: float) -> Position:
        """Where the nozzle really is."""
        if not self._blocks:
            return self.reached
        block = self._blocks[0]
        share = min(1.0, max(0.0, (now_s - block.start_s) / (block.end_s - block.start_s)))
        x, y, z, e = (start + share * (end - start) for start, end in zip(block.origin, block.target, strict=True))
        return x, y, z, e

    def stop(self, now_s: float) -> None:
        """Stop at once: what was planned is lost, the move in progress ends where it is and counts as far as it came."""
        self.advance(now_s)
        if not self._blocks:
            return
        block = self._blocks[0]
        self.reached = block.target = self.position(now_s)
        block.extruded_mm *= (now_s - block.start_s) / (block.end_s - block.start_s)
        self._blocks.clear()
        self.idle_since_s = now_s
        self._on_done(block)

    def shift(self, position: Position) -> None:
        """Name the place where the nozzle stands (G28). Nothing may be planned."""
        self.reached = position


def _duration_s(block: Block, entry: float, leave: float) -> float:
    length, speed, acceleration = block.length, block.speed, block.acceleration
    ramps = (2 * speed * speed - entry * entry - leave * leave) / (2 * acceleration)
    if ramps <= length:
        return (2 * speed - entry - leave) / acceleration + (length - ramps) / speed
    peak = sqrt(max(0.0, acceleration * length + (entry * entry + leave * leave) / 2))
    if peak < entry or peak < leave:  # a short move between two fast ones: it cannot brake as planned
        return 2 * length / (entry + leave)
    return (2 * peak - entry - leave) / acceleration
