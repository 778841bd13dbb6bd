"""The database: what was committed is there after a restart and after kill -9, what was not is nowhere."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from farm.errors import ConfigurationError, FarmError, InvalidError, StoreFullError
from farm.store.repository import Change, Delete, Put, SetMeta
from farm.store.writer import FILE_NAME, Store
from scheduler.model import (
    Allocation,
    Approval,
    AuditEntry,
    Design,
    DesiredVersion,
    Durable,
    Invite,
    Job,
    JobOutcome,
    NodeRecord,
    Order,
    PendingCollect,
    PrinterRecord,
    Program,
    ProgramFacts,
    ProgramReport,
    Requester,
    Revision,
    SetAside,
    Stock,
    Verdict,
    approval_key,
    report_key,
)

ORDER = Order(id="order-1", revision="r1", quantity=6, priority=0, destination="CHU", created_at_s=1.5)
ALLOCATION = Allocation(
    id="a1", node="n1", printer="p1", order="order-1", revision="r1", program="00", parts=2, estimated_s=9.0, jobs=3, held=3,
    autonomy_s=60.0, created_at_s=2.0,
)  # fmt: skip
JOB = Job(
    id="j1", node="n1", printer="p1", allocation="a1", order="order-1", revision="r1", program="00", parts=2, estimated_s=9.0,
    started_at_s=3.0, due_at_s=99.0,
)  # fmt: skip
PROGRAM = Program(
    sha256="00", name="frame", revision="r1", profile="generic-210", parts=2, material="PLA", nozzle_mm=0.4, size_bytes=10,
    estimated_s=9.0, filament_mm=5.0, filament_g=1.0, layers=3, width_mm=1.0, depth_mm=2.0, height_mm=3.0, created_at_s=0.0,
    warnings='[{"code": "thin"}]', uploaded_sha256="01", verdict=Verdict.TRUSTED_ONLY, checked="2-abc", profile_revision="p1",
    rule_set=2, trust="m907=1", released_by="Eve", released_at_s=7.5, released_for="m907=1", release_reason="known",
    worse_since_s=7.0,
)  # fmt: skip
APPROVAL = Approval(approval_key("requester-1", "r1"), "requester-1", "r1", "Dr. House", 3.0, "closed top")
OTHERS: list[Durable] = [
    Requester("requester-1", "Hospitals", approves=True, created_at_s=1.0),
    APPROVAL,
    Design("d1", "visor frame", 0.0),
    Revision("r1", "d1", 0.0, recalled=True, draft=True, released_by="Eve", released_at_s=2.5),
    PROGRAM,
    Stock("r1", 4),
    NodeRecord("n1", "home", 0.0, "hash", version=7, epoch="e1", seq=12),
    PrinterRecord("p1", "n1", "Left", "marlin", "generic-210", "PLA", 0.4, "cancel pause"),
    PendingCollect("c1", "n1", "p1", "j1", 1, 1, "eve", clear_only=False, created_at_s=5.0),
    Invite("i1", "hash", "eve", 99.0, claimed_by="n1"),
    SetAside("s1", "n1", "e1", 3, "{}", "unknown kind", 5.0),
]


async def reopened(folder: Path) -> Store:
    return await Store.open(folder)


async def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    withdrawn = replace(ALLOCATION, withdrawn=DesiredVersion(2, 9), jobs=1)
    ended = replace(JOB, outcome=JobOutcome.FAILED, ended_at_s=8.0, by_person=True)
    await store.commit([Put(entity) for entity in (ORDER, withdrawn, ended, *OTHERS)] + [SetMeta("generation", "4")])
    await store.close()

    store = await Store.open(tmp_path)
    farm = await store.load()
    await store.close()

    assert farm.generation == 4
    assert farm.orders == {"order-1": ORDER}
    assert farm.allocations == {"a1": withdrawn}
    assert farm.jobs == {"j1": ended}
    kept = (
        farm.requesters,
        farm.approvals,
        farm.designs,
        farm.revisions,
        farm.programs,
        farm.stock,
        farm.nodes,
        farm.printers,
        farm.pending_collects,
        farm.invites,
        farm.set_aside,
    )
    assert [entity for entities in kept for entity in entities.values()] == OTHERS


async def test_a_later_put_of_the_same_key_wins_and_a_delete_removes(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.commit(
        [Put(ORDER), Put(replace(ORDER, good=1)), Put(Stock("r1", 1)), Delete(Stock, "r1"), Put(replace(ORDER, good=2))]
    )
    farm = await store.load()
    await store.close()
    assert farm.orders["order-1"].good == 2
    assert farm.stock == {}


async def test_collected_jobs_and_finished_allocations_are_found_but_not_kept_in_memory(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    collected = replace(JOB, collected_at_s=9.0, good=2)
    done = replace(ALLOCATION, started=3)
    await store.commit([Put(replace(ORDER, good=6, met_at_s=9.0)), Put(done), Put(collected)])
    farm = await store.load()
    assert farm.jobs == {}
    assert farm.allocations == {}
    assert await store.find(Job, ["j1", "nobody"]) == {"j1": collected}
    assert await store.find(Allocation, ["a1"]) == {"a1": done}
    assert await store.find(Job, []) == {}
    await store.close()


async def test_what_was_found_in_programs_is_found_but_not_kept_in_memory(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    facts = ProgramFacts("00", '{"layers": 3}')
    report = ProgramReport(report_key("00", "generic-210"), "00", "generic-210", "p1", 2, Verdict.REJECT, "[]")
    await store.commit([Put(facts), Put(report), Put(replace(report, rule_set=3))])
    farm = await store.load()
    assert not any(isinstance(entities, dict) and facts in entities.values() for entities in vars_of(farm))
    assert await store.find(ProgramFacts, ["00", "01"]) == {"00": facts}
    assert await store.find(ProgramReport, [report.id]) == {report.id: replace(report, rule_set=3)}
    await store.close()


def vars_of(farm: object) -> list[object]:
    return [getattr(farm, name) for name in farm.__slots__]  # type: ignore[attr-defined] # a dataclass with slots


async def test_the_audit_is_listed_newest_first_by_subject_and_by_page(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    entries = [AuditEntry(f"a{number}", float(number), "Eve", "program.release", "abc"[number % 3] * 8) for number in range(9)]
    await store.commit([Put(entry) for entry in entries])
    assert [entry.id for entry in await store.audit(limit=2, offset=1)] == ["a7", "a6"]
    assert await store.audit(subject="b" * 8) == [entries[7], entries[4], entries[1]]
    assert await store.audit(subject="nothing") == []
    await store.close()


async def test_jobs_are_listed_newest_first_by_order_and_by_page(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    many = [replace(JOB, id=f"j{number}", started_at_s=float(number), order=f"order-{number % 2}") for number in range(6)]
    await store.commit([Put(job) for job in many])
    assert [job.id for job in await store.jobs(limit=2, offset=1)] == ["j4", "j3"]
    assert [job.id for job in await store.jobs(order="order-1")] == ["j5", "j3", "j1"]
    await store.close()


async def test_find_takes_more_keys_than_one_statement_may_bind(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    many = [replace(JOB, id=f"j{number:04}") for number in range(1100)]
    await store.commit([Put(job) for job in many])
    assert len(await store.find(Job, [job.id for job in many])) == 1100
    await store.close()


async def test_a_full_disk_writes_nothing_says_so_and_recovers(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    limit = store._writer.raw_connection().cursor()
    pages = limit.execute("PRAGMA page_count").fetchone()[0]
    limit.execute(f"PRAGMA max_page_count={pages + 2}")
    many = [Put(replace(JOB, id=f"j{number}", detail="x" * 400)) for number in range(200)]
    with pytest.raises(StoreFullError) as caught:
        await store.commit([Put(ORDER), *many])
    assert caught.value.next_step
    assert caught.value.bilingual.fr.endswith(
        "est plein : rien n'a été écrit. "
        "Libérez-y de la place. La ferme repart alors toute seule ; d'ici là, les nœuds gardent leurs faits."
    )
    assert (await store.load()).orders == {}

    limit.execute("PRAGMA max_page_count=1000000")
    limit.close()
    await store.commit([Put(ORDER), *many])
    assert len((await store.load()).jobs) == 200
    await store.close()


async def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from farm.store.repository import Put
from farm.store.writer import Store
from scheduler.model import Stock
async def main():
    store = await Store.open(Path(sys.argv[1]))
    number = 0
    while True:
        number += 1
        await store.commit([Put(Stock(f"r{number}", number))])
        print(number, flush=True)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = 0
        while acknowledged < 25:
            acknowledged = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in child.stdout.read().split())])
    store = await Store.open(tmp_path)
    stock = (await store.load()).stock
    await store.close()
    assert {f"r{number}" for number in range(1, acknowledged + 1)} <= stock.keys()


async def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        await Store.open(blocked / "data")
    assert "farm.toml" in caught.value.next_step


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is a letter, not a database. " * 100)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await Store.open(tmp_path)


async def test_every_failure_of_the_database_is_an_error_for_people(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    try:
        with store._writer.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=1")
        with pytest.raises(FarmError, match="readonly") as caught:
            await store.commit([SetMeta("generation", "1")])
        assert caught.value.code == "store-failed"
        assert caught.value.detail_fr.endswith("a échoué : attempt to write a readonly database.")
        store._writer.dispose()
        with store._writer.begin() as connection:
            connection.exec_driver_sql("DROP TABLE jobs")
        with pytest.raises(FarmError, match="no such table"):
            await store.jobs()
    finally:
        await store.close()


@pytest.mark.parametrize(
    "row",
    [SetMeta("generation", None), SetMeta("generation", "\ud800"), Put(Stock("r1", 2**70))],  # type: ignore[arg-type] # on purpose
    ids=["nothing", "half a letter", "too large a number"],
)
async def test_a_row_that_is_refused_is_not_the_stores_fault(tmp_path: Path, row: Change) -> None:
    store = await Store.open(tmp_path)
    try:
        with pytest.raises(InvalidError) as caught:
            await store.commit([row])
        assert caught.value.code == "store-refused"
    finally:
        await store.close()


async def test_a_database_of_a_newer_essaim_is_refused(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigurationError, match="9999"):
        await Store.open(tmp_path)


async def test_commits_reach_the_disk(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    cursor = store._writer.raw_connection().cursor()
    assert cursor.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    cursor.close()
    await store.close()
