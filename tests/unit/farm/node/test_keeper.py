import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog.testing

from drivers.base import PrintEnd, PrintEnded, PrinterState, PrinterStatus
from farm.bus.messages import Ack, CollectAction
from farm.clock import Clock
from farm.node import core
from farm.node.core import Moment, NodeState, StartJob, Step
from farm.node.keeper import Event, Keeper
from farm.node.ledger import Ledger, LedgerWriteError
from gcode.texts import told
from scheduler.model import BedState, JobOutcome
from tests.patience import PATIENCE_S
from tests.unit.farm.node.bench import SHA, A, allocation, desired, setup

DAY_S = 86_400.0


class HandClock(Clock):
    """A clock that a test moves: the wall clock to wherever somebody set it, the boot clock as time passes."""

    times_s: dict[str, float]

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["times_s"] = {"wall": 1_800_000_000.0, "boot": 5_000.0}  # the base class is frozen

    def wall_s(self) -> float:
        return self.times_s["wall"]

    def boot_s(self) -> float:
        return self.times_s["boot"]


class Kept:
    """A keeper with one printer; `full` makes its ledger refuse."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, clock: Clock | None = None) -> None:
        self.steps: list[tuple[NodeState, Step]] = []
        self.keeper = Keeper(clock or Clock(), lambda before, step: self.steps.append((before, step)))
        self.path, self.clock = path, clock
        self.full = False
        self.commits = 0
        original = Ledger.commit

        def commit(ledger: Ledger, changes: core.Changes) -> None:
            if self.full:
                raise LedgerWriteError(told("No room."), next_step=told("Make some."), full=True)
            self.commits += 1
            original(ledger, changes)

        patch.setattr(Ledger, "commit", commit)

    async def open(self) -> None:
        remembered = await self.keeper.open(str(self.path))
        await self.keeper.begin(lambda now: core.recover(remembered, [setup(A)], now, machine="m", seen={A: now.boot_s}))

    def status(self, state: PrinterState) -> Event:
        def event(before: NodeState, now: Moment) -> Step:
            return core.on_status(before, A, PrinterStatus(state), now)

        return event

    async def make_ready(self) -> None:
        await self.keeper.apply(lambda state, now: core.on_desired(state, desired(1, printers={A: [allocation()]}), now))
        await self.keeper.apply(lambda state, _now: core.on_files(state, frozenset({SHA})))
        await self.keeper.apply(lambda state, _now: core.on_checked(state, core.Task(A, SHA), core.Checked(), ""))
        report = await self.keeper.next_report("n", "a")
        ack = {"generation": 1, "epoch": report.journal.epoch, "seq": 0, "boot": report.boot, "report": report.report}
        await self.keeper.apply(lambda state, now: core.on_ack(state, Ack.model_validate(ack), now))


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    made = Kept(tmp_path / "ledger.sqlite", monkeypatch)
    await made.open()
    yield made
    made.full = False
    await made.keeper.close()


async def test_an_event_and_the_start_that_it_allows_are_one_transaction(kept: Kept) -> None:
    await kept.make_ready()
    commits = kept.commits
    await kept.keeper.apply(kept.status(PrinterState.IDLE))
    _, step = kept.steps[-1]
    assert [type(instruction) for instruction in step.instructions] == [StartJob]
    assert kept.commits == commits + 1


async def test_nothing_durable_changed_nothing_is_committed(kept: Kept) -> None:
    commits = kept.commits
    await kept.keeper.apply(kept.status(PrinterState.CONNECTING))
    await kept.keeper.next_report("n", "a")
    assert kept.commits == commits
    assert kept.keeper.state.printers[A].status.state is PrinterState.CONNECTING


async def test_a_step_that_cannot_be_written_has_not_happened(kept: Kept) -> None:
    await kept.make_ready()
    kept.full = True
    before = kept.keeper.state
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(LedgerWriteError):
                await kept.keeper.apply(kept.status(PrinterState.FOREIGN))
    assert [line["event"] for line in logs] == ["ledger.unwritable"], "logged once"
    after = kept.keeper.state
    assert not after.writable
    assert after.printers == before.printers
    assert not [step for _, step in kept.steps if step.instructions]


async def test_what_a_driver_said_is_owed_until_it_can_be_written(kept: Kept) -> None:
    kept.full = True
    await kept.keeper.apply_surely(kept.status(PrinterState.FOREIGN))
    await kept.keeper.pay_owed()
    assert kept.keeper.owed == 1
    kept.full = False
    with structlog.testing.capture_logs() as logs:
        await kept.keeper.pay_owed()
    assert (kept.keeper.owed, kept.keeper.state.writable) == (0, True)
    assert [line["event"] for line in logs] == ["ledger.writable"]
    assert A in kept.keeper.state.occupations


async def test_many_statuses_do_not_push_out_the_end_of_a_print(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.keeper._MAX_OWED", 3)
    await kept.make_ready()
    await kept.keeper.apply(kept.status(PrinterState.IDLE))
    job = kept.keeper.state.occupations[A].id
    kept.full = True
    await kept.keeper.apply_surely(lambda state, now: core.on_ended(state, A, PrintEnded(job, PrintEnd.DONE, ""), now))
    for number in range(10):
        await kept.keeper.apply_surely(kept.status(PrinterState.FOREIGN), key=f"status {number}")
    assert kept.keeper.owed == 1 + 3
    kept.full = False
    await kept.keeper.pay_owed()
    assert kept.keeper.state.occupations[A].outcome is JobOutcome.PRINTED


async def test_one_status_a_printer_is_owed_the_newest(kept: Kept) -> None:
    kept.full = True
    for state in (PrinterState.FOREIGN, PrinterState.IDLE, PrinterState.FOREIGN):
        await kept.keeper.apply_surely(kept.status(state), key="status a")
    await kept.keeper.apply_surely(kept.status(PrinterState.FOREIGN), key="status b")
    assert kept.keeper.owed == 2


async def test_a_doubted_bed_is_unknown_with_the_first_step_that_is_written(kept: Kept) -> None:
    """Whatever step that is: here the one that would otherwise start a job."""
    await kept.make_ready()
    kept.full = True
    kept.keeper.doubt(A)
    with pytest.raises(LedgerWriteError):
        await kept.keeper.apply(kept.status(PrinterState.IDLE))
    assert kept.keeper.doubted == {A}
    kept.full = False
    await kept.keeper.apply(kept.status(PrinterState.IDLE))
    await kept.keeper.apply(lambda state, now: core.on_desired(state, desired(2, printers={A: [allocation()]}), now))
    assert kept.keeper.state.bed(A) is BedState.UNKNOWN
    assert not [step for _, step in kept.steps if step.instructions]
    assert kept.keeper.doubted == frozenset()
    occupied = kept.keeper.state.occupations[A]
    await kept.keeper.apply(kept.status(PrinterState.IDLE))
    assert kept.keeper.state.occupations[A] is occupied, "doubted once"


async def test_beside_a_doubt_what_needs_no_writing_goes_on(kept: Kept) -> None:
    kept.full = True
    kept.keeper.doubt(A)
    with pytest.raises(LedgerWriteError):
        await kept.keeper.apply(kept.status(PrinterState.CONNECTING))
    await kept.keeper.apply(kept.status(PrinterState.CONNECTING))
    assert kept.keeper.state.printers[A].status.state is PrinterState.CONNECTING
    kept.full = False
    await kept.keeper.pay_owed()
    assert kept.keeper.state.bed(A) is BedState.UNKNOWN


async def test_a_ledger_that_can_be_written_again_is_found_out_without_an_event(kept: Kept) -> None:
    kept.full = True
    with pytest.raises(LedgerWriteError):
        await kept.keeper.apply(kept.status(PrinterState.FOREIGN))
    await kept.keeper.pay_owed()
    assert not kept.keeper.state.writable
    kept.full = False
    await kept.keeper.pay_owed()
    assert kept.keeper.state.writable


async def test_who_is_cancelled_during_the_commit_does_not_part_the_state_from_the_ledger(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.make_ready()
    writing, go_on = threading.Event(), threading.Event()
    commit = Ledger.commit

    def slow_commit(ledger: Ledger, changes: core.Changes) -> None:
        writing.set()
        assert go_on.wait(PATIENCE_S)
        commit(ledger, changes)

    monkeypatch.setattr(Ledger, "commit", slow_commit)
    task = asyncio.create_task(kept.keeper.apply(kept.status(PrinterState.IDLE)))
    assert await asyncio.to_thread(writing.wait, 10)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    other = asyncio.create_task(kept.keeper.apply(lambda state, _now: Step(state)))
    await asyncio.sleep(0)
    assert not other.done(), "the next step waits for the one that is being written"
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await other
    ledger = kept.keeper._ledger
    assert ledger is not None
    written = await kept.keeper.in_thread(ledger.load)
    assert kept.keeper.state.journal.head == written.journal.head == 1
    assert [type(one) for _, step in kept.steps for one in step.instructions] == [StartJob]


async def test_what_a_driver_said_is_owed_also_when_who_tells_it_is_cancelled(kept: Kept) -> None:
    kept.full = True
    task = asyncio.create_task(kept.keeper.apply_surely(kept.status(PrinterState.FOREIGN)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (kept.keeper.state.occupations, kept.keeper.owed) == ({}, 1)
    kept.full = False
    await kept.keeper.pay_owed()
    assert A in kept.keeper.state.occupations


async def test_what_was_owed_is_paid_once_also_when_who_pays_is_cancelled(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that ends while it pays: the last thing it does is to pay what is owed."""
    made: list[Moment] = []
    writing, go_on = threading.Event(), threading.Event()

    def event(state: NodeState, now: Moment) -> Step:
        made.append(now)
        return kept.status(PrinterState.FOREIGN)(state, now)

    kept.full = True
    await kept.keeper.apply_surely(event)
    kept.full = False
    made.clear()
    commit = Ledger.commit

    def slow_commit(ledger: Ledger, changes: core.Changes) -> None:
        writing.set()
        assert go_on.wait(PATIENCE_S)
        commit(ledger, changes)

    monkeypatch.setattr(Ledger, "commit", slow_commit)
    paying = asyncio.create_task(kept.keeper.pay_owed())
    assert await asyncio.to_thread(writing.wait, PATIENCE_S)
    paying.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await paying
    assert kept.keeper.owed == 0
    await kept.keeper.pay_owed()
    assert len(made) == 1


