"""A printed frame is usable. Everything here is measured on what the G-code really lays down, drawn as bitmaps."""

from dataclasses import replace
from itertools import pairwise
from math import hypot

import numpy as np
import pytest

from gcode.frame import FrameDesign, Plate
from gcode.frame.geometry import distance, signed_area
from gcode.frame.headband import frame_layers
from gcode.frame.holes import HOLE_STANDARDS
from gcode.profile import Box
from tests.unit.gcode.frame.beads import Bead, Layer, View, extent, layers, shrunk, view_of
from tests.unit.gcode.samples import profile

PRINTER = profile("generic-300")
DESIGNS = {
    "standard": FrameDesign(),
    "american": FrameDesign(holes="us3"),
    "letters": FrameDesign(revision="R3 2026-11"),
    "fine layers": FrameDesign(layer_height_mm=0.2, line_width_mm=0.45, wall_lines=6),
    "soft": FrameDesign(skin_radius_mm=1.2),
}
PIXEL_MM = 0.06


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_nothing_overhangs_by_more_than_45_degrees(design: FrameDesign) -> None:
    """Each layer, grown by its own thickness, covers the next: what is left are single pixels of the drawing."""
    found = layers(PRINTER, design)
    view = view_of(found[5].part, PIXEL_MM)
    below: Layer | None = None
    for layer in found if design.revision else found[:5]:  # above they only step back
        if below is not None:
            free = view.drawn(layer.part) & ~view.drawn(below.part, wider_mm=layer.thickness_mm)
            assert free.sum() * PIXEL_MM**2 < 0.5, f"mm2 without support at {layer.z_mm}"
            assert not shrunk(free, 1).any()
        below = layer


def test_in_a_stack_only_bridges_over_gaps_hang_and_standoffs_carry_them() -> None:
    found = layers(PRINTER, FrameDesign(), Plate(stack=2))
    view = view_of(found[5].part, 0.1)
    for below, layer in pairwise(found):
        free = view.drawn(layer.part) & ~view.drawn(below.part, wider_mm=layer.thickness_mm)
        bridges = layer.of("Overhang perimeter") != []
        assert bridges == (free.sum() * 0.01 > 1), layer.z_mm
    standoffs, bridge = found[16].beads, found[17].part
    assert all(bead.kind == "Support material interface" for bead in standoffs)
    middles = [((bead.start[0] + bead.end[0]) / 2, (bead.start[1] + bead.end[1]) / 2) for bead in standoffs]
    for bead in bridge:
        assert min(distance(bead.start, middle) for middle in middles) < 7.5, "no line hangs farther than 15 mm"
    held = sum(bead.width_mm * bead.length_mm for bead in standoffs)
    assert held < 0.1 * sum(bead.width_mm * bead.length_mm for bead in bridge), "two frames are held by a tenth of their face"


@pytest.mark.parametrize(("name", "number"), [("standard", 0), ("standard", 8), ("american", 1), ("fine layers", 8)])
def test_walls_are_closed(name: str, number: int) -> None:
    """Lines fill the outline: no gap of 0.05 mm between neighbours; what a round nozzle leaves in corners is next to nothing."""
    design = DESIGNS[name]
    layer, shape = layers(PRINTER, design)[number], frame_layers(design)[number]
    box = extent(layer.part)
    shift = ((box.min_x + box.max_x) / 2, (box.min_y + box.max_y) / 2)
    xs, ys = [x for x, _ in shape.outline], [y for _, y in shape.outline]
    middle = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
    pixel_mm = 0.025
    whole = view_of(layer.part, pixel_mm, 1.0).box
    view = View(replace(whole, min_x=shift[0] - 2), pixel_mm)  # both halves are alike

    def moved(loop: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x - middle[0] + shift[0], y - middle[1] + shift[1]) for x, y in loop]

    inside = shrunk(view.filled(moved(shape.outline), moved(shape.window_outline)), 3)
    open_ = inside & ~view.drawn(layer.part)
    assert open_.sum() < 0.004 * inside.sum()
    assert not shrunk(open_, 8).any(), "no hole that 0.4 mm would fit in"
    wide = shrunk(open_, 1)  # gaps of 0.05 mm and more
    rows, columns = np.nonzero(wide)
    for row, column in zip(rows[::20], columns[::20], strict=True):
        x, y = view.box.min_x + column * pixel_mm - shift[0] + middle[0], view.box.min_y + row * pixel_mm - shift[1] + middle[1]
        assert near_a_corner(design, x, y), (x, y)


