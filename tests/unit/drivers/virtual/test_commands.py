import math

import pytest

from drivers.virtual.commands import HANDLERS, handler_of
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.virtual.console import Console


@pytest.fixture
def console() -> Console:
    """Cold, homed nowhere, cold extrusion allowed: commands can be tried without heating."""
    found = Console()
    found.run("M302 P1")
    return found


def place(console: Console) -> str:
    return console.run("M114")[0].split(" Count")[0]


def where(console: Console) -> tuple[float, ...]:
    return tuple(float(word.split(":")[1]) for word in place(console).split())


def test_absolute_and_relative_moves(console: Console) -> None:
    console.run("G1 X10 Y5 E1", "G91", "G1 X2 Y-1 E1", "G90", "G1 Z3")
    assert where(console) == (12.0, 4.0, 3.0, 2.0)


def test_m83_makes_only_the_extruder_relative(console: Console) -> None:
    console.run("M83", "G1 X10 E1", "G1 X10 E1")
    assert where(console) == (10.0, 0.0, 0.0, 2.0)


def test_g90_makes_the_extruder_absolute_again(console: Console) -> None:
    console.run("M83", "G1 E1", "G90", "G1 E1")
    assert where(console)[3] == 1.0


def test_g91_then_m82_keeps_the_extruder_absolute(console: Console) -> None:
    console.run("G91", "M82", "G1 X1 E2", "G1 X1 E2")
    assert where(console) == (2.0, 0.0, 0.0, 2.0)


def test_g92_names_the_place(console: Console) -> None:
    said = console.run("G1 X10 E5", "G92 E0")
    assert any(line.startswith("X:10.00 Y:0.00 Z:0.00 E:0.00 Count") for line in said)
    console.run("G1 E2", "G92 X100", "G1 X101")
    assert where(console)[0] == 101.0
    console.settle()
    assert console.firmware.bed.net_mm == pytest.approx(7.0)
    assert console.firmware.machine.planner.reached[0] == pytest.approx(11.0)


def test_bare_g92_makes_zeroes(console: Console) -> None:
    console.run("G1 X10 Y3 Z1 E5", "G92")
    assert where(console) == (0.0, 0.0, 0.0, 0.0)


def test_inches(console: Console) -> None:
    console.run("G20", "G1 X1 F60", "G21")
    assert where(console)[0] == 25.4
    assert console.firmware.machine.feedrate == pytest.approx(25.4)


def test_feedrate_stays_until_changed_and_zero_is_ignored(console: Console) -> None:
    console.run("G1 X1 F3000", "G1 X2", "G1 X3 F0", "G1 X4 F-5")
    assert console.firmware.machine.feedrate == 50.0


def test_g1_parameters_need_no_spaces(console: Console) -> None:
    console.run("G1X3Y4")
    assert where(console)[:2] == (3.0, 4.0)


@pytest.mark.parametrize(("code", "quarters"), [("G2", 3), ("G3", 1)])
def test_arcs_take_as_long_as_their_path(console: Console, code: str, quarters: int) -> None:
    """From (0, 0) around (0, 10) to (10, 10): a quarter counter-clockwise, three quarters clockwise."""
    console.run("G1 X0 F600", f"{code} X10 Y10 I0 J10")
    began_s = console.now_s
    console.settle()
    assert console.now_s - began_s == pytest.approx(quarters * math.pi * 10 / 2 / 10, rel=0.01)
    assert where(console)[:2] == (10.0, 10.0)


def test_arc_without_end_is_a_circle(console: Console) -> None:
    console.run("G1 F600", "G2 I5")
    began_s = console.now_s
    console.settle()
    # A circle ends where it began: it takes its time all the same.
    assert console.now_s - began_s == pytest.approx(2 * math.pi * 5 / 10, rel=0.01)


@pytest.mark.parametrize(("command", "seconds"), [("G4 S4", 4.0), ("G4 P500", 0.5), ("G4", 0.0)])
def test_dwell(console: Console, command: str, seconds: float) -> None:
    console.run(command)
    assert console.now_s == pytest.approx(seconds)


def test_dwell_waits_for_the_moves_first(console: Console) -> None:
    console.run("G1 X50 F3000", "G4 S1")
    assert console.now_s == pytest.approx(2.0, abs=0.05)


def test_homing_zeroes_the_chosen_axes_and_forgets_their_offset(console: Console) -> None:
    console.run("G1 X10 Y10 Z5", "G92 X100 Y100", "G28 X")
    assert where(console)[:3] == (0.0, 100.0, 5.0)
    said = console.run("G28")
    assert said[-2:] == ["X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0", "ok"]


