"""The interpreter: where the machine is after each kind of command, and what it lays."""

from math import hypot, pi

import pytest

from gcode.machine import MAX_TOOL, Machine, Move, tool_number
from gcode.reader import Defect, parse_line, read_lines
from tests.unit.gcode.samples import program


def run(text: str, machine: Machine | None = None) -> tuple[Machine, list[Move]]:
    machine = machine or Machine()
    return machine, [move for line in read_lines(program(text)) for move in machine.apply(line)]


def test_absolute_moves_keep_what_they_do_not_name() -> None:
    machine, moves = run("G1 X10 Y20 Z0.3 F1200\nG1 X15")
    assert machine.position == (15.0, 20.0, 0.3)
    assert moves[1] == Move((10, 20, 0.3), (15, 20, 0.3), 0.0, 20.0, extrudes=False)


def test_relative_moves_add_up() -> None:
    assert run("G91\nG1 X5\nG1 X5 Y-1\nG90\nG1 Y3")[0].position == (10, 3, 0)


@pytest.mark.parametrize(
    ("before", "arc", "doubted"),
    [
        ("", "G2 R5 Z100", True),
        ("G1 X60 Y60", "G2 X60 Y60 R5 Z100", True),
        ("G1 X60 Y60", "G2 X60.00001 Y60 R5 Z100", True),  # one point in single precision
        ("G91\nG1 X60 Y60", "G2 X0 R5", True),
        ("G1 X60 Y60", "G2 X61 R5", False),
        ("", "G2 K5 Z100", True),  # I and J name the circle
        ("G19", "G2 I5 X100", True),
        ("G18", "G2 J5 Y100", True),
        ("G18", "G2 K5 Y1", False),
        ("G18", "G2 Z5 R5", False),
        ("G18", "G2 Y5 R5", True),
        ("", "G2 I5", False),
        ("", "G1 X0", False),
    ],
)
def test_an_arc_that_names_no_circle_from_here_is_doubted(before: str, arc: str, doubted: bool) -> None:
    machine, _ = run(before)
    line = parse_line(arc.encode())
    assert line.defect is None
    found = machine.doubted(line)
    assert found == (line._replace(defect=Defect.DOUBTFUL) if doubted else line)


def test_inches() -> None:
    machine, (move,) = run("G20\nG1 X1 F60")
    assert machine.x == pytest.approx(25.4)
    assert move.speed_mm_s == pytest.approx(25.4)
    assert run("G20\nG21\nG1 X1")[0].x == 1


def test_absolute_extrusion_counts_differences_and_g92_starts_again() -> None:
    _, moves = run("M82\nG1 X1 E5\nG1 X2 E7\nG92 E0\nG1 X3 E1")
    assert [move.filament_mm for move in moves] == [5, 2, 1]


def test_relative_extrusion() -> None:
    assert [move.filament_mm for move in run("M83\nG1 X1 E5\nG1 X2 E5")[1]] == [5, 5]


def test_g90_and_g91_set_the_extruders_mode_as_in_marlin() -> None:
    """E goes along in relative mode too: after 5 mm the place E5 is where the filament is."""
    assert [move.filament_mm for move in run("M83\nG1 X1 E5\nG90\nG1 X2 E5\nG1 X3 E6")[1]] == [5, 0, 1]
    assert [move.filament_mm for move in run("G91\nG1 X1 E5\nG1 X2 E5")[1]] == [5, 5]


def test_a_shift_of_coordinates_does_not_move_the_machine() -> None:
    machine, _ = run("G1 X100 Y100\nG92 X0 Y0\nG1 X5 Y-5")
    assert machine.position == (105, 95, 0)


def test_homing_ends_a_shift() -> None:
    assert run("G1 X100\nG92 X0\nG28\nG1 X5")[0].position == (5, 0, 0)


def test_homing_one_axis_leaves_the_others() -> None:
    machine, _ = run("G1 X10 Y20 Z5\nG28 Y")
    assert machine.position == (10.0, 0.0, 5.0)
    assert machine.homed


def test_the_return_of_a_retraction_lays_nothing() -> None:
    _, moves = run("M83\nG1 X1 E1\nG1 E-4.5\nG1 Z2 E4.5\nG1 X5 E1")
    assert [move.extrudes for move in moves] == [True, False, False, True]


def test_what_exceeds_the_retraction_is_laid() -> None:
    _, moves = run("M83\nG1 E-2\nG1 X9 E2.5")
    assert moves[-1].extrudes


def test_a_huge_retraction_hides_no_plastic() -> None:
    _, moves = run("M83\nG1 E-1000\nG1 X9 E15\nG1 X20 E15")
    assert [move.extrudes for move in moves] == [False, False, True]


def test_a_prime_on_the_spot_lays_no_line() -> None:
    (move,) = run("M83\nG1 E5")[1]
    assert move.filament_mm == 5
    assert not move.extrudes


def test_tools_keep_their_retraction_and_temperature() -> None:
    machine, moves = run("M83\nM104 T1 S210\nM104 S200\nT1\nG1 E-3\nT0\nG1 X1 E1\nT1\nG1 X2 E1")
    assert machine.nozzle_c == {0: 200, 1: 210}
    assert [move.extrudes for move in moves] == [False, True, False]


