"""Judges of lines: what a command is, whatever the printer."""

import pytest

from gcode.judges import lines
from tests.unit.gcode.judges.judging import Judge, ask

REPRAP = "reprapfirmware"


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (lines.placeholder, "M117 done [1] {2}", "M106 S{speed}"),
        (lines.placeholder, "M486 A part [2].stl", "M104 S[first_layer_temperature]"),
        (lines.placeholder, "EXCLUDE_OBJECT_DEFINE NAME=a POLYGON=[[1,2],[3,4]]", "START_PRINT {bed}"),
        (lines.host_command, "M117 @pause", "@pause"),
        (lines.host_command, "@OCTOLAPSE TAKE-SNAPSHOT", "@Cancel"),
        (lines.host_command, "OCTOPUS", "OCTO100"),
        (lines.host_command, "; //action:cancel", "//action:cancel"),
        (lines.host_words, "@pause", "@OCTOLAPSE TAKE-SNAPSHOT"),
        (lines.other_words, "@pause", "hello, printer"),
        (lines.other_words, "//action:pause", "G one"),
        (lines.host_action, "M118 layer done", "M118 A1 action:cancel"),
        (lines.host_action, "M118 A1 filmon:arm", "M118 E1 P0 A1 Action : pause"),
        (lines.host_action, "RESPOND MSG=hello", 'RESPOND TYPE=command MSG="action:cancel"'),
        (lines.host_message, "M118 E1 hello A1", "M118 A1 hello"),
        (lines.host_message, "M118 A1 action:cancel", "M118 //hello"),
        (lines.fahrenheit, "M149 C", "M149 F"),
        (lines.fahrenheit, "M149", "M149 K"),
        (lines.endstops_off, "M211 S1", "M211 S0"),
        (lines.endstops_off, "M211", "M121"),
        (lines.endstops_off, "M211 S-1", "M211 S0.5"),
        (lines.endstops_off, "M564 S1 H1", "M564 H0"),
        (lines.timer_off, "M85 S600", "M85 S0"),
        (lines.timer_off, "M86 S60", "M87"),
        (lines.timer_off, "M85", "M85 S-1"),
        (lines.debugging, "M111 S7", "M111 S8"),
        (lines.debugging, "M111", "M111 S15"),
        (lines.offset_changed, "G10", "G10 L20 P1 X0"),
        (lines.origin_shifted, "G92 E0", "G92 Z0"),
        (lines.nozzle_raised, "M290", "M290 Z-0.1"),
        (lines.nozzle_raised, "SET_GCODE_OFFSET Z=-0.3", "SET_GCODE_OFFSET Z=-2 MOVE=1"),
        (lines.nozzle_raised, "SET_GCODE_OFFSET Z_ADJUST=0", "SET_GCODE_OFFSET Z_ADJUST=-0.05 MOVE=1"),
        (lines.mesh_changed, "G29", "G29 S4 Z-50"),
        (lines.mesh_changed, "G29 P1 X30 Y0 W50 H20 C", "G29 P6 C-5"),
        (lines.mesh_changed, "G29 A", "G29 W I0 J0 Z-5"),
        (lines.homing_left_out, "G28 W", "G28 O"),
        (lines.long_retraction, "M207 S7 F2400 Z0.6", "M207 S5000"),
        (lines.long_retraction, "M208 S-0.1", "M208 S5000"),
        (lines.long_retraction, "SET_RETRACTION RETRACT_LENGTH=2", "SET_RETRACTION RETRACT_LENGTH=5000"),
        (lines.hidden_target, "M109 T0 R200", "M104 I0"),
        (lines.hidden_target, "M140 S60", "M140 I1"),
        (lines.hidden_target, "M140 P0 S60", "M140 P1 S60"),
        (lines.hidden_target, "M190 R50", "M140 H1 S60"),
        (lines.hidden_target, "M190 S60", "M109 F1 S10 B400"),
        (lines.nozzle_raised, "SET_GCODE_OFFSET MOVE=1", "SET_GCODE_OFFSET Z=low"),
        (lines.restores_with_move, "RESTORE_GCODE_STATE NAME=a MOVE=0", "RESTORE_GCODE_STATE MOVE=1"),
        (lines.dwell, "G4 S3600", "G4 S3601"),
        (lines.dwell, "G4 P0", "G4 P-1"),
        (lines.dwell, "G4 P3600000", "G4 P999999 S3000"),
        (lines.cools_down, "M109 R50", "M109 R49"),
        (lines.cools_down, "M109 S20", "M190 R20"),
        (lines.fan, "M106", "M106 S256"),
        (lines.fan, "M106 S0", "M106 S-1"),
        (lines.factor, "M220 S300", "M220 S301"),
        (lines.factor, "M220 B", "M220 S9"),
        (lines.factor, "M221 S95", "M221 S151"),
        (lines.with_parameters, "M92", "M92 E95"),
    ],
)
def test_the_edge(judge: Judge, good: str, bad: str) -> None:
    assert ask(judge, good) is None
    assert ask(judge, bad) is not None


