"""A daemon's loop with a real store, a bus in memory and a clock that tests move."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drivers.base import PrinterState
from farm.bus import messages
from farm.bus.client import Callbacks, Received
from farm.bus.many import BrokerState
from farm.bus.topics import Stream, topic
from farm.clock import Clock
from farm.daemon.engine import Engine
from farm.daemon.inbox import Item, Request
from farm.daemon.world import World
from farm.errors import StoreFullError
from farm.store.repository import Change, Put, SetMeta
from farm.store.writer import FILE_NAME, Store
from gcode.texts import told
from scheduler.draft import Draft
from scheduler.model import (
    BedState,
    BuildSpace,
    Design,
    Durable,
    JobOutcome,
    NodeRecord,
    OccupationKind,
    Order,
    Program,
    Revision,
    Rules,
)

SHA = "a" * 64
GENERATION = 3
SPACES = {"small": BuildSpace(210, 210, 200)}
PROGRAM = Program(
    sha256=SHA, name="frame", revision="r1", profile="small", parts=1, material="PLA", nozzle_mm=0.4, size_bytes=9,
    estimated_s=3600.0, filament_mm=1.0, filament_g=1.0, layers=1, width_mm=100.0, depth_mm=100.0, height_mm=5.0, created_at_s=0.0,
)  # fmt: skip
SEED: tuple[Durable, ...] = (
    Design("d1", "visor frame", 0.0),
    Revision("r1", "d1", 0.0),
    PROGRAM,
    Order("o1", "r1", 4, 0, "Palaiseau", 0.0),
    NodeRecord("n1", "left bench", 0.0, ""),
    NodeRecord("n2", "right bench", 0.0, ""),
)


class ManualClock(Clock):
    """Farm time that stands still until it is moved."""

    now_s: float
    since_s: float

    def __init__(self, wall_s: float = 1_000_000.0, boot_s: float = 5_000.0) -> None:
        super().__init__(1.0, wall_s)
        self.__dict__.update(now_s=wall_s, since_s=boot_s)  # the base class is frozen

    def wall_s(self) -> float:
        return self.now_s

    def boot_s(self) -> float:
        return self.since_s

    def advance(self, duration_s: float) -> None:
        self.__dict__.update(now_s=self.now_s + duration_s, since_s=self.since_s + duration_s)


class MemoryBus:
    """Records what was said."""

    def __init__(self, callbacks: Callbacks) -> None:
        self.callbacks = callbacks
        self.connected = True
        self.problem = "gone"  # while it is not connected
        self.said: list[tuple[str, Stream, Any]] = []

    async def say(self, node: str, stream: Stream, message: messages.Envelope) -> bool:
        if self.connected:
            self.said.append((node, stream, message))
        return self.connected

    @property
    def brokers(self) -> list[BrokerState]:
        return [BrokerState("here:1883", self.connected, "" if self.connected else self.problem)]

    def start(self) -> None:
        pass

    async def wait_connected(self, timeout_s: float) -> None:
        pass

    async def close(self) -> None:
        pass

    def of(self, stream: Stream, node: str = "n1") -> list[Any]:
        return [message for name, kind, message in self.said if (name, kind) == (node, stream)]


class Mail:
    """A message that counts how often it was acknowledged to the broker."""

    def __init__(self, node: str, stream: Stream, message: messages.Envelope | bytes, *, retained: bool = False) -> None:
        payload = message if isinstance(message, bytes) else message.model_dump_json().encode()
        self.acknowledged = 0
        self.received = Received(topic(node, stream), payload, retained, self._acknowledge)

    def _acknowledge(self) -> None:
        self.acknowledged += 1


def printer_report(key: str = "p1", **fields: Any) -> messages.PrinterReport:
    values: dict[str, Any] = {
        "name": key, "driver": "virtual", "profile": "small", "material": "PLA", "state": PrinterState.IDLE,
        "bed": BedState.CLEAR, "ready": True, **fields,
    }  # fmt: skip
    return messages.PrinterReport(id=key, **values)


def reference(job: str = "j1", **fields: Any) -> messages.JobReference:
    values: dict[str, Any] = {
        "allocation": "a1", "order": "o1", "revision": "r1", "program": SHA, "parts": 1, "estimated_s": 3600.0, **fields
    }  # fmt: skip
    return messages.JobReference(job=job, **values)


def occupied(job: str = "j1", outcome: JobOutcome | None = None, key: str = "p1", **fields: Any) -> messages.PrinterReport:
    occupation = messages.Occupation(id=job, kind=OccupationKind.JOB, job=reference(job, **fields), outcome=outcome)
    state = PrinterState.PRINTING if outcome is None else PrinterState.IDLE
    return printer_report(key, state=state, bed=BedState.OCCUPIED, ready=False, occupation=occupation)


class Farm:
    """The loop under test, and a node that says what the test wants."""

    def __init__(self, store: Store, world: World, clock: ManualClock) -> None:
        self.store, self.world, self.clock = store, world, clock
        buses: list[MemoryBus] = []

        def make(callbacks: Callbacks) -> MemoryBus:
            buses.append(MemoryBus(callbacks))
            return buses[0]

        self.engine = Engine(world, store, make, clock=clock, rules=Rules(), settings=messages.Settings())
        self.bus = buses[0]
        self.count = 0

    def report(self, *printers: messages.PrinterReport, node: str = "n1", retained: bool = False, **fields: Any) -> Mail:
        """A report that shows the current desired state, unless the test says otherwise."""
        self.count += 1
        record = self.world.durable.node_records[node]
        values: dict[str, Any] = {
            "generation": GENERATION,
            "desired_version": record.version,
            "boot": 1,
            "report": self.count,
            "journal": messages.JournalPosition(epoch="e1", oldest=1, head=record.seq if record.epoch else 0),
            "printers": list(printers),
            "agent": "test",
            **fields,
        }
        return Mail(node, Stream.REPORT, messages.Report(**values), retained=retained)

    @staticmethod
    def journal(*facts: Any, node: str = "n1", epoch: str = "e1", oldest: int = 1) -> Mail:
        rows = [fact if isinstance(fact, dict) else fact.model_dump(mode="json") for fact in facts]
        head = max((row.get("seq", 0) for row in rows), default=0)
        body = {"v": 1, "epoch": epoch, "oldest": oldest, "head": head, "facts": rows}
        return Mail(node, Stream.JOURNAL, json.dumps(body).encode())

    async def hear(self, *mail: Mail) -> None:
        """One round of the loop with these messages, one to decide, and everything said."""
        await self.turn([item.received for item in mail])

    async def turn(self, items: Sequence[Item] = ()) -> None:
        if items:
            await self.engine.turn(items)
        await self.engine.turn([])
        await self.engine.publisher.flush()

    async def ask(self, action: Any) -> Any:
        request = Request(action)
        await self.turn([request])
        return await request.answer

    async def stored(self) -> Any:
        return await self.store.load()

    @property
    def alarms(self) -> list[str]:
        return [alarm.code for alarm in self.engine.alarms.all()]

    @property
    def desired(self) -> messages.Desired:
        """The newest desired state that n1 was told."""
        newest: messages.Desired = self.bus.of(Stream.DESIRED)[-1]
        return newest


async def _fill(store: Store, seed: Sequence[Durable]) -> None:
    await store.commit([SetMeta("generation", str(GENERATION)), *(Put(entity) for entity in seed)])


_made: list[bytes] = []


async def _new_database() -> bytes:
    """A database of SEED, made once a process: hundreds of tests begin with it, and its migrations cost more than most of them."""
    if not _made:
        with TemporaryDirectory() as folder:
            store = await Store.open(Path(folder))
            await _fill(store, SEED)
            await store.close()
            _made.append((Path(folder) / FILE_NAME).read_bytes())
    return _made[0]


@asynccontextmanager
async def open_farm(folder: Path, seed: Sequence[Durable] = SEED, clock: ManualClock | None = None) -> AsyncIterator[Farm]:
    """Open (or open again) a farm in `folder`."""
    clock = clock or ManualClock()
    if seed is SEED and not (folder / FILE_NAME).exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE_NAME).write_bytes(await _new_database())
    store = await Store.open(folder)
    try:
        if (await store.load()).generation == 0:
            await _fill(store, seed)
        yield Farm(store, World(await store.load(), SPACES, clock.boot_s()), clock)
    finally:
        await store.close()


def draft_of(farm: Farm) -> Draft:
    return Draft(farm.world.durable)


def started(seq: int = 1, job: str = "j1", printer: str = "p1", **fields: Any) -> messages.JobStarted:
    return messages.JobStarted(seq=seq, printer=printer, reference=reference(job, **fields))


def ended(seq: int = 2, job: str = "j1", **fields: Any) -> messages.JobEnded:
    return messages.JobEnded(seq=seq, printer="p1", reference=reference(job, **fields), outcome=JobOutcome.PRINTED)


def collected(seq: int = 3, job: str = "j1", **fields: Any) -> messages.JobCollected:
    return messages.JobCollected(seq=seq, printer="p1", reference=reference(job, **fields), good=1, scrap=0, by="hand")


async def joined(farm: Farm) -> None:
    """n1 shows itself, is told the desired state, and shows that."""
    await farm.hear(farm.report(printer_report(), generation=0, desired_version=0))
    await farm.hear(farm.report(printer_report()))


class FullStore:
    """A store whose disk is full as long as the test says."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.full, self.commits = inner, True, 0

    async def commit(self, changes: Sequence[Change]) -> None:
        self.commits += bool(changes)
        if self.full:
            raise StoreFullError(told("full"), next_step=told("make room"))
        await self.inner.commit(changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
