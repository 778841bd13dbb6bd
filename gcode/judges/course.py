"""Judges of single lines that ask what the file did before them."""

from typing import Final

from gcode.judges.finding import Wrong, above
from gcode.judges.situation import Situation
from gcode.judges.words import whole
from gcode.profile import PrinterProfile
from gcode.reader import Line

LONGEST_HOT_WAIT_S: Final = 3600.0  # our choice: cooling pauses and pictures of a whole print take minutes


def heats_again(line: Line, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Heat after everything was switched off at the end of a print."""
    return Wrong(whole(line)) if situation.heated_again else None


def waits_hot(_line: Line, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """All waiting so far, with a heater on, takes more than an hour: a hundred waits of an hour are no print."""
    hot_s = situation.waited_hot_s
    return above(hot_s, LONGEST_HOT_WAIT_S, "s") if hot_s > LONGEST_HOT_WAIT_S else None
