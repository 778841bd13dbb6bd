"""What a person sees of an error."""

import errno
import os
from pathlib import Path

import pytest
import typer

from drivers.errors import Bilingual, UnreachableError
from farm import cli
from farm.errors import ConfigurationError


def test_an_error_is_one_line_with_the_command_that_this_person_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*, prog_name: str) -> None:
        assert prog_name == "./farm.sh"
        raise ConfigurationError("No daemon.", next_step="Start it with `farm serve`.")

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
    def fails(**_keywords: str) -> None:
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
    ("number", "locale", "step"),
    [
        (errno.EACCES, "C", "Run this as the user whom it belongs to."),
        (errno.EACCES, "fr_FR.UTF-8", "Lancez ceci sous l'utilisateur à qui il appartient."),
        (errno.ENOSPC, "C", "The disk is full: make room."),
        (errno.EIO, "C", "Look at that file or folder."),
    ],
)
def test_a_file_that_the_system_refuses_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, locale: str, step: str
) -> None:
    def fails(**_keywords: str) -> None:
        raise OSError(number, os.strerror(number), Path("/var/lib/essaim/essaim.sqlite3"))

    monkeypatch.setattr(cli, "build", lambda _command: fails)
    monkeypatch.setenv("LC_ALL", locale)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"farm: /var/lib/essaim/essaim.sqlite3: {os.strerror(number)}. {step}\n"


def test_a_mistake_of_ours_shows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_keywords: str) -> None:
        raise OSError("no file of a person")

    monkeypatch.setattr(cli, "build", lambda _command: fails)
    with pytest.raises(OSError, match="no file of a person"):
        cli.main()
