"""Makes columns of the plain moves of a block with NumPy: what `gcode.machine.Machine` does line by line, for all lines at once."""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan
from typing import Final

import numpy as np

from gcode.arcs import PLANES, arc_points
from gcode.facts import ExtruderMode
from gcode.machine import DUST_MM, MAX_RETRACTION_MM, Machine
from gcode.reader import MAX_LINE_BYTES, parse_line
from gcode.scan.columns import Columns, Events, Floats, Integers, MoveFlag, Parsed, added_modes, joined, picked
from gcode.scan.lines import WORDS, Kind, Lines, read_lines
from gcode.scan.numbers import Bytes, Flags

_LEAST_LINES: Final = 32  # a call costs about as much as the interpreter needs for so many
_MOST_ARCS: Final = 64  # a call: each may be 720 moves
_E, _F, _G = (WORDS.index(letter) for letter in "EFG")


@dataclass(frozen=True, slots=True)
class _Table:
    """The lines of a block, and which of them are moves (G92 E is among them), events, and ends of a stretch."""

    lines: Lines
    moves: Integers  # with G92 E and firmware retractions
    kind: Bytes  # of `moves`
    words: Floats  # of `moves`
    events: Integers
    odd: Integers
    modes: Integers
    arcs: Integers


def _tabulate(block: bytes) -> _Table:
    lines = read_lines(block)
    kind = lines.kind
    moves = ((kind >= Kind.MOVE) & (kind <= Kind.GIVE)).nonzero()[0]
    event = (kind == Kind.EVENT) | ((kind >= Kind.RESET) & (kind <= Kind.MODE))
    event |= (kind == Kind.MOVE) & (lines.comment < lines.end)
    return _Table(
        lines,
        moves,
        kind[moves],
        lines.words.take(moves, axis=1),
        event.nonzero()[0],
        (kind == Kind.ODD).nonzero()[0],
        (kind == Kind.MODE).nonzero()[0],
        (lines.words[_G] > 1).nonzero()[0],
    )


def _forward(words: Floats, before: float) -> Floats:
    """Each word, or the last one before where there is none (NaN)."""
    missing = np.isnan(words)
    if not missing.any():
        return words
    latest = np.where(missing, -1, np.arange(len(words)))
    np.maximum.accumulate(latest, out=latest)
    values = words[latest]
    values[latest < 0] = before
    return values


def _added(words: Floats, before: float) -> Floats:
    """Where relative words lead to; added one by one, as the machine does."""
    steps = np.empty(len(words) + 1)
    steps[0], steps[1:] = before, np.where(np.isnan(words), 0.0, words)
    return np.add.accumulate(steps)[1:]


def _before(values: Floats, first: float) -> Floats:
    """For each value the one before it."""
    shifted = np.empty_like(values)
    shifted[:1], shifted[1:] = first, values[:-1]
    return shifted


def _positions(machine: Machine, words: Floats) -> Floats:
    """Where each move ends, a row an axis; the machine goes there."""
    ends = np.empty((3, words.shape[1]))
    for axis, before in enumerate(machine.position):
        distances = words[axis] * machine.unit_mm
        if machine.relative:
            ends[axis] = _added(distances, before)
        else:
            ends[axis] = _forward(distances + machine.shift[axis], before)
    machine.x, machine.y, machine.z = ends[:, -1].tolist()
    return ends


def _filament(machine: Machine, words: Floats, resets: Flags) -> tuple[Floats, ExtruderMode]:
    """Filament of each move, 0 without an E word; G92 E only sets the machine's E."""
    filament_mm = np.zeros(words.shape[1])
    named = (~np.isnan(words[_E])).nonzero()[0]
    if not len(named):
        return filament_mm, ExtruderMode()
    values, reset = words[_E, named] * machine.unit_mm, resets[named]
    counted = (~(np.isnan(words[0, named]) & np.isnan(words[1, named])) & ~reset).nonzero()[0]
    before = _before(values, machine.e)
    if machine.relative_e:
        counts, rises = values[counted], _before(values[counted], machine.e_word)
        mode = ExtruderMode(relative=len(counted), relative_rises=int((counts > rises).sum()))
        filament_mm[named] = np.where(reset, 0.0, values)
        since = int(reset.nonzero()[0][-1]) if reset.any() else -1
        first = machine.e if since < 0 else values[since]
        machine.e = float(np.add.accumulate(np.append(first, values[since + 1 :]))[-1])
    else:
        mode = ExtruderMode(len(counted), int((values[counted] < before[counted]).sum()))
        filament_mm[named] = np.where(reset, 0.0, values - before)
        machine.e = float(values[-1])
    if len(counted):
        machine.e_word = float(values[counted[-1]])
    if machine.tool in machine.e_mm3:
        filament_mm /= machine.e_mm3[machine.tool]
    return filament_mm, mode


