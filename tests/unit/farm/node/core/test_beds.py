from dataclasses import replace

import pytest

from drivers.base import PrintEnd, PrinterState
from farm.bus.messages import BedCleared, CollectAction, CommandDone, JobCollected
from farm.node import core
from scheduler.model import BedState, OccupationKind
from tests.unit.farm.node.bench import PROVES_IDLE, A, B, Bench, allocation, setup


def test_a_new_printer_has_an_unknown_bed_until_somebody_looked() -> None:
    bench = Bench(ready=False)
    bench.status(A, PrinterState.IDLE)
    assert bench.state.bed(A) is BedState.UNKNOWN
    assert bench.state.occupations[A].kind is OccupationKind.UNKNOWN
    bench.clear(A)
    assert bench.state.bed(A) is BedState.CLEAR


def test_a_printed_job_stays_on_the_bed_until_it_is_collected() -> None:
    bench = Bench()
    start = bench.printed(jobs=5)
    bench.pass_time(3000)
    assert bench.state.bed(A) is BedState.OCCUPIED
    assert bench.starts == 1, "printed is not clear"
    bench.collect(start.job, 2)
    (fact,) = bench.of(JobCollected)
    assert (fact.reference.job, fact.good, fact.scrap, fact.by) == (start.job, 2, 0, "operator")
    assert bench.state.bed(A) is BedState.CLEAR


def test_collect_is_counted_once() -> None:
    bench = Bench()
    start = bench.printed()
    bench.collect(start.job)
    step = bench.collect(start.job)
    assert [fact.kind for fact in step.facts] == ["command-done"]
    assert step.facts[0].ok is False  # type: ignore[union-attr]  # the line above says which kind it is
    assert len(bench.of(JobCollected)) == 1


def test_a_stale_click_does_not_clear_the_next_job() -> None:
    bench = Bench()
    first = bench.printed()
    bench.collect(first.job)
    second = bench.printed()
    bench.collect(first.job)
    assert bench.state.occupations[A].id == second.job
    assert len(bench.of(JobCollected)) == 1


@pytest.mark.parametrize(("good", "scrap", "taken"), [(2, 0, True), (1, 1, True), (0, 0, True), (2, 1, False), (3, 0, False)])
def test_no_more_parts_than_the_job_has(good: int, scrap: int, taken: bool) -> None:
    bench = Bench()
    start = bench.printed(parts=2)
    bench.collect(start.job, good, scrap)
    assert bool(bench.of(JobCollected)) is taken
    assert bench.facts[-1].ok is taken


def test_a_running_job_is_not_collected() -> None:
    bench = Bench()
    start = bench.start()
    bench.collect(start.job)
    bench.clear(A, start.job)
    assert [fact.detail for fact in bench.of(CommandDone)] == ["The job has not ended."] * 2
    assert bench.state.occupations[A].id == start.job


def test_clear_bed_names_the_occupation() -> None:
    bench = Bench()
    bench.status(A, PrinterState.FOREIGN)
    foreign = bench.state.occupations[A]
    bench.status(A, PrinterState.IDLE)
    bench.clear(A, "bed-of-before")
    assert bench.state.occupations[A] == foreign
    bench.clear(A, foreign.id)
    assert bench.state.bed(A) is BedState.CLEAR
    assert bench.of(BedCleared)[-1].occupation == foreign.id


def test_clear_bed_of_a_printed_job_says_that_nothing_was_good() -> None:
    bench = Bench()
    start = bench.printed(parts=2)
    bench.clear(A, start.job)
    assert (bench.of(JobCollected)[0].good, bench.of(JobCollected)[0].scrap) == (0, 2)


def test_clear_bed_of_a_failed_job_counts_no_scrap_of_parts_that_never_were() -> None:
    bench = Bench()
    start = bench.start(parts=2)
    bench.end(start, PrintEnd.FAILED)
    bench.clear(A, start.job)
    assert (bench.of(JobCollected)[0].good, bench.of(JobCollected)[0].scrap) == (0, 0)


def test_a_foreign_print_occupies_the_bed_until_somebody_clears_it() -> None:
    bench = Bench()
    bench.allocate(allocation())
    bench.status(A, PrinterState.FOREIGN)
    occupied = bench.state.occupations[A]
    assert (occupied.kind, bench.state.bed(A)) == (OccupationKind.FOREIGN, BedState.OCCUPIED)
    bench.clear(A)
    assert bench.facts[-1].detail == "The printer is still printing it."
    bench.status(A, PrinterState.IDLE)
    bench.tick()
    assert bench.starts == 0
    bench.clear(A)
    bench.tick()
    assert bench.starts == 1


