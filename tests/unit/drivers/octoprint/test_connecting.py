"""Who presses Connect, and who switches the mains on. The client here only notes what it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from drivers.octoprint.address import parse_address
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.connecting import Connecting
from drivers.octoprint.faults import stopped_fault
from drivers.octoprint.machine import Machine
from drivers.octoprint.reading import Phase
from drivers.octoprint.timing import Timing

TIMING = Timing(printer_connect_s=30, printer_retry_s=100, printer_stuck_s=120)


class Switchboard:
    """Stands for the client."""

    def __init__(self, *, switches_power: bool, power: bool | None) -> None:
        url = "octoprint+http://h?key_file=k" + ("&power=psucontrol" if switches_power else "")
        self.address = parse_address(urlsplit(url))
        self.power = power
        self.told: list[str] = []
        self.refuses = False

    def connect(self) -> None:
        self.told.append("connect")
        if self.refuses:
            raise AnswerError(400, "no such port")

    def disconnect(self) -> None:
        self.told.append("disconnect")

    def read_power(self) -> bool | None:
        return self.power

    def switch_power(self, on: bool) -> None:
        self.told.append(f"power {on}")
        self.power = on


class World:
    """A printer that stays apart until somebody says otherwise."""

    def __init__(self, *, switches_power: bool = False, power: bool | None = None) -> None:
        self.board = Switchboard(switches_power=switches_power, power=power)
        self.machine = Machine(stall_s=900)
        self.connecting = Connecting(cast("Client", self.board), self.machine, TIMING, self._call)
        self.becomes(Phase.CLOSED)

    @staticmethod
    async def _call(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    def becomes(self, phase: Phase) -> None:
        self.machine.reading = replace(self.machine.reading, phase=phase)

    async def told_at(self, *times_s: float) -> list[str]:
        self.board.told.clear()
        for now_s in times_s:
            await self.connecting.step(now_s)
        return list(self.board.told)


async def test_it_connects_and_then_asks_less_and_less_often() -> None:
    world = World()
    tries = [now_s for now_s in range(400) if await world.told_at(now_s)]
    assert tries == [0, 30, 90, 190, 290, 390]


async def test_a_missing_port_is_no_error() -> None:
    world = World()
    world.board.refuses = True
    assert await world.told_at(0) == ["connect"]


@pytest.mark.parametrize("why", ["fault", "kept apart", "job"])
async def test_it_does_not_connect_what_a_person_has_to_look_at(why: str) -> None:
    world = World(switches_power=True, power=False)
    world.connecting.may_switch_on = True
    world.machine.fault = stopped_fault() if why == "fault" else None
    world.machine.kept_apart = why == "kept apart"
    if why == "job":
        world.machine.open("job-1", 0)
    assert await world.told_at(0, 100, 1000) == []


async def test_a_connected_printer_starts_the_waits_anew() -> None:
    world = World()
    await world.told_at(0, 30, 90)
    world.becomes(Phase.OPERATIONAL)
    assert await world.told_at(95) == []
    world.becomes(Phase.CLOSED)
    assert await world.told_at(96) == ["connect"]


async def test_somebody_wants_it_now() -> None:
    world = World()
    await world.told_at(0)
    world.machine.kept_apart = True
    world.connecting.at_once()
    assert await world.told_at(1) == ["connect"]


async def test_a_connection_stuck_in_opening_is_freed_once() -> None:
    world = World()
    world.becomes(Phase.CONNECTING)
    assert await world.told_at(0, 119) == []
    assert await world.told_at(120) == ["disconnect"]
    world.machine.take_event("Disconnecting", None, 121)
    assert not world.machine.kept_apart


# --- mains ------------------------------------------------------------------------------------------------------------------------


async def test_the_mains_are_left_alone_without_the_option() -> None:
    world = World(power=False)
    world.connecting.may_switch_on = True
    assert await world.told_at(0) == ["connect"]
    assert not world.machine.is_off


async def test_with_the_option_they_are_switched_on_before_connecting() -> None:
    world = World(switches_power=True, power=False)
    world.connecting.may_switch_on = True
    assert await world.told_at(0) == ["power True", "connect"]


async def test_mains_that_do_not_obey_are_said_to_be_off() -> None:
    world = World(switches_power=True, power=False)

    def fail(on: bool) -> None:
        world.board.told.append(f"power {on}")
        raise AnswerError(500, "the plug does not answer")

    world.board.switch_power = fail  # type: ignore[method-assign]  # a plugin that fails
    world.connecting.may_switch_on = True
    assert await world.told_at(0) == ["power True", "connect"]
    assert world.machine.is_off


async def test_mains_that_are_on_are_left_so() -> None:
    world = World(switches_power=True, power=True)
    world.connecting.may_switch_on = True
    assert await world.told_at(0) == ["connect"]


async def test_who_switched_it_off_later_meant_it() -> None:
    """Somebody has his hands in the machine: it does not come to life by itself."""
    world = World(switches_power=True, power=True)
    world.connecting.may_switch_on = True
    world.becomes(Phase.OPERATIONAL)
    await world.told_at(0)
    world.board.power = False
    world.becomes(Phase.CLOSED)
    assert "power True" not in await world.told_at(1, 100, 1000)
    world.machine.online = True
    assert "mains" in (world.machine.status(1000).note or "")


async def test_without_the_plugin_it_only_connects() -> None:
    world = World(switches_power=True, power=None)
    world.connecting.may_switch_on = True
    assert await world.told_at(0) == ["connect"]


def test_the_option_is_in_the_url() -> None:
    assert World(switches_power=True).board.address.switches_power
    assert World().board.address.key_file == Path("k")
