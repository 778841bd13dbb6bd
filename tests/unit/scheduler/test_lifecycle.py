"""What facts do: the table, the two dedupes, adoption, late parts, credit and stock, holes, pruned journals and new ledgers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from scheduler.draft import Draft
from scheduler.facts import NOT_ON_THIS_BED, Batch, BedCleared, CommandDone, Fact, FaultSeen, JobEnded, Notice, Unreadable
from scheduler.lifecycle import (
    MAX_PAST_EPOCHS,
    MAX_SET_ASIDE,
    NEW_LEDGER,
    TABLE,
    Phase,
    anchor_running,
    enter_epoch,
    owner_of,
    phase,
    seen_running,
    take_batch,
)
from scheduler.model import Farm, JobOutcome, NodeRecord, PendingCollect, PrinterRecord, Revision, SetAside
from tests.unit.scheduler.farms import (
    NOW_S,
    RULES,
    allocation,
    collected,
    ended,
    farm,
    job,
    order,
    printer,
    record,
    started,
)


def take(world: Farm, *facts: Fact, node: str = "n1", epoch: str = "e1", oldest: int = 1) -> tuple[Farm, list[Notice]]:
    draft = Draft(world)
    notices = take_batch(draft, Batch(node, epoch, oldest, facts), NOW_S, RULES)
    return draft.farm, notices


def codes(notices: Sequence[Notice]) -> list[str]:
    return [notice.code for notice in notices]


def world(**tables: object) -> Farm:
    defaults: dict[str, object] = {"orders": [order(quantity=4)], "allocations": [allocation()], "node_records": [record()]}
    return farm(**{**defaults, **tables})


# --- the life of a job ------------------------------------------------------------------------------------------------------------


def test_a_started_job_moves_from_unstarted_to_started() -> None:
    after, notices = take(world(), started())
    assert after.allocations["a1"].started == 1
    assert after.allocations["a1"].unstarted == 3
    assert after.jobs["j1"].expected_parts == 1
    assert notices == []


def test_the_tag_of_the_last_fact_is_kept() -> None:
    draft = Draft(world())
    take_batch(draft, Batch("n1", "e1", 1, (started(1), ended(2)), tags), NOW_S, RULES)
    assert draft.farm.node_records["n1"].tag == "tag-2"
    take_batch(draft, Batch("n1", "e1", 1, (collected(3), collected(5)), tags), NOW_S, RULES)
    assert (draft.farm.node_records["n1"].seq, draft.farm.node_records["n1"].tag) == (3, "tag-3"), "a hole"
    enter_epoch(draft, "n1", "e2")
    assert draft.farm.node_records["n1"].tag == ""


def tags(seq: int) -> str:
    return f"tag-{seq}"


def test_new_facts_under_old_numbers_show_an_old_ledger_and_nothing_of_them_is_taken() -> None:
    """The card came back from an image, and its node had written beyond what was committed before its line came back."""
    draft = Draft(world())
    take_batch(draft, Batch("n1", "e1", 1, (started(1), ended(2)), tags), NOW_S, RULES)
    before = draft.farm
    other = (started(1, "j7"), started(2, "j8"), collected(3, "j8"))
    notices = take_batch(draft, Batch("n1", "e1", 1, other, lambda seq: f"other-{seq}"), NOW_S, RULES)
    assert codes(notices) == ["ledger.old"]
    assert draft.farm == before
    notices = take_batch(draft, Batch("n1", "e1", 1, (ended(2), collected(3)), tags), NOW_S, RULES)
    assert (codes(notices), draft.farm.node_records["n1"].seq) == ([], 3), "a repetition is no other fact"


def test_a_job_is_due_after_its_time_a_quarter_more_two_clearings_and_slack() -> None:
    after, _ = take(world(), started())
    assert after.jobs["j1"].due_at_s == NOW_S + 3600 * 1.25 + 2 * 1800 + 900


def test_a_maker_who_prints_by_hand_has_days_to_collect() -> None:
    after, _ = take(world(printers=[printer(by_hand=True)]), started())
    assert after.jobs["j1"].due_at_s == NOW_S + 3600 * 1.25 + 3 * 86_400 + 900


def test_a_printed_job_is_expected_until_it_is_collected() -> None:
    after, _ = take(world(), started(), ended())
    assert after.jobs["j1"].expected_parts == 1
    assert after.jobs["j1"].due_at_s == NOW_S + 2 * 1800 + 900
    assert after.orders["o1"].good == 0


@pytest.mark.parametrize("outcome", [JobOutcome.FAILED, JobOutcome.CANCELLED, JobOutcome.INTERRUPTED])
def test_any_other_end_is_written_off_at_once(outcome: JobOutcome) -> None:
    after, _ = take(world(), started(), ended(outcome=outcome))
    assert after.jobs["j1"].written_off
    assert after.jobs["j1"].expected_parts == 0


def test_collected_good_parts_count_and_scrap_is_remembered() -> None:
    told: list[Fact] = [started(parts=3), ended(parts=3), collected(good=2, scrap=1, parts=3)]
    after, _ = take(world(allocations=[allocation(parts=3)]), *told)
    assert (after.orders["o1"].good, after.orders["o1"].scrap) == (2, 1)
    assert after.jobs["j1"].collected_by == "hand"


def test_a_person_may_still_say_good_of_a_failed_job() -> None:
    after, _ = take(world(), started(), ended(outcome=JobOutcome.INTERRUPTED), collected())
    assert after.orders["o1"].good == 1


def test_the_last_part_meets_the_order() -> None:
    after, _ = take(world(orders=[order(quantity=1)]), started(), ended(), collected())
    assert after.orders["o1"].met_at_s == NOW_S


def test_facts_of_one_batch_and_of_three_do_the_same() -> None:
    together, _ = take(world(), started(), ended(), collected())
    apart = world()
    for fact in (started(), ended(), collected()):
        apart, _ = take(apart, fact)
    assert (apart.jobs, apart.orders, apart.allocations) == (together.jobs, together.orders, together.allocations)


# --- where good parts go ----------------------------------------------------------------------------------------------------------


def test_surplus_becomes_stock_of_the_revision() -> None:
    after, _ = take(world(orders=[order(quantity=5, good=3)], allocations=[]), collected(1, good=3, parts=3))
    assert after.orders["o1"].good == 5
    assert after.stock["r1"].parts == 1


@pytest.mark.parametrize("orders", [[order(cancelled=True)], [], [replace(order(), revision="r2")]])
def test_parts_of_cancelled_unknown_or_other_orders_become_stock(orders: list[object]) -> None:
    after, _ = take(world(orders=orders, allocations=[]), collected(1, good=1))
    assert after.stock["r1"].parts == 1


def test_good_parts_of_a_recalled_revision_are_recorded_and_never_counted() -> None:
    after, notices = take(world(revisions=[Revision("r1", "d1", 0.0, recalled=True)]), started(), ended(), collected())
    assert after.jobs["j1"].good == 1
    assert after.orders["o1"].good == 0
    assert "r1" not in after.stock
    assert codes(notices) == ["revision.recalled"]


# --- dedupe -----------------------------------------------------------------------------------------------------------------------


def test_a_repeated_batch_changes_nothing() -> None:
    facts = (started(), ended(), collected())
    once, _ = take(world(), *facts)
    twice, notices = take(once, *facts)
    assert twice == once
    assert notices == []


def test_facts_told_again_under_other_numbers_change_nothing() -> None:
    once, _ = take(world(), started(), ended(), collected())
    again, _ = take(once, started(4), ended(5), collected(6))
    assert again.orders == once.orders
    assert again.allocations == once.allocations
    assert again.jobs == once.jobs
    assert again.node_records["n1"].seq == 6


def test_the_table_knows_no_way_back() -> None:
    order_of = list(Phase)
    for (before, _), steps in TABLE.items():
        assert before is not Phase.COLLECTED
        assert steps
    assert phase(None) is order_of[0]
    assert phase(job()) is Phase.RUNNING
    assert phase(job(outcome=JobOutcome.PRINTED)) is Phase.ENDED
    assert phase(job(outcome=JobOutcome.PRINTED, collected_at_s=1.0)) is Phase.COLLECTED


# --- holes, pruned journals, ledgers ----------------------------------------------------------------------------------------------


def test_facts_after_a_hole_wait() -> None:
    after, notices = take(world(), started(1), collected(3))
    assert after.node_records["n1"].seq == 1
    assert after.orders["o1"].good == 0
    assert codes(notices) == ["journal.hole"]


def test_a_pointer_below_the_oldest_fact_skips_with_an_alarm() -> None:
    after, notices = take(world(node_records=[record(seq=2)]), started(10), oldest=10)
    assert after.node_records["n1"].seq == 10
    assert codes(notices) == ["journal.skipped"]


def test_the_first_ledger_of_a_node_withdraws_nothing() -> None:
    after, notices = take(world(node_records=[record(epoch="", seq=0)]), started())
    assert after.node_records["n1"].epoch == "e1"
    assert after.node_records["n1"].version == record().version
    assert notices == []


def test_a_new_ledger_withdraws_everything_unstarted_of_its_node_only() -> None:
    mine, others = allocation(started=1), allocation("a2", node="n2", printer="p2")
    draft = Draft(world(allocations=[mine, others], node_records=[record(), record("n2")]))
    notices: list[Notice] = []
    assert enter_epoch(draft, "n1", "e2", notices)
    assert [(notice.code, notice.node, notice.text) for notice in notices] == [("ledger.old", "n1", NEW_LEDGER)]
    assert enter_epoch(draft, "n1", "e2", notices)
    assert not enter_epoch(draft, "n1", "e1", notices)
    assert len(notices) == 1
    after = draft.farm.allocations
    assert (after["a1"].jobs, after["a1"].held, after["a1"].lost) == (1, 1, 3)
    assert after["a2"] == others
    assert draft.farm.node_records["n1"].version == record().version + 1
    assert draft.farm.node_records["n1"].seq == 0


def test_mail_from_a_past_ledger_is_ignored() -> None:
    draft = Draft(world(node_records=[record(seq=5)]))
    enter_epoch(draft, "n1", "e2")
    moved = draft.farm
    after, notices = take(moved, collected(6), epoch="e1")
    assert after == moved
    assert notices == []


def test_past_ledgers_are_bounded() -> None:
    draft = Draft(world())
    for number in range(MAX_PAST_EPOCHS + 10):
        enter_epoch(draft, "n1", f"next{number}")
    assert len(draft.farm.node_records["n1"].past_epochs.split()) == MAX_PAST_EPOCHS


# --- adoption and late parts ------------------------------------------------------------------------------------------------------


def test_a_job_of_an_unknown_allocation_is_adopted_and_expected() -> None:
    after, _ = take(world(allocations=[]), started())
    assert after.jobs["j1"].expected_parts == 1
    assert after.jobs["j1"].order == "o1"


def test_a_job_of_a_lapsed_allocation_returns_as_a_late_one() -> None:
    lapsed = allocation(jobs=0, held=0, lost=4)
    after, notices = take(world(allocations=[lapsed]), started())
    back = after.allocations["a1"]
    assert (back.started, back.held, back.lost) == (1, 1, 3)
    assert after.jobs["j1"].expected_parts == 1
    assert notices == []


def test_a_job_beyond_a_confirmed_withdrawal_is_adopted_with_an_alarm() -> None:
    after, notices = take(world(allocations=[allocation(jobs=0, held=0)]), started())
    assert after.allocations["a1"].held == 1
    assert codes(notices) == ["allocation.exceeded"]


def test_a_late_part_of_a_written_off_job_counts() -> None:
    after, _ = take(world(jobs=[job(written_off=True)]), collected(1))
    assert after.orders["o1"].good == 1


def test_a_written_off_job_that_ends_well_is_expected_again() -> None:
    after, _ = take(world(jobs=[job(written_off=True)]), ended(1))
    assert after.jobs["j1"].expected_parts == 1


def test_a_written_off_job_that_is_seen_running_is_expected_again_and_later_due() -> None:
    draft = Draft(world(jobs=[job(written_off=True)]))
    seen_running(draft, "j1", NOW_S, RULES, was_silent=False)
    assert not draft.farm.jobs["j1"].written_off
    assert draft.farm.jobs["j1"].due_at_s > NOW_S + 3600


@pytest.mark.parametrize("was_silent", [False, True])
def test_a_job_that_is_overdue_is_expected_again_only_when_its_node_was_away(was_silent: bool) -> None:
    draft = Draft(world(jobs=[job(written_off=True, due_at_s=NOW_S - 1)]))
    seen_running(draft, "j1", NOW_S, RULES, was_silent=was_silent)
    assert draft.farm.jobs["j1"].written_off is not was_silent
    take_batch(draft, Batch("n1", "e1", 1, (collected(1, good=1),)), NOW_S, RULES)
    assert draft.farm.orders["o1"].good == 1


@pytest.mark.parametrize(
    "known", [job(), job(written_off=True, outcome=JobOutcome.FAILED), job(written_off=True, collected_at_s=1.0)]
)
def test_other_jobs_that_are_seen_change_nothing(known: object) -> None:
    draft = Draft(world(jobs=[known]))
    seen_running(draft, "j1", NOW_S, RULES, was_silent=True)
    seen_running(draft, "unknown", NOW_S, RULES, was_silent=True)
    assert draft.changes == []


# --- facts that cannot be believed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "tables"),
    [
        (Unreadable(1, "{}", "kind: unknown"), {}),
        (started(at="p2"), {}),
        (started(parts=9), {}),
        (started(order="o2"), {}),
        (started(), {"allocations": [allocation(node="n2")]}),
        (ended(1), {"jobs": [job(node="n2")], "allocations": []}),
        (ended(1, parts=2), {"jobs": [job()]}),
        (collected(1, good=1, scrap=1), {}),
        (FaultSeen(1, "p9", "hot"), {"printers": [printer("p9", "n2")]}),
    ],
)
def test_what_cannot_be_believed_is_set_aside_and_the_stream_goes_on(fact: Fact, tables: dict[str, object]) -> None:
    before = world(node_records=[record(), record("n2")], **tables)
    after, notices = take(before, fact, started(2, "j2", allocation="other"))
    assert codes(notices)[0] == "fact.set-aside"
    (kept,) = after.set_aside.values()
    assert (kept.node, kept.seq) == ("n1", 1)
    assert after.node_records["n1"].seq == 2
    assert before.jobs.get("j1") == after.jobs.get("j1")


def test_a_poisoned_fact_that_is_told_twice_is_kept_once() -> None:
    once, _ = take(world(), Unreadable(1, "{}", "?"))
    rewound = replace(once, node_records={"n1": replace(once.node_records["n1"], seq=0)})
    twice, _ = take(rewound, Unreadable(1, "{}", "?"))
    assert len(twice.set_aside) == 1


def test_what_is_kept_of_a_node_is_bounded() -> None:
    full = [SetAside(str(number), "n1", "e1", number, "", "", 0.0) for number in range(MAX_SET_ASIDE)]
    after, notices = take(world(set_aside=full), Unreadable(1, "{}", "?"))
    assert len(after.set_aside) == MAX_SET_ASIDE
    assert codes(notices) == ["fact.set-aside"]


# --- hands' words that were waiting -----------------------------------------------------------------------------------------------

WORD = PendingCollect("cmd-1", "n1", "p1", "j1", 1, 0, "ada", clear_only=False, created_at_s=NOW_S)


@pytest.mark.parametrize(
    "fact",
    [collected(1), BedCleared(1, "p1", "j1"), CommandDone(1, "p1", "cmd-1", ok=True), CommandDone(1, "p1", "cmd-1", ok=False)],
)
def test_a_word_is_repeated_until_its_fact_arrives(fact: Fact) -> None:
    after, _ = take(world(pending_collects=[WORD], jobs=[job(outcome=JobOutcome.PRINTED)]), fact)
    assert after.pending_collects == {}


REFUSED = CommandDone(1, "p1", "cmd-1", ok=False, detail=NOT_ON_THIS_BED)
TWO_LEDGERS = record(epoch="e2", past_epochs="e1")


def waiting(**fields: Any) -> Farm:
    """A hand has collected j1, which ended, and its node has had another ledger since it was told to."""
    word = replace(WORD, **fields.pop("word", {}))
    node = fields.pop("node", TWO_LEDGERS)
    ended_job = job(**{"outcome": JobOutcome.PRINTED, **fields})
    return world(pending_collects=[word], jobs=[ended_job], node_records=[node])


def test_parts_that_a_new_ledger_does_not_know_are_counted_as_a_hand_said_and_once() -> None:
    after, notices = take(waiting(parts=2, word={"good": 1, "scrap": 1}), REFUSED, epoch="e2")
    assert codes(notices) == ["collect.by-word"]
    assert after.pending_collects == {}
    assert (after.orders["o1"].good, after.orders["o1"].scrap) == (1, 1)
    assert (after.jobs["j1"].collected_by, after.jobs["j1"].good) == ("ada", 1)
    told, notices = take(after, REFUSED, collected(2, parts=2, good=2), epoch="e2")
    assert notices == []
    assert (told.orders, told.jobs, told.stock) == (after.orders, after.jobs, after.stock), "a later fact does not count again"


def test_the_same_when_the_refusal_is_what_shows_the_new_ledger() -> None:
    after, notices = take(waiting(node=record(epoch="e1")), REFUSED, epoch="e2")
    assert codes(notices) == ["ledger.old", "collect.by-word"]
    assert after.orders["o1"].good == 1


def test_what_the_new_ledger_tells_of_the_job_counts_and_the_word_does_not() -> None:
    after, notices = take(waiting(parts=2), collected(1, parts=2, good=2), replace(REFUSED, seq=2), epoch="e2")
    assert notices == []
    assert after.orders["o1"].good == 2


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"node": record(epoch="e2")}, REFUSED),  # it has had this ledger only: what it refuses it knows
        ({"outcome": None}, REFUSED),  # it may run
        ({"printer": "p2"}, REFUSED),
        ({"word": {"job": "bed-7"}}, REFUSED),
        ({"word": {"clear_only": True}}, REFUSED),
        ({}, replace(REFUSED, detail="The job has not ended.")),
    ],
)
def test_no_other_refusal_counts_anything(fields: dict[str, Any], fact: CommandDone) -> None:
    before = waiting(**fields)
    after, notices = take(before, fact, epoch="e2")
    assert codes(notices) == ["collect.refused"]
    assert (after.orders, after.jobs, after.pending_collects) == (before.orders, before.jobs, {})


def test_a_refused_word_is_told_to_people() -> None:
    _, notices = take(world(pending_collects=[WORD]), CommandDone(1, "p1", "cmd-1", ok=False, detail="No.", detail_fr="Non."))
    assert codes(notices) == ["collect.refused"]
    assert (notices[0].text.endswith(": No."), notices[0].fr.endswith(" : Non.")) == (True, True)


def test_how_a_job_ended_is_kept_in_both_languages() -> None:
    begun = started()
    fact = JobEnded(2, "p1", begun.reference, JobOutcome.FAILED, detail="Cold.", detail_fr="Froid.", code="heater")
    after, _ = take(world(), begun, fact)
    job = after.jobs[begun.reference.job]
    assert (job.detail, job.detail_fr, job.detail_code) == ("Cold.", "Froid.", "heater")


@pytest.mark.parametrize(
    "fact",
    [started(), collected(1, "j2"), BedCleared(1, "p1", "x"), CommandDone(1, "p1", "cmd-2", ok=True), FaultSeen(1, "p1", "")],
)
def test_other_facts_leave_it_waiting(fact: Fact) -> None:
    after, _ = take(world(pending_collects=[WORD]), fact)
    assert after.pending_collects == {"cmd-1": WORD}


def test_another_node_cannot_answer_for_it() -> None:
    after, _ = take(
        world(pending_collects=[WORD], node_records=[record(), record("n2")]), CommandDone(1, "p9", "cmd-1", ok=True), node="n2"
    )
    assert after.pending_collects == {"cmd-1": WORD}


@pytest.mark.parametrize(("revoked", "owner"), [(False, "n1"), (True, None)])
def test_a_printer_belongs_to_its_first_node_until_that_is_removed(revoked: bool, owner: str | None) -> None:
    record = PrinterRecord("p1", "n1", "Left", "marlin", "small", "PLA", 0.4)
    farm = Farm(1, 0.0, node_records={"n1": NodeRecord("n1", "left", 0.0, "", revoked=revoked)}, printer_records={"p1": record})
    assert owner_of(farm, "p1") == owner
    assert owner_of(farm, "p2") is None


# --- two clocks: what is due, and what people are shown ---------------------------------------------------------------------


def test_what_is_due_follows_the_steady_clock_and_what_is_shown_the_wall() -> None:
    draft = Draft(world())
    take_batch(draft, Batch("n1", "e1", 1, (started(),)), NOW_S, RULES, steady_s=50.0)
    begun = draft.farm.jobs["j1"]
    assert begun.started_at_s == NOW_S
    assert begun.due_at_s == 50.0 + begun.estimated_s * 1.25 + 2 * RULES.clearing_s + RULES.write_off_slack_s
    take_batch(draft, Batch("n1", "e1", 1, (started(), ended(2), collected(3))), NOW_S, RULES, steady_s=70.0)
    over = draft.farm.jobs["j1"]
    assert over.ended_at_s == over.collected_at_s == NOW_S
    assert over.due_at_s == 70.0 + 2 * RULES.clearing_s + RULES.write_off_slack_s


def anchored(age_s: float, now_s: float, **fields: Any) -> float:
    draft = Draft(world(jobs=[job(estimated_s=1_000.0, due_at_s=500.0, **fields)]))
    anchor_running(draft, "j1", age_s, now_s, RULES)
    return draft.farm.jobs["j1"].due_at_s


def test_a_job_that_is_seen_running_is_not_due_before_it_can_be_over() -> None:
    slack_s = 2 * RULES.clearing_s + RULES.write_off_slack_s
    assert anchored(0.0, 2_000.0) == 2_000.0 + 1_000.0 * 1.25 + slack_s
    assert anchored(600.0, 2_000.0) == 2_000.0 + 400.0 * 1.25 + slack_s
    assert anchored(9_000.0, 2_000.0) == 2_000.0 + slack_s  # long past its estimate: only the hands' time


def test_a_job_is_never_given_less_time() -> None:
    assert anchored(600.0, -50_000.0) == 500.0


def test_what_is_over_written_off_or_unknown_is_not_anchored() -> None:
    assert anchored(0.0, 2_000.0, written_off=True) == 500.0
    assert anchored(0.0, 2_000.0, outcome=JobOutcome.PRINTED) == 500.0
    assert anchored(0.0, 2_000.0, collected_at_s=5.0) == 500.0
    draft = Draft(world())
    anchor_running(draft, "j-unknown", 0.0, 2_000.0, RULES)
    assert draft.changes == []
