"""Judges of single lines: what a command is, whatever the printer."""

import re
from typing import Final

from gcode.judges.finding import MAX_TEXT, Wrong, above
from gcode.judges.flavours import LEGACY
from gcode.judges.words import figure, whole
from gcode.profile import PrinterProfile
from gcode.reader import MOVES, Line, arguments

_LONGEST_TIMER_S: Final = 86_400.0
LONGEST_DWELL_S: Final = 3600.0
COLDEST_WAIT_C: Final = 50.0  # a nozzle in a warm room may never get below it
_LONGEST_LOAD_MM: Final = 1500.0  # our choice: the longest tubes of desktop printers take 1000
_LONGEST_RETRACTION_MM: Final = 20.0  # of genuine ones; a Bowden tube takes 7
_HEAT_WORDS: Final = frozenset("SRTP")
_OFFSET_WORDS: Final = frozenset("LXYZUVWABC")
_LOWEST_PROBING_MM: Final = 2.0  # our choices; Klipper's default is 5
_HIGHEST_PROBING_MM: Final = 50.0
_FAN_WORDS: Final = frozenset("PSR")
_BIGGEST_OFFSET_MM: Final = 0.3  # what live adjustment of a first layer is for
# people's words and names of parts may have brackets, and Klipper's outlines of parts are made of them
_FREE_TEXT: Final = frozenset({"M117", "M118", "M486", "M0", "M1", "EXCLUDE_OBJECT_DEFINE"})
_STATEMENT: Final = re.compile(r"(?:IF|ELIF|ELSE|WHILE|BREAK|CONTINUE|ABORT|VAR|GLOBAL|SET|ECHO|SKIP|PARAM)\b", re.IGNORECASE)
_PROGRAM_WORDS: Final = re.compile(r"[%#]")
# the file, with or without quotes; R0 and R1 (a pause may come in its midst) change nothing; what else goes to it
_CALL: Final = re.compile(r'P\s*(?:"([^"]+)"|([^\s"]+))(?:\s+R[01])?(?:\s+(\S.*))?', re.DOTALL)
_HOST_WORDS: Final = re.compile(r"OCTO\d|//|@(?:abort|cancel|pause|resume)\b", re.IGNORECASE)  # plugins run OCTO as scripts
_AS_COMMENT: Final = re.compile(r"(?:[EP]\d\s*)*(?:A1|//)", re.IGNORECASE)
_ACTION: Final = re.compile(r"action\s*:", re.IGNORECASE)


