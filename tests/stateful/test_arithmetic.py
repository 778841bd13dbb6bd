"""What is decided for any farm at all: also for farms that no history of ours would lead to.

The rules are looked at from outside: each decision alone, in the order in which it is carried out; then all of them together.
Orders must be served by whoever can, no printer may be given what it cannot do, and deciding again must come to rest.
"""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from scheduler.arithmetic import balance, expected, leaving_jobs, sums, surplus, to_allocate
from scheduler.decisions import Allocate, Confirm, Decision, Free, UseStock, Why, Withdraw, WriteOff, carry_out
from scheduler.draft import Draft
from scheduler.facts import Batch, JobCollected, JobEnded, JobReference, JobStarted
from scheduler.lifecycle import take_batch
from scheduler.matching import explain, explain_order
from scheduler.model import (
    Allocation,
    BedState,
    DesiredVersion,
    Farm,
    Job,
    JobOutcome,
    Order,
    PrinterNow,
    Program,
)
from scheduler.reconcile import reconcile
from tests.stateful.any_farm import GENERATION, NOW_S, RULES, any_farm
from tests.stateful.effort import effort


def carried_out(farm: Farm, decisions: list[Decision]) -> Farm:
    draft = Draft(farm)
    for number, decision in enumerate(decisions):
        carry_out(draft, decision, NOW_S, lambda number=number: f"new-{len(farm.allocations)}-{number}")  # type: ignore[misc]  # as below
    return draft.farm


def steps(farm: Farm) -> list[tuple[Farm, Decision, Farm]]:
    """Every decision with the farm before it and after it."""
    result, draft, before = [], Draft(farm), farm
    for number, decision in enumerate(reconcile(farm, RULES, NOW_S)):
        carry_out(draft, decision, NOW_S, lambda number=number: f"new-{number}")  # type: ignore[misc]  # mypy cannot infer it
        after = draft.farm
        tables: dict[str, Any] = {
            name: dict(getattr(after, name)) for name in ("orders", "allocations", "jobs", "stock", "node_records")
        }
        after = replace(after, **tables)
        result.append((before, decision, after))
        before = after
    return result


# --- plain words for the rules, without the code that is tested ------------------------------------------------------------------


def parts_expected(farm: Farm, order: str) -> int:
    waiting = sum((item.held - item.started) * item.parts for item in farm.allocations.values() if item.order == order)
    begun = sum(
        job.parts for job in farm.jobs.values() if job.order == order and job.collected_at_s is None and not job.written_off
    )
    return waiting + begun


def parts_missing(farm: Farm, order: Order) -> int:
    if order.cancelled or farm.revisions[order.revision].recalled:
        return -parts_expected(farm, order.id)
    return order.quantity - order.good - parts_expected(farm, order.id)


def is_wanted(farm: Farm, order: Order) -> bool:
    return not order.cancelled and not farm.revisions[order.revision].recalled and order.good < order.quantity


def can_print(printer: PrinterNow, made: Program) -> bool:
    same_filament = printer.material.strip().lower() == made.material.strip().lower()
    return printer.profile == made.profile and same_filament and printer.nozzle_mm == made.nozzle_mm and made.width_mm <= 200


def is_trusted(farm: Farm, node: str) -> bool:
    """Its node belongs to us, has told everything, and was heard within three reports."""
    now = farm.nodes.get(node)
    return not farm.node_records[node].revoked and now is not None and now.replayed and now.online and now.silent_s <= 90.0


def may_be_given_more(farm: Farm, printer: PrinterNow) -> bool:
    holds = any(item.printer == printer.id and item.held > item.started for item in farm.allocations.values())
    prints_ours = printer.running and printer.job is not None
    job = farm.jobs.get(printer.job or "")
    ahead = prints_ours and (job is None or not job.written_off)
    fit = printer.ready if printer.bed is BedState.CLEAR else ahead
    return fit and not holds and is_trusted(farm, printer.node)


# --- each decision alone ---------------------------------------------------------------------------------------------------------


def check_stock(before: Farm, decision: UseStock, after: Farm) -> None:
    order = before.orders[decision.order]
    assert decision.parts > 0
    assert decision.parts <= before.stock[order.revision].parts
    assert is_wanted(before, order)
    assert order.good + decision.parts == after.orders[order.id].good <= order.quantity
    assert after.stock[order.revision].parts == before.stock[order.revision].parts - decision.parts


