"""Nothing starts before this node has checked its program itself, and what it refuses is told."""

from dataclasses import replace
from typing import Any

import pytest

from drivers.base import PrinterState
from farm.bus.messages import MAX_PACKET_BYTES, MAX_REFUSALS, Report
from farm.node import core
from farm.node.core import Checked, StartJob, Task, refusal
from farm.node.core.checks import NOT_ANSWERED, limits_note, refusals, tasks
from scheduler.model import JobOutcome
from tests.unit.farm.node.bench import OTHER_SHA, SHA, A, B, Bench, allocation, setup

TOO_HOT = refusal("The nozzle would be too hot.", "La buse serait trop chaude.")


@pytest.fixture
def unchecked() -> Bench:
    bench = Bench()
    bench.state = replace(bench.state, checks={})
    return bench


def test_nothing_starts_before_the_check(unchecked: Bench) -> None:
    unchecked.allocate(allocation())
    assert unchecked.tick().instructions == ()
    assert tasks(unchecked.state) == [Task(A, SHA)]
    unchecked.checked()
    assert tasks(unchecked.state) == []
    assert len(unchecked.tick().instructions) == 1


def test_a_check_is_for_one_printer(unchecked: Bench) -> None:
    unchecked.allocate(allocation())
    unchecked.checked(B)
    assert unchecked.tick().instructions == ()


def test_what_is_refused_never_starts_and_the_printer_says_why(unchecked: Bench) -> None:
    unchecked.allocate(allocation())
    unchecked.checked(refused=TOO_HOT)
    assert unchecked.tick().instructions == ()
    report = unchecked.report().printers[0]
    assert not report.ready
    assert report.reason == TOO_HOT
    assert (report.reason.code, report.reason.fr) == ("gcode-refused", "La buse serait trop chaude.")
    assert [(one.program, one.reason) for one in report.refusals] == [(SHA, TOO_HOT)]
    assert unchecked.starts == 0


def test_the_refusal_outlives_its_allocation_and_the_printer_is_ready_again(unchecked: Bench) -> None:
    """Else the farm would give it the same program again at once."""
    unchecked.allocate(allocation())
    unchecked.checked(refused=TOO_HOT)
    unchecked.allocate()
    report = unchecked.report().printers[0]
    assert (report.ready, [one.program for one in report.refusals]) == (True, [SHA])


def test_another_program_starts_beside_a_refused_one(unchecked: Bench) -> None:
    unchecked.allocate(allocation("bad", priority=9), allocation("good", sha=OTHER_SHA))
    unchecked.checked(refused=TOO_HOT)
    assert unchecked.report().printers[0].reason is None, "the other one may still come"
    unchecked.checked(A, OTHER_SHA)
    (start,) = unchecked.tick().instructions
    assert isinstance(start, StartJob)
    assert start.program == OTHER_SHA


def test_a_new_refusal_is_reported_at_once(unchecked: Bench) -> None:
    unchecked.allocate(allocation("bad"), allocation("good", sha=OTHER_SHA))
    before = core.face(unchecked.state, unchecked.moment)
    unchecked.checked(refused=TOO_HOT)
    assert core.face(unchecked.state, unchecked.moment) != before


def test_what_needs_trust_starts_only_when_a_person_released_it(unchecked: Bench) -> None:
    unchecked.allocate(allocation("nobody"))
    unchecked.checked(needs_trust=True)
    assert unchecked.tick().instructions == ()
    reason = unchecked.report().printers[0].reason
    assert reason is not None
    assert (reason.code, "nobody has given it" in reason.en, "personne ne l'a donnée" in reason.fr) == (NOT_ANSWERED, True, True)
    (told,) = unchecked.report().printers[0].refusals
    assert (told.program, told.reason) == (SHA, reason), "the farm takes it back, and the printer does not stand still"
    unchecked.allocate()
    assert [one.program for one in unchecked.report().printers[0].refusals] == [SHA], "nor is it given to it again"
    unchecked.allocate(allocation("somebody", released_by="Ana"))
    assert unchecked.report().printers[0].refusals == [], "once released it is welcome"
    (start,) = unchecked.tick().instructions
    assert isinstance(start, StartJob)
    assert core.may_begin(unchecked.state, start, unchecked.moment) is None


