"""Any program that can be cut, at any of its layers: the rest lays the same plastic at the same places, as fast and as warm."""

from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcode.frame import FrameDesign, make_frame
from gcode.machine import Machine
from gcode.profile import Box
from gcode.reader import read_lines
from gcode.resume import plan_resume
from tests.unit.gcode.resume.towers import PRINTER, START, planned, square, tower

SETTINGS = ("M106", "M201", "M204", "M205", "M900", "M221")
HIGH_MM = 40.0  # where the nozzle stands when the resumed program begins


class Laid(NamedTuple):
    """One line of plastic and all that decides how it is laid."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    filament_mm: float
    speed_mm_s: float
    nozzle_c: float
    bed_c: float
    in_force: tuple[tuple[str, str], ...]


@dataclass
class Run:
    """What a machine did from a line on."""

    laid: list[Laid]
    lowest_mm: float
    machine: Machine


def rounded(point: tuple[float, float, float]) -> tuple[float, float, float]:
    return (round(point[0], 3), round(point[1], 3), round(point[2], 3))


def run(content: bytes, *, from_line: int = 1, z_mm: float = 0.0) -> Run:
    """The fan, limits and flow are looked at as text: the machine has no need of them."""
    found, in_force = Run([], 1000.0, Machine(z=z_mm)), dict.fromkeys(SETTINGS, "")
    for line in read_lines(BytesIO(content)):
        if line.code in in_force:
            in_force[line.code] = line.text.strip()
        elif line.code == "M107":
            in_force["M106"] = ""
        machine = found.machine
        moves = machine.apply(line)
        if line.number < from_line:
            continue
        for move in moves:
            found.lowest_mm = min(found.lowest_mm, move.end[2])
            if move.extrudes:
                warmth = (machine.nozzle_c.get(0, 0.0), machine.bed_c)
                row = (rounded(move.start), rounded(move.end), round(move.filament_mm, 4), round(move.speed_mm_s, 3))
                found.laid.append(Laid(*row, *warmth, tuple(in_force.items())))
    return found


def check_cut(content: bytes, layer: int) -> None:
    plan = plan_resume(BytesIO(content), layer, PRINTER, confirmed=True, motors_held=True)
    first_line = content[: plan.offset].count(b"\n") + 1
    whole, halves = run(content, from_line=first_line), run(b"".join(plan.pieces(BytesIO(content))), z_mm=HIGH_MM)
    assert halves.laid == whole.laid
    assert halves.lowest_mm >= plan.standing_mm - 1e-6, "never into what stands"
    assert all(row.end[2] > plan.standing_mm + 1e-6 for row in halves.laid)
    for field in ("nozzle_c", "bed_c", "relative", "relative_e", "unit_mm", "tool", "speed_factor"):
        assert getattr(halves.machine, field) == getattr(whole.machine, field), field
    assert halves.machine.retracted_mm.get(0, 0.0) == pytest.approx(whole.machine.retracted_mm.get(0, 0.0), abs=1e-4)


class Style(NamedTuple):
    """How a slicer writes: what its programs have in common from the first layer to the last."""

    relative_e: bool
    inches: bool
    marks: str
    hop_mm: float
    retract_before_mark: bool
    resets_e: bool
    one_move_up: bool
    relative_hops: bool


styles = st.builds(
    Style,
    st.booleans(),
    st.booleans(),
    st.sampled_from((";LAYER_CHANGE\n;Z:{z:.3f}", ";LAYER:{n}", "; layer {n}, Z = {z:.3f}", "")),
    st.sampled_from((0.0, 0.4)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
between_layers = st.lists(
    st.sampled_from(
        (
            *("M106 S128", "M106 S255", "M107", "M104 S195", "M104 S215", "M140 S55", "M220 S80", "M220 S120"),
            *("M220 B", "M220 R", "M221 S97"),
            *("M204 S700", "M204 P900 T1200", "M201 X1000 Y1000", "M205 X8 Y8", "M900 K0.04", "M117 half way", "G4 P20", "M73 P50"),
        )
    ),
    max_size=3,
)


class Slicer:
    """Writes squares and arcs layer by layer in one style."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.lines = ["M140 S60", "M104 S200", "M190 S60", "M109 S205", "G28", "G90", "G20" if style.inches else "G21"]
        self.lines += ["M83" if style.relative_e else "M82", "G92 E0", "G1 F3000" if not style.inches else "G1 F120"]
        self.unit_mm = 25.4 if style.inches else 1.0
        self.e_mm = 0.0

    def _go(self, **words: float) -> None:
        self.lines.append("G1 " + " ".join(f"{word}{value / self.unit_mm:.5f}" for word, value in words.items()))

    def _feed(self, filament_mm: float, **words: float) -> None:
        self.e_mm += filament_mm
        self._go(**words, E=filament_mm if self.style.relative_e else self.e_mm)

    def layer(self, number: int, z_mm: float, places: list[tuple[int, int, int]], between: list[str]) -> None:
        style = self.style
        if style.relative_hops and number:
            self._go(Z=z_mm, F=900)  # so the rest names a height only as a hop from it
        marks = style.marks.format(n=number, z=z_mm).split("\n") if style.marks else []
        if style.retract_before_mark:
            self._feed(-1.2, F=2400)
        self.lines += marks
        if not style.retract_before_mark:
            self._feed(-1.2, F=2400)
        if style.resets_e:
            self.lines.append("G92 E0")
            self.e_mm = 0.0
        self.lines += between
        self._reach(number, z_mm, *places[0][:2])
        self._feed(1.2, F=2400)
        for index, (x, y, side) in enumerate(places):
            if index:
                self._go(X=x, Y=y, F=6000)
            self._go(F=1200 + 60 * index)
            for right, up in ((side, 0), (side, side), (0, side), (0, 0)):
                self._feed(side * 0.04, X=x + right, Y=y + up)

    def _reach(self, number: int, z_mm: float, x: int, y: int) -> None:
        style = self.style
        if style.relative_hops and number:
            self._hop(style, x, y)
            return
        if style.hop_mm and number:
            self._go(Z=z_mm + style.hop_mm, F=900)
        if style.one_move_up:
            self._go(X=x, Y=y, Z=z_mm, F=6000)
        else:
            self._go(X=x, Y=y, F=6000)
            self._go(Z=z_mm, F=900)

    def _hop(self, style: Style, x: int, y: int) -> None:
        """Up, over and down in figures that add to where the nozzle is, as scripts for cameras and probes write it."""
        back_to = ["G90", "M83" if style.relative_e else "M82"]
        self.lines.append("G91")
        self._go(Z=1.0, F=900)
        self.lines += back_to
        self._go(X=x, Y=y, F=6000)
        self.lines.append("G91")
        self._go(Z=-1.0, F=900)
        self.lines += back_to

    @property
    def content(self) -> bytes:
        return "\n".join([*self.lines, "M104 S0", "M140 S0", "M84", ""]).encode()


