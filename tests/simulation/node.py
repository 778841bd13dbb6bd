"""A node: the production keeper, core, ledger and outbox, with a shell around them as thin as `farm.node.agent` allows.

What the shell does not have: threads, downloads and drivers. A file arrives after a while; a driver is asked of a `Machine`.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, Final, TypeVar

from pydantic import ValidationError

import farm.node.keeper
from drivers.base import Capability, PrintEnd, PrintEnded, PrinterState
from farm.bus.client import Received
from farm.bus.messages import Ack, ClearBedAction, CollectAction, Command, Desired, Journal, Link
from farm.bus.topics import Stream, parse
from farm.node import core
from farm.node.core import Changes, NodeState, PrinterSetup, StartJob, Step, TraceJob
from farm.node.keeper import Event, Keeper
from farm.node.ledger import Ledger, LedgerWriteError
from farm.node.outbox import BATCH, Outbox
from gcode.texts import told
from scheduler.model import JobOutcome
from tests.simulation.machine import Machine, is_foreign
from tests.simulation.network import Network
from tests.simulation.truth import Truth
from tests.simulation.world import Died, MachineClock, World

LOOK_S: Final = 60.0  # between two looks at the machines; far below the five minutes after which an agent counts as blind
_Result = TypeVar("_Result")
_READERS: Final[dict[Stream, type[Desired | Ack | Command]]] = {
    Stream.DESIRED: Desired,
    Stream.ACK: Ack,
    Stream.COMMAND: Command,
}


async def at_once(work: Any) -> Any:
    """In place of `farm.node.keeper._whole`: nobody is cancelled here, and a task for every step would halve the speed."""
    return await work


def _passes(_task: core.Task) -> core.Checked:
    """The node's own check finds nothing."""
    return core.Checked()


class Disk(Ledger):
    """The real ledger on SQLite in memory, on a disk that may be full and in a computer that may die around a commit."""

    full = False
    before_commit: Callable[[], None] = staticmethod(lambda: None)
    after_commit: Callable[[], None] = staticmethod(lambda: None)

    def commit(self, changes: Changes) -> None:
        """Write a step, unless the disk is full."""
        if changes.empty:
            return
        if self.full and changes.boot is None:  # the ballast is there for that
            raise LedgerWriteError(told("full"), next_step=told("wait"), full=True)
        self.before_commit()
        super().commit(changes)
        self.after_commit()

    def image(self) -> sqlite3.Connection:
        """What is on the card now."""
        image = sqlite3.connect(":memory:")
        self._connection.backup(image)
        return image

    def write_back(self, image: sqlite3.Connection) -> None:
        """Put an image back onto the card."""
        image.backup(self._connection)