def check_withdraw(before: Farm, decision: Withdraw, after: Farm) -> None:
    old, new = before.allocations[decision.allocation], after.allocations[decision.allocation]
    assert old.started <= new.jobs < old.jobs, "a withdrawal only lowers, and leaves alone what has begun"
    assert new.held == old.held, "what is withdrawn is expected until the node confirms"
    assert new.withdrawn == DesiredVersion(GENERATION, after.node_records[old.node].version)
    assert after.node_records[old.node].version > 4, "published under a newer version"
    if decision.why is Why.NOT_NEEDED:
        order = before.orders.get(old.order)
        if order is not None and is_wanted(before, order):
            assert (old.jobs - new.jobs) * old.parts <= -parts_missing(before, order), "more was taken back than is too much"
    if decision.why is Why.TAKEN_BACK:
        assert is_trusted_enough(before, old.node)


def is_trusted_enough(farm: Farm, node: str) -> bool:
    now = farm.nodes.get(node)
    return now is not None and now.online and now.silent_s <= 90.0


def check_confirm(before: Farm, decision: Confirm, after: Farm) -> None:
    old, new = before.allocations[decision.allocation], after.allocations[decision.allocation]
    node, record = before.nodes[old.node], before.node_records[old.node]
    assert before.uptime_s >= 90.0
    assert old.withdrawn is not None
    assert node.reported is not None
    assert node.reported.generation == GENERATION
    assert node.reported >= old.withdrawn, "the report does not show it"
    assert node.reported_epoch == record.epoch
    assert record.seq >= node.reported_head, "starts may hide in the part of the journal that was not heard"
    assert (new.held, new.lost, new.jobs, new.started) == (max(old.jobs, old.started), 0, old.jobs, old.started)


def check_free(before: Farm, decision: Free, after: Farm) -> None:
    old, new = before.allocations[decision.allocation], after.allocations[decision.allocation]
    silent_s = before.nodes[old.node].silent_s if old.node in before.nodes else before.uptime_s
    assert before.uptime_s >= 90.0, "nothing is freed in the first round of reports"
    assert silent_s > (old.autonomy_s + 60.0 if decision.why is Why.LAPSED else 990.0)
    assert old.started <= new.held < old.held
    assert new.lost - old.lost == old.held - new.held, "what was freed without a word may yet come"
    assert new.jobs == min(old.jobs, new.held)
    if decision.why is Why.HEDGED:
        idle = [item for item in before.printers.values() if item.id != old.printer and may_be_given_more(before, item)]
        assert old.held - new.held <= len(idle), "one unit for each idle printer"


def check_write_off(before: Farm, decision: WriteOff, after: Farm) -> None:
    job = before.jobs[decision.job]
    assert before.uptime_s >= 90.0
    assert job.collected_at_s is None
    assert not job.written_off
    assert after.jobs[job.id] == replace(job, written_off=True)
    if decision.why is Why.OVERDUE:
        assert job.due_at_s < NOW_S
    else:
        assert before.nodes[job.node].silent_s > 990.0 if job.node in before.nodes else before.uptime_s > 990.0


def check_allocate(before: Farm, decision: Allocate, after: Farm) -> None:
    printer, order, made = before.printers[decision.printer], before.orders[decision.order], before.programs[decision.program]
    assert may_be_given_more(before, printer)
    assert can_print(printer, made)
    assert made.revision == order.revision
    assert is_wanted(before, order)
    missing = parts_missing(before, order)
    assert missing > 0
    assert decision.jobs >= 1
    assert decision.jobs * made.parts - missing < made.parts, "more than the overshoot of one job"
    horizon_s = min(259_200.0 if printer.by_hand else 43_200.0, printer.autonomy_s or math.inf)
    assert decision.autonomy_s == horizon_s
    if decision.jobs > 1:
        standing = [item for item in before.printers.values() if is_trusted(before, item.node)]
        able = sum(1 for item in standing if any(can_print(item, one) for one in of_revision(before, order.revision)))
        assert decision.jobs * made.estimated_s <= horizon_s, "more than it can make on its own"
        assert decision.jobs * made.parts <= missing / (2 * able), "more than its share at the tail"
    new = [item for key, item in after.allocations.items() if key not in before.allocations]
    assert [(item.jobs, item.held, item.started, item.lost, item.node) for item in new] == [
        (decision.jobs, decision.jobs, 0, 0, printer.node)
    ]


