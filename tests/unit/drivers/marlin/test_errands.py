"""Lines of ours between two jobs: what a person may say, and what is heard."""

import pytest

from drivers.marlin.errands import MAX_SAID_LINES, Errand, Purpose, console_line
from drivers.marlin.job import Phase
from drivers.marlin.lines import LineError
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.marlin.world import HEATED, World, moves


def _run(world: World, line: str) -> Errand:
    errand = Errand(Purpose.CONSOLE, [console_line(line)], waits_for_report=line.startswith("M105"))
    world.protocol.run(errand, world.now_s)
    world.run(lambda: errand.done or world.protocol.errand is not errand, limit_s=60)
    return errand


def test_what_the_machine_says_until_its_ok() -> None:
    world = World().connected()
    world.pass_time(5)
    errand = _run(world, "m119")
    assert errand.done
    assert errand.said[0] == "Reporting endstop status"
    assert errand.said[-1] == "ok"
    assert not any("T:" in line for line in errand.said), "temperatures that come by themselves are no answer"
    assert world.phase() is Phase.READY


def test_temperatures_that_were_asked_for_are_an_answer() -> None:
    world = World().connected()
    assert any("T:" in line for line in _run(world, "M105").said)


def test_the_answer_to_our_own_poll_is_not_said_to_a_person() -> None:
    world = World(FirmwareOptions(latency_s=0.2, emergency_parser=True)).connected()
    world.protocol.identity.capabilities["AUTOREPORT_TEMP"] = False  # so that it is asked every 2 s
    world.run(lambda: _in_flight(world) == b"M105", limit_s=30)
    assert len([line for line in _run(world, "M105").said if line.startswith("ok")]) == 1


def _in_flight(world: World) -> bytes | None:
    line = world.protocol.channel.in_flight
    return line.command if line is not None else None


def test_a_job_starts_after_it() -> None:
    world = World().connected()
    _run(world, "G28")
    world.print_lines([*HEATED, *moves(5)])
    world.ended()


def test_a_typed_line_that_the_machine_does_not_know_is_of_no_file() -> None:
    world = World().connected()
    world.print_lines([*HEATED, "G998", *moves(5)])
    assert "did not know 1 command of this file." in str(world.ended().detail)
    assert any("Unknown command" in line for line in _run(world, "G999").said)
    unknown = world.protocol.reported.unknown
    assert unknown is not None
    assert unknown.en == "The printer did not know 1 command."


def test_a_reset_cuts_it_off() -> None:
    world = World().connected()
    errand = Errand(Purpose.CONSOLE, [b"G4 S60"])
    world.protocol.run(errand, world.now_s)
    world.pass_time(1)
    world.firmware.reset(world.now_s)
    world.run(lambda: world.protocol.errand is None, limit_s=60)
    assert not errand.done


def test_what_it_says_is_limited() -> None:
    errand = Errand(Purpose.CONSOLE, [b"M503"])
    for _ in range(1000):
        errand.hear("x" * 10_000, report=False)
    assert len(errand.said) == MAX_SAID_LINES
    assert sum(map(len, errand.said)) < 100_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("M110 N5", "M110"),
        ("m110 n5", "m110"),
        ("N5 M110", "M110"),
        ("M85 S0", "M85"),
        ("M112", "M112"),
        ("M28 a.gco", "M28"),
        ("M997", "M997"),
        ("G28\nM112", "more than one line"),
        ("G28\rM112", "more than one line"),
        ("", "empty"),
        ("; nothing", "empty"),
        ("G1 " + "X1 " * 50, "bytes long"),
        ("5", "not a G-code"),
    ],
)
def test_what_a_person_may_not_say(text: str, why: str) -> None:
    with pytest.raises(LineError, match=why) as caught:
        console_line(text)
    assert caught.value.french != str(caught.value)
