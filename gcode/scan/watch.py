"""The rules about moves (`gcode.rules`) over columns: which rows break them, by the same comparisons as `gcode.judges.moves`.

Each twin first asks the boxes around all moves, so that a profile on which the moves are good costs next to nothing. What is wrong
at the first places is said by the judge itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gcode.checks import MAX_HITS, Hit, Judge, hit_of
from gcode.judges.moves import (
    DEEPEST_MM,
    FASTEST_MM_S,
    MELTS_C,
    SLOWEST_MM_S,
    TOLERANCE_MM,
    clips,
    guessed_clips,
    knows_heat,
    nozzle_target_c,
    reachable,
    widened,
)
from gcode.judges.situation import Situation
from gcode.machine import Machine, Move
from gcode.profile import Box, PrinterProfile
from gcode.reader import Line
from gcode.rules import RULES, MoveRule
from gcode.scan.columns import Columns, Floats, Integers, MoveFlag, picked
from gcode.scan.gather import Moves, Points
from gcode.scan.numbers import Flags

_NONE: Final = np.empty(0, np.int64)


def _holds(box: Box, inner: Box) -> bool:
    """Whether a box is inside another, or at most TOLERANCE_MM beside it."""
    wide = widened(box)
    return (
        wide.min_x <= inner.min_x
        and wide.min_y <= inner.min_y
        and wide.min_z <= inner.min_z
        and inner.max_x <= wide.max_x
        and inner.max_y <= wide.max_y
        and inner.max_z <= wide.max_z
    )


def _outside(points: Points, box: Box) -> Flags | None:
    """Which points are more than TOLERANCE_MM outside a box; None: not one. Only the sides that any point passes are looked at."""
    around, wide = points.box, widened(box)
    if around is None:
        return None
    outside: Flags | None = None
    x, y, z = points.places
    for values, value, least in ((x, around.min_x, wide.min_x), (y, around.min_y, wide.min_y), (z, around.min_z, wide.min_z)):
        if value < least:
            outside = values < least if outside is None else outside | (values < least)
    for values, value, most in ((x, around.max_x, wide.max_x), (y, around.max_y, wide.max_y), (z, around.max_z, wide.max_z)):
        if value > most:
            outside = values > most if outside is None else outside | (values > most)
    return outside


def _outside_both(points: Points, one: Box, other: Box) -> Flags | None:
    first = _outside(points, one)
    second = None if first is None else _outside(points, other)
    return None if first is None or second is None else first & second


def _extrudes_outside(moves: Moves, _situation: Situation, profile: PrinterProfile) -> Integers:
    if _holds(profile.volume, moves.starts) and _holds(profile.volume, moves.ends):
        return _NONE
    starts = _outside_both(moves.laid_starts, profile.volume, profile.purge)
    if starts is not None:
        beside, high = _outside(moves.laid_starts, reachable(profile)), _outside(moves.laid_ends, profile.purge)
        none = np.zeros(len(moves.laying), bool)
        starts = starts & ((none if beside is None else beside) | (none if high is None else high))  # others come down
    ends = _outside_both(moves.laid_ends, profile.volume, profile.purge)
    if starts is None or ends is None:
        wrong = ends if starts is None else starts
        return _NONE if wrong is None else moves.laying[wrong]
    return moves.laying[starts | ends]


def _travels_outside(moves: Moves, _situation: Situation, profile: PrinterProfile) -> Integers:
    if _holds(profile.volume, moves.ends):
        return _NONE
    wrong = _outside_both(moves.travel_ends, profile.volume, reachable(profile))
    return _NONE if wrong is None else moves.travels[wrong]


def _below_bed(moves: Moves, _situation: Situation, profile: PrinterProfile) -> Integers:
    deepest_mm = profile.volume.min_z + DEEPEST_MM
    return _NONE if moves.ends.min_z >= deepest_mm else (moves.columns.end[2] < deepest_mm).nonzero()[0]


def _crosses(start: Floats, end: Floats, box: Box) -> Flags:
    """Which lines touch a box that was made smaller by TOLERANCE_MM."""
    low, high = (box.min_x, box.min_y, box.min_z), (box.max_x, box.max_y, box.max_z)
    enters, leaves = np.zeros(start.shape[1]), np.ones(start.shape[1])
    misses = np.zeros(start.shape[1], bool)
    for begin, finish, lowest, highest in zip(start, end, low, high, strict=True):
        least, most, way = lowest + TOLERANCE_MM, highest - TOLERANCE_MM, finish - begin
        still = way == 0
        misses |= still & ~((least <= begin) & (begin <= most))
        one, other = (least - begin) / way, (most - begin) / way
        enters = np.where(still, enters, np.maximum(enters, np.minimum(one, other)))
        leaves = np.where(still, leaves, np.minimum(leaves, np.maximum(one, other)))
    return (enters <= leaves) & ~misses


def _lays_on_clip(moves: Moves, _situation: Situation, profile: PrinterProfile) -> Integers:
    if not profile.keep_out or not len(moves.laying):
        return _NONE
    lowest_mm = min(moves.starts.min_z, moves.ends.min_z)
    boxes = [box for box in profile.keep_out if box.max_z >= lowest_mm]  # clips are flat: most layers are above them
    if not boxes:
        return _NONE
    crossed = np.zeros(len(moves.laying), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for box in boxes:
            crossed |= _crosses(moves.laid_starts.places, moves.laid_ends.places, box)
    return moves.laying[crossed]


def _travels_into_clip(moves: Moves, _situation: Situation, profile: PrinterProfile) -> Integers:
    return _travels_into(clips(profile), moves)


def _may_travel_into_clip(moves: Moves, _situation: Situation, profile: PrinterProfile) -> Integers:
    return _travels_into(guessed_clips(profile), moves)


def _travels_into(standing: tuple[Box, ...], moves: Moves) -> Integers:
    if not standing or not len(moves.travels):
        return _NONE
    lowest_mm = min(moves.starts.min_z, moves.ends.min_z)
    boxes = [box for box in standing if box.max_z >= lowest_mm]
    if not boxes:
        return _NONE
    starts = moves.columns.start.take(moves.travels, axis=1)
    crossed = np.zeros(len(moves.travels), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for box in boxes:
            crossed |= _crosses(starts, moves.travel_ends.places, box) & ~_inside(starts, box)
    return moves.travels[crossed]


def _inside(points: Floats, box: Box) -> Flags:
    """Which points lie in a box, or at most TOLERANCE_MM beside it."""
    wide = widened(box)
    low, high = np.array([[wide.min_x], [wide.min_y], [wide.min_z]]), np.array([[wide.max_x], [wide.max_y], [wide.max_z]])
    within: Flags = np.logical_and.reduce((low <= points) & (points <= high), axis=0)
    return within


def _extrudes_cold(moves: Moves, situation: Situation, profile: PrinterProfile) -> Integers:
    heaters = situation.heaters
    if nozzle_target_c(heaters) >= MELTS_C or situation.hidden_heat or not knows_heat(heaters, profile):
        return _NONE
    return moves.laying


def _absurd_speed(moves: Moves, _situation: Situation, _profile: PrinterProfile) -> Integers:
    slowest, fastest = moves.speeds
    if slowest >= SLOWEST_MM_S and fastest <= FASTEST_MM_S:
        return _NONE
    speed = moves.columns.speed_mm_s
    absurd: Flags = (speed > FASTEST_MM_S) | (speed < SLOWEST_MM_S)
    return absurd.nonzero()[0]


def _moves_unpowered(moves: Moves, situation: Situation, _profile: PrinterProfile) -> Integers:
    if not situation.motors_off:
        return _NONE
    goes: Flags = (moves.columns.start != moves.columns.end).any(axis=0)
    return goes.nonzero()[0]


LineAt = Callable[[int, int], Line]  # the line with this number and offset
Twin = Callable[[Moves, Situation, PrinterProfile], Integers]
# In the order of the rules; a test sees that every rule about moves has its twin.
TWINS: Final[dict[str, Twin]] = {
    "outside-volume": _extrudes_outside,
    "below-bed": _below_bed,
    "keep-out": _lays_on_clip,
    "travel-keep-out": _travels_into_clip,
    "travel-keep-out-unsure": _may_travel_into_clip,
    "travel-outside": _travels_outside,
    "cold-extrusion": _extrudes_cold,
    "absurd-speed": _absurd_speed,
    "motors-off": _moves_unpowered,
}
_RULES: Final = tuple((row, TWINS[row.rule.id]) for row in RULES if isinstance(row, MoveRule))


@dataclass(slots=True)
class Heat:
    """The heaters at one moment (`gcode.judges.situation.Heaters`)."""

    flavour: str | None
    tool: int
    nozzle_c: dict[int, float]
    bed_c: float

    @classmethod
    def of(cls, machine: Machine) -> "Heat":
        """As they are now."""
        return cls(machine.flavour, machine.tool, dict(machine.nozzle_c), machine.bed_c)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What rules about moves ask besides the moves: the situation of every judge, from this row on."""

    row: int
    situations: tuple[Situation, ...]


