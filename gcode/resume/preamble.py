"""What is done before the rest of the file: heat, lift, home X and Y, purge beside the part, set what was set."""

from itertools import pairwise
from math import hypot
from typing import Final, NamedTuple

from gcode.frame.pen import way_around
from gcode.machine import Machine
from gcode.profile import Box, PrinterProfile
from gcode.resume.errors import unsuitable
from gcode.resume.state import CutState

PURGE_MM: Final = 20.0  # of filament: a 0.4 mm hot end holds about half of that
LIFT_MM: Final = 5.0
_LEAST_LIFT_MM: Final = 1.0  # also over clips
_PURGE_SPEED_MM_S: Final = 3.0  # 7 mm3/s of 1.75 mm
_LIFT_SPEED_MM_S: Final = 8.0
_BESIDE_MM: Final = 5.0  # between the purged plastic and the part
_INSET_MM: Final = 3.0
_REACH_MM: Final = 0.5  # from the very end of the axes


class Heights(NamedTuple):
    """Where the print goes on: the layer (from 1), what stands, and the height at which the nozzle crosses it."""

    layer: int
    standing_mm: float
    clear_mm: float


def _away(box: list[float], x: float, y: float) -> float:
    """How far a point is from the part, seen from above."""
    return hypot(max(box[0] - x, 0.0, x - box[2]), max(box[1] - y, 0.0, y - box[3]))


def _purge_place(box: list[float], profile: PrinterProfile) -> tuple[float, float]:
    """The corner of the bed that is farthest from the part; where it fills the bed, of the room for purging around it."""
    for corners in (_corners(profile.volume, _INSET_MM), _corners(profile.purge, _REACH_MM)):
        free = [corner for corner in corners if not any(_inside(corner, area) for area in profile.keep_out)]
        best = max(free, key=lambda corner: _away(box, *corner), default=None)
        if best is not None and _away(box, *best) >= _BESIDE_MM:
            return best
    raise unsuitable(
        "no-place",
        "There is no free corner of the bed to purge the nozzle beside the part: print the part anew.",
        "Aucun coin libre du plateau pour purger la buse à côté de la pièce : imprimez la pièce de nouveau.",
    )


def _corners(area: Box, inset_mm: float) -> list[tuple[float, float]]:
    xs, ys = (area.min_x + inset_mm, area.max_x - inset_mm), (area.min_y + inset_mm, area.max_y - inset_mm)
    return [(x, y) for x in xs for y in ys]


def _inside(point: tuple[float, float], area: Box) -> bool:
    return area.min_x <= point[0] <= area.max_x and area.min_y <= point[1] <= area.max_y


def clear_height(standing_mm: float, profile: PrinterProfile) -> float:
    """The height at which the nozzle crosses the part and every clip that leaves room above it; raises UnsuitableError."""
    over_clips = (area.max_z + _LEAST_LIFT_MM for area in profile.keep_out)
    clear_mm = max(
        min(standing_mm + LIFT_MM, profile.volume.max_z), *(top for top in over_clips if top <= profile.volume.max_z), 0.0
    )
    if clear_mm < standing_mm + _LEAST_LIFT_MM:
        raise unsuitable(
            "too-high",
            "There is no room above the part to cross it: print the part anew.",
            "Il n'y a pas de place au-dessus de la pièce pour la survoler : imprimez la pièce de nouveau.",
        )
    return clear_mm


def _ways(profile: PrinterProfile, clear_mm: float, *places: tuple[float, float]) -> list[list[str]]:
    """From each place to the next, around the clips that are higher than the nozzle goes."""
    high = [area for area in profile.keep_out if area.max_z + _LEAST_LIFT_MM > clear_mm]
    feed = _feed(profile.travel_speed_mm_s)
    return [[f"G1 X{x:.5f} Y{y:.5f} {feed}" for x, y in way_around(start, end, high)[1:]] for start, end in pairwise(places)]


def _feed(speed_mm_s: float) -> str:
    return f"F{speed_mm_s * 60:.0f}"


def _heating(machine: Machine) -> list[str]:
    nozzle_c = machine.nozzle_c[0]
    lines = [f"M140 S{machine.bed_c:g}", f"M104 S{nozzle_c:g}"]
    if machine.chamber_c > 0:
        lines.append(f"M141 S{machine.chamber_c:g}")
    return [*lines, f"M190 S{machine.bed_c:g}", f"M109 S{nozzle_c:g}"] if machine.bed_c > 0 else [*lines, f"M109 S{nozzle_c:g}"]


def preamble_lines(state: CutState, profile: PrinterProfile, heights: Heights, nozzle_z_mm: float | None) -> list[str]:
    """Heat, lift, home X and Y, purge beside the part, go to where the file was, and set what was set."""
    layer, standing_mm, clear_mm = heights
    machine = state.machine
    purge_at = _purge_place(state.box, profile)
    from_home, to_part = _ways(profile, clear_mm, (0.0, 0.0), purge_at, (machine.x, machine.y))
    retract = _feed(profile.retraction_speed_mm_s)
    drawn_back_mm = machine.retracted_mm.get(0, 0.0)
    carried_mm = drawn_back_mm or profile.retraction_mm
    meshes = state.meshed and (machine.flavour or profile.flavour) == "marlin"
    lines = [
        f"; taken up again by Essaim at layer {layer}; {standing_mm:.3f} mm stand on the bed",
        *("G21", "G90", "M83", "M107"),
        *_heating(machine),  # before it is lifted: a nozzle that stuck to the part must be warm to leave it
        *([f"G92 Z{nozzle_z_mm:.3f}"] if nozzle_z_mm is not None else []),
        f"G1 Z{clear_mm:.3f} {_feed(_LIFT_SPEED_MM_S)}",
        "G28 X Y",
        *(["M420 S1"] if meshes else []),  # homing turns the levelling off
        f"G1 Z{clear_mm:.3f} {_feed(_LIFT_SPEED_MM_S)}",
        *_speed_factors(state),
        *state.carried.values(),  # before the purge: the flow factor is on what is drawn back, too
        *from_home,
        f"G1 E{PURGE_MM:.3f} {_feed(_PURGE_SPEED_MM_S)}",
        f"G1 E-{carried_mm:.5f} {retract}",
        *state.fans.values(),
        *to_part,
    ]
    if not state.z_comes_first:
        lines.append(f"G1 Z{machine.z:.5f} {_feed(_LIFT_SPEED_MM_S)}")
    if not drawn_back_mm:
        lines.append(f"G1 E{carried_mm:.5f} {retract}")
    return [*lines, *_modes(machine)]


def _speed_factors(state: CutState) -> list[str]:
    """The factor that M220 B keeps, and the one in force."""
    if not state.scales_speed:
        return []
    kept, factor = state.machine.kept_speed_factor, state.machine.speed_factor
    return [f"M220 S{kept * 100:g}", "M220 B", f"M220 S{factor * 100:g}"] if kept != 1.0 else [f"M220 S{factor * 100:g}"]


def _modes(machine: Machine) -> list[str]:
    """Units, the extruder's mode and count, and the speed, as the rest of the file expects them."""
    unit = machine.unit_mm
    lines = ["G20"] if unit != 1.0 else []
    lines += ["M83"] if machine.relative_e else ["M82"]
    lines.append(f"G92 E{machine.e / unit:.5f}")
    lines.append(f"G1 F{machine.speed_mm_s * 60 / unit:.3f}")
    return lines
