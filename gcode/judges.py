"""One small function a rule: what is wrong with a line, a move or a file on a class of printers. `gcode.rules` has the table.

What commands mean: https://marlinfw.org/meta/gcode/ and https://help.prusa3d.com/article/prusa-firmware-specific-g-code-commands_112173.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Final

from gcode.facts import GcodeFacts
from gcode.kinematics import with_command
from gcode.machine import Machine, Move, Point
from gcode.profile import Box, PrinterProfile, limits_of
from gcode.reader import Defect, Line

COLDEST_EXTRUSION_C: Final = 150.0  # no thermoplastic for these machines flows below; Marlin's own limit is 170
_TOLERANCE_MM: Final = 0.01
_DEEPEST_MM: Final = -0.1  # live adjustment of the first layer
_MAX_TEXT: Final = 80

LineJudge = Callable[[Line, PrinterProfile], str | None]
MoveJudge = Callable[[Move, Machine, PrinterProfile], str | None]
FileJudge = Callable[[GcodeFacts, PrinterProfile], str | None]


def defect(*defects: Defect) -> LineJudge:
    """The line cannot be read, for one of these reasons."""

    def judge(line: Line, _profile: PrinterProfile) -> str | None:
        return line.defect.value if line.defect in defects else None

    return judge


def present(line: Line, _profile: PrinterProfile) -> str | None:
    """The command itself is the matter."""
    return line.code


def placeholder(line: Line, _profile: PrinterProfile) -> str | None:
    """Slicers put settings in braces or brackets; a correct file has none left outside its comments."""
    text = line.text
    if "{" in text or "[" in text:
        return text[:_MAX_TEXT]
    return None


def unknown(line: Line, _profile: PrinterProfile) -> str | None:
    """A command that is not among KNOWN_CODES; tools have a rule of their own."""
    code = line.code
    return code if code and code[0] != "T" and code not in KNOWN_CODES else None


def _temperature_c(line: Line) -> float:
    return max(line.parameters.get("S", 0.0), line.parameters.get("R", 0.0))


def nozzle_too_hot(line: Line, profile: PrinterProfile) -> str | None:
    """A nozzle target above the profile's."""
    wanted_c = _temperature_c(line)
    return f"{wanted_c:g} > {profile.max_nozzle_c:g} °C" if wanted_c > profile.max_nozzle_c else None


def bed_too_hot(line: Line, profile: PrinterProfile) -> str | None:
    """A bed target above the profile's."""
    wanted_c = _temperature_c(line)
    return f"{wanted_c:g} > {profile.max_bed_c:g} °C" if wanted_c > profile.max_bed_c else None


def missing_heater(line: Line, profile: PrinterProfile) -> str | None:
    """A chamber, or the heater of a tool that is not there; switching it off is harmless."""
    if _temperature_c(line) <= 0:
        return None
    if line.code in {"M141", "M191"}:
        return line.code
    tool = line.parameters.get("T", 0.0)
    return f"T{tool:g}" if not 0 <= tool < profile.tools else None


def missing_tool(line: Line, profile: PrinterProfile) -> str | None:
    """Every line is asked: a tool's number is part of its code."""
    if line.code[:1] != "T":
        return None
    return line.code if not 0 <= float(line.code[1:]) < profile.tools else None


def endstops_off(line: Line, _profile: PrinterProfile) -> str | None:
    """M121, or M211 S0."""
    if line.code == "M121" or line.parameters.get("S") == 0:
        return line.code
    return None


def cold_extrusion_allowed(line: Line, _profile: PrinterProfile) -> str | None:
    """M302 with P1 or a limit below COLDEST_EXTRUSION_C."""
    if line.parameters.get("P", 0.0) > 0:
        return "P1"
    lowest_c = line.parameters.get("S", inf)
    return f"{lowest_c:g} < {COLDEST_EXTRUSION_C:g} °C" if lowest_c < COLDEST_EXTRUSION_C else None


def other_model(line: Line, profile: PrinterProfile) -> str | None:
    """M862.3 names another model than the profile."""
    if "P" not in line.parameters:
        return None
    wanted = line.text.upper().removeprefix("P").strip().strip('"')
    return f"{wanted[:20]} ≠ {profile.model or profile.name}" if wanted and wanted != profile.model.upper() else None


def other_nozzle(line: Line, profile: PrinterProfile) -> str | None:
    """M862.1 names another nozzle than the profile."""
    wanted_mm = line.parameters.get("P")
    if wanted_mm is None or abs(wanted_mm - profile.nozzle_mm) < 0.001:
        return None
    return f"{wanted_mm:g} ≠ {profile.nozzle_mm:g} mm"


def limits_raised(line: Line, profile: PrinterProfile) -> str | None:
    """Only where the firmware's own limits are known."""
    if profile.limits is None:
        return None
    known = limits_of(profile)
    wanted = with_command(known, line.code, line.parameters)
    fastest = max(*known.acceleration_mm_s2[:2], known.print_acceleration_mm_s2, known.travel_acceleration_mm_s2)
    pairs = [
        *zip(wanted.speed_mm_s, known.speed_mm_s, strict=True),
        *zip(wanted.acceleration_mm_s2, known.acceleration_mm_s2, strict=True),
        *zip(wanted.jerk_mm_s, known.jerk_mm_s, strict=True),
        (wanted.print_acceleration_mm_s2, fastest),
        (wanted.travel_acceleration_mm_s2, fastest),
    ]
    return next((f"{value:g} > {limit:g}" for value, limit in pairs if value > limit), None)


