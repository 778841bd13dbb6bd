"""What commands say, whoever wrote it."""

import json
import subprocess
import sys

import pytest

from farm.commands.speech import duration, number_of, plain, say, say_json


def test_no_control_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain("a\x1b[31m\u202eb\n") == "a\ufffd[31m\ufffdb\ufffd"
    say("Ender\x07")
    assert capsys.readouterr().out == "Ender\ufffd\n"


def test_json_keeps_every_letter(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"name": "Visière", "parts": [1]})
    written = capsys.readouterr().out
    assert "Visière" in written
    assert json.loads(written) == {"name": "Visière", "parts": [1]}


@pytest.mark.parametrize(("count", "text"), [(0, "0 parts"), (1, "1 part"), (2, "2 parts")])
def test_a_count_has_its_noun(count: int, text: str) -> None:
    assert number_of(count, "part") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "59 min"), (3600, "1 h 0 min"), (172_799, "47 h 59 min"),
        (172_800, "2 d 0 h"),
    ],
)  # fmt: skip
def test_a_time_span_is_told_in_what_people_count(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_it_loads_nothing_of_the_farm() -> None:
    code = "import sys, farm.commands.speech; print([name for name in sys.modules if 'pydantic' in name or name == 'typer'])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