def test_homing_takes_time_and_says_busy(console: Console) -> None:
    said = console.run("G28")
    assert console.now_s > 5
    assert "echo:busy: processing" in said


def test_soft_endstops_hold_homed_axes_only(console: Console) -> None:
    console.run("G1 X-50 Y500")
    assert where(console)[:2] == (-50.0, 500.0)
    console.run("G28", "G1 X-50 Y500 Z-3")
    assert where(console)[:3] == (-5.0, 215.0, 0.0)
    console.run("G1 Z900")
    assert where(console)[2] == 250.0
    console.run("M211 S0", "G1 X300")
    assert where(console)[0] == 300.0


def test_bed_size_bounds_the_moves() -> None:
    console = Console(FirmwareOptions(bed_mm=300.0))
    console.run("G28", "G1 X299 Y299")
    assert where(console)[:2] == (299.0, 299.0)


def test_extruding_beyond_reach_spoils_the_part(console: Console) -> None:
    console.run("G28", "G1 X10 E1", "G1 X900 E2", "M84")
    (part,) = console.firmware.bed.parts
    assert part.cut_moves == 1
    assert console.firmware.bed.parts_finished == 0


def test_cold_extrusion_is_prevented_and_the_move_made() -> None:
    console = Console()
    assert console.run("G1 X10 E5") == ["echo: cold extrusion prevented", "ok"]
    console.settle()
    assert console.firmware.bed.net_mm == 0.0
    assert where(console) == (10.0, 0.0, 0.0, 5.0)


def test_cold_extrusion_limit_can_be_moved() -> None:
    console = Console()
    console.run("M302 S20")
    assert console.run("G1 X10 E5") == ["ok"]


def test_too_long_extrusion_is_prevented(console: Console) -> None:
    assert console.run("G1 E201") == ["echo: too long extrusion prevented", "ok"]
    assert console.run("G1 E400") == ["ok"]


def test_speed_factor(console: Console) -> None:
    console.run("M220 S200", "G1 X100 F3000", "M400")
    assert console.now_s == pytest.approx(1.0, abs=0.1)
    assert console.run("M220") == ["FR:200%", "ok"]


def test_flow_factor(console: Console) -> None:
    console.run("M221 S95", "G1 X10 E10", "M400")
    assert console.firmware.bed.extruded_mm == pytest.approx(9.5)
    assert where(console)[3] == 10.0
    assert console.run("M221") == ["echo:E0 Flow: 95%", "ok"]


def test_limits_can_be_set(console: Console) -> None:
    console.run("M203 X10", "G1 X10 F6000", "M400")
    assert console.now_s == pytest.approx(1.0, abs=0.05)
    console.run("M201 X50 Y60", "M204 P100 T200 R300")
    limits = console.firmware.machine.limits
    assert limits.acceleration[:2] == [50.0, 60.0]
    assert (limits.printing, limits.travelling, limits.retracting) == (100.0, 200.0, 300.0)
    console.run("M204 S400", "M204")
    assert (limits.printing, limits.travelling, limits.retracting) == (400.0, 400.0, 300.0)


def test_m400_waits_for_stillness(console: Console) -> None:
    console.run("G1 X100 F600")
    assert console.now_s == 0.0
    said = console.run("M400")
    assert console.now_s == pytest.approx(10.0, abs=0.1)
    assert said == ["echo:busy: processing"] * 5 + ["ok"]


def test_m113_sets_how_often_it_says_busy(console: Console) -> None:
    console.run("M113 S1")
    assert console.run("M113")[0] == "echo:M113 S1"
    assert console.run("G4 S4") == ["echo:busy: processing"] * 3 + ["ok"]
    console.run("M113 S0")
    assert console.run("G4 S60") == ["ok"]


@pytest.mark.parametrize("command", ["M84", "M18", "M84 X Y E"])
def test_motors_off_ends_the_part(console: Console, command: str) -> None:
    console.run("G28", "G1 X10 E5", command)
    assert console.firmware.bed.parts[0].end == "motors-off"
    assert console.firmware.bed.parts_finished == 1


@pytest.mark.parametrize("command", ["M84 S0", "M84 S300", "M84 E", "M18 Z"])
def test_timeouts_and_single_motors_do_not_end_the_part(console: Console, command: str) -> None:
    console.run("G28", "G1 X10 E5", command)
    console.settle()
    assert console.firmware.bed.parts[0].end == ""


