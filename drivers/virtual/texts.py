"""What a firmware says about itself: banner, settings, identity.

Source for Marlin 2.1: transcripts of bugfix-2.1.x of January 2023; for the others see flavours.py.
"""

from typing import Final

from drivers.virtual.flavours import FLAVOURS
from drivers.virtual.options import FirmwareOptions

DEFAULTS_LOADED: Final = "Hardcoded Default Settings Loaded"
_SETTINGS: Final = (
    "echo:; Linear Units:",
    "echo:  G21 ; (mm)",
    "echo:; Temperature Units:",
    "echo:  M149 C ; Units in Celsius",
    "echo:; Filament settings (Disabled):",
    "echo:  M200 S0 D1.75",
    "echo:; Steps per unit:",
    "echo:  M92 X80.00 Y80.00 Z400.00 E93.00",
    "echo:; Max feedrates (units/s):",
    "echo:  M203 X500.00 Y500.00 Z5.00 E25.00",
    "echo:; Max Acceleration (units/s2):",
    "echo:  M201 X3000.00 Y3000.00 Z100.00 E10000.00",
    "echo:; Acceleration (units/s2) (P<print-accel> R<retract-accel> T<travel-accel>):",
    "echo:  M204 P3000.00 R3000.00 T3000.00",
    "echo:; Advanced (B<min_segment_time_us> S<min_feedrate> T<min_travel_feedrate> J<junc_dev>):",
    "echo:  M205 B20000.00 S0.00 T0.00 J0.01",
    "echo:; Home offset:",
    "echo:  M206 X0.00 Y0.00 Z0.00",
    "echo:; Hotend PID:",
    "echo:  M301 P22.20 I1.08 D114.00",
)
_RUNOUT_SETTINGS: Final = (
    "echo:; Filament load/unload:",
    "echo:  M603 L0.00 U100.00 ; (mm)",
    "echo:; Filament runout sensor:",
    "echo:  M412 S1 ; Sensor ON",
)
# Capability names in Marlin's order, with the value of a default build.
_CAPABILITIES: Final = {
    "SERIAL_XON_XOFF": 0,
    "BINARY_FILE_TRANSFER": 0,
    "EEPROM": 0,
    "VOLUMETRIC": 1,
    "AUTOREPORT_POS": 0,
    "AUTOREPORT_TEMP": 1,
    "PROGRESS": 0,
    "PRINT_JOB": 1,
    "AUTOLEVEL": 0,
    "RUNOUT": 0,
    "Z_PROBE": 0,
    "LEVELING_DATA": 0,
    "BUILD_PERCENT": 0,
    "SOFTWARE_POWER": 0,
    "TOGGLE_LIGHTS": 0,
    "CASE_LIGHT_BRIGHTNESS": 0,
    "EMERGENCY_PARSER": 0,
    "HOST_ACTION_COMMANDS": 0,
    "PROMPT_SUPPORT": 0,
    "SDCARD": 0,
    "REPEAT": 0,
    "SD_WRITE": 0,
    "AUTOREPORT_SD_STATUS": 0,
    "LONG_FILENAME": 0,
    "LFN_WRITE": 0,
    "CUSTOM_FIRMWARE_UPLOAD": 0,
    "EXTENDED_M20": 0,
    "THERMAL_PROTECTION": 1,
    "MOTION_MODES": 0,
    "ARCS": 1,
    "BABYSTEPPING": 0,
    "CHAMBER_TEMPERATURE": 0,
    "COOLER_TEMPERATURE": 0,
    "MEATPACK": 0,
    "CONFIG_EXPORT": 0,
}


def banner(options: FirmwareOptions) -> list[str]:
    """What a reset prints, line by line."""
    flavour = FLAVOURS[options.flavour]
    greeting = [line.format(version=flavour.version) for line in flavour.banner]
    if not flavour.tells_settings:
        return greeting
    notice = [f"//action:notification {DEFAULTS_LOADED}"] if options.host_actions else []
    closing = ["//action:prompt_end"] if options.host_actions else []
    return [*greeting, *notice, f"echo:{DEFAULTS_LOADED}", *settings(options), *closing]


def settings(options: FirmwareOptions) -> list[str]:
    """The answer to M503."""
    return [*_SETTINGS, *(_RUNOUT_SETTINGS if options.runout_sensor else ())]


def endstops(options: FirmwareOptions, *, filament_out: bool = False) -> list[str]:
    """The answer to M119. The runout sensor is triggered as long as there is filament."""
    axes = ["x_min: open", "y_min: open", "z_min: open"]
    filament = [f"filament: {'open' if filament_out else 'TRIGGERED'}"] if options.runout_sensor else []
    return ["Reporting endstop status", *axes, *filament]


def identity(options: FirmwareOptions) -> list[str]:
    """The answer to M115."""
    chosen = {
        "AUTOREPORT_POS": options.position_reports,
        "RUNOUT": options.runout_sensor,
        "AUTOLEVEL": options.bed_levelling,
        "SDCARD": options.sd_slot,
        "Z_PROBE": options.bed_levelling,
        "EMERGENCY_PARSER": options.emergency_parser,
        "HOST_ACTION_COMMANDS": options.host_actions,
        "PROMPT_SUPPORT": options.host_actions,
    }
    flavour = FLAVOURS[options.flavour]
    first = flavour.identity.format(version=flavour.version, name=options.name, uuid=options.uuid)
    if flavour.capabilities is not None:
        return [first, *(f"Cap:{capability}" for capability in flavour.capabilities)]
    quoted = ["Cap:QUOTED_STRINGS:1"] if options.quoted_strings else []
    area = [_area(options)] if options.area_report else []
    return [first, *quoted, *(f"Cap:{name}:{int(chosen.get(name, value))}" for name, value in _CAPABILITIES.items()), *area]


def _area(options: FirmwareOptions) -> str:
    box = f"{{min:{{x:0.00,y:0.00,z:0.00}},max:{{x:{options.bed_mm:.2f},y:{options.bed_mm:.2f},z:{options.height_mm:.2f}}}}}"
    return f"area:{{full:{box},work:{box}}}"
