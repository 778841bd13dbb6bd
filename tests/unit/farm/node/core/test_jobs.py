from dataclasses import replace

import pytest

from drivers.base import JobTrace, PrintEnd, PrintEnded, PrinterState
from farm.bus.messages import JobEnded
from farm.node import core
from farm.node.core import StartJob, TraceJob
from gcode.texts import Told
from scheduler.model import BedState, JobOutcome
from tests.unit.farm.node.bench import FAULT, A, Bench, allocation


@pytest.mark.parametrize(
    ("end", "outcome", "bed"),
    [
        (PrintEnd.DONE, JobOutcome.PRINTED, BedState.OCCUPIED),
        (PrintEnd.FAILED, JobOutcome.FAILED, BedState.OCCUPIED),
        (PrintEnd.CANCELLED, JobOutcome.CANCELLED, BedState.OCCUPIED),
        (PrintEnd.INTERRUPTED, JobOutcome.INTERRUPTED, BedState.UNKNOWN),
    ],
)
def test_an_end_on_the_machine(end: PrintEnd, outcome: JobOutcome, bed: BedState) -> None:
    bench = Bench()
    start = bench.start()
    bench.pass_time(90)
    bench.end(start, end, by_person=end is PrintEnd.CANCELLED)
    (fact,) = bench.of(JobEnded)
    assert (fact.outcome, fact.took_s, fact.by_person) == (outcome, 90, end is PrintEnd.CANCELLED)
    assert fact.reference.job == start.job
    assert bench.state.bed(A) is bed


def test_the_first_word_about_a_job_is_the_last() -> None:
    bench = Bench()
    start = bench.printed()
    step = bench.do(core.on_ended, A, PrintEnded(start.job, PrintEnd.FAILED, ""))
    assert (step.refused, len(bench.of(JobEnded))) == ("no such job", 1)


def test_the_end_of_a_job_that_is_not_on_this_bed_is_ignored() -> None:
    bench = Bench()
    bench.start()
    assert bench.do(core.on_ended, A, PrintEnded("job-of-others", PrintEnd.DONE, "")).refused == "no such job"
    assert bench.of(JobEnded) == []


def test_a_long_text_of_a_machine_fits_the_fact() -> None:
    bench = Bench()
    start = bench.start()
    bench.do(core.on_ended, A, PrintEnded(start.job, PrintEnd.FAILED, "x" * 10_000))
    assert len(bench.of(JobEnded)[0].detail) == 500


def restarted_with(bench: Bench) -> TraceJob:
    """The process died while a job ran; its driver is there again."""
    start = bench.start()
    bench.reboot()
    assert bench.state.untraced == {start.job}
    assert bench.tick().instructions == (), "a machine that is not seen cannot be asked"
    step = bench.status(A, PrinterState.IDLE)
    (trace,) = step.instructions
    assert trace == TraceJob(A, start.job)
    assert bench.tick().instructions == (), "once is enough while it is being asked"
    return trace


@pytest.mark.parametrize("end", list(PrintEnd))
def test_after_a_crash_the_machine_tells_how_the_job_ended(end: PrintEnd) -> None:
    bench = Bench()
    trace = restarted_with(bench)
    bench.do(core.on_trace, trace, JobTrace(running=False, end=end))
    expected = JobOutcome.PRINTED if end is PrintEnd.DONE else JobOutcome(end.value)
    assert bench.outcome == expected
    assert bench.state.untraced == frozenset()


def test_when_the_machine_cannot_tell_the_job_is_interrupted_and_the_bed_unknown() -> None:
    bench = Bench()
    trace = restarted_with(bench)
    bench.do(core.on_trace, trace, JobTrace(running=False))
    assert bench.outcome == JobOutcome.INTERRUPTED
    assert bench.state.bed(A) is BedState.UNKNOWN
    bench.allocate(allocation("next"))
    assert bench.tick().instructions == ()
    bench.collect(trace.job, 2)
    assert bench.state.bed(A) is BedState.CLEAR, "a person decides"


def test_a_job_that_still_runs_goes_on() -> None:
    bench = Bench()
    trace = restarted_with(bench)
    bench.status(A, PrinterState.FOREIGN)  # what a driver may say of a job that it did not start itself
    bench.do(core.on_trace, trace, JobTrace(running=True))
    assert bench.of(JobEnded) == []
    occupied = bench.state.occupations[A]
    assert (occupied.running, occupied.gap) == (True, False)
    bench.do(core.on_ended, A, PrintEnded(trace.job, PrintEnd.DONE, ""))
    bench.status(A, PrinterState.IDLE)
    bench.collect(trace.job)
    assert bench.state.bed(A) is BedState.CLEAR


def test_an_ended_job_that_ran_through_a_long_gap_leaves_the_bed_unknown() -> None:
    bench = Bench()
    start = bench.start()
    bench.reboot(seen={})
    bench.status(A, PrinterState.IDLE)
    bench.do(core.on_trace, TraceJob(A, start.job), JobTrace(running=False, end=PrintEnd.DONE))
    bench.collect(start.job)
    assert bench.state.bed(A) is BedState.UNKNOWN


def test_a_machine_that_could_not_be_asked_is_asked_again() -> None:
    bench = Bench()
    trace = restarted_with(bench)
    bench.do(core.on_trace_failed, trace)
    assert bench.tick().instructions == (), "not at once: an answer that fails at once would be asked for without end"
    bench.pass_time(5, tick=False)
    assert bench.tick().instructions == (trace,)


