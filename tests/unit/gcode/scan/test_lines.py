"""What the lines of a block are, and their words, against the reader that looks at each."""

from math import isnan

import numpy as np
import pytest
from hypothesis import example, given

from gcode.reader import ARCS, MAX_LINE_BYTES, MOVES, parse_line
from gcode.scan.lines import WORDS, Kind, examine, read_lines
from tests.unit.gcode.scan.programs import programs


def kinds(text: bytes) -> list[Kind]:
    return [Kind(kind) for kind in read_lines(text).kind.tolist()]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", Kind.BLANK),
        (b" \t", Kind.BLANK),
        (b"; comment", Kind.EVENT),
        (b"  ; comment", Kind.EVENT),
        (b"G1 X1", Kind.MOVE),
        (b"G01X1", Kind.MOVE),
        (b"g1 x1", Kind.EVENT),  # a defect, as those of the next lines
        (b"G1 x1", Kind.EVENT),
        (b"G1 X1 Z-5 Z5", Kind.EVENT),
        (b"G1 X5 Y1 X5", Kind.EVENT),
        (b"G1" + b" " * 100 + b"Z100", Kind.EVENT),
        (b"G1 X5" + b" " * 76, Kind.MOVE),  # nothing is behind the 80th byte
        (b"G1 X5 ;" + b"c" * 90, Kind.MOVE),
        (b"G2 Z100", Kind.EVENT),
        (b"G3 X5 I0 J0", Kind.EVENT),
        (b"G2 X5 R5 I1", Kind.EVENT),
        (b"G2 X5 R5", Kind.ODD),  # only the machine knows whether it goes anywhere
        (b"G2 X5 K5", Kind.ODD),
        (b"G2 X5 I5", Kind.MOVE),
        (b"G3 J5", Kind.MOVE),
        (b"G1\tX1", Kind.MOVE),
        (b"G1", Kind.MOVE),
        (b"G1 X1 ; comment", Kind.MOVE),
        (b"G1 X1 S0", Kind.ODD),
        (b"G1 X1 H1", Kind.EVENT),
        (b"G1 X1e5", Kind.EVENT),  # a defect: nobody obeys it
        (b"G1 X{x}", Kind.EVENT),
        (b"G1 X99999999", Kind.EVENT),
        (b"G1 X1 ;\x01", Kind.EVENT),
        (b"N5 G1 X1", Kind.MOVE),  # the cache reads it as the reader does
        (b"N5 G1 X1*7", Kind.EVENT),
        (b"G5 X1", Kind.ODD),
        (b"G12", Kind.ODD),
        (b"G1.1 X1", Kind.ODD),
        (b"G-1 X1", Kind.ODD),
        (b"G92 E0", Kind.RESET),
        (b"G92 E0 X1", Kind.ODD),
        (b"G92", Kind.ODD),
        (b"G90", Kind.MODE),
        (b"M083", Kind.MODE),
        (b"M83 S1", Kind.ODD),
        (b"G10", Kind.DRAW),
        (b"G11 ; back", Kind.GIVE),
        (b"G10 S1", Kind.ODD),
        (b"G4 P5", Kind.EVENT),
        (b"M204 S800", Kind.EVENT),
        (b"M 204 S800", Kind.EVENT),
        (b"M20", Kind.EVENT),
        (b"M2", Kind.EVENT),
        (b"M862.3 P", Kind.EVENT),
        (b"M220 S50", Kind.ODD),
        (b"M0200 D1", Kind.ODD),
        (b"M82.1", Kind.ODD),
        (b"M428", Kind.ODD),
        (b"M4281", Kind.EVENT),
        (b"T1", Kind.ODD),
        (b"G28", Kind.ODD),
        (b"hello", Kind.ODD),  # a word of Klipper, as far as anybody knows
        (b"hello there", Kind.EVENT),
        (b"EXCLUDE_OBJECT_START NAME=a", Kind.EVENT),
        (b"SET_GCODE_OFFSET Z=1", Kind.ODD),
        (b"\x00", Kind.EVENT),
        (b"G1 X5" + b" " * 260, Kind.EVENT),
        (b";" + b"c" * 500, Kind.EVENT),
    ],
)
def test_kinds(raw: bytes, kind: Kind) -> None:
    around = b"G1 Y2\n"
    assert kinds(around + raw + b"\n" + around) == [Kind.MOVE, kind, Kind.MOVE]
    assert examine(raw[: MAX_LINE_BYTES + 1])[0] is kind


def test_every_word() -> None:
    lines = read_lines(b"G1 X1 Y-2.5 Z.3 E0.04 F1200\nG2X2I3J-4\nG0\nG1\tR5 ; c\n")
    assert len(lines.words) == len(WORDS)
    table = {letter: row.tolist() for letter, row in zip(WORDS, np.nan_to_num(lines.words, nan=-99), strict=True)}
    assert table == {
        "X": [1, 2, -99, -99],
        "Y": [-2.5, -99, -99, -99],
        "Z": [0.3, -99, -99, -99],
        "E": [0.04, -99, -99, -99],
        "F": [1200, -99, -99, -99],
        "G": [1, 2, 0, 1],
        "I": [-99, 3, -99, -99],
        "J": [-99, -4, -99, -99],
        "R": [-99, -99, -99, 5],
    }


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_ends_of_lines(end: bytes) -> None:
    lines = read_lines(end.join([b"G1 X1", b"", b";c", b"G1 X2 ;d"]))
    assert [Kind(kind) for kind in lines.kind.tolist()] == [Kind.MOVE, Kind.BLANK, Kind.EVENT, Kind.MOVE]
    assert (lines.end - lines.begin).tolist() == [5, 0, 2, 8]
    assert lines.size == 15 + 3 * len(end)
    assert (lines.end - lines.comment).tolist()[3] == 2


@example(b"G1\nG1 I1\nG 1 I1\n")  # the words of an arc are asked for when some lines are read already
@given(programs())
def test_moves_are_those_of_the_reader_with_the_same_numbers(program: bytes) -> None:
    lines = read_lines(program)
    raws = [program[begin:end] for begin, end in zip(lines.begin.tolist(), lines.end.tolist(), strict=True)]
    for index, raw in enumerate(raws):
        line = parse_line(raw[: MAX_LINE_BYTES + 1])
        kind = Kind(int(lines.kind[index]))
        plain = line.code in MOVES and line.defect is None
        assert kind is not Kind.UNKNOWN
        assert plain or kind is not Kind.MOVE
        if kind is Kind.MOVE:
            named = zip(WORDS, lines.words[:, index].tolist(), strict=False)
            words = {letter: value for letter, value in named if not isnan(value)}
            assert words.pop("G") == float(line.code[1:])
            kept = WORDS if line.code in ARCS else WORDS[:6]  # I, J and R say nothing without an arc, and may be left out
            assert {letter: words[letter] for letter in words if letter in kept} == {
                letter: value for letter, value in line.parameters.items() if letter in kept
            }
