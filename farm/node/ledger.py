"""The node's memory: beds, the outbox, what was started, what the daemon wants. SQLite, one fsynced transaction a step.

A commit happens when a person or a job did something, never for telemetry, progress or heartbeats: an SD card dies of those.
All methods block; `farm.node.agent` calls them on one thread of their own.
"""

import json
import sqlite3
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any, Final, Self

from pydantic import TypeAdapter, ValidationError

from farm.bus.messages import AllocationOrder, Fact, JobReference, RawFact, Settings, fact_tag
from farm.errors import ConfigurationError, FarmError
from farm.ids import new_id
from farm.node.ballast import is_full
from farm.node.core import Changes, JournalPlace, Occupied, Remembered
from farm.node.core.state import KEEP_COMMANDS
from gcode.texts import Bilingual, Told, both, told
from scheduler.model import JobOutcome, OccupationKind

_VERSION: Final = 2
_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE printers (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
CREATE TABLE occupations (
    printer TEXT PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL, began_s REAL NOT NULL, began_wall_s REAL NOT NULL,
    job TEXT, outcome TEXT, gap INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (position INTEGER PRIMARY KEY, at_s REAL NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE started (allocation TEXT PRIMARY KEY, jobs INTEGER NOT NULL, at_s REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE commands (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
"""
# a column with a default writes no row anew: what version 1 has written is kept another 90 days of running time
_AGES: Final = """
ALTER TABLE journal ADD COLUMN lived_s REAL NOT NULL DEFAULT 0;
ALTER TABLE started ADD COLUMN lived_s REAL NOT NULL DEFAULT 0;
"""
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # an acknowledged fact must survive a power cut: NORMAL does not sync commits in WAL mode
    "PRAGMA journal_size_limit = 1048576",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA cache_size = -512",  # kB: the agent has 50 MB for everything
)
_ALLOCATIONS: Final = TypeAdapter(dict[str, tuple[AllocationOrder, ...]])
_MAX_BATCH_BYTES: Final = 180_000  # of facts; the packet's limit is 256 kB


_FREE_SOME: Final = Bilingual(
    "Free some space; nothing new is started until then.", "Libérez de la place ; rien de nouveau n'est lancé d'ici là."
)
_CHECK_DISK: Final = Bilingual("Check the disk and the folder's owner.", "Vérifiez le disque, et à qui est le dossier.")


class LedgerWriteError(FarmError):
    """A step could not be written: nothing of it has happened. `full`: the disk has no room."""

    code = "ledger-unwritable"

    def __init__(self, detail: Bilingual | Told, *, next_step: Bilingual | Told, full: bool) -> None:
        super().__init__(detail, next_step=next_step)
        self.full = full


def _no_room(path: Path | str) -> bool:
    return is_full(Path(path).parent)


def _unusable(path: Path | str, why: Bilingual | Told) -> FarmError:
    said = both(why)
    if _no_room(path):
        return LedgerWriteError(
            Bilingual(
                f"The disk with the ledger {path} is full ({said.en}).",
                f"Le disque où se trouve le registre {path} est plein ({said.fr}).",
            ),
            next_step=Bilingual(
                "Free some space and start the agent again. Nothing is lost: it goes on from what the ledger holds.",
                "Libérez de la place et relancez l'agent. Rien n'est perdu : il reprend là où en est le registre.",
            ),
            full=True,
        )
    return ConfigurationError(
        Bilingual(f"The ledger {path} cannot be used: {said.en}.", f"Le registre {path} est inutilisable : {said.fr}."),
        next_step=Bilingual(
            "Check the folder's owner and free space. If the file is damaged, move it away and check every bed before the "
            "next start: the node then begins a new ledger.",
            "Vérifiez à qui est le dossier, et la place libre. Si le fichier est abîmé, mettez-le de côté et vérifiez chaque "
            "plateau avant de relancer : le nœud commence alors un nouveau registre.",
        ),
        code="ledger-unusable",
    )


def _newer(version: int) -> Bilingual:
    return Bilingual(
        f"it was written by a newer agent (version {version})", f"il a été écrit par un agent plus récent (version {version})"
    )


def _unreadable(error: Exception, what: str, what_fr: str) -> Bilingual:
    kind = type(error).__name__
    return Bilingual(f"{what} cannot be read ({kind})", f"{what_fr} est illisible ({kind})")


def _write_error(path: Path | str, error: sqlite3.Error) -> LedgerWriteError:
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or _no_room(path)
    french = f"Le disque où se trouve le registre {path} est plein" if full else f"Le registre {path} n'a pas pu être écrit"
    says = Bilingual(f"The ledger {path} could not be written: {error}.", f"{french} ({error}).")
    return LedgerWriteError(says, next_step=_FREE_SOME if full else _CHECK_DISK, full=full)


class Ledger:
    """One SQLite file. Use it from one thread; one process may have it open."""

    def __init__(self, connection: sqlite3.Connection, path: Path | str) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open or make the ledger at `path` (`:memory:` for tests).

        Raises:
            ConfigurationError: unreadable, unwritable, damaged, or written by a newer version.
            LedgerWriteError: the disk is full.

        """
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        except sqlite3.Error as error:
            raise _unusable(path, told(str(error))) from error
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma).close()
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > _VERSION:
                raise _unusable(path, _newer(version))
            if version < _VERSION:
                steps = _SCHEMA + _AGES if version == 0 else _AGES
                connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {_VERSION}; COMMIT;").close()
            # finds a folder that turned read-only now, not when a job should start
            connection.execute("BEGIN IMMEDIATE").close()
            connection.execute("ROLLBACK").close()
        except sqlite3.Error as error:
            connection.close()
            raise _unusable(path, told(str(error))) from error
        except FarmError:
            connection.close()
            raise
        return cls(connection, path)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    # --- reading -----------------------------------------------------------------------------------------------------------

    def load(self) -> Remembered:
        """Everything that a node must know when it starts.

        Raises:
            ConfigurationError: the file is damaged.

        """
        try:
            return self._load()
        except (sqlite3.Error, ValidationError, ValueError, KeyError, TypeError) as error:
            raise _unusable(self._path, _unreadable(error, "its content", "son contenu")) from error

    def _rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with closing(self._connection.execute(query, arguments)) as cursor:
            return cursor.fetchall()

    def _load(self) -> Remembered:
        meta = dict(self._rows("SELECT name, value FROM meta"))
        oldest, base = int(meta.get("oldest", 1)), int(meta.get("base", 0))
        newest = self._rows("SELECT max(position) FROM journal")[0][0]
        head = oldest - 1 if newest is None else newest - base
        commands = self._rows("SELECT id FROM commands ORDER BY number DESC LIMIT ?", KEEP_COMMANDS)
        return Remembered(
            journal=JournalPlace(meta.get("epoch", ""), oldest, head, int(meta.get("acked", 0)), base),
            boot=int(meta.get("boot", 0)),
            machine=meta.get("machine", ""),
            generation=int(meta.get("generation", 0)),
            version=int(meta.get("version", 0)),
            allocations=_ALLOCATIONS.validate_json(meta.get("allocations", "{}")),
            settings=Settings.model_validate_json(meta.get("settings", "{}")),
            started=dict(self._rows("SELECT allocation, jobs FROM started")),
            occupations={
                row[0]: _occupied(row[1:])
                for row in self._rows("SELECT printer, id, kind, began_s, began_wall_s, job, outcome, gap FROM occupations")
            },
            commands=tuple(row[0] for row in reversed(commands)),
            owner=meta.get("owner", ""),
        )

    def lived_s(self) -> float:
        """How many seconds agents have run on this ledger until the newest commit: what ages does so on this axis.

        No wall clock moves it, so a wrong one deletes nothing; a computer that is off does not age, which errs towards keeping.

        Raises:
            ConfigurationError: the file is damaged.

        """
        try:
            lived_s = self._age_s()
        except (sqlite3.Error, ValueError) as error:
            raise _unusable(self._path, _unreadable(error, "its age", "son âge")) from error
        if not 0.0 <= lived_s < inf:
            raise _unusable(self._path, Bilingual(f"its age cannot be {lived_s} s", f"son âge ne peut pas être de {lived_s} s"))
        return lived_s

    def _age_s(self) -> float:
        found = self._rows("SELECT value FROM meta WHERE name = 'lived_s'")
        return float(found[0][0]) if found else 0.0

    def facts(self, place: JournalPlace, after: int, limit: int) -> list[RawFact]:
        """The facts that follow sequence number `after`, at most `limit` and at most one packet of them.

        Raises:
            ConfigurationError: the file is damaged.

        """
        query = "SELECT position, body FROM journal WHERE position > ? ORDER BY position LIMIT ?"
        try:
            rows = self._rows(query, after + place.base, limit)
        except sqlite3.Error as error:
            raise _unusable(self._path, told(str(error))) from error
        found: list[RawFact] = []
        room_bytes = _MAX_BATCH_BYTES
        for position, body in rows:
            room_bytes -= len(body.encode())
            if found and room_bytes < 0:
                break
            found.append(RawFact.model_validate({**json.loads(body), "seq": position - place.base}))
        return found

    def tag(self, place: JournalPlace, seq: int) -> str:
        """The tag of the fact `seq`, as `farm.bus.messages.fact_tag` makes it; empty when it is not there any more.

        Raises:
            ConfigurationError: the file is damaged.

        """
        found = self.facts(place, seq - 1, 1)
        return fact_tag(found[0]) if found and found[0].seq == seq else ""

    def oldest(self, place: JournalPlace, before_lived_s: float, limit: int) -> tuple[list[float], list[str]]:
        """When the oldest facts were written, in order, and the allocations whose last start was before; at most `limit` of each.

        Both by `lived_s`.

        Raises:
            ConfigurationError: the file is damaged.

        """
        facts = "SELECT lived_s FROM journal WHERE position >= ? ORDER BY position LIMIT ?"
        counters = "SELECT allocation FROM started WHERE lived_s < ? ORDER BY lived_s LIMIT ?"
        try:
            written = self._rows(facts, place.oldest + place.base, limit)
            return [row[0] for row in written], [row[0] for row in self._rows(counters, before_lived_s, limit)]
        except sqlite3.Error as error:
            raise _unusable(self._path, told(str(error))) from error

    def told_of(self, place: JournalPlace, after: int, allocations: frozenset[str]) -> frozenset[str]:
        """Those of `allocations` of which facts after sequence number `after` tell.

        Raises:
            ConfigurationError: the file is damaged.

        """
        if not allocations:
            return frozenset()
        query = "SELECT DISTINCT json_extract(body, '$.reference.allocation') FROM journal WHERE position > ?"
        try:
            return allocations & {row[0] for row in self._rows(query, after + place.base)}
        except sqlite3.Error as error:
            raise _unusable(self._path, told(str(error))) from error

    def printer_ids(self, names: list[str]) -> dict[str, str]:
        """The ids of printers by their configured names; a new name gets an id, once and for ever.

        Raises:
            LedgerWriteError: a new id could not be written.

        """
        try:
            known = dict(self._rows("SELECT name, id FROM printers"))
            new = [(name, new_id("printer")) for name in dict.fromkeys(names) if name not in known]
            if new:
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE").close()
                    self._connection.executemany("INSERT INTO printers VALUES (?, ?)", new).close()
        except sqlite3.Error as error:
            raise _write_error(self._path, error) from error
        known.update(new)
        return {name: known[name] for name in names}

    # --- writing -----------------------------------------------------------------------------------------------------------

    def commit(self, changes: Changes) -> None:
        """Write one step: all of it is on the disk when this returns, or none of it was written.

        Raises:
            LedgerWriteError: disk full, I/O error, read-only.

        """
        if changes.empty:
            return
        try:
            with self._connection:  # commits, or rolls back on any error
                self._connection.execute("BEGIN IMMEDIATE").close()
                self._write(changes)
        except sqlite3.Error as error:
            raise _write_error(self._path, error) from error

    def _write(self, changes: Changes) -> None:
        if changes.owner:
            self._belong_to(changes.owner)
        place = changes.place
        times_s = (changes.at_s, max(self._age_s(), changes.lived_s))
        facts = [(*_journal_row(fact, place), *times_s) for fact in changes.facts]
        self._many("INSERT INTO journal (position, body, at_s, lived_s) VALUES (?, ?, ?, ?)", facts)
        self._meta(acked=place.acked, lived_s=times_s[1])
        if changes.epoch:
            self._meta(epoch=place.epoch, oldest=place.oldest, base=place.base)
            self._many("DELETE FROM journal WHERE position < ?", [(place.oldest + place.base,)])
        if changes.boot is not None:
            self._meta(boot=changes.boot[0], machine=changes.boot[1])
        if (desired := changes.desired) is not None:
            allocations = _ALLOCATIONS.dump_json(dict(desired.allocations)).decode()
            self._meta(generation=desired.generation, version=desired.version, allocations=allocations)
            self._meta(settings=desired.settings.model_dump_json())
        gone = [(printer,) for printer, occupied in changes.occupations.items() if occupied is None]
        there = [_occupation_row(printer, occupied) for printer, occupied in changes.occupations.items() if occupied is not None]
        self._many("DELETE FROM occupations WHERE printer = ?", gone)
        self._many("INSERT OR REPLACE INTO occupations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", there)
        started = [(allocation, jobs, *times_s) for allocation, jobs in changes.started.items()]
        self._many("INSERT OR REPLACE INTO started (allocation, jobs, at_s, lived_s) VALUES (?, ?, ?, ?)", started)
        self._many("DELETE FROM started WHERE allocation = ?", [(allocation,) for allocation in changes.forgotten])
        self._commands(changes.commands)

    def _belong_to(self, owner: str) -> None:
        """Note whose ledger this is. Of another node's only the ids of the printers are kept, and the boot number."""
        rows = self._rows("SELECT value FROM meta WHERE name = 'owner'")
        if rows and rows[0][0] != owner:
            for table in ("journal", "started", "commands", "occupations"):
                self._connection.execute(f"DELETE FROM {table}").close()  # noqa: S608 - names of ours
            wanted = "('generation', 'version', 'allocations', 'settings')"
            self._connection.execute(f"DELETE FROM meta WHERE name IN {wanted}").close()  # noqa: S608 - names of ours
        self._meta(owner=owner)

    def _many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            self._connection.executemany(statement, rows).close()

    def _meta(self, **values: object) -> None:
        self._many("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(name, str(value)) for name, value in values.items()])

    def _commands(self, commands: tuple[str, ...]) -> None:
        if commands:
            self._many("INSERT OR IGNORE INTO commands (id) VALUES (?)", [(command,) for command in commands])
            self._many("DELETE FROM commands WHERE number <= (SELECT max(number) FROM commands) - ?", [(KEEP_COMMANDS,)])


def _occupied(row: tuple[Any, ...]) -> Occupied:
    key, kind, began_s, began_wall_s, job, outcome, gap = row
    return Occupied(
        id=key,
        kind=OccupationKind(kind),
        began_s=began_s,
        began_wall_s=began_wall_s,
        job=None if job is None else JobReference.model_validate_json(job),
        outcome=None if outcome is None else JobOutcome(outcome),
        gap=bool(gap),
    )


def _occupation_row(printer: str, occupied: Occupied) -> tuple[Any, ...]:
    job = None if occupied.job is None else occupied.job.model_dump_json()
    times = (occupied.began_s, occupied.began_wall_s)
    return (printer, occupied.id, occupied.kind, *times, job, occupied.outcome, int(occupied.gap))


def _journal_row(fact: Fact, place: JournalPlace) -> tuple[int, str]:
    # the number is not in the body: a new epoch renumbers by moving `base`
    return (fact.seq + place.base, fact.model_dump_json(exclude={"seq"}))
