"""What an order still needs: to_allocate = quantity - good - expected."""

import pytest

from scheduler.arithmetic import balance, due_at_s, expected, leaving_jobs, sums, surplus, to_allocate, wanted
from scheduler.model import JobOutcome, Revision
from tests.unit.scheduler.farms import NOW_S, RULES, allocation, farm, job, order, printer


def test_unstarted_and_started_jobs_are_expected() -> None:
    world = farm(orders=[order(quantity=20)], allocations=[allocation(jobs=4, started=1, parts=3)], jobs=[job(parts=3)])
    assert expected(world, "o1") == 12
    assert to_allocate(world, world.orders["o1"]) == 8


@pytest.mark.parametrize(
    ("one", "parts"),
    [
        (job(), 1),
        (job(outcome=JobOutcome.PRINTED), 1),
        (job(written_off=True), 0),
        (job(collected_at_s=1.0, good=1), 0),
    ],
)
def test_an_ended_job_is_expected_until_collected_or_written_off(one: object, parts: int) -> None:
    assert expected(farm(orders=[order()], jobs=[one]), "o1") == parts


def test_withdrawn_jobs_stay_expected_until_freed_but_are_not_surplus_twice() -> None:
    lowered = allocation(jobs=1, held=4)
    world = farm(orders=[order(quantity=1)], allocations=[lowered])
    assert leaving_jobs(lowered) == 3
    assert expected(world, "o1") == 4
    assert balance(world, world.orders["o1"], sums(world)) == -3
    assert surplus(world, world.orders["o1"], sums(world)) == 0


def test_started_jobs_cannot_leave() -> None:
    assert leaving_jobs(allocation(jobs=1, held=4, started=3)) == 1


@pytest.mark.parametrize("kind", ["cancelled", "recalled"])
def test_closed_orders_want_no_more_than_they_have(kind: str) -> None:
    one = order(good=3, cancelled=kind == "cancelled")
    world = farm(orders=[one], revisions=[Revision("r1", "d1", 0.0, recalled=kind == "recalled")])
    assert wanted(one, world.revisions) == 3
    assert to_allocate(world, one) == 0


def test_nothing_is_expected_for_an_order_that_nobody_works_on() -> None:
    world = farm(orders=[order()])
    assert expected(world, "o1") == 0
    assert surplus(world, world.orders["o1"], sums(world)) == 0


def test_due_time_by_hand_and_by_machine() -> None:
    world = farm(printers=[printer("hand", by_hand=True), printer("machine")])
    machine = due_at_s(world, "machine", 1000.0, NOW_S, RULES)
    assert machine == NOW_S + 1250 + 3600 + 900
    assert due_at_s(world, "hand", 1000.0, NOW_S, RULES) == NOW_S + 1250 + 3 * 86_400 + 900
    assert due_at_s(world, "unknown", 1000.0, NOW_S, RULES) == machine
