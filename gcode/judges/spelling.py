"""Judges of how a line is written: what one firmware reads as it is meant, another may read otherwise.

Public sources: `code_value` and `code_seen` of Prusa's 8-bit firmware and of Marlin 1.0 (a letter is looked for anywhere in the
line, and its number read with strtod), `value_float` of Marlin since 1.1 (stops at an E), `StringParser::Seen` and
`NumericConverter::Accumulate` of RepRapFirmware (an E behind a digit is no letter but an exponent), and Klipper, which splits at
every letter.
"""

import re
from typing import Final

from gcode.judges.finding import MAX_TEXT, Wrong
from gcode.judges.flavours import GRIFFIN, LEGACY, MARLIN, REPRAP
from gcode.judges.words import whole
from gcode.profile import PrinterProfile
from gcode.reader import ARCS, MOVES, WORDY_CODES, Line

_EXPONENT: Final = re.compile(r"[\d.]E[-+]?0*[1-9]", re.IGNORECASE)  # E0 and E0.5 behind a number change nothing
_HEXADECIMAL: Final = re.compile(r"(?<![\d.])0X", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"')
_UNSURE: Final = frozenset({MARLIN, GRIFFIN})  # firmwares of several ages, and one whose reader is not public
_KNOWN_WORDS: Final = frozenset("XYZEFIJKR")
_DEBUGGING: Final = re.compile(r"D-?\d+(?:\.\d+)?")
_SEARCHED: Final = re.compile(r"PRUSA|TMC_|CRASH_|BACKLASH_")  # Prusa's 8-bit firmware looks for them before any G or M
_SHOWN_FIRST: Final = frozenset({"M0", "M1", "M117"})  # that it looks for even before


def _found(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.search(text) is not None


def runs_together(line: Line, profile: PrinterProfile) -> Wrong | None:
    """A number goes on into an E for sure: Prusa's 8-bit firmware takes Y5E2 for Y500 and M5E2 for M500, RepRapFirmware Y5E2.

    That RepRapFirmware takes no E behind a digit for a word, so that it would print air, is told by the first number that goes on.
    """
    searched = {LEGACY: line.tight, REPRAP: line.tight and line.text}.get(profile.flavour, "")
    return Wrong(line.tight[:MAX_TEXT]) if _found(_EXPONENT, searched) else None


def may_run_together(line: Line, profile: PrinterProfile) -> Wrong | None:
    """The same where it depends on the firmware's age and board: Marlin 1.0 goes on at an E, some on 32 bits at 0X."""
    if not line.tight or profile.flavour not in _UNSURE:
        return None
    return Wrong(line.tight[:MAX_TEXT]) if _found(_EXPONENT, line.tight) or _found(_HEXADECIMAL, line.text) else None


def unknown_axis(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """G0 to G3 with a word that is none of ours: A, B, C, U, V and W move axes, S and D command a laser on some machines."""
    if line.code not in MOVES or not line.tight:
        return None
    unknown = line.parameters.keys() - _KNOWN_WORDS - ({"P"} if line.code in ARCS else set())
    return Wrong(whole(line)[:MAX_TEXT]) if unknown else None


def hidden_command(line: Line, profile: PrinterProfile) -> Wrong | None:
    """Prusa's 8-bit firmware and Marlin 1.0 obey `M105 PRUSA FR` as a factory reset, and `M105 G Z-5` as a move."""
    if profile.flavour != LEGACY or line.code in _SHOWN_FIRST:
        return None
    text = whole(line)
    return Wrong(text[:MAX_TEXT]) if _found(_SEARCHED, text) or _has_second_letter(line, line.text) else None


def may_hide_command(line: Line, profile: PrinterProfile) -> Wrong | None:
    """The same where a firmware may be as old as Marlin 1.0; people's words and names are left alone."""
    if profile.flavour not in _UNSURE or line.code in WORDY_CODES:
        return None
    return Wrong(whole(line)[:MAX_TEXT]) if _has_second_letter(line, _QUOTED.sub("", line.text)) else None


def _has_second_letter(line: Line, text: str) -> bool:
    """Whether a command has the letter of another one among its words: G is looked for before M, and both before T."""
    letters = {"M": "G", "T": "GM"}.get(line.code[:1], "") if line.code[1:2].isdigit() else ""
    return any(letter in text for letter in letters)


def debugging_command(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """D0 to D9, D100...: they reset, halt or write memory on Prusa's and Marlin's firmwares."""
    return Wrong(whole(line)[:MAX_TEXT]) if _DEBUGGING.fullmatch(line.code) else None
