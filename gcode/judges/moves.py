"""Judges of single moves. `gcode.scan.watch` has their twins for columns of moves, which must say the same.

Each judge names what it needs beside the move and the profile: that stays the same between two lines that are no plain moves
(`gcode.judges.situation.Situation`), so that a twin may ask it once for all the moves between them.
"""

from dataclasses import replace
from math import inf
from typing import Final

from gcode.judges.finding import Wrong, above, below
from gcode.judges.flavours import GRIFFIN, KLIPPER
from gcode.judges.situation import Heaters, Situation
from gcode.machine import Move, Point
from gcode.profile import Box, PrinterProfile

TOLERANCE_MM: Final = 0.01
CLIP_MM: Final = 5.0  # our choice: clips of glass plates are 3 to 4 mm high
DEEPEST_MM: Final = -0.1  # live adjustment of the first layer
MELTS_C: Final = 170.0  # Marlin's own limit (EXTRUDE_MINTEMP); below it the printer moves on without plastic
FASTEST_MM_S: Final = 2000.0  # twice what the fastest desktop printers do
SLOWEST_MM_S: Final = 0.02  # a centimetre in ten minutes: F1 in mm/s where mm/min is meant


def widened(box: Box) -> Box:
    """The box with TOLERANCE_MM on every side."""
    return Box(
        box.min_x - TOLERANCE_MM, box.min_y - TOLERANCE_MM, box.min_z - TOLERANCE_MM,
        box.max_x + TOLERANCE_MM, box.max_y + TOLERANCE_MM, box.max_z + TOLERANCE_MM,
    )  # fmt: skip


def inside(point: Point, box: Box) -> bool:
    """Whether a point lies in a box, or at most TOLERANCE_MM beside it."""
    x, y, z = point
    return (
        box.min_x - TOLERANCE_MM <= x <= box.max_x + TOLERANCE_MM
        and box.min_y - TOLERANCE_MM <= y <= box.max_y + TOLERANCE_MM
        and box.min_z - TOLERANCE_MM <= z <= box.max_z + TOLERANCE_MM
    )


def _place(point: Point) -> str:
    return f"X{point[0]:.2f} Y{point[1]:.2f} Z{point[2]:.2f}"


def _beyond(point: Point, box: Box) -> Wrong:
    """The axis that leaves the box by most, as value and limit, with the place."""
    low, high = (box.min_x, box.min_y, box.min_z), (box.max_x, box.max_y, box.max_z)
    excess = [max(least - value, value - most) for value, least, most in zip(point, low, high, strict=True)]
    axis = excess.index(max(excess))
    limit = low[axis] if point[axis] < low[axis] else high[axis]
    return Wrong(f"{_place(point)}, {'XYZ'[axis]} {limit:g}", point[axis], limit)


