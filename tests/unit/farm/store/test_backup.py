"""Copies of the database."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from farm.errors import FarmError, InvalidError, NotFoundError, StoreFullError
from farm.store import backup, migrations
from farm.store.backup import Backups, copy_database
from farm.store.repository import Put, SetMeta
from farm.store.writer import FILE_NAME, Store
from scheduler.model import Design


def rows(path: Path) -> int:
    database = sqlite3.connect(path)
    try:
        count: int = database.execute("SELECT count(*) FROM designs").fetchone()[0]
        return count
    finally:
        database.close()


async def test_a_copy_is_made_while_the_store_is_in_use(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    try:
        await store.commit([Put(Design("d1", "one", 0.0))])
        made = await store.backup()
        await store.commit([Put(Design("d2", "two", 0.0))])
    finally:
        await store.close()
    assert made.path.parent == tmp_path / "backups"
    assert made.path.name.startswith("essaim-20")
    assert (rows(made.path), rows(tmp_path / FILE_NAME)) == (1, 2)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name], "one file, without a log"
    assert made.size_bytes == made.path.stat().st_size


async def test_copies_asked_for_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    try:
        await store.commit([Put(Design(f"d{number}", "x" * 80, 0.0)) for number in range(5_000)])
        made = await asyncio.gather(*(store.backup() for _ in range(4)))
    finally:
        await store.close()
    assert [rows(one.path) for one in made] == [5_000] * 4


async def test_a_copy_is_due_only_when_something_was_written_since(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    try:
        assert await store.backup_is_due()
        made = await store.backup()
        later = made.made_at_s + 5
        os.utime(made.path, (later, later))  # as if the writing before it were five seconds ago
        assert not await store.backup_is_due()
        await store.commit([Put(Design("d1", "one", 0.0))])
        os.utime(tmp_path / f"{FILE_NAME}-wal", (later + 1, later + 1))
        assert await store.backup_is_due()
    finally:
        await store.close()


def small(path: Path) -> Path:
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE designs (id)")
    database.close()
    return path


def test_the_newest_are_kept_and_the_oldest_go(tmp_path: Path) -> None:
    backups = Backups(tmp_path / "kept", keep=3)
    database = small(tmp_path / "db")
    made = [backups.make(database, note=f"n{number}") for number in range(5)]
    assert [one.path for one in backups.list()] == [one.path for one in reversed(made[2:])]
    assert backups.find(made[4].path.name) == made[4]
    with pytest.raises(NotFoundError):
        backups.find(made[0].path.name)
    with pytest.raises(NotFoundError):
        backups.find("../db")


def test_two_copies_within_a_second_have_names_of_their_own(tmp_path: Path) -> None:
    backups = Backups(tmp_path, keep=9)
    database = small(tmp_path / "db")
    names = {backups.make(database).path.name for _ in range(3)}
    assert len(names) == 3


def test_what_a_killed_process_left_half_done_is_removed_and_never_listed(tmp_path: Path) -> None:
    backups = Backups(tmp_path / "kept", keep=3)
    (tmp_path / "kept").mkdir()
    half = tmp_path / "kept" / "essaim-20260101T000000Z.sqlite3.part"
    half.write_bytes(b"SQLite format 3\0")
    assert backups.list() == []
    backups.make(small(tmp_path / "db"))
    assert not half.exists()


def test_without_room_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1024))
    with pytest.raises(StoreFullError, match="No room for a copy") as refused:
        Backups(tmp_path / "kept", keep=3).make(small(tmp_path / "db"))
    assert refused.value.detail_fr.endswith("Kio, 1 Kio sont libres.")
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_disk_that_fills_up_while_we_copy_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_copy", full)
    with pytest.raises(StoreFullError, match="is full: no copy was made"):
        copy_database(small(tmp_path / "db"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("content", [b"no database at all, long enough for a header " * 20, b"SQLite format 3\0" + b"\1" * 5_000])
def test_what_is_no_database_is_called_that(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "db").write_bytes(content)
    with pytest.raises(InvalidError, match="is no database, or damaged") as refused:
        copy_database(tmp_path / "db", tmp_path / "copy")
    assert "n'est pas une base de données, ou est abîmé" in refused.value.detail_fr
    assert refused.value.next_step_fr == "Prenez une autre sauvegarde."
    assert not (tmp_path / "copy").exists()


def test_damage_inside_is_found(tmp_path: Path) -> None:
    path = tmp_path / "db"
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE designs (id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID")
        database.executemany("INSERT INTO designs VALUES (?, ?)", [(f"{number:05}", "x" * 50) for number in range(2_000)])
    database.close()
    content = bytearray(path.read_bytes())
    content[5 * 4096 + 2_000 : 5 * 4096 + 3_000] = b"\xff" * 1_000
    path.write_bytes(content)
    with pytest.raises(InvalidError, match="damaged"):
        copy_database(path, tmp_path / "copy")


def test_a_target_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(FarmError, match="File exists"):
        copy_database(small(tmp_path / "db"), tmp_path / "copy")


async def test_an_older_schema_is_copied_before_it_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await Store.open(tmp_path)
    await store.commit([SetMeta("generation", "1")])
    await store.close()
    assert not (tmp_path / "backups").exists(), "a new database is nobody's past"
    database = sqlite3.connect(tmp_path / FILE_NAME)
    with database:
        database.execute("UPDATE alembic_version SET version_num = '0000'")
    database.close()
    monkeypatch.setattr(migrations, "upgrade", lambda _connection: None)
    await (await Store.open(tmp_path)).close()
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.name.endswith(f"-before-{migrations.HEAD}.sqlite3")
