import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from drivers.base import PrinterState
from farm.bus.messages import (
    MAX_CHOICES,
    MAX_FACTS,
    Ack,
    AllocationOrder,
    AnswerAction,
    Command,
    Desired,
    Envelope,
    Fact,
    FaultNote,
    Journal,
    JournalPosition,
    Link,
    Occupation,
    PrinterReport,
    PrinterTelemetry,
    ProgramReference,
    PromptNote,
    RawFact,
    Report,
    Telemetry,
    fact_tag,
)
from scheduler.model import BedState, JobOutcome, OccupationKind

SHA = "a" * 64
REFERENCE = {"job": "job-1", "allocation": "al-1", "order": "or-1", "revision": "frame-3", "program": SHA, "parts": 4}
PROGRAM = ProgramReference(sha256=SHA, size_bytes=1_000, parts=4, estimated_s=3600)
ALLOCATION = AllocationOrder(id="al-1", order="or-1", revision="frame-3", program=PROGRAM, jobs=3, autonomy_s=43_200)
PRINTER = PrinterReport(
    id="p-1",
    name="Ender im Keller",
    driver="marlin",
    profile="generic-210",
    state=PrinterState.PRINTING,
    bed=BedState.OCCUPIED,
    occupation=Occupation(id="job-1", kind=OccupationKind.JOB, outcome=JobOutcome.PRINTED),
)
MESSAGES: list[Envelope] = [
    Desired(generation=3, version=4, printers={"p-1": [ALLOCATION]}),
    Ack(generation=3, epoch="e1", seq=12, boot=1, report=2),
    Report(
        generation=3,
        desired_version=4,
        boot=1,
        report=2,
        journal=JournalPosition(epoch="e1", oldest=1, head=12),
        printers=[PRINTER],
        started={"al-1": 2},
    ),
    Journal(epoch="e1", oldest=1, head=1, facts=[RawFact(seq=1, kind="bed-cleared")]),
    Link(connection=7, online=False),
    Telemetry(boot=1, count=9, printers={"p-1": PrinterTelemetry(state=PrinterState.IDLE, nozzle_c=21.5)}),
]
facts: TypeAdapter[Any] = TypeAdapter(Fact)
commands: TypeAdapter[Command] = TypeAdapter(Command)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_journey(message: Envelope) -> None:
    assert type(message).model_validate_json(message.model_dump_json(exclude_none=True)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_newer_peer_may_add_fields_but_not_change_the_version(message: Envelope) -> None:
    document = json.loads(message.model_dump_json())
    assert document["v"] == 1
    assert type(message).model_validate({**document, "mood": "sunny"}) == message
    with pytest.raises(ValidationError):
        type(message).model_validate({**document, "v": 2})


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        ({"kind": "job-started", "reference": REFERENCE}, "JobStarted"),
        ({"kind": "job-ended", "reference": REFERENCE, "outcome": "printed"}, "JobEnded"),
        ({"kind": "job-collected", "reference": REFERENCE, "good": 3, "scrap": 1}, "JobCollected"),
        ({"kind": "bed-cleared", "occupation": "oc-1"}, "BedCleared"),
        ({"kind": "fault-raised", "fault": {"code": "thermal-runaway", "text": "Error:Thermal Runaway"}}, "FaultRaised"),
        ({"kind": "command-done", "command": "co-1", "ok": True}, "CommandDone"),
    ],
)
def test_every_kind_of_fact_is_known_by_its_kind(fact: dict[str, Any], kind: str) -> None:
    assert type(facts.validate_python({"seq": 1, "printer": "p-1", **fact})).__name__ == kind


def test_what_an_older_node_does_not_say_is_empty() -> None:
    old = PrinterReport.model_validate({"id": "p-1", "name": "p", "driver": "d", "profile": "x", "state": "idle", "bed": "clear"})
    assert old.prompt is None
    fault = FaultNote(code="hot", text="hot")
    assert (fault.recovery, fault.text_fr) == ("", None)


