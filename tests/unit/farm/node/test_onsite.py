from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.base import PrinterState
from drivers.errors import PrinterBusyError
from farm.bus.messages import ClearBedAction, CollectAction, JobAction, StopAction
from farm.errors import ConflictError, NotFoundError
from farm.node.ledger import LedgerWriteError
from scheduler.model import BedState
from tests.unit.farm.node.fake_farm import Workshop, order, printing, until, workshop
from tests.unit.farm.node.test_agent_disk import FullDisk


class Busy:
    def __init__(self, shop: Workshop, printer: str) -> None:
        self.shop, self.printer = shop, printer
        self.driver = shop.drivers["left"]
        self.job = self.driver.status.job or ""
        self.on_site = shop.agent.on_site


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[Busy]:
    async with printing(tmp_path) as (shop, printer, _):
        await shop.agent.settle()
        yield Busy(shop, printer)


async def test_pause_resume_and_cancel_name_the_job(busy: Busy) -> None:
    for kind in ("pause", "resume", "cancel"):
        await busy.on_site.act(JobAction(kind=kind, printer=busy.printer, job=busy.job))
        assert busy.driver.calls[-1] == (kind, busy.job)
    await busy.shop.agent.settle()
    occupied = busy.shop.agent.state.occupations[busy.printer]
    assert occupied.outcome == "cancelled"
    calls = len(busy.driver.calls)
    with pytest.raises(ConflictError, match="does not run"):
        await busy.on_site.act(JobAction(kind="cancel", printer=busy.printer, job=busy.job))
    assert len(busy.driver.calls) == calls, "a second click does nothing"


async def test_another_job_is_not_touched(busy: Busy) -> None:
    with pytest.raises(ConflictError, match="does not run"):
        await busy.on_site.act(JobAction(kind="cancel", printer=busy.printer, job="job-of-before"))
    with pytest.raises(NotFoundError):
        await busy.on_site.act(StopAction(printer="printer-of-nobody"))
    assert busy.driver.calls[-1][0] == "start"


async def test_an_emergency_stop_asks_for_no_job(busy: Busy) -> None:
    await busy.on_site.act(StopAction(printer=busy.printer))
    assert busy.driver.calls[-1] == ("emergency-stop",)
    busy.driver.script.act_error = PrinterBusyError("It does not listen.", next_step="Pull the plug.")
    with pytest.raises(ConflictError, match="It does not listen"):
        await busy.on_site.act(StopAction(printer=busy.printer))


async def test_a_hand_collects_once(busy: Busy) -> None:
    action = CollectAction(printer=busy.printer, job=busy.job, good=1, scrap=1, by="hand")
    with pytest.raises(ConflictError, match="has not ended"):
        await busy.on_site.collect(action)
    busy.shop.farm.acknowledges = False
    busy.driver.finishes()
    await busy.shop.agent.settle()
    await busy.on_site.collect(action)
    with pytest.raises(ConflictError, match="not on this bed"):
        await busy.on_site.collect(action)
    await until(lambda: busy.shop.farm.kinds().count("job-collected") == 1)


async def test_a_hand_clears_what_it_saw_and_nothing_that_came_after(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        printer = shop.printer("left")
        await until(lambda: printer in shop.agent.state.occupations)
        first = ClearBedAction(printer=printer, occupation=shop.agent.state.occupations[printer].id, by="hand")
        await shop.agent.on_site.clear(first)
        assert shop.agent.state.bed(printer) is BedState.CLEAR
        shop.drivers["left"].becomes(PrinterState.FOREIGN)
        shop.drivers["left"].becomes(PrinterState.IDLE)
        await shop.agent.settle()
        with pytest.raises(ConflictError, match="not on this bed"):
            await shop.agent.on_site.clear(first)
        assert shop.agent.state.bed(printer) is not BedState.CLEAR


async def test_what_cannot_be_written_is_told(busy: Busy, monkeypatch: pytest.MonkeyPatch) -> None:
    busy.driver.finishes()
    await busy.shop.agent.settle()
    (busy.shop.folder / "ballast").unlink()
    disk = FullDisk(busy.shop.agent, monkeypatch)
    with pytest.raises(LedgerWriteError):
        await busy.on_site.collect(CollectAction(printer=busy.printer, job=busy.job, good=2, scrap=0))
    assert busy.printer in busy.shop.agent.state.occupations
    disk.full = False


async def test_go_on_lets_a_node_start_that_never_heard_of_the_farm(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        shop.farm.acknowledges = False
        shop.farm.want({shop.printer("left"): [order(jobs=2)]})
        await until(lambda: shop.agent.state.version == shop.farm.desired.version)
    shop.farm.cut()
    again = Workshop(tmp_path, "left")
    again.farm.acknowledges = False
    try:
        await again.agent.start()
        printer = again.printer("left")
        await until(lambda: again.agent.state.printers[printer].status.state is PrinterState.IDLE)
        await again.agent.settle()
        if (occupied := again.agent.state.occupations.get(printer)) is not None:  # it was away: somebody looks at the bed
            await again.agent.on_site.clear(ClearBedAction(printer=printer, occupation=occupied.id))
        assert again.agent.state.contact_s is None
        assert "start" not in [call[0] for call in again.drivers["left"].calls]
        await again.agent.on_site.go_on(by="Anna")
        await until(lambda: "start" in [call[0] for call in again.drivers["left"].calls])
    finally:
        await again.agent.close()


async def test_go_on_is_refused_where_nothing_is_left_to_start(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        with pytest.raises(ConflictError, match="nothing to start"):
            await shop.agent.on_site.go_on(by="Anna")