class QuickKeeper(Keeper):
    """A keeper whose ledger needs no thread."""

    async def in_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Do it here."""
        return function(*arguments)

    def begin_on(self, disk: Ledger) -> core.Remembered:
        """Open what is open already."""
        self._ledger = disk
        return disk.load()


def open_disk() -> Disk:
    """A new card."""
    return Disk.open(":memory:")


@dataclass
class Process:
    """What is gone when the process dies."""

    keeper: QuickKeeper
    outbox: Outbox = field(default_factory=Outbox)
    connection: int = 0
    report_due: bool = True
    reported_s: float = -inf
    sending: bool = False
    fetching: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)


class SimulatedNode:
    """One agent on one computer with its machines."""

    def __init__(self, world: World, network: Network, truth: Truth, name: str, setups: Sequence[PrinterSetup]) -> None:
        self.world, self.network, self.truth, self.name = world, network, truth, name
        self.setups = list(setups)
        self.clock = MachineClock(world)
        self.machines = {
            setup.id: Machine(world, setup.id, Capability.SURVIVES_AGENT not in setup.capabilities) for setup in setups
        }
        self.disk = open_disk()
        self.disk.before_commit = self.disk.after_commit = self._perhaps_die
        self.process: Process | None = None
        self.awake = True
        self.fragile = 0.0  # probability of dying around a commit
        self.gone = False  # for ever
        self.fetch_s = 400.0  # the longest that a file takes to come
        self.check: Callable[[core.Task], core.Checked] = _passes
        self._machine_boot = world.new_id("boot")
        self._seen: tuple[str, dict[str, float]] = ("", {})
        self._connections = 0
        network.nodes[name] = self.hear
        world.every(LOOK_S, self.look)

    @property
    def up(self) -> bool:
        """Whether the agent runs and its computer is awake."""
        return self.process is not None and self.awake

    @property
    def state(self) -> NodeState:
        """What the agent knows; only while it runs."""
        assert self.process is not None, f"{self.name} is down"
        return self.process.keeper.state

    # --- life --------------------------------------------------------------------------------------------------------------------

    async def boot(self, *, machine: bool = False) -> None:
        """The process starts; `machine`: the whole computer does."""
        if self.process is not None or self.gone:
            return
        if machine:
            self._machine_boot = self.world.new_id("boot")
            self.clock.reboot()
        keeper = QuickKeeper(self.clock, self._on_step)
        process = Process(keeper)
        remembered = keeper.begin_on(self.disk)
        seen = self._seen[1] if self._seen[0] == self._machine_boot else {}
        recovered = partial(core.recover, remembered, self.setups, machine=self._machine_boot, seen=seen)
        self.process = process
        try:
            await keeper.begin(recovered)
        except Died:
            self.die()
            return
        self.world.say(self.name, "boots", keeper.state.boot, "reboot" if machine else "")
        self._fetch_what_is_wanted(process, keeper.state)
        self._connections += 1
        process.connection = self._connections
        self.network.say(self.name, Stream.LINK, Link(connection=keeper.state.boot * 65_536 + process.connection, online=True))
        self.network.redeliver(self.name)
        await self.look()

    def die(self) -> None:
        """Kill -9, or a power cut. The broker says the last will a while later."""
        process, self.process = self.process, None
        if process is None:
            return
        self.world.say(self.name, "dies")
        for machine in self.machines.values():
            machine.lose_agent()
        if process.keeper.begun:
            will = Link(connection=process.keeper.state.boot * 65_536 + process.connection, online=False)
            self.world.at(45.0, lambda: self.network.say(self.name, Stream.LINK, will))
        process.keeper._thread.shutdown(wait=False)

    def sleep(self, duration_s: float) -> None:
        """The computer is suspended; its boot clock goes on."""
        if not self.up:
            return
        self.awake = False
        self.world.say(self.name, "sleeps for", round(duration_s))
        for machine in self.machines.values():
            machine.hold(duration_s)
        self.world.at(duration_s, self._wake)

    async def _wake(self) -> None:
        self.awake = True
        self.world.say(self.name, "wakes")
        await self.look()

    def write_card_back(self, image: sqlite3.Connection) -> None:
        """The card comes back from an image, in a computer that was off."""
        self.disk.write_back(image)
        self._seen = ("", {})
        self.world.say(self.name, "card written back")

    def image(self) -> sqlite3.Connection:
        """A copy of the card."""
        return self.disk.image()

    def _perhaps_die(self) -> None:
        if self.fragile and self.world.chance(self.fragile):
            raise Died

    # --- steps -------------------------------------------------------------------------------------------------------------------

    async def do(self, event: Event, *, surely: bool = False, key: str | None = None) -> Step | None:
        """Make a step; None when the node is down, died of it, or could not write it."""
        process = self.process
        if process is None or not self.awake:
            return None
        try:
            if surely:
                await process.keeper.apply_surely(event, key=key)
                return None
            return await process.keeper.apply(event)
        except LedgerWriteError:
            return None
        except Died:
            self.die()
            return None

    def _on_step(self, before: NodeState, step: Step) -> None:
        process = self.process
        if process is None or not process.keeper.begun:
            return
        now = farm.node.keeper.moment(self.clock)
        if core.face(before, now) != core.face(step.state, now):
            process.report_due = True
        if (before.journal != step.state.journal or process.report_due) and not process.sending:
            process.sending = True
            self.world.at(self.world.random.uniform(0.05, 2.0), partial(self._speak_of, process))
        if before.allocations is not step.state.allocations:
            self._fetch_what_is_wanted(process, step.state)
        for instruction in step.instructions:
            if isinstance(instruction, StartJob):
                self.truth.decided(self, instruction, step.state)
            self.world.at(self.world.random.uniform(0.0, 3.0), partial(self._carry_out, process, instruction))

    def _fetch_what_is_wanted(self, process: Process, state: NodeState) -> None:
        for allocations in state.allocations.values():
            for one in allocations:
                self._fetch(process, one.program.sha256)

    def _fetch(self, process: Process, program: str) -> None:
        if program not in process.fetching:
            process.fetching.add(program)
            self.world.at(self.world.random.uniform(1.0, self.fetch_s), partial(self._fetched, process, program))

    async def _fetched(self, process: Process, program: str) -> None:
        process.fetched.add(program)
        if self.process is process:
            await self._show_files(process)

    async def _show_files(self, process: Process) -> None:
        present = frozenset(process.fetched)
        if process.keeper.state.files != present:
            await self.do(lambda state, _now: core.on_files(state, present))
        for task in core.tasks(process.keeper.state):
            await self.do(partial(self._take_check, task))

    def _take_check(self, task: core.Task, state: NodeState, _now: core.Moment) -> Step:
        return core.on_checked(state, task, self.check(task), state.limits)

    async def look(self) -> None:
        """A round of the loops: drivers, ticks, what is owed, the mark of who was seen, a report."""
        process = self.process
        if process is None or not self.awake:
            return
        for key in self.machines:
            await self._status(process, key)
        await self._show_files(process)
        await self.do(lambda state, _now: Step(state))
        if self.process is not process:
            return
        if process.keeper.owed or not process.keeper.state.writable or process.keeper.doubted:
            await self._pay(process)
        if self.process is process:
            self._mark(process)
            await self._speak(process)

    async def _pay(self, process: Process) -> None:
        try:
            await process.keeper.pay_owed()
        except Died:
            self.die()

    def _mark(self, process: Process) -> None:
        state, doubted = process.keeper.state, process.keeper.doubted
        seen = {key: one.seen_s for key, one in state.printers.items() if one.seen_s is not None and key not in doubted}
        self._seen = (self._machine_boot, seen if state.writable else {})

    async def prune(self) -> None:
        """Forget what is old."""
        if self.up and self.process is not None:
            try:
                await self.process.keeper.prune()
            except LedgerWriteError:
                return
            except Died:
                self.die()

    # --- machines ----------------------------------------------------------------------------------------------------------------

    async def _status(self, process: Process, key: str) -> None:
        if self.process is not process or not self.awake:
            return
        status = self.machines[key].status
        known = process.keeper.state.printers[key].status
        if status.state is PrinterState.FOREIGN and known.state is not PrinterState.FOREIGN:
            process.keeper.doubt(key)
        if status != known or process.keeper.owed:
            await self.do(lambda state, now: core.on_status(state, key, status, now), surely=True, key=f"status {key}")
        else:
            await self.do(lambda state, now: core.on_status(state, key, status, now))

    async def _carry_out(self, process: Process, instruction: core.Instruction) -> None:
        if self.process is not process:
            return
        if not self.awake:
            self.world.at(5.0, partial(self._carry_out, process, instruction))
        elif isinstance(instruction, StartJob):
            await self._start_job(process, instruction)
        elif isinstance(instruction, TraceJob):
            await self._trace(instruction)
        else:
            await self._act(process, instruction)

    async def _start_job(self, process: Process, start: StartJob) -> None:
        moment = farm.node.keeper.moment(self.clock)
        why_not = core.may_begin(process.keeper.state, start, moment)
        if why_not is not None:
            await self._not_begun(start, why_not, JobOutcome.CANCELLED)
            return
        world, machine = self.world, self.machines[start.printer]
        if world.chance(self.truth.faults.refused_start) or not machine.cable:
            await self._not_begun(start, "the transfer failed", JobOutcome.FAILED)
            return
        occupied = process.keeper.state.occupations[start.printer]
        assert occupied.job is not None
        self.truth.starts(self, start, occupied, process.keeper.state)
        duration_s = occupied.job.estimated_s * world.random.uniform(0.9, 1.3)
        if not machine.start(start.job, duration_s, fails=world.chance(self.truth.faults.failed_print)):
            await self._not_begun(start, "busy", JobOutcome.FAILED)
            return
        world.say(self.name, start.printer, "starts", start.job, "under", occupied.job.allocation)
        self._watch(process, start.printer, machine)
        if world.chance(self.truth.faults.unsure_start):
            await self.do(lambda state, _now: core.doubt(state, start.job), surely=True)
        else:
            await self.do(lambda state, now: core.on_started(state, start, now), surely=True)
        await self._status(process, start.printer)

    async def _not_begun(self, start: StartJob, reason: str, outcome: JobOutcome) -> None:
        await self.do(lambda state, now: core.on_not_begun(state, start, reason, now, outcome=outcome), surely=True)

    def _watch(self, process: Process, key: str, machine: Machine) -> None:
        """The driver tells soon after the machine has ended."""
        job = machine.running
        assert job is not None

        async def look() -> None:
            if self.process is not process:
                return
            if machine.running == job or not self.awake or not machine.cable:
                left_s = machine.ends_s - self.world.now_s if machine.running == job else 0.0
                self.world.at(max(5.0, min(left_s, 900.0)), look)
                return
            await self._ended(process, key, job, machine.ends[job], by_person=False)

        self.world.at(max(1.0, machine.ends_s - self.world.now_s + self.world.random.uniform(0.1, 4.0)), look)

    async def _ended(self, process: Process, key: str, job: str, end: PrintEnd, *, by_person: bool) -> None:
        event = PrintEnded(job, end, "", by_person=by_person)
        await self.do(lambda state, now: core.on_ended(state, key, event, now), surely=True)
        await self._status(process, key)

    async def _trace(self, asked: TraceJob) -> None:
        machine = self.machines[asked.printer]
        if not machine.cable or self.world.chance(self.truth.faults.failed_trace):
            await self.do(lambda state, now: core.on_trace_failed(state, asked, now), surely=True)
            return
        trace, process = machine.trace(asked.job), self.process
        await self.do(lambda state, now: core.on_trace(state, asked, trace, now), surely=True)
        if trace.running and process is not None:
            self._watch(process, asked.printer, machine)

    async def _act(self, process: Process, act: core.Act) -> None:
        machine = self.machines[act.printer]
        if act.kind is core.ActKind.CANCEL and machine.running == act.job:
            machine.end(PrintEnd.CANCELLED)
        await self.do(lambda state, now: core.on_act_done(state, act, None, now), surely=True, key=f"act {act.command}")
        await self._status(process, act.printer)

    # --- speaking ----------------------------------------------------------------------------------------------------------------

    async def _speak_of(self, process: Process) -> None:
        process.sending = False
        if self.process is process and self.awake:
            await self._speak(process)

    async def _speak(self, process: Process) -> None:
        period_s = process.keeper.state.settings.report_every_s
        if process.report_due or self.world.now_s - process.reported_s >= period_s * 0.95:
            process.report_due, process.reported_s = False, self.world.now_s
            report = await process.keeper.next_report(self.name, "simulated")
            self.truth.reported(self, report)
            self.network.say(self.name, Stream.REPORT, report)
        for _ in range(8):
            place = process.keeper.state.journal
            after = process.outbox.next_after(place, self.world.now_s)
            facts = [] if after is None else await process.keeper.facts(place, after, min(BATCH, 8))
            if not facts:
                return
            self.network.say(
                self.name, Stream.JOURNAL, Journal(epoch=place.epoch, oldest=place.oldest, head=place.head, facts=facts)
            )
            process.outbox.note_sent(facts[-1].seq, self.world.now_s)

    def reconnect(self) -> None:
        """The line was away and is back."""
        if self.up and self.process is not None:
            self.process.outbox.begin_again()
            self.process.report_due = True
            self.network.redeliver(self.name)

    # --- hearing -----------------------------------------------------------------------------------------------------------------

    def hear(self, message: Received) -> None:
        """A message arrives; it is handled a moment later, like those of other tasks."""
        if self.awake and (process := self.process) is not None:
            self.world.at(0.01, partial(self._handle, process, message))

    async def _handle(self, process: Process, message: Received) -> None:
        if self.process is not process or not self.awake:
            return
        address = parse(message.topic)
        assert address is not None
        if message.retained and address[1] is not Stream.DESIRED:
            return
        try:
            content = _READERS[address[1]].model_validate_json(message.payload)
        except ValidationError as error:  # the production daemon says nothing that its nodes cannot read
            raise AssertionError(str(error)) from error
        if isinstance(content, Desired):
            self.world.say(self.name, "hears desired", (content.generation, content.version))
            await self.do(lambda state, now: core.on_desired(state, content, now))
        elif isinstance(content, Ack):
            tag = await process.keeper.tag_for(content)
            before = process.keeper.state.journal.epoch
            await self.do(lambda state, now: core.on_ack(state, content, now, tag=tag))
            if self.process is process and process.keeper.state.journal.epoch != before:
                self.world.say(self.name, "finds its ledger old")
        else:
            await self.do(lambda state, now: core.on_command(state, content, now))

    # --- hands -------------------------------------------------------------------------------------------------------------------

    async def collect(self, printer: str, occupation: str, good: int, scrap: int, *, job: bool) -> bool:
        """A hand at the node's own page; tell whether it was taken."""
        if job:
            said = CollectAction(printer=printer, job=occupation, good=good, scrap=scrap, by="hand")
            step = await self.do(lambda state, now: core.on_collect(state, said, now))
            return step is not None and step.refused is None
        cleared = ClearBedAction(printer=printer, occupation=occupation, by="hand")
        command = Command(generation=self.state.generation, id=self.world.new_id("cmd"), action=cleared)
        step = await self.do(lambda state, now: core.on_command(state, command, now))
        return step is not None

    async def cancelled_at(self, printer: str) -> None:
        """Somebody presses stop on the machine."""
        job = self.machines[printer].end(PrintEnd.CANCELLED)
        if job is not None and not is_foreign(job) and self.process is not None and self.awake:
            await self._ended(self.process, printer, job, PrintEnd.CANCELLED, by_person=True)

    def close(self) -> None:
        """The world ends."""
        if self.process is not None:
            self.process.keeper._thread.shutdown(wait=False)
        try:
            self.disk.close()
        except sqlite3.Error as error:
            raise AssertionError(str(error)) from error
