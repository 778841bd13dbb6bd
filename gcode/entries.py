"""What each key of a printer's profile may say. A figure outside of these bounds is a mistake, and would switch rules off.

The bounds are our own: wide enough for any desktop printer, narrow enough that a figure in another unit is noticed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gcode.texts import Bilingual

_SHOWN_CHARACTERS: Final = 40
_MAX_ITEMS: Final = 200
_REACH_MM: Final = 2000.0

Accepts = Callable[[Any], bool]
Entry = tuple[Accepts, Bilingual]  # whether a value is good, and what it may be


def number(low: float, high: float) -> Entry:
    """A number from `low` to `high`, both included; never nan, inf, true or a text."""
    what = Bilingual(f"a number from {low:g} to {high:g}", f"un nombre de {low:g} à {high:g}")
    return (lambda value: _is_number(value) and low <= value <= high), what


def whole(low: int, high: int) -> Entry:
    """A number without a fraction."""
    what = Bilingual(f"a whole number from {low} to {high}", f"un nombre entier de {low} à {high}")
    return (lambda value: type(value) is int and low <= value <= high), what


def text(most: int, least: int = 0) -> Entry:
    """A text of so many characters."""
    what = Bilingual(f"a text of {least} to {most} characters", f"un texte de {least} à {most} caractères")
    return (lambda value: isinstance(value, str) and least <= len(value) <= most), what


def listed(entry: Entry, least: int = 0, most: int = _MAX_ITEMS) -> Entry:
    """A list of such values."""
    accepts, what = entry
    to, a = ("", "") if least == most else (f" to {most}", f" à {most}")
    return (
        lambda value: isinstance(value, list) and least <= len(value) <= most and all(accepts(one) for one in value)
    ), Bilingual(f"a list of {least}{to} values, each {what.en}", f"une liste de {least}{a} valeurs, chacune {what.fr}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FLAG: Final[Entry] = ((lambda value: isinstance(value, bool)), Bilingual("true or false", "true ou false"))
_TEMPERATURE: Final = {"nozzle": number(0, 500), "bed": number(0, 200)}
_SPEED: Final = number(0.1, 2000)  # mm/s
_ACCELERATION: Final = number(1, 100_000)  # mm/s2
_JERK: Final = number(0.01, 500)  # mm/s
_WORDS: Final = listed(text(96, 1))
_CORNER: Final = listed(number(-_REACH_MM, _REACH_MM), 3, 3)

ENTRIES: Final[dict[str, Entry]] = {
    "id": text(64, 1),
    "name": text(100, 1),
    "flavour": text(40, 1),
    "model": text(40),
    "nozzle_mm": number(0.1, 3),
    "nozzles_mm": listed(number(0.1, 3), 1, 20),
    "filament_mm": number(1, 4),
    "materials": listed(text(40, 1)),
    "tools": whole(1, 16),
    "homes_itself": FLAG,
    "resumes": FLAG,
    "cancels_objects": FLAG,
    "volume.min": _CORNER,
    "volume.max": _CORNER,
    "purge.min": _CORNER,
    "purge.max": _CORNER,
    "keep_out.min": _CORNER,
    "keep_out.max": _CORNER,
    "heat.max_nozzle_c": number(100, 500),
    "heat.max_bed_c": _TEMPERATURE["bed"],
    "heat.max_chamber_c": number(0, 120),
    "heat.nozzle_c": _TEMPERATURE["nozzle"],
    "heat.bed_c": _TEMPERATURE["bed"],
    "motion.print_speed_mm_s": _SPEED,
    "motion.first_layer_speed_mm_s": _SPEED,
    "motion.travel_speed_mm_s": _SPEED,
    "motion.acceleration_mm_s2": _ACCELERATION,
    "motion.jerk_mm_s": _JERK,
    "motion.retraction_mm": number(0, 50),
    "motion.retraction_speed_mm_s": _SPEED,
    "motion.limits.speed_mm_s": listed(_SPEED, 4, 4),
    "motion.limits.acceleration_mm_s2": listed(_ACCELERATION, 4, 4),
    "motion.limits.jerk_mm_s": listed(_JERK, 4, 4),
    "motion.limits.print_acceleration_mm_s2": _ACCELERATION,
    "motion.limits.travel_acceleration_mm_s2": _ACCELERATION,
    "motion.limits.retract_acceleration_mm_s2": _ACCELERATION,
    "motion.limits.junction": text(40, 1),
    "motion.limits.junction_deviation_mm": number(0.0001, 1),
    "motion.limits.square_corner_mm_s": number(0.01, 500),
    "gcode.start": text(20_000),
    "gcode.end": text(20_000),
    "gcode.house_blocks": FLAG,
    "allowed.lines": _WORDS,
    "allowed.codes": _WORDS,
    "allowed.macros": _WORDS,
    "time.heating_c_s": number(0.01, 100),
    "time.bed_heating_c_s": number(0.01, 100),
    "time.homing_s": number(0, 3600),
    "time.probing_s": number(0, 3600),
}
_TABLES: Final = {"volume", "purge", "heat", "motion", "motion.limits", "gcode", "allowed", "time"}


def wrong_entries(table: Mapping[str, Any], place: str = "") -> Iterator[Bilingual]:
    """What is wrong with the values of a profile: sentences of the key, the value and what it may be. Unknown keys pass."""
    for name, value in table.items():
        key = f"{place}{name}"
        if key in _TABLES:
            yield from _of_table(key, value)
        elif key == "keep_out":
            yield from _of_boxes(key, value)
        elif key in ENTRIES:
            accepts, what = ENTRIES[key]
            if not accepts(value):
                yield _wrong(key, value, what)


def _of_table(key: str, value: object) -> Iterator[Bilingual]:
    if isinstance(value, dict):
        yield from wrong_entries(value, f"{key}.")
    else:
        yield _wrong(key, value, Bilingual("a table", "une table"))


def _of_boxes(key: str, value: object) -> Iterator[Bilingual]:
    if not isinstance(value, list) or len(value) > _MAX_ITEMS:
        yield _wrong(key, value, Bilingual(f"a list of 0 to {_MAX_ITEMS} tables", f"une liste de 0 à {_MAX_ITEMS} tables"))
        return
    for box in value:
        if isinstance(box, dict) and box.keys() == {"min", "max"}:
            yield from wrong_entries(box, f"{key}.")
        else:
            yield _wrong(key, box, Bilingual("a table of min and max", "une table de min et max"))


def _wrong(key: str, value: object, what: Bilingual) -> Bilingual:
    shown = repr(value)
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}..."
    return Bilingual(f"{key} is {shown}; it must be {what.en}", f"{key} est {shown} ; ce doit être {what.fr}")
