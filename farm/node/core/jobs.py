"""Jobs on a machine: how they begin, how they end, and what is asked about those of an earlier process."""

from dataclasses import replace
from typing import Final

from drivers.base import JobTrace, PrintEnd, PrintEnded
from farm.bus.messages import JobEnded
from farm.node.core.beds import collect
from farm.node.core.draft import Draft, clip
from farm.node.core.refusals import CANNOT_TELL, Refusal
from farm.node.core.state import (
    FIRST_ASK_S,
    FIRST_HOLD_S,
    LAST_ASK_S,
    LAST_HOLD_S,
    UNSEEN,
    Moment,
    NodeState,
    Occupied,
    StartJob,
    Step,
    TraceJob,
)
from gcode.texts import told
from scheduler.model import JobOutcome

OUTCOME: Final[dict[PrintEnd, JobOutcome]] = {
    PrintEnd.DONE: JobOutcome.PRINTED,
    PrintEnd.FAILED: JobOutcome.FAILED,
    PrintEnd.CANCELLED: JobOutcome.CANCELLED,
    PrintEnd.INTERRUPTED: JobOutcome.INTERRUPTED,
}


def running_job(state: NodeState, printer: str, job: str) -> Occupied | None:
    """The occupation of `job`, when it is on that bed and has not ended."""
    occupied = state.occupations.get(printer)
    return occupied if occupied is not None and occupied.id == job and occupied.running else None


def _asked(draft: Draft, printer: str, job: str) -> None:
    draft.change(untraced=draft.state.untraced - {job}, tracing=draft.state.tracing - {job})
    if printer in draft.state.printers:
        draft.change_printer(printer, ask_after_s=0.0, failed_traces=0)


def end_job(draft: Draft, printer: str, occupied: Occupied, outcome: JobOutcome, detail: str, *, by_person: bool = False) -> None:
    """The machine is done with a job; its parts stay on the bed."""
    took_s = min(max(0.0, draft.now_s - occupied.began_s), 1e10)
    said = told(detail)
    draft.write(
        JobEnded,
        printer=printer,
        reference=occupied.job,
        outcome=outcome,
        detail=clip(said),
        detail_fr=clip(said.fr),
        code=clip(said.code, 80),
        by_person=by_person,
        took_s=took_s,
    )
    draft.occupy(printer, replace(occupied, outcome=outcome))
    _asked(draft, printer, occupied.id)


def on_started(state: NodeState, started: StartJob, moment: Moment) -> Step:
    """The driver has provably begun."""
    draft = Draft(state, moment)
    if started.printer in state.printers:
        draft.change_printer(started.printer, failed_starts=0, failed_because=None)
    return draft.step()


def on_not_begun(state: NodeState, start: StartJob, detail: str, moment: Moment, *, outcome: JobOutcome) -> Step:
    """Nothing was sent to the machine, provably: the job ends without parts and the bed is as clear as it was.

    Without this a refused upload would wait for a hand that finds nothing on the bed.
    """
    draft = Draft(state, moment)
    occupied = running_job(state, start.printer, start.job)
    if occupied is None:
        return draft.step(refused="no such job")
    end_job(draft, start.printer, occupied, outcome, detail)
    collect(draft, start.printer, start.job, (0, 0), "agent")
    if (printer := state.printers.get(start.printer)) is not None:
        hold_s = min(FIRST_HOLD_S * 2**printer.failed_starts, LAST_HOLD_S)
        failed = min(printer.failed_starts + 1, 10)
        because = detail if isinstance(detail, Refusal) else None
        draft.change_printer(start.printer, hold_until_s=moment.boot_s + hold_s, failed_starts=failed, failed_because=because)
    return draft.step()


def on_ended(state: NodeState, printer: str, ended: PrintEnded, moment: Moment) -> Step:
    """The driver says that a file which it started has ended. Only the first word about a job is taken."""
    draft = Draft(state, moment)
    occupied = running_job(state, printer, ended.job)
    if occupied is None:
        return draft.step(refused="no such job")
    code = "" if ended.fault is None else ended.fault.code
    end_job(draft, printer, occupied, OUTCOME[ended.end], told(ended.detail, code), by_person=ended.by_person)
    return draft.step()


def ask_about_old_jobs(draft: Draft) -> None:
    """Have every machine that is seen asked about the job that an earlier process started on it."""
    for key, printer in draft.state.printers.items():
        occupied = draft.state.occupations.get(key)
        if occupied is None or occupied.id not in draft.state.untraced - draft.state.tracing or printer.status.state in UNSEEN:
            continue
        if draft.now_s < printer.ask_after_s:
            continue
        draft.change(tracing=draft.state.tracing | {occupied.id})
        draft.instruct(TraceJob(key, occupied.id))


def on_trace(state: NodeState, asked: TraceJob, trace: JobTrace, moment: Moment) -> Step:
    """What the machine says of a job from before. When it cannot tell, the job is interrupted: good is never guessed from idle."""
    draft = Draft(state, moment)
    occupied = running_job(state, asked.printer, asked.job)
    if occupied is None:
        return draft.step(refused="no such job")
    _asked(draft, asked.printer, asked.job)
    if trace.running:
        # the machine was busy with it all the time: nobody else printed in the gap
        draft.occupy(asked.printer, replace(occupied, gap=False))
        return draft.step()
    outcome = JobOutcome.INTERRUPTED if trace.end is None else OUTCOME[trace.end]
    end_job(draft, asked.printer, occupied, outcome, trace.detail or CANNOT_TELL)
    return draft.step()


def on_trace_failed(state: NodeState, asked: TraceJob, moment: Moment) -> Step:
    """The machine could not be asked; it is asked again, later each time."""
    draft = Draft(state, moment)
    draft.change(tracing=state.tracing - {asked.job})
    printer = state.printers.get(asked.printer)
    if printer is not None and running_job(state, asked.printer, asked.job) is not None:
        wait_s = min(FIRST_ASK_S * 2**printer.failed_traces, LAST_ASK_S)
        failed = min(printer.failed_traces + 1, 10)
        draft.change_printer(asked.printer, ask_after_s=moment.boot_s + wait_s, failed_traces=failed)
    return draft.step()


def doubt(state: NodeState, job: str) -> Step:
    """A start failed in a way that leaves open whether anything was sent: ask the machine, as after a crash."""
    return Step(replace(state, untraced=state.untraced | {job}, tracing=state.tracing - {job}))
