"""Which firmware knows which commands: an allow-list for each flavour, and sets of commands that a rule judges.

The lists follow public command lists, read and sorted by us: Marlin 2.1 (https://marlinfw.org/meta/gcode/), Prusa's 8-bit and Buddy
firmwares (https://help.prusa3d.com/article/prusa-firmware-specific-g-code-commands_112173), Klipper
(https://www.klipper3d.org/G-Codes.html), RepRapFirmware 3 (https://docs.duet3d.com/User_manual/Reference/Gcodes), and what Cura
writes for Griffin (Ultimaker 3, S3 and S5). A command is allowed when it cannot harm whatever its parameters are; it is judged when
a rule of `gcode.rules` names it; any other needs somebody who knows why it is there.
"""

from collections.abc import Mapping
from typing import Final

MARLIN: Final = "marlin"
LEGACY: Final = "marlin-legacy"
KLIPPER: Final = "klipper"
REPRAP: Final = "reprapfirmware"
GRIFFIN: Final = "griffin"
ALL_FLAVOURS: Final = (MARLIN, LEGACY, KLIPPER, REPRAP, GRIFFIN)
ANY_TOOL: Final = "T"  # stands for T0, T1... in a set

Commands = Mapping[str, frozenset[str]]  # by flavour


def codes(text: str) -> frozenset[str]:
    """A set of commands, written as a list."""
    return frozenset(text.split())


def commands(marlin: str, *, reprap: str | None = None, klipper: str = "", legacy: str = "") -> Commands:
    """Commands by flavour: those of Marlin hold for all, with more for Klipper and older Marlins, and others for RepRapFirmware.

    `reprap` None: the same numbers mean the same there.
    """
    common = codes(marlin)
    return {
        MARLIN: common,
        LEGACY: common | codes(legacy),
        KLIPPER: common | codes(klipper),
        REPRAP: common if reprap is None else codes(reprap),
        GRIFFIN: common,
    }


def only(*flavours: str, names: str) -> Commands:
    """Commands that only some firmwares have."""
    return {flavour: codes(names) if flavour in flavours else frozenset() for flavour in ALL_FLAVOURS}


def merged(*parts: Commands) -> Commands:
    """All of several."""
    return {flavour: frozenset[str]().union(*(part[flavour] for part in parts)) for flavour in ALL_FLAVOURS}


_MARLIN: Final = (
    "G0 G1 G2 G3 G11 G12 G17 G21 G27 G30 G31 G32 G34 G54 G80 G81 G90 G91 "
    "M5 M17 M18 M20 M21 M27 M31 M73 M75 M76 M77 M78 M80 M82 M83 M84 M105 M107 M108 M113 M114 M115 M117 M119 M120 M122 M123 M142 "
    "M150 M154 M155 M163 M164 M165 M166 M209 M250 M255 M256 M355 M400 M401 M402 M403 M404 M405 M406 M407 "
    "M412 M413 M420 M430 M486 M503 M555 M593 M602 M704 M705 M706 M709 M820 M862.4 M870 M909 M911 M7219"
)
_KLIPPER_NAMES: Final = (
    "EXCLUDE_OBJECT EXCLUDE_OBJECT_DEFINE EXCLUDE_OBJECT_START EXCLUDE_OBJECT_END SET_PRINT_STATS_INFO "
    "SAVE_GCODE_STATE GET_RETRACTION BED_MESH_CLEAR BED_MESH_PROFILE "
    "ACTIVATE_EXTRUDER GET_POSITION TIMELAPSE_TAKE_FRAME SET_LED TURN_OFF_HEATERS STATUS QUERY_ENDSTOPS QUERY_PROBE RESUME"
)
_REPRAP: Final = (
    "G0 G1 G2 G3 G11 G17 G18 G19 G20 G21 G29 G32 G54 G90 G91 "
    "M5 M17 M18 M20 M21 M27 M31 M73 M75 M76 M77 M80 M82 M83 M84 M101 M103 M105 M107 M108 M114 M115 M116 M117 M119 M122 M150 M155 "
    "M292 M400 M401 M402 M404 M408 M409 M486 M503 M567 M593 M701 M702 M703 M751 M752 M753 M754 M755 M756 M905"
)
_GRIFFIN: Final = "G0 G1 G2 G3 G11 G21 G90 G91 G280 M17 M18 M73 M82 M83 M84 M105 M107 M108 M114 M115 M117 M119 M400"
# what harms nobody there, whatever its parameters
ALLOWED: Final[Commands] = {
    MARLIN: codes(_MARLIN),
    LEGACY: codes(_MARLIN) | codes("M46"),
    KLIPPER: codes(_MARLIN) | codes(_KLIPPER_NAMES),
    REPRAP: codes(_REPRAP),
    GRIFFIN: codes(_GRIFFIN),
}

# Prusa's number of each model, which M862.2 asks for; one with an MMU has 20000 more. https://help.prusa3d.com (M862)
MODEL_CODES: Final = {
    "MK2.5": 250,
    "MK2.5S": 252,
    "MK3": 300,
    "MK3S": 302,
    "MK2.5MMU2": 20250,
    "MK2.5SMMU2S": 20252,
    "MK3MMU2": 20300,
    "MK3SMMU2S": 20302,
}