def test_it_is_asked_again_just_before_the_first_command() -> None:
    """The owner changed the limits between the intent and the start."""
    bench = Bench()
    bench.allocate(allocation())
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    assert core.may_begin(bench.state, start, bench.moment) is None
    bench.do(core.on_limits, "new", {}, timed=False)
    assert "checked" in str(core.may_begin(bench.state, start, bench.moment))
    bench.checked(refused=TOO_HOT, limits="new")
    assert core.may_begin(bench.state, start, bench.moment) == TOO_HOT.en
    bench.do(core.on_not_begun, start, TOO_HOT.en, outcome=JobOutcome.CANCELLED)
    assert bench.outcome == "cancelled"


def test_new_limits_make_every_check_void(unchecked: Bench) -> None:
    unchecked.allocate(allocation())
    unchecked.checked()
    unchecked.do(core.on_limits, "new", {A: ((0.0, 3600.0),)}, timed=False)
    assert unchecked.state.checks == {}
    assert unchecked.tick().instructions == ()
    assert unchecked.state.printers[A].setup.quiet_hours == ((0.0, 3600.0),)
    assert unchecked.state.printers[B].setup.quiet_hours == ()
    assert unchecked.checked(limits="old").refused == "other limits hold by now"
    assert unchecked.state.checks == {}
    unchecked.checked(limits="new")
    assert len(unchecked.tick().instructions) == 1


def test_limits_that_cannot_be_read_stop_everything(unchecked: Bench) -> None:
    unchecked.allocate(allocation())
    unchecked.do(core.on_limits, "", {}, limits_note("Line 3 is wrong.", "La ligne 3 est fausse."), timed=False)
    unchecked.checked()
    assert unchecked.tick().instructions == ()
    assert tasks(unchecked.state) == [], "by which limits?"
    reasons = {printer.id: printer.reason for printer in unchecked.report().printers}
    assert {reason.code for reason in reasons.values() if reason is not None} == {"limits-unreadable"}
    assert len(reasons) == 2
    unchecked.do(core.on_limits, "", {}, timed=False)
    unchecked.checked()
    assert len(unchecked.tick().instructions) == 1


def test_the_most_urgent_program_is_checked_first_and_only_what_may_start(unchecked: Bench) -> None:
    unchecked.allocate(allocation("a", sha=OTHER_SHA), allocation("b", priority=5), allocation("done", sha="c" * 64, jobs=0))
    assert tasks(unchecked.state) == [Task(A, SHA), Task(A, OTHER_SHA)]
    unchecked.do(core.on_files, frozenset({OTHER_SHA}), timed=False)
    assert tasks(unchecked.state) == [Task(A, OTHER_SHA)], "the other is not here"


def test_a_printer_that_is_gone_needs_no_check(unchecked: Bench) -> None:
    unchecked.allocate(allocation())
    unchecked.do(core.remove_printer, A, timed=False)
    assert tasks(unchecked.state) == []
    assert unchecked.checked().refused == "no such printer"
    assert unchecked.state.checks == {}


def test_results_are_bounded_and_the_newest_are_told() -> None:
    bench = Bench(setup(A))
    for number in range(2_100):
        bench.checked(A, f"{number:064x}", refused=TOO_HOT)
    assert len(bench.state.checks) == 2_048
    bench.state = replace(bench.state, report=0)
    told = [one.program for one in refusals(bench.state, A)]
    assert told == [f"{number:064x}" for number in range(2_099, 2_099 - MAX_REFUSALS, -1)]


def test_what_is_allocated_is_told_in_every_report_and_all_others_in_turn() -> None:
    bench = Bench(setup(A))
    for number in range(50):
        bench.checked(A, f"{number:064x}", refused=TOO_HOT)
    bench.allocate(allocation(sha=f"{3:064x}"))
    told: set[str] = set()
    faces = {core.face(bench.state, bench.moment)}
    for _ in range(10):
        printer = bench.report().printers[0]
        assert len(printer.refusals) == MAX_REFUSALS
        assert printer.refusals[0].program == f"{3:064x}"
        assert printer.reason == TOO_HOT
        told |= {one.program for one in printer.refusals}
        faces.add(core.face(bench.state, bench.moment))
    assert told == {f"{number:064x}" for number in range(50)}
    assert len(faces) == 1, "that another part is told is no news"


