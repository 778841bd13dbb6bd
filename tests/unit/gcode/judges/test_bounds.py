"""Judges of parameters at their edges: the exact limit passes, one step beyond does not."""

from typing import Any

import pytest

from gcode.judges import bounds
from gcode.kinematics import MotionLimits
from gcode.reader import parse_line
from tests.unit.gcode.judges.judging import Judge, ask
from tests.unit.gcode.samples import profile

LIMITS = MotionLimits(acceleration_mm_s2=(1000, 1000, 100, 5000), print_acceleration_mm_s2=1250)
KLIPPER = {"flavour": "klipper"}


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (bounds.nozzle_too_hot, "M104 S260", "M104 S260.1"),
        (bounds.nozzle_too_hot, "M109 R260", "M109 R261"),
        (bounds.nozzle_too_hot, "M104", "M104 S200 R270"),
        (bounds.bed_too_hot, "M140 S100", "M190 R101"),
        (bounds.missing_heater, "M104 T1 S0", "M104 T1 S200"),
        (bounds.missing_heater, "M104 S200", "M104 T-1 S200"),
        (bounds.missing_heater, "M568 P0 S200", "M568 P1 S200"),
        (bounds.missing_tool, "T0", "T1"),
        (bounds.missing_tool, "T0", "T-1"),
        (bounds.chamber_missing, "M141 S0", "M141 S40"),
        (bounds.cold_extrusion_allowed, "M302 S160", "M302 S149"),
        (bounds.cold_extrusion_allowed, "M302 S150", "M302 S0"),
        (bounds.cold_extrusion_allowed, "M302 P0", "M302 P1"),
        (bounds.cold_extrusion_allowed, "M302 S170", "M302"),
        (bounds.other_nozzle, "M862.1 P0.4", "M862.1 P0.7"),
        (bounds.other_nozzle, "M862.1 Q", "M862.1 P0"),
        (bounds.filament_diameter, "M200 D1.75", "M200 D2.85"),
        (bounds.filament_diameter, "M200 D1.8", "M200 D1.5"),
        (bounds.filament_diameter, "M200 S0", "M200 D0.1"),
    ],
)
def test_the_edge(judge: Judge, good: str, bad: str) -> None:
    assert ask(judge, good) is None
    assert ask(judge, bad) is not None


def test_figures_are_told_with_their_limit() -> None:
    wrong = bounds.nozzle_too_hot(parse_line(b"M104 S300"), profile())
    assert wrong == ("300 > 260 °C", 300.0, 260.0)


def test_a_chamber_has_a_limit_where_there_is_one() -> None:
    assert ask(bounds.chamber_too_hot, "M141 S60", max_chamber_c=60.0) is None
    assert ask(bounds.chamber_too_hot, "M191 R61", max_chamber_c=60.0) == "61 > 60 °C"
    assert ask(bounds.chamber_too_hot, "M141 S61") is None, "its absence is another rule"
    assert ask(bounds.chamber_missing, "M141 S61", max_chamber_c=60.0) is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=260", None),
        ("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=261", "261 > 260 °C"),
        ("SET_HEATER_TEMPERATURE HEATER=extruder1 TARGET=261", "261 > 260 °C"),
        ("SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=110", "110 > 100 °C"),
        ("SET_HEATER_TEMPERATURE HEATER=heater_bed", None),
        ("SET_HEATER_TEMPERATURE HEATER=dryer TARGET=50", "SET_HEATER_TEMPERATURE HEATER=dryer TARGET=50"),
        ("SET_HEATER_TEMPERATURE HEATER=dryer TARGET=0", None),
        ("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=hot", "inf > 260 °C"),
        ("TEMPERATURE_WAIT SENSOR=extruder MINIMUM=200", None),
    ],
)
def test_klippers_heaters_are_known_by_name(line: str, found: str | None) -> None:
    assert ask(bounds.named_heater_too_hot, line, **KLIPPER) == found


def test_letting_go_of_a_tool_is_no_tool_on_reprapfirmware() -> None:
    assert ask(bounds.missing_tool, "T-1", flavour="reprapfirmware") is None
    assert ask(bounds.missing_tool, "T-2", flavour="reprapfirmware") == "T-2"


def test_a_second_tool_is_fine_where_there_is_one() -> None:
    assert ask(bounds.missing_tool, "T1", tools=2) is None
    assert ask(bounds.missing_heater, "M104 T1 S200", tools=2) is None
    assert ask(bounds.missing_heater, "M104 T2 S200", tools=2) == "T2"


@pytest.mark.parametrize(
    ("judge", "line", "model", "found"),
    [
        (bounds.other_model, 'M862.3 P "MK3S"', "MK3S", None),
        (bounds.other_model, 'M862.3 P"mk3s"', "MK3S", None),
        (bounds.other_model, 'M862.3 P "MINI"', "MK3S", "MINI ≠ MK3S"),
        (bounds.other_model, 'M862.3 P "MK3S"', "", "MK3S ≠ Generic Marlin, 210 mm bed"),
        (bounds.other_model, "M862.3 Q", "MK3S", None),
        (bounds.other_model_code, "M862.2 P302", "MK3S", None),
        (bounds.other_model_code, "M862.2 P300", "MK3S", "300 ≠ 302"),
        (bounds.other_model_code, "M862.2 P300", "", "300 ≠ Generic Marlin, 210 mm bed"),
        (bounds.other_model_code, "M862.2 P300", "A NEW ONE", None),
        (bounds.other_model_code, "M862.2 Q", "MK3S", None),
        (bounds.other_firmware, "M862.5 P1", "MK3S", None),
        (bounds.other_firmware, "M862.5 P2", "MK3S", "2 ≠ MK3S"),
        (bounds.other_firmware, "M862.5 P2", "MK4", None),
        (bounds.other_firmware, 'M862.6 P"Input shaper"', "MK3S", "INPUT SHAPER ≠ MK3S"),
        (bounds.other_firmware, 'M862.6 P"Input shaper"', "MK4", None),
        (bounds.other_firmware, 'M862.6 P"Input shaper"', "", "INPUT SHAPER ≠ Generic Marlin, 210 mm bed"),
        (bounds.other_firmware, "M862.6 Q", "", None),
    ],
)
def test_what_a_file_asks_of_the_machine(judge: Judge, line: str, model: str, found: str | None) -> None:
    assert ask(judge, line, model=model) == found