def near_a_corner(design: FrameDesign, x: float, y: float) -> bool:
    """At the forks of the temples, the feet and heads of pins and hooks lines turn sharply: a round nozzle leaves specks there."""
    at_temple = abs(abs(x) - design.head_width_mm / 2) < 9 and -6 < y < 20
    at_hook = y < -design.arm_length_mm + 18 and abs(x) > 50
    beyond_face = hypot(x / (design.width_mm / 2), y / design.front_depth_mm) if y > 0 else 0.0
    return at_temple or at_hook or (beyond_face > 0.955 and near_a_pin(design, x, y))


def near_a_pin(design: FrameDesign, x: float, y: float) -> bool:
    from gcode.frame.headband import walks  # noqa: PLC0415 - only where a speck is found

    return any(min(distance((x, y), point) for point in pin.points) < design.head_mm / 2 + 2 for pin in walks(design, 0.0).pins)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_plastic_is_the_volume_of_the_solid(name: str) -> None:
    design = DESIGNS[name]
    for layer, shape in zip(layers(PRINTER, design), frame_layers(design), strict=True):
        solid = (abs(signed_area(shape.outline)) - abs(signed_area(shape.window_outline))) * layer.thickness_mm
        assert sum(bead.fed_mm3 for bead in layer.part) == pytest.approx(solid, rel=0.005)


def loops(layer: Layer) -> list[list[Bead]]:
    found: list[list[Bead]] = []
    for bead in layer.part:
        if found and found[-1][-1].end == bead.start:
            found[-1].append(bead)
        else:
            found.append([bead])
    return found


def test_loops_close_where_they_began() -> None:
    for layer in layers(PRINTER):
        ends: list[tuple[float, float]] = []
        for loop in loops(layer):
            if loop[0].start != loop[-1].end:
                ends += [loop[0].start, loop[-1].end]
        # What does not close at once was left to fill a head and is taken up again: each end occurs twice.
        assert all(ends.count(end) == 2 for end in ends), layer.z_mm


def heads(layer: Layer, design: FrameDesign) -> list[tuple[float, float]]:
    """Middles of the round heads of the pins: their innermost rings are the smallest closed loops."""
    found = []
    for loop in loops(layer):
        length = sum(bead.length_mm for bead in loop)
        if loop[0].start == loop[-1].end and length < 2.5:
            xs, ys = [bead.start[0] for bead in loop], [bead.start[1] for bead in loop]
            found.append((sum(xs) / len(xs), sum(ys) / len(ys)))
    outermost = extent(layer.part)
    return [point for point in found if point[1] > (outermost.min_y + 45)]


@pytest.mark.parametrize("holes", HOLE_STANDARDS)
def test_a_punched_sheet_fits_the_pins(holes: str) -> None:
    """As laid down: from pin to pin along the face where the sheet lies, and each neck and head against the holes."""
    design = FrameDesign(holes=holes)
    standard = HOLE_STANDARDS[holes]
    layer = layers(PRINTER, design)[8]
    middles = sorted(heads(layer, design))
    assert len(middles) == len(standard.places_mm)
    face = face_of(layer, middles, design)
    spots = [min(range(len(face)), key=lambda index: distance(face[index], middle)) for middle in middles]
    walked = [0.0]
    for first, second in pairwise(face):
        walked.append(walked[-1] + distance(first, second))
    gaps = [walked[second] - walked[first] for first, second in pairwise(spots)]
    wanted = [second - first for first, second in pairwise(standard.places_mm)]
    assert gaps == pytest.approx(wanted, abs=0.5), "80 +- 0.5 mm in ISO 838"
    height_mm = layers(PRINTER, design)[-1].z_mm
    for middle in middles:
        neck, head = neck_and_head(layer, middle, design)
        assert hypot(neck, height_mm) <= standard.smallest_mm
        assert hypot(head, height_mm) > standard.largest_mm


def face_of(layer: Layer, middles: list[tuple[float, float]], design: FrameDesign) -> list[tuple[float, float]]:
    """The front's outer face: an ellipse through its apex and temples as measured, in steps of 0.1 mm."""
    visible = layer.of("External perimeter")
    centre_x = sum(x for x, _ in middles) / len(middles)
    edge = [(bead.start, bead.width_mm) for bead in visible if min(distance(bead.start, middle) for middle in middles) > 8]
    top = min(y - width / 2 for (_, y), width in edge) + design.depth_mm  # the apex itself may carry a pin
    sides = [abs(x - centre_x) + width / 2 for (x, y), width in edge if top - design.front_depth_mm - 3 < y < top - 40]
    half_width, base = max(sides), top - design.front_depth_mm
    angles = np.linspace(np.pi, 0, 2600)
    points = zip(centre_x + half_width * np.cos(angles), base + design.front_depth_mm * np.sin(angles), strict=True)
    return [(float(x), float(y)) for x, y in points]


