"""A node's own check of every program before it prints it: what was found, and what that means for an allocation.

The farm has judged the file too; this is for the case that it was deceived, or that the owner of the printer allows less. Nothing
starts before the file was checked for its printer here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from farm.bus.messages import MAX_REFUSALS, MAX_TRUST, AllocationOrder, ProgramRefusal, ReasonNote
from farm.node.core.draft import clip
from farm.node.core.state import Checked, NodeState, Printer, QuietHours, Step

REFUSED: Final = "gcode-refused"
NOT_ANSWERED: Final = "gcode-not-answered"
_REFUSING: Final = frozenset({REFUSED, NOT_ANSWERED})
LIMITS_UNREADABLE: Final = "limits-unreadable"
# results that are remembered beyond those that an allocation asks for; an agent of 128 printers holds that many allocations
_KEEP: Final = 2048
_MAX_TEXT: Final = 300
_STRIDE: Final = 5  # refusals that a report has no room for come in the next ones; less than the fewest that one has room for
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


def _is_answered(checked: Checked, allocation: AllocationOrder) -> bool:
    """Whether the person whom the farm names answers for what this node found.

    By other rules than the farm's a node may find more than that person was shown. A farm that does not say is believed.
    """
    if not checked.needs_trust:
        return True
    if not allocation.released_by:
        return False
    same_rules = not (allocation.rule_set and checked.rule_set) or allocation.rule_set == checked.rule_set
    return same_rules or checked.trust <= frozenset(allocation.released_for)


def _not_answered(checked: Checked) -> ReasonNote:
    of = f" ({', '.join(sorted(checked.trust))})" if checked.trust else ""
    en = f"The program needs the word of somebody who knows this printer, and nobody has given it{of}."
    fr = f"Le programme demande la parole de quelqu'un qui connaît cette imprimante, et personne ne l'a donnée{of}."
    return ReasonNote(code=NOT_ANSWERED, en=clip(en, _MAX_TEXT), fr=clip(fr, _MAX_TEXT))


def why_refused(state: NodeState, printer: str, program: str, allocation: AllocationOrder | None = None) -> ReasonNote | None:
    """Return why a program is not printed on a printer under an allocation, or None.

    Without an allocation it is not asked who answers for it (a job that was decided on already).
    """
    checked = state.checks.get((printer, program))
    if checked is None:
        return _CHECKING
    if checked.refused is not None:
        return checked.refused
    return None if allocation is None or _is_answered(checked, allocation) else _not_answered(checked)


def why_not_printed(state: NodeState, printer: str, allocation: AllocationOrder) -> ReasonNote | None:
    """Return why the program of an allocation is not printed on its printer, or None."""
    return why_refused(state, printer, allocation.program.sha256, allocation)


def with_answers(state: NodeState) -> NodeState:
    """Note of every allocated program whether somebody answers for it: that outlives the allocation."""
    changed = {}
    for printer, allocations in state.allocations.items():
        for allocation in allocations:
            key = (printer, allocation.program.sha256)
            checked = state.checks.get(key)
            if checked is not None and checked.unanswered is _is_answered(checked, allocation):
                changed[key] = replace(checked, unanswered=not checked.unanswered)
    return replace(state, checks={**state.checks, **changed}) if changed else state


def why_all_refused(state: NodeState, printer: Printer, waiting: list[AllocationOrder]) -> ReasonNote | None:
    """Return the first refusal when everything that a printer could start is refused, or None: it does not count as idle then."""
    reasons = [why_not_printed(state, printer.setup.id, allocation) for allocation in waiting]
    return reasons[0] if reasons and all(reason is not None and reason.code in _REFUSING for reason in reasons) else None


def refused_programs(state: NodeState) -> frozenset[tuple[str, str]]:
    """All of them, by (printer, program)."""
    return frozenset(key for key, checked in state.checks.items() if checked.refused is not None or checked.unanswered)


def checks_word(state: NodeState) -> str:
    """What the refusals of a report rest on: this run of the agent, and the owner's limits."""
    return f"{state.boot}-{state.limits}"


def refusals(state: NodeState, printer: str) -> list[ProgramRefusal]:
    """Programs that are refused on a printer: the farm gives them to others.

    Those that are allocated come first: the farm takes them back as long as they are there. Of the others, newest first, another
    part comes with each report where there are too many: the farm keeps what it was told (`farm.daemon.refusals`).
    """
    held = {allocation.program.sha256 for allocation in state.allocations.get(printer, ())}
    found = [
        (program, checked)
        for (key, program), checked in reversed(tuple(state.checks.items()))
        if key == printer and (checked.refused is not None or checked.unanswered)
    ]
    first = [item for item in found if item[0] in held]
    rest = [item for item in found if item[0] not in held]
    room = MAX_REFUSALS - len(first)
    if len(rest) > room:
        begin = state.report * _STRIDE % len(rest)
        rest = rest[begin:] + rest[:begin]
    return [_told(program, checked) for program, checked in (first + rest)[:MAX_REFUSALS]]


def _told(program: str, checked: Checked) -> ProgramRefusal:
    if checked.refused is not None:
        return ProgramRefusal(program=program, reason=checked.refused, rule_set=checked.rule_set)
    needs = sorted(checked.trust)[:MAX_TRUST]
    return ProgramRefusal(program=program, reason=_not_answered(checked), needs=needs, rule_set=checked.rule_set)


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
    return Step(with_answers(replace(state, checks={**others, (task.printer, task.program): checked})))


def on_limits(state: NodeState, limits: str, quiet: Mapping[str, QuietHours], trouble: ReasonNote | None = None) -> Step:
    """The owner's limits are these now (a revision), or cannot be read: what was checked by others means nothing any more.

    `quiet` are the quiet hours of printers by id, those of node.toml with those of the limits.
    """
    printers = {
        key: replace(printer, setup=replace(printer.setup, quiet_hours=quiet.get(key, printer.setup.quiet_hours)))
        for key, printer in state.printers.items()
    }
    return Step(replace(state, limits=limits, limits_trouble=trouble, checks={}, printers=printers))
