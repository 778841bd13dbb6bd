import json

import pytest

from drivers.virtual.bed import PartRule
from drivers.virtual.firmware import Firmware
from drivers.virtual.heaters import Sensor
from drivers.virtual.options import RX_RING_BYTES, FirmwareOptions
from tests.unit.drivers.virtual.console import Console, numbered

KILLED = "Error:Printer halted. kill() called!"
EMERGENCY = FirmwareOptions(emergency_parser=True, advanced_ok=True)


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def warm() -> Console:
    """Allowed to extrude cold, so that tests need no heating."""
    console = Console()
    console.run("M302 P1")
    return console


# -- greeting


def test_says_start_first() -> None:
    said = Firmware().advance(0.0).decode().splitlines()
    assert said[0] == "start"
    assert said[-1].startswith("echo:  M301")


def test_is_deaf_until_it_has_booted() -> None:
    firmware = Firmware(FirmwareOptions(boot_s=2.0))
    assert firmware.next_wake_s() == 2.0
    firmware.feed(b"M105\n", 1.0)
    assert firmware.advance(1.9) == b""
    assert firmware.advance(2.0).startswith(b"start\n")
    assert firmware.advance(10.0) == b""


def test_sleeps_when_nothing_is_to_do(console: Console) -> None:
    assert console.firmware.next_wake_s() is None
    console.run("G1 X10")
    assert console.firmware.next_wake_s() is None  # a move needs nobody to watch it


# -- lines


def test_resend_dialogue(console: Console) -> None:
    """As recorded from real Marlin."""
    console.run("M110 N0", numbered(1, "G90"), numbered(2, "M82"), numbered(3, "M107"))
    assert console.send("N4 G1 X1*1") == ["Error:checksum mismatch, Last Line: 3", "Resend: 4", "ok"]
    assert console.send(numbered(4, "G1 X1")) == ["ok"]
    assert console.send(numbered(9, "G1 X2")) == ["Error:Line Number is not Last Line Number+1, Last Line: 4", "Resend: 5", "ok"]
    assert console.send(numbered(4, "G1 X1")) == []
    assert console.send(numbered(3, "M107")) == []
    assert console.send(numbered(5, "G1 X2")) == ["ok"]
    assert console.send("N6 G1 X3") == ["Error:No Checksum with line number, Last Line: 5", "Resend: 6", "ok"]


def test_lines_behind_a_bad_one_are_lost(console: Console) -> None:
    console.run("M110 N11")
    assert console.send("N12 G1 X9*1", numbered(13, "G1 X8")) == ["Error:checksum mismatch, Last Line: 11", "Resend: 12", "ok"]


def test_lines_before_a_bad_one_answer_after_its_ok(console: Console) -> None:
    console.run("M110 N0")
    said = console.send(numbered(1, "M118 one"), numbered(2, "M118 two"), "N3 M118 three*1")
    assert said == ["Error:checksum mismatch, Last Line: 2", "Resend: 3", "ok", "one", "ok", "two", "ok"]


def test_probe_tells_the_position_and_executes_nothing(console: Console) -> None:
    console.run("M110 N0", numbered(1, "G90"))
    said = console.send("", numbered(2_000_000_000, "M105"))
    assert said == ["Error:Line Number is not Last Line Number+1, Last Line: 1", "Resend: 2", "ok"]
    assert console.send(numbered(2, "M107")) == ["ok"]


def test_m110_sets_the_line_number(console: Console) -> None:
    console.run("M110 N100")
    assert console.send(numbered(101, "M107")) == ["ok"]
    assert console.send(numbered(7, "M110 N7")) == ["ok"]
    assert console.send(numbered(8, "M107")) == ["ok"]


def test_empty_lines_get_no_ok(console: Console) -> None:
    assert console.send("", "", ";comment") == []


