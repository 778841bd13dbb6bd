"""Each decision, carried out."""

import pytest

from scheduler.decisions import Allocate, Confirm, Decision, Free, UseStock, Why, Withdraw, WriteOff, carry_out
from scheduler.draft import Draft
from scheduler.model import DesiredVersion, Farm, Stock
from tests.unit.scheduler.farms import GENERATION, NOW_S, allocation, farm, job, order, record


def carried_out(world: Farm, decision: Decision) -> Farm:
    draft = Draft(world)
    carry_out(draft, decision, NOW_S, lambda: "fresh")
    return draft.farm


def test_stock_moves_to_the_order_and_may_meet_it() -> None:
    after = carried_out(farm(orders=[order(quantity=2)], stock=[Stock("r1", 5)]), UseStock("o1", 2))
    assert after.orders["o1"].good == 2
    assert after.orders["o1"].met_at_s == NOW_S
    assert after.stock["r1"].parts == 3


def test_what_people_are_shown_is_the_wall_clock_and_what_is_decided_the_steady_one() -> None:
    world = farm(orders=[order(quantity=2)], stock=[Stock("r1", 5)])
    draft = Draft(world)
    carry_out(draft, UseStock("o1", 2), 50.0, lambda: "fresh", wall_s=NOW_S)
    assert draft.farm.orders["o1"].met_at_s == NOW_S
    draft = Draft(world)
    carry_out(draft, Allocate("n1", "p1", "o1", "a" * 64, 3, 43_200.0), 50.0, lambda: "fresh", wall_s=NOW_S)
    assert draft.farm.allocations["fresh"].created_at_s == 50.0


def test_a_withdrawal_lowers_the_ceiling_and_remembers_under_which_version() -> None:
    after = carried_out(farm(allocations=[allocation(jobs=4)]), Withdraw("a1", 1, Why.NOT_NEEDED))
    lowered = after.allocations["a1"]
    assert (lowered.jobs, lowered.held, lowered.lost) == (1, 4, 0)
    assert lowered.withdrawn == DesiredVersion(GENERATION, 8)
    assert after.node_records["n1"].version == 8


@pytest.mark.parametrize(("started", "held"), [(0, 1), (3, 3)])
def test_a_confirmed_withdrawal_holds_no_more_than_its_ceiling_or_what_was_started(started: int, held: int) -> None:
    after = carried_out(farm(allocations=[allocation(jobs=1, held=4, started=started)]), Confirm("a1"))
    assert (after.allocations["a1"].held, after.allocations["a1"].lost) == (held, 0)


def test_freeing_lowers_the_ceiling_too_and_counts_what_may_come_late() -> None:
    after = carried_out(farm(allocations=[allocation(jobs=4, started=1)]), Free("a1", 1, Why.LAPSED)).allocations["a1"]
    assert (after.jobs, after.held, after.lost) == (1, 1, 3)
    assert after.withdrawn == DesiredVersion(GENERATION, 8)


def test_freeing_never_goes_below_what_was_started() -> None:
    after = carried_out(farm(allocations=[allocation(jobs=4, started=2)]), Free("a1", 0, Why.HEDGED)).allocations["a1"]
    assert (after.held, after.lost) == (2, 2)


def test_a_ceiling_that_is_low_already_needs_no_new_version() -> None:
    world = farm(allocations=[allocation(jobs=1, held=4)], node_records=[record(version=7)])
    assert carried_out(world, Free("a1", 2, Why.HEDGED)).node_records["n1"].version == 7


def test_a_job_is_written_off() -> None:
    assert carried_out(farm(jobs=[job()]), WriteOff("j1", Why.OVERDUE)).jobs["j1"].written_off


def test_an_allocation_is_made_of_the_program_and_bound_to_its_printer() -> None:
    after = carried_out(farm(orders=[order()]), Allocate("n1", "p1", "o1", "a" * 64, 3, 43_200.0))
    made = after.allocations["fresh"]
    assert (made.jobs, made.held, made.started, made.parts, made.revision) == (3, 3, 0, 1, "r1")
    assert (made.node, made.printer, made.order, made.created_at_s) == ("n1", "p1", "o1", NOW_S)
    assert after.node_records["n1"].version == 8
