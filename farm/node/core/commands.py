"""Commands of people, through the daemon: idempotent by id, void after their deadline, the outcome is a fact."""

from dataclasses import replace

from farm.bus.messages import ClearBedAction, CollectAction, Command, CommandDone, JobAction, StopAction
from farm.node.core import beds
from farm.node.core.draft import Draft, clip
from farm.node.core.jobs import running_job
from farm.node.core.refusals import NOT_RUNNING
from farm.node.core.state import KEEP_COMMANDS, Act, ActKind, Moment, NodeState, Step


def _done(draft: Draft, printer: str, command: str, why_not: str | None) -> None:
    draft.write(CommandDone, printer=printer, command=command, ok=why_not is None, detail=clip(why_not or ""))
    draft.change(commands=(*draft.state.commands, command)[-KEEP_COMMANDS:], pending=draft.state.pending - {command})


def _too_late(state: NodeState, command: Command, now_s: float) -> bool:
    """A deadline counts from a report of this boot; what names another boot, or a report long gone, is over."""
    if command.deadline_s is None or isinstance(command.action, CollectAction):
        return False
    if command.boot != state.boot or command.report is None:
        return True
    sent_s = state.sent.get(command.report)
    return sent_s is None or now_s - sent_s > command.deadline_s


def _to_driver(draft: Draft, command: Command, action: JobAction | StopAction) -> None:
    job = action.job if isinstance(action, JobAction) else None
    if action.printer not in draft.state.printers:
        _done(draft, action.printer, command.id, "There is no such printer at this node.")
    elif job is not None and running_job(draft.state, action.printer, job) is None:
        _done(draft, action.printer, command.id, NOT_RUNNING)
    else:
        draft.change(pending=draft.state.pending | {command.id})
        draft.instruct(Act(action.printer, command.id, ActKind(action.kind), job))


def on_command(state: NodeState, command: Command, moment: Moment) -> Step:
    """Carry out a command, or hand it to a driver. A repeated id changes nothing.

    An emergency stop is obeyed in any generation: a print that is stopped without need is the worst that it can do.
    """
    draft = Draft(state, moment)
    action = command.action
    if command.generation != state.generation and not isinstance(action, StopAction):
        return draft.step(refused="another generation")
    if command.id in state.commands or command.id in state.pending:
        return draft.step(refused="done before")
    if _too_late(state, command, moment.boot_s):
        _done(draft, action.printer, command.id, "It came too late.")
    elif isinstance(action, CollectAction):
        refused = beds.collect(draft, action.printer, action.job, (action.good, action.scrap), action.by)
        _done(draft, action.printer, command.id, refused)
    elif isinstance(action, ClearBedAction):
        _done(draft, action.printer, command.id, beds.clear(draft, action.printer, action.occupation, action.by))
    else:
        _to_driver(draft, command, action)
    return draft.step()


def on_act_done(state: NodeState, act: Act, why_not: str | None, moment: Moment) -> Step:
    """A driver carried out a command, or `why_not` says what kept it."""
    if act.command not in state.pending:
        return Step(state, refused="not pending")
    draft = Draft(replace(state, pending=state.pending - {act.command}), moment)
    _done(draft, act.printer, act.command, why_not)
    return draft.step()