@pytest.mark.parametrize("line", ["hello", "g1 x4", "M9999", "G999"])
def test_unknown_commands_are_named_and_acknowledged(console: Console, line: str) -> None:
    assert console.send(line) == [f'echo:Unknown command: "{line}"', "ok"]


def test_m105_has_its_temperatures_in_the_ok(console: Console) -> None:
    assert console.send("M105") == ["ok T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0"]


def test_m999_flushes_and_asks_for_a_resend(console: Console) -> None:
    console.run("M110 N41")
    assert console.send("M999") == ["Resend: 42", "ok", "ok"]
    assert console.send("M999 S1") == ["ok"]


# -- flow control


def test_planner_takes_fifteen_moves_and_the_sixteenth_waits(console: Console) -> None:
    for number in range(1, 16):
        assert console.send(f"G1 X{number * 10} F6000") == ["ok"]
    assert console.send("G1 X0") == []
    wake_s = console.firmware.next_wake_s()
    assert wake_s is not None
    assert 0 < wake_s < 1
    assert console.wait(wake_s) == ["ok"]


def test_a_blocked_move_says_busy(console: Console) -> None:
    for number in range(1, 16):
        console.send(f"G1 X{(number % 2) * 200} F600")
    console.send("G1 X5")
    assert console.wait(4.5) == ["echo:busy: processing"] * 2


def test_four_lines_fit_into_the_queue_and_128_bytes_into_the_ring(console: Console) -> None:
    console.send("G4 S10")
    assert console.send("M118 1", "M118 2", "M118 3") == []
    # One executing and three queued: what comes now stays in the ring, and beyond 128 bytes is lost.
    console.send(*["M118 x"] * 30)
    assert console.firmware.receiver.dropped_bytes == 30 * 7 - RX_RING_BYTES
    said = console.until_ok(console.wait(10.0))
    assert said.count("x") == RX_RING_BYTES // 7
    assert said[:6] == ["echo:busy: processing"] * 4 + ["ok", "1"]


def test_advanced_ok_tells_line_and_room() -> None:
    console = Console(EMERGENCY)
    console.send("M110 N0")
    assert console.send(numbered(1, "G90")) == ["ok N1 P15 B3"]
    assert console.send(numbered(2, "G1 X10")) == ["ok N2 P14 B3"]
    assert console.send("M107") == ["ok P14 B3"]
    assert console.send("M105")[0].startswith("ok T:")
    assert console.send("N9 G1*1")[-1] == "ok"


# -- M108, M112 and the emergency parser


def test_m108_ends_a_wait_when_the_queue_has_room(console: Console) -> None:
    console.send("M109 S200")
    console.wait(3.0)
    assert console.send("M108") == ["ok", "ok"]


def test_numbered_m108_is_not_early_without_emergency_parser(console: Console) -> None:
    console.run("M110 N0")
    console.send("M109 S200")
    console.wait(3.0)
    assert console.send(numbered(1, "M108")) == []


@pytest.mark.parametrize("command", ["M108", "M112"])
def test_behind_four_lines_nothing_is_seen_without_emergency_parser(console: Console, command: str) -> None:
    console.send("M109 S200", "G90", "G90", "G90", "G90")
    console.wait(3.0)
    said = console.send(command)
    assert "ok" not in said
    assert KILLED not in said


@pytest.mark.parametrize("framed", [False, True])
def test_emergency_parser_sees_m108_behind_anything(framed: bool) -> None:
    console = Console(EMERGENCY)
    console.run("M110 N0")
    console.send("M109 S200", "G90", "G90", "G90", "G90")
    console.wait(3.0)
    said = console.send(numbered(1, "M108") if framed else "M108")
    assert len([line for line in said if line.startswith("ok")]) == 6


def test_emergency_parser_sees_m112_behind_anything() -> None:
    console = Console(EMERGENCY)
    console.send("M109 S200", "G90", "G90", "G90", "G90")
    console.wait(3.0)
    assert console.send("M112")[-2:] == ["echo:M112 Shutdown", KILLED]


