"""Puts a backup in the place of a database, so that whatever kills us leaves either the old farm or the restored one, whole.

The order matters: the generation is raised in its file first, the copy is made ready beside the database, and one rename brings it
into use. What the nodes did since the backup they tell again (docs/decisions/0010). Blocking; nothing else may use the data folder:
the caller holds its lock (`farm.daemon.lock`).
"""

import contextlib
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine, exc
from sqlalchemy.pool import NullPool

from farm.daemon.generation import GenerationFile
from farm.daemon.healing import META, Healing, HealingWhy
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError
from farm.store import migrations
from farm.store.backup import connect, copy_database, sync_folder
from farm.store.writer import FILE_NAME
from gcode.texts import Bilingual, both

_READY: Final = f"{FILE_NAME}.restoring"
_ASIDE: Final = "essaim-before-restore-"
_ASIDE_FILE: Final = re.compile(rf"{_ASIDE}(\d{{8}}T\d{{6}}Z)(?:-(\d+))?\.sqlite3(?:-wal|-shm|-journal)?")
KEPT_ASIDE: Final = 3  # each is as large as the database, and the disk is that of a Raspberry Pi
_DAMAGED: Final = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT"})
_STAMP: Final = re.compile(r"(\d{8}T\d{6})Z")
_TABLES: Final = frozenset({"alembic_version", "meta", "orders", "jobs", "nodes", "revisions", "invites"})


@dataclass(frozen=True, slots=True)
class Census:
    """What a database holds, for people. `nodes` are those that were not removed, by id."""

    generation: int
    open_orders: int
    orders: int
    good_parts: int
    jobs: int
    nodes: dict[str, str] = field(default_factory=dict)
    removed_nodes: frozenset[str] = frozenset()
    recalled: frozenset[str] = frozenset()
    unreleased: frozenset[str] = frozenset()  # programs for which nobody answers
    approvals: frozenset[str] | None = None  # None: of an Essaim that knew none
    rejected: frozenset[str] = frozenset()  # programs that do not pass the checks of their profile
    approving: frozenset[str] = frozenset()  # requesters that take only what they have approved


def take_census(path: Path) -> Census:
    """Count. sqlite3.Error: it is no database of ours."""
    with contextlib.closing(connect(path)) as database:

        def number(query: str) -> int:
            return int(database.execute(query).fetchone()[0] or 0)

        def keys(query: str) -> frozenset[str]:
            return frozenset(key for (key,) in database.execute(query))

        nodes = database.execute("SELECT id, name, revoked FROM nodes").fetchall()
        answers = bool(keys("SELECT name FROM sqlite_master WHERE name = 'approvals'"))
        return Census(
            generation=number("SELECT value FROM meta WHERE key = 'generation' UNION ALL SELECT 0"),
            open_orders=number("SELECT count(*) FROM orders WHERE NOT cancelled AND good < quantity"),
            orders=number("SELECT count(*) FROM orders"),
            good_parts=number("SELECT sum(good) FROM jobs"),
            jobs=number("SELECT count(*) FROM jobs"),
            nodes={key: name or key for key, name, revoked in nodes if not revoked},
            removed_nodes=frozenset(key for key, _, revoked in nodes if revoked),
            recalled=keys("SELECT id FROM revisions WHERE recalled"),
            unreleased=keys("SELECT sha256 FROM programs WHERE released_by = ''") if answers else frozenset(),
            approvals=keys("SELECT id FROM approvals") if answers else None,
            rejected=keys("SELECT sha256 FROM programs WHERE verdict = 'reject'") if answers else frozenset(),
            approving=keys("SELECT id FROM requesters WHERE approves") if answers else frozenset(),
        )


def made_at_s(backup: Path) -> float:
    """When a backup was made: its name says so, unless it was renamed; then the file's own time."""
    found = _STAMP.search(backup.name)
    if found is not None:
        with contextlib.suppress(ValueError):
            return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    return backup.stat().st_mtime


