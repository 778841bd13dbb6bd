import asyncio
from collections.abc import Awaitable, Callable

import pytest

from drivers.base import DriverEvent, PrintEnd, PrintEnded, PrinterState, PrinterStatus, StatusChanged
from drivers.octoprint.publisher import PROGRESS_EVERY_S, Publisher

Later = Callable[[], Awaitable[None]]


@pytest.fixture
async def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Time stands still until this is awaited: then what was put off comes."""
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now_s)

    async def pass_on() -> None:
        nonlocal now_s
        now_s += PROGRESS_EVERY_S * 1.1
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    return pass_on


def printing(progress: float) -> PrinterStatus:
    return PrinterStatus(PrinterState.PRINTING, "job-1", progress=progress)


async def test_the_same_is_told_once() -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    for _ in range(3):
        publisher.offer(printing(0.1))
    assert told == [StatusChanged(printing(0.1))]


async def test_mere_progress_is_told_later_and_only_the_newest(later: Later) -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    for percent in range(100):
        publisher.offer(printing(percent / 100))
    assert told == [StatusChanged(printing(0.0))]
    assert publisher.status == printing(0.99)
    await later()
    assert told == [StatusChanged(printing(0.0)), StatusChanged(printing(0.99))]


async def test_another_state_is_told_at_once(later: Later) -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    publisher.offer(printing(0.1))
    publisher.offer(printing(0.2))
    paused = PrinterStatus(PrinterState.PAUSED, "job-1", progress=0.2)
    publisher.offer(paused)
    assert told == [StatusChanged(printing(0.1)), StatusChanged(paused)]
    await later()
    assert len(told) == 2


async def test_an_end_is_told_at_once_and_nothing_after_close(later: Later) -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    publisher.offer(printing(0.1))
    ended = PrintEnded("job-1", PrintEnd.DONE, "")
    publisher.ended(ended)
    publisher.offer(printing(0.2))
    publisher.close()
    await later()
    assert told == [StatusChanged(printing(0.1)), ended]
