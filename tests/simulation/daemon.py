"""A daemon: the production engine, publisher and store, on SQLite in memory, in a computer that may die around every commit."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar

from farm.bus import messages
from farm.bus.client import Received
from farm.bus.many import BrokerState
from farm.bus.topics import Stream
from farm.daemon.engine import Engine
from farm.daemon.inbox import BATCH, Item, Request
from farm.daemon.steady import steady_clock
from farm.daemon.world import World as DaemonWorld
from farm.errors import FarmError, StoreFullError
from farm.store.repository import Change, Put, SetMeta
from farm.store.schema import metadata
from farm.store.writer import Store
from gcode.texts import told
from scheduler.draft import Draft
from scheduler.model import BuildSpace, Durable, Rules
from tests.simulation.network import Network
from tests.simulation.truth import Truth
from tests.simulation.world import Died, MachineClock, World

TICK_S: Final = 20.0
_Result = TypeVar("_Result")


class Card(Store):
    """The real store on SQLite in memory, on a disk that may be full. Backups are images of it."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))
        self._reader.dispose()
        self._reader = self._writer
        self.full = False
        self.before_commit: Callable[[], None] = lambda: None
        self.after_commit: Callable[[Sequence[Change]], None] = lambda _changes: None

    async def _in_thread(self, work: Callable[[], _Result], *, read: bool = False) -> _Result:
        return work()

    def _read(self, work: Callable[[Any], _Result]) -> _Result:
        return self._write(work)

    async def commit(self, changes: Sequence[Change]) -> None:
        """Write, unless the disk is full."""
        if not changes:
            return
        if self.full:
            raise StoreFullError(told("full"), next_step=told("wait"))
        self.before_commit()
        await super().commit(changes)
        self.after_commit(changes)

    def image(self) -> sqlite3.Connection:
        """A backup."""
        image = sqlite3.connect(":memory:", check_same_thread=False)
        with self._raw() as connection:
            connection.backup(image)
        return image

    def write_back(self, image: sqlite3.Connection) -> None:
        """Restore a backup."""
        with self._raw() as connection:
            image.backup(connection)

    @contextmanager
    def _raw(self) -> Iterator[sqlite3.Connection]:
        raw = self._writer.raw_connection()
        try:
            connection = raw.driver_connection
            assert isinstance(connection, sqlite3.Connection)
            yield connection
        finally:
            raw.close()

    def end(self) -> None:
        """Let go."""
        self._thread.shutdown(wait=False)
        self._readers.shutdown(wait=False)
        self._writer.dispose()


@cache
def _empty() -> sqlite3.Connection:
    card = Card()
    metadata.create_all(card._writer)
    image = card.image()
    card.end()
    return image


class MemoryBus:
    """What the engine says goes to the network."""

    def __init__(self, daemon: "SimulatedDaemon") -> None:
        self._daemon = daemon

    @property
    def connected(self) -> bool:
        """Lines break without anybody noticing."""
        return True

    @property
    def brokers(self) -> list[BrokerState]:
        """One, of which there is nothing to say."""
        return []

    async def say(self, node: str, stream: Stream, message: messages.Envelope) -> bool:
        """Publish; the daemon may die between two messages."""
        self._daemon.perhaps_die()
        self._daemon.truth.said(self._daemon, node, message)
        self._daemon.network.say(node, stream, message)
        return True

    def start(self) -> None:
        """Nothing to do."""

    async def wait_connected(self, timeout_s: float) -> None:
        """It is."""

    async def close(self) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class Setting:
    """What a farm is made of, beside its nodes."""

    rules: Rules
    build_spaces: dict[str, BuildSpace]
    seed: tuple[Durable, ...]