def _inside(point: Point, box: Box) -> bool:
    x, y, z = point
    return (
        box.min_x - _TOLERANCE_MM <= x <= box.max_x + _TOLERANCE_MM
        and box.min_y - _TOLERANCE_MM <= y <= box.max_y + _TOLERANCE_MM
        and box.min_z - _TOLERANCE_MM <= z <= box.max_z + _TOLERANCE_MM
    )


def _place(point: Point) -> str:
    return f"X{point[0]:.2f} Y{point[1]:.2f} Z{point[2]:.2f}"


def extrudes_outside(move: Move, _machine: Machine, profile: PrinterProfile) -> str | None:
    """A line of plastic begins or ends outside the volume and the purge box."""
    if not move.extrudes:
        return None
    for point in (move.start, move.end):
        if not _inside(point, profile.volume) and not _inside(point, profile.purge):
            return _place(point)
    return None


def travels_outside(move: Move, _machine: Machine, profile: PrinterProfile) -> str | None:
    """The head goes beyond volume and purge box without extruding; over the purge box it may be as high as the volume."""
    if move.extrudes or _inside(move.end, profile.volume):
        return None
    reachable = replace(profile.purge, min_z=-inf, max_z=profile.volume.max_z)
    return None if _inside(move.end, reachable) else _place(move.end)


def below_bed(move: Move, _machine: Machine, profile: PrinterProfile) -> str | None:
    """The nozzle goes more than 0.1 mm below the bed."""
    return _place(move.end) if move.end[2] < profile.volume.min_z + _DEEPEST_MM else None


def extrudes_cold(move: Move, machine: Machine, _profile: PrinterProfile) -> str | None:
    """Plastic is laid while the nozzle has no target that melts it."""
    if not move.extrudes:
        return None
    target_c = machine.nozzle_c.get(machine.tool, 0.0)
    return f"{target_c:g} °C" if target_c < COLDEST_EXTRUSION_C else None


def not_gcode(facts: GcodeFacts, _profile: PrinterProfile) -> str | None:
    """Most of it is no command, and nothing is printed: an image, an archive, a text."""
    if facts.extruding is not None or facts.unreadable <= facts.commands:
        return None
    return f"{facts.unreadable} / {facts.lines}"


def nothing_printed(facts: GcodeFacts, _profile: PrinterProfile) -> str | None:
    """No plastic is laid at all."""
    return f"{facts.commands} commands" if facts.extruding is None else None


def no_homing(facts: GcodeFacts, profile: PrinterProfile) -> str | None:
    """No G28, on a machine that does not home by itself."""
    return "G28" if not facts.homes and not profile.homes_itself else None


def heaters_left_on(facts: GcodeFacts, _profile: PrinterProfile) -> str | None:
    """A target is left when the file ends."""
    return None if facts.heaters_off_at_end else "M104 S0, M140 S0"


def time_differs(facts: GcodeFacts, _profile: PrinterProfile) -> str | None:
    """More than 15 % from the slicer's own estimate."""
    claimed_s = facts.claimed_time_s
    if not claimed_s or abs(facts.time_s - claimed_s) <= 0.15 * claimed_s:
        return None
    return f"{facts.time_s:.0f} s, {claimed_s:.0f} s"


def filament_differs(facts: GcodeFacts, _profile: PrinterProfile) -> str | None:
    """More than 5 % above the slicer's own figure."""
    claimed_mm = facts.claimed_filament_mm
    # A purge line of 50 mm is the start code's, and slicers do not count it.
    if not claimed_mm or facts.filament_mm <= 1.05 * claimed_mm + 50:
        return None
    return f"{facts.filament_mm:.0f} mm, {claimed_mm:.0f} mm"


def codes(text: str) -> frozenset[str]:
    """A set of codes, written as a list."""
    return frozenset(text.split())


# What a print may contain: Marlin's, Prusa's and Ultimaker's (G280), then those that have a rule of their own.
# Any other code needs somebody who knows why it is there.
KNOWN_CODES: Final = codes(
    "G0 G1 G2 G3 G4 G5 G10 G11 G12 G17 G20 G21 G26 G27 G28 G29 G30 G34 G35 G42 G53 G54 G60 G61 G80 G81 G90 G91 G92 G280 M0 "
    "M1 M17 M18 M20 M21 M22 M25 M27 M31 M73 M75 M76 M77 M78 M82 M83 M84 M85 M86 M104 M105 M106 M107 M108 M109 M110 M111 "
    "M113 M114 M115 M117 M119 M120 M125 M140 M149 M150 M154 M155 M190 M192 M200 M201 M202 M203 M204 M205 M207 M208 M209 "
    "M211 M217 M218 M220 M221 M240 M250 M256 M290 M300 M301 M302 M355 M400 M401 M402 M403 M404 M405 M406 M407 M412 M413 "
    "M420 M425 M486 M503 M524 M555 M569 M572 M593 M600 M601 M602 M603 M605 M701 M702 M851 M862.1 M862.2 M862.3 M862.4 "
    "M862.5 M862.6 M900 M906 M907 "
    "M23 M24 M28 M29 M30 M32 M42 M43 M92 M112 M121 M141 M191 M206 M226 M260 M261 M303 M304 M428 M500 M501 M502 M504 M665 "
    "M666 M913 M914 M928 M997 M999 "
)
