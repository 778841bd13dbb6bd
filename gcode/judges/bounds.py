"""Judges of parameters: heat, tools, models and limits of motion, against the profile."""

import re
from math import inf
from typing import Final

from gcode.judges.finding import Wrong, above, below, unlike
from gcode.judges.flavours import MODEL_CODES, REPRAP
from gcode.judges.words import figure, whole
from gcode.kinematics import MotionLimits, with_command
from gcode.profile import PrinterProfile, limits_of
from gcode.reader import Line, arguments

COLDEST_EXTRUSION_C: Final = 150.0  # no thermoplastic for these machines flows below; Marlin's own limit is 170
# Our choices. Linear Advance 1.0 takes figures up to about 200, 1.5 refuses more than 10; of pressure advance, seconds, long Bowden
# tubes need about 1 (https://www.klipper3d.org/Pressure_Advance.html).
MOST_ADVANCE: Final = 300.0
MOST_ADVANCE_S: Final = 2.0
_BEHIND_S: Final = re.compile(r"[Ss]\s*([^A-Za-z]*)")
_SLOWEST_LIMIT_MM_S: Final = 0.5  # of an axis; the slowest lead screws do 2
_LAZIEST_LIMIT_MM_S2: Final = 5.0
_NOZZLE_TOLERANCE_MM: Final = 0.001
_FILAMENT_TOLERANCE: Final = 0.05
_LEGACY_LEVEL: Final = 1  # of G-code, of Prusa's 8-bit firmware
_LEGACY_LACKS: Final = ("INPUT SHAPER", "PHASE STEPPING")
_NOZZLE_WORDS: Final = re.compile(r"EXTRUDER|HOTEND|NOZZLE|TOOL|TEMP")
_BEDS: Final = frozenset({"HEATER_BED"})


def _target_c(line: Line) -> float:
    return max(line.parameters.get("S", 0.0), line.parameters.get("R", 0.0))


def nozzle_too_hot(line: Line, profile: PrinterProfile) -> Wrong | None:
    """A nozzle target above the profile's; active or standby, of any tool."""
    target_c = _target_c(line)
    return above(target_c, profile.max_nozzle_c, "°C") if target_c > profile.max_nozzle_c else None


def bed_too_hot(line: Line, profile: PrinterProfile) -> Wrong | None:
    """A bed target above the profile's."""
    target_c = _target_c(line)
    return above(target_c, profile.max_bed_c, "°C") if target_c > profile.max_bed_c else None


def chamber_too_hot(line: Line, profile: PrinterProfile) -> Wrong | None:
    """A chamber target above the profile's, where there is a heated chamber."""
    target_c, most_c = _target_c(line), profile.max_chamber_c
    return above(target_c, most_c, "°C") if 0 < most_c < target_c else None


def chamber_missing(line: Line, profile: PrinterProfile) -> Wrong | None:
    """A chamber that is not there; switching it off is harmless."""
    return Wrong(whole(line), _target_c(line), 0.0) if _target_c(line) > 0 and profile.max_chamber_c <= 0 else None


def named_heater_too_hot(line: Line, profile: PrinterProfile) -> Wrong | None:
    """Klipper's SET_HEATER_TEMPERATURE and TEMPERATURE_WAIT: nozzles and bed against the profile, others never."""
    values = arguments(line.text)
    heater, target_c = values.get("HEATER", values.get("SENSOR", "")).upper(), figure(line, "TARGET")
    if max(target_c, figure(line, "MINIMUM")) <= 0:
        return None
    most_c = profile.max_bed_c if heater in _BEDS else profile.max_nozzle_c
    if not (heater in _BEDS or heater.startswith("EXTRUDER")):
        return Wrong(whole(line)[:60])
    return above(target_c, most_c, "°C") if target_c > most_c else None