def of_revision(farm: Farm, revision: str) -> list[Program]:
    return [made for made in farm.programs.values() if made.revision == revision]


CHECKS: dict[type[Any], Any] = {
    UseStock: check_stock, Withdraw: check_withdraw, Confirm: check_confirm, Free: check_free, WriteOff: check_write_off,
    Allocate: check_allocate,
}  # fmt: skip


@effort(250)
@given(any_farm, st.integers(1, 5))
def test_every_decision_is_allowed(farm: Farm, less: int) -> None:
    check(farm)
    later = carried_out(farm, reconcile(farm, RULES, NOW_S))
    reduced = {key: replace(order, quantity=max(1, order.good, order.quantity - less)) for key, order in later.orders.items()}
    check(replace(later, orders=reduced))


def check(farm: Farm) -> None:
    for before, decision, after in steps(farm):
        event(f"{type(decision).__name__} {getattr(decision, 'why', '')}")
        CHECKS[type(decision)](before, decision, after)
        for item in after.allocations.values():
            assert item.held >= item.started
            assert item.lost >= 0
            assert 0 <= item.jobs <= item.held


DISTRUST: dict[str, Any] = {"online": False, "replayed": False, "silent_s": 90.5}


@effort(150)
@given(any_farm, st.sampled_from([*DISTRUST, "revoked", "unknown", *["overdue"] * 5]))
def test_whoever_loses_our_trust_gets_nothing(farm: Farm, why: str) -> None:
    given_to = [item for item in reconcile(farm, RULES, NOW_S) if isinstance(item, Allocate)]
    if not given_to:
        return
    event(why)
    node, printer = given_to[0].node, farm.printers[given_to[0].printer]
    if why == "overdue":
        job = Job("late", node, printer.id, "gone", "gone", "r1", "one", 1, 9.0, 0.0, 0.0, written_off=True)
        busy = replace(printer, bed=BedState.OCCUPIED, ready=False, running=True, job="late")
        after = replace(farm, printers={**farm.printers, printer.id: busy}, jobs={**farm.jobs, "late": job})
        assert printer.id not in {item.printer for item in reconcile(after, RULES, NOW_S) if isinstance(item, Allocate)}
        return
    after = replace(farm, nodes={key: value for key, value in farm.nodes.items() if key != node})
    if why == "revoked":
        record = replace(farm.node_records[node], revoked=True)
        after = replace(farm, node_records={**farm.node_records, node: record})
    elif why in DISTRUST:
        now: Any = replace(farm.nodes[node], **{why: DISTRUST[why]})
        after = replace(farm, nodes={**farm.nodes, node: now})
    assert node not in {item.node for item in reconcile(after, RULES, NOW_S) if isinstance(item, Allocate)}


# --- all of them together --------------------------------------------------------------------------------------------------------


@effort(80)
@given(any_farm)
def test_the_books_balance(farm: Farm) -> None:
    for looked in (farm, carried_out(farm, reconcile(farm, RULES, NOW_S))):
        totals = sums(looked)
        for order in looked.orders.values():
            assert expected(looked, order.id) == parts_expected(looked, order.id) >= 0
            missing = parts_missing(looked, order)
            assert balance(looked, order, totals) == missing
            assert to_allocate(looked, order, totals) == max(0, missing)
            leaving = sum(leaving_jobs(item) * item.parts for item in looked.allocations.values() if item.order == order.id)
            assert surplus(looked, order, totals) == max(0, -missing - leaving)
        assert all(stock.parts >= 0 for stock in looked.stock.values())


@effort(80)
@given(any_farm)
def test_deciding_comes_to_rest(farm: Farm) -> None:
    """Once it is carried out, the same moment calls for nothing more, but for the tail: there every pass must find an idle printer.

    What is hedged or taken back for several of them may be made by one, with a larger program; the others are looked at again.
    A larger program, when nothing smaller is free, may also make what was just given to a smaller printer: that is taken back.
    """
    for number in range(len(farm.printers) + 2):
        decisions = reconcile(farm, RULES, NOW_S)
        if not decisions:
            event(f"{number} passes")
            return
        tail = {Why.HEDGED, Why.TAKEN_BACK}
        outdone = all(isinstance(item, Withdraw) and item.why is Why.NOT_NEEDED for item in decisions)
        late = number > 0 and not outdone and not any(getattr(item, "why", None) in tail for item in decisions)
        assert not late, f"decided too late: {decisions}"
        farm = carried_out(farm, decisions)
    raise AssertionError(f"still deciding: {decisions}")


