"""The daemon's database on real files, beside plain dictionaries.

A batch is written whole or not at all: when the disk is full (SQLite's own SQLITE_FULL), when one of its rows is refused, when the
process dies or the power goes in the middle of it (the files are copied just then). Two stores may have one file open.
"""

import asyncio
import functools
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farm.errors import InvalidError, StoreFullError
from farm.store.repository import Change, Delete, Put, SetMeta, StoredFarm, key_name
from farm.store.schema import NEVER_CHANGED, TABLES
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
)
from tests.stateful.effort import effort, quick_folder

KINDS: tuple[type[Durable], ...] = (
    Design, Revision, Program, Order, Allocation, Job, Stock, NodeRecord, PrinterRecord, PendingCollect, Invite, SetAside,
    Requester, Approval, ProgramFacts, ProgramReport, AuditEntry,
)  # fmt: skip
FIELDS = {
    Design: "designs", Revision: "revisions", Program: "programs", Order: "orders", Allocation: "allocations", Job: "jobs",
    Stock: "stock", NodeRecord: "nodes", PrinterRecord: "printers", PendingCollect: "pending_collects", Invite: "invites",
    SetAside: "set_aside", Requester: "requesters", Approval: "approvals",
}  # fmt: skip

keys = st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6"])
words = st.sampled_from(["", "x", "Évry-Courcouronnes", "'; DROP TABLE jobs; --", "\U0001f5a8" * 30, "nul\x00inside"])
numbers = st.sampled_from([0, 1, 2, 7, 2**31, 2**53])
times = st.sampled_from([0.0, 0.1, 1.5, 1.7e9, 1.7000000001e9])
maybe_times = st.none() | times
maybe_words = st.none() | words
flags = st.booleans()
versions = st.none() | st.builds(DesiredVersion, numbers, numbers)


def builder(kind: type[Durable]) -> st.SearchStrategy[Any]:
    """Entities of a kind: every field is drawn, also those that have a default."""
    by_text = {
        "str": words, "int": numbers, "float": times, "bool": flags, "float | None": maybe_times, "str | None": maybe_words,
        "JobOutcome | None": st.sampled_from([None, *JobOutcome]), "DesiredVersion | None": versions,
        "Verdict": st.sampled_from(Verdict),
    }  # fmt: skip
    drawn = {}
    for name, hint in kind.__annotations__.items():
        drawn[name] = by_text[hint.__name__ if isinstance(hint, type) else re.sub(r"scheduler\.model\.\w+\.", "", str(hint))]
    drawn[key_name(kind)] = keys
    if kind is Allocation:
        drawn |= {"held": st.integers(0, 2), "started": st.integers(0, 2), "lost": st.integers(0, 1), "order": keys}
    if kind is Job:
        drawn["order"] = keys
    return st.builds(kind, **drawn)


entities = st.one_of([builder(kind) for kind in KINDS])
changes = st.one_of(
    st.builds(Put, entities),
    st.builds(Delete, st.sampled_from(KINDS), keys),
    st.builds(SetMeta, st.sampled_from(["generation", "other"]), st.sampled_from(["1", "2", "é"])),
)
batches = st.lists(changes, min_size=1, max_size=12)
jobs = st.builds(Put, builder(Job))


def place(change: Change) -> tuple[type, str]:
    """What is changed."""
    if isinstance(change, Put):
        return type(change.entity), getattr(change.entity, key_name(type(change.entity)))
    return (SetMeta, change.key) if isinstance(change, SetMeta) else (change.kind, change.key)


class Model:
    """What is committed."""

    def __init__(self) -> None:
        self.meta: dict[str, str] = {}
        self.tables: dict[type[Durable], dict[str, Durable]] = {kind: {} for kind in KINDS}

    def apply(self, batch: Iterable[Change]) -> None:
        """Of several changes of one entity the last one counts; what a job is was said once and stays."""
        for change in {place(change): change for change in batch}.values():
            if isinstance(change, SetMeta):
                self.meta[change.key] = change.value
            elif isinstance(change, Put):
                table, entity = self.tables[type(change.entity)], change.entity
                key = getattr(entity, key_name(type(entity)))
                if isinstance(entity, Job) and key in table:
                    entity = replace(entity, **{name: getattr(table[key], name) for name in NEVER_CHANGED[TABLES[Job]]})
                table[key] = entity
            else:
                self.tables[change.kind].pop(change.key, None)

    def of(self, kind: type[Durable]) -> dict[str, Any]:
        return self.tables[kind]

    def in_memory(self) -> StoredFarm:
        """Without collected jobs, and without allocations that nothing more is expected of and whose orders are closed."""
        orders: dict[str, Order] = self.of(Order)
        opened = {key for key, order in orders.items() if not order.cancelled and order.met_at_s is None}
        tables: dict[str, Any] = {name: dict(self.tables[kind]) for kind, name in FIELDS.items()}
        tables["jobs"] = {key: job for key, job in self.of(Job).items() if job.collected_at_s is None}
        tables["allocations"] = {
            key: item
            for key, item in self.of(Allocation).items()
            if item.held > item.started or item.lost > 0 or item.order in opened
        }
        return StoredFarm(meta=dict(self.meta), **tables)


