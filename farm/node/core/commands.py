"""Commands of people, through the daemon: idempotent by id, void after their deadline, the outcome is a fact."""

from dataclasses import replace

from farm.bus.messages import ClearBedAction, CollectAction, Command, CommandDone
from farm.node.core import beds
from farm.node.core.acts import DriverAction, act_of, why_not_act
from farm.node.core.draft import Draft, clip
from farm.node.core.refusals import TOO_LATE, refusal_of
from farm.node.core.state import KEEP_COMMANDS, Act, Moment, NodeState, Step


def _done(draft: Draft, printer: str, command: str, why_not: str | None) -> None:
    said = refusal_of(why_not or "", "")
    sentences = {"detail": clip(said), "detail_fr": clip(said.fr), "code": clip(said.code, 80)}
    draft.write(CommandDone, printer=printer, command=command, ok=why_not is None, **sentences)
    draft.change(commands=(*draft.state.commands, command)[-KEEP_COMMANDS:], pending=draft.state.pending - {command})


def _too_late(state: NodeState, command: Command, now_s: float) -> bool:
    """A deadline counts from a report of this boot; what names another boot, or a report long gone, is over."""
    if command.deadline_s is None or isinstance(command.action, CollectAction):
        return False
    if command.boot != state.boot or command.report is None:
        return True
    sent_s = state.sent.get(command.report)
    return sent_s is None or now_s - sent_s > command.deadline_s


def _to_driver(draft: Draft, command: Command, action: DriverAction) -> None:
    refused = why_not_act(draft.state, action)
    if refused is not None:
        _done(draft, action.printer, command.id, refused)
        return
    draft.change(pending=draft.state.pending | {command.id})
    draft.instruct(act_of(draft.state, action, command.id))


def on_command(state: NodeState, command: Command, moment: Moment) -> Step:
    """Carry out a command, or hand it to a driver. A repeated id changes nothing.

    An emergency stop is obeyed in any generation: a print that is stopped without need is the worst that it can do.
    """
    draft = Draft(state, moment)
    action = command.action
    if command.generation != state.generation and action.kind != "emergency-stop":
        return draft.step(refused="another generation")
    if command.id in state.commands or command.id in state.pending:
        return draft.step(refused="done before")
    if _too_late(state, command, moment.boot_s):
        _done(draft, action.printer, command.id, TOO_LATE)
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
