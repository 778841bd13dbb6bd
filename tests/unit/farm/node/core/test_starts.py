"""Each condition of a start is left out once: a test fails if the rule goes."""

from dataclasses import replace

import pytest

from drivers.base import PrinterState
from farm.bus.messages import JobStarted
from farm.node import core
from farm.node.core import StartJob
from farm.node.core.refusals import Refusal
from scheduler.model import BedState, JobOutcome
from tests.unit.farm.node.bench import OTHER_SHA, SHA, A, B, Bench, allocation, desired, setup


def test_starts_one_job_and_writes_the_intent_first() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=3))
    step = bench.tick()
    (start,) = step.instructions
    (fact,) = step.facts
    assert isinstance(start, StartJob)
    assert isinstance(fact, JobStarted)
    assert fact.reference.job == start.job
    assert (fact.reference.allocation, fact.reference.parts, fact.reference.program) == ("alloc-1", 2, SHA)
    assert bench.state.bed(A) is BedState.OCCUPIED
    assert bench.state.started == {"alloc-1": 1}
    assert core.between(bench.state, bench.state, (), 0).empty
    assert bench.tick().instructions == (), "the bed is not clear any more"


def test_two_printers_start_in_one_step() -> None:
    bench = Bench()
    bench.do(core.on_desired, desired(9, printers={A: [allocation("x")], B: [allocation("y")]}))
    assert {start.printer for start in bench.tick().instructions} == {A, B}


def test_an_allocation_is_bound_to_its_printer() -> None:
    bench = Bench()
    bench.allocate(allocation(), printer="printer-of-somebody-else")
    assert bench.tick().instructions == ()


def test_no_more_starts_than_jobs() -> None:
    bench = Bench()
    first = bench.printed(jobs=1)
    bench.collect(first.job)
    assert bench.state.bed(A) is BedState.CLEAR
    assert bench.tick().instructions == ()
    assert bench.starts == 1


def test_jobs_that_fall_below_what_was_started_start_nothing() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=3))
    start = bench.tick().instructions[0]
    assert isinstance(start, StartJob)
    bench.status(A, PrinterState.PRINTING, job=start.job)
    bench.end(start)
    bench.collect(start.job)
    bench.allocate(allocation(jobs=0))
    assert bench.tick().instructions == ()


def test_a_started_counter_outlives_its_allocation() -> None:
    """An allocation that left desired and comes back (a restored daemon) has not forgotten its starts."""
    bench = Bench()
    bench.allocate(allocation(jobs=1))
    start = bench.tick().instructions[0]
    assert isinstance(start, StartJob)
    bench.end(start)
    bench.collect(start.job)
    bench.allocate()
    bench.allocate(allocation(jobs=1))
    assert bench.tick().instructions == ()


def test_no_start_before_the_file_is_here() -> None:
    bench = Bench()
    bench.do(core.on_files, frozenset({OTHER_SHA}), timed=False)
    bench.allocate(allocation())
    assert bench.tick().instructions == ()
    bench.do(core.on_files, frozenset({SHA}), timed=False)
    assert len(bench.tick().instructions) == 1


def test_an_allocation_without_its_file_does_not_hold_up_the_next() -> None:
    bench = Bench()
    bench.do(core.on_files, frozenset({OTHER_SHA}), timed=False)
    bench.allocate(allocation("first", priority=9), allocation("second", sha=OTHER_SHA))
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    assert start.program == OTHER_SHA


@pytest.mark.parametrize("state", [state for state in PrinterState if state is not PrinterState.IDLE])
def test_no_start_unless_the_driver_is_ready(state: PrinterState) -> None:
    bench = Bench()
    bench.allocate(allocation())
    bench.status(A, state)
    assert bench.tick().instructions == ()


def test_no_start_while_the_ledger_cannot_be_written() -> None:
    bench = Bench()
    bench.allocate(allocation())
    bench.state = replace(bench.state, writable=False)
    assert bench.tick().instructions == ()


def test_no_start_while_the_disk_is_nearly_full() -> None:
    bench = Bench()
    bench.allocate(allocation())
    bench.state = replace(bench.state, nearly_full=True)
    assert bench.tick().instructions == ()
    reason = bench.report().printers[0].reason
    assert reason is not None
    assert (reason.code, "nearly full" in reason.en, "presque plein" in reason.fr) == ("disk-nearly-full", True, True)
    bench.state = replace(bench.state, nearly_full=False)
    assert len(bench.tick().instructions) == 1


def test_no_start_while_the_agent_ends() -> None:
    bench = Bench()
    bench.allocate(allocation())
    bench.state = replace(bench.state, closing=True)
    assert bench.tick().instructions == ()


def test_no_start_without_contact_in_this_boot() -> None:
    bench = Bench()
    bench.allocate(allocation())
    bench.state = replace(bench.state, contact_s=None)
    assert bench.tick().instructions == ()
    bench.acknowledge()
    assert len(bench.tick().instructions) == 1


