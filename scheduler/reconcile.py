"""What should happen next: a pure function over an ordered table of rules. Each rule sees what the ones before it decided."""

from collections.abc import Callable, Iterable
from itertools import count, islice
from typing import Final

from scheduler.arithmetic import leaving_jobs, sums, surplus, to_allocate
from scheduler.decisions import Allocate, Confirm, Decision, Free, UseStock, Why, Withdraw, WriteOff, carry_out
from scheduler.draft import Draft
from scheduler.eligibility import Kind, is_put_off, is_suspect, kind_of, order_reason, program_reasons
from scheduler.matching import allocations, board, in_turn
from scheduler.model import Allocation, BedState, Farm, NodeNow, Order, PrinterNow, Rules

Rule = Callable[[Farm, Rules, float], Iterable[Decision]]


def reconcile(farm: Farm, rules: Rules, now_s: float) -> list[Decision]:
    """All decisions that this farm calls for, in the order in which they must be carried out. `now_s` is the steady clock."""
    draft, numbers = Draft(farm), count()
    decisions: list[Decision] = []
    for rule in TABLE:
        for decision in list(rule(draft.farm, rules, now_s)):
            carry_out(draft, decision, now_s, lambda: f"new-{next(numbers)}")
            decisions.append(decision)
    return decisions


def settled_in(farm: Farm, rules: Rules) -> bool:
    """Whether the daemon has listened for one heartbeat round since its start: before, silence means nothing."""
    return farm.uptime_s >= rules.suspect_after_s


class Tail:
    """Idle printers for which nothing is left to allocate, and who may take a unit that another printer holds."""

    def __init__(self, farm: Farm, rules: Rules) -> None:
        self._farm = farm
        self._board = board(farm, rules)
        self._idle = self._unserved() if self._board.idle else []
        for allocation in farm.allocations.values() if self._idle else ():
            if not _suspect(farm, allocation.node, rules):  # what is on its way back already serves some of them
                self.take(allocation.order, allocation.printer, leaving_jobs(allocation))

    @property
    def waits(self) -> bool:
        """Whether any printer is left that may take a unit."""
        return bool(self._idle)

    def _unserved(self) -> list[PrinterNow]:
        farm, totals = self._farm, sums(self._farm)
        waiting = {
            order.revision: order
            for order in farm.orders.values()
            if order_reason(farm, order) is None and to_allocate(farm, order, totals)
        }  # what suits depends on the revision only
        offered: dict[Kind, list[Order]] = {}
        for printer in self._board.idle:
            if kind_of(printer) not in offered:
                programs = self._board.suitability.programs
                offered[kind_of(printer)] = [order for order in waiting.values() if programs(printer, order)]
        return [
            printer for printer in self._board.idle if not any(self._suits(printer, order) for order in offered[kind_of(printer)])
        ]

    def _suits(self, printer: PrinterNow, order: Order) -> bool:
        programs = self._board.suitability.programs(printer, order)
        return any(not is_put_off(self._farm, printer.id, program.sha256) for program in programs)

    def take(self, order_id: str, holder: str, jobs: int) -> int:
        """Promise up to `jobs` units of an order to idle printers other than the holder; return how many were promised."""
        order = self._farm.orders.get(order_id)
        if order is None or jobs <= 0 or not self._idle or order_reason(self._farm, order) is not None:
            return 0
        suiting = (printer.id for printer in self._idle if printer.id != holder and self._suits(printer, order))
        takers = set(islice(suiting, jobs))
        self._idle = [printer for printer in self._idle if printer.id not in takers]
        return len(takers)


# --- the rules -------------------------------------------------------------------------------------------------------------------


def stock_to_orders(farm: Farm, _rules: Rules, _now_s: float) -> Iterable[Decision]:
    """What is made already goes to whoever waits for it."""
    left = {revision: stock.parts for revision, stock in farm.stock.items()}
    for order in in_turn(farm.orders.values()):
        parts = min(order.owed, left.get(order.revision, 0))
        if parts > 0 and order_reason(farm, order) is None:
            left[order.revision] -= parts
            yield UseStock(order.id, parts)


def not_allowed(farm: Farm, _rules: Rules, _now_s: float) -> Iterable[Decision]:
    """The node was removed, the printer moved to another node, or it no longer suits the program: nothing more may start."""
    for allocation in farm.allocations.values():
        if allocation.jobs > allocation.started and not _may_go_on(farm, allocation):
            yield Withdraw(allocation.id, allocation.started, Why.NOT_ALLOWED)


def _may_go_on(farm: Farm, allocation: Allocation) -> bool:
    record, printer = farm.node_records.get(allocation.node), farm.printers.get(allocation.printer)
    program = farm.programs.get(allocation.program)
    if record is not None and record.revoked:
        return False
    if printer is None or program is None:
        return True
    return printer.node == allocation.node and printer.profile == program.profile and not program_reasons(farm, printer, program)


