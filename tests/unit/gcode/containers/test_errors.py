"""Texts of errors: both languages, an offset where it is known, and they survive a process."""

import pickle
import string

import pytest

from gcode.containers.errors import TEXTS, ContainerError


@pytest.mark.parametrize("code", TEXTS)
def test_every_text_is_there_in_both_languages_with_the_same_values(code: str) -> None:
    text = TEXTS[code]
    assert all(text)
    assert text.detail != text.detail_fr
    assert text.next_step != text.next_step_fr
    fields = [{name for _, name, _, _ in string.Formatter().parse(part) if name} for part in (text.detail, text.detail_fr)]
    assert fields[0] == fields[1]
    assert not text.detail.endswith(".")
    assert text.next_step.endswith(".")
    assert text.next_step_fr.endswith(".")


def test_the_place_is_told() -> None:
    error = ContainerError("truncated", offset=1234, kind="gzip")
    assert error.detail == "The gzip file ends in the middle (byte 1234)."
    assert error.detail_fr == "Le fichier gzip s'arrête au milieu (octet 1234)."
    assert str(error) == f"{error.detail} {error.next_step}"


def test_it_comes_back_from_another_process_as_it_was() -> None:
    error = ContainerError("plates", plates="1, 2")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.offset, again.detail, again.detail_fr) == (error.code, error.offset, error.detail, error.detail_fr)
