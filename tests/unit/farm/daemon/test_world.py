"""What stays in memory, what leaves it, and who owns which printer."""

from dataclasses import replace

from farm.daemon.fence import Fence, FenceWhy
from farm.daemon.healing import META, Healing, HealingWhy
from farm.daemon.translate import printer_now
from farm.daemon.world import World, is_spent
from farm.store.repository import SetMeta
from scheduler.draft import Draft
from scheduler.model import Allocation, DesiredVersion, Job
from tests.unit.farm.daemon.harness import GENERATION, SHA, Farm, joined, printer_report


def allocation(key: str = "a1", jobs: int = 2, held: int = 2, started: int = 0, lost: int = 0) -> Allocation:
    return Allocation(key, "n1", "p1", "o1", "r1", SHA, 1, 3600.0, jobs, held, 43_200.0, 0.0, started=started, lost=lost)


def job(key: str = "j1", collected_at_s: float | None = None) -> Job:
    return Job(key, "n1", "p1", "a1", "o1", "r1", SHA, 1, 3600.0, 0.0, 1.0, collected_at_s=collected_at_s)


def test_an_allocation_is_spent_when_nothing_can_start_or_come() -> None:
    assert is_spent(allocation(started=2))
    assert is_spent(allocation(jobs=0, held=0))
    assert not is_spent(allocation(started=1))
    assert not is_spent(allocation(jobs=1, started=1))  # one withdrawn job is not confirmed
    assert not is_spent(allocation(jobs=0, held=0, lost=1))  # one may come late


async def test_what_is_over_leaves_the_memory_with_its_commit(farm: Farm) -> None:
    draft = Draft(farm.world.durable)
    for entity in (job(), job("j2", collected_at_s=1.0), allocation(), allocation("a2", started=2)):
        draft.put(entity)
    farm.world.adopt(draft)
    assert set(farm.world.durable.jobs) == {"j1"}
    assert set(farm.world.durable.allocations) == {"a1"}


async def test_what_was_only_remembered_leaves_it_too_unless_it_lives_again(farm: Farm) -> None:
    draft = Draft(farm.world.durable)
    for entity in (job("j2", collected_at_s=1.0), allocation("a2", started=2), allocation("a3")):
        draft.remember(entity)
    farm.world.adopt(draft, [(Job, "j2"), (Allocation, "a2"), (Allocation, "a3")])
    assert farm.world.durable.jobs == {}
    assert set(farm.world.durable.allocations) == {"a3"}


async def test_a_node_is_silent_since_the_start_until_it_is_heard(farm: Farm) -> None:
    farm.clock.advance(40)
    seen = farm.world.farm(farm.clock.boot_s())
    assert seen.uptime_s == 40
    assert (seen.nodes["n1"].silent_s, seen.nodes["n1"].reported, seen.nodes["n1"].replayed) == (40, None, False)


async def test_the_current_version_is_a_pair(farm: Farm) -> None:
    assert farm.world.current("n1") == DesiredVersion(GENERATION, 0)


async def test_a_printer_that_is_no_longer_reported_is_gone_and_may_come_back_elsewhere(farm: Farm) -> None:
    one, two = printer_report("p1"), printer_report("p2")
    assert farm.world.show_printers("n1", {"p1": (printer_now("n1", one), one), "p2": (printer_now("n1", two), two)})
    assert not farm.world.show_printers("n1", {"p1": (printer_now("n1", one), one), "p2": (printer_now("n1", two), two)})
    assert farm.world.show_printers("n1", {"p1": (printer_now("n1", one), one)})
    assert set(farm.world.printers) == {"p1"}
    farm.world.show_printers("n2", {"p2": (printer_now("n2", two), two)})
    assert farm.world.printers["p2"].node == "n2"


async def test_a_revoked_node_is_a_stranger(farm: Farm) -> None:
    draft = Draft(farm.world.durable)
    draft.put(replace(draft.farm.node_records["n1"], revoked=True))
    farm.world.adopt(draft)
    assert farm.world.record("n1") is None
    assert farm.world.record("n2") is not None


async def test_a_take_over_begins_afresh_with_nodes_that_have_to_tell_everything(farm: Farm) -> None:
    await joined(farm)
    assert farm.world.untold == {"n2"}
    farm.world.fence = Fence(FenceWhy.TAKEN_OVER, "n1", 9, GENERATION)
    farm.world.take_over(10, Healing(HealingWhy.TAKEN_OVER, 1.0), boot_s=7_000.0)
    assert (farm.world.generation, farm.world.fenced, farm.world.listening) == (10, False, True)
    assert farm.world.untold == {"n1", "n2"}
    now = farm.world.farm(7_005.0)
    assert (now.uptime_s, now.restored, now.nodes["n1"].silent_s) == (5.0, True, 5.0)
    assert farm.world.current("n1").generation == 10


async def test_a_removed_node_is_not_waited_for(farm: Farm) -> None:
    draft = Draft(farm.world.durable)
    draft.put(replace(farm.world.durable.node_records["n1"], revoked=True))
    farm.world.adopt(draft)
    assert farm.world.untold == {"n2"}


async def test_what_the_store_remembers_of_healing_is_there_after_a_start(farm: Farm) -> None:
    healing = Healing(HealingWhy.RESTORED, 5.0, told=True, found=3)
    await farm.store.commit([SetMeta(META, healing.text())])
    world = World(await farm.stored(), {}, 0.0)
    assert world.healing == healing
    assert not world.listening


async def test_a_printer_is_forgotten_until_it_is_reported(farm: Farm) -> None:
    await joined(farm)
    farm.world.drop_printer("p1")
    farm.world.drop_printer("p1")
    assert farm.world.printers == {}
    assert farm.world.reports == {}
