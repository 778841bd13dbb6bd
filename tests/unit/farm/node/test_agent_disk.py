"""An agent whose disk is full."""

import asyncio
from pathlib import Path

import pytest

from drivers.base import PrinterState
from farm.bus.messages import Report
from farm.node.agent import Agent
from farm.node.core import Changes
from farm.node.ledger import LedgerWriteError
from scheduler.model import BedState, JobOutcome
from tests.unit.farm.node.fake_farm import GCODE_SHA, order, printing, until, workshop


def said(report: Report) -> str:
    """Why the first printer is not ready, in English."""
    reason = report.printers[0].reason
    return reason.en if reason is not None else ""


async def test_a_full_disk_starts_nothing_loses_nothing_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.agent._PAY_EVERY_S", 0.05)
    async with printing(tmp_path) as (shop, printer, driver):
        job = driver.status.job
        ledger = shop.agent._keeper._ledger
        assert ledger is not None
        await shop.agent.settle()

        commit, full = ledger.commit, True

        def commit_if_there_is_room(changes: Changes) -> None:
            if full:
                raise LedgerWriteError("No room.", next_step="Make some.", full=True)
            commit(changes)

        monkeypatch.setattr(ledger, "commit", commit_if_there_is_room)
        driver.finishes()
        await shop.agent.settle()
        assert shop.agent.state.occupations[printer].outcome is None, "what is not written has not happened"
        assert shop.agent._keeper.owed
        await until(lambda: said(shop.farm.report) == "The ledger cannot be written (is the disk full?).")
        full = False
        await until(lambda: shop.agent.state.occupations[printer].outcome is JobOutcome.PRINTED)
        await until(lambda: shop.agent.state.writable and not shop.agent._keeper.owed)
        assert shop.agent.state.occupations[printer].id == job


class FullDisk:
    """A ledger whose disk is full as long as `full`."""

    def __init__(self, agent: Agent, patch: pytest.MonkeyPatch) -> None:
        ledger = agent._keeper._ledger
        assert ledger is not None
        self.full = True
        self.commit = ledger.commit
        patch.setattr(ledger, "commit", self.commit_if_there_is_room)

    def commit_if_there_is_room(self, changes: Changes) -> None:
        if self.full:
            raise LedgerWriteError("No room.", next_step="Make some.", full=True)
        self.commit(changes)


async def test_a_foreign_print_during_a_full_disk_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins and ends before anything can be written: by then the machine is idle, and somebody's part is on the bed."""
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        printer, driver = shop.printer("left"), shop.drivers["left"]
        disk = FullDisk(shop.agent, monkeypatch)
        driver.becomes(PrinterState.FOREIGN)
        await shop.agent.settle()
        driver.becomes(PrinterState.IDLE)
        await shop.agent.settle()
        assert not shop.agent.state.writable
        disk.full = False
        shop.farm.want({printer: [order()]})
        await until(lambda: shop.agent.state.bed(printer) is BedState.UNKNOWN)
        await until(lambda: shop.agent.state.version == shop.farm.desired.version and GCODE_SHA in shop.agent.state.files)
        await shop.agent.settle()
        assert "start" not in [call[0] for call in driver.calls]


async def test_a_foreign_print_that_is_over_before_it_is_looked_at_is_not_forgotten(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        driver = shop.drivers["left"]
        driver.becomes(PrinterState.FOREIGN)
        driver.becomes(PrinterState.IDLE)
        await shop.agent.settle()
        assert shop.agent.state.bed(shop.printer("left")) is BedState.UNKNOWN


async def test_a_machine_that_talks_on_a_full_disk_owes_one_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.agent._PAY_EVERY_S", 3600.0)
    async with printing(tmp_path) as (shop, printer, driver):
        await shop.agent.settle()
        disk = FullDisk(shop.agent, monkeypatch)
        driver.finishes()
        for number in range(20):
            driver.becomes(PrinterState.FOREIGN if number % 2 else PrinterState.FAULT)
            await shop.agent.settle()
        assert shop.agent._keeper.owed <= 2, "the end of the job, and the newest status"
        disk.full = False
        await shop.agent._keeper.pay_owed()
        assert shop.agent.state.occupations[printer].outcome is JobOutcome.PRINTED


async def test_an_agent_that_dies_while_the_disk_is_full_was_blind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.agent._MARK_AT_LEAST_S", 0.01)
    monkeypatch.setattr("farm.node.agent._MARK_EVERY_S", 0.1)
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        folder = shop.agent._folder
        assert folder is not None
        await until(lambda: shop.printer("left") in folder.read_seen(60.0), what="a mark")
        disk = FullDisk(shop.agent, monkeypatch)
        shop.drivers["left"].becomes(PrinterState.FOREIGN)
        await until(lambda: folder.read_seen(60.0) == {}, what="no mark")
        await asyncio.sleep(0.05)
        assert folder.read_seen(60.0) == {}, "what would a process know that starts now"
        disk.full = False
