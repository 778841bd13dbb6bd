"""Printers that come and go, and starts that are called off, while something else happens."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from drivers.base import PrinterState
from drivers.errors import WithdrawnError
from farm.config import PrinterSection
from farm.errors import ConflictError
from scheduler.model import BedState
from tests.unit.farm.node.fake_farm import order, until, workshop

SECTION = PrinterSection(name="Anna", url="scripted://late", profile="generic-210")


async def test_a_printer_that_nobody_waits_for_any_more_is_added_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is written it is here: not a printer that neither connects nor can be added again."""
    async with workshop(tmp_path) as shop:
        keeper = shop.agent._keeper
        real, written = keeper.apply, asyncio.Event()

        async def slow(event: Any, **named: Any) -> Any:
            """Written, and not told yet."""
            step = await real(event, **named)
            if step.state.printers and not written.is_set():
                written.set()
                await asyncio.sleep(60)
            return step

        with monkeypatch.context() as patch:
            patch.setattr(keeper, "apply", slow)
            adding = asyncio.create_task(shop.agent.add_printer(SECTION, key="maker-1"))
            await written.wait()
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
        printer = shop.printer("Anna")
        await until(lambda: shop.agent.state.printers[printer].status.state is PrinterState.IDLE)


async def test_a_printer_cannot_be_added_while_it_is_being_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its removal, which waits for its driver to let go, would remove the new one from what the farm is told."""
    async with workshop(tmp_path) as shop:
        printer = await shop.agent.add_printer(SECTION, key="maker-1")
        driver, closing, may_close = shop.drivers["late"], asyncio.Event(), asyncio.Event()
        real = driver.close

        async def slow() -> None:
            closing.set()
            await may_close.wait()
            await real()

        monkeypatch.setattr(driver, "close", slow)
        removing = asyncio.create_task(shop.agent.remove_printer(printer))
        await closing.wait()
        with pytest.raises(ConflictError):
            await shop.agent.add_printer(SECTION, key="maker-1")
        may_close.set()
        await removing
        assert printer not in shop.agent.state.printers
        assert await shop.agent.add_printer(SECTION, key="maker-1") == printer
        await until(lambda: shop.agent.state.printers[printer].status.state is PrinterState.IDLE)


async def test_a_start_that_a_person_cancelled_is_no_failure(tmp_path: Path) -> None:
    """The farm counts failures of a printer and of a program: this was neither."""
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        shop.scripts["left"].start_error = WithdrawnError()
        printer = shop.printer("left")
        shop.farm.want({printer: [order()]})
        await until(lambda: "job-collected" in shop.farm.kinds())
        ended = next(fact for fact in shop.farm.facts.values() if fact.kind == "job-ended").model_dump()
        assert (ended["outcome"], ended["code"]) == ("cancelled", "cancelled")
        assert shop.agent.state.bed(printer) is BedState.CLEAR
