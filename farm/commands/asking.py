"""Questions before what cannot be taken back: in the person's language on standard error, answered on standard input.

Without an answer nothing is done: where nobody can give one (a script, a timer, standard input that has ended), the error names the
option that stands for it.
"""

import sys
from contextlib import suppress
from typing import Annotated, Final

import typer

from farm.commands.speech import plain
from farm.errors import FarmError
from farm.language import speaks_french, spoken
from gcode.texts import Bilingual, both

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: for scripts.")]
_CHOICE: Final = Bilingual(" [y/N]: ", " [o/N] : ")
_YES: Final = frozenset({"y", "yes"})
_YES_FR: Final = _YES | {"o", "oui"}
_NO: Final = frozenset({"", "n", "no", "non"})
_AGAIN: Final = Bilingual("Answer with y or n.", "Répondez par o ou n.")


class UnansweredError(FarmError):
    """A question was asked and nobody could answer it. Nothing was done."""

    code = "unanswered"

    def __init__(self) -> None:
        super().__init__(
            Bilingual(
                "Nothing was done: this must be confirmed, and standard input gives no answer.",
                "Rien n'a été fait : il faut confirmer, et l'entrée standard ne donne pas de réponse.",
            ),
            next_step=Bilingual(
                "Run it in a terminal, or give --yes when you are sure.",
                "Lancez ceci dans un terminal, ou ajoutez --yes si vous êtes sûr.",
            ),
        )


def make_sure(question: str | Bilingual, *, yes: bool) -> None:
    """Ask before something that cannot be taken back. `yes`: the person has said so already (`--yes`).

    Raises:
        typer.Abort: no, which is also what an empty line says, or Ctrl-C.
        UnansweredError: standard input has ended.

    """
    if not yes and not agreed(question):
        raise typer.Abort


def agreed(question: str | Bilingual) -> bool:
    """Whether a person says yes; an empty line is no.

    Raises:
        typer.Abort: Ctrl-C.
        UnansweredError: standard input has ended.

    """
    asked = f"{plain(spoken(both(question)))}{spoken(_CHOICE)}"
    while True:
        word = _answer(asked)
        if word in (_YES_FR if speaks_french() else _YES):
            return True
        if word in _NO:
            return False
        typer.echo(spoken(_AGAIN), err=True)


def _answer(asked: str) -> str:
    typer.echo(asked, nl=False, err=True)
    line = ""
    with suppress(OSError, ValueError):  # a standard input that is closed answers as little as one that has ended
        try:
            line = sys.stdin.readline() if sys.stdin is not None else ""
        except KeyboardInterrupt:
            typer.echo("", err=True)
            raise typer.Abort from None
    if not line:
        typer.echo("", err=True)
        raise UnansweredError
    return line.strip().casefold()
