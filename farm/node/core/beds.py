"""Beds: what occupies them, when a clear one is not to be trusted, and how a hand clears one. Only a clear bed is printed on."""

from collections.abc import Collection
from dataclasses import replace

from drivers.base import Capability, PrinterState
from farm.bus.messages import BedCleared, ClearBedAction, CollectAction, JobCollected
from farm.node.core.draft import Draft, clip
from farm.node.core.refusals import NOT_ENDED, NOT_ON_THIS_BED, STILL_PRINTING, too_many
from farm.node.core.state import BUSY, UNSEEN, Moment, NodeState, Occupied, Printer, Step
from scheduler.model import JobOutcome, OccupationKind


def _occupy_with(draft: Draft, printer: str, kind: OccupationKind) -> None:
    occupation = draft.moment.new_id("bed")
    draft.occupy(printer, Occupied(occupation, kind, draft.now_s, draft.moment.wall_s))


def _kind_now(printer: Printer) -> OccupationKind:
    foreign = printer.status.state is PrinterState.FOREIGN
    return OccupationKind.FOREIGN if foreign else OccupationKind.UNKNOWN


def distrust_beds(draft: Draft, only: Collection[str] | None = None) -> None:
    """Something may be on these beds (None: on all) that the ledger does not know.

    A clear bed is unknown now, and so is one from which a job is collected.
    """
    for key, printer in draft.state.printers.items():
        if only is not None and key not in only:
            continue
        occupied = draft.state.occupations.get(key)
        if occupied is None or occupied.job is None:
            _occupy_with(draft, key, _kind_now(printer))
        else:
            draft.occupy(key, replace(occupied, gap=True))


def on_doubt(state: NodeState, printers: Collection[str], moment: Moment) -> Step:
    """Somebody printed something of theirs on these printers, and it could not be written when it began."""
    draft = Draft(state, moment)
    distrust_beds(draft, printers)
    return draft.step()


def _prints(printer: Printer, occupied: Occupied) -> bool:
    return occupied.running and printer.status.job == occupied.id and printer.status.state in BUSY


def _after_blindness(draft: Draft, printer: Printer, *, fresh: bool) -> None:
    key = printer.setup.id
    if Capability.PROVES_IDLE in printer.setup.capabilities and printer.status.state is PrinterState.IDLE:
        return
    occupied = draft.state.occupations.get(key)
    if occupied is None or occupied.job is None:
        # a fresh id: a "bed cleared" from before the gap must not clear what came after it
        _occupy_with(draft, key, _kind_now(printer))
    elif not (fresh and _prints(printer, occupied)):
        draft.occupy(key, replace(occupied, gap=True))


def look(draft: Draft, printer: str, *, fresh: bool) -> None:
    """The driver sees the machine, or it does not; a long blindness before that puts a clear bed in doubt.

    `fresh`: the status has just come from the machine. After a suspend the newest status is as old as the suspend.
    """
    now = draft.state.printers[printer]
    if now.status.state in UNSEEN:
        return
    if now.seen_s is None or draft.now_s - now.seen_s > draft.state.blind_s:
        _after_blindness(draft, now, fresh=fresh)
    occupied = draft.state.occupations.get(printer)
    if fresh and occupied is not None and occupied.gap and _prints(now, occupied):
        # the machine has been busy with our job all the time: nobody else printed in the gap
        draft.occupy(printer, replace(occupied, gap=False))
    draft.change_printer(printer, seen_s=draft.now_s)


def foreign_began(draft: Draft, printer: str) -> None:
    """Somebody prints something that is not ours."""
    occupied = draft.state.occupations.get(printer)
    if occupied is None or occupied.job is None:
        _occupy_with(draft, printer, OccupationKind.FOREIGN)
    elif not occupied.gap:
        draft.occupy(printer, replace(occupied, gap=True))


def leave_bed(draft: Draft, printer: str, occupied: Occupied) -> None:
    """What was on the bed is gone; the bed is clear unless something may have come after it."""
    draft.occupy(printer, None)
    now = draft.state.printers.get(printer)
    foreign = now is not None and now.status.state is PrinterState.FOREIGN
    if foreign or occupied.gap:
        _occupy_with(draft, printer, OccupationKind.FOREIGN if foreign else OccupationKind.UNKNOWN)


def collect(draft: Draft, printer: str, job: str, counts: tuple[int, int], by: str) -> str | None:
    """Take (good, scrap) parts of `job` off the bed. Return why it was refused, or None. Naming the job makes it idempotent."""
    good, scrap = counts
    occupied = draft.state.occupations.get(printer)
    if occupied is None or occupied.job is None or occupied.id != job:
        return NOT_ON_THIS_BED
    if occupied.running:
        return NOT_ENDED
    if good + scrap > occupied.job.parts:
        return too_many(occupied.job.parts, good + scrap)
    draft.write(JobCollected, printer=printer, reference=occupied.job, good=good, scrap=scrap, by=clip(by, 80))
    leave_bed(draft, printer, occupied)
    return None


def clear(draft: Draft, printer: str, occupation: str, by: str) -> str | None:
    """Take `occupation`, whatever it is, off the bed. Return why it was refused, or None."""
    occupied = draft.state.occupations.get(printer)
    if occupied is None or occupied.id != occupation:
        return NOT_ON_THIS_BED
    if occupied.job is not None:
        scrap = occupied.job.parts if occupied.outcome is JobOutcome.PRINTED else 0
        return collect(draft, printer, occupied.id, (0, scrap), by)
    now = draft.state.printers.get(printer)
    if now is not None and now.status.state is PrinterState.FOREIGN:
        return STILL_PRINTING
    draft.write(BedCleared, printer=printer, occupation=occupation, by=clip(by, 80))
    leave_bed(draft, printer, occupied)
    return None


def on_clear(state: NodeState, action: ClearBedAction, moment: Moment) -> Step:
    """A hand at this node clears a bed, without a command of the daemon; `refused` says why not."""
    draft = Draft(state, moment)
    return draft.step(refused=clear(draft, action.printer, action.occupation, action.by))


def on_collect(state: NodeState, action: CollectAction, moment: Moment) -> Step:
    """A hand at this node collects, without a command of the daemon; `refused` says why not."""
    draft = Draft(state, moment)
    return draft.step(refused=collect(draft, action.printer, action.job, (action.good, action.scrap), action.by))
