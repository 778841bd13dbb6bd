"""Programs of frames: they pass our own checks, their header is true, and nothing drags, drips or hurries."""

from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import pytest

from gcode.checks import Verdict, inspect
from gcode.facts import GcodeFacts
from gcode.frame import (
    Adhesion,
    FrameDesign,
    FrameError,
    Plate,
    default_design,
    frame_gcode,
    frame_lines,
    frame_program,
    make_frame,
)
from gcode.frame.geometry import contains, distance, distance_to_segment
from gcode.frame.materials import MATERIALS
from gcode.frame.program import purged
from gcode.interpreter import read_facts
from gcode.profile import Box, PrinterProfile, bundled_profiles
from tests.unit.gcode.frame.beads import Layer, extent, layers, layers_of, made
from tests.unit.gcode.samples import profile

TWO_PINS = FrameDesign(holes="iso838")
TWO = Plate(count=2)


NAMES = list(bundled_profiles())


def facts(content: bytes, printer: PrinterProfile) -> GcodeFacts:
    return read_facts(BytesIO(content), printer)


@pytest.mark.parametrize("name", NAMES)
def test_every_bundled_printer_gets_a_good_frame(name: str) -> None:
    """No finding of our own checks, of the league of 2020 (12.6 to 15 g, 43 to 67 minutes; here a little faster), header true."""
    printer = profile(name)
    inspection = inspect(BytesIO(made(printer)), [printer])
    report, found = inspection.reports[0], inspection.facts
    assert report.verdict is Verdict.PASS
    assert report.findings == ()
    assert 15 * 60 < found.time_s < 80 * 60
    assert 11 < found.filament_g < 16
    assert found.layers == default_design(printer).layers
    assert found.layer_height_mm == pytest.approx(default_design(printer).layer_height_mm)
    assert found.homes or printer.homes_itself
    assert found.heaters_off_at_end
    assert found.extruder_mode.absolute == 0, "relative extrusion only"
    assert (found.slicer or "").startswith("Essaim frame")
    assert found.claimed_time_s == pytest.approx(found.time_s, abs=1)
    assert found.claimed_filament_mm == pytest.approx(found.filament_mm, abs=0.01)
    assert found.claimed_filament_g == pytest.approx(found.filament_g, abs=0.01)
    assert found.travel is not None
    assert found.travel.max_z < 40, "only the end code goes up"


@pytest.mark.parametrize("name", NAMES)
def test_the_part_is_on_the_bed_with_a_margin_off_clips_and_purge_line(name: str) -> None:
    printer = profile(name)
    body = "\n".join(frame_lines(default_design(printer), printer)).partition(";Z:0.6")[0]
    first = layers_of(body.encode(), printer)[0]
    box, volume = extent(first.part), printer.volume
    assert box.min_x >= volume.min_x + 5
    assert box.max_x <= volume.max_x - 5
    assert box.min_y >= volume.min_y + 5
    assert box.max_y <= volume.max_y - 5
    around = extent(first.beads)
    assert around.min_x >= volume.min_x
    assert around.max_y <= volume.max_y
    for taken in (*purged(printer)[0], *printer.keep_out):
        for bead in first.beads:
            x, y = bead.start
            assert not (taken.min_x < x < taken.max_x and taken.min_y < y < taken.max_y)


def test_a_plate_and_a_stack_pass_the_checks_too() -> None:
    printer = profile("generic-300")
    for plate in (TWO, Plate(stack=2), Plate(adhesion=Adhesion.BRIM)):
        inspection = inspect(BytesIO(made(printer, TWO_PINS, plate)), [printer])
        assert inspection.reports[0].findings == (), plate
        assert inspection.facts.claimed_filament_mm == pytest.approx(inspection.facts.filament_mm, abs=0.01)
        assert inspection.facts.filament_g > 11.5 * plate.parts


def test_layers_and_features_are_marked_as_prusaslicer_does() -> None:
    content = made(profile())
    text = content.decode()
    assert text.count(";LAYER_CHANGE\n;Z:") == 16
    assert text.count(";HEIGHT:0.3\n") == 16
    found = facts(content, profile())
    assert len(found.layer_table) == 16
    assert [row.z_mm for row in found.layer_table] == pytest.approx([0.3 * number for number in range(1, 17)])
    names = {feature.name for feature in found.features}
    assert names >= {"Skirt/Brim", "External perimeter", "Perimeter"}


