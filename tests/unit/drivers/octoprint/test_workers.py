"""The shared threads. Blocking functions here wait for events that the test sets: no times are measured."""

import asyncio
import threading

import pytest

from drivers.errors import UnreachableError
from drivers.octoprint import workers
from drivers.octoprint.workers import PER_PRINTER, THREADS, URGENT_THREADS, Workers
from tests.patience import PATIENCE_S


async def test_fifty_printers_share_a_bounded_number_of_threads() -> None:
    printers = [Workers() for _ in range(50)]
    names = await asyncio.gather(*(printer.run(lambda: threading.current_thread().name) for printer in printers for _ in range(4)))
    assert len(set(names)) <= THREADS
    assert all(name.startswith("octoprint_") for name in names)
    for printer in printers:
        printer.close()


async def test_a_printer_that_answers_nothing_keeps_no_other_waiting() -> None:
    silent, lively, release = Workers(), Workers(), threading.Event()
    running = 0
    lock = threading.Lock()

    def hang() -> None:
        nonlocal running
        with lock:
            running += 1
        release.wait(PATIENCE_S)

    stuck = [asyncio.create_task(silent.run(hang)) for _ in range(THREADS * 2)]
    try:
        assert await lively.run(lambda: 5) == 5
        assert running <= PER_PRINTER
        assert await silent.run_urgently(lambda: 6) == 6  # an emergency stop waits for nothing
    finally:
        for task in stuck:
            task.cancel()
        release.set()
        await asyncio.gather(*stuck, return_exceptions=True)
        silent.close()
        lively.close()


async def test_the_last_one_ends_the_threads() -> None:
    first, second = Workers(), Workers()
    thread = await first.run(threading.current_thread)
    first.close()
    first.close()  # twice is once
    assert await second.run(lambda: 1) == 1
    second.close()
    assert workers._Pools.current is None
    await asyncio.to_thread(thread.join, PATIENCE_S)
    assert not thread.is_alive()


async def test_a_closed_share_runs_nothing() -> None:
    printer = Workers()
    printer.close()
    for run in (printer.run, printer.run_urgently):
        with pytest.raises(UnreachableError) as caught:
            await run(lambda: 1)
        assert caught.value.detail != caught.value.detail_fr


async def test_who_waits_while_it_is_closed_is_told_so_and_not_cancelled() -> None:
    printer, release = Workers(), threading.Event()
    busy = [asyncio.create_task(printer.run_urgently(release.wait, PATIENCE_S)) for _ in range(URGENT_THREADS)]
    waiting = asyncio.create_task(printer.run_urgently(lambda: 1))
    await asyncio.sleep(0.05)
    printer.close()
    try:
        with pytest.raises(UnreachableError):
            await waiting
    finally:
        release.set()
        await asyncio.gather(*busy)


async def test_who_is_cancelled_is_cancelled() -> None:
    printer, release = Workers(), threading.Event()
    task = asyncio.create_task(printer.run(release.wait, PATIENCE_S))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    printer.close()
