"""What hands and voices ask of a printer: collect, clear the bed, pause, resume, cancel, answer, stop."""

from typing import Final, Literal, get_args

from drivers.base import Capability
from farm.bus import messages
from farm.clock import Clock
from farm.daemon.world import World
from farm.errors import ConflictError, InvalidError, NotFoundError, UnreachableError
from farm.ids import new_id
from farm.views import AnswerRequest, ClearBedRequest, CollectRequest
from scheduler.draft import Draft
from scheduler.eligibility import is_suspect
from scheduler.model import Farm, Job, PendingCollect, PrinterNow, Rules

JobAction = Literal["pause", "resume", "cancel"]
_DEADLINE_S: Final = 30.0
_DEADLINE_REAL_S: Final = 10.0  # a fast clock does not make the network faster
_LOOK: Final = "Look again: the farm shows what is on every bed."


def find_printer(farm: Farm, key: str) -> PrinterNow:
    """A printer. NotFoundError."""
    printer = farm.printers.get(key)
    if printer is None:
        raise NotFoundError(f"There is no printer {key}, or it has not been heard of yet.", next_step="`farm status` lists them.")
    return printer


def _occupation(world: World, printer: PrinterNow) -> messages.Occupation:
    seen = world.reports[printer.id].occupation
    if seen is None:
        raise ConflictError(f"The bed of {printer.name} is clear.", next_step=_LOOK, code="bed-is-clear")
    return seen


def collect(world: World, draft: Draft, key: str, request: CollectRequest, now_s: float) -> str:
    """Note a hand's word about a job; returns the id of the command that carries it to the node.

    Raises:
        NotFoundError: no such printer.
        ConflictError: that job is not on this bed, still runs, or somebody said something else about it.
        InvalidError: more parts than the job has.

    """
    printer = find_printer(world.durable, key)
    lost = _lost_job(world, draft.farm, printer, request.job)
    parts = _parts_on(world, printer, request.job) if lost is None else lost.parts
    if request.good + request.scrap > parts:
        raise InvalidError(
            f"{request.good} good and {request.scrap} scrap are more than the {parts} parts of this job.",
            next_step="Count again.",
        )
    return _note(
        draft,
        PendingCollect(
            id=new_id("cmd"),
            node=printer.node,
            printer=key,
            job=request.job,
            good=request.good,
            scrap=request.scrap,
            by=request.by,
            clear_only=False,
            created_at_s=now_s,
        ),
    )


def _parts_on(world: World, printer: PrinterNow, job: str) -> int:
    seen = _occupation(world, printer)
    if seen.job is None or seen.job.job != job:
        raise ConflictError(f"Job {job} is not on the bed of {printer.name}.", next_step=_LOOK, code="not-on-this-bed")
    if seen.outcome is None:
        raise ConflictError(f"Job {job} still runs.", next_step="Cancel it first, or wait.", code="job-runs")
    return seen.job.parts


def _lost_job(world: World, farm: Farm, printer: PrinterNow, key: str) -> Job | None:
    """A job that ended on this printer, and that no bed shows because its node has another ledger since; None: it is not lost.

    Only when that ledger was heard to its end: before, the node may still tell what came of the job. The word goes to the node all
    the same, and counts when it refuses it: see `scheduler.lifecycle`.
    """
    job, record, link = farm.jobs.get(key), farm.node_records.get(printer.node), world.links.get(printer.node)
    if job is None or job.outcome is None or job.collected or (job.node, job.printer) != (printer.node, printer.id):
        return None
    seen = world.reports[printer.id].occupation
    if seen is not None and seen.id == key:
        return None
    if record is None or not record.past_epochs or link is None or link.report is None or link.alive != link.seen:
        return None
    place = link.report.journal
    return job if place.epoch == record.epoch and place.head <= record.seq else None


def clear(world: World, draft: Draft, key: str, request: ClearBedRequest, now_s: float) -> str:
    """Note that a bed is clear again; returns the id of the command.

    Raises:
        NotFoundError: no such printer.
        ConflictError: that is not on this bed, or a job runs.

    """
    printer = find_printer(world.durable, key)
    seen = _occupation(world, printer)
    if seen.id != request.occupation:
        raise ConflictError(f"That is not on the bed of {printer.name} any more.", next_step=_LOOK, code="not-on-this-bed")
    if seen.job is not None and seen.outcome is None:
        raise ConflictError("A job runs on this bed.", next_step="Cancel it first, or wait.", code="job-runs")
    return _note(
        draft,
        PendingCollect(
            id=new_id("cmd"),
            node=printer.node,
            printer=key,
            job=request.occupation,
            good=0,
            scrap=0,
            by=request.by,
            clear_only=True,
            created_at_s=now_s,
        ),
    )


