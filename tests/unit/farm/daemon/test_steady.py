"""The clock for decisions, and a farm whose wall clock jumps: over days, forward and back, in a run and over restarts."""

from pathlib import Path

import pytest

from drivers.base import PrinterState
from farm.bus import messages
from farm.clock import Clock
from farm.daemon.steady import META, SteadyClock, machine_boot, newest_s, steady_clock
from farm.store.repository import StoredFarm
from scheduler.model import Allocation, BedState, Job, JobOutcome, OccupationKind, Order, PendingCollect
from tests.unit.farm.daemon.harness import (
    Farm,
    ManualClock,
    collected,
    ended,
    joined,
    occupied,
    open_farm,
    printer_report,
    reference,
    started,
)

DAY_S = 86_400.0
BOOT = "boot-1"


class JumpingClock(ManualClock):
    """A wall clock that is set while everything goes on."""

    def jump(self, by_s: float) -> None:
        self.__dict__["now_s"] += by_s

    def reboot(self, wall_s: float) -> None:
        self.__dict__.update(now_s=wall_s, since_s=10.0)


def steady(clock: ManualClock, stored: StoredFarm | None = None, machine: str = BOOT) -> SteadyClock:
    return steady_clock(clock, stored or StoredFarm(), machine)


def job(started_at_s: float, due_at_s: float = 0.0, ended_at_s: float | None = None) -> Job:
    return Job("j", "n", "p", "a", "o", "r", "0" * 64, 1, 60.0, started_at_s, due_at_s, ended_at_s=ended_at_s)


# --- the clock ---------------------------------------------------------------------------------------------------------------


def test_a_clock_without_a_store_is_steady_as_its_wall() -> None:
    clock = ManualClock(wall_s=1_000.0)
    assert clock.steady_s() == clock.wall_s() == 1_000.0


def test_it_begins_at_the_wall_and_does_not_follow_its_jumps() -> None:
    clock = JumpingClock()
    decides = steady(clock)
    assert decides.steady_s() == clock.wall_s()
    for by_s in (5 * DAY_S, -9 * DAY_S):
        clock.jump(by_s)
        assert decides.steady_s() == 1_000_000.0
        assert decides.wall_s() == clock.wall_s()
    clock.advance(60.0)
    assert decides.steady_s() == 1_000_060.0
    assert decides.boot_s() == clock.boot_s()


def test_a_scaled_clock_stays_scaled() -> None:
    decides = steady_clock(Clock(60.0, 5.0), StoredFarm(), BOOT)
    assert decides.factor == 60.0
    assert decides.real_s(120.0) == 2.0
    assert decides.steady_s() == pytest.approx(decides.wall_s(), abs=60.0)


def test_a_machine_that_boots_in_the_past_begins_after_all_that_is_known() -> None:
    stored = StoredFarm(jobs={"j": job(started_at_s=2_000_000.0, due_at_s=9_000_000.0)})
    assert steady(ManualClock(wall_s=1_000.0), stored).steady_s() == 2_000_000.0
    assert steady(ManualClock(wall_s=3_000_000.0), stored).steady_s() == 3_000_000.0


def test_the_newest_time_is_of_anything_that_happened() -> None:
    assert newest_s(StoredFarm()) == 0.0
    order = Order("o", "r", 1, 0, "", 10.0)
    allocation = Allocation("a", "n", "p", "o", "r", "0" * 64, 1, 60.0, 1, 1, 60.0, 20.0)
    word = PendingCollect("c", "n", "p", "j", 1, 0, "x", clear_only=False, created_at_s=30.0)
    assert newest_s(StoredFarm(orders={"o": order})) == 10.0
    assert newest_s(StoredFarm(orders={"o": order}, allocations={"a": allocation})) == 20.0
    assert newest_s(StoredFarm(allocations={"a": allocation}, pending_collects={"c": word})) == 30.0
    assert newest_s(StoredFarm(jobs={"j": job(started_at_s=40.0)}, orders={"o": order})) == 40.0
    assert newest_s(StoredFarm(jobs={"j": job(started_at_s=40.0, ended_at_s=50.0)})) == 50.0


def test_another_run_in_the_same_boot_goes_on_whatever_the_wall_says() -> None:
    clock = JumpingClock()
    remembered = steady(clock).remember(BOOT)
    clock.jump(30 * DAY_S)
    clock.advance(100.0)
    again = steady(clock, StoredFarm(meta={remembered.key: remembered.value}))
    assert again.continued
    assert again.steady_s() == 1_000_100.0


@pytest.mark.parametrize("machine", ["boot-2", ""])
def test_another_boot_begins_anew(machine: str) -> None:
    clock = JumpingClock()
    remembered = steady(clock, machine=machine and BOOT).remember(machine and BOOT)
    clock.reboot(2_000_000.0)
    again = steady(clock, StoredFarm(meta={remembered.key: remembered.value}), machine)
    assert not again.continued
    assert again.steady_s() == 2_000_000.0


@pytest.mark.parametrize("text", ["", "boot-1/1.0", "boot-1/1.0 tomorrow", "boot-1/60.0 5.0"])
def test_what_is_remembered_wrongly_is_not_believed(text: str) -> None:
    assert not steady(ManualClock(), StoredFarm(meta={META: text})).continued


def test_this_machine_has_a_boot() -> None:
    assert machine_boot() == machine_boot() != ""


