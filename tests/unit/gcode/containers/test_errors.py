"""Texts of errors: both languages, an offset where it is known, and they survive a process."""

import pickle
import string

import pytest

from gcode.containers.errors import TEXTS, ContainerError


@pytest.mark.parametrize("code", TEXTS)
def test_every_text_is_there_in_both_languages_with_the_same_values(code: str) -> None:
    text = TEXTS[code]
    for said in text:
        assert all(said)
        assert said.en != said.fr
    fields = [{name for _, name, _, _ in string.Formatter().parse(part) if name} for part in text.detail]
    assert fields[0] == fields[1]
    assert not text.detail.en.endswith(".")
    assert all(step.endswith(".") for step in text.next_step)


def test_the_place_is_told() -> None:
    error = ContainerError("truncated", offset=1234, kind="gzip")
    assert error.bilingual.en == "The gzip file ends in the middle (byte 1234)."
    assert error.bilingual.fr == "Le fichier gzip s'arrête au milieu (octet 1234)."
    assert str(error) == f"{error.bilingual.en} {error.next_step.en}"


def test_it_comes_back_from_another_process_as_it_was() -> None:
    error = ContainerError("plates", plates="1, 2")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.offset, again.bilingual, str(again)) == (error.code, error.offset, error.bilingual, str(error))