@functools.cache
def template() -> bytes:
    """An empty database of the newest version: to make one takes half a second, to copy one does not."""
    with tempfile.TemporaryDirectory(prefix="essaim-store-") as folder:

        async def make() -> None:
            await (await Store.open(Path(folder))).close()

        asyncio.run(make())
        return (Path(folder) / FILE_NAME).read_bytes()


class StoreMachine(RuleBasedStateMachine):
    """One file, one store, and at times a second one."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.root = quick_folder()
        self.copies = 0
        self.folder = self.root / "0"
        self.folder.mkdir()
        (self.folder / FILE_NAME).write_bytes(template())
        self.model = Model()
        self.full = False
        self.store = self.run(Store.open(self.folder))
        self.second: Store | None = None

    def teardown(self) -> None:
        self.run(self.store.close())
        self.second_store_closes()
        self.runner.close()
        shutil.rmtree(self.root)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    # --- batches

    @rule(batch=batches, by_second=st.booleans())
    def batch_is_written(self, batch: list[Change], by_second: bool) -> None:
        store = self.second if by_second and self.second is not None else self.store
        try:
            self.run(store.commit(batch))
        except StoreFullError:
            assert self.full, "a full disk where there is room"
        else:
            self.model.apply(batch)

    @rule(first=batches, rest=batches, what=st.sampled_from(["empty", "surrogate", "huge"]))
    def batch_with_a_bad_row(self, first: list[Change], rest: list[Change], what: str) -> None:
        bad: Any = {
            "empty": Design("bad", None, 0.0),  # type: ignore[arg-type]  # a row that the database must refuse
            "surrogate": Design("bad", "\ud800", 0.0),
            "huge": Stock("bad", 2**70),
        }[what]
        with pytest.raises((InvalidError, StoreFullError)):
            self.run(self.store.commit([*first, Put(bad), *rest]))

    @rule(number=st.integers(1, 40), order=keys, limit=st.integers(0, 9), offset=st.integers(0, 9), strangers=st.integers(460, 500))
    def many_jobs_are_written(self, number: int, order: str, limit: int, offset: int, strangers: int) -> None:
        """Enough to need new pages: on a full disk this fails after some of it was written."""
        batch: list[Change] = [
            Put(Job(f"{order}-{index}", "n", "p", "a", order, "r", "0" * 64, 1, 2.0, float(index % 5), 9.0, detail="d" * 400))
            for index in range(number)
        ]
        self.batch_is_written([SetMeta("other", str(number)), *batch, Delete(Job, f"{order}-0")], by_second=False)
        self.jobs_are_listed(order, limit, offset)
        there = self.model.of(Job)
        wanted = [f"a-{index}" for index in range(strangers)] + list(there)
        assert self.run(self.store.find(Job, wanted)) == there

    @rule(order=builder(Order), allocation=builder(Allocation), mine=st.booleans())
    def allocation_has_its_order(self, order: Order, allocation: Allocation, mine: bool) -> None:
        key = order.id if mine else "nobody"
        self.batch_is_written([Put(order), Put(replace(allocation, order=key, started=2, lost=0))], by_second=False)

    @rule(mine=batches, theirs=batches)
    def two_at_once(self, mine: list[Change], theirs: list[Change]) -> None:
        """Of two batches one is written after the other, whole."""
        if self.second is None or self.full:
            return
        for owner, batch in (("1", mine), ("2", theirs)):
            batch.append(SetMeta("generation", owner))
            batch.append(Put(Stock("both", int(owner))))

        async def both() -> None:
            assert self.second is not None
            await asyncio.gather(self.store.commit(mine), self.second.commit(theirs))

        self.run(both())
        last = self.run(self.store.load()).meta["generation"]
        for batch in (theirs, mine) if last == "1" else (mine, theirs):
            self.model.apply(batch)

    # --- what cuts them short

    def raw(self) -> Any:
        return self.store._writer.raw_connection().driver_connection

    @rule(pages=st.integers(0, 3))
    def the_disk_fills(self, pages: int) -> None:
        self.second_store_closes()  # the limit is one of a connection
        self.full = True
        there = self.raw().execute("PRAGMA page_count").fetchone()[0]
        self.raw().execute(f"PRAGMA max_page_count = {there + pages}").close()

    @rule()
    def there_is_room_again(self) -> None:
        self.full = False
        self.raw().execute("PRAGMA max_page_count = 1000000").close()

    @rule(orderly=st.booleans())
    def the_process_dies(self, orderly: bool) -> None:
        if orderly:
            self.run(self.store.close())
            self.store = self.run(Store.open(self.folder))
            self.full = False
        else:
            self.lives_on(self.copy())

    @rule(batch=batches, at=st.integers(0, 8), small_cache=st.booleans())
    def the_power_goes(self, batch: list[Change], at: int, small_cache: bool) -> None:
        """Just before the statement `at` of a batch, or after its end. A small cache has SQLite write early."""
        if self.full:
            self.there_is_room_again()
        cut: list[Path] = []
        statements = 0

        def count(statement: str) -> None:
            nonlocal statements
            if not cut and (statements == at or statement.startswith("COMMIT")):
                cut.append(self.copy())
            statements += 1

        if small_cache:
            self.raw().execute("PRAGMA cache_size = 2").close()
        self.raw().set_trace_callback(count)
        self.run(self.store.commit(batch))
        self.raw().set_trace_callback(None)
        assert cut, "no statement was seen"
        if at > 6:
            cut = [self.copy()]
            self.model.apply(batch)
        self.lives_on(cut[0])

    def copy(self) -> Path:
        self.copies += 1
        target = self.root / str(self.copies)
        target.mkdir()
        for name in (FILE_NAME, f"{FILE_NAME}-wal"):
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, target / name)
        return target

    def lives_on(self, folder: Path) -> None:
        self.second_store_closes()
        self.run(self.store.close())
        shutil.rmtree(self.folder)
        self.folder, self.full = folder, False
        self.store = self.run(Store.open(folder))

    @precondition(lambda self: self.second is None and not self.full)
    @rule()
    def second_store_opens(self) -> None:
        self.second = self.run(Store.open(self.folder))

    def second_store_closes(self) -> None:
        if self.second is not None:
            self.run(self.second.close())
            self.second = None

    # --- what must hold

    @invariant()
    def what_is_loaded_is_what_was_committed(self) -> None:
        assert self.run(self.store.load()) == self.model.in_memory()
        if self.second is not None:
            assert self.run(self.second.load()) == self.model.in_memory(), "the other store sees the same"

    @rule(wanted=st.lists(keys | st.just("nobody")))
    def everything_is_found(self, wanted: list[str]) -> None:
        for kind in KINDS:
            there = self.model.of(kind)
            assert self.run(self.store.find(kind, wanted)) == {key: there[key] for key in wanted if key in there}

    @rule(order=st.none() | keys, limit=st.integers(0, 6), offset=st.integers(0, 4))
    def jobs_are_listed(self, order: str | None, limit: int, offset: int) -> None:
        there: list[Job] = [job for job in self.model.of(Job).values() if order is None or job.order == order]
        newest_first = sorted(there, key=lambda job: (-job.started_at_s, job.id))
        assert self.run(self.store.jobs(order=order, limit=limit, offset=offset)) == newest_first[offset : offset + limit]


StoreMachine.TestCase.settings = effort(40, 25)
TestStore = StoreMachine.TestCase


async def test_a_full_disk_is_met(tmp_path: Path) -> None:
    """The limit that the machine above uses is one that SQLite keeps, and room again is seen."""
    (tmp_path / FILE_NAME).write_bytes(await asyncio.to_thread(template))
    store = await Store.open(tmp_path)
    raw: Any = store._writer.raw_connection().driver_connection
    there = raw.execute("PRAGMA page_count").fetchone()[0]
    raw.execute(f"PRAGMA max_page_count = {there}").close()
    job = Job("j", "n", "p", "a", "o", "r", "0" * 64, 1, 2.0, 3.0, 9.0, detail="d" * 400)
    batch = [Put(replace(job, id=f"j{index}")) for index in range(100)]
    with pytest.raises(StoreFullError):
        await store.commit(batch)
    assert await store.jobs() == []
    raw.execute("PRAGMA max_page_count = 1000000").close()
    await store.commit(batch)
    assert len(await store.jobs()) == 100
    await store.close()
