"""The other side of the bus, in memory: records what a node says and answers as the daemon of protocol.md would."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.base import EventListener
from drivers.testing import Script, ScriptedDriver
from farm.bus.client import Callbacks, Received
from farm.bus.messages import (
    Ack,
    AllocationOrder,
    ClearBedAction,
    Command,
    Desired,
    Envelope,
    Journal,
    ProgramReference,
    Report,
    Telemetry,
)
from farm.bus.topics import Stream, topic
from farm.clock import Clock
from farm.config import LedgerSection, NodeSettings, PrinterSection
from farm.node.agent import Agent
from farm.node.checking import JUDGED_ELSEWHERE, Check
from farm.node.join import Identity
from farm.node.parts import Parts
from tests.patience import PATIENCE_S

NODE = "node-1"
GCODE = b"G28\nG1 X1 Y1 E1\n"
GCODE_SHA = hashlib.sha256(GCODE).hexdigest()
IDENTITY = Identity(
    node=NODE, name="left bench", farm_url="http://127.0.0.1:9", mqtt_urls=["mqtt://127.0.0.1:9"], password="secret"
)


class FakeFarm:
    """A bus and a daemon. `acknowledges` and `commits` switch its answers off."""

    def __init__(self, node: str = NODE) -> None:
        self.node = node
        self.connected = False
        self.acknowledges = True
        self.commits = True
        self.closed = False
        self.said: list[tuple[Stream, Envelope]] = []
        self.facts: dict[tuple[str, int], Any] = {}
        self.pointer: dict[str, int] = {}
        self.desired = Desired(generation=1, version=1)
        self.handed_over = 0
        self.callbacks = Callbacks(lambda _message: None)
        self.wills: list[bytes] = []
        self._count = 0

    # --- the bus

    def bus(self, _identity: Identity, callbacks: Callbacks) -> "FakeFarm":
        self.callbacks = callbacks
        return self

    def start(self) -> None:
        self.connect()

    def connect(self) -> None:
        will = self.callbacks.last_will()
        assert will is not None
        self.wills.append(will.payload)
        self.connected = True
        asyncio.get_running_loop().call_soon(self.callbacks.on_connected)

    def cut(self) -> None:
        self.connected = False
        self.callbacks.on_lost("cut")

    async def close(self) -> None:
        self.connected = False
        self.closed = True

    async def say(self, node: str, stream: Stream, message: Envelope) -> bool:
        assert node == self.node
        assert self.connected
        again = type(message).model_validate_json(message.model_dump_json(exclude_none=True))
        self.said.append((stream, again))
        if isinstance(again, Report):
            self._on_report(again)
        elif isinstance(again, Journal):
            self._on_journal(again)
        return True

    # --- the daemon

    def _on_report(self, report: Report) -> None:
        current = (report.generation, report.desired_version) == (self.desired.generation, self.desired.version)
        if not current:
            self.hear(self.desired)
        elif self.acknowledges:
            self.ack(report.journal.epoch, boot=report.boot, report=report.report)

    def _on_journal(self, journal: Journal) -> None:
        if not self.commits:
            return
        for fact in journal.facts:
            if fact.seq == self.pointer.get(journal.epoch, 0) + 1:
                self.pointer[journal.epoch] = fact.seq
                self.facts[journal.epoch, fact.seq] = fact
        self.ack(journal.epoch)

    def ack(self, epoch: str, **fields: Any) -> None:
        self.hear(Ack(generation=self.desired.generation, epoch=epoch, seq=self.pointer.get(epoch, 0), **fields))

    def hear(self, message: Envelope | bytes, *, stream: Stream | None = None, retained: bool = False, node: str = "") -> None:
        """Have the node receive something, as it comes from the network: later."""
        streams = {Desired: Stream.DESIRED, Ack: Stream.ACK, Command: Stream.COMMAND}
        payload = message if isinstance(message, bytes) else message.model_dump_json().encode()
        chosen = stream or streams[type(message)]  # type: ignore[index]  # bytes come with a stream
        received = Received(topic(node or self.node, chosen), payload, retained, self._acknowledged)
        asyncio.get_running_loop().call_soon(self.callbacks.on_message, received)

    def _acknowledged(self) -> None:
        self.handed_over += 1

    def want(self, allocations: dict[str, list[AllocationOrder]]) -> None:
        self.desired = Desired(generation=self.desired.generation, version=self.desired.version + 1, printers=allocations)
        self.hear(self.desired)

    def command(self, action: Any, **fields: Any) -> str:
        self._count += 1
        command = Command(generation=self.desired.generation, id=f"command-{self._count}", action=action, **fields)
        self.hear(command)
        return command.id

    # --- looking

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for _, message in self.said if isinstance(message, kind)]

    @property
    def report(self) -> Report:
        report: Report = self.of(Report)[-1]
        return report

    @property
    def telemetry(self) -> Telemetry:
        telemetry: Telemetry = self.of(Telemetry)[-1]
        return telemetry

    def kinds(self) -> list[str]:
        return [fact.kind for _, fact in sorted(self.facts.items())]


def order(key: str = "alloc-1", *, jobs: int = 1, sha: str = GCODE_SHA, size: int = len(GCODE), **fields: Any) -> AllocationOrder:
    program = ProgramReference(sha256=sha, size_bytes=size, parts=2, estimated_s=60)
    values: dict[str, Any] = {"order": "order-1", "revision": "rev-1", "autonomy_s": 3600.0, **fields}
    return AllocationOrder(id=key, program=program, jobs=jobs, **values)


async def until(condition: Callable[[], Any], *, what: str = "", timeout_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds; fails with what was waited for."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    while not condition():
        assert loop.time() < deadline_s, f"waited in vain for {what or condition}"
        await asyncio.sleep(0.005)


class Workshop:
    """An agent with scripted printers and a farm in memory. The program is in its cache already."""

    def __init__(
        self,
        folder: Path,
        *names: str,
        factor: float = 60.0,
        identity: Identity = IDENTITY,
        farm: FakeFarm | None = None,
        ballast_bytes: int = 65_536,
        check: Check | None = JUDGED_ELSEWHERE,
        limits: Path | None = None,
    ) -> None:
        sections = [PrinterSection(name=name, url=f"scripted://{name}", profile="generic-210") for name in names]
        self.folder = folder
        self.farm = farm or FakeFarm()
        self.scripts = {name: Script() for name in names}
        self.drivers: dict[str, ScriptedDriver] = {}
        self.settings = NodeSettings(data=folder, printers=sections, ledger=LedgerSection(ballast_bytes=ballast_bytes))
        programs = folder / "programs"
        programs.mkdir(parents=True, exist_ok=True)
        if not (programs / f"{GCODE_SHA}.gcode").exists():  # on a full disk it cannot be written twice
            (programs / f"{GCODE_SHA}.gcode").write_bytes(GCODE)
        self.agent = Agent(
            self.settings, identity, Clock(factor), parts=Parts(self.farm.bus, self.open, check=check, limits=limits)
        )

    def open(self, url: str, listener: EventListener) -> ScriptedDriver:
        name = url.removeprefix("scripted://")
        self.drivers[name] = ScriptedDriver(listener, script=self.scripts.setdefault(name, Script()))
        return self.drivers[name]

    def printer(self, name: str) -> str:
        return next(key for key, value in self.agent.state.printers.items() if value.setup.name == name)

    async def clear(self, *names: str) -> None:
        """A person has looked: the beds of new printers are clear."""
        await until(lambda: self.agent.state.generation == self.farm.desired.generation, what="the generation")
        for name in names:
            key = self.printer(name)
            await until(lambda key=key: key in self.agent.state.occupations, what="a bed to clear")  # type: ignore[misc]  # bound
            self.farm.command(ClearBedAction(printer=key, occupation=self.agent.state.occupations[key].id))
            await until(lambda key=key: key not in self.agent.state.occupations, what="a clear bed")  # type: ignore[misc]  # bound


@asynccontextmanager
async def workshop(folder: Path, *names: str, **named: Any) -> AsyncIterator[Workshop]:
    """A workshop whose agent runs."""
    shop = Workshop(folder, *names, **named)
    try:
        await shop.agent.start()
        yield shop
    finally:
        await shop.agent.close()


@asynccontextmanager
async def printing(folder: Path, **named: Any) -> AsyncIterator[tuple[Workshop, str, ScriptedDriver]]:
    """A workshop whose one printer prints a job."""
    async with workshop(folder, "left", **named) as shop:
        await shop.clear("left")
        printer = shop.printer("left")
        shop.farm.want({printer: [order(jobs=3)]})
        driver = shop.drivers["left"]
        await until(lambda: driver.status.job, what="a start")
        yield shop, printer, driver
