"""A node's own check of every program before it prints it: what was found, and what that means for an allocation.

The farm has judged the file too; this is for the case that it was deceived, or that the owner of the printer allows less. Nothing
starts before the file was checked for its printer here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from farm.bus.messages import MAX_REFUSALS, AllocationOrder, ProgramRefusal, ReasonNote
from farm.node.core.draft import clip
from farm.node.core.state import Checked, NodeState, Printer, QuietHours, Step

REFUSED: Final = "gcode-refused"
LIMITS_UNREADABLE: Final = "limits-unreadable"
# results that are remembered beyond those that an allocation asks for; an agent of 128 printers holds that many allocations
_KEEP: Final = 2048
_MAX_TEXT: Final = 300
_CHECKING: Final = ReasonNote(
    code="gcode-checking",
    en="Its program is being checked on this node.",
    fr="Son programme est en cours de vérification sur ce nœud.",
)


@dataclass(frozen=True, slots=True)
class Task:
    """A program that must be checked for a printer."""

    printer: str
    program: str


def refusal(en: str, fr: str) -> ReasonNote:
    """Why a program is not printed, as it goes into messages."""
    return ReasonNote(code=REFUSED, en=clip(en, _MAX_TEXT), fr=clip(fr, _MAX_TEXT))


def limits_note(en: str, fr: str) -> ReasonNote:
    """Why nothing starts: the owner's limits cannot be read, or not be applied."""
    return ReasonNote(code=LIMITS_UNREADABLE, en=clip(en), fr=clip(fr))


def why_refused(state: NodeState, printer: str, program: str, released_by: str | None = None) -> ReasonNote | None:
    """Return why a program is not printed on a printer, or None.

    `released_by` is the person whom the farm names; None: whoever it is (a job that was decided on already).
    """
    checked = state.checks.get((printer, program))
    if checked is None:
        return _CHECKING
    if checked.refused is not None:
        return checked.refused
    if not checked.needs_trust or released_by is None or released_by:
        return None
    return refusal(
        "The program needs the word of somebody who knows this printer, and nobody has released it.",
        "Le programme demande la parole de quelqu'un qui connaît cette imprimante, et personne ne l'a validé.",
    )


def why_not_printed(state: NodeState, printer: str, allocation: AllocationOrder) -> ReasonNote | None:
    """Return why the program of an allocation is not printed on its printer, or None."""
    return why_refused(state, printer, allocation.program.sha256, allocation.released_by)


def why_all_refused(state: NodeState, printer: Printer, waiting: list[AllocationOrder]) -> ReasonNote | None:
    """Return the first refusal when everything that a printer could start is refused, or None: it does not count as idle then."""
    reasons = [why_not_printed(state, printer.setup.id, allocation) for allocation in waiting]
    return reasons[0] if reasons and all(reason is not None and reason.code == REFUSED for reason in reasons) else None


def refusals(state: NodeState, printer: str) -> list[ProgramRefusal]:
    """The programs that are refused on a printer whoever releases them, newest first: the farm gives them to others."""
    found = [
        ProgramRefusal(program=program, reason=checked.refused)
        for (key, program), checked in reversed(tuple(state.checks.items()))
        if key == printer and checked.refused is not None
    ]
    return found[:MAX_REFUSALS]


def tasks(state: NodeState) -> list[Task]:
    """What is to be checked, the most urgent first: programs that are here, under which something may still be started."""
    if state.limits_trouble is not None:
        return []
    found = [
        (-allocation.priority, Task(printer, allocation.program.sha256))
        for printer, allocations in state.allocations.items()
        if printer in state.printers
        for allocation in allocations
        if allocation.jobs > state.started.get(allocation.id, 0)
        and allocation.program.sha256 in state.files
        and (printer, allocation.program.sha256) not in state.checks
    ]
    return [task for _urgency, task in sorted(found, key=lambda one: one[0])]


def on_checked(state: NodeState, task: Task, checked: Checked, limits: str) -> Step:
    """A program was checked for a printer, by the limits of that revision; other limits hold by now: it is checked again."""
    if task.printer not in state.printers or limits != state.limits:
        return Step(state, refused="no such printer" if limits == state.limits else "other limits hold by now")
    others = {key: value for key, value in state.checks.items() if key != (task.printer, task.program)}
    while len(others) >= _KEEP:
        del others[next(iter(others))]
    return Step(replace(state, checks={**others, (task.printer, task.program): checked}))


def on_limits(state: NodeState, limits: str, quiet: Mapping[str, QuietHours], trouble: ReasonNote | None = None) -> Step:
    """The owner's limits are these now (a revision), or cannot be read: what was checked by others means nothing any more.

    `quiet` are the quiet hours of printers by id, those of node.toml with those of the limits.
    """
    printers = {
        key: replace(printer, setup=replace(printer.setup, quiet_hours=quiet.get(key, printer.setup.quiet_hours)))
        for key, printer in state.printers.items()
    }
    return Step(replace(state, limits=limits, limits_trouble=trouble, checks={}, printers=printers))
