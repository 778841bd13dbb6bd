"""What nodes tell, in any order, repeated, with holes and poison, against a bookkeeper who reads them by the plain rules.

Every batch that is taken is also taken twice, and taken in two pieces: neither may change what comes of it.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scheduler.draft import Draft
from scheduler.facts import (
    Batch,
    BedCleared,
    CommandDone,
    Fact,
    FaultSeen,
    JobCollected,
    JobEnded,
    JobReference,
    JobStarted,
    Notice,
    Unreadable,
)
from scheduler.lifecycle import MAX_PAST_EPOCHS, MAX_SET_ASIDE, Phase, phase, seen_running, take_batch
from scheduler.model import (
    Allocation,
    Farm,
    JobOutcome,
    NodeRecord,
    Order,
    PendingCollect,
    PrinterRecord,
    Revision,
    Rules,
)
from tests.stateful.effort import effort

RULES = Rules()
NODES = ("n1", "n2", "n3")
PRINTERS = {"p1": "n1", "p2": "n1", "p3": "n2", "p4": "n3"}
PARTS = 3
ORDERS = {"o1": ("r1", 4), "o2": ("r1", 30), "o3": ("r2", 7)}
PHASES = list(Phase)
# allocation -> (printer, order); under "adopted-*" the daemon knows none, under order "o9" no order either
ALLOCATIONS = {"a1": ("p1", "o1"), "a2": ("p2", "o2"), "a3": ("p3", "o3"), "a4": ("p4", "o2"), "a5": ("p1", "o3")}
ADOPTED = {"adopted-1": ("p1", "o1"), "adopted-2": ("p3", "o9"), "adopted-3": ("p4", "o3")}
ALL = {**ALLOCATIONS, **ADOPTED}

nodes = st.sampled_from(NODES)
allocations = st.sampled_from(sorted(ALL))
outcomes = st.sampled_from(list(JobOutcome))


def node_of(allocation: str) -> str:
    return PRINTERS[ALL[allocation][0]]


def reference(job: str, allocation: str, **fields: object) -> JobReference:
    order = ALL[allocation][1]
    plain = JobReference(job, allocation, order, ORDERS.get(order, ("r1", 0))[0], "f" * 64, PARTS, 3600.0)
    return replace(plain, **fields)  # type: ignore[arg-type]  # fields of a reference, by name


@dataclass
class Life:
    """A job as its node knows it."""

    reference: JobReference
    ended: bool = False
    collected: bool = False


@dataclass(frozen=True)
class Entry:
    """What stands in a journal, and whether anybody should believe it."""

    fact: Fact
    sound: bool = True

    def at(self, seq: int) -> Fact:
        return replace(self.fact, seq=seq)


Numbered = tuple[int, Entry]


@dataclass
class Node:
    """A node's journal: `entries[0]` is number 1 of its epoch; below `oldest` they are forgotten."""

    epoch: str
    entries: list[Entry] = field(default_factory=list)
    oldest: int = 1
    lives: dict[str, Life] = field(default_factory=dict)

    def write(self, fact: Fact, *, sound: bool = True) -> None:
        self.entries.append(Entry(fact, sound))


