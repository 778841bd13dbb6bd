"""Errors name the dimension, what it is and what it may be, in both languages."""

from gcode.frame.errors import FrameError, between, not_allowed, shown
from gcode.texts import Bilingual, BilingualError


def test_the_sentence_has_parameter_value_meaning_and_range() -> None:
    meaning = Bilingual("the height of the band", "la hauteur du bandeau")
    error = not_allowed("height_mm", 12.0, meaning, between(2.5, 7.5))
    assert str(error) == "height_mm is 12. It is the height of the band and may be from 2.5 to 7.5 mm."
    assert error.bilingual.fr == "height_mm vaut 12. C'est la hauteur du bandeau ; valeurs possibles : de 2.5 à 7.5 mm."
    assert (error.parameter, error.value, error.code) == ("height_mm", 12.0, "frame")


def test_it_is_a_value_error_with_both_languages() -> None:
    error = FrameError(Bilingual("no", "non"))
    assert isinstance(error, ValueError)
    assert isinstance(error, BilingualError)
    assert (error.parameter, error.value) == ("", None)
    assert error.bilingual.spoken("fr") == "non"


def test_numbers_are_written_as_people_write_them() -> None:
    assert shown(3.0) == "3"
    assert shown(0.1 + 0.2) == "0.3"
    assert shown("888") == "888"
    assert between(1, 24, "") == Bilingual("from 1 to 24", "de 1 à 24")
