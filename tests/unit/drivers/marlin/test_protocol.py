"""The session against the virtual firmware: what a good day looks like."""

import pytest

from drivers.base import PrintEnd
from drivers.marlin.errands import Errand, Purpose
from drivers.marlin.events import Event, JobBegun, JobEnded, NotUnderstood, Ready, Refused
from drivers.marlin.job import Phase
from drivers.marlin.protocol import Protocol
from drivers.marlin.window import Window
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed

ADVANCED = FirmwareOptions(advanced_ok=True, emergency_parser=True, host_actions=True)


@pytest.fixture
def world() -> World:
    return World().connected()


def test_a_machine_is_identified(world: World) -> None:
    (ready,) = world.of(Ready)
    assert ready.firmware.startswith("Marlin")
    assert ready.was_reset
    assert world.phase() is Phase.READY
    assert world.protocol.identity.reports
    assert world.protocol.reported.nozzle is not None


def test_a_board_that_boots_late_is_waited_for() -> None:
    world = World(FirmwareOptions(boot_s=6.0)).connected()
    assert world.now_s < 12


def test_temperatures_come_by_themselves(world: World) -> None:
    world.firmware.machine.hotend.target_c = 200.0
    world.pass_time(30)
    assert world.protocol.reported.nozzle is not None
    assert world.protocol.reported.nozzle.target_c == 200.0
    assert world.protocol.reported.nozzle.actual_c > 30


@pytest.mark.parametrize("options", [FirmwareOptions(), ADVANCED], ids=["standard", "advanced"])
def test_every_line_is_executed_once_and_in_order(options: FirmwareOptions) -> None:
    world = World(options).connected()
    program = [*HEATED, *moves(400), "M104 S0", "M140 S0", "M84"]
    world.print_lines(program)
    ending = world.ended()
    assert ending.end is PrintEnd.DONE
    ours = {"M400", "M105", "M220 S100", "M221 S100"}
    executed = [text for text in world.firmware.executed if text not in ours and not text.startswith(("M118", "M110"))]
    assert executed == program
    assert world.phase() is Phase.READY


def test_done_means_that_the_last_move_is_over(world: World) -> None:
    world.print_lines([*HEATED, "G1 X200 E5 F60"])  # more than three minutes for one move
    world.ended()
    assert not world.firmware.machine.planner.busy


def test_a_doubled_ok_does_not_end_a_job_early(world: World) -> None:
    world.print_lines([*HEATED, *moves(3), "G1 X200 E5 F60"])
    world.firmware.faults.double_oks = 3
    ending = world.ended()
    assert ending.end is PrintEnd.DONE
    assert not world.firmware.machine.planner.busy


def test_a_job_begins_when_the_machine_works_on_its_first_line(world: World) -> None:
    world.print_lines(["M109 S200", "G28", *moves(3)])
    began_s = world.now_s
    world.ended()
    assert world.now_s - began_s > 20  # heating alone takes longer than it took to begin
    assert len(world.of(JobBegun)) == 1


def test_progress_is_the_place_in_the_file(world: World) -> None:
    world.print_lines([*HEATED, *moves(200)])
    seen = []
    while not world.of(JobEnded):
        world.step()
        if world.protocol.job is not None:
            seen.append(world.protocol.job.progress)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert any(0.4 < progress < 0.6 for progress in seen)


def test_a_second_job_starts_from_line_one(world: World) -> None:
    for name in ("job-1", "job-2"):
        world.events.clear()
        world.print_lines([*HEATED, *moves(20)], name=name)
        assert world.ended().end is PrintEnd.DONE
        assert printed(world.firmware.executed) == moves(20)


def test_nothing_waits_behind_a_long_command(world: World) -> None:
    world.print_lines(["M109 S200", *moves(10)])
    world.pass_time(5)
    assert world.firmware.executed[-1] == "M109 S200"
    assert world.sent.endswith(b"N3 M109 S200*105\n")


# pause


def test_pause_lifts_the_nozzle_and_resume_brings_it_back(world: World) -> None:
    program = [*HEATED, "G1 Z0.6 F600", *moves(300)]
    world.print_lines(program)
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.protocol.pause(world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=60)
    world.pass_time(30)
    stopped_at = len(printed(world.firmware.executed))
    world.pass_time(600)
    assert len(printed(world.firmware.executed)) == stopped_at
    assert "G1 Z5.60 F600" in world.firmware.executed
    assert "M84 S0" in world.firmware.executed
    assert world.firmware.machine.hotend.target_c == 200.0

    before = len(world.firmware.executed)
    world.protocol.resume(world.now_s)
    ending = world.ended()
    assert ending.end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)
    resumed = world.firmware.executed[before : before + 8]
    assert resumed[0] == "M84 S120"
    assert resumed[1] == "G90"
    assert resumed[3] == "G1 Z0.60 F600"
    assert resumed[4].startswith("G92 E")
    assert resumed[5:] == ["G90", "M83", "G1 F3000"]


