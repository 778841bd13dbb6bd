"""Judges of single lines that ask what the file did before them."""

from gcode.judges.finding import Wrong
from gcode.judges.situation import Situation
from gcode.judges.words import whole
from gcode.profile import PrinterProfile
from gcode.reader import Line


def heats_again(line: Line, situation: Situation, _profile: PrinterProfile) -> Wrong | None:
    """Heat after everything was switched off at the end of a print."""
    return Wrong(whole(line)) if situation.heated_again else None
