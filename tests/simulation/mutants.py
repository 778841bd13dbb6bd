"""Broken rules. Each is a patch of the production code; a simulation that does not notice one of them is worth nothing.

The first sixteen are those of docs/protocol.md. A mutant is run on seeds whose faults can show it, until an invariant fails.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from unittest import mock

import farm.bus.messages
import farm.daemon.beds
import farm.daemon.engine
import farm.daemon.orders
import farm.daemon.receive
import farm.node.core
import farm.node.core.beds
import farm.node.core.contact
import farm.node.core.jobs
import scheduler.decisions
import scheduler.eligibility
import scheduler.lifecycle
import scheduler.matching
import scheduler.reconcile
from drivers.base import PrintEnd, PrintEnded
from farm.bus.messages import Ack
from farm.bus.topics import Stream
from farm.daemon.engine import Engine
from farm.daemon.world import World as DaemonWorld
from farm.node import core
from farm.node.core import Step
from farm.node.keeper import Keeper
from scheduler.decisions import Decision, Withdraw
from scheduler.lifecycle import Intake, Phase
from scheduler.model import Job, NodeRecord
from tests.simulation.daemon import SimulatedDaemon
from tests.simulation.faults import Plan
from tests.simulation.node import QuickKeeper, SimulatedNode
from tests.simulation.world import MachineClock

Patches = AbstractContextManager[object]


@dataclass(frozen=True)
class Mutant:
    """A rule left out. `plan`: the faults that show it."""

    name: str
    breaks: Callable[[], Patches]
    plan: Plan = field(default_factory=Plan)
    calm: bool = False


@contextmanager
def _all(*patches: Patches) -> Iterator[None]:
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield


_patch: Final = mock.patch.object


# --- the node --------------------------------------------------------------------------------------------------------------------


def _stale_desired() -> Patches:
    original = core.on_desired

    def accept(state: Any, desired: Any, moment: Any) -> Step:
        same = (desired.generation, desired.version) == (state.generation, state.version)
        if same or desired.generation < state.generation:
            return original(state, desired, moment)
        return original(replace(state, version=-1), desired, moment)

    return _patch(core, "on_desired", accept)


def _printed_is_clear() -> Patches:
    original = core.on_ended

    def ended(state: Any, printer: str, event: PrintEnded, moment: Any) -> Step:
        step = original(state, printer, event, moment)
        if event.end is PrintEnd.DONE:
            left = {key: value for key, value in step.state.occupations.items() if key != printer}
            return replace(step, state=replace(step.state, occupations=left))
        return step

    return _patch(core, "on_ended", ended)


def _collect_without_naming() -> Patches:
    original = farm.node.core.beds.collect

    def collect(draft: Any, printer: str, job: str, counts: tuple[int, int], by: str) -> str | None:
        there = draft.state.occupations.get(printer)
        named = there.id if there is not None and there.job is not None and sum(counts) <= there.job.parts else job
        return original(draft, printer, named, counts, by)

    return _patch(farm.node.core.beds, "collect", collect)


def _start_before_the_intent() -> Patches:
    decide = Keeper._decide
    start_job = SimulatedNode._start_job

    def eager(self: Any, *arguments: Any) -> Any:
        step, changes = decide(self, *arguments)
        node: SimulatedNode = self._on_step.__self__
        for instruction in step.instructions:
            if isinstance(instruction, core.StartJob):
                occupied = step.state.occupations[instruction.printer]
                node.truth.starts(node, instruction, occupied, step.state)
                node.machines[instruction.printer].start(instruction.job, 1_000.0, fails=False)
        return step, changes

    async def late(self: SimulatedNode, process: Any, start: core.StartJob) -> None:
        machine = self.machines[start.printer]
        if machine.running == start.job:
            self._watch(process, start.printer, machine)
        else:
            await start_job(self, process, start)

    return _all(_patch(QuickKeeper, "_decide", eager), _patch(SimulatedNode, "_start_job", late))


def _recovered(**changes: Callable[[Any], Any]) -> Patches:
    original = core.recover

    def recover(*arguments: Any, **named: Any) -> Step:
        step = original(*arguments, **named)
        values = {name: change(step.state) for name, change in changes.items()}
        return replace(step, state=replace(step.state, **values))

    return _patch(core, "recover", recover)


def _outbox_in_memory() -> Patches:
    return _recovered(journal=lambda state: replace(state.journal, acked=state.journal.head))


def _started_in_memory() -> Patches:
    return _recovered(started=lambda _state: {})


def _contact_over_a_reboot() -> Patches:
    original = core.recover

    def recover(remembered: Any, setups: Any, moment: Any, **named: Any) -> Step:
        step = original(remembered, setups, moment, **named)
        return replace(step, state=replace(step.state, contact_s=moment.boot_s))

    return _patch(core, "recover", recover)


def _no_replay() -> Patches:
    original = core.on_desired

    def on_desired(state: Any, desired: Any, moment: Any) -> Step:
        step = original(state, desired, moment)
        return replace(step, state=replace(step.state, journal=replace(step.state.journal, acked=state.journal.acked)))

    return _patch(core, "on_desired", on_desired)


def _no_generation() -> Patches:
    desired, ack = core.on_desired, core.on_ack

    def on_desired(state: Any, message: Any, moment: Any) -> Step:
        if message.generation != state.generation:
            state = replace(state, generation=-1)
        return desired(state, message, moment)

    def on_ack(state: Any, message: Ack, moment: Any, *, tag: str = "") -> Step:
        return ack(state, message.model_copy(update={"generation": state.generation}), moment, tag=tag)

    fence = mock.PropertyMock(return_value=False)
    return _all(_patch(core, "on_desired", on_desired), _patch(core, "on_ack", on_ack), _patch(DaemonWorld, "fenced", fence))


def _contact_is_what_was_heard() -> Patches:
    desired, ack = core.on_desired, core.on_ack

    def heard(step: Step, moment: Any) -> Step:
        return replace(step, state=replace(step.state, contact_s=moment.boot_s))

    return _all(
        _patch(core, "on_desired", lambda state, message, moment: heard(desired(state, message, moment), moment)),
        _patch(core, "on_ack", lambda state, message, moment, tag="": heard(ack(state, message, moment, tag=tag), moment)),
    )


def _old_ledger_goes_on() -> Patches:
    original = core.on_ack

    def on_ack(state: Any, ack: Ack, moment: Any, *, tag: str = "") -> Step:
        return original(state, ack.model_copy(update={"seq": min(ack.seq, state.journal.head)}), moment)

    return _patch(core, "on_ack", on_ack)


def _suspend_does_not_count() -> Patches:
    sleep, boot_s = SimulatedNode.sleep, MachineClock.boot_s
    slept: dict[int, float] = {}

    def fall_asleep(self: SimulatedNode, duration_s: float) -> None:
        if self.up:
            slept[id(self.clock)] = slept.get(id(self.clock), 0.0) + duration_s
        sleep(self, duration_s)

    def monotonic_s(self: MachineClock) -> float:
        return boot_s(self) - slept.get(id(self), 0.0)

    return _all(_patch(SimulatedNode, "sleep", fall_asleep), _patch(MachineClock, "boot_s", monotonic_s))


def _never_blind() -> Patches:
    return _patch(farm.node.core.beds, "_after_blindness", lambda *_arguments, **_named: None)


def _foreign_prints_are_not_seen() -> Patches:
    def no_doubt(_self: Any, _printer: str) -> None:
        pass

    return _all(_patch(farm.node.core.events, "foreign_began", lambda *_arguments: None), _patch(QuickKeeper, "doubt", no_doubt))


def _gap_is_forgotten() -> Patches:
    original = farm.node.core.beds.leave_bed

    def leave(draft: Any, printer: str, occupied: Any) -> None:
        original(draft, printer, replace(occupied, gap=False))

    return _patch(farm.node.core.beds, "leave_bed", leave)


def _idle_is_good() -> Patches:
    original = core.on_trace

    def on_trace(state: Any, asked: Any, trace: Any, moment: Any) -> Step:
        step = original(state, asked, trace, moment)
        if not trace.running and trace.end is None:
            left = {key: value for key, value in step.state.occupations.items() if key != asked.printer}
            return replace(step, state=replace(step.state, occupations=left))
        return step

    return _patch(core, "on_trace", on_trace)


# --- the daemon ------------------------------------------------------------------------------------------------------------------


def _no_dedupe() -> Patches:
    def take(draft: Any, batch: Any, now_s: float, rules: Any, **named: Any) -> list[Any]:
        intake = Intake(draft, batch.node, now_s, rules, **named)
        if not scheduler.lifecycle.enter_epoch(draft, batch.node, batch.epoch):
            return []
        pointer = draft.farm.node_records[batch.node].seq
        for fact in batch.facts:
            if fact.seq > pointer + 1:
                break
            scheduler.lifecycle.take_fact(intake, fact, batch.epoch)
            pointer = max(pointer, fact.seq)
        draft.put(replace(draft.farm.node_records[batch.node], seq=pointer, tag=""))
        return intake.notices

    def always_ended(job: Job | None) -> Phase:
        return Phase.UNKNOWN if job is None else Phase.ENDED

    return _all(_patch(farm.daemon.receive, "take_batch", take), _patch(scheduler.lifecycle, "phase", always_ended))


def _ack_before_commit() -> Patches:
    original = Engine._commit

    async def commit(self: Engine, draft: Any, remembered: Any = ()) -> None:
        for change in draft.changes:
            if isinstance(change, NodeRecord) and change.epoch:
                early = Ack(generation=self.world.generation, epoch=change.epoch, seq=change.seq)
                await self.bus.say(change.id, Stream.ACK, early)
        await original(self, draft, remembered)

    return _patch(Engine, "_commit", commit)


def _late_result_dropped() -> Patches:
    original = Intake.collect

    def collect(self: Intake, fact: Any) -> None:
        if self.draft.farm.jobs[fact.reference.job].written_off:
            fact = replace(fact, good=0)
        original(self, fact)

    steps = {key: tuple(collect if step is original else step for step in some) for key, some in scheduler.lifecycle.TABLE.items()}
    return _patch(scheduler.lifecycle, "TABLE", steps)


def _freed_before_confirmed() -> Patches:
    original = scheduler.decisions.carry_out

    def carry_out(draft: Any, decision: Decision, *arguments: Any, **named: Any) -> None:
        original(draft, decision, *arguments, **named)
        if isinstance(decision, Withdraw):
            allocation = draft.farm.allocations[decision.allocation]
            draft.put(replace(allocation, held=max(allocation.jobs, allocation.started)))

    return _all(_patch(farm.daemon.engine, "carry_out", carry_out), _patch(scheduler.reconcile, "carry_out", carry_out))


def _confirmed_before_the_journal() -> Patches:
    def has_confirmed(world: Any, allocation: Any) -> bool:
        node = world.nodes.get(allocation.node)
        if node is None or node.reported is None or allocation.withdrawn is None:
            return False
        shown: bool = node.reported.generation == world.generation and node.reported >= allocation.withdrawn
        return shown

    return _patch(scheduler.reconcile, "_has_confirmed", has_confirmed)


def _ended_is_not_expected() -> Patches:
    def expected_parts(self: Job) -> int:
        return 0 if self.collected or self.written_off or self.outcome is not None else self.parts

    return _patch(Job, "expected_parts", property(expected_parts))


def _report_acknowledged_under_an_old_desired() -> Patches:
    original = Engine._answer

    def answer(self: Engine, node: str, report: Any) -> None:
        original(self, node, report)
        link = self.world.link(node, self.clock.boot_s())
        link.heard_s, link.acknowledged = link.alive_s, True
        self.publisher.want_ack(node, boot=report.boot, report=report.report)

    return _patch(Engine, "_answer", answer)


def _ids_are_used_again() -> Patches:
    """Ids count what the database holds: after a restore it forgets the newest, and counts them again."""

    class Counter:
        daemon: SimulatedDaemon | None = None
        fresh = 0

    turn = SimulatedDaemon._turn

    async def turned(self: SimulatedDaemon, items: Any) -> None:
        Counter.daemon = self
        await turn(self, items)

    def new_id(kind: str) -> str:
        assert Counter.daemon is not None
        table = {"alloc": "allocations", "order": "orders"}.get(kind)
        if table is None:
            return Counter.daemon.world.new_id(kind)
        with Counter.daemon.card._writer.begin() as connection:
            stored = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() or 0
        Counter.fresh = Counter.fresh + 1 if stored == getattr(Counter, f"last_{kind}", None) else 1
        setattr(Counter, f"last_{kind}", stored)
        return f"{kind}-{stored + Counter.fresh:016d}"

    return _all(
        _patch(SimulatedDaemon, "_turn", turned),
        _patch(farm.daemon.engine, "new_id", new_id),
        _patch(farm.daemon.orders, "new_id", new_id),
    )


def _unknown_facts_are_ignored() -> Patches:
    original = Intake.begin

    def begin(self: Intake, fact: Any) -> None:
        if fact.reference.allocation in self.draft.farm.allocations:
            original(self, fact)

    def guarded(step: Any) -> Any:
        def run(self: Intake, fact: Any) -> None:
            if fact.reference.job in self.draft.farm.jobs:
                step(self, fact)

        return run

    steps = {
        key: tuple(begin if step is original else guarded(step) for step in some) for key, some in scheduler.lifecycle.TABLE.items()
    }
    return _patch(scheduler.lifecycle, "TABLE", steps)


def _new_ledger_keeps_its_allocations() -> Patches:
    return _patch(scheduler.lifecycle, "free", lambda *_arguments: None)


def _stock_is_given_twice() -> Patches:
    return _patch(scheduler.decisions, "add_stock", lambda *_arguments: None)


def _nothing_is_given_up() -> Patches:
    rules = {scheduler.reconcile.lapsed, scheduler.reconcile.overdue, scheduler.reconcile.hedged}
    return _patch(scheduler.reconcile, "TABLE", tuple(rule for rule in scheduler.reconcile.TABLE if rule not in rules))


def _nothing_is_taken_back() -> Patches:
    rules = {scheduler.reconcile.taken_back, scheduler.reconcile.over_allocation}
    return _patch(scheduler.reconcile, "TABLE", tuple(rule for rule in scheduler.reconcile.TABLE if rule not in rules))


def _any_printer_will_do() -> Patches:
    return _patch(scheduler.eligibility, "SUITS", ())


def _never_fenced() -> Patches:
    return _patch(farm.daemon.receive, "find_fence", lambda *_arguments, **_named: None)


def _untold_nodes_get_work() -> Patches:
    rest = tuple(rule for rule in scheduler.eligibility.STANDING if rule is not scheduler.eligibility.node_replayed)
    return _patch(scheduler.matching, "STANDING", rest)


def _recalled_parts_count() -> Patches:
    original = Intake.collect

    def collect(self: Intake, fact: Any) -> None:
        revision = self.draft.farm.revisions[fact.reference.revision]
        self.draft.remember(replace(revision, recalled=False))
        original(self, fact)
        self.draft.remember(revision)

    steps = {key: tuple(collect if step is original else step for step in some) for key, some in scheduler.lifecycle.TABLE.items()}
    return _patch(scheduler.lifecycle, "TABLE", steps)


def _what_nobody_wants_goes_on() -> Patches:
    rules = tuple(rule for rule in scheduler.reconcile.TABLE if rule is not scheduler.reconcile.over_allocation)
    return _patch(scheduler.reconcile, "TABLE", rules)


def _no_patience() -> Patches:
    return _patch(scheduler.reconcile, "settled_in", lambda *_arguments: True)


def _words_are_not_kept() -> Patches:
    return _patch(farm.daemon.beds, "_note", lambda _draft, word: word.id)


def _nulls_in_tags() -> Patches:
    return _patch(farm.bus.messages, "_something", lambda value: value)


RESTORES: Final = Plan(restores=True)
IMAGES: Final = Plan(images=True)

PROTOCOL: Final[tuple[Mutant, ...]] = (
    Mutant("no dedupe", _no_dedupe),
    Mutant("stale desired accepted", _stale_desired),
    Mutant("printed taken for clear", _printed_is_clear),
    Mutant("collect without naming", _collect_without_naming),
    Mutant("start before the intent is durable", _start_before_the_intent),
    Mutant("ack before commit", _ack_before_commit),
    Mutant("outbox in memory", _outbox_in_memory),
    Mutant("late result of a written-off job dropped", _late_result_dropped),
    Mutant("freed before confirmed", _freed_before_confirmed, Plan(operators=True)),
    Mutant("no replay on a new generation", _no_replay, RESTORES),
    Mutant("no generation check", _no_generation, RESTORES),
    Mutant("contact counted from what was heard", _contact_is_what_was_heard),
    Mutant("started counter not durable", _started_in_memory),
    Mutant("ended but not collected is not expected", _ended_is_not_expected, calm=True),
    Mutant("report acknowledged under an old desired", _report_acknowledged_under_an_old_desired, Plan(fate="deaf")),
    Mutant("ids reused after a restore", _ids_are_used_again, RESTORES),
)

MORE: Final[tuple[Mutant, ...]] = (
    Mutant("confirmed before the journal is committed", _confirmed_before_the_journal, Plan(operators=True)),
    Mutant("contact survives a reboot", _contact_over_a_reboot),
    Mutant("suspend does not count", _suspend_does_not_count),
    Mutant("a blind agent trusts clear beds", _never_blind),
    Mutant("foreign prints are not seen", _foreign_prints_are_not_seen),
    Mutant("a gap is forgotten when collecting", _gap_is_forgotten),
    Mutant("idle after a crash is taken for good", _idle_is_good),
    Mutant("an old ledger goes on", _old_ledger_goes_on, IMAGES),
    Mutant("facts of unknown allocations are ignored", _unknown_facts_are_ignored, RESTORES),
    Mutant("a new ledger keeps its allocations", _new_ledger_keeps_its_allocations, IMAGES),
    Mutant("stock is given twice", _stock_is_given_twice, Plan(operators=True)),
    Mutant("nothing is ever given up", _nothing_is_given_up, Plan(fate="dead")),
    Mutant("nothing is taken back", _nothing_is_taken_back, Plan(fate="holiday")),
    Mutant("any printer will do", _any_printer_will_do),
    Mutant("a daemon is never fenced", _never_fenced, RESTORES),
    Mutant("nodes that have not told everything get work", _untold_nodes_get_work, RESTORES),
    Mutant("parts of a recalled revision count", _recalled_parts_count, Plan(operators=True)),
    Mutant("what nobody wants any more goes on", _what_nobody_wants_goes_on, Plan(operators=True)),
    Mutant("no patience after a start", _no_patience),
    Mutant("the words of hands are not kept", _words_are_not_kept),
    Mutant("tags are made of nulls, too", _nulls_in_tags),
)

# Tried and not among them. Other rules keep these from doing harm: a retained report taken for life (only reports of the current
# desired state are acknowledged, and what a broker kept is soon not one), a desired state that is not durable (its report is not
# acknowledged, so there is no contact). These need more chance than sixty seeds have, and have unit tests: an acknowledgement of
# another boot, and tags that are not compared.
ALL: Final = PROTOCOL + MORE
