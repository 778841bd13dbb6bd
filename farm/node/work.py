"""Carries out what the core has decided: starts, questions about old jobs, people's commands. Every answer is a step of its own."""

from collections.abc import Callable
from pathlib import Path

from drivers.errors import WithdrawnError
from farm.clock import Clock
from farm.log import get_logger
from farm.node import core
from farm.node.bookmarks import Bookmarks
from farm.node.core import Act, Instruction, StartJob, TraceJob
from farm.node.core.refusals import Refusal
from farm.node.hands import Hand
from farm.node.keeper import Keeper, moment
from scheduler.model import JobOutcome

_log = get_logger(__name__)
_REMOVED = Refusal("printer-removed", "The printer was removed.", "L'imprimante a été retirée.")
_NOT_CACHED = Refusal("program-gone", "Its program is gone from the cache.", "Son programme a disparu du cache.")


class Work:
    """What an agent does with its printers.

    Args:
        keeper: where the answers go.
        clock: farm time.
        hand_of: the driver of a printer, or None.
        take: the file of a program, or None when it is not here.

    """

    def __init__(
        self, keeper: Keeper, clock: Clock, hand_of: Callable[[str], Hand | None], take: Callable[[str], Path | None]
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._hand_of = hand_of
        self._take = take

    async def carry_out(self, instruction: Instruction, bookmarks: Bookmarks) -> None:
        """Do what a step says, and tell the core what came of it."""
        hand = self._hand_of(instruction.printer)
        if isinstance(instruction, StartJob):
            await self._start(hand, instruction)
        elif isinstance(instruction, TraceJob):
            await self._trace(hand, instruction, bookmarks)
        else:
            await self._act(hand, instruction)

    async def _act(self, hand: Hand | None, act: Act) -> None:
        why_not = _REMOVED if hand is None else await hand.act(act)
        if why_not is not None:
            _log.warning("command.failed", printer=act.printer, act=str(act.kind), detail=why_not)
        key = f"act {act.command}"
        await self._keeper.apply_surely(lambda state, now: core.on_act_done(state, act, why_not, now), key=key)

    async def _trace(self, hand: Hand | None, asked: TraceJob, bookmarks: Bookmarks) -> None:
        occupied = self._keeper.state.occupations.get(asked.printer)
        job = None if occupied is None else occupied.job
        program = None if job is None else self._take(job.program)
        bookmark = await bookmarks.of(asked.printer, asked.job)
        trace = None if hand is None else await hand.trace(asked, program, bookmark)
        if trace is None:
            await self._keeper.apply_surely(lambda state, now: core.on_trace_failed(state, asked, now))
            return
        told = {"running": trace.running, "detail": trace.detail, "bookmark": bookmark is not None}
        _log.info("job.traced", job=asked.job, printer=asked.printer, **told)
        await self._keeper.apply_surely(lambda state, now: core.on_trace(state, asked, trace, now))

    async def _start(self, hand: Hand | None, start: StartJob) -> None:
        program = self._take(start.program)
        why_not = core.may_begin(self._keeper.state, start, moment(self._clock))
        if hand is None or program is None or why_not is not None:
            await self._not_begun(start, why_not or (_REMOVED if hand is None else _NOT_CACHED), JobOutcome.CANCELLED)
            return
        _log.info("job.start", job=start.job, printer=start.printer)
        failure = await hand.start(program, start)
        if failure is None:
            await self._keeper.apply_surely(lambda state, now: core.on_started(state, start, now))
            return
        reason, certain = failure
        _log.warning("job.not-started", job=start.job, printer=start.printer, detail=reason, certain=certain)
        if certain:
            withdrawn = reason.code == WithdrawnError.code  # by a person, while it was on its way: no failure of the printer's
            await self._not_begun(start, reason, JobOutcome.CANCELLED if withdrawn else JobOutcome.FAILED)
        else:
            await self._keeper.apply_surely(lambda state, _now: core.doubt(state, start.job))

    async def _not_begun(self, start: StartJob, reason: str, outcome: JobOutcome) -> None:
        await self._keeper.apply_surely(lambda state, now: core.on_not_begun(state, start, reason, now, outcome=outcome))