@pytest.mark.parametrize(
    "line",
    ["if move.axes[0].homed", "while iterations < 5", "set global.x = 1", "else", "abort", "G1 X{move.axes[0].max}", "echo {1+2}"],
)
def test_reprapfirmwares_statements_are_known_there_only(line: str) -> None:
    assert ask(lines.statement, line, flavour=REPRAP) is not None
    assert ask(lines.statement, line) is None
    assert ask(lines.placeholder, line, flavour=REPRAP) is None, "one rule is enough"


@pytest.mark.parametrize("line", ["O100 sub", "%", "#1=5"])
def test_programs_of_milling_machines_are_no_print(line: str) -> None:
    assert ask(lines.statement, line) is not None


def test_words_that_belong_to_another_rule_are_no_second_finding() -> None:
    assert ask(lines.other_words, "if heat.heaters[0].current > 5", flavour=REPRAP) is None
    assert ask(lines.other_words, "if heat.heaters[0].current > 5") is not None
    assert ask(lines.other_words, "%") is None


@pytest.mark.parametrize("call", ['P"purge.g"', "Ppurge.g", 'P"Purge.G"', 'P"purge.g" R1', "P purge.g R0", 'P"my purge.g"'])
def test_a_macro_is_fine_where_the_printer_has_it(call: str) -> None:
    """By a profile's own table the names come in capitals: RepRapFirmware finds a file of its card by any."""
    for macros in (frozenset({"purge.g", "my purge.g"}), frozenset({"PURGE.G", "MY PURGE.G"})):
        assert ask(lines.unknown_macro, f"M98 {call}", macros=macros) is None


@pytest.mark.parametrize(
    "call",
    [
        'P"/sys/purge.g"',
        "",
        'P""',
        'P"purge.g',
        'P"purge.g" S300',
        'P"purge.g" R10',
        'R1 P"purge.g"',
        'P"purge.g" R1 B60',
        "purge.g",
    ],
)
def test_another_file_or_values_for_it_are_not(call: str) -> None:
    assert ask(lines.unknown_macro, f"M98 {call}", macros=frozenset({"purge.g"})) is not None


def test_what_the_owner_forbids() -> None:
    assert ask(lines.forbidden, "M600", forbidden_codes=frozenset({"M600"})) == "M600"
    assert ask(lines.forbidden, "M601", forbidden_codes=frozenset({"M600"})) is None


@pytest.mark.parametrize(
    ("line", "flavours"),
    [
        ("G28", set()),
        ("G28 X0 Y0", set()),
        ("G28 Z50", {"marlin", "marlin-legacy"}),
        ("G28 C", {"marlin-legacy"}),
        ("G28 W", set()),
    ],
)
def test_where_an_axis_was_homed(line: str, flavours: set[str]) -> None:
    assert {one for one in ("marlin", "marlin-legacy") if ask(lines.homes_elsewhere, line, flavour=one) is not None} == flavours


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (lines.probing_set, "G30", "G30 S-3"),
        (lines.probing_set, "G30 X5 Y5", "G30 P1 X5 Y5 Z-2"),
        (lines.probes_low, "BED_MESH_CALIBRATE PROFILE=a", "BED_MESH_CALIBRATE HORIZONTAL_MOVE_Z=1.9"),
        (lines.probes_low, "Z_TILT_ADJUST HORIZONTAL_MOVE_Z=2", "Z_TILT_ADJUST HORIZONTAL_MOVE_Z=-5"),
        (lines.probes_low, "QUAD_GANTRY_LEVEL HORIZONTAL_MOVE_Z=50", "QUAD_GANTRY_LEVEL HORIZONTAL_MOVE_Z=x"),
        (lines.offset_changed, "G10", "G10 L2 P1"),
        (lines.offset_changed, "G10 P0 S200 R150", "G10 P0 Z-5"),
        (lines.long_load, "M701 L400 Z50", "M702 U1501"),
        (lines.long_load, "M702 C", 'M701 S"PLA"'),
        (lines.fan_configured, "M106 P1 S0.5", "M106 P1 H-1"),
        (lines.fan_configured, "M106 R1", "M106 P1 T45:65"),
        (lines.photographs_elsewhere, "M240", "M240 X5"),
        (lines.mesh_changed, "G29 A", "G29 Q1"),
        (lines.mesh_changed, "G29 P3", "G29 I5"),
        (lines.dwell, "M300 S440 P60000", "M300 P-5"),
    ],
)
def test_the_edge_of_hidden_moves_and_heat(judge: Judge, good: str, bad: str) -> None:
    assert ask(judge, good) is None
    assert ask(judge, bad) is not None
