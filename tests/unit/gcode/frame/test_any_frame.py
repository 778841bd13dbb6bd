"""What holds for every program of ours, whatever the printer, the design and the plate: read from the G-code itself."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import pi
from typing import Final

import pytest

from gcode.frame import Adhesion, FrameDesign, FrameError, Plate, make_frame
from gcode.frame.geometry import distance, signed_area
from gcode.frame.headband import frame_layers
from gcode.frame.plate import standoffs
from gcode.machine import Move
from gcode.profile import Box, PrinterProfile
from tests.unit.gcode.frame.beads import Layer, layers, made
from tests.unit.gcode.samples import profile

COARSE: Final = FrameDesign(layer_height_mm=0.5, line_width_mm=0.8, wall_lines=4, height_mm=2.5)  # few layers, few lines: quick
LOW_CLIP, HIGH_CLIP = Box(140, 140, 0, 160, 170, 8), Box(60, 130, 0, 75, 160, 250)
CLIPPED: Final = replace(profile("generic-300"), keep_out=(LOW_CLIP, HIGH_CLIP))
SMALL: Final = FrameDesign(layer_height_mm=0.5, line_width_mm=0.8, wall_lines=4, height_mm=2.5, head_width_mm=112, holes="iso838")


@dataclass(frozen=True)
class Case:
    printer: PrinterProfile
    design: FrameDesign
    plate: Plate

    @property
    def layers(self) -> tuple[Layer, ...]:
        return layers(self.printer, self.design, self.plate)

    @property
    def content(self) -> bytes:
        return made(self.printer, self.design, self.plate)


CASES: Final = {
    "one": Case(profile("generic-210"), COARSE, Plate()),
    "two among clips": Case(CLIPPED, SMALL, Plate(count=2)),
    "stack with a wide brim": Case(profile("generic-210"), SMALL, Plate(stack=2, adhesion=Adhesion.BRIM, brim_mm=8.0)),
    "two stacks for thick filament": Case(replace(profile("generic-300"), filament_mm=2.85), SMALL, Plate(count=2, stack=2)),
    "letters, klipper": Case(profile("generic-klipper"), replace(COARSE, height_mm=4.5, revision="R1"), Plate()),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def moves_of(case: Case) -> Iterator[tuple[Layer, str, Move]]:
    for layer in case.layers:
        for kind, move in layer.moves:
            if kind != "Custom":
                yield layer, kind, move


def inside(box: Box, point: tuple[float, float, float]) -> bool:
    x, y, z = point
    return box.min_x < x < box.max_x and box.min_y < y < box.max_y and z < box.max_z


@every_case
def test_nothing_goes_through_or_under_a_clip(case: Case) -> None:
    for _, _, move in moves_of(case):
        if not case.printer.keep_out:
            return
        steps = max(int(distance(move.start[:2], move.end[:2])), 1)
        for step in range(steps + 1):
            point = tuple(a + (b - a) * step / steps for a, b in zip(move.start, move.end, strict=True))
            assert not any(inside(box, (point[0], point[1], point[2])) for box in case.printer.keep_out), move


@every_case
def test_all_plastic_lies_on_the_bed_with_its_width(case: Case) -> None:
    volume = case.printer.volume
    for layer in case.layers:
        for bead in layer.beads:
            half = bead.width_mm / 2
            assert all(volume.min_x + half <= x <= volume.max_x - half for x, _ in (bead.start, bead.end))
            assert all(volume.min_y + half <= y <= volume.max_y - half for _, y in (bead.start, bead.end))


@every_case
def test_nothing_moves_below_the_layer_that_is_laid_and_plastic_is_laid_at_its_height(case: Case) -> None:
    for layer, _, move in moves_of(case):
        if move.start[:2] != move.end[:2]:
            assert min(move.start[2], move.end[2]) >= layer.z_mm - 1e-9
        if move.extrudes:
            assert move.end[2] == move.start[2] == pytest.approx(layer.z_mm)
    heights = [layer.z_mm for layer in case.layers]
    assert heights == sorted(set(heights))


@every_case
def test_filament_is_fed_as_the_geometry_asks(case: Case) -> None:
    """Parts, and the standoffs between those of a stack; skirt and brim come on top."""
    design, plate = case.design, case.plate
    flat = [abs(signed_area(shape.outline)) - abs(signed_area(shape.window_outline)) for shape in frame_layers(design)]
    wanted_mm3 = sum(flat) * design.layer_height_mm * plate.parts
    if plate.stack > 1:
        tracks = [track for way in standoffs(design, plate.standoff_mm).ways for track in way.tracks]
        lines_mm2 = sum(distance(first[:2], second[:2]) * first[2] for first, second in tracks)
        wanted_mm3 += lines_mm2 * plate.gap_mm * plate.count * (plate.stack - 1)
    fed_mm = sum(move.filament_mm for _, kind, move in moves_of(case) if move.extrudes and kind != "Skirt/Brim")
    assert fed_mm * pi * case.printer.filament_mm**2 / 4 == pytest.approx(wanted_mm3, rel=0.01)


@every_case
def test_every_line_is_about_as_wide_as_a_line_of_the_design(case: Case) -> None:
    """Rings in the round heads share the room that there is; where a chord is short, 0.001 mm of the file is a part of it."""
    width_mm = case.design.line_width_mm
    for layer in case.layers:
        for bead in layer.beads:
            if bead.length_mm > 0.1:
                low = 0.7 if bead.length_mm > 1 else 0.25
                assert low * width_mm < bead.width_mm < 1.3 * width_mm, (layer.z_mm, bead)


@every_case
def test_extrusion_is_relative_and_the_extruder_never_lays_without_moving(case: Case) -> None:
    lines = case.content.decode().splitlines()
    body = lines[lines.index(";LAYER_CHANGE") :]
    before = [line for line in lines[: lines.index(";LAYER_CHANGE")] if line in {"M82", "M83", "G90", "G91", "G20", "G21"}]
    assert before[-3:] == ["G21", "G90", "M83"]
    assert not {"M82", "G91", "G20", "G28", "G92 X0"} & set(body[: body.index(";TYPE:Custom")])
    drawn_back_mm = 0.0
    for _, _, move in moves_of(case):
        if move.start == move.end:
            drawn_back_mm -= move.filament_mm
            assert -1e-9 <= drawn_back_mm <= case.printer.retraction_mm + 1e-9
        elif move.extrudes:
            assert drawn_back_mm == pytest.approx(0), "all that was drawn back is given back before a line"


@every_case
def test_each_kind_of_move_has_its_speed(case: Case) -> None:
    printer = case.printer
    for layer, _, move in moves_of(case):
        goes, rises = move.start[:2] != move.end[:2], move.start[2] != move.end[2]
        if move.extrudes:
            slowest = printer.first_layer_speed_mm_s if layer is case.layers[0] else 0.7 * 10
            assert slowest <= move.speed_mm_s + 0.02
            assert (
                move.speed_mm_s <= (printer.first_layer_speed_mm_s if layer is case.layers[0] else printer.print_speed_mm_s) + 0.02
            )
        elif goes:
            assert move.speed_mm_s == pytest.approx(printer.travel_speed_mm_s, abs=0.02)
        elif rises:
            assert move.speed_mm_s == 10
        else:
            assert move.speed_mm_s == pytest.approx(printer.retraction_speed_mm_s, abs=0.02)


@every_case
def test_the_nozzle_is_lifted_only_over_plastic_and_clips(case: Case) -> None:
    """And off the purge line before the first layer."""
    for layer in case.layers[1:]:
        laid = [(bead.start, bead.end) for bead in layer.beads]
        for kind, move in layer.moves:
            if kind == "Custom" or move.extrudes or move.start[:2] == move.end[:2] or move.end[2] <= layer.z_mm + 0.05:
                continue
            over_clip = any(_near(box, move) for box in case.printer.keep_out)
            assert over_clip or (case.plate.count > 1 and laid), move


def _near(box: Box, move: Move) -> bool:
    steps = 100
    for step in range(steps + 1):
        x, y = (move.start[axis] + (move.end[axis] - move.start[axis]) * step / steps for axis in (0, 1))
        if box.min_x - 2.1 < x < box.max_x + 2.1 and box.min_y - 2.1 < y < box.max_y + 2.1:
            return True
    return False


@every_case
def test_what_is_written_beside_the_moves_is_true(case: Case) -> None:
    """Layer heights, widths and kinds as slicers' previews read them."""
    below = 0.0
    for layer in case.layers:
        assert layer.thickness_mm == pytest.approx(layer.z_mm - below, abs=1e-3)
        below = layer.z_mm
        widths = {line for line in layer.texts if line.startswith(";WIDTH:")}
        assert widths == {f";WIDTH:{case.design.line_width_mm:g}"}
        kinds = [line for line in layer.texts if line.startswith(";TYPE:") and line != ";TYPE:Custom"]
        assert kinds
        assert {bead.kind for bead in layer.beads} == {line.removeprefix(";TYPE:") for line in kinds}


def test_a_brim_that_would_hang_over_the_edge_is_refused_by_name() -> None:
    with pytest.raises(FrameError, match="needs 16 mm around it") as caught:
        make_frame(profile("prusa-mini"), COARSE, Plate(adhesion=Adhesion.BRIM, brim_mm=15.0))
    assert caught.value.parameter == "brim_mm"
    assert "brim_mm" in caught.value.bilingual.fr