@pytest.mark.parametrize(("timeout", "released"), [("M84 S120", 1), ("M84 S0", 0)])
def test_motors_are_released_when_nothing_moves_for_two_minutes(console: Console, timeout: str, released: int) -> None:
    console.run("G28", timeout, "G1 X10 E5", "M400")
    console.wait(121.0)
    console.run("G1 X20 E10", "M400")
    assert console.firmware.bed.parts[0].released == released


@pytest.mark.parametrize("code", ["M104", "M140"])
def test_targets_are_set_without_waiting(console: Console, code: str) -> None:
    assert console.run(f"{code} S50") == ["ok"]
    assert console.now_s == 0.0
    assert "/50.00" in console.run("M105")[0]


@pytest.mark.parametrize("code", ["M109", "M190"])
def test_waiting_for_heat(console: Console, code: str) -> None:
    said = console.run(f"{code} S60")
    reports = [line for line in said if line.startswith(" T:")]
    assert reports[0].endswith(" W:?")
    # Held for ten seconds: the count comes down from 9 to 0.
    assert [line.rpartition("W:")[2] for line in reports[-10:]] == list("9876543210")
    heater = console.firmware.machine.hotend if code == "M109" else console.firmware.machine.heated_bed
    assert heater.reading_c() == pytest.approx(60.0, abs=1.0)


def test_s_does_not_wait_for_cooling_and_r_does(console: Console) -> None:
    console.run("M109 S100")
    hot_s = console.now_s
    assert console.run("M109 S60") == ["ok"]
    assert console.now_s == hot_s
    console.run("M109 R60")
    assert console.now_s > hot_s + 30
    assert console.firmware.machine.hotend.reading_c() == pytest.approx(60.0, abs=1.0)


@pytest.mark.parametrize("command", ["M104", "M109", "M104 X5"])
def test_temperature_commands_without_a_temperature_do_nothing(console: Console, command: str) -> None:
    assert console.run(command) == ["ok"]
    assert console.firmware.machine.hotend.target_c == 0.0


def test_m109_starts_again_when_the_temperature_slips_away(console: Console) -> None:
    console.send("M109 S60")
    machine = console.firmware.machine
    while machine.hotend.reading_c() < 59.5:
        console.wait(1.0)
    machine.hotend.be(50.0, console.now_s)
    said = console.until_ok([])
    assert [line.rpartition("W:")[2] for line in said if " W:" in line][-10:] == list("9876543210")


def test_automatic_temperature_reports(console: Console) -> None:
    console.run("M155 S2")
    assert console.wait(7.0) == [" T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0"] * 3
    console.run("M155 S0")
    assert console.wait(20.0) == []


def test_fractions_of_a_second_are_no_report_interval(console: Console) -> None:
    console.run("M155 S0.001")
    assert console.wait(10.0) == []


@pytest.mark.parametrize(("command", "fan"), [("M106", 255), ("M106 S127.5", 128), ("M106 S999", 255), ("M107", 0)])
def test_fan(console: Console, command: str, fan: int) -> None:
    console.run("M106 S10", command)
    assert console.firmware.machine.fan == fan


def test_m114_is_planned_and_m114_r_is_real(console: Console) -> None:
    console.run("G1 X100 F600")
    console.wait(5.0)
    assert where(console)[0] == 100.0
    real = float(console.run("M114 R")[0].split()[0].removeprefix("X:"))
    assert real == pytest.approx(50.0, abs=1.0)
    assert " Count X:400" in console.run("M114")[0] or real != 5.0


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("M118 hello", "hello"),
        ("M118 A1 action:pause", "//action:pause"),
        ("M118 E1 hi there", "echo:hi there"),
        ("M118 A1 E1 x", "echo://x"),
        ("M118 Apple", "Apple"),
    ],
)
def test_m118_speaks(console: Console, command: str, text: str) -> None:
    assert console.run(command) == [text, "ok"]


@pytest.mark.parametrize(
    "command", ["M117 hello", "M17", "M92 X80", "M205 X8", "M301 P1", "G21", "M82", "T0", "M204", "M108", "M31"]
)
def test_accepted_without_a_word(console: Console, command: str) -> None:
    assert console.run(command) == ["ok"]


