from dataclasses import replace

import pytest

from drivers.base import PrinterState
from farm.bus.messages import Ack, JobEnded
from farm.node import core
from farm.node.core import StartJob
from farm.node.core.state import KEEP_SENT
from scheduler.model import BedState
from tests.unit.farm.node.bench import A, B, Bench, allocation, desired


@pytest.mark.parametrize(
    ("generation", "version", "taken"),
    [(1, 1, False), (1, 2, False), (1, 3, True), (0, 99, False), (2, 1, True), (2, 0, True)],
)
def test_generation_and_version_are_compared_as_a_pair(generation: int, version: int, taken: bool) -> None:
    bench = Bench()
    bench.allocate(allocation("old"))
    assert (bench.state.generation, bench.state.version) == (1, 2)
    step = bench.do(core.on_desired, desired(version, generation=generation, printers={A: [allocation("new")]}))
    held = bench.state.allocations[A][0].id
    assert (step.refused is None, held) == ((True, "new") if taken else (False, "old"))


def test_desired_is_everything_not_a_delta() -> None:
    bench = Bench()
    bench.do(core.on_desired, desired(5, printers={A: [allocation("a")], B: [allocation("b")]}))
    bench.do(core.on_desired, desired(6, printers={B: [allocation("b")]}))
    assert set(bench.state.allocations) == {B}


def test_a_newer_generation_has_the_journal_told_again() -> None:
    bench = Bench()
    bench.printed()
    head = bench.state.journal.head
    bench.ack(seq=head)
    assert bench.state.journal.acked == head
    bench.do(core.on_desired, desired(9))
    assert bench.state.journal.acked == head, "a newer version alone is no reason"
    bench.do(core.on_desired, desired(1, generation=2))
    assert bench.state.journal.acked == 0
    bench.ack(seq=2)
    assert bench.state.journal.acked == 2, "or from the pointer that the daemon names"


def test_acknowledgements_are_cumulative_and_never_go_back() -> None:
    bench = Bench()
    bench.printed()
    bench.ack(seq=2)
    bench.ack(seq=1)
    assert bench.state.journal.acked == 2


def test_an_acknowledgement_of_another_generation_is_ignored() -> None:
    bench = Bench()
    bench.printed()
    report = bench.report()
    for generation in (0, 2):
        step = bench.ack(generation=generation, seq=1, boot=report.boot, report=report.report)
        assert step.refused == "another generation"
    assert bench.state.journal.acked == 0


def test_an_acknowledgement_of_another_epoch_says_nothing_of_this_journal() -> None:
    bench = Bench()
    bench.printed()
    bench.ack(epoch="epoch-of-old", seq=99)
    assert bench.state.journal.acked == 0
    assert bench.state.journal.head > 0


def test_contact_is_when_the_acknowledged_report_was_sent() -> None:
    bench = Bench()
    early = bench.report()
    sent_s = bench.now_s
    bench.pass_time(100)
    late = bench.report()
    bench.pass_time(100)
    bench.ack(boot=early.boot, report=early.report)
    assert bench.state.contact_s == sent_s, "not when the acknowledgement was heard"
    bench.ack(boot=late.boot, report=late.report)
    assert bench.state.contact_s == sent_s + 100
    bench.ack(boot=early.boot, report=early.report)
    assert bench.state.contact_s == sent_s + 100, "an acknowledgement that was delayed does not take it back"


def test_what_only_arrives_is_no_contact() -> None:
    bench = Bench()
    before = bench.state.contact_s
    bench.pass_time(500)
    bench.do(core.on_desired, desired(8))
    bench.ack(seq=0)
    assert bench.state.contact_s == before


def test_an_acknowledgement_of_another_boot_or_an_unknown_report_is_no_contact() -> None:
    bench = Bench()
    old = bench.report()
    bench.reboot()
    assert bench.state.contact_s is None, "after a restart there is no contact"
    new = bench.report()
    bench.ack(boot=old.boot, report=new.report)
    bench.ack(boot=new.boot, report=new.report + 7)
    assert bench.state.contact_s is None
    bench.ack(boot=new.boot, report=new.report)
    assert bench.state.contact_s == bench.now_s


def test_the_memory_of_sent_reports_is_bounded() -> None:
    bench = Bench()
    for _ in range(KEEP_SENT + 50):
        bench.report()
    assert len(bench.state.sent) == KEEP_SENT
    assert max(bench.state.sent) == bench.state.report