class SimulatedDaemon:
    """One daemon on one computer."""

    def __init__(self, world: World, network: Network, truth: Truth, setting: Setting, card: Card | None = None) -> None:
        self.world, self.network, self.truth, self.setting = world, network, truth, setting
        self.clock = MachineClock(world)
        self.card = card or new_card()
        self.card.before_commit = self.perhaps_die
        self.card.after_commit = self._committed
        self.engine: Engine | None = None
        self.machine = world.new_id("boot")
        self.fragile = 0.0
        self.old = False  # an old daemon that runs on after a restore
        self._items: list[Item] = []
        self._due = False
        network.daemons.append(self.hear)
        world.every(TICK_S, self.turn)

    @property
    def up(self) -> bool:
        """Whether the process runs."""
        return self.engine is not None

    def perhaps_die(self) -> None:
        """The process may be killed here."""
        if self.fragile and self.world.chance(self.fragile):
            raise Died

    def _committed(self, changes: Sequence[Change]) -> None:
        self.truth.committed(self, changes)
        self.perhaps_die()

    # --- life --------------------------------------------------------------------------------------------------------------------

    async def boot(self, *, machine: bool = False) -> None:
        """The process starts, or the whole computer: nothing in memory, nothing expected of the broker."""
        if self.up:
            return
        if machine:
            self.machine = self.world.new_id("boot")
            self.clock.reboot()
        stored = await self.card.load()
        farm = DaemonWorld(stored, self.setting.build_spaces, self.clock.boot_s())
        steady = steady_clock(self.clock, stored, self.machine)
        farm.same_time = steady.continued
        if not steady.continued and not self.card.full:
            try:
                await self.card.commit([steady.remember(self.machine)])
            except Died:
                return
        self.engine = Engine(
            farm,
            self.card,
            lambda _callbacks: MemoryBus(self),
            clock=steady,
            rules=self.setting.rules,
            settings=messages.Settings(report_every_s=self.setting.rules.report_every_s),
        )
        self.truth.booted(self, stored)
        self.world.say("daemon boots, generation", stored.generation)
        self.network.redeliver_reports(self.hear)
        self.engine.on_connected()

    def die(self) -> None:
        """Kill -9."""
        if self.engine is not None:
            self.world.say("daemon dies")
        self.engine = None
        self._items.clear()

    def retire(self) -> None:
        """For ever."""
        self.die()
        if self.hear in self.network.daemons:
            self.network.daemons.remove(self.hear)

    # --- the loop ----------------------------------------------------------------------------------------------------------------

    def hear(self, message: Received) -> None:
        """A message arrives."""
        if self.engine is None:
            return
        self._items.append(message)
        if not self._due:
            self._due = True
            self.world.at(self.world.random.uniform(0.05, 0.5), self._take)

    async def _take(self) -> None:
        self._due = False
        items, self._items = self._items[:BATCH], self._items[BATCH:]
        if items:
            await self._turn(items)
        if self._items and not self._due:
            self._due = True
            self.world.at(0.1, self._take)

    async def turn(self) -> None:
        """Time passes."""
        await self._turn([])

    async def _turn(self, items: list[Item]) -> None:
        if self.engine is None:
            return
        try:
            await self.engine.turn(items)
        except Died:
            self.die()
            return
        self.world.at(self.world.random.uniform(0.0, 0.3), partial(self._flush, self.engine))

    async def _flush(self, engine: Engine) -> None:
        if self.engine is not engine:
            return
        try:
            await engine.publisher.flush()
        except Died:
            self.die()

    async def ask(self, action: Callable[[Draft], Any]) -> Any:
        """A person asks for a change; None when it was refused, or the daemon is down or died of it."""
        if self.engine is None:
            return None
        request = Request(action)
        await self._turn([request])
        if not request.answer.done():
            request.answer.cancel()
            return None
        try:
            return request.answer.result()
        except FarmError:
            return None


def new_card() -> Card:
    """An empty database."""
    card = Card()
    card.write_back(_empty())
    return card


async def fill(card: Card, generation: int, seed: Iterable[Durable]) -> None:
    """Put a farm into a database."""
    await card.commit([SetMeta("generation", str(generation)), *(Put(entity) for entity in seed)])


__all__ = ["Card", "Setting", "SimulatedDaemon", "fill", "new_card"]
