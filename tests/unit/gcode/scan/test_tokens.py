"""The NumPy parser against the machine: the same moves to the last bit, the same state behind them."""

from dataclasses import astuple, dataclass, field

import numpy as np
import pytest
from hypothesis import example, given

from gcode.facts import ExtruderMode
from gcode.machine import Machine, Move
from gcode.reader import MAX_LINE_BYTES, MOVES, parse_line
from gcode.scan.columns import Columns, MoveFlag, added_modes
from gcode.scan.tokens import NumpyParser, laid
from tests.unit.gcode.scan.programs import programs

Row = tuple[int, int, Move, int]


@dataclass
class Reading:
    machine: Machine = field(default_factory=Machine)
    rows: list[Row] = field(default_factory=list)
    mode: ExtruderMode = field(default_factory=ExtruderMode)
    lines: int = 0
    arcs: int = 0
    events: list[tuple[int, bytes, int]] = field(default_factory=list)  # line, text, moves before


def obey(reading: Reading, raw: bytes, offset: int) -> None:
    reading.lines += 1
    line = parse_line(raw[: MAX_LINE_BYTES + 1], reading.lines, offset)
    if line.code and not line.defect:
        moves = reading.machine.apply(line)
        reading.rows += [(line.number, offset, move, reading.machine.tool) for move in moves]


def slowly(program: bytes) -> Reading:
    reading, offset = Reading(), 0
    for raw in program.splitlines(keepends=True):
        obey(reading, raw.rstrip(b"\r\n"), offset)
        offset += len(raw)
    reading.mode, reading.arcs = reading.machine.extruder_mode, reading.machine.arcs
    return reading


def rows_of(columns: Columns) -> list[Row]:
    rows = []
    for index in range(len(columns)):
        start, end = columns.start[:, index].tolist(), columns.end[:, index].tolist()
        extrudes = bool(columns.flags[index] & MoveFlag.EXTRUDES)
        move = Move(tuple(start), tuple(end), columns.filament_mm.item(index), columns.speed_mm_s.item(index), extrudes)
        rows.append((columns.line.item(index), columns.offset.item(index), move, columns.tool.item(index)))
    return rows


def quickly(program: bytes) -> Reading:
    reading, parser, offset = Reading(), NumpyParser(), 0
    view = memoryview(program)
    while offset < len(program):
        parsed = parser.parse(view[offset:], reading.machine, reading.lines + 1, offset)
        for before, number, begin, end in zip(*(column.tolist() for column in astuple(parsed.events)[:4]), strict=True):
            reading.events.append((number, program[offset + begin : offset + end], before + len(reading.rows)))
        reading.rows += rows_of(parsed.columns)
        reading.mode = added_modes(reading.mode, parsed.mode)
        last = parsed.columns.flags & np.uint8(MoveFlag.ARC | MoveFlag.LAST)
        reading.arcs += int((last == (MoveFlag.ARC | MoveFlag.LAST)).sum())
        reading.lines += parsed.lines
        offset += parsed.consumed
        if offset < len(program):
            raw = program[offset:].splitlines(keepends=True)[0]
            obey(reading, raw.rstrip(b"\r\n"), offset)
            offset += len(raw)
    reading.mode = added_modes(reading.mode, reading.machine.extruder_mode)
    reading.arcs += reading.machine.arcs
    return reading


# What a parser leaves to others: counters of lines that are obeyed singly, and heat.
OTHERS = {"nozzle_c", "bed_c", "chamber_c", "absolute_moves", "absolute_falls", "relative_moves", "relative_rises", "arcs"}


def state(machine: Machine) -> dict[str, object]:
    kept = {name: getattr(machine, name) for name in machine.__slots__ if name not in OTHERS}
    return {**kept, "retracted_mm": {tool: missing for tool, missing in machine.retracted_mm.items() if missing}}


@given(programs())
@example(b"M83\nG1 X1 E-1\nG1 X2 E.4\nG1 X3 E.4\nG1 X4 E.4\nG1 E-30\nG1 X5 E25\nG1 X6 E1\n")
@example(b"G1 X1 E1\nG92 E0\nG1 X2 E1\nG92 E5\nM83\nG1 X3 E1\nG92 E0\nG1 E-.8\nM82\nG1 X4 E1\n")
@example(b"G10\nG10\nG1 X5\nG11\nG11\nM207 S1 F600\nG10\nT1\nG11\nG10\n")
@example(b"G91\nG1 X.1\nG1 X.2\nG1 X.3 E1\nG90\nG1 X5\nG20\nG1 X1 F10\nG2 X2 I1\n")
def test_moves_and_machine_are_those_of_the_interpreter(program: bytes) -> None:
    quick, slow = quickly(program), slowly(program)
    assert quick.rows == slow.rows
    assert quick.lines == slow.lines
    assert quick.mode == slow.mode
    assert quick.arcs == slow.arcs
    assert state(quick.machine) == state(slow.machine)


@given(programs())
def test_every_event_is_a_line_that_makes_no_move_or_a_comment_behind_one(program: bytes) -> None:
    reading = quickly(program)
    raws = [raw.rstrip(b"\r\n") for raw in program.splitlines(keepends=True)]
    for number, text, before in reading.events:
        raw = raws[number - 1][: MAX_LINE_BYTES + 1]
        line = parse_line(raw)
        if line.code in MOVES and not line.defect:
            assert text == raw[raw.index(b";") :]
        else:
            assert text == raw
        assert all(row[0] < number for row in reading.rows[:before])
        assert all(row[0] >= number for row in reading.rows[before:])


def test_a_call_ends_at_a_line_that_must_be_obeyed_and_goes_on_behind_it() -> None:
    program = b"G1 X1\nT1\n; c\nG1 X2\n"
    parser, machine = NumpyParser(), Machine()
    first = parser.parse(memoryview(program), machine, 1, 0)
    assert (first.consumed, first.lines, first.moves, first.last_move_line, len(first.columns)) == (6, 1, 1, 1, 1)
    second = parser.parse(memoryview(program)[9:], machine, 3, 9)
    assert (second.consumed, second.lines, second.moves, second.last_move_line) == (len(program) - 9, 2, 1, 4)
    assert second.columns.line.tolist() == [4]
    assert second.columns.offset.tolist() == [13]
    assert (second.events.line.tolist(), second.events.begin.tolist(), second.events.end.tolist()) == ([3], [0], [3])


def test_arcs_without_end_end_the_call() -> None:
    program = b"G2 X0 Y0 I9000\n" * 1000
    parsed = NumpyParser().parse(memoryview(program), Machine(), 1, 0)
    assert parsed.lines == 64
    assert len(parsed.columns) == 64 * 720


@pytest.mark.parametrize(
    ("filament_mm", "missing_mm", "lays", "left_mm"),
    [
        ([1, 2, 3], 0, [True, True, True], 0),
        ([-1, 0.5, 0.5, 0.1], 0, [False, False, False, True], 0),
        ([1, 2], 1.5, [False, True], 0),
        ([-15, -15, 19, 2], 0, [False, False, False, True], 0),
        ([-2], 0, [False], 2),
        ([1e-6, 1.1e-6], 0, [False, True], 0),
        ([], 3, [], 3),
    ],
)
def test_what_is_given_back_lays_nothing(filament_mm: list[float], missing_mm: float, lays: list[bool], left_mm: float) -> None:
    found, left = laid(np.array(filament_mm, float), missing_mm)
    assert (found.tolist(), left) == (lays, left_mm)