def macro_too_hot(line: Line, profile: PrinterProfile) -> Wrong | None:
    """An argument of a macro of the printer that looks like a temperature (`START_PRINT BED=60`), above the profile's."""
    if line.code not in {name.upper() for name in profile.macros}:
        return None
    for key in arguments(line.text):
        most_c = profile.max_bed_c if "BED" in key else profile.max_nozzle_c if _NOZZLE_WORDS.search(key) else inf
        if figure(line, key) > most_c:
            return above(figure(line, key), most_c, "°C")
    return None


def missing_heater(line: Line, profile: PrinterProfile) -> Wrong | None:
    """The heater of a tool that is not there; switching it off is harmless."""
    letter = "P" if line.code in {"G10", "M568"} else "T"
    tool = line.parameters.get(letter, 0.0)
    if _target_c(line) <= 0 or 0 <= tool < profile.tools:
        return None
    return Wrong(f"T{tool:g}", tool, profile.tools - 1.0)


def missing_tool(line: Line, profile: PrinterProfile) -> Wrong | None:
    """A tool change to a tool that is not there. T-1 lets go of the tool on RepRapFirmware."""
    tool = float(line.code[1:])
    if 0 <= tool < profile.tools or (tool == -1 and profile.flavour == REPRAP):
        return None
    return Wrong(line.code, tool, profile.tools - 1.0)


