"""The session against the virtual firmware: what goes wrong, and that each fault ends as its row says."""

import pytest

from drivers.base import PrintEnd
from drivers.errors import Bilingual
from drivers.marlin.events import JobEnded, Ready
from drivers.marlin.job import Phase
from drivers.marlin.lines import ProgramLine
from drivers.marlin.patience import SILENCE_S
from drivers.marlin.reported import Reported
from drivers.virtual.heaters import Sensor
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed


@pytest.fixture
def world() -> World:
    """In the middle of a print of 300 moves."""
    world = World().connected()
    world.print_lines([*HEATED, *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    return world


def _code(world: World) -> str | None:
    fault = world.ended().fault
    return fault.code if fault is not None else None


def test_a_lost_ok_costs_time_and_no_line(world: World) -> None:
    world.firmware.faults.lose_oks = 1
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)


def test_the_lost_ok_of_a_long_command_costs_ten_seconds_when_the_machine_tells_that_it_works() -> None:
    """Found by the soak: reports of temperatures that come by themselves had kept it waiting for a minute."""
    world = World().connected()
    world.print_lines([*HEATED, "G4 S20", *moves(10)])
    world.run(lambda: "G4 S20" in world.firmware.executed, limit_s=900)
    world.pass_time(5.0)
    world.firmware.faults.lose_oks = 1
    began_s = world.now_s
    assert world.ended().end is PrintEnd.DONE
    assert world.now_s - began_s < 40
    assert printed(world.firmware.executed) == moves(10)


def test_a_doubled_ok_costs_no_line(world: World) -> None:
    world.firmware.faults.double_oks = 2
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)


def test_a_frozen_firmware_is_waited_for(world: World) -> None:
    world.firmware.freeze(20.0, world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)


def test_a_firmware_that_never_thaws_ends_the_job_as_interrupted(world: World) -> None:
    world.firmware.freeze(10_000.0, world.now_s)
    began_s = world.now_s
    ending = world.ended(limit_s=SILENCE_S * 3)
    assert ending.end is PrintEnd.INTERRUPTED
    assert ending.fault is not None
    assert ending.fault.code == "no-answer"
    assert world.now_s - began_s > SILENCE_S - 1


def test_a_machine_that_thaws_after_we_gave_up_is_made_safe(world: World) -> None:
    world.firmware.freeze(200.0, world.now_s)
    world.ended(limit_s=SILENCE_S * 3)
    world.events.clear()
    world.run(lambda: bool(world.of(Ready)), limit_s=300)
    assert world.firmware.machine.hotend.target_c == 0.0


def test_a_reset_in_mid_print_fails_the_job_and_sends_nothing_more_of_it(world: World) -> None:
    world.firmware.reset(world.now_s)
    before = len(printed(world.firmware.executed))
    ending = world.ended()
    assert ending.end is PrintEnd.FAILED
    assert ending.fault is not None
    assert ending.fault.code == "reset"
    world.pass_time(60)
    assert len(printed(world.firmware.executed)) == before
    assert world.phase() is Phase.READY


def test_a_reset_whose_start_is_lost_is_noticed_by_the_line_number(world: World) -> None:
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.to_host = lambda data: data.replace(b"start\n", b"st@rt\n")
    world.firmware.reset(world.now_s)
    before = len(printed(world.firmware.executed))
    assert _code(world) == "reset"
    assert len(printed(world.firmware.executed)) == before


@pytest.mark.parametrize(
    ("heater", "sensor", "code"),
    [
        ("hotend", Sensor.OPEN, "min-temperature"),
        ("hotend", Sensor.SHORT, "max-temperature"),
        ("bed", Sensor.SHORT, "max-temperature"),
    ],
)
def test_a_broken_sensor_kills(world: World, heater: str, sensor: Sensor, code: str) -> None:
    if heater == "bed":
        world.firmware.machine.heated_bed.target_c = 60.0
    world.firmware.break_sensor(heater, sensor, world.now_s)
    assert _code(world) == code
    assert world.phase() is Phase.KILLED
    world.sent.clear()
    world.pass_time(60)
    assert world.sent == b"\nM104 S0\n\nM140 S0\n", "it is deaf; should it not be, it gets cold, and nothing else is said"


def test_a_machine_that_only_says_such_words_does_not_stay_hot(world: World) -> None:
    """A file's M118, or noise: it is neither deaf nor cold."""
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.protocol.receive(b"Thermal Runaway of a heater, says the file\n", world.now_s)
    assert _code(world) == "thermal-runaway"
    world.pass_time(10)
    assert world.firmware.machine.hotend.target_c == 0
    assert not world.firmware.killed


def test_a_machine_that_only_says_start_does_not_stay_hot(world: World) -> None:
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.protocol.receive(b"start\n", world.now_s)
    assert _code(world) == "reset"
    world.run(lambda: world.phase() is Phase.READY, limit_s=60)
    assert world.firmware.machine.hotend.target_c == 0


