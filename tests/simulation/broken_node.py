"""Broken rules of a node: each function patches one of them away."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest import mock

import farm.node.core
import farm.node.core.beds
import farm.node.core.events
import farm.node.core.jobs
from drivers.base import PrintEnd, PrintEnded
from farm.bus.messages import Ack
from farm.daemon.world import World as DaemonWorld
from farm.node import core
from farm.node.core import Step
from farm.node.keeper import Keeper
from tests.simulation.node import QuickKeeper, SimulatedNode
from tests.simulation.world import MachineClock

Patches = AbstractContextManager[object]


@contextmanager
def together(*patches: Patches) -> Iterator[None]:
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield


patched: Final = mock.patch.object


def stale_desired() -> Patches:
    original = core.on_desired

    def accept(state: Any, desired: Any, moment: Any) -> Step:
        same = (desired.generation, desired.version) == (state.generation, state.version)
        if same or desired.generation < state.generation:
            return original(state, desired, moment)
        return original(replace(state, version=-1), desired, moment)

    return patched(core, "on_desired", accept)


def printed_is_clear() -> Patches:
    original = core.on_ended

    def ended(state: Any, printer: str, event: PrintEnded, moment: Any) -> Step:
        step = original(state, printer, event, moment)
        if event.end is PrintEnd.DONE:
            left = {key: value for key, value in step.state.occupations.items() if key != printer}
            return replace(step, state=replace(step.state, occupations=left))
        return step

    return patched(core, "on_ended", ended)


def collect_without_naming() -> Patches:
    original = farm.node.core.beds.collect

    def collect(draft: Any, printer: str, job: str, counts: tuple[int, int], by: str) -> str | None:
        there = draft.state.occupations.get(printer)
        named = there.id if there is not None and there.job is not None and sum(counts) <= there.job.parts else job
        return original(draft, printer, named, counts, by)

    return patched(farm.node.core.beds, "collect", collect)


def start_before_the_intent() -> Patches:
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

    return together(patched(QuickKeeper, "_decide", eager), patched(SimulatedNode, "_start_job", late))


def _recovered(**changes: Callable[[Any], Any]) -> Patches:
    original = core.recover

    def recover(*arguments: Any, **named: Any) -> Step:
        step = original(*arguments, **named)
        values = {name: change(step.state) for name, change in changes.items()}
        return replace(step, state=replace(step.state, **values))

    return patched(core, "recover", recover)


def outbox_in_memory() -> Patches:
    return _recovered(journal=lambda state: replace(state.journal, acked=state.journal.head))


def started_in_memory() -> Patches:
    return _recovered(started=lambda _state: {})


def contact_over_a_reboot() -> Patches:
    original = core.recover

    def recover(remembered: Any, setups: Any, moment: Any, **named: Any) -> Step:
        step = original(remembered, setups, moment, **named)
        return replace(step, state=replace(step.state, contact_s=moment.boot_s))

    return patched(core, "recover", recover)


def no_replay() -> Patches:
    original = core.on_desired

    def on_desired(state: Any, desired: Any, moment: Any) -> Step:
        step = original(state, desired, moment)
        return replace(step, state=replace(step.state, journal=replace(step.state.journal, acked=state.journal.acked)))

    return patched(core, "on_desired", on_desired)


def no_generation() -> Patches:
    desired, ack = core.on_desired, core.on_ack

    def on_desired(state: Any, message: Any, moment: Any) -> Step:
        if message.generation != state.generation:
            state = replace(state, generation=-1)
        return desired(state, message, moment)

    def on_ack(state: Any, message: Ack, moment: Any, *, tag: str = "") -> Step:
        return ack(state, message.model_copy(update={"generation": state.generation}), moment, tag=tag)

    fence = mock.PropertyMock(return_value=False)
    return together(patched(core, "on_desired", on_desired), patched(core, "on_ack", on_ack), patched(DaemonWorld, "fenced", fence))


def contact_is_what_was_heard() -> Patches:
    desired, ack = core.on_desired, core.on_ack

    def heard(step: Step, moment: Any) -> Step:
        return replace(step, state=replace(step.state, contact_s=moment.boot_s))

    return together(
        patched(core, "on_desired", lambda state, message, moment: heard(desired(state, message, moment), moment)),
        patched(core, "on_ack", lambda state, message, moment, tag="": heard(ack(state, message, moment, tag=tag), moment)),
    )


def old_ledger_goes_on() -> Patches:
    original = core.on_ack

    def on_ack(state: Any, ack: Ack, moment: Any, *, tag: str = "") -> Step:
        return original(state, ack.model_copy(update={"seq": min(ack.seq, state.journal.head)}), moment)

    return patched(core, "on_ack", on_ack)


def suspend_does_not_count() -> Patches:
    sleep, boot_s = SimulatedNode.sleep, MachineClock.boot_s
    slept: dict[int, float] = {}

    def fall_asleep(self: SimulatedNode, duration_s: float) -> None:
        if self.up:
            slept[id(self.clock)] = slept.get(id(self.clock), 0.0) + duration_s
        sleep(self, duration_s)

    def monotonic_s(self: MachineClock) -> float:
        return boot_s(self) - slept.get(id(self), 0.0)

    return together(patched(SimulatedNode, "sleep", fall_asleep), patched(MachineClock, "boot_s", monotonic_s))


def never_blind() -> Patches:
    return patched(farm.node.core.beds, "_after_blindness", lambda *_arguments, **_named: None)


def foreign_prints_are_not_seen() -> Patches:
    def no_doubt(_self: Any, _printer: str) -> None:
        pass

    return together(
        patched(farm.node.core.events, "foreign_began", lambda *_arguments: None), patched(QuickKeeper, "doubt", no_doubt)
    )


def gap_is_forgotten() -> Patches:
    original = farm.node.core.beds.leave_bed

    def leave(draft: Any, printer: str, occupied: Any) -> None:
        original(draft, printer, replace(occupied, gap=False))

    return patched(farm.node.core.beds, "leave_bed", leave)


def idle_is_good() -> Patches:
    original = core.on_trace

    def on_trace(state: Any, asked: Any, trace: Any, moment: Any) -> Step:
        step = original(state, asked, trace, moment)
        if not trace.running and trace.end is None:
            left = {key: value for key, value in step.state.occupations.items() if key != asked.printer}
            return replace(step, state=replace(step.state, occupations=left))
        return step

    return patched(core, "on_trace", on_trace)
