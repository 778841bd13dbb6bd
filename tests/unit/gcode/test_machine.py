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


@pytest.mark.parametrize("axis", "XYZ")
def test_every_axis_obeys_modes_units_and_shifts_alike(axis: str) -> None:
    index = "XYZ".index(axis)

    def place(text: str) -> float:
        return run(text.replace("@", axis))[0].position[index]

    assert place("G1 @5\nG91\nG1 @2\nG1 @2") == 9
    assert place("G20\nG1 @2") == pytest.approx(50.8)
    assert place("G20\nG91\nG1 @1\nG1 @1") == pytest.approx(50.8)
    assert place("G1 @5\nG92 @2\nG1 @3") == 6, "shifted by 3"
    assert place("G1 @50.8\nG20\nG92 @1\nG1 @0") == pytest.approx(25.4)
    assert place("G1 @5\nG92 @0\nG92.1\nG1 @1") == 1
    assert place("G1 @5\nG92 @0\nG28\nG1 @1") == 1
    assert place("SET_GCODE_OFFSET @=0.5\nG1 @1\nSET_GCODE_OFFSET @=0.2\nG1 @1") == pytest.approx(1.2)
    assert place("SET_GCODE_OFFSET @_ADJUST=0.5\nSET_GCODE_OFFSET @_ADJUST=-0.2\nG1 @1") == pytest.approx(1.3)
    others = "".join(other for other in "XYZ" if other != axis)
    assert all(run(f"G92 {axis}7\nSET_GCODE_OFFSET {axis}=3")[0].shift["XYZ".index(other)] == 0 for other in others)


def test_filament_and_arcs_in_inches() -> None:
    assert [move.filament_mm for move in run("G20\nM83\nG1 X1 E1")[1]] == [25.4]
    assert [move.filament_mm for move in run("G20\nM82\nG92 E1\nG1 X1 E2")[1]] == [pytest.approx(25.4)]
    _, moves = run("G20\nG2 X2 I1")
    assert max(move.end[1] for move in moves) == pytest.approx(25.4, abs=0.05)
    _, curve = run("G20\nM83\nG5 X2 Y0 I0 J1 P0 Q1 E1")
    assert max(move.end[1] for move in curve) == pytest.approx(0.75 * 25.4, abs=0.05)
    assert sum(move.filament_mm for move in curve) == pytest.approx(25.4)


def test_full_turns_of_an_arc() -> None:
    once, thrice = (sum(1 for move in run(text)[1] if move.end[1] > 0) for text in ("G2 X0 Y0 I5", "G2 X0 Y0 I5 P2"))
    assert thrice == pytest.approx(3 * once, rel=0.1)


def test_arcs_and_curves_are_as_fast_as_lines() -> None:
    for code in ("G2 X20 I10", "G5 X20 Y5 I0 J9 P0 Q9", "G1 X20"):
        assert {move.speed_mm_s for move in run(f"M220 S50\nG1 F6000\n{code}")[1]} == {50.0}, code
    assert run("G5 X0 Y0")[1] == [], "a curve to where it is"
    assert run("G1 X5")[1][0].speed_mm_s == 25, "Marlin's 1500 mm/min before the first F"


def test_plastic_that_the_firmware_drew_back_is_given_back_before_any_is_laid() -> None:
    _, moves = run("M83\nG1 X1 E1\nG10\nG1 X2 E2\nG1 X3 E2")
    assert [move.extrudes for move in moves] == [True, False, False, True]
    assert run("M207 S0\nG10\nG11", Machine())[1] == [], "nothing is drawn back"


def test_settings_of_the_firmwares_retraction_that_are_not_named_stay() -> None:
    _, moves = run("M207 S1\nM208 S0.5\nG10\nG11")
    assert [move.filament_mm for move in moves] == [-1, 1.5]
    assert [move.speed_mm_s for move in moves] == pytest.approx([45, 8])
    _, moves = run("M207 F600\nM208 F1200\nG10\nG11")
    assert [(move.filament_mm, move.speed_mm_s) for move in moves] == [(-3, 10), (3, 20)]


