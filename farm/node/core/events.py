"""What happens to a node: it starts, time passes, a driver speaks, a file arrives, printers come and go."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from drivers.base import Capability, PrinterState, PrinterStatus
from farm.bus.messages import FaultRaised
from farm.node.core.beds import foreign_began, look
from farm.node.core.draft import Draft, fault_note
from farm.node.core.jobs import ask_about_old_jobs
from farm.node.core.refusals import Refusal
from farm.node.core.starts import start_what_may
from farm.node.core.state import (
    BLIND_S,
    SAME_FAULT_S,
    JournalPlace,
    Moment,
    NodeState,
    Occupied,
    Printer,
    PrinterSetup,
    Remembered,
    Step,
)
from scheduler.model import OccupationKind


def _on_this_clock(occupied: Occupied, moment: Moment) -> Occupied:
    age_s = max(0.0, moment.wall_s - occupied.began_wall_s)
    return replace(occupied, began_s=moment.boot_s - age_s, autonomy_s=0.0)


def belonging_to(remembered: Remembered, owner: str, printers: Iterable[str], moment: Moment) -> Remembered:
    """What node `owner` may believe of a ledger: everything, unless another node wrote it and `owner` joined in its folder.

    Then jobs and facts would be foreign to its farm, and generation and version begin at 0, so that no daemon takes what the other
    was told for a word of its own. Something may lie or be printed on every bed of `printers`, and only a person can say what.
    """
    if not remembered.is_of_another(owner):
        return replace(remembered, owner=owner)
    place = remembered.journal
    doubted = sorted({*printers, *remembered.occupations})
    return Remembered(
        journal=JournalPlace(moment.new_id("epoch"), base=place.base + place.head),
        boot=remembered.boot,
        machine=remembered.machine,
        occupations={key: Occupied(moment.new_id("bed"), OccupationKind.UNKNOWN, moment.boot_s, moment.wall_s) for key in doubted},
        owner=owner,
    )


def recover(
    remembered: Remembered,
    setups: Iterable[PrinterSetup],
    moment: Moment,
    *,
    machine: str,
    seen: Mapping[str, float],
    blind_s: float = BLIND_S,
) -> Step:
    """Start a process from what the ledger holds. There is no contact, and no job is believed before its machine was asked.

    `machine` is the id of this boot of the computer; `seen` says when each printer was last seen, on the boot clock, as far as
    that is known and of this boot; `blind_s` is from `blind_after_s`. The boot number never falls behind the wall clock, so that a
    ledger written back from an image does not repeat one: the daemon takes a report only if its (boot, report) is greater.
    """
    place = remembered.journal
    if not place.epoch:
        place = replace(place, epoch=moment.new_id("epoch"))
    rebase = machine != remembered.machine
    occupations = {
        key: _on_this_clock(occupied, moment) if rebase else replace(occupied, autonomy_s=0.0)
        for key, occupied in remembered.occupations.items()
    }
    state = NodeState(
        boot=max(remembered.boot + 1, int(moment.wall_s)),
        machine=machine,
        journal=place,
        generation=remembered.generation,
        version=remembered.version,
        allocations=remembered.allocations,
        settings=remembered.settings,
        started=remembered.started,
        occupations=occupations,
        commands=remembered.commands,
        owner=remembered.owner,
        printers={setup.id: Printer(setup, seen_s=seen.get(setup.id)) for setup in setups},
        untraced=frozenset(occupied.id for occupied in occupations.values() if occupied.running),
        blind_s=blind_s,
    )
    return Step(state)


def add_printer(state: NodeState, setup: PrinterSetup) -> Step:
    """A printer is there from now on."""
    return Step(replace(state, printers={**state.printers, setup.id: Printer(setup)}))


def remove_printer(state: NodeState, printer: str) -> Step:
    """A printer is not ours any more. What was on its bed stays in the ledger; its machine is asked should it come back."""
    occupied = state.occupations.get(printer)
    untraced = state.untraced | {occupied.id} if occupied is not None and occupied.running else state.untraced
    others = {key: value for key, value in state.printers.items() if key != printer}
    return Step(replace(state, printers=others, untraced=untraced))


def _note_fault(draft: Draft, before: PrinterStatus, printer: Printer) -> None:
    fault = printer.status.fault
    if fault is None or (before.fault is not None and before.fault.code == fault.code):
        return
    noted = printer.noted_fault
    if noted is not None and noted[0] == fault.code and draft.now_s - noted[1] < SAME_FAULT_S:
        return
    occupied = draft.state.occupations.get(printer.setup.id)
    job = occupied.id if occupied is not None and occupied.running else None
    draft.write(FaultRaised, printer=printer.setup.id, fault=fault_note(fault), job=job)
    draft.change_printer(printer.setup.id, noted_fault=(fault.code, draft.now_s))


def on_status(state: NodeState, printer: str, status: PrinterStatus, moment: Moment) -> Step:
    """A driver tells what its machine does now."""
    if printer not in state.printers:
        return Step(state, refused="no such printer")
    draft = Draft(state, moment)
    before = state.printers[printer].status
    now = draft.change_printer(printer, status=status)
    look(draft, printer, fresh=True)
    if status.state is PrinterState.FOREIGN and before.state is not PrinterState.FOREIGN:
        foreign_began(draft, printer)
    _note_fault(draft, before, now)
    ask_about_old_jobs(draft)
    return draft.step()


def capable(state: NodeState, printer: str, capabilities: frozenset[Capability]) -> NodeState:
    """What a driver can do is known only when it has seen its machine: an OctoPrint with a plugin, a firmware with prompts."""
    known = state.printers.get(printer)
    if known is None or known.setup.capabilities == capabilities:
        return state
    setup = replace(known.setup, capabilities=capabilities)
    return replace(state, printers={**state.printers, printer: replace(known, setup=setup)})


def on_trouble(state: NodeState, printer: str, trouble: Refusal | None) -> Step:
    """A driver could not connect, or could again (None)."""
    if printer not in state.printers:
        return Step(state, refused="no such printer")
    printers = {**state.printers, printer: replace(state.printers[printer], trouble=trouble)}
    return Step(replace(state, printers=printers))


def on_files(state: NodeState, present: frozenset[str]) -> Step:
    """The programs that are here and verified are these now."""
    return Step(state if present == state.files else replace(state, files=present))


def close(state: NodeState) -> Step:
    """The agent ends: nothing starts any more."""
    return Step(replace(state, closing=True))


def tick(state: NodeState, moment: Moment) -> Step:
    """Time passes: look at every machine, ask about old jobs, start what may be started. Called after every other event, too."""
    draft = Draft(state, moment)
    for printer in state.printers:
        look(draft, printer, fresh=False)
    ask_about_old_jobs(draft)
    start_what_may(draft)
    return draft.step()
