import json
from collections.abc import Iterator

import pytest
import structlog

from farm.errors import UnreachableError
from farm.log import configure, get_logger, redact
from gcode.texts import Bilingual


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("key", ["password", "key", "api_key", "token", "code", "secret", "authorization"])
def test_secrets_do_not_reach_the_log(key: str) -> None:
    assert redact(None, "info", {"event": "x", key: "hunter2"}) == {"event": "x", key: "***"}


def test_what_is_no_secret_stays() -> None:
    event = {"event": "node.lost", "node": "n-1", "keys": 3}
    assert redact(None, "info", dict(event)) == event


def test_json_lines_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    get_logger("farm.bus").warning("bus.lost", broker="farm:1883", password="hunter2")
    captured = capsys.readouterr()
    line = json.loads(captured.err)
    assert captured.out == ""
    assert (line["event"], line["level"], line["module"]) == ("bus.lost", "warning", "farm.bus")
    assert (line["broker"], line["password"]) == ("farm:1883", "***")
    assert line["timestamp"].endswith("Z")


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    get_logger("farm.bus").info("bus.connected", broker="farm:1883")
    text = capsys.readouterr().err
    assert "bus.connected" in text
    assert "farm:1883" in text
    assert "\x1b[" not in text  # no terminal, no colours


def test_a_text_for_people_is_in_the_language_of_who_reads(capsys: pytest.CaptureFixture[str]) -> None:
    said = UnreachableError(Bilingual("Nobody answers.", "Personne ne répond."), next_step=Bilingual("Wait.", "Attendez."))
    for french, json_lines in ((False, False), (True, False), (True, True)):
        configure(french=french, json=json_lines)
        get_logger("farm.bus").warning("bus.unreachable", detail=said.detail, next_step=said.next_step, broker="farm:1883")
    english, french_line, machine = capsys.readouterr().err.splitlines()
    assert "detail='Nobody answers.'" in english
    assert "next_step=Wait." in english
    assert "detail='Personne ne répond.'" in french_line
    assert "next_step=Attendez." in french_line
    assert "bus.unreachable" in french_line
    assert "broker=farm:1883" in french_line
    assert json.loads(machine)["detail"] == "Nobody answers.", "what machines read stays the same everywhere"


@pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("info", 2), ("error", 1)])
def test_the_level_is_the_least_that_is_logged(capsys: pytest.CaptureFixture[str], level: str, lines: int) -> None:
    configure(level=level, json=True)
    log = get_logger("x")
    log.debug("a")
    log.info("b")
    log.error("c")
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_an_exception_brings_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    try:
        raise ValueError("broken")
    except ValueError:
        get_logger("x").exception("store.failed")
    assert "ValueError: broken" in json.loads(capsys.readouterr().err)["exception"]
