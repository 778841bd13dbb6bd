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
