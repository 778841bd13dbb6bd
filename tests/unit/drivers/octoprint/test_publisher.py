import asyncio

from drivers.base import DriverEvent, PrintEnd, PrintEnded, PrinterState, PrinterStatus, StatusChanged
from drivers.octoprint.publisher import Publisher


def printing(progress: float) -> PrinterStatus:
    return PrinterStatus(PrinterState.PRINTING, "job-1", progress=progress)


async def test_the_same_is_told_once() -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    for _ in range(3):
        publisher.offer(printing(0.1))
    assert told == [StatusChanged(printing(0.1))]


async def test_mere_progress_is_told_later_and_only_the_newest() -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    for percent in range(100):
        publisher.offer(printing(percent / 100))
    assert told == [StatusChanged(printing(0.0))]
    assert publisher.status == printing(0.99)
    await asyncio.sleep(0.6)
    assert told == [StatusChanged(printing(0.0)), StatusChanged(printing(0.99))]


async def test_another_state_is_told_at_once() -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    publisher.offer(printing(0.1))
    publisher.offer(printing(0.2))
    paused = PrinterStatus(PrinterState.PAUSED, "job-1", progress=0.2)
    publisher.offer(paused)
    assert told == [StatusChanged(printing(0.1)), StatusChanged(paused)]
    await asyncio.sleep(0.6)
    assert len(told) == 2


async def test_an_end_is_told_at_once_and_nothing_after_close() -> None:
    told: list[DriverEvent] = []
    publisher = Publisher(told.append)
    publisher.offer(printing(0.1))
    ended = PrintEnded("job-1", PrintEnd.DONE, "")
    publisher.ended(ended)
    publisher.offer(printing(0.2))
    publisher.close()
    await asyncio.sleep(0.6)
    assert told == [StatusChanged(printing(0.1)), ended]