def test_a_ledger_older_than_what_was_acknowledged_takes_a_new_epoch() -> None:
    bench = Bench()
    start = bench.printed(A)
    bench.allocate(allocation("open"), printer=B)
    head = bench.state.journal.head
    bench.state = replace(bench.state, journal=replace(bench.state.journal, oldest=3, acked=2))
    old_epoch = bench.state.journal.epoch
    bench.ack(seq=head + 1)
    place = bench.state.journal
    assert place.epoch != old_epoch
    assert (place.oldest, place.head, place.acked, place.base) == (1, head - 2, 0, 2), "the same rows, told again from 1"
    assert bench.state.allocations == {}, "what was allocated to the copy is not to be believed"
    assert bench.state.version == 0
    assert bench.state.contact_s is None
    assert bench.state.bed(B) is BedState.UNKNOWN, "a clear bed of an old ledger may be full"
    bench.collect(start.job)
    assert bench.state.bed(A) is BedState.UNKNOWN, "and something may have come after the job"


def test_an_acknowledgement_up_to_the_head_is_no_old_ledger() -> None:
    bench = Bench()
    bench.printed()
    epoch = bench.state.journal.epoch
    bench.ack(seq=bench.state.journal.head)
    assert bench.state.journal.epoch == epoch
    assert len(bench.of(JobEnded)) == 1


@pytest.mark.parametrize(
    ("theirs", "ours", "renewed"), [("aa", "bb", True), ("aa", "aa", False), ("", "bb", False), ("aa", "", False)]
)
def test_a_fact_that_the_farm_holds_otherwise_shows_an_old_ledger(theirs: str, ours: str, renewed: bool) -> None:
    """The card was written back from an image, and the node wrote on before the first acknowledgement reached it."""
    bench = Bench()
    bench.printed()
    place = bench.state.journal
    ack = Ack(generation=bench.state.generation, epoch=place.epoch, seq=place.head, tag=theirs)
    bench.do(core.on_ack, ack, tag=ours)
    assert (bench.state.journal.epoch != place.epoch) is renewed
    assert bench.state.journal.acked == (0 if renewed else place.head)


def test_after_a_reboot_of_the_machine_there_is_no_contact_whatever_the_clock_says() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=5))
    bench.reboot(machine="m2", seen=dict.fromkeys((A, B), bench.now_s))
    assert bench.state.contact_s is None
    assert bench.state.allocations[A], "what was allocated is remembered"
    for key in (A, B):
        bench.status(key, PrinterState.IDLE)
    bench.pass_time(3000)
    assert bench.starts == 0
    bench.acknowledge()
    assert bench.tick().instructions or bench.starts


def test_go_on_is_contact_once_and_for_one_autonomy() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=5, autonomy_s=3600.0))
    bench.reboot(machine="m2", seen=dict.fromkeys((A, B), bench.now_s))
    bench.status(A, PrinterState.IDLE)
    assert bench.tick().instructions == ()
    said_s = bench.now_s
    step = bench.do(core.on_go_on)
    assert (step.refused, step.facts) == (None, ())
    assert core.between(bench.state, step.state, step.facts, 0).empty, "nothing of it is durable"
    assert (bench.state.contact_s, bench.state.gone_on_s) == (said_s, said_s)
    bench.tick()
    start = bench.instructions[-1]
    assert isinstance(start, StartJob)
    bench.pass_time(3599)
    assert core.may_begin(bench.state, start, bench.moment) is None
    bench.pass_time(1)
    assert core.may_begin(bench.state, start, bench.moment) == "The farm has not acknowledged us for too long."


def test_go_on_does_not_outlive_the_process() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=5))
    bench.do(core.on_go_on)
    bench.reboot()
    assert (bench.state.contact_s, bench.state.gone_on_s) == (None, None)


def test_a_report_that_was_sent_before_go_on_does_not_take_it_back() -> None:
    bench = Bench()
    bench.allocate(allocation(jobs=5))
    report = bench.report()
    bench.pass_time(50, stride_s=100)
    bench.do(core.on_go_on)
    said_s = bench.now_s
    bench.ack(boot=report.boot, report=report.report)
    assert bench.state.contact_s == said_s


def test_a_node_without_anything_to_start_is_not_told_to_go_on() -> None:
    bench = Bench()
    bench.state = replace(bench.state, contact_s=None)
    step = bench.do(core.on_go_on)
    assert step.refused is not None
    assert "nothing to start" in step.refused
    bench.allocate(allocation(jobs=0))
    assert bench.do(core.on_go_on).refused is not None
    assert bench.state.contact_s is None