@pytest.mark.parametrize(
    "command", ["M20", "M27", "M73 P10", "G29", "M0", "M600", "M900 K30", "G80", "M876 S1", "M154 S1", "M412 S1"]
)
def test_unknown_to_a_default_build(console: Console, command: str) -> None:
    assert console.run(command) == [f'echo:Unknown command: "{command}"', "ok"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("M500", ["Error:EEPROM disabled"]),
        ("M502", ["echo:Hardcoded Default Settings Loaded"]),
        ("M302", ["echo:Cold extrudes are enabled (min temp 170C)"]),
        ("M220", ["FR:100%"]),
        ("M221", ["echo:E0 Flow: 100%"]),
    ],
)
def test_answers_of_a_board_without_eeprom(console: Console, command: str, answer: list[str]) -> None:
    assert console.run(command) == [*answer, "ok"]


def test_m501_brings_the_built_in_settings_back(console: Console) -> None:
    said = console.run("M501")
    assert said[0] == "echo:Hardcoded Default Settings Loaded"
    assert said[1:] == console.run("M503")


def test_m302_says_when_cold_extrusion_is_forbidden() -> None:
    assert Console().run("M302") == ["echo:Cold extrudes are disabled (min temp 170C)", "ok"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("M20", ["Begin file list", "End file list"]),
        ("M27", ["Not SD printing"]),
        ("M524", []),
        ("M413", ["echo:Power-loss recovery OFF"]),
        ("M23 x.gco", ["open failed, File: ."]),
    ],
)
def test_a_slot_without_a_card(command: str, answer: list[str]) -> None:
    assert Console(FirmwareOptions(sd_slot=True)).run(command) == [*answer, "ok"]
    assert "Cap:SDCARD:1" in Console(FirmwareOptions(sd_slot=True)).run("M115")
    assert Console().run(command)[0].startswith("echo:Unknown command")


def test_m420_before_any_probing() -> None:
    console = Console(FirmwareOptions(bed_levelling=True))
    assert console.run("M420") == ["echo:Bed Leveling OFF", "echo:Fade Height OFF", "ok"]
    assert console.run("M420 S1")[0] == "Error:Failed to enable Bed Leveling"


@pytest.mark.parametrize(("command", "seconds"), [("M0 S5", 5.0), ("M1 P2500 Look", 2.5)])
def test_m0_waits_no_longer_than_it_is_told(command: str, seconds: float) -> None:
    console = Console(FirmwareOptions(emergency_parser=True))
    said = console.run(command)
    assert console.now_s == pytest.approx(seconds)
    assert said[:1] == (["echo:Look"] if "Look" in command else ["echo:busy: paused for user"])


def test_a_long_heat_up_tells_only_temperatures(console: Console) -> None:
    console.firmware.faults.long_heat_s = 300.0
    said = console.run("M109 S60")
    assert console.now_s == pytest.approx(300.0, abs=15.0)
    assert "echo:busy: processing" not in said
    console.firmware.faults.long_heat_s = 0.0
    assert "echo:busy: processing" in console.run("M109 S100")


def test_a_kill_in_heat_up(console: Console) -> None:
    console.firmware.faults.kill_in_heat = True
    said = console.send("M109 S200")
    assert said[-4:] == [
        "Error:Heating failed, system stopped! Heater_ID: E0",
        "",
        "echo:Heating Failed",
        "Error:Printer halted. kill() called!",
    ]
    assert not console.firmware.faults.kill_in_heat  # once


def test_wrong_tool(console: Console) -> None:
    assert console.run("T1") == ["echo:T1 Invalid extruder", "ok"]


def test_bed_levelling_is_an_option() -> None:
    console = Console(FirmwareOptions(bed_levelling=True))
    said = console.run("G29")
    assert console.now_s == pytest.approx(60.0)
    assert set(said) == {"echo:busy: processing", "ok"}
    assert "Cap:AUTOLEVEL:1" in console.run("M115")


def test_position_reports_are_an_option() -> None:
    console = Console(FirmwareOptions(position_reports=True))
    console.run("M154 S1")
    assert console.wait(2.5) == ["X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0"] * 2
    console.run("M154 S0")
    assert console.wait(5.0) == []


def test_quick_stop_loses_planned_moves(console: Console) -> None:
    console.run("G1 X100 F600", "G1 X0")
    console.wait(5.0)
    assert console.run("M410") == ["ok"]
    assert where(console)[0] == pytest.approx(50.0, abs=1.0)
    assert not console.firmware.machine.planner.busy


def test_all_handlers_can_be_found() -> None:
    machine = Console().firmware.machine
    assert all(handler_of(machine, code) is handler for code, handler in HANDLERS.items())
    assert handler_of(machine, "G999") is None
    assert handler_of(machine, "") is None
