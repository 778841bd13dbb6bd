"""The daemon's database: one writer thread, one transaction a batch, every commit on the disk before it is believed.

SQLite runs in WAL mode with synchronous=FULL: an acknowledgement is a promise, and without FULL a power cut takes committed rows
back. The daemon groups what it receives and commits it at once, because a commit of one row writes 9 kB to a Raspberry Pi's SD
card and one of twenty 1.3 kB a row (measured; docs/decisions/0003).
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import NullPool, StaticPool

from farm.errors import ConfigurationError, FarmError, InvalidError, StoreFullError
from farm.store import migrations, repository
from farm.store.backup import FOLDER, Backup, Backups
from farm.store.repository import Change, StoredFarm
from gcode.texts import Bilingual
from scheduler.model import AuditEntry, Durable, Job

_Result = TypeVar("_Result")
_Entity = TypeVar("_Entity", bound=Durable)

FILE_NAME: Final = "essaim.sqlite3"
_KEEP: Final = 48  # copies, unless the configuration says otherwise
_BUSY_TIMEOUT_S: Final = 5.0
_JOURNAL_LIMIT_BYTES: Final = 8 * 1024**2  # a WAL that grew in a burst shrinks again
_NEARLY_FULL_BYTES: Final = 512 * 1024  # SQLite reports some full disks as I/O errors


def _open_sqlite(path: Path, *, writer: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool if writer else NullPool,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own habit starts transactions too late
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"journal_size_limit={_JOURNAL_LIMIT_BYTES}",
            "cache_size=-4096",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


class Store:
    """The durable half of the daemon. Methods are called from one event loop; the work is done in a thread."""

    def __init__(self, path: Path, backups: Backups | None = None) -> None:
        self._path = path
        self.backups = backups or Backups(path.parent / FOLDER, _KEEP)
        self._writer = _open_sqlite(path, writer=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="store-reader")
        self._reader = _open_sqlite(path, writer=False)

    @classmethod
    async def open(cls, folder: Path, backups: Backups | None = None) -> Self:
        """Open (or make) the database in `folder` and bring its schema up to date: an older one is copied to `backups` first.

        Raises:
            ConfigurationError: the folder cannot be written, the file is no database, or it is of a newer version of Essaim.
            StoreFullError: no room to make it.

        """
        store = cls(folder / FILE_NAME, backups)
        try:
            await store._in_thread(store._prepare)
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        self._writer.dispose()
        self._reader.dispose()

    async def load(self) -> StoredFarm:
        """Read what the daemon keeps in memory."""
        return await self._in_thread(lambda: self._write(repository.load))

    async def commit(self, changes: Sequence[Change]) -> None:
        """Write all `changes` in one transaction and return when they are on the disk.

        Raises:
            StoreFullError: the disk is full; nothing of `changes` was written.
            InvalidError: the database works and refuses a row of them; nothing was written.
            FarmError: the database failed otherwise (read-only, corrupt, disk error).

        """
        if changes:
            await self._in_thread(lambda: self._write(lambda connection: repository.apply(connection, changes)))

    async def find(self, kind: type[_Entity], keys: Iterable[str]) -> dict[str, _Entity]:
        """Entities by key, also those that are not kept in memory (collected jobs, closed allocations)."""
        wanted = list(keys)
        if not wanted:
            return {}
        return await self._in_thread(lambda: self._read(lambda connection: repository.find(connection, kind, wanted)), read=True)

    async def jobs(self, *, order: str | None = None, limit: int = 200, offset: int = 0) -> list[Job]:
        """Jobs, newest first."""

        def query(connection: Connection) -> list[Job]:
            return repository.list_jobs(connection, order=order, limit=limit, offset=offset)

        return await self._in_thread(lambda: self._read(query), read=True)

    async def is_used(self, program: str) -> bool:
        """Whether there ever was a job or an allocation of a program."""
        return await self._in_thread(lambda: self._read(lambda connection: repository.is_used(connection, program)), read=True)

    async def audit(self, *, subject: str | None = None, limit: int = 200, offset: int = 0) -> list[AuditEntry]:
        """Who answers for what, newest first."""

        def query(connection: Connection) -> list[AuditEntry]:
            return repository.list_audit(connection, subject=subject, limit=limit, offset=offset)

        return await self._in_thread(lambda: self._read(query), read=True)

    async def backup(self) -> Backup:
        """Copy the database while it is in use.

        Raises:
            StoreFullError: no room for the copy; nothing was left behind.
            FarmError: the database or the disk is damaged.

        """
        return await self._in_thread(lambda: self.backups.make(self._path), read=True)

    async def backup_is_due(self) -> bool:
        """Whether anything was written since the newest copy."""
        return await self._in_thread(lambda: self.backups.is_due(self._path), read=True)

    async def _in_thread(self, work: Callable[[], _Result], *, read: bool = False) -> _Result:
        executor = self._readers if read else self._thread
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    def _prepare(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._writer.begin() as connection:
                version = migrations.current(connection)
            if version is not None and version < migrations.HEAD:
                self.backups.make(self._path, note=f"before-{migrations.HEAD}")
            with self._writer.begin() as connection:
                migrations.upgrade(connection)
        except (OSError, exc.SQLAlchemyError) as error:
            if isinstance(error, exc.SQLAlchemyError) and isinstance(found := self._translate(error), StoreFullError):
                raise found from error
            raise ConfigurationError(
                Bilingual(
                    f"The database {self._path} cannot be used: {getattr(error, 'orig', error)}.",
                    f"La base de données {self._path} ne peut pas servir : {getattr(error, 'orig', error)}.",
                ),
                next_step=Bilingual(
                    "Check that the data folder exists and this user may write it, or name another with `data` in farm.toml.",
                    "Vérifiez que le dossier des données existe et que cet utilisateur peut y écrire, "
                    "ou nommez-en un autre avec `data` dans farm.toml.",
                ),
            ) from error

    def _write(self, work: Callable[[Connection], _Result]) -> _Result:
        try:
            with self._writer.begin() as connection:
                return work(connection)
        except exc.SQLAlchemyError as error:
            raise self._translate(error) from error
        except (OverflowError, UnicodeError) as error:  # the driver's own, before anything reaches the database
            raise _refused(error) from error

    def _read(self, work: Callable[[Connection], _Result]) -> _Result:
        try:
            with self._reader.begin() as connection:
                return work(connection)
        except exc.SQLAlchemyError as error:
            raise self._translate(error) from error

    def _translate(self, error: exc.SQLAlchemyError) -> FarmError:
        """In words for people. InvalidError: the store works, and what it was given is wrong."""
        cause = getattr(error, "orig", error)
        name = getattr(cause, "sqlite_errorname", "")
        full = name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and self._free_bytes() < _NEARLY_FULL_BYTES)
        if full:
            return StoreFullError(
                Bilingual(
                    f"The disk with {self._path.parent} is full: nothing was written.",
                    f"Le disque où est {self._path.parent} est plein : rien n'a été écrit.",
                ),
                next_step=Bilingual(
                    "Make room on it. The farm goes on by itself then; nodes keep their facts until it does.",
                    "Libérez-y de la place. La ferme repart alors toute seule ; d'ici là, les nœuds gardent leurs faits.",
                ),
            )
        if isinstance(error, exc.IntegrityError | exc.DataError):
            return _refused(cause)
        return FarmError(
            Bilingual(f"The database {self._path} failed: {cause}.", f"La base de données {self._path} a échoué : {cause}."),
            code="store-failed",
            next_step=Bilingual(
                "Check the disk (`dmesg`) and that this user may write it. The farm goes on by itself when it works again.",
                "Vérifiez le disque (`dmesg`) et que cet utilisateur peut y écrire. La ferme repart toute seule quand il remarche.",
            ),
        )

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._path.parent).free
        except OSError:
            return 0


def _refused(why: object) -> InvalidError:
    return InvalidError(
        Bilingual(f"The database refused a row: {why}.", f"La base de données a refusé une ligne : {why}."),
        code="store-refused",
        next_step=Bilingual("Report this.", "Signalez-le."),
    )
