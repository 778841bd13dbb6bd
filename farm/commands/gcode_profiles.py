"""Which classes of printers `farm gcode` knows: those of Essaim, and a farm's own in a folder.

The folder is that of `--profiles`, or the `profiles_folder` of the configuration that `farm serve` or `farm node` would take
here. It is looked for only when a name is not bundled, or all are wanted: to read a configuration takes longer than to read a
frame.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from farm.errors import ConfigurationError, InvalidError, NotFoundError
from farm.profiles import all_profiles, own_profiles, profile_id
from gcode.profile import PrinterProfile, ProfileError, bundled_ids, bundled_profile, parse_profile
from gcode.texts import Bilingual, both

if TYPE_CHECKING:
    from farm.config import FileSettings

MAX_PROFILE_BYTES: Final = 256 * 1024
_OR_A_FILE: Final = Bilingual(
    "A file of your own that ends in .toml does as well.", "Un fichier à vous qui finit par .toml convient aussi."
)
NODE_PLACES: Final = (Path("node.toml"), Path("/etc/essaim/node.toml"))  # as farm.commands.owned


def own_folder(named: Path | None) -> Path | None:
    """The folder of the farm's own profiles; None: there is none.

    Raises:
        ConfigurationError: the configuration is wrong, or what was named is no folder.

    """
    if named is not None:
        if not named.is_dir():
            raise ConfigurationError(
                Bilingual(f"There is no folder {named}.", f"Il n'y a pas de dossier {named}."),
                next_step=Bilingual(
                    "Give --profiles the folder of your .toml files.", "Donnez à --profiles le dossier de vos .toml."
                ),
            )
        return named
    if os.environ.get("FARM_CONFIG") or os.environ.get("FARM_PROFILES_FOLDER"):
        from farm.config import DaemonSettings  # noqa: PLC0415 - pydantic loads longer than a frame is read

        return _configured(DaemonSettings, os.environ.get("FARM_CONFIG"))
    node = next((path for path in NODE_PLACES if path.is_file()), None)
    if node is None and not os.environ.get("NODE_PROFILES_FOLDER"):
        return None
    from farm.config import NodeSettings  # noqa: PLC0415 - as above

    return _configured(NodeSettings, node)


def _configured(kind: "type[FileSettings]", path: str | Path | None) -> Path | None:
    from farm.config import load  # noqa: PLC0415 - as above

    folder: Path | None = getattr(load(kind, Path(path) if path else None), "profiles_folder")  # noqa: B009 - both kinds have it
    return folder


def every_profile(folder: Path | None = None) -> list[PrinterProfile]:
    """All that are known, in the order of their ids. ConfigurationError: a configuration or a profile is wrong."""
    return list(all_profiles(own_folder(folder)).values())


def profile_named(name: str, folder: Path | None = None) -> PrinterProfile:
    """A profile by its id, a bundled one by the end of its id (`ender3`) too, or one in a file.

    Raises:
        NotFoundError: none of these.
        InvalidError: the file is no profile.
        ConfigurationError: as `every_profile`.

    """
    bundled = bundled_ids()
    if name in bundled:
        return bundled_profile(name)
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return _in_file(path)
    own = own_profiles(own_folder(folder))
    if name in own:
        return own[name]
    return bundled_profile(profile_id(NotFoundError, name, [*bundled, *own], more=_OR_A_FILE))


def _in_file(path: Path) -> PrinterProfile:
    try:
        with path.open("rb") as file:
            return parse_profile(file.read(MAX_PROFILE_BYTES))
    except (ProfileError, OSError) as error:
        why = error.bilingual if isinstance(error, ProfileError) else both(str(error))
        raise InvalidError(
            Bilingual(f"{path}: {why.en}.", f"{path} : {why.fr}."),
            next_step=Bilingual("configs/printers has examples.", "configs/printers a des exemples."),
            code="bad-profile",
        ) from error


def profiles_named(names: Sequence[str] | None, folder: Path | None = None) -> list[PrinterProfile]:
    """The profiles of these names. Raises as `profile_named`, and InvalidError: no name is given."""
    if not names:
        raise InvalidError(
            Bilingual("Say for which printers.", "Dites pour quelles imprimantes."),
            next_step=Bilingual(
                "Give --profile ID, or --all; `farm gcode profiles` lists them.",
                "Donnez --profile ID, ou --all ; `farm gcode profiles` en donne la liste.",
            ),
        )
    return [profile_named(name, folder) for name in names]
