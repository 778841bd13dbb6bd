"""The fencing token of a farm: above every one that was ever issued (docs/protocol.md, "Generation").

A file beside the database holds the highest that this data folder ever used. It is written before the generation itself is, so that
neither a database copied back by hand nor the same backup restored twice brings an old one back into use.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm.errors import ConfigurationError
from farm.keys import write_private
from farm.language import system_words
from gcode.texts import Bilingual

FILE_NAME: Final = "generation"
FARTHEST: Final = 10_000  # each restore adds one: what is further above ours is no daemon's but a fault, and must not stop a farm


_NO_NUMBER: Final = Bilingual("it holds no number", "il ne contient pas de nombre")


@dataclass(frozen=True, slots=True)
class Settled:
    """The generation to go on with. `put_back`: the database is older than this folder, somebody copied it here."""

    generation: int
    put_back: bool = False


def settle(stored: int, kept: int) -> Settled:
    """What to do with the generation in the database (0: it is new) and the one in the file (0: there is none)."""
    if stored == 0:
        return Settled(kept + 1)
    if kept > stored:
        return Settled(kept + 1, put_back=True)
    return Settled(stored)


class GenerationFile:
    """The file in the data folder. Blocking: the daemon calls it in a thread."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def read(self) -> int:
        """The highest generation that was ever used here; 0 when there is no file.

        Raises:
            ConfigurationError: it cannot be read, or holds no number.

        """
        try:
            return max(0, int(self.path.read_text("ascii")))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            why = system_words(error) if isinstance(error, OSError) else _NO_NUMBER
            raise ConfigurationError(
                Bilingual(f"{self.path} cannot be read: {why.en}.", f"{self.path} ne peut pas être lu : {why.fr}."),
                next_step=Bilingual(
                    "Write the highest generation that you know into it (`farm status --json`), or a few more.",
                    "Écrivez-y la plus haute génération que vous connaissez (`farm status --json`), ou quelques-unes de plus.",
                ),
            ) from error

    def raise_to(self, generation: int) -> None:
        """Note that a generation is about to be used. It is on the disk when this returns; the number in the file never falls.

        Raises:
            ConfigurationError: it cannot be read or written.

        """
        if generation <= self.read():
            return
        try:
            write_private(self.path, f"{generation}\n")
        except OSError as error:
            raise ConfigurationError(
                Bilingual(
                    f"{self.path} cannot be written: {error.strerror}.",
                    f"{self.path} ne peut pas être écrit : {system_words(error).fr}.",
                ),
                next_step=Bilingual(
                    "Make room there, or give this user the right to.",
                    "Libérez-y de la place, ou donnez-en le droit à cet utilisateur.",
                ),
            ) from error
