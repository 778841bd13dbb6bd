"""Programs that were checked in another way are looked at again: worse ones leave, better ones come, releases hold or fall."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.daemon.inspection import Checked
from farm.daemon.programs import Programs
from farm.daemon.rechecks import NICENESS, Rechecker, Waits, apply, due, worse_alarm
from farm.errors import InvalidError, StoreFullError
from farm.store.library import Library
from gcode.profile import bundled_profiles
from gcode.texts import told
from scheduler.draft import Draft
from scheduler.model import Farm, Order, Program, Verdict
from tests.unit.farm.daemon.checked import TRUST, checked
from tests.unit.farm.daemon.harness import PROGRAM, SHA, open_farm
from tests.unit.farm.daemon.harness import Farm as Running

WAY = "3-new"
RELEASED = replace(
    PROGRAM, verdict=Verdict.TRUSTED_ONLY, trust=TRUST, released_by="Eve", released_at_s=1.0, released_for=TRUST, checked="2-old"
)


def applied(program: Program, found: Checked) -> Farm:
    draft = Draft(Farm(1, 0.0, programs={SHA: program}))
    apply(draft, SHA, found, WAY, 50.0)
    return draft.farm


def details(farm: Farm) -> list[str]:
    return [f"{entry.who} {entry.action} {entry.detail}" for entry in farm.audit.values()]


def test_what_was_checked_in_another_way_is_due_open_orders_first_then_the_newest() -> None:
    def program(key: str, **fields: Any) -> Program:
        return replace(PROGRAM, sha256=key * 64, **{"checked": "2-old", **fields})

    programs = [
        program("1", created_at_s=1.0),
        program("2", created_at_s=2.0),
        program("3", checked=WAY),
        program("4", revision="r2", created_at_s=0.0, checked=""),
    ]
    orders = {"o1": Order("o1", "r2", 4, 0, "", 0.0), "o2": Order("o2", "r1", 4, 0, "", 0.0, cancelled=True)}
    farm = Farm(1, 0.0, programs={item.sha256: item for item in programs}, orders=orders)
    assert [item.sha256[0] for item in due(farm, WAY)] == ["4", "2", "1"]


def test_the_same_verdict_is_only_noted_as_checked() -> None:
    farm = applied(replace(PROGRAM, checked="2-old"), checked())
    program = farm.programs[SHA]
    assert (program.verdict, program.checked, program.rule_set, program.usable) == (Verdict.PASS, WAY, 2, True)
    assert (program.estimated_s, program.width_mm) == (19.6, 120.0)
    assert program.worse_since_s is None
    assert farm.audit == {}
    assert {item.profile for item in farm.program_reports.values()} == {
        "generic-210",
        "prusa-mk3s",
    }


@pytest.mark.parametrize("verdict", [Verdict.TRUSTED_ONLY, Verdict.REJECT])
def test_a_worse_one_leaves_and_people_are_told(verdict: Verdict) -> None:
    farm = applied(PROGRAM, checked(verdict))
    program = farm.programs[SHA]
    assert not program.usable
    assert program.worse_since_s == 50.0
    (entry,) = details(farm)
    assert entry.startswith(f"farm program.checked-again pass -> {verdict} (worse)")
    alarm = worse_alarm(farm)
    assert alarm is not None
    assert (alarm.code, alarm.since) == ("programs-worse", 50.0)
    assert "frame" in alarm.text
    assert "frame" in alarm.text_fr


def test_a_better_one_comes_back() -> None:
    bad = replace(PROGRAM, verdict=Verdict.REJECT, worse_since_s=3.0, checked="2-old")
    farm = applied(bad, checked())
    assert farm.programs[SHA].usable
    assert farm.programs[SHA].worse_since_s is None
    assert "(better)" in details(farm)[0]
    assert worse_alarm(farm) is None


def test_a_release_stays_for_the_same_findings_and_falls_for_others() -> None:
    same = applied(RELEASED, checked(Verdict.TRUSTED_ONLY))
    assert same.programs[SHA].released_by == "Eve"
    assert same.programs[SHA].usable
    assert same.audit == {}
    other = checked(Verdict.TRUSTED_ONLY)
    other = other.model_copy(update={"reports": [other.reports[0].model_copy(update={"trust": "limits=3"})]})
    fallen = applied(RELEASED, other)
    assert (fallen.programs[SHA].released_by, fallen.programs[SHA].usable, fallen.programs[SHA].worse_since_s) == ("", False, 50.0)
    (entry,) = fallen.audit.values()
    assert entry.reason == "Eve"
    assert "released for something else" in entry.detail


def test_a_release_is_over_when_the_program_needs_none_or_nobody_can_give_one() -> None:
    for verdict in (Verdict.PASS, Verdict.REJECT):
        program = applied(RELEASED, checked(verdict)).programs[SHA]
        assert (program.released_by, program.usable) == ("", verdict is Verdict.PASS)


def test_an_unreleased_one_that_stays_trusted_only_is_not_called_worse() -> None:
    waiting = replace(RELEASED, released_by="", released_for="")
    assert applied(waiting, checked(Verdict.TRUSTED_ONLY)).programs[SHA].worse_since_s is None


def test_many_are_named_in_one_alarm() -> None:
    programs = {str(n): replace(PROGRAM, sha256=str(n) * 64, name=f"frame {n}", worse_since_s=float(n + 1)) for n in range(8)}
    alarm = worse_alarm(Farm(1, 0.0, programs=programs))
    assert alarm is not None
    assert "and 3 more" in alarm.text
    assert "et 3 autres" in alarm.text_fr
    assert alarm.since == 1.0


# --- in a farm --------------------------------------------------------------------------------------------------------------------


class Looker(Programs):
    """Finds what the test says."""

    def __init__(self, folder: Path, answer: Checked | Exception) -> None:
        super().__init__(Library(folder / "programs"), bundled_profiles())
        self.answer = answer
        self.asked: list[tuple[str, int]] = []

    async def look_again(self, program: Program, *, niceness: int) -> Checked:
        self.asked.append((program.sha256, niceness))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def step(farm: Running, rechecker: Rechecker) -> float:
    """One step, while the farm's loop answers it."""
    import asyncio  # noqa: PLC0415

    loop = asyncio.create_task(farm.engine.run())
    try:
        return await rechecker.step()
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def test_each_is_looked_at_once_in_the_background(tmp_path: Path) -> None:
    async with open_farm(tmp_path) as farm:
        programs = Looker(tmp_path, checked(Verdict.REJECT))
        rechecker = Rechecker(farm.engine, programs, Waits(retry_s=60.0, between_s=0.5))
        assert await step(farm, rechecker) == 0.5
        assert await step(farm, rechecker) == 60.0
        assert programs.asked == [(SHA, NICENESS)]
        after = farm.world.durable.programs[SHA]
        assert (after.verdict, after.checked) == (Verdict.REJECT, programs.way)
        assert (await farm.stored()).programs[SHA] == after
        assert [entry.action for entry in await farm.store.audit(subject=SHA)] == ["program.checked-again"]


