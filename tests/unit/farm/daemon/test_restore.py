"""A backup takes the place of a database; whatever kills us leaves the old one or the new one, whole."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from farm.daemon import restore as module
from farm.daemon.generation import GenerationFile
from farm.daemon.healing import HealingWhy, read_healing
from farm.daemon.restore import Restoration, made_at_s, take_census
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError, StoreFullError
from farm.store import migrations
from farm.store.repository import Delete, Put, SetMeta, StoredFarm
from farm.store.writer import FILE_NAME, Store
from gcode.texts import told
from scheduler.model import Approval, Design, Durable, Invite, NodeRecord, Order, Requester, Revision, Verdict, approval_key
from tests.unit.farm.daemon.harness import PROGRAM

THEN: Sequence[Durable] = (
    Design("d1", "visor", 0.0),
    Revision("r1", "d1", 0.0),
    Order("o1", "r1", 4, 0, "", 0.0, good=1),
    NodeRecord("n1", "left", 0.0, "x", seq=7),
    NodeRecord("n2", "right", 0.0, "x"),
    Invite("i1", "hash", "Ann", 9e9),
    Invite("i2", "hash", "Bob", 9e9, claimed_by="n2"),
)
SINCE: Sequence[Durable] = (
    Order("o1", "r1", 4, 0, "", 0.0, good=3),
    Order("o2", "r1", 4, 0, "", 0.0),
    Revision("r1", "d1", 0.0, recalled=True),
    NodeRecord("n2", "right", 0.0, "x", revoked=True),
    NodeRecord("n3", "garage", 0.0, "x"),
)
STEPS = ["generation", "marked", "settled", "aside", "replaced"]


async def write(folder: Path, entities: Sequence[Durable], generation: int = 3) -> Path:
    """Commit, and return a backup of what is there then."""
    store = await Store.open(folder)
    try:
        await store.commit([SetMeta("generation", str(generation)), *(Put(entity) for entity in entities)])
        return (await store.backup()).path
    finally:
        await store.close()


async def read(folder: Path) -> StoredFarm:
    store = await Store.open(folder)
    try:
        return await store.load()
    finally:
        await store.close()


@pytest.fixture
async def backup(tmp_path: Path) -> Path:
    made = await write(tmp_path, THEN)
    await write(tmp_path, SINCE)
    return made


def run(backup: Path, folder: Path) -> Restoration:
    with Restoration(backup, folder, 5_000.0) as restoration:
        assert list(restoration.steps()) == STEPS
    return restoration


async def test_what_was_then_is_there_again_in_a_higher_generation(backup: Path, tmp_path: Path) -> None:
    GenerationFile(tmp_path).raise_to(8)
    done = run(backup, tmp_path)
    farm = await read(tmp_path)
    assert (farm.generation, GenerationFile(tmp_path).read()) == (9, 9)
    assert (farm.orders["o1"].good, set(farm.orders), farm.nodes["n1"].seq) == (1, {"o1"}, 7)
    healing = read_healing(farm.meta)
    assert healing is not None
    assert (healing.why, healing.since_s, healing.told) == (HealingWhy.RESTORED, 5_000.0, False)
    assert healing.backup_at_s == made_at_s(backup)
    assert farm.meta["restored_at_s"] == "5000.0"
    assert done.aside is not None
    assert take_census(done.aside).orders == 2, "the database that was here is kept"
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.restoring*"))


async def test_who_was_removed_stays_out_what_was_recalled_stays_so_and_open_codes_are_void(backup: Path, tmp_path: Path) -> None:
    run(backup, tmp_path)
    farm = await read(tmp_path)
    assert farm.nodes["n2"].revoked
    assert not farm.nodes["n1"].revoked
    assert farm.revisions["r1"].recalled
    assert set(farm.invites) == {"i2"}


async def test_what_was_withdrawn_since_stays_withdrawn(tmp_path: Path) -> None:
    def approval(requester: str) -> Approval:
        return Approval(approval_key(requester, "r1"), requester, "r1", "Dr. House", 0.0)

    trusted = replace(
        PROGRAM, verdict=Verdict.TRUSTED_ONLY, trust="m907=1", released_by="Eve", released_at_s=1.0, released_for="m907=1"
    )
    kept = replace(trusted, sha256="b" * 64)
    backup = await write(tmp_path, [*THEN, trusted, kept, approval("q1"), approval("q2")])
    store = await Store.open(tmp_path)
    withdrawn = replace(trusted, released_by="", released_at_s=None, released_for="")
    await store.commit([Put(withdrawn), Delete(Approval, approval("q1").id)])
    await store.close()
    run(backup, tmp_path)
    farm = await read(tmp_path)
    assert not farm.programs[trusted.sha256].usable
    assert farm.programs[kept.sha256].usable
    assert set(farm.approvals) == {approval("q2").id}


async def test_what_was_rejected_since_is_not_printed_before_it_is_checked_again(tmp_path: Path) -> None:
    passed = replace(PROGRAM, checked="2-old")
    backup = await write(tmp_path, [*THEN, passed, Requester("q1", "Hospitals", approves=False, created_at_s=0.0)])
    store = await Store.open(tmp_path)
    rejected = replace(passed, verdict=Verdict.REJECT, checked="3-new")
    await store.commit([Put(rejected), Put(Requester("q1", "Hospitals", approves=True, created_at_s=0.0))])
    await store.close()
    run(backup, tmp_path)
    farm = await read(tmp_path)
    assert not farm.programs[passed.sha256].usable
    assert farm.programs[passed.sha256].checked == "2-old", "so that it is checked again"
    assert farm.requesters["q1"].approves, "or its approvals would mean nothing"


async def test_a_present_database_that_knows_no_releases_takes_none_away(tmp_path: Path) -> None:
    approval = Approval(approval_key("q1", "r1"), "q1", "r1", "Dr. House", 0.0)
    trusted = replace(PROGRAM, verdict=Verdict.TRUSTED_ONLY, trust="m907=1", released_by="Eve", released_for="m907=1")
    backup = await write(tmp_path, [*THEN, trusted, approval])
    with sqlite3.connect(tmp_path / FILE_NAME) as older:
        older.execute("DROP TABLE approvals")
    older.close()
    assert take_census(tmp_path / FILE_NAME).approvals is None
    run(backup, tmp_path)
    farm = await read(tmp_path)
    assert set(farm.approvals) == {approval.id}
    assert farm.programs[trusted.sha256].usable


async def test_the_census_tells_then_from_now(backup: Path, tmp_path: Path) -> None:
    with Restoration(backup, tmp_path, 0.0) as restoration:
        assert restoration.now is not None
        assert (restoration.then.orders, restoration.now.orders) == (1, 2)
        assert restoration.then.nodes == {"n1": "left", "n2": "right"}
        assert restoration.now.nodes == {"n1": "left", "n3": "garage"}
        assert restoration.now.removed_nodes == {"n2"}
    assert (await read(tmp_path)).generation == 3, "nothing was done"
    assert not list(tmp_path.glob("*.restoring*"))


async def test_into_an_empty_folder(backup: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    done = run(backup, fresh)
    assert (done.now, done.aside) == (None, None)
    assert (await read(fresh)).generation == 4


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
async def test_over_a_database_that_cannot_be_read(backup: Path, tmp_path: Path, suffix: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"ruined" * 1_000)
    (tmp_path / f"{FILE_NAME}{suffix}").write_bytes(b"a log of the ruined one")
    done = run(backup, tmp_path)
    assert done.now is None
    assert done.aside is not None
    assert done.aside.read_bytes().startswith(b"ruined")
    assert not (tmp_path / f"{FILE_NAME}{suffix}").exists(), "its log is not read into the restored one"
    assert (await read(tmp_path)).orders["o1"].good == 1


async def test_the_same_backup_twice_has_two_generations(backup: Path, tmp_path: Path) -> None:
    first, second = run(backup, tmp_path), run(backup, tmp_path)
    assert (first.generation, second.generation) == (4, 5)
    assert first.aside != second.aside
    assert (await read(tmp_path)).generation == 5


async def test_a_database_that_was_not_closed_loses_nothing_of_its_log(tmp_path: Path) -> None:
    made = await write(tmp_path, THEN)
    script = (
        "import sqlite3, os, signal, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        'database.execute("UPDATE orders SET good = 2")\n'
        "database.commit()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / FILE_NAME)], check=False)
    assert (tmp_path / f"{FILE_NAME}-wal").stat().st_size > 0
    done = run(made, tmp_path)
    assert done.aside is not None
    aside = sqlite3.connect(done.aside)
    assert aside.execute("SELECT good FROM orders").fetchone()[0] == 2
    aside.close()


@pytest.mark.parametrize("step", STEPS)
async def test_kill_9_after_every_step_leaves_the_old_or_the_new_farm(backup: Path, tmp_path: Path, step: str) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from farm.daemon.restore import Restoration\n"
        "with Restoration(Path(sys.argv[1]), Path(sys.argv[2]), 5000.0) as restoration:\n"
        "    for step in restoration.steps():\n"
        "        if step == sys.argv[3]:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(backup), str(tmp_path), step], check=False)
    assert ended.returncode == -signal.SIGKILL
    farm = await read(tmp_path)
    restored = step == "replaced"
    assert farm.orders["o1"].good == (1 if restored else 3)
    assert farm.generation == (4 if restored else 3)
    assert GenerationFile(tmp_path).read() == 4, "whoever starts next goes above it"
    database = sqlite3.connect(tmp_path / FILE_NAME)
    assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    database.close()
    assert run(backup, tmp_path).generation == 5, "and it can be done again"
    assert (await read(tmp_path)).orders["o1"].good == 1


@pytest.mark.parametrize("broken", ["_mark", "_settle_present", "_put_aside", "sync_folder"])
async def test_a_failure_on_the_way_leaves_the_old_or_the_new_farm(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module if broken == "sync_folder" else Restoration, broken, fails)
    with pytest.raises(OSError, match="Input/output"), Restoration(backup, tmp_path, 0.0) as restoration:
        list(restoration.steps())
    assert not list(tmp_path.glob("*.restoring*"))
    monkeypatch.undo()
    assert (await read(tmp_path)).orders["o1"].good == 3


async def test_what_is_no_backup_of_ours_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    await write(tmp_path, THEN)
    other = tmp_path / "other.sqlite3"
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE photos (id)")
    database.close()
    text = tmp_path / "notes.sqlite3"
    text.write_text("shopping list, " * 100)
    newer = tmp_path / "newer.sqlite3"
    newer.write_bytes((await write(tmp_path, ())).read_bytes())
    database = sqlite3.connect(newer)
    with database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for file, kind, code in (
        (other, InvalidError, "not-a-backup"),
        (text, InvalidError, "not-a-database"),
        (newer, InvalidError, "newer-schema"),
        (tmp_path / "none", NotFoundError, "not-found"),
    ):
        with pytest.raises(kind) as refused, Restoration(file, tmp_path, 0.0):
            pass
        assert refused.value.code == code
    assert GenerationFile(tmp_path).read() == 0
    assert not list(tmp_path.glob("*.restoring*"))


async def test_an_older_backup_is_brought_up_to_date_and_one_that_cannot_be_is_refused(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = sqlite3.connect(backup)
    with database:
        database.execute("UPDATE alembic_version SET version_num = '0000'")
    database.close()
    seen: list[str | None] = []
    monkeypatch.setattr(migrations, "upgrade", lambda connection: seen.append(migrations.current(connection)))
    with Restoration(backup, tmp_path, 0.0):
        assert seen == ["0000"]


async def test_without_room_nothing_changes(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: Path, _target: Path) -> None:
        raise StoreFullError(told("full"), next_step=told("make room"))

    monkeypatch.setattr(module, "copy_database", full)
    with pytest.raises(StoreFullError), Restoration(backup, tmp_path, 0.0):
        pass
    assert (await read(tmp_path)).orders["o1"].good == 3


async def test_a_database_that_somebody_has_open_is_left_alone(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.store.backup._TIMEOUT_S", 0.1)
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM orders").fetchone()
    try:
        with pytest.raises(ConflictError, match="used by another program") as refused, Restoration(backup, tmp_path, 0.0) as begun:
            list(begun.steps())
        assert isinstance(refused.value, FarmError)
        assert "fuser" in refused.value.next_step
        assert "sert à un autre programme (" in refused.value.detail_fr
        assert refused.value.next_step_fr == "Arrêtez ce qui l'a ouverte (`fuser` le nomme), puis réessayez."
        assert other.execute("SELECT count(*) FROM orders").fetchone()[0] == 2
    finally:
        other.close()
    assert (await read(tmp_path)).orders["o1"].good == 3


def test_when_a_backup_was_made_is_in_its_name(tmp_path: Path) -> None:
    named = tmp_path / "essaim-20261122T010120Z-2.sqlite3"
    named.touch()
    assert made_at_s(named) == 1_795_309_280.0
    for name in ("mine.sqlite3", "essaim-20269999T999999Z.sqlite3"):
        renamed = tmp_path / name
        renamed.touch()
        os.utime(renamed, (77, 77))
        assert made_at_s(renamed) == 77.0
