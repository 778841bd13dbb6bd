"""What the daemon says to nodes. Level-triggered: what should be said is a set of names, and the message is made when it is sent.

Desired states, acknowledgements and the repeated words of hands wait here while the broker is away, each at most once a node.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from farm.bus import messages
from farm.bus.many import BrokerState
from farm.bus.topics import Stream
from farm.clock import Clock
from farm.daemon.translate import desired
from farm.daemon.world import World
from farm.errors import TooLargeError
from farm.log import get_logger
from scheduler.model import Allocation, DesiredVersion, Farm, PendingCollect

_log = get_logger(__name__)
_REPEAT_REAL_S: Final = 2.0  # a desired state is not said again sooner, whatever the node shows
FAR_BEYOND: Final = 1_000_000  # facts
_MOST: Final = 2**53  # the largest number that a message carries
_RETRY_REAL_S: Final = 0.5  # the broker took nothing: try again


class Bus(Protocol):
    """What is needed of `farm.bus.many.EveryBroker`."""

    @property
    def connected(self) -> bool:
        """Whether there is a broker now."""
        ...

    @property
    def brokers(self) -> list[BrokerState]:
        """Each of the list."""
        ...

    async def say(self, node: str, stream: Stream, message: messages.Envelope) -> bool:
        """Publish; False when it could not be handed over."""
        ...

    def start(self) -> None:
        """Begin to connect, in the background."""
        ...

    async def wait_connected(self, timeout_s: float) -> None:
        """Wait for a connection. Raises FarmError."""
        ...

    async def close(self) -> None:
        """Say goodbye."""
        ...


class Publisher:
    """Says what changed, and repeats what a node has not shown or done yet."""

    def __init__(self, world: World, bus: Bus, clock: Clock, settings: messages.Settings) -> None:
        self._world = world
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._desired: set[str] = set()
        self._acks: dict[str, messages.Ack] = {}
        self._said: dict[str, tuple[DesiredVersion, float]] = {}
        self._pending_said: dict[str, float] = {}
        self._by_node: tuple[Mapping[str, Allocation], dict[str, list[Allocation]]] = ({}, {})
        self._wake = asyncio.Event()

    def want_desired(self, node: str, *, now: bool = False) -> None:
        """Publish the desired state of a node; not more often than every two seconds unless it is a new one, or `now`."""
        said = self._said.get(node)
        if not now and said is not None and said[0] == self._world.current(node) and self._real_s() - said[1] < _REPEAT_REAL_S:
            return
        self._desired.add(node)
        self._wake.set()

    def want_changed(self) -> None:
        """Publish every desired state that is another than the one said last."""
        for node in self._world.durable.node_records:
            said = self._said.get(node)
            if said is None or said[0] != self._world.current(node):
                self.want_desired(node)

    def want_everything(self) -> None:
        """Say everything again: the broker may have forgotten what it retained."""
        self._said.clear()
        self._pending_said.clear()
        self.want_changed()

    def start_again(self) -> None:
        """We have a new generation: what was to be acknowledged in the old one is told again in the new one."""
        self._acks.clear()
        self.want_everything()

    def want_ack(self, node: str, *, boot: int | None = None, report: int | None = None) -> None:
        """Acknowledge the journal of a node as far as it is committed, and perhaps a report."""
        record = self._world.durable.node_records[node]
        if not record.epoch:
            return
        before = self._acks.get(node)
        if report is None and before is not None:
            boot, report = before.boot, before.report
        self._acks[node] = messages.Ack(
            generation=self._world.generation, epoch=record.epoch, seq=record.seq, tag=record.tag, boot=boot, report=report
        )
        self._wake.set()

    def want_new_ledger(self, node: str, old: messages.JournalPosition) -> None:
        """Tell a node that its ledger is an old copy: it learns that from an acknowledgement beyond what it wrote.

        Far beyond, because it writes on while this is under way; a node with another ledger takes no notice.
        """
        seq = min(_MOST, old.head + FAR_BEYOND)
        self._acks[node] = messages.Ack(generation=self._world.generation, epoch=old.epoch, seq=seq)
        self.want_desired(node)
        self._wake.set()

    def want_collect(self) -> None:
        """Look at once at the words of hands that nodes have not carried out yet."""
        self._wake.set()

    async def step(self) -> None:
        """Wait until something is to be said, and say it."""
        try:
            async with asyncio.timeout(self._period_s()):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
        if not await self.flush():
            await asyncio.sleep(_RETRY_REAL_S)

    async def flush(self) -> bool:
        """Send what waits; False when the broker did not take everything."""
        if self._world.fenced or self._world.listening or not self._bus.connected:
            return True
        for node, ack in list(self._acks.items()):
            if not await self._bus.say(node, Stream.ACK, ack):
                return False
            if self._acks.get(node) is ack:
                del self._acks[node]
        for node in list(self._desired):
            if not await self._say_desired(node):
                return False
        return await self._say_collects()

    async def _say_desired(self, node: str) -> bool:
        self._desired.discard(node)
        farm = self._world.durable  # one moment: a version must never name the allocations of another
        version = DesiredVersion(farm.generation, farm.node_records[node].version)
        message = desired(farm, node, self._settings, self._held(farm).get(node, ()))
        try:
            sent = await self._bus.say(node, Stream.DESIRED, message)
        except TooLargeError as error:
            _log.error("desired.too-large", node=node, detail=error.detail)
            return True
        if sent:
            self._said[node] = (version, self._real_s())
        else:
            self._desired.add(node)
        return sent

    def _held(self, farm: Farm) -> Mapping[str, Sequence[Allocation]]:
        """The allocations of each node; worked out again only when they have changed."""
        allocations, index = self._by_node
        if allocations is not farm.allocations:
            index = {}
            for allocation in farm.allocations.values():
                index.setdefault(allocation.node, []).append(allocation)
            self._by_node = farm.allocations, index
        return index

    async def _say_collects(self) -> bool:
        pending = self._world.durable.pending_collects
        self._pending_said = {key: said_s for key, said_s in self._pending_said.items() if key in pending}
        for key, word in list(pending.items()):
            said_s = self._pending_said.get(key)
            if said_s is not None and self._real_s() - said_s < self._period_s():
                continue
            if not await self._bus.say(word.node, Stream.COMMAND, collect_command(self._world.generation, word)):
                return False
            self._pending_said[key] = self._real_s()
        return True

    def _period_s(self) -> float:
        return max(_REPEAT_REAL_S, self._clock.real_s(self._settings.report_every_s))

    def _real_s(self) -> float:
        return asyncio.get_running_loop().time()


def collect_command(generation: int, word: PendingCollect) -> messages.Command:
    """A hand's word as a command. It has no deadline: the parts are in somebody's hand."""
    action: messages.CollectAction | messages.ClearBedAction
    if word.clear_only:
        action = messages.ClearBedAction(printer=word.printer, occupation=word.job, by=word.by)
    else:
        action = messages.CollectAction(printer=word.printer, job=word.job, good=word.good, scrap=word.scrap, by=word.by)
    return messages.Command(generation=generation, id=word.id, action=action)
