"""What people beside the printers ask of a node themselves, without the daemon: collect, clear, pause, stop, go on.

Everything names the job or the occupation that a person saw: a second click, or one that comes too late, changes nothing.
"""

from collections.abc import Callable
from typing import Final

from farm.bus.messages import ClearBedAction, CollectAction, JobAction, StopAction
from farm.errors import ConflictError, NotFoundError
from farm.log import get_logger
from farm.node import core
from farm.node.core import Act, ActKind, NodeState, Step
from farm.node.core.refusals import NOT_RUNNING, Refusal
from farm.node.hands import Hand
from farm.node.keeper import Event, Keeper

_log = get_logger(__name__)
_LOOK_AGAIN: Final = "Look at the printer again."


class RefusedError(ConflictError):
    """A hand is refused; `detail_fr` says why in French."""

    def __init__(self, refused: str) -> None:
        code = refused.code if isinstance(refused, Refusal) else "refused"
        super().__init__(str(refused), next_step=_LOOK_AGAIN, code=code)
        self.detail_fr = refused.fr if isinstance(refused, Refusal) else str(refused)


class OnSite:
    """The hands of the people at one node. `hand_of` finds the driver of a printer."""

    def __init__(self, keeper: Keeper, hand_of: Callable[[str], Hand | None]) -> None:
        self._keeper = keeper
        self._hand_of = hand_of

    async def collect(self, action: CollectAction) -> None:
        """Take a job off its bed.

        Raises:
            RefusedError: it is not on the bed, still runs, or has fewer parts.
            LedgerWriteError: the disk is full, and there was no ballast; nothing was collected.

        """
        await self._do(lambda state, now: core.on_collect(state, action, now))

    async def clear(self, action: ClearBedAction) -> None:
        """Say that an occupation is gone from its bed.

        Raises:
            RefusedError: it is not on the bed, or is still being printed.
            LedgerWriteError: the disk is full, and there was no ballast; nothing was cleared.

        """
        await self._do(lambda state, now: core.on_clear(state, action, now))

    async def act(self, action: JobAction | StopAction) -> None:
        """Pause, resume or cancel the job that runs, or stop the machine. What becomes of a job is a fact of the journal.

        Raises:
            NotFoundError: there is no such printer here.
            RefusedError: that job does not run, or the driver could not.

        """
        hand = self._hand_of(action.printer)
        if hand is None:
            raise NotFoundError(f"There is no printer {action.printer} at this node.", next_step=_LOOK_AGAIN)
        job = action.job if isinstance(action, JobAction) else None
        if job is not None and not _runs(self._keeper.state, action.printer, job):
            raise RefusedError(NOT_RUNNING)
        _log.info("person.act", printer=action.printer, act=action.kind, job=job)
        refused = await hand.act(Act(action.printer, "", ActKind(action.kind), job))
        if refused is not None:
            raise RefusedError(refused)  # the driver's own words

    async def go_on(self, *, by: str) -> None:
        """Have the node go on without the farm for one autonomy more. It may make parts that nobody needs any more.

        Raises:
            RefusedError: the farm left nothing to start.

        """
        await self._do(core.on_go_on)
        _log.warning("person.go-on", by=by, note="parts may be made too many")

    async def _do(self, event: Event) -> Step:
        step = await self._keeper.apply(event, precious=True)
        if step.refused is not None:
            raise RefusedError(step.refused)
        return step


def _runs(state: NodeState, printer: str, job: str) -> bool:
    occupied = state.occupations.get(printer)
    return occupied is not None and occupied.id == job and occupied.running
