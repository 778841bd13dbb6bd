"""Starting jobs: all the conditions of protocol.md, "Allocation", and the order in which allocations are served."""

from dataclasses import replace
from typing import Final

from drivers.base import PrinterState
from farm.bus.messages import AllocationOrder, JobReference, JobStarted, ReasonNote
from farm.node.core.checks import why_all_refused, why_not_printed, why_refused
from farm.node.core.draft import Draft, clip
from farm.node.core.quiet import why_all_quiet, why_quiet
from farm.node.core.refusals import ALL_STARTED, BEING_FETCHED, NO_CONTACT, NOT_ON_BED_ANY_MORE, Refusal
from farm.node.core.state import Moment, NodeState, Occupied, Printer, PrinterSetup, StartJob
from scheduler.model import BedState, OccupationKind

# the last report says it too, and stands for as long as the agent is away
_STOPPED: Final = ReasonNote(code="agent-stopped", en="The agent was stopped.", fr="L'agent a été arrêté.")
_NOT_WRITABLE: Final = ReasonNote(
    code="ledger-not-writable",
    en="The ledger cannot be written (is the disk full?).",
    fr="Le registre ne peut pas être écrit (le disque est-il plein ?).",
)
_NEARLY_FULL: Final = ReasonNote(
    code="disk-nearly-full",
    en="The disk is nearly full: free some space. Nothing new is started until then.",
    fr="Le disque est presque plein : libérez de la place. Rien de nouveau n'est lancé d'ici là.",
)
_START_FAILED: Final = ReasonNote(
    code="start-failed",
    en="The last start failed; it is tried again later.",
    fr="Le dernier lancement a échoué ; il sera tenté de nouveau plus tard.",
)
_STATES_FR: Final = {
    PrinterState.OFFLINE: "L'imprimante est hors ligne.",
    PrinterState.CONNECTING: "L'imprimante se connecte.",
    PrinterState.IDLE: "L'imprimante est libre.",
    PrinterState.PREPARING: "L'imprimante se prépare.",
    PrinterState.PRINTING: "L'imprimante imprime.",
    PrinterState.PAUSED: "L'imprimante est en pause.",
    PrinterState.ATTENTION: "L'imprimante attend quelqu'un.",
    PrinterState.FINISHING: "L'imprimante termine.",
    PrinterState.FAULT: "L'imprimante est en panne.",
    PrinterState.FOREIGN: "L'imprimante imprime autre chose.",
}
_BEDS_FR: Final = {
    BedState.CLEAR: "Le plateau est libre.",
    BedState.OCCUPIED: "Le plateau est occupé.",
    BedState.UNKNOWN: "Personne ne sait ce qu'il y a sur le plateau.",
}


def _of_the_node(state: NodeState) -> ReasonNote | None:
    if state.closing:
        return _STOPPED
    if not state.writable:
        return _NOT_WRITABLE
    return _NEARLY_FULL if state.nearly_full else state.limits_trouble


def _in_state(shown: PrinterState) -> ReasonNote:
    return ReasonNote(code=f"printer-{shown}", en=f"The printer is {shown}.", fr=_STATES_FR[shown])


def _of_the_machine(state: NodeState, printer: Printer) -> ReasonNote | None:
    bed, shown = state.bed(printer.setup.id), printer.status.state
    if printer.trouble is not None and shown is PrinterState.OFFLINE:
        return ReasonNote(code="printer-trouble", en=clip(printer.trouble), fr=clip(printer.trouble.fr))
    if shown is not PrinterState.IDLE:
        return _in_state(shown)
    if bed is not BedState.CLEAR:
        return ReasonNote(code=f"bed-{bed}", en=f"The bed is {bed}.", fr=_BEDS_FR[bed])
    return None


def _start_failed(because: Refusal | None) -> ReasonNote:
    if because is None:
        return _START_FAILED
    en, fr = f"{_START_FAILED.en} {because}", f"{_START_FAILED.fr} {because.fr}"
    return ReasonNote(code=_START_FAILED.code, en=clip(en), fr=clip(fr))


def _of_the_hour(state: NodeState, printer: Printer, moment: Moment) -> ReasonNote | None:
    """A printer that could start nothing of what it holds is not ready: otherwise the daemon would count on it as idle."""
    if moment.boot_s < printer.hold_until_s:
        return _start_failed(printer.failed_because)
    refused = why_all_refused(state, printer, open_allocations(state, printer.setup.id))
    if refused is not None:
        return refused
    if not (hours := printer.setup.quiet_hours):
        return None
    waiting = [allocation.program.estimated_s for allocation in open_allocations(state, printer.setup.id)]
    return why_all_quiet(hours, waiting, moment)