def test_m109_r_is_a_target_too() -> None:
    machine, _ = run("M109 R220\nM190 R80")
    assert (machine.nozzle_c[0], machine.bed_c) == (220, 80)


def test_a_move_to_where_it_is_makes_no_move() -> None:
    assert run("G1 X0 Y0 F3000\nG1 F600")[1] == []


@pytest.mark.parametrize(("code", "middle_y"), [("G2", 10.0), ("G3", -10.0)])
def test_half_a_circle(code: str, middle_y: float) -> None:
    _, moves = run(f"M83\n{code} X20 Y0 I10 J0 E6")
    assert moves[-1].end == (20.0, 0.0, 0.0)
    assert sum(move.filament_mm for move in moves) == pytest.approx(6)
    extreme = max((move.end[1] for move in moves), key=abs)
    assert extreme == pytest.approx(middle_y, abs=0.02)
    length = sum(hypot(move.end[0] - move.start[0], move.end[1] - move.start[1]) for move in moves)
    assert length == pytest.approx(10 * pi, rel=0.001)
    assert all(move.extrudes for move in moves)


def test_a_full_circle_when_the_end_is_the_start() -> None:
    _, moves = run("G2 X0 Y0 I5")
    assert max(move.end[0] for move in moves) == pytest.approx(10, abs=0.02)
    assert moves[-1].end == (0, 0, 0)


@pytest.mark.parametrize(("radius", "deepest"), [(10, -1.34), (-10, -18.66)])
def test_an_arc_by_radius_takes_the_short_or_the_long_way(radius: float, deepest: float) -> None:
    """A chord of 10 in a circle of radius 10 is 60 degrees: the short way sinks 10 (1 - cos 30), the long way 10 (1 + cos 30)."""
    _, moves = run(f"G3 X10 Y0 R{radius}")
    assert min(move.end[1] for move in moves) == pytest.approx(deepest, abs=0.02)


def test_an_arc_around_nothing_ends_where_it_says() -> None:
    assert run("G2 X5 Y5 I0 J0")[0].position == (5, 5, 0)


def test_an_endless_arc_has_a_bounded_number_of_chords() -> None:
    assert len(run("G2 X1 Y0 I900000 J0")[1]) <= 720


def test_a_radius_and_a_rise() -> None:
    _, moves = run("M83\nG1 Z1\nG2 X10 Y10 Z2 R10 E5")
    assert moves[-1].end == (10.0, 10.0, 2.0)
    assert sum(move.filament_mm for move in moves[1:]) == pytest.approx(5)
    assert all(1 <= move.end[2] <= 2 for move in moves)


def test_an_arc_in_another_plane() -> None:
    """G18: half a circle in the plane of X and Z over the bed."""
    machine, moves = run("G18\nG2 X20 I10")
    assert machine.position == (20.0, 0.0, 0.0)
    assert max(abs(move.end[2]) for move in moves) == pytest.approx(10, abs=0.02)
    assert all(move.end[1] == 0 for move in moves)
    assert len({move.end[2] for move in run("G18\nG17\nG2 X20 I10")[1]}) == 1


def test_a_curve_of_g5_bulges_where_its_control_points_pull() -> None:
    machine, moves = run("M83\nG1 X10 Y10 Z0.2\nG5 X40 Y10 I0 J20 P0 Q20 E6")
    assert machine.position == (40.0, 10.0, 0.2)
    assert max(move.end[1] for move in moves) == pytest.approx(25, abs=0.02)
    assert sum(move.filament_mm for move in moves) == pytest.approx(6)
    assert all(move.extrudes for move in moves[1:])


def test_firmware_retraction_moves_filament_and_leaves_e_alone() -> None:
    machine, moves = run("M82\nG1 X1 E5\nG10\nG10\nG1 X2\nG11\nG11\nG1 X3 E7")
    assert [(move.filament_mm, move.extrudes) for move in moves] == [(5, True), (-3, False), (0, False), (3, False), (2, True)]
    assert [moves[1].speed_mm_s, moves[3].speed_mm_s] == [45, 8]
    assert machine.e == 7


def test_firmware_retraction_has_its_settings() -> None:
    _, moves = run("M207 S1.5 F1200\nM208 S0.2 F600\nG10 S1\nG11")
    assert [(move.filament_mm, move.speed_mm_s) for move in moves] == [(-1.5, 20), (1.7, 10)]
    _, klipper = run("SET_RETRACTION RETRACT_LENGTH=0.5 RETRACT_SPEED=30\nG10\nG11", Machine(flavour="klipper"))
    assert [(move.filament_mm, move.speed_mm_s) for move in klipper] == [(-0.5, 30), (0.5, 8)]


def test_g10_of_reprapfirmware_is_a_temperature() -> None:
    machine, moves = run("G10 P1 S210 R180\nM568 P0 S200", Machine(flavour="reprapfirmware"))
    assert (machine.nozzle_c, moves) == ({1: 210, 0: 200}, [])
    assert run("G10 L2 P1 X5")[0].nozzle_c == {}