def test_two_foreign_prints_are_two_occupations() -> None:
    bench = Bench()
    bench.status(A, PrinterState.FOREIGN)
    first = bench.state.occupations[A].id
    bench.status(A, PrinterState.FOREIGN, progress=0.5)
    assert bench.state.occupations[A].id == first
    bench.status(A, PrinterState.IDLE)
    bench.status(A, PrinterState.FOREIGN)
    bench.status(A, PrinterState.IDLE)
    bench.clear(A, first)
    assert bench.state.bed(A) is not BedState.CLEAR, "the click meant the first"


def test_a_foreign_print_on_top_of_our_job_leaves_the_bed_unknown_after_the_collect() -> None:
    bench = Bench()
    start = bench.printed()
    bench.status(A, PrinterState.FOREIGN)
    bench.status(A, PrinterState.IDLE)
    bench.collect(start.job)
    assert len(bench.of(JobCollected)) == 1
    assert bench.state.bed(A) is BedState.UNKNOWN


def test_collecting_while_a_foreign_print_runs_leaves_that_on_the_bed() -> None:
    bench = Bench()
    start = bench.printed()
    bench.status(A, PrinterState.FOREIGN)
    bench.collect(start.job)
    assert bench.state.occupations[A].kind is OccupationKind.FOREIGN


def test_a_doubted_bed_is_unknown_and_a_click_of_before_does_not_clear_it() -> None:
    bench = Bench()
    bench.do(core.on_doubt, frozenset({A}))
    first = bench.state.occupations[A].id
    assert (bench.state.bed(A), bench.state.bed(B)) == (BedState.UNKNOWN, BedState.CLEAR)
    bench.do(core.on_doubt, frozenset({A}))
    bench.clear(A, first)
    assert bench.state.bed(A) is BedState.UNKNOWN


def test_under_a_job_a_doubt_outlives_its_collection() -> None:
    bench = Bench()
    start = bench.printed()
    bench.do(core.on_doubt, frozenset({A, "printer-of-others"}))
    assert bench.state.bed(A) is BedState.OCCUPIED
    bench.collect(start.job, 2)
    assert bench.state.bed(A) is BedState.UNKNOWN


@pytest.mark.parametrize(("blind_s", "bed"), [(299, BedState.CLEAR), (301, BedState.UNKNOWN)])
def test_a_clear_bed_is_unknown_after_five_blind_minutes(blind_s: float, bed: BedState) -> None:
    bench = Bench()
    bench.pass_time(blind_s, tick=False)
    bench.tick()
    assert bench.state.bed(A) is bed


@pytest.mark.parametrize(("look_every_s", "limit_s"), [(1, 300), (3, 300), (500, 20_000)])
def test_an_agent_that_looks_less_often_is_blind_later_and_never_between_two_looks(look_every_s: float, limit_s: float) -> None:
    bench = Bench()
    bench.state = replace(bench.state, blind_s=core.blind_after_s(look_every_s))
    bench.pass_time(limit_s - 1, tick=False)
    bench.tick()
    assert bench.state.bed(A) is BedState.CLEAR
    bench.pass_time(limit_s + 1, tick=False)
    bench.tick()
    assert bench.state.bed(A) is BedState.UNKNOWN


@pytest.mark.parametrize(("blind_s", "bed"), [(240, BedState.CLEAR), (360, BedState.UNKNOWN)])
def test_a_printer_that_was_off_is_as_blind_as_an_agent_that_slept(blind_s: float, bed: BedState) -> None:
    bench = Bench()
    bench.status(A, PrinterState.OFFLINE)
    bench.pass_time(blind_s)
    assert bench.state.bed(A) is BedState.CLEAR, "nothing is known while it is off"
    bench.status(A, PrinterState.CONNECTING)
    assert bench.state.bed(A) is BedState.CLEAR
    bench.status(A, PrinterState.IDLE)
    assert bench.state.bed(A) is bed
    assert bench.state.bed(B) is BedState.CLEAR