@st.composite
def sliced(draw: st.DrawFn) -> tuple[bytes, int]:
    slicer, z_mm = Slicer(draw(styles)), 0.0
    count = draw(st.integers(3, 6))
    places = st.lists(st.tuples(st.integers(40, 90), st.integers(40, 90), st.integers(5, 30)), min_size=1, max_size=3)
    for number in range(count):
        z_mm += draw(st.sampled_from((0.15, 0.2, 0.3)))
        slicer.layer(number, z_mm, draw(places), draw(between_layers) if number else [])
    return slicer.content, draw(st.integers(2, count))


@settings(max_examples=60)
@given(sliced())
def test_the_rest_is_laid_as_if_nothing_had_happened(program: tuple[bytes, int]) -> None:
    check_cut(*program)


@cache
def frame() -> bytes:
    return make_frame(PRINTER, FrameDesign(revision="R1", layer_height_mm=0.4, line_width_mm=0.6, wall_lines=4))


@pytest.mark.parametrize("layer", [7])
def test_a_frame_of_ours(layer: int) -> None:
    check_cut(frame(), layer)


CLIPS = (Box(120, 50, 0, 140, 80, 30), Box(60, 100, 0, 90, 150, 250))


def meets(clip: Box, start: tuple[float, float, float], end: tuple[float, float, float]) -> bool:
    steps = 200
    way = [[a + (b - a) * step / steps for a, b in zip(start, end, strict=True)] for step in range(steps + 1)]
    return any(clip.min_x < x < clip.max_x and clip.min_y < y < clip.max_y and clip.min_z <= z < clip.max_z for x, y, z in way)