async def test_one_that_cannot_be_read_keeps_its_verdict_until_the_next_start(tmp_path: Path) -> None:
    async with open_farm(tmp_path) as farm:
        programs = Looker(tmp_path, InvalidError(told("no"), next_step=told("yes")))
        rechecker = Rechecker(farm.engine, programs, Waits(between_s=0.5))
        await step(farm, rechecker)
        await step(farm, rechecker)
        assert len(programs.asked) == 1
        assert farm.world.durable.programs[SHA].usable
        await step(farm, Rechecker(farm.engine, programs))
        assert len(programs.asked) == 2


@pytest.mark.parametrize(
    "error", [StoreFullError(told("full"), next_step=told("make room")), OSError(28, "No space left on device")]
)
async def test_a_full_disk_is_waited_for_and_stops_nothing(tmp_path: Path, error: Exception) -> None:
    async with open_farm(tmp_path) as farm:
        programs = Looker(tmp_path, error)
        rechecker = Rechecker(farm.engine, programs, Waits(between_s=0.5, retry_s=60.0))
        assert await step(farm, rechecker) == 60.0
        programs.answer = checked(Verdict.REJECT)
        assert await step(farm, rechecker) == 0.5
        assert not farm.world.durable.programs[SHA].usable


async def test_a_daemon_that_only_watches_looks_at_nothing(tmp_path: Path) -> None:
    from farm.daemon.fence import Fence, FenceWhy  # noqa: PLC0415

    async with open_farm(tmp_path) as farm:
        programs = Looker(tmp_path, checked())
        farm.world.fence = Fence(FenceWhy.TAKEN_OVER, "n1", 9, 3)
        assert await Rechecker(farm.engine, programs, Waits(retry_s=60.0)).step() == 60.0
        assert programs.asked == []
