"""What a program really lays on the bed: its lines of plastic by layer, and bitmaps of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from math import ceil, hypot, pi

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gcode.frame import FrameDesign, Plate, make_frame
from gcode.machine import Machine, Move
from gcode.profile import Box, PrinterProfile
from gcode.reader import read_lines

Bits = NDArray[np.bool_]
Point = tuple[float, float]


@dataclass(frozen=True)
class Bead:
    """One straight line of plastic; its width follows from its filament and the layer's thickness."""

    kind: str
    start: Point
    end: Point
    width_mm: float
    fed_mm3: float

    @property
    def length_mm(self) -> float:
        return hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])


@dataclass
class Layer:
    z_mm: float
    thickness_mm: float
    beads: list[Bead] = field(default_factory=list)
    moves: list[tuple[str, Move]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # every line as it stands

    def of(self, *kinds: str) -> list[Bead]:
        return [bead for bead in self.beads if bead.kind in kinds]

    @property
    def part(self) -> list[Bead]:
        """Without skirt and brim."""
        return [bead for bead in self.beads if bead.kind != "Skirt/Brim"]


def layers_of(content: bytes, profile: PrinterProfile) -> list[Layer]:
    machine, kind, found = Machine(), "", [Layer(0.0, 1.0)]
    area_mm2 = pi * profile.filament_mm**2 / 4
    texts = content.decode().splitlines()
    for line in read_lines(BytesIO(content)):
        key, _, value = line.comment.partition(":")
        if line.comment == "LAYER_CHANGE":
            found.append(Layer(0.0, 0.0))
            kind = ""  # what comes before its first mark is no start code any more
        elif key == "Z":
            found[-1].z_mm = float(value)
        elif key == "HEIGHT":
            found[-1].thickness_mm = float(value)
        elif key == "TYPE":
            kind = value
        layer = found[-1]
        layer.texts.append(texts[line.number - 1])
        for move in machine.apply(line):
            layer.moves.append((kind, move))
            length = hypot(move.end[0] - move.start[0], move.end[1] - move.start[1])
            if move.extrudes and kind != "Custom" and length > 0:
                fed_mm3 = move.filament_mm * area_mm2
                layer.beads.append(Bead(kind, move.start[:2], move.end[:2], fed_mm3 / length / layer.thickness_mm, fed_mm3))
    return found[1:]


@cache
def made(profile: PrinterProfile, design: FrameDesign | None = None, plate: Plate | None = None) -> bytes:
    return make_frame(profile, design, plate)


@cache
def layers(profile: PrinterProfile, design: FrameDesign | None = None, plate: Plate | None = None) -> tuple[Layer, ...]:
    return tuple(layers_of(made(profile, design, plate), profile))


def extent(beads: Iterable[Bead]) -> Box:
    points = [point for bead in beads for point in (bead.start, bead.end)]
    return Box(min(x for x, _ in points), min(y for _, y in points), 0, max(x for x, _ in points), max(y for _, y in points), 0)


@dataclass(frozen=True)
class View:
    """A part of the bed in pixels."""

    box: Box
    pixel_mm: float

    @property
    def size(self) -> tuple[int, int]:
        return (
            ceil((self.box.max_x - self.box.min_x) / self.pixel_mm) + 1,
            ceil((self.box.max_y - self.box.min_y) / self.pixel_mm) + 1,
        )

    def pixel(self, point: Point) -> Point:
        return ((point[0] - self.box.min_x) / self.pixel_mm, (point[1] - self.box.min_y) / self.pixel_mm)

    def drawn(self, beads: Iterable[Bead], wider_mm: float = 0.0) -> Bits:
        """Every bead as a rectangle with round ends."""
        image = Image.new("1", self.size)
        pen = ImageDraw.Draw(image)
        for bead in beads:
            half = bead.width_mm / 2 + wider_mm
            (x1, y1), (x2, y2), length = bead.start, bead.end, bead.length_mm
            ax, ay = -(y2 - y1) / length * half, (x2 - x1) / length * half
            corners = [(x1 + ax, y1 + ay), (x2 + ax, y2 + ay), (x2 - ax, y2 - ay), (x1 - ax, y1 - ay)]
            pen.polygon([self.pixel(corner) for corner in corners], fill=1)
            for point in (bead.start, bead.end):
                x, y = self.pixel(point)
                radius = half / self.pixel_mm
                pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1)
        return np.asarray(image)

    def filled(self, outline: Sequence[Point], window: Sequence[Point]) -> Bits:
        image = Image.new("1", self.size)
        pen = ImageDraw.Draw(image)
        pen.polygon([self.pixel(point) for point in outline], fill=1)
        pen.polygon([self.pixel(point) for point in window], fill=0)
        return np.asarray(image)


def view_of(beads: Iterable[Bead], pixel_mm: float = 0.1, around_mm: float = 3.0) -> View:
    box = extent(beads)
    return View(Box(box.min_x - around_mm, box.min_y - around_mm, 0, box.max_x + around_mm, box.max_y + around_mm, 0), pixel_mm)


def shrunk(bits: Bits, pixels: int) -> Bits:
    """Without what is within some pixels of the border."""
    for _ in range(pixels):
        bits = bits & np.roll(bits, 1, 0) & np.roll(bits, -1, 0) & np.roll(bits, 1, 1) & np.roll(bits, -1, 1)
    return bits