def test_clips_are_crossed_above_or_passed_beside() -> None:
    """One has room above it; one is as high as the printer."""
    text = "".join(f";LAYER_CHANGE\nG1 Z{0.2 * (n + 1):.2f} F600\nG1 X10 Y160\n" + square(x=10, y=160) for n in range(4))
    printer = replace(PRINTER, keep_out=CLIPS)
    plan = planned(START + "M83\nG1 Z5\n" + text, 3, printer)
    machine = Machine(z=HIGH_MM)
    seen = 0
    for line in read_lines(BytesIO(plan.preamble)):
        for move in machine.apply(line):
            if (move.start[0], move.start[1]) != (move.end[0], move.end[1]):
                seen += 1
                assert not any(meets(clip, move.start, move.end) for clip in CLIPS), line
    assert seen > 2, "over a corner more than without the clips"
    assert plan.clear_mm == 31.0
    assert planned(START + "M83\nG1 Z5\n" + text, 3).clear_mm == pytest.approx(5.4)


def carried(*settings_of_file: str) -> list[str]:
    """Of these settings of a Klipper's file those that the preamble repeats."""
    parts = tower(start=START.replace("M201 X900 Y900\nM204 S800\nM900 K0.05\nM221 S95\n", "")).split(";LAYER_CHANGE\n")
    text = ";LAYER_CHANGE\n".join([parts[0], "\n".join(settings_of_file) + "\n" + parts[1], *parts[2:]])
    lines = planned(text, 4, replace(PRINTER, flavour="klipper")).preamble.decode().splitlines()
    return [line for line in lines if line.startswith(("SET_", "M220"))]


def test_klippers_settings_are_told_apart_by_their_arguments() -> None:
    acceleration, corner = "SET_VELOCITY_LIMIT ACCEL=500", "SET_VELOCITY_LIMIT SQUARE_CORNER_VELOCITY=2"
    assert carried(acceleration, corner, "SET_VELOCITY_LIMIT ACCEL=700") == [corner, "SET_VELOCITY_LIMIT ACCEL=700"]
    pressure, smooth = "SET_PRESSURE_ADVANCE ADVANCE=0.05", "SET_PRESSURE_ADVANCE SMOOTH_TIME=0.02"
    other = "SET_PRESSURE_ADVANCE EXTRUDER=extruder1 ADVANCE=0.09"
    assert carried(pressure, smooth, other) == [pressure, smooth, other]
    assert carried("SET_RETRACTION RETRACT_LENGTH=0.4") == ["SET_RETRACTION RETRACT_LENGTH=0.4"], "G10 of the rest goes by it"


def test_speed_factors_are_those_in_force_and_kept() -> None:
    assert carried("M220 S50", "M220 B", "M220 S80") == ["M220 S50", "M220 B", "M220 S80"]
    assert carried("M220 S50", "M220 B", "M220 S80", "M220 R") == ["M220 S50", "M220 B", "M220 S50"]
    assert carried("M220 S80", "M220 S70") == ["M220 S70"]
    assert carried() == []
