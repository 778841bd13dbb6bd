"""`farm printers console`: from the command line, from a pipe, and as a person types."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from drivers.base import Capability
from drivers.errors import PrinterBusyError
from farm.cli import build
from farm.commands.console import MAX_LINE_CHARACTERS, ConsoleSession, word_of
from farm.errors import InvalidError
from tests.patience import PATIENCE_S
from tests.unit.farm.commands.scripted import BUSY, Bench


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def _run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(build(), ["printers", "console", "scripted://", *arguments], input=typed)


def test_lines_of_the_command_line_in_order(bench: Bench) -> None:
    bench.told = {"M105": ["T:20 /0"], "M114": ["X:0", "ok"]}
    result = _run("-c", "M105", "--command", "M114")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["T:20 /0", "X:0", "ok"]
    assert bench.asked() == ["M105", "M114"]


def test_lines_of_a_pipe_without_comments(bench: Bench) -> None:
    result = _run("--json", typed="M105\n\n; nothing\nG28 ; home\nM114")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"sent": text, "said": ["ok"]} for text in ("M105", "G28", "M114")
    ]


def test_what_the_machine_says_is_made_safe_for_a_terminal(bench: Bench) -> None:
    bench.told = {"M117": ["\x1b[2Jhello"]}
    assert _run("-c", "M117").stdout == "�[2Jhello\n"


def test_an_error_ends_a_pipe(bench: Bench) -> None:
    bench.console_error = BUSY
    result = _run(typed="M105\nM114\n")
    assert result.exception is BUSY
    assert bench.asked() == ["M105"]


def test_an_error_is_json_too(bench: Bench) -> None:
    bench.console_error = BUSY
    told = json.loads(_run("--json", "-c", "M105").stdout)
    assert told == {
        "printer": "scripted://",
        "error": {
            "code": "printer-busy",
            "detail": {"en": "It is printing.", "fr": "It is printing."},
            "next_step": {"en": "Wait.", "fr": "Wait."},
        },
    }
    bench.capabilities = frozenset({Capability.TRANSCRIPT})
    assert json.loads(_run("--json", "-c", "M105").stdout)["error"]["code"] == "invalid"
    assert _run("-c", "M105").stdout == ""


def test_a_printer_with_a_job_is_left_alone(bench: Bench) -> None:
    bench.running = "job-1"
    refused = _run("-c", "M105").exception
    assert isinstance(refused, PrinterBusyError)
    assert "Rien n'a été envoyé." in refused.detail_fr
    assert "printing" in refused.detail
    assert bench.asked() == []


def test_a_kind_without_a_console_says_so(bench: Bench) -> None:
    bench.capabilities = frozenset({Capability.TRANSCRIPT})
    refused = _run("-c", "M105").exception
    assert isinstance(refused, InvalidError)
    assert "MONITOR_TERMINAL" in refused.next_step


@pytest.mark.parametrize("line", ["M112", "m112", "N5 M112*3", "M0112"])
def test_m112_is_the_emergency_stop(bench: Bench, line: str) -> None:
    assert _run("-c", line).stdout == "emergency stop: fault\n"
    assert bench.driver is not None
    assert ("emergency-stop",) in bench.driver.calls
    assert bench.asked() == []


@pytest.mark.parametrize("line", ["M502", "M997", "M500"])
def test_what_cannot_be_undone_is_warned_of(bench: Bench, line: str) -> None:
    result = _run("-c", line)
    assert f"farm: warning: {line}: it " in result.stderr
    assert bench.asked() == [line], "a program has been told; only a person is asked"


def test_it_is_warned_of_in_french_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert "farm: attention : M500 : elle enregistre" in _run("-c", "M500").stderr
    assert bench.asked() == ["M500"]


def test_a_stop_is_told_in_french_and_to_programs_in_english(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert _run("-c", "M112").stdout == "arrêt d'urgence : panne\n"
    assert json.loads(_run("--json", "-c", "M112").stdout)["said"] == ["emergency stop: fault"]


@pytest.mark.parametrize(("answer", "sent"), [(True, ["M502"]), (False, [])])
async def test_a_person_is_asked_before_what_cannot_be_undone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, answer: bool, sent: list[str]
) -> None:
    driver = bench._make("", lambda _event: None)
    monkeypatch.setattr("farm.commands.console._confirm", lambda: answer)
    await ConsoleSession(driver, json_output=False, ask=True).send("M502")
    assert bench.asked() == sent


async def test_a_person_goes_on_after_an_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.console_error = BUSY
    driver = bench._make("", lambda _event: None)
    typed: list[str | None] = ["M105", "M114", None]
    monkeypatch.setattr("farm.commands.console._typed", lambda: typed.pop(0))
    monkeypatch.setattr("farm.commands.console._remember_lines", lambda: None)
    await ConsoleSession(driver, json_output=False, ask=True).run()
    assert bench.asked() == ["M105", "M114"]
    told = capsys.readouterr().err
    assert "Ctrl-D ends" in told
    assert told.count("farm: It is printing. Wait.") == 2


def test_a_line_that_is_no_gcode_is_not_sent(bench: Bench) -> None:
    refused = _run(typed="G" * (MAX_LINE_CHARACTERS + 1)).exception
    assert isinstance(refused, InvalidError)
    assert refused.bilingual.fr == "Une ligne de 501 caractères n'est pas du G-code. Envoyez une commande à la fois."
    assert bench.asked() == []


@pytest.mark.parametrize(
    ("line", "word"), [("M105", "M105"), (" g01 X5", "G1"), ("N12 M0112*7", "M112"), ("hello", ""), ("", ""), ("M 112", "M112")]
)
def test_the_word_of_a_line(line: str, word: str) -> None:
    assert word_of(line) == word


def test_at_the_end_the_transcript_is_written(bench: Bench, tmp_path: Path) -> None:
    _run("-c", "M105", "--transcript", str(tmp_path / "t.txt"))
    assert "M115" in (tmp_path / "t.txt").read_text()


def test_as_a_person_types(tmp_path: Path) -> None:
    """A real process on a terminal with a virtual printer: a prompt, an answer, Ctrl-D."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "farm", "printers", "console", "virtual://?speed=200"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen, typed, end_s = b"", [b"M115\n", b"\x04"], time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < end_s:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    seen += os.read(master, 4096)
                except OSError:
                    break  # it has closed its side
            if typed and seen.count(b"> ") > 2 - len(typed):
                os.write(master, typed.pop(0))
        assert process.wait(PATIENCE_S) == 0, seen.decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert b"Ctrl-D ends" in seen
    assert b"FIRMWARE_NAME:Marlin" in seen