class Restoration:
    """A backup that was checked and made ready in the data folder. Use as a context manager: what was not brought in is removed.

    Raises (on entering):
        NotFoundError: there is no such file.
        InvalidError: it is no database of ours, damaged, or of a newer version; nothing was changed.
        StoreFullError: no room; nothing was changed.

    """

    def __init__(self, backup: Path, folder: Path, now_s: float) -> None:
        self.backup = backup
        self.database = folder / FILE_NAME
        self.aside: Path | None = None
        self.forgotten = 0  # databases that earlier restores had put aside, and that are removed now
        self.generation = 0
        self._ready = folder / _READY
        self._file = GenerationFile(folder)
        self._now_s = now_s

    def __enter__(self) -> "Restoration":
        if not self.backup.is_file():
            raise NotFoundError(
                Bilingual(f"There is no file {self.backup}.", f"Il n'y a pas de fichier {self.backup}."),
                next_step=Bilingual("`farm backup --list` names the backups.", "`farm backup --list` nomme les sauvegardes."),
            )
        self._discard()
        copy_database(self.backup, self._ready)
        try:
            self.made_at_s = made_at_s(self.backup)
            self._check_ours()
            self._migrate()
            self.then = take_census(self._ready)
            self.now = self._present()
            self.generation = max(self.then.generation, self._file.read(), self.now.generation if self.now else 0) + 1
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def steps(self) -> Iterator[str]:
        """Bring the backup into use; yields the name of every step that is done. Whoever stops between two loses nothing."""
        self._file.raise_to(self.generation)
        yield "generation"
        self._mark()
        yield "marked"
        self._settle_present()
        yield "settled"
        self._put_aside()
        yield "aside"
        self._ready.replace(self.database)
        sync_folder(self.database.parent)
        yield "replaced"
        self._forget_old()

    # --- the backup ------------------------------------------------------------------------------------------------------------

    def _check_ours(self) -> None:
        with contextlib.closing(connect(self._ready)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            ours = tables >= _TABLES
            version = database.execute("SELECT version_num FROM alembic_version").fetchone() if ours else None
        if version is None:
            raise InvalidError(
                Bilingual(
                    f"{self.backup} is a database, but none of Essaim.",
                    f"{self.backup} est une base de données, mais pas d'Essaim.",
                ),
                next_step=Bilingual(
                    "Name a file of the folder `backups` in the data folder.",
                    "Nommez un fichier du dossier `backups` dans le dossier des données.",
                ),
                code="not-a-backup",
            )
        if str(version[0]) > migrations.HEAD:
            raise InvalidError(
                Bilingual(
                    f"{self.backup} was written by a newer Essaim (version {version[0]}; this one knows {migrations.HEAD}).",
                    f"{self.backup} a été écrit par un Essaim plus récent "
                    f"(version {version[0]} ; celui-ci connaît {migrations.HEAD}).",
                ),
                next_step=Bilingual(
                    "Restore it with that one, or choose an older backup.",
                    "Restaurez-la avec celui-là, ou choisissez une sauvegarde plus ancienne.",
                ),
                code="newer-schema",
            )

    def _migrate(self) -> None:
        engine = create_engine(f"sqlite:///{self._ready}", poolclass=NullPool)
        try:
            with engine.begin() as connection:
                migrations.upgrade(connection)
        except exc.SQLAlchemyError as error:
            raise FarmError(
                Bilingual(
                    f"{self.backup} could not be brought up to date: {getattr(error, 'orig', error)}.",
                    f"{self.backup} n'a pas pu être mis à jour : {getattr(error, 'orig', error)}.",
                ),
                next_step=Bilingual(
                    "Make room on the disk, or choose another backup.",
                    "Libérez de la place sur le disque, ou choisissez une autre sauvegarde.",
                ),
                code="migration-failed",
            ) from error
        finally:
            engine.dispose()

    def _mark(self) -> None:
        """What makes it a restored farm. What was removed, recalled or withdrawn since stays so; open invitations are void."""
        healing = Healing(HealingWhy.RESTORED, self._now_s, backup_at_s=self.made_at_s)
        rows = {"generation": str(self.generation), META: healing.text(), "restored_at_s": str(self._now_s)}
        with contextlib.closing(connect(self._ready, write=True)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", rows.items())
            database.execute("DELETE FROM invites WHERE claimed_by IS NULL")
            if self.now is not None:
                removed, recalled = sorted(self.now.removed_nodes), sorted(self.now.recalled)
                database.executemany("UPDATE nodes SET revoked = 1 WHERE id = ?", [(key,) for key in removed])
                database.executemany("UPDATE revisions SET recalled = 1 WHERE id = ?", [(key,) for key in recalled])
                _withdraw(database, self.now)
            database.execute("COMMIT")
        _sync(self._ready)

    # --- the database that is there --------------------------------------------------------------------------------------------

    def _present(self) -> Census | None:
        try:
            return take_census(self.database) if self.database.exists() else None
        except sqlite3.Error:
            return None  # damaged: perhaps that is why we are called

    def _settle_present(self) -> None:
        """Have everything of the present database in its one file: a log that stays behind would be read into the restored one."""
        if not self.database.exists():
            return
        try:
            with contextlib.closing(connect(self.database, write=True)) as database:
                mode = database.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") not in _DAMAGED:
                raise self._in_use(both(str(error))) from error
            self._move_logs_aside()
        else:
            if mode != "delete":
                raise self._in_use(Bilingual(f"its journal mode stays {mode}", f"son mode de journal reste {mode}"))

    def _in_use(self, cause: Bilingual) -> FarmError:
        return ConflictError(
            Bilingual(
                f"{self.database} is used by another program ({cause.en}): nothing was changed.",
                f"{self.database} sert à un autre programme ({cause.fr}) : rien n'a été changé.",
            ),
            next_step=Bilingual(
                "End what has it open (`fuser` names it), then try again.",
                "Arrêtez ce qui l'a ouverte (`fuser` le nomme), puis réessayez.",
            ),
            code="database-in-use",
        )

    def _move_logs_aside(self) -> None:
        """The database cannot be read, so nothing of its log can."""
        stamp = _stamp()
        for suffix in ("-wal", "-shm", "-journal"):
            log = self.database.with_name(FILE_NAME + suffix)
            if log.exists():
                log.rename(self.database.with_name(f"{_ASIDE}{stamp}.sqlite3{suffix}"))
        sync_folder(self.database.parent)

    def _put_aside(self) -> None:
        """Give the present database a second name; it stays in its place until the rename."""
        if not self.database.exists():
            return
        stamp = _stamp()
        names = (self.database.with_name(f"{_ASIDE}{stamp}{f'-{number}' if number else ''}.sqlite3") for number in range(1_000))
        self.aside = next(name for name in names if not name.exists())
        try:
            os.link(self.database, self.aside)
        except OSError:  # a file system without links
            shutil.copy2(self.database, self.aside)
            _sync(self.aside)
        sync_folder(self.aside.parent)

    def _forget_old(self) -> None:
        """Remove all but the newest of what restores have put aside."""
        groups: dict[tuple[str, int], list[Path]] = {}
        for path in self.database.parent.glob(f"{_ASIDE}*"):
            if found := _ASIDE_FILE.fullmatch(path.name):
                groups.setdefault((found[1], int(found[2] or 0)), []).append(path)
        for key in sorted(groups, reverse=True)[KEPT_ASIDE:]:
            with contextlib.suppress(OSError):  # tried again by the next restore
                for path in groups[key]:
                    path.unlink(missing_ok=True)
                self.forgotten += 1

    def _discard(self) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self._ready.with_name(_READY + suffix).unlink(missing_ok=True)


def _withdraw(database: sqlite3.Connection, now: Census) -> None:
    """What people and checks let pass no more since the backup stays so: releases, approvals, programs that were rejected.

    A program's way of checking stays that of the backup: where another one holds now it is checked again, and may come back.
    """
    nobody = "UPDATE programs SET released_by = '', released_at_s = NULL, released_for = '', release_reason = '' WHERE sha256 = ?"
    database.executemany(nobody, [(key,) for key in sorted(now.unreleased)])
    database.executemany("UPDATE programs SET verdict = 'reject' WHERE sha256 = ?", [(key,) for key in sorted(now.rejected)])
    database.executemany("UPDATE requesters SET approves = 1 WHERE id = ?", [(key,) for key in sorted(now.approving)])
    if now.approvals is not None:
        gone = [key for (key,) in database.execute("SELECT id FROM approvals") if key not in now.approvals]
        database.executemany("DELETE FROM approvals WHERE id = ?", [(key,) for key in gone])


def _stamp() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
