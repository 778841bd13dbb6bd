"""Judges that have edges: the exact limit passes, one step beyond does not."""

from dataclasses import replace

import pytest

from gcode import judges
from gcode.kinematics import MotionLimits
from gcode.machine import Machine, Move
from gcode.profile import PrinterProfile
from gcode.reader import parse_line
from tests.unit.gcode.samples import profile


def judge(name: str, line: str, found: PrinterProfile | None = None) -> str | None:
    verdict: str | None = getattr(judges, name)(parse_line(line.encode()), found or profile())
    return verdict


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("nozzle_too_hot", "M104 S260", "M104 S260.1"),
        ("nozzle_too_hot", "M109 R260", "M109 R261"),
        ("bed_too_hot", "M140 S100", "M190 R101"),
        ("missing_heater", "M104 T1 S0", "M104 T1 S200"),
        ("missing_heater", "M141 S0", "M141 S40"),
        ("missing_tool", "T0", "T1"),
        ("missing_tool", "T0", "T-1"),
        ("endstops_off", "M211 S1", "M211 S0"),
        ("endstops_off", "M211", "M121"),
        ("cold_extrusion_allowed", "M302 S160", "M302 S149"),
        ("cold_extrusion_allowed", "M302", "M302 P1"),
        ("other_nozzle", "M862.1 P0.4", "M862.1 P0.6"),
        ("placeholder", "M117 done", "G1 X{x} F6000"),
        ("placeholder", "M104 S200", "M104 S[first_layer_temperature]"),
        ("unknown", "M73 P5", "M9999"),
        ("unknown", "T7", "G999"),
    ],
)
def test_the_edge(name: str, good: str, bad: str) -> None:
    assert judge(name, good) is None
    assert judge(name, bad) is not None


def test_a_model_must_be_the_profiles() -> None:
    mk3s = profile("prusa-mk3s")
    assert judge("other_model", 'M862.3 P "MK3S"', mk3s) is None
    assert judge("other_model", 'M862.3 P "MINI"', mk3s) == "MINI ≠ MK3S"
    assert judge("other_model", 'M862.3 P "MK3S"') is not None
    assert judge("other_model", "M862.3 Q", mk3s) is None, "a question, not a demand"


def test_a_second_tool_is_fine_where_there_is_one() -> None:
    dual = replace(profile(), tools=2)
    assert judge("missing_tool", "T1", dual) is None
    assert judge("missing_heater", "M104 T1 S200", dual) is None
    assert judge("missing_heater", "M104 T2 S200", dual) == "T2"


def test_limits_are_only_judged_where_they_are_known() -> None:
    assert judge("limits_raised", "M201 X9999") is None
    known = replace(profile(), limits=MotionLimits(acceleration_mm_s2=(1000, 1000, 100, 5000), print_acceleration_mm_s2=1250))
    assert judge("limits_raised", "M201 X1000", known) is None
    assert judge("limits_raised", "M201 X1001", known) == "1001 > 1000"
    assert judge("limits_raised", "M204 P1250", known) is None
    assert judge("limits_raised", "M204 T1300", known) is not None
    assert judge("limits_raised", "M205 X9", known) is not None


def moving(x: float, y: float, z: float, *, extrudes: bool) -> Move:
    return Move((100, 100, z), (x, y, z), 1.0 if extrudes else 0.0, 50, extrudes)


@pytest.mark.parametrize(
    ("place", "outside"),
    [
        ((210, 210, 200), False),
        ((210.02, 210, 200), True),
        ((-3, 100, 0.3), False),
        ((-3, 100, 1.5), True),
        ((-6, 100, 0.3), True),
        ((100, 100, 201), True),
    ],
)
def test_plastic_stays_in_the_volume_or_low_in_the_purge_box(place: tuple[float, float, float], outside: bool) -> None:
    assert (judges.extrudes_outside(moving(*place, extrudes=True), Machine(), profile()) is not None) == outside
    assert judges.extrudes_outside(moving(*place, extrudes=False), Machine(), profile()) is None


def test_a_line_that_begins_outside_counts_too() -> None:
    move = Move((300, 100, 5), (100, 100, 5), 1.0, 50, extrudes=True)
    assert judges.extrudes_outside(move, Machine(), profile()) == "X300.00 Y100.00 Z5.00"


def test_travelling_may_pass_high_over_the_purge_box() -> None:
    assert judges.travels_outside(moving(-3, 100, 50, extrudes=False), Machine(), profile()) is None
    assert judges.travels_outside(moving(-9, 100, 50, extrudes=False), Machine(), profile()) is not None
    assert judges.travels_outside(moving(100, 100, 250, extrudes=False), Machine(), profile()) is not None


def test_into_the_bed() -> None:
    assert judges.below_bed(moving(100, 100, -0.1, extrudes=False), Machine(), profile()) is None
    assert judges.below_bed(moving(100, 100, -0.2, extrudes=False), Machine(), profile()) is not None


def test_cold_extrusion_looks_at_the_tool_in_use() -> None:
    machine = Machine(tool=1, nozzle_c={0: 200.0})
    move = moving(100, 50, 0.2, extrudes=True)
    assert judges.extrudes_cold(move, machine, profile()) == "0 °C"
    machine.nozzle_c[1] = 150.0
    assert judges.extrudes_cold(move, machine, profile()) is None
