"""A print taken up again: the rest is the file's own, what comes before is safe, what cannot be cut is refused with its reason."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pytest

from gcode.interpreter import read_facts
from gcode.machine import Machine
from gcode.profile import Box, PrinterProfile
from gcode.reader import read_lines
from gcode.resume import (
    LayerError,
    ResumeNotAllowedError,
    ResumeNotConfirmedError,
    SelfCheckError,
    UnsuitableError,
    plan_resume,
    resume,
)
from gcode.resume.outcome import check_outcome
from gcode.resume.preamble import LIFT_MM, PURGE_MM
from tests.unit.gcode.resume.towers import PRINTER, START, absolute_tower, planned, resumed, square, tower
from tests.unit.gcode.samples import ENDER_3, MK3S, ULTIMAKER_3, profile, real_file


def positions(text: str, z: float = 30.0) -> Iterator[tuple[str, Machine]]:
    """Every command and the machine after it; the nozzle stands high up at first."""
    machine = Machine(z=z)
    for line in read_lines(BytesIO(text.encode())):
        if line.code:
            machine.apply(line)
            yield f"{line.code} {line.text}".strip(), machine


def head(text: str, layer: int, printer: PrinterProfile = PRINTER, **options: float) -> list[str]:
    return planned(text, layer, printer, **options).preamble.decode().splitlines()


# -- what comes out


@pytest.mark.parametrize("layer", [2, 5, 8])
@pytest.mark.parametrize("marks", [True, False])
def test_the_rest_is_the_files_own_letter_for_letter(layer: int, marks: bool) -> None:
    text = tower(marks=marks)
    plan = planned(text, layer)
    assert resumed(text, layer).endswith(text[plan.offset :])
    assert plan.layers_left == 8 - layer + 1
    assert plan.standing_mm == pytest.approx(0.2 * (layer - 1))
    assert plan.facts.layers == plan.layers_left


@pytest.mark.parametrize("text", [tower(), absolute_tower(), tower(marks=False)], ids=["relative", "absolute", "unmarked"])
def test_each_layer_left_has_its_filament(text: str) -> None:
    before, after = read_facts(BytesIO(text.encode()), PRINTER), planned(text, 4).facts
    assert [row.filament_mm for row in after.layer_table] == pytest.approx([row.filament_mm for row in before.layer_table[3:]])
    assert after.filament_mm == pytest.approx(sum(row.filament_mm for row in before.layer_table[3:]) + PURGE_MM, abs=0.9)


def test_it_heats_before_it_moves_and_as_at_the_cut() -> None:
    text = tower(between="").replace("M106 S128\n", "M106 S128\nM104 S190\n")
    lines = head(text, 5)
    first_move = next(number for number, line in enumerate(lines) if line.startswith("G1"))
    assert lines.index("M190 S60") < first_move
    assert lines.index("M109 S190") < first_move, "what was in force at the cut, not the first layer's"


def test_z_is_never_homed_and_x_and_y_are() -> None:
    lines = head(tower(), 5)
    assert [line for line in lines if line.startswith("G28")] == ["G28 X Y"]
    assert not [line for line in lines if line.startswith("G92 Z")]
    assert lines.index("G28 X Y") > next(number for number, line in enumerate(lines) if line.startswith("G1 Z")), "lifted first"


def test_a_reset_firmware_is_told_where_the_nozzle_stands_before_anything_moves() -> None:
    lines = head(tower(), 5, nozzle_z_mm=12.5)
    assert lines.index("G92 Z12.500") < next(number for number, line in enumerate(lines) if line.startswith("G1"))


@pytest.mark.parametrize("height", [0.5, 400.0])
def test_a_nozzle_inside_the_part_or_above_the_printer_is_a_mistake(height: float) -> None:
    with pytest.raises(ResumeNotConfirmedError, match="cannot stand at"):
        planned(tower(), 6, nozzle_z_mm=height)


def test_nothing_moves_below_what_stands() -> None:
    plan = planned(tower(), 5)
    for command, machine in positions(resumed(tower(), 5)):
        assert machine.z >= plan.standing_mm - 1e-9, command
    assert plan.clear_mm == pytest.approx(plan.standing_mm + LIFT_MM)


def test_it_crosses_the_part_and_purges_above_and_beside_it() -> None:
    plan = planned(tower(), 5)
    purges = []
    for command, machine in positions(plan.preamble.decode()):
        if "X" in command and command.startswith("G1"):
            assert machine.z == pytest.approx(plan.clear_mm), command
        if command.startswith(f"G1 E{PURGE_MM:.3f}"):
            purges.append((machine.x, machine.y, machine.z, machine.nozzle_c[0]))
    ((x, y, z, nozzle_c),) = purges
    assert nozzle_c == 205
    assert not (55 < x < 85 and 55 < y < 85)
    assert z >= plan.standing_mm
    assert PRINTER.volume.min_x <= x <= PRINTER.volume.max_x


@pytest.mark.parametrize("layer", [2, 3, 7])
@pytest.mark.parametrize("text", [tower(), absolute_tower(), tower(marks=False)], ids=["relative", "absolute", "unmarked"])
def test_the_machine_is_then_what_it_was_at_the_cut(text: str, layer: int) -> None:
    plan = planned(text, layer)
    was, now = Machine(), Machine(z=30.0)
    for line in read_lines(BytesIO(text[: plan.offset].encode())):
        was.apply(line)
    for line in read_lines(BytesIO(plan.preamble)):
        now.apply(line)
    assert (now.x, now.y) == pytest.approx((was.x, was.y))
    assert (now.relative, now.relative_e, now.unit_mm) == (was.relative, was.relative_e, was.unit_mm)
    assert now.speed_mm_s == pytest.approx(was.speed_mm_s, abs=1e-4)
    assert (now.nozzle_c, now.bed_c) == (was.nozzle_c, was.bed_c)
    assert now.retracted_mm.get(0, 0.0) == pytest.approx(was.retracted_mm.get(0, 0.0))
    if not was.relative_e:
        assert now.e == pytest.approx(was.e, abs=1e-5)
    assert now.z == pytest.approx(was.z) or now.z == pytest.approx(plan.clear_mm)


def test_filament_that_was_drawn_back_at_the_cut_is_drawn_back_again() -> None:
    """The slicer draws back before the mark of the layer, and gives back after it."""
    text = tower().replace(";LAYER_CHANGE\nG1 E-0.8 F2100\n", "G1 E-0.8 F2100\n;LAYER_CHANGE\n")
    lines = head(text, 5)
    assert lines.index("G1 E-0.80000 F2100") > lines.index("G1 E20.000 F180")
    assert not [line for line in lines if line.startswith("G1 E0.8")], "the rest gives it back"


def test_what_was_set_is_set_again_and_nothing_else() -> None:
    lines = head(tower(start=START + "M221 S95\nM204 P700 T900\nM117 secret\nM115 U3\nG29\n"), 5)
    for wanted in ("M201 X900 Y900", "M204 S800", "M204 P700 T900", "M900 K0.05", "M221 S95", "M106 S128"):
        assert lines.count(wanted) == 1, wanted
    assert lines.index("M204 S800") < lines.index("M204 P700 T900"), "in the order of the file"
    assert not [line for line in lines if line.startswith(("M117", "M115", "G29"))]


def test_the_last_of_a_setting_counts() -> None:
    text = tower().replace("M106 S128\n", "M106 S128\nM204 S1200\nM107\nM106 S255\n")
    lines = head(text, 6)
    assert "M204 S1200" in lines
    assert "M204 S800" not in lines
    assert [line for line in lines if line.startswith("M106")] == ["M106 S255"]


def test_the_levelling_of_the_bed_comes_back_after_homing() -> None:
    lines = head(tower(start=START + "G29\n"), 5)
    assert lines.index("M420 S1") == lines.index("G28 X Y") + 1
    assert "M420 S1" not in head(tower(), 5)


def test_inches_stay_inches() -> None:
    inches = START + "G20\nM83\nG1 X2 Y2 F200\n"
    for number in range(6):
        inches += f";LAYER_CHANGE\nG1 Z{0.01 * (number + 1):.3f}\nG1 X3 Y2 E0.05\nG1 X3 Y3 E0.05\nG1 X2 Y2 E0.07\n"
    lines = head(inches, 4)
    assert next(line for line in lines if not line.startswith(";")) == "G21"
    assert lines.index("G20") > lines.index("G28 X Y")
    assert "G1 F200.000" in lines


def test_the_stream_is_put_back_and_may_begin_in_the_middle() -> None:
    stream = BytesIO(b"other things" + tower().encode())
    stream.seek(12)
    pieces = list(resume(stream, 4, PRINTER, confirmed=True, motors_held=True))
    assert b"".join(pieces).decode() == resumed(tower(), 4)
    stream.seek(12)
    plan_resume(stream, 4, PRINTER, confirmed=True, motors_held=True)
    assert stream.tell() == 12


def test_a_large_file_comes_in_pieces() -> None:
    stream = BytesIO(tower(layers=900).encode())
    pieces = list(resume(stream, 100, PRINTER, confirmed=True, motors_held=True))
    assert len(pieces) > 2
    assert max(len(piece) for piece in pieces) <= 64 * 1024


# -- who may


def test_only_where_the_profile_says_so() -> None:
    with pytest.raises(ResumeNotAllowedError) as caught:
        planned(tower(), 4, replace(PRINTER, resumes=False))
    assert "ne permet pas" in caught.value.bilingual.fr


def test_no_bundled_profile_allows_it_by_itself() -> None:
    with pytest.raises(ResumeNotAllowedError):
        planned(tower(), 4, profile("generic-210"))


@pytest.mark.parametrize(("confirmed", "motors_held"), [(False, True), (True, False), (False, False)])
def test_only_when_somebody_at_the_machine_confirms(confirmed: bool, motors_held: bool) -> None:
    with pytest.raises(ResumeNotConfirmedError) as caught:
        plan_resume(BytesIO(tower().encode()), 4, PRINTER, confirmed=confirmed, motors_held=motors_held)
    assert caught.value.bilingual.fr != caught.value.bilingual.en


def test_errors_come_before_the_first_piece() -> None:
    with pytest.raises(ResumeNotConfirmedError):
        resume(BytesIO(tower().encode()), 4, PRINTER)


@pytest.mark.parametrize("layer", [-1, 0, 1, 9, 10**6])
def test_a_layer_that_is_not_there_or_is_the_first(layer: int) -> None:
    with pytest.raises(LayerError, match="choose 2 to 8"):
        planned(tower(), layer)


def test_a_file_of_one_layer_names_no_range() -> None:
    with pytest.raises(LayerError, match=r"the file has 1\. Print the whole file"):
        planned("G28\nG90\nM83\nM104 S200\nG1 X50 Y50 Z0.2 F3000\nG1 X90 E2\nM104 S0\n", 2)


# -- what cannot be cut


def reason(text: str, layer: int = 4, **changes: object) -> str:
    with pytest.raises(UnsuitableError) as caught:
        planned(text, layer, replace(PRINTER, **changes))  # type: ignore[arg-type]  # any field
    assert caught.value.bilingual.fr != caught.value.bilingual.en
    return caught.value.reason


def test_parts_one_after_another() -> None:
    second = "".join(f";LAYER_CHANGE\nG1 Z{0.2 * (n + 1):.2f}\nG1 X120 Y120\n" + square(x=120, y=120) for n in range(4))
    assert reason(tower(4) + "M104 S205\n" + second) == "one-after-another"
    assert reason(tower(4) + "M104 S205\n" + second, 6) == "one-after-another"


def test_vase_mode() -> None:
    text = START + "M83\n;LAYER_CHANGE\nG1 Z0.2\n" + square()
    for number in range(5):
        text += f";LAYER_CHANGE\nG1 Z{0.2 * number + 0.4:.2f}\nG1 X60 Y60\nG1 X80 Y60 Z{0.2 * number + 0.45:.2f} E0.8\n"
    assert reason(text) == "vase"


@pytest.mark.parametrize(
    ("between", "wanted"),
    [
        ("G91\n", "relative"),
        ("G92 X10\n", "shifted"),
        ("M207 S2\nG10\n", "firmware-retraction"),
        ("M200 D1.75\n", "volumetric"),
        ("M109 S0\n", "temperature"),
        ("M104 S400\n", "temperature"),
        ("M140 S200\n", "temperature"),
    ],
)
def test_states_at_the_cut_that_cannot_be_brought_back(between: str, wanted: str) -> None:
    parts = tower().split(";LAYER_CHANGE\n")
    text = ";LAYER_CHANGE\n".join([*parts[:3], parts[3] + between, *parts[4:]])
    if wanted == "relative":  # what follows would be laid somewhere else
        text = ";LAYER_CHANGE\n".join([*parts[:3], parts[3] + between, "G90\nM83\n" + parts[4], *parts[5:]])
    assert reason(text) == wanted


def test_several_tools() -> None:
    assert reason(tower().replace("M106 S128\n", "T1\n")) == "several-tools"


def test_a_file_that_homes_on_its_way() -> None:
    parts = tower().split(";LAYER_CHANGE\n")
    for code in ("G28\n", "G28 Z\n", "G28 X Z\n", "G29\n"):
        text = ";LAYER_CHANGE\n".join([*parts[:7], "G1 Z1.2\n" + parts[7] + code + "G1 Z1.4\n", *parts[8:]])
        assert reason(text) in {"homes", "one-after-another"}
    harmless = ";LAYER_CHANGE\n".join([*parts[:7], parts[7] + "G28 X Y\nG1 X60 Y60\n", *parts[8:]])
    assert planned(harmless, 4).layers_left == 5


def test_homing_after_the_end_is_the_files_own_affair() -> None:
    assert planned(tower() + "G28\n", 4).layers_left == 5


def test_a_firmware_that_starts_by_itself() -> None:
    assert reason(";FLAVOR:Griffin\n" + tower(), flavour="griffin") == "flavour"


def test_a_temperature_that_only_a_macro_knows() -> None:
    assert reason(tower(start="START_PRINT BED=60 EXTRUDER=205\nG90\n"), flavour="klipper") == "temperature"


def test_a_part_that_fills_the_bed_leaves_no_place_to_purge() -> None:
    body = "".join(f";LAYER_CHANGE\nG1 Z{0.2 * (n + 1):.2f}\nG1 X1 Y1\n" + square(e=9, side=208, x=1, y=1) for n in range(5))
    assert reason(START + "M83\n" + body, purge=PRINTER.volume) == "no-place"


def test_a_part_that_fills_the_bed_is_purged_beside_the_bed_where_the_printer_may() -> None:
    wide = replace(PRINTER.purge, min_y=-20.0)
    body = "".join(f";LAYER_CHANGE\nG1 Z{0.2 * (n + 1):.2f}\nG1 X1 Y1\n" + square(e=9, side=208, x=1, y=1) for n in range(5))
    lines = planned(START + "M83\n" + body, 4, replace(PRINTER, purge=wide)).preamble.decode().splitlines()
    place = lines[lines.index("G1 E20.000 F180") - 1]
    assert "Y-19.5" in place


def purge_place(*keep_out: Box) -> tuple[float, float]:
    lines = head(tower(), 5, replace(PRINTER, keep_out=keep_out))
    x, y = lines[lines.index("G1 E20.000 F180") - 1].split()[1:3]
    return float(x[1:]), float(y[1:])


def test_the_purge_is_at_the_farthest_corner_that_no_clip_covers() -> None:
    """The part stands at 60 to 80 mm on a bed of 210 mm; corners are 3 mm inside it."""
    assert purge_place() == (207, 207)
    assert purge_place(Box(200, 200, 0, 210, 210, 250)) in {(3, 207), (207, 3)}
    assert purge_place(Box(200, 200, 0, 210, 210, 250), Box(205, 0, 0, 210, 10, 250)) == (3, 207)
    beside = (Box(200, 90, 0, 210, 110, 250), Box(90, 200, 0, 110, 210, 250))
    assert purge_place(*beside) == (207, 207), "clips in the same row or column are not in the way of the corner"


def test_a_purge_line_of_the_start_code_is_no_part_of_the_part() -> None:
    """It may rise, and lie where the nozzle is purged again."""
    line = "M83\nG1 X200 Y200 Z0.3\nG1 X207 Y200 Z0.5 E5\nG1 X207 Y207 E5\n"
    lines = head(tower(start=START + line), 5)
    assert lines[lines.index("G1 E20.000 F180") - 1].startswith("G1 X207.00000 Y207.00000")


def test_what_cannot_be_read_changes_nothing() -> None:
    text = tower().replace("M106 S128\n", "M106 S128\nG1 X9 E1e5 Z7 \x01\nM104 Sx\n")
    assert head(text, 5) == head(tower(), 5)


def test_what_is_drawn_back_for_the_way_is_given_back_under_the_same_flow() -> None:
    lines = head(tower(), 5)
    assert lines.index("M221 S95") < lines.index("G1 E20.000 F180") < lines.index("G1 E2.00000 F2100")


def test_a_part_up_to_the_roof_leaves_no_room_to_cross_it() -> None:
    assert reason(tower(), volume=replace(PRINTER.volume, max_z=1.0)) == "too-high"


# -- the check of itself


def test_what_is_not_the_rest_of_the_file_is_not_given_out() -> None:
    text = tower()
    before = read_facts(BytesIO(text.encode()), PRINTER)
    plan = planned(text, 4)
    check_outcome(before, plan.facts, 4, plan.standing_mm)
    wrong = [
        replace(plan.facts, layers=plan.facts.layers - 1),
        replace(plan.facts, layer_table=(replace(plan.facts.layer_table[0], filament_mm=1.0), *plan.facts.layer_table[1:])),
        replace(plan.facts, extruding=replace(plan.facts.extruding, min_z=0.2)),  # type: ignore[type-var]  # it has one
        replace(plan.facts, travel=replace(plan.facts.travel, min_z=0.1)),  # type: ignore[type-var]  # it has one
        replace(plan.facts, extruding=replace(plan.facts.extruding, max_x=150.0)),  # type: ignore[type-var]  # it has one
        replace(plan.facts, extruding=None),
    ]
    for facts in wrong:
        with pytest.raises(SelfCheckError):
            check_outcome(before, facts, 4, plan.standing_mm)


# -- genuine files


@pytest.mark.real
def test_the_ender_frame_at_layer_20() -> None:
    ender = replace(profile("creality-ender3"), resumes=True)
    stream = real_file(ENDER_3)
    plan = plan_resume(stream, 20, ender, confirmed=True, motors_held=True)
    assert plan.layers_left == 17
    assert plan.standing_mm == pytest.approx(5.24)
    lines = plan.preamble.decode().splitlines()
    assert "M109 S205" in lines
    assert "M106 S255" in lines


@pytest.mark.real
def test_the_mk3s_plate() -> None:
    mk3s = replace(profile("prusa-mk3s"), resumes=True)
    plan = plan_resume(real_file(MK3S), 7, mk3s, confirmed=True, motors_held=True)
    assert plan.layers_left == 7
    assert plan.facts.extruding is not None
    assert plan.facts.extruding.min_z > plan.standing_mm


@pytest.mark.real
def test_the_ultimaker_file_is_refused_with_its_reason() -> None:
    ultimaker = replace(profile("generic-300"), resumes=True)
    with pytest.raises(UnsuitableError) as caught:
        plan_resume(real_file(ULTIMAKER_3), 7, ultimaker, confirmed=True, motors_held=True)
    assert caught.value.reason == "flavour"
