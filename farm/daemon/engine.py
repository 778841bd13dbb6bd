"""The daemon's one loop: receive -> commit -> acknowledge -> reconcile -> commit -> publish (docs/protocol.md).

Everything that changes the farm passes through here one batch after the other, so nothing needs a lock. A batch is one transaction;
what it promises (acknowledgements, answers to people) is said after the commit and never before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol, TypeVar

from farm.bus import messages, topics
from farm.bus.client import Callbacks, Received
from farm.clock import Clock
from farm.daemon import brokers, set_aside
from farm.daemon.absent import NOT_TAKEN_IN, ONLY_WATCHES, Blind
from farm.daemon.alarms import Alarms, store_trouble
from farm.daemon.guard import Guard
from farm.daemon.healer import Healer, fence_alarm
from farm.daemon.healing import META
from farm.daemon.inbox import Inbox, Item, Request
from farm.daemon.node_troubles import NodeTroubles
from farm.daemon.publisher import Bus, Publisher
from farm.daemon.receive import Effects, Now, Parsed, Receiver
from farm.daemon.world import World
from farm.errors import FarmError, InvalidError, StoreFullError
from farm.ids import new_id
from farm.log import get_logger
from farm.store.repository import Change, Delete, Put, SetMeta
from gcode.texts import Bilingual, Told
from scheduler.decisions import carry_out
from scheduler.draft import Draft, Forgotten
from scheduler.model import Allocation, DesiredVersion, Durable, Job, Rules, SetAside
from scheduler.reconcile import reconcile

_log = get_logger(__name__)
_Result = TypeVar("_Result")
_Entity = TypeVar("_Entity", bound=Durable)

TICK_S: Final = 5.0  # farm time between two looks at the clock, within the real bounds below
_TICK_REAL_S: Final = (0.1, 1.0)
_CHANGES_REAL_S: Final = 0.2
_RECONCILE_REAL_S: Final = 0.2  # under load: facts are taken in many times before the next decision
_RECONCILE_MOST_REAL_S: Final = 2.0
_DECIDING_SHARE: Final = 5  # a big farm's decision takes long: a fifth of the loop's time at most goes into it while messages wait
_FULL_RETRY_REAL_S: Final = 2.0
_FULL_RETRY_MOST_REAL_S: Final = 30.0
_DISK_FULL: Final = Told("store-full", "disk full", "disque plein")
_STOPPED: Final = Bilingual(
    "The daemon is ending, or its loop has failed: nothing was changed.",
    "Le démon s'arrête, ou sa boucle a échoué : rien n'a été changé.",
)


class Storage(Protocol):
    """What is needed of `farm.store.writer.Store`."""

    async def commit(self, changes: Sequence[Change]) -> None:
        """Write all or nothing, and return when it is on the disk. Raises StoreFullError."""
        ...

    async def find(self, kind: type[_Entity], keys: Iterable[str]) -> dict[str, _Entity]:
        """Entities by key, also those that are not in memory."""
        ...


def store_changes(draft: Draft) -> list[Change]:
    """A draft's changes in the store's words."""
    return [Delete(item.kind, item.key) if isinstance(item, Forgotten) else Put(item) for item in draft.changes]


class Engine:
    """Runs one farm on a store and a bus."""

    def __init__(
        self,
        world: World,
        store: Storage,
        make_bus: Callable[[Callbacks], Bus],
        *,
        clock: Clock,
        rules: Rules,
        settings: messages.Settings,
    ) -> None:
        self.world = world
        self.rules = rules
        self.clock = clock
        self.alarms = Alarms()
        self.troubles = NodeTroubles(self.alarms)
        self.receiver = Receiver(world, rules)
        lost, too_large = self.on_lost, self.receiver.too_large
        self.bus = make_bus(Callbacks(self.on_message, self.on_connected, lost, on_unreachable=lost, on_too_large=too_large))
        self.publisher = Publisher(world, self.bus, clock, settings)
        self._store = store
        self._store_error: FarmError | None = None
        self._store_failures = 0
        self._blind_since_s = clock.boot_s()
        self._scheduling = Guard("scheduler", self.alarms, clock, self.touch)
        self._publishing = Guard("publisher", self.alarms, clock, self.touch)
        self._inbox = Inbox()
        self.healer = Healer(world, store, clock)
        self._undecided = True
        self._decided_s = 0.0
        self._deciding_s = 0.0
        self._full_tried_s = 0.0
        self._revision = 0
        self._changed = asyncio.Event()
        set_aside.show(self.alarms, world.durable)

    # --- from outside ------------------------------------------------------------------------------------------------------------

    def on_message(self, received: Received) -> None:
        """Take a message of the bus; telemetry goes straight to the memory, everything else waits its turn."""
        place = topics.parse(received.topic)
        if place is not None and place[1] is topics.Stream.TELEMETRY:
            received.acknowledge()
            if not received.retained and self.receiver.telemetry(place[0], received.payload, self.clock.boot_s()):
                self.touch()
            return
        self._inbox.receive(received)

    def on_connected(self) -> None:
        """A broker is there, and may remember nothing."""
        self._show_brokers()
        self.publisher.want_everything()
        self.touch()

    def on_lost(self, _reason: object) -> None:
        """A broker is gone, or cannot be reached."""
        self._show_brokers()

    def _show_brokers(self) -> None:
        brokers.show(self.alarms, self.bus.brokers, self.clock.wall_s())
        self.touch()

    async def ask(self, action: Callable[[Draft], _Result]) -> _Result:
        """Change the farm: `action` fills a draft (or raises a FarmError); return its result once that is committed.

        Raises:
            StoreFullError: the disk is full; nothing changed.
            FarmError: what `action` raised, or too many changes wait.

        """
        result: _Result = await self._inbox.ask(action)
        return result

    async def take_over(self) -> int:
        """Go above every generation that was ever heard of, and act from now on; return the new one. Raises FarmError: the disk."""
        asked = self.healer.ask()
        self._inbox.wake()
        return await asked

    async def finish_healing(self) -> None:
        """Wait no longer for nodes that have not told again what they did. Raises FarmError: the disk."""
        asked = self.healer.ask_to_finish()
        self._inbox.wake()
        await asked

    def touch(self) -> None:
        """Something that people see has changed."""
        self._revision += 1
        self._changed.set()

    async def changes(self) -> AsyncIterator[None]:
        """Yield after every change, at most five times a second."""
        seen = -1
        while True:
            while seen == self._revision:
                self._changed.clear()
                await self._changed.wait()
            seen = self._revision
            yield
            await asyncio.sleep(_CHANGES_REAL_S)

    # --- the loop ----------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled."""
        least_s, most_s = _TICK_REAL_S
        tick_s = min(most_s, max(least_s, self.clock.real_s(TICK_S)))

        async def step() -> None:
            items = await self._inbox.take(min(tick_s, _RECONCILE_REAL_S) if self._undecided else tick_s)
            try:
                await self.turn(items)
            finally:
                self._refuse([item for item in items if isinstance(item, Request)], _stopped())  # unless answered

        try:
            await self._scheduling.run(step)
        finally:
            self._inbox.close(_stopped())
            self.healer.refuse(_stopped())

    async def publish(self) -> None:
        """Say what is to be said, until cancelled."""

        async def step() -> None:
            await self.publisher.step()
            self._publishing.recovered()

        await self._publishing.run(step)

    def ended(self, error: BaseException | None) -> None:
        """A loop ended although nobody wanted it to: people are told, now and when they ask for something."""
        self._scheduling.ended(error)
        self._inbox.close(_stopped())

    @property
    def full(self) -> bool:
        """Whether the store cannot be written: the disk is full or broken."""
        return self._store_error is not None

    @property
    def store_trouble(self) -> str:
        """What is wrong with the store, in one line; empty when nothing is."""
        error = self._store_error
        if error is None:
            return ""
        return _DISK_FULL if isinstance(error, StoreFullError) else Told(error.code, error.detail, error.detail_fr)

    @property
    def blind(self) -> Blind | None:
        """Why nothing that nodes say is taken in, and since when; None while it is."""
        reason = ONLY_WATCHES if self.world.fenced else NOT_TAKEN_IN if self.full else None
        return None if reason is None else Blind(reason, self._blind_since_s)

    @property
    def trouble(self) -> str:
        """What is wrong with the loops, in one line; empty when nothing is."""
        return self._scheduling.trouble or self._publishing.trouble

    async def turn(self, items: Sequence[Item]) -> None:
        """One round of the loop."""
        if await self.healer.take_over():
            self._took_over()
        if self._is_fenced():
            self._stand_still(items)
            return
        if self._store_error is not None and not await self._probe():
            self._refuse(items, self._store_error)
        elif items:
            await self._receive(items)
        if self._is_fenced():
            self._alarm_fenced()
        elif not self.full and self._is_time_to_decide(ticked=not items):
            await self._heal()
            await self._decide()
            self._deciding_s = self._real_s() - self._decided_s

    def _is_fenced(self) -> bool:
        return self.world.fenced

    def _is_time_to_decide(self, *, ticked: bool) -> bool:
        gap_s = min(_RECONCILE_MOST_REAL_S, max(_RECONCILE_REAL_S, self._deciding_s * _DECIDING_SHARE))
        return ticked or (self._undecided and self._real_s() - self._decided_s >= gap_s)

    async def _receive(self, items: Sequence[Item]) -> None:
        try:
            await self._take(items)
        except InvalidError as error:  # the store works, and does not take this
            await self._receive_singly(items, error)
        except FarmError as error:
            self._became_full(error)
            self._refuse(items, error)
        except Exception as error:  # noqa: BLE001 - one message or request with an unforeseen content must not stop the farm
            await self._receive_singly(items, error)

    async def _receive_singly(self, items: Sequence[Item], error: Exception) -> None:
        if len(items) == 1:
            self._reject(items[0], error)
            return
        for item in items:
            await self._receive([item])

    async def _take(self, items: Sequence[Item]) -> None:
        parsed = [found for item in items if isinstance(item, Received) and (found := self.receiver.parse(item)) is not None]
        draft, effects = Draft(self.world.durable), Effects()
        remembered = await self._remember(draft, parsed)
        now = Now(self.clock.boot_s(), self.clock.wall_s(), self.clock.steady_s())
        for message in parsed:
            self.receiver.take(draft, message, effects, now)
        answers = [answer for item in items if isinstance(item, Request) and (answer := self._act(draft, item)) is not None]
        await self._commit(draft, remembered)
        for request, result in answers:
            if not request.answer.done():
                request.answer.set_result(result)
        self._follow(effects)
        for item in items:
            if isinstance(item, Received):
                item.acknowledge()
        if draft.changes or effects.changed or effects.shown:
            self._undecided = self._undecided or bool(draft.changes) or effects.changed
            self.touch()

    async def _remember(self, draft: Draft, parsed: list[Parsed]) -> list[tuple[type[Job] | type[Allocation], str]]:
        """Load what facts name and memory does not hold: jobs that were collected long ago, allocations that are over."""
        jobs, allocations = self.receiver.wanted(parsed)
        found_jobs = await self._store.find(Job, jobs) if jobs else {}
        found_allocations = await self._store.find(Allocation, allocations) if allocations else {}
        for job in found_jobs.values():
            draft.remember(job)
        for allocation in found_allocations.values():
            draft.remember(allocation)
        return [*((Job, key) for key in found_jobs), *((Allocation, key) for key in found_allocations)]

    def _act(self, draft: Draft, request: Request) -> tuple[Request, Any] | None:
        """Carry out a person's change on a draft of its own: when it is refused, nothing of it stays."""
        if request.answer.done():
            return None  # nobody waits any more, or it was done in an earlier attempt
        own = Draft(draft.farm)
        try:
            result = request.action(own)
        except FarmError as error:
            request.refuse(error)
            return None
        for change in own.changes:
            if isinstance(change, Forgotten):
                draft.forget(change.kind, change.key)
            else:
                draft.put(change)
        return request, result

    async def _commit(self, draft: Draft, remembered: Iterable[tuple[type[Job] | type[Allocation], str]] = ()) -> None:
        healing = self.healer.after(draft)
        found = [SetMeta(META, healing.text())] if healing is not None and healing != self.world.healing else []
        await self._store.commit([*store_changes(draft), *found])
        self.world.healing = healing
        self.world.adopt(draft, remembered)
        if any(isinstance(change, SetAside) or _is_forgotten(change, SetAside) for change in draft.changes):
            set_aside.show(self.alarms, self.world.durable)

    # --- after the commit --------------------------------------------------------------------------------------------------------

    def _follow(self, effects: Effects) -> None:
        effects.show(self.world, self.clock.boot_s())
        for node, shown in effects.printers.items():
            self.troubles.take(self.world.durable, node, [report for _, report in shown.values()], self.clock.wall_s())
        for node in effects.told - effects.shown.keys():
            self.publisher.want_ack(node)
        for node, report in effects.shown.items():
            self._answer(node, report)
        for node, position in effects.outdated.items():
            self.publisher.want_new_ledger(node, position)
        for notice in effects.notices:
            _log.warning(notice.code, node=notice.node, text=notice.text)
            record = self.world.durable.node_records[notice.node]
            self.alarms.notice(notice, record.name or record.id, self.clock.wall_s())

    def _answer(self, node: str, report: messages.Report) -> None:
        """Acknowledge a report that shows the current desired state; answer any other with that state."""
        link, record = self.world.link(node, self.clock.boot_s()), self.world.durable.node_records[node]
        current = self.world.current(node)
        if report.generation == current.generation and not link.replayed:
            link.replayed = report.journal.epoch == record.epoch and report.journal.head <= record.seq
            self._undecided = self._undecided or link.replayed
        if DesiredVersion(report.generation, report.desired_version) == current:
            self._undecided = self._undecided or self._is_suspect_now(link.heard_s)
            link.heard_s, link.acknowledged = link.alive_s, True
            self.publisher.want_ack(node, boot=report.boot, report=report.report)
        else:
            self.publisher.want_ack(node)
            self.publisher.want_desired(node)

    def _is_suspect_now(self, heard_s: float) -> bool:
        return self.clock.boot_s() - heard_s > self.rules.suspect_after_s

    async def _heal(self) -> None:
        try:
            if await self.healer.step(connected=self.bus.connected):
                self._undecided = True
                self.publisher.want_changed()
                self.touch()
        except FarmError as error:
            self._became_full(error)

    def _took_over(self) -> None:
        self.alarms.end("fenced")
        self._undecided = True
        self.publisher.start_again()
        self.touch()

    async def _decide(self) -> None:
        farm, steady_s = self.world.farm(self.clock.boot_s()), self.clock.steady_s()
        self._undecided, self._decided_s = False, self._real_s()
        decisions = reconcile(farm, self.rules, steady_s)
        if decisions:
            draft = Draft(farm)
            for decision in decisions:
                carry_out(draft, decision, steady_s, lambda: new_id("alloc"), wall_s=self.clock.wall_s())
            try:
                await self._commit(draft)
            except FarmError as error:
                self._undecided = True
                self._became_full(error)
                return
            for decision in decisions:
                _log.info("scheduler.decided", what=type(decision).__name__.lower(), **asdict(decision))
            self.touch()
        self.publisher.want_changed()
        self._scheduling.recovered()

    # --- when something is wrong -------------------------------------------------------------------------------------------------

    def _refuse(self, items: Sequence[Item], error: FarmError) -> None:
        """Nothing was written: people are told, nodes are not answered and keep their facts."""
        for item in items:
            if isinstance(item, Request):
                item.refuse(error)
            else:
                item.acknowledge()

    def _reject(self, item: Item, error: Exception) -> None:
        _log.error("item.rejected", error=repr(error), exc_info=error)
        if isinstance(item, Request):
            item.refuse(error)
            return
        place = topics.parse(item.topic)
        self.receiver.rejections.add(place[0] if place else "", "unforeseen", repr(error))
        item.acknowledge()

    def _became_full(self, error: FarmError) -> None:
        self._full_tried_s = self._real_s()
        self._store_failures += 1
        if not self.full:
            self._blind_since_s = self.clock.boot_s()
        self._store_error = error
        code, other = ("store-full", "store-failed") if isinstance(error, StoreFullError) else ("store-failed", "store-full")
        self.alarms.end(other)
        if self.alarms.begin(code, *store_trouble(error), self.clock.wall_s()):
            _log.error("store.full", reason=error.code, detail=error.detail)
        self.touch()

    async def _probe(self) -> bool:
        """Try whether there is room again, now and then."""
        wait_s = min(_FULL_RETRY_MOST_REAL_S, _FULL_RETRY_REAL_S * 2 ** min(self._store_failures - 1, 10))
        if self._real_s() - self._full_tried_s < wait_s:
            return False
        try:
            await self._store.commit([SetMeta("probe", str(round(self.clock.wall_s())))])
        except FarmError as error:
            self._became_full(error)
            return False
        self._store_error, self._store_failures = None, 0
        self.alarms.end("store-full")
        self.alarms.end("store-failed")
        _log.info("store.recovered")
        self.touch()
        return True

    def _stand_still(self, items: Sequence[Item]) -> None:
        error = FarmError(
            Bilingual(
                "This daemon only watches: another one acts, or its database is old.",
                "Ce démon ne fait que regarder : un autre agit, ou sa base est ancienne.",
            ),
            code="fenced",
            next_step=_FENCED_STEP,
        )
        for item in items:
            if isinstance(item, Request):
                item.refuse(error)
            else:
                self.receiver.watch(item)
                item.acknowledge()

    def _alarm_fenced(self) -> None:
        alarm, fence = fence_alarm(self.world, self.clock.wall_s()), self.world.fence
        if alarm is not None and fence is not None and self.alarms.add(alarm):
            self._blind_since_s = self._blind_since_s if self.full else self.clock.boot_s()
            _log.error("daemon.fenced", why=fence.why.value, node=fence.node, heard=fence.heard, known=fence.known)
            self.touch()

    def _real_s(self) -> float:
        return asyncio.get_running_loop().time()


def _is_forgotten(change: object, kind: type[Durable]) -> bool:
    return isinstance(change, Forgotten) and change.kind is kind


def _stopped() -> FarmError:
    return FarmError(_STOPPED, code="stopped", next_step=Bilingual("Try again when it is back.", "Réessayez quand il sera revenu."))


_FENCED_STEP: Final = Bilingual(
    "`farm status` says why. Stop this daemon, or, if it is the right one: farm take-over.",
    "`farm status` dit pourquoi. Arrêtez ce démon ou, si c'est le bon : farm take-over.",
)
