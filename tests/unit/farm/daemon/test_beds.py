"""Hands and voices: a stale click is refused, the same click twice is one, a late command is void."""

import pytest

from drivers.base import PrinterState
from farm.bus import messages
from farm.bus.topics import Stream
from farm.daemon import beds
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError, UnreachableError
from farm.request_bodies import AnswerRequest, ClearBedRequest, CollectRequest
from scheduler.draft import Draft
from scheduler.facts import NOT_ON_THIS_BED
from scheduler.model import BedState, Job, JobOutcome, OccupationKind, Rules
from tests.unit.farm.daemon.harness import GENERATION, SHA, Farm, collected, ended, occupied, printer_report, started

UNKNOWN = printer_report(bed=BedState.UNKNOWN, ready=False, occupation=messages.Occupation(id="bed-7", kind=OccupationKind.UNKNOWN))


async def told(farm: Farm, report: messages.PrinterReport, request: CollectRequest | ClearBedRequest) -> tuple[Draft, str]:
    await farm.hear(farm.report(report))
    return again(farm, Draft(farm.world.durable), request)


def again(farm: Farm, draft: Draft, request: CollectRequest | ClearBedRequest) -> tuple[Draft, str]:
    if isinstance(request, CollectRequest):
        return draft, beds.collect(farm.world, draft, "p1", request, 1.0)
    return draft, beds.clear(farm.world, draft, "p1", request, 1.0)


async def test_a_collect_is_noted_with_the_job_it_names(farm: Farm) -> None:
    draft, command = await told(farm, occupied(outcome=JobOutcome.PRINTED), CollectRequest(job="j1", good=1, by="ada"))
    word = draft.farm.pending_collects[command]
    assert (word.node, word.printer, word.job, word.good, word.scrap, word.by) == ("n1", "p1", "j1", 1, 0, "ada")
    assert not word.clear_only


async def test_a_bed_is_cleared_by_naming_what_was_on_it(farm: Farm) -> None:
    draft, command = await told(farm, UNKNOWN, ClearBedRequest(occupation="bed-7"))
    assert draft.farm.pending_collects[command].clear_only


@pytest.mark.parametrize(
    ("report", "request_", "code"),
    [
        (printer_report(), CollectRequest(job="j1", good=1), "bed-is-clear"),
        (occupied("j2", JobOutcome.PRINTED), CollectRequest(job="j1", good=1), "not-on-this-bed"),
        (UNKNOWN, CollectRequest(job="j1", good=1), "not-on-this-bed"),
        (occupied("j1"), CollectRequest(job="j1", good=1), "job-runs"),
        (UNKNOWN, ClearBedRequest(occupation="bed-6"), "not-on-this-bed"),
        (occupied("j1"), ClearBedRequest(occupation="j1"), "job-runs"),
        (printer_report(), ClearBedRequest(occupation="bed-7"), "bed-is-clear"),
    ],
)
async def test_stale_clicks_are_refused(
    farm: Farm, report: messages.PrinterReport, request_: CollectRequest | ClearBedRequest, code: str
) -> None:
    with pytest.raises(ConflictError) as refused:
        await told(farm, report, request_)
    assert refused.value.code == code
    assert refused.value.detail_fr != refused.value.detail
    assert refused.value.next_step_fr != refused.value.next_step


async def test_more_parts_than_the_job_has_are_refused(farm: Farm) -> None:
    with pytest.raises(InvalidError) as refused:
        await told(farm, occupied(outcome=JobOutcome.PRINTED, parts=3), CollectRequest(job="j1", good=2, scrap=2))
    assert refused.value.detail_fr == "2 bonnes et 2 au rebut, c'est plus que les 3 pièces de cette impression."


async def test_the_same_click_twice_is_one_word(farm: Farm) -> None:
    click = CollectRequest(job="j1", good=1)
    draft, first = await told(farm, occupied(outcome=JobOutcome.PRINTED), click)
    _, second = again(farm, draft, click)
    assert first == second
    assert len(draft.farm.pending_collects) == 1


