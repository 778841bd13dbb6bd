"""`farm gcode facts` and `check` without typer: the same words mean the same, and what is not plain is left to it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from farm.commands import gcode, gcode_quick, gcode_read
from farm.errors import InvalidError, NotFoundError
from tests.gcode_files import ROOT

PROGRAM = b"M83\nG28\nM104 S200\nG1 Z.2 F600\nG1 X50 Y50 E2\nM104 S0\n"
PLAIN = ["a.gcode", "b.gcode", "--json", "--all", "-p", "--profile", "ender3", "generic-210"]
PLAIN += ["--engine", "python", "kernel", "--profiles"]
ODD = ["--help", "-h", "--plate", "1", "--", "-", "-pender3", "--profile=ender3", "--jso", "", "fast"]
WORDS = st.lists(st.sampled_from(PLAIN + ODD), max_size=6)


def app() -> typer.Typer:
    made = typer.Typer()
    gcode.register(made)
    made.command()(lambda: None)
    return made


def as_typer_understands(command: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...] | None:
    """What the command is called with; None: typer or the command refuses."""
    called: list[tuple[Any, ...]] = []

    def take(*values: Any, **flags: Any) -> int:
        called.append((*values, *sorted(flags.items())))
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(gcode_read, "tell_facts", take)
        patched.setattr(gcode_read, "tell_check", take)
        patched.setattr(gcode_read, "profiles_named", lambda names, folder: [folder, *(names or ())])
        patched.setattr(gcode_read, "every_profile", lambda folder: [folder, "every"])
        CliRunner().invoke(app(), ["gcode", command, *words])
    return called[0] if called else None


def as_we_do(command: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...] | None:
    called: list[tuple[Any, ...]] = []

    def take(*values: Any, **flags: Any) -> int:
        called.append((*values, *sorted(flags.items())))
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(gcode_quick, "tell_facts", take)
        patched.setattr(gcode_quick, "tell_check", take)
        patched.setattr(gcode_quick, "profiles_named", lambda names, folder: [folder, *(names or ())])
        patched.setattr(gcode_quick, "every_profile", lambda folder: [folder, "every"])
        code = gcode_quick.answer([command, *words])
    assert (code is None) == (not called)
    return called[0] if called else None


@pytest.mark.parametrize("command", ["facts", "check"])
@given(words=WORDS)
def test_what_is_understood_is_what_typer_understands(command: str, words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        mine = as_we_do(command, words, monkeypatch)
        if mine is not None:
            assert mine == as_typer_understands(command, words, monkeypatch)


@pytest.mark.parametrize(
    "words",
    [
        ["facts", "a.gcode"],
        ["facts", "--json", "a.gcode", "-p", "ender3", "--engine", "python"],
        ["check", "a.gcode", "-p", "ender3", "--profile", "generic-210", "--json"],
        ["check", "--all", "a.gcode"],
        ["check", "--profiles", "own", "-p", "mine", "a.gcode"],
    ],
)
def test_plain_words_need_no_typer(words: list[str]) -> None:
    assert gcode_quick.understood(words[1:]) is not None


@pytest.mark.parametrize(
    "words",
    [
        [], ["preview", "a.gcode"], ["facts"], ["facts", "a.gcode", "b.gcode"], ["facts", "--help"], ["facts", "-"],
        ["facts", "a.gcode", "--all"], ["facts", "a.gcode", "-p"], ["facts", "a.gcode", "-p", "--json"],
        ["facts", "a.gcode", "--engine", "fast"], ["check", "a.gcode", "--plate", "1"], ["facts", ""],
        ["facts", "a.gcode", "--profiles", ""],
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_typer(words: list[str]) -> None:
    assert gcode_quick.answer(words) is None


def test_errors_are_those_of_the_commands(tmp_path: Path) -> None:
    program = tmp_path / "a.gcode"
    program.write_bytes(PROGRAM)
    with pytest.raises(NotFoundError, match="no file"):
        gcode_quick.answer(["facts", str(tmp_path / "none.gcode")])
    with pytest.raises(NotFoundError, match="no profile"):
        gcode_quick.answer(["check", str(program), "-p", "teapot"])
    with pytest.raises(InvalidError, match="which printers"):
        gcode_quick.answer(["check", str(program)])


def farm(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_process_loads_neither_typer_nor_pydantic(tmp_path: Path) -> None:
    program = tmp_path / "a.gcode"
    program.write_bytes(PROGRAM)
    code = (
        "import sys; from farm.cli import main; sys.argv = ['farm', 'gcode', 'facts', sys.argv[1]]\n"
        "try: main()\n"
        "except SystemExit as ended: code = ended.code\n"
        "print(code, [name for name in ('typer', 'pydantic', 'gcode.frame', 'gcode.scan.tokens') if name in sys.modules])"
    )
    done = farm("-c", code, str(program))
    if "gcode.scan.tokens" in done.stdout:  # no compiler here: the scan is on NumPy
        assert done.stdout.splitlines()[-1] == "0 ['gcode.scan.tokens']"
    else:
        assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_the_exit_code_and_the_error_are_those_of_the_command(tmp_path: Path) -> None:
    program = tmp_path / "a.gcode"
    program.write_bytes(PROGRAM.replace(b"X50", b"X5000"))
    plain = farm("-m", "farm", "gcode", "check", str(program), "-p", "ender3")
    by_typer = farm("-m", "farm", "gcode", "check", str(program), "--profile=ender3")
    assert plain.returncode == by_typer.returncode == 4
    assert plain.stdout == by_typer.stdout != ""
    missing = farm("-m", "farm", "gcode", "facts", str(tmp_path / "none.gcode"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("farm: There is no file")


def test_who_reads_may_stop(tmp_path: Path) -> None:
    program = tmp_path / "a.gcode"
    program.write_bytes(PROGRAM)
    command = [sys.executable, "-m", "farm", "gcode", "facts", str(program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 1
