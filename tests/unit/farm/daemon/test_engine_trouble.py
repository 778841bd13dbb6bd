"""The loop in trouble: a disk that is full or fails, decisions and loops that fail, another daemon."""

import asyncio
from typing import Any

import pytest

from drivers.base import PrinterState
from farm.bus.messages import Link, PrinterTelemetry, Telemetry
from farm.bus.topics import Stream
from farm.daemon.absent import NOT_TAKEN_IN, ONLY_WATCHES, Blind
from farm.daemon.inbox import Request
from farm.daemon.presenter import Presenter
from farm.daemon.world import NEVER
from farm.errors import FarmError, InvalidError, StoreFullError
from gcode.texts import both
from scheduler.draft import Draft
from scheduler.model import Stock
from tests.patience import PATIENCE_S
from tests.unit.farm.daemon.harness import (
    GENERATION,
    Farm,
    FullStore,
    Mail,
    collected,
    ended,
    joined,
    occupied,
    printer_report,
    started,
)

# --- a full disk ------------------------------------------------------------------------------------------------------------------


async def test_a_full_disk_acknowledges_nothing_and_heals_by_itself(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.daemon.engine._FULL_RETRY_REAL_S", 0.0)
    await joined(farm)
    store = FullStore(farm.store)
    farm.engine._store = store
    said = len(farm.bus.of(Stream.ACK))
    await farm.hear(farm.journal(started(), ended(), collected()))
    await farm.hear(farm.report(printer_report()))
    assert farm.engine.full
    assert farm.alarms == ["store-full"]
    assert len(farm.bus.of(Stream.ACK)) == said
    assert farm.world.durable.orders["o1"].good == 0
    with pytest.raises(StoreFullError):
        await farm.ask(lambda draft: draft.put(Stock("r9", 1)))
    store.full = False
    await farm.hear(farm.journal(started(), ended(), collected()))
    assert farm.world.durable.orders["o1"].good == 1
    assert farm.alarms == []


async def test_a_full_disk_makes_no_node_silent(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.daemon.engine._FULL_RETRY_REAL_S", 0.0)
    await joined(farm)
    assert present(farm).nodes()[0].not_known is None
    store = FullStore(farm.store)
    farm.engine._store = store
    await farm.hear(farm.journal(started()))
    since_s = farm.clock.boot_s()
    farm.clock.advance(10_000.0)
    await farm.hear(farm.report(printer_report()))
    assert farm.engine.blind == Blind(NOT_TAKEN_IN, since_s), "of the first failure, not of the newest"
    seen = present(farm)
    node = next(view for view in seen.nodes() if view.id == "n1")
    assert (node.online, node.suspect, node.not_known) == (True, False, NOT_TAKEN_IN)
    (printer,) = seen.printers()
    assert (printer.online, printer.state, printer.why_not) == (True, PrinterState.IDLE, [NOT_TAKEN_IN])
    assert [view.why_waiting for view in seen.orders() if view.state == "open"] == [[NOT_TAKEN_IN]]
    store.full = False
    await farm.turn()
    (node,) = [view for view in present(farm).nodes() if view.id == "n1"]
    assert (node.suspect, node.not_known) == (True, None), "now its silence is its own again"


def present(farm: Farm) -> Presenter:
    engine = farm.engine
    return Presenter(farm.world, engine.rules, farm.clock, blind=engine.blind)


async def _long_after_a_print_began(farm: Farm) -> float:
    """A job that runs by its node's word, and that is due long ago by our clock, as after a start with a wrong time."""
    await farm.hear(farm.journal(started()))
    due_s = farm.world.durable.jobs["j1"].due_at_s
    farm.clock.advance(80.0)
    farm.engine.world.links["n1"].heard_s = farm.clock.boot_s()
    return due_s


async def test_a_report_that_could_not_be_written_is_news_when_it_is_repeated(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.daemon.engine._FULL_RETRY_REAL_S", 0.0)
    due_s = await _long_after_a_print_began(farm)
    store = FullStore(farm.store)
    farm.engine._store = store
    mail = farm.report(occupied(), generation=GENERATION)
    await farm.hear(mail)
    assert farm.engine.full
    link = farm.world.links["n1"]
    assert (link.seen, link.alive, link.report) == (NEVER, NEVER, None)
    assert farm.world.printers == {}
    assert [ack.report for ack in farm.bus.of(Stream.ACK)] == [None], "only the journal was answered, before"
    store.full = False
    await farm.hear(mail)
    assert link.alive == link.seen == (1, 1)
    assert farm.world.printers["p1"].job == "j1"
    assert farm.bus.of(Stream.ACK)[-1].report == 1
    assert farm.world.durable.jobs["j1"].due_at_s == pytest.approx(due_s + 80.0), "its time begins when we first see it run"


async def test_a_report_beside_something_unforeseen_is_news_when_it_is_taken_alone(farm: Farm) -> None:
    due_s = await _long_after_a_print_began(farm)

    def unforeseen(_draft: Draft) -> None:
        raise KeyError("unforeseen")

    request = Request(unforeseen)
    await farm.turn([farm.report(occupied()).received, request])
    with pytest.raises(KeyError):
        await request.answer
    assert farm.world.links["n1"].alive == (1, 1)
    assert farm.bus.of(Stream.ACK)[-1].report == 1
    assert farm.world.durable.jobs["j1"].due_at_s == pytest.approx(due_s + 80.0)


async def test_a_last_will_that_could_not_be_written_with_its_batch_has_not_been_heard(farm: Farm) -> None:
    farm.engine._store = FullStore(farm.store)
    will = Mail("n1", Stream.LINK, Link(connection=5, online=False))
    await farm.hear(farm.journal(started()), will)
    assert (farm.world.links["n1"].online, farm.world.links["n1"].connection) == (True, -1)


async def test_telemetry_that_comes_while_a_batch_is_written_is_kept(farm: Farm) -> None:
    commit = farm.store.commit

    async def meanwhile(changes: Any) -> None:
        figures = Telemetry(boot=1, count=1, printers={"p1": PrinterTelemetry(state="printing", progress=0.5)})
        farm.engine.on_message(Mail("n1", Stream.TELEMETRY, figures).received)
        await commit(changes)

    await farm.hear(farm.report(printer_report()))
    farm.engine._store = type("Slow", (), {"commit": staticmethod(meanwhile), "find": farm.store.find})()
    await farm.hear(farm.report(printer_report(material="PETG")))
    assert farm.world.links["n1"].telemetry["p1"].progress == 0.5
    assert farm.world.links["n1"].alive == (1, 2)


async def test_decisions_that_cannot_be_written_are_made_again(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.daemon.engine._FULL_RETRY_REAL_S", 0.0)
    store = FullStore(farm.store)
    farm.engine._store = store
    await joined(farm)
    assert farm.world.durable.allocations == {}
    store.full = False
    await farm.hear(farm.report(printer_report()))
    assert len(farm.world.durable.allocations) == 1


async def test_a_file_system_that_became_read_only_stops_nothing_for_good(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ext4 does to an SD card that fails: the real store, which may only read."""
    monkeypatch.setattr("farm.daemon.engine._FULL_RETRY_REAL_S", 0.0)
    await farm.hear(farm.report(printer_report()))
    with farm.store._writer.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA query_only=1")  # type: ignore[union-attr] # SQLite's own
    loop = asyncio.create_task(farm.engine.run())
    farm.engine.on_message(farm.report(printer_report()).received)
    with pytest.raises(FarmError) as refused:
        await asyncio.wait_for(farm.engine.ask(lambda draft: draft.put(Stock("r9", 1))), PATIENCE_S)
    assert refused.value.code == "store-failed"
    assert farm.alarms == ["store-failed"]
    assert "readonly" in farm.engine.store_trouble
    assert both(farm.engine.store_trouble).fr != farm.engine.store_trouble
    assert not loop.done()
    with farm.store._writer.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA query_only=0")  # type: ignore[union-attr] # as above
    await asyncio.wait_for(_until_it_takes(farm), PATIENCE_S)
    assert farm.alarms == []
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def _until_it_takes(farm: Farm) -> None:
    while True:
        try:
            return await farm.engine.ask(lambda draft: draft.put(Stock("r9", 1)))
        except FarmError:
            await asyncio.sleep(0.02)


async def test_a_store_that_fails_is_tried_less_and_less_often(farm: Farm) -> None:
    store = FullStore(farm.store)
    farm.engine._store = store
    now_s = [1_000.0]
    farm.engine._real_s = lambda: now_s[0]  # type: ignore[method-assign] # the clock of the loop, moved by hand
    await farm.engine.turn([farm.journal(started()).received])
    tries = []
    for second in range(120):
        now_s[0] += 1.0
        before = store.commits
        await farm.engine.turn([])
        tries += [second + 1] if store.commits > before else []
    assert tries == [2, 6, 14, 30, 60, 90, 120]


async def test_a_row_that_the_store_refuses_takes_nobody_with_it(farm: Farm) -> None:
    """SQLite says what is wrong with a row: that is not the store's fault, and the others' rows are written."""
    answers = [
        asyncio.ensure_future(farm.engine.ask(lambda draft: draft.put(Stock("r8", None)))),  # type: ignore[arg-type] # on purpose
        asyncio.ensure_future(farm.engine.ask(lambda draft: draft.put(Stock("r9", 2)))),
    ]
    await asyncio.sleep(0)
    await farm.turn(await farm.engine._inbox.take(1.0))
    with pytest.raises(InvalidError):
        await answers[0]
    await answers[1]
    assert (await farm.stored()).stock["r9"].parts == 2
    assert not farm.engine.full


async def test_decisions_that_fail_in_an_unforeseen_way_do_not_end_the_loop(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.daemon.guard._FIRST_REAL_S", 0.01)
    with monkeypatch.context() as patch:

        def broken(*_: object) -> None:
            raise KeyError("unforeseen")

        patch.setattr("farm.daemon.engine.reconcile", broken)
        loop = asyncio.create_task(farm.engine.run())
        await _until_told(farm, troubled=True)
        assert farm.alarms == ["scheduler-failed"]
        await asyncio.wait_for(farm.engine.ask(lambda draft: draft.put(Stock("r9", 1))), PATIENCE_S)
    await _until_told(farm, troubled=False)
    assert farm.alarms == []
    assert not loop.done()
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def _until_told(farm: Farm, *, troubled: bool) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async for _ in farm.engine.changes():
            if bool(farm.engine.trouble) is troubled:
                return


async def test_after_a_loop_ended_people_are_told_and_health_says_so(farm: Farm) -> None:
    waiting = asyncio.ensure_future(farm.engine.ask(lambda draft: None))
    await asyncio.sleep(0)
    farm.engine.ended(RuntimeError("gone"))
    with pytest.raises(FarmError):
        await waiting
    with pytest.raises(FarmError):
        await farm.engine.ask(lambda draft: None)
    assert "gone" in farm.engine.trouble
    assert farm.alarms == ["scheduler-failed"]


@pytest.mark.parametrize(
    "shown",
    [{"generation": GENERATION + 1}, {"desired_version": 3}, {"journal": {"epoch": "e7", "oldest": 1, "head": 9, "acked": 9}}],
)
async def test_a_node_that_joined_with_the_memory_of_another_stops_nobody(farm: Farm, shown: dict[str, Any]) -> None:
    await joined(farm)
    for _ in range(2):
        await farm.hear(farm.report(printer_report("p2"), node="n2", **shown))
    assert farm.alarms == []
    assert farm.engine.receiver.rejections.of_nodes()["n2"] == {"foreign-generation": 2}
    assert farm.world.durable.node_records["n2"].epoch == ""
    assert "p2" not in farm.world.printers
    assert farm.bus.of(Stream.ACK, "n2") == []
    assert farm.bus.of(Stream.ACK, "n1"), "the farm goes on"
    await farm.hear(farm.report(printer_report("p2"), node="n2", generation=0, desired_version=0))
    assert "p2" in farm.world.printers, "once it has a memory of its own"


# --- another daemon ---------------------------------------------------------------------------------------------------------------


async def test_a_higher_generation_fences_the_daemon(farm: Farm) -> None:
    await joined(farm)
    said = len(farm.bus.said)
    await farm.hear(farm.report(printer_report(), generation=GENERATION + 1))
    assert farm.alarms == ["fenced"]
    assert farm.engine.blind == Blind(ONLY_WATCHES, farm.clock.boot_s())
    farm.clock.advance(10_000.0)
    assert {view.not_known for view in present(farm).nodes()} == {ONLY_WATCHES}
    assert [(view.online, view.why_not) for view in present(farm).printers()] == [(True, [ONLY_WATCHES])]
    fence = present(farm).fence()
    assert fence is not None
    assert (fence.counted, fence.heard, fence.known) == ("generation", GENERATION + 1, GENERATION)
    await farm.hear(farm.journal(started()), farm.report(printer_report()))
    assert len(farm.bus.said) == said
    assert farm.world.durable.node_records["n1"].seq == 0
    with pytest.raises(FarmError, match="only watches"):
        await farm.ask(lambda draft: draft.put(Stock("r9", 1)))