def present(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """The command itself is the matter."""
    return Wrong(whole(line)[:MAX_TEXT])


def forbidden(line: Line, profile: PrinterProfile) -> Wrong | None:
    """The owner of the printer does not want the command; of arcs a rule about the file speaks."""
    is_forbidden = line.code in profile.forbidden_codes and line.code not in MOVES
    return Wrong(whole(line)[:MAX_TEXT]) if is_forbidden else None


def with_parameters(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """Without parameters the command only reports."""
    return Wrong(whole(line)[:MAX_TEXT]) if line.text else None


def defect(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """The line cannot be read."""
    return Wrong(f"{line.defect}")


def text_of(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """The line as it stands is the matter."""
    return Wrong(whole(line)[:MAX_TEXT])


def other_words(line: Line, profile: PrinterProfile) -> Wrong | None:
    """A line that is no command in any firmware; what hosts and RepRapFirmware take for one has rules of its own."""
    text = line.text
    if host_command(line, profile) or host_words(line, profile) or statement(line, profile):
        return None
    return Wrong(text[:MAX_TEXT])


def placeholder(line: Line, profile: PrinterProfile) -> Wrong | None:
    """Slicers put settings in braces or brackets; a correct file has none left outside its comments."""
    text = line.text
    if ("{" not in text and "[" not in text) or line.code in _FREE_TEXT or profile.flavour == "reprapfirmware":
        return None
    return Wrong(text[:MAX_TEXT])


def statement(line: Line, profile: PrinterProfile) -> Wrong | None:
    """RepRapFirmware's conditions, loops, variables and expressions; O codes and variables of other dialects."""
    text = line.text
    if profile.flavour == "reprapfirmware" and (
        ("{" in text and line.code not in _FREE_TEXT) or _STATEMENT.match(text if line.defect is not None else line.code)
    ):
        return Wrong(whole(line)[:MAX_TEXT])
    if line.code[:1] == "O" or (line.defect is not None and _PROGRAM_WORDS.match(text)):
        return Wrong(whole(line)[:MAX_TEXT])
    return None


def host_command(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """What a host obeys or runs instead of the printer: OctoPrint's own @ commands, OCTO scripts of a plugin, action comments."""
    text = line.code if line.code[:4] == "OCTO" else line.text if line.defect is not None else ""
    return Wrong(whole(line)[:MAX_TEXT]) if _HOST_WORDS.match(text) else None


def host_words(line: Line, profile: PrinterProfile) -> Wrong | None:
    """Any other line that begins with @: a plugin's."""
    if line.defect is None or not line.text.startswith("@") or host_command(line, profile) is not None:
        return None
    return Wrong(line.text[:MAX_TEXT])


def host_action(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """A message that the printer sends back as an action for the host: `M118 A1 action:cancel`, `RESPOND MSG="action:..."`."""
    return Wrong(whole(line)[:MAX_TEXT]) if _ACTION.search(line.text) else None


def host_message(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """A message in the form of a host's action that is none: some host software may take it for a word to itself."""
    return Wrong(whole(line)[:MAX_TEXT]) if _AS_COMMENT.match(line.text) and not _ACTION.search(line.text) else None


def unknown_macro(line: Line, profile: PrinterProfile) -> Wrong | None:
    """RepRapFirmware's M98 P"name" with a name that the profile does not have, or with values for the macro's variables."""
    call = _CALL.fullmatch(line.text)
    listed = runs_one_of(frozenset(name.upper() for name in profile.macros), line)
    return None if call is not None and call[3] is None and listed else Wrong(whole(line)[:MAX_TEXT])


def runs_one_of(macros: frozenset[str], line: Line) -> bool:
    """Whether an M98 runs one of these files, named in capitals: those of a FAT card are found by any."""
    call = _CALL.fullmatch(line.text)
    return call is not None and (call[1] or call[2] or "").upper() in macros


def fahrenheit(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M149 F or K: temperatures after it would mean something else."""
    return Wrong(whole(line)) if {"F", "K"} & set(line.parameters) else None


def endstops_off(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M121, M211 S0; RepRapFirmware's M564 S0 or H0."""
    switches = ("S", "H") if line.code == "M564" else ("S",)
    off = any(int(line.parameters.get(letter, 1.0)) == 0 for letter in switches)  # S0.5 is 0 to a firmware
    return Wrong(whole(line)) if line.code == "M121" or off else None


def timer_off(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M85 S0: the printer no longer switches itself off when nobody commands it; M86 S0 and M87 of its hot nozzle."""
    off = line.code == "M87" or not 1.0 <= line.parameters.get("S", 1.0) <= _LONGEST_TIMER_S
    return Wrong(whole(line)) if off else None


def debugging(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M111 S8 prints dry; other flags only talk."""
    return Wrong(whole(line)) if int(line.parameters.get("S", 0)) & 8 else None


def offset_changed(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """G10 L2 and L20 set the origins of workspaces, RepRapFirmware's G10 P0 Z5 the offset of a tool."""
    return Wrong(whole(line)) if line.parameters.keys() & _OFFSET_WORDS else None


def origin_shifted(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """G92 with an axis of the head."""
    return Wrong(whole(line)) if {"X", "Y", "Z"} & set(line.parameters) else None


def nozzle_raised(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """Klipper's SET_GCODE_OFFSET beyond what adjusts a first layer. M290 and ..._ADJUST add up, so that none is small enough."""
    if line.code == "SET_GCODE_OFFSET":
        added = any(figure(line, f"{axis}_ADJUST") for axis in "XYZ")
        worst_mm = max(abs(figure(line, axis)) for axis in "XYZ")
    else:
        added, worst_mm = any(line.parameters.get(axis) for axis in "SXYZ"), 0.0
    if added:
        return Wrong(whole(line)[:MAX_TEXT])
    return above(worst_mm, _BIGGEST_OFFSET_MM, "mm") if worst_mm > _BIGGEST_OFFSET_MM else None


def mesh_changed(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """G29 with heights of its own: Z (S3, S4 or W) and C (P3, P5, P6) write into the mesh, S stores it or changes it.

    Of Marlin's unified levelling I forgets points, and Q bends the mesh to try it.
    """
    get = line.parameters.get
    changed = get("Z") or get("C") or line.parameters.keys() & {"S", "I", "Q"}
    return Wrong(whole(line)[:MAX_TEXT]) if changed else None


def homes_elsewhere(line: Line, profile: PrinterProfile) -> Wrong | None:
    """G28 Z50: Prusa's 8-bit firmware and Marlin 1.0 call the place 50 where they have homed; C stores the origin on the MK3."""
    shifted = any(line.parameters.get(axis) for axis in "XYZ")
    return Wrong(whole(line)) if shifted or (profile.flavour == LEGACY and "C" in line.parameters) else None


def probing_set(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """RepRapFirmware's G30 with a height, a point's number or S: it levels by what the file says, or changes the probe's offset."""
    return Wrong(whole(line)) if line.parameters.keys() - {"X", "Y"} else None


def probes_low(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """BED_MESH_CALIBRATE and its like with a height of their own: the head goes from point to point there."""
    if "HORIZONTAL_MOVE_Z" not in arguments(line.text):
        return None
    height_mm = figure(line, "HORIZONTAL_MOVE_Z")
    return None if _LOWEST_PROBING_MM <= height_mm <= _HIGHEST_PROBING_MM else Wrong(whole(line)[:MAX_TEXT])


def homing_left_out(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """G28 O: only when the firmware does not trust its position; where the head is then nobody knows."""
    return Wrong(whole(line)) if "O" in line.parameters else None


def long_retraction(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M207, M208 and SET_RETRACTION: more filament than a hot end holds, or a lift that no move shows."""
    if line.code == "SET_RETRACTION":
        values = [abs(figure(line, key)) for key in ("RETRACT_LENGTH", "UNRETRACT_EXTRA_LENGTH")]
    else:
        values = [abs(line.parameters.get(letter, 0.0)) for letter in "SWZR"]
    worst_mm = max(values)
    return above(worst_mm, _LONGEST_RETRACTION_MM, "mm") if worst_mm > _LONGEST_RETRACTION_MM else None


def long_load(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M701 L and M702 U: more filament than a tube holds; S heats to what the printer keeps for a material."""
    if "S" in line.parameters:
        return Wrong(whole(line)[:MAX_TEXT])
    length_mm = max(abs(line.parameters.get(letter, 0.0)) for letter in "LU")
    return above(length_mm, _LONGEST_LOAD_MM, "mm") if length_mm > _LONGEST_LOAD_MM else None


def hidden_target(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M104 I and M140 I heat what the menu has stored, M104 F and B what the speed asks for, M140 P1 and H another heater."""
    other = line.parameters.keys() - _HEAT_WORDS or line.parameters.get("P", 0.0) != 0
    return Wrong(whole(line)) if other else None


def photographs_elsewhere(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M240 with a place: Marlin moves the head there; without one it only releases a camera."""
    return Wrong(whole(line)[:MAX_TEXT]) if line.parameters else None


def fan_configured(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """RepRapFirmware's M106 with more than a speed: H and T bind a fan to a heater, or free the one that cools the hot end."""
    return Wrong(whole(line)[:MAX_TEXT]) if line.parameters.keys() - _FAN_WORDS else None


def restores_with_move(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """RESTORE_GCODE_STATE MOVE=1 goes back to where the head was; without it only modes change."""
    return Wrong(whole(line)) if figure(line, "MOVE") else None


def waited_s(line: Line) -> float:
    """How long G4 waits, or M300 sounds: the printer does nothing else meanwhile. Below 0: firmwares differ."""
    seconds, milliseconds = line.parameters.get("S", 0.0), line.parameters.get("P", 0.0)
    if line.code == "M300":
        seconds = 0.0  # its tone
    return min(seconds, milliseconds) if min(seconds, milliseconds) < 0 else seconds + milliseconds / 1000


def dwell(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """G4 for longer than an hour: the heaters are on meanwhile. Below 0 Marlin waits for weeks."""
    seconds = waited_s(line)
    if seconds < 0:
        return Wrong(whole(line))
    return above(seconds, LONGEST_DWELL_S, "s") if seconds > LONGEST_DWELL_S else None


def cools_down(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M109 R and M190 R wait for cooling too, for ever below the warmth of the room."""
    target_c = line.parameters.get("R")
    return Wrong(f"R{target_c:g} °C", target_c, COLDEST_WAIT_C) if target_c is not None and target_c < COLDEST_WAIT_C else None


def fan(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M106 S goes from 0 to 255."""
    speed = line.parameters.get("S", 255.0)
    return None if 0 <= speed <= 255 else Wrong(f"S{speed:g}, 0–255", speed, 255.0)


def factor(line: Line, _profile: PrinterProfile) -> Wrong | None:
    """M220 and M221: the printer's own menus end at such figures too."""
    percent = line.parameters.get("S")
    least, most = (10.0, 300.0) if line.code == "M220" else (50.0, 150.0)
    return None if percent is None or least <= percent <= most else Wrong(f"{percent:g} %, {least:g}–{most:g} %", percent, most)