async def test_steps_wait_for_their_turn(kept: Kept) -> None:
    states = [PrinterState.IDLE, PrinterState.FOREIGN, PrinterState.IDLE, PrinterState.FAULT]
    await asyncio.gather(*(kept.keeper.apply(kept.status(state)) for state in states))
    assert [step.state.printers[A].status.state for _, step in kept.steps] == states


@pytest.fixture
async def aging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    """A keeper on a clock that the test moves."""
    made = Kept(tmp_path / "aging.sqlite", monkeypatch, HandClock())
    await made.open()
    yield made
    made.full = False
    await made.keeper.close()


def clock_of(kept: Kept) -> HandClock:
    assert isinstance(kept.clock, HandClock)
    return kept.clock


def passes(kept: Kept, duration_s: float) -> None:
    """Time goes by for both clocks."""
    for name in ("wall", "boot"):
        clock_of(kept).times_s[name] += duration_s


async def a_job_is_over(kept: Kept) -> None:
    """Started, ended, collected, and its allocation is not wanted any more."""
    await kept.make_ready()
    await kept.keeper.apply(kept.status(PrinterState.IDLE))
    job = kept.keeper.state.occupations[A].id
    await kept.keeper.apply(lambda state, now: core.on_ended(state, A, PrintEnded(job, PrintEnd.DONE, ""), now))
    collected = CollectAction(printer=A, job=job, good=1, scrap=0)
    await kept.keeper.apply(lambda state, now: core.on_collect(state, collected, now))
    await kept.keeper.apply(lambda state, now: core.on_desired(state, desired(2), now))


