import pytest

from drivers.base import PrinterState
from farm.bus.messages import ClearBedAction, CollectAction
from farm.node import core
from farm.node.ledger import LedgerWriteError
from farm.node.onsite import NOT_RUNNING
from farm.node.page.refusals import in_french
from tests.unit.farm.node.bench import A, Bench


def refused(step: core.Step) -> str:
    assert step.refused is not None
    return step.refused


def test_every_refusal_of_the_core_has_its_french() -> None:
    bench = Bench()
    start = bench.start(A)

    def collect(job: str, good: int) -> core.Step:
        return bench.do(core.on_collect, CollectAction(printer=A, job=job, good=good, scrap=0))

    said = [refused(collect(start.job, 1)), refused(collect("job-other", 1))]
    bench.end(start)
    said.append(refused(collect(start.job, 7)))
    collect(start.job, 1)
    bench.status(A, PrinterState.FOREIGN)
    foreign = ClearBedAction(printer=A, occupation=bench.state.occupations[A].id)
    said += [refused(bench.do(core.on_clear, foreign)), refused(bench.do(core.on_go_on)), NOT_RUNNING]
    for sentence in said:
        french = in_french(sentence)
        assert french != sentence, sentence
    assert in_french("The job has 2 parts, not 7.") == "Le travail a 2 pièces, pas 7."


@pytest.mark.parametrize(("why", "word"), [("database or disk is full", "plein"), ("readonly database", "registre")])
def test_a_ledger_that_cannot_be_written_is_told_in_french(why: str, word: str) -> None:
    error = LedgerWriteError(f"The ledger /data/x.sqlite could not be written: {why}.", next_step="", full=True)
    assert word in in_french(error.detail)


def test_a_driver_has_its_own_words() -> None:
    assert in_french("Error:Heating failed") == "Error:Heating failed"