def test_g10_with_figures_is_no_retraction() -> None:
    assert run("G10 P0 S200")[1] == []
    assert run("G10 P0 S200")[0].nozzle_c == {0: 200}
    assert run("G10 S1", Machine(flavour="reprapfirmware"))[1] == []
    assert len(run("G10", Machine(flavour="reprapfirmware"))[1]) == 1
    assert run("G10 L2 P1 S99")[0].nozzle_c == {}, "a work offset is no heat"
    machine, _ = run("M568 P1 S-5\nM568 P2\nM568 P-3 S9\nM568 P99 S8")
    assert machine.nozzle_c == {1: 0.0, 0: 9.0, MAX_TOOL: 8.0}


def test_relative_extrusion_of_klipper_under_g91_survives_m82() -> None:
    """There E is relative as long as moves are; on Marlin the last word counts."""
    text = "G91\nM82\nG1 X1 E5\nG1 X1 E5"
    assert [move.filament_mm for move in run(text, Machine(flavour="klipper"))[1]] == [5, 5]
    assert [move.filament_mm for move in run(text)[1]] == [5, 0]
    assert [move.filament_mm for move in run("M82\nG1 X1 E5\nG1 X2 E6", Machine(flavour="klipper"))[1]] == [5, 1]
    assert [move.filament_mm for move in run("G91\nG1 X1 E5\nG1 X1 E5", Machine(flavour="klipper"))[1]] == [5, 5]


def test_volumetric_extrusion_is_switched_by_diameter_or_s_for_each_tool() -> None:
    area_mm2 = pi * 1.75**2 / 4
    assert run("M200 D1.75 T1")[0].e_mm3 == {1: pytest.approx(area_mm2)}
    assert run("M200 D1.75 S0")[0].e_mm3 == {}
    assert run("M200 D1.75\nM200 S1")[0].e_mm3 == {0: pytest.approx(area_mm2)}, "without a diameter nothing new is known"
    assert run("M200 D1.75\nM200 T-2 D0")[0].e_mm3 == {}
    assert run("M200 D1.75 T99")[0].e_mm3.keys() == {MAX_TOOL}
    assert run("M200 D0.5")[0].e_mm3 == {0: pytest.approx(pi / 16)}


def test_speed_factors_are_kept_only_when_asked() -> None:
    assert run("M220 R\nG1 X1 F60")[1][0].speed_mm_s == 1, "until something is kept it is 100 %"
    assert run("M220 S50\nM220 B\nM220 S70\nM220 S0.5")[0].speed_factor == 0.005
    assert run("M220 S50\nM220 S70")[0].kept_speed_factor == 1


def test_targets_stay_without_a_figure_and_r_and_s_are_both_targets() -> None:
    machine, _ = run("M104 S200\nM140 S60\nM141 S40\nM104\nM140\nM141\nM109 T0\nM190\nM191")
    assert (machine.nozzle_c, machine.bed_c, machine.chamber_c) == ({0: 200}, 60, 40)
    machine, _ = run("M109 S180 R200\nM191 R45")
    assert (machine.nozzle_c, machine.chamber_c) == ({0: 200}, 45)
    assert run("M104 T99 S200")[0].nozzle_c == {MAX_TOOL: 200}
    fresh = Machine()
    assert (fresh.bed_c, fresh.chamber_c, fresh.homed) == (0, 0, False)


