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


def test_sizes_are_told_as_people_read_them() -> None:
    error = ContainerError("bgcode-block-size", size_bytes=4_000_000_000, limit_bytes=4 * 1024**2)
    assert error.bilingual.en == "A block of the binary G-code has 4,000,000,000 bytes, more than 4 MiB."
    assert error.bilingual.fr == "Un bloc du G-code binaire a 4 000 000 000 octets, plus que 4 Mio."
    error = ContainerError("too-large", limit_bytes=1024**3)
    assert error.bilingual == ("Unpacked, the file has more than 1 GiB.", "Décompressé, le fichier dépasse 1 Gio.")


def test_it_comes_back_from_another_process_as_it_was() -> None:
    error = ContainerError("plates", plates="1, 2")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.offset, again.bilingual, str(again)) == (error.code, error.offset, error.bilingual, str(error))