def over_allocation(farm: Farm, _rules: Rules, _now_s: float) -> Iterable[Decision]:
    """More is expected than wanted: take unstarted jobs back, newest allocations first. Running prints are left alone."""
    totals = sums(farm)
    excess = {order.id: surplus(farm, order, totals) for order in farm.orders.values()}
    closed = {order.id for order in farm.orders.values() if order_reason(farm, order) is not None}
    concerned = closed | {order for order, parts in excess.items() if parts}
    held = (item for item in farm.allocations.values() if item.order in concerned and item.jobs > item.started)
    for allocation in sorted(held, key=_newest_first):
        unstarted = allocation.jobs - allocation.started
        jobs = unstarted if allocation.order in closed else min(unstarted, excess.get(allocation.order, 0) // allocation.parts)
        if jobs > 0:
            excess[allocation.order] -= jobs * allocation.parts
            yield Withdraw(allocation.id, allocation.jobs - jobs, Why.NOT_NEEDED)


def confirmed(farm: Farm, rules: Rules, _now_s: float) -> Iterable[Decision]:
    """A report shows the lower ceiling, and the journal is committed up to that report's head: nothing hides behind it.

    Nor do jobs that were freed without a word of the node come any more: what it started of them it has told.
    """
    if not settled_in(farm, rules):
        return
    for allocation in farm.allocations.values():
        if (leaving_jobs(allocation) or allocation.lost) and _has_confirmed(farm, allocation):
            yield Confirm(allocation.id)


def _has_confirmed(farm: Farm, allocation: Allocation) -> bool:
    node, record = farm.nodes.get(allocation.node), farm.node_records.get(allocation.node)
    if node is None or record is None or node.reported is None or allocation.withdrawn is None:
        return False
    shown = node.reported.generation == farm.generation and node.reported >= allocation.withdrawn
    return shown and node.reported_epoch == record.epoch and node.reported_head <= record.seq


def lapsed(farm: Farm, rules: Rules, _now_s: float) -> Iterable[Decision]:
    """The lease ended: the node starts nothing more until it is heard again."""
    if not settled_in(farm, rules):
        return
    for allocation in farm.allocations.values():
        if allocation.unstarted and _silent_s(farm, allocation.node) > allocation.autonomy_s + rules.lapse_margin_s:
            yield Free(allocation.id, allocation.started, Why.LAPSED)


def overdue(farm: Farm, rules: Rules, now_s: float) -> Iterable[Decision]:
    """A job is long past its end, its node silent or not: nobody will collect it in time."""
    if not settled_in(farm, rules):
        return
    for job in farm.jobs.values():
        if job.expected_parts and now_s > job.due_at_s:
            yield WriteOff(job.id, Why.OVERDUE)


def taken_back(farm: Farm, rules: Rules, now_s: float) -> Iterable[Decision]:
    """At the tail: unstarted jobs of live nodes that cannot begin them soon go to printers that idle."""
    tail = Tail(farm, rules)
    if not tail.waits:
        return
    for allocation in sorted(farm.allocations.values(), key=_newest_first):
        unstarted = allocation.jobs - allocation.started
        if unstarted > 0 and not _suspect(farm, allocation.node, rules) and _is_stalled(farm, allocation, rules, now_s):
            jobs = tail.take(allocation.order, allocation.printer, unstarted)
            if jobs:
                yield Withdraw(allocation.id, allocation.jobs - jobs, Why.TAKEN_BACK)


def _is_stalled(farm: Farm, allocation: Allocation, rules: Rules, now_s: float) -> bool:
    """Its printer is busy, blocked, or has not begun within a few minutes."""
    printer = farm.printers.get(allocation.printer)
    if printer is None or printer.node != allocation.node or printer.bed is not BedState.CLEAR or printer.running:
        return True
    return now_s - allocation.created_at_s > rules.start_patience_s


def hedged(farm: Farm, rules: Rules, _now_s: float) -> Iterable[Decision]:
    """A node is silent for long and printers idle: one unit for each of them is made again, wherever the first one is."""
    if not settled_in(farm, rules):
        return
    tail = Tail(farm, rules)
    if not tail.waits:
        return
    after_s = rules.suspect_after_s + rules.hedge_after_s
    for allocation in farm.allocations.values():
        if allocation.unstarted and _silent_s(farm, allocation.node) > after_s:
            jobs = tail.take(allocation.order, allocation.printer, allocation.unstarted)
            if jobs:
                yield Free(allocation.id, allocation.held - jobs, Why.HEDGED)
    for job in farm.jobs.values():
        if job.expected_parts and _silent_s(farm, job.node) > after_s and tail.take(job.order, job.printer, 1):
            yield WriteOff(job.id, Why.HEDGED)


def new_allocations(farm: Farm, rules: Rules, _now_s: float) -> Iterable[Allocate]:
    """What nobody makes yet. After a restore it is known only when the nodes have had a heartbeat round to tell what they make."""
    return [] if farm.restored and not settled_in(farm, rules) else allocations(farm, rules)


TABLE: Final[tuple[Rule, ...]] = (
    stock_to_orders,
    not_allowed,
    over_allocation,
    confirmed,
    lapsed,
    overdue,
    taken_back,
    hedged,
    new_allocations,
)


# --- helpers ---------------------------------------------------------------------------------------------------------------------


def _newest_first(allocation: Allocation) -> tuple[float, str]:
    return -allocation.created_at_s, allocation.id


def _silent_s(farm: Farm, node: str) -> float:
    now: NodeNow | None = farm.nodes.get(node)
    return farm.uptime_s if now is None else now.silent_s


def _suspect(farm: Farm, node: str, rules: Rules) -> bool:
    now = farm.nodes.get(node)
    return now is None or is_suspect(now, rules)
