"""Broken rules. Each is a patch of the production code; a simulation that does not notice one of them is worth nothing.

The first sixteen are those of docs/protocol.md. A mutant is run on seeds whose faults can show it, until an invariant fails.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

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
from farm.bus.messages import Ack
from farm.bus.topics import Stream
from farm.daemon.engine import Engine
from scheduler.decisions import Decision, Withdraw
from scheduler.lifecycle import Intake, Phase
from scheduler.model import Job, NodeRecord
from tests.simulation import broken_node
from tests.simulation.broken_node import Patches, patched, together
from tests.simulation.daemon import SimulatedDaemon
from tests.simulation.faults import Plan


@dataclass(frozen=True)
class Mutant:
    """A rule left out. `plan`: the faults that show it."""

    name: str
    breaks: Callable[[], Patches]
    plan: Plan = field(default_factory=Plan)
    calm: bool = False


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

    return together(patched(farm.daemon.receive, "take_batch", take), patched(scheduler.lifecycle, "phase", always_ended))


def _ack_before_commit() -> Patches:
    original = Engine._commit

    async def commit(self: Engine, draft: Any, remembered: Any = ()) -> None:
        for change in draft.changes:
            if isinstance(change, NodeRecord) and change.epoch:
                early = Ack(generation=self.world.generation, epoch=change.epoch, seq=change.seq)
                await self.bus.say(change.id, Stream.ACK, early)
        await original(self, draft, remembered)

    return patched(Engine, "_commit", commit)


def _late_result_dropped() -> Patches:
    original = Intake.collect

    def collect(self: Intake, fact: Any) -> None:
        if self.draft.farm.jobs[fact.reference.job].written_off:
            fact = replace(fact, good=0)
        original(self, fact)

    steps = {key: tuple(collect if step is original else step for step in some) for key, some in scheduler.lifecycle.TABLE.items()}
    return patched(scheduler.lifecycle, "TABLE", steps)


def _freed_before_confirmed() -> Patches:
    original = scheduler.decisions.carry_out

    def carry_out(draft: Any, decision: Decision, *arguments: Any, **named: Any) -> None:
        original(draft, decision, *arguments, **named)
        if isinstance(decision, Withdraw):
            allocation = draft.farm.allocations[decision.allocation]
            draft.put(replace(allocation, held=max(allocation.jobs, allocation.started)))

    return together(patched(farm.daemon.engine, "carry_out", carry_out), patched(scheduler.reconcile, "carry_out", carry_out))


def _confirmed_before_the_journal() -> Patches:
    def has_confirmed(world: Any, allocation: Any) -> bool:
        node = world.nodes.get(allocation.node)
        if node is None or node.reported is None or allocation.withdrawn is None:
            return False
        shown: bool = node.reported.generation == world.generation and node.reported >= allocation.withdrawn
        return shown

    return patched(scheduler.reconcile, "_has_confirmed", has_confirmed)


def _ended_is_not_expected() -> Patches:
    def expected_parts(self: Job) -> int:
        return 0 if self.collected or self.written_off or self.outcome is not None else self.parts

    return patched(Job, "expected_parts", property(expected_parts))


def _report_acknowledged_under_an_old_desired() -> Patches:
    original = Engine._answer

    def answer(self: Engine, node: str, report: Any) -> None:
        original(self, node, report)
        link = self.world.link(node, self.clock.boot_s())
        link.heard_s, link.acknowledged = link.alive_s, True
        self.publisher.want_ack(node, boot=report.boot, report=report.report)

    return patched(Engine, "_answer", answer)


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

    return together(
        patched(SimulatedDaemon, "_turn", turned),
        patched(farm.daemon.engine, "new_id", new_id),
        patched(farm.daemon.orders, "new_id", new_id),
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
    return patched(scheduler.lifecycle, "TABLE", steps)


def _new_ledger_keeps_its_allocations() -> Patches:
    return patched(scheduler.lifecycle, "free", lambda *_arguments: None)


def _stock_is_given_twice() -> Patches:
    return patched(scheduler.decisions, "add_stock", lambda *_arguments: None)


def _nothing_is_given_up() -> Patches:
    rules = {scheduler.reconcile.lapsed, scheduler.reconcile.overdue, scheduler.reconcile.hedged}
    return patched(scheduler.reconcile, "TABLE", tuple(rule for rule in scheduler.reconcile.TABLE if rule not in rules))


def _nothing_is_taken_back() -> Patches:
    rules = {scheduler.reconcile.taken_back, scheduler.reconcile.over_allocation}
    return patched(scheduler.reconcile, "TABLE", tuple(rule for rule in scheduler.reconcile.TABLE if rule not in rules))


def _any_printer_will_do() -> Patches:
    return patched(scheduler.eligibility, "SUITS", ())


def _never_fenced() -> Patches:
    return patched(farm.daemon.receive, "find_fence", lambda *_arguments, **_named: None)


def _untold_nodes_get_work() -> Patches:
    rest = tuple(rule for rule in scheduler.eligibility.STANDING if rule is not scheduler.eligibility.node_replayed)
    return patched(scheduler.matching, "STANDING", rest)


def _what_nobody_wants_goes_on() -> Patches:
    rules = tuple(rule for rule in scheduler.reconcile.TABLE if rule is not scheduler.reconcile.over_allocation)
    return patched(scheduler.reconcile, "TABLE", rules)


def _no_patience() -> Patches:
    return patched(scheduler.reconcile, "settled_in", lambda *_arguments: True)


def _words_are_not_kept() -> Patches:
    return patched(farm.daemon.beds, "_note", lambda _draft, word: word.id)


def _nulls_in_tags() -> Patches:
    return patched(farm.bus.messages, "_something", lambda value: value)


RESTORES: Final = Plan(restores=True)
IMAGES: Final = Plan(images=True)

PROTOCOL: Final[tuple[Mutant, ...]] = (
    Mutant("no dedupe", _no_dedupe),
    Mutant("stale desired accepted", broken_node.stale_desired),
    Mutant("printed taken for clear", broken_node.printed_is_clear),
    Mutant("collect without naming", broken_node.collect_without_naming),
    Mutant("start before the intent is durable", broken_node.start_before_the_intent),
    Mutant("ack before commit", _ack_before_commit),
    Mutant("outbox in memory", broken_node.outbox_in_memory),
    Mutant("late result of a written-off job dropped", _late_result_dropped),
    Mutant("freed before confirmed", _freed_before_confirmed, Plan(operators=True)),
    Mutant("no replay on a new generation", broken_node.no_replay, RESTORES),
    Mutant("no generation check", broken_node.no_generation, RESTORES),
    Mutant("contact counted from what was heard", broken_node.contact_is_what_was_heard),
    Mutant("started counter not durable", broken_node.started_in_memory),
    Mutant("ended but not collected is not expected", _ended_is_not_expected, calm=True),
    Mutant("report acknowledged under an old desired", _report_acknowledged_under_an_old_desired, Plan(fate="deaf")),
    Mutant("ids reused after a restore", _ids_are_used_again, RESTORES),
)

MORE: Final[tuple[Mutant, ...]] = (
    Mutant("confirmed before the journal is committed", _confirmed_before_the_journal, Plan(operators=True)),
    Mutant("contact survives a reboot", broken_node.contact_over_a_reboot),
    Mutant("suspend does not count", broken_node.suspend_does_not_count),
    Mutant("a blind agent trusts clear beds", broken_node.never_blind),
    Mutant("foreign prints are not seen", broken_node.foreign_prints_are_not_seen),
    Mutant("a gap is forgotten when collecting", broken_node.gap_is_forgotten),
    Mutant("idle after a crash is taken for good", broken_node.idle_is_good),
    Mutant("an old ledger goes on", broken_node.old_ledger_goes_on, IMAGES),
    Mutant("facts of unknown allocations are ignored", _unknown_facts_are_ignored, RESTORES),
    Mutant("a new ledger keeps its allocations", _new_ledger_keeps_its_allocations, IMAGES),
    Mutant("stock is given twice", _stock_is_given_twice, Plan(operators=True)),
    Mutant("nothing is ever given up", _nothing_is_given_up, Plan(fate="dead")),
    Mutant("nothing is taken back", _nothing_is_taken_back, Plan(fate="holiday")),
    Mutant("any printer will do", _any_printer_will_do),
    Mutant("a daemon is never fenced", _never_fenced, RESTORES),
    Mutant("nodes that have not told everything get work", _untold_nodes_get_work, RESTORES),
    Mutant("what nobody wants any more goes on", _what_nobody_wants_goes_on, Plan(operators=True)),
    Mutant("no patience after a start", _no_patience),
    Mutant("the words of hands are not kept", _words_are_not_kept),
    Mutant("tags are made of nulls, too", _nulls_in_tags),
)

# Tried and not among them. Other rules keep these from doing harm: a retained report taken for life (only reports of the current
# desired state are acknowledged, and what a broker kept is soon not one), a desired state that is not durable (its report is not
# acknowledged, so there is no contact). These need more chance than sixty seeds have, and have unit tests: an acknowledgement of
# another boot, tags that are not compared, and parts of a recalled revision that count.
ALL: Final = PROTOCOL + MORE
