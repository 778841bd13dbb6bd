"""The arithmetic of allocations under everything that nodes, hands and people may do, in any order, with late and doubled facts.

The nodes here are honest but slow: they hold an older desired state for as long as Hypothesis likes, start what it allows, and tell
it later. What must hold then is the contract's: nothing is counted twice, nothing that may still be started is forgotten.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from scheduler.arithmetic import balance, expected, sums
from scheduler.decisions import Allocate, carry_out
from scheduler.draft import Draft
from scheduler.facts import Batch, Fact, JobCollected, JobEnded, JobReference, JobStarted
from scheduler.lifecycle import take_batch
from scheduler.model import (
    BedState,
    BuildSpace,
    DesiredVersion,
    Farm,
    JobOutcome,
    NodeNow,
    NodeRecord,
    Order,
    PrinterNow,
    Program,
    Revision,
    Rules,
)
from scheduler.reconcile import reconcile
from tests.stateful.effort import examples

RULES = Rules()
PRINTERS = {"p1": "n1", "p2": "n1", "p3": "n2", "p4": "n2"}
PARTS = {"small": 1, "large": 3}
CLASSES = {"p1": "small", "p2": "large", "p3": "small", "p4": "large"}


@dataclass
class Bed:
    """A job on a bed: running until `outcome` is there."""

    reference: JobReference
    outcome: JobOutcome | None = None


@dataclass
class Node:
    """What a node truly holds and did."""

    shown: DesiredVersion = field(default_factory=lambda: DesiredVersion(0, 0))
    allocations: dict[str, JobReference] = field(default_factory=dict)  # a template of the jobs
    jobs: dict[str, int] = field(default_factory=dict)
    printers: dict[str, str] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    journal: list[Fact] = field(default_factory=list)
    last_heard_s: float = 0.0


def program(kind: str) -> Program:
    return Program(
        sha256=kind * 8, name=kind, revision="r1", profile=kind, parts=PARTS[kind], material="PLA", nozzle_mm=0.4, size_bytes=1,
        estimated_s=3600.0, filament_mm=1, filament_g=1, layers=1, width_mm=100, depth_mm=100, height_mm=5, created_at_s=0,
    )  # fmt: skip


class AllocationMachine(RuleBasedStateMachine):
    """A daemon's arithmetic beside the truth."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.number = 1e6, 0
        self.nodes = {name: Node(last_heard_s=self.now_s) for name in ("n1", "n2")}
        self.beds: dict[str, Bed] = {}
        self.told_good = self.reduced = 0
        self.good: Counter[str] = Counter()
        self.farm = Farm(
            generation=1,
            uptime_s=1e6,
            revisions={"r1": Revision("r1", "d1", 0.0)},
            programs={item.sha256: item for item in map(program, PARTS)},
            build_spaces={kind: BuildSpace(200, 200, 200) for kind in PARTS},
            node_records={name: NodeRecord(name, name, 0.0, "", epoch="e") for name in self.nodes},
        )

    def new_id(self) -> str:
        self.number += 1
        return f"x{self.number}"

    # --- the daemon --------------------------------------------------------------------------------------------------------------

    def seen(self) -> Farm:
        printers = {
            key: PrinterNow(
                key, node, key, CLASSES[key], "PLA", 0.4,
                bed=BedState.OCCUPIED if key in self.beds else BedState.CLEAR,
                ready=key not in self.beds,
                running=key in self.beds and self.beds[key].outcome is None,
                job=self.beds[key].reference.job if key in self.beds else None,
            )
            for key, node in PRINTERS.items()
        }  # fmt: skip
        nodes = {
            name: NodeNow(name, self.now_s - node.last_heard_s, node.shown, "e", len(node.journal))
            for name, node in self.nodes.items()
        }
        return replace(self.farm, printers=printers, nodes=nodes)

    @rule()
    def decide(self) -> None:
        for _ in range(4):
            seen = self.seen()
            decisions = reconcile(seen, RULES, self.now_s)
            draft = Draft(seen)
            for decision in decisions:
                carry_out(draft, decision, self.now_s, self.new_id)
            self.farm = draft.farm
            self.check_new([decision for decision in decisions if isinstance(decision, Allocate)])
            if not decisions:
                return
        raise AssertionError(f"the reconciler does not come to rest: {decisions}")

    def check_new(self, made: list[Allocate]) -> None:
        seen, totals = self.seen(), sums(self.farm)
        for decision in made:
            order = self.farm.orders[decision.order]
            assert order.open
            assert self.farm.programs[decision.program].profile == CLASSES[decision.printer]
            assert balance(seen, order, totals) > -max(PARTS.values()), "more was allocated than the overshoot of one job"

    # --- people ------------------------------------------------------------------------------------------------------------------

    @initialize(target=orders, quantity=st.integers(1, 20))
    def first_order(self, quantity: int) -> str:
        return self.make_order(quantity, 0)

    @rule(target=orders, quantity=st.integers(1, 20), priority=st.integers(-1, 1))
    def place(self, quantity: int, priority: int) -> str:
        return self.make_order(quantity, priority)

    def make_order(self, quantity: int, priority: int) -> str:
        order = Order(self.new_id(), "r1", quantity, priority, "", self.now_s)
        self.change(lambda draft: draft.put(order))
        return order.id

    @rule(key=orders, quantity=st.integers(1, 20))
    def resize(self, key: str, quantity: int) -> None:
        order = self.farm.orders[key]
        self.change(lambda draft: draft.put(replace(order, quantity=max(quantity, order.good))))

    @rule(key=orders)
    def cancel(self, key: str) -> None:
        order = self.farm.orders[key]
        if order.open:
            self.change(lambda draft: draft.put(replace(order, cancelled=True)))

    def change(self, action: Callable[[Draft], None]) -> None:
        draft = Draft(self.farm)
        action(draft)
        self.farm = draft.farm

    # --- nodes -------------------------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(["n1", "n2"]))
    def desired_arrives(self, name: str) -> None:
        node, record = self.nodes[name], self.farm.node_records[name]
        node.shown = DesiredVersion(1, record.version)
        held = [item for item in self.farm.allocations.values() if item.node == name and item.jobs > item.started]
        node.jobs = {item.id: item.jobs for item in held}
        node.printers = {item.id: item.printer for item in held}
        node.allocations = {
            item.id: JobReference("", item.id, item.order, item.revision, item.program, item.parts, item.estimated_s)
            for item in held
        }

    @rule(name=st.sampled_from(["n1", "n2"]))
    def report_is_acknowledged(self, name: str) -> None:
        if self.nodes[name].shown == DesiredVersion(1, self.farm.node_records[name].version):
            self.nodes[name].last_heard_s = self.now_s

    @rule(name=st.sampled_from(["n1", "n2"]))
    def start_what_may_start(self, name: str) -> None:
        node = self.nodes[name]
        if self.now_s - node.last_heard_s >= RULES.autonomy_s:
            return
        for key, template in node.allocations.items():
            printer = node.printers[key]
            if printer not in self.beds and node.started[key] < node.jobs[key]:
                node.started[key] += 1
                reference = replace(template, job=self.new_id())
                self.beds[printer] = Bed(reference)
                node.journal.append(JobStarted(len(node.journal) + 1, printer, reference))

    @precondition(lambda self: self.beds)
    @rule(data=st.data(), outcome=st.sampled_from(list(JobOutcome)))
    def job_ends(self, data: st.DataObject, outcome: JobOutcome) -> None:
        printer = data.draw(st.sampled_from(sorted(self.beds)))
        bed, node = self.beds[printer], self.nodes[PRINTERS[printer]]
        if bed.outcome is None:
            bed.outcome = outcome
            node.journal.append(JobEnded(len(node.journal) + 1, printer, bed.reference, outcome))

    @precondition(lambda self: self.beds)
    @rule(data=st.data())
    def hand_collects(self, data: st.DataObject) -> None:
        printer = data.draw(st.sampled_from(sorted(self.beds)))
        bed, node = self.beds[printer], self.nodes[PRINTERS[printer]]
        if bed.outcome is not None:
            good = data.draw(st.integers(0, bed.reference.parts))
            scrap = bed.reference.parts - good
            node.journal.append(JobCollected(len(node.journal) + 1, printer, bed.reference, good, scrap))
            del self.beds[printer]

    @rule(name=st.sampled_from(["n1", "n2"]), offset=st.integers(-3, 2), count=st.integers(1, 6))
    def facts_arrive(self, name: str, offset: int, count: int) -> None:
        """Facts in order; some are doubled (a negative offset), or come after a hole (a positive one)."""
        node, pointer = self.nodes[name], self.farm.node_records[name].seq
        begin = max(0, pointer + offset)
        facts = tuple(node.journal[begin : begin + count])
        draft = Draft(self.farm)
        take_batch(draft, Batch(name, "e", 1, facts), self.now_s, RULES)
        self.farm = draft.farm
        for fact in node.journal[pointer : self.farm.node_records[name].seq]:
            self.told_good += fact.good if isinstance(fact, JobCollected) else 0

    # --- longer pieces of life: chance seldom strings them together --------------------------------------------------------------

    @rule(name=st.sampled_from(["n1", "n2"]))
    def node_works(self, name: str) -> None:
        self.decide()
        self.desired_arrives(name)
        self.report_is_acknowledged(name)
        self.start_what_may_start(name)

    @rule(name=st.sampled_from(["n1", "n2"]), tell=st.booleans())
    def everything_is_collected(self, name: str, tell: bool) -> None:
        node = self.nodes[name]
        for printer in [key for key in self.beds if PRINTERS[key] == name]:
            bed = self.beds.pop(printer)
            if bed.outcome is None:
                node.journal.append(JobEnded(len(node.journal) + 1, printer, bed.reference, JobOutcome.PRINTED))
            node.journal.append(JobCollected(len(node.journal) + 1, printer, bed.reference, bed.reference.parts, 0))
        if tell:
            self.facts_arrive(name, 0, len(node.journal) + 1)

    @rule(name=st.sampled_from(["n1", "n2"]))
    def node_was_away_for_long(self, name: str) -> None:
        self.node_works(name)
        self.now_s += 50_000.0
        self.decide()

    @rule(duration_s=st.sampled_from([1.0, 60.0, 400.0, 1_500.0, 8_000.0, 50_000.0]))
    def time_passes(self, duration_s: float) -> None:
        self.now_s += duration_s

    # --- what must hold ----------------------------------------------------------------------------------------------------------

    @invariant()
    def every_good_part_is_counted_once(self) -> None:
        in_stock = sum(item.parts for item in self.farm.stock.values())
        assert sum(order.good for order in self.farm.orders.values()) + in_stock == self.told_good
        assert in_stock >= 0

    @invariant()
    def good_never_falls_and_never_exceeds_the_order(self) -> None:
        for order in self.farm.orders.values():
            assert self.good[order.id] <= order.good <= order.quantity
            self.good[order.id] = order.good

    @invariant()
    def allocations_are_sound(self) -> None:
        for item in self.farm.allocations.values():
            assert item.held >= item.started >= 0
            assert item.lost >= 0
            assert item.jobs >= 0
        for order in self.farm.orders.values():
            assert expected(self.farm, order.id) >= 0

    @invariant()
    def what_may_have_been_started_is_held_or_known_to_be_lost(self) -> None:
        for node in self.nodes.values():
            for key, started in node.started.items():
                allocation = self.farm.allocations[key]
                assert started <= allocation.held + allocation.lost, "a confirmed withdrawal freed a job that was started"

    @invariant()
    def one_allocation_with_unstarted_jobs_a_printer(self) -> None:
        holders = Counter(item.printer for item in self.farm.allocations.values() if item.unstarted)
        assert all(count == 1 for count in holders.values())


AllocationMachine.TestCase.settings = settings(
    max_examples=examples(100), stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAllocation = AllocationMachine.TestCase