def why_not_ready(state: NodeState, printer: Printer, moment: Moment) -> ReasonNote | None:
    """Return why this printer starts nothing now, or None. Also for what it holds, where only the hour is against it."""
    return _of_the_node(state) or _of_the_machine(state, printer) or _of_the_hour(state, printer, moment)


def autonomy_s(setup: PrinterSetup, allocation: AllocationOrder) -> float:
    """How long this printer goes on under `allocation` without the daemon: the owner may allow less than the farm."""
    return allocation.autonomy_s if setup.autonomy_s is None else min(setup.autonomy_s, allocation.autonomy_s)


def in_contact(state: NodeState, limit_s: float, now_s: float) -> bool:
    """Whether the newest acknowledged report of this boot was sent less than `limit_s` ago."""
    return state.contact_s is not None and now_s - state.contact_s < limit_s


def left(state: NodeState, allocation: AllocationOrder) -> int:
    """How many jobs may still be started under an allocation."""
    return max(0, allocation.jobs - state.started.get(allocation.id, 0))


def open_allocations(state: NodeState, printer: str) -> list[AllocationOrder]:
    """The allocations of a printer with jobs left: highest priority first, then in the daemon's order."""
    some = [allocation for allocation in state.allocations.get(printer, ()) if left(state, allocation)]
    return sorted(some, key=lambda allocation: -allocation.priority)


def why_not_start(state: NodeState, setup: PrinterSetup, allocation: AllocationOrder, moment: Moment) -> Refusal | None:
    """Return why a ready printer does not start a job of `allocation` now, or None."""
    if not left(state, allocation):
        return ALL_STARTED
    if allocation.program.sha256 not in state.files:
        return BEING_FETCHED
    unprinted = why_not_printed(state, setup.id, allocation)
    if unprinted is not None:
        return _said(unprinted)
    if not in_contact(state, autonomy_s(setup, allocation), moment.boot_s):
        return NO_CONTACT
    return _said(why_quiet(setup.quiet_hours, allocation.program.estimated_s, moment))


def _said(note: ReasonNote | None) -> Refusal | None:
    return None if note is None else Refusal(note.code, note.en, note.fr)


def _start(draft: Draft, setup: PrinterSetup, allocation: AllocationOrder) -> None:
    job = draft.moment.new_id("job")
    reference = JobReference(
        job=job,
        allocation=allocation.id,
        order=allocation.order,
        revision=allocation.revision,
        program=allocation.program.sha256,
        parts=allocation.program.parts,
        estimated_s=allocation.program.estimated_s,
    )
    occupied = Occupied(job, OccupationKind.JOB, draft.now_s, draft.moment.wall_s, reference)
    draft.occupy(setup.id, replace(occupied, autonomy_s=autonomy_s(setup, allocation)))
    draft.change(started={**draft.state.started, allocation.id: draft.state.started.get(allocation.id, 0) + 1})
    draft.write(JobStarted, printer=setup.id, reference=reference)
    draft.instruct(StartJob(setup.id, job, allocation.program.sha256))


def start_what_may(draft: Draft) -> None:
    """Write the intent of one job for every printer that may start one."""
    for key, printer in draft.state.printers.items():
        if why_not_ready(draft.state, printer, draft.moment) is not None:
            continue
        for allocation in open_allocations(draft.state, key):
            if why_not_start(draft.state, printer.setup, allocation, draft.moment) is None:
                _start(draft, printer.setup, allocation)
                break


def may_begin(state: NodeState, instruction: StartJob, moment: Moment) -> Refusal | None:
    """Ask again just before the first command goes out: the commit may have taken long. Return why not, or None."""
    occupied = state.occupations.get(instruction.printer)
    printer = state.printers.get(instruction.printer)
    if occupied is None or printer is None or occupied.id != instruction.job or not occupied.running:
        return NOT_ON_BED_ANY_MORE
    if state.closing:
        return _said(_STOPPED)
    if printer.status.state is not PrinterState.IDLE:
        return _said(_in_state(printer.status.state))
    if not in_contact(state, occupied.autonomy_s, moment.boot_s):
        return NO_CONTACT
    takes_s = 0.0 if occupied.job is None else occupied.job.estimated_s
    return _said(
        state.limits_trouble
        or why_refused(state, instruction.printer, instruction.program)
        or why_quiet(printer.setup.quiet_hours, takes_s, moment)
    )
