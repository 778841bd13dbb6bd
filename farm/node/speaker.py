"""What a node says: link, reports, journal, telemetry. Each stream has its own loop; nothing is said while nobody is connected."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Protocol

from farm.bus.messages import Envelope, Journal, Link, Telemetry
from farm.bus.topics import Stream, topic
from farm.clock import Clock
from farm.errors import FarmError
from farm.log import get_logger
from farm.node import core
from farm.node.keeper import Keeper
from farm.node.outbox import BATCH, Outbox

_log = get_logger(__name__)
_REPORT_GAP_S: Final = 0.25  # real time, as the next: changes that come together are told together
_TELEMETRY_GAP_S: Final = 0.5
_LAST_FACTS_S: Final = 2.0  # what is not said by then is told after the next start
_CONNECTIONS_A_BOOT: Final = 65_536
_jitter = random.SystemRandom()


class Bus(Protocol):
    """What the agent needs of `farm.bus.client.BusClient`."""

    @property
    def connected(self) -> bool:
        """Whether something can be said now."""
        ...

    def start(self) -> None:
        """Begin to connect."""
        ...

    async def say(self, node: str, stream: Stream, message: Envelope) -> bool:
        """Publish on a stream; False when it was not handed over."""
        ...

    async def close(self) -> None:
        """Say goodbye."""
        ...


def agent_version() -> str:
    """What this agent calls itself in reports."""
    try:
        return f"essaim {version('essaim')}"
    except PackageNotFoundError:
        return "essaim"


class Speaker:
    """The outgoing streams of one node."""

    def __init__(self, node: str, name: str, keeper: Keeper, clock: Clock) -> None:
        self._node = node
        self._name = name
        self._keeper = keeper
        self._clock = clock
        self._bus: Bus | None = None
        self._outbox = Outbox()
        self._report_due = asyncio.Event()
        self._journal_due = asyncio.Event()
        self._telemetry_due = asyncio.Event()
        self._connection = 0
        self._count = 0
        self._agent = agent_version()

    @property
    def online(self) -> bool:
        """Whether a broker answers; whether the farm does is said by the contact."""
        return self._bus is not None and self._bus.connected

    # --- what happens ------------------------------------------------------------------------------------------------------

    def last_will(self) -> tuple[str, bytes]:
        """Topic and payload of the will of the next connection."""
        self._connection += 1
        return topic(self._node, Stream.LINK), self._link(online=False).model_dump_json().encode()

    def connected(self) -> None:
        """A connection is made: everything is told anew."""
        self._outbox.begin_again()
        for due in (self._report_due, self._journal_due, self._telemetry_due):
            due.set()

    def report_soon(self) -> None:
        """Something changed that the daemon should know."""
        self._report_due.set()

    def journal_soon(self) -> None:
        """The journal grew, or the daemon has committed some of it."""
        self._journal_due.set()

    def telemetry_soon(self) -> None:
        """A temperature or a progress changed."""
        self._telemetry_due.set()

    # --- the loops ---------------------------------------------------------------------------------------------------------

    def loops(self, bus: Bus) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What must run as long as the agent does."""
        self._bus = bus
        return (self._tell_reports, self._tell_journal, self._tell_telemetry)

    async def goodbye(self) -> None:
        """The last words: what happened, how things stand, and that nobody will answer from now on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_FACTS_S):
                await self._send_facts()
        await self._report()
        await self._say(Stream.LINK, self._link(online=False))

    def _link(self, *, online: bool) -> Link:
        boot = self._keeper.state.boot
        return Link(connection=boot * _CONNECTIONS_A_BOOT + self._connection % _CONNECTIONS_A_BOOT, online=online)

    async def _say(self, stream: Stream, message: Envelope) -> bool:
        if self._bus is None or not self._bus.connected:
            return False
        try:
            return await self._bus.say(self._node, stream, message)
        except FarmError as error:
            _log.error("bus.refused", stream=str(stream), detail=error.detail)
            return False

    async def _due(self, due: asyncio.Event, timeout_s: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):  # not wait_for: in Python 3.11 it may swallow a cancellation
                await due.wait()
        due.clear()

    async def _report(self) -> None:
        report = await self._keeper.next_report(self._name, self._agent)
        await self._say(Stream.REPORT, report)

    async def _tell_reports(self) -> None:
        born = 0
        while True:
            every_s = self._clock.real_s(self._keeper.state.settings.report_every_s)
            await self._due(self._report_due, max(every_s, _REPORT_GAP_S))
            if self._bus is not None and self._bus.connected:
                if born != self._connection and await self._say(Stream.LINK, self._link(online=True)):
                    born = self._connection
                await self._report()
            await asyncio.sleep(_REPORT_GAP_S)

    async def _tell_journal(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connected = self._bus is not None and self._bus.connected
            wait_s = self._outbox.wait_s(self._keeper.state.journal, loop.time()) if connected else None
            await self._due(self._journal_due, wait_s)
            await self._send_facts()

    async def _send_facts(self) -> None:
        now_s = asyncio.get_running_loop().time
        while self._bus is not None and self._bus.connected and await self._send_batch(now_s()):
            pass

    async def _send_batch(self, now_s: float) -> bool:
        place = self._keeper.state.journal
        after = self._outbox.next_after(place, now_s)
        if after is None:
            return False
        try:
            facts = await self._keeper.facts(place, after, BATCH)
        except FarmError as error:
            _log.error("ledger.unreadable", detail=error.detail, next_step=error.next_step)
            return False
        if not facts or self._keeper.state.journal.epoch != place.epoch:
            return False
        message = Journal(epoch=place.epoch, oldest=place.oldest, head=place.head, facts=facts)
        said = await self._say(Stream.JOURNAL, message)
        self._outbox.note_sent(facts[-1].seq, now_s)
        return said

    async def _tell_telemetry(self) -> None:
        while True:
            every_s = self._clock.real_s(self._keeper.state.settings.telemetry_every_s) * _jitter.uniform(0.8, 1.2)
            await self._due(self._telemetry_due, max(every_s, _TELEMETRY_GAP_S))
            if self._bus is not None and self._bus.connected and self._keeper.state.printers:
                await self._say(Stream.TELEMETRY, self._telemetry())
            await asyncio.sleep(_TELEMETRY_GAP_S)

    def _telemetry(self) -> Telemetry:
        self._count += 1
        state = self._keeper.state
        printers = {key: core.telemetry(value.status, factor=self._clock.factor) for key, value in state.printers.items()}
        return Telemetry(boot=state.boot, count=self._count, printers=printers)
