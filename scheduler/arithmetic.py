"""What an order still needs (docs/protocol.md, "Daemon's arithmetic").

    to_allocate = quantity - good - expected
    expected    = parts of unstarted jobs of allocations not freed + parts of started jobs not yet collected nor written off

Stock is credited to orders as soon as it can be (`scheduler.reconcile`), so it is part of `good` and nothing stays reserved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.model import Allocation, Farm, Job, Order, Revision, Rules


@dataclass(slots=True)
class Sums:
    """Parts by order."""

    expected: dict[str, int] = field(default_factory=dict)
    leaving: dict[str, int] = field(default_factory=dict)  # withdrawn, but the node has not confirmed it yet

    def add_allocation(self, allocation: Allocation) -> None:
        """Count the jobs of an allocation that have not begun."""
        if allocation.unstarted:
            parts = allocation.unstarted * allocation.parts
            self.expected[allocation.order] = self.expected.get(allocation.order, 0) + parts
        if held_back := leaving_jobs(allocation):
            self.leaving[allocation.order] = self.leaving.get(allocation.order, 0) + held_back * allocation.parts

    def add_job(self, job: Job) -> None:
        """Count a job that has begun."""
        if job.expected_parts:
            self.expected[job.order] = self.expected.get(job.order, 0) + job.expected_parts


def leaving_jobs(allocation: Allocation) -> int:
    """Jobs that were withdrawn and are still expected, because the node may have started them before it heard."""
    return max(0, allocation.held - max(allocation.jobs, allocation.started))


def sums(farm: Farm) -> Sums:
    """All orders' parts in one pass."""
    result = Sums()
    for allocation in farm.allocations.values():
        result.add_allocation(allocation)
    for job in farm.jobs.values():
        result.add_job(job)
    return result


def expected(farm: Farm, order: str) -> int:
    """Parts that are being made for an order, or that a node may make. Never negative."""
    return sums(farm).expected.get(order, 0)


def wanted(order: Order, revisions: Mapping[str, Revision]) -> int:
    """How many parts of an order should exist at all: none of a recalled revision, none for an order that was taken back."""
    revision = revisions.get(order.revision)
    recalled = revision is not None and revision.recalled
    return order.good if order.cancelled or recalled else order.quantity


def balance(farm: Farm, order: Order, totals: Sums) -> int:
    """Parts that nobody makes yet; negative when more are expected than wanted."""
    return wanted(order, farm.revisions) - order.good - totals.expected.get(order.id, 0)


def to_allocate(farm: Farm, order: Order, totals: Sums | None = None) -> int:
    """Parts that a printer should be given. Never negative."""
    return max(0, balance(farm, order, totals if totals is not None else sums(farm)))


def surplus(farm: Farm, order: Order, totals: Sums) -> int:
    """Parts that are expected but not wanted, without those that are being taken back already. Never negative."""
    return max(0, -balance(farm, order, totals) - totals.leaving.get(order.id, 0))


def due_at_s(farm: Farm, printer: str, remaining_s: float, now_s: float, rules: Rules) -> float:
    """When a job is written off: `remaining_s` of printing + 25 % + 2 x the usual clearing time + 15 minutes from now.

    A maker who prints by hand collects when there is time: for them clearing takes as long as their autonomy.
    """
    known = farm.printers.get(printer)
    clearing_s = rules.manual_autonomy_s / 2 if known is not None and known.by_hand else rules.clearing_s
    return now_s + remaining_s * (1 + rules.write_off_ratio) + 2 * clearing_s + rules.write_off_slack_s
