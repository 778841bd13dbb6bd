"""What typer says of a command line that cannot be meant, in French as well.

Typer has no French. Its sentences are recognised, and what a release of it words in another way is told as it is. A value that
pydantic refuses for it is told by `farm.wrong_values`; how the command is used, and its help, by `farm.commands.help_told`.
"""

import re
from typing import Any, Final, Protocol, cast

import typer
from pydantic import ValidationError

from farm.language import speaks_french
from farm.wrong_values import said_of

_ERROR: Final = "{usage}Erreur : {error}\n"
_TRY: Final = "Essayez `{command} {option}` pour l'aide."

# typer's sentence, whole -> ours; the groups are a person's own words, names of options and the like
_SENTENCES: Final = tuple(
    (re.compile(english, re.DOTALL), french)
    for english, french in (
        (r"No such option: (.+?) \(Possible options: (.+)\)", r"l'option \1 n'existe pas (options possibles : \2)."),
        (r"No such option: (.+)", r"l'option \1 n'existe pas."),
        (r"No such command (.+)\. Did you mean (.+)\?", r"la commande \1 n'existe pas. Vouliez-vous dire \2 ?"),
        (r"No such command (.+)\.", r"la commande \1 n'existe pas."),
        (r"Missing command\.", r"il manque une commande."),
        (r"Missing argument (.+?)\. Choose from:(.+)", r"il manque l'argument \1. Choisissez parmi :\2"),
        (r"Missing argument (.+)\.", r"il manque l'argument \1."),
        (r"Missing option (.+?)\. Choose from:(.+)", r"il manque l'option \1. Choisissez parmi :\2"),
        (r"Missing option (.+)\.", r"il manque l'option \1."),
        (r"Got unexpected extra arguments?(?:\(s\))? \((.+)\)", r"il y a des mots de trop : \1."),
        (r"Option (.+) does not take a value\.", r"l'option \1 ne prend pas de valeur."),
        (r"Option (.+) requires an argument\.", r"l'option \1 demande une valeur."),
        (r"Option (.+) requires (\d+) arguments\.", r"l'option \1 demande \2 valeurs."),
        (r"Argument (.+) takes (\d+) values\.", r"l'argument \1 prend \2 valeurs."),
    )
)
_VALUES: Final = tuple(
    (re.compile(english, re.DOTALL), french)
    for english, french in (
        (r"(?:Value error, )?(.+) is not one of (.+)\.", r"\1 n'est pas parmi \2."),
        (r"(?:file|dir|path) (.+) does not exist\.", r"\1 n'existe pas."),
        (r"(?:file|dir|path) (.+) is a file\.", r"\1 est un fichier, il faut un dossier."),
        (r"(?:file|dir|path) (.+) is a directory\.", r"\1 est un dossier, il faut un fichier."),
        (r"(?:file|dir|path) (.+) is not readable\.", r"\1 ne peut pas être lu."),
        (r"(?:file|dir|path) (.+) is not writable\.", r"\1 ne peut pas être écrit."),
    )
)
_INVALID: Final = re.compile(r"Invalid value(?: for (.+?))?: (.*)", re.DOTALL)


class _Shown(Protocol):
    """What those errors of typer that concern the command line can do beside."""

    def show(self) -> None:
        """Tell it on standard error in typer's own words."""


def tell(error: typer.TyperException) -> None:
    """Say on standard error what is wrong with the command line; the whole help, which is an error too, is as typer has it."""
    french = _in_french(error) if speaks_french() else None
    if french is None:
        cast("_Shown", error).show()
        return
    typer.echo(_ERROR.format(usage=_usage(getattr(error, "ctx", None)), error=french), nl=False, err=True)


def _usage(context: Any) -> str:
    """How the command is used, and where its help is."""
    if context is None:
        return ""
    names = context.help_option_names
    hint = _TRY.format(command=context.command_path, option=names[0]) + "\n" if names else ""
    return f"{context.get_usage()}\n{hint}\n"


def _in_french(error: typer.TyperException) -> str | None:
    """The error; None when this sentence of typer is not known."""
    english = error.format_message()
    found = _INVALID.fullmatch(english)
    if found is None:
        return _translated(english, _SENTENCES)
    value = _value(found[2], error.__cause__)
    if value is None:
        return None
    return f"valeur incorrecte pour {found[1]} : {value}" if found[1] else f"valeur incorrecte : {value}"


def _value(english: str, cause: BaseException | None) -> str | None:
    """What is wrong with a value."""
    said = _translated(english, _VALUES)
    if said is None and isinstance(cause, ValidationError):
        french = said_of(cause.errors()[0]).fr
        said = f"{french[:1].lower()}{french[1:]}."
    if said is None and isinstance(cause, OSError):
        said = english  # a file's name and the system's own words
    return said


def _translated(english: str, sentences: tuple[tuple[re.Pattern[str], str], ...]) -> str | None:
    for pattern, french in sentences:
        if pattern.fullmatch(english) is not None:
            return pattern.sub(french, english)
    return None
