"""The stroke font: every letter is drawn inside its box, no two look alike, and rows cut it where they should."""

from itertools import combinations, pairwise

import pytest

from gcode.frame.geometry import distance
from gcode.frame.lettering import _GLYPHS, MAX_LETTERS, STROKE_MM, letters_missing, text_row, text_strokes, text_width_mm

HIGH_MM = 3.8
LETTERS = [letter for letter in _GLYPHS if letter != " "]


def test_letters_digits_and_the_signs_of_revisions_are_there() -> None:
    assert letters_missing("ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789.-/#") == ""
    assert letters_missing("r3 é!") == "É!"


@pytest.mark.parametrize("letter", LETTERS)
def test_a_letter_lies_in_its_box(letter: str) -> None:
    half = STROKE_MM / 2
    for stroke in text_strokes(letter, HIGH_MM):
        for x, y in stroke:
            assert half - 1e-9 <= y <= HIGH_MM - half + 1e-9
            assert half - 1e-9 <= x <= text_width_mm(letter, HIGH_MM) - half + 1e-9


def picture(letter: str) -> tuple[tuple[bool, ...], ...]:
    places = [0.1 * step for step in range(30)]
    return tuple(tuple(share > 0.5 for share in text_row(letter, HIGH_MM, 0.15 + 0.3 * row, places)) for row in range(12))


def test_no_two_letters_look_alike() -> None:
    """As they are printed, in twelve layers: at least a dozen spots of 0.1 x 0.3 mm differ."""
    pictures = {letter: picture(letter) for letter in LETTERS}
    for first, second in combinations(LETTERS, 2):
        differing = sum(
            one != other
            for row, other_row in zip(pictures[first], pictures[second], strict=True)
            for one, other in zip(row, other_row, strict=True)
        )
        assert differing >= 12, (first, second)


def test_letters_stand_beside_each_other_with_a_gap_that_a_nozzle_leaves_open() -> None:
    """Two uprights: H after H. Between their strokes is more than a line's width."""
    uprights = sorted({round(x, 3) for stroke in text_strokes("HH", HIGH_MM) for x, _ in stroke})
    assert uprights[2] - uprights[1] - STROKE_MM > 0.4
    assert text_width_mm("HH", HIGH_MM) == pytest.approx(uprights[-1] + STROKE_MM / 2)
    assert text_width_mm("", HIGH_MM) == STROKE_MM
    assert text_width_mm("W" * MAX_LETTERS, HIGH_MM) < 60


def test_a_row_through_an_upright_is_as_wide_as_the_stroke() -> None:
    places = [0.01 * step for step in range(-100, 200)]
    row = text_row("I", HIGH_MM, HIGH_MM / 2, places)
    inside = [place for place, share in zip(places, row, strict=True) if share >= 0.5]
    assert inside[-1] - inside[0] == pytest.approx(STROKE_MM, abs=0.03)
    assert max(row) == 1
    assert row[0] == row[-1] == 0
    steepest = max(abs(first - second) for first, second in pairwise(row)) / 0.01
    assert steepest < 1 / 0.25, "its sides are slopes"


def test_a_row_beside_the_text_is_empty() -> None:
    places = [0.1 * step for step in range(40)]
    assert set(text_row("A", HIGH_MM, -1.0, places)) == {0}
    assert set(text_row("A", HIGH_MM, HIGH_MM + 1, places)) == {0}
    assert set(text_row(" ", HIGH_MM, 1, places)) == {0}


def test_small_letters_are_capitals() -> None:
    assert text_strokes("r3", HIGH_MM) == text_strokes("R3", HIGH_MM)
    assert all(distance(*stroke) > 0 for stroke in text_strokes("R3-9", HIGH_MM))