def test_every_nozzle_of_the_class_will_do() -> None:
    assert ask(bounds.other_nozzle, "M862.1 P0.6", nozzles_mm=(0.25, 0.6)) is None
    assert ask(bounds.other_nozzle, "M862.1 P0.8", nozzles_mm=(0.25, 0.6)) == "0.8 ≠ 0.4 mm"


@pytest.mark.parametrize(
    ("line", "flavour", "found"),
    [
        ("M201 X1000", "marlin", None),
        ("M201 X1001", "marlin", "1001 > 1000 mm/s²"),
        ("M203 X501", "marlin", "501 > 500 mm/s"),
        ("M203 X30000", "reprapfirmware", None),  # mm/min there
        ("M203 X30060", "reprapfirmware", "501 > 500 mm/s"),
        ("M566 X480", "reprapfirmware", None),
        ("M566 X600", "reprapfirmware", "10 > 8 mm/s"),
        ("M566 X600", "marlin", None),
        ("M204 P1250", "marlin", None),
        ("M204 T1300", "marlin", "1300 > 1250 mm/s²"),
        ("M205 X9", "marlin", "9 > 8 mm/s"),
    ],
)
def test_limits_that_are_raised(line: str, flavour: str, found: str | None) -> None:
    assert ask(bounds.limits_raised, line, limits=LIMITS, flavour=flavour) == found


def test_limits_are_only_judged_where_they_are_known() -> None:
    assert ask(bounds.limits_raised, "M201 X9999") is None
    assert ask(bounds.named_limits_raised, "SET_VELOCITY_LIMIT ACCEL=90000", **KLIPPER) is None


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("VELOCITY=500 ACCEL=1250", None),
        ("VELOCITY=501", "501 > 500 mm/s"),
        ("ACCEL=1251", "1251 > 1250 mm/s²"),
        ("ACCEL=fast", "inf > 1250 mm/s²"),
        ("SQUARE_CORNER_VELOCITY=5", None),
    ],
)
def test_klippers_velocity_limit(arguments: str, found: str | None) -> None:
    known: dict[str, Any] = {"limits": LIMITS, **KLIPPER}
    assert ask(bounds.named_limits_raised, f"SET_VELOCITY_LIMIT {arguments}", **known) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("START_PRINT BED=100 EXTRUDER=260 SIZE=9999", None),
        ("start_print BED_TEMP=101", "101 > 100 °C"),
        ("START_PRINT HOTEND=300", "300 > 260 °C"),
        ("START_PRINT NOZZLE_TEMP=hot", "inf > 260 °C"),
        ("END_PRINT EXTRUDER=300", None),  # not a macro of this printer: that is another rule's matter
    ],
)
def test_a_macro_is_not_called_with_more_heat_than_the_printer_may_have(line: str, found: str | None) -> None:
    assert ask(bounds.macro_too_hot, line, macros=frozenset({"Start_Print"}), **KLIPPER) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("M900 K30", None),
        ("M900 K200", None),
        ("M900 K9999", "9999 > 300"),
        ("M900 L9999", "9999 > 300"),
        ("M900 S1", None),
        ("M572 D0 S0.1", None),
        ("M572 S99", "99 > 2 s"),
        ("M572 D0:1 S0.1:50", "50 > 2 s"),
        ("M572 S0.1 D0 S50", "50 > 2 s"),
        ("M572 S{x}", "inf > 2 s"),
        ("M572", None),
        ("SET_PRESSURE_ADVANCE ADVANCE=0.05 SMOOTH_TIME=0.04", None),
        ("SET_PRESSURE_ADVANCE ADVANCE=99", "99 > 2 s"),
        ("SET_PRESSURE_ADVANCE EXTRUDER=extruder1", None),
    ],
)
def test_how_far_filament_is_pushed_ahead(line: str, found: str | None) -> None:
    assert ask(bounds.advance_factor, line) == found


@pytest.mark.parametrize(
    ("line", "low"),
    [
        ("M203 Z1", False),
        ("M203 X0", True),
        ("M203 E0.4", True),
        ("M201 Z5", False),
        ("M201 X4", True),
        ("M204 S500", False),
        ("M204 S0", True),
        ("M204 T1", True),
        ("M204 R1", True),
    ],
)
def test_limits_with_which_a_printer_stands_still(line: str, low: bool) -> None:
    assert (ask(bounds.limits_too_low, line) is not None) == low


def test_reprapfirmware_counts_speeds_in_minutes() -> None:
    assert ask(bounds.limits_too_low, "M203 X30", flavour="reprapfirmware") is None
    assert ask(bounds.limits_too_low, "M203 X29", flavour="reprapfirmware") == "0.483333 < 0.5 mm/s"


@pytest.mark.parametrize("line", ["G10 P0 S200 R261", "M568 P0 R261", "M568 P0 S261 R100 A2", "G10 R261"])
def test_standby_is_as_hot_as_it_says(line: str) -> None:
    assert ask(bounds.nozzle_too_hot, line, flavour="reprapfirmware") == "261 > 260 °C"
    assert ask(bounds.nozzle_too_hot, line.replace("261", "260"), flavour="reprapfirmware") is None
