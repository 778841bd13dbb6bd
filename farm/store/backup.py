"""Copies of the daemon's SQLite database: made while it runs, checked, and put in their place whole or not at all.

`sqlite3`'s backup API copies one moment of the database in one step: in WAL mode that holds up no writer. Blocking: the daemon
calls it in a thread of its own.
"""

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm.errors import FarmError, InvalidError, NotFoundError, StoreFullError
from farm.language import system_words
from gcode.texts import Bilingual

FOLDER: Final = "backups"
_PREFIX: Final = "essaim-"
_SUFFIX: Final = ".sqlite3"
_UNFINISHED: Final = ".part"
_SPARE_BYTES: Final = 4 * 1024**2  # a copy must not take the last room from the database itself
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy on the disk. `made_at_s` is the unix time (of the machine) of the moment that it holds."""

    path: Path
    made_at_s: float
    size_bytes: int


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Open a database without making one. Raises sqlite3.Error."""
    mode = "rw" if write else "ro"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=_TIMEOUT_S, isolation_level=None)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size_of(database: Path) -> int:
    """How much a copy may need, in bytes: the database and what has not been merged into it yet."""
    files = (database, database.with_name(database.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def copy_database(source: Path, target: Path) -> None:
    """Copy one moment of `source` to `target`, which must not exist: private, one file, checked and on the disk.

    Raises:
        StoreFullError: no room; nothing was left behind.
        InvalidError: `source` is no database, or damaged.
        FarmError: the disk failed.

    """
    _check_room(source, target.parent)
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        _copy(source, target)
    except (sqlite3.Error, OSError) as error:
        _remove(target)
        raise _translate(error, source, target) from error
    except BaseException:
        _remove(target)
        raise


def _copy(source: Path, target: Path) -> None:
    with contextlib.closing(connect(source)) as reading, contextlib.closing(connect(target, write=True)) as writing:
        reading.backup(writing)  # all pages at once: a copy in pieces begins again whenever somebody writes
        writing.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        check_integrity(writing, source)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def check_integrity(connection: sqlite3.Connection, path: Path) -> None:
    """Have SQLite look at every page. InvalidError: it found something."""
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise InvalidError(
            Bilingual(f"The database {path} is damaged: {found}.", f"La base de données {path} est abîmée : {found}."),
            next_step=Bilingual(
                "Use an older backup: farm backup --list shows them.",
                "Prenez une sauvegarde plus ancienne : farm backup --list les montre.",
            ),
        )


def _check_room(source: Path, folder: Path) -> None:
    try:
        needed, free = size_of(source) + _SPARE_BYTES, shutil.disk_usage(folder).free
    except OSError as error:
        raise _translate(error, source, folder) from error
    if free < needed:
        raise StoreFullError(
            Bilingual(
                f"No room for a copy of the database in {folder}: {needed // 1024} KiB are needed, {free // 1024} KiB are free.",
                f"Pas de place pour une copie de la base de données dans {folder} : "
                f"il faut {needed // 1024} Kio, {free // 1024} Kio sont libres.",
            ),
            next_step=Bilingual(
                "Make room there, or name another folder with [backup] folder in farm.toml.",
                "Libérez-y de la place, ou nommez un autre dossier avec [backup] folder dans farm.toml.",
            ),
        )


def _translate(error: Exception, source: Path, target: Path) -> FarmError:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or getattr(error, "errno", None) == 28:  # ENOSPC
        return StoreFullError(
            Bilingual(
                f"The disk with {target.parent} is full: no copy was made.",
                f"Le disque où est {target.parent} est plein : aucune copie n'a été faite.",
            ),
            next_step=Bilingual("Make room on it.", "Libérez-y de la place."),
        )
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
        return InvalidError(
            Bilingual(
                f"{source} is no database, or damaged: {error}.",
                f"{source} n'est pas une base de données, ou est abîmé : {error}.",
            ),
            next_step=Bilingual("Use another backup.", "Prenez une autre sauvegarde."),
            code="not-a-database",
        )
    what = system_words(error)
    return FarmError(
        Bilingual(
            f"The database {source} could not be copied to {target}: {what.en}.",
            f"La base de données {source} n'a pas pu être copiée vers {target} : {what.fr}.",
        ),
        code="backup-failed",
        next_step=Bilingual(
            "Check that the folder exists, that this user may write it, and that the disk is well.",
            "Vérifiez que le dossier existe, que cet utilisateur peut y écrire et que le disque va bien.",
        ),
    )


def _remove(target: Path) -> None:
    for name in (target.name, f"{target.name}-journal", f"{target.name}-wal", f"{target.name}-shm"):
        with contextlib.suppress(OSError):
            target.with_name(name).unlink(missing_ok=True)


class Backups:
    """The copies in one folder; the newest `keep` of those that this class made by itself stay."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self._keep = keep
        self._making = threading.Lock()  # one that is being made must not look like the leftover of a killed process

    def make(self, database: Path, *, note: str = "") -> Backup:
        """Copy the database as it is now. `note` becomes part of the name.

        Raises:
            StoreFullError, InvalidError, FarmError: as `copy_database`; nothing was left behind.

        """
        with self._making:
            return self._make(database, note)

    def _make(self, database: Path, note: str) -> Backup:
        now_s = time.time()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _translate(error, database, self.folder / "x") from error
        for leftover in self.folder.glob(f"{_PREFIX}*{_UNFINISHED}"):
            _remove(leftover)
        path = self._free_name(now_s, note)
        unfinished = path.with_name(path.name + _UNFINISHED)
        copy_database(database, unfinished)
        os.utime(unfinished, (now_s, now_s))  # what is written while we copy is newer than the copy
        unfinished.rename(path)
        sync_folder(self.folder)
        self._prune()
        return self._read(path)

    def list(self) -> list[Backup]:
        """All copies, the newest first."""
        return sorted(self._all(), key=lambda backup: (backup.made_at_s, backup.path.name), reverse=True)

    def find(self, name: str) -> Backup:
        """A copy by the name of its file. NotFoundError."""
        for backup in self._all():
            if backup.path.name == name:
                return backup
        raise NotFoundError(
            Bilingual(f"There is no backup {name}.", f"Il n'y a pas de sauvegarde {name}."),
            next_step=Bilingual("GET /api/v1/backups lists them all.", "GET /api/v1/backups les donne toutes."),
        )

    def is_due(self, database: Path) -> bool:
        """Whether anything was written since the newest copy."""
        newest = max((backup.made_at_s for backup in self._all()), default=0.0)
        files = (database, database.with_name(database.name + "-wal"))
        return any(file.stat().st_mtime >= newest for file in files if file.exists())

    def _all(self) -> Iterator[Backup]:
        for path in self.folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                yield self._read(path)

    @staticmethod
    def _read(path: Path) -> Backup:
        status = path.stat()
        return Backup(path, status.st_mtime, status.st_size)

    def _free_name(self, now_s: float, note: str) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
        base = f"{_PREFIX}{stamp}{f'-{note}' if note else ''}"
        names = (f"{base}{f'-{number}' if number else ''}{_SUFFIX}" for number in range(10_000))
        return next(path for name in names if not (path := self.folder / name).exists())

    def _prune(self) -> None:
        for old in self.list()[self._keep :]:
            with contextlib.suppress(OSError):  # tried again after the next one
                old.path.unlink()
