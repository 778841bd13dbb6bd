"""A port that talks without end."""

import pytest

from drivers.base import PrintEnd
from drivers.marlin.events import Event, Flooded, JobEnded
from drivers.marlin.meter import LINE_BYTES, MAX_LINES, WINDOW_S, Meter
from drivers.marlin.protocol import Protocol
from tests.unit.drivers.marlin.world import HEATED, World, moves


def test_much_in_little_time_is_too_much() -> None:
    meter = Meter()
    assert not meter.overflows(MAX_LINES * LINE_BYTES, 1.0)
    assert meter.overflows(LINE_BYTES, 1.1)
    assert not meter.overflows(LINE_BYTES, 1.2), "it begins anew"


def test_the_same_in_more_time_is_not() -> None:
    meter = Meter()
    for second in range(100):
        assert not meter.overflows(MAX_LINES * LINE_BYTES // 2, second * WINDOW_S * 1.01)


@pytest.mark.parametrize("chatter", [b"blah\n" * 1000, b"\x55" * 5000], ids=["lines", "noise-without-a-line-end"])
def test_a_stranger_that_never_stops_is_left_alone(chatter: bytes) -> None:
    protocol = Protocol()
    protocol.opened(0.0)
    told: list[Event] = []
    for step in range(100):
        protocol.receive(chatter, step * 0.01)
        told += protocol.events()
        if any(isinstance(event, Flooded) for event in told):
            break
    else:
        pytest.fail("nobody noticed")
    assert len(protocol._pending) <= 1024


def test_a_printer_that_goes_mad_in_mid_print_ends_the_job() -> None:
    world = World().connected()
    world.print_lines([*HEATED, *moves(50)])
    for _ in range(20):
        world.protocol.receive(b"echo:what?\n" * 1000, world.now_s)
    world.events += world.protocol.events()
    (ended,) = world.of(JobEnded)
    assert ended.ending.end is PrintEnd.INTERRUPTED
    assert ended.ending.fault is not None
    assert ended.ending.fault.code == "chatter"
    assert world.of(Flooded)


def test_a_talkative_printer_is_no_flood() -> None:
    world = World().connected()
    world.print_lines([*HEATED, *moves(200)])
    while not world.of(JobEnded):
        world.protocol.receive(b"echo:SpeedLimit\n" * 3, world.now_s)
        world.step()
    assert not world.of(Flooded)
