from drivers.base import PrinterState
from farm.bus.messages import ClearBedAction, CollectAction, CommandDone
from farm.node import core
from farm.node.core.refusals import Refusal, too_many
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
    said += [refused(bench.do(core.on_clear, foreign)), refused(bench.do(core.on_go_on))]
    for sentence in said:
        assert isinstance(sentence, Refusal), sentence
        assert sentence.fr != sentence
    assert len({sentence.code for sentence in said if isinstance(sentence, Refusal)}) == 5


def test_a_refusal_is_its_english_sentence() -> None:
    refusal = too_many(2, 7)
    assert refusal == "The job has 2 parts, not 7."
    assert (refusal.code, refusal.fr) == ("too-many-parts", "L'impression a 2 pièces, pas 7.")
    bench = Bench()
    bench.collect("job-of-before")
    assert bench.of(CommandDone)[-1].detail == "That is not on this bed.", "a fact takes it as its text"