class Watch:
    """Finds the moves that break rules, for many profiles at once."""

    def __init__(self, machine: Machine, judges: Sequence[Judge]) -> None:
        self._machine = machine
        self._judges = judges
        self._told: dict[tuple[int, str], int] = {}  # places that were given, by profile and rule
        self._seen: tuple[object, ...] = ()
        self._conditions = [Conditions(0, ())]
        self.look(0)

    def look(self, row: int) -> None:
        """Something may be different from this row on."""
        if not self._judges:
            return
        machine = self._machine
        target_c, known = nozzle_target_c(machine), bool(machine.nozzle_c)
        seen = (target_c, known, *((judge.situation.motors_off, judge.situation.hidden_heat) for judge in self._judges))
        if seen != self._seen:
            self._seen = seen
            heat = Heat.of(machine)
            situations = tuple(replace(judge.situation, heaters=heat) for judge in self._judges)
            self._conditions.append(Conditions(row, situations))

    def add(self, moves: Moves, line_at: LineAt) -> None:
        """Judge moves, whose rows are those of `look`; the next ones begin at row 0."""
        if not self._judges:
            return
        conditions, last = self._conditions, self._conditions[-1]
        self._conditions = [replace(last, row=0)]
        for index, one in enumerate(conditions):
            stop = conditions[index + 1].row if index + 1 < len(conditions) else len(moves)
            if one.row < stop:
                whole = stop - one.row == len(moves)
                part = moves if whole else Moves(picked(moves.columns, slice(one.row, stop)))
                self._judge(part, one.situations, line_at)

    def _judge(self, moves: Moves, situations: Sequence[Situation], line_at: LineAt) -> None:
        for index, (judge, situation) in enumerate(zip(self._judges, situations, strict=True)):
            for rule, twin in _RULES:
                rows = twin(moves, situation, judge.profile)
                if len(rows):
                    told = self._told.get((index, rule.rule.id), 0)
                    hits = [
                        _hit(moves.columns, row, rule, (situation, judge.profile), line_at)
                        for row in rows[: MAX_HITS - told].tolist()
                    ]
                    self._told[index, rule.rule.id] = told + len(hits)
                    judge.add(rule.rule, len(rows), hits)


def _hit(columns: Columns, row: int, rule: MoveRule, place: tuple[Situation, PrinterProfile], line_at: LineAt) -> Hit:
    """What the judge itself says of a row that breaks its rule."""
    start, end = columns.start[:, row].tolist(), columns.end[:, row].tolist()
    extrudes = bool(columns.flags[row] & MoveFlag.EXTRUDES)
    move = Move(
        (start[0], start[1], start[2]),
        (end[0], end[1], end[2]),
        columns.filament_mm.item(row),
        columns.speed_mm_s.item(row),
        extrudes,
    )
    wrong = rule.judge(move, *place)
    assert wrong is not None, f"{rule.rule.id} and its twin disagree"
    return hit_of(wrong, line_at(columns.line.item(row), columns.offset.item(row)))