def test_m112_kills(console: Console) -> None:
    console.run("M104 S200", "M140 S60", "G1 X50 F300")
    console.wait(5.0)
    assert console.send("M112") == ["echo:M112 Shutdown", KILLED]
    machine = console.firmware.machine
    assert (machine.hotend.target_c, machine.heated_bed.target_c) == (0.0, 0.0)
    assert machine.place[0] == pytest.approx(25.0, abs=0.5)


def test_numbered_m112_kills_when_its_turn_comes(console: Console) -> None:
    console.run("M110 N0")
    assert console.send(numbered(1, "M112")) == ["echo:M112 Shutdown", KILLED]


def test_killed_board_is_deaf_until_reset(console: Console) -> None:
    console.run("M155 S2")
    console.send("M112")
    assert console.send("M105") == []
    assert console.send("M999", "M112") == []
    assert console.wait(100.0) == []
    assert console.firmware.next_wake_s() is None
    console.firmware.reset(console.now_s)
    assert console.heard()[0] == "start"
    assert console.send("M105")[0].startswith("ok T:")


def test_m0_waits_for_a_person() -> None:
    console = Console(FirmwareOptions(emergency_parser=True))
    assert console.send("M0 Click") == ["echo:Click"]
    assert console.wait(4.5) == ["echo:busy: paused for user"] * 2
    assert console.send("M108") == ["ok", "ok"]


def test_m876_answers_a_prompt() -> None:
    console = Console(FirmwareOptions(emergency_parser=True, host_actions=True))
    assert console.send("M0 Click")[-1] == "//action:prompt_show"
    assert console.send("M876 S1") == ["ok", "ok"]


def test_m410_stops_motion_before_its_turn(console: Console) -> None:
    console.run("G1 X100 F600")
    console.send("M400")
    console.wait(5.0)
    assert console.send("M410") == ["ok", "ok"]
    assert console.firmware.machine.place[0] == pytest.approx(50.0, abs=1.0)


# -- M85


def test_m85_kills_after_inactivity(console: Console) -> None:
    console.run("M104 S60", "M85 S20")
    assert console.wait(19.9) == []
    assert console.wait(0.2) == ["Error:!! KILL caused by too much inactive time - current command: M85 S20", KILLED]
    assert console.firmware.machine.hotend.target_c == 0.0


def test_m85_is_held_off_by_moves_and_waits(console: Console) -> None:
    console.run("M85 S20", "G1 X150 F300", "M400", "G4 S50", "M109 S60")
    assert console.now_s > 90
    assert not console.firmware.killed


def test_m85_is_not_held_off_by_questions(console: Console) -> None:
    console.run("M85 S20")
    said = []
    for _ in range(25):
        said += console.wait(1.0) + console.send("M105")
    assert KILLED in said


def test_a_filament_change_holds_m85_unless_the_build_does_not() -> None:
    for held in (True, False):
        console = Console(FirmwareOptions(runout_sensor=True, pause_holds_timer=held))
        console.run("G28", "M109 S200", "M603 U0", "M85 S40")
        console.send("M600")
        console.wait(3600.0)
        assert console.firmware.killed is not held


def test_m85_s0_switches_it_off(console: Console) -> None:
    console.run("M85 S20", "M85 S0")
    assert console.wait(1000.0) == []


# -- reset


def test_reset_forgets_everything_but_heat(console: Console) -> None:
    console.run("M110 N0", "M109 S60", "G92 X0 Y0 Z0")
    console.send(numbered(1, "G1 X10 F3000"), numbered(2, "G1 X200 F3000"))
    console.firmware.reset(console.now_s)
    assert console.heard()[0] == "start"
    assert console.send(numbered(4, "G1 X40")) == ["Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok"]
    assert console.send("M114")[0] == "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0"
    warm = console.send("M105")[0]
    assert " /0.00 B:" in warm
    assert console.firmware.machine.hotend.reading_c() > 55