def test_the_speed_factor_scales_moves_until_it_ends() -> None:
    _, moves = run("G1 X1 F6000\nM220 S50\nG1 X2\nM220 B\nM220 S200\nG1 X3\nM220 R\nG1 X4 F3000\nM220 S0\nG1 X5")
    assert [move.speed_mm_s for move in moves] == [100, 50, 200, 25, 25]


def test_volumetric_extrusion() -> None:
    area_mm2 = pi * 1.75**2 / 4
    _, moves = run(f"M83\nM200 D1.75\nG1 X1 E{area_mm2:.9f}\nT1\nG1 X2 E1\nT0\nM200 D0\nG1 X3 E1")
    assert [move.filament_mm for move in moves] == pytest.approx([1, 1, 1])
    _, (move,) = run(f"M200 D1.75\nM200 S0\nG1 X1 E{area_mm2:.9f}")
    assert move.filament_mm == pytest.approx(area_mm2)


def test_g92_1_ends_a_shift() -> None:
    assert run("G1 X100\nG92 X0\nG92.1\nG1 X5")[0].position == (5, 0, 0)


def test_relative_extrusion_of_klipper_ends_with_g90_unless_m83_asked_for_it() -> None:
    text = "G91\nG1 X1 E5\nG90\nG1 X9 E6"
    assert [move.filament_mm for move in run(text, Machine(flavour="klipper"))[1]] == [5, 1]
    assert [move.filament_mm for move in run("M83\n" + text, Machine(flavour="klipper"))[1]] == [5, 6]


def test_g91_of_reprapfirmware_leaves_the_extruder_alone() -> None:
    assert [move.filament_mm for move in run("G91\nG1 X1 E5\nG1 X1 E6", Machine(flavour="reprapfirmware"))[1]] == [5, 1]


def test_klippers_offset_and_states() -> None:
    klipper = Machine(flavour="klipper")
    machine, moves = run("SET_GCODE_OFFSET Z=0.1\nG1 X5 Z1\nSET_GCODE_OFFSET Z_ADJUST=0.05\nG1 Z1\n", klipper)
    assert [move.end[2] for move in moves] == pytest.approx([1.1, 1.15])
    assert machine.offset == pytest.approx([0, 0, 0.15])
    machine, _ = run("M83\nSAVE_GCODE_STATE NAME=a\nG91\nM82\nG92 X0\nRESTORE_GCODE_STATE NAME=a\nG1 X7 E2\nG1 X8 E2", klipper)
    assert (machine.relative, machine.relative_e) == (False, True)
    assert machine.x == 8
    run("RESTORE_GCODE_STATE NAME=never\n" + "".join(f"SAVE_GCODE_STATE NAME=s{number}\n" for number in range(99)), machine)
    assert len(machine.states) == 16


def test_klippers_tools_and_heaters() -> None:
    machine, _ = run("ACTIVATE_EXTRUDER EXTRUDER=extruder1\nSET_HEATER_TEMPERATURE HEATER=extruder1 TARGET=205\n")
    assert (machine.tool, machine.nozzle_c) == (1, {1: 205})
    assert run("ACTIVATE_EXTRUDER EXTRUDER=other\nSET_HEATER_TEMPERATURE HEATER=extruderX TARGET=5")[0].tool == 0


@pytest.mark.parametrize("code", ["T0", "T1", "T16", "T99", "T-1"])
def test_a_tool_is_a_number_within_bounds(code: str) -> None:
    assert 0 <= (tool_number(code) or 0) <= MAX_TOOL


@pytest.mark.parametrize("code", ["TIMELAPSE_TAKE_FRAME", "TURN_OFF_HEATERS", "G1", ""])
def test_a_word_that_begins_with_t_is_no_tool(code: str) -> None:
    assert tool_number(code) is None


def test_evidence_of_the_extruders_mode() -> None:
    """Relative figures read as absolute fall; absolute ones read as relative rise."""
    wrong = run("M82\nG1 X1 E.5\nG1 X2 E.4\nG1 E-3\nG1 X3 E.3")[0].extruder_mode
    assert (wrong.absolute, wrong.absolute_falls, wrong.relative) == (3, 1, 0)
    right = run("M82\nG1 X1 E.5\nG1 X2 E.9\nG92 E0\nG1 X3 E.3")[0].extruder_mode
    assert (right.absolute, right.absolute_falls) == (3, 0)
    rising = run("M83\nG1 X1 E5\nG1 E1\nG1 X2 E6\nG1 X3 E7\nG1 X4")[0].extruder_mode
    assert (rising.relative, rising.relative_rises) == (3, 3)


def test_arcs_are_counted() -> None:
    assert run("G2 X1 I1\nG1 X3\nG3 X0 I1")[0].arcs == 2


def test_no_tool_below_0_is_heated_or_cooled() -> None:
    """No firmware obeys it: a heater that was on stays on."""
    assert run("M104 S200\nM104 T-1 S0")[0].nozzle_c == {0: 200.0}