async def test_two_hands_that_disagree_are_told_so(farm: Farm) -> None:
    draft, _ = await told(farm, occupied(outcome=JobOutcome.PRINTED), CollectRequest(job="j1", good=1))
    with pytest.raises(ConflictError) as refused:
        again(farm, draft, CollectRequest(job="j1", good=0, scrap=1))
    assert refused.value.code == "collect-pending"


LOST = CollectRequest(job="j1", good=1, by="ada")
FOREIGN = printer_report(bed=BedState.UNKNOWN, ready=False, occupation=messages.Occupation(id="bed-9", kind=OccupationKind.FOREIGN))


async def lose_j1(farm: Farm, report: messages.PrinterReport, *, head: int = 0) -> None:
    """j1 ended, and then its node got an empty card."""
    await farm.hear(farm.report(printer_report(), generation=0, desired_version=0))
    await farm.hear(farm.journal(started(), ended()))
    assert farm.world.durable.jobs["j1"].outcome is JobOutcome.PRINTED
    await farm.hear(farm.report(report, boot=2, journal=messages.JournalPosition(epoch="e2", oldest=1, head=head)))


@pytest.mark.parametrize("report", [printer_report(), UNKNOWN, FOREIGN, occupied("j2")])
async def test_a_job_that_its_node_has_lost_is_collected_at_the_daemon_and_counts_once(
    farm: Farm, report: messages.PrinterReport
) -> None:
    await lose_j1(farm, report)
    command = await farm.ask(lambda draft: beds.collect(farm.world, draft, "p1", LOST, 1.0))
    assert farm.bus.of(Stream.COMMAND)[-1].id == command, "the node is asked all the same"
    assert farm.world.durable.orders["o1"].good == 0
    answer = messages.CommandDone(seq=1, printer="p1", command=command, ok=False, detail=NOT_ON_THIS_BED)
    for _ in range(2):
        await farm.hear(farm.journal(answer, epoch="e2"))
    await farm.hear(farm.journal(answer, collected(2), epoch="e2"))
    stored = await farm.stored()
    assert (stored.orders["o1"].good, stored.orders["o1"].scrap) == (1, 0)
    assert stored.pending_collects == {}
    assert farm.alarms == ["collect.by-word", "ledger.old"]


async def test_of_a_lost_job_no_more_parts_are_collected_than_it_has(farm: Farm) -> None:
    await lose_j1(farm, UNKNOWN)
    with pytest.raises(InvalidError):
        again(farm, Draft(farm.world.durable), CollectRequest(job="j1", good=2))


async def test_while_the_node_may_still_tell_nothing_counts_as_lost(farm: Farm) -> None:
    await lose_j1(farm, UNKNOWN, head=3)
    with pytest.raises(ConflictError) as refused:
        again(farm, Draft(farm.world.durable), LOST)
    assert refused.value.code == "not-on-this-bed"


async def test_with_one_ledger_only_nothing_is_lost(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report(), generation=0, desired_version=0))
    await farm.hear(farm.journal(started(), ended()))
    await farm.hear(farm.report(UNKNOWN))
    with pytest.raises(ConflictError) as refused:
        again(farm, Draft(farm.world.durable), LOST)
    assert refused.value.code == "not-on-this-bed"


async def test_an_unknown_printer_is_not_found(farm: Farm) -> None:
    with pytest.raises(NotFoundError):
        beds.find_printer(farm.world.durable, "p9")


# --- commands to running jobs -----------------------------------------------------------------------------------------------------

JOB = Job("j1", "n1", "p1", "a1", "o1", "r1", SHA, 1, 3600.0, 0.0, 1e9)


async def test_a_command_is_void_soon_after_the_report_it_rests_on(farm: Farm) -> None:
    await farm.hear(farm.report(occupied(), boot=4, report=8))
    farm.clock.advance(20)
    command = beds.job_command(farm.world, JOB, "pause", farm.clock, Rules())
    assert isinstance(command.action, messages.JobAction)
    assert (command.action.kind, command.action.job, command.generation) == ("pause", "j1", GENERATION)
    assert (command.boot, command.report, command.deadline_s) == (4, 8, 50.0)


