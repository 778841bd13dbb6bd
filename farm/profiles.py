"""The classes of printers that a process knows: the bundled ones, and those of a folder of .toml files outside the checkout.

An own profile may not have the id of a bundled one: a node and its daemon would judge one file by two sets of figures under one
name, and an update of Essaim would change which of them is meant.
"""

import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from farm.errors import ConfigurationError
from gcode.profile import PrinterProfile, ProfileError, bundled_profiles, parse_profile

MAX_OWN_PROFILES: Final = 200
MAX_PROFILE_BYTES: Final = 64 * 1024
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")  # as farm.bus.messages.Id
_EXAMPLES: Final = "configs/printers has examples, docs/gcode.md every key."


def bundled_ids() -> list[str]:
    """The ids of the bundled profiles: the names of their files, so that an agent need not read them."""
    entries = files("configs").joinpath("printers").iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))


def own_profiles(folder: Path | None) -> dict[str, PrinterProfile]:
    """The profiles of a folder, by id; None: there are none. Other files and hidden ones in it are left alone.

    Raises:
        ConfigurationError: folder or file cannot be read, a file is no profile (the message names file and key), or its id is taken
            or not its name.

    """
    if folder is None:
        return {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml" and not path.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(
            f"profiles_folder: {folder} cannot be read: {os.strerror(error.errno or 0)}.",
            next_step="Make the folder, or take profiles_folder out of the configuration.",
        ) from error
    if len(paths) > MAX_OWN_PROFILES:
        raise ConfigurationError(
            f"profiles_folder: {folder} has {len(paths)} profiles.", next_step=f"Leave {MAX_OWN_PROFILES} of them at most."
        )
    taken = frozenset(bundled_ids())
    return {path.stem: _own(path, taken) for path in paths}


def all_profiles(folder: Path | None) -> dict[str, PrinterProfile]:
    """The bundled profiles and those of a folder, by id, in order.

    Raises:
        ConfigurationError: as `own_profiles`.

    """
    return dict(sorted((bundled_profiles() | own_profiles(folder)).items()))


def _own(path: Path, taken: frozenset[str]) -> PrinterProfile:
    if not path.is_file():  # a pipe would keep us waiting for ever
        raise ConfigurationError(f"{path} is no file.", next_step="Move it out of profiles_folder.")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PROFILE_BYTES + 1)
        if len(content) > MAX_PROFILE_BYTES:
            raise ProfileError(f"the file is larger than {MAX_PROFILE_BYTES // 1024} kB")
        profile = parse_profile(content)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {os.strerror(error.errno or 0)}.", next_step="Check its owner."
        ) from error
    except ProfileError as error:
        raise ConfigurationError(f"{path}: {error}.", next_step=_EXAMPLES) from error
    if profile.id != path.stem:
        raise ConfigurationError(
            f"{path}: id is {profile.id!r}; it must be the name of the file.", next_step=f"Call the file {profile.id}.toml."
        )
    if not _ID.fullmatch(profile.id):
        raise ConfigurationError(
            f"{path}: id {profile.id!r} cannot be used.",
            next_step="Use letters, digits, points and dashes, such as ender3-atelier.",
        )
    if profile.id in taken:
        raise ConfigurationError(
            f"{path}: the id {profile.id} is that of a profile of Essaim.",
            next_step=f"Give it another id and name, such as {profile.id}-own.toml.",
        )
    return profile