def extrudes_outside(move: Move, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """A line of plastic begins or ends outside the volume and the purge box; into the latter it may come down. Needs nothing more.

    PrusaSlicer's purge line for the MK4 begins 15 mm above the place where it ends. Of such lines no part can be built.
    """
    if not move.extrudes:
        return None
    comes_down = inside(move.end, profile.purge) and inside(move.start, reachable(profile))
    for point in (move.end,) if comes_down else (move.start, move.end):
        if not inside(point, profile.volume) and not inside(point, profile.purge):
            return _beyond(point, profile.volume)
    return None


def reachable(profile: PrinterProfile) -> Box:
    """Over the purge box the head may be as high as the volume, and as low as it must."""
    purge = profile.purge
    return Box(purge.min_x, purge.min_y, -inf, purge.max_x, purge.max_y, profile.volume.max_z)


def travels_outside(move: Move, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The head goes beyond volume and purge box without extruding. Needs nothing more."""
    if move.extrudes or inside(move.end, profile.volume) or inside(move.end, reachable(profile)):
        return None
    return _beyond(move.end, profile.volume)


def below_bed(move: Move, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The nozzle goes more than 0.1 mm below the bed. Needs nothing more."""
    z_mm, deepest_mm = move.end[2], profile.volume.min_z + DEEPEST_MM
    return Wrong(_place(move.end), z_mm, deepest_mm) if z_mm < deepest_mm else None


def crosses(start: Point, end: Point, box: Box) -> bool:
    """Whether a straight line touches a box that was made smaller by TOLERANCE_MM: laying plastic along its edge is no fault."""
    enters, leaves = 0.0, 1.0
    low, high = (box.min_x, box.min_y, box.min_z), (box.max_x, box.max_y, box.max_z)
    for begin, finish, lowest, highest in zip(start, end, low, high, strict=True):
        least, most, way = lowest + TOLERANCE_MM, highest - TOLERANCE_MM, finish - begin
        if way == 0:
            if not least <= begin <= most:
                return False
            continue
        one, other = (least - begin) / way, (most - begin) / way
        enters, leaves = max(enters, min(one, other)), min(leaves, max(one, other))
    return enters <= leaves


def lays_on_clip(move: Move, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """A line of plastic crosses a place that the profile keeps free (a clip). Needs nothing more."""
    if not move.extrudes or not any(crosses(move.start, move.end, box) for box in profile.keep_out):
        return None
    return Wrong(_place(move.end))


def clips(profile: PrinterProfile) -> tuple[Box, ...]:
    """The places that a profile keeps free, where it says how high something stands there: lower than the printer."""
    return tuple(box for box in profile.keep_out if box.max_z < profile.volume.max_z)


def guessed_clips(profile: PrinterProfile) -> tuple[Box, ...]:
    """Those that are as high as the printer: no part may be there, but how high a clip is nobody said. CLIP_MM then."""
    high = (box for box in profile.keep_out if box.max_z >= profile.volume.max_z)
    return tuple(replace(box, max_z=box.min_z + CLIP_MM) for box in high)


def travels_into_clip(move: Move, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The head goes through a clip without printing. From within it may leave: it was homed there. Needs nothing more."""
    return _travels_into(clips(profile), move)


def may_travel_into_clip(move: Move, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The same where nobody said how high the clip is. PrusaSlicer's own start for the Ultimaker 2 goes down beside one."""
    return _travels_into(guessed_clips(profile), move)


def _travels_into(boxes: tuple[Box, ...], move: Move) -> Wrong | None:
    if move.extrudes:
        return None
    hit = any(crosses(move.start, move.end, box) and not inside(move.start, box) for box in boxes)
    return Wrong(_place(move.end)) if hit else None


def knows_heat(heaters: Heaters, profile: PrinterProfile) -> bool:
    """Whether what the file says of nozzle heat is all there is.

    An Ultimaker heats from the file's header, a macro of Klipper may heat: where the file never sets a target, nothing is known.
    """
    return bool(heaters.nozzle_c) or profile.flavour not in {GRIFFIN, KLIPPER}


def nozzle_target_c(heaters: Heaters) -> float:
    """What the tool in use is to be heated to."""
    return heaters.nozzle_c.get(heaters.tool, 0.0)


def extrudes_cold(move: Move, situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """Plastic is laid while the nozzle has no target that melts it. Needs the heaters and the tool."""
    if not move.extrudes:
        return None
    target_c = nozzle_target_c(situation.heaters)
    if target_c >= MELTS_C or situation.hidden_heat or not knows_heat(situation.heaters, profile):
        return None
    return below(target_c, MELTS_C, "°C")


def absurd_speed(move: Move, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Faster than any printer, or so slow that it looks like a wrong unit. Needs nothing more."""
    speed_mm_s = move.speed_mm_s
    if speed_mm_s > FASTEST_MM_S:
        return above(speed_mm_s, FASTEST_MM_S, "mm/s")
    return below(speed_mm_s, SLOWEST_MM_S, "mm/s") if speed_mm_s < SLOWEST_MM_S else None


def moves_unpowered(move: Move, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """After M84 the head may have been pushed, and the printer does not know where it is. Needs whether the motors are off."""
    return Wrong(_place(move.end)) if situation.motors_off and move.start != move.end else None
