"""An agent whose disk is full."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drivers.base import JobTrace, PrinterState
from farm.bus.messages import Report
from farm.node.agent import Agent
from farm.node.core import Changes
from farm.node.ledger import LedgerWriteError
from gcode.texts import Bilingual
from scheduler.model import BedState, JobOutcome
from tests.patience import PATIENCE_S
from tests.unit.farm.node.fake_farm import GCODE_SHA, Workshop, order, printing, until, workshop
from tests.unit.farm.node.full_disk import MIB, small_disk

ROOT = Path(__file__).parents[4]
_NO_ROOM = Bilingual("No room.", "Le disque est plein.")
_MAKE_SOME = Bilingual("Make some.", "Libérez de la place.")


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
                raise LedgerWriteError(_NO_ROOM, next_step=_MAKE_SOME, full=True)
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
            raise LedgerWriteError(_NO_ROOM, next_step=_MAKE_SOME, full=True)
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


# --- a disk that is really full


class Process:
    """An agent process on a small disk (see disk_agent.py)."""

    def __init__(self, folder: Path, ballast_bytes: int = MIB) -> None:
        command = [sys.executable, "-m", "tests.unit.farm.node.disk_agent", str(folder), str(ballast_bytes)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    def do(self, word: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.end()
        said: dict[str, Any] = json.loads(line)
        return said

    def kill(self) -> str:
        self.process.kill()
        return self.end()

    def end(self) -> str:
        """What it said on standard error."""
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return str(errors)


@pytest.mark.real
def test_the_end_of_a_job_is_written_on_a_full_disk_and_survives_a_kill(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8 * MIB) as disk:
        data = disk.path / "node"
        first = Process(data)
        first.do("deaf")
        begun = first.do("print")
        assert (begun["nearly_full"], begun["started"]) == (False, 1)
        disk.fill()
        ended = first.do("finish")
        assert ended["outcome"] == "printed", "it is in the ledger"
        assert (ended["writable"], ended["nearly_full"], ended["reason"]) == (True, True, "disk-nearly-full")
        assert (data / "ballast").stat().st_size < MIB
        disk.fill()  # whoever fills it goes on
        assert "the ballast gives way" in first.kill()

        second = Process(data)
        told = second.do("state")
        assert told["job"] == ended["job"]
        assert told["outcome"] == "printed"
        assert ended["told"] == []
        assert told["told"][-2:] == ["job-started", "job-ended"], "a farm that was never told hears it now"
        assert told["boot"] > ended["boot"]
        second.kill()


@pytest.mark.real
def test_a_hand_collects_on_a_full_disk_and_nothing_new_starts_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8 * MIB) as disk:
        agent = Process(disk.path / "node")
        agent.do("print")
        agent.do("finish")
        disk.fill()
        collected = agent.do("collect")
        assert collected["job"] is None, "the bed is clear"
        assert "job-collected" in collected["told"]
        assert (collected["started"], collected["reason"]) == (1, "disk-nearly-full"), "of nine that may start"
        disk.empty()
        again = agent.do("room")
        assert again["nearly_full"] is False
        assert again["started"] == 2
        assert (disk.path / "node" / "ballast").stat().st_size == MIB
        agent.kill()


@pytest.mark.real
async def test_an_agent_starts_on_a_full_disk_and_its_print_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.agent._PAY_EVERY_S", 0.05)
    with small_disk(tmp_path / "disk", 8 * MIB) as disk:
        async with printing(disk.path / "node", ballast_bytes=MIB) as (shop, printer, driver):
            job, boot = driver.status.job, shop.agent.state.boot
        disk.fill()
        again = Workshop(disk.path / "node", "left", farm=shop.farm, ballast_bytes=MIB)
        again.scripts["left"].trace = JobTrace(running=True)
        try:
            await again.agent.start()
            assert again.agent.state.boot > boot
            assert again.agent.state.nearly_full
            await until(lambda: again.agent.state.printers[printer].status.job == job)
            again.drivers["left"].finishes()
            await until(lambda: again.agent.state.occupations[printer].outcome is JobOutcome.PRINTED)
            await until(lambda: "job-ended" in again.farm.kinds())
            await again.agent.collect(printer, job or "", 2, 0, by="hand")
            await until(lambda: said(again.farm.report).startswith("The disk is nearly full"))
            assert "start" not in [call[0] for call in again.drivers["left"].calls]
            disk.empty()
            await until(lambda: "start" in [call[0] for call in again.drivers["left"].calls])
        finally:
            await again.agent.close()


@pytest.mark.real
def test_without_any_room_the_agent_says_so_ends_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8 * MIB) as disk:
        data = disk.path / "node"
        agent = Process(data)
        agent.do("print")
        job = agent.do("finish")["job"]
        agent.kill()
        (data / "ballast").unlink()
        disk.fill()
        join = {"node": "node-1", "name": "n", "farm_url": "http://127.0.0.1:9", "mqtt_urls": ["mqtt://127.0.0.1:9"]}
        disk.empty()
        (data / "identity.json").write_text(json.dumps({**join, "password": "p"}))
        disk.fill()
        for _ in range(3):  # as a service that is started again and again
            done = subprocess.run(
                [sys.executable, "-m", "farm.node", "--data", str(data)],
                capture_output=True,
                text=True,
                cwd=ROOT,
                env={**os.environ, "NODE_PAGE__ENABLED": "false"},
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.returncode == 1
            assert "full" in done.stderr
            assert "Free some space" in done.stderr
            assert "Traceback" not in done.stderr
        disk.empty()
        again = Process(data)
        assert again.do("state")["job"] == job
        again.kill()