def cold_extrusion_allowed(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M302 with P1 or a limit below COLDEST_EXTRUSION_C; without either Prusa's 8-bit firmware allows it at 0."""
    if line.parameters.get("P", 0.0) > 0 or not line.parameters:
        return Wrong(whole(line))
    lowest_c = line.parameters.get("S", inf)
    return below(lowest_c, COLDEST_EXTRUSION_C, "°C") if lowest_c < COLDEST_EXTRUSION_C else None


def _demanded(line: Line) -> str:
    """The text after P in M862, without its quotes; empty when the line only asks the printer (Q)."""
    return line.text.upper().removeprefix("P").strip().strip('"') if "P" in line.parameters else ""


def other_model(line: Line, profile: PrinterProfile) -> Wrong | None:
    """M862.3 names another model than the profile."""
    wanted = _demanded(line)
    return unlike(wanted, profile.model or profile.name) if wanted and wanted != profile.model.upper() else None


def other_model_code(line: Line, profile: PrinterProfile) -> Wrong | None:
    """M862.2 has another model's number. Of a model whose number we do not know the firmware is the judge."""
    wanted = line.parameters.get("P")
    known = MODEL_CODES.get(profile.model.upper())
    if wanted is None or wanted == known or (known is None and profile.model):
        return None
    return unlike(f"{wanted:g}", f"{known}" if known is not None else profile.name)


def nozzles_mm(profile: PrinterProfile) -> tuple[float, ...]:
    """Every nozzle that printers of the profile may have."""
    return (profile.nozzle_mm, *profile.nozzles_mm)


def other_nozzle(line: Line, profile: PrinterProfile) -> Wrong | None:
    """M862.1 names a nozzle that no printer of the profile has."""
    wanted_mm = line.parameters.get("P")
    if wanted_mm is None or any(abs(wanted_mm - known_mm) < _NOZZLE_TOLERANCE_MM for known_mm in nozzles_mm(profile)):
        return None
    return Wrong(f"{wanted_mm:g} ≠ {profile.nozzle_mm:g} mm", wanted_mm, profile.nozzle_mm)


def other_firmware(line: Line, profile: PrinterProfile) -> Wrong | None:
    """M862.5 and M862.6 ask for a level or feature that the firmware of the profile does not have."""
    wanted = _demanded(line)
    if not wanted:
        return None
    if not profile.model:
        return unlike(wanted, profile.name)
    if profile.model.upper() not in MODEL_CODES:
        return None
    lacks = line.parameters.get("P", 0.0) > _LEGACY_LEVEL if line.code == "M862.5" else wanted in _LEGACY_LACKS
    return unlike(wanted, profile.model) if lacks else None


def filament_diameter(line: Line, profile: PrinterProfile) -> Wrong | None:
    """M200 D with a diameter that is not the profile's; D0 counts lengths."""
    diameter_mm = line.parameters.get("D", 0.0)
    if diameter_mm == 0 or abs(diameter_mm - profile.filament_mm) <= _FILAMENT_TOLERANCE * profile.filament_mm:
        return None
    return Wrong(f"{diameter_mm:g} ≠ {profile.filament_mm:g} mm", diameter_mm, profile.filament_mm)


def _first_above(wanted: MotionLimits, known: MotionLimits) -> Wrong | None:
    fastest = max(*known.acceleration_mm_s2[:2], known.print_acceleration_mm_s2, known.travel_acceleration_mm_s2)
    pairs = [
        *((value, limit, "mm/s") for value, limit in zip(wanted.speed_mm_s, known.speed_mm_s, strict=True)),
        *((value, limit, "mm/s²") for value, limit in zip(wanted.acceleration_mm_s2, known.acceleration_mm_s2, strict=True)),
        *((value, limit, "mm/s") for value, limit in zip(wanted.jerk_mm_s, known.jerk_mm_s, strict=True)),
        (wanted.print_acceleration_mm_s2, fastest, "mm/s²"),
        (wanted.travel_acceleration_mm_s2, fastest, "mm/s²"),
    ]
    return next((above(value, limit, unit) for value, limit, unit in pairs if value > limit), None)


def advance_factor(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """How far filament is pushed ahead: M900 K and L, M572 S (several, with colons), SET_PRESSURE_ADVANCE ADVANCE."""
    if line.code == "M900":
        factor = max(abs(line.parameters.get(letter, 0.0)) for letter in "KL")
        return above(factor, MOST_ADVANCE) if factor > MOST_ADVANCE else None
    if line.code == "M572":
        seconds = max((_most(group) for group in _BEHIND_S.findall(line.text)), default=0.0)
    else:
        seconds = figure(line, "ADVANCE")
    return above(seconds, MOST_ADVANCE_S, "s") if seconds > MOST_ADVANCE_S else None


def _most(colons: str) -> float:
    """The largest of several numbers with colons between them; infinite when one cannot be read."""
    try:
        return max(abs(float(one)) for one in colons.split(":") if one.strip())
    except ValueError:
        return inf


def limits_too_low(line: Line, profile: PrinterProfile) -> Wrong | None:
    """M201, M203, M204 and M566 with next to nothing: the printer stands still, hot, and the file goes on for ever."""
    wanted = with_command(MotionLimits(), line.code, line.parameters, profile.flavour)
    accelerations = (*wanted.acceleration_mm_s2, wanted.print_acceleration_mm_s2, wanted.travel_acceleration_mm_s2)
    slowest, laziest = min(wanted.speed_mm_s), min(*accelerations, wanted.retract_acceleration_mm_s2)
    if slowest < _SLOWEST_LIMIT_MM_S:
        return below(slowest, _SLOWEST_LIMIT_MM_S, "mm/s")
    return below(laziest, _LAZIEST_LIMIT_MM_S2, "mm/s²") if laziest < _LAZIEST_LIMIT_MM_S2 else None


def limits_raised(line: Line, profile: PrinterProfile) -> Wrong | None:
    """M201, M203, M204, M205, and M566 of RepRapFirmware, above the profile's limits; only where the firmware's own are known."""
    if profile.limits is None:
        return None
    known = limits_of(profile)
    return _first_above(with_command(known, line.code, line.parameters, profile.flavour), known)


def named_limits_raised(line: Line, profile: PrinterProfile) -> Wrong | None:
    """Klipper's SET_VELOCITY_LIMIT above the profile's limits in the plane."""
    if profile.limits is None:
        return None
    known = limits_of(profile)
    fastest = max(known.speed_mm_s[:2]), max(*known.acceleration_mm_s2[:2], known.print_acceleration_mm_s2)
    for key, limit, unit in (("VELOCITY", fastest[0], "mm/s"), ("ACCEL", fastest[1], "mm/s²")):
        value = figure(line, key)
        if value > limit:
            return above(value, limit, unit)
    return None
