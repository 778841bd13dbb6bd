"""What the lines of a block do, in their order: moves as columns, and between which of them something changes."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gcode.kinematics import MotionLimits
from gcode.machine import Move
from gcode.reader import Line
from gcode.scan.columns import Columns, MoveFlag, joined
from gcode.scan.gather import Mark

_MAX_LIMITS: Final = 32
_MAX_STEPS: Final = 4096

_Row = tuple[float, ...]


class LimitTable:
    """The limits that are in force somewhere on a sheet, each once, and which command leads from one to another."""

    def __init__(self, limits: MotionLimits) -> None:
        self.table = [limits]
        self.current = 0
        self._index = {limits: 0}
        self._steps: dict[tuple[int, bytes], int] = {}

    def begin_sheet(self) -> None:
        """Forget what is not in force any more, when there is much of it."""
        if len(self.table) > _MAX_LIMITS or len(self._steps) > _MAX_STEPS:
            self.table = [self.table[self.current]]
            self.current = 0
            self._index = {self.table[0]: 0}
            self._steps = {}

    def step(self, raw: bytes) -> MotionLimits | None:
        """The limits after a command that was obeyed at these limits before; None: it was not."""
        index = self._steps.get((self.current, raw))
        if index is None:
            return None
        self.current = index
        return self.table[index]

    def change(self, limits: MotionLimits, raw: bytes | None = None) -> None:
        """These limits are in force now, because of the command `raw`."""
        before = self.current
        self.current = self._index.setdefault(limits, len(self.table))
        if self.current == len(self.table):
            self.table.append(limits)
        if raw is not None:
            self._steps[before, raw] = self.current


def _columns(rows: list[_Row]) -> Columns:
    table = np.array(rows).T
    line, offset, tool, flags = table[0], table[1], table[10], table[11]
    return Columns(
        line.astype(np.int64),
        offset.astype(np.int64),
        table[2:5],
        table[5:8],
        table[8],
        table[9],
        tool.astype(np.uint8),
        flags.astype(np.uint8),
    )


class Sheet:
    """Fills up while a block is read; rows count all its moves from 0."""

    def __init__(self, limits: LimitTable) -> None:
        self.rows = 0
        self.marks: list[Mark] = []
        self.stops: list[tuple[int, float]] = []
        self._limits = limits
        self._which: list[tuple[int, int]] = [(0, limits.current)]
        self._parts: list[Columns] = []
        self._loose: list[_Row] = []

    def add_columns(self, columns: Columns) -> None:
        """Moves of a parser."""
        if len(columns):
            self._bind()
            self._parts.append(columns)
            self.rows += len(columns)

    def add_moves(self, moves: Iterable[Move], line: Line, tool: int) -> None:
        """Moves that the machine made of one line."""
        for start, end, filament_mm, speed_mm_s, extrudes in moves:
            flags = MoveFlag.EXTRUDES if extrudes else 0
            self._loose.append((line.number, line.offset, *start, *end, filament_mm, speed_mm_s, tool, flags))
            self.rows += 1

    def _bind(self) -> None:
        if self._loose:
            self._parts.append(_columns(self._loose))
            self._loose = []

    def columns(self) -> Columns:
        """All moves."""
        self._bind()
        return joined(self._parts)

    def set_limits(self, row: int) -> None:
        """From this row on the limits are others."""
        self._which.append((row, self._limits.current))

    def which(self) -> NDArray[np.int32]:
        """For each row its limits in the table."""
        rows, indices = np.array([*self._which, (self.rows, 0)], np.int32).T
        return np.repeat(indices[:-1], np.diff(rows))
