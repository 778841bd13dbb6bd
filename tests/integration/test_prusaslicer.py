"""Debian's PrusaSlicer slices the same outline: our frame's plastic, box and layers agree with an independent slicer."""

import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from math import pi
from pathlib import Path

import pytest

from gcode.facts import GcodeFacts
from gcode.frame import FrameDesign, Plate, default_design, frame_lines, frame_stl
from gcode.frame.bodies import manifold_is_installed
from gcode.interpreter import read_facts
from gcode.machine import Machine
from gcode.profile import Box, PrinterProfile, bundled_profiles
from gcode.reader import read_lines
from tests.integration.real import require

pytestmark = [pytest.mark.real, pytest.mark.slow]

# PrusaSlicer takes a line as a rectangle with round ends: lines of width w lie w - h (1 - pi / 4) apart. Ours lie side by side.
SETTINGS = """
bed_shape = {bed}
gcode_flavor = marlin
nozzle_diameter = {nozzle}
filament_diameter = {filament}
layer_height = {layer}
first_layer_height = {layer}
{widths}
perimeters = {loops}
skirts = 0
brim_width = 0
top_solid_layers = 0
bottom_solid_layers = 0
fill_density = 0%
thin_walls = 0
gap_fill_enabled = 0
use_relative_e_distances = 1
layer_gcode = G92 E0
start_gcode = M104 S200
end_gcode = M104 S0
machine_max_acceleration_x = 800
machine_max_acceleration_y = 800
machine_max_acceleration_extruding = 800
"""
WIDTHS = ("", "first_layer_", "external_perimeter_", "perimeter_", "infill_", "solid_infill_", "top_infill_")


def slice_stl(profile: PrinterProfile, folder: Path) -> bytes:
    program = shutil.which("prusa-slicer")
    require("prusa-slicer", program is not None)
    assert program is not None
    design = default_design(profile)
    volume = profile.volume
    bead_mm = design.line_width_mm + design.layer_height_mm * (1 - pi / 4)
    corners = [
        (volume.min_x, volume.min_y),
        (volume.max_x, volume.min_y),
        (volume.max_x, volume.max_y),
        (volume.min_x, volume.max_y),
    ]
    settings = SETTINGS.format(
        bed=",".join(f"{x:g}x{y:g}" for x, y in corners),
        nozzle=profile.nozzle_mm,
        filament=profile.filament_mm,
        layer=design.layer_height_mm,
        widths="\n".join(f"{name}extrusion_width = {bead_mm:.4f}" for name in WIDTHS),
        loops=design.wall_lines // 2,
    )
    (folder / "flat.ini").write_text(settings)
    (folder / "frame.stl").write_bytes(frame_stl(design))
    middle = f"{(volume.min_x + volume.max_x) / 2:g},{(volume.min_y + volume.max_y) / 2:g}"
    subprocess.run(
        [program, "--export-gcode", "--load", "flat.ini", "--loglevel", "1", "--center", middle, "-o", "out.gcode", "frame.stl"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return (folder / "out.gcode").read_bytes()


def part_of(profile: PrinterProfile) -> bytes:
    """Our program with nothing but the part: no purge line, no skirt."""
    bare = replace(profile, start_gcode="M104 S200", end_gcode="M104 S0")
    lines, inside = [], True
    for line in frame_lines(default_design(bare), bare):
        if line.startswith(";TYPE:"):
            inside = "Skirt" not in line
        lines.append(line if inside else line.partition(" E")[0] if " E-" not in line and "G1 E" not in line else line)
    return "\n".join(lines).encode()


def part_box(content: bytes) -> Box:
    """The box of what is laid above the first layer, where no skirt is."""
    machine, points = Machine(), []
    for line in read_lines(BytesIO(content)):
        points += [point for move in machine.apply(line) if move.extrudes for point in (move.start, move.end)]
    xs, ys, zs = zip(*points, strict=True)
    return Box(min(xs), min(ys), min(zs), max(xs), max(ys), max(zs))


def facts_of(content: bytes, profile: PrinterProfile) -> GcodeFacts:
    return read_facts(BytesIO(content), profile)


@pytest.mark.parametrize("name", ["generic-210", "generic-300"])
def test_an_independent_slicer_agrees_with_our_frame(name: str, tmp_path: Path) -> None:
    profile = bundled_profiles()[name]
    sliced = slice_stl(profile, tmp_path)
    ours = part_of(profile)
    their_facts, our_facts = facts_of(sliced, profile), facts_of(ours, profile)
    assert our_facts.filament_mm == pytest.approx(their_facts.filament_mm, rel=0.05)
    assert our_facts.layers == their_facts.layers
    assert (our_facts.first_layer_height_mm, our_facts.layer_height_mm) == (0.3, 0.3)
    our_box, their_box = part_box(ours), part_box(sliced)
    for corner in ("min_x", "min_y", "min_z", "max_x", "max_y", "max_z"):
        assert getattr(our_box, corner) == pytest.approx(getattr(their_box, corner), abs=0.15), corner


@pytest.mark.parametrize(
    ("design", "plate", "parts"),
    [
        (FrameDesign(), Plate(), 1),
        (FrameDesign(holes="iso838"), Plate(count=2), 2),
        (FrameDesign(), Plate(stack=3), 1),
        (FrameDesign(revision="R3"), Plate(), 1),
    ],
    ids=["one", "plate", "stack", "letters"],
)
def test_an_independent_slicer_finds_nothing_to_repair(design: FrameDesign, plate: Plate, parts: int, tmp_path: Path) -> None:
    program = shutil.which("prusa-slicer")
    require("prusa-slicer", program is not None)
    require("manifold3d", manifold_is_installed())
    assert program is not None
    (tmp_path / "frame.stl").write_bytes(frame_stl(design, plate, bundled_profiles()["generic-300"]))
    found = subprocess.run([program, "--info", "frame.stl"], cwd=tmp_path, check=True, capture_output=True, timeout=120, text=True)
    told = dict(line.split("=") for line in found.stdout.splitlines() if "=" in line)
    told = {key.strip(): value.strip() for key, value in told.items()}
    assert told["manifold"] == "yes"
    assert int(told["number_of_parts"]) == parts
    assert not any(word in found.stdout + found.stderr for word in ("open_edges", "facets_reversed", "degenerate", "repair"))


def test_our_facts_agree_with_the_slicers_own_figures(tmp_path: Path) -> None:
    profile = bundled_profiles()["generic-210"]
    facts = facts_of(slice_stl(profile, tmp_path), profile)
    assert facts.slicer is not None
    assert facts.slicer.startswith("PrusaSlicer")
    assert facts.claimed_time_s is not None
    assert facts.time_s == pytest.approx(facts.claimed_time_s, rel=0.01)
    assert facts.filament_mm == pytest.approx(facts.claimed_filament_mm, rel=0.001)
