"""Hypothesis drives a node's core and its real ledger through anything that may happen, beside a machine that cannot be lied to.

The machine knows what is really on its bed. After every step: never two prints at once, never a start onto a bed that holds
something, never more starts than were ever allowed, every job collected once, a journal without holes, and a ledger that holds
what the state says.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from drivers.base import JobTrace, PrintEnd, PrintEnded, PrinterState, PrinterStatus
from farm.bus.messages import Ack, ClearBedAction, CollectAction, Command, JobCollected, JobEnded, JobStarted
from farm.node import core
from farm.node.core import Moment, NodeState, StartJob, Step, TraceJob
from farm.node.ledger import Ledger
from scheduler.model import BedState
from tests.stateful.effort import effort
from tests.unit.farm.node.bench import SHA, A, B, allocation, desired, setup

SETUPS = (setup(A), setup(B))
AUTONOMY_S = 3600.0
DAY_S = 86_400.0
printers = st.sampled_from([A, B])
others_print = st.sampled_from(["nobody", "seen", "unseen", "unwritten"])


class Machine:
    """The truth about one printer."""

    def __init__(self) -> None:
        self.on_bed: str | None = None
        self.running = False
        self.foreign = False

    def print(self, what: str, *, foreign: bool = False) -> None:
        assert not self.running, "two jobs at once"
        assert self.on_bed is None, f"{what} onto a bed that holds {self.on_bed}"
        self.on_bed, self.running, self.foreign = what, True, foreign

    @property
    def status(self) -> PrinterStatus:
        if not self.running:
            return PrinterStatus(PrinterState.IDLE)
        return PrinterStatus(
            PrinterState.FOREIGN if self.foreign else PrinterState.PRINTING, job=None if self.foreign else self.on_bed
        )


class NodeMachine(RuleBasedStateMachine):
    """A node with two printers; `commands` are clicks that are still under way, perhaps doubled."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger.open(":memory:")
        self.machines = {A: Machine(), B: Machine()}
        self.now_s, self.wall_s, self.ids, self.machine_boot = 1_000.0, 1_700_000_000.0, 0, 0
        self.full = False
        self.owed: list[tuple[Callable[..., Step], tuple[Any, ...], dict[str, Any]]] = []
        self.doubted: frozenset[str] = frozenset()
        self.commands: list[Command] = []
        self.facts: list[Any] = []
        self.allowed: dict[str, int] = {}  # the newest `jobs` of each allocation
        self.most: dict[str, int] = {}  # the most that was ever allowed
        self.forgotten: set[str] = set()  # allocations whose counters were pruned: a daemon does not use their ids again
        self.pruned = 0  # facts
        self.written_s: list[float] = []  # the ledger's age at each of `facts`
        self.pending_traces: list[TraceJob] = []
        self.last_acknowledged: tuple[int, float] | None = None
        self.state: NodeState
        self.boot(seen={})
        self.do(core.on_desired, desired(1))
        self.acknowledges_a_report()
        for printer in (A, B):
            self.look(printer)
            self.somebody_clears_a_bed_and_says_so(printer, 0, by_hand=True)
        self.commands.clear()

    def teardown(self) -> None:
        self.ledger.close()

    # --- what an agent does

    @property
    def moment(self) -> Moment:
        return Moment(self.now_s, self.wall_s, self.new_id)

    def new_id(self, kind: str) -> str:
        self.ids += 1
        return f"{kind}-{self.ids}"

    @property
    def lived_s(self) -> float:
        """The ledger's age, as the keeper reckons it."""
        aged_s, opened_s = self.opened_s
        return aged_s + self.now_s - opened_s

    def boot(self, seen: dict[str, float]) -> None:
        remembered = self.ledger.load()
        self.opened_s = (self.ledger.lived_s(), self.now_s)
        step = core.recover(remembered, SETUPS, self.moment, machine=f"m{self.machine_boot}", seen=seen)
        self.ledger.commit(core.between(None, step.state, (), self.wall_s, self.lived_s))
        checks = {(setup.id, SHA): core.Checked() for setup in SETUPS}
        self.state = replace(step.state, files=frozenset({SHA}), checks=checks)
        self.owed.clear()
        self.doubted = frozenset()
        self.pending_traces.clear()
        self.last_acknowledged = None

    def do(self, function: Callable[..., Step], *arguments: Any, keep: bool = False, **named: Any) -> bool:
        """One step, as `farm.node.keeper` makes it; False: the disk was full and nothing has happened."""
        doubted = core.on_doubt(self.state, self.doubted, self.moment)
        first = function(doubted.state, *arguments, self.moment, **named)
        then = core.tick(first.state, self.moment)
        facts = first.facts + then.facts
        changes = core.between(self.state, then.state, facts, self.wall_s, self.lived_s)
        if self.full and not changes.empty:
            self.state = replace(self.state, writable=False)
            if keep:
                self.owed.append((function, arguments, named))
            return False
        self.ledger.commit(changes)
        self.doubted = frozenset()
        self.state = then.state
        self.facts += facts
        self.written_s += [self.lived_s] * len(facts)
        for instruction in first.instructions + then.instructions:
            self.obey(instruction)
        return True

    def obey(self, instruction: core.Instruction) -> None:
        if isinstance(instruction, TraceJob):
            self.pending_traces.append(instruction)
        elif isinstance(instruction, StartJob) and core.may_begin(self.state, instruction, self.moment) is None:
            assert self.last_acknowledged is not None, "a start without an acknowledged report of this boot"
            boot, sent_s = self.last_acknowledged
            assert boot == self.state.boot
            assert self.now_s - sent_s < AUTONOMY_S, "a start without contact"
            self.machines[instruction.printer].print(instruction.job)
            self.look(instruction.printer)

    def look(self, printer: str) -> None:
        status, known = self.machines[printer].status, self.state.printers[printer].status
        if status.state is PrinterState.FOREIGN and known.state is not PrinterState.FOREIGN:
            self.doubted |= {printer}
        self.do(core.on_status, printer, status, keep=True)

    # --- the farm

    @rule(printer=printers, jobs=st.integers(0, 3), key=st.sampled_from(["a", "b", "c"]))
    def wants(self, printer: str, jobs: int, key: str) -> None:
        name = f"{key}-{printer}"
        jobs = min(jobs, self.allowed.get(name, 3))  # jobs only fall
        jobs = 0 if name in self.forgotten else jobs
        self.allowed[name] = jobs
        self.most.setdefault(name, jobs)
        wanted = {printer: [allocation(name, jobs=jobs, autonomy_s=AUTONOMY_S)]}
        message = desired(self.state.version + 1, generation=max(self.state.generation, 1), printers=wanted)
        self.do(core.on_desired, message)

    @rule(printer=printers, late=st.integers(0, 20), others=others_print, ends=st.booleans())
    def an_hour(self, printer: str, late: int, others: str, ends: bool) -> None:
        """A job is started and printed, its parts are taken off, and the next is started: left to chance, few runs come so far.

        A click of an hour before may come late; while this one is on its way, somebody may print their own.
        """
        if self.full:
            self.the_disk_has_room_again()
        self.acknowledges_a_report()
        self.a_print_ends(printer, PrintEnd.DONE)
        self.somebody_clears_a_bed_and_says_so(printer, 2, by_hand=True)
        self.wants(printer, 3, self.new_id("hour"))
        self.a_print_ends(printer, PrintEnd.DONE)
        self.command_arrives(late, again=False)
        clicks = len(self.commands)
        self.somebody_clears_a_bed_and_says_so(printer, 2, by_hand=others == "nobody")
        if others != "nobody":
            self.full = others == "unwritten"
            self.somebody_prints_their_own(printer, seen=others != "unseen")
            if ends:
                self.a_print_ends(printer, PrintEnd.DONE)
            if self.full:
                self.the_disk_has_room_again()
        for command in self.commands[clicks:]:
            self.do(core.on_command, command)
        self.wants(printer, 3, self.new_id("hour"))

    @rule(behind=st.integers(0, 3))
    def repeats_an_old_desired(self, behind: int) -> None:
        before = self.state.allocations
        wanted = {A: [allocation("forged", jobs=9, autonomy_s=1e9)]}
        version = max(0, self.state.version - behind)
        self.do(core.on_desired, desired(version, generation=self.state.generation, printers=wanted))
        assert self.state.allocations is before

    @rule()
    def is_restored_from_a_backup(self) -> None:
        self.do(core.on_desired, desired(1, generation=self.state.generation + 1, printers=dict(map_lists(self.state))))

    @rule()
    def acknowledges_a_report(self) -> None:
        self.state, report = core.report(self.state, self.moment)
        ack = Ack(
            generation=self.state.generation,
            epoch=self.state.journal.epoch,
            seq=self.state.journal.head,
            boot=report.boot,
            report=report.report,
        )
        self.last_acknowledged = (report.boot, self.now_s)
        self.do(core.on_ack, ack)

    @precondition(lambda self: not self.full)
    @rule(share=st.integers(0, 3))
    def what_was_told_long_ago_is_forgotten(self, share: int) -> None:
        place = self.state.journal
        told = max(0, place.acked - place.oldest + 1) * share // 3
        counters = core.unwanted(self.state, list(self.state.started))
        if self.do(lambda state, _now: core.prune(state, told, counters)):
            self.pruned += told
            self.forgotten |= counters

    @precondition(lambda self: not self.full)
    @rule(wrong_s=st.sampled_from([-400 * DAY_S, 0.0, 400 * DAY_S]), days=st.sampled_from([0.0, 0.0, 50.0, 91.0]))
    def the_hourly_prune_under_a_wall_clock_that_is_wrong(self, wrong_s: float, days: float) -> None:
        self.wall_s += wrong_s
        self.now_s += days * DAY_S
        self.wall_s += days * DAY_S
        place = self.state.journal
        written_s, counters = self.ledger.oldest(place, self.lived_s - core.KEEP_S, 500)
        facts = core.too_old(written_s, place, self.lived_s)
        unwanted = core.unwanted(self.state, counters)
        unwanted -= self.ledger.told_of(place, place.oldest - 1 + facts, unwanted)
        going_s = self.written_s[self.pruned : self.pruned + facts]
        assert all(self.lived_s - at_s > 90 * DAY_S for at_s in going_s), "forgotten before it was 90 days old"
        told = max(0, place.acked - place.oldest + 1)
        assert facts <= told, "forgotten before it was acknowledged"
        staying_s = self.written_s[self.pruned + facts : self.pruned + min(told, 500)]
        assert all(self.lived_s - at_s <= 90 * DAY_S for at_s in staying_s), "kept for ever"
        if self.do(lambda state, _now: core.prune(state, facts, unwanted)):
            self.pruned += facts
            self.forgotten |= unwanted
        for printer in (A, B):
            self.look(printer)

    @precondition(lambda self: not self.full)
    @rule()
    def the_ledger_turns_out_to_be_an_old_copy(self) -> None:
        """The daemon has more of its journal than it has: it numbers anew, waits for a desired state, and trusts no bed."""
        place = self.state.journal
        self.last_acknowledged = None
        self.do(core.on_ack, Ack(generation=self.state.generation, epoch=place.epoch, seq=place.head + 1))
        assert self.state.journal.epoch != place.epoch
        assert not self.state.allocations
        assert all(self.state.bed(printer) is not BedState.CLEAR for printer in self.state.printers)

    @precondition(lambda self: not self.full)
    @rule(printer=printers, away_s=st.sampled_from([1.0, 100.0, 1_000.0]), others=st.booleans())
    def a_printer_is_taken_away_and_comes_back(self, printer: str, away_s: float, others: bool) -> None:
        """Elsewhere, or on the shelf, anything may be printed on it."""
        before, known = self.state.occupations.get(printer), self.state.printers[printer].setup
        self.do(lambda state, _now: core.remove_printer(state, printer))
        self.now_s += away_s
        self.wall_s += away_s
        machine = self.machines[printer]
        if others and not machine.running:
            machine.on_bed = self.new_id("elsewhere")
        self.do(lambda state, _now: core.add_printer(state, known))
        after = self.state.occupations.get(printer)
        assert before is None or (after is not None and after.id == before.id), "what was on its bed stays in the ledger"
        self.look(printer)
        assert self.state.bed(printer) is not BedState.CLEAR, "nobody knows what came onto it"

    @rule(index=st.integers(0, 20), again=st.booleans())
    def command_arrives(self, index: int, again: bool) -> None:
        if self.commands:
            command = self.commands[index % len(self.commands)]
            if not again:
                self.commands.remove(command)
            self.do(core.on_command, command.model_copy(update={"generation": self.state.generation}))

    # --- people

    @rule(printer=printers, good=st.integers(0, 3), by_hand=st.booleans())
    def somebody_clears_a_bed_and_says_so(self, printer: str, good: int, by_hand: bool) -> None:
        machine, occupied = self.machines[printer], self.state.occupations.get(printer)
        if occupied is None or occupied.running or machine.running:
            return
        machine.on_bed = None
        action: Any = ClearBedAction(printer=printer, occupation=occupied.id)
        if occupied.job is not None:
            action = CollectAction(printer=printer, job=occupied.id, good=good, scrap=0)
        command = Command(generation=self.state.generation, id=self.new_id("command"), action=action)
        self.commands.append(command)
        if by_hand:  # and clicks on a page as well
            self.do(core.on_command, command.model_copy(update={"id": self.new_id("command")}))

    @rule(printer=printers, seen=st.booleans())
    def somebody_prints_their_own(self, printer: str, seen: bool) -> None:
        """Whoever prints from the panel takes off what is there first. Unseen: while the agent sleeps."""
        machine = self.machines[printer]
        if machine.running:
            return
        if not seen:
            self.now_s += 400
            self.wall_s += 400
        machine.on_bed = None
        machine.print(self.new_id("foreign"), foreign=True)
        if not seen:
            machine.running = False
        self.look(printer)

    # --- machines

    @rule(printer=printers, end=st.sampled_from(list(PrintEnd)))
    def a_print_ends(self, printer: str, end: PrintEnd) -> None:
        machine = self.machines[printer]
        if not machine.running:
            return
        machine.running = False
        if not machine.foreign and machine.on_bed not in self.state.untraced:
            self.do(core.on_ended, printer, PrintEnded(machine.on_bed or "", end, ""), keep=True)
        self.look(printer)

    @rule(answers=st.booleans())
    def a_machine_is_asked(self, answers: bool) -> None:
        if not self.pending_traces:
            return
        asked = self.pending_traces.pop(0)
        machine = self.machines[asked.printer]
        if not answers:
            self.state = core.on_trace_failed(self.state, asked, self.moment).state
            return
        running = machine.running and machine.on_bed == asked.job
        end = PrintEnd.DONE if not running and machine.on_bed == asked.job else None
        self.do(core.on_trace, asked, JobTrace(running, end), keep=True)
        self.look(asked.printer)

    # --- time and faults

    @rule(seconds=st.sampled_from([1.0, 30.0, 200.0, 290.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds
        self.do(lambda state, _now: Step(state))

    @rule(seconds=st.sampled_from([10.0, 301.0, 5_000.0]))
    def the_computer_sleeps(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds
        for printer in (A, B):
            self.look(printer)

    @rule(streamed=st.booleans(), away_s=st.sampled_from([1.0, 100.0, 1_000.0]), reboot=st.booleans())
    def the_agent_dies(self, streamed: bool, away_s: float, reboot: bool) -> None:
        """A job on a serial port dies with it, one on OctoPrint does not."""
        seen = {key: value.seen_s for key, value in self.state.printers.items() if value.seen_s is not None}
        if not self.state.writable:
            seen = {}
        self.now_s += away_s
        self.wall_s += away_s
        if reboot:
            self.machine_boot += 1
            self.now_s, seen = 20.0, {}
        for machine in self.machines.values():
            machine.running = machine.running and (machine.foreign or not streamed)
        self.full = False
        self.boot(seen)
        for printer in (A, B):
            self.look(printer)

    @rule()
    def the_disk_fills(self) -> None:
        self.full = True

    @precondition(lambda self: self.full)
    @rule()
    def the_disk_has_room_again(self) -> None:
        self.full = False
        self.state = replace(self.state, writable=True)
        owed, self.owed = self.owed, []
        for function, arguments, named in owed:
            if function is core.on_status:  # an agent asks its driver for the newest
                self.look(arguments[0])
            else:
                self.do(function, *arguments, keep=True, **named)

    # --- what must always hold

    @invariant()
    def no_more_starts_than_ever_allowed(self) -> None:
        starts: dict[str, int] = {}
        for fact in self.of(JobStarted):
            starts[fact.reference.allocation] = starts.get(fact.reference.allocation, 0) + 1
        for name, count in starts.items():
            assert count <= self.most[name], f"{count} starts under {name}"
            assert name in self.forgotten or self.state.started[name] == count, "the counter is durable"

    @invariant()
    def every_job_is_told_once(self) -> None:
        for kind in (JobStarted, JobEnded, JobCollected):
            jobs = [fact.reference.job for fact in self.of(kind)]
            assert len(jobs) == len(set(jobs)), f"{kind.__name__} twice"
        assert {fact.reference.job for fact in self.of(JobCollected)} <= {fact.reference.job for fact in self.of(JobEnded)}

    @invariant()
    def the_journal_has_no_holes(self) -> None:
        place, expected = self.state.journal, self.facts[self.pruned :]
        kept = self.ledger.facts(place, place.oldest - 1, 100_000)
        assert [fact.seq for fact in kept] == list(range(place.oldest, place.head + 1))
        assert [(fact.kind, fact.model_dump()["at_s"]) for fact in kept] == [(fact.kind, fact.at_s) for fact in expected]

    @invariant()
    def the_ledger_holds_what_the_state_says(self) -> None:
        kept, state = self.ledger.load(), self.state
        assert (kept.boot, kept.generation, kept.version, kept.allocations) == (
            state.boot,
            state.generation,
            state.version,
            dict(state.allocations),
        )
        assert kept.started == state.started
        assert kept.commands == state.commands
        assert kept.journal.head == state.journal.head
        assert {key: (value.id, value.outcome, value.gap) for key, value in kept.occupations.items()} == {
            key: (value.id, value.outcome, value.gap) for key, value in state.occupations.items()
        }

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


def map_lists(state: NodeState) -> dict[str, Any]:
    return {key: list(value) for key, value in state.allocations.items()}


NodeMachine.TestCase.settings = effort(120, 40)
TestNode = NodeMachine.TestCase
