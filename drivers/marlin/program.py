"""A G-code file on its way to the printer: checked as a whole before anything is sent, then read ahead in batches.

All of this blocks: call it from a thread.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from drivers.errors import Bilingual, TransferError
from drivers.marlin.lines import LineError, ProgramLine, prepare

BATCH_LINES: Final = 512
MAX_LINE_BYTES: Final = 1024 * 1024  # slicers write their whole configuration as one comment line
_NOT_GCODE: Final = Bilingual(
    "Slice the model to plain G-code for this printer and try again.",
    "Tranchez le modèle en G-code simple pour cette imprimante, puis recommencez.",
)


@dataclass(frozen=True, slots=True)
class ProgramSize:
    """What the check found: the file's bytes and how many lines will be sent."""

    size_bytes: int
    commands: int


class ProgramReader:
    """Reads one file in batches of prepared lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._number = 0
        self._offset = 0

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read_batch(self) -> tuple[list[ProgramLine], bool]:
        """The next commands, and whether these were the last.

        Raises:
            TransferError: the file cannot be read, or a line cannot be sent; the message names it.

        """
        try:
            return self._read()
        except OSError as error:
            raise TransferError(
                Bilingual(
                    f"The file {self._path} cannot be read: {error.strerror}.",
                    f"Le fichier {self._path} est illisible : {error.strerror}.",
                ),
                next_step=Bilingual("Check that it exists and may be read.", "Vérifiez qu'il existe et qu'il peut être lu."),
            ) from error

    def _read(self) -> tuple[list[ProgramLine], bool]:
        if self._file is None:
            self._file = self._path.open("rb")
        lines: list[ProgramLine] = []
        while len(lines) < BATCH_LINES:
            raw = self._file.readline(MAX_LINE_BYTES)
            if not raw:
                return lines, True
            self._take(raw, lines)
        return lines, False

    def _take(self, raw: bytes, lines: list[ProgramLine]) -> None:
        self._number += 1
        self._offset += len(raw)
        if len(raw) == MAX_LINE_BYTES:
            raise TransferError(self._at("has no end", "n'a pas de fin"), next_step=_NOT_GCODE)
        try:
            command = prepare(raw)
        except LineError as error:
            raise TransferError(self._at(f"{error}", f"ne peut pas être envoyée ({error})"), next_step=_NOT_GCODE) from error
        if command:
            lines.append(ProgramLine(command, self._offset))

    def _at(self, english: str, french: str) -> Bilingual:
        place, name = self._number, self._path.name
        return Bilingual(f"Line {place} of {name} {english}.", f"La ligne {place} de {name} {french}.")


def check(path: Path) -> ProgramSize:
    """Read the whole file once.

    Raises:
        TransferError: it cannot be read, is empty, or holds a line that cannot be sent; the message names the line.

    """
    reader = ProgramReader(path)
    commands, last = 0, False
    try:
        while not last:
            lines, last = reader.read_batch()
            commands += len(lines)
        size_bytes = path.stat().st_size
    finally:
        reader.close()
    if commands == 0:
        nothing = Bilingual(f"{path.name} holds no G-code command.", f"{path.name} ne contient aucune commande G-code.")
        raise TransferError(nothing, next_step=_NOT_GCODE)
    return ProgramSize(size_bytes, commands)