def test_klippers_heaters_by_name() -> None:
    heat = "SET_HEATER_TEMPERATURE HEATER={} TARGET={}\n".format
    machine, _ = run(heat("extruder", 205) + heat("EXTRUDER1", 190) + heat("heater_bed", 60) + heat("chamber", 45))
    assert (machine.nozzle_c, machine.bed_c, machine.chamber_c) == ({0: 205, 1: 190}, 60, 45)
    assert run("SET_HEATER_TEMPERATURE HEATER=heater_bed", machine)[0].bed_c == 0, "without a target it is off"
    before = (dict(machine.nozzle_c), machine.bed_c, machine.chamber_c)
    run("SET_HEATER_TEMPERATURE TARGET=300\nM104", machine)
    assert (machine.nozzle_c, machine.bed_c, machine.chamber_c) == before, "no heater is named"
    run("TURN_OFF_HEATERS", machine)
    assert (machine.nozzle_c, machine.bed_c, machine.chamber_c) == ({0: 0, 1: 0}, 0, 0)
    run("SET_HEATER_TEMPERATURE HEATER=bedextruder TARGET=44", machine)
    assert (machine.nozzle_c, machine.chamber_c) == ({0: 0, 1: 0}, 44), "a name that only ends so is no tool"


@pytest.mark.parametrize(
    ("name", "tool"), [("extruder", 0), ("extruder7", 7), ("extruder99", MAX_TOOL), ("extruder100", 3), ("x", 3)]
)
def test_klippers_extruders_are_numbered(name: str, tool: int) -> None:
    assert run(f"T3\nACTIVATE_EXTRUDER EXTRUDER={name}")[0].tool == tool
    assert run(f"T3\nACTIVATE_EXTRUDER EXTRUDER={name}\nM73 P5")[0].tool == tool, "no other command selects one"


def test_a_state_that_is_kept_twice_is_the_second_and_one_without_a_name_is_one_too() -> None:
    klipper = Machine(flavour="klipper")
    run("".join(f"SAVE_GCODE_STATE NAME=s{number}\n" for number in range(16)), klipper)
    run("G1 F6000\nM220 S50\nSAVE_GCODE_STATE NAME=s3\nG1 F60\nM220 S100\nRESTORE_GCODE_STATE NAME=s3", klipper)
    assert (klipper.speed_mm_s, klipper.speed_factor) == (100, 0.5)
    machine, _ = run("SAVE_GCODE_STATE\nG91\nRESTORE_GCODE_STATE", Machine(flavour="klipper"))
    assert not machine.relative


@pytest.mark.parametrize(
    ("code", "tool"), [("T0", 0), ("T7", 7), ("T12", 12), ("T16", MAX_TOOL), ("T17", MAX_TOOL), ("T-1", 0), ("T1.5", 1)]
)
def test_tools_by_number(code: str, tool: int) -> None:
    assert tool_number(code) == tool
    assert MAX_TOOL == 16


def test_evidence_counts_lines_along_either_axis_and_not_what_is_equal() -> None:
    mode = run("M82\nG1 Y1 E1\nG1 Y2 E1\nG1 Y3 E0.5")[0].extruder_mode
    assert (mode.absolute, mode.absolute_falls) == (3, 1)
    mode = run("M83\nG1 X1 E0.1\nG1 X2 E0.1\nG1 X3 E0.2\nG1 X4 E0.2")[0].extruder_mode
    assert (mode.relative, mode.relative_rises) == (4, 2)


def test_a_line_that_is_doubted_already_and_one_that_is_no_arc_stay_as_they_are() -> None:
    line = parse_line(b"G2 R5 Z100")._replace(defect=Defect.BINARY)
    assert Machine().doubted(line) is line
    for text in (b"G1 R5 Z100", b"G0", b"M104 S1"):
        plain = parse_line(text)
        assert Machine().doubted(plain) is plain


def test_a_tool_that_reprapfirmware_switched_off_remembers_its_target() -> None:
    reprap = Machine(flavour="reprapfirmware")
    assert run("G10 P0 S210\nM568 P0 A0", reprap)[0].nozzle_c == {0: 0.0}
    assert run("M568 P0 A2", reprap)[0].nozzle_c == {0: 210.0}
    assert run("M568 P0 A0\nM568 P0 A0\nM568 P0 A1", reprap)[0].nozzle_c == {0: 210.0}
    assert run("M568 P0 S0 A2", reprap)[0].nozzle_c == {0: 0.0}, "a new target replaces it"
