"""Facts from the bus to plain values, and allocations to a desired state."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.base import PrinterState
from farm.bus import messages
from farm.daemon.translate import batch, desired, fact, printer_now, read_batch, why_unreadable
from scheduler import facts
from scheduler.model import Allocation, BedState, Farm, JobOutcome, NodeRecord, OccupationKind, Order
from scheduler.refused import Refused
from tests.unit.farm.daemon.harness import PROGRAM, SHA, occupied, printer_report, reference

PLAIN = facts.JobReference("j1", "a1", "o1", "r1", SHA, 1, 3600.0)
FAULT = messages.FaultNote(code="hot", text="Thermal runaway")


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        (messages.JobStarted(seq=1, printer="p1", reference=reference()), facts.JobStarted(1, "p1", PLAIN)),
        (
            messages.JobEnded(seq=2, printer="p1", reference=reference(), outcome=JobOutcome.FAILED, detail="cold", by_person=True),
            facts.JobEnded(2, "p1", PLAIN, JobOutcome.FAILED, detail="cold", by_person=True),
        ),
        (
            messages.JobEnded(
                seq=2, printer="p1", reference=reference(), outcome=JobOutcome.FAILED, detail="cold", detail_fr="froid", code="c"
            ),
            facts.JobEnded(2, "p1", PLAIN, JobOutcome.FAILED, detail="cold", detail_fr="froid", code="c"),
        ),
        (
            messages.JobCollected(seq=3, printer="p1", reference=reference(), good=1, scrap=0, by="ada"),
            facts.JobCollected(3, "p1", PLAIN, 1, 0, by="ada"),
        ),
        (messages.BedCleared(seq=4, printer="p1", occupation="x"), facts.BedCleared(4, "p1", "x")),
        (
            messages.CommandDone(seq=5, printer="p1", command="c", ok=False, detail="no"),
            facts.CommandDone(5, "p1", "c", ok=False, detail="no"),
        ),
        (
            messages.CommandDone(seq=5, printer="p1", command="c", ok=False, detail="no", detail_fr="non", code="x"),
            facts.CommandDone(5, "p1", "c", ok=False, detail="no", detail_fr="non"),
        ),
        (messages.FaultRaised(seq=6, printer="p1", fault=FAULT), facts.FaultSeen(6, "p1", "Thermal runaway")),
    ],
)
def test_every_kind_of_fact_has_a_plain_value(message: messages.Message, plain: facts.Fact) -> None:
    assert fact(messages.RawFact.model_validate_json(message.model_dump_json())) == plain


@pytest.mark.parametrize(
    "content",
    [
        {"seq": 7, "kind": "job-teleported"},
        {"seq": 7, "kind": "job-started", "printer": "p1"},
        {"seq": 7, "kind": "job-collected", "printer": "p1", "reference": reference().model_dump(), "good": 1, "scrap": 1},
        {"seq": 7, "kind": "bed-cleared", "printer": "../../etc", "occupation": "x"},
    ],
)
def test_what_cannot_be_understood_keeps_its_place_and_its_content(content: dict[str, object]) -> None:
    found = fact(messages.RawFact.model_validate(content))
    assert isinstance(found, facts.Unreadable)
    assert found.seq == 7
    assert str(content["kind"]) in found.content
    en, fr = why_unreadable(found.content, found.reason)
    assert en == found.reason
    assert fr not in {"", en}


def test_why_is_told_in_french_as_far_as_what_is_kept_tells_it() -> None:
    found = fact(messages.RawFact.model_validate({"seq": 7, "kind": "job-started"}))
    assert isinstance(found, facts.Unreadable)
    assert why_unreadable(found.content, found.reason).fr == "job-started.printer : Ce champ est nécessaire"
    for content in (found.content[:-1], "[]", '{"seq": 7, "kind": "job-teleported"}'):
        assert why_unreadable(content, found.reason) == (found.reason, found.reason), content
    fits = messages.BedCleared(seq=7, printer="p1", occupation="x").model_dump_json()
    assert why_unreadable(fits, "odd") == ("odd", "odd"), "this Essaim understands it"


@pytest.mark.parametrize(
    "poison",
    [
        {"seq": 5, "nothing": 1},
        {"seq": 5, "kind": None},
        {"seq": 5, "kind": 7},
        {"seq": 5, "kind": ["job-started"]},
        {"seq": 5, "kind": {}},
        {"seq": 5, "kind": "long" * 100},
        {"seq": 5, "kind": "job-started", "printer": {}},
        {"seq": 5, "model_config": 1, "__class__": 2, "seq_": 3},
        {"kind": "bed-cleared", "printer": "p1", "occupation": "x"},
        {"seq": "five", "kind": "bed-cleared", "printer": "p1", "occupation": "x"},
        {"seq": None, "kind": "x"},
        {"seq": 1.5, "kind": "x"},
        {"seq": -5},
        {"seq": 2**60},
        {},
        [],
        7,
        "job-started",
        None,
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_poisonous_fact_is_set_aside_and_its_neighbours_are_taken(poison: Any, place: int) -> None:
    rows: list[Any] = [{"seq": seq, "kind": "bed-cleared", "printer": "p1", "occupation": f"x{seq}"} for seq in (5, 6, 7)]
    rows[place] = {**poison, "seq": 5 + place} if isinstance(poison, dict) and poison.get("seq") == 5 else poison
    content = payload(*rows)
    quick, slow = read_batch("n1", content), batch("n1", messages.Journal.model_validate_json(content))
    assert quick == slow
    assert [found.seq for found in quick.facts] == [5, 6, 7]
    wrong = quick.facts[place]
    assert isinstance(wrong, facts.Unreadable)
    assert wrong.reason
    assert why_unreadable(wrong.content, wrong.reason).fr not in {"", wrong.reason}
    assert json.loads(wrong.content) == rows[place]
    assert all(isinstance(found, facts.BedCleared) for found in quick.facts if found is not wrong)


def test_a_fact_without_a_number_says_nothing_of_its_ledger() -> None:
    content = payload({"seq": 5, "kind": "?"}, {"kind": "?"})
    assert read_batch("n1", content).tag_of(5)
    assert read_batch("n1", content).tag_of(6) == ""


def test_a_tag_is_the_same_at_both_ends_whatever_the_kind_is() -> None:
    for kind in ("x" * 200, 7, None, ["a", None]):
        raw = messages.RawFact.model_validate({"seq": 5, "kind": kind})
        assert read_batch("n1", payload({"seq": 5, "kind": kind})).tag_of(5) == messages.fact_tag(raw)


def test_what_turns_a_text_round_is_not_shown() -> None:
    found = read_batch("n1", payload({"seq": 5, "kind": "job-\u202e\u001b[2J"})).facts[0]
    assert isinstance(found, facts.Unreadable)
    assert not any(messages.is_harmful(character) for character in found.reason + found.content)
    assert "job-\ufffd\ufffd[2J" in found.reason


def test_a_batch_keeps_the_order() -> None:
    rows = [messages.RawFact.model_validate({"seq": seq, "kind": "?"}) for seq in (4, 5)]
    found = batch("n1", messages.Journal(epoch="e1", oldest=2, head=5, facts=rows))
    assert (found.node, found.epoch, found.oldest, [item.seq for item in found.facts]) == ("n1", "e1", 2, [4, 5])


KNOWN = [
    messages.JobStarted(seq=4, printer="p1", reference=reference()).model_dump(mode="json"),
    messages.JobEnded(seq=5, printer="p1", reference=reference(), outcome=JobOutcome.FAILED, detail="é").model_dump(mode="json"),
    {**messages.JobCollected(seq=6, printer="p1", reference=reference(), good=1, scrap=0).model_dump(mode="json"), "later": [1.5]},
]
STRANGE = {"seq": 7, "kind": "job-teleported", "to": "Lyon"}
POISONED = {**KNOWN[2], "seq": 7, "good": 5}


def payload(*rows: Any, **fields: Any) -> bytes:
    return json.dumps({"v": 1, "epoch": "e1", "oldest": 2, "head": 9, "facts": rows, **fields}).encode()


@pytest.mark.parametrize("rows", [KNOWN, [], KNOWN[:1], [*KNOWN, STRANGE], [*KNOWN, POISONED], [STRANGE]])
def test_all_facts_at_once_are_read_like_one_after_the_other(rows: list[dict[str, Any]]) -> None:
    content = payload(*rows)
    quick, slow = read_batch("n1", content), batch("n1", messages.Journal.model_validate_json(content))
    assert quick == slow
    assert [quick.tag_of(row["seq"]) for row in rows] == [slow.tag_of(row["seq"]) for row in rows]
    assert quick.tag_of(99) == slow.tag_of(99) == ""


def test_the_tag_covers_what_we_do_not_know_of_a_fact() -> None:
    last = messages.RawFact.model_validate(KNOWN[2])
    assert read_batch("n1", payload(*KNOWN)).tag_of(6) == messages.fact_tag(last)
    without = {key: value for key, value in KNOWN[2].items() if key != "later"}
    assert read_batch("n1", payload(*KNOWN[:2], without)).tag_of(6) != messages.fact_tag(last)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'"facts"',
        payload(v=2),
        payload(epoch=""),
        payload(head=-1),
        payload(*KNOWN[:1] * 65),
        payload({"nothing": 1}),
        payload({"seq": -1}, 7, {"seq": "first"}),
        payload({"seq": 2**60}),
    ],
)
def test_what_is_no_journal_is_refused_as_before(content: bytes) -> None:
    with pytest.raises(ValidationError):
        read_batch("n1", content)


def test_a_running_job_and_one_that_waits_for_a_hand() -> None:
    running, ended = printer_now("n1", occupied()), printer_now("n1", occupied(outcome=JobOutcome.PRINTED))
    assert (running.running, running.job, running.occupation) == (True, "j1", "j1")
    assert (ended.running, ended.job) == (False, "j1")


@pytest.mark.parametrize(("kind", "running"), [(OccupationKind.FOREIGN, True), (OccupationKind.UNKNOWN, False)])
def test_what_is_not_ours_has_no_job(kind: OccupationKind, running: bool) -> None:
    report = printer_report(state=PrinterState.FOREIGN, bed=BedState.UNKNOWN, occupation=messages.Occupation(id="x", kind=kind))
    found = printer_now("n1", report)
    assert (found.running, found.job, found.occupation) == (running, None, "x")


def test_a_person_who_is_the_driver_prints_by_hand() -> None:
    assert printer_now("people", printer_report(driver="manual")).by_hand
    assert not printer_now("n1", printer_report()).by_hand


def test_what_a_node_refuses_reaches_decisions_with_its_reason() -> None:
    reason = messages.ReasonNote(code="gcode-refused", en="Too hot.", fr="Trop chaud.")
    found = printer_now("n1", printer_report(refusals=[messages.ProgramRefusal(program="a" * 64, reason=reason)]))
    assert found.refused == (Refused("a" * 64, "gcode-refused", "Too hot.", "Trop chaud."),)
    assert printer_now("n1", printer_report()).refused == ()


def held(**fields: Any) -> Allocation:
    return replace(Allocation("a1", "n1", "p1", "o1", "r1", SHA, 1, 3600.0, 2, 2, 43_200.0, 0.0), **fields)


FARM = Farm(
    generation=3,
    uptime_s=0.0,
    programs={SHA: PROGRAM},
    orders={"o1": Order("o1", "r1", 4, 7, "", 0.0)},
    node_records={"n1": NodeRecord("n1", "left", 0.0, "", version=9)},
)


def test_the_desired_state_is_whole_and_carries_all_that_a_node_needs() -> None:
    message = desired(FARM, "n1", messages.Settings(), [held()])
    assert (message.generation, message.version) == (3, 9)
    (order,) = message.printers["p1"]
    assert (order.id, order.jobs, order.priority, order.autonomy_s) == ("a1", 2, 7, 43_200.0)
    assert (order.program.sha256, order.program.size_bytes, order.program.parts) == (SHA, 9, 1)


@pytest.mark.parametrize("one", [held(started=2), held(jobs=0), held(node="n2")])
def test_what_may_not_be_started_is_left_out(one: Allocation) -> None:
    assert desired(FARM, "n1", messages.Settings(), [one]).printers == {}
