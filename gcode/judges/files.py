"""Judges of whole files, at their end."""

from math import isclose, pi
from typing import Final

from gcode.facts import GcodeFacts
from gcode.judges.bounds import nozzles_mm
from gcode.judges.finding import Wrong, above, below, unlike
from gcode.judges.flavours import GRIFFIN, KLIPPER, LEGACY, MARLIN, REPRAP
from gcode.judges.situation import Situation
from gcode.profile import PrinterProfile

_TIME_TOLERANCE: Final = 0.15
_FILAMENT_TOLERANCE: Final = 1.05
_CLAIM_TOLERANCE: Final = 1.15  # macros and brushes of the printer may purge what the slicer counts
_PURGE_MM: Final = 50.0  # a purge line is the start code's, and slicers do not count it
_FEW_MOVES: Final = 100  # of too few nothing can be said
_FALLING: Final = 0.25  # of absolute E words; genuine ones fall only where a move retracts
_RISING: Final = 0.9  # of relative E words; of genuine ones about half rise
_LINE_MM: Final = 1.2  # the widest lines: a wall of one line has a box without width
_FULL: Final = 1.05  # more plastic than the box has room for
_EMPTY_MM3: Final = 0.2  # a layer: less than a single millimetre of line
_IDLE_S: Final = 2 * 3600.0  # our choice, with
_LEAST_FLOW_MM_S: Final = 0.005  # of filament: 18 mm an hour, a hundredth of what the finest nozzles print
_LONGEST_S: Final = 3 * 86_400.0
_HIGHEST_LAYER: Final = 1.0  # of the nozzle
_THINNEST_MM: Final = 0.02
_MARLINS: Final = frozenset({MARLIN, LEGACY})
# what each firmware understands: people slice for Marlin and print with Klipper, never the other way round
_UNDERSTANDS: Final = {
    MARLIN: _MARLINS,
    LEGACY: _MARLINS,
    KLIPPER: _MARLINS | {KLIPPER},
    REPRAP: frozenset({REPRAP}),
    GRIFFIN: frozenset({GRIFFIN}),
}


