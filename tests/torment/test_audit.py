"""The audit finds what it is there to find: each planted mistake is named, and a good run has none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.torment.audit import CHECKS, Evidence, audit
from tests.torment.hands import Claim, Record
from tests.torment.ledgers import Books, Ledger
from tests.torment.watch import Seen


def fact(seq: int, kind: str, job: str) -> dict[str, Any]:
    return {"seq": seq, "kind": kind, "printer": "p1", "reference": {"job": job}}


def job(key: str, good: int = 1, **fields: Any) -> dict[str, Any]:
    known = {"node": "n1", "printer": "p1", "allocation": "a1", "order": "o1", "revision": "r1", "parts": 1, "scrap": 0}
    return {"id": key, "good": good, "collected_at_s": 1.0, **known, **fields}


def part(number: int, *, collected: bool = True) -> dict[str, Any]:
    return {"number": number, "finished": True, "collected": collected, "end": "motors-off"}


def claim(key: str, number: int) -> Claim:
    return Claim(key, "virtual 1", 1, "printed", [number], 1, 1, 0, accepted=True)


def good_run() -> Evidence:
    """Two jobs on one printer, collected and counted; the order is met."""
    kinds = ("job-started", "job-ended", "job-collected")
    facts = [fact(3 * number + place, kind, f"j{number}") for number in (0, 1) for place, kind in enumerate(kinds, 1)]
    order = {"id": "o1", "revision": "r1", "quantity": 2, "good": 2, "state": "met", "why_waiting": []}
    allocation = {"id": "a1", "jobs": 2, "held": 2, "started": 2}
    books = Books(
        jobs=[job("j0"), job("j1")],
        orders=[order],
        allocations=[allocation],
        stock={"r1": 0},
        nodes={"n1": {"id": "n1", "epoch": "e1", "seq": 6}},
        pending=[],
        set_aside=[],
        bytes_on_disk=1_000,
        ledgers={"n1": Ledger("e1", 1, 6, 5, facts, [], {"a1": 2}, 0, 1_000)},
    )
    return Evidence(
        books=books,
        record=Record(claims={"j0": claim("j0", 1), "j1": claim("j1", 2)}),
        seen=Seen(ceilings={"a1": 2}, quantity={"o1": 2}),
        truth={"virtual 1": {"collisions": 0, "parts_finished": 2, "parts": [part(1), part(2)]}},
        farm={"orders": [order], "alarms": []},
        ready=True,
        unexpected=[],
    )


def with_books(evidence: Evidence, **fields: Any) -> Evidence:
    return replace(evidence, books=replace(evidence.books, **fields))


def with_ledger(evidence: Evidence, **fields: Any) -> Evidence:
    return with_books(evidence, ledgers={"n1": replace(evidence.books.ledgers["n1"], **fields)})


def with_claims(evidence: Evidence, *claims: Claim) -> Evidence:
    return replace(evidence, record=Record(claims={one.job: one for one in claims}))


def with_truth(evidence: Evidence, **fields: Any) -> Evidence:
    return replace(evidence, truth={"virtual 1": {**evidence.truth["virtual 1"], **fields}})


def swapped(evidence: Evidence) -> Evidence:
    facts = [dict(one) for one in evidence.books.ledgers["n1"].facts]
    facts[2]["kind"], facts[3]["kind"] = facts[3]["kind"], facts[2]["kind"]
    facts[2]["reference"], facts[3]["reference"] = facts[3]["reference"], facts[2]["reference"]
    return with_ledger(evidence, facts=facts)


def open_order(evidence: Evidence) -> Evidence:
    order = {**evidence.farm["orders"][0], "state": "open", "why_waiting": [{"en": "No printer."}]}
    return replace(evidence, farm={**evidence.farm, "orders": [order]})


PLANTED: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "a collected job is not counted": (lambda run: with_books(run, jobs=[job("j0"), job("j1", 0, collected_at_s=None)]), "lost: 1"),
    "another count than taken": (lambda run: with_books(run, jobs=[job("j0"), job("j1", 0, scrap=1)]), "1 good and 0 scrap"),
    "a count that nobody took": (lambda run: with_claims(run, claim("j0", 1)), "doubled: 1"),
    "good of an order that nobody made": (lambda run: with_books(run, stock={"r1": 1}), "2 good collected, 3 in orders"),
    "a collision": (lambda run: with_truth(run, collisions=1), "not clear"),
    "one print for two jobs": (lambda run: with_claims(run, claim("j0", 1), claim("j1", 1)), "for several jobs"),
    "a print without a job": (lambda run: with_truth(run, parts=[part(1), part(2), part(3)]), "belong to no job"),
    "a print is forgotten": (lambda run: with_truth(run, parts=[part(1), part(2, collected=False)]), "nobody was asked"),
    "more prints than jobs": (lambda run: with_truth(run, parts_finished=3), "made 3 whole prints, 2"),
    "started too often": (lambda run: replace(run, seen=replace(run.seen, ceilings={"a1": 1})), "1 were allowed"),
    "a fact was not told": (lambda run: with_books(run, nodes={"n1": {"id": "n1", "epoch": "e1", "seq": 5}}), "committed are e1 5"),
    "acknowledged beyond the end": (lambda run: with_ledger(run, acked=7), "acknowledged up to 7"),
    "a word is under way": (lambda run: with_books(run, pending=[{"job": "j1"}]), "never arrived"),
    "a fact was set aside": (lambda run: with_books(run, set_aside=[{"seq": 3}]), "set aside"),
    "begun onto a part": (swapped, "began while"),
    "a job nobody told": (lambda run: with_books(run, jobs=[job("j0"), job("j1"), job("j2", 0)]), "differ: ['j2']"),
    "too many commands": (lambda run: with_ledger(run, commands=513), "513 commands"),
    "a ledger that grows": (lambda run: with_ledger(run, bytes_on_disk=10**8), "100000000 bytes"),
    "an order waits": (open_order, "is still open: 2 of 2 good, because ['No printer.']"),
    "a bed waits": (lambda run: with_ledger(run, occupations=[{"id": "j1", "printer": "p1"}]), "still on the bed"),
    "parts left over": (lambda run: with_books(run, stock={"r1": 1}), "1 parts are left over, at most 0"),
    "not ready": (lambda run: replace(run, ready=False), "does not say ready"),
    "an alarm": (lambda run: replace(run, farm={**run.farm, "alarms": [{"code": "ledger.old", "text": "old"}]}), "ledger.old"),
    "a process ended": (lambda run: replace(run, unexpected=["home"]), "home ended by itself"),
    "what the hands saw": (lambda run: replace(run, record=replace(run.record, wrong=["two prints"])), "two prints"),
    "what the samples saw": (lambda run: replace(run, seen=replace(run.seen, wrong=["good fell"])), "good fell"),
}


def test_a_good_run_has_no_violation() -> None:
    verdict = audit(good_run())
    assert verdict.violations == []
    assert (verdict.lost, verdict.doubled, verdict.good, verdict.scrap, verdict.surplus, verdict.jobs) == (0, 0, 2, 0, 0, 2)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(name: str) -> None:
    plant, sentence = PLANTED[name]
    assert any(sentence in violation for violation in audit(plant(good_run())).violations)


def test_every_check_has_found_something() -> None:
    silent = {check.__name__ for check in CHECKS}
    for plant, _ in PLANTED.values():
        silent -= {check.__name__ for check in CHECKS if list(check(plant(good_run())))}
    assert silent == set()


def test_lost_and_doubled_are_counted_in_good_parts() -> None:
    order = good_run().books.orders[0]
    jobs = [job("j0"), job("j1", 0, collected_at_s=None)]
    lost = audit(with_books(good_run(), jobs=jobs, orders=[{**order, "good": 1}]))
    assert (lost.lost, lost.doubled) == (1, 0)
    doubled = audit(with_books(good_run(), jobs=[job("j0"), job("j1", 3)], stock={"r1": 2}))
    assert (doubled.lost, doubled.doubled) == (0, 2)


def test_lost_and_doubled_are_seen_in_orders_and_stock_too() -> None:
    doubled = audit(with_books(good_run(), stock={"r1": 3}))
    assert (doubled.lost, doubled.doubled) == (0, 3)
    lost = audit(with_books(good_run(), orders=[{**good_run().books.orders[0], "good": 1}]))
    assert (lost.lost, lost.doubled) == (1, 0)


def test_an_alarm_that_a_stale_click_explains_is_none() -> None:
    run = good_run()
    refused = {"code": "collect.refused", "text": "The node refused."}
    assert audit(replace(run, farm={**run.farm, "alarms": [refused]})).violations == []


def test_a_surplus_is_explained_by_what_was_given_up() -> None:
    run = with_books(good_run(), stock={"r1": 1}, jobs=[job("j0"), job("j1"), job("j2")], orders=good_run().books.orders)
    assert any("left over" in violation for violation in audit(run).violations)
    lost = replace(run, seen=replace(run.seen, lost_parts={"a9": 1}))
    assert not any("left over" in violation for violation in audit(lost).violations)
