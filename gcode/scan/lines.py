"""Lines of a block and their words as columns: what each line is, and the numbers of those that are moves.

Moves as slicers write them (`G1 X1.5 Y2 E.03 F1200`, also without spaces) are read all at once. Any other line is looked at by
itself with `gcode.reader`, once for each distinct text while the cache remembers it: so the reader alone says what a line means.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

import numpy as np

from gcode.reader import ARCS, MAX_LINE_BYTES, MAX_MOVE_BYTES, MAX_NUMBER, MOVES, Line, parse_line
from gcode.scan.columns import EVENT_WORDS, MODE_M, MOVE_WORDS, Floats, Integers
from gcode.scan.numbers import PADDING, Bytes, Flags, read_numbers


class Kind(IntEnum):
    """What a line is to a parser."""

    BLANK = 0
    EVENT = 1
    MOVE = 2
    RESET = 3  # G92 with nothing but E
    DRAW = 4  # G10 alone: the firmware draws the filament back
    GIVE = 5  # G11
    MODE = 6  # G90, G91, M82, M83
    ODD = 7  # the engine has to obey it
    UNKNOWN = 8  # for the moment, until it is examined


WORDS: Final = "XYZEFGIJR"  # the rows of a table of words; the number of G is the command's own
_E: Final = WORDS.index("E")
_G, _I, _J, _R = (WORDS.index(letter) for letter in "GIJR")
_PLAIN_ROWS: Final = _G + 1  # arcs need all
_TAKEN: Final = {**dict.fromkeys(("G90", "G91", "M82", "M83"), Kind.MODE), "G10": Kind.DRAW, "G11": Kind.GIVE}
_EVENT_WORDS: Final = tuple(word.decode() for word in EVENT_WORDS)
_MAY_GO_ON: Final = np.frombuffer(b"+-0", np.uint8)  # behind an E: E0 and E0.5 are no power, E05 is
_CACHED_LINES: Final = 4096  # of at most 257 bytes

# Classes of bytes that matter; all others are 0.
_LINE_FEED: Final = 1
_RETURN: Final = 2
_SEMICOLON: Final = 3
_CONTROL: Final = 4
_SMALL_LETTER: Final = 5  # may be an exponent
_LETTER: Final = 6  # and the 25 behind it


def _class_table() -> bytes:
    table = bytearray(256)
    for byte in (*range(9), 11, 12, *range(14, 32), 127):
        table[byte] = _CONTROL
    table[ord("\n")], table[ord("\r")], table[ord(";")] = _LINE_FEED, _RETURN, _SEMICOLON
    for index in range(26):
        table[ord("A") + index] = _LETTER + index
        table[ord("a") + index] = _SMALL_LETTER
    return bytes(table)


def _kind_table() -> Bytes:
    """What a line is that begins with a byte of a class."""
    table = np.full(256, Kind.UNKNOWN, np.uint8)
    table[_LINE_FEED] = table[_RETURN] = Kind.BLANK
    table[_SEMICOLON] = Kind.EVENT
    table[_LETTER + ord("G") - ord("A")] = Kind.MOVE
    table[_LETTER + ord("M") - ord("A")] = Kind.EVENT
    return table


def _row_table() -> Integers:
    """The row of a letter's class in a table of words; other letters have a row behind the last."""
    table = np.full(256, len(WORDS), np.int64)
    for row, letter in enumerate(WORDS):
        table[_LETTER + ord(letter) - ord("A")] = row
    return table


