"""What a person sees of an error."""

import errno
import os
import shlex
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import typer

from drivers.errors import Bilingual, UnreachableError
from farm import cli
from farm.commands.speech import say
from farm.errors import ConfigurationError
from gcode.texts import told
from tests.patience import PATIENCE_S


def test_an_error_is_one_line_with_the_command_that_this_person_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*, prog_name: str, standalone_mode: bool) -> None:
        assert (prog_name, standalone_mode) == ("./farm.sh", False)
        raise ConfigurationError(told("No daemon."), next_step=told("Start it with `farm serve`."))

    monkeypatch.setattr(cli, "build", lambda _command: fails)
    monkeypatch.setenv("FARM_COMMAND", "./farm.sh")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "farm: No daemon. Start it with `./farm.sh serve`.\n"


@pytest.mark.parametrize(("locale", "line"), [("fr_FR.UTF-8", "Rien. Lancez farm status."), ("C", "Nothing. Do: farm status.")])
def test_an_error_of_a_driver_is_told_in_the_language_of_the_locale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], locale: str, line: str
) -> None:
    def fails(**_keywords: object) -> None:
        step = Bilingual("Do: farm status.", "Lancez farm status.")
        raise UnreachableError(Bilingual("Nothing.", "Rien."), next_step=step)

    monkeypatch.setattr(cli, "build", lambda _command: fails)
    monkeypatch.delenv("FARM_COMMAND", raising=False)
    monkeypatch.setenv("LC_ALL", locale)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"farm: {line}\n"


def test_every_command_is_found_alone_and_in_the_whole() -> None:
    whole = {name for name, _ in commands_of(cli.build())}
    assert whole == set(cli._MODULES)
    for command in whole:
        assert command in {name for name, _ in commands_of(cli.build(command))}


def test_what_is_no_command_of_ours_is_told_all_commands() -> None:
    assert len(commands_of(cli.build("teapot"))) == len(cli._MODULES)


def commands_of(app: typer.Typer) -> list[tuple[str, object]]:
    """Name and command, as click has them."""
    group = typer.main.get_group(app)
    return sorted(group.commands.items())


@pytest.mark.parametrize(
    ("number", "locale", "said"),
    [
        (errno.EACCES, "C", ": Permission denied. Run this as the user whom it belongs to."),
        (errno.EACCES, "fr_FR.UTF-8", " : accès refusé. Lancez ceci sous l'utilisateur à qui il appartient."),
        (errno.ENOSPC, "C", ": No space left on device. The disk is full: make room."),
        (errno.EIO, "C", ": Input/output error. Look at that file or folder."),
    ],
)
def test_a_file_that_the_system_refuses_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, locale: str, said: str
) -> None:
    def fails(**_keywords: object) -> None:
        raise OSError(number, os.strerror(number), Path("/var/lib/essaim/essaim.sqlite3"))

    monkeypatch.setattr(cli, "build", lambda _command: fails)
    monkeypatch.setenv("LC_ALL", locale)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"farm: /var/lib/essaim/essaim.sqlite3{said}\n"


@pytest.mark.parametrize(("locale", "said"), [("fr_FR.UTF-8", "Abandonné !\n"), ("C", "Aborted!\n")])
def test_who_says_no_reads_that_it_was_heard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], locale: str, said: str
) -> None:
    def refuses(**_keywords: object) -> None:
        raise typer.Abort

    monkeypatch.setattr(cli, "build", lambda _command: refuses)
    monkeypatch.setenv("LC_ALL", locale)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("locale", "said"), [("fr_FR.UTF-8", "Erreur : l'option --x n'existe pas."), ("C", "Error: No such option: --x")]
)
def test_a_command_line_that_cannot_be_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], locale: str, said: str
) -> None:
    monkeypatch.setattr("sys.argv", ["farm", "status", "--x"])
    monkeypatch.setenv("LC_ALL", locale)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == said


@pytest.mark.parametrize("code", [0, 3, 130])
def test_a_command_ends_with_the_code_that_it_chose(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    app = typer.Typer()

    @app.command()
    def end() -> None:
        raise typer.Exit(code)

    monkeypatch.setattr("sys.argv", ["farm"])
    monkeypatch.setattr(cli, "build", lambda _command: app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()

    @app.command()
    def end() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["farm"])
    monkeypatch.setattr(cli, "build", lambda _command: app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130


def test_a_mistake_of_ours_shows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_keywords: object) -> None:
        raise OSError("no file of a person")

    monkeypatch.setattr(cli, "build", lambda _command: fails)
    with pytest.raises(OSError, match="no file of a person"):
        cli.main()


@pytest.mark.parametrize(("encoding", "said"), [("iso-8859-1", b"n?ud \xe9teint\n"), ("utf-8", "nœud éteint\n".encode())])
def test_a_letter_that_a_terminal_lacks_ends_nothing(monkeypatch: pytest.MonkeyPatch, encoding: str, said: bytes) -> None:
    written = BytesIO()

    def says(**_keywords: object) -> None:
        say("nœud éteint")

    monkeypatch.setattr(cli, "build", lambda _command: says)
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    sys.stdout.flush()
    assert ended.value.code is None
    assert written.getvalue() == said


@pytest.mark.parametrize("words", [["gcode", "profiles"], ["gcode", "frame", "--help"], ["--help"]])
def test_a_disk_that_is_full_of_our_output_is_told_in_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = farm(words, full.fileno())
    assert (ended.returncode, ended.stderr) == (
        1,
        "farm: standard output: No space left on device. The disk is full: make room.\n",
    )


def test_who_reads_no_further_is_told_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = farm(["gcode", "profiles"], writing)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_who_closed_the_output_wants_none() -> None:
    command = f"exec {shlex.quote(sys.executable)} -m farm gcode profiles >&-"
    ended = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE_S)
    assert (ended.returncode, ended.stderr) == (0, "")


def farm(words: list[str], output: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "farm", *words]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, stdout=output, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE_S, env=environment
    )