@dataclass
class Books:
    """What the facts that were taken say, read by the plain rules: each job's parts count once, by its first collect."""

    epoch: dict[str, str] = field(default_factory=dict)
    past: dict[str, set[str]] = field(default_factory=lambda: {node: set() for node in NODES})
    pointer: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    told: dict[str, str] = field(default_factory=dict)  # job -> allocation
    ended: dict[str, JobOutcome] = field(default_factory=dict)
    counted: dict[str, tuple[str, int]] = field(default_factory=dict)  # job -> (revision, good parts that count)
    scrap: Counter[str] = field(default_factory=Counter)
    poison: Counter[str] = field(default_factory=Counter)

    def take(self, node: str, batch: Batch, entries: list[Numbered], recalled: set[str]) -> set[str]:
        """Read a batch; return the codes of the notices that people must get."""
        if batch.epoch in self.past[node]:
            return set()
        if self.epoch.get(node) != batch.epoch:
            if node in self.epoch:
                self.past[node].add(self.epoch[node])
            self.epoch[node], self.pointer[node] = batch.epoch, 0
        codes = set()
        if batch.oldest > self.pointer[node] + 1:
            codes.add("journal.skipped")
            self.pointer[node] = batch.oldest - 1
        for fact, (_, entry) in zip(batch.facts, entries, strict=True):
            if fact.seq > self.pointer[node] + 1:
                codes.add("journal.hole")
                break
            if fact.seq == self.pointer[node] + 1:
                self.pointer[node] = fact.seq
                codes |= self.read(node, fact, recalled) if entry.sound else self.set_aside(node)
        return codes

    def set_aside(self, node: str) -> set[str]:
        self.poison[node] += 1
        return {"fact.set-aside"}

    def read(self, node: str, fact: Fact, recalled: set[str]) -> set[str]:
        if not isinstance(fact, JobStarted | JobEnded | JobCollected):
            return set()
        job = fact.reference.job
        self.told.setdefault(job, fact.reference.allocation)
        if isinstance(fact, JobEnded) and job not in self.counted:
            self.ended.setdefault(job, fact.outcome)
        if isinstance(fact, JobCollected) and job not in self.counted:
            counts = fact.reference.revision not in recalled
            self.counted[job] = (fact.reference.revision, fact.good if counts else 0)
            self.scrap[fact.reference.order] += fact.scrap
            return set() if counts or not fact.good else {"revision.recalled"}
        return set()


