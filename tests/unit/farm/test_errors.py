"""What errors tell a person to type."""

import pytest

from farm.errors import InvalidError, as_typed, command_name
from gcode.texts import Bilingual
from gcode.texts import told as words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`farm status` lists them.", "`./farm.sh status` lists them."),
        ("Start it with `farm serve`, or wait.", "Start it with `./farm.sh serve`, or wait."),
        ("Add a program: farm program add FILE.", "Add a program: ./farm.sh program add FILE."),
        ("No design. farm program add FILE", "No design. ./farm.sh program add FILE"),
        ("farm node", "./farm.sh node"),
        ("The farm does not know it.", "The farm does not know it."),
        ("See /home/farm/data, farm.toml or my farm name.", "See /home/farm/data, farm.toml or my farm name."),
    ],
)
def test_commands_are_told_as_this_person_types_them(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_COMMAND", "./farm.sh")
    assert as_typed(text) == expected
    monkeypatch.delenv("FARM_COMMAND")
    assert as_typed(text) == text


def test_without_a_wrapper_it_is_farm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FARM_COMMAND", raising=False)
    assert command_name() == "farm"


def test_an_error_is_told_in_english_and_keeps_the_french() -> None:
    error = InvalidError(Bilingual("Too long.", "Trop long."), next_step=Bilingual("Cut it.", "Coupez."))
    assert (error.detail, error.next_step, str(error)) == ("Too long.", "Cut it.", "Too long. Cut it.")
    assert (error.detail_fr, error.next_step_fr, error.bilingual.fr) == ("Trop long.", "Coupez.", "Trop long. Coupez.")


def test_english_alone_stands_for_both_and_without_a_next_step_nothing_trails() -> None:
    error = InvalidError(words("Too long."), next_step=words(""))
    assert error.bilingual == Bilingual("Too long.", "Too long.")
