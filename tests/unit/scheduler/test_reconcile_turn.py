"""Taking back for the more urgent: a blocked printer does not hold up an order while lesser ones get the free printers."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from scheduler.decisions import Allocate, Decision, Why, Withdraw, carry_out
from scheduler.draft import Draft
from scheduler.model import BedState, Declined, DesiredVersion, Farm, Revision
from scheduler.reconcile import reconcile
from tests.unit.scheduler.farms import (
    GENERATION,
    NOW_S,
    RULES,
    allocation,
    farm,
    job,
    node,
    order,
    printer,
    program,
    record,
    running,
)

BLOCKED = printer(bed=BedState.OCCUPIED, ready=False, job="j1", occupation="j1")
DAY_S = 86_400.0
SECOND = program("b" * 64, revision="r2")


def decide(world: Farm) -> list[Decision]:
    return list(reconcile(world, RULES, NOW_S))


def blocked_farm(*, urgent: int = 10, lesser: int = 0, quantity: int = 1, age_s: float = 30 * DAY_S, **fields: Any) -> Farm:
    """p1 is full of parts since long and holds the last unit of an order; p2 is free, and an order of 500 waits for it."""
    tables: dict[str, object] = {
        "orders": [order("urgent", quantity, priority=urgent), order("lesser", 500, priority=lesser, revision="r2")],
        "revisions": [Revision("r1", "d1", 0.0), Revision("r2", "d1", 0.0)],
        "programs": [program(), SECOND],
        "allocations": [allocation(order="urgent", jobs=1, created_at_s=NOW_S - age_s)],
        "printers": [BLOCKED, printer("p2", "n2")],
        **fields,
    }
    return farm(**tables)


def test_a_blocked_bed_does_not_keep_the_last_unit_of_an_urgent_order_while_lesser_ones_get_the_free_printers() -> None:
    """Until its node has heard of it, nobody else gets the printer either."""
    assert decide(blocked_farm()) == [Withdraw("a1", 0, Why.TAKEN_BACK)]


@pytest.mark.parametrize("priorities", [(0, 10), (5, 6)])
def test_a_lesser_order_takes_nothing_from_a_more_urgent_one(priorities: tuple[int, int]) -> None:
    urgent, lesser = priorities
    (only,) = decide(blocked_farm(urgent=urgent, lesser=lesser))
    assert isinstance(only, Allocate)
    assert SECOND.sha256 == only.program


def test_of_orders_of_one_priority_the_older_goes_first() -> None:
    orders = [order("urgent", 1, created_at_s=1.0), order("lesser", 500, revision="r2", created_at_s=2.0)]
    assert decide(blocked_farm(orders=orders)) == [Withdraw("a1", 0, Why.TAKEN_BACK)]
    younger = [replace(orders[0], created_at_s=3.0), orders[1]]
    assert [type(decision) for decision in decide(blocked_farm(orders=younger))] == [Allocate]


def test_a_printer_that_is_blocked_since_a_moment_is_given_a_few_minutes() -> None:
    assert [type(decision) for decision in decide(blocked_farm(age_s=299))] == [Allocate]
    assert decide(blocked_farm(age_s=301)) == [Withdraw("a1", 0, Why.TAKEN_BACK)]


def test_the_minutes_begin_when_the_job_on_the_bed_should_have_ended() -> None:
    """It began with one hour to go; its parts are due 900 s of margin, 900 s of ratio and two clearings after that."""
    for ended_s, patient in ((299.0, True), (301.0, False)):
        on_bed = job(order="lesser", revision="r2", program=SECOND.sha256, due_at_s=NOW_S - ended_s + 900 + 900 + 3600)
        decisions = decide(blocked_farm(jobs=[on_bed]))
        assert [type(decision) for decision in decisions] == [Allocate if patient else Withdraw]


@pytest.mark.parametrize("started", [0, 1])
def test_a_printer_that_works_keeps_its_share_and_one_that_does_not_begin_loses_it(started: int) -> None:
    held = allocation(order="urgent", jobs=2, started=started, created_at_s=NOW_S - 4000)
    world = blocked_farm(
        quantity=2 - started, allocations=[held], printers=[running(), printer("p2", "n2")], jobs=[job(due_at_s=NOW_S + 9e3)]
    )
    assert [type(decision) for decision in decide(world)] == [Allocate]
    (first, *_rest) = decide(replace(world, printers={"p1": printer(), "p2": printer("p2", "n2")}, jobs={}))
    assert isinstance(first, Allocate if started else Withdraw), "after its first hour it may be between two jobs"


def test_a_print_that_takes_longer_than_its_estimate_is_no_blocked_printer_until_it_is_overdue() -> None:
    late = job(order="lesser", revision="r2", program=SECOND.sha256, due_at_s=NOW_S - 600 + 900 + 900 + 3600)
    world = blocked_farm(jobs=[late], printers=[running(), printer("p2", "n2")])
    assert [type(decision) for decision in decide(world)] == [Allocate]
    overdue = replace(world, jobs={"j1": replace(late, due_at_s=NOW_S - 1, written_off=True)})
    assert Withdraw("a1", 0, Why.TAKEN_BACK) in decide(overdue)


def test_only_printers_whose_first_order_comes_later_are_overtaken() -> None:
    """p2 would serve the first of all; p3 lately did not start what that one needs, so the last of all would get it."""
    third = program("c" * 64, revision="r3")
    world = blocked_farm(
        urgent=5,
        quantity=2,
        allocations=[allocation(order="urgent", jobs=2, created_at_s=NOW_S - DAY_S)],
        printers=[BLOCKED, printer("p2", "n2"), printer("p3", "n2")],
        programs=[program(), SECOND, third],
        declined={("p3", third.sha256): Declined(1, 1e9)},
    )
    first = order("first", 500, priority=9, revision="r3")
    assert decide(replace(world, orders={**world.orders, "first": first}))[0] == Withdraw("a1", 1, Why.TAKEN_BACK)


def test_a_printer_that_began_and_does_not_go_on_for_hours_loses_what_is_left() -> None:
    held = allocation(order="urgent", jobs=2, started=1, created_at_s=NOW_S - DAY_S)
    world = blocked_farm(allocations=[held], printers=[printer(), printer("p2", "n2")])
    assert decide(world) == [Withdraw("a1", 1, Why.TAKEN_BACK)]


def test_for_one_free_printer_the_most_urgent_unit_is_taken_back_and_once() -> None:
    orders = [order("low", 1, priority=1), order("urgent", 1, priority=9), order("lesser", 500, revision="r2")]
    long_ago_s = NOW_S - DAY_S
    allocations = [
        allocation("a-low", node="n3", printer="p3", order="low", jobs=1, created_at_s=long_ago_s + 9),
        allocation("a-urgent", order="urgent", jobs=1, created_at_s=long_ago_s),
    ]
    full = replace(BLOCKED, id="p3", node="n3")
    fields: dict[str, Any] = {"nodes": [node(), node("n2"), node("n3")], "node_records": [record(), record("n2"), record("n3")]}
    world = blocked_farm(orders=orders, allocations=allocations, printers=[BLOCKED, full, printer("p2", "n2")], **fields)
    first = decide(world)
    assert first == [Withdraw("a-urgent", 0, Why.TAKEN_BACK)]
    draft = Draft(world)
    carry_out(draft, first[0], NOW_S, str)
    assert decide(draft.farm) == [], "what is on its way back needs the printer: nothing more is taken back, nobody else gets it"


def leaving_farm(**fields: Any) -> Farm:
    coming = allocation(order="urgent", jobs=0, held=1, withdrawn=DesiredVersion(GENERATION, 8))
    return blocked_farm(allocations=[coming], **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"nodes": [node(silent_s=91.0), node("n2")]},
        {"nodes": [node(reported=DesiredVersion(GENERATION, 8), reported_head=9), node("n2")]},
        {"quantity": 0},
        {"urgent": -1},
    ],
)
def test_a_printer_is_kept_only_for_a_more_urgent_unit_whose_node_is_about_to_answer(fields: dict[str, object]) -> None:
    assert decide(leaving_farm()) == []
    assert [type(decision) for decision in decide(leaving_farm(**fields)) if not isinstance(decision, Withdraw)] == [Allocate]


def test_as_many_printers_are_kept_as_units_are_coming() -> None:
    printers = [BLOCKED, printer("p2", "n2"), printer("p3", "n2"), printer("p4", "n2", material="PETG")]
    given = [decision.printer for decision in decide(leaving_farm(printers=printers)) if isinstance(decision, Allocate)]
    assert len(given) == 1
    assert given[0] in {"p2", "p3"}


class Bench:
    """Two printers: p1 holds a unit of the urgent order and stays as it is; p2 prints what it is given, an hour each."""

    def __init__(self, world: Farm) -> None:
        self.world, self.now_s = world, NOW_S
        self.given: list[tuple[str, str]] = []
        self.withdrawn: list[str] = []
        self._numbers = count()
        self._free_at_s = NOW_S

    def run(self, minutes: int) -> None:
        for _ in range(2 * minutes):
            self.now_s += 30
            draft = Draft(replace(self.world, uptime_s=self.world.uptime_s + 30))
            for decision in reconcile(draft.farm, RULES, self.now_s):
                carry_out(draft, decision, self.now_s, lambda: f"new-{next(self._numbers)}")
                self.given += [(decision.printer, decision.order)] if isinstance(decision, Allocate) else []
                self.withdrawn += [decision.allocation] if isinstance(decision, Withdraw) else []
            self._work(draft)
            nodes = {
                key: node(key, reported=DesiredVersion(GENERATION, item.version)) for key, item in draft.farm.node_records.items()
            }
            self.world = replace(draft.farm, nodes=nodes)

    def _work(self, draft: Draft) -> None:
        mine = [item for item in draft.farm.allocations.values() if item.printer == "p2" and item.jobs > item.started]
        if self.now_s >= self._free_at_s and mine:
            self._free_at_s = self.now_s + 3600
            draft.put(replace(mine[0], started=mine[0].started + 1))
            made_for = draft.farm.orders[mine[0].order]
            draft.put(replace(made_for, good=made_for.good + 1))
        second = printer("p2", "n2") if self.now_s >= self._free_at_s else running("p2", "n2")
        draft.farm = replace(draft.farm, printers={**draft.farm.printers, "p2": second})


@pytest.mark.parametrize("holder", [BLOCKED, printer(), printer(ready=False)])
def test_what_was_taken_back_is_made_at_once_and_does_not_go_to_and_fro(holder: object) -> None:
    bench = Bench(blocked_farm(printers=[holder, printer("p2", "n2")]))
    bench.run(10)
    assert bench.world.orders["urgent"].good == 1
    assert [pair for pair in bench.given if pair[1] == "urgent"] == [("p2", "urgent")]
    bench.run(24 * 60)
    assert bench.withdrawn.count("a1") == 1
    assert bench.world.orders["lesser"].good >= 22, "and the others go on"
    assert ("p1", "urgent") not in bench.given