def test_autonomy_ends_starts_and_an_acknowledgement_renews_it() -> None:
    bench = Bench()
    bench.pass_time(3599)
    bench.allocate(allocation(autonomy_s=3600))
    bench.pass_time(1)
    assert bench.starts == 0, "3600 s after the report was sent is too late"
    bench.acknowledge()
    assert len(bench.tick().instructions) == 1


def test_a_node_goes_on_alone_within_its_autonomy() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=3, autonomy_s=12 * 3600))
    for _ in range(3):
        bench.pass_time(3 * 3600)
        start = bench.instructions[-1]
        assert isinstance(start, StartJob)
        bench.status(A, PrinterState.PRINTING, job=start.job)
        bench.end(start)
        bench.collect(start.job)
    assert bench.starts == 3


def test_the_owner_of_a_printer_may_allow_less_autonomy_than_the_farm() -> None:
    bench = Bench(setup(A, autonomy_s=60))
    bench.pass_time(60, stride_s=30)
    bench.allocate(allocation(autonomy_s=3600))
    assert bench.tick().instructions == ()


def test_contact_is_checked_again_before_the_first_command() -> None:
    bench = Bench()
    bench.allocate(allocation(autonomy_s=3600))
    bench.pass_time(3599)
    start = bench.instructions[-1]
    assert isinstance(start, StartJob)
    assert core.may_begin(bench.state, start, bench.moment) is None
    bench.pass_time(2)
    assert core.may_begin(bench.state, start, bench.moment) == "The farm has not acknowledged us for too long."


def test_the_first_command_needs_its_job_on_the_bed_and_an_idle_printer() -> None:
    bench = Bench()
    bench.allocate(allocation())
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    assert core.may_begin(bench.state, replace(start, job="another"), bench.moment) is not None
    closing = replace(bench.state, closing=True)
    assert core.may_begin(closing, start, bench.moment) == "The agent was stopped."
    bench.status(A, PrinterState.FOREIGN)
    assert core.may_begin(bench.state, start, bench.moment) == "The printer is foreign."


def test_highest_priority_first_then_the_daemons_order() -> None:
    bench = Bench()
    bench.allocate(allocation("late"), allocation("first", priority=5), allocation("second", priority=5))
    bench.tick()
    assert bench.of(JobStarted)[0].reference.allocation == "first"
    ids = [one.id for one in core.open_allocations(bench.state, A)]
    assert ids == ["second", "late"]


def test_a_start_that_provably_did_not_begin_leaves_the_bed_clear_and_waits() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=5))
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    step = bench.do(core.on_not_begun, start, "the upload was refused", outcome=JobOutcome.FAILED)
    assert [fact.kind for fact in step.facts] == ["job-ended", "job-collected"]
    assert (bench.facts[-1].good, bench.facts[-1].scrap) == (0, 0)
    assert bench.state.bed(A) is BedState.CLEAR
    bench.pass_time(29)
    assert bench.starts == 1, "a refusing printer is not asked at once again"
    bench.pass_time(2)
    assert bench.starts == 2
    again = bench.instructions[-1]
    assert isinstance(again, StartJob)
    bench.do(core.on_not_begun, again, "again", outcome=JobOutcome.FAILED)
    bench.pass_time(59)
    assert bench.starts == 2, "the second time it waits twice as long"
    bench.pass_time(2)
    assert bench.starts == 3


def test_why_the_last_start_failed_is_told_in_both_languages() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=5))
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    because = Refusal("transfer", "The upload was cut. Try again.", "L'envoi a été coupé. Recommencez.")
    bench.do(core.on_not_begun, start, because, outcome=JobOutcome.FAILED)
    reason = bench.report().printers[0].reason
    assert reason is not None
    assert reason.code == "start-failed"
    assert reason.en.endswith("tried again later. The upload was cut. Try again.")
    assert reason.fr.endswith("tenté de nouveau plus tard. L'envoi a été coupé. Recommencez.")


def test_a_start_that_began_forgets_the_failures_before() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=5))
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    bench.do(core.on_not_begun, start, "no", outcome=JobOutcome.FAILED)
    assert bench.state.printers[A].failed_starts == 1
    bench.do(core.on_started, start)
    assert bench.state.printers[A].failed_starts == 0


def test_the_wait_after_failures_is_limited() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=50, autonomy_s=1e6))
    for _ in range(20):
        bench.pass_time(1000)
        start = bench.instructions[-1]
        assert isinstance(start, StartJob)
        bench.do(core.on_not_begun, start, "no", outcome=JobOutcome.FAILED)
        assert bench.state.printers[A].hold_until_s - bench.now_s <= 900
    assert bench.starts == 20


def test_not_begun_of_another_job_is_ignored() -> None:
    bench = Bench()
    start = bench.printed()
    step = bench.do(core.on_not_begun, start, "late", outcome=JobOutcome.FAILED)
    assert step.refused == "no such job"
    assert step.facts == ()