# --- a farm whose clock jumps ------------------------------------------------------------------------------------------------


async def begin(farm: Farm, clock: JumpingClock, machine: str = BOOT) -> None:
    """Give the farm its steady clock, as `farm.daemon.daemon` does."""
    decides = steady_clock(clock, await farm.stored(), machine)
    farm.engine.clock, farm.world.same_time = decides, decides.continued
    await farm.store.commit([decides.remember(machine)])


def written_off(farm: Farm) -> bool:
    return farm.world.durable.jobs["j1"].written_off


async def settle(farm: Farm, clock: JumpingClock, *printers: messages.PrinterReport) -> None:
    """A heartbeat round and more."""
    for _ in range(5):
        clock.advance(30.0)
        await farm.hear(farm.report(*printers))


@pytest.mark.parametrize("by_s", [4 * DAY_S, -4 * DAY_S])
async def test_a_jump_in_a_run_writes_nothing_off_and_keeps_what_is_due(tmp_path: Path, by_s: float) -> None:
    clock = JumpingClock()
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock)
        await joined(farm)
        await farm.hear(farm.journal(started()), farm.report(occupied()))
        clock.jump(by_s)
        await settle(farm, clock, occupied())
        assert not written_off(farm)
        clock.advance(3600.0 * 1.25 + 2 * 1800.0 + 900.0)
        await settle(farm, clock, occupied())
        assert written_off(farm)  # overdue is overdue, also when the wall clock was put back


async def test_people_are_shown_the_wall_clock(tmp_path: Path) -> None:
    clock = JumpingClock()
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock)
        await joined(farm)
        clock.jump(4 * DAY_S)
        await farm.hear(farm.journal(started(), ended(), collected()))
        (found,) = await farm.store.jobs()
        assert found.started_at_s == found.ended_at_s == found.collected_at_s == 1_000_000.0 + 4 * DAY_S
        assert found.due_at_s < 1_000_000.0 + DAY_S


async def test_a_restart_after_a_jump_in_the_same_boot_writes_nothing_off(tmp_path: Path) -> None:
    clock = JumpingClock()
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock)
        await joined(farm)
        await farm.hear(farm.journal(started()), farm.report(occupied()))
        due_s = farm.world.durable.jobs["j1"].due_at_s
    clock.jump(30 * DAY_S)
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock)
        clock.advance(200.0)
        await farm.turn()  # of a silent node
        assert not written_off(farm)
        await settle(farm, clock, occupied())
        assert not written_off(farm)
        assert farm.world.durable.jobs["j1"].due_at_s == due_s  # a restart gives no job more time


def aged(age_s: float) -> messages.PrinterReport:
    occupation = messages.Occupation(id="j1", kind=OccupationKind.JOB, job=reference(), age_s=age_s)
    return printer_report(state=PrinterState.PRINTING, bed=BedState.OCCUPIED, ready=False, occupation=occupation)


@pytest.mark.parametrize(("wall_s", "left_to_print_s"), [(1_000_000.0 + 30 * DAY_S, 3000.0), (5.0, 3600.0)])
async def test_after_a_boot_a_job_that_runs_has_time_again(tmp_path: Path, wall_s: float, left_to_print_s: float) -> None:
    clock = JumpingClock()
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock)
        await joined(farm)
        await farm.hear(farm.journal(started()), farm.report(occupied()))
    clock.reboot(wall_s)
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock, "boot-2")
        farm.count = 100
        await settle(farm, clock, aged(600.0))
        assert not written_off(farm)
        left_s = farm.world.durable.jobs["j1"].due_at_s - farm.engine.clock.steady_s()
        assert left_s == pytest.approx(left_to_print_s * 1.25 + 2 * 1800.0 + 900.0, abs=200.0)
        clock.advance(left_s + 1.0)
        await settle(farm, clock, aged(left_s + 600.0))
        assert written_off(farm)  # only the first report gives it time


async def test_after_a_boot_far_in_the_future_a_silent_nodes_job_is_written_off_and_counts_late(tmp_path: Path) -> None:
    clock = JumpingClock()
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock)
        await joined(farm)
        await farm.hear(farm.journal(started()), farm.report(occupied()))
    clock.reboot(1_000_000.0 + 30 * DAY_S)
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock, "boot-2")
        await farm.turn()
        assert not written_off(farm)  # not before every live node had its heartbeat round
        clock.advance(200.0)
        await farm.turn()
        assert written_off(farm)
        await farm.hear(farm.journal(ended(2), collected(3)))
        assert farm.world.durable.orders["o1"].good == 1


async def test_a_job_that_waits_on_its_bed_is_not_given_time_to_print(tmp_path: Path) -> None:
    clock = JumpingClock()
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock)
        await joined(farm)
        await farm.hear(farm.journal(started(), ended()), farm.report(occupied(outcome=JobOutcome.PRINTED)))
        due_s = farm.world.durable.jobs["j1"].due_at_s
    clock.reboot(clock.wall_s())
    async with open_farm(tmp_path, clock=clock) as farm:
        await begin(farm, clock, "boot-2")
        farm.count = 100
        await farm.hear(farm.report(occupied(outcome=JobOutcome.PRINTED)))
        assert farm.world.durable.jobs["j1"].due_at_s == due_s