def test_what_refusals_rest_on_changes_with_the_limits_and_with_the_run_of_the_agent() -> None:
    bench = Bench(setup(A))
    first = bench.report().printers[0].checks
    bench.checked(refused=TOO_HOT)
    assert bench.report().printers[0].checks == first
    bench.do(core.on_limits, "new", {}, timed=False)
    second = bench.report().printers[0].checks
    bench.state = replace(bench.state, boot=bench.state.boot + 1)
    assert len({first, second, bench.report().printers[0].checks, ""}) == 4


@pytest.mark.parametrize(
    ("answer", "starts"),
    [
        ({}, False),
        ({"released_by": "Ana"}, True),  # an older farm does not say for what: as it was before
        ({"released_by": "Ana", "rule_set": 7}, True),  # judged alike: Ana was shown the same
        ({"released_by": "Ana", "rule_set": 6, "released_for": ["motor-current"]}, False),  # the farm is older than this node
        ({"released_by": "Ana", "rule_set": 8, "released_for": ["motor-current"]}, False),  # or newer
        ({"released_by": "Ana", "rule_set": 8, "released_for": ["motor-current", "unknown-command", "else"]}, True),
        ({"rule_set": 6, "released_for": ["motor-current", "unknown-command"]}, False),  # nobody
    ],
)
def test_by_other_rules_a_person_answers_only_for_what_they_were_shown(
    unchecked: Bench, answer: dict[str, Any], starts: bool
) -> None:
    unchecked.allocate(allocation(**answer))
    unchecked.checked(needs_trust=True, trust=frozenset({"motor-current", "unknown-command"}), rule_set=7)
    assert bool(unchecked.tick().instructions) is starts
    told = unchecked.report().printers[0].refusals
    assert bool(told) is not starts
    for one in told:
        assert (one.needs, one.rule_set) == (["motor-current", "unknown-command"], 7)
        assert "(motor-current, unknown-command)" in one.reason.en
        assert "(motor-current, unknown-command)" in one.reason.fr


def test_a_crowded_report_tells_fewer_refusals_before_it_is_too_large() -> None:
    bench = Bench(*(setup(f"printer-{number:03d}") for number in range(128)))
    needs = frozenset(f"rule-{number:02d}-of-a-long-name" for number in range(30))
    found = Checked(needs_trust=True, trust=needs, unanswered=True)
    checks = {(key, f"{number:064x}"): found for key in bench.state.printers for number in range(16)}
    bench.state = replace(bench.state, checks=checks)
    report = bench.report()
    assert len(report.model_dump_json().encode()) <= MAX_PACKET_BYTES
    assert {len(printer.refusals) for printer in report.printers} == {1}
    assert set(report.printers[0].refusals[0].needs) == needs


def test_a_report_of_many_refusing_printers_fits_its_packet() -> None:
    bench = Bench(*(setup(f"printer-{number:03d}") for number in range(128)))
    long = refusal("x" * 900, "y" * 900)
    for key in bench.state.printers:
        for number in range(12):
            bench.state = replace(bench.state, checks={**bench.state.checks, (key, f"{number:064x}"): Checked(long)})
    report = bench.report()
    assert len(report.model_dump_json().encode()) <= MAX_PACKET_BYTES
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert all(len(printer.refusals) == 6 for printer in report.printers), "the others come with later reports"
    assert {one.reason.code for one in report.printers[0].refusals} == {"gcode-refused"}


def test_a_check_changes_nothing_that_must_be_written() -> None:
    bench = Bench()
    bench.status(A, PrinterState.OFFLINE)
    before = bench.state
    bench.checked(refused=TOO_HOT)
    assert core.between(before, bench.state, (), 0).empty