def part_moves(layer: Layer) -> list[tuple[str, float, float, float, bool]]:
    """Kind, length, lift above the layer, filament and whether it draws, of every move outside start and end code."""
    rows = []
    for kind, move in layer.moves:
        if kind != "Custom":
            length = distance(move.start[:2], move.end[:2])
            rows.append((kind, length, max(move.start[2], move.end[2]) - layer.z_mm, move.filament_mm, move.extrudes))
    return rows


@pytest.mark.parametrize("plate", [Plate(), Plate(stack=2), TWO], ids=["one", "stack", "two"])
def test_no_travel_leaves_the_band_without_being_drawn_back(plate: Plate) -> None:
    printer = profile("generic-300")
    retracted = False
    for layer in layers(printer, TWO_PINS, plate):
        for kind, length, _, filament_mm, draws in part_moves(layer):
            if length == 0 and filament_mm:
                retracted = filament_mm < 0
            elif not draws and length > 2.5 and kind != "Support material interface":
                assert retracted, (layer.z_mm, length)


def test_retractions_and_their_returns_are_even() -> None:
    printer = profile("generic-300")
    for plate in (Plate(), TWO, Plate(stack=2)):
        drawn_back = 0.0
        for layer in layers(printer, TWO_PINS, plate):
            for _, length, _, filament_mm, _ in part_moves(layer):
                if length == 0:
                    drawn_back += filament_mm
                    assert -printer.retraction_mm - 1e-9 <= drawn_back <= 1e-9
        assert drawn_back == pytest.approx(0)


def test_one_frame_needs_no_lift_and_two_only_where_one_is_crossed() -> None:
    printer = profile("generic-300")
    lifts = [row for layer in layers(printer, TWO_PINS)[1:] for row in part_moves(layer) if row[2] > 0.05 and row[1] > 1]
    assert lifts == []
    for layer in layers(printer, TWO_PINS, TWO)[1:]:
        laid: list[tuple[tuple[float, float], tuple[float, float]]] = []
        for kind, move in layer.moves:
            start, end = move.start[:2], move.end[:2]
            if kind != "Custom" and not move.extrudes and distance(start, end) > 8 and move.end[2] <= layer.z_mm + 0.05:
                # The way, but for the wall that it leaves: at the layer's own height it must not meet a line of this layer.
                way = [
                    (start[0] + (end[0] - start[0]) * step / 60, start[1] + (end[1] - start[1]) * step / 60) for step in range(61)
                ]
                clear = [point for point in way if distance(point, start) > 4]
                assert all(distance_to_segment(point, line) > 0.2 for point in clear for line in laid)
            if move.extrudes:
                laid.append((start, end))


def test_the_first_layer_is_slow_and_cooling_waits() -> None:
    printer = profile()
    first, second = layers(printer)[0], layers(printer)[1]
    assert {move.speed_mm_s for kind, move in first.moves if move.extrudes and kind != "Custom"} == {printer.first_layer_speed_mm_s}
    assert min(move.speed_mm_s for _, move in second.moves if move.extrudes) > printer.first_layer_speed_mm_s
    assert not any(line.startswith("M106") for line in first.texts)
    assert any(line.startswith("M106 S255") for line in second.texts)
    assert "M107" in made(printer).decode().split(";LAYER_CHANGE")[0]


@pytest.mark.parametrize("material", MATERIALS.values(), ids=lambda material: material.name)
def test_each_material_is_cooled_and_pressed_as_it_wants(material: object) -> None:
    wanted = MATERIALS[getattr(material, "name")]  # noqa: B009 - the fixture's type is wide
    printer = replace(profile(), materials=(wanted.name,), print_speed_mm_s=200.0)
    found = layers_of("\n".join(frame_lines(FrameDesign(), printer)).encode(), printer)
    fans = [number for number, layer in enumerate(found) for line in layer.texts if line.startswith("M106")]
    assert fans == ([wanted.fan_from_layer] if wanted.fan else [])
    for layer in found[1:]:
        for bead, (_, move) in zip(layer.beads, ((k, m) for k, m in layer.moves if m.extrudes and k != "Custom"), strict=True):
            assert bead.width_mm * layer.thickness_mm * move.speed_mm_s <= wanted.max_flow_mm3_s * 1.1


def test_visible_lines_are_drawn_slower() -> None:
    found = layers(profile())[8]
    speeds = {
        kind: {move.speed_mm_s for k, move in found.moves if k == kind and move.extrudes}
        for kind in ("External perimeter", "Perimeter")
    }
    assert max(speeds["External perimeter"]) < min(speeds["Perimeter"])


