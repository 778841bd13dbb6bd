from dataclasses import replace
from typing import Any

import pytest

from drivers.base import Capability, PrinterState, Prompt
from farm.bus.messages import MAX_CHOICES, AnswerAction, CommandDone, JobAction, StopAction
from farm.node import core
from farm.node.core import Act, ActKind
from farm.node.core.refusals import ANSWER_THERE, NO_SUCH_CHOICE, NO_SUCH_PRINTER, NOT_ASKED, NOT_RUNNING, Refusal
from tests.unit.farm.node.bench import A, Bench, setup

PROMPT = Prompt("prompt-1", "Load filament", ("Continue", "Cancel"))


def asking(prompt: Prompt = PROMPT, *, capable: bool = True) -> Bench:
    """A printer that asks, in the middle of a job."""
    bench = Bench(setup(A, capabilities=frozenset({Capability.PROMPTS} if capable else ())))
    start = bench.start()
    bench.status(A, PrinterState.ATTENTION, job=start.job, prompt=prompt)
    return bench


def test_an_answer_names_the_question_as_the_driver_calls_it() -> None:
    long = replace(PROMPT, id="p" * 100)
    bench = asking(long)
    shown = bench.report().printers[0].prompt
    assert shown is not None
    assert (len(shown.id), shown.text, shown.choices) == (80, "Load filament", ["Continue", "Cancel"])
    action = AnswerAction(printer=A, prompt=shown.id, choice=1)
    assert core.why_not_act(bench.state, action) is None
    assert core.act_of(bench.state, action, "command-1") == Act(A, "command-1", ActKind.ANSWER, prompt="p" * 100, choice=1)


@pytest.mark.parametrize(
    ("action", "refused"),
    [
        (AnswerAction(printer=A, prompt="prompt-0", choice=0), NOT_ASKED),
        (AnswerAction(printer=A, prompt="prompt-1", choice=2), NO_SUCH_CHOICE),
        (AnswerAction(printer="printer-x", prompt="prompt-1"), NO_SUCH_PRINTER),
        (JobAction(printer=A, kind="pause", job="job-of-before"), NOT_RUNNING),
        (StopAction(printer="printer-x"), NO_SUCH_PRINTER),
    ],
)
def test_what_is_against_it_is_said_in_both_languages(action: Any, refused: Refusal) -> None:
    assert core.why_not_act(asking().state, action) is refused
    assert refused.fr != refused


def test_a_question_that_is_gone_takes_no_answer() -> None:
    bench = asking()
    bench.status(A, PrinterState.PRINTING)
    assert core.why_not_act(bench.state, AnswerAction(printer=A, prompt="prompt-1")) is NOT_ASKED


def test_without_choices_there_is_one_answer() -> None:
    bench = asking(Prompt("prompt-1", "Press the knob"))
    assert core.why_not_act(bench.state, AnswerAction(printer=A, prompt="prompt-1", choice=0)) is None
    assert core.why_not_act(bench.state, AnswerAction(printer=A, prompt="prompt-1", choice=1)) is NO_SUCH_CHOICE


def test_a_driver_that_cannot_answer_is_not_asked_to() -> None:
    assert core.why_not_act(asking(capable=False).state, AnswerAction(printer=A, prompt="prompt-1")) is ANSWER_THERE


def test_more_choices_than_a_message_has_room_for_are_not_offered() -> None:
    bench = asking(Prompt("prompt-1", "Which?", tuple("abcdefghijklmno")))
    shown = bench.report().printers[0].prompt
    assert shown is not None
    assert len(shown.choices) == MAX_CHOICES
    assert core.why_not_act(bench.state, AnswerAction(printer=A, prompt="prompt-1", choice=MAX_CHOICES - 1)) is None


def test_a_command_answers_once_and_its_outcome_is_a_fact() -> None:
    bench = asking()
    action = AnswerAction(printer=A, prompt="prompt-1", choice=1)
    (act,) = bench.command(action, id="command-x").instructions
    assert bench.command(action, id="command-x").refused == "done before", "while the driver is at it"
    bench.do(core.on_act_done, act, None)
    fact = bench.of(CommandDone)[-1]
    assert (fact.command, fact.ok, fact.detail, fact.detail_fr, fact.code) == ("command-x", True, "", "", "")
    assert bench.command(action, id="command-x").refused == "done before"


def test_a_stale_answer_is_refused_by_the_node_with_a_fact() -> None:
    bench = asking()
    step = bench.command(AnswerAction(printer=A, prompt="prompt-0"), id="command-x")
    assert step.instructions == ()
    fact = bench.of(CommandDone)[-1]
    assert (fact.ok, fact.code, fact.detail, fact.detail_fr) == (False, "prompt-gone", str(NOT_ASKED), NOT_ASKED.fr)


def test_an_answer_after_its_deadline_is_void() -> None:
    bench = asking()
    report = bench.report()
    bench.pass_time(31)
    late = {"boot": report.boot, "report": report.report, "deadline_s": 30.0}
    step = bench.command(AnswerAction(printer=A, prompt="prompt-1"), **late)
    assert step.instructions == ()
    fact = bench.of(CommandDone)[-1]
    assert (fact.code, fact.detail_fr) == ("too-late", "C'est arrivé trop tard.")