def at_rest(farm: Farm) -> Farm:
    while decisions := reconcile(farm, RULES, NOW_S):
        farm = carried_out(farm, decisions)
    return farm


@effort(80)
@given(any_farm)
def test_nobody_idles_while_something_is_missing(farm: Farm) -> None:
    rest = at_rest(farm)
    for allocation in rest.allocations.values():
        silent_s = rest.nodes[allocation.node].silent_s if allocation.node in rest.nodes else rest.uptime_s
        lease_ended = rest.uptime_s >= 90.0 and silent_s > allocation.autonomy_s + 60.0
        assert not (lease_ended and allocation.held > allocation.started), "work is waited for that nobody will do"
    free = [item for item in rest.printers.values() if may_be_given_more(rest, item)]
    for order in rest.orders.values():
        if not is_wanted(rest, order):
            continue
        stock = rest.stock[order.revision].parts
        assert stock == 0, "parts lie in stock while an order waits for them"
        if parts_missing(rest, order) > 0:
            able = [item.id for item in free if any(can_print(item, made) for made in of_revision(rest, order.revision))]
            assert not able, f"{able} could print for {order.id}"
            assert explain_order(rest, order, RULES), "nobody is told why nothing is made"
    for item in free:
        assert explain(rest, item, RULES), f"{item.id} has nothing to do, and nobody is told why"


@effort(80)
@given(any_farm)
def test_what_is_too_much_is_taken_back(farm: Farm) -> None:
    """At rest, nothing that may still be taken back is more than an order wants by a whole job."""
    rest = at_rest(farm)
    for item in rest.allocations.values():
        order = rest.orders.get(item.order)
        unstarted = item.jobs - item.started
        if order is None or unstarted <= 0:
            continue
        assert is_wanted(rest, order), "a closed order may still be started"
        leaving = sum(leaving_jobs(other) * other.parts for other in rest.allocations.values() if other.order == order.id)
        assert -parts_missing(rest, order) - leaving < item.parts, "a whole job too many is left to start"


@effort(60)
@given(any_farm, st.integers(0, 3))
def test_what_was_freed_returns_as_late_parts(farm: Farm, more: int) -> None:
    """A silent node may have started all that it was ever allowed: these come without an alarm, and their parts count."""
    after = carried_out(farm, reconcile(farm, RULES, NOW_S))
    for item in after.allocations.values():
        late = item.held + item.lost - item.started
        after_all, notices = started_and_collected(after, item, late)
        found = after_all.allocations[item.id]
        assert not [notice for notice in notices if notice.code == "allocation.exceeded"]
        assert (found.started, found.lost) == (item.started + late, 0)
        assert found.held == found.started
        recalled = farm.revisions[item.revision].recalled
        assert parts_there(after_all, item.revision) == parts_there(after, item.revision) + (0 if recalled else late * item.parts)
        beyond, notices = started_and_collected(after_all, found, more)
        assert len([notice for notice in notices if notice.code == "allocation.exceeded"]) == more
        assert beyond.allocations[item.id].held == beyond.allocations[item.id].started == found.started + more


def started_and_collected(farm: Farm, item: Allocation, jobs: int) -> tuple[Farm, list[Any]]:
    draft, record = Draft(farm), farm.node_records[item.node]
    facts: list[Any] = []
    for number in range(jobs):
        job = JobReference(f"late-{item.started + number}", item.id, item.order, item.revision, item.program, item.parts, 9.0)
        facts.append(JobStarted(record.seq + len(facts) + 1, item.printer, job))
        facts.append(JobEnded(record.seq + len(facts) + 1, item.printer, job, JobOutcome.PRINTED))
        facts.append(JobCollected(record.seq + len(facts) + 1, item.printer, job, item.parts, 0))
    known = farm.printers.get(item.printer)
    if known is not None and known.node != item.node:  # a moved printer is another story: test_lifecycle.py
        draft.farm = replace(farm, printers={**farm.printers, item.printer: replace(known, node=item.node)})
    notices = take_batch(draft, Batch(item.node, record.epoch, 1, tuple(facts)), NOW_S, RULES)
    return draft.farm, notices


def parts_there(farm: Farm, revision: str) -> int:
    counted = Counter({key: stock.parts for key, stock in farm.stock.items()})
    for order in farm.orders.values():
        counted[order.revision] += order.good
    return counted[revision]