def _note(draft: Draft, word: PendingCollect) -> str:
    for before in draft.farm.pending_collects.values():
        if (before.node, before.printer, before.job) == (word.node, word.printer, word.job):
            if (before.good, before.scrap, before.clear_only) == (word.good, word.scrap, word.clear_only):
                return before.id  # the same click twice
            raise ConflictError(
                "Somebody has already said something else about this bed; its node has not answered yet.",
                next_step="Wait until the node is heard, then look again.",
                code="collect-pending",
            )
    draft.put(word)
    return word.id


def running_job(farm: Farm, key: str) -> Job:
    """A job that runs. NotFoundError; ConflictError: it has ended."""
    job = farm.jobs.get(key)
    if job is None:
        raise NotFoundError(f"There is no running job {key}.", next_step="`farm status` lists what is printed.")
    if job.outcome is not None:
        raise ConflictError(f"Job {key} has ended.", next_step=_LOOK, code="job-ended")
    return job


def job_command(world: World, job: Job, action: str, clock: Clock, rules: Rules) -> messages.Command:
    """Pause, resume or cancel a running job: void soon after, because a late one would hit something else.

    Raises:
        InvalidError: another action.
        UnreachableError: its node was not heard lately.

    """
    wanted = next((known for known in get_args(JobAction) if known == action), None)
    if wanted is None:
        raise InvalidError(f"{action!r} is no action on a job.", next_step="Use pause, resume or cancel.")
    action_on_job = messages.JobAction(kind=wanted, printer=job.printer, job=job.id)
    return _soon(world, job.node, action_on_job, clock, rules)


def _soon(
    world: World, key: str, action: messages.JobAction | messages.AnswerAction, clock: Clock, rules: Rules
) -> messages.Command:
    """A command that is void soon after now. UnreachableError: the node was not heard lately."""
    link = world.links.get(key)
    now_s = clock.boot_s()
    node = world.farm(now_s).nodes.get(key)
    if link is None or node is None or is_suspect(node, rules) or link.alive < (0, 0):
        raise UnreachableError(
            "The node of this printer has not been heard lately.", next_step="Go to the printer, or try again when it is back."
        )
    boot, report = link.alive
    patience_s = max(_DEADLINE_S, _DEADLINE_REAL_S * clock.factor)
    return messages.Command(
        generation=world.generation,
        id=new_id("cmd"),
        action=action,
        boot=boot,
        report=report,
        deadline_s=now_s - link.alive_s + patience_s,
    )


def answer_command(world: World, printer: PrinterNow, request: AnswerRequest, clock: Clock, rules: Rules) -> messages.Command:
    """Answer what a machine asks: void soon after, because the next question is another one.

    Raises:
        ConflictError: it does not ask that any more, or is answered at its own screen.
        InvalidError: the question has no such choice.
        UnreachableError: its node was not heard lately.

    """
    report = world.reports[printer.id]
    asked = report.prompt
    if asked is None or asked.id != request.prompt:
        raise ConflictError(f"{printer.name} does not ask that any more.", next_step=_LOOK, code="prompt-gone")
    if request.choice >= max(1, len(asked.choices)):
        raise InvalidError(f"The question has no choice {request.choice}.", next_step="Choose one of those that are shown.")
    if Capability.PROMPTS not in report.capabilities:
        raise ConflictError(
            f"{printer.name} is answered at its own screen.", next_step="Go to the printer.", code="answer-at-the-printer"
        )
    action = messages.AnswerAction(printer=printer.id, prompt=asked.id, choice=request.choice)
    return _soon(world, printer.node, action, clock, rules)


def stop_command(world: World, printer: PrinterNow) -> messages.Command:
    """Emergency stop: without a deadline, it is better late than never."""
    return messages.Command(generation=world.generation, id=new_id("cmd"), action=messages.StopAction(printer=printer.id))
