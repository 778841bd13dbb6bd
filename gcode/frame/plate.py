"""What is printed in one go: how many frames beside and on top of one another, and the layers that this makes.

A stack is separable: between two frames is a gap, bridged on *standoffs*, short lines across the band. In 2020 stacks were printed
so: gaps of about a layer (0.25 to 0.35 mm) with small columns, frames of 5 mm, 17 to 52 high.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import ceil
from typing import Final

from gcode.frame.design import FrameDesign, skin_inset_mm
from gcode.frame.errors import FrameError, between, not_allowed
from gcode.frame.geometry import Point, distance
from gcode.frame.headband import LayerShape, Way, frame_layers, walks
from gcode.frame.strokes import Edge, Track
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual

MAX_COUNT: Final = 24
MAX_STACK: Final = 80
_STANDOFF_WIDTH: Final = 0.9  # of the line width: it should break, not hold
_TALL_MM: Final = 40.0  # a stack as high as this rocks on its narrow band: it gets a brim
_SMALL_CONTACT_MM2: Final = 850.0  # half of an ordinary frame's


class Adhesion(StrEnum):
    """What surrounds the first layer. `AUTO`: a brim under what is tall or stands on little, else a skirt where there is room."""

    AUTO = "auto"
    SKIRT = "skirt"
    BRIM = "brim"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Plate:
    """How many frames lie on the bed (`count`) and how many are stacked on each (`stack`). Lengths in mm.

    Raises:
        FrameError: a figure is out of its bounds.

    """

    count: int = 1
    stack: int = 1
    gap_mm: float = 0.25
    standoff_mm: float = 10.0
    clearance_mm: float = 3.0
    adhesion: Adhesion = Adhesion.AUTO
    brim_mm: float = 3.0

    def __post_init__(self) -> None:
        for name, (low, high, meaning, unit) in PLATE_DIMENSIONS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise not_allowed(name, value, meaning, between(low, high, unit))

    @property
    def parts(self) -> int:
        """Frames that the program yields."""
        return self.count * self.stack


PLATE_DIMENSIONS: Final = {
    "count": (1, MAX_COUNT, Bilingual("how many frames lie side by side", "le nombre de visières côte à côte"), ""),
    "stack": (1, MAX_STACK, Bilingual("how many frames are stacked", "le nombre de visières empilées"), ""),
    "gap_mm": (0.1, 0.6, Bilingual("the gap between stacked frames", "l'espace entre visières empilées"), "mm"),
    "standoff_mm": (4, 20, Bilingual("how far apart standoffs stand", "la distance entre plots de séparation"), "mm"),
    "clearance_mm": (1, 30, Bilingual("the room between frames side by side", "l'espace entre visières côte à côte"), "mm"),
    "brim_mm": (1, 15, Bilingual("the width of the brim", "la largeur de la bordure"), "mm"),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """One layer of the plate: where its top is, how thick it is, and what each copy has in it.

    `bridges`: it hangs over a gap. `standoffs`: it is the layer of standoffs in a gap.
    """

    z_mm: float
    thickness_mm: float
    shape: LayerShape
    bridges: bool = False
    standoffs: bool = False


def stack_height_mm(design: FrameDesign, plate: Plate) -> float:
    """Height of a stack over all."""
    return plate.stack * design.printed_height_mm + (plate.stack - 1) * plate.gap_mm


def check_height(design: FrameDesign, plate: Plate, profile: PrinterProfile) -> None:
    """Raise FrameError with the highest stack that fits when this one does not."""
    room_mm = profile.volume.max_z - profile.volume.min_z
    if stack_height_mm(design, plate) <= room_mm:
        return
    fit = int((room_mm + plate.gap_mm) / (design.printed_height_mm + plate.gap_mm))
    parameter = "stack" if fit else "height_mm"
    raise FrameError(
        Bilingual(
            f"A stack of {plate.stack} is {stack_height_mm(design, plate):.0f} mm high and {profile.name} prints {room_mm:.0f} mm: "
            f"{fit} fit.",
            f"Une pile de {plate.stack} mesure {stack_height_mm(design, plate):.0f} mm et {profile.name} imprime "
            f"{room_mm:.0f} mm : il en tient {fit}.",
        ),
        parameter=parameter,
        value=plate.stack,
    )


def standoff_places(edge: Edge, spacing_mm: float) -> list[tuple[Point, Point, float, float]]:
    """Point, normal and the insets of both faces at places at most `spacing_mm` apart along an edge, its end included."""
    none = (0.0,) * len(edge.points)
    lefts, rights = edge.left or none, edge.right or none
    walked = [0.0]
    for first, second in pairwise(edge.points):
        walked.append(walked[-1] + distance(first, second))
    count = max(ceil(walked[-1] / spacing_mm), 1)
    found = []
    index = 0
    for step in range(1, count + 1):
        place = walked[-1] * step / count
        while index < len(walked) - 2 and walked[index + 1] < place:
            index += 1
        share = (place - walked[index]) / (walked[index + 1] - walked[index])
        (x1, y1), (x2, y2) = edge.points[index], edge.points[index + 1]
        nx, ny = edge.normals[index + (share > 0.5)]
        left = max(lefts[index], lefts[index + 1])
        right = max(rights[index], rights[index + 1])
        found.append(((x1 + (x2 - x1) * share, y1 + (y2 - y1) * share), (nx, ny), left, right))
    return found


def standoffs(design: FrameDesign, spacing_mm: float) -> LayerShape:
    """Short lines across the band, everywhere at most `spacing_mm` apart, under each pin's head and each hook's end too."""
    found = walks(design, skin_inset_mm(design, design.layer_height_mm / 2))
    width, half = design.line_width_mm * _STANDOFF_WIDTH, design.wall_mm / 2
    # A way that a nozzle takes without leaving the band: from one arm over the front to the other, then forehead and pins.
    right, left = found.arms
    places = [
        *standoff_places(right, spacing_mm)[::-1],
        *(
            place
            for edge in (found.front.reversed(), left, found.forehead.reversed())
            for place in standoff_places(edge, spacing_mm)
        ),
        *(standoff_places(pin, spacing_mm)[-1] for pin in found.pins),
    ]
    tracks: list[Track] = []
    for (x, y), (nx, ny), inset_left, inset_right in places:
        out, back = half - inset_left - width / 2, -(half - inset_right - width / 2)
        ends = [(x + nx * out, y + ny * out, width), (x + nx * back, y + ny * back, width)]
        tracks.append(ends if len(tracks) % 2 else ends[::-1])
    base = frame_layers(design)[0]
    return LayerShape(base.outline, base.window_outline, tuple(Way((track,), is_external=False) for track in tracks))


def slices(design: FrameDesign, plate: Plate) -> Iterator[Slice]:
    """The layers of a plate from the bed up.

    Raises:
        FrameError: the dimensions contradict each other.

    """
    layers = frame_layers(design)
    between_frames = standoffs(design, plate.standoff_mm) if plate.stack > 1 else layers[0]
    for number in range(plate.stack):
        base_mm = number * (design.printed_height_mm + plate.gap_mm)
        if number:
            yield Slice(base_mm, plate.gap_mm, between_frames, standoffs=True)
        for layer, shape in enumerate(layers):
            z_mm = base_mm + (layer + 1) * design.layer_height_mm
            yield Slice(z_mm, design.layer_height_mm, shape, bridges=bool(number) and layer == 0)


def contact_mm2(design: FrameDesign) -> float:
    """What one frame touches of the bed."""
    return sum(_drawn_mm2(track) for way in frame_layers(design)[0].ways for track in way.tracks)


def _drawn_mm2(track: Track) -> float:
    return sum(distance(first[:2], second[:2]) * (first[2] + second[2]) / 2 for first, second in pairwise(track))


def wants_brim(design: FrameDesign, plate: Plate) -> bool:
    """Whether the plate gets a brim."""
    if plate.adhesion is not Adhesion.AUTO:
        return plate.adhesion is Adhesion.BRIM
    return stack_height_mm(design, plate) > _TALL_MM or contact_mm2(design) < _SMALL_CONTACT_MM2
