"""Both languages, and text of strangers made harmless."""

from gcode.texts import Bilingual, BilingualError, both, printable


def test_french_only_for_those_who_ask_for_it() -> None:
    text = Bilingual("layer", "couche")
    assert [text.spoken(language) for language in ("fr", "en", "de", "")] == ["couche", "layer", "layer", "layer"]


def test_an_error_says_it_in_english_and_keeps_both() -> None:
    error = BilingualError(Bilingual("no", "non"))
    assert str(error) == "no"
    assert error.bilingual.fr == "non"
    assert not any(error.next_step)
    assert isinstance(error, ValueError)


def test_an_error_may_say_what_to_do_about_it() -> None:
    error = BilingualError(Bilingual("No.", "Non."), next_step=Bilingual("Ask.", "Demandez."))
    assert str(error) == "No. Ask."
    assert (error.bilingual.fr, error.next_step.fr) == ("Non.", "Demandez.")


def test_english_alone_stands_for_both() -> None:
    assert both("yes") == Bilingual("yes", "yes")
    assert both(Bilingual("yes", "oui")) == Bilingual("yes", "oui")


def test_what_controls_a_terminal_or_turns_writing_round_is_gone() -> None:
    assert printable("a\x1b[31mb\u202ec\x00\r\nd", 80) == "a [31mb c   d"
    assert printable("\x1b[31m", 80, "�") == "�[31m"


def test_it_is_cut() -> None:
    assert printable("é" * 100, 10) == "é" * 10
