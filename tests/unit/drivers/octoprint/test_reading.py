from typing import Any

import pytest

from drivers.base import Temperature
from drivers.octoprint.reading import (
    Phase,
    PrintRecord,
    Question,
    job_path,
    log_lines,
    log_lines_of,
    number_of,
    phase_of,
    question_of,
    reading_of_job,
    reading_of_push,
    record_of,
    table_of,
    temperatures_of,
    text_of,
)

JOB = {
    "job": {"file": {"path": "farm/job-1.gcode", "origin": "local"}, "user": "farm"},
    "progress": {"completion": 12.5, "filepos": 5299, "printTimeLeft": 60},
    "state": "Printing",
}


def test_a_job() -> None:
    reading = reading_of_job(JOB)
    assert (reading.phase, reading.path, reading.user) == (Phase.PRINTING, "farm/job-1.gcode", "farm")
    assert (reading.completion, reading.position_bytes, reading.remaining_s) == (12.5, 5299, 60)
    assert reading.error is None


def test_a_push_message_has_its_state_elsewhere() -> None:
    reading = reading_of_push(JOB | {"state": {"text": "Offline after error", "error": "it broke"}})
    assert (reading.phase, reading.error) == (Phase.FAILED, "it broke")


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("Offline", Phase.CLOSED),
        ("Closed", Phase.CLOSED),
        ("Error", Phase.FAILED),
        ("Detecting serial connection", Phase.CONNECTING),
        ("Starting", Phase.PRINTING),
        ("Pausing", Phase.PAUSED),
        ("Resuming", Phase.PRINTING),
        ("Finishing", Phase.FINISHING),
        ("Cancelling", Phase.CANCELLING),
        ("Transferring file to SD", Phase.TRANSFERRING),
        ("Levitating", Phase.UNKNOWN),
        (None, Phase.UNKNOWN),
        ([], Phase.UNKNOWN),
    ],
)
def test_phases(text: object, phase: Phase) -> None:
    assert phase_of(text) is phase


@pytest.mark.parametrize("state", ["Printing", "Paused", "Pausing", "Finishing", "Cancelling"])
def test_ours_is_active_by_its_path(state: str) -> None:
    reading = reading_of_job(JOB | {"state": state})
    assert reading.active_with(job_path("job-1"))
    assert not reading.active_with(job_path("job-2"))


def test_a_file_on_the_printers_card_is_never_ours() -> None:
    file = {"path": "farm/job-1.gcode", "origin": "sdcard"}
    assert not reading_of_job(JOB | {"job": {"file": file}}).active_with(job_path("job-1"))


def test_an_idle_printer_with_our_file_selected_is_not_active() -> None:
    assert not reading_of_job(JOB | {"state": "Operational"}).active_with(job_path("job-1"))


@pytest.mark.parametrize("content", [{}, {"job": None, "progress": [], "state": 3}, {"job": {"file": "x"}, "state": {"text": 5}}])
def test_nonsense_is_a_reading_of_nothing(content: dict[str, Any]) -> None:
    for reading in (reading_of_job(content), reading_of_push(content)):
        assert (reading.phase, reading.path, reading.completion) == (Phase.UNKNOWN, None, None)


@pytest.mark.parametrize("value", [None, True, "3", float("nan"), float("inf"), [1]])
def test_what_is_no_number(value: object) -> None:
    assert number_of(value) is None


def test_texts_are_limited() -> None:
    assert text_of("x" * 10_000) == "x" * 300
    assert text_of("") is None
    assert text_of(5) is None
    assert table_of([1]) == {}


def test_temperatures() -> None:
    entry = {"tool0": {"actual": 209.96, "target": 210.0}, "bed": {"actual": 60, "target": None}, "chamber": {"actual": None}}
    assert temperatures_of(entry) == (Temperature(210.0, 210.0), Temperature(60.0, 0.0))
    assert temperatures_of({"tool0": {"actual": None}}) == (None, None)
    assert temperatures_of(None) == (None, None)


def test_print_records() -> None:
    assert record_of({}) == PrintRecord(0, 0, None)
    prints = {"success": 1, "failure": 2, "last": {"success": False}}
    assert record_of({"prints": prints}) == PrintRecord(1, 2, last_success=False)
    assert record_of({"prints": {"success": "many", "last": {"success": "yes"}}}) == PrintRecord(0, 0, None)


def test_texts_can_be_sent_on() -> None:
    """Half characters break every encoder, control characters every terminal."""
    assert text_of("a\ud800b") == "a?b"
    assert text_of("a\x1b[31m\r\nb\x00") == "a [31m b "


@pytest.mark.parametrize(
    ("content", "question"),
    [
        ({"text": "Filament?", "choices": ["Yes", "No"]}, Question("Filament?", ("Yes", "No"))),
        ({"action": "show", "text": "Go on", "choices": []}, Question("Go on")),
        ({"choices": ["Yes", 5, None]}, Question("?", ("Yes", "-", "-"))),
        ({"text": None, "choices": "x"}, Question("?")),
        (None, None),
        ([], None),
        ({}, None),
        ("x", None),
    ],
)
def test_questions(content: object, question: Question | None) -> None:
    assert question_of(content) == question


def test_a_question_is_limited() -> None:
    question = question_of({"text": "x" * 9999, "choices": ["y" * 9999] * 9999})
    assert question is not None
    assert len(question.text) == 300
    assert len(question.choices) == 20


@pytest.mark.parametrize("value", [None, "x", 5, {"a": 1}])
def test_logs_that_are_none(value: object) -> None:
    assert log_lines(value) == []
    assert log_lines_of(value) == []


def test_logs() -> None:
    lines = [f"Recv: {number}" for number in range(50)]
    assert log_lines([*lines, None, 5]) == lines
    assert log_lines_of(lines) == lines[-5:]
    assert log_lines_of(["x" * 500]) == ["x" * 80]


def test_octoprints_own_word_for_its_state_is_kept() -> None:
    assert reading_of_job({"state": "Levitating"}).state == "Levitating"


@pytest.mark.parametrize(("last", "took_s"), [({"printTime": 12.5}, 12.5), ({"printTime": None}, 0.0), ({}, None)])
def test_how_long_the_last_print_took(last: dict[str, Any], took_s: float | None) -> None:
    assert record_of({"prints": {"success": 1, "last": last}}).last_s == took_s