async def acknowledged(kept: Kept) -> None:
    place = kept.keeper.state.journal
    ack = Ack(generation=1, epoch=place.epoch, seq=place.head)
    await kept.keeper.apply(lambda state, now: core.on_ack(state, ack, now))


def left(kept: Kept) -> tuple[int, dict[str, int]]:
    """How many facts, and which counters."""
    place = kept.keeper.state.journal
    return place.head - place.oldest + 1, dict(kept.keeper.state.started)


async def test_old_facts_and_their_counters_are_forgotten_in_small_batches(aging: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.keeper._PRUNE_BATCH", 2)
    await a_job_is_over(aging)
    place = aging.keeper.state.journal
    assert (place.head, aging.keeper.state.started) == (3, {"alloc-1": 1})
    await aging.keeper.prune()
    assert aging.keeper.state.journal.oldest == 1, "not yet old"

    passes(aging, 91 * DAY_S)
    await aging.keeper.prune()
    assert aging.keeper.state.journal.oldest == 1, "not yet acknowledged"
    ack = Ack(generation=1, epoch=place.epoch, seq=3)
    await aging.keeper.apply(lambda state, now: core.on_ack(state, ack, now))
    await aging.keeper.prune()
    assert (aging.keeper.state.journal.oldest, aging.keeper.state.started) == (3, {"alloc-1": 1}), "a fact still tells of it"
    aging.full = True
    with pytest.raises(LedgerWriteError):
        await aging.keeper.prune()
    await aging.keeper.prune()
    assert aging.keeper.state.journal.oldest == 3
    aging.full = False
    await aging.keeper.pay_owed()
    await aging.keeper.prune()
    assert (aging.keeper.state.journal.oldest, aging.keeper.state.journal.head, aging.keeper.state.started) == (4, 3, {})
    assert await aging.keeper.facts(aging.keeper.state.journal, 0, 10) == []


@pytest.mark.parametrize("wrong_s", [400 * DAY_S, -400 * DAY_S, -1_800_000_000.0])
@pytest.mark.parametrize("wrong_when_written", [True, False])
async def test_a_wall_clock_that_is_wrong_deletes_nothing(aging: Kept, wrong_s: float, wrong_when_written: bool) -> None:
    if wrong_when_written:
        clock_of(aging).times_s["wall"] += wrong_s
    await a_job_is_over(aging)
    await acknowledged(aging)
    clock_of(aging).times_s["wall"] += -wrong_s if wrong_when_written else wrong_s
    commits = aging.commits
    for _ in range(3):
        passes(aging, 3600.0)
        await aging.keeper.prune()
    assert left(aging) == (3, {"alloc-1": 1})
    assert aging.commits == commits, "what finds nothing to forget writes nothing"
    passes(aging, 90 * DAY_S)
    await aging.keeper.prune()
    await aging.keeper.prune()
    assert left(aging) == (0, {}), "a wrong clock keeps nothing either"


async def test_a_ledger_ages_over_restarts_and_not_while_its_computer_is_off(aging: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_job_is_over(aging)
    for _ in range(3):
        passes(aging, 25 * DAY_S)
        await aging.keeper.apply(lambda state, now: core.on_desired(state, desired(state.version + 1), now))
        await aging.keeper.close()
        aging = Kept(aging.path, monkeypatch, HandClock())  # the boot clock begins anew, after any number of days
        clock_of(aging).times_s["wall"] += 1_000 * DAY_S
        await aging.open()
        await acknowledged(aging)
        await aging.keeper.prune()
        assert left(aging) == (3, {"alloc-1": 1})
    passes(aging, 15 * DAY_S)
    await aging.keeper.prune()
    assert left(aging) == (3, {"alloc-1": 1}), "90 days are kept"
    passes(aging, 1.0)
    await aging.keeper.prune()
    await aging.keeper.prune()
    assert left(aging) == (0, {})
    await aging.keeper.close()


async def test_a_ledger_whose_commits_fail_meanwhile_ages_no_less(aging: Kept) -> None:
    """The first write after a full disk, which changes nothing else, must not set the age back."""
    await a_job_is_over(aging)
    passes(aging, 50 * DAY_S)
    await aging.keeper.apply(lambda state, now: core.on_desired(state, desired(3), now))
    aging.full = True
    with pytest.raises(LedgerWriteError):
        await aging.keeper.apply(aging.status(PrinterState.FOREIGN))
    aging.full = False
    await aging.keeper.pay_owed()
    ledger = Ledger.open(aging.path)
    assert ledger.lived_s() == 50 * DAY_S
    ledger.close()


async def test_a_boot_that_cannot_be_written_is_no_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path / "ledger.sqlite", monkeypatch)
    kept.full = True
    with pytest.raises(LedgerWriteError):
        await kept.open()
    assert not kept.keeper.begun
    await kept.keeper.close()


async def test_every_boot_has_a_greater_number(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept.keeper.state.boot
    await kept.keeper.close()
    again = Kept(tmp_path / "ledger.sqlite", monkeypatch)
    await again.open()
    assert again.keeper.state.boot > first
    assert (await again.keeper.facts(again.keeper.state.journal, 0, 10)) == []
    assert await again.keeper.printer_ids(["a"]) == await again.keeper.printer_ids(["a"])
    await again.keeper.close()


async def test_a_ledger_that_turns_out_to_be_an_old_copy_is_logged_once(kept: Kept) -> None:
    epoch = kept.keeper.state.journal.epoch
    beyond = Ack(generation=kept.keeper.state.generation, epoch=epoch, seq=1_000)
    with structlog.testing.capture_logs() as logs:
        await kept.keeper.apply(lambda state, now: core.on_ack(state, beyond, now))
        await kept.keeper.apply(lambda state, now: core.on_ack(state, beyond, now))
    (line,) = [line for line in logs if line["event"] == "ledger.old"]
    assert (line["log_level"], line["before"], line["epoch"]) == ("warning", epoch, kept.keeper.state.journal.epoch)
    assert epoch != kept.keeper.state.journal.epoch


async def test_who_gives_up_while_the_ledger_is_opened_leaves_it_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening, go_on = threading.Event(), threading.Event()
    made, closed = list[Ledger](), list[Ledger]()
    opened, close = Ledger.open, Ledger.close

    def slow(path: str) -> Ledger:
        opening.set()
        assert go_on.wait(PATIENCE_S)
        made.append(opened(path))
        return made[0]

    def closing(ledger: Ledger) -> None:
        close(ledger)
        closed.append(ledger)

    monkeypatch.setattr(Ledger, "open", slow)
    monkeypatch.setattr(Ledger, "close", closing)
    keeper = Keeper(Clock(), lambda _before, _step: None)
    asking = asyncio.create_task(keeper.open(str(tmp_path / "ledger.sqlite")))
    await asyncio.to_thread(opening.wait, PATIENCE_S)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go_on.set()
    await keeper.close()
    await asyncio.to_thread(keeper._thread.shutdown)  # what it still does is done then
    assert len(made) == 1
    assert closed == made
