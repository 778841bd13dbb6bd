"""What hands and voices ask of a printer: collect, clear the bed, pause, resume, cancel, answer, stop."""

from typing import Final, Literal, get_args

from drivers.base import Capability
from farm.bus import messages
from farm.clock import Clock
from farm.control_errors import CANCEL_OR_WAIT, COUNT_AGAIN, LOOK, missing
from farm.daemon.world import World
from farm.errors import ConflictError, InvalidError, NotFoundError, UnreachableError
from farm.ids import new_id
from farm.request_bodies import AnswerRequest, ClearBedRequest, CollectRequest
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.eligibility import is_suspect
from scheduler.model import Farm, Job, PendingCollect, PrinterNow, Rules

JobAction = Literal["pause", "resume", "cancel"]
_DEADLINE_S: Final = 30.0
_DEADLINE_REAL_S: Final = 10.0  # a fast clock does not make the network faster


def find_printer(farm: Farm, key: str) -> PrinterNow:
    """A printer. NotFoundError."""
    printer = farm.printers.get(key)
    if printer is None:
        raise missing("printer", key)
    return printer


def _occupation(world: World, printer: PrinterNow) -> messages.Occupation:
    seen = world.reports[printer.id].occupation
    if seen is None:
        clear = Bilingual(f"The bed of {printer.name} is clear.", f"Le plateau de {printer.name} est libre.")
        raise ConflictError(clear, next_step=LOOK, code="bed-is-clear")
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
            Bilingual(
                f"{request.good} good and {request.scrap} scrap are more than the {parts} parts of this job.",
                f"{request.good} bonnes et {request.scrap} au rebut, c'est plus que les {parts} pièces de cette impression.",
            ),
            next_step=COUNT_AGAIN,
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
        raise ConflictError(
            Bilingual(
                f"Job {job} is not on the bed of {printer.name}.",
                f"L'impression {job} n'est pas sur le plateau de {printer.name}.",
            ),
            next_step=LOOK,
            code="not-on-this-bed",
        )
    if seen.outcome is None:
        runs = Bilingual(f"Job {job} still runs.", f"L'impression {job} est encore en cours.")
        raise ConflictError(runs, next_step=CANCEL_OR_WAIT, code="job-runs")
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
        raise ConflictError(
            Bilingual(f"That is not on the bed of {printer.name} any more.", f"Cela n'est plus sur le plateau de {printer.name}."),
            next_step=LOOK,
            code="not-on-this-bed",
        )
    if seen.job is not None and seen.outcome is None:
        runs = Bilingual("A job runs on this bed.", "Une impression est en cours sur ce plateau.")
        raise ConflictError(runs, next_step=CANCEL_OR_WAIT, code="job-runs")
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
                Bilingual(
                    "Somebody has already said something else about this bed; its node has not answered yet.",
                    "Quelqu'un a déjà dit autre chose de ce plateau ; son nœud n'a pas encore répondu.",
                ),
                next_step=Bilingual(
                    "Wait until the node is heard, then look again.", "Attendez que le nœud réponde, puis regardez de nouveau."
                ),
                code="collect-pending",
            )
    draft.put(word)
    return word.id


def running_job(farm: Farm, key: str) -> Job:
    """A job that runs. NotFoundError; ConflictError: it has ended."""
    job = farm.jobs.get(key)
    if job is None:
        raise NotFoundError(
            Bilingual(f"There is no running job {key}.", f"Il n'y a pas d'impression {key} en cours."),
            next_step=Bilingual("`farm status` lists what is printed.", "`farm status` donne la liste de ce qui s'imprime."),
        )
    if job.outcome is not None:
        ended = Bilingual(f"Job {key} has ended.", f"L'impression {key} est terminée.")
        raise ConflictError(ended, next_step=LOOK, code="job-ended")
    return job


def job_command(world: World, job: Job, action: str, clock: Clock, rules: Rules) -> messages.Command:
    """Pause, resume or cancel a running job: void soon after, because a late one would hit something else.

    Raises:
        InvalidError: another action.
        UnreachableError: its node was not heard lately.

    """
    wanted = next((known for known in get_args(JobAction) if known == action), None)
    if wanted is None:
        raise InvalidError(
            Bilingual(f"{action!r} is no action on a job.", f"{action!r} n'est pas une action sur une impression."),
            next_step=Bilingual("Use pause, resume or cancel.", "Prenez pause, resume ou cancel."),
        )
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
            Bilingual(
                "The node of this printer has not been heard lately.",
                "Le nœud de cette imprimante n'a plus donné de nouvelles ces derniers temps.",
            ),
            next_step=Bilingual(
                "Go to the printer, or try again when it is back.",
                "Allez à l'imprimante, ou réessayez quand il sera revenu.",
            ),
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
        gone = Bilingual(f"{printer.name} does not ask that any more.", f"{printer.name} ne demande plus cela.")
        raise ConflictError(gone, next_step=LOOK, code="prompt-gone")
    if request.choice >= max(1, len(asked.choices)):
        raise InvalidError(
            Bilingual(f"The question has no choice {request.choice}.", f"La question n'a pas de choix {request.choice}."),
            next_step=Bilingual("Choose one of those that are shown.", "Choisissez l'un de ceux qui sont affichés."),
        )
    if Capability.PROMPTS not in report.capabilities:
        raise ConflictError(
            Bilingual(f"{printer.name} is answered at its own screen.", f"C'est à son propre écran qu'on répond à {printer.name}."),
            next_step=Bilingual("Go to the printer.", "Allez à l'imprimante."),
            code="answer-at-the-printer",
        )
    action = messages.AnswerAction(printer=printer.id, prompt=asked.id, choice=request.choice)
    return _soon(world, printer.node, action, clock, rules)


def stop_command(world: World, printer: PrinterNow) -> messages.Command:
    """Emergency stop: without a deadline, it is better late than never."""
    return messages.Command(generation=world.generation, id=new_id("cmd"), action=messages.StopAction(printer=printer.id))
