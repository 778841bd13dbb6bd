"""Verdicts, drafts and approvals in the decisions: nothing is given, kept or credited that may not be."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.decisions import Allocate, UseStock, Why, Withdraw
from scheduler.draft import Draft
from scheduler.facts import Batch
from scheduler.lifecycle import take_batch
from scheduler.matching import explain, explain_order
from scheduler.model import Approval, Farm, Requester, Revision, Stock, Verdict, approval_key
from scheduler.reconcile import reconcile
from tests.unit.scheduler.farms import (
    NOW_S,
    RULES,
    allocation,
    collected,
    ended,
    farm,
    order,
    printer,
    program,
    record,
    started,
)

HOSPITALS = Requester("q1", "Hospitals", approves=True, created_at_s=0.0)
APPROVED = Approval(approval_key("q1", "r1"), "q1", "r1", "Dr. House", 0.0)
TRUSTED = program(verdict=Verdict.TRUSTED_ONLY, trust="m907=1")
RELEASED = replace(TRUSTED, released_by="Eve", released_for="m907=1")


def decided(**tables: Any) -> list[Any]:
    return reconcile(farm(printers=[printer()], **tables), RULES, NOW_S)


def test_a_trusted_only_program_is_allocated_when_somebody_answers_for_it() -> None:
    assert decided(orders=[order()], programs=[TRUSTED]) == []
    (given,) = decided(orders=[order()], programs=[RELEASED])
    assert isinstance(given, Allocate)


def test_of_two_variants_the_usable_one_is_taken_although_it_is_slower() -> None:
    good = program("b" * 64, estimated_s=9_999.0)
    (given,) = decided(orders=[order()], programs=[replace(TRUSTED, estimated_s=1.0), good])
    assert given.program == good.sha256


@pytest.mark.parametrize("worse", [TRUSTED, program(verdict=Verdict.REJECT)])
def test_what_was_not_started_of_a_program_that_became_worse_is_taken_back(worse: Any) -> None:
    found = decided(orders=[order()], programs=[worse], allocations=[allocation(started=1)])
    assert found == [Withdraw("a1", 1, Why.NOT_ALLOWED)]


def test_what_became_worse_is_taken_back_also_from_a_printer_that_nobody_reports_now() -> None:
    """Its node holds the allocation, and starts under it as soon as that printer is back."""
    tables = {"orders": [order()], "allocations": [allocation(started=1)]}
    assert reconcile(farm(programs=[program()], **tables), RULES, NOW_S) == []
    assert reconcile(farm(programs=[TRUSTED], **tables), RULES, NOW_S) == [Withdraw("a1", 1, Why.NOT_ALLOWED)]


def test_people_are_told_which_release_is_missing() -> None:
    world = farm(printers=[printer()], orders=[order()], programs=[TRUSTED])
    assert [reason.code for reason in explain(world, world.printers["p1"], RULES)] == ["program-not-released"]
    (reason,) = explain_order(world, world.orders["o1"], RULES)
    assert reason.code == "program-not-released"
    assert "release" in reason.en
    assert "validez" in reason.fr


@pytest.mark.parametrize(
    "tables",
    [
        {"orders": [order()], "revisions": [Revision("r1", "d1", 0.0, draft=True)]},
        {"orders": [order(requester="q1")], "requesters": [HOSPITALS]},
    ],
    ids=["draft", "not-approved"],
)
def test_nothing_is_made_or_given_from_stock_and_what_was_not_started_is_taken_back(tables: dict[str, Any]) -> None:
    assert decided(**tables, stock=[Stock("r1", 5)]) == []
    assert decided(**tables, allocations=[allocation(started=2)]) == [Withdraw("a1", 2, Why.NOT_NEEDED)]


def test_an_approval_lets_the_order_go_on_from_stock_first() -> None:
    found = decided(orders=[order(requester="q1")], requesters=[HOSPITALS], approvals=[APPROVED], stock=[Stock("r1", 5)])
    assert found[0] == UseStock("o1", 5)
    assert isinstance(found[1], Allocate)


def test_another_order_of_the_same_revision_gets_what_an_unapproved_one_may_not_have() -> None:
    orders = [order("o1", requester="q1", priority=9), order("o2")]
    found = decided(orders=orders, requesters=[HOSPITALS], stock=[Stock("r1", 5)])
    assert found[0] == UseStock("o2", 5)
    assert [given.order for given in found[1:]] == ["o2"]


def after_collecting(world: Farm) -> Farm:
    draft = Draft(world)
    take_batch(draft, Batch("n1", "e1", 1, (started(), ended(), collected()), lambda _seq: ""), NOW_S, RULES)
    return draft.farm


def test_parts_of_an_order_whose_requester_took_its_approval_back_become_stock() -> None:
    tables: dict[str, Any] = {"orders": [order(requester="q1")], "requesters": [HOSPITALS], "allocations": [allocation()]}
    taken = after_collecting(farm(printers=[printer()], **tables))
    assert (taken.orders["o1"].good, taken.stock["r1"].parts) == (0, 1)
    given = after_collecting(farm(printers=[printer()], approvals=[APPROVED], **tables))
    assert (given.orders["o1"].good, "r1" in given.stock) == (1, False)


@pytest.mark.parametrize(
    ("good", "told"),
    [
        (0, []),
        (1, ["1 pièce de la révision rappelée r1 a été collectée."]),
        (2, ["2 pièces de la révision rappelée r1 ont été collectées."]),
    ],
)
def test_good_parts_of_a_recalled_revision_are_told_where_there_are_any(good: int, told: list[str]) -> None:
    recalled = farm(
        orders=[order(quantity=4)],
        revisions=[Revision("r1", "d1", 0.0, recalled=True)],
        programs=[program(parts=2)],
        allocations=[allocation(parts=2)],
        node_records=[record()],
    )
    facts = (started(parts=2), ended(parts=2), collected(good=good, scrap=2 - good, parts=2))
    notices = take_batch(Draft(recalled), Batch("n1", "e1", 1, facts), NOW_S, RULES)
    assert [notice.fr for notice in notices if notice.code == "revision.recalled"] == told