@pytest.mark.parametrize("machine", ["m1", "m2"])
def test_a_restart_of_the_agent_counts_from_when_it_was_last_alive(machine: str) -> None:
    bench = Bench()
    seen = {A: bench.now_s - 10, B: bench.now_s - 400} if machine == "m1" else {}
    bench.reboot(seen=seen, machine=machine)
    for printer in (A, B):
        bench.status(printer, PrinterState.IDLE)
    assert bench.state.bed(A) is (BedState.CLEAR if machine == "m1" else BedState.UNKNOWN)
    assert bench.state.bed(B) is BedState.UNKNOWN


def test_a_driver_that_proves_idle_keeps_the_bed_clear() -> None:
    bench = Bench(setup(A, capabilities=PROVES_IDLE), ready=False)
    bench.status(A, PrinterState.IDLE)
    assert bench.state.bed(A) is BedState.CLEAR
    bench.pass_time(5000, tick=False)
    bench.tick()
    assert bench.state.bed(A) is BedState.CLEAR
    bench.pass_time(5000, tick=False)
    bench.status(A, PrinterState.FAULT)
    assert bench.state.bed(A) is BedState.UNKNOWN, "a faulty machine proves nothing"


def test_a_job_from_before_the_gap_counts_but_leaves_the_bed_unknown() -> None:
    bench = Bench()
    start = bench.printed()
    bench.pass_time(400, tick=False)
    bench.tick()
    bench.collect(start.job, 2)
    assert bench.of(JobCollected)[0].good == 2
    assert bench.state.bed(A) is BedState.UNKNOWN


def test_an_unknown_bed_gets_a_fresh_id_after_a_gap() -> None:
    bench = Bench(ready=False)
    bench.status(A, PrinterState.IDLE)
    before = bench.state.occupations[A].id
    bench.pass_time(400, tick=False)
    bench.tick()
    bench.clear(A, before)
    assert bench.state.bed(A) is BedState.UNKNOWN, "the click is from before the gap"
    bench.clear(A)
    assert bench.state.bed(A) is BedState.CLEAR


def test_a_foreign_print_that_is_seen_after_the_gap_is_known_for_what_it_is() -> None:
    bench = Bench()
    bench.status(A, PrinterState.OFFLINE)
    bench.pass_time(400)
    bench.status(A, PrinterState.FOREIGN)
    assert bench.state.occupations[A].kind is OccupationKind.FOREIGN


def test_a_job_that_the_machine_still_prints_after_the_gap_is_trusted() -> None:
    """OctoPrint was cut off for ten minutes and prints our job all the while."""
    bench = Bench()
    start = bench.start()
    bench.status(A, PrinterState.OFFLINE)
    bench.pass_time(600)
    bench.status(A, PrinterState.PRINTING, job=start.job)
    bench.end(start)
    bench.collect(start.job)
    assert bench.state.bed(A) is BedState.CLEAR


def test_after_a_suspend_the_newest_status_is_too_old_to_be_trusted() -> None:
    bench = Bench()
    start = bench.start()
    bench.pass_time(600, tick=False)
    bench.tick()
    assert bench.state.occupations[A].gap, "it may have ended, been taken off, and something else printed"
    bench.status(A, PrinterState.PRINTING, job=start.job)
    assert not bench.state.occupations[A].gap, "the machine says that it is still at it"


def test_a_hand_at_the_node_collects_without_a_command() -> None:
    bench = Bench()
    start = bench.printed()
    action = CollectAction(printer=A, job=start.job, good=2, scrap=0, by="maker")
    assert bench.do(core.on_collect, action).refused is None
    assert bench.of(JobCollected)[0].by == "maker"
    assert bench.do(core.on_collect, action).refused == "That is not on this bed."


def test_a_bed_whose_printer_was_removed_can_still_be_collected() -> None:
    bench = Bench()
    start = bench.printed()
    bench.do(core.remove_printer, A, timed=False)
    bench.collect(start.job)
    assert len(bench.of(JobCollected)) == 1
    assert A not in bench.state.occupations


def test_clearing_works_while_the_ledger_flag_says_unwritable() -> None:
    """The flag stops starts; whether a step is written, the ledger decides."""
    bench = Bench()
    start = bench.printed()
    bench.state = replace(bench.state, writable=False)
    bench.collect(start.job)
    assert bench.state.bed(A) is BedState.CLEAR