@pytest.mark.parametrize("silent_s", [None, 91.0])
async def test_nothing_is_sent_to_a_node_that_is_not_heard(farm: Farm, silent_s: float | None) -> None:
    if silent_s is not None:
        await farm.hear(farm.report(occupied()))
        farm.clock.advance(silent_s)
    with pytest.raises(UnreachableError):
        beds.job_command(farm.world, JOB, "cancel", farm.clock, Rules())


async def test_an_unknown_action_is_invalid(farm: Farm) -> None:
    with pytest.raises(InvalidError):
        beds.job_command(farm.world, JOB, "explode", farm.clock, Rules())


async def test_only_running_jobs_are_commanded(farm: Farm) -> None:
    draft = Draft(farm.world.durable)
    with pytest.raises(NotFoundError):
        beds.running_job(draft.farm, "j1")
    draft.put(JOB)
    assert beds.running_job(draft.farm, "j1") == JOB
    draft.put(Job("j1", "n1", "p1", "a1", "o1", "r1", SHA, 1, 3600.0, 0.0, 1e9, outcome=JobOutcome.FAILED))
    with pytest.raises(ConflictError):
        beds.running_job(draft.farm, "j1")


async def test_an_emergency_stop_has_no_deadline(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report()))
    command = beds.stop_command(farm.world, farm.world.printers["p1"])
    assert (command.action.kind, command.deadline_s) == ("emergency-stop", None)


QUESTION = messages.PromptNote(id="prompt-1", text="Filament?", choices=["Continue", "Cancel"])


def asking(prompt: messages.PromptNote | None = QUESTION, **fields: object) -> messages.PrinterReport:
    values = {"state": PrinterState.ATTENTION, "prompt": prompt, "capabilities": ["prompts"], **fields}
    return occupied().model_copy(update=values)


def answer(farm: Farm, prompt: str = "prompt-1", choice: int = 0) -> messages.Command:
    printer = farm.world.durable.printers["p1"]
    return beds.answer_command(farm.world, printer, AnswerRequest(prompt=prompt, choice=choice), farm.clock, Rules())


async def test_an_answer_names_the_question_and_is_void_soon(farm: Farm) -> None:
    await farm.hear(farm.report(asking()))
    command = answer(farm, choice=1)
    assert command.action == messages.AnswerAction(printer="p1", prompt="prompt-1", choice=1)
    assert (command.generation, command.boot, command.report) == (GENERATION, 1, farm.count)
    assert command.deadline_s is not None
    assert 0 < command.deadline_s <= 60


@pytest.mark.parametrize(
    ("report", "prompt", "choice", "error", "code"),
    [
        (asking(), "prompt-0", 0, ConflictError, "prompt-gone"),
        (asking(None), "prompt-1", 0, ConflictError, "prompt-gone"),
        (asking(), "prompt-1", 2, InvalidError, "invalid"),
        (asking(QUESTION.model_copy(update={"choices": []})), "prompt-1", 1, InvalidError, "invalid"),
        (asking(capabilities=[]), "prompt-1", 0, ConflictError, "answer-at-the-printer"),
    ],
)
async def test_a_stale_or_impossible_answer_is_refused(
    farm: Farm, report: messages.PrinterReport, prompt: str, choice: int, error: type[FarmError], code: str
) -> None:
    await farm.hear(farm.report(report))
    with pytest.raises(error) as refused:
        answer(farm, prompt, choice)
    assert refused.value.code == code


async def test_a_question_without_choices_has_one_answer(farm: Farm) -> None:
    await farm.hear(farm.report(asking(QUESTION.model_copy(update={"choices": []}))))
    assert answer(farm).action.kind == "answer"


async def test_a_node_that_is_not_heard_is_not_answered(farm: Farm) -> None:
    await farm.hear(farm.report(asking()))
    farm.clock.advance(91.0)
    with pytest.raises(UnreachableError):
        answer(farm)
