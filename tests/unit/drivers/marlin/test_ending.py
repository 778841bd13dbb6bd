"""The emergency stop: confirmed, by the reset line, or not at all."""

import pytest

from drivers.marlin.events import Ready, ResetWanted
from drivers.marlin.job import Phase
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed

ADVANCED = FirmwareOptions(emergency_parser=True)


@pytest.mark.parametrize("options", [FirmwareOptions(), ADVANCED], ids=["without-emergency-parser", "with-emergency-parser"])
@pytest.mark.parametrize("program", [[*HEATED, *moves(300)], ["M109 S250", *moves(3)]], ids=["moving", "heating"])
def test_it_stops_with_and_without_an_emergency_parser(options: FirmwareOptions, program: list[str]) -> None:
    world = World(options).connected()
    world.print_lines(program)
    world.pass_time(3)
    world.protocol.emergency_stop(world.now_s)
    world.pass_time(1)
    assert world.firmware.killed
    assert not world.protocol.stopping
    assert not world.of(ResetWanted)


def _fill_queue(world: World) -> None:
    """Somebody else's lines behind a wait: nothing gets through any more (measured on real Marlin)."""
    world.firmware.feed(b"M109 S250\n" + b"G4 S1\n" * 4, world.now_s)


def test_behind_a_full_queue_only_the_reset_line_helps() -> None:
    world = World().connected()
    _fill_queue(world)
    world.protocol.emergency_stop(world.now_s)
    world.run(lambda: bool(world.of(ResetWanted)), limit_s=5)
    assert not world.firmware.killed
    world.events.clear()
    world.firmware.reset(world.now_s)  # what the port's DTR does
    world.pass_time(1)
    assert not world.protocol.stopping
    assert world.phase() is Phase.KILLED, "a person looks at it all the same"
    assert world.protocol.fault is not None
    assert world.protocol.fault.code == "emergency-stop"
    world.firmware.reset(world.now_s)
    world.run(lambda: bool(world.of(Ready)), limit_s=30)
    assert world.protocol.fault is None


def test_where_there_is_no_reset_line_it_says_so() -> None:
    world = World().connected()
    _fill_queue(world)
    world.protocol.emergency_stop(world.now_s)
    world.pass_time(10)
    assert not world.firmware.killed
    assert world.protocol.fault is not None
    assert world.protocol.fault.code == "stop-unconfirmed"
    assert "mains" in world.protocol.fault.action_en
    assert "secteur" in world.protocol.fault.action_fr


def test_nothing_is_printed_after_it() -> None:
    world = World().connected()
    world.print_lines([*HEATED, *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.protocol.emergency_stop(world.now_s)
    world.sent.clear()
    world.pass_time(60)
    assert b"G1" not in world.sent
