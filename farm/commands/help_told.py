"""`farm ... --help` in French. The sources say it in English; `help_fr.toml` has the French of each text.

Loaded only where the terminal is French, and the table only when a help is shown; a shell that completes a line shows some too. A
paragraph that is not in the table stands in English (a test sees that there is none).
"""

import inspect
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import typer
from typer.core import TyperGroup

# what stands for an argument in a command line, in the usage and in errors too
_ARGUMENTS: Final = {
    "FILE": "FICHIER",
    "PRINTER_URL": "URL_IMPRIMANTE",
    "choice": "choix",
    "design": "modèle",
    "file": "fichier",
    "model": "objet",
    "name": "nom",
    "node": "nœud",
    "order": "commande",
    "printer": "imprimante",
    "program": "programme",
    "quantity": "quantité",
    "requester": "demandeur",
    "revision": "révision",
    "subject": "sujet",
}
_HEADINGS: Final = {"Commands": "Commandes"}  # of typer; Arguments and Options are the same words
_TYPES: Final = {
    "<float range>": "<nombre>",
    "<float>": "<nombre>",
    "<int range>": "<entier>",
    "<int>": "<entier>",
    "<list[str]>": "<liste de textes>",
    "<path>": "<chemin>",
    "<str>": "<texte>",
}
# patterns are compiled when a help is shown: every command of a French terminal loads this module
_TYPE: Final = "|".join(map(re.escape, _TYPES))
_USAGE: Final = "Utilisation : "
_BEHIND_A_GROUP: Final = ("COMMAND [ARGS]...", "COMMANDE [ARGUMENTS]...")
_REMARKS: Final = r"(?:(?<=  )|^)\[([^\[\]]*)\]$"  # what typer puts behind a help: default, range, required
_REMARK: Final = r"required$|default: (?=.)"
_REMARKS_FR: Final = {"required": "obligatoire", "default: ": "par défaut : "}
_CUT: Final = r" ?[,:;]\.\.\.$"  # typer shortens a sentence behind any word
_GLUED: Final = r" (?=[:;?!»])|(?<=«) "  # where no line ends
_GLUE: Final = "\N{NO-BREAK SPACE}"


class _Formatter(typer.Context.formatter_class):  # type: ignore[valid-type, misc] # where it is defined differs between releases
    """Typer's layout of a help with French headings and types, and no line that begins with a colon."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The first line."""
        super().write_usage(prog, args.replace(*_BEHIND_A_GROUP), _USAGE if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """The line above a list; a colon is put behind it."""
        super().write_heading(f"{_HEADINGS.get(heading, heading)} ")

    def write_text(self, text: str) -> None:
        """What a command does."""
        super().write_text(_glued(text))

    def write_dl(self, rows: Iterable[Sequence[str]], *widths: int, **named: int) -> None:
        """A list of names, each with its help."""
        super().write_dl([(_typed(name), _glued(_remarked(text))) for name, text in rows], *widths, **named)

    def getvalue(self) -> str:
        """All that was written."""
        return str(super().getvalue()).replace(_GLUE, " ")


class FrenchContext(typer.Context):
    """A command line that is read where the terminal is French; so are those of the commands inside."""

    formatter_class = _Formatter

    def __init__(self, command: Any, *given: Any, **named: Any) -> None:
        super().__init__(command, *given, **named)
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                parameter.metavar = _ARGUMENTS.get(parameter.metavar or parameter.name, parameter.metavar)
        for inner in getattr(command, "commands", {}).values():
            inner.context_class = type(self)
        if self.resilient_parsing:  # a shell asks what may follow: it shows the beginning of each help
            self._say_in_french()

    def get_help(self) -> str:
        """The whole help of the command."""
        self._say_in_french()
        return super().get_help()

    def _say_in_french(self) -> None:
        command: Any = self.command
        inner = [command.get_command(self, name) for name in command.list_commands(self)] if isinstance(command, TyperGroup) else []
        for said in (command, *command.get_params(self), *inner):
            for attribute in ("help", "short_help", "epilog"):
                text = getattr(said, attribute, None)
                if text:
                    setattr(said, attribute, in_french(text))


class FrenchGroup(TyperGroup):
    """All commands, where the terminal is French."""

    context_class = FrenchContext


def in_french(text: str) -> str:
    """A help text, paragraph by paragraph; what has no French stands as it is."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))
    return "\n\n".join(table().get(paragraph, paragraph) for paragraph in paragraphs)


@cache
def table() -> dict[str, str]:
    """The French of each English paragraph."""
    import tomllib  # noqa: PLC0415 - only for a help
    from importlib.resources import files  # noqa: PLC0415

    told = tomllib.loads(files("farm.commands").joinpath("help_fr.toml").read_text("utf-8"))
    return {english: french for texts in told.values() for english, french in texts.items()}


def _typed(name: str) -> str:
    return re.sub(_TYPE, lambda found: _TYPES[found[0]], name)


def _remarked(text: str) -> str:
    """The help of one name, and what typer put behind it."""
    return re.sub(_REMARKS, lambda found: f"[{' ; '.join(map(_remark, found[1].split('; ')))}]", text)


def _remark(english: str) -> str:
    found = re.match(_REMARK, english)
    return english if found is None else f"{_REMARKS_FR[found[0]]}{english[found.end() :]}"


def _glued(text: str) -> str:
    return re.sub(_GLUED, _GLUE, re.sub(_CUT, "...", text))
