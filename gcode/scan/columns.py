"""What passes between the stages of a scan: moves as columns of arrays, and the lines that are no plain moves.

A block of whole lines goes through three stages: a *parser* makes columns of its plain moves, *events* (every other line: comments,
temperatures, limits, modes) are read by the same plain-Python code that the interpreter uses, and a *planner* gives each move its
seconds. Lines that a parser does not take are obeyed by `gcode.machine.Machine`, so that both engines share every odd case.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntFlag
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gcode.facts import ExtruderMode
from gcode.kinematics import MotionLimits
from gcode.machine import Machine

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOVE_WORDS: Final = b"XYZEFIJR"  # in capitals; any other letter makes a move odd (G1 H1 homes on RepRapFirmware)
MODE_M: Final = frozenset({82, 83, 200, 206, 207, 208, 209, 218, 220, 221, 290, 428})  # M codes that may touch the motion state
EVENT_WORDS: Final = (
    b"EXCLUDE_OBJECT",
    b"SET_VELOCITY_LIMIT",
    b"SET_PRESSURE_ADVANCE",
    b"SET_PRINT_STATS_INFO",
)  # Klipper's, frequent


TEXTS: Final = 4096


class MoveFlag(IntFlag):
    """What a move is; columns hold it as bits."""

    EXTRUDES = 1  # plastic is laid along a path (`gcode.machine.Move.extrudes`)
    ARC = 2  # a chord of G2 or G3
    LAST = 4  # the last move of its line


@dataclass(frozen=True, slots=True)
class Columns:
    """Moves in the order of the file, one row each (an arc has one a chord), in machine coordinates, mm and mm/s.

    `line` counts from 1; `offset` is bytes from the beginning of the file to the move's line. `start` and `end` have a row an axis
    (C order), so that each axis is contiguous; all other arrays have the length n. A parser may give views of buffers of its own,
    which hold until its next call.
    """

    line: Integers
    offset: Integers
    start: Floats  # (3, n)
    end: Floats  # (3, n)
    filament_mm: Floats  # negative: retraction
    speed_mm_s: Floats
    tool: NDArray[np.uint8]
    flags: NDArray[np.uint8]  # MoveFlag

    def __len__(self) -> int:
        return len(self.line)


_EMPTY: Final = Columns(
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty((3, 0)),
    np.empty((3, 0)),
    np.empty(0),
    np.empty(0),
    np.empty(0, np.uint8),
    np.empty(0, np.uint8),
)
_FIELDS: Final = tuple(field.name for field in fields(Columns))


def joined(parts: Sequence[Columns]) -> Columns:
    """All the moves, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _EMPTY
    return Columns(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in _FIELDS))


def picked(columns: Columns, rows: Integers | slice) -> Columns:
    """Some of the moves."""
    if isinstance(rows, slice):
        return Columns(*(getattr(columns, name)[..., rows] for name in _FIELDS))
    # `take`, not brackets: those give a table turned round in memory, and every stage behind would read it across its rows.
    return Columns(*(getattr(columns, name).take(rows, axis=-1) for name in _FIELDS))


def copied(columns: Columns) -> Columns:
    """The same in arrays of their own."""
    return Columns(*(getattr(columns, name).copy() for name in _FIELDS))


def added_modes(one: ExtruderMode, other: ExtruderMode) -> ExtruderMode:
    """Both counts together."""
    return ExtruderMode(
        one.absolute + other.absolute,
        one.absolute_falls + other.absolute_falls,
        one.relative + other.relative,
        one.relative_rises + other.relative_rises,
    )


@dataclass(frozen=True, slots=True)
class Events:
    """Lines that are no plain moves, in the order of the file, one row each; all arrays have the same length.

    `before` is how many moves of the same columns come before it; `begin` and `end` are bytes of the block that was parsed: the
    line without its end, cut after `gcode.reader.MAX_LINE_BYTES` + 1 bytes. Blank lines (spaces and tabs) are left out: they only
    count in `Parsed.lines`. A comment behind a plain move is an event too: it comes before the move and begins at the semicolon.

    A parser may number the texts that it saw: `text` is the same number, below TEXTS, for the same text in all its calls, and -1
    for one that has none. Comments that are a name and a figure (`;WIDTH:0.45`) may share the number of their name, from TEXTS on
    and below 2 * TEXTS. None: this parser does not.
    """

    before: Integers
    line: Integers
    begin: Integers
    end: Integers
    text: Integers | None = None

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a parser made of the beginning of a block. The line at `consumed`, if any is left, is one that it does not take."""

    columns: Columns
    events: Events
    consumed: int  # bytes of the block
    lines: int  # in those bytes, blank ones too
    moves: int  # of those, lines that are plain moves, also those that move nothing (`G1 F1800`)
    last_move_line: int  # the last of these lines, 0 if there is none
    mode: ExtruderMode  # counted over those moves


class Parser(Protocol):
    """Makes columns of plain moves. It reads the modes from `machine` and leaves its position, E, speed and retraction there."""

    @property
    def least_lines(self) -> int:
        """Lines that a call must take on average to be worth it; below, the engine reads the rest of the block line by line."""
        ...

    def parse(self, block: memoryview, machine: Machine, line: int, offset: int) -> Parsed:
        """Take whole lines from the front of `block` up to its end or to a line that must go through `Machine.apply`.

        `line` and `offset` are those of the block's first line. A plain move is `G0` to `G3` with numbers as `gcode.reader` reads
        them, only the words of MOVE_WORDS and each with a number, no line number, at most MAX_LINE_BYTES, no control byte and no
        non-ASCII byte in the command, no absurd number. Comments, M codes that are not in MODE_M, G4 and lines that begin with one
        of EVENT_WORDS become events. G90, G91, M82, M83, G92 with nothing but E, and G10 and G11 with nothing, without oddities,
        may be taken: the parser obeys them, and they are events too (nobody obeys them again), before the moves that they make.
        Every other line ends the call, and so may any in doubt.
        """
        ...


class Planning(Protocol):
    """Gives moves their seconds, with look-ahead across calls."""

    def add(
        self, columns: Columns, limits: Sequence[MotionLimits], which: NDArray[np.int32], stops: Sequence[tuple[int, float]]
    ) -> None:
        """Take moves; `which` names for each its row in `limits`.

        A stop (before which move, seconds of dwell) empties the queue; its first figure is len(columns) when it comes
        behind the last.
        """
        ...

    def take(self) -> Floats:
        """Seconds of the moves that are settled, in order, each given once; dwell is in the move before it.

        Never of the last move that was added: dwell may still follow it. (The engine keeps dwell before the very first move.)
        """
        ...

    def finish(self) -> Floats:
        """Come to a stop, and give the rest."""
        ...
