"""Who makes what: orders by priority, then age; for each the best printers, greedily. And why somebody got nothing.

Greedy is within 1.3 % of an optimal assignment while there is more to do than printers, and needs no library (docs/decisions).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scheduler.arithmetic import sums, to_allocate
from scheduler.decisions import Allocate
from scheduler.eligibility import (
    FREE,
    HAS_ALLOCATION,
    STANDING,
    ProgramIndex,
    Reason,
    busy_printers,
    index_programs,
    is_put_off,
    no_open_allocation,
    order_reason,
    order_reasons,
    printer_reasons,
    suitable,
)
from scheduler.model import BedState, Farm, Order, PrinterNow, Program, Rules


@dataclass(frozen=True, slots=True)
class Board:
    """Who could work, worked out once for one farm."""

    standing: Sequence[PrinterNow]
    free: Sequence[PrinterNow]  # standing, and may be given an allocation now: idle ones and those that run a job of ours
    programs: ProgramIndex

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
    return Board(standing, free, index_programs(farm.programs.values()))


def in_turn(orders: Iterable[Order]) -> list[Order]:
    """Orders in the order in which they are served: priority, then age."""
    return sorted(orders, key=lambda order: (-order.priority, order.created_at_s, order.id))


def autonomy_s(printer: PrinterNow, rules: Rules) -> float:
    """How long the printer may go on without us: what the farm gives, and no more than its owner allows."""
    most = rules.manual_autonomy_s if printer.by_hand else rules.autonomy_s
    return most if printer.autonomy_s is None else min(most, printer.autonomy_s)


# --- how much --------------------------------------------------------------------------------------------------------------------


def eligible_count(farm: Farm, order: Order, looked: Board) -> int:
    """How many printers could make something for the order, busy or not; at least 1. Printers of one kind are looked at once."""
    kinds = Counter((printer.profile, printer.material, printer.nozzle_mm) for printer in looked.standing)
    samples = {(printer.profile, printer.material, printer.nozzle_mm): printer for printer in looked.standing}
    return max(1, sum(count for kind, count in kinds.items() if suitable(farm, samples[kind], order, looked.programs)))


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
    free = {printer.id: printer for printer in looked.free}
    result: list[Allocate] = []
    for order in in_turn(order for order in farm.orders.values() if order_reason(farm, order) is None):
        if not free:
            break
        remaining = to_allocate(farm, order, totals)
        if remaining > 0:
            result += _serve(farm, order, remaining, looked, free=free, rules=rules)
    return result


def _serve(farm: Farm, order: Order, remaining: int, looked: Board, *, free: dict[str, PrinterNow], rules: Rules) -> list[Allocate]:
    """Give the order printers until nothing of it remains; they leave `free`."""
    choices = {key: programs for key, printer in free.items() if (programs := suitable(farm, printer, order, looked.programs))}
    printers = eligible_count(farm, order, looked)
    result: list[Allocate] = []
    while remaining > 0 and choices:
        picks = {key: best_program(programs, remaining) for key, programs in choices.items()}
        key = min(picks, key=lambda key: _rank(farm, free[key], picks[key], remaining))
        printer, program = free.pop(key), picks[key]
        del choices[key]
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
        self._index = index_programs(farm.programs.values())
        self._busy = busy_printers(farm)
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
        per_order = [order_reasons(self._farm, printer, order, self._index) for order in self._waiting]
        if not all(per_order):
            return []
        return _unique(reason for found in per_order for reason in found)

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
        counts: Counter[Reason] = Counter()
        for printer in farm.printers.values():
            found = order_reasons(farm, printer, order, self._index) or self._taken(printer)
            counts.update(found[:1])
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
