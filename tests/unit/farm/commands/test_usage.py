"""A command line that cannot be meant is told in the language of who typed it."""

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from farm.commands.help_told import FrenchContext
from farm.commands.usage import tell
from farm.language import speaks_french


class Colour(Enum):
    """What a choice is made of."""

    RED = "red"
    BLUE = "blue"


app = typer.Typer(rich_markup_mode=None)


@app.command()
def orders(
    number: int,
    colour: Annotated[Colour, typer.Option()],
    priority: Annotated[int, typer.Option(min=-100, max=100)] = 0,
    size: Annotated[tuple[int, int], typer.Option()] = (1, 1),
    folder: Annotated[Path | None, typer.Option(exists=True, file_okay=False)] = None,
    file: Annotated[typer.FileText | None, typer.Option()] = None,
    quick: Annotated[bool, typer.Option("--quick")] = False,
) -> None:
    """Nothing that matters."""


@app.command()
def paint(
    colour: Colour,
    size: Annotated[tuple[int, int], typer.Argument()],
    layers: Annotated[int, typer.Option()],
    model: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, readable=True)] = None,
    output: Annotated[Path | None, typer.Option(exists=True, writable=True)] = None,
) -> None:
    """Nothing, with other kinds of arguments."""


@app.command(no_args_is_help=True)
def other(number: int) -> None:
    """Nothing either."""


def told(words: str) -> None:
    """Have typer read this command line, and say what it says of it."""
    command: Any = get_command(app)
    if speaks_french():
        command.context_class = FrenchContext
    try:
        command(words.split(), prog_name="farm", standalone_mode=False)
    except typer.TyperException as error:
        tell(error)


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("orders 1 --colour red --zzzzz", "l'option --zzzzz n'existe pas."),
        ("orders 1 --colour red --prio 2", "l'option --prio n'existe pas (options possibles : --priority)."),
        ("order 1", "la commande 'order' n'existe pas. Vouliez-vous dire 'orders', 'other' ?"),
        ("zzzzzz", "la commande 'zzzzzz' n'existe pas."),
        ("orders --colour red", "il manque l'argument 'number'."),
        ("orders 1", "il manque l'option '--colour'. Choisissez parmi :\n\tred,\n\tblue"),
        ("orders 1 2 3 --colour red", "il y a des mots de trop : 2 3."),
        ("orders 1 --colour", "l'option '--colour' demande une valeur."),
        ("orders 1 --colour red --size 1", "l'option '--size' demande 2 valeurs."),
        ("orders 1 --colour red --quick=2", "l'option '--quick' ne prend pas de valeur."),
        ("orders 1 --colour green", "valeur incorrecte pour '--colour' : 'green' n'est pas parmi 'red', 'blue'."),
        ("orders one --colour red", "valeur incorrecte pour 'number' : il faut un nombre entier, et ce texte n'en est pas un."),
        ("orders 1 --colour red --priority 101", "valeur incorrecte pour '--priority' : il faut au plus 100."),
        ("orders 1 --colour red --folder /none/x", "valeur incorrecte pour '--folder' : '/none/x' n'existe pas."),
        (f"orders 1 --colour red --folder {__file__}", f"'{__file__}' est un fichier, il faut un dossier."),
        ("orders 1 --colour red --file /none/x", "'/none/x': No such file or directory"),
        ("", "il manque une commande."),
        ("paint", "il manque l'argument 'colour'. Choisissez parmi :\n\tred,\n\tblue"),
        ("paint red 1 --layers 1", "l'argument 'size' prend 2 valeurs."),
        ("paint red 1 2", "il manque l'option '--layers'."),
        ("paint red 1 2 --layers 1 --model /", "valeur incorrecte pour '--model' : '/' est un dossier, il faut un fichier."),
    ],
)
@pytest.mark.usefixtures("french")
def test_in_french(capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    told(words)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Erreur : " in err
    assert err.endswith(f"{said}\n")
    assert "Error" not in err


@pytest.mark.usefixtures("french")
def test_files_that_this_user_may_not_touch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda _path, _how: False)
    told(f"paint red 1 2 --layers 1 --model {__file__}")
    assert capsys.readouterr().err.endswith(f"'{__file__}' ne peut pas être lu.\n")
    monkeypatch.setattr("os.access", lambda _path, how: how == os.R_OK)
    told(f"paint red 1 2 --layers 1 --output {__file__}")
    assert capsys.readouterr().err.endswith(f"'{__file__}' ne peut pas être écrit.\n")


@pytest.mark.usefixtures("french")
def test_the_usage_and_where_its_help_is(capsys: pytest.CaptureFixture[str]) -> None:
    told("orders")
    assert capsys.readouterr().err.startswith(
        "Utilisation : farm orders [OPTIONS] {number}\nEssayez `farm orders --help` pour l'aide.\n\nErreur : "
    )


def test_in_english_it_is_what_typer_says(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    told("orders")
    err = capsys.readouterr().err
    assert err.startswith("Usage: farm orders")
    assert "\nError: Missing argument 'number'.\n" in err


@pytest.mark.usefixtures("french")
def test_a_help_is_as_it_is_and_what_is_not_known_is_told_in_typers_words(capsys: pytest.CaptureFixture[str]) -> None:
    told("other")
    assert capsys.readouterr().err.startswith("Utilisation : farm other")
    told("orders 1 --colour red")
    tell(typer.BadParameter("it is Tuesday"))
    assert capsys.readouterr().err == "Error: Invalid value: it is Tuesday\n"


@pytest.mark.usefixtures("french")
def test_where_standard_error_is_closed_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    told("orders")
