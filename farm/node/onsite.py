"""What people beside the printers ask of a node themselves, without the daemon: collect, clear, pause, stop, answer, go on.

Everything names the job or the occupation that a person saw: a second click, or one that comes too late, changes nothing.
"""

from collections.abc import Callable
from typing import Final

from farm.bus.messages import ClearBedAction, CollectAction
from farm.errors import ConflictError, NotFoundError
from farm.log import get_logger
from farm.node import core
from farm.node.core import DriverAction, Step
from farm.node.core.refusals import refusal_of
from farm.node.hands import Hand
from farm.node.keeper import Event, Keeper
from gcode.texts import Bilingual, Told

_log = get_logger(__name__)
_TOO_MANY: Final = Told("too-many", "parts may be made too many", "il peut y avoir des pièces en trop")
_LOOK_AGAIN: Final = Bilingual("Look at the printer again.", "Regardez de nouveau l'imprimante.")


class RefusedError(ConflictError):
    """A hand is refused."""

    def __init__(self, refused: str) -> None:
        said = refusal_of(refused)
        super().__init__(said, next_step=_LOOK_AGAIN, code=said.code)


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

    async def act(self, action: DriverAction) -> None:
        """Pause, resume or cancel the job that runs, stop the machine, or answer its question.

        What becomes of a job is a fact of the journal.

        Raises:
            NotFoundError: there is no such printer here.
            RefusedError: that job does not run, that question is not asked any more, or the driver could not.

        """
        hand = self._hand_of(action.printer)
        if hand is None:
            says = Bilingual(
                f"There is no printer {action.printer} at this node.", f"Il n'y a pas d'imprimante {action.printer} sur ce nœud."
            )
            raise NotFoundError(says, next_step=_LOOK_AGAIN)
        refused = core.why_not_act(self._keeper.state, action)
        if refused is None:
            act = core.act_of(self._keeper.state, action)
            _log.info("person.act", printer=act.printer, act=act.kind, job=act.job)
            refused = await hand.act(act)
        if refused is not None:
            raise RefusedError(refused)

    async def go_on(self, *, by: str) -> None:
        """Have the node go on without the farm for one autonomy more. It may make parts that nobody needs any more.

        Raises:
            RefusedError: the farm left nothing to start.

        """
        await self._do(core.on_go_on)
        _log.warning("person.go-on", by=by, note=_TOO_MANY)

    async def _do(self, event: Event) -> Step:
        step = await self._keeper.apply(event, precious=True)
        if step.refused is not None:
            raise RefusedError(step.refused)
        return step
