"""What commands say, whoever wrote it."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.commands import which
from farm.commands.speech import decimal, duration, number_of, plain, plural_fr, say, say_json
from gcode.texts import Bilingual

COMMANDS = Path(__file__).parents[4] / "farm" / "commands"


def test_no_control_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain("a\x1b[31m\u202eb\n") == "a\ufffd[31m\ufffdb\ufffd"
    say("Ender\x07")
    assert capsys.readouterr().out == "Ender\ufffd\n"


def test_a_figure_has_a_comma_in_french() -> None:
    told = decimal(1234.56, ".1f")
    assert (told, told.fr) == ("1234.6", "1234,6")
    assert decimal(25.0).fr == "25"


@pytest.mark.parametrize(("locale", "said"), [("fr_FR.UTF-8", "La visière\ufffd\n"), ("C.UTF-8", "The visor\ufffd\n")])
def test_a_line_is_said_in_the_language_of_the_terminal(
    locale: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    say(Bilingual("The visor\x07", "La visière\x07"))
    assert tuple(capsys.readouterr()) == (said, "")
    say(Bilingual("The visor\x07", "La visière\x07"), err=True)
    assert tuple(capsys.readouterr()) == ("", said)
    say(number_of(2, "part"))
    assert capsys.readouterr().out == ("2 pièces\n" if locale.startswith("fr") else "2 parts\n")


def test_json_keeps_every_letter(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"name": "Visière", "parts": [1]})
    written = capsys.readouterr().out
    assert "Visière" in written
    assert json.loads(written) == {"name": "Visière", "parts": [1]}


@pytest.mark.parametrize(
    ("count", "thing", "text", "french"),
    [
        (0, "part", "0 parts", "0 pièce"),
        (1, "part", "1 part", "1 pièce"),
        (2, "part", "2 parts", "2 pièces"),
        (2, "bed", "2 beds", "2 plateaux"),
        (3, "open order", "3 open orders", "3 commandes ouvertes"),
    ],
)
def test_a_count_has_its_noun(count: int, thing: str, text: str, french: str) -> None:
    told = number_of(count, thing)
    assert (told, told.fr) == (text, french)


def test_french_words_agree_with_a_count() -> None:
    assert [plural_fr(count, "rejeté") for count in (0, 1, 2)] == ["rejeté", "rejeté", "rejetés"]


KINDS = [value for value in vars(which).values() if isinstance(value, which.Kind)]


def counted_things() -> Iterator[str]:
    """What is counted anywhere in the commands."""
    for path in COMMANDS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "number_of":
                thing = node.args[1]
                yield from [kind.noun for kind in KINDS] if ast.unparse(thing) == "kind.noun" else [ast.literal_eval(thing)]


def test_all_that_is_counted_has_its_french() -> None:
    things = set(counted_things())
    assert len(things) > 3
    for thing in things:
        number_of(2, thing)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "59 min"), (3600, "1 h 0 min"), (172_799, "47 h 59 min"),
        (172_800, "2 d 0 h"),
    ],
)  # fmt: skip
def test_a_time_span_is_told_in_what_people_count(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert duration(seconds).fr == text.replace("d", "j")


def test_it_loads_nothing_of_the_farm() -> None:
    code = "import sys, farm.commands.speech; print([name for name in sys.modules if 'pydantic' in name or name == 'typer'])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