def not_gcode(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Most of it is no command, and nothing is printed: an image, an archive, a text."""
    if facts.extruding is not None or facts.unreadable <= facts.commands:
        return None
    return Wrong(f"{facts.unreadable} / {facts.lines}", facts.unreadable, facts.commands)


def nothing_printed(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """No plastic is laid at all."""
    return Wrong(f"{facts.commands} G-code, 0 mm") if facts.extruding is None else None


def forbidden_arcs(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """Arcs are plain moves, which no rule about lines sees."""
    return Wrong(f"{facts.arcs} G2, G3", facts.arcs, 0.0) if facts.arcs and {"G2", "G3"} & profile.forbidden_codes else None


def heaters_left_on(facts: GcodeFacts, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """A target is left when the file ends and no macro came after it; or a macro may have set one and none came after the print."""
    if situation.hidden_heat:
        return Wrong("M104 S0, M140 S0") if situation.macro_line < facts.last_extrusion_line else None
    return None if facts.heaters_off_at_end else Wrong("M104 S0, M140 S0")


def header_too_hot(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """Griffin heats what the comments of its header say before the first line is read."""
    if profile.flavour != GRIFFIN or facts.flavour != GRIFFIN:
        return None
    if facts.max_nozzle_c > profile.max_nozzle_c:
        return above(facts.max_nozzle_c, profile.max_nozzle_c, "°C")
    return above(facts.max_bed_c, profile.max_bed_c, "°C") if facts.max_bed_c > profile.max_bed_c else None


def hardly_prints(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Hours of motion with next to no plastic: crawling is waiting, too."""
    if facts.time_s <= _IDLE_S or facts.extruding is None or facts.filament_mm >= _LEAST_FLOW_MM_S * facts.time_s:
        return None
    return Wrong(f"{facts.time_s / 3600:.1f} h, {facts.filament_mm:.0f} mm", facts.time_s / 3600, _IDLE_S / 3600)


def no_homing(facts: GcodeFacts, situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """No G28, on a machine that does not home by itself, and no macro that may home."""
    return Wrong("G28") if not facts.homes and not profile.homes_itself and not situation.macro_line else None


def time_differs(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """More than 15 % from the slicer's own estimate."""
    claimed_s = facts.claimed_time_s
    if not claimed_s or abs(facts.time_s - claimed_s) <= _TIME_TOLERANCE * claimed_s:
        return None
    return Wrong(f"{facts.time_s:.0f} s ≠ {claimed_s:.0f} s", facts.time_s, claimed_s)


def _is_read_for(facts: GcodeFacts, profile: PrinterProfile) -> bool:
    """Whether the lengths are of the profile's filament: a file judged for several is read for the first one's diameter."""
    return isclose(facts.filament_cm3 * 1000, facts.filament_mm * pi * profile.filament_mm**2 / 4, rel_tol=0.01)


def filament_differs(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """More than 5 % above the slicer's own figure, or the slicer's more than 15 % above ours."""
    claimed_mm, found_mm = facts.claimed_filament_mm, facts.filament_mm
    if not claimed_mm:
        return None
    if found_mm > _FILAMENT_TOLERANCE * claimed_mm + _PURGE_MM:
        return Wrong(f"{found_mm:.0f} mm > {claimed_mm:.0f} mm", found_mm, claimed_mm)
    if claimed_mm > _CLAIM_TOLERANCE * found_mm + _PURGE_MM and _is_read_for(facts, profile):
        return Wrong(f"{found_mm:.0f} mm < {claimed_mm:.0f} mm", found_mm, claimed_mm)
    return None


def extruder_mode(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """E words that fall in absolute mode, or rise all the time in relative mode: M82 and M83 were mixed up."""
    mode = facts.extruder_mode
    if mode.absolute >= _FEW_MOVES and mode.absolute_falls > _FALLING * mode.absolute:
        share = mode.absolute_falls / mode.absolute
        return Wrong(f"M82: {share:.0%} ↓ > {_FALLING:.0%}", share, _FALLING)
    if mode.relative >= _FEW_MOVES and mode.relative_rises > _RISING * mode.relative:
        share = mode.relative_rises / mode.relative
        return Wrong(f"M83: {share:.0%} ↑ > {_RISING:.0%}", share, _RISING)
    return None


def _room_mm3(facts: GcodeFacts) -> float:
    box = facts.extruding
    assert box is not None, "something is printed"
    return (box.max_x - box.min_x + _LINE_MM) * (box.max_y - box.min_y + _LINE_MM) * max(box.max_z, _THINNEST_MM)


def density(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """More plastic than fits into the printed box, or next to none for its layers."""
    if facts.extruding is None or not facts.layers:
        return None
    plastic_mm3, room_mm3 = facts.filament_cm3 * 1000, _room_mm3(facts)
    if plastic_mm3 > _FULL * room_mm3:
        return above(plastic_mm3, room_mm3, "mm³")
    least_mm3 = facts.layers * _EMPTY_MM3
    return below(plastic_mm3, least_mm3, "mm³") if 0 < plastic_mm3 < least_mm3 else None


def thin_layers(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Layers at or below the bed, or without height."""
    for layer in facts.layer_table:
        if layer.z_mm <= 0:
            return Wrong(f"Z{layer.z_mm:.2f} mm", layer.z_mm, 0.0)
        if layer.height_mm < _THINNEST_MM:
            return below(layer.height_mm, _THINNEST_MM, "mm")
    return None


def thick_layers(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The usual layer is thicker than the nozzle, the slicer's or else the profile's widest: it would not touch the one below."""
    widest_mm, height_mm = facts.claimed_nozzle_mm or max(nozzles_mm(profile)), facts.layer_height_mm
    if height_mm is None or height_mm <= _HIGHEST_LAYER * widest_mm:
        return None
    return above(height_mm, widest_mm, "mm")


def very_long(facts: GcodeFacts, _situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Longer than three days."""
    return above(facts.time_s / 3600, _LONGEST_S / 3600, "h") if facts.time_s > _LONGEST_S else None


def claimed_nozzle(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The slicer was set to a nozzle that no printer of the profile has."""
    claimed_mm = facts.claimed_nozzle_mm
    if not claimed_mm or any(abs(claimed_mm - known_mm) < 0.001 for known_mm in nozzles_mm(profile)):
        return None
    return Wrong(f"{claimed_mm:g} ≠ {profile.nozzle_mm:g} mm", claimed_mm, profile.nozzle_mm)


def claimed_model(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The slicer was set to another model, where the profile's model has a name in firmware."""
    claimed = (facts.printer_model or "").upper()
    return unlike(claimed, profile.model) if claimed and profile.model and claimed != profile.model.upper() else None


def other_flavour(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """The file was written for firmware that reads some commands in another way; both engines read it as it was written."""
    written = facts.flavour
    return unlike(written, profile.flavour) if written and written not in _UNDERSTANDS[profile.flavour] else None


def no_griffin_header(facts: GcodeFacts, _situation: Situation, profile: PrinterProfile) -> Wrong | None:
    """Griffin wants a header that names it; a file that names another flavour is `other_flavour`'s."""
    return Wrong(";FLAVOR:Griffin") if profile.flavour == GRIFFIN and facts.flavour is None else None
