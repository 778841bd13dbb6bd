"""The classes of printers that a process knows: the bundled ones, and those of a folder of .toml files outside the checkout.

An own profile may not have the id of a bundled one: a node and its daemon would judge one file by two sets of figures under one
name, and an update of Essaim would change which of them is meant.
"""

import os
import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeVar

from farm.errors import ConfigurationError, FarmError
from farm.language import system_words
from gcode.profile import PrinterProfile, ProfileError, bundled_ids, bundled_profiles, parse_profile
from gcode.texts import NOTHING, Bilingual

MAX_OWN_PROFILES: Final = 200
MAX_PROFILE_BYTES: Final = 64 * 1024
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")  # as farm.bus.messages.Id
_Error = TypeVar("_Error", bound=FarmError)
_NEAR: Final = 0.75  # mk3 for mk3s, not mk9 for mk4
_WHOLE_ID: Final = Bilingual("Give the whole id.", "Donnez l'id entier.")
_EXAMPLES: Final = Bilingual(
    "configs/printers has examples, docs/gcode.md every key.", "configs/printers a des exemples, docs/gcode.md toutes les clés."
)


def whole_id(name: str, known: Collection[str]) -> str | None:
    """What a person who writes `name` means of the ids that are `known`: that one, or the bundled one that ends so (`ender3`).

    None: none of them, or several.
    """
    fitting = [name] if name in known else [key for key, end in _ends(known).items() if end == name]
    return fitting[0] if len(fitting) == 1 else None


def _ends(known: Collection[str]) -> dict[str, str]:
    """The bundled ids of them, each with what follows the maker's name. Of an own one nobody knows where it may be cut."""
    return {key: key.partition("-")[2] for key in bundled_ids() if key in known and "-" in key}


def profile_id(
    kind: type[_Error], name: str, known: Collection[str], *, printer: str | None = None, more: Bilingual = NOTHING
) -> str:
    """As `whole_id`; where that is None, the error of that `kind` is that of `unknown_profile`."""
    whole = whole_id(name, known)
    if whole is None:
        raise unknown_profile(kind, name, known, printer=printer, more=more)
    return whole


def unknown_profile(
    kind: type[_Error], name: str, known: Collection[str], *, printer: str | None = None, more: Bilingual = NOTHING
) -> _Error:
    """The error of that `kind` when nobody knows what profile `name` is, or which of several.

    `printer`: whose it is, in a configuration; `more`: what else can be done than to take a known one.
    """
    ends = _ends(known)
    several = ", ".join(key for key, end in ends.items() if end == name)
    if several:
        said = Bilingual(f"the profile {name!r} may be {several}.", f"le profil {name!r} peut être {several}.")
        return kind(_of(printer, said), next_step=_WHOLE_ID, code="unknown-profile")
    ids, near = ", ".join(sorted(known)), get_close_matches(name, [*known, *ends.values()], n=1, cutoff=_NEAR)
    meant = Bilingual(f"Did you mean {near[0]}? ", f"Vouliez-vous dire {near[0]} ? ") if near else NOTHING
    said = Bilingual(f"there is no profile {name!r}.", f"il n'y a pas de profil {name!r}.")
    return kind(
        _of(printer, said),
        next_step=Bilingual(
            f"{meant.en}Known profiles: {ids}. {more.en}".rstrip(),
            f"{meant.fr}Profils connus : {ids}. {more.fr}".rstrip(),
        ),
        code="unknown-profile",
    )


def _of(printer: str | None, said: Bilingual) -> Bilingual:
    """A sentence, about a printer if there is one."""
    if printer is None:
        return Bilingual(*(text[:1].upper() + text[1:] for text in said))
    return Bilingual(f"Printer {printer!r}: {said.en}", f"Imprimante {printer!r} : {said.fr}")


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
            Bilingual(
                f"profiles_folder: {folder} cannot be read: {os.strerror(error.errno or 0)}.",
                f"profiles_folder : {folder} ne peut pas être lu : {system_words(error).fr}.",
            ),
            next_step=Bilingual(
                "Make the folder, or take profiles_folder out of the configuration.",
                "Créez le dossier, ou enlevez profiles_folder de la configuration.",
            ),
        ) from error
    if len(paths) > MAX_OWN_PROFILES:
        raise ConfigurationError(
            Bilingual(
                f"profiles_folder: {folder} has {len(paths)} profiles.", f"profiles_folder : {folder} a {len(paths)} profils."
            ),
            next_step=Bilingual(f"Leave {MAX_OWN_PROFILES} of them at most.", f"Laissez-en {MAX_OWN_PROFILES} au plus."),
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
        raise ConfigurationError(
            Bilingual(f"{path} is no file.", f"{path} n'est pas un fichier."),
            next_step=Bilingual("Move it out of profiles_folder.", "Sortez-le de profiles_folder."),
        )
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PROFILE_BYTES + 1)
        if len(content) > MAX_PROFILE_BYTES:
            raise ProfileError(
                Bilingual(
                    f"the file is larger than {MAX_PROFILE_BYTES // 1024} kB",
                    f"le fichier dépasse {MAX_PROFILE_BYTES // 1024} ko",
                )
            )
        profile = parse_profile(content)
    except OSError as error:
        raise ConfigurationError(
            Bilingual(
                f"{path} cannot be read: {os.strerror(error.errno or 0)}.",
                f"{path} ne peut pas être lu : {system_words(error).fr}.",
            ),
            next_step=Bilingual("Check its owner.", "Vérifiez à qui il appartient."),
        ) from error
    except ProfileError as error:
        why = error.bilingual
        raise ConfigurationError(Bilingual(f"{path}: {why.en}.", f"{path} : {why.fr}."), next_step=_EXAMPLES) from error
    if profile.id != path.stem:
        raise ConfigurationError(
            Bilingual(
                f"{path}: id is {profile.id!r}; it must be the name of the file.",
                f"{path} : id est {profile.id!r} ; ce doit être le nom du fichier.",
            ),
            next_step=Bilingual(f"Call the file {profile.id}.toml.", f"Appelez le fichier {profile.id}.toml."),
        )
    if not _ID.fullmatch(profile.id):
        raise ConfigurationError(
            Bilingual(f"{path}: id {profile.id!r} cannot be used.", f"{path} : id {profile.id!r} ne peut pas servir."),
            next_step=Bilingual(
                "Use letters, digits, points and dashes, such as ender3-atelier.",
                "Prenez des lettres, des chiffres, des points et des tirets, comme ender3-atelier.",
            ),
        )
    if profile.id in taken:
        raise ConfigurationError(
            Bilingual(
                f"{path}: the id {profile.id} is that of a profile of Essaim.",
                f"{path} : l'id {profile.id} est celui d'un profil d'Essaim.",
            ),
            next_step=Bilingual(
                f"Give it another id and name, such as {profile.id}-own.toml.",
                f"Donnez-lui un autre id et un autre nom, comme {profile.id}-own.toml.",
            ),
        )
    return profile
