"""The list of makers on the disk: a small file that is written whole, so that a power cut leaves the old one or the new one."""

import hashlib
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from farm.errors import ConfigurationError
from farm.keys import write_private
from farm.language import system_words
from farm.views import ManualJobView
from gcode.texts import Bilingual

_RESTORE: Final = Bilingual("Restore it from a backup, or move it away.", "Restaurez-le d'une sauvegarde, ou déplacez-le.")


class Maker(BaseModel):
    """One maker, as kept. `key` keeps the printer's id in the ledger; of the token only the hash is kept."""

    model_config = ConfigDict(frozen=True)

    key: str
    name: str
    profile: str
    material: str
    token_sha256: str
    accepted: str | None = None  # the job that the maker prints
    reported: ManualJobView | None = None  # the last one: a phone that repeats its report gets the same answer


class _Makers(BaseModel):
    makers: list[Maker] = []


def token_hash(token: str) -> str:
    """Tokens are 256 random bits, so a plain hash of one cannot be turned back."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_makers(path: Path) -> dict[str, Maker]:
    """Read the list, by key; nobody when there is no file yet. ConfigurationError when it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(
            Bilingual(f"{path} cannot be read: {error.strerror}.", f"{path} ne peut pas être lu : {system_words(error).fr}."),
            next_step=Bilingual("Check its owner.", "Vérifiez à qui il appartient."),
        ) from error
    try:
        return {maker.key: maker for maker in _Makers.model_validate_json(content).makers}
    except ValidationError as error:
        raise ConfigurationError(Bilingual(f"{path} is damaged.", f"{path} est abîmé."), next_step=_RESTORE) from error


def write_makers(path: Path, makers: list[Maker]) -> None:
    """Replace the list, for its owner alone to read. OSError; the old one stays then."""
    write_private(path, _Makers(makers=makers).model_dump_json())
