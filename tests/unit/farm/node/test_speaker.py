import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from drivers.base import PrinterState, PrinterStatus, Temperature
from farm.bus.client import Callbacks, Will
from farm.bus.messages import Envelope, Journal, Link, Report, Settings, Telemetry
from farm.bus.topics import Stream
from farm.clock import Clock
from farm.errors import TooLargeError
from farm.node import core
from farm.node.core import Moment, NodeState, Step
from farm.node.keeper import Keeper
from farm.node.speaker import Speaker, agent_version
from gcode.texts import told
from tests.unit.farm.node.bench import A, setup
from tests.unit.farm.node.fake_farm import NODE, FakeFarm, until


class Speaking:
    """A speaker with its loops, a keeper and a farm that does not answer."""

    def __init__(self, folder: Path) -> None:
        self.farm = FakeFarm()
        self.farm.acknowledges = self.farm.commits = False
        self.keeper = Keeper(Clock(), lambda _before, _step: None)
        self.speaker = Speaker(NODE, "left bench", self.keeper, Clock())
        self.folder = folder
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        remembered = await self.keeper.open(str(self.folder / "ledger.sqlite"))
        await self.keeper.begin(lambda now: core.recover(remembered, [setup(A)], now, machine="m", seen={}))
        self.farm.callbacks = Callbacks(lambda _message: None, self.speaker.connected, last_will=self.will)
        self.tasks = [asyncio.create_task(loop()) for loop in self.speaker.loops(self.farm)]

    def will(self) -> Will:
        return Will(*self.speaker.last_will())

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.keeper.close()

    async def status(self, state: PrinterState, **fields: Temperature) -> None:
        def event(before: NodeState, now: Moment) -> Step:
            return core.on_status(before, A, PrinterStatus(state, **fields), now)  # type: ignore[arg-type]  # temperatures only

        await self.keeper.apply(event)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Speaking]:
    speaking = Speaking(folder)
    await speaking.open()
    try:
        yield speaking
    finally:
        await speaking.close()


async def test_nothing_is_said_to_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as speaking:
        speaking.speaker.report_soon()
        speaking.speaker.telemetry_soon()
        speaking.speaker.journal_soon()
        await asyncio.sleep(0.05)
        assert speaking.farm.said == []
        assert speaking.keeper.state.sent == {}, "a report that nobody can hear is not sent"


async def test_every_connection_has_a_greater_number_also_after_a_boot(tmp_path: Path) -> None:
    async with opened(tmp_path) as speaking:
        numbers: list[int] = []
        for _ in range(3):
            speaking.farm.connect()
            expected = len(numbers) + 1
            await until(lambda expected=expected: len(speaking.farm.of(Link)) == expected)  # type: ignore[misc]  # bound now
            speaking.farm.connected = False
            numbers.append(speaking.farm.of(Link)[-1].connection)
    async with opened(tmp_path) as again:
        again.farm.connect()
        await until(lambda: again.farm.of(Link))
        numbers.append(again.farm.of(Link)[-1].connection)
    assert numbers == sorted(set(numbers))


async def test_reports_come_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.speaker._REPORT_GAP_S", 0.01)
    async with opened(tmp_path) as speaking:
        speaking.farm.connect()
        await until(lambda: speaking.farm.of(Report))
        every = Settings(report_every_s=0.05)
        speaking.keeper._state = replace(speaking.keeper.state, settings=every)
        speaking.speaker.report_soon()
        await until(lambda: len(speaking.farm.of(Report)) >= 4)
        numbers = [report.report for report in speaking.farm.of(Report)]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_telemetry_is_counted_and_never_of_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as speaking:
        await speaking.status(PrinterState.IDLE, nozzle=Temperature(21.5, 0))
        speaking.farm.connect()
        await until(lambda: speaking.farm.of(Telemetry))
        telemetry = speaking.farm.telemetry
        assert (telemetry.count, telemetry.boot) == (1, speaking.keeper.state.boot)
        assert telemetry.printers[A].nozzle_c == 21.5


async def test_a_batch_of_an_epoch_that_has_ended_is_not_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as speaking:
        await speaking.status(PrinterState.FAULT)
        await speaking.keeper.apply(lambda state, now: core.on_status(state, A, PrinterStatus(PrinterState.IDLE), now))
        state = speaking.keeper.state
        speaking.keeper._state = replace(state, journal=replace(state.journal, head=1))

        async def facts(*_: object) -> list[object]:
            state = speaking.keeper.state
            speaking.keeper._state = replace(state, journal=replace(state.journal, epoch="epoch-new"))
            return [object()]

        monkeypatch.setattr(speaking.keeper, "facts", facts)
        speaking.farm.connected = True
        assert not await speaking.speaker._send_batch(0.0)
        assert speaking.farm.of(Journal) == []


async def test_what_is_too_large_for_a_packet_does_not_end_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as speaking:
        say = speaking.farm.say

        async def refuse(node: str, stream: Stream, message: Envelope) -> bool:
            if stream is Stream.REPORT:
                raise TooLargeError(told("too large"), next_step=told("."))
            return await say(node, stream, message)

        monkeypatch.setattr(speaking.farm, "say", refuse)
        speaking.farm.connect()
        await until(lambda: speaking.farm.of(Telemetry))
        assert all(not task.done() for task in speaking.tasks)


async def test_the_last_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as speaking:
        speaking.farm.connect()
        await speaking.speaker.goodbye()
        assert [stream for stream, _ in speaking.farm.said][-2:] == [Stream.REPORT, Stream.LINK]
        assert speaking.farm.of(Link)[-1].online is False


def test_the_agent_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert agent_version().startswith("essaim")

    def missing(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr("farm.node.speaker.version", missing)
    assert agent_version() == "essaim"