class LifecycleMachine(RuleBasedStateMachine):
    """Three nodes, four printers."""

    def __init__(self) -> None:
        super().__init__()
        self.number, self.now_s = 0, 1e6
        self.nodes = {name: Node(self.name("epoch")) for name in NODES}
        self.books = Books()
        self.good: Counter[str] = Counter()
        self.phases: dict[str, int] = {}
        self.places: dict[tuple[str, str], int] = {}
        self.pending: dict[str, str] = {}
        self.farm = Farm(
            generation=1,
            uptime_s=1e6,
            revisions={key: Revision(key, "d", 0.0) for key in ("r1", "r2")},
            orders={key: Order(key, revision, quantity, 0, "", 0.0) for key, (revision, quantity) in ORDERS.items()},
            node_records={name: NodeRecord(name, name, 0.0, "") for name in NODES},
            printer_records={key: PrinterRecord(key, node, key, "d", "small", "PLA", 0.4) for key, node in PRINTERS.items()},
            allocations={
                key: Allocation(key, PRINTERS[printer], printer, order, ORDERS[order][0], "f" * 64, PARTS, 3600.0, 2, 2, 60.0, 0.0)
                for key, (printer, order) in ALLOCATIONS.items()
            },
        )

    def name(self, kind: str) -> str:
        self.number += 1
        return f"{kind}-{self.number}"

    # --- what nodes do

    @rule(allocation=allocations)
    def job_starts(self, allocation: str) -> None:
        node, printer = self.nodes[node_of(allocation)], ALL[allocation][0]
        life = Life(reference(self.name("job"), allocation))
        node.lives[life.reference.job] = life
        node.write(JobStarted(0, printer, life.reference))

    @rule(name=nodes, index=st.integers(0, 9), outcome=outcomes)
    def job_ends(self, name: str, index: int, outcome: JobOutcome) -> None:
        running = [life for life in self.nodes[name].lives.values() if not life.ended]
        if running:
            life = running[index % len(running)]
            life.ended = True
            self.nodes[name].write(JobEnded(0, ALL[life.reference.allocation][0], life.reference, outcome))

    @rule(name=nodes, index=st.integers(0, 9), good=st.integers(0, PARTS), scrap=st.integers(0, PARTS))
    def job_is_collected(self, name: str, index: int, good: int, scrap: int) -> None:
        ended = [life for life in self.nodes[name].lives.values() if life.ended and not life.collected]
        if ended:
            life = ended[index % len(ended)]
            life.collected = True
            printer = ALL[life.reference.allocation][0]
            self.nodes[name].write(JobCollected(0, printer, life.reference, good, min(scrap, PARTS - good), "hand"))

    @rule(allocation=allocations, good=st.integers(0, PARTS), number=st.integers(1, 3))
    def jobs_are_made(self, allocation: str, good: int, number: int) -> None:
        """Whole lives: left to chance, few jobs come so far."""
        for _ in range(number):
            node, printer = self.nodes[node_of(allocation)], ALL[allocation][0]
            life = Life(reference(self.name("job"), allocation), ended=True, collected=True)
            node.lives[life.reference.job] = life
            node.write(JobStarted(0, printer, life.reference))
            node.write(JobEnded(0, printer, life.reference, JobOutcome.PRINTED))
            node.write(JobCollected(0, printer, life.reference, good, PARTS - good, "hand"))

    @rule(name=nodes, what=st.sampled_from(["cleared", "fault"]))
    def something_else_happens(self, name: str, what: str) -> None:
        printer = next(key for key, node in PRINTERS.items() if node == name)
        self.nodes[name].write(BedCleared(0, printer, "foreign") if what == "cleared" else FaultSeen(0, printer, "hot"))

    @rule(name=nodes, kind=st.sampled_from(["unreadable", "printer", "allocation", "parts", "order", "too-many"]),
          allocation=st.sampled_from(sorted(ALLOCATIONS)), number=st.sampled_from([1, 1, 1, 1, MAX_SET_ASIDE + 5]))  # fmt: skip
    def poison_is_written(self, name: str, kind: str, allocation: str, number: int) -> None:
        """Facts that nobody may believe: garbage, a job of another node, one that contradicts its allocation, too many parts."""
        mine = allocation if node_of(allocation) == name else next(key for key in sorted(ALLOCATIONS) if node_of(key) == name)
        other = next(key for key in sorted(ALLOCATIONS) if node_of(key) != name)
        printer, job = ALLOCATIONS[mine][0], self.name("poison")
        forged: dict[str, Fact] = {
            "unreadable": Unreadable(0, "{", "not ours"),
            "printer": JobCollected(0, ALLOCATIONS[other][0], reference(job, "adopted-1"), 1, 0),
            "allocation": JobCollected(0, printer, reference(job, other), PARTS, 0),
            "parts": JobStarted(0, printer, reference(job, mine, parts=PARTS + 1)),
            "order": JobEnded(0, printer, reference(job, mine, order="o7"), JobOutcome.PRINTED),
            "too-many": JobCollected(0, printer, reference(job, mine), PARTS, 1),
        }
        for _ in range(number):
            self.nodes[name].write(forged[kind], sound=False)
        if number > 1:
            self.everything_arrives(name, number // 2)

    @rule(name=nodes, allocation=st.sampled_from(sorted(ALLOCATIONS)))
    def poison_names_the_job_of_another(self, name: str, allocation: str) -> None:
        """A job that is known already, told of by a node that it does not run on."""
        printer = next(key for key, node in PRINTERS.items() if node == name)
        for job in self.farm.jobs.values():
            if job.node != name and job.allocation in ALLOCATIONS:
                self.nodes[name].write(JobCollected(0, printer, reference(job.id, job.allocation), PARTS, 0), sound=False)
                return

    @rule(name=nodes, unheard=st.integers(0, 3))
    def node_forgets_its_oldest(self, name: str, unheard: int) -> None:
        """What the daemon has, and perhaps some that it has not: another daemon acknowledged them."""
        node = self.nodes[name]
        pointer = self.books.pointer[name] if self.books.epoch.get(name) == node.epoch else 0
        node.oldest = max(node.oldest, min(pointer + unheard, len(node.entries)) + 1)

    @rule(name=nodes, kept=st.integers(0, 8))
    def node_gets_an_old_card_back(self, name: str, kept: int) -> None:
        """Its ledger is an old copy: what it held then is told again under a new name, and goes on differently."""
        node = self.nodes[name]
        entries = node.entries[node.oldest - 1 :][:kept]
        self.nodes[name] = new = Node(self.name("epoch"), entries)
        for entry in entries:
            fact = entry.fact
            if entry.sound and isinstance(fact, JobStarted | JobEnded | JobCollected):
                life = new.lives.setdefault(fact.reference.job, Life(fact.reference))
                life.ended = life.ended or isinstance(fact, JobEnded | JobCollected)
                life.collected = life.collected or isinstance(fact, JobCollected)

    @rule(allocation=allocations, good=st.integers(0, PARTS), kept=st.integers(1, 8), ends=st.tuples(outcomes, outcomes))
    def all_is_told_under_two_names(self, allocation: str, good: int, kept: int, ends: tuple[JobOutcome, JobOutcome]) -> None:
        """Jobs are made and told, and an old card is put back: it tells of them again, and of some otherwise."""
        name = node_of(allocation)
        self.node_gets_an_old_card_back(name, 0)
        self.jobs_are_made(allocation, good, 1)
        self.job_starts(allocation)
        self.job_ends(name, 0, ends[0])
        self.everything_arrives(name, 0)
        self.jobs_only_go_forward()
        self.node_gets_an_old_card_back(name, kept)
        self.job_ends(name, 0, ends[1])
        self.job_is_collected(name, 0, PARTS - good, 0)
        self.everything_arrives(name, 3)

    # --- what the daemon hears

    @rule(name=nodes, offset=st.integers(-4, 2), count=st.integers(0, 8), cut=st.integers(0, 8), without=st.integers(-9, 7))
    def batch_arrives(self, name: str, offset: int, count: int, cut: int, without: int) -> None:
        """Doubled (a negative offset), after a hole (a positive one), or with a hole in it."""
        node = self.nodes[name]
        pointer = self.books.pointer[name] if self.books.epoch.get(name) == node.epoch else 0
        first = min(max(node.oldest, pointer + 1 + offset), len(node.entries) + 1)
        numbered = list(enumerate(node.entries[first - 1 : first - 1 + count], first))
        self.takes(name, node.epoch, node.oldest, [item for index, item in enumerate(numbered) if index != without], cut)

    @rule(name=nodes, cut=st.integers(0, 60))
    def everything_arrives(self, name: str, cut: int) -> None:
        node = self.nodes[name]
        self.takes(name, node.epoch, node.oldest, list(enumerate(node.entries[node.oldest - 1 :], node.oldest)), cut)

    @precondition(lambda self: any(self.books.past.values()))
    @rule(name=nodes, index=st.integers(0, 5), good=st.integers(1, PARTS))
    def what_is_of_the_past_arrives(self, name: str, index: int, good: int) -> None:
        """From a ledger that the node has no more; it may well name jobs that nobody else will ever tell of."""
        past = sorted(self.books.past[name])
        if past:
            allocation = next(key for key in sorted(ALLOCATIONS) if node_of(key) == name)
            job = reference(self.name("job"), allocation)
            entries = [(1, Entry(JobCollected(0, ALL[allocation][0], job, good, 0)))]
            before = self.farm
            self.takes(name, past[index % len(past)], 1, entries, 0)
            assert self.farm == before

    def takes(self, name: str, epoch: str, oldest: int, entries: list[Numbered], cut: int) -> None:
        batch = self.batch(name, epoch, oldest, entries)
        recalled = {key for key, revision in self.farm.revisions.items() if revision.recalled}
        before = replace(self.farm)
        after, notices, version_raised = self.take(self.farm, batch)
        assert self.farm == before, "the farm that a draft began with never changes"

        again, repeated, raised_again = self.take(after, batch)
        assert again == after, "a batch that comes twice changed something"
        assert not raised_again
        assert {notice.code for notice in repeated} <= {"journal.hole"}

        cut = min(cut, len(entries))
        half, first_notices, _ = self.take(self.farm, self.batch(name, epoch, oldest, entries[:cut]))
        pieces, then, _ = self.take(half, self.batch(name, epoch, oldest, entries[cut:]))
        assert pieces == after, "a batch in two pieces came to something else"
        said = Counter(notice.code for notice in [*first_notices, *then] if notice.code != "journal.hole")
        assert said == Counter(notice.code for notice in notices if notice.code != "journal.hole")

        new_ledger = name in self.books.epoch and epoch not in {self.books.epoch[name], *self.books.past[name]}
        assert version_raised == new_ledger, "a new ledger, and nothing else, is told what it holds now"
        if new_ledger:
            held = [item for item in after.allocations.values() if item.node == name]
            told = Counter(self.books.told.values())
            assert all(item.jobs <= max(told[item.id], item.started) for item in held), "a new ledger holds nothing that is old"
        codes = self.books.take(name, batch, entries, recalled)
        loud = {"journal.skipped", "journal.hole", "fact.set-aside", "revision.recalled"}
        assert {notice.code for notice in notices} & loud == codes
        self.farm = after
        self.settle_pending(notices)

    def batch(self, name: str, epoch: str, oldest: int, entries: list[Numbered]) -> Batch:
        facts = tuple(entry.at(seq) for seq, entry in entries)
        return Batch(name, epoch, oldest, facts, lambda seq: f"tag-{epoch}-{seq}")

    def take(self, farm: Farm, batch: Batch) -> tuple[Farm, list[Notice], bool]:
        draft = Draft(farm)
        notices = take_batch(draft, batch, self.now_s, RULES)
        raised = draft.farm.node_records[batch.node].version - farm.node_records[batch.node].version
        assert raised in {0, 1}
        if not notices and draft.farm == farm:
            assert all(self.is_there(farm, change) for change in draft.changes), "nothing new, and yet something to commit"
        return draft.farm, notices, bool(raised)

    @staticmethod
    def is_there(farm: Farm, change: object) -> bool:
        return isinstance(change, NodeRecord) and farm.node_records[change.id] == change

    def settle_pending(self, notices: list[Notice]) -> None:
        refused = sum(1 for notice in notices if notice.code == "collect.refused")
        for key, job in list(self.pending.items()):
            if job in self.books.counted:
                self.pending.pop(key)
        gone = self.pending.keys() - self.farm.pending_collects.keys()
        assert len(gone) == refused, "a hand's word is kept until its node has answered"
        assert self.farm.pending_collects.keys() <= self.pending.keys()
        for key in gone:
            del self.pending[key]

    # --- people, reports and time

    @rule(index=st.integers(0, 30))
    def hand_speaks(self, index: int) -> None:
        waiting = [job for job in self.farm.jobs.values() if not job.collected and job.id not in self.pending.values()]
        if waiting:
            job = waiting[index % len(waiting)]
            key = self.name("collect")
            self.pending[key] = job.id
            draft = Draft(self.farm)
            draft.put(PendingCollect(key, job.node, job.printer, job.id, 1, 0, "eve", clear_only=False, created_at_s=0.0))
            self.farm = draft.farm

    @precondition(lambda self: self.pending)
    @rule(ok=st.booleans(), cut=st.integers(0, 3))
    def node_answers_the_hand(self, ok: bool, cut: int) -> None:
        key = min(self.pending)
        kept = self.farm.pending_collects.get(key)
        if kept is not None and not ok:
            self.nodes[kept.node].write(CommandDone(0, kept.printer, key, ok=False, detail="running"))
            self.everything_arrives(kept.node, cut)

    @rule(revision=st.sampled_from(["r1", "r2"]))
    def revision_is_recalled(self, revision: str) -> None:
        draft = Draft(self.farm)
        draft.put(replace(self.farm.revisions[revision], recalled=True))
        self.farm = draft.farm

    @rule(key=st.sampled_from(sorted(ORDERS)), quantity=st.integers(1, 40), cancelled=st.booleans())
    def order_changes(self, key: str, quantity: int, cancelled: bool) -> None:
        draft, order = Draft(self.farm), self.farm.orders[key]
        changed = replace(order, quantity=max(quantity, order.good), cancelled=order.cancelled or cancelled)
        met = changed.good >= changed.quantity and changed.met_at_s is None  # as `farm.daemon.orders.change` does
        draft.put(replace(changed, met_at_s=1.0) if met else changed)
        self.farm = draft.farm

    @rule(index=st.integers(0, 30), was_silent=st.booleans(), late=st.booleans())
    def report_shows_a_job(self, index: int, was_silent: bool, late: bool) -> None:
        jobs = list(self.farm.jobs.values())
        if not jobs:
            return
        job = jobs[index % len(jobs)]
        draft = Draft(self.farm)
        draft.put(replace(job, written_off=True))
        written_off = draft.farm
        now_s = job.due_at_s + (1.0 if late else -1.0)
        seen_running(draft, job.id, now_s, RULES, was_silent=was_silent)
        found = draft.farm.jobs[job.id]
        runs = phase(job) is Phase.RUNNING
        assert found.written_off == (not (runs and (was_silent or not late)))
        assert found.written_off or found.due_at_s > now_s, "it is expected again until a moment that is still to come"
        if found.written_off:
            assert draft.farm == written_off
        if runs:
            self.farm = draft.farm

    @rule(seconds=st.sampled_from([1.0, 10_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    # --- what must hold

    @invariant()
    def every_part_counts_once(self) -> None:
        for revision in ("r1", "r2"):
            counted = sum(good for of, good in self.books.counted.values() if of == revision)
            stock = self.farm.stock.get(revision)
            orders = sum(order.good for order in self.farm.orders.values() if order.revision == revision)
            assert orders + (stock.parts if stock else 0) == counted
            assert stock is None or stock.parts >= 0
        for order in self.farm.orders.values():
            assert self.good[order.id] <= order.good <= order.quantity
            assert (order.met_at_s is not None) or order.good < order.quantity
            self.good[order.id] = order.good
            assert order.scrap == self.books.scrap[order.id]

    @invariant()
    def allocations_know_what_was_told(self) -> None:
        told = Counter(self.books.told.values())
        for item in self.farm.allocations.values():
            assert item.started == told[item.id]
            assert item.held >= item.started
            assert item.lost >= 0
            assert item.held + item.lost == max(2, item.started), "what was freed without a word is known to be lost"

    @invariant()
    def jobs_only_go_forward(self) -> None:
        assert self.farm.jobs.keys() == self.books.told.keys()
        for job in self.farm.jobs.values():
            rank = PHASES.index(phase(job))
            assert self.phases.get(job.id, 0) <= rank
            self.phases[job.id] = rank
            assert job.collected == (job.id in self.books.counted)
            assert job.outcome == self.books.ended.get(job.id)
            printed = job.outcome in {None, JobOutcome.PRINTED}
            assert job.expected_parts == (0 if job.collected or not printed or job.written_off else PARTS)
            if not printed:
                assert job.written_off, "what failed is not waited for"

    @invariant()
    def pointers_only_go_forward(self) -> None:
        for name, record in self.farm.node_records.items():
            assert (record.epoch, record.seq) == (self.books.epoch.get(name, ""), self.books.pointer[name])
            assert self.places.get((name, record.epoch), 0) <= record.seq
            self.places[name, record.epoch] = record.seq
            assert record.tag in {"", f"tag-{record.epoch}-{record.seq}"}
            assert set(record.past_epochs.split()) <= self.books.past[name]
            assert len(record.past_epochs.split()) == min(len(self.books.past[name]), MAX_PAST_EPOCHS)

    @invariant()
    def poison_is_kept_aside(self) -> None:
        kept = Counter(item.node for item in self.farm.set_aside.values())
        for name in NODES:
            assert kept[name] <= MAX_SET_ASIDE
            assert (kept[name] > 0) == (self.books.poison[name] > 0)
            assert kept[name] <= self.books.poison[name]


LifecycleMachine.TestCase.settings = effort(150, 50)
TestLifecycle = LifecycleMachine.TestCase
