"""`farm gcode facts` and `check` as they are mostly typed, without the command line's library.

Typer loads pydantic for the parameters of a command: 0.13 s of processor time, more than all the rest of reading a frame. So plain
words are understood here. Whatever is not plain (a help, a shortened option, a mistake) is left to typer, which alone says what it
means: a test sees that both understand the same.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from farm.commands.gcode_files import Engine
from farm.commands.gcode_profiles import every_profile, profiles_named
from farm.commands.gcode_told import tell_check, tell_facts

_PROFILE: Final = frozenset({"--profile", "-p"})
_ENGINE: Final = "--engine"
_FOLDER: Final = "--profiles"
_ALL: Final = "--all"
_JSON: Final = "--json"


class Asked(NamedTuple):
    """What the words ask for."""

    file: Path
    profiles: tuple[str, ...]
    folder: Path | None
    engine: Engine
    every: bool
    as_json: bool


def understood(words: Sequence[str]) -> Asked | None:
    """The words behind the command; None: they are not plain."""
    files, profiles, folder, engine, flags = list[str](), list[str](), "", Engine.AUTO.value, set[str]()
    rest = iter(words)
    for word in rest:
        if word in _PROFILE | {_ENGINE, _FOLDER}:
            value = next(rest, "-")
            if not value or value.startswith("-"):
                return None
            if word == _ENGINE:
                engine = value
            elif word == _FOLDER:
                folder = value
            else:
                profiles.append(value)
        elif word in {_JSON, _ALL}:
            flags.add(word)
        elif word and not word.startswith("-"):
            files.append(word)
        else:
            return None
    if len(files) != 1 or engine not in set(Engine):
        return None
    return Asked(Path(files[0]), tuple(profiles), Path(folder) if folder else None, Engine(engine), _ALL in flags, _JSON in flags)


def _facts(asked: Asked) -> int | None:
    if asked.every:
        return None
    profile = asked.profiles[-1] if asked.profiles else None
    tell_facts(asked.file, profile, asked.engine, None, folder=asked.folder, as_json=asked.as_json)
    return 0


def _check(asked: Asked) -> int:
    known = every_profile(asked.folder) if asked.every else profiles_named(asked.profiles, asked.folder)
    return tell_check(asked.file, known, asked.engine, None, as_json=asked.as_json)


_COMMANDS: Final[dict[str, Callable[[Asked], int | None]]] = {"facts": _facts, "check": _check}


def answer(words: Sequence[str]) -> int | None:
    """Answer what stands behind `farm gcode`; gives the exit code, None: typer has to.

    Raises:
        FarmError: as the commands do.

    """
    command = _COMMANDS.get(words[0]) if words else None
    asked = None if command is None else understood(words[1:])
    return None if command is None or asked is None else command(asked)
