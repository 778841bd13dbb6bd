"""What passes between the stages of a scan: moves as columns of arrays, and the lines that are no plain moves.

A block of whole lines goes through three stages: a *parser* makes columns of its plain moves, *events* (every other line: comments,
temperatures, limits, modes) are read by the same plain-Python code that the interpreter uses, and a *planner* gives each move its
seconds. Lines that a parser does not take are obeyed by `gcode.machine.Machine`, so that both engines share every odd case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gcode.kinematics import MotionLimits
from gcode.machine import Machine

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class MoveFlag(IntFlag):
    """What a move is; columns hold it as bits."""

    EXTRUDES = 1  # plastic is laid along a path (`gcode.machine.Move.extrudes`)
    ARC = 2  # a chord of G2 or G3
    COUNTED = 4  # G0 to G3 with E and X or Y: it counts in `ExtruderMode`; of an arc only its last chord does
    ABSOLUTE_E = 8  # the E word was absolute
    E_FELL = 16  # its E word is below the one before it
    E_ROSE = 32  # above
    LAST = 64  # the last move of its line


@dataclass(frozen=True, slots=True)
class Columns:
    """Moves in the order of the file, one row each (an arc has one a chord), in machine coordinates, mm and mm/s.

    All arrays have the same length n. `line` counts from 1; `offset` is bytes from the beginning of the file to the move's line.
    """

    line: Integers
    offset: Integers
    start: Floats  # (n, 3)
    end: Floats  # (n, 3)
    filament_mm: Floats  # negative: retraction
    speed_mm_s: Floats
    tool: NDArray[np.uint8]
    flags: NDArray[np.uint8]  # MoveFlag

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True, slots=True)
class Event:
    """A line that is no plain move: `raw` without its end, cut after `gcode.reader.MAX_LINE_BYTES` + 1 bytes.

    `before` is how many moves of the same columns come before it.
    """

    before: int
    line: int
    offset: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a parser made of the beginning of a block. The line at `consumed`, if any is left, is one that it does not take."""

    columns: Columns
    events: Sequence[Event]
    consumed: int  # bytes of the block
    lines: int  # in those bytes


class Parser(Protocol):
    """Makes columns of plain moves. It reads the modes from `machine` and leaves its position, E, speed and retraction there."""

    def parse(self, block: memoryview, machine: Machine, line: int, offset: int) -> Parsed:
        """Take whole lines from the front of `block` up to its end or to a line that must go through `Machine.apply`.

        `line` and `offset` are those of the block's first line. A plain move is `G0` to `G3` with numbers as `gcode.reader` reads
        them, no line number, at most MAX_LINE_BYTES, no control or non-ASCII byte in the command, no absurd number. Blank lines,
        comments and commands that do not touch the motion state of `Machine` become events; every other line ends the call.
        """
        ...


class Planning(Protocol):
    """Gives moves their seconds, with look-ahead across calls."""

    def add(
        self, columns: Columns, limits: Sequence[MotionLimits], which: NDArray[np.int32], stops: Sequence[tuple[int, float]]
    ) -> None:
        """Take moves; `which` names for each its row in `limits`.

        A stop (before which move, seconds of dwell) empties the queue; its first figure is len(columns) when it comes behind the last.
        """
        ...

    def take(self) -> Floats:
        """Seconds of the moves that are settled, in order, each given once; dwell is in the move before it."""
        ...

    def finish(self) -> Floats:
        """Come to a stop, and give the rest."""
        ...
