"""A node's core on a work bench: a clock and ids made by hand, and every step checked against what must always hold."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from drivers.base import Capability, Fault, PrintEnd, PrintEnded, PrinterState, PrinterStatus
from farm.bus.messages import (
    Ack,
    AllocationOrder,
    ClearBedAction,
    CollectAction,
    Command,
    Desired,
    JobEnded,
    JobStarted,
    ProgramReference,
    Report,
)
from farm.node import core
from farm.node.core import Moment, NodeState, PrinterSetup, Remembered, StartJob, Step

SHA = "a" * 64
OTHER_SHA = "b" * 64
A, B = "printer-a", "printer-b"
FAULT = Fault("thermal-runaway", "Thermal Runaway, system stopped!", "too hot", "trop chaud", "look", "regarder")


def setup(key: str = A, **fields: Any) -> PrinterSetup:
    return PrinterSetup(id=key, name=key, driver="scripted", profile="generic-210", **fields)


def allocation(key: str = "alloc-1", **fields: Any) -> AllocationOrder:
    sha = fields.pop("sha", SHA)
    parts = fields.pop("parts", 2)
    values: dict[str, Any] = {"jobs": 1, "autonomy_s": 3600.0, "order": "order-1", "revision": "rev-1", **fields}
    return AllocationOrder(id=key, program=ProgramReference(sha256=sha, size_bytes=10, parts=parts, estimated_s=100.0), **values)


def desired(version: int = 1, *, generation: int = 1, printers: dict[str, list[AllocationOrder]] | None = None) -> Desired:
    return Desired(generation=generation, version=version, printers={} if printers is None else printers)


class Bench:
    """Two printers, both idle with clear beds, in contact, the program here, unless a test says otherwise."""

    def __init__(self, *setups: PrinterSetup, ready: bool = True, remembered: Remembered | None = None) -> None:
        self.now_s = 1_000.0
        self.wall_s = 1_800_000_000.0
        self.local_day_s = 12 * 3600.0
        self.count = 0
        self.facts: list[Any] = []
        self.instructions: list[core.Instruction] = []
        self.setups = setups or (setup(A), setup(B))
        place = core.JournalPlace("")
        self.state: NodeState = core.recover(remembered or Remembered(place), self.setups, self.moment, machine="m1", seen={}).state
        if ready:
            self.clear_beds()
            self.do(core.on_desired, desired(1))
            self.do(core.on_files, frozenset({SHA, OTHER_SHA}), timed=False)
            self.all_pass()
            self.acknowledge()

    @property
    def moment(self) -> Moment:
        return Moment(self.now_s, self.wall_s, self.new_id, self.local_day_s)

    def new_id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}"

    def clear_beds(self) -> None:
        for key in list(self.state.printers):
            self.status(key, PrinterState.IDLE)
            self.clear(key)
        self.facts.clear()

    def do(self, function: Callable[..., Step], *arguments: Any, timed: bool = True, **named: Any) -> Step:
        extra = (self.moment,) if timed else ()
        step = function(self.state, *arguments, *extra, **named)
        expected = self.state.journal.head + 1
        if step.state.journal.epoch == self.state.journal.epoch:
            assert [fact.seq for fact in step.facts] == list(range(expected, expected + len(step.facts)))
        self.state = step.state
        self.facts += step.facts
        self.instructions += step.instructions
        return step

    def pass_time(self, seconds: float, *, tick: bool = True, stride_s: float = 60.0) -> None:
        """Time passes in strides, as for an agent that is awake; `tick=False`: the machine sleeps."""
        while tick and seconds > stride_s:
            self.pass_time(stride_s)
            seconds -= stride_s
        self.now_s += seconds
        self.wall_s += seconds
        self.local_day_s = (self.local_day_s + seconds) % 86_400
        if tick:
            self.tick()

    def tick(self) -> Step:
        return self.do(core.tick)

    def status(self, printer: str, state: PrinterState, **fields: Any) -> Step:
        return self.do(core.on_status, printer, PrinterStatus(state, **fields))

    def allocate(self, *allocations: AllocationOrder, printer: str = A) -> Step:
        version = self.state.version + 1
        return self.do(core.on_desired, desired(version, generation=self.state.generation, printers={printer: list(allocations)}))

    def report(self) -> Report:
        self.state, report = core.report(self.state, self.moment)
        return report

    def ack(self, **fields: Any) -> Step:
        place = self.state.journal
        values = {"generation": self.state.generation, "epoch": place.epoch, "seq": 0, **fields}
        return self.do(core.on_ack, Ack(**values))

    def acknowledge(self) -> Step:
        report = self.report()
        return self.ack(boot=report.boot, report=report.report)

    def start(self, printer: str = A, **fields: Any) -> StartJob:
        """Start one job and have the machine print it."""
        self.allocate(allocation(f"alloc-{self.new_id('n')}", **fields), printer=printer)
        self.tick()
        start = self.instructions[-1]
        assert isinstance(start, StartJob), start
        assert core.may_begin(self.state, start, self.moment) is None
        self.do(core.on_started, start)
        self.status(printer, PrinterState.PRINTING, job=start.job)
        return start

    def end(self, start: StartJob, end: PrintEnd = PrintEnd.DONE, **fields: Any) -> Step:
        step = self.do(core.on_ended, start.printer, PrintEnded(start.job, end, "", **fields))
        self.status(start.printer, PrinterState.IDLE)
        return step

    def printed(self, printer: str = A, **fields: Any) -> StartJob:
        start = self.start(printer, **fields)
        self.end(start)
        return start

    def command(self, action: Any, **fields: Any) -> Step:
        values = {"generation": self.state.generation, "id": self.new_id("command"), **fields}
        return self.do(core.on_command, Command(action=action, **values))

    def collect(self, job: str, good: int = 1, scrap: int = 0, *, printer: str = A, **fields: Any) -> Step:
        return self.command(CollectAction(printer=printer, job=job, good=good, scrap=scrap), **fields)

    def clear(self, printer: str = A, occupation: str | None = None, **fields: Any) -> Step:
        if occupation is None:
            occupation = self.state.occupations[printer].id
        return self.command(ClearBedAction(printer=printer, occupation=occupation), **fields)

    def reboot(self, *, seen: dict[str, float] | None = None, machine: str = "m1") -> Step:
        """The process dies and starts again from what was durable."""
        old = self.state
        remembered = Remembered(
            journal=old.journal,
            boot=old.boot,
            machine=old.machine,
            generation=old.generation,
            version=old.version,
            allocations=old.allocations,
            settings=old.settings,
            started=old.started,
            occupations={key: replace(value, autonomy_s=0.0) for key, value in old.occupations.items()},
            commands=old.commands,
        )
        if seen is None:
            seen = dict.fromkeys(old.printers, self.now_s)
        step = core.recover(remembered, self.setups, self.moment, machine=machine, seen=seen)
        self.state = step.state
        self.do(core.on_files, frozenset({SHA, OTHER_SHA}), timed=False)
        self.all_pass()
        return step

    def all_pass(self) -> None:
        """The node has checked the programs, and nothing is wrong with them."""
        for printer in self.state.printers:
            for program in (SHA, OTHER_SHA):
                self.checked(printer, program)

    def checked(self, printer: str = A, program: str = SHA, *, limits: str = "", **fields: Any) -> Step:
        return self.do(core.on_checked, core.Task(printer, program), core.Checked(**fields), limits, timed=False)

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def starts(self) -> int:
        return len(self.of(JobStarted))

    @property
    def outcome(self) -> str:
        return str(self.of(JobEnded)[-1].outcome)


PROVES_IDLE = frozenset({Capability.PROVES_IDLE})
