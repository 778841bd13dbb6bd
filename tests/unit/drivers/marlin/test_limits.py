"""The dead man's switch and the factors: what the machine is told around the lines of a file."""

from dataclasses import replace

import pytest

from drivers.base import PrintEnd
from drivers.marlin.job import Phase
from drivers.marlin.limits import LEAST_DEADMAN_S, last_words, secure
from drivers.marlin.lines import prepare
from drivers.marlin.session import Session
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed


@pytest.fixture
def world() -> World:
    world = World().connected()
    world.protocol.deadman_s = 300
    return world


def _said(world: World) -> list[str]:
    return [text for text in world.firmware.executed if text.startswith("M85")]


def test_it_is_set_before_the_file_and_cleared_at_its_end(world: World) -> None:
    world.print_lines([*HEATED, *moves(50)])
    assert world.ended().end is PrintEnd.DONE
    assert _said(world) == ["M85 S300", "M85 S0"]
    assert world.firmware.executed.index("M85 S300") < world.firmware.executed.index("M104 S200")
    world.pass_time(3600)
    assert not world.firmware.killed


def test_a_host_that_dies_leaves_no_heat(world: World) -> None:
    world.print_lines([*HEATED, *moves(500)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.plugged = False
    world.protocol.lost(world.now_s)
    world.pass_time(200)
    assert not world.firmware.killed
    world.pass_time(200)
    assert world.firmware.snapshot()["killed"]
    assert world.firmware.machine.hotend.target_c == 0.0


def test_the_kill_is_recognised(world: World) -> None:
    world.protocol.deadman_s = LEAST_DEADMAN_S
    world.print_lines([*HEATED, *moves(500)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.to_machine = lambda _data: b""  # a cable that carries one way only
    ending = world.ended()
    assert ending.end is PrintEnd.FAILED
    assert ending.fault is not None
    assert ending.fault.code == "inactivity-kill"
    assert world.phase() is Phase.KILLED


RUNOUT = FirmwareOptions(emergency_parser=True, host_actions=True, runout_sensor=True)


def _runs_out(options: FirmwareOptions) -> World:
    world = World(options).connected()
    world.protocol.deadman_s = 300
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.firmware.run_out(world.now_s, out=True)
    world.run(lambda: world.protocol.reported.user_wait, limit_s=120)
    return world


def test_a_runout_at_night_waits_until_the_morning() -> None:
    world = _runs_out(RUNOUT)
    world.pass_time(8 * 3600)
    assert not world.firmware.killed
    assert world.protocol.reported.prompt is not None
    assert world.protocol.job is not None


def test_where_the_pause_does_not_hold_the_timer_the_record_says_that_nobody_answered() -> None:
    world = _runs_out(replace(RUNOUT, pause_holds_timer=False))
    ending = world.ended(limit_s=400)
    assert world.firmware.killed
    assert ending.fault is not None
    assert ending.fault.code == "unanswered"
    assert "nobody answered" in ending.detail
    assert "deadman_s" in ending.fault.action_en
    assert "deadman_s" in ending.fault.action_fr
    assert world.phase() is Phase.KILLED


def test_a_pause_may_last(world: World) -> None:
    world.print_lines([*HEATED, "G1 Z0.3", *moves(100)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.protocol.pause(world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=60)
    world.pass_time(7200)
    assert not world.firmware.killed
    assert _said(world) == ["M85 S300", "M85 S0"]
    world.protocol.resume(world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert _said(world) == ["M85 S300", "M85 S0", "M85 S300", "M85 S0"]
    assert printed(world.firmware.executed) == moves(100)


def test_a_cancel_clears_it(world: World) -> None:
    world.print_lines([*HEATED, *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.protocol.cancel(world.now_s)
    world.ended()
    assert _said(world)[-1] == "M85 S0"


def test_a_long_dwell_of_the_file_is_no_death(world: World) -> None:
    world.print_lines([*HEATED, *moves(5), "G4 S900", *moves(5, start=5)])
    assert world.ended().end is PrintEnd.DONE
    executed = world.firmware.executed
    at = executed.index("G4 S900")
    assert (executed[at - 1], executed[at + 1]) == ("M85 S0", "M85 S300")


def test_the_file_cannot_change_it() -> None:
    assert prepare(b"M85 S0") == b""


def test_off_is_off() -> None:
    world = World().connected()
    world.print_lines([*HEATED, *moves(5)])
    world.ended()
    assert _said(world) == []


@pytest.mark.parametrize("flavour", ["prusa-mk3", "repetier"])
def test_a_firmware_of_which_it_is_not_known_is_not_told(flavour: str) -> None:
    world = World(FirmwareOptions(flavour=flavour)).connected()
    world.protocol.deadman_s = 300
    world.print_lines([*HEATED, *moves(5)])
    world.ended()
    assert _said(world) == []


def test_a_job_begins_with_factors_of_100_percent(world: World) -> None:
    machine = world.firmware.machine
    machine.speed_percent, machine.flow_percent = 80.0, 90.0
    world.print_lines([*HEATED, *moves(5)])
    assert (machine.speed_percent, machine.flow_percent) == (100.0, 100.0)
    world.ended()


def test_factors_of_the_file_stay(world: World) -> None:
    world.print_lines(["M221 S95", *HEATED, *moves(5)])
    world.ended()
    assert world.firmware.machine.flow_percent == 95.0


def test_factors_that_a_person_changed_are_seen_in_a_pause(world: World) -> None:
    world.print_lines([*HEATED, "G1 Z0.3", *moves(100)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.firmware.machine.speed_percent = 75.0
    world.protocol.pause(world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=60)
    world.pass_time(30)
    assert world.protocol.reported.speed_percent == 75.0
    assert world.protocol.reported.note == ("Speed 75 %, flow 100 %.", "Vitesse 75 %, débit 100 %.")


def test_last_words_cool_all_that_is_warm() -> None:
    session = Session()
    session.identity.extruders = 2
    assert last_words(session) == b"\nM108\nM104 T0 S0\nM104 T1 S0\nM140 S0\nM107\n"
    session.identity.extruders = 8
    session.identity.capabilities["CHAMBER_TEMPERATURE"] = True
    assert b"M141 S0\n" in last_words(session)
    assert len(last_words(session)) < 128, "the firmware's receive buffer"


@pytest.mark.parametrize("name", ["CHAMBER_TEMPERATURE", "HEATED_CHAMBER"])
def test_a_chamber_is_made_cold_too(name: str) -> None:
    session = Session()
    assert b"M141 S0" not in secure(session, homed=True)
    session.identity.capabilities[name] = True
    assert b"M141 S0" in secure(session, homed=True)


@pytest.mark.parametrize("command", ["M141 S60", "M191 S60"])
def test_a_chamber_that_only_the_file_knows_is_made_cold_too(command: str) -> None:
    world = World().connected()
    world.print_lines([command, *HEATED, *moves(300)])
    world.protocol.cancel(world.now_s)
    world.ended()
    assert "M141 S0" in world.firmware.executed
