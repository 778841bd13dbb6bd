"""Text with accents from a font that has none."""

import numpy as np
import pytest
from PIL import Image

from gcode.preview.lettering import Lettering, plain


def inked(text: str) -> np.ndarray:
    picture = Image.new("RGB", (400, 60), "white")
    Lettering(picture, 24).write(10, 12, text, (0, 0, 0))
    return np.asarray(picture.convert("L")) < 128


@pytest.mark.parametrize(("accented", "bare"), [("é", "e"), ("è", "e"), ("ê", "e"), ("ë", "e"), ("ç", "c"), ("À", "A"), ("û", "u")])
def test_an_accent_adds_ink_to_its_letter(accented: str, bare: str) -> None:
    with_accent, without = inked(accented), inked(bare)
    assert (with_accent & ~without).sum() >= 4
    assert (without & ~with_accent).sum() == 0, "the letter is whole"


def test_acute_and_grave_lean_to_their_sides() -> None:
    acute, grave = (np.argwhere(inked(letter) & ~inked("e")) for letter in "éè")
    for marks, rises in ((acute, True), (grave, False)):
        top, bottom = marks[marks[:, 0].argmin()], marks[marks[:, 0].argmax()]
        assert bool(top[1] > bottom[1]) is rises


def test_a_cedilla_hangs_below() -> None:
    assert np.nonzero(inked("ç"))[0].max() > np.nonzero(inked("c"))[0].max()


def test_an_accent_takes_no_room() -> None:
    lettering = Lettering(Image.new("RGB", (10, 10)), 20)
    assert lettering.width_px("réglée") == lettering.width_px("reglee")


def test_what_the_font_lacks_is_replaced() -> None:
    assert plain("3 × 4 — l’œuf") == "3 x 4 - l'oeuf"
    assert plain("漢é") == "?e\u0301"
    assert inked("漢").any()


def test_letters_after_an_accent_keep_their_place() -> None:
    assert np.nonzero(inked("été"))[1].max() == np.nonzero(inked("ete"))[1].max()


def accent(letter: str, bare: str) -> np.ndarray:
    """Rows and columns of what the accented letter has more."""
    return np.argwhere(inked(letter) & ~inked(bare))


@pytest.mark.parametrize(("letter", "bare"), [("é", "e"), ("è", "e"), ("ê", "e"), ("ë", "e"), ("â", "a"), ("ï", "i")])
def test_an_accent_stands_over_its_letter_and_no_farther_than_the_line_above(letter: str, bare: str) -> None:
    marks, body = accent(letter, bare), np.argwhere(inked(bare))
    if bare != "i":  # whose dot is in the way
        assert marks[:, 0].max() < body[:, 0].min(), "it does not touch the letter"
        assert marks[:, 0].min() > body[:, 0].min() - 24 * 0.32
    assert marks[:, 1].min() >= body[:, 1].min() - 3
    assert marks[:, 1].max() <= body[:, 1].max() + 3


def test_a_circumflex_is_a_roof_and_a_diaeresis_two_dots_side_by_side() -> None:
    middle = np.argwhere(inked("e"))[:, 1]
    centre = (middle.min() + middle.max()) / 2
    roof, dots = accent("ê", "e"), accent("ë", "e")
    for marks in (roof, dots):
        assert (marks[:, 1].min() + marks[:, 1].max()) / 2 == pytest.approx(centre, abs=1.1)
    top = roof[roof[:, 0] == roof[:, 0].min()][:, 1]
    foot = roof[roof[:, 0] == roof[:, 0].max()][:, 1]
    assert top.mean() == pytest.approx(centre, abs=1.1)
    assert foot.max() - foot.min() >= 6 > top.max() - top.min()
    columns = np.unique(dots[:, 1])
    gaps = np.diff(columns)
    assert (gaps > 1).sum() == 1, "two of them"
    assert gaps.max() >= 3
    assert dots[:, 0].max() - dots[:, 0].min() <= 3, "at one height"


def test_acute_and_grave_are_mirror_images() -> None:
    acute, grave = accent("é", "e"), accent("è", "e")
    assert (acute[:, 0].min(), acute[:, 0].max()) == (grave[:, 0].min(), grave[:, 0].max())
    assert acute[:, 1].max() - acute[:, 1].min() == pytest.approx(grave[:, 1].max() - grave[:, 1].min(), abs=1)
    assert acute[:, 0].max() - acute[:, 0].min() >= 2, "they rise"


def test_words_begin_where_they_are_put_and_are_as_long_as_they_say() -> None:
    ink = np.argwhere(inked("HHHHHHHH"))
    length = Lettering(Image.new("RGB", (10, 10)), 24).width_px("HHHHHHHH")
    assert 10 <= ink[:, 1].min() <= 13
    assert ink[:, 1].max() == pytest.approx(10 + length, abs=3)
    assert 100 < length < 200, "eight capitals of 24 px"
    assert 12 <= ink[:, 0].min() <= 20
    assert ink[:, 0].max() - ink[:, 0].min() == pytest.approx(17, abs=2)
    below = np.argwhere(inked("gjpqy"))
    assert below[:, 0].max() - ink[:, 0].max() >= 3, "what hangs below the line is not cut off"
    assert Lettering(Image.new("RGB", (10, 10)), 12).width_px("HHHHHHHH") == pytest.approx(length / 2, rel=0.02)


def test_the_colour_is_the_one_that_was_asked_for() -> None:
    picture = Image.new("RGB", (60, 40), "white")
    Lettering(picture, 30).write(2, 2, "I", (10, 200, 30))
    colours = np.unique(np.asarray(picture).reshape(-1, 3), axis=0).tolist()
    assert colours[0] == [10, 200, 30]
    assert colours[-1] == [255, 255, 255]
