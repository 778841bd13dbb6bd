"""Keeps a node's state: one step at a time, written before it counts.

A step that cannot be written has not happened. What a driver said is not lost with it: it is owed to the ledger and tried again,
because nobody will say it twice. What the daemon said is dropped: the daemon repeats it. A printer that printed something of others
meanwhile is doubted: the first step that is written makes its bed unknown, whatever its driver says by then.

On a full disk the ballast gives way to what must not be lost (`farm.node.ballast`); nothing starts until there is one again.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from farm.bus.messages import Ack, RawFact, Report
from farm.clock import Clock
from farm.errors import FarmError
from farm.ids import new_id
from farm.log import get_logger
from farm.node import core
from farm.node.ballast import Ballast
from farm.node.core import Changes, JournalPlace, Moment, NodeState, Remembered, Step
from farm.node.ledger import Ledger, LedgerWriteError
from gcode.texts import Told

_log = get_logger(__name__)
# of what may give way; what a job came to never does, and is bounded by the beds: nothing starts on one until it is written
_MAX_OWED: Final = 1_000
_PRUNE_BATCH: Final = 500  # facts, and counters: a short transaction on an SD card
_OLD_LEDGER: Final = Told(
    "ledger-old",
    "The card was written back from an image: look at the beds. Everything is told to the farm anew.",
    "La carte a été réécrite depuis une image : regardez les plateaux. Tout est redit à la ferme.",
)
_FREE_SOME: Final = Told(
    "disk-full",
    "Free some space: nothing new is started until then.",
    "Libérez de la place : rien de nouveau n'est lancé d'ici là.",
)
_GIVES_WAY: Final = Told("ballast", "the ballast gives way", "la réserve du disque est entamée")
_Result = TypeVar("_Result")

Event = Callable[[NodeState, Moment], Step]
Listener = Callable[[NodeState, Step], None]  # (state before, the step): called after the commit


def moment(clock: Clock) -> Moment:
    """Now."""
    wall_s = clock.wall_s()
    local = time.localtime(wall_s)
    return Moment(clock.boot_s(), wall_s, new_id, local.tm_hour * 3600.0 + local.tm_min * 60.0 + local.tm_sec)


def together(first: Step, then: Step) -> Step:
    """Two steps as one transaction."""
    return Step(then.state, first.facts + then.facts, first.instructions + then.instructions, first.refused)


async def _whole(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Await work that must not be cut in two; who is cancelled meanwhile is cancelled when it is done.

    The ledger's thread writes a step to its end, come what may: a state that then stayed behind would number its facts again.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # seen, so that nobody warns of it
    raise cancelled


class Keeper:
    """The state of a running node and its ledger, which lives on a thread of its own."""

    def __init__(self, clock: Clock, on_step: Listener, ballast: Ballast | None = None) -> None:
        self._clock = clock
        self._on_step = on_step
        self._ballast = ballast
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._ledger: Ledger | None = None
        self._closed = False
        self._state: NodeState | None = None
        self._turn = asyncio.Lock()
        self._owed: list[tuple[str | None, Event]] = []
        self._doubted: frozenset[str] = frozenset()
        self._opened_s = (0.0, 0.0)  # the ledger's age and the boot clock when it was opened

    @property
    def state(self) -> NodeState:
        """What is true and written."""
        assert self._state is not None, "open() comes first"
        return self._state

    @property
    def begun(self) -> bool:
        """Whether there is a state."""
        return self._state is not None

    @property
    def owed(self) -> int:
        """How many events wait for the ledger to be writable."""
        return len(self._owed)

    @property
    def doubted(self) -> frozenset[str]:
        """Printers whose beds will be unknown with the next step that is written."""
        return self._doubted

    def doubt(self, printer: str) -> None:
        """Somebody began to print on it. Said when it happens: the step that takes it over may fail, or come after the print."""
        self._doubted |= {printer}

    async def open(self, path: str) -> Remembered:
        """Open the ledger and read it.

        Raises:
            ConfigurationError: it cannot be used.
            LedgerWriteError: the disk is full, and there was no ballast to free.

        """
        ledger = await self._with_room(self._open_ledger, path)
        self._opened_s = (await self.in_thread(ledger.lived_s), self._clock.boot_s())
        return await self._with_room(ledger.load)

    async def printer_ids(self, names: list[str]) -> dict[str, str]:
        """The ids of printers by configured name. LedgerWriteError."""
        assert self._ledger is not None, "open() comes first"
        return await self._with_room(self._ledger.printer_ids, names)

    async def begin(self, recovered: Callable[[Moment], Step]) -> None:
        """Take over the recovered state. LedgerWriteError: a boot that is not written is no boot."""
        assert self._ledger is not None, "open() comes first"
        step = recovered(moment(self._clock))
        changes = core.between(None, step.state, step.facts, self._clock.wall_s(), self._lived_s(self._clock.boot_s()))
        await self._with_room(self._ledger.commit, changes)
        there = self._ballast is None or await self.in_thread(self._ballast.make)
        if not there:
            _log.warning("disk.nearly-full", next_step=_FREE_SOME)
        self._state = replace(step.state, nearly_full=not there)

    async def close(self) -> None:
        """Write what is owed, if that is possible now, and close the ledger."""
        if self._state is not None and self._ledger is not None:
            await self.pay_owed()
        if not self._closed:
            self._closed = True
            await self.in_thread(self._close_ledger)
        self._thread.shutdown(wait=False)

    def _open_ledger(self, path: str) -> Ledger:
        """On the ledger's thread: who is cancelled meanwhile gets no answer, and `close` finds it all the same."""
        self._ledger = Ledger.open(path)
        return self._ledger

    def _close_ledger(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()

    async def in_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run something that blocks on the ledger's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def apply(self, event: Event, *, precious: bool = False) -> Step:
        """Make a step: decide, write, take over, tell. `precious`: what a hand did is worth the ballast.

        Raises:
            LedgerWriteError: it could not be written and has not happened.

        """
        async with self._turn:
            return await _whole(self._make(event, precious=precious))

    async def apply_surely(self, event: Event, *, key: str | None = None) -> None:
        """Make a step now, or as soon as the ledger can be written. What has no key is worth the ballast.

        Of the events with one `key` only the newest is owed, and of very many keys the oldest gives way; without a key none does.
        """
        async with self._turn:
            await _whole(self._make_or_owe(key, event))

    async def _make_or_owe(self, key: str | None, event: Event) -> None:
        with suppress(LedgerWriteError):
            await self._make(event, precious=key is None)
            return
        if key is not None:
            self._owed = [owed for owed in self._owed if owed[0] != key]
            keyed = [owed for owed in self._owed if owed[0] is not None]
            if len(keyed) >= _MAX_OWED:
                self._owed.remove(keyed[0])
        self._owed.append((key, event))

    async def pay_owed(self) -> None:
        """Try what is owed; when nothing is, see whether the ledger can be written again, and the ballast be made again."""
        async with self._turn:
            while self._owed:
                try:
                    await _whole(self._pay_one())
                except LedgerWriteError:
                    return
            if not self.state.writable:
                await _whole(self._probe())
            if self._doubted and self.state.writable:
                with suppress(LedgerWriteError):
                    await _whole(self._make(lambda state, _now: Step(state)))
            if self.state.nearly_full and self.state.writable:
                await _whole(self._ballast_again())

    async def _pay_one(self) -> None:
        """Make the oldest step that is owed; it is not owed any more, also for who is cancelled meanwhile."""
        key, event = self._owed[0]
        await self._make(event, precious=key is None)
        del self._owed[0]

    async def prune(self) -> None:
        """Forget a batch of what was told long ago.

        Raises:
            LedgerWriteError: nothing was forgotten.

        """
        async with self._turn:
            if self.state.writable:
                await _whole(self._prune())

    async def _prune(self) -> None:
        assert self._ledger is not None, "open() comes first"
        place, lived_s = self.state.journal, self._lived_s(self._clock.boot_s())
        written_s, counters = await self.in_thread(self._ledger.oldest, place, lived_s - core.KEEP_S, _PRUNE_BATCH)
        facts = core.too_old(written_s, place, lived_s)
        unwanted = core.unwanted(self.state, counters)
        unwanted -= await self.in_thread(self._ledger.told_of, place, place.oldest - 1 + facts, unwanted)
        if facts or unwanted:
            await self._make(lambda state, _now: core.prune(state, facts, unwanted))

    def _lived_s(self, boot_s: float) -> float:
        """Return the ledger's age: what it had when it was opened, and this process's time since. It costs no write of its own."""
        lived_s, opened_s = self._opened_s
        return lived_s + max(0.0, boot_s - opened_s)

    async def next_report(self, name: str, agent: str) -> Report:
        """Number and make a report; it counts as sent now."""
        async with self._turn:
            self._state, report = core.report(self.state, moment(self._clock), name=name, agent=agent)
            return report

    async def tag_for(self, ack: Ack) -> str:
        """The tag of the fact that an acknowledgement names; empty when there is nothing to compare."""
        place = self.state.journal
        if self._ledger is None or not ack.tag or ack.epoch != place.epoch or not place.acked < ack.seq <= place.head:
            return ""
        return await self.in_thread(self._ledger.tag, place, ack.seq)

    async def facts(self, place: JournalPlace, after: int, limit: int) -> list[RawFact]:
        """A batch of the journal."""
        assert self._ledger is not None, "open() comes first"
        return await self.in_thread(self._ledger.facts, place, after, limit)

    async def _make(self, event: Event, *, precious: bool = False) -> Step:
        while True:
            try:
                return await self._make_once(event)
            except LedgerWriteError as error:
                if not (precious and await self._give_way(error)):
                    self._cannot_write(error)
                    raise

    async def _make_once(self, event: Event) -> Step:
        before, now, doubted = self.state, moment(self._clock), self._doubted
        # while nothing can be written, what needs no writing goes on beside a doubt
        step, changes = self._decide(event, now, doubted if before.writable else frozenset())
        if doubted and not before.writable and not changes.empty:
            step, changes = self._decide(event, now, doubted)
        await self._commit(changes)
        if not changes.empty:
            self._doubted -= doubted
            step = replace(step, state=replace(step.state, writable=True))
        self._state = step.state
        if step.state.journal.epoch != before.journal.epoch:
            _log.warning("ledger.old", epoch=step.state.journal.epoch, before=before.journal.epoch, next_step=_OLD_LEDGER)
        self._on_step(before, step)
        return step

    def _decide(self, event: Event, now: Moment, doubted: frozenset[str]) -> tuple[Step, Changes]:
        doubts = core.on_doubt(self.state, doubted, now)
        first = event(doubts.state, now)
        step = together(first, core.tick(first.state, now))
        return step, core.between(self.state, step.state, step.facts, now.wall_s, self._lived_s(now.boot_s))

    async def _commit(self, changes: Changes) -> None:
        if changes.empty:
            return
        assert self._ledger is not None, "open() comes first"
        await self.in_thread(self._ledger.commit, changes)
        if self._state is not None and not self._state.writable:
            _log.info("ledger.writable")

    def _cannot_write(self, error: FarmError) -> None:
        if self._state is None or not self._state.writable:
            return
        _log.error("ledger.unwritable", detail=error.detail, next_step=error.next_step)
        self._take(replace(self._state, writable=False))

    async def _with_room(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run something of a start on the ledger's thread; on a full disk the ballast gives way to it."""
        while True:
            try:
                return await self.in_thread(function, *arguments)
            except LedgerWriteError as error:
                if not await self._give_way(error):
                    raise

    async def _give_way(self, error: LedgerWriteError) -> bool:
        """Free a slice of the ballast when the disk is full; whether trying again is of use. Nothing starts from now on."""
        if not error.full or self._ballast is None or not await self.in_thread(self._ballast.give):
            return False
        if self._state is None or not self._state.nearly_full:
            _log.error("disk.full", detail=error.detail, action=_GIVES_WAY, next_step=_FREE_SOME)
        if self._state is not None:
            self._take(replace(self._state, nearly_full=True))
        return True

    async def _ballast_again(self) -> None:
        if self._ballast is None or await self.in_thread(self._ballast.make):
            _log.info("disk.room-again")
            self._take(replace(self.state, nearly_full=False))

    def _take(self, state: NodeState) -> None:
        before, self._state = self.state, state
        self._on_step(before, Step(state))

    async def _probe(self) -> None:
        place = self.state.journal
        try:
            await self._commit(Changes(place, epoch=True))
        except LedgerWriteError:
            return
        self._take(replace(self.state, writable=True))
