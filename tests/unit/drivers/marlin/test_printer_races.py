"""Two things at once on a real pty: a cancel before the first line, a close while a file is followed, an end in the last moment."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from drivers.base import PrintEnd, PrinterState
from drivers.errors import UnreachableError, WithdrawnError
from drivers.marlin import printer as printer_module
from drivers.marlin import recovery, shell
from drivers.marlin.claim import Claim
from drivers.marlin.printer import MarlinPrinter
from drivers.marlin.program import ProgramReader, ProgramSize, check
from drivers.virtual.port import VirtualPort
from tests.patience import PATIENCE_S
from tests.unit.drivers.marlin.test_printer import Ear, _hasty, assert_cold, driver, ear, frame, port, truth, until

__all__ = ["_hasty", "driver", "ear", "frame", "port"]  # pytest finds them here


async def test_a_cancel_while_the_file_is_checked_prevents_the_start(
    driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cancels a job is told that it is done: it must not print minutes later, when its file was read."""

    def long_check(path: Path, given_up: Callable[[], bool]) -> ProgramSize:
        for _ in range(100):
            if given_up():
                break
            time.sleep(0.01)
        return check(path, given_up)

    monkeypatch.setattr(printer_module, "check", long_check)
    starting = asyncio.create_task(driver.start(frame, "job-1"))
    await asyncio.sleep(0.05)
    await driver.cancel("job-2")  # of another job: nothing
    await driver.cancel("job-1")
    with pytest.raises(WithdrawnError) as raised:
        await starting
    assert raised.value.detail != raised.value.detail_fr
    assert driver.status.state is PrinterState.IDLE
    assert ear.ends == []
    assert truth(port, "extruded_mm") == 0
    monkeypatch.undo()
    await driver.start(frame, "job-2")  # the next one is wanted


async def test_a_file_is_not_read_on_when_nobody_waits_for_the_start(
    driver: MarlinPrinter, frame: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes for a large one, in the one thread of this printer: the next start would wait for them."""
    reading, ended = threading.Event(), threading.Event()

    def endless_check(_path: Path, given_up: Callable[[], bool]) -> ProgramSize:
        reading.set()
        while not given_up():
            time.sleep(0.01)
        ended.set()
        raise WithdrawnError

    with monkeypatch.context() as patch:
        patch.setattr(printer_module, "check", endless_check)
        starting = asyncio.create_task(driver.start(frame, "job-1"))
        await until(reading.is_set)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    second = asyncio.create_task(driver.start(frame, "job-2"))
    await until(ended.is_set)
    await second
    assert driver.status.job == "job-2"


async def test_a_cancel_before_the_first_line_is_told_by_the_start(
    driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear
) -> None:
    port.call(lambda firmware, now_s: firmware.freeze(100.0, now_s))  # half a second
    starting = asyncio.create_task(driver.start(frame, "job-1"))
    await until(lambda: driver.status.state is PrinterState.PREPARING)
    await driver.cancel("job-1")
    with pytest.raises(WithdrawnError):
        await starting
    await until(lambda: driver.status.state is PrinterState.IDLE)
    assert ear.ends == []


async def test_a_machine_that_obeys_in_the_last_moment_ends_its_job_once(
    driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the last words go out the machine confirms after all: that is the job's end, and there is no second one."""
    monkeypatch.setattr(shell, "SAFE_S", 0.1)
    monkeypatch.setattr(shell, "LAST_WORDS_S", 6.0)
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    port.call(lambda firmware, now_s: firmware.freeze(200.0, now_s))  # 1 s
    await driver.close()
    assert [(ended.job, ended.end) for ended in ear.ends] == [("job-1", PrintEnd.INTERRUPTED)]
    assert "did not confirm" not in ear.ends[0].detail
    assert_cold(port)


async def test_a_close_while_an_old_job_is_traced_says_nothing_of_it(
    driver: MarlinPrinter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port is closed before the file was followed: nothing was made safe, so the next process has to ask again."""
    following = asyncio.Event()
    loop = asyncio.get_running_loop()

    def long_prepare(*_: object) -> recovery.Prepared:
        loop.call_soon_threadsafe(following.set)
        time.sleep(0.3)
        return recovery.Prepared(why_not="no bookmark")

    monkeypatch.setattr(recovery, "prepare", long_prepare)
    driver._protocol.was_reset = False
    tracing = asyncio.create_task(driver.trace("job-0"))
    async with asyncio.timeout(PATIENCE_S):
        await following.wait()
    await driver.close()
    with pytest.raises(UnreachableError, match="let go"):
        await tracing


async def test_a_file_that_was_followed_for_nobody_is_let_go(
    driver: MarlinPrinter, frame: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following, go_on = threading.Event(), threading.Event()
    reader = ProgramReader(frame)

    def long_prepare(*_: object) -> recovery.Prepared:
        following.set()
        assert go_on.wait(PATIENCE_S)
        reader.read_batch()
        return recovery.Prepared(cast("Claim", object()), reader)

    monkeypatch.setattr(recovery, "prepare", long_prepare)
    driver._protocol.was_reset = False
    tracing = asyncio.create_task(driver.trace("job-0"))
    await until(following.is_set)
    tracing.cancel()
    await asyncio.wait({tracing})
    go_on.set()
    await until(lambda: reader._offset > 0 and reader._file is None)


async def test_a_close_right_after_a_trace_lets_the_machine_cool_first(driver: MarlinPrinter, port: VirtualPort) -> None:
    """The trace has said that the heaters are off: letting go of the port must not cut that short."""
    await driver.close()
    port.call(lambda firmware, now_s: firmware.feed(b"M104 S200\nM140 S60\n", now_s))
    second = MarlinPrinter(port.path, 115_200, Ear())
    await second.connect()
    assert (await second.trace("job-0")).end is PrintEnd.INTERRUPTED
    await second.close()
    assert_cold(port)
