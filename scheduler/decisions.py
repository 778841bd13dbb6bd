"""What a scheduler may decide, and how a decision changes the farm.

The reconciler tries a decision out with the same function that the daemon carries it out with.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from scheduler.draft import Draft
from scheduler.lifecycle import add_stock, credit, free
from scheduler.model import Allocation, BedState, Farm


class Why(StrEnum):
    """The reason of a decision, for logs and people."""

    IN_STOCK = "in-stock"
    NOT_NEEDED = "not-needed"  # the order was reduced, cancelled, met otherwise, or its revision recalled
    NOT_ALLOWED = "not-allowed"  # the node was revoked
    CONFIRMED = "confirmed"
    LAPSED = "lapsed"
    OVERDUE = "overdue"
    TAKEN_BACK = "taken-back"
    HEDGED = "hedged"


@dataclass(frozen=True, slots=True)
class UseStock:
    """Credit parts of the stock to an order."""

    order: str
    parts: int
    why: Why = Why.IN_STOCK


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Publish a lower ceiling; the jobs stay expected until the node confirms."""

    allocation: str
    jobs: int
    why: Why


@dataclass(frozen=True, slots=True)
class Confirm:
    """The node has confirmed a withdrawal: count on no more than its ceiling."""

    allocation: str
    why: Why = Why.CONFIRMED


@dataclass(frozen=True, slots=True)
class Free:
    """Count on `held` jobs only although the node has confirmed nothing; what it starts beyond them returns as late parts."""

    allocation: str
    held: int
    why: Why


@dataclass(frozen=True, slots=True)
class WriteOff:
    """Expect nothing more of a job; if its parts come they count all the same."""

    job: str
    why: Why


@dataclass(frozen=True, slots=True)
class Allocate:
    """Let a printer start up to `jobs` jobs of a program for an order. Who carries it out gives it an id."""

    node: str
    printer: str
    order: str
    program: str
    jobs: int
    autonomy_s: float


Decision = UseStock | Withdraw | Confirm | Free | WriteOff | Allocate


def carry_out(draft: Draft, decision: Decision, now_s: float, new_id: Callable[[], str], *, wall_s: float | None = None) -> None:
    """Change the draft as `decision` says. `now_s` is the clock of `reconcile`, `wall_s` the one that people are shown."""
    farm = draft.farm
    match decision:
        case UseStock():
            order = farm.orders[decision.order]
            credit(draft, order, decision.parts, now_s if wall_s is None else wall_s)
            add_stock(draft, order.revision, -decision.parts)
        case Withdraw():
            allocation = farm.allocations[decision.allocation]
            version = draft.raise_version(allocation.node)
            draft.put(replace(allocation, jobs=decision.jobs, withdrawn=version))
            if decision.why is Why.TAKEN_BACK and _was_declined(farm, allocation):
                draft.decline(allocation.printer, allocation.program)
        case Confirm():
            allocation = farm.allocations[decision.allocation]
            draft.put(replace(allocation, held=max(allocation.jobs, allocation.started), lost=0))
        case Free():
            free(draft, decision.allocation, decision.held)
        case WriteOff():
            draft.put(replace(farm.jobs[decision.job], written_off=True))
        case Allocate():
            _allocate(draft, decision, now_s, new_id())


def _was_declined(farm: Farm, allocation: Allocation) -> bool:
    """Whether the printer could have begun and did not: its node cannot fetch the file, or its hands are elsewhere."""
    printer = farm.printers.get(allocation.printer)
    idle = printer is not None and printer.node == allocation.node and printer.bed is BedState.CLEAR and not printer.running
    return idle and allocation.started == 0


def _allocate(draft: Draft, decision: Allocate, now_s: float, key: str) -> None:
    program = draft.farm.programs[decision.program]
    draft.raise_version(decision.node)
    draft.put(
        Allocation(
            id=key,
            node=decision.node,
            printer=decision.printer,
            order=decision.order,
            revision=program.revision,
            program=program.sha256,
            parts=program.parts,
            estimated_s=program.estimated_s,
            jobs=decision.jobs,
            held=decision.jobs,
            autonomy_s=decision.autonomy_s,
            created_at_s=now_s,
        )
    )
