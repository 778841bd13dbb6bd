"""A daemon that was restored listens first, follows its nodes until they have told everything, and takes over when it is asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from farm.bus.topics import Stream
from farm.daemon import healer as module
from farm.daemon.fence import Fence, FenceWhy
from farm.daemon.generation import FARTHEST, GenerationFile
from farm.daemon.healer import fence_alarm, healing_alarm, put_back_alarm
from farm.daemon.healing import LAST, META, Healed, Healing, HealingWhy, read_healed, read_healing
from farm.daemon.presenter import healed_view, healing_view
from farm.errors import FarmError
from farm.store.repository import SetMeta
from gcode.texts import told
from scheduler.model import JobOutcome
from tests.unit.farm.daemon.harness import (
    GENERATION,
    Farm,
    FullStore,
    collected,
    ended,
    joined,
    occupied,
    open_farm,
    printer_report,
    started,
)

RESTORED = Healing(HealingWhy.RESTORED, 900_000.0, backup_at_s=890_000.0)
ROUND_S = 100.0


@pytest_asyncio.fixture
async def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Farm]:
    """A farm that was just restored."""
    monkeypatch.setattr(module, "LISTEN_REAL_S", 0.0)
    async with open_farm(tmp_path) as farm:
        await farm.store.commit([SetMeta(META, RESTORED.text())])
    async with open_farm(tmp_path) as farm:
        yield farm


def healing(farm: Farm) -> Healing:
    assert farm.world.healing is not None
    return farm.world.healing


async def stored(farm: Farm) -> Healing | None:
    return read_healing((await farm.stored()).meta)


async def take_over(farm: Farm, file: Path) -> int:
    farm.engine.healer.file = GenerationFile(file)
    asked = asyncio.ensure_future(farm.engine.take_over())
    await asyncio.sleep(0)
    await farm.turn()
    return await asked


# --- listening


async def test_nothing_is_said_before_we_have_listened(restored: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTEN_REAL_S", 60.0)
    await restored.hear(restored.report(printer_report(), generation=GENERATION - 1, retained=True))
    await restored.turn()
    assert restored.bus.said == []
    assert restored.world.listening
    restored.bus.connected = False
    monkeypatch.setattr(module, "LISTEN_REAL_S", 0.0)
    await restored.turn()
    assert restored.world.listening, "without a broker there is nothing to hear"
    restored.bus.connected = True
    await restored.turn()
    assert restored.bus.of(Stream.DESIRED) != []
    assert (await stored(restored)) == Healing(HealingWhy.RESTORED, 900_000.0, backup_at_s=890_000.0, told=True)


@pytest.mark.parametrize("generation", [GENERATION, GENERATION + 1])
async def test_a_generation_that_somebody_uses_already_is_not_ours(restored: Farm, generation: int) -> None:
    await restored.hear(restored.report(printer_report(), generation=generation, retained=True))
    assert restored.alarms == ["fenced"]
    assert restored.bus.said == []
    with pytest.raises(FarmError, match="only watches"):
        await restored.ask(lambda _draft: None)


async def test_once_we_have_told_our_generation_it_is_ours(restored: Farm) -> None:
    await restored.turn()
    await restored.hear(restored.report(printer_report()))
    assert restored.alarms == []
    assert not restored.world.fenced


# --- healing


async def test_nothing_is_allocated_for_one_round_nor_to_who_has_not_told_everything(restored: Farm) -> None:
    await restored.turn()
    await joined(restored)
    assert restored.desired.printers.get("p1", []) == []
    restored.clock.advance(ROUND_S)
    await restored.hear(restored.report(printer_report()))
    assert restored.desired.printers["p1"] != []
    assert not restored.bus.of(Stream.DESIRED, "n2")[-1].printers


async def test_it_ends_by_itself_when_every_node_has_told_everything(restored: Farm) -> None:
    await restored.turn()
    await restored.hear(restored.report(printer_report(), generation=GENERATION - 1))
    await restored.hear(restored.journal(started(), ended(), collected()))
    assert healing(restored).found == 1
    assert (await stored(restored)) == healing(restored), "what was found outlives the daemon"
    await restored.hear(restored.report(printer_report()))
    assert restored.world.untold == {"n2"}
    view = healing_view(restored.world)
    assert view is not None
    assert (view.nodes, view.told, view.missing, view.found, view.backup_at) == (2, 1, ["right bench"], 1, 890_000.0)
    alarm = healing_alarm(view)
    assert alarm.text == "The farm was restored from a backup. 1 of 2 nodes have told again what happened since; 1 part found."
    assert "right bench" in alarm.next_step

    await restored.hear(restored.journal(started(job="j2", printer="p2", allocation="a2"), node="n1"))
    await restored.hear(restored.report(printer_report("p9"), node="n2"))
    await restored.turn()
    assert restored.world.healing is None
    assert await stored(restored) is None
    healed = restored.world.healed
    assert read_healed((await restored.stored()).meta) == healed, "how it ended outlives the daemon"
    shown = healed_view(healed)
    assert shown is not None
    assert (shown.why, shown.since, shown.nodes, shown.told, shown.missing, shown.found) == ("restored", 900_000.0, 2, 2, [], 1)
    assert put_back_alarm(healed) is None
    assert healed_view(None) is None


async def finish(farm: Farm) -> None:
    """A person does not want to wait any longer, or has read what stands there."""
    done = asyncio.ensure_future(farm.engine.finish_healing())
    await asyncio.sleep(0)
    await farm.turn()
    await done


async def test_a_database_put_back_by_hand_leaves_a_notice_until_somebody_has_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LISTEN_REAL_S", 0.0)
    async with open_farm(tmp_path) as farm:
        await farm.store.commit([SetMeta(META, Healing(HealingWhy.PUT_BACK, 900_000.0).text())])
    async with open_farm(tmp_path) as farm:
        await farm.turn()
        assert put_back_alarm(farm.world.healed) is None, "while it heals that alarm stands"
        with capture_logs() as told:
            await finish(farm)
        (line,) = [line for line in told if line["event"] == "farm.healed"]
        assert (line["log_level"], line["missing"]) == ("warning", ["left bench", "right bench"])
        assert "Orders that were placed" in line["detail"]
    async with open_farm(tmp_path) as farm:
        alarm = put_back_alarm(farm.world.healed)
        assert alarm is not None
        assert alarm.code == "put-back"
        assert "Orders that were placed" in alarm.text
        assert "farm healing --done" in alarm.next_step
        await finish(farm)
        assert put_back_alarm(farm.world.healed) is None
    async with open_farm(tmp_path) as farm:
        assert put_back_alarm(farm.world.healed) is None
        assert farm.world.healed is not None


async def test_on_a_full_disk_the_notice_stays(tmp_path: Path) -> None:
    async with open_farm(tmp_path) as farm:
        await farm.store.commit([SetMeta(LAST, Healed(HealingWhy.PUT_BACK, 1.0, 2.0, 1, (), 0).text())])
    async with open_farm(tmp_path) as farm:
        farm.engine.healer._store = FullStore(farm.store)
        with pytest.raises(FarmError, match="full"):
            await finish(farm)
        assert put_back_alarm(farm.world.healed) is not None


async def test_parts_of_a_node_that_has_told_everything_are_made_and_not_found(restored: Farm) -> None:
    await restored.turn()
    await joined(restored)
    await restored.hear(restored.journal(started(), ended(), collected()))
    assert healing(restored).found == 0
    assert restored.world.durable.orders["o1"].good == 1


async def test_a_person_may_wait_no_longer(restored: Farm) -> None:
    await restored.turn()
    done = asyncio.ensure_future(restored.engine.finish_healing())
    await asyncio.sleep(0)
    await restored.turn()
    await done
    assert restored.world.healing is None
    again = asyncio.ensure_future(restored.engine.finish_healing())
    await asyncio.sleep(0)
    await restored.turn()
    await again


async def test_a_full_disk_does_not_end_it(restored: Farm) -> None:
    await restored.turn()
    disk = FullStore(restored.store)
    restored.engine.healer._store = disk
    done = asyncio.ensure_future(restored.engine.finish_healing())
    await asyncio.sleep(0)
    await restored.turn()
    with pytest.raises(FarmError, match="full"):
        await done
    assert restored.world.healing is not None
    assert "store-full" in restored.alarms


# --- taking over


async def test_a_take_over_goes_above_all_and_says_so_to_everybody(farm: Farm, tmp_path: Path) -> None:
    await joined(farm)
    GenerationFile(tmp_path).raise_to(GENERATION + 1)
    await farm.hear(farm.report(printer_report(), generation=GENERATION + 2))
    assert farm.alarms == ["fenced"]
    await farm.hear(farm.report(printer_report(), generation=GENERATION + 5))  # also while we only watch
    farm.clock.advance(10_000.0)

    assert await take_over(farm, tmp_path) == GENERATION + 6
    assert (await farm.stored()).generation == GENERATION + 6
    assert GenerationFile(tmp_path).read() == GENERATION + 6
    assert farm.alarms == []
    assert farm.desired.generation == GENERATION + 6
    assert farm.world.farm(farm.clock.boot_s()).uptime_s == 0.0, "patience begins afresh"
    assert healing(farm).why is HealingWhy.TAKEN_OVER
    held = farm.world.durable.allocations
    await farm.turn()
    assert farm.world.durable.allocations == held, "silence means nothing yet"


async def test_after_it_a_node_is_given_nothing_until_it_has_told_everything(farm: Farm, tmp_path: Path) -> None:
    await joined(farm)
    await take_over(farm, tmp_path)
    now: dict[str, Any] = {"generation": GENERATION + 1}
    behind: dict[str, Any] = {"journal": {"epoch": "e1", "oldest": 1, "head": 3}}
    farm.clock.advance(ROUND_S)
    await farm.hear(farm.report(occupied(outcome=JobOutcome.PRINTED), **now, **behind))
    assert farm.world.untold == {"n1", "n2"}
    await farm.hear(farm.journal(started(), ended(), collected()))
    await farm.hear(farm.report(printer_report(), **now))
    assert farm.world.untold == {"n2"}
    assert healing(farm).found == 1


async def test_a_take_over_when_nothing_is_wrong_is_harmless(farm: Farm, tmp_path: Path) -> None:
    await joined(farm)
    held = dict(farm.world.durable.allocations)
    assert await take_over(farm, tmp_path) == GENERATION + 1
    assert farm.world.durable.allocations == held


async def test_a_take_over_on_a_full_disk_is_refused_and_can_be_asked_again(farm: Farm, tmp_path: Path) -> None:
    farm.world.fence = Fence(FenceWhy.TAKEN_OVER, "n1", GENERATION + 1, GENERATION)
    disk = FullStore(farm.store)
    farm.engine.healer._store = disk
    with pytest.raises(FarmError, match="full"):
        await take_over(farm, tmp_path)
    assert farm.world.fenced
    assert farm.world.generation == GENERATION
    disk.full = False
    assert await take_over(farm, tmp_path) == GENERATION + 2, "the number of the first attempt is used up"


async def test_who_asks_a_loop_that_ends_is_told(farm: Farm) -> None:
    loop = asyncio.create_task(farm.engine.run())
    await asyncio.sleep(0)
    asked: Sequence[asyncio.Future[Any]] = (farm.engine.healer.ask(), farm.engine.healer.ask_to_finish())
    farm.engine.healer.refuse(FarmError(told("ending"), next_step=told("wait")))
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    for one in asked:
        with pytest.raises(FarmError, match="ending"):
            await one


# --- what people are told of a fence


async def test_an_impossible_generation_stops_nobody(farm: Farm) -> None:
    await joined(farm)
    await farm.hear(farm.report(printer_report(), generation=GENERATION + FARTHEST + 1))
    assert farm.alarms == []
    assert farm.engine.receiver.rejections.counts["n1", "impossible-generation"] == 1


async def test_a_store_that_was_put_back_is_noticed_by_what_a_node_was_acknowledged(farm: Farm) -> None:
    await joined(farm)
    await farm.hear(farm.report(printer_report(), journal={"epoch": "e1", "oldest": 1, "head": 12, "acked": 12}))
    assert farm.alarms == ["fenced"]
    (alarm,) = farm.engine.alarms.all()
    assert alarm.text == "The database is older than what left bench was told (0 of its facts here, 12 there): it was put back."
    assert "farm take-over" in alarm.next_step
    assert farm.world.durable.node_records["n1"].seq == 0


async def test_a_store_that_was_put_back_is_noticed_by_the_version_that_a_node_shows(farm: Farm) -> None:
    await joined(farm)
    version = farm.world.durable.node_records["n1"].version + 1
    await farm.hear(farm.report(printer_report(), desired_version=version, retained=True))
    assert farm.alarms == ["fenced"]


async def test_a_fence_by_a_node_without_a_name_and_none_at_all(farm: Farm) -> None:
    assert fence_alarm(farm.world, 0.0) is None
    farm.world.fence = Fence(FenceWhy.TAKEN_OVER, "n9", 9, 3)
    alarm = fence_alarm(farm.world, 0.0)
    assert alarm is not None
    assert alarm.text.startswith("n9 obeys generation 9")
