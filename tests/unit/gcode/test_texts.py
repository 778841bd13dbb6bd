"""Both languages, and text of strangers made harmless."""

import copy
import pickle

import pytest

from gcode.texts import Bilingual, BilingualError, Told, both, octets, printable, told


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


def test_a_told_sentence_is_its_english_and_knows_its_french() -> None:
    said = Told("reset", "The printer was reset.", "L'imprimante a redémarré.")
    assert said == "The printer was reset."
    assert both(said) == Bilingual("The printer was reset.", "L'imprimante a redémarré.")
    assert told(said, "other") is said
    more = said.and_then(Bilingual("Look.", "Regardez."))
    assert (more, more.code, more.fr) == ("The printer was reset. Look.", "reset", "L'imprimante a redémarré. Regardez.")


def test_what_nobody_translates_says_the_same_in_both() -> None:
    said = told("Err 7", "machine")
    assert (str(said), said.code, said.fr) == ("Err 7", "machine", "Err 7")


def test_a_told_sentence_is_whole_in_a_copy() -> None:
    said = Told("reset", "The printer was reset.", "L'imprimante a redémarré.")
    for copied in (copy.deepcopy(said), pickle.loads(pickle.dumps(said))):
        assert (copied, copied.code, copied.fr) == (said, said.code, said.fr)


@pytest.mark.parametrize(
    ("count", "english", "french"),
    [
        (0, "0 bytes", "0 octets"),
        (1023, "1,023 bytes", "1 023 octets"),
        (64 * 1024, "64 KiB", "64 Kio"),
        (1024**2, "1 MiB", "1 Mio"),
        (3 * 1024**3, "3 GiB", "3 Gio"),
        (1024**3 + 1, "1,073,741,825 bytes", "1 073 741 825 octets"),
    ],
)
def test_a_size_is_told_in_round_units_where_that_loses_no_byte(count: int, english: str, french: str) -> None:
    assert octets(count) == (english, french)
