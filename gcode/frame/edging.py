"""What surrounds the first layer: a skirt around everything, or a brim that holds to the part."""

from collections.abc import Sequence
from math import ceil, pi
from typing import Final

from gcode.frame.bitmap import Grid
from gcode.frame.design import FrameDesign
from gcode.frame.geometry import Point, Polyline, arc, hull, simplified_loop
from gcode.frame.pen import box_loop, crosses
from gcode.frame.placing import Placement, marked, outlines_at_widest
from gcode.frame.plate import Plate
from gcode.frame.strokes import Track
from gcode.profile import Box, PrinterProfile

_SKIRT_GAP_MM: Final = 3.0
_SKIRT_LOOPS: Final = 2
_ERROR_MM: Final = 0.1
_CELL_MM: Final = 0.2
_BRIM_ERROR_MM: Final = 0.2


def _closed(loop: Polyline, width_mm: float) -> Track:
    return [(x, y, width_mm) for x, y in [*loop, loop[0]]]


def _outside(loop: Polyline, profile: PrinterProfile, obstacles: Sequence[Box], around_mm: float) -> bool:
    volume = profile.volume
    for x, y in loop:
        if not volume.min_x + around_mm <= x <= volume.max_x - around_mm:
            return True
        if not volume.min_y + around_mm <= y <= volume.max_y - around_mm:
            return True
    borders = [box_loop(box, around_mm) for box in obstacles]
    return any(crosses(first, second, borders) for first, second in zip(loop, [*loop[1:], loop[0]], strict=True))


def skirt(design: FrameDesign, placements: Sequence[Placement], profile: PrinterProfile, obstacles: Sequence[Box]) -> list[Track]:
    """Loops around everything that fill the nozzle and show whether the first layer sticks; none where there is no room."""
    corners: list[Point] = []
    for placement in placements:
        for outline in outlines_at_widest(design):
            corners += placement.on_bed(outline)
    corners = hull(corners)
    tracks = []
    for line in reversed(range(_SKIRT_LOOPS)):
        radius = _SKIRT_GAP_MM + (line + 0.5) * design.line_width_mm
        around = simplified_loop(hull([point for corner in corners for point in arc(corner, radius, 0.0, 2 * pi)]), _ERROR_MM)
        if _outside(around, profile, obstacles, design.line_width_mm):
            return []
        tracks.append(_closed(around, design.line_width_mm))
    return tracks


def brim(design: FrameDesign, placements: Sequence[Placement], plate: Plate) -> list[Track]:
    """Lines that touch each other and the part, from outside in."""
    width = design.line_width_mm
    corners = [point for placement in placements for point in placement.on_bed(outlines_at_widest(design)[0])]
    low_x, low_y = min(x for x, _ in corners) - plate.brim_mm - 2, min(y for _, y in corners) - plate.brim_mm - 2
    columns = ceil((max(x for x, _ in corners) + plate.brim_mm + 2 - low_x) / _CELL_MM)
    lines = ceil((max(y for _, y in corners) + plate.brim_mm + 2 - low_y) / _CELL_MM)
    grid = Grid(low_x, low_y, _CELL_MM, columns, lines)
    tracks = []
    for number in reversed(range(round(plate.brim_mm / width))):
        rows: dict[int, int] = {}
        for placement in placements:
            marked(grid, design, placement, (number + 0.5) * width, rows)
        tracks += [_closed(simplified_loop(loop, _BRIM_ERROR_MM), width) for loop in grid.contours(rows)]
    return tracks
