"""Who makes what: orders by priority, then age; for each the best printers, greedily. And why somebody got nothing.

Greedy is within 1.3 % of an optimal assignment while there is more to do than printers, and needs no library (docs/decisions).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from scheduler.arithmetic import sums, to_allocate
from scheduler.decisions import Allocate
from scheduler.eligibility import (
    FREE,
    HAS_ALLOCATION,
    STANDING,
    Kind,
    Reason,
    Suitability,
    busy_printers,
    is_put_off,
    kind_of,
    no_open_allocation,
    order_reason,
    printer_reasons,
)
from scheduler.model import BedState, Farm, Order, PrinterNow, Program, Rules

Turn = tuple[int, float, str]


@dataclass(frozen=True)
class Board:
    """Who could work, worked out once for one farm."""

    standing: Sequence[PrinterNow]
    free: Sequence[PrinterNow]  # standing, and may be given an allocation now: idle ones and those that run a job of ours
    suitability: Suitability

    @cached_property
    def kinds(self) -> list[tuple[PrinterNow, int]]:
        """A sample of every kind of standing printers, and how many there are."""
        counts = Counter(kind_of(printer) for printer in self.standing)
        samples = {kind_of(printer): printer for printer in self.standing}
        return [(samples[kind], number) for kind, number in counts.items()]

    @property
    def idle(self) -> list[PrinterNow]:
        """Free printers that could begin at once."""
        return [printer for printer in self.free if is_idle(printer)]


def is_idle(printer: PrinterNow) -> bool:
    """Whether the printer could begin a job at once."""
    return printer.bed is BedState.CLEAR and printer.ready and not printer.running


def board(farm: Farm, rules: Rules) -> Board:
    """Look at all printers."""
    standing = [printer for printer in farm.printers.values() if not printer_reasons(farm, printer, rules, STANDING)]
    busy = busy_printers(farm)
    rest = tuple(constraint for constraint in FREE if constraint is not no_open_allocation)
    free = [printer for printer in standing if printer.id not in busy and not printer_reasons(farm, printer, rules, rest)]
    return Board(standing, free, Suitability(farm))


class Pool:
    """Printers that may be given something, by kind; within a kind those that could begin at once come first."""

    def __init__(self, farm: Farm, printers: Iterable[PrinterNow]) -> None:
        self._farm = farm
        self._lines: dict[Kind, list[PrinterNow]] = {}
        for printer in sorted(printers, key=lambda printer: (not is_idle(printer), printer.id)):
            self._lines.setdefault(kind_of(printer), []).append(printer)

    def samples(self) -> list[PrinterNow]:
        """One printer of every kind that is left."""
        return [line[0] for line in self._lines.values()]

    def first(self, sample: PrinterNow, program: Program) -> PrinterNow | None:
        """The best printer of a kind for a program; one that lately did not start it comes last. None: all are taken."""
        line = self._lines.get(kind_of(sample), [])
        trusted = (printer for printer in line if not is_put_off(self._farm, printer.id, program.sha256))
        return next(trusted, line[0] if line else None)

    def take(self, printer: PrinterNow) -> None:
        """This printer was given something."""
        line = self._lines[kind_of(printer)]
        line.remove(printer)
        if not line:
            del self._lines[kind_of(printer)]


def in_turn(orders: Iterable[Order]) -> list[Order]:
    """Orders in the order in which they are served: priority, then age."""
    return sorted(orders, key=turn)


def turn(order: Order) -> Turn:
    """The place of an order in that line: the smaller one is served first."""
    return -order.priority, order.created_at_s, order.id


def autonomy_s(printer: PrinterNow, rules: Rules) -> float:
    """How long the printer may go on without us: what the farm gives, and no more than its owner allows."""
    most = rules.manual_autonomy_s if printer.by_hand else rules.autonomy_s
    return most if printer.autonomy_s is None else min(most, printer.autonomy_s)


# --- how much --------------------------------------------------------------------------------------------------------------------


def eligible_count(order: Order, looked: Board) -> int:
    """How many printers could make something for the order, busy or not; at least 1."""
    return max(1, sum(number for sample, number in looked.kinds if looked.suitability.programs(sample, order)))


def jobs_for(program: Program, remaining: int, printers: int, horizon_s: float, rules: Rules) -> int:
    """How many jobs to allocate at once: work for the horizon, but at the tail only a share, so that all finish together."""
    needed = math.ceil(remaining / program.parts)
    horizon = int(horizon_s // max(program.estimated_s, 1.0))
    share = remaining // (rules.guide * printers * program.parts)
    return max(1, min(needed, horizon, share))


def best_program(programs: Sequence[Program], remaining: int) -> Program:
    """The least overshoot when few parts are missing; then the fastest by part."""
    return min(programs, key=lambda program: (overshoot(program, remaining), program.estimated_s / program.parts, program.sha256))


def overshoot(program: Program, remaining: int) -> int:
    """Parts that one job of this program would make too many."""
    return max(0, program.parts - remaining)


# --- who -------------------------------------------------------------------------------------------------------------------------


def allocations(farm: Farm, rules: Rules) -> list[Allocate]:
    """New allocations for what nobody makes yet."""
    looked, totals = board(farm, rules), sums(farm)
    free = Pool(farm, looked.free)
    result: list[Allocate] = []
    for order in in_turn(order for order in farm.orders.values() if order_reason(farm, order) is None):
        if not free.samples():
            break
        remaining = to_allocate(farm, order, totals)
        if remaining > 0:
            result += _serve(farm, order, remaining, looked, free=free, rules=rules)
    return result


def _serve(farm: Farm, order: Order, remaining: int, looked: Board, *, free: Pool, rules: Rules) -> list[Allocate]:
    """Give the order printers until nothing of it remains; they leave `free`."""
    choices = [(sample, programs) for sample in free.samples() if (programs := looked.suitability.programs(sample, order))]
    if not choices:
        return []
    printers = eligible_count(order, looked)
    result: list[Allocate] = []
    while remaining > 0:
        picks = ((sample, best_program(programs, remaining)) for sample, programs in choices)
        heads = [(head, program) for sample, program in picks if (head := free.first(sample, program)) is not None]
        if not heads:
            break
        printer, program = min(heads, key=lambda head: _rank(farm, head[0], head[1], remaining))
        free.take(printer)
        autonomy = autonomy_s(printer, rules)
        jobs = jobs_for(program, remaining, printers, autonomy, rules)
        result.append(Allocate(printer.node, printer.id, order.id, program.sha256, jobs, autonomy))
        remaining -= jobs * program.parts
    return result


def _rank(farm: Farm, printer: PrinterNow, program: Program, remaining: int) -> tuple[bool, bool, int, float, str]:
    put_off = is_put_off(farm, printer.id, program.sha256)
    return (put_off, not is_idle(printer), overshoot(program, remaining), program.estimated_s / program.parts, printer.id)


# --- why not ---------------------------------------------------------------------------------------------------------------------

NOTHING_TO_DO = Reason("nothing-to-do", "No order waits for a printer.", "Aucune commande n'attend d'imprimante.")
WORKING = Reason("printing", "It is printing.", "Elle imprime.")
_WITHOUT_ALLOCATION = tuple(constraint for constraint in (*STANDING, *FREE) if constraint is not no_open_allocation)


class Explainer:
    """Answers for many printers and orders of one farm; what they share is worked out once."""

    def __init__(self, farm: Farm, rules: Rules) -> None:
        self.totals = sums(farm)
        self._farm = farm
        self._rules = rules
        self._suitability = Suitability(farm)
        self._busy = busy_printers(farm)
        self._per_kind: dict[Kind, list[Reason]] = {}
        self._per_revision: dict[str, list[Reason]] = {}
        served = in_turn(order for order in farm.orders.values() if order_reason(farm, order) is None)
        self._waiting = [order for order in served if to_allocate(farm, order, self.totals) > 0]

    def printer(self, printer: PrinterNow) -> list[Reason]:
        """Why this printer would not start a job now; empty when it would."""
        if printer.running and printer.job is not None:
            return [WORKING]
        reasons = printer_reasons(self._farm, printer, self._rules, _WITHOUT_ALLOCATION)
        if reasons or printer.id in self._busy:
            return reasons
        if not self._waiting:
            return [NOTHING_TO_DO]
        kind = kind_of(printer)
        if kind not in self._per_kind:
            self._per_kind[kind] = self._no_order(printer)
        return self._per_kind[kind]

    def _no_order(self, printer: PrinterNow) -> list[Reason]:
        """Why no order that waits is for printers of this kind."""
        orders = {order.revision: order for order in self._waiting}
        per_order = [self._suitability.reasons(printer, order) for order in orders.values()]
        return _unique(reason for found in per_order for reason in found) if all(per_order) else []

    def order(self, order: Order) -> list[Reason]:
        """Why nobody makes what is left of this order; empty when nothing is left to give away."""
        farm = self._farm
        if order_reason(farm, order) is not None or to_allocate(farm, order, self.totals) == 0:
            return []
        if not any(program.revision == order.revision for program in farm.programs.values()):
            return [
                Reason(
                    "no-program",
                    f"No program prints revision {order.revision}.",
                    f"Aucun programme n'imprime la révision {order.revision}.",
                )
            ]
        if not farm.printers:
            return [Reason("no-printer", "No printer has reported yet.", "Aucune imprimante ne s'est encore annoncée.")]
        if order.revision not in self._per_revision:
            self._per_revision[order.revision] = self._no_printer(order)
        return self._per_revision[order.revision]

    def _no_printer(self, order: Order) -> list[Reason]:
        """Why no printer is free for orders of this revision."""
        counts: Counter[Reason] = Counter()
        for printer in self._farm.printers.values():
            counts.update((self._suitability.reasons(printer, order) or self._taken(printer))[:1])
        return [_counted(reason, count) for reason, count in counts.most_common()]

    def _taken(self, printer: PrinterNow) -> list[Reason]:
        reasons = printer_reasons(self._farm, printer, self._rules, _WITHOUT_ALLOCATION)
        return reasons or ([HAS_ALLOCATION] if printer.id in self._busy else [])


def explain(farm: Farm, printer: PrinterNow, rules: Rules) -> list[Reason]:
    """Why this printer would not start a job now; empty when it would."""
    return Explainer(farm, rules).printer(printer)


def explain_order(farm: Farm, order: Order, rules: Rules) -> list[Reason]:
    """Why nobody makes what is left of this order; empty when nothing is left to give away."""
    return Explainer(farm, rules).order(order)


def _counted(reason: Reason, count: int) -> Reason:
    return Reason(
        reason.code,
        f"{count} printer{'s' if count > 1 else ''}: {reason.en}",
        f"{count} imprimante{'s' if count > 1 else ''} : {reason.fr}",
    )


def _unique(reasons: Iterable[Reason]) -> list[Reason]:
    return list(dict.fromkeys(reasons))
