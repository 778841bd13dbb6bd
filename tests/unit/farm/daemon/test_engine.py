"""The loop: what is promised after the commit and never before, contact, replay, fencing, a full disk, restarts, poison."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from farm.bus import messages
from farm.bus.topics import Stream
from farm.errors import ConflictError, FarmError, NotFoundError
from gcode.texts import told
from scheduler.draft import Draft
from scheduler.model import Order, Stock
from tests.patience import PATIENCE_S
from tests.unit.farm.daemon.harness import (
    GENERATION,
    SEED,
    SHA,
    Farm,
    FullStore,
    Mail,
    ManualClock,
    collected,
    ended,
    joined,
    occupied,
    open_farm,
    printer_report,
    started,
)

# --- the whole way ----------------------------------------------------------------------------------------------------------------


async def test_a_frame_goes_from_order_to_collected(farm: Farm) -> None:
    await joined(farm)
    (held,) = farm.desired.printers["p1"]
    assert (held.order, held.program.sha256, held.jobs) == ("o1", SHA, 2)
    facts = [started(allocation=held.id), ended(allocation=held.id), collected(allocation=held.id)]
    mail = farm.journal(*facts)
    await farm.hear(mail)
    assert farm.world.durable.orders["o1"].good == 1
    stored = await farm.stored()
    assert stored.orders["o1"].good == 1
    assert stored.nodes["n1"].seq == 3
    assert mail.acknowledged == 1
    assert farm.bus.of(Stream.ACK)[-1].seq == 3


async def test_what_was_collected_leaves_the_memory_and_is_still_not_counted_twice(farm: Farm) -> None:
    await farm.hear(farm.journal(started(), ended(), collected()))
    assert farm.world.durable.jobs == {}
    await farm.hear(farm.journal(started(4), ended(5), collected(6)))
    assert farm.world.durable.orders["o1"].good == 1
    assert farm.world.durable.jobs == {}
    assert farm.world.durable.node_records["n1"].seq == 6


async def test_nothing_is_acknowledged_before_it_is_committed(farm: Farm) -> None:
    seen: list[int] = []
    commit = farm.store.commit
    mail = farm.journal(started())

    async def watched(changes: Any) -> None:
        await farm.engine.publisher.flush()
        seen.append(mail.acknowledged + len(farm.bus.of(Stream.ACK)))
        await commit(changes)

    farm.engine._store = type("Watched", (), {"commit": staticmethod(watched), "find": farm.store.find})()
    await farm.hear(mail)
    assert seen[0] == 0
    assert mail.acknowledged == 1
    assert farm.bus.of(Stream.ACK)[-1].seq == 1


async def test_heartbeats_and_telemetry_write_nothing(farm: Farm) -> None:
    await joined(farm)
    counting = FullStore(farm.store)
    counting.full = False
    farm.engine._store = counting
    await farm.hear(farm.report(occupied()))
    await farm.hear(farm.report(occupied()))
    figures = messages.Telemetry(boot=1, count=1, printers={"p1": messages.PrinterTelemetry(state="printing", progress=0.5)})
    farm.engine.on_message(Mail("n1", Stream.TELEMETRY, figures).received)
    await farm.hear(Mail("n1", Stream.LINK, messages.Link(connection=1, online=True)))
    assert counting.commits == 0
    assert farm.world.links["n1"].telemetry["p1"].progress == 0.5


async def test_a_batch_of_messages_is_one_transaction(farm: Farm) -> None:
    counting = FullStore(farm.store)
    counting.full = False
    farm.engine._store = counting
    await farm.engine.turn([farm.journal(started(seq, f"j{seq}")).received for seq in range(1, 51)])
    assert farm.world.durable.node_records["n1"].seq == 50
    assert counting.commits <= 2  # the facts, and perhaps the decisions that follow


# --- reports and contact ----------------------------------------------------------------------------------------------------------


async def test_only_a_report_that_shows_the_current_desired_state_is_acknowledged(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report(), desired_version=99, generation=0))
    assert [ack.report for ack in farm.bus.of(Stream.ACK)] == [None]
    assert farm.desired.generation == GENERATION
    mail = farm.report(printer_report())
    await farm.hear(mail)
    assert farm.bus.of(Stream.ACK)[-1].report == farm.count


async def test_silence_is_counted_from_the_last_acknowledged_report(farm: Farm) -> None:
    await joined(farm)
    farm.clock.advance(500)
    await farm.hear(farm.report(printer_report(), desired_version=0))
    assert farm.world.farm(farm.clock.boot_s()).nodes["n1"].silent_s == 500
    await farm.hear(farm.report(printer_report()))
    assert farm.world.farm(farm.clock.boot_s()).nodes["n1"].silent_s == 0


async def test_a_retained_report_is_shown_and_is_no_sign_of_life(farm: Farm) -> None:
    farm.clock.advance(100)
    await farm.hear(farm.report(printer_report(), retained=True))
    assert "p1" in farm.world.printers
    assert farm.bus.of(Stream.ACK) == []
    assert farm.world.farm(farm.clock.boot_s()).nodes["n1"].silent_s == 100


async def test_an_older_report_is_no_news_but_is_told_how_far_the_journal_is(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report(), report=9))
    farm.clock.advance(50)
    await farm.hear(farm.report(printer_report(material="PETG"), report=8))
    assert farm.world.printers["p1"].material == "PLA"
    assert farm.world.farm(farm.clock.boot_s()).nodes["n1"].silent_s == 50
    assert farm.bus.of(Stream.ACK)[-1].report is None


async def test_a_new_boot_begins_its_numbers_afresh(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report(), report=900))
    await farm.hear(farm.report(printer_report(material="PETG"), boot=2, report=1))
    assert farm.world.printers["p1"].material == "PETG"


async def test_nothing_is_allocated_before_the_journal_was_heard_to_its_head(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report(), journal=messages.JournalPosition(epoch="e1", oldest=1, head=1)))
    assert farm.world.durable.allocations == {}
    await farm.hear(farm.journal(started()))
    await farm.hear(farm.report(printer_report(), journal=messages.JournalPosition(epoch="e1", oldest=1, head=1)))
    assert len(farm.world.durable.allocations) == 1


async def test_a_last_will_only_hastens_suspicion(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report()), Mail("n1", Stream.LINK, messages.Link(connection=5, online=False)))
    assert farm.world.durable.allocations == {}
    await farm.hear(Mail("n1", Stream.LINK, messages.Link(connection=4, online=True)))
    assert not farm.world.links["n1"].online
    await farm.hear(farm.report(printer_report()))
    assert farm.world.links["n1"].online


# --- rejected ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mail",
    [
        Mail("n1", Stream.REPORT, b"not json"),
        Mail("n1", Stream.REPORT, b'{"v": 2}'),
        Mail("n1", Stream.JOURNAL, b'{"v": 1, "epoch": "e1", "oldest": -1, "head": 0, "facts": []}'),
        Mail("stranger", Stream.LINK, messages.Link(connection=1, online=True)),
        Mail("n1", Stream.DESIRED, messages.Desired(generation=1, version=1)),
    ],
)
async def test_what_is_not_ours_is_rejected_and_the_stream_goes_on(farm: Farm, mail: Mail) -> None:
    await farm.hear(mail, mail, farm.journal(started()))
    assert farm.engine.receiver.rejections.total == 2
    assert len(farm.engine.receiver.rejections.counts) == 1
    assert mail.acknowledged == 2
    assert farm.world.durable.node_records["n1"].seq == 1


async def test_a_node_cannot_speak_for_another_nodes_printer(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report()))
    await farm.hear(farm.report(printer_report(material="PETG"), node="n2"))
    assert farm.world.printers["p1"].node == "n1"
    assert farm.engine.receiver.rejections.counts["n2", "printer-of-another-node"] == 1
    await farm.hear(farm.journal(started(), node="n2", epoch="f1"))
    assert farm.world.durable.jobs == {}
    assert len(farm.world.durable.set_aside) == 1


async def test_a_poisoned_fact_is_set_aside_and_those_after_it_count(farm: Farm) -> None:
    poison = {"seq": 2, "kind": "job-teleported", "where": "moon"}
    await farm.hear(farm.journal(started(), poison, ended(3), collected(4)))
    assert farm.world.durable.orders["o1"].good == 1
    (kept,) = (await farm.stored()).set_aside.values()
    assert "moon" in kept.content
    assert "fact.set-aside" in farm.alarms


async def test_a_message_with_an_unforeseen_effect_takes_nobody_with_it(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    take = farm.engine.receiver.take

    def fragile(draft: Draft, parsed: Any, *rest: Any, **more: Any) -> None:
        if parsed.node == "n2":
            raise KeyError("unforeseen")
        take(draft, parsed, *rest, **more)

    monkeypatch.setattr(farm.engine.receiver, "take", fragile)
    bad = farm.journal(started(), node="n2", epoch="f1")
    await farm.hear(farm.journal(started()), bad, farm.journal(ended(), collected()))
    assert farm.world.durable.orders["o1"].good == 1
    assert bad.acknowledged == 1
    assert farm.engine.receiver.rejections.counts["n2", "unforeseen"] == 1


# --- people's wishes --------------------------------------------------------------------------------------------------------------


async def test_a_wish_is_answered_after_its_commit(farm: Farm) -> None:
    def wish(draft: Draft) -> str:
        draft.put(Stock("r9", 1))
        return "done"

    assert await farm.ask(wish) == "done"
    assert (await farm.stored()).stock["r9"].parts == 1


async def test_a_refused_wish_leaves_nothing_behind(farm: Farm) -> None:
    def half(draft: Draft) -> None:
        draft.put(Stock("r9", 1))
        raise ConflictError(told("no"), next_step=told("none"))

    with pytest.raises(ConflictError):
        await farm.ask(half)
    assert "r9" not in farm.world.durable.stock


async def test_a_wish_that_fails_in_an_unforeseen_way_is_told_so_and_not_done_twice(farm: Farm) -> None:
    done: list[str] = []

    def good(draft: Draft) -> None:
        done.append("good")
        draft.put(Stock("r9", len(done)))

    def bad(draft: Draft) -> None:
        raise KeyError("unforeseen")

    answers = [asyncio.ensure_future(farm.engine.ask(action)) for action in (good, bad)]
    await asyncio.sleep(0)
    await farm.turn(await farm.engine._inbox.take(1.0))
    await answers[0]
    with pytest.raises(KeyError):
        await answers[1]
    assert (await farm.stored()).stock["r9"].parts == farm.world.durable.stock["r9"].parts


async def test_the_loop_serves_wishes_until_it_is_cancelled(farm: Farm) -> None:
    task = asyncio.create_task(farm.engine.run())
    await farm.engine.ask(lambda draft: draft.put(Stock("r9", 2)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert farm.world.durable.stock["r9"].parts == 2


async def test_who_still_waits_when_the_loop_ends_is_told(farm: Farm) -> None:
    waiting = asyncio.ensure_future(farm.engine.ask(lambda draft: None))
    await asyncio.sleep(0)
    task = asyncio.create_task(farm.engine.run())
    task.cancel()
    await asyncio.sleep(0)
    farm.engine._inbox.close(FarmError(told("ending"), next_step=told("later")))
    with pytest.raises(FarmError):
        await waiting
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_changes_are_told_to_everybody_who_watches(farm: Farm) -> None:
    watching = farm.engine.changes()
    await anext(watching)
    following = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0.3)
    assert not following.done()
    await farm.ask(lambda draft: draft.put(Stock("r9", 1)))
    await asyncio.wait_for(following, PATIENCE_S)


# --- restarts and silence ---------------------------------------------------------------------------------------------------------


async def test_after_a_restart_nothing_in_memory_is_needed(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_farm(tmp_path, clock=clock) as first:
        await joined(first)
        (held,) = first.desired.printers["p1"]
        await first.hear(first.journal(started(allocation=held.id)))
        version = first.world.current("n1")
    clock.advance(3600)
    async with open_farm(tmp_path, clock=clock) as second:
        assert second.world.current("n1") == version
        assert second.world.farm(clock.boot_s()).nodes["n1"].silent_s == 0
        await second.hear(second.report(occupied(allocation=held.id), report=900))
        await second.hear(second.journal(started(allocation=held.id), ended(allocation=held.id), collected(allocation=held.id)))
        assert second.world.durable.orders["o1"].good == 1
        assert len(second.world.durable.allocations) == 1


async def test_one_heartbeat_round_of_patience_before_anything_is_written_off(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_farm(tmp_path, clock=clock) as first:
        await first.hear(first.journal(started()))
    clock.advance(1e6)
    async with open_farm(tmp_path, clock=clock) as second:
        await second.turn()
        assert not second.world.durable.jobs["j1"].written_off
        clock.advance(91)
        await second.turn()
        assert second.world.durable.jobs["j1"].written_off


async def test_a_silent_node_lapses_and_its_work_goes_to_another(farm: Farm) -> None:
    await joined(farm)
    farm.clock.advance(43_300)
    await farm.hear(farm.report(printer_report("p2"), node="n2"))
    await farm.hear(farm.report(printer_report("p2"), node="n2"))
    holders = {item.printer: item.unstarted for item in farm.world.durable.allocations.values()}
    assert holders["p1"] == 0
    assert holders["p2"] > 0


async def test_a_job_that_is_overdue_under_our_eyes_is_made_on_another_printer(tmp_path: Path) -> None:
    """A maker was offered the only job and went on holiday; the node is online and says so every half minute."""
    seed = [Order("o1", "r1", 1, 0, "", 0.0) if isinstance(entity, Order) else entity for entity in SEED]
    async with open_farm(tmp_path, seed) as farm:
        await joined(farm)
        (held,) = farm.world.durable.allocations.values()
        await farm.hear(farm.journal(started(allocation=held.id)))

        async def both_report() -> None:
            place = messages.JournalPosition(epoch="e2", oldest=1, head=0)
            await farm.hear(
                farm.report(occupied(allocation=held.id)), farm.report(occupied("jx", None, "p2"), node="n2", journal=place)
            )

        for _ in range(3):
            farm.clock.advance(3600)
            await both_report()
            await both_report()
        assert farm.world.durable.jobs["j1"].written_off
        for _ in range(4):
            farm.clock.advance(30)
            await both_report()
        assert farm.world.durable.jobs["j1"].written_off
        assert {item.printer: item.unstarted for item in farm.world.durable.allocations.values() if item.unstarted} == {"p2": 1}
        late = [ended(allocation=held.id), collected(allocation=held.id)]
        await farm.hear(farm.journal(*late))
        assert farm.world.durable.orders["o1"].good == 1
        assert not any(item.jobs > item.started for item in farm.world.durable.allocations.values())


async def test_outages_leave_nothing_in_memory_once_the_node_is_back(farm: Farm) -> None:
    await joined(farm)
    for _ in range(5):
        farm.clock.advance(13 * 3600)
        await farm.turn()
        assert any(item.lost for item in farm.world.durable.allocations.values())
        for _ in range(3):
            await farm.hear(farm.report(printer_report()))
        assert [item.lost for item in farm.world.durable.allocations.values()] == [0]


async def test_a_cancelled_order_is_withdrawn_confirmed_and_forgotten(farm: Farm) -> None:
    await joined(farm)
    farm.clock.advance(91)
    await farm.hear(farm.report(printer_report()))

    def cancel(draft: Draft) -> None:
        draft.put(Order("o1", "r1", 4, 0, "", 0.0, cancelled=True))

    await farm.ask(cancel)
    assert farm.desired.printers == {}
    assert [item.unstarted for item in farm.world.durable.allocations.values()] == [2]
    await farm.hear(farm.report(printer_report()))
    assert farm.world.durable.allocations == {}
    assert next(iter((await farm.stored()).allocations.values()), None) is None


async def test_the_broker_coming_back_is_told_everything_again(farm: Farm) -> None:
    await joined(farm)
    farm.bus.connected = False
    farm.engine.on_lost("gone")
    assert farm.alarms == ["broker-lost"]
    before = len(farm.bus.of(Stream.DESIRED))
    farm.bus.connected = True
    farm.engine.on_connected()
    await farm.engine.publisher.flush()
    assert len(farm.bus.of(Stream.DESIRED)) == before + 1
    assert farm.alarms == []


async def test_an_unknown_order_is_not_found(farm: Farm) -> None:
    def look(_draft: Draft) -> None:
        raise NotFoundError(told("no"), next_step=told("none"))

    with pytest.raises(NotFoundError):
        await farm.ask(look)


def test_the_seed_has_one_order() -> None:
    assert sum(isinstance(entity, Order) for entity in SEED) == 1


async def test_a_decision_that_takes_long_is_made_less_often_while_facts_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_farm(tmp_path) as farm:
        now_s = 100.0
        decided_s: list[float] = []

        def slow(*_: object) -> list[object]:
            nonlocal now_s
            decided_s.append(now_s)
            now_s += 0.25
            return []

        monkeypatch.setattr("farm.daemon.engine.reconcile", slow)
        monkeypatch.setattr(farm.engine, "_real_s", lambda: now_s)
        for number in range(1, 36):
            await farm.engine.turn([farm.journal(started(number, f"j{number}")).received])
            now_s += 0.125
        assert decided_s == [100.0, 101.25, 102.5, 103.75, 105.0]
        await farm.engine.turn([])
        assert len(decided_s) == 6, "a quiet moment is used at once"