def test_a_question_of_an_older_node_has_no_french_and_its_choices_are_the_machine_s() -> None:
    old = PromptNote.model_validate({"id": "q", "text": "Out of filament", "choices": ["Continue"]})
    assert (old.text_fr, old.choices_fr) == (None, [])
    new = PromptNote(id="q", text="Ready?", choices=["Yes"], text_fr="Prête\x1b ?", choices_fr=["Oui\u202e"])
    again = PromptNote.model_validate_json(new.model_dump_json())
    assert (again.text_fr, again.choices_fr) == ("Prête\ufffd ?", ["Oui\ufffd"]), "as harmless as the English"
    with pytest.raises(ValidationError):
        PromptNote(id="q", text="", choices_fr=["x"] * (MAX_CHOICES + 1))
    done = facts.validate_python({"seq": 1, "printer": "p-1", "kind": "command-done", "command": "c", "ok": False, "detail": "no"})
    assert (done.detail_fr, done.code) == ("", "")


@pytest.mark.parametrize("choice", [-1, MAX_CHOICES, 1.5, "x"])
def test_an_answer_is_one_of_the_choices_that_a_question_may_have(choice: object) -> None:
    document = {"generation": 1, "id": "c-1", "action": {"kind": "answer", "printer": "p-1", "prompt": "q-1", "choice": choice}}
    with pytest.raises(ValidationError):
        commands.validate_python(document)
    document["action"] = {"kind": "answer", "printer": "p-1", "prompt": "q-1"}
    action = commands.validate_python(document).action
    assert isinstance(action, AnswerAction)
    assert action.choice == 0


@pytest.mark.parametrize(("good", "scrap"), [(5, 0), (0, 5), (3, 2)])
def test_nobody_collects_more_than_the_job_has(good: int, scrap: int) -> None:
    with pytest.raises(ValidationError, match="more than the parts"):
        facts.validate_python(
            {"seq": 1, "printer": "p-1", "kind": "job-collected", "reference": REFERENCE, "good": good, "scrap": scrap}
        )


def test_a_fact_of_an_unknown_kind_leaves_its_batch_readable() -> None:
    journal = Journal.model_validate(
        {
            "epoch": "e",
            "oldest": 1,
            "head": 2,
            "facts": [{"seq": 1, "kind": "danced", "tune": "waltz"}, {"seq": 2, "kind": "bed-cleared"}],
        }
    )
    assert [fact.kind for fact in journal.facts] == ["danced", "bed-cleared"]
    assert journal.facts[0].model_dump()["tune"] == "waltz"
    with pytest.raises(ValidationError):
        facts.validate_python(journal.facts[0].model_dump())


@pytest.mark.parametrize(
    "action",
    [
        {"kind": "collect", "printer": "p", "job": "j", "good": 1, "scrap": 0},
        {"kind": "clear-bed", "printer": "p", "occupation": "o"},
        {"kind": "pause", "printer": "p", "job": "j"},
        {"kind": "resume", "printer": "p", "job": "j"},
        {"kind": "cancel", "printer": "p", "job": "j"},
        {"kind": "emergency-stop", "printer": "p"},
    ],
)
def test_every_action_of_a_command(action: dict[str, Any]) -> None:
    command = commands.validate_python({"generation": 1, "id": "c", "action": action})
    assert command.action.kind == action["kind"]