def test_pause_before_homing_moves_nothing(world: World) -> None:
    world.print_lines(["M109 S200", *moves(3)])
    world.protocol.pause(world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=600)
    world.pass_time(10)
    assert not [text for text in world.firmware.executed if text.startswith(("G1", "G0"))]


def test_resume_before_the_pause_is_complete_wins(world: World) -> None:
    world.print_lines([*HEATED, *moves(100)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.protocol.pause(world.now_s)
    world.protocol.resume(world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(100)


def test_a_paused_job_can_be_cancelled(world: World) -> None:
    world.print_lines([*HEATED, *moves(100)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.protocol.pause(world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=60)
    world.protocol.cancel(world.now_s)
    assert world.ended().end is PrintEnd.CANCELLED
    assert world.firmware.machine.hotend.target_c == 0.0


# cancel


def test_cancel_leaves_the_machine_safe(world: World) -> None:
    world.print_lines([*HEATED, "M140 S60", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.protocol.cancel(world.now_s)
    ending = world.ended()
    assert ending.end is PrintEnd.CANCELLED
    assert not ending.by_person
    machine = world.firmware.machine
    assert machine.hotend.target_c == 0.0
    assert machine.heated_bed.target_c == 0.0
    executed = world.firmware.executed
    assert executed.index("M104 S0") < executed.index("G1 Z10 F600")
    assert world.phase() is Phase.READY


@pytest.mark.parametrize("options", [FirmwareOptions(), ADVANCED], ids=["standard", "advanced"])
def test_cancel_does_not_wait_for_the_heater(options: FirmwareOptions) -> None:
    world = World(options).connected()
    world.print_lines(["M140 S90", "M190 S90", *moves(3)])
    world.pass_time(3)
    world.protocol.cancel(world.now_s)
    assert world.ended(limit_s=5).end is PrintEnd.CANCELLED
    assert printed(world.firmware.executed) == []
    assert world.firmware.machine.heated_bed.target_c == 0.0


def test_cancel_twice_is_cancel_once(world: World) -> None:
    world.print_lines([*HEATED, *moves(300)])
    world.protocol.cancel(world.now_s)
    world.protocol.cancel(world.now_s)
    world.ended()
    assert world.firmware.executed.count("M104 S0") == 1


def test_after_a_cancel_the_next_job_prints(world: World) -> None:
    world.print_lines([*HEATED, *moves(300)])
    world.protocol.cancel(world.now_s)
    world.ended()
    world.events.clear()
    world.print_lines([*HEATED, *moves(10)], name="job-2")
    assert world.ended().end is PrintEnd.DONE


# emergency stop


def test_the_emergency_stop_is_unnumbered_and_first(world: World) -> None:
    world.print_lines([*HEATED, *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.sent.clear()
    world.protocol.emergency_stop(world.now_s)
    world.step()
    assert bytes(world.sent).split() == [b"M112"]
    assert world.firmware.killed
    world.step()
    ending = world.ended()
    assert ending.end is PrintEnd.CANCELLED
    assert ending.fault is not None
    assert ending.fault.code == "emergency-stop"
    assert not world.protocol.stopping


def test_the_emergency_stop_works_while_the_machine_heats(world: World) -> None:
    world.print_lines(["M109 S250", *moves(3)])
    world.pass_time(3)
    world.protocol.emergency_stop(world.now_s)
    world.pass_time(1)
    assert world.firmware.killed


def test_an_unconfirmed_stop_is_said_again_and_then_told(world: World) -> None:
    world.to_machine = lambda _data: b""
    world.protocol.emergency_stop(world.now_s)
    world.pass_time(10)
    assert world.sent.count(b"M112") == 3
    assert world.protocol.fault is not None
    assert world.protocol.fault.code == "stop-unconfirmed"


def test_a_reset_after_the_stop_makes_the_machine_ready_again(world: World) -> None:
    world.protocol.emergency_stop(world.now_s)
    world.pass_time(1)
    world.events.clear()
    world.firmware.reset(world.now_s)
    world.run(lambda: bool(world.of(Ready)), limit_s=20)
    assert world.protocol.fault is None


# who answers


def test_silence_is_no_printer() -> None:
    world = World()
    world.plugged = False
    world.protocol.opened(0.0)
    world.run(lambda: bool(world.of(NotUnderstood)), limit_s=15)
    assert not world.of(NotUnderstood)[0].heard
    assert world.protocol.silent


def test_a_printer_that_is_switched_on_later_is_found() -> None:
    world = World()
    world.plugged = False
    world.protocol.opened(0.0)
    world.run(lambda: bool(world.of(NotUnderstood)), limit_s=15)
    world.plugged = True
    world.run(lambda: bool(world.of(Ready)), limit_s=15)


def test_garbage_is_heard_but_no_printer() -> None:
    world = World()
    world.to_host = lambda data: bytes(byte ^ 0x55 for byte in data)
    world.protocol.opened(0.0)
    world.run(lambda: bool(world.of(NotUnderstood)), limit_s=15)
    (event,) = world.of(NotUnderstood)
    assert event.heard or len(world.heard) < 1024


def test_a_firmware_without_line_numbers_is_refused_by_name() -> None:
    protocol = Protocol()
    protocol.opened(0.0)
    now_s = 0.0
    events: list[Event] = []
    while not events:
        now_s += 0.25
        protocol.on_timeout(now_s)
        for line in protocol.data_to_send().split(b"\n"):
            if b"M115" in line:
                protocol.receive(b"FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.12\nok\n", now_s)
            elif line:
                protocol.receive(b"ok B:20.0 /0.0 T0:20.0 /0.0\n", now_s)
        events = list(protocol.events())
        assert now_s < 30
    assert isinstance(events[0], Refused)
    assert "Klipper" in events[0].why.en
    assert "Klipper" in events[0].why.fr
    assert "octoprint+http://" in events[0].next_step.en


def test_a_machine_in_a_long_command_is_a_printer_and_waited_for() -> None:
    world = World()
    world.firmware.feed(b"M113 S2\nM109 S230\n", 0.0)
    world.protocol.opened(0.0)
    world.run(lambda: bool(world.of(Ready)), limit_s=600)
    assert not world.of(NotUnderstood)
    assert world.sent.count(b"M115") <= 4


def test_polling_where_the_firmware_does_not_report() -> None:
    world = World()
    world.to_host = lambda data: data.replace(b"Cap:AUTOREPORT_TEMP:1", b"Cap:AUTOREPORT_TEMP:0")
    world.connected()
    world.sent.clear()
    world.pass_time(10)
    assert 3 <= world.sent.count(b"M105") <= 7
    world.print_lines([*HEATED, *moves(1500)])
    world.ended()
    assert world.protocol.reported.nozzle is not None
    assert printed(world.firmware.executed) == moves(1500)
    assert world.firmware.executed.count("M105") >= 3


def test_noise_without_a_line_end_does_not_fill_memory() -> None:
    protocol = Protocol()
    protocol.opened(0.0)
    for _ in range(1000):
        protocol.receive(b"\x55" * 1000, 0.1)
    assert len(protocol._pending) <= 1024


@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("advanced", [False, True])
def test_the_short_way_says_the_same_as_the_long_one(monkeypatch: pytest.MonkeyPatch, lines: int, advanced: bool) -> None:
    said = []
    for short in (True, False):
        if not short:
            monkeypatch.setattr(Protocol, "streams", lambda *_: None)
        options = FirmwareOptions(advanced_ok=advanced, uart_baud=250_000)
        world = World(options, window=Window(lines, hungry_answers=0)).connected()
        world.print_lines([*HEATED, *moves(300), "M104 S190", *moves(300, start=300), "G28 X", *moves(10, start=600)])
        assert world.ended().end is PrintEnd.DONE
        assert printed(world.firmware.executed) == moves(610)
        said.append(bytes(world.sent))
    assert said[0] == said[1]


def test_the_short_way_is_only_for_oks_of_moves_while_nothing_else_is_due(world: World) -> None:
    protocol = world.protocol
    assert not protocol.streams(b"ok\n", world.now_s)  # no job
    world.print_lines([*HEATED, *moves(200)])
    assert not protocol.streams(b"ok\n", world.now_s)  # of M104 or M109
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    while protocol.channel.idle:
        world.step()
    for data in (b"", b"ok", b"ok T:20.0 /0.0\n", b"ok\nok\n", b"ok\n//action:pause\n", b"Resend: 5\n"):
        assert not protocol.streams(data, world.now_s)
    assert not protocol.data_to_send()
    protocol.pause(world.now_s)
    assert not protocol.streams(b"ok\n", world.now_s)


def _paused(world: World) -> bool:
    return world.phase() is Phase.PAUSED and not world.protocol.script and world.protocol.channel.idle


@pytest.mark.parametrize(
    ("said", "damaged"),
    [(b" Z:0.30 ", b" Z:8.30 "), (b"X:", b"X:1"), (b" E:4", b" E:0"), (b"X:", b"x:")],
    ids=["z", "x", "e", "none"],
)
def test_a_damaged_answer_to_where_it_stands_moves_nothing_elsewhere(said: bytes, damaged: bytes) -> None:
    world = World().connected()
    world.print_lines([*HEATED, "G92 E0", "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 110, limit_s=600)
    hits: list[bytes] = []

    def spoil(data: bytes) -> bytes:
        if b"Count X:" not in data or hits:
            return data
        hits.append(data)
        return data.replace(said, damaged)

    world.to_host = spoil
    world.protocol.pause(world.now_s)
    world.run(lambda: _paused(world), limit_s=120)
    assert hits
    assert world.firmware.machine.place[2] == pytest.approx(5.3)
    world.protocol.resume(world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert world.firmware.machine.place[2] == pytest.approx(0.3)
    assert printed(world.firmware.executed) == moves(300)
    assert world.firmware.bed.extruded_mm == pytest.approx(300 * 0.04)


def test_a_machine_that_never_says_twice_the_same_stays_where_it_is() -> None:
    world = World().connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 110, limit_s=600)
    number = iter(range(10_000))
    world.to_host = lambda data: data.replace(b" Z:0.30 ", b" Z:%d.30 " % next(number))
    world.protocol.pause(world.now_s)
    world.run(lambda: _paused(world), limit_s=120)
    assert world.firmware.machine.place[2] == pytest.approx(0.3)
    world.protocol.resume(world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.LOCATING, Phase.SETUP, Phase.READY])
def test_made_safe_in_any_phase_of_a_new_process_it_is_safe_and_stays_awake(phase: Phase) -> None:
    world = World().connected()
    world.protocol.deadman_s = 300
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.protocol = Protocol(deadman_s=300)
    world.events.clear()
    world._program = []
    world.protocol.opened(world.now_s)
    world.run(lambda: world.phase() is phase, limit_s=60)
    world.protocol.make_safe(world.now_s)
    world.protocol.make_safe(world.now_s)
    world.pass_time(900)
    assert world.firmware.machine.hotend.target_c == 0
    assert world.firmware.machine.place[2] == pytest.approx(10.3), "lifted, and once"
    assert world.phase() is Phase.READY, "M85 is off: it does not stop itself for having nothing to do"
    assert not world.protocol.abandoned


def test_what_was_made_safe_half_when_contact_was_lost_is_made_safe_again() -> None:
    world = World().connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.protocol = Protocol()
    world.events.clear()
    world._program = []
    world.replug()
    world.run(lambda: bool(world.of(Ready)), limit_s=60)
    world.protocol.make_safe(world.now_s)
    world.unplug()
    world.pass_time(5)
    assert world.firmware.machine.hotend.target_c == 200
    world.replug()
    world.run(lambda: world.phase() is Phase.READY, limit_s=60)
    assert world.firmware.machine.hotend.target_c == 0


def test_an_errand_ends_before_the_machine_is_made_safe() -> None:
    world = World().connected()
    world.firmware.machine.hotend.target_c = 200.0
    errand = Errand(Purpose.CONSOLE, [b"G4 S20"])
    world.protocol.run(errand, world.now_s)
    world.pass_time(3)
    world.protocol.make_safe(world.now_s)
    world.run(lambda: world.phase() is Phase.READY, limit_s=60)
    assert errand.done
    assert world.firmware.machine.hotend.target_c == 0


def test_a_file_in_inches_comes_back_from_a_pause_to_its_place() -> None:
    world = World().connected()
    inches = [f"G1 X{1 + index % 80 / 40:.3f} Y{1 + index / 200:.3f} E0.002 F100" for index in range(200)]
    world.print_lines([*HEATED, "G20", "G1 Z0.04", *inches])
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.protocol.pause(world.now_s)
    world.run(lambda: _paused(world), limit_s=120)
    assert world.firmware.machine.place[2] == pytest.approx(6.02, abs=0.01)
    world.protocol.resume(world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert world.firmware.machine.place[2] == pytest.approx(1.02, abs=0.01)
    assert world.firmware.bed.extruded_mm == pytest.approx(200 * 0.002 * 25.4)
