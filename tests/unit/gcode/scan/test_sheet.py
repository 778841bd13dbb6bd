"""One sheet of moves: what comes from the parser and what comes singly, in order, each with its limits."""

from gcode.kinematics import MotionLimits
from gcode.machine import Move
from gcode.reader import parse_line
from gcode.scan.columns import MoveFlag
from gcode.scan.sheet import LimitTable, Sheet
from tests.unit.gcode.scan.test_columns import columns

SLOW = MotionLimits(print_acceleration_mm_s2=500)
FAST = MotionLimits(print_acceleration_mm_s2=2000)


def test_single_moves_stand_among_those_of_the_parser() -> None:
    sheet = Sheet(LimitTable(SLOW))
    sheet.add_columns(columns(10, 2))
    move = Move((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 0.5, 20.0, extrudes=True)
    sheet.add_moves([move, move._replace(extrudes=False)], parse_line(b"G1", 77, 1234), 3)
    sheet.add_columns(columns(20, 1))
    sheet.add_columns(columns(20, 0))
    found = sheet.columns()
    assert sheet.rows == len(found) == 5
    assert found.line.tolist() == [10, 11, 77, 77, 20]
    assert found.offset.tolist() == [70, 77, 1234, 1234, 140]
    assert (found.start[:, 2].tolist(), found.end[:, 2].tolist()) == ([1, 2, 3], [4, 5, 6])
    assert (found.filament_mm[2], found.speed_mm_s[2], found.tool[2]) == (0.5, 20, 3)
    assert found.flags[2:4].tolist() == [MoveFlag.EXTRUDES, 0]


def test_every_row_has_its_limits() -> None:
    table = LimitTable(SLOW)
    sheet = Sheet(table)
    sheet.add_columns(columns(0, 6))
    for row, limits in ((2, FAST), (2, SLOW), (4, FAST)):
        table.change(limits)
        sheet.set_limits(row)
    assert [table.table[index] for index in sheet.which().tolist()] == [SLOW] * 4 + [FAST] * 2
    assert Sheet(table).which().tolist() == []


def test_a_command_is_remembered_for_the_limits_before_it() -> None:
    table = LimitTable(SLOW)
    assert table.step(b"M204 S2000") is None
    table.change(FAST, b"M204 S2000")
    assert table.step(b"M204 S500") is None
    table.change(SLOW, b"M204 S500")
    assert table.step(b"M204 S2000") == FAST
    assert table.step(b"M204 S2000") is None  # at other limits before it may mean something else
    assert len(table.table) == 2


def test_limits_that_are_not_in_force_are_forgotten_when_there_are_many() -> None:
    table = LimitTable(SLOW)
    for number in range(100):
        table.change(MotionLimits(print_acceleration_mm_s2=1000 + number), b"M204 S%d" % number)
    table.begin_sheet()
    assert table.table == [MotionLimits(print_acceleration_mm_s2=1099)]
    assert table.current == 0
    table.change(SLOW)
    table.change(MotionLimits(print_acceleration_mm_s2=1099))
    assert table.current == 0
