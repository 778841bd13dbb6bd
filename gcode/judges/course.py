"""Judges of single lines that ask what the file did before them."""

from typing import Final

from gcode.judges.finding import Wrong, above
from gcode.judges.lines import COLDEST_WAIT_C
from gcode.judges.situation import Situation
from gcode.judges.words import figure, whole
from gcode.profile import PrinterProfile
from gcode.reader import Line, arguments

LONGEST_HOT_WAIT_S: Final = 3600.0  # our choice: cooling pauses and pictures of a whole print take minutes


def heats_again(line: Line, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Heat after everything was switched off at the end of a print."""
    return Wrong(whole(line)) if situation.heated_again else None


def waits_hot(_line: Line, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """All waiting so far, with a heater on, takes more than an hour: a hundred waits of an hour are no print."""
    hot_s = situation.waited_hot_s
    return above(hot_s, LONGEST_HOT_WAIT_S, "s") if hot_s > LONGEST_HOT_WAIT_S else None


def waits_for_ever(line: Line, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """TEMPERATURE_WAIT for more than the heater's target, or for less than a warm room. Behind a macro no target is known."""
    values = arguments(line.text)
    sensor, most_c = values.get("SENSOR", "").lower(), figure(line, "MAXIMUM")
    if "MAXIMUM" in values and most_c < COLDEST_WAIT_C:
        return Wrong(f"{most_c:g} °C", most_c, COLDEST_WAIT_C)
    targets = {f"extruder{tool or ''}": target_c for tool, target_c in situation.heaters.nozzle_c.items()}
    least_c, target_c = figure(line, "MINIMUM"), {**targets, "heater_bed": situation.heaters.bed_c}.get(sensor, 0.0)
    if least_c <= target_c or situation.hidden_heat:
        return None
    return above(least_c, target_c, "°C")