def test_a_bridge_is_slow_and_cold_and_marked() -> None:
    petg = replace(profile(), materials=("PETG",))
    found = layers(petg, FrameDesign(), Plate(stack=2))
    gap, bridge = found[16], found[17]
    assert {bead.kind for bead in gap.beads} == {"Support material interface"}
    assert {bead.kind for bead in bridge.beads} == {"Overhang perimeter"}
    assert max(move.speed_mm_s for _, move in bridge.moves if move.extrudes) <= 20
    assert any(line == "M106 S128" for line in gap.texts), "half, where the part has 40 %"
    assert any(line == "M106 S102" for line in found[18].texts)


def test_a_layer_is_not_finished_before_it_has_set() -> None:
    """A tiny frame on a racing printer: 15 s a layer, or as slow as it may go."""
    racing = replace(profile(), print_speed_mm_s=500.0, materials=("PLA",))
    design = FrameDesign(line_width_mm=0.54, wall_lines=6, layer_height_mm=0.05)
    for layer in layers_of("\n".join(frame_lines(design, racing)).encode(), racing)[1:4]:
        seconds = sum(distance(move.start[:2], move.end[:2]) / move.speed_mm_s for _, move in layer.moves if move.extrudes)
        assert seconds > 14


def test_objects_are_marked_where_the_firmware_knows_how() -> None:
    printer = replace(profile("generic-300"), cancels_objects=True)
    for known in (printer, replace(printer, flavour="reprapfirmware", cancels_objects=False)):
        marlin = made(known, TWO_PINS, TWO).decode()
        assert "M486 T2\n" in marlin
        assert marlin.count("M486 S0\n") == marlin.count("M486 S1\n") == 16
        assert marlin.count("M486 S-1\n") == 16
        assert "object" not in marlin
    klipper = made(replace(printer, flavour="klipper"), TWO_PINS, TWO).decode()
    assert klipper.count("EXCLUDE_OBJECT_DEFINE NAME=frame_") == 2
    assert klipper.count("EXCLUDE_OBJECT_START NAME=frame_1\n") == klipper.count("EXCLUDE_OBJECT_START NAME=frame_2\n") == 16
    assert klipper.count("EXCLUDE_OBJECT_END NAME=frame_1\n") == klipper.count("EXCLUDE_OBJECT_END NAME=frame_2\n") == 16
    assert facts(marlin.encode(), printer).objects == facts(klipper.encode(), printer).objects == 2
    alone = made(printer)
    assert not any(word in alone for word in (b"M486", b"EXCLUDE", b"object"))
    assert facts(alone, printer).objects == 0


@pytest.mark.parametrize(
    ("flavour", "built"), [("marlin", False), ("marlin-legacy", False), ("marlin-legacy", True), ("griffin", False)]
)
def test_a_firmware_that_may_not_know_objects_gets_no_command_of_them(flavour: str, built: bool) -> None:
    """It would answer "unknown command" to each; in comments they are there for OctoPrint, and for the facts."""
    printer = replace(profile("generic-300"), flavour=flavour, cancels_objects=built)
    text = made(printer, TWO_PINS, TWO).decode()
    assert "M486" not in text
    assert "EXCLUDE" not in text
    for number in (0, 1):
        assert text.count(f"; printing object frame_{number + 1} id:{number} copy 0\n") == 16
        assert text.count(f"; stop printing object frame_{number + 1} id:{number} copy 0\n") == 16
    began = [line for line in text.splitlines() if "printing object" in line]
    assert all(
        "stop" not in first and second == first.replace("; ", "; stop ")
        for first, second in zip(began[::2], began[1::2], strict=True)
    )
    assert facts(text.encode(), printer).objects == 2
    assert inspect(BytesIO(text.encode()), [printer]).reports[0].findings == ()


def test_of_the_bundled_printers_those_get_commands_of_objects_whose_firmware_is_known_to_take_them() -> None:
    told = {one.id for one in bundled_profiles().values() if one.cancels_objects}
    assert told == {"prusa-mk4"}


def test_start_and_end_code_are_the_profiles_with_its_temperatures() -> None:
    printer = replace(profile(), nozzle_c=233, bed_c=71)
    text = frame_program(printer).decode()
    assert "M109 S233\n" in text
    assert "M190 S71\n" in text
    assert "{" not in text
    assert text.endswith(profile().end_gcode.strip().splitlines()[-1] + "\n")


