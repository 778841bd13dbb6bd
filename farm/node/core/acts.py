"""What a person asks of a machine: whether that may be asked now, and what its driver is told. Through the farm or on site."""

from drivers.base import Capability
from farm.bus.messages import MAX_CHOICES, AnswerAction, JobAction, StopAction
from farm.node.core.draft import clip
from farm.node.core.jobs import running_job
from farm.node.core.refusals import ANSWER_THERE, NO_SUCH_CHOICE, NO_SUCH_PRINTER, NOT_ASKED, NOT_RUNNING, Refusal
from farm.node.core.state import Act, ActKind, NodeState, Printer

DriverAction = JobAction | StopAction | AnswerAction
PROMPT_ID_CHARACTERS = 80  # of a prompt's id on the bus; a longer one is cut


def _why_not_answered(printer: Printer, action: AnswerAction) -> Refusal | None:
    asked = printer.status.prompt
    if asked is None or clip(asked.id, PROMPT_ID_CHARACTERS) != action.prompt:
        return NOT_ASKED
    if action.choice >= max(1, min(len(asked.choices), MAX_CHOICES)):
        return NO_SUCH_CHOICE
    return None if Capability.PROMPTS in printer.setup.capabilities else ANSWER_THERE


def why_not_act(state: NodeState, action: DriverAction) -> Refusal | None:
    """Return what is against asking the machine for this now, or None: a click names the job or the question that it saw."""
    printer = state.printers.get(action.printer)
    if printer is None:
        return NO_SUCH_PRINTER
    if isinstance(action, JobAction):
        return NOT_RUNNING if running_job(state, action.printer, action.job) is None else None
    return _why_not_answered(printer, action) if isinstance(action, AnswerAction) else None


def act_of(state: NodeState, action: DriverAction, command: str = "") -> Act:
    """What the driver is told, when nothing is against it."""
    kind = ActKind(action.kind)
    if isinstance(action, AnswerAction):
        asked = state.printers[action.printer].status.prompt
        assert asked is not None, "why_not_act comes first"
        return Act(action.printer, command, kind, prompt=asked.id, choice=action.choice)
    return Act(action.printer, command, kind, action.job if isinstance(action, JobAction) else None)
