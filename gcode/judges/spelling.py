"""Judges of how a line is written: what one firmware reads as it is meant, another may read otherwise.

Public sources: `code_value` and `code_seen` of Prusa's 8-bit firmware and of Marlin 1.0 (a letter is looked for anywhere in the
line, and its number read with strtod), `value_float` of Marlin since 1.1 (stops at an E), `StringParser::Seen` and
`NumericConverter::Accumulate` of RepRapFirmware (an E behind a digit is no letter but an exponent), and Klipper, which splits at
every letter.

What is text for people, and names of parts (M486 A, as PrusaSlicer, SuperSlicer and OrcaSlicer write them), depends on it too:
Prusa's 8-bit firmware takes what stands first in a line for its command since 3.13 (prusa3d/Prusa-Firmware#3823), and moved at
`M117 PETG` before 3.0.12 (#110). Between them, and in Ultimaker's, `process_commands` asks for a G anywhere in the line, then for
an M. The number behind the G is 0 where none stands, so `AGear` is a G0: it moves nothing unless the line has an X, Y, Z or E
too, or an F with a number. Such firmwares also end a line at `:` and after 95 bytes, Prusa's on its card at `#` too: what comes
then is the next command (`get_command`). RepRapFirmware looks for more commands outside quotes. Marlin since 1.1
(MarlinFirmware/Marlin#2113), Prusa's Buddy and Klipper obey the first.
"""

import re
from typing import Final

from gcode.judges.finding import MAX_TEXT, Wrong
from gcode.judges.flavours import GRIFFIN, LEGACY, MARLIN, MODEL_CODES, REPRAP
from gcode.judges.words import whole
from gcode.profile import PrinterProfile
from gcode.reader import ARCS, MAX_BEFORE_WORDS, MOVES, WORDY_CODES, Line

_EXPONENT: Final = re.compile(r"[\d.]E[-+]?0*[1-9]", re.IGNORECASE)  # E0 and E0.5 behind a number change nothing
_HEXADECIMAL: Final = re.compile(r"(?<![\d.])0X", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"')
_UNSURE: Final = frozenset({MARLIN, GRIFFIN})  # firmwares of several ages, and one whose reader is not public
_KNOWN_WORDS: Final = frozenset("XYZEFIJKR")
_DEBUGGING: Final = re.compile(r"D-?\d+(?:\.\d+)?")
_SEARCHED: Final = re.compile(r"PRUSA|TMC_|CRASH_|BACKLASH_|M0|M1 ")  # Prusa's 8-bit firmware looks for them before any G or M
_SHOWN_FIRST: Final = frozenset({"M0", "M1", "M117"})  # that it looks for even before
_NAMING: Final = "M486"
_OTHER_GROUP: Final = re.compile(r"G\s*(?:[-+.\d]|(?i:inf|nan))")  # a G that is not G0
_DISPLACED: Final = re.compile(r"[XYZE]|F\s*(?:[-+.\d]|(?i:inf|nan))")
_LINE_ENDS: Final = re.compile(r"[:#]")
_ONE_LINE_BYTES: Final = 95 - MAX_BEFORE_WORDS  # and after the 95th byte, whatever stands there
_COMMAND: Final = re.compile(r"[GMT]\s*\d")
_NEXT: Final = re.compile(r"[GM]\s*\d", re.IGNORECASE)


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
    """Prusa's 8-bit firmware and Marlin 1.0 obey `M105 PRUSA FR` as a factory reset, and `M105 G Z-5` as a move.

    Of people's words and of names they obey what is behind `:`, and a G that moves. RepRapFirmware obeys `M486 APart G28`.
    """
    text = whole(line)
    if profile.flavour == REPRAP:
        hidden = line.code == _NAMING and _found(_NEXT, _QUOTED.sub("", line.text))
    elif profile.flavour != LEGACY:
        hidden = False
    elif line.code in _SHOWN_FIRST:
        hidden = _goes_on(text) or any(_found(_SEARCHED, rest) for rest in _next_lines(text))
    else:
        hidden = _found(_SEARCHED, text) or _is_obeyed(line)
    return Wrong(text[:MAX_TEXT]) if hidden else None


def may_hide_command(line: Line, profile: PrinterProfile) -> Wrong | None:
    """The same where a firmware may be as old as Marlin 1.0.

    People's words and names are left alone there if nothing in them has the form of a command. Only Prusa's 8-bit firmware looks
    for M117 before all others; an Ultimaker 2 has its flavour, too.
    """
    if profile.flavour == LEGACY:
        hidden = line.code in _SHOWN_FIRST and profile.model.upper() not in MODEL_CODES and _moves(whole(line))
    elif profile.flavour not in _UNSURE:
        hidden = False
    elif line.code in WORDY_CODES:
        hidden = _goes_on(line.text) or (line.code == _NAMING and _found(_OTHER_GROUP, line.text))
    else:
        hidden = _has_second_letter(line, _QUOTED.sub("", line.text))
    return Wrong(whole(line)[:MAX_TEXT]) if hidden else None


def _is_obeyed(line: Line) -> bool:
    """Whether a firmware that looks for letters in the whole line finds another command in it that does something."""
    if line.code in WORDY_CODES:
        return _moves(whole(line)) or _goes_on(line.text)
    return _has_second_letter(line, line.text)


def _moves(text: str) -> bool:
    """Whether words are obeyed as more than a G0 to nowhere."""
    return "G" in text and (_found(_OTHER_GROUP, text) or _found(_DISPLACED, text))


def _next_lines(text: str) -> list[str]:
    """What stands behind what ends lines for some firmwares: a character, or so many bytes."""
    return [*_LINE_ENDS.split(text)[1:], text.encode()[_ONE_LINE_BYTES:].decode(errors="ignore")]


def _goes_on(text: str) -> bool:
    """Whether words have a command in the lines that some firmwares make of them."""
    return any(_found(_COMMAND, rest) or _moves(rest) for rest in _next_lines(text))


def _has_second_letter(line: Line, text: str) -> bool:
    """Whether a command has the letter of another one among its words: G is looked for before M, and both before T."""
    letters = {"M": "G", "T": "GM"}.get(line.code[:1], "") if line.code[1:2].isdigit() else ""
    return any(letter in text for letter in letters)


def debugging_command(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """D0 to D9, D100...: they reset, halt or write memory on Prusa's and Marlin's firmwares."""
    return Wrong(whole(line)[:MAX_TEXT]) if _DEBUGGING.fullmatch(line.code) else None