def test_the_same_input_gives_the_same_bytes() -> None:
    printer = profile("generic-300")
    assert make_frame(printer) == made(printer) == frame_program(printer) == frame_gcode(default_design(printer), printer)
    assert make_frame(printer, TWO_PINS, TWO) == made(printer, TWO_PINS, TWO)


def test_the_revision_is_named_in_the_header() -> None:
    text = make_frame(profile(), FrameDesign(revision="R7")).decode()
    assert "; revision = R7\n" in text
    assert "; revision" not in made(profile()).decode()
    assert "; 1 part: 1 on the bed, 1 high" in text


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(FrameError, match="does not fit Generic Marlin, 210 mm bed"):
        frame_gcode(FrameDesign(head_depth_mm=180), profile("generic-210"))
    with pytest.raises(FrameError, match="mm high"):
        make_frame(replace(profile(), volume=Box(0, 0, 0, 210, 210, 4)))
    narrow = replace(profile(), volume=Box(29, 13, 0, 203, 209, 200))
    assert b"Skirt/Brim" in make_frame(narrow, replace(TWO_PINS, head_width_mm=140))
    clipped = replace(profile("generic-300"), keep_out=(Box(0, 140, 0, 85, 160, 8),))
    assert b"Skirt/Brim" not in make_frame(clipped, TWO_PINS), "no room for a skirt: none"
    with pytest.raises(FrameError, match="no room for a skirt") as caught:
        make_frame(clipped, TWO_PINS, Plate(adhesion=Adhesion.SKIRT))
    assert caught.value.parameter == "adhesion"


def test_a_small_bed_gets_a_program_too() -> None:
    """180 x 180 mm: the arms are shorter, the rest is the same."""
    small = replace(
        profile(),
        volume=Box(0, 0, 0, 180, 180, 180),
        purge=Box(-2, -2, 0, 182, 182, 1),
        start_gcode="M140 S60\nM104 S205\nM190 S60\nM109 S205\nG28\n",
        end_gcode="M104 S0\nM140 S0\n",
    )
    found = inspect(BytesIO(frame_program(small)), [small])
    assert found.reports[0].findings == ()
    assert found.facts.filament_g > 11


def test_the_skirt_goes_around_the_part() -> None:
    first = layers(profile())[0]
    skirt = [bead.start for bead in first.of("Skirt/Brim")]
    inner = skirt[len(skirt) // 2 + 1 :]
    assert all(contains(inner, bead.start) for bead in first.part)
    assert {layer.z_mm for layer in layers(profile()) if layer.of("Skirt/Brim")} == {0.3}


def test_layers_go_back_and_forth_between_frames() -> None:
    printer = replace(profile("generic-300"), cancels_objects=True)
    texts = [line for layer in layers(printer, TWO_PINS, TWO) for line in layer.texts]
    objects = [line for line in texts if line.startswith("M486 S") and "-1" not in line]
    assert objects[:6] == ["M486 S0", "M486 S1", "M486 S1", "M486 S0", "M486 S0", "M486 S1"]
    for first, second in pairwise(layers(printer, TWO_PINS, TWO)):
        end = next(move.end for _, move in reversed(first.moves) if move.extrudes)
        begin = next(move.start for _, move in second.moves if move.extrudes)
        assert distance(end[:2], begin[:2]) < 15


def test_an_ultimaker_gets_the_header_that_its_firmware_reads_first() -> None:
    found = inspect(BytesIO(frame_program(bundled_profiles()["ultimaker-3"])), [bundled_profiles()["ultimaker-3"]]).facts
    lines = frame_program(bundled_profiles()["ultimaker-3"]).decode().splitlines()
    header = dict(line[1:].split(":", 1) for line in lines[1 : lines.index(";END_OF_HEADER")])
    assert lines[0] == ";START_OF_HEADER"
    assert (header["FLAVOR"], header["EXTRUDER_TRAIN.0.INITIAL_TEMPERATURE"]) == ("Griffin", f"{found.max_nozzle_c:g}")
    assert float(header["PRINT.TIME"]) == pytest.approx(found.time_s, abs=0.5)
    assert float(header["EXTRUDER_TRAIN.0.MATERIAL.VOLUME_USED"]) == pytest.approx(found.filament_cm3 * 1000, abs=0.5)
    assert found.extruding is not None
    assert float(header["PRINT.SIZE.MAX.Y"]) == pytest.approx(found.extruding.max_y, abs=0.001)
    assert not any(
        line.startswith(";START_OF_HEADER") for line in frame_program(bundled_profiles()["generic-210"]).decode().splitlines()
    )