def laid(filament_mm: Floats, missing_mm: float) -> tuple[Flags, float]:
    """Which moves lay plastic, and the filament drawn back in the end: `Machine` says it move by move.

    Only what follows a retraction, up to where it is given back, has to be asked one by one.
    """
    lays: Flags = filament_mm > DUST_MM
    done = 0
    begins = (filament_mm < 0).nonzero()[0].tolist()
    for begin in [0, *begins] if missing_mm > 0 else begins:
        if begin < done:
            continue
        for done in range(begin, len(filament_mm)):
            left_mm = missing_mm - filament_mm.item(done)
            lays[done] = left_mm < -DUST_MM
            missing_mm = min(max(left_mm, 0.0), MAX_RETRACTION_MM)
            if not missing_mm:
                break
        done += 1
    return lays, missing_mm


def _retract(machine: Machine, kind: Bytes, filament_mm: Floats, speeds: Floats) -> None:
    """Put in what the firmware itself does at G10 and G11: once back, once forth."""
    retraction, tool = machine.retraction, machine.tool
    for index in (kind >= Kind.DRAW).nonzero()[0].tolist():
        draws, drawn = kind[index] == Kind.DRAW, tool in machine.drawn_back
        if draws and not drawn:
            machine.drawn_back.add(tool)
            filament_mm[index], speeds[index] = -retraction.length_mm, retraction.speed_mm_s
        elif drawn and not draws:
            machine.drawn_back.discard(tool)
            filament_mm[index], speeds[index] = retraction.length_mm + retraction.extra_mm, retraction.return_speed_mm_s


def _extrudes(machine: Machine, filament_mm: Floats) -> Flags:
    """Which moves lay plastic, if they go anywhere; the machine remembers what is drawn back."""
    extrudes = np.zeros(len(filament_mm), bool)
    fed = filament_mm.nonzero()[0]
    if len(fed):
        extrudes[fed], missing_mm = laid(filament_mm[fed], machine.retracted_mm.get(machine.tool, 0.0))
        machine.retracted_mm[machine.tool] = missing_mm
    return extrudes


def _with_chords(machine: Machine, columns: Columns, words: Floats) -> Columns:
    """The same moves with each arc replaced by its chords, as `gcode.arcs` draws them."""
    arcs = (columns.flags & MoveFlag.ARC).nonzero()[0]
    chords, counts = [], np.ones(len(columns), np.int64)
    for index in arcs.tolist():
        given = zip(WORDS[_G + 1 :], words[_G + 1 :, index].tolist(), strict=True)
        lengths = {letter: value * machine.unit_mm for letter, value in given if not isnan(value)}
        (x, y, z), (end_x, end_y, end_z) = columns.start[:, index].tolist(), columns.end[:, index].tolist()
        clockwise = words[_G, index] == 2
        points = arc_points((x, y, z), (end_x, end_y, end_z), lengths, clockwise=bool(clockwise), plane=machine.plane)
        counts[index] = len(points)
        chords.append(np.array(points).T)
    row = np.repeat(np.arange(len(columns)), counts)
    last = np.add.accumulate(counts) - 1
    end, start = columns.end[:, row], columns.start[:, row]
    for index, corners in zip(arcs.tolist(), chords, strict=True):
        begin, stop = last[index] - counts[index] + 1, last[index] + 1
        end[:, begin:stop], start[:, begin + 1 : stop] = corners, corners[:, :-1]
    flags = columns.flags[row] & ~np.uint8(MoveFlag.LAST)
    flags[last] |= np.uint8(MoveFlag.LAST)
    return Columns(
        columns.line[row],
        columns.offset[row],
        start,
        end,
        columns.filament_mm[row] / counts[row],
        columns.speed_mm_s[row],
        columns.tool[row],
        flags,
    )


