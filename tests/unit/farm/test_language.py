"""Which language a person reads."""

import subprocess
import sys

import pytest

from drivers.errors import Bilingual, UnreachableError
from farm.errors import InvalidError
from farm.language import speaks_french, spoken, told
from gcode.texts import told as words

TEXT = Bilingual("Good.", "Bien.")


@pytest.mark.parametrize(
    ("variables", "french"),
    [
        ({}, False),
        ({"LANG": "fr_CH.UTF-8"}, True),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, True),
        ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "FR"}, True),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": ""}, True),
    ],
)
def test_the_first_variable_that_says_something_decides(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], french: bool
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert speaks_french() is french
    assert spoken(TEXT) == (TEXT.fr if french else TEXT.en)


def test_an_error_is_told_in_this_persons_language_where_it_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = UnreachableError(Bilingual("Nobody.", "Personne."), next_step=Bilingual("Look.", "Regardez."))
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert told(silent) == "Personne. Regardez."
    assert told(InvalidError(words("Too long."), next_step=words("Cut it."))) == "Too long. Cut it."
    ours = InvalidError(Bilingual("Too long.", "Trop long."), next_step=Bilingual("Cut it.", "Coupez."))
    assert told(ours) == "Trop long. Coupez."
    assert told(ValueError("no")) == "no"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert told(ours) == "Too long. Cut it."
    assert told(silent) == "Nobody. Look."


def test_what_only_an_error_needs_is_not_loaded() -> None:
    code = "import sys, farm.cli; sys.exit(bool({'socket', 'select', 'typer', 'pydantic'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
