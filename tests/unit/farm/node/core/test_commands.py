import pytest

from drivers.base import PrinterState
from farm.bus.messages import ClearBedAction, CommandDone, JobAction, StopAction
from farm.node import core
from farm.node.core import Act, ActKind
from farm.node.core.refusals import Refusal
from farm.node.core.state import KEEP_COMMANDS
from scheduler.model import BedState
from tests.unit.farm.node.bench import A, Bench


def test_a_command_is_idempotent_by_id() -> None:
    bench = Bench()
    start = bench.printed()
    bench.collect(start.job, id="command-x")
    bench.status(A, PrinterState.FOREIGN)
    step = bench.collect(start.job, id="command-x")
    assert step.refused == "done before"
    assert step.facts == ()
    assert len([fact for fact in bench.of(CommandDone) if fact.command == "command-x"]) == 1


def test_a_command_done_before_a_restart_is_not_done_again() -> None:
    bench = Bench()
    start = bench.start()
    step = bench.command(JobAction(printer=A, kind="cancel", job=start.job), id="command-x")
    bench.do(core.on_act_done, step.instructions[0], None)
    bench.reboot()
    assert bench.command(JobAction(printer=A, kind="cancel", job=start.job), id="command-x").refused == "done before"


@pytest.mark.parametrize("generation", [0, 2])
def test_a_command_of_another_generation_is_ignored(generation: int) -> None:
    bench = Bench()
    start = bench.printed()
    step = bench.collect(start.job, generation=generation)
    assert step.refused == "another generation"
    assert bench.state.bed(A) is BedState.OCCUPIED


def test_an_emergency_stop_is_obeyed_in_any_generation() -> None:
    bench = Bench()
    step = bench.command(StopAction(printer=A), generation=77)
    (act,) = step.instructions
    assert isinstance(act, Act)
    assert act.kind is ActKind.EMERGENCY_STOP
    assert step.facts == (), "it needs no disk before it is obeyed"


@pytest.mark.parametrize("kind", ["pause", "resume", "cancel"])
def test_a_job_command_goes_to_the_driver_and_its_outcome_is_a_fact(kind: str) -> None:
    bench = Bench()
    start = bench.start()
    action = JobAction(printer=A, kind=kind, job=start.job)
    step = bench.command(action, id="command-x")
    (act,) = step.instructions
    assert act == Act(A, "command-x", ActKind(kind), start.job)
    assert bench.command(action, id="command-x").refused == "done before", "also while it is being done"
    bench.do(core.on_act_done, act, Refusal("printer-busy", "The printer does not answer.", "L'imprimante ne répond pas."))
    fact = bench.of(CommandDone)[-1]
    assert (fact.command, fact.ok, fact.detail) == ("command-x", False, "The printer does not answer.")
    assert (fact.code, fact.detail_fr) == ("printer-busy", "L'imprimante ne répond pas.")
    assert bench.do(core.on_act_done, act, None).refused == "not pending"


def test_a_command_for_a_job_that_does_not_run_is_refused_with_a_fact() -> None:
    bench = Bench()
    start = bench.printed()
    step = bench.command(JobAction(printer=A, kind="cancel", job=start.job))
    assert step.instructions == ()
    assert step.facts[0].ok is False  # type: ignore[union-attr]  # a refused command has one kind of fact


def test_a_command_for_a_printer_of_others_is_refused_with_a_fact() -> None:
    bench = Bench()
    step = bench.command(StopAction(printer="printer-x"))
    assert step.instructions == ()
    assert bench.of(CommandDone)[-1].detail == "There is no such printer at this node."


def test_a_deadline_counts_from_a_report_of_this_boot() -> None:
    bench = Bench()
    start = bench.start()
    report = bench.report()
    action = JobAction(printer=A, kind="pause", job=start.job)
    bench.pass_time(60)
    assert bench.command(action, boot=report.boot, report=report.report, deadline_s=60.0).instructions
    bench.pass_time(1)
    assert not bench.command(action, boot=report.boot, report=report.report, deadline_s=60.0).instructions
    assert bench.facts[-1].detail == "It came too late."


@pytest.mark.parametrize("named", [{"boot": 5}, {"report": 10_000}, {"boot": None}, {"report": None}])
def test_a_deadline_that_names_nothing_known_is_over(named: dict[str, int | None]) -> None:
    bench = Bench()
    start = bench.start()
    report = bench.report()
    fields = {"boot": report.boot, "report": report.report, "deadline_s": 60.0, **named}
    assert not bench.command(JobAction(printer=A, kind="pause", job=start.job), **fields).instructions


def test_a_collect_has_no_deadline() -> None:
    bench = Bench()
    start = bench.printed()
    bench.pass_time(9000)
    bench.collect(start.job, boot=1, report=1, deadline_s=1.0)
    assert bench.state.bed(A) is BedState.CLEAR


def test_clear_bed_has_one() -> None:
    bench = Bench(ready=False)
    bench.status(A, PrinterState.IDLE)
    occupation = bench.state.occupations[A].id
    bench.command(ClearBedAction(printer=A, occupation=occupation), boot=1, report=1, deadline_s=1.0)
    assert bench.state.bed(A) is BedState.UNKNOWN


def test_the_memory_of_commands_is_bounded() -> None:
    bench = Bench()
    for _ in range(KEEP_COMMANDS + 20):
        bench.collect("no-such-job")
    assert len(bench.state.commands) == KEEP_COMMANDS
