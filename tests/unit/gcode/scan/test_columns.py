"""Columns are joined, picked and copied without losing their shape."""

import numpy as np

from gcode.facts import ExtruderMode
from gcode.scan.columns import Columns, MoveFlag, added_modes, copied, joined, picked


def columns(first: int, count: int) -> Columns:
    numbers = np.arange(first, first + count)
    lengths = numbers.astype(np.float64)
    points = np.array([lengths, lengths * 10, lengths * 100])
    flags = np.full(count, MoveFlag.LAST, np.uint8)
    return Columns(numbers, numbers * 7, points, points + 1, lengths / 2, lengths, (numbers % 4).astype(np.uint8), flags)


def test_joined_parts_follow_each_other() -> None:
    together = joined([columns(0, 3), columns(3, 2)])
    assert len(together) == 5
    assert together.line.tolist() == [0, 1, 2, 3, 4]
    assert together.end[2].tolist() == [1, 101, 201, 301, 401]
    assert together.tool.dtype == np.uint8


def test_one_part_is_not_copied_and_none_is_empty() -> None:
    part = columns(0, 3)
    assert joined([part]) is part
    assert (len(joined([])), joined([]).start.shape) == (0, (3, 0))


def test_picked_rows() -> None:
    part = columns(0, 6)
    assert picked(part, slice(2, 4)).start[1].tolist() == [20, 30]
    some = picked(part, np.array([5, 0]))
    assert (some.line.tolist(), some.end[0].tolist(), some.tool.tolist()) == ([5, 0], [6, 1], [1, 0])
    assert some.end.flags.c_contiguous  # else every stage behind would read it across its rows


def test_a_copy_is_its_own() -> None:
    part = columns(0, 3)
    other = copied(part)
    part.start[:] = -1
    assert other.start[0].tolist() == [0, 1, 2]


def test_modes_are_added() -> None:
    assert added_modes(ExtruderMode(1, 2, 3, 4), ExtruderMode(10, 20, 30, 40)) == ExtruderMode(11, 22, 33, 44)
