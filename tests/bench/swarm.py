"""Simulated nodes on a real broker: each has its own login and the real outbox of a node, and all share this process."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from farm.bus.messages import MAX_FACTS
from farm.bus.topics import Stream, node_subscription, parse, topic
from farm.node.core import JournalPlace
from farm.node.outbox import Outbox
from tests.bench.journals import SimulatedNode
from tests.bench.mqtt import LightClient

TICK_S: Final = 0.02
_RETRY_S: Final = 0.1
_AT_ONCE: Final = 50  # logins at the same moment


class Member:
    """One node that is connected. `head` says how much of its journal has happened yet."""

    def __init__(self, node: SimulatedNode, *, facts_a_message: int = MAX_FACTS) -> None:
        self.node = node
        self.head = 0
        self.acked = 0
        self.latencies_s: list[float] = []
        self.desired: dict[str, Any] | None = None
        self.desired_at_s = 0.0
        self.reports = 0
        self.acknowledged_reports = 0
        self._most = facts_a_message
        self._outbox = Outbox()
        self._sent: deque[tuple[int, float]] = deque()
        self._client: LightClient | None = None
        self._now: Callable[[], float] = asyncio.get_running_loop().time

    async def join(self, port: int) -> None:
        """Connect, and try again until the broker is there; then say that we live."""
        while True:
            client = LightClient(self.node.id, self.node.secret, node_subscription(self.node.id), self._hear)
            try:
                await client.open(port)
            except OSError:
                client.close()
                await asyncio.sleep(_RETRY_S)
            else:
                self._client = client
                break
        self.say(Stream.LINK, b'{"v":1,"connection":1,"online":true}', retain=True)
        self.report()

    def leave(self) -> None:
        """Go without a goodbye."""
        if self._client is not None:
            self._client.close()

    def say(self, stream: Stream, payload: bytes, *, retain: bool = False) -> None:
        """Publish on a stream of ours."""
        assert self._client is not None, "join() comes first"
        self._client.publish(topic(self.node.id, stream), payload, retain=retain)

    def report(self) -> None:
        """Show the desired state that we hold."""
        self.reports += 1
        held = self.desired or {"generation": 0, "version": 0}
        self.say(Stream.REPORT, self.node.report(held["generation"], held["version"], self.reports), retain=True)

    @property
    def done(self) -> bool:
        """Whether everything that happened is acknowledged."""
        return self.acked >= self.head

    def pump(self) -> None:
        """Send what the window allows."""
        place = JournalPlace(self.node.epoch, head=self.head, acked=self.acked)
        now_s = self._now()
        while (after := self._outbox.next_after(place, now_s)) is not None:
            payload, last = self.node.batch(after, self.head, self._most)
            self.say(Stream.JOURNAL, payload)
            self._outbox.note_sent(last, now_s)
            if not self._sent or last > self._sent[-1][0]:  # a repetition does not start the clock anew
                self._sent.append((last, now_s))

    def flood(self) -> None:
        """Send the whole journal at once, as no node of ours does."""
        after = 0
        while after < len(self.node.facts):
            payload, after = self.node.batch(after, len(self.node.facts), self._most)
            self.say(Stream.JOURNAL, payload)

    def _hear(self, topic_name: str, payload: bytes) -> None:
        place = parse(topic_name)
        if place is None:
            return
        message = json.loads(payload)
        if place[1] is Stream.ACK:
            self._acknowledged(message)
        elif place[1] is Stream.DESIRED and message != self.desired:
            self.desired, self.desired_at_s = message, self._now()
            if self._client is not None:  # else it came with the subscription: join() shows it
                self.report()

    def _acknowledged(self, ack: dict[str, Any]) -> None:
        if ack.get("report") is not None:
            self.acknowledged_reports = max(self.acknowledged_reports, ack["report"])
        if ack["epoch"] != self.node.epoch or ack["seq"] <= self.acked:
            return
        self.acked = min(ack["seq"], len(self.node.facts))
        now_s = self._now()
        while self._sent and self._sent[0][0] <= self.acked:
            self.latencies_s.append(now_s - self._sent.popleft()[1])
        self.pump()


async def join_all(members: Sequence[Member], port: int) -> None:
    """Connect everybody, some at a time."""
    doors = asyncio.Semaphore(_AT_ONCE)

    async def one(member: Member) -> None:
        async with doors:
            await member.join(port)

    async with asyncio.TaskGroup() as group:
        for member in members:
            group.create_task(one(member))


async def until(condition: Callable[[], bool], timeout_s: float, *, every: Callable[[], None] | None = None) -> None:
    """Wait, and do something in the meantime.

    Raises:
        TimeoutError: it did not come true.

    """
    async with asyncio.timeout(timeout_s):
        while not condition():
            if every is not None:
                every()
            await asyncio.sleep(TICK_S)


def pump_all(members: Iterable[Member]) -> None:
    """Let everybody send what they may."""
    for member in members:
        with suppress(ConnectionError):
            member.pump()
