"""How an agent ends while its printers print."""

import asyncio
from pathlib import Path
from threading import Event

import pytest

from drivers.base import PrintEnd, PrinterState
from drivers.errors import TransferError
from drivers.testing import ScriptedDriver
from farm.bus.topics import Stream
from farm.node.folder import DataFolder
from scheduler.model import BedState, JobOutcome
from tests.patience import PATIENCE_S
from tests.unit.farm.node.fake_farm import Workshop, order, printing, until, workshop


def _makes_safe(driver: ScriptedDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver whose print needs this process: as `Driver.close` asks of it."""

    async def close() -> None:
        await asyncio.sleep(0.05)
        driver.finishes(PrintEnd.INTERRUPTED, "The agent was stopped.")
        driver.closed = True

    monkeypatch.setattr(driver, "close", close)


async def test_a_job_that_the_end_interrupts_is_told_before_the_last_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        _makes_safe(driver, monkeypatch)
    assert shop.farm.kinds()[-1] == "job-ended"
    assert shop.farm.kinds().count("job-started") == 1, "nothing starts any more"
    last = shop.farm.report.printers[0]
    assert last.state is PrinterState.IDLE, "what the driver said while it made its machine safe"
    assert last.occupation is not None
    assert last.occupation.outcome is JobOutcome.INTERRUPTED
    assert last.reason is not None
    assert (last.reason.en, last.reason.fr) == ("The agent was stopped.", "L'agent a été arrêté.")
    kinds = [stream for stream, _ in shop.farm.said]
    assert kinds[-3:] == [Stream.JOURNAL, Stream.REPORT, Stream.LINK]
    assert shop.agent.state.bed(printer) is BedState.UNKNOWN, "somebody looks at it"


async def test_a_job_that_the_end_interrupts_without_a_farm_is_told_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with printing(tmp_path) as (shop, _, driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        _makes_safe(driver, monkeypatch)
        shop.farm.cut()
    assert "job-ended" not in shop.farm.kinds()
    async with workshop(tmp_path, "left", farm=shop.farm) as again:
        await until(lambda: "job-ended" in shop.farm.kinds())
        assert not [call for call in again.drivers["left"].calls if call[0] == "trace"], "it has ended: nobody asks the machine"


async def test_who_gives_up_while_the_folder_is_taken_leaves_it_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taking, go_on = Event(), Event()

    class Slow(DataFolder):
        def __init__(self, path: Path) -> None:
            taking.set()
            assert go_on.wait(PATIENCE_S)
            super().__init__(path)

    monkeypatch.setattr("farm.node.agent.DataFolder", Slow)
    shop = Workshop(tmp_path, "left")
    starting = asyncio.create_task(shop.agent.start())
    await until(taking.is_set)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    go_on.set()
    await shop.agent.close()
    await asyncio.get_running_loop().shutdown_default_executor()
    DataFolder(tmp_path).close()  # raises when somebody has it


async def test_a_start_that_the_end_breaks_off_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        driver = shop.drivers["left"]
        closing = asyncio.Event()

        async def start(_program: Path, job: str) -> None:
            driver.becomes(PrinterState.PREPARING, job=job)
            await closing.wait()
            raise TransferError("The agent was stopped.", next_step="Try again.")

        async def close() -> None:
            closing.set()

        monkeypatch.setattr(driver, "start", start)
        monkeypatch.setattr(driver, "close", close)
        shop.farm.want({shop.printer("left"): [order()]})
        await until(lambda: driver.status.job, what="a start")
    assert shop.farm.kinds()[-2:] == ["job-ended", "job-collected"]