def neck_and_head(layer: Layer, middle: tuple[float, float], design: FrameDesign) -> tuple[float, float]:
    """Widths of the plastic across a pin: at its narrowest between face and head, and at its widest."""
    size, pixel_mm = design.head_mm, 0.02
    view = View(Box(middle[0] - size, middle[1] - size, 0, middle[0] + size, middle[1] + size, 0), pixel_mm)
    bits = view.drawn(bead for bead in layer.part if distance(bead.start, middle) < 25)
    box = extent(layer.part)
    towards = ((box.min_x + box.max_x) / 2 - middle[0], box.max_y - 86 - middle[1])
    # The face is an ellipse: its normal at the pin, not the way to its middle.
    normal = (towards[0] / design.width_mm**2 * 4, towards[1] / design.front_depth_mm**2)
    length = hypot(*normal)
    along = (normal[0] / length, normal[1] / length)
    widths = []
    for step in np.arange(-size / 4, design.head_middle_mm, 0.05):
        at = (middle[0] + along[0] * step, middle[1] + along[1] * step)
        across = [(at[0] - along[1] * side, at[1] + along[0] * side) for side in np.arange(-size * 0.7, size * 0.7, pixel_mm)]
        hits = 0
        for point in across:
            column, row = view.pixel(point)
            if 0 <= int(row) < bits.shape[0] and 0 <= int(column) < bits.shape[1]:
                hits += bool(bits[int(row), int(column)])
        widths.append(hits * pixel_mm)
    return min(widths[len(widths) // 3 :]), max(widths[: len(widths) // 2])


def test_hooks_hold_an_elastic() -> None:
    """A channel of 5 mm that is closed behind and open in front, narrower at its mouth; its wall is the full band."""
    design = FrameDesign()
    layer = layers(PRINTER, design)[8]
    box = extent(layer.part)
    view = View(Box(box.min_x, box.min_y - 2, 0, box.max_x, box.min_y + 30, 0), 0.05)
    bits = view.drawn(layer.part)
    for side in (0, 1):
        half = np.array_split(bits, 2, axis=1)[side]
        runs = [_runs(half[round((2 + up) / 0.05)]) for up in (1.0, 8.0, 12.5)]
        closed, channel, mouth = runs
        assert len(closed) == 1, "closed behind"
        assert len(channel) == 2, "two legs"
        gaps = [second[0] - first[1] for first, second in (channel[:2],)]
        assert gaps[0] * 0.05 == pytest.approx(5.0, abs=0.3)
        assert all((end - begin) * 0.05 == pytest.approx(design.wall_mm, abs=0.2) for begin, end in channel)
        if len(mouth) == 2:
            assert (mouth[1][0] - mouth[0][1]) * 0.05 < 5.0, "what is in does not fall out"


def _runs(row: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    return [(int(first), int(second)) for first, second in zip(edges[::2], edges[1::2], strict=True)]


def test_letters_are_legible() -> None:
    """The outer face of the right arm as a picture: where letters stand out is what the font draws, nothing else."""
    plain = arm_face(layers(PRINTER, FrameDesign()))
    lettered = arm_face(layers(PRINTER, FrameDesign(revision="L")))
    out = lettered - plain
    assert out.max() == pytest.approx(0.4, abs=0.1)
    columns = np.flatnonzero((out > 0.15).any(axis=0))
    width = (columns[-1] - columns[0]) * 0.1
    assert width == pytest.approx(2.9, abs=0.5)
    upright, foot = out[:, columns[0] : columns[0] + 6], out[:, columns[-1] - 8 : columns[-1]]
    assert (upright > 0.15).any(axis=1).sum() >= 11, "the upright of an L is on its left, seen from outside, 11 layers high"
    assert (foot > 0.15).any(axis=1).sum() <= 5, "on its right there is only its foot"
    assert (foot[:6] > 0.15).any(), "and that is below"


def arm_face(found: tuple[Layer, ...]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """How far out the face lies: a row a layer from below, a column every 0.1 mm from the back to the front."""
    low = extent(found[8].part).min_y + 20
    rows = []
    for layer in found:
        row = np.full(700, -1e9)
        for bead in layer.of("External perimeter"):
            for share in np.linspace(0, 1, max(int(bead.length_mm / 0.04), 2)):
                x = bead.start[0] + (bead.end[0] - bead.start[0]) * share + bead.width_mm / 2
                column = int((bead.start[1] + (bead.end[1] - bead.start[1]) * share - low) / 0.1)
                if 0 <= column < 700:
                    row[column] = max(row[column], x)
        rows.append(row)
    return np.array(rows)
