"""The solids of frames: one, a plate or a stack, as STL.

A plain frame is grown from its sections in plain Python. Letters, and the joining of a stack with its standoffs to one solid, are
done by manifold3d (the extra `solid`).
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from gcode.frame.design import FrameDesign, skin_inset_mm
from gcode.frame.errors import FrameError
from gcode.frame.geometry import GeometryError, Point, Polyline, distance
from gcode.frame.headband import layer_outlines
from gcode.frame.placing import Placement, placed
from gcode.frame.plate import Plate, Slice, slices, standoffs
from gcode.frame.solid import Level, Triangle, lofted, stl
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual

if TYPE_CHECKING:
    from manifold3d import Manifold

_INTO_MM: Final = 0.01


def frame_stl(design: FrameDesign, plate: Plate | None = None, profile: PrinterProfile | None = None) -> bytes:
    """Frames standing on z = 0 as binary STL (millimetres, watertight), the first around the origin.

    Several side by side are laid as on the bed of `profile`. A stack is one solid with its standoffs where manifold3d is installed,
    else its bodies one by one.

    Raises:
        FrameError: the dimensions contradict each other, the frames do not fit, or something is asked for that needs manifold3d.

    """
    plate = plate or Plate()
    try:
        triangles = _stack(design, plate)
    except GeometryError as error:
        raise FrameError(
            Bilingual(
                f"These dimensions do not make a solid: {error}.", "Ces dimensions ne font pas un solide : un contour se croise."
            )
        ) from error
    return stl([corner for placement in _placements(design, plate, profile) for corner in _moved(triangles, placement)])


def _placements(design: FrameDesign, plate: Plate, profile: PrinterProfile | None) -> Sequence[Placement]:
    if plate.count == 1:
        return (Placement(0.0, 0.0, 0),)
    if profile is None:
        raise FrameError(
            Bilingual(
                "Several frames side by side need a printer's profile, which says how large its bed is.",
                "Plusieurs visières côte à côte demandent un profil d'imprimante, qui dit la taille du plateau.",
            ),
            parameter="count",
            value=plate.count,
        )
    return placed(design, profile, plate.count, profile.keep_out, plate.clearance_mm)


def _moved(triangles: Iterable[Triangle], placement: Placement) -> list[Triangle]:
    return [
        (
            (*placement.point(*first[:2]), first[2]),
            (*placement.point(*middle[:2]), middle[2]),
            (*placement.point(*last[:2]), last[2]),
        )
        for first, middle, last in triangles
    ]


def _stack(design: FrameDesign, plate: Plate) -> list[Triangle]:
    if design.revision:
        return _joined(_manifold_slabs(slices(design, plate)), _manifold_bars(design, plate))
    body = lofted(frame_levels(design))
    if plate.stack == 1:
        return body
    bodies = [_lifted(body, number * (design.printed_height_mm + plate.gap_mm)) for number in range(plate.stack)]
    bars = [
        _lifted(bar, number * (design.printed_height_mm + plate.gap_mm) - plate.gap_mm)
        for number in range(1, plate.stack)
        for bar in standoff_bars(design, plate)
    ]
    if not manifold_is_installed():
        return [triangle for piece in (*bodies, *bars) for triangle in piece]
    return _joined([_manifold_of(piece) for piece in (*bodies, *bars)])


def _lifted(triangles: Iterable[Triangle], by_mm: float) -> list[Triangle]:
    return [
        ((x1, y1, z1 + by_mm), (x2, y2, z2 + by_mm), (x3, y3, z3 + by_mm)) for (x1, y1, z1), (x2, y2, z2), (x3, y3, z3) in triangles
    ]


def frame_levels(design: FrameDesign) -> list[Level]:
    """The sections of a frame without letters: at its faces, and in the middle of each layer whose skin side steps back."""
    height_mm, layer_mm = design.printed_height_mm, design.layer_height_mm
    middles = [(layer + 0.5) * layer_mm for layer in range(design.layers)]
    insets = [skin_inset_mm(design, middle) for middle in middles]
    soft = [(middle, inset) for number, (middle, inset) in enumerate(zip(middles, insets, strict=True)) if _bends(insets, number)]
    sections = [(0.0, insets[0]), *soft, (height_mm, insets[-1])]
    return [Level(z_mm, *layer_outlines(design, inset)) for z_mm, inset in sections]


def _bends(insets: Sequence[float], number: int) -> bool:
    around = insets[max(number - 1, 0) : number + 2]
    return any(inset != insets[number] for inset in around)


def standoff_bars(design: FrameDesign, plate: Plate) -> list[list[Triangle]]:
    """The standoffs of one gap as bodies between z = 0 and the gap."""
    bars = []
    for way in standoffs(design, plate.standoff_mm).ways:
        outline = _rectangle(*way.tracks[0])
        bars.append(lofted([Level(0.0, outline), Level(plate.gap_mm, outline)]))
    return bars


def _rectangle(start: tuple[float, float, float], end: tuple[float, float, float]) -> Polyline:
    """A line of the nozzle seen from above, without its round ends."""
    size, half = distance(start[:2], end[:2]), start[2] / 2
    along = ((end[0] - start[0]) / size, (end[1] - start[1]) / size)
    aside: Point = (-along[1] * half, along[0] * half)
    x1, y1, x2, y2 = start[0] - along[0] * half, start[1] - along[1] * half, end[0] + along[0] * half, end[1] + along[1] * half
    return [
        (x1 - aside[0], y1 - aside[1]),
        (x2 - aside[0], y2 - aside[1]),
        (x2 + aside[0], y2 + aside[1]),
        (x1 + aside[0], y1 + aside[1]),
    ]


def manifold_is_installed() -> bool:
    """Whether the extra `solid` is here."""
    try:
        import manifold3d  # noqa: F401, PLC0415 - 15 MB that only some solids need
    except ImportError:
        return False
    return True


def _need_manifold() -> None:
    if not manifold_is_installed():
        raise FrameError(
            Bilingual(
                "A solid with letters needs manifold3d: pip install 'essaim[solid]', or leave revision empty.",
                "Un solide avec des lettres demande manifold3d : pip install 'essaim[solid]', ou laissez revision vide.",
            ),
            parameter="revision",
        )


def _manifold_of(triangles: Sequence[Triangle]) -> "Manifold":
    import manifold3d  # noqa: PLC0415 - see manifold_is_installed
    import numpy as np  # noqa: PLC0415 - comes with manifold3d

    corners = [corner for triangle in triangles for corner in triangle]
    numbers = {corner: number for number, corner in enumerate(dict.fromkeys(corners))}
    points = np.array(list(numbers), np.float32)
    faces = np.array([numbers[corner] for corner in corners], np.uint32).reshape(-1, 3)
    return manifold3d.Manifold(manifold3d.Mesh(points, faces))


def _manifold_slabs(layers: Iterable[Slice]) -> list["Manifold"]:
    _need_manifold()
    import manifold3d  # noqa: PLC0415 - see manifold_is_installed

    found = []
    for (outline, window, bridges), alike in groupby((piece for piece in layers if not piece.standoffs), key=_borders):
        pieces = list(alike)
        bottom_mm = pieces[0].z_mm - pieces[0].thickness_mm
        section = manifold3d.CrossSection([outline, window], manifold3d.FillRule.EvenOdd)
        # Slabs that only touch stay apart in the union: each reaches a little into the one below.
        into_mm = 0.0 if bridges or bottom_mm < _INTO_MM else _INTO_MM
        slab = manifold3d.Manifold.extrude(section, pieces[-1].z_mm - bottom_mm + into_mm)
        found.append(slab.translate((0.0, 0.0, bottom_mm - into_mm)))
    return found


def _borders(piece: Slice) -> tuple[Polyline, Polyline, bool]:
    return (piece.shape.outline, piece.shape.window_outline, piece.bridges)


def _manifold_bars(design: FrameDesign, plate: Plate) -> list["Manifold"]:
    if plate.stack == 1:
        return []
    pitch_mm = design.printed_height_mm + plate.gap_mm
    bars = standoff_bars(design, plate)
    return [_manifold_of(_lifted(bar, number * pitch_mm - plate.gap_mm)) for number in range(1, plate.stack) for bar in bars]


def _joined(*groups: list["Manifold"]) -> list[Triangle]:
    import manifold3d  # noqa: PLC0415 - see manifold_is_installed

    whole = manifold3d.Manifold.batch_boolean([piece for group in groups for piece in group], manifold3d.OpType.Add)
    mesh = whole.simplify(_INTO_MM / 2).to_mesh()
    corners = [(float(x), float(y), float(z)) for x, y, z in mesh.vert_properties[:, :3]]
    faces = ((corners[a], corners[b], corners[c]) for a, b, c in mesh.tri_verts)
    # A triangle that 32-bit floats have made a line closes nothing.
    return [face for face in faces if len(set(face)) == 3]
