"""For every rule lines that break it, and lines near them that do not; docs/gcode-rules.md shows them."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from gcode.kinematics import MotionLimits
from gcode.profile import Box, PrinterProfile
from tests.unit.gcode.samples import END, LINE, SMALL, START, profile

LIMITS: Final = MotionLimits(acceleration_mm_s2=(1000, 1000, 100, 5000))
KLIPPER: Final = {"flavour": "klipper"}
REPRAP: Final = {"flavour": "reprapfirmware"}


@dataclass(frozen=True)
class Example:
    """Lines that break a rule and lines that keep it, in the middle of a good program; `whole`: they are all there is.

    `profile` is what the printer has otherwise than the generic one; `companions` are rules that break along with it.
    """

    broken: str
    kept: str
    profile: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    companions: frozenset[str] = frozenset()
    shown: str = ""  # in the documentation, where the lines themselves say little

    @property
    def printer(self) -> PrinterProfile:
        """The printer on which the lines are judged."""
        return replace(profile(), limits=LIMITS, **self.profile)

    def program(self, lines: str) -> str:
        """The whole program."""
        return lines if self.whole else inside(lines)


def inside(lines: str) -> str:
    """A good program with some lines more in its middle."""
    return START + lines + "\n" + LINE + END


def with_words(count: int, mode: str, step_mm: float, start_mm: float) -> str:
    """Lines in the plane whose E words go on by `step_mm` each."""
    moves = [f"G1 X{10 + number % 90} Y{20 + number // 90} E{start_mm + number * step_mm:.4f}" for number in range(count)]
    return "\n".join([mode, "G92 E0", "G1 X10 Y10 Z0.2 F6000", *moves, "G92 E0", "M83"])


def slowly(count: int) -> str:
    """Lines of plastic side by side that take 19 minutes each."""
    ends = [(10, 200) if number % 2 else (200, 10) for number in range(count)]
    return "\n".join(["G1 X10 Y10 Z0.2 F6000", *(f"G1 X{end} Y{11 + number / 2} E6 F10" for number, (_, end) in enumerate(ends))])


GRIFFIN_HEADER: Final = """;START_OF_HEADER
;FLAVOR:Griffin
;EXTRUDER_TRAIN.0.INITIAL_TEMPERATURE:210
;END_OF_HEADER
"""
EXAMPLES: Final[dict[str, Example]] = {
    "not-gcode": Example(
        "Permission is hereby granted, free of charge,\n" * 3,
        SMALL,
        whole=True,
        companions=frozenset({"nothing-printed", "not-a-command", "no-homing"}),
        shown="Permission is hereby granted, free of charge,",
    ),
    "not-text": Example("G1 X1\x00", "M117 frame", shown="G1 X1␀"),
    "line-too-long": Example("M117 " + "x" * 300, "M117 " + "x" * 200, shown="M117 xxxxxx… (300 x)"),
    "bad-checksum": Example("N5 G1 X1*1", "N5 G1 X1*100"),
    "absurd-number": Example("G1 X99999999", "G1 X99"),
    "unreadable-number": Example("G1 X1,5", "G1 X1.5"),
    "doubtful-words": Example('M104 "S300"\nM104 S200', "M104 T0 S200", shown='M104 "S300"'),
    "joined-words": Example(
        "G1 X10 Y10 Z5\nG1X60Y5E2", "G1 X10 Y10 Z5\nG1X60Y5E0.5", {"flavour": "marlin-legacy"}, shown="G1X60Y5E2"
    ),
    "hidden-command": Example("M105 G Z-5", "M105 Z", {"flavour": "marlin-legacy"}),
    "debugging-command": Example("D3 Ax0FFF C1 X00", "M503", companions=frozenset({"unknown-command"}), shown="D3 Ax0FFF C1 X00"),
    "placeholder": Example("M106 S{fan_speed}", "M117 layer [1]"),
    "conditional-code": Example("if heat.heaters[1].current > 50", "M117 if so", REPRAP),
    "host-command": Example("@pause", "M117 @pause"),
    "firmware-update": Example("M997", "M115"),
    "stored-settings": Example("M500", "M503"),
    "heater-tuning": Example("M303 E0 S200", "M105"),
    "emergency": Example("M112", "M400"),
    "calibration": Example("M92 E500", "M92"),
    "homing-elsewhere": Example("G28 Z50", "G28 X0 Y0 W", {"flavour": "marlin-legacy"}),
    "calibration-run": Example("M45", "M114", {"flavour": "marlin-legacy"}),
    "memory-card": Example("M28 evil.g", "M27"),
    "raw-bus": Example("M260 A99", "M115"),
    "pin-control": Example("M42 P4 S255", "M106 S255"),
    "spindle-or-laser": Example("M3 S255", "M5"),
    "hidden-commands": Example("M808 L10", "M820"),
    "network": Example("M552 S1", "M115"),
    "machine-lock": Example("M510", "M17"),
    "link-changed": Example("M575 P0 B9600", "M115"),
    "temperature-unit": Example("M149 F", "M149 C"),
    "endstops-off": Example("M211 S0", "M211 S1"),
    "host-action": Example("M118 A1 action:cancel", "M118 layer 3"),
    "cold-extrusion-allowed": Example("M302 P1", "M302 S160"),
    "nozzle-too-hot": Example("M104 S300\nM104 S200", "M104 S260\nM104 S200", shown="M104 S300"),
    "bed-too-hot": Example("M140 S150", "M140 S60"),
    "chamber-too-hot": Example("M141 S80\nM141 S0", "M141 S50\nM141 S0", {"max_chamber_c": 60.0}, shown="M141 S80"),
    "heater-too-hot": Example(
        "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=400\nM104 S200",
        "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=60",
        KLIPPER,
        shown="SET_HEATER_TEMPERATURE HEATER=extruder TARGET=400",
    ),
    "macro-too-hot": Example(
        "START_PRINT BED=150 EXTRUDER=210", "START_PRINT BED=60 EXTRUDER=210", {**KLIPPER, "macros": frozenset({"START_PRINT"})}
    ),
    "missing-heater": Example("M104 T1 S200\nM104 T1 S0", "M104 T1 S0", shown="M104 T1 S200"),
    "missing-chamber": Example("M141 S40\nM141 S0", "M141 S0", shown="M141 S40"),
    "missing-tool": Example("T1\nT0", "T0", shown="T1"),
    "other-model": Example('M862.3 P "MK4"', 'M862.3 P "MK3S"', {"model": "MK3S"}),
    "other-model-code": Example("M862.2 P250", "M862.2 P302", {"model": "MK3S"}),
    "other-nozzle": Example("M862.1 P0.8", "M862.1 P0.6", {"nozzles_mm": (0.6,)}),
    "other-firmware": Example('M862.6 P"Input shaper"', 'M862.6 P"MMU3"', {"model": "MK3S"}),
    "other-filament": Example("M200 D2.85\nM200 D0", "M200 D1.75\nM200 D0", shown="M200 D2.85"),
    "outside-volume": Example("G1 X10 Y10 Z5\nG1 X500 E1", "G1 X10 Y10 Z5\nG1 X200 E1", shown="G1 X500 E1"),
    "below-bed": Example("G1 Z-2", "G1 Z-0.1"),
    "keep-out": Example(
        "G1 X5 Y5 Z0.2\nG1 X9 Y5 E1",
        "G1 X5 Y5 Z5\nG1 X9 Y5 E1",
        {"keep_out": (Box(0, 0, 0, 8, 8, 3),)},
        shown="G1 X5 Y5 E1",
    ),
    "travel-keep-out": Example(
        "G1 X50 Y5 Z3\nG1 X4\nG1 Z5",
        "G1 X50 Y5 Z6\nG1 X4\nG1 X50",
        {"keep_out": (Box(0, 0, 0, 8, 8, 5),)},
        shown="G1 X50 Y5 Z3\nG1 X4",
    ),
    "header-too-hot": Example(
        GRIFFIN_HEADER.replace("210", "400") + SMALL,
        GRIFFIN_HEADER + SMALL,
        {"flavour": "griffin"},
        whole=True,
        shown=";EXTRUDER_TRAIN.0.INITIAL_TEMPERATURE:400",
    ),
    "other-nozzle-claimed": Example(
        SMALL + "; nozzle_diameter = 0.8\n",
        SMALL + "; nozzle_diameter = 0.4\n",
        {"nozzles_mm": (0.4, 0.6)},
        whole=True,
        shown="; nozzle_diameter = 0.8",
    ),
    "nothing-printed": Example("; no line of plastic\nG28\nM84\n", SMALL, whole=True, shown="G28\nM84"),
    "heaters-left-on": Example(START + LINE, SMALL, whole=True, shown="M104 S200\n… (the file ends)"),
    "forbidden-command": Example("M300 S440", "M117 M300", {"forbidden_codes": frozenset({"M300"})}),
    "forbidden-arcs": Example("G2 X12 Y12 I1 J1", "G1 X12 Y12", {"forbidden_codes": frozenset({"G2", "G3"})}),
    "host-words": Example("@OCTOLAPSE TAKE-SNAPSHOT", "M240"),
    "not-a-command": Example("hello, printer", "; hello, printer"),
    "joined-words-unsure": Example("G1 Z5\nG1X60Y5E2", "G1 Z5\nG1X60Y5E.2", shown="G1X60Y5E2"),
    "hidden-command-unsure": Example("M105 G Z-5", "M118 Go"),
    "unknown-axis": Example("G1 X60 U400", "G1 X60 Y5"),
    "unknown-command": Example("M9876", "M117 9876"),
    "machine-tuning": Example("M907 E500", "M907 E538", {"allowed_lines": frozenset({"M907 E538"})}),
    "limits-raised": Example("M201 X5000", "M201 X1000"),
    "limits-too-low": Example("M203 X0", "M203 X50"),
    "absurd-advance": Example("M900 K9999", "M900 K30"),
    "velocity-raised": Example("SET_VELOCITY_LIMIT ACCEL=9000", "SET_VELOCITY_LIMIT ACCEL=900", KLIPPER),
    "waits-for-person": Example("M600", "M602"),
    "long-wait": Example("G4 S90000", "G4 S60", companions=frozenset({"waits-hot", "hardly-prints"})),
    "unknown-path": Example("G42 I1 J1", "G27"),
    "photographs-elsewhere": Example("M240 X200 Y0", "M240"),
    "goes-back": Example("RESTORE_GCODE_STATE NAME=a MOVE=1", "RESTORE_GCODE_STATE NAME=a", KLIPPER),
    "other-coordinates": Example("G55", "G54"),
    "offsets-changed": Example("G10 L2 P1 X5", "G10\nG11"),
    "homing-elsewhere-unsure": Example("G28 Z50", "G28 X0 Y0"),
    "probing-set": Example("G30 P0 X9 Y9 Z-5 S3", "G30", REPRAP),
    "probes-low": Example("BED_MESH_CALIBRATE HORIZONTAL_MOVE_Z=0.1", "BED_MESH_CALIBRATE ADAPTIVE=1 HORIZONTAL_MOVE_Z=5", KLIPPER),
    "inches": Example("G20\nG21", "G21", shown="G20"),
    "homing-left-out": Example("G28 O", "G28 X Y"),
    "mesh-changed": Example("G29 S3 X1 Y1 Z-5", "G29 P1 X30 Y0 W50 H20 C"),
    "long-retraction": Example("M207 S4 Z500", "M207 S4 Z0.4"),
    "long-load": Example("M701 L9000", "M701 L400"),
    "hidden-target": Example("M140 I1", "M140 S60\nM140 S0"),
    "nozzle-raised": Example("M290 Z-0.1", "M290"),
    "safety-timer-off": Example("M85 S0", "M85 S3600"),
    "accessory": Example("M280 P0 S90", "M401"),
    "fan-configured": Example("M106 P1 H-1", "M106 P1 S0.5", REPRAP),
    "macro": Example('M98 P"prepare.g"', 'M98 P"purge.g"', {**REPRAP, "macros": frozenset({"purge.g"})}),
    "settings-reloaded": Example("M501", "M503"),
    "dry-run": Example("M111 S8", "M111 S2"),
    "waits-for-ever": Example(
        "TEMPERATURE_WAIT SENSOR=extruder MINIMUM=240", "TEMPERATURE_WAIT SENSOR=extruder MINIMUM=195", KLIPPER
    ),
    "waits-hot": Example("G4 S1200\n" * 4, "G4 S1200\n" * 3, shown="M104 S200\nG4 S1200\n… (4 times)"),
    "travel-keep-out-unsure": Example(
        "G1 X50 Y5 Z3\nG1 X4\nG1 Z5",
        "G1 X50 Y5 Z6\nG1 X4\nG1 X50",
        {"keep_out": (Box(0, 0, 0, 8, 8, 250),)},
        shown="G1 X50 Y5 Z3\nG1 X4",
    ),
    "other-flavour": Example(";FLAVOR:Griffin\n" + SMALL, ";FLAVOR:Marlin\n" + SMALL, whole=True, shown=";FLAVOR:Griffin"),
    "no-griffin-header": Example(
        SMALL, ";FLAVOR:Griffin\n" + SMALL, {"flavour": "griffin"}, whole=True, shown="(no ;FLAVOR:Griffin in the file)"
    ),
    "hardly-prints": Example(
        "G1 X10 Y10 Z1 F6000\nG1 X210 F1.3\nG1 F6000", "G1 X10 Y10 Z1 F6000\nG1 X210 F2\nG1 F6000", shown="G1 X210 F1.3"
    ),
    "travel-outside": Example("G1 X500\nG1 X10", "G1 X200\nG1 X10", shown="G1 X500"),
    "cold-extrusion": Example("G28\nG90\nM83\n" + LINE, SMALL, whole=True, shown="G1 X50 E2\nM104 S200"),
    "absurd-speed": Example("G1 X20 F900000\nG1 F6000", "G1 X20 F9000", shown="G1 X20 F900000"),
    "motors-off": Example("G1 X5\nM84\nG1 X20", "G1 X5\nM84 E\nG1 X20", shown="M84\nG1 X20"),
    "fan-range": Example("M106 S900", "M106 S255"),
    "odd-factor": Example("M221 S300", "M221 S95"),
    "waits-to-cool": Example("M109 R20\nM104 S200", "M109 R190\nM104 S200", shown="M109 R20"),
    "origin-shifted": Example("G92 Z0.05\nG28", "G92 E0", shown="G92 Z0.05"),
    "host-message": Example("M118 A1 hello", "M118 hello"),
    "heats-again": Example(SMALL + START + LINE + END, SMALL + "M104 S0\n", whole=True, shown="M104 S0\nM140 S0\nM104 S200"),
    "secret-in-comment": Example("; printhost_apikey = 0123456789ABCDEF", "; printhost_apikey = "),
    "host-comment": Example(";@pause", "; at the window"),
    "no-homing": Example(SMALL.replace("G28\n", ""), SMALL, whole=True, shown="(no G28 in the file)"),
    "extruder-mode": Example(
        with_words(200, "M83", 0.01, 0.01),
        with_words(200, "M82", 0.01, 0.01),
        companions=frozenset({"odd-density"}),
        shown="M83\nG1 X10 E1\nG1 X20 E1.2\nG1 X30 E1.4\n…",
    ),
    "time-differs": Example(
        SMALL + "; estimated printing time (normal mode) = 2h 0m 0s\n",
        SMALL + "; estimated printing time (normal mode) = 2s\n",
        whole=True,
        shown="; estimated printing time (normal mode) = 2h 0m 0s",
    ),
    "filament-differs": Example(
        SMALL.replace("E2", "E200") + "; filament used [mm] = 100\n",
        SMALL.replace("E2", "E2.1") + "; filament used [mm] = 2\n",
        whole=True,
        companions=frozenset({"odd-density"}),
        shown="; filament used [mm] = 100",
    ),
    "odd-density": Example("G1 Z0.2\nG1 X60 E100", "G1 Z0.2\nG1 X60 E0.5", shown="G1 X60 E100"),
    "thin-layer": Example(
        SMALL.replace("Z0.2", "Z0"), SMALL, whole=True, companions=frozenset({"odd-density"}), shown="G1 Z0\nG1 X50 E2"
    ),
    "thick-layer": Example(SMALL.replace("Z0.2", "Z0.9"), SMALL.replace("Z0.2", "Z0.4"), whole=True, shown="G1 Z0.9\nG1 X50 E2"),
    "very-long": Example(slowly(240), slowly(200), shown="G1 X200 E6 F10\n… (240 times)"),
    "other-model-claimed": Example(
        SMALL + "; printer_model = ENDER3\n",
        SMALL + "; printer_model = MK3S\n",
        {"model": "MK3S"},
        whole=True,
        shown="; printer_model = ENDER3",
    ),
}