def test_the_first_line_of_a_kill_names_the_fault(world: World) -> None:
    world.firmware.thermal_runaway(world.now_s)
    ending = world.ended()
    assert ending.end is PrintEnd.FAILED
    world.pass_time(5)
    assert world.protocol.fault == ending.fault
    assert ending.fault is not None
    assert ending.fault.text == "Error:Thermal Runaway, system stopped! Heater_ID: E0"


def test_a_heater_that_breaks_while_heating_kills() -> None:
    world = World().connected()
    world.print_lines(["M109 S200", *moves(3)])
    world.firmware.break_heater("hotend", world.now_s)
    assert _code(world) == "heating-failed"


def test_cold_extrusion_fails_the_job_and_the_machine_obeys_on() -> None:
    world = World().connected()
    world.print_lines(["G28", "G90", "M83", *moves(20)])
    ending = world.ended()
    assert ending.end is PrintEnd.FAILED
    assert ending.fault is not None
    assert ending.fault.code == "cold-extrusion"
    assert world.phase() is Phase.READY
    assert "G1 Z10 F600" in world.firmware.executed


def test_a_printer_that_stopped_itself_fails_the_job_and_is_not_released(world: World) -> None:
    world.protocol.receive(b"Error:Printer stopped due to errors. Fix the error and use M999 to restart.\n", world.now_s)
    assert _code(world) == "stopped"
    world.sent.clear()
    world.pass_time(120)
    assert b"M999" not in world.sent
    assert world.phase() is Phase.KILLED


def test_unknown_commands_are_counted_and_no_fault() -> None:
    world = World().connected()
    world.print_lines([*HEATED, "G998", "G999", *moves(5)])
    assert world.ended().end is PrintEnd.DONE
    assert world.protocol.reported.unknown_commands >= 2
    note = world.protocol.reported.note
    assert isinstance(note, Bilingual)
    assert note.en == f"The printer did not know {world.protocol.reported.unknown_commands} commands of the last file."
    assert note.fr.endswith(" commandes du dernier fichier.")
    assert "commands of this file." in str(world.ended().detail)


def test_labels_that_a_printer_does_not_know_are_no_news_to_people() -> None:
    world = World().connected()
    world.print_lines([*HEATED, "M486 T2", "M73 P10", *(line for move in moves(5) for line in ("M486 S0", move, "M486 S-1"))])
    ending = world.ended()
    assert (ending.end, str(ending.detail)) == (PrintEnd.DONE, "Every line was executed.")
    assert world.protocol.reported.unknown_commands == 0


def test_one_unknown_command_is_one_in_both_languages() -> None:
    assert Reported(unknown_commands=1).note == Bilingual(
        "The printer did not know 1 command.", "L'imprimante ne connaissait pas 1 commande."
    )
    assert Reported().note is None


def test_a_file_that_cannot_be_read_on_fails_and_is_made_safe(world: World) -> None:
    world.protocol.feed_failed("The disk is gone.", world.now_s)
    ending = world.ended()
    assert ending.fault is not None
    assert (ending.end, ending.fault.code) == (PrintEnd.FAILED, "file-unreadable")
    assert world.firmware.machine.hotend.target_c == 0.0


def test_a_stranger_on_the_line_makes_the_position_doubtful(world: World) -> None:
    world.firmware.feed(b"M110 N7000\n", world.now_s)
    ending = world.ended()
    assert ending.end is PrintEnd.FAILED
    assert ending.fault is not None
    assert ending.fault.code == "position-lost"
    assert world.firmware.machine.hotend.target_c == 0.0


def test_a_line_that_runs_without_its_number_fails_the_job_instead_of_printing_it_twice() -> None:
    world = World().connected()
    cut: list[bytes] = []

    def lose_the_number(data: bytes) -> bytes:
        if not cut and data.startswith(b"N80 G1"):
            cut.append(data)
            return data[4:]
        return data

    world.to_machine = lose_the_number
    world.print_lines([*HEATED, *moves(300)])
    assert _code(world) == "line-doubtful"
    executed = [text.partition("*")[0] for text in printed(world.firmware.executed)]
    assert len(executed) == len(set(executed))


def test_a_line_that_the_firmware_never_takes_is_given_up() -> None:
    world = World().connected()
    world.to_machine = lambda data: data.replace(b"X33 ", b"X34 ")
    world.print_lines([*HEATED, *moves(50)])
    assert _code(world) == "line-refused"


# a person at the machine


def test_host_actions_pause_resume_and_cancel(world: World) -> None:
    world.protocol.receive(b"//action:pause\n", world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=60)
    world.protocol.receive(b"//action:resume\n", world.now_s)
    world.run(lambda: world.phase() is Phase.RUNNING, limit_s=60)
    world.protocol.receive(b"//action:cancel\n", world.now_s)
    ending = world.ended()
    assert ending.end is PrintEnd.CANCELLED
    assert ending.by_person