def _stretch(machine: Machine, table: _Table, first: int, last: int) -> tuple[Columns, ExtruderMode]:
    """Obey the moves `first` to `last` of the table, which share their modes. Lines and offsets are those of the block."""
    words = table.words[:, first:last]
    line = table.moves[first:last]
    kind = table.kind[first:last]
    before = machine.position
    end = _positions(machine, words)
    start = np.empty_like(end)
    start[:, 0], start[:, 1:] = before, end[:, :-1]
    filament_mm, mode = _filament(machine, words, kind == Kind.RESET)
    speeds = _forward(words[_F] * machine.unit_mm / 60, machine.speed_mm_s)
    machine.speed_mm_s = float(speeds[-1])
    speeds = speeds * machine.speed_factor
    if (kind >= Kind.DRAW).any():
        _retract(machine, kind, filament_mm, speeds)
    arc = words[_G] > 1
    goes = (start != end).any(axis=0)
    extrudes = _extrudes(machine, filament_mm) & (goes | arc)
    flags = np.full(len(line), MoveFlag.LAST, np.uint8)
    flags[extrudes] |= np.uint8(MoveFlag.EXTRUDES)
    flags[arc] |= np.uint8(MoveFlag.ARC)
    columns = Columns(
        line,
        table.lines.begin[line],
        start,
        end,
        filament_mm,
        speeds,
        np.full(len(line), machine.tool, np.uint8),
        flags,
    )
    kept = goes | (filament_mm != 0) | arc
    if not kept.all():
        columns, words = picked(columns, kept.nonzero()[0]), words.compress(kept, axis=1)
    return (_with_chords(machine, columns, words) if arc.any() else columns), mode


def _events(table: _Table, first: int, last: int, moves: Integers, place: tuple[int, int]) -> Events:
    """Events of the lines `first` to `last`; `place`: the number of the first, and the byte at which the parsed block begins."""
    line, shift = place
    lines = table.lines
    index = table.events[np.searchsorted(table.events, first) : np.searchsorted(table.events, last)]
    begin = np.where(lines.kind[index] == Kind.MOVE, lines.comment[index], lines.begin[index])
    end = np.minimum(lines.end[index], lines.begin[index] + (MAX_LINE_BYTES + 1))
    return Events(np.searchsorted(moves, index), index + (line - first), begin - shift, end - shift)


class NumpyParser:
    """A `gcode.scan.columns.Parser` for one stream: it keeps the words of a block from one call to the next."""

    least_lines: Final = _LEAST_LINES

    def __init__(self) -> None:
        self._table: _Table | None = None
        self._block = b""
        self._begin = 0  # bytes from the beginning of the file to the table's block
        self._end = -1

    def _tabulated(self, block: memoryview, offset: int) -> tuple[_Table, int]:
        """The table of the block, and the index of its line at `offset`."""
        if self._table is None or offset + len(block) != self._end or offset < self._begin:
            self._block = bytes(block)
            self._table = _tabulate(self._block)
            self._begin, self._end = offset, offset + len(block)
        return self._table, int(np.searchsorted(self._table.lines.begin, offset - self._begin))

    def parse(self, block: memoryview, machine: Machine, line: int, offset: int) -> Parsed:
        """See `gcode.scan.columns.Parser`."""
        table, first = self._tabulated(block, offset)
        odd = table.odd[np.searchsorted(table.odd, first) :]
        last = int(odd[0]) if len(odd) else len(table.lines)
        arcs = table.arcs[np.searchsorted(table.arcs, first) :]
        most = _MOST_ARCS if machine.plane == PLANES["G17"] else 0  # in another plane I and J may not be what names a circle
        if len(arcs) > most:  # the next one is a line in doubt
            last = min(last, int(arcs[most]))
        columns, mode = self._moves(table, first, last, machine)
        shift = offset - self._begin
        end = int(table.lines.begin[last]) if last < len(table.lines) else table.lines.size
        moves = table.lines.kind[first:last] == Kind.MOVE
        placed = replace(columns, line=columns.line + (line - first), offset=columns.offset + self._begin)
        return Parsed(
            placed,
            _events(table, first, last, columns.line, (line, shift)),
            end - shift,
            last - first,
            int(moves.sum()),
            int(moves.nonzero()[0][-1]) + line if moves.any() else 0,
            mode,
        )

    def _moves(self, table: _Table, first: int, last: int, machine: Machine) -> tuple[Columns, ExtruderMode]:
        """The moves of the lines `first` to `last`; lines that change a mode are obeyed in their places."""
        parts, mode = [], ExtruderMode()
        modes = table.modes[np.searchsorted(table.modes, first) : np.searchsorted(table.modes, last)].tolist()
        for begin, stop in pairwise([first - 1, *modes, last]):
            if begin >= first:
                machine.apply(parse_line(self._block[table.lines.begin[begin] : table.lines.end[begin]]))
            low, high = np.searchsorted(table.moves, (begin + 1, stop)).tolist()
            if low < high:
                columns, counted = _stretch(machine, table, low, high)
                parts.append(columns)
                mode = added_modes(mode, counted)
        return joined(parts), mode
