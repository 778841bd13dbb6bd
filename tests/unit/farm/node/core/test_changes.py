from dataclasses import replace

from drivers.base import PrinterState, Temperature
from farm.node import core
from tests.unit.farm.node.bench import A, Bench, allocation


def between(bench: Bench, step: core.Step, before: core.NodeState) -> core.Changes:
    return core.between(before, step.state, step.facts, bench.wall_s)


def test_telemetry_reports_and_acknowledgements_write_nothing() -> None:
    bench = Bench()
    bench.printed()
    before = bench.state
    step = bench.status(A, PrinterState.IDLE, nozzle=Temperature(20, 0), progress=0.5)
    assert between(bench, step, before).empty
    bench.report()
    assert core.between(before, bench.state, (), 0).empty
    assert between(bench, bench.ack(seq=1), before).empty, "it rides on the next write"
    bench.pass_time(100)
    assert core.between(before, bench.state, (), 0).empty


def test_a_start_writes_occupation_counter_and_fact_together() -> None:
    bench = Bench()
    bench.allocate(allocation())
    before = bench.state
    changes = between(bench, bench.tick(), before)
    assert list(changes.occupations) == [A]
    assert changes.started == {"alloc-1": 1}
    assert [fact.kind for fact in changes.facts] == ["job-started"]
    assert changes.desired is None
    assert not changes.empty


def test_a_collect_writes_the_cleared_bed_and_the_command() -> None:
    bench = Bench()
    start = bench.printed()
    before = bench.state
    changes = between(bench, bench.collect(start.job, id="command-x"), before)
    assert changes.occupations == {A: None}
    assert changes.commands == ("command-x",)
    assert len(changes.facts) == 2


def test_only_a_newer_desired_is_written() -> None:
    bench = Bench()
    before = bench.state
    changes = between(bench, bench.allocate(allocation()), before)
    assert changes.desired is not None
    assert changes.desired.version == before.version + 1
    again = between(bench, bench.tick(), bench.state)
    assert again.desired is None


def test_what_is_forgotten_is_written() -> None:
    bench = Bench()
    bench.collect(bench.printed().job)
    before = bench.state
    (counted,) = before.started
    counter = core.between(before, core.prune(before, 0, frozenset({counted})).state, (), 0)
    assert (counter.forgotten, counter.started, counter.epoch, counter.empty) == ((counted,), {}, False, False)
    facts = core.between(before, core.prune(before, 2, frozenset()).state, (), 0)
    assert (facts.forgotten, facts.place.oldest, facts.epoch, facts.empty) == ((), 3, True, False)


def test_a_new_epoch_is_written() -> None:
    bench = Bench()
    before = bench.state
    step = bench.ack(seq=before.journal.head + 5)
    changes = between(bench, step, before)
    assert changes.epoch
    assert changes.desired is not None


def test_a_start_of_the_process_is_written() -> None:
    bench = Bench()
    state = replace(bench.state, boot=7)
    changes = core.between(None, state, (), 0)
    assert changes.boot == (7, "m1")
    assert not changes.empty