@pytest.mark.parametrize(
    "action",
    [
        {"kind": "explode", "printer": "p"},
        {"kind": "collect", "printer": "p", "good": 1, "scrap": 0},  # names no job
        {"kind": "clear-bed", "printer": "p"},  # names no occupation
        {"kind": "pause", "printer": "p"},
        {"kind": "emergency-stop"},
    ],
)
def test_a_command_that_names_nothing_is_refused(action: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        commands.validate_python({"generation": 1, "id": "c", "action": action})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../etc/passwd"),
        ("id", "a/b"),
        ("id", "#"),
        ("id", "+"),
        ("id", ""),
        ("id", "x" * 65),
        ("id", "new\nline"),
        ("jobs", -1),
        ("jobs", 1_000_001),
        ("autonomy_s", -1),
        ("autonomy_s", float("inf")),
        ("autonomy_s", float("nan")),
        ("priority", 101),
    ],
)
def test_limits_hold_at_the_border(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        AllocationOrder.model_validate({**ALLOCATION.model_dump(), field: value})


@pytest.mark.parametrize("sha256", ["", "A" * 64, "a" * 63, "g" * 64, "a" * 64 + "\n"])
def test_a_hash_is_a_hash(sha256: str) -> None:
    with pytest.raises(ValidationError):
        ProgramReference(sha256=sha256, size_bytes=1, parts=1, estimated_s=1)


def test_collections_are_limited() -> None:
    with pytest.raises(ValidationError):
        Journal(epoch="e", oldest=1, head=1, facts=[RawFact(seq=number, kind="x") for number in range(MAX_FACTS + 1)])
    with pytest.raises(ValidationError):
        Desired(generation=1, version=1, printers={"p": [ALLOCATION] * 17})
    with pytest.raises(ValidationError):
        Telemetry(boot=1, count=1, printers={f"p-{number}": PrinterTelemetry(state=PrinterState.IDLE) for number in range(129)})


@pytest.mark.parametrize("celsius", [float("inf"), float("nan"), 3_000.0])
def test_a_temperature_is_a_temperature(celsius: float) -> None:
    with pytest.raises(ValidationError):
        PrinterTelemetry(state=PrinterState.IDLE, nozzle_c=celsius)


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    for kind in (Desired, Ack, Report, Journal, Link, Telemetry, Command):
        with pytest.raises(ValidationError):
            kind.model_validate_json(noise)


@given(st.integers(min_value=0, max_value=2**53), st.booleans())
def test_any_number_survives_the_journey(number: int, online: bool) -> None:
    link = Link(connection=number, online=online)
    assert Link.model_validate_json(link.model_dump_json()) == link


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Düse — 25 °C, façade, 喷嘴, \U0001f469\u200d\U0001f527", "Düse — 25 °C, façade, 喷嘴, \U0001f469\u200d\U0001f527"),
        ("\u05d0\u05d1", "\u05d0\u05d1"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("\x1b[31m\r\n\x00\x9b", "\ufffd[31m" + "\ufffd" * 4),
        ("line\u2028line\u2029", "line\ufffdline\ufffd"),
    ],
)
def test_what_would_harm_its_reader_is_replaced_in_every_text(text: str, shown: str) -> None:
    note = FaultNote(
        code=text, text=text, meaning_en=text, meaning_fr=text, action_en=text, action_fr=text, recovery=text, text_fr=text
    )
    assert set(note.model_dump().values()) == {shown}
    assert FaultNote.model_validate_json(json.dumps(dict.fromkeys(FaultNote.model_fields, text))) == note


def test_an_allocation_says_who_released_its_program_and_an_older_daemon_says_nobody() -> None:
    released = ALLOCATION.model_copy(update={"released_by": "Ana, technician"})
    assert AllocationOrder.model_validate_json(released.model_dump_json()) == released
    document = json.loads(ALLOCATION.model_dump_json())
    del document["released_by"]
    assert AllocationOrder.model_validate(document).released_by == ""


def test_the_tag_of_a_fact_that_an_older_node_told_does_not_change() -> None:
    """Otherwise a node that was updated would take its own ledger for an old copy."""
    told = {"seq": 4, "printer": "p1", "at_s": 1.0, "kind": "job-ended", "reference": None, "outcome": "printed", "detail": "Done."}
    older = {**told, "by_person": False, "took_s": 9.0, "fault": {"code": "hot"}}
    newer = {**older, "detail_fr": None, "code": None, "fault": {"code": "hot", "text_fr": None}}
    assert fact_tag(RawFact.model_validate(older)) == fact_tag(RawFact.model_validate(newer))