def test_reset_in_the_middle_ends_the_part_unfinished(warm: Console) -> None:
    warm.run("G28", "G1 X50 E5 F300")
    warm.wait(5.0)
    warm.firmware.reset(warm.now_s)
    (part,) = warm.firmware.bed.parts
    assert part.end == "reset"
    assert 0 < part.extruded_mm < 5
    assert warm.firmware.bed.parts_finished == 0


# -- heat gone wrong


def heat(console: Console) -> None:
    """Hot, and for so long that nothing watches the heating any more."""
    console.run("M109 S200")
    console.wait(60.0)


def test_broken_heater_runs_away(console: Console) -> None:
    heat(console)
    console.firmware.break_heater("hotend", console.now_s)
    said = console.wait(70.0)
    assert said == ["Error:Thermal Runaway, system stopped! Heater_ID: E0", "", "echo:THERMAL RUNAWAY", KILLED]


def test_broken_heater_is_noticed_while_lines_stream(console: Console) -> None:
    heat(console)
    console.firmware.break_heater("hotend", console.now_s)
    said: list[str] = []
    for _ in range(700):
        said += console.wait(0.1) + console.send("M107")
    assert KILLED in said


def test_bed_that_does_not_heat(console: Console) -> None:
    console.firmware.break_heater("bed", console.now_s)
    console.run("M140 S60")
    said = console.wait(62.0)
    assert said == ["Error:Heating failed, system stopped! Heater_ID: bed", "echo:Heating Failed", KILLED]


@pytest.mark.parametrize(("sensor", "word"), [(Sensor.OPEN, "MINTEMP"), (Sensor.SHORT, "MAXTEMP")])
def test_broken_sensor_kills_at_once(console: Console, sensor: Sensor, word: str) -> None:
    console.run("M104 S200")
    console.firmware.break_sensor("hotend", sensor, console.now_s)
    assert console.heard() == [f"Error:{word} triggered, system stopped! Heater_ID: E0", "", f"echo:Err: {word}", KILLED]


def test_thermal_runaway_on_demand(console: Console) -> None:
    console.firmware.thermal_runaway(1.0)
    assert console.wait(1.0)[0] == "Error:Thermal Runaway, system stopped! Heater_ID: E0"
    assert console.firmware.killed


def test_repair_and_reset_make_it_good_again(console: Console) -> None:
    heat(console)
    console.firmware.break_heater("hotend", console.now_s)
    console.wait(100.0)
    console.firmware.repair()
    console.firmware.reset(console.now_s)
    console.heard()
    heat(console)
    assert console.wait(300.0) == []
    assert not console.firmware.killed


def test_host_actions_tell_of_a_kill() -> None:
    console = Console(FirmwareOptions(host_actions=True))
    assert console.send("M112")[-1] == "//action:poweroff"


# -- other faults


def test_freeze_is_deaf_and_dumb_and_motion_goes_on(console: Console) -> None:
    console.run("M155 S1", "G1 X100 F600")
    console.firmware.freeze(20.0, console.now_s)
    assert console.send("M118 hello") == []
    assert console.wait(19.9) == []
    assert console.wait(0.2)[-2:] == ["hello", "ok"]
    assert console.firmware.machine.planner.reached[0] == 100.0


def test_lost_and_doubled_oks(console: Console) -> None:
    console.firmware.faults.lose_oks = 1
    assert console.send("M107") == []
    assert console.send("M107") == ["ok"]
    console.firmware.faults.double_oks = 2
    assert [console.send("M107") for _ in range(3)] == [["ok", "ok"], ["ok", "ok"], ["ok"]]


def test_noise_on_the_way_in_asks_for_resends() -> None:
    console = Console(seed=3)
    console.run("M110 N0")
    console.firmware.faults.noise_in = 0.02
    number, refused = 1, 0
    for _ in range(400):
        said = console.send(numbered(number, "M107"))
        refused += any(line.startswith("Resend") for line in said)
        number = console.firmware.receiver.last_number + 1
    assert 20 < refused < 300
    assert number > 100


