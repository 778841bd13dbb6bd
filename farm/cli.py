"""The command line: puts the commands of `farm.commands` together and turns every error of ours into one line and an exit code.

Only the module of the command that was typed is loaded, and that imports what it needs when it runs: all of them together take half
a second of a start, and `farm node` on a Pi Zero never loads what only `farm serve` needs.
"""

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

from drivers.errors import DriverError
from farm.errors import FarmError, as_typed, command_name
from farm.language import speaks_french, spoken, system_words, told
from gcode.texts import Bilingual, both

if TYPE_CHECKING:
    import typer
    from typer.core import TyperGroup

# command -> module of farm.commands
_MODULES: Final = {
    "demo": "demo",
    "serve": "serve",
    "node": "node",
    "order": "orders",
    "status": "orders",
    "collect": "orders",
    "clear-bed": "orders",
    "answer": "answer",
    "invite": "orders",
    "program": "programs",
    "orders": "manage",
    "nodes": "manage",
    "recall": "manage",
    "revision": "library",
    "requester": "library",
    "audit": "library",
    "backup": "recovery",
    "restore": "recovery",
    "take-over": "recovery",
    "healing": "recovery",
    "set-aside": "set_aside",
    "try": "try_",
    "printers": "printers",
    "gcode": "gcode",
}

_ABORTED: Final = Bilingual("Aborted!", "Abandonné !")
_HELP: Final = "Essaim: one queue for a whole network of 3D printers."


def build(command: str | None = None) -> "typer.Typer":
    """The application with the command that is named; with all of them when it is none of ours, so that the help is whole."""
    import typer  # noqa: PLC0415 - loads longer than `farm gcode facts` takes to read a frame

    app = typer.Typer(
        name="farm",
        cls=_french() if speaks_french() else None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_HELP)(_whole)
    known = _MODULES.get(command or "")
    for module in [known] if known is not None else dict.fromkeys(_MODULES.values()):
        import_module(f"farm.commands.{module}").register(app)
    return app


def _french() -> "type[TyperGroup]":
    from farm.commands.help_told import FrenchGroup  # noqa: PLC0415 - only here

    return FrenchGroup


def _whole() -> None:
    """Keep the name of the command part of what is typed also when there is only one."""


def _quick(words: Sequence[str]) -> int | None:
    """Answer what needs no typer; gives the exit code, None: it is something else."""
    if words[:1] != ["gcode"]:
        return None
    # Nothing here is linear algebra; to start its threads takes NumPy a fifth of its import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if words[1:2] not in (["facts"], ["check"]):
        return None
    from farm.commands.gcode_quick import answer  # noqa: PLC0415 - only here

    try:
        return answer(words[1:])
    except KeyboardInterrupt:
        return 130


def main() -> None:
    """Run `farm`; exits with 0 when done, 1 or 2 after an error that is told on standard error, 130 after Ctrl-C.

    2: the command line or a configuration is wrong. `farm gcode check` has codes of its own for verdicts.
    """
    words = sys.argv[1:]
    _spare_old_terminals()
    try:
        code = _quick(words)
        if code is None:
            code = _run(words)
        sys.stdout.flush()
    except (FarmError, DriverError) as error:
        sys.stderr.write(f"farm: {as_typed(told(error))}\n")
        sys.exit(getattr(error, "exit_code", 1))
    except OSError as error:
        if error.filename is None and error.errno not in _OF_OUTPUT:
            raise  # not a person's file: a mistake of ours, whose place must be seen
        if error.errno != errno.EPIPE:  # else who reads has seen enough
            sys.stderr.write(f"farm: {told(_of_a_file(error))}\n")
        if error.filename is None:
            _let_go_of_output()
        sys.exit(1)
    sys.exit(code)


def _let_go_of_output() -> None:
    """What could not be written is not tried again, and not complained of once more, when this process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _spare_old_terminals() -> None:
    """Show ? for a letter that the terminal's encoding lacks (ISO 8859-1 has no œ), instead of ending at the first nœud.

    Who closed standard output wants none.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def _run(words: Sequence[str]) -> int | None:
    """Run a command; gives the exit code. What typer has to say of the command line is said in the person's language."""
    import typer  # noqa: PLC0415 - as in `build`

    try:
        code: int | None = build(words[0] if words else None)(prog_name=command_name(), standalone_mode=False)
    except typer.Abort:
        sys.stderr.write(f"{spoken(_ABORTED)}\n")
        return 1
    except typer.TyperException as error:
        from farm.commands.usage import tell  # noqa: PLC0415 - loads pydantic

        tell(error)
        return error.exit_code
    return code


def _of_a_file(error: OSError) -> FarmError:
    """A file or folder that the system refuses us, where the command itself did not expect it."""
    name = both(os.fsdecode(error.filename)) if error.filename is not None else Bilingual("standard output", "sortie standard")
    why = system_words(error)
    step = _STEPS.get(error.errno or 0, Bilingual("Look at that file or folder.", "Regardez ce fichier ou ce dossier."))
    return FarmError(Bilingual(f"{name.en}: {why.en}.", f"{name.fr} : {why.fr}."), next_step=step, code="file")


_OF_OUTPUT: Final = frozenset({errno.ENOSPC, errno.EPIPE})  # where a stream is meant, no file has a name
_STEPS: Final = {
    errno.EACCES: Bilingual("Run this as the user whom it belongs to.", "Lancez ceci sous l'utilisateur à qui il appartient."),
    errno.EPERM: Bilingual("Run this as the user whom it belongs to.", "Lancez ceci sous l'utilisateur à qui il appartient."),
    errno.ENOSPC: Bilingual("The disk is full: make room.", "Le disque est plein : faites de la place."),
    errno.EROFS: Bilingual("That disk is read-only: name another place.", "Disque en lecture seule : nommez un autre lieu."),
}
