"""A G-code file on its way to the printer: checked as a whole before anything is sent, then read ahead in batches.

All of this blocks: call it from a thread. No file is too large: memory holds one batch, and between two batches the interpreter is
given to others, so that no port waits for the check of two gigabytes.

A file that is removed while it is printed is printed to its end, for it is open. One that becomes another (shorter, longer, written
anew with other content) is an error at the next batch: the end of a file that was cut short must not pass for the end of the print.
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from drivers.errors import Bilingual, TransferError
from drivers.marlin.lines import LineError, ProgramLine, prepare
from drivers.system_words import system_words

BATCH_LINES: Final = 512
MAX_LINE_BYTES: Final = 1024 * 1024  # slicers write their whole configuration as one comment line
MAX_BATCH_BYTES: Final = 2 * MAX_LINE_BYTES  # a file of comments only must not be read in one go
YIELD_S: Final = 0.0002  # a batch takes about 1 ms
_PRINT_AGAIN: Final = Bilingual(
    "Leave the file alone while it is printed; clear the bed and print it again.",
    "Ne touchez pas au fichier pendant l'impression ; dégagez le plateau et relancez.",
)
_GIVEN_UP: Final = Bilingual("The printer was let go.", "L'imprimante a été libérée.")
_AGAIN: Final = Bilingual("Connect it and try again.", "Connectez-la et réessayez.")
_NOT_GCODE: Final = Bilingual(
    "Slice the model to plain G-code for this printer and try again.",
    "Tranchez le modèle en G-code simple pour cette imprimante, puis recommencez.",
)


@dataclass(frozen=True, slots=True)
class ProgramSize:
    """What the check found: the file's bytes and how many lines will be sent. `changed_ns` is when it was written last."""

    size_bytes: int
    commands: int
    changed_ns: int = 0
    digest: bytes = b""  # of its content; empty when nobody read it


class FileChangedError(TransferError):
    """The file is another than the one that was checked."""


def _digest(file: BinaryIO) -> bytes:
    """Of all that the file holds now; its place for reading stays."""
    digest, offset = hashlib.blake2b(), 0
    while piece := os.pread(file.fileno(), MAX_LINE_BYTES, offset):
        digest.update(piece)
        offset += len(piece)
        time.sleep(YIELD_S)
    return digest.digest()


class ProgramReader:
    """Reads one file in batches of prepared lines. With `checked` the file must still be what `check` saw."""

    def __init__(self, path: Path, checked: ProgramSize | None = None) -> None:
        self._path = path
        self._checked = checked
        self._file: BinaryIO | None = None
        self._number = 0
        self._offset = 0
        self._digest = hashlib.blake2b()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def digest(self) -> bytes:
        """Of what was read so far by a reader without `checked`."""
        return self._digest.digest()

    def identity(self) -> tuple[int, int]:
        """Bytes read so far, and when the file was written last (ns)."""
        return self._offset, os.fstat(self._file.fileno()).st_mtime_ns if self._file is not None else 0

    def read_batch(self) -> tuple[list[ProgramLine], bool]:
        """The next commands, and whether these were the last.

        Raises:
            TransferError: the file cannot be read or is another than it was, or a line cannot be sent; the message names it.

        """
        try:
            return self._read()
        except OSError as error:
            why = system_words(error)
            raise TransferError(
                Bilingual(f"The file {self._path} cannot be read: {why.en}.", f"Le fichier {self._path} est illisible : {why.fr}."),
                next_step=Bilingual("Check that it exists and may be read.", "Vérifiez qu'il existe et qu'il peut être lu."),
            ) from error

    def _read(self) -> tuple[list[ProgramLine], bool]:
        if self._file is None:
            self._file = self._path.open("rb")
        self._must_be_as_checked(self._file)
        lines: list[ProgramLine] = []
        taken: list[bytes] = []
        try:
            return lines, self._take(self._file.readline, lines, taken)
        finally:
            if self._checked is None:
                self._digest.update(b"".join(taken))

    def _take(self, readline: Callable[[int], bytes], lines: list[ProgramLine], taken: list[bytes]) -> bool:
        """Fill `lines` with the commands of a batch and `taken` with what it was made of; whether the file has ended."""
        enough_bytes = self._offset + MAX_BATCH_BYTES
        while len(lines) < BATCH_LINES and self._offset < enough_bytes:
            raw = readline(MAX_LINE_BYTES)
            if not raw:
                return True
            taken.append(raw)
            self._number += 1
            self._offset += len(raw)
            if command := self._prepared(raw):
                lines.append(ProgramLine(command, self._offset))
        return False

    def _must_be_as_checked(self, file: BinaryIO) -> None:
        if self._checked is None:
            return
        now = os.fstat(file.fileno())
        name, before, after = self._path.name, self._checked.size_bytes, now.st_size
        if before != after:
            raise FileChangedError(
                Bilingual(
                    f"The file {name} was changed while it was printed: it had {before} bytes and has {after} now.",
                    f"Le fichier {name} a été modifié pendant l'impression : il faisait {before} octets, il en fait {after}.",
                ),
                next_step=_PRINT_AGAIN,
            )
        if now.st_mtime_ns == self._checked.changed_ns:
            return
        if not self._checked.digest or _digest(file) != self._checked.digest:
            raise FileChangedError(
                Bilingual(
                    f"The file {name} was changed while it was printed: it was written anew.",
                    f"Le fichier {name} a été modifié pendant l'impression : il a été réécrit.",
                ),
                next_step=_PRINT_AGAIN,
            )
        self._checked = replace(self._checked, changed_ns=now.st_mtime_ns)  # only touched

    def _prepared(self, raw: bytes) -> bytes:
        if len(raw) == MAX_LINE_BYTES:
            raise TransferError(self._at("has no end", "n'a pas de fin"), next_step=_NOT_GCODE)
        try:
            return prepare(raw)
        except LineError as error:
            raise TransferError(self._at(f"{error}", error.french), next_step=_NOT_GCODE) from error

    def _at(self, english: str, french: str) -> Bilingual:
        place, name = self._number, self._path.name
        return Bilingual(f"Line {place} of {name} {english}.", f"La ligne {place} de {name} {french}.")


def check(path: Path, given_up: Callable[[], bool] = lambda: False) -> ProgramSize:
    """Read the whole file once, or until `given_up`: two gigabytes take minutes.

    Raises:
        TransferError: it cannot be read, is empty, holds a line that cannot be sent (the message names it), or it was given up.

    """
    reader = ProgramReader(path)
    commands, last = 0, False
    try:
        while not last:
            lines, last = reader.read_batch()
            commands += len(lines)
            if given_up():
                raise TransferError(_GIVEN_UP, next_step=_AGAIN)
            time.sleep(YIELD_S)
        size_bytes, changed_ns = reader.identity()
        digest = reader.digest()
    finally:
        reader.close()
    if commands == 0:
        nothing = Bilingual(f"{path.name} holds no G-code command.", f"{path.name} ne contient aucune commande G-code.")
        raise TransferError(nothing, next_step=_NOT_GCODE)
    return ProgramSize(size_bytes, commands, changed_ns, digest)
