"""What should happen next: a pure function over an ordered table of rules. Each rule sees what the ones before it decided."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Final

from scheduler.arithmetic import balance, due_at_s, leaving_jobs, sums, surplus, to_allocate
from scheduler.decisions import Allocate, Confirm, Decision, Free, UseStock, Why, Withdraw, WriteOff, carry_out
from scheduler.draft import Draft
from scheduler.eligibility import (
    Kind,
    bed_clear,
    is_put_off,
    is_suspect,
    kind_of,
    order_reason,
    prints_ours,
    program_reasons,
)
from scheduler.matching import Turn, allocations, board, in_turn, is_idle, turn
from scheduler.model import Allocation, BedState, Farm, NodeNow, Order, PrinterNow, Rules

_NOBODY: Final[Turn] = (sys.maxsize, math.inf, "")  # after all orders
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
    """Idle printers for which nothing is left to allocate, and who may take a unit that another printer holds.

    `over_lesser`: printers that only less urgent orders would get are among them, for orders that come before those.
    """

    def __init__(self, farm: Farm, rules: Rules, *, over_lesser: bool = False) -> None:
        self._farm = farm
        self._board = board(farm, rules)
        self._rivals = self._first_served() if self._board.idle else {}
        idle = [printer for printer in self._board.idle if over_lesser or self._rivals[printer.id] is None]
        self._idle = sorted(idle, key=lambda printer: self._rivals[printer.id] is not None)
        self._last_rivals: dict[str, Turn | None] = {}  # by revision
        # what is on its way back already serves some of them
        coming = (
            [(item, leaving_jobs(item), over_lesser) for item in _leaving(farm, rules) if self.may_serve(item)]
            if self._idle
            else []
        )
        for _ in self.take_in_turn(coming):
            pass

    def may_serve(self, allocation: Allocation) -> bool:
        """Whether it is worth to look closer: its order is before some order that an idle printer of a fitting kind would serve."""
        order = self._farm.orders.get(allocation.order)
        if order is None:
            return False
        if order.revision not in self._last_rivals:
            kinds = {kind_of(printer): printer for printer in self._idle}
            fitting = {kind for kind, sample in kinds.items() if self._board.suitability.programs(sample, order)}
            rivals = (self._rivals[printer.id] or _NOBODY for printer in self._idle if kind_of(printer) in fitting)
            self._last_rivals[order.revision] = max(rivals, default=None)
        last = self._last_rivals[order.revision]
        return last is not None and turn(order) < last

    @property
    def waits(self) -> bool:
        """Whether any printer is left that may take a unit."""
        return bool(self._idle)

    def _first_served(self) -> dict[str, Turn | None]:
        """For every idle printer the first of the orders that wait for it."""
        farm, totals = self._farm, sums(self._farm)
        waiting: dict[str, tuple[Turn, Order]] = {}  # the first of each revision: what suits depends on that only
        for order in farm.orders.values():
            if order_reason(farm, order) is None and to_allocate(farm, order, totals):
                found = waiting.get(order.revision)
                if found is None or turn(order) < found[0]:
                    waiting[order.revision] = turn(order), order
        line = sorted(waiting.values(), key=lambda item: item[0])
        offered: dict[Kind, list[tuple[Turn, Order]]] = {}
        for printer in self._board.idle:
            if kind_of(printer) not in offered:
                programs = self._board.suitability.programs
                offered[kind_of(printer)] = [item for item in line if programs(printer, item[1])]
        return {
            printer.id: next((place for place, order in offered[kind_of(printer)] if self._suits(printer, order)), None)
            for printer in self._board.idle
        }

    def _suits(self, printer: PrinterNow, order: Order) -> bool:
        programs = self._board.suitability.programs(printer, order)
        return any(not is_put_off(self._farm, printer.id, program.sha256) for program in programs)

    def take(self, order_id: str, holder: str, jobs: int, *, over_lesser: bool = False) -> int:
        """Promise up to `jobs` units of an order to idle printers other than the holder; return how many were promised."""
        order = self._farm.orders.get(order_id)
        if order is None or jobs <= 0 or not self._idle or order_reason(self._farm, order) is not None:
            return 0
        suiting = (
            printer.id
            for printer in self._idle
            if printer.id != holder and self._yields(printer, order, over_lesser=over_lesser) and self._suits(printer, order)
        )
        takers = set(islice(suiting, jobs))
        if takers:
            self._idle = [printer for printer in self._idle if printer.id not in takers]
        return len(takers)

    def _yields(self, printer: PrinterNow, order: Order, *, over_lesser: bool) -> bool:
        """Whether nobody whom the order may not overtake would get the printer."""
        rival = self._rivals[printer.id]
        return rival is None or (over_lesser and turn(order) < rival)

    def take_in_turn(self, asked: Iterable[tuple[Allocation, int, bool]]) -> Iterator[tuple[Allocation, int]]:
        """Serve (allocation, jobs, over lesser orders) by their orders' turn, then the newest first; yield what each was promised.

        Where an order found too few printers, a later one of the same revision finds none. That holds whoever the holder is: who
        holds unstarted jobs is not idle.
        """
        orders = self._farm.orders
        wanted = (item for item in asked if item[0].order in orders and order_reason(self._farm, orders[item[0].order]) is None)
        known = [(turn(orders[item[0].order]), _newest_first(item[0]), item) for item in wanted]
        found_none: set[tuple[str, bool]] = set()
        for _turn, _age, (allocation, jobs, over_lesser) in sorted(known, key=lambda entry: entry[:2]):
            key = (orders[allocation.order].revision, over_lesser)
            if not self._idle:
                return
            if key in found_none:
                continue
            taken = self.take(allocation.order, allocation.printer, jobs, over_lesser=over_lesser)
            if taken < jobs:
                found_none.add(key)
            if taken:
                yield allocation, taken


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
    """The node was removed, the printer moved to another node, or it no longer suits the program: nothing more may start.

    Nor of a program for which nobody answers any more, also where nobody knows just now whether the printer is there.
    """
    for allocation in farm.allocations.values():
        if allocation.jobs > allocation.started and not _may_go_on(farm, allocation):
            yield Withdraw(allocation.id, allocation.started, Why.NOT_ALLOWED)


def _may_go_on(farm: Farm, allocation: Allocation) -> bool:
    record, printer = farm.node_records.get(allocation.node), farm.printers.get(allocation.printer)
    program = farm.programs.get(allocation.program)
    if (record is not None and record.revoked) or (program is not None and not program.usable):
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
    if node is None or record is None or not _was_told(farm, allocation):
        return False
    return node.reported_epoch == record.epoch and node.reported_head <= record.seq


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
    """Unstarted jobs of live nodes that cannot begin them soon go to printers that idle; orders are asked for in turn.

    At the tail that is all. Before it, an order that waits for a blocked printer goes before less urgent ones on the free printers.
    """
    tail = Tail(farm, rules, over_lesser=True)
    if not tail.waits:
        return
    stalled = [
        (item, item.jobs - item.started, _is_blocked(farm, item, rules, now_s))
        for item in farm.allocations.values()
        if item.jobs > item.started
        and tail.may_serve(item)
        and not _suspect(farm, item.node, rules)
        and _is_stalled(farm, item, rules, now_s)
    ]
    for allocation, jobs in tail.take_in_turn(stalled):
        yield Withdraw(allocation.id, allocation.jobs - jobs, Why.TAKEN_BACK)


def _is_stalled(farm: Farm, allocation: Allocation, rules: Rules, now_s: float) -> bool:
    """Its printer is busy, blocked, or has not begun within a few minutes."""
    printer = farm.printers.get(allocation.printer)
    if printer is None or printer.node != allocation.node or printer.bed is not BedState.CLEAR or printer.running:
        return True
    return now_s - allocation.created_at_s > rules.start_patience_s


def _is_blocked(farm: Farm, allocation: Allocation, rules: Rules, now_s: float) -> bool:
    """Its printer has been unable to go on for a few minutes: nobody clears the bed, or it does not begin what it could.

    A printer that works through its jobs is not blocked: what it was given is its share of the order.
    """
    printer = farm.printers.get(allocation.printer)
    since_s = allocation.created_at_s
    if printer is not None and printer.node == allocation.node:
        if prints_ours(printer) and bed_clear(farm, printer, rules) is None:
            return False
        job, began = farm.jobs.get(printer.job or ""), allocation.started
        if job is not None:
            since_s = max(since_s, job.due_at_s - due_at_s(farm, printer.id, job.estimated_s, -job.estimated_s, rules))
        elif is_idle(printer) and began:
            since_s += began * due_at_s(farm, printer.id, allocation.estimated_s, 0.0, rules)
    return now_s - since_s > rules.start_patience_s


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
    if farm.restored and not settled_in(farm, rules):
        return []
    found = allocations(farm, rules)
    kept = _kept(farm, rules, found) if found else set()
    return [decision for decision in found if decision.printer not in kept]


def _kept(farm: Farm, rules: Rules, found: list[Allocate]) -> set[str]:
    """Printers that less urgent orders do not get yet: a unit of another order is on its way back for each of them.

    Until its node shows that it was told; one that does not is suspect soon. Without this the unit would come back to find that
    every printer but the blocked one has work for hours.
    """
    coming = _coming(farm, rules)
    if not coming:
        return set()
    looked = board(farm, rules)
    given = {decision.printer: turn(farm.orders[decision.order]) for decision in found}
    idle = sorted(looked.idle, key=lambda printer: printer.id in given)
    kept: set[str] = set()
    for order, jobs in coming:
        suiting = (
            printer.id
            for printer in idle
            if (printer.id not in given or turn(order) < given[printer.id])
            and any(not is_put_off(farm, printer.id, program.sha256) for program in looked.suitability.programs(printer, order))
        )
        keeps = set(islice(suiting, jobs))
        idle = [printer for printer in idle if printer.id not in keeps] if keeps else idle
        kept |= keeps
    return kept


def _coming(farm: Farm, rules: Rules) -> list[tuple[Order, int]]:
    """Orders in turn, and how many units that they still need are on their way back from nodes that were not told yet."""
    jobs: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for item in _leaving(farm, rules):
        if not _was_told(farm, item):
            jobs[item.order] += leaving_jobs(item)
            parts[item.order] = max(parts[item.order], item.parts)
    if not jobs:
        return []
    totals, result = sums(farm), []
    for order in in_turn(farm.orders[key] for key in jobs if key in farm.orders):
        needed = balance(farm, order, totals) + totals.leaving.get(order.id, 0)
        if needed > 0 and order_reason(farm, order) is None:
            result.append((order, min(jobs[order.id], math.ceil(needed / parts[order.id]))))
    return result


def _was_told(farm: Farm, allocation: Allocation) -> bool:
    """Whether the node's newest report shows the lower ceiling: what is missing then is only its journal."""
    node = farm.nodes.get(allocation.node)
    if node is None or node.reported is None or allocation.withdrawn is None:
        return False
    return node.reported.generation == farm.generation and node.reported >= allocation.withdrawn


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


def _leaving(farm: Farm, rules: Rules) -> list[Allocation]:
    """Allocations with jobs on their way back from a live node."""
    return [item for item in farm.allocations.values() if leaving_jobs(item) and not _suspect(farm, item.node, rules)]


def _newest_first(allocation: Allocation) -> tuple[float, str]:
    return -allocation.created_at_s, allocation.id


def _silent_s(farm: Farm, node: str) -> float:
    now: NodeNow | None = farm.nodes.get(node)
    return farm.uptime_s if now is None else now.silent_s


def _suspect(farm: Farm, node: str, rules: Rules) -> bool:
    now = farm.nodes.get(node)
    return now is None or is_suspect(now, rules)