def test_noise_on_the_way_out_spoils_answers() -> None:
    console = Console(seed=3)
    console.firmware.faults.noise_out = 0.05
    said = [line for _ in range(200) for line in console.send("M107")]
    assert 0 < sum(line != "ok" for line in said) < 60


# -- the truth


PROGRAM = """
M104 S205
M109 S205
G28
G90
M83
G92 E0
G1 Z0.3 F1200
G1 X85 Y2 E12 F1200
G1 E-2 F2100
G1 X50 Y50 F6000
G1 E2 F2100
G1 X100 Y50 E2.5 F1500
G1 X100 Y100 E2.5
G1 Z0.6
G1 X50 Y100 E2.5
M104 S0
M140 S0
G91
G1 E-2 F2100
G1 Z10 F1200
G90
M84
""".strip().splitlines()


def test_prints_a_file_and_tells_what_it_made() -> None:
    console = Console(rule=PartRule(expected_mm=19.5, tolerance_mm=1e-6, minimum_height_mm=0.6))
    said = console.run(*PROGRAM)
    assert not [line for line in said if line.startswith(("Error", "echo: cold"))]
    bed = console.firmware.bed
    assert bed.extruded_mm == pytest.approx(19.5, abs=1e-9)
    assert bed.net_mm == pytest.approx(17.5, abs=1e-9)
    (part,) = bed.parts
    assert part.height_mm == pytest.approx(0.6)
    assert bed.parts_finished == 1
    assert bed.collisions == 0


def test_printing_twice_without_clearing_is_a_collision() -> None:
    console = Console()
    console.run(*PROGRAM, *PROGRAM)
    assert console.firmware.bed.collisions == 1
    assert console.firmware.bed.parts_finished == 1


def test_printing_twice_with_clearing_makes_two_parts() -> None:
    console = Console()
    console.run(*PROGRAM)
    assert console.firmware.remove_parts(console.now_s) == 1
    console.run(*PROGRAM)
    assert console.firmware.bed.parts_finished == 2
    assert console.firmware.bed.collisions == 0


def test_a_noisy_print_with_ping_pong_and_resends_is_exact() -> None:
    """A sender that waits for each answer and believes only the Last Line gets every millimetre through two per cent of noise."""
    console = Console(seed=11)
    console.run("M302 P1", "M83", "G28", "M110 N0")
    console.firmware.faults.noise_in = 0.02
    lines = [f"G1 X{10 + number % 30} Y{number % 7} E.05 F6000" for number in range(300)]
    while (sent := console.firmware.receiver.last_number) < len(lines):
        console.send("", numbered(sent + 1, lines[sent]))
        # However it was answered, all of it is over before the next line goes out.
        for _ in range(40):
            console.wait(0.05)
    console.settle()
    assert console.firmware.bed.net_mm == pytest.approx(300 * 0.05, abs=0.051 * 4)


def test_snapshot_is_json(console: Console) -> None:
    console.run("M110 N5", "M104 S60")
    found = json.loads(json.dumps(console.firmware.snapshot(), allow_nan=False))
    assert found["line"] == 5
    assert found["lines_executed"] == 2
    assert found["nozzle_c"] == [25.0, 60.0]
    assert found["killed"] is False
    assert found["parts"] == []


def test_time_never_goes_back(console: Console) -> None:
    console.wait(10.0)
    console.firmware.feed(b"M105\n", 5.0)
    assert console.firmware.machine.now_s == 10.0


def test_what_nobody_reads_is_limited(console: Console) -> None:
    firmware = console.firmware
    firmware.feed(b"M155 S1\n", 0.0)
    firmware.settle(100_000.0)
    assert len(firmware.advance(100_000.0)) < 2_000_000
