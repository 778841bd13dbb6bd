"""The farm in memory behaves like a farm: else tests that stand on it prove nothing."""

import asyncio
from pathlib import Path

import pytest

from api.testing import MemoryControl
from farm.control import Control
from farm.errors import ConflictError, InvalidError, NotFoundError, StoreFullError
from farm.request_bodies import ClearBedRequest, CollectRequest, OrderChange, OrderRequest
from scheduler.model import BedState, JobOutcome
from tests.unit.api.serving import GCODE, add_visor, until


def test_it_is_a_control(tmp_path: Path) -> None:
    control: Control = MemoryControl(tmp_path)  # mypy checks the contract
    assert control.snapshot().printers == []


async def test_an_order_is_printed_end_to_end(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    await add_visor(control, GCODE)
    order = await control.place_order(OrderRequest(design="visor-frame", quantity=3))
    assert (order.expected, order.to_allocate, order.owed) == (0, 3, 3)
    control.add_printer("prn-1", "one")
    control.add_printer("prn-2", "other", profile="generic-300")  # no program for it
    assert control.order(order.id).expected == 2
    assert control.printer("prn-2").ready
    for good in (2, 1):
        job = control.finish("prn-1")
        assert control.printer("prn-1").bed is BedState.OCCUPIED
        await control.collect("prn-1", CollectRequest(job=job.id, good=good, scrap=2 - good))
    done = control.order(order.id)
    assert (done.state, done.good, done.scrap, done.owed, done.expected, done.met_at) == ("met", 3, 1, 0, 0, control.now)
    assert control.printer("prn-1").ready
    assert len(await control.jobs(order=order.id)) == 2


async def test_cancelled_orders_start_nothing_more(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    control.add_printer("prn-1", "one")
    await add_visor(control, GCODE)
    order = await control.place_order(OrderRequest(design="visor-frame", quantity=10))
    await control.cancel_order(order.id)
    job = control.finish("prn-1", JobOutcome.FAILED)
    assert job.printer == "prn-1"
    await control.clear_bed("prn-1", ClearBedRequest(occupation=job.id))
    assert control.printer("prn-1").ready
    assert control.order(order.id).state == "cancelled"
    with pytest.raises(ConflictError):
        control.finish("prn-1")


async def test_priorities_and_changes(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    await add_visor(control, GCODE)
    low = await control.place_order(OrderRequest(design="visor-frame", quantity=2))
    high = await control.place_order(OrderRequest(revision="visor-frame-r1", quantity=2, priority=5))
    assert [order.id for order in control.orders()] == [high.id, low.id]
    await control.change_order(low.id, OrderChange(priority=9))
    control.add_printer("prn-1", "one")
    assert (control.order(low.id).expected, control.order(high.id).expected) == (2, 0)


async def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    control.full = True
    with pytest.raises(StoreFullError):
        await add_visor(control, GCODE)
    with pytest.raises(StoreFullError):
        await control.place_order(OrderRequest(design="visor-frame", quantity=1))
    assert (control.programs(), control.orders()) == ([], [])


async def test_wrong_questions(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    control.add_printer("prn-1", "one")
    with pytest.raises(NotFoundError):
        control.printer("prn-2")
    with pytest.raises(InvalidError):
        await add_visor(control, b"text")
    with pytest.raises(ConflictError):
        await control.collect("prn-1", CollectRequest(job="job-1", good=1))


async def test_changes_wake_everybody_who_waits(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    heard: list[int] = []

    async def listen(number: int) -> None:
        async for _ in control.changes():
            heard.append(number)  # noqa: PERF401 - each on its own, while it waits

    tasks = [asyncio.create_task(listen(number)) for number in range(2)]
    await asyncio.sleep(0)
    control.add_printer("prn-1", "one")
    await until(lambda: len(heard) >= 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(heard) == [0, 1]
    control.pass_time(5)
    assert control.snapshot().now == 1_700_000_005.0