def test_m0_waits_for_a_person_and_says_so() -> None:
    world = World(FirmwareOptions(host_actions=True, emergency_parser=True)).connected()
    world.print_lines([*HEATED, *moves(5), "M0 Click", *moves(5, start=5)])
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    world.pass_time(3600)  # nobody is there for an hour: nothing breaks
    assert not world.of(JobEnded)
    world.firmware.feed(b"M108\n", world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(10)


def test_cancel_while_a_person_is_awaited() -> None:
    world = World(FirmwareOptions(host_actions=True, emergency_parser=True)).connected()
    world.print_lines([*HEATED, "M0 Click", *moves(5)])
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    world.protocol.cancel(world.now_s)
    assert world.ended(limit_s=60).end is PrintEnd.CANCELLED
    assert printed(world.firmware.executed) == []


# the cable


def test_a_short_loss_without_reset_goes_on_exactly(world: World) -> None:
    world.unplug()
    assert world.phase() is Phase.CLOSED
    world.pass_time(4)
    world.replug()
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)


def test_a_loss_while_paused_stays_paused(world: World) -> None:
    world.protocol.pause(world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=60)
    world.pass_time(10)
    world.unplug()
    world.pass_time(2)
    world.replug()
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=30)
    world.protocol.resume(world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)


def test_a_reset_by_reopening_fails_the_job(world: World) -> None:
    world.unplug()
    world.pass_time(2)
    world.firmware.reset(world.now_s)
    world.replug()
    assert _code(world) == "reset"


def test_a_longer_loss_fails_the_job_and_makes_the_machine_safe(world: World) -> None:
    world.unplug()
    world.pass_time(30)
    world.replug()
    ending = world.ended()
    assert ending.end is PrintEnd.FAILED
    assert ending.fault is not None
    assert ending.fault.code == "unplugged"
    assert world.firmware.machine.hotend.target_c == 0.0


def test_a_loss_without_return_ends_as_interrupted(world: World) -> None:
    world.unplug()
    ending = world.ended(limit_s=120)
    assert ending.end is PrintEnd.INTERRUPTED
    assert ending.fault is not None
    assert ending.fault.code == "unplugged"
    world.events.clear()
    world.replug()
    world.run(lambda: bool(world.of(Ready)), limit_s=60)
    assert world.firmware.machine.hotend.target_c == 0.0


def test_cancel_while_the_cable_is_out(world: World) -> None:
    world.unplug()
    world.protocol.cancel(world.now_s)
    assert world.ended().end is PrintEnd.CANCELLED
    world.events.clear()
    world.replug()
    world.run(lambda: bool(world.of(Ready)), limit_s=60)
    assert world.firmware.machine.hotend.target_c == 0.0


def test_a_silent_idle_machine_is_offline_and_comes_back() -> None:
    world = World().connected()
    world.firmware.freeze(300.0, world.now_s)
    world.run(lambda: world.protocol.silent, limit_s=200)
    world.events.clear()
    world.run(lambda: bool(world.of(Ready)), limit_s=300)


def test_the_machine_is_made_safe_for_a_job_of_an_earlier_process() -> None:
    world = World().connected()
    world.firmware.machine.hotend.target_c = 200.0
    world.protocol.make_safe(world.now_s)
    world.run(lambda: world.phase() is Phase.READY, limit_s=60)
    assert world.firmware.machine.hotend.target_c == 0.0


def test_feeding_after_the_end_changes_nothing(world: World) -> None:
    world.protocol.cancel(world.now_s)
    world.ended()
    world.protocol.feed([ProgramLine(b"G1 X1 E1", 5)], complete=True, now_s=world.now_s)
    world.pass_time(5)
    assert "G1 X1 E1" not in world.firmware.executed


def test_cancelled_while_it_is_unplugged_it_says_that_nobody_cooled_it(world: World) -> None:
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.protocol.pause(world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED and world.protocol.channel.idle, limit_s=60)
    world.unplug()
    world.protocol.cancel(world.now_s)
    ended = world.ended()
    assert ended.end is PrintEnd.CANCELLED
    assert "look whether its heaters are on" in ended.detail
    world.pass_time(30)
    assert world.firmware.machine.hotend.target_c > 0
    world.replug()
    world.run(lambda: world.phase() is Phase.READY, limit_s=60)
    assert world.firmware.machine.hotend.target_c == 0


@pytest.mark.parametrize(("actual_c", "code"), [(160.0, "heater-lost"), (195.0, "cold-extrusion")])
def test_a_nozzle_that_went_cold_has_a_failing_heater(actual_c: float, code: str) -> None:
    world = World().connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.protocol.receive(
        f" T:{actual_c:.2f} /200.00 B:25.00 /0.00 @:127 B@:0\necho: cold extrusion prevented\n".encode(), world.now_s
    )
    ending = world.ended()
    assert ending.fault is not None
    assert ending.fault.code == code


def test_a_file_that_never_waited_for_heat_is_no_failing_heater() -> None:
    world = World().connected()
    world.print_lines(["M104 S200", "G28", "G90", "M83", *moves(300)])
    ending = world.ended()
    assert ending.fault is not None
    assert ending.fault.code == "cold-extrusion"
