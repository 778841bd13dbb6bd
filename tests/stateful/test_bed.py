"""One bed, described as a person would, beside what the node's core believes of it.

The plate is the truth: it holds what was really printed, until a hand takes it off. Clicks name what a page showed when they
were made, and come late, doubled or never. Hands that click without taking off are told apart: only then may the core be wrong.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drivers.base import JobTrace, PrintEnd, PrintEnded, PrinterState, PrinterStatus
from farm.bus.messages import (
    Ack,
    BedCleared,
    ClearBedAction,
    CollectAction,
    Command,
    Fact,
    JobCollected,
    JobEnded,
    JobStarted,
)
from farm.node import core
from farm.node.core import Moment, NodeState, Occupied, Remembered, StartJob, Step, TraceJob
from farm.node.core.state import BLIND_S
from scheduler.model import BedState, JobOutcome, OccupationKind
from tests.stateful.effort import effort
from tests.unit.farm.node.bench import PROVES_IDLE, SHA, A, allocation, desired, setup

PARTS = 2


@dataclass
class Plate:
    """What really lies there, and whether the machine is at it."""

    holds: str | None = "leftovers"  # nobody has looked at a new printer yet
    running: bool = False
    foreign: bool = False


@dataclass(frozen=True)
class Click:
    """What a hand says of an occupation. `honest`: it was taken off before."""

    command: Command
    names: str
    honest: bool


class BedMachine(RuleBasedStateMachine):
    """A node with one printer."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.wall_s, self.ids, self.boots = 1_000.0, 1_700_000_000.0, 0, 0
        self.plate = Plate()
        self.clicks: list[Click] = []
        self.traces: list[TraceJob] = []
        self.facts: list[Fact] = []
        self.wrongly_cleared = False  # somebody said "clear" of a plate that was not
        self.online = True
        self.refuses = False
        self.setup = setup(A)
        self.state: NodeState

    @initialize(proves_idle=st.booleans())
    def begins(self, proves_idle: bool) -> None:
        self.setup = setup(A, capabilities=PROVES_IDLE if proves_idle else frozenset())
        self.state = core.recover(Remembered(core.JournalPlace("")), [self.setup], self.moment, machine="m0", seen={}).state
        self.state = replace(self.state, files=frozenset({SHA}), checks={(self.setup.id, SHA): core.Checked()})
        if proves_idle:  # a person is the driver, and has looked
            self.takes_off()
        self.do(core.on_desired, desired(1))
        self.look()

    @property
    def proves_idle(self) -> bool:
        return bool(self.setup.capabilities)

    @property
    def moment(self) -> Moment:
        return Moment(self.now_s, self.wall_s, self.new_id)

    @property
    def occupied(self) -> Occupied | None:
        return self.state.occupations.get(A)

    def new_id(self, kind: str) -> str:
        self.ids += 1
        return f"{kind}-{self.ids}"

    # --- the agent

    def do(self, function: Callable[..., Step], *arguments: Any, names: str | None = None, **named: Any) -> Step:
        """One step. `names`: the occupation that it may take off the bed."""
        before = self.occupied
        first = function(self.state, *arguments, self.moment, **named)
        self.check_end(before, first.state.occupations.get(A), names)
        then = core.tick(first.state, self.moment)
        after = then.state.occupations.get(A)
        if first.state.occupations.get(A) is not None:
            self.check_end(first.state.occupations.get(A), after, None)
        self.state = then.state
        self.facts += first.facts + then.facts
        for instruction in first.instructions + then.instructions:
            self.obey(instruction)
        return first

    def check_end(self, before: Occupied | None, after: Occupied | None, names: str | None) -> None:
        if before is None or (after is not None and after.id == before.id):
            return
        if before.job is not None or after is None:
            assert names == before.id, f"{before} ended without being named ({names})"
        else:
            assert after.job is None, "a job was started onto something that nobody took off"

    def obey(self, instruction: core.Instruction) -> None:
        if isinstance(instruction, TraceJob):
            self.traces.append(instruction)
            return
        assert isinstance(instruction, StartJob)
        if core.may_begin(self.state, instruction, self.moment) is not None or self.refuses:
            self.do(core.on_not_begun, instruction, "refused", names=instruction.job, outcome=JobOutcome.FAILED)
            assert self.occupied is None or self.occupied.id != instruction.job, "a hand would look in vain for it"
            return
        assert not self.plate.running, "two prints at once"
        assert self.plate.holds is None or self.wrongly_cleared, f"a start onto {self.plate.holds}"
        self.plate = Plate(instruction.job, running=True)
        self.do(core.on_started, instruction)
        self.look()

    def look(self) -> None:
        """The driver tells what it sees."""
        if not self.online:
            status = PrinterStatus(PrinterState.OFFLINE)
        elif not self.plate.running:
            status = PrinterStatus(PrinterState.IDLE)
        elif self.plate.foreign:
            status = PrinterStatus(PrinterState.FOREIGN)
        else:
            status = PrinterStatus(PrinterState.PRINTING, job=self.plate.holds)
        self.do(core.on_status, A, status)

    def awake_for(self, seconds: float) -> None:
        while seconds > 0:
            self.now_s += min(seconds, 60.0)
            self.wall_s += min(seconds, 60.0)
            seconds -= 60.0
            self.look()

    @rule(jobs=st.integers(1, 3), refuses=st.booleans())
    def jobs_are_allocated(self, jobs: int, refuses: bool) -> None:
        self.refuses = refuses
        self.acknowledges()
        wanted = {A: [allocation(self.new_id("a"), jobs=jobs, parts=PARTS)]}
        self.do(core.on_desired, desired(self.state.version + 1, generation=self.state.generation, printers=wanted))
        self.refuses = False

    @rule()
    def acknowledges(self) -> None:
        self.state, report = core.report(self.state, self.moment)
        place = self.state.journal
        ack = Ack(generation=self.state.generation, epoch=place.epoch, seq=place.head, boot=report.boot, report=report.report)
        self.do(core.on_ack, ack)

    @rule(seconds=st.sampled_from([1.0, 100.0, 290.0, 3_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.awake_for(seconds)

    # --- the machine

    @precondition(lambda self: self.plate.running)
    @rule(end=st.sampled_from(list(PrintEnd)))
    def print_ends(self, end: PrintEnd) -> None:
        self.plate.running = False
        if self.online and not self.plate.foreign and self.plate.holds not in self.state.untraced | self.state.tracing:
            self.do(core.on_ended, A, PrintEnded(self.plate.holds or "", end, ""))
            self.do(core.on_ended, A, PrintEnded(self.plate.holds or "", PrintEnd.DONE, ""))  # only the first word counts
        self.look()

    @precondition(lambda self: self.traces)
    @rule(answer=st.sampled_from(["nothing", "truth", "cannot tell"]))
    def machine_is_asked(self, answer: str) -> None:
        asked = self.traces.pop(0)
        ours = self.plate.holds == asked.job
        if answer == "nothing":
            self.do(core.on_trace_failed, asked)
        elif ours and self.plate.running:
            self.do(core.on_trace, asked, JobTrace(running=True))
        else:
            knows = ours and answer == "truth"
            before = self.occupied
            self.do(core.on_trace, asked, JobTrace(running=False, end=PrintEnd.DONE if knows else None))
            if before is not None and before.id == asked.job and before.running and not knows:
                assert self.state.bed(A) is BedState.UNKNOWN, "good was guessed from idle"
        self.look()

    # --- people

    @rule(kind=st.sampled_from(["collect", "clear"]), takes_off=st.sampled_from([True, True, True, False]),
          good=st.integers(0, PARTS), at_once=st.booleans())  # fmt: skip
    def hand_clicks(self, kind: str, takes_off: bool, good: int, at_once: bool) -> None:
        """Of what the page shows. Parts are taken off when the print is over."""
        shown = self.occupied
        if shown is None or (self.plate.running and not self.plate.foreign):
            return
        if takes_off and not self.plate.running:
            self.takes_off()
        action: Any = ClearBedAction(printer=A, occupation=shown.id)
        if kind == "collect":
            action = CollectAction(printer=A, job=shown.id, good=good, scrap=0)
        command = Command(generation=self.state.generation, id=self.new_id("command"), action=action)
        self.clicks.append(Click(command, shown.id, honest=self.plate.holds is None))
        if at_once:
            self.click_arrives(len(self.clicks) - 1, again=True, new_id=True)

    def takes_off(self) -> None:
        self.plate.holds, self.wrongly_cleared = None, False

    @precondition(lambda self: self.clicks)
    @rule(index=st.integers(0, 20), again=st.booleans(), new_id=st.booleans())
    def click_arrives(self, index: int, again: bool, new_id: bool) -> None:
        index %= len(self.clicks)
        click = self.clicks[index] if again else self.clicks.pop(index)
        command = click.command.model_copy(update={"generation": self.state.generation})
        if new_id:  # a second hand, or a second click
            command = command.model_copy(update={"id": self.new_id("command")})
        before, seen = self.occupied, self.state.printers[A].status.state is PrinterState.FOREIGN
        if not click.honest and not seen and before is not None and before.id == click.names:
            self.wrongly_cleared = True  # from here on nobody can know
        self.do(core.on_command, command, names=click.names)
        if seen:
            after = self.occupied
            assert after is not None, "cleared under a print"
            assert before is None or before.job is not None or after.id == before.id, "said to be cleared under a print"

    @precondition(lambda self: not self.plate.running)
    @rule(when=st.sampled_from(["seen", "asleep", "offline"]), ends=st.booleans())
    def somebody_prints_their_own(self, when: str, ends: bool) -> None:
        """Whoever does takes off what is there. Unseen by us only when we look away for long; some machines tell even then."""
        self.takes_off()
        if when == "offline":
            self.online = False
            self.look()
        self.plate = Plate(self.new_id("foreign"), running=True, foreign=True)
        if when != "seen":
            if when == "asleep":
                self.now_s, self.wall_s = self.now_s + BLIND_S + 100.0, self.wall_s + BLIND_S + 100.0
            else:
                self.awake_for(BLIND_S + 100.0)
            self.online = True
            self.plate.running = self.proves_idle
        self.look()
        if ends and self.plate.running:
            self.print_ends(PrintEnd.DONE)

    # --- faults

    @rule(seconds=st.sampled_from([10.0, 301.0, 9_000.0]))
    def computer_sleeps(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds
        self.look()

    @rule()
    def link_to_the_machine_flickers(self) -> None:
        self.online = False
        self.look()
        self.online = True
        self.look()

    @rule()
    def a_print_of_others_could_not_be_written(self) -> None:
        self.do(core.on_doubt, frozenset({A}))
        assert self.occupied is not None
        assert self.occupied.job is None or self.occupied.gap, "more than the job may lie there"
        assert self.state.bed(A) is not BedState.CLEAR

    @rule()
    def the_ledger_is_an_old_copy(self) -> None:
        place = self.state.journal
        self.do(core.on_ack, Ack(generation=self.state.generation, epoch=place.epoch, seq=place.head + 1))
        assert self.state.journal.epoch != place.epoch
        assert self.state.bed(A) is not BedState.CLEAR, "what happened since that copy, nobody knows"
        self.facts = [fact for fact in self.facts if not isinstance(fact, JobStarted)]

    @rule(streamed=st.booleans(), away_s=st.sampled_from([1.0, 100.0, 1_000.0]), reboot=st.booleans(), meanwhile=st.booleans())
    def agent_dies(self, streamed: bool, away_s: float, reboot: bool, meanwhile: bool) -> None:
        """A job on a serial port dies with it, one on OctoPrint does not; in a long absence people come and print their own."""
        old = self.state
        seen = {key: value.seen_s for key, value in old.printers.items() if value.seen_s is not None}
        self.now_s, self.wall_s = self.now_s + away_s, self.wall_s + away_s
        if reboot:
            self.boots, self.now_s, seen = self.boots + 1, 20.0, {}
        self.plate.running = self.plate.running and (self.plate.foreign or not streamed)
        if meanwhile and away_s > BLIND_S and not (self.plate.running and self.plate.foreign):
            self.takes_off()
            self.plate = Plate(self.new_id("foreign"), running=self.proves_idle, foreign=True)
        remembered = Remembered(
            journal=old.journal,
            boot=old.boot,
            machine=old.machine,
            generation=old.generation,
            version=old.version,
            allocations=old.allocations,
            started=old.started,
            occupations=old.occupations,
            commands=old.commands,
        )
        self.traces.clear()
        self.online = True
        recovered = core.recover(remembered, [self.setup], self.moment, machine=f"m{self.boots}", seen=seen)
        self.state = replace(recovered.state, files=frozenset({SHA}), checks={(self.setup.id, SHA): core.Checked()})
        self.look()

    # --- longer pieces of life: chance seldom strings them together

    @rule(good=st.integers(0, PARTS))
    def a_good_day(self, good: int) -> None:
        self.somebody_puts_it_in_order(good)
        self.jobs_are_allocated(2, refuses=False)
        assert self.plate.running, "nothing was started onto a clear bed"
        self.print_ends(PrintEnd.DONE)
        self.hand_clicks("collect", takes_off=True, good=good, at_once=True)
        assert self.plate.running, "the next was not started"

    @rule(when=st.sampled_from(["seen", "asleep", "offline"]), ends=st.booleans(), of_job=st.booleans())
    def a_click_comes_late(self, when: str, ends: bool, of_job: bool) -> None:
        """The parts are gone, and before anybody hears of it somebody prints their own."""
        self.somebody_puts_it_in_order(1)
        if of_job:
            self.jobs_are_allocated(2, refuses=False)
            self.print_ends(PrintEnd.DONE)
        else:
            self.do(core.on_doubt, frozenset({A}))
        self.hand_clicks("collect" if of_job else "clear", takes_off=True, good=1, at_once=False)
        self.somebody_prints_their_own(when, ends)
        self.click_arrives(len(self.clicks) - 1, again=True, new_id=False)

    @rule(good=st.integers(0, PARTS))
    def the_end_is_slept_through(self, good: int) -> None:
        """It was taken off, too, and somebody printed their own. The agent's timer fires before its driver has spoken."""
        self.somebody_puts_it_in_order(1)
        self.jobs_are_allocated(2, refuses=False)
        job = self.plate.holds or ""
        self.now_s, self.wall_s = self.now_s + BLIND_S + 100.0, self.wall_s + BLIND_S + 100.0
        self.plate = Plate(self.new_id("foreign"), running=self.proves_idle, foreign=True)
        self.do(lambda state, _now: Step(state))
        self.do(core.on_ended, A, PrintEnded(job, PrintEnd.DONE, ""))
        self.look()
        action = CollectAction(printer=A, job=job, good=good, scrap=0)
        self.clicks.append(
            Click(Command(generation=self.state.generation, id=self.new_id("command"), action=action), job, honest=True)
        )
        self.click_arrives(len(self.clicks) - 1, again=True, new_id=False)

    @rule(good=st.integers(0, PARTS))
    def somebody_puts_it_in_order(self, good: int) -> None:
        """Whatever happened: a hand that takes off and says so, as often as the page asks, has a clear bed in the end."""
        self.do(core.on_desired, desired(self.state.version + 1, generation=self.state.generation))  # nothing new may start
        self.online = True
        self.look()
        if self.plate.running:
            self.print_ends(PrintEnd.DONE)
        for _ in range(3):
            self.awake_for(310.0)
            while self.traces:
                self.machine_is_asked("truth")
            self.takes_off()
            shown = self.occupied
            if shown is not None:
                self.hand_clicks("clear" if shown.job is None else "collect", takes_off=True, good=good, at_once=True)
        assert self.state.bed(A) is BedState.CLEAR, f"stuck with {self.occupied}"

    # --- what must hold

    @invariant()
    def the_bed_is_what_a_person_would_say(self) -> None:
        occupied, bed = self.occupied, self.state.bed(A)
        if bed is BedState.CLEAR:
            assert self.plate.holds is None or self.wrongly_cleared, f"{self.plate.holds} lies on a bed that is said to be clear"
            return
        assert occupied is not None
        sure_of_job = occupied.job is not None and occupied.outcome is not JobOutcome.INTERRUPTED
        sure = sure_of_job or occupied.kind is OccupationKind.FOREIGN
        assert bed is (BedState.OCCUPIED if sure else BedState.UNKNOWN)
        if self.plate.running and self.plate.foreign:
            assert occupied.kind is OccupationKind.FOREIGN or occupied.job is not None or bed is BedState.UNKNOWN

    @invariant()
    def each_job_is_told_of_once(self) -> None:
        for kind in (JobStarted, JobEnded, JobCollected):
            told = Counter(fact.reference.job for fact in self.facts if isinstance(fact, kind))
            assert all(count == 1 for count in told.values()), f"{kind.__name__} twice"
        cleared = [fact.occupation for fact in self.facts if isinstance(fact, BedCleared)]
        assert len(cleared) == len(set(cleared))
        ended = {fact.reference.job for fact in self.facts if isinstance(fact, JobEnded)}
        assert {fact.reference.job for fact in self.facts if isinstance(fact, JobCollected)} <= ended


BedMachine.TestCase.settings = effort(200, 40)
TestBed = BedMachine.TestCase
