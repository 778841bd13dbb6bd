from dataclasses import replace

import pytest

from drivers.base import PrinterState
from farm.node import core
from farm.node.core import JournalPlace
from tests.unit.farm.node.bench import A, Bench, allocation, desired

NOW_S = 200 * 86_400.0  # that the ledger has lived
OLD_S = NOW_S - core.KEEP_S - 1
YOUNG_S = NOW_S - core.KEEP_S + 1


def place(*, acked: int, oldest: int = 1, head: int = 9) -> JournalPlace:
    return JournalPlace("epoch-1", oldest=oldest, head=head, acked=acked)


@pytest.mark.parametrize(
    ("written_s", "acked", "oldest", "count"),
    [
        ([], 9, 10, 0),
        ([OLD_S] * 3, 9, 1, 3),
        ([OLD_S] * 3, 2, 1, 2),
        ([OLD_S] * 3, 0, 1, 0),
        ([OLD_S] * 3, 6, 5, 2),
        ([OLD_S] * 3, 3, 4, 0),
        ([OLD_S, YOUNG_S, OLD_S], 9, 1, 1),
        ([YOUNG_S, OLD_S], 9, 1, 0),
    ],
)
def test_facts_go_from_the_front_once_they_are_acknowledged_and_old(
    written_s: list[float], acked: int, oldest: int, count: int
) -> None:
    assert core.too_old(written_s, place(acked=acked, oldest=oldest), NOW_S) == count


def test_ninety_days_are_kept() -> None:
    assert core.KEEP_S == 90 * 24 * 3600
    assert core.too_old([NOW_S - core.KEEP_S], place(acked=9), NOW_S) == 0


def test_what_the_first_version_wrote_has_ninety_days_from_then_on() -> None:
    """Its facts have no age: they count as written when the ledger began to live."""
    assert core.too_old([0.0, 0.0], place(acked=9), core.KEEP_S) == 0
    assert core.too_old([0.0, 0.0], place(acked=9), core.KEEP_S + 1) == 2


def test_what_seems_to_be_of_the_future_is_kept() -> None:
    assert core.too_old([NOW_S + 400 * 86_400.0, OLD_S], place(acked=9), NOW_S) == 0


def test_a_counter_is_wanted_by_the_desired_state_and_by_a_job_on_a_bed() -> None:
    bench = Bench()
    start = bench.start()
    on_bed = bench.state.occupations[A].job
    assert on_bed is not None
    bench.allocate(allocation("alloc-wanted"))
    asked = [on_bed.allocation, "alloc-wanted", "alloc-gone"]
    assert core.unwanted(bench.state, asked) == {"alloc-gone"}
    bench.end(start)
    assert core.unwanted(bench.state, asked) == {"alloc-gone"}
    bench.collect(start.job)
    assert core.unwanted(bench.state, asked) == {"alloc-gone", on_bed.allocation}


def test_pruning_moves_the_beginning_of_the_journal_and_nothing_else() -> None:
    bench = Bench()
    bench.collect(bench.printed().job)
    before = bench.state
    (counted,) = before.started
    step = core.prune(before, 2, frozenset())
    assert step.state == replace(before, journal=replace(before.journal, oldest=3))
    step = core.prune(before, 0, frozenset({counted}))
    assert step.state == replace(before, started={})
    assert (step.facts, step.instructions) == ((), ())


def test_after_pruning_a_new_generation_and_a_new_epoch_tell_what_is_left() -> None:
    bench = Bench()
    bench.collect(bench.printed().job)
    head = bench.state.journal.head
    bench.ack(seq=head)
    bench.do(core.prune, 2, frozenset(), timed=False)
    bench.do(core.on_desired, desired(1, generation=bench.state.generation + 1))
    assert bench.state.journal.acked == 2
    bench.ack(seq=head + 5)
    left = bench.state.journal
    assert (left.oldest, left.head, left.base, left.acked) == (1, head - 2, 2, 0)
    bench.status(A, PrinterState.IDLE)
    assert bench.report().journal.oldest == 1