def test_a_machine_that_cannot_be_asked_is_asked_later_each_time_within_bounds() -> None:
    bench = Bench()
    trace = restarted_with(bench)
    asked_s: list[float] = []
    for _ in range(24):
        bench.do(core.on_trace_failed, trace)
        failed_s = bench.now_s
        while not bench.tick().instructions:
            bench.now_s += 1
        asked_s.append(bench.now_s - failed_s)
    assert asked_s[:4] == [5, 10, 20, 40]
    assert set(asked_s[7:]) == {300}


def test_waiting_to_ask_about_one_job_does_not_hold_up_the_next() -> None:
    bench = Bench()
    trace = restarted_with(bench)
    bench.do(core.on_trace_failed, trace)
    bench.do(core.on_ended, A, PrintEnded(trace.job, PrintEnd.DONE, ""))
    bench.collect(trace.job)
    bench.acknowledge()
    start = bench.start()
    bench.do(core.doubt, start.job, timed=False)
    assert bench.tick().instructions == (TraceJob(A, start.job),)


def test_a_failed_question_about_a_job_that_is_gone_holds_up_nothing() -> None:
    bench = Bench()
    trace = restarted_with(bench)
    bench.do(core.on_ended, A, PrintEnded(trace.job, PrintEnd.DONE, ""))
    before = bench.state.printers[A]
    bench.do(core.on_trace_failed, trace)
    assert bench.state.printers[A] == before


def test_an_answer_about_a_job_that_has_ended_meanwhile_is_ignored() -> None:
    bench = Bench()
    trace = restarted_with(bench)
    bench.do(core.on_ended, A, PrintEnded(trace.job, PrintEnd.DONE, ""))
    assert bench.state.untraced == frozenset()
    assert bench.do(core.on_trace, trace, JobTrace(running=False)).refused == "no such job"


def test_a_start_with_an_open_end_is_asked_about() -> None:
    bench = Bench()
    bench.allocate(allocation())
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    bench.do(core.doubt, start.job, timed=False)
    assert bench.tick().instructions == (TraceJob(A, start.job),)


def test_a_job_of_a_removed_printer_is_asked_about_when_it_comes_back() -> None:
    bench = Bench()
    start = bench.start()
    bench.do(core.remove_printer, A, timed=False)
    assert A not in bench.state.printers
    bench.do(core.add_printer, bench.setups[0], timed=False)
    assert bench.status(A, PrinterState.IDLE).instructions == (TraceJob(A, start.job),)


def test_the_time_a_job_took_survives_a_reboot_of_the_computer() -> None:
    bench = Bench()
    start = bench.start()
    bench.pass_time(100, tick=False)
    bench.now_s = 5.0
    bench.reboot(machine="m2")
    bench.do(core.on_ended, A, PrintEnded(start.job, PrintEnd.DONE, ""))
    assert bench.of(JobEnded)[0].took_s == pytest.approx(100)


def test_nothing_begins_for_a_job_that_was_intended_before_a_restart() -> None:
    bench = Bench()
    bench.allocate(allocation())
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    bench.reboot()
    bench.status(A, PrinterState.IDLE)
    bench.acknowledge()
    assert core.may_begin(bench.state, start, bench.moment) is not None
    assert bench.starts == 1


def test_not_begun_survives_a_removed_printer() -> None:
    bench = Bench()
    bench.allocate(allocation())
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    bench.do(core.remove_printer, A, timed=False)
    bench.do(core.on_not_begun, start, "gone", outcome=JobOutcome.CANCELLED)
    assert bench.outcome == JobOutcome.CANCELLED
    assert bench.do(core.on_started, replace(start, printer="none")).refused is None


RESET = Told("reset", "The printer was reset.", "L'imprimante a redémarré.")


def test_how_a_job_ended_is_told_in_both_languages_with_its_code() -> None:
    bench = Bench()
    start = bench.start()
    bench.do(core.on_ended, A, PrintEnded(start.job, PrintEnd.FAILED, RESET))
    (ended,) = bench.of(JobEnded)
    assert (ended.detail, ended.detail_fr, ended.code) == ("The printer was reset.", "L'imprimante a redémarré.", "reset")


def test_what_the_machine_says_stands_for_both_under_the_code_of_its_fault() -> None:
    bench = Bench()
    start = bench.start()
    bench.do(core.on_ended, A, PrintEnded(start.job, PrintEnd.FAILED, "Error:MAXTEMP", FAULT))
    (ended,) = bench.of(JobEnded)
    assert (ended.detail, ended.detail_fr, ended.code) == ("Error:MAXTEMP", "Error:MAXTEMP", FAULT.code)


def test_a_job_of_which_the_machine_cannot_tell_says_so_in_both_languages() -> None:
    bench = Bench()
    start = bench.start()
    bench.do(core.doubt, start.job, timed=False)
    bench.do(core.on_trace, TraceJob(A, start.job), JobTrace(running=False))
    (ended,) = bench.of(JobEnded)
    assert (ended.code, ended.detail_fr) == ("machine-cannot-tell", "La machine ne sait pas dire ce qu'elle est devenue.")


def test_a_start_that_is_given_up_says_why_in_both_languages() -> None:
    bench = Bench()
    bench.allocate(allocation())
    (start,) = bench.tick().instructions
    assert isinstance(start, StartJob)
    bench.status(A, PrinterState.PAUSED)
    why_not = core.may_begin(bench.state, start, bench.moment)
    assert why_not is not None
    bench.do(core.on_not_begun, start, why_not, outcome=JobOutcome.CANCELLED)
    (ended,) = bench.of(JobEnded)
    assert (ended.detail, ended.detail_fr, ended.code) == ("The printer is paused.", "L'imprimante est en pause.", "printer-paused")
