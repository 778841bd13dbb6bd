"""The node's ledger on a real file, beside a model of what was committed last.

The process may die at any statement, the power may go in the middle of a transaction (the files are copied just then, and of what
was not synced yet a part is cut off), and the disk may be full (SQLite's own SQLITE_FULL). What is read back is the last committed
step, whole.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from farm.bus.messages import (
    Ack,
    BedCleared,
    CommandDone,
    Fact,
    FaultNote,
    FaultRaised,
    JobCollected,
    JobEnded,
    JobReference,
    JobStarted,
    RawFact,
    Settings,
    fact_tag,
)
from farm.node import core
from farm.node.core import Changes, JournalPlace, Moment, NodeState, Occupied, Remembered
from farm.node.core.state import KEEP_COMMANDS
from farm.node.ledger import Ledger, LedgerWriteError
from scheduler.model import JobOutcome, OccupationKind
from tests.stateful.effort import effort, quick_folder
from tests.unit.farm.node.bench import SHA, A, B, allocation, desired, setup

PACKET_BYTES = 180_000  # of facts in one packet
SETUPS = (setup(A), setup(B))
printers = st.sampled_from([A, B, "printer-c"])
allocations = st.sampled_from(["a1", "a2", "a3", "a4"])
texts = st.sampled_from(["", "plain", "tête chauffante", "\U0001f525" * 500])

HEADER_BYTES = 32  # of a SQLite write-ahead log


@dataclass(frozen=True)
class Row:
    """A fact in the file, at a position that no new epoch moves."""

    position: int
    lived_s: float
    fact: Fact


@dataclass(frozen=True)
class Committed:
    """What the ledger must give back."""

    remembered: Remembered = field(default_factory=lambda: Remembered(JournalPlace("")))
    rows: tuple[Row, ...] = ()
    started_s: dict[str, float] = field(default_factory=dict)  # by `lived_s`
    lived_s: float = 0.0


def after(before: Committed, state: NodeState, changes: Changes) -> Committed:
    """`before` with a step in it."""
    if changes.empty:
        return before
    place = changes.place
    lived_s = max(before.lived_s, changes.lived_s)
    rows = (*before.rows, *(Row(fact.seq + place.base, lived_s, fact) for fact in changes.facts))
    started_s = before.started_s | dict.fromkeys(changes.started, lived_s)
    return Committed(
        remembered=Remembered(
            journal=place,
            boot=state.boot,
            machine=state.machine,
            generation=state.generation,
            version=state.version,
            allocations=state.allocations,
            settings=state.settings,
            started=state.started,
            occupations={key: replace(occupied, autonomy_s=0.0) for key, occupied in state.occupations.items()},
            commands=state.commands,
        ),
        rows=tuple(row for row in rows if row.position >= place.oldest + place.base),
        started_s={key: at_s for key, at_s in started_s.items() if key in state.started},
        lived_s=lived_s,
    )


def reference(job: str, of: str) -> JobReference:
    return JobReference(job=job, allocation=of, order="o", revision="r", program=SHA, parts=4, estimated_s=9.5)


class LedgerMachine(RuleBasedStateMachine):
    """One node's steps, and everything that may cut them short."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = quick_folder()
        self.path = self.folder / "0.sqlite"
        self.ledger = Ledger.open(self.path)
        self.wall_s, self.lived_s, self.ids, self.copies = 1_700_000_000.0, 0.0, 0, 0
        self.full = False
        self.names: dict[str, str] = {}
        self.committed = Committed()
        self.state: NodeState
        self.recovers()

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)

    # --- steps

    @property
    def moment(self) -> Moment:
        return Moment(self.wall_s - 1.6e9, self.wall_s, self.new_id)

    def new_id(self, kind: str) -> str:
        self.ids += 1
        return f"{kind}-{self.ids}"

    def recovers(self) -> None:
        state = core.recover(self.ledger.load(), SETUPS, self.moment, machine="m1", seen={}).state
        self.lived_s = self.ledger.lived_s()  # what was lived and not written is gone with the process
        changes = core.between(None, state, (), self.wall_s, self.lived_s)
        self.ledger.commit(changes)
        self.committed, self.state = after(self.committed, state, changes), state

    def commit(self, state: NodeState, *facts: Fact) -> bool:
        """As the keeper: a step that cannot be written has not happened."""
        changes = core.between(self.state, state, facts, self.wall_s, self.lived_s)
        try:
            self.ledger.commit(changes)
        except LedgerWriteError as error:
            self.is_full(error)
            return False
        self.committed, self.state = after(self.committed, state, changes), state
        return True

    def is_full(self, error: LedgerWriteError) -> None:
        assert self.full, f"a commit failed on a disk with room: {error}"
        assert error.full, "a full disk is told as one"

    def write(self, state: NodeState, kinds: list[Callable[[int], Fact]]) -> bool:
        head = state.journal.head
        facts = [kind(seq) for seq, kind in enumerate(kinds, head + 1)]
        return self.commit(replace(state, journal=replace(state.journal, head=head + len(facts))), *facts)

    def fact(self, kind: str, printer: str, of: str, text: str) -> Callable[[int], Fact]:
        job = reference(self.new_id("job"), of)
        common: dict[str, Any] = {"at_s": self.wall_s, "printer": printer}
        makers: dict[str, Callable[[int], Fact]] = {
            "started": lambda seq: JobStarted(seq=seq, reference=job, **common),
            "ended": lambda seq: JobEnded(seq=seq, reference=job, outcome=JobOutcome.FAILED, detail=text, **common),
            "collected": lambda seq: JobCollected(seq=seq, reference=job, good=1, scrap=2, by=text[:80], **common),
            "cleared": lambda seq: BedCleared(seq=seq, occupation=job.job, **common),
            "done": lambda seq: CommandDone(seq=seq, command=job.job, ok=False, detail=text, **common),
            "fault": lambda seq: FaultRaised(seq=seq, fault=note(text), **common),
        }
        return makers[kind]

    @initialize(names=st.lists(st.sampled_from(["left", "right", "Étagère"]), max_size=3))
    def begins(self, names: list[str]) -> None:
        self.printers_have_ids_for_ever(names)

    @rule(names=st.lists(st.sampled_from(["left", "right", "Étagère", "new"]), max_size=3))
    def printers_have_ids_for_ever(self, names: list[str]) -> None:
        try:
            found = self.ledger.printer_ids(names)
        except LedgerWriteError as error:
            self.is_full(error)
            return
        assert list(found) == list(dict.fromkeys(names))
        for name, key in found.items():
            assert self.names.setdefault(name, key) == key, "a printer got another id"
        assert len(set(self.names.values())) == len(self.names)

    @rule(kind=st.sampled_from(["started", "ended", "collected", "cleared", "done", "fault"]), printer=printers, of=allocations,
          text=texts, number=st.sampled_from([1, 1, 2, 3, 40]))  # fmt: skip
    def facts_are_written(self, kind: str, printer: str, of: str, text: str, number: int) -> None:
        self.write(self.state, [self.fact(kind, printer, of, text) for _ in range(number)])

    @rule(printer=printers, kind=st.sampled_from([None, *OccupationKind]), outcome=st.sampled_from([None, *JobOutcome]),
          gap=st.booleans())  # fmt: skip
    def a_bed_changes(self, printer: str, kind: OccupationKind | None, outcome: JobOutcome | None, gap: bool) -> None:
        occupations = {key: value for key, value in self.state.occupations.items() if key != printer}
        if kind is not None:
            key, is_job = self.new_id("bed"), kind is OccupationKind.JOB
            job = reference(key, "a1") if is_job else None
            occupied = Occupied(key, kind, self.wall_s - 1.5, self.wall_s, job, outcome if is_job else None, gap, autonomy_s=60.0)
            occupations[printer] = occupied
        self.write(replace(self.state, occupations=occupations), [self.fact("cleared", printer, "a1", "")])

    @rule(of=allocations, jobs=st.integers(1, 3))
    def jobs_are_started(self, of: str, jobs: int) -> None:
        started = {**self.state.started, of: self.state.started.get(of, 0) + jobs}
        self.write(replace(self.state, started=started), [self.fact("started", A, of, "") for _ in range(jobs)])

    @rule(number=st.sampled_from([1, 2, 300, KEEP_COMMANDS]))
    def commands_are_done(self, number: int) -> None:
        new = tuple(self.new_id("command") for _ in range(number))
        self.commit(replace(self.state, commands=(*self.state.commands, *new)[-KEEP_COMMANDS:]))

    @rule(higher=st.booleans(), of=st.sets(allocations), jobs=st.integers(0, 5), every_s=st.sampled_from([5.0, 30.0]))
    def something_else_is_desired(self, higher: bool, of: set[str], jobs: int, every_s: float) -> None:
        wanted = {A: [allocation(key, jobs=jobs) for key in sorted(of)]}
        message = desired(self.state.version + 1, generation=self.state.generation + higher, printers=wanted)
        message = message.model_copy(update={"settings": Settings(report_every_s=every_s)})
        self.commit(core.on_desired(self.state, message, self.moment).state)

    @rule(share=st.integers(0, 4), beyond=st.booleans())
    def the_daemon_acknowledges(self, share: int, beyond: bool) -> None:
        """Beyond the head: this ledger is an old copy, and its journal is numbered anew."""
        place = self.state.journal
        seq = place.head + 5 if beyond else place.head * share // 4
        ack = Ack(generation=self.state.generation, epoch=place.epoch, seq=seq)
        self.commit(core.on_ack(self.state, ack, self.moment).state)

    @rule(share=st.integers(0, 4), of=st.sets(allocations))
    def what_is_told_is_forgotten(self, share: int, of: set[str]) -> None:
        place = self.state.journal
        told = max(0, place.acked - place.oldest + 1)
        self.commit(core.prune(self.state, told * share // 4, frozenset(of) & self.state.started.keys()).state)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.wall_s += seconds
        self.lived_s += seconds

    @rule(seconds=st.sampled_from([-400 * 86_400.0, -50.0, 400 * 86_400.0]))
    def somebody_sets_the_wall_clock(self, seconds: float) -> None:
        self.wall_s += seconds

    @rule(behind_s=st.sampled_from([0.1, 5000.0]), of=allocations)
    def a_step_knows_less_of_the_age_than_the_ledger(self, behind_s: float, of: str) -> None:
        """Such as the one that only finds out whether the ledger can be written again."""
        self.lived_s, now_s = max(0.0, self.lived_s - behind_s), self.lived_s
        self.jobs_are_started(of, 1)
        self.lived_s = now_s

    # --- longer pieces of life: chance seldom strings them together

    @rule(number=st.sampled_from([17, 18, 40]), share=st.integers(0, 8))
    def more_is_written_than_a_packet_holds(self, number: int, share: int) -> None:
        self.facts_are_written("fault", A, "a1", "\U0001f525" * 500, number)
        self.facts_are_read(share, 1000)

    @rule(order=st.permutations(["a1", "a2", "a3", "a4"]), limit=st.integers(1, 4))
    def counters_grow_old(self, order: list[str], limit: int) -> None:
        for key in order:
            self.time_passes(1.0)
            self.jobs_are_started(key, 1)
        self.time_passes(3600.0)
        self.what_may_be_forgotten_is_read(0, limit, 10.0, {"a1"})

    @rule(kept=st.integers(0, 1), orderly=st.booleans())
    def everything_is_told_and_forgotten(self, kept: int, orderly: bool) -> None:
        self.the_daemon_acknowledges(4, beyond=False)
        self.what_is_told_is_forgotten(4 - kept, set())
        self.the_process_dies(orderly)

    # --- what cuts them short

    @rule(orderly=st.booleans())
    def the_process_dies(self, orderly: bool) -> None:
        """Between two steps: its files are all that is left of it. In an orderly end SQLite folds its log into the database."""
        if orderly:
            self.ledger.close()
            self.ledger = Ledger.open(self.path)
        else:
            self.lives_on(self.copy())
        self.full = False
        self.the_ledger_holds_the_last_commit()
        self.recovers()

    @rule(at=st.integers(0, 12), kept=st.floats(0, 1), number=st.sampled_from([1, 3, 60]), small_cache=st.booleans())
    def the_power_goes(self, at: int, kept: float, number: int, small_cache: bool) -> None:
        """Just before the statement `at` of a transaction, or after its end. A small cache has it write early."""
        if self.full:
            self.there_is_room_again()
        cut: list[Path] = []
        statements = 0
        size_before = self.log_of(self.path).stat().st_size if self.log_of(self.path).exists() else 0

        def count(statement: str) -> None:
            nonlocal statements
            if statements == at or (statement == "COMMIT" and not cut):
                cut.append(self.copy())
            statements += 1

        if small_cache:
            self.ledger._connection.execute("PRAGMA cache_size = 2").close()
        self.ledger._connection.set_trace_callback(count)
        before = self.committed
        occupied = Occupied(self.new_id("bed"), OccupationKind.UNKNOWN, 1.0, self.wall_s)
        state = replace(
            self.state,
            occupations={**self.state.occupations, B: occupied},
            started={**self.state.started, "a2": self.state.started.get("a2", 0) + 1},
            commands=(*self.state.commands, self.new_id("command"))[-KEEP_COMMANDS:],
        )
        assert self.write(state, [self.fact("fault", B, "a2", "\U0001f525" * 500) for _ in range(number)])
        self.ledger._connection.set_trace_callback(None)
        if at > 9:  # it was on the disk when the power went
            cut = [self.copy()]
        else:
            self.committed = before
            tear(self.log_of(cut[0]), size_before, kept)
        self.lives_on(cut[0])
        self.the_ledger_holds_the_last_commit()
        self.recovers()

    @rule(pages=st.integers(0, 3))
    def the_disk_fills(self, pages: int) -> None:
        self.full = True
        there = self.ledger._rows("PRAGMA page_count")[0][0]
        self.ledger._connection.execute(f"PRAGMA max_page_count = {there + pages}").close()

    @rule()
    def there_is_room_again(self) -> None:
        self.full = False
        self.ledger._connection.execute("PRAGMA max_page_count = 1000000").close()

    def log_of(self, path: Path) -> Path:
        return path.with_name(path.name + "-wal")

    def copy(self) -> Path:
        self.copies += 1
        target = self.folder / f"{self.copies}.sqlite"
        shutil.copyfile(self.path, target)
        if self.log_of(self.path).exists():
            shutil.copyfile(self.log_of(self.path), self.log_of(target))
        return target

    def lives_on(self, path: Path) -> None:
        self.ledger.close()
        for leftover in self.folder.glob(f"{self.path.name}*"):
            leftover.unlink()
        self.path = path
        self.ledger = Ledger.open(path)

    # --- what must hold

    @invariant()
    def the_ledger_holds_the_last_commit(self) -> None:
        kept, expected = self.ledger.load(), self.committed.remembered
        assert kept.journal == expected.journal
        assert self.ledger.lived_s() == self.committed.lived_s
        assert kept == replace(
            expected,
            allocations=dict(expected.allocations),
            started=dict(expected.started),
            occupations=dict(expected.occupations),
        )

    def expected_facts(self, place: JournalPlace, pointer: int) -> list[RawFact]:
        return [
            RawFact.model_validate({**row.fact.model_dump(mode="json"), "seq": row.position - place.base})
            for row in self.committed.rows
            if row.position - place.base > pointer
        ]

    @rule(share=st.integers(-1, 8), limit=st.sampled_from([1, 2, 5, 64, 1000]))
    def facts_are_read(self, share: int, limit: int) -> None:
        place = self.state.journal
        pointer = place.oldest - 2 + (place.head - place.oldest + 2) * share // 8
        expected, found = self.expected_facts(place, pointer), self.ledger.facts(place, pointer, limit)
        assert found == expected[: len(found)], "in order, from the pointer on, without a hole"
        assert [fact_tag(fact) for fact in found] == [fact_tag(fact) for fact in expected[: len(found)]]
        wanted = expected[:limit]
        sizes = [len(fact.model_dump_json(exclude={"seq"}).encode()) for fact in wanted]
        if len(found) < len(wanted):
            assert found, "one fact always fits"
            assert sum(sizes[: len(found) + 1]) > PACKET_BYTES - 10 * len(sizes), "there was room for one more"
        assert len(found) <= 1 or sum(sizes[: len(found)]) <= PACKET_BYTES + 10 * len(sizes)

    @rule(share=st.integers(0, 4), limit=st.sampled_from([1, 3, 500]), ago_s=st.sampled_from([0.0, 10.0, 4000.0]),
          of=st.sets(allocations))  # fmt: skip
    def what_may_be_forgotten_is_read(self, share: int, limit: int, ago_s: float, of: set[str]) -> None:
        place, rows, before_s = self.state.journal, self.committed.rows, self.lived_s - ago_s
        written, counters = self.ledger.oldest(place, before_s, limit)
        assert written == [row.lived_s for row in rows][:limit]
        assert written == sorted(written), "the age of a ledger never falls"
        old = {key: at_s for key, at_s in self.committed.started_s.items() if at_s < before_s}
        assert len(counters) == min(limit, len(old))
        assert set(counters) <= set(old)
        assert sorted(old[key] for key in counters) == sorted(old.values())[: len(counters)], "the longest unused first"
        pointer = place.oldest - 1 + (place.head - place.oldest + 1) * share // 4
        told = {
            row.fact.reference.allocation
            for row in rows
            if row.position - place.base > pointer and isinstance(row.fact, JobStarted | JobEnded | JobCollected)
        }
        assert self.ledger.told_of(place, pointer, frozenset(of)) == told & of


def note(text: str) -> FaultNote:
    return FaultNote(code="thermal-runaway", text=text, meaning_en=text, meaning_fr=text, action_en=text, action_fr=text)


def tear(log: Path, size_before: int, kept: float) -> None:
    """Of what was written since the last sync, the disk has kept a part."""
    size = log.stat().st_size if log.exists() else 0
    if size > size_before:
        with log.open("r+b") as stream:
            stream.truncate(size_before + int((size - size_before) * kept))


LedgerMachine.TestCase.settings = effort(100, 40)
TestLedger = LedgerMachine.TestCase


def test_a_full_disk_is_met(tmp_path: Path) -> None:
    """The limit that the machine above uses is one that SQLite keeps."""
    ledger = Ledger.open(tmp_path / "ledger")
    there = ledger._rows("PRAGMA page_count")[0][0]
    ledger._connection.execute(f"PRAGMA max_page_count = {there}").close()
    fault = FaultRaised(seq=1, at_s=1.0, printer=A, fault=note("\U0001f525" * 500))
    with pytest.raises(LedgerWriteError) as caught:
        ledger.commit(Changes(JournalPlace("e", head=1), 1.0, (fault,)))
    assert caught.value.full
    assert ledger.facts(JournalPlace("e"), 0, 10) == []
    ledger.close()