_CLASSES: Final = _class_table()
_KINDS: Final = _kind_table()
_ROWS: Final = _row_table()


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block, one element each; `begin` and `end` (without the line's end) are bytes of it.

    `words` has a row for each letter of WORDS (arcs' letters only where there are arcs), NaN where a line has no such word.
    """

    begin: Integers
    end: Integers
    comment: Integers  # where a move's body ends: at its comment, or `end`
    kind: Bytes
    words: Floats
    size: int  # bytes

    def __len__(self) -> int:
        return len(self.begin)


@dataclass(frozen=True, slots=True)
class _Marks:
    """The bytes of a block that matter, and where its lines are among them."""

    text: Bytes
    place: Integers
    kind: Bytes  # class of the byte
    line: Integers
    first: Integers  # of each line, in `place`
    begin: Integers
    feed: Integers  # the byte that ends the line


def _byte_classes(block: bytes) -> Bytes:
    classes = np.frombuffer(block.translate(_CLASSES), np.uint8)
    if b"\r" not in block:
        return classes
    classes = classes.copy()
    returns = (classes == _RETURN).nonzero()[0]
    alone = returns[classes[np.minimum(returns + 1, len(classes) - 1)] != _LINE_FEED]
    classes[alone] = _LINE_FEED
    return classes


def _marks(block: bytes) -> _Marks:
    text = np.zeros(len(block) + PADDING, np.uint8)
    text[: len(block)] = np.frombuffer(block, np.uint8)
    classes = _byte_classes(block)
    place = (classes != 0).nonzero()[0]
    kind = classes[place]
    last = (kind == _LINE_FEED).nonzero()[0]
    first = np.empty_like(last)
    first[:1], first[1:] = 0, last[:-1] + 1
    line = np.repeat(np.arange(len(last)), last - first + 1)
    feed = place[last]
    begin = np.empty_like(last)
    begin[:1], begin[1:] = 0, feed[:-1] + 1
    return _Marks(text, place, kind, line, first, begin, feed)


def _mode_in_doubt(text: Bytes, begin: Integers) -> Flags:
    """Which lines that begin with M may have a code of MODE_M: asked in a way that is quick and never says no wrongly."""
    one, two, three = text[begin + 1], text[begin + 2], text[begin + 3]
    sure = (one >= ord("1")) & (one <= ord("9")) & (one != ord("2")) & (one != ord("4")) & (one != ord("8"))
    sure |= (one == ord("2")) & (two == ord("0")) & (three >= ord("1")) & (three <= ord("5"))
    doubt: Flags = ~sure
    return doubt


def _first_kinds(marks: _Marks) -> Bytes:
    """Kinds by the first byte."""
    classes = marks.kind[marks.first]
    kind = _KINDS[classes]
    kind[marks.place[marks.first] != marks.begin] = Kind.UNKNOWN
    commands = ((kind == Kind.EVENT) & (classes != _SEMICOLON)).nonzero()[0]
    kind[commands[_mode_in_doubt(marks.text, marks.begin[commands])]] = Kind.UNKNOWN
    return kind


def _body_ends(marks: _Marks, end: Integers) -> Integers:
    body_end = end.copy()
    enders = ((marks.kind == _SEMICOLON) | (marks.kind == _RETURN)).nonzero()[0][::-1]
    body_end[marks.line[enders]] = marks.place[enders]  # the first of a line comes last, and stays
    return body_end


def _repeats(row: Integers, line: Integers) -> Integers:
    """The lines in which a letter stands twice; `line` rises."""
    if not len(line):
        return line
    first = np.concatenate(([0], (line[1:] != line[:-1]).nonzero()[0] + 1))
    bits = np.left_shift(1, row)
    twice: Integers = line[first[np.add.reduceat(bits, first) != np.bitwise_or.reduceat(bits, first)]]
    return twice


def _runs_on(text: Bytes, place: Integers, row: Integers) -> Flags:
    """Which letters may be an E or an X that a number runs into: `gcode.reader` says what becomes of such a line."""
    before = text[place - 1]
    runs = np.zeros(len(place), bool)
    near = (before > ord(" ")).nonzero()[0]  # of most files none
    if len(near):
        before, second, row, place = before[near], text[place[near] - 2], row[near], place[near]
        behind, signed = text[place + 1], np.isin(text[place + 1], _MAY_GO_ON)
        power = (_is_digit(behind) & ~signed) | (signed & _is_digit(text[place + 2]))
        zero = (before == ord("0")) & (second != ord("G"))
        runs[near] = ((row == _E) & (_is_digit(before) | (before == ord("."))) & power) | ((row == 0) & zero)
    return runs


def _is_digit(byte: Bytes) -> Flags:
    digit: Flags = (byte >= ord("0")) & (byte <= ord("9"))
    return digit


def _read_words(marks: _Marks, kind: Bytes, body_end: Integers) -> Floats:
    """The words of moves; lines that are not as plain as they seemed become unknown in `kind`."""
    chosen = ((marks.kind >= _SMALL_LETTER) & (kind == Kind.MOVE)[marks.line]).nonzero()[0]
    place, line = marks.place[chosen], marks.line[chosen]
    inside = place < body_end[line]
    if not inside.all():
        chosen, place, line = chosen[inside], place[inside], line[inside]
    row = _ROWS[marks.kind[chosen]]
    numbers = read_numbers(marks.text, place + 1, marks.place[chosen + 1])
    odd = ~numbers.good | (np.abs(numbers.value) > MAX_NUMBER) | (row == len(WORDS))
    odd |= _runs_on(marks.text, place, row)
    commands = row == _G
    odd |= commands & ((place != marks.begin[line]) | numbers.dotted | (numbers.value > 3) | (numbers.value < 0))
    kind[line[odd]] = Kind.UNKNOWN
    kind[_repeats(row, line)] = Kind.UNKNOWN
    arcs = bool((commands & (numbers.value > 1) & ~odd).any())
    rows = len(WORDS) if arcs else _PLAIN_ROWS
    words = np.full((rows + 1, len(kind)), np.nan)  # one more for the letters that do not matter
    words[np.minimum(row, rows), line] = numbers.value
    if arcs:
        by_offset = (np.nan_to_num(words[_I]) != 0) | (np.nan_to_num(words[_J]) != 0)
        kind[(words[_G] > 1) & (kind == Kind.MOVE) & (~np.isnan(words[_R]) | ~by_offset)] = Kind.UNKNOWN
    return words


def _kind_of(line: Line) -> Kind:
    code, parameters = line.code, line.parameters
    if line.defect:
        return Kind.EVENT  # nobody obeys it
    if code in MOVES:
        from_here = code in ARCS and not (parameters.get("I") or parameters.get("J"))  # only the machine knows whether it is an arc
        odd = from_here or line.tight or not all(letter.encode() in MOVE_WORDS for letter in parameters)
        return Kind.ODD if odd else Kind.MOVE
    if code in _TAKEN:
        return Kind.ODD if line.text else _TAKEN[code]
    if code == "G92" and parameters.keys() == {"E"}:
        return Kind.RESET
    number = code[1:].partition(".")[0]
    harmless = code[:1] == "M" and number.isdigit() and int(number) not in MODE_M
    return Kind.EVENT if harmless or code == "G4" or code.startswith(_EVENT_WORDS) else Kind.ODD


@lru_cache(_CACHED_LINES)
def examine(raw: bytes) -> tuple[Kind, tuple[tuple[int, float], ...]]:
    """What a line is, and the (row of WORDS, number) of its words if it is a move or a reset. `raw` has no line end."""
    if not raw.strip(b" \t"):
        return Kind.BLANK, ()
    line = parse_line(raw)
    if not line.code:
        return Kind.EVENT, ()
    kind = _kind_of(line)
    if kind not in {Kind.MOVE, Kind.RESET}:
        return kind, ()
    words = [(WORDS.index(letter), value) for letter, value in line.parameters.items()]
    command = [(_G, float(line.code[1:]))] if kind is Kind.MOVE else []
    return kind, (*command, *words)


def _examine_unknown(block: bytes, marks: _Marks, end: Integers, kind: Bytes, words: Floats) -> Floats:
    for index in (kind == Kind.UNKNOWN).nonzero()[0].tolist():
        begin = int(marks.begin[index])
        kind[index], found = examine(block[begin : min(int(end[index]), begin + MAX_LINE_BYTES + 1)])
        words[:, index] = np.nan
        if len(words) <= len(WORDS) and any(row > _G or (row == _G and value > 1) for row, value in found):
            words = np.vstack([words[:-1], np.full((len(WORDS) + 2 - len(words), len(kind)), np.nan)])
        for row, value in found:
            words[row, index] = value
    return words


def read_lines(block: bytes) -> Lines:
    """Take a block of whole lines apart. A line that has no end is given one; `Lines.size` does not count it."""
    size = len(block)
    if block[-1:] not in {b"\n", b"\r"}:
        block += b"\n"
    marks = _marks(block)
    crlf = (marks.text[marks.feed - 1] == ord("\r")) & (marks.text[marks.feed] == ord("\n")) & (marks.feed > marks.begin)
    end = marks.feed - crlf
    kind = _first_kinds(marks)
    kind[(end - marks.begin > MAX_LINE_BYTES) & (kind == Kind.MOVE)] = Kind.UNKNOWN
    kind[marks.line[(marks.kind == _CONTROL) & (kind == Kind.MOVE)[marks.line]]] = Kind.UNKNOWN
    body_end = _body_ends(marks, end)
    kind[(body_end - marks.begin > MAX_MOVE_BYTES) & (kind == Kind.MOVE)] = Kind.UNKNOWN
    words = _read_words(marks, kind, body_end)
    words = _examine_unknown(block, marks, end, kind, words)
    return Lines(marks.begin, end, body_end, kind, words[:-1], size)
