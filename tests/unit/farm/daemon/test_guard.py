"""A loop that fails goes on, later and later; what is wrong is shown until a round went well."""

import asyncio

import pytest

from farm.clock import Clock
from farm.daemon.alarms import Alarms
from farm.daemon.guard import Guard
from gcode.texts import both


class Watched:
    """A guard, its alarms, and how often it touched what people see."""

    def __init__(self) -> None:
        self.alarms = Alarms()
        self.touched = 0
        self.guard = Guard("scheduler", self.alarms, Clock(), self._touch)

    def _touch(self) -> None:
        self.touched += 1

    @property
    def codes(self) -> list[str]:
        return [alarm.code for alarm in self.alarms.all()]


async def test_it_waits_longer_after_every_failure_and_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(duration_s: float) -> None:
        waits.append(duration_s)
        if len(waits) == 8:
            raise asyncio.CancelledError

    async def step() -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr("farm.daemon.guard.asyncio.sleep", sleep)
    watched = Watched()
    with pytest.raises(asyncio.CancelledError):
        await watched.guard.run(step)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert watched.codes == ["scheduler-failed"]
    assert watched.touched == 1


async def test_after_a_round_that_went_well_the_trouble_is_over_and_waits_are_short_again() -> None:
    watched = Watched()
    watched.guard.failed(KeyError("unforeseen"))
    assert "unforeseen" in watched.guard.trouble
    assert both(watched.guard.trouble) == ("failing: KeyError('unforeseen')", "en échec : KeyError('unforeseen')")
    watched.guard.recovered()
    watched.guard.recovered()
    assert (watched.guard.trouble, watched.codes, watched.touched) == ("", [], 2)
    assert watched.guard._failures == 0


def test_a_loop_that_ended_is_never_well() -> None:
    watched = Watched()
    watched.guard.ended(None)
    assert watched.guard.trouble.startswith("ended")
    assert both(watched.guard.trouble).fr == "arrêtée : None"
    assert watched.codes == ["scheduler-failed"]
