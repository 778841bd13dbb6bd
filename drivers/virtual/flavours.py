"""What the firmwares that a host meets have in common with Marlin 2.1, and what not: data for `FirmwareOptions.flavour`.

Only the serial dialect differs; motion, heat and the truth about the bed are the same for all. What each row knows, and from where:

- `marlin-2.1`: transcripts and measurements of bugfix-2.1.x of January 2023. The only one compared with a real firmware.
- `marlin-2.0`: M115 as 2.0.9.x answers it (published console logs); duplicates are asked for again like any wrong number, because
  dropping them silently came with Marlin PR 24972 at the end of 2022.
- `marlin-1.1`: M115 of 1.1.9 as published in console logs. AUTO_REPORT_TEMPERATURES is an option there and most boards of that time
  do not have it: `Cap:AUTOREPORT_TEMP:0`, and M155 is unknown. Software endstops, arcs and the rest as in 2.x.
- `prusa-mk3`: M115 of Prusa-Firmware 3.x (no build date, FIRMWARE_URL, its own capabilities), `LCD status changed` after M117,
  `Unknown M code: M9999`, M105 with T0, P and A: the Prusa-Firmware repository and published console logs.
- `repetier`: `ok N` as soon as a line is accepted and before what it answers, `wait` every second without work, `Resend:N` without
  a blank, `skip N` for a duplicate, lines that end in CR LF: the Repetier-Firmware repository (communication texts).
- `reprapfirmware`: M115 of RepRapFirmware 3 on Duet boards, blank behind `FIRMWARE_NAME:`; never says busy: docs.duet3d.com.
- `klipper`: `ok FIRMWARE_VERSION:... FIRMWARE_NAME:Klipper`, no line numbers and no checksums (both are skipped), `// Unknown
  command:"M155"`: the behaviour of klippy's G-code dispatcher.
"""

from dataclasses import dataclass
from typing import Final

from gcode.texts import Bilingual, BilingualError

MARLIN_TEMPERATURES: Final = " T:{t:.2f} /{tt:.2f} B:{b:.2f} /{bt:.2f} @:{duty} B@:{bed_duty}"


@dataclass(frozen=True, slots=True)
class Flavour:
    """One dialect. Texts with braces are templates."""

    version: str
    identity: str = (
        "FIRMWARE_NAME:{version} SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 "
        "MACHINE_TYPE:{name} EXTRUDER_COUNT:1 UUID:{uuid}"
    )
    capabilities: tuple[str, ...] | None = None  # `NAME:0`; None: those of Marlin 2.1
    banner: tuple[str, ...] = ("start", "echo:{version}", "echo: Last Updated: 2021-01-01 | Author: (none, default config)")
    tells_settings: bool = False  # after its banner, and to M503
    temperatures: str = MARLIN_TEMPERATURES
    missing: frozenset[str] = frozenset()  # codes that it does not know
    unknown: str = 'echo:Unknown command: "{text}"'
    busy: str | None = "echo:busy: {state}"
    newline: str = "\n"
    resend: str = "Resend: {number}"
    wrong_number: str = "Error:Line Number is not Last Line Number+1, Last Line: {last}"
    wrong_checksum: str = "Error:checksum mismatch, Last Line: {last}"
    no_checksum: str = "Error:No Checksum with line number, Last Line: {last}"
    drops_duplicates: bool = True
    skip: str | None = None  # said, with an ok, to a duplicate
    early_ok: bool = False  # `ok N` when a line enters the queue
    idle_line: str | None = None  # said every second while nothing is to do
    checks_lines: bool = True
    ok_carries: bool = False  # the answer to M115 stands behind its ok
    after_message: str | None = None  # said after M117


_OLD_CAPABILITIES: Final = (
    "SERIAL_XON_XOFF:0",
    "EEPROM:0",
    "VOLUMETRIC:1",
    "AUTOREPORT_TEMP:0",
    "PROGRESS:0",
    "PRINT_JOB:1",
    "AUTOLEVEL:0",
    "Z_PROBE:0",
    "LEVELING_DATA:0",
    "BUILD_PERCENT:0",
    "SOFTWARE_POWER:0",
    "TOGGLE_LIGHTS:0",
    "CASE_LIGHT_BRIGHTNESS:0",
    "EMERGENCY_PARSER:0",
)

FLAVOURS: Final[dict[str, Flavour]] = {
    "marlin-2.1": Flavour(
        version="Marlin bugfix-2.1.x",
        identity=(
            "FIRMWARE_NAME:{version} (Nov 21 2026 19:45:39) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 "
            "MACHINE_TYPE:{name} EXTRUDER_COUNT:1 UUID:{uuid}"
        ),
        banner=(
            "start",
            "PowerUp",
            "{version}",
            "echo: Last Updated: 2023-01-07 | Author: (none, default config)",
            "echo: Compiled: Nov 21 2026",
            "echo: Free Memory: 0  PlannerBufferBytes: 1280",
        ),
        tells_settings=True,
    ),
    "marlin-2.0": Flavour(
        version="Marlin 2.0.9.2",
        identity=(
            "FIRMWARE_NAME:{version} (Nov 11 2022 12:40:55) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 "
            "MACHINE_TYPE:{name} EXTRUDER_COUNT:1 UUID:{uuid}"
        ),
        tells_settings=True,
        drops_duplicates=False,
    ),
    "marlin-1.1": Flavour(
        version="Marlin 1.1.9",
        identity=(
            "FIRMWARE_NAME:{version} (Github) SOURCE_CODE_URL:https://github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 "
            "MACHINE_TYPE:{name} EXTRUDER_COUNT:1 UUID:{uuid}"
        ),
        capabilities=_OLD_CAPABILITIES,
        missing=frozenset({"M155", "M154", "M412", "M603", "M876"}),
        drops_duplicates=False,
    ),
    "prusa-mk3": Flavour(
        version="Prusa-Firmware 3.13.3 based on Marlin",
        identity=(
            "FIRMWARE_NAME:{version} FIRMWARE_URL:https://github.com/prusa3d/Prusa-Firmware PROTOCOL_VERSION:1.0 "
            "MACHINE_TYPE:{name} EXTRUDER_COUNT:1 UUID:{uuid}"
        ),
        capabilities=("AUTOREPORT_TEMP:1", "AUTOREPORT_FANS:1", "AUTOREPORT_POSITION:1", "EXTENDED_M20:1", "PRUSA_MMU2:1"),
        banner=("start", "echo:{version}", "echo: Last Updated: 2023-11-01 | Author: (none, default config)"),
        temperatures=" T:{t:.1f} /{tt:.1f} B:{b:.1f} /{bt:.1f} T0:{t:.1f} /{tt:.1f} @:{duty} B@:{bed_duty} P:0.0 A:{ambient:.1f}",
        unknown="Unknown {letter} code: {text}",
        drops_duplicates=False,
        after_message="LCD status changed",
    ),
    "repetier": Flavour(
        version="Repetier_1.0.4",
        identity=(
            "FIRMWARE_NAME:{version} FIRMWARE_URL:https://github.com/repetier/Repetier-Firmware/ PROTOCOL_VERSION:1.0 "
            "MACHINE_TYPE:{name} EXTRUDER_COUNT:1 REPETIER_PROTOCOL:3"
        ),
        capabilities=(),
        banner=("start", "Info:PowerUp", "Free RAM:4096"),
        temperatures="T:{t:.2f} /{tt:.0f} B:{b:.2f} /{bt:.0f} B@:{bed_duty} @:{duty}",
        missing=frozenset({"M154", "M412", "M603", "M876", "M410"}),
        unknown="Unknown command:{text}",
        busy="busy:{state}",
        newline="\r\n",
        resend="Resend:{number}",
        wrong_number="Error:expected line {wanted} got {got}",
        wrong_checksum="Error:Wrong checksum",
        no_checksum="Error:Missing checksum",
        skip="skip {number}",
        early_ok=True,
        idle_line="wait",
    ),
    "reprapfirmware": Flavour(
        version="RepRapFirmware for Duet 2 WiFi/Ethernet",
        identity=(
            "FIRMWARE_NAME: {version} FIRMWARE_VERSION: 3.4.6 ELECTRONICS: Duet WiFi 1.02 or later "
            "FIRMWARE_DATE: 2023-07-21 14:08:28"
        ),
        capabilities=(),
        banner=(),
        temperatures=" T:{t:.1f} /{tt:.1f} T0:{t:.1f} /{tt:.1f} B:{b:.1f} /{bt:.1f}",
        missing=frozenset({"M113", "M154", "M155", "M412", "M876"}),
        unknown="Warning: {code}: Command is not supported",
        busy=None,
        drops_duplicates=False,
    ),
    "klipper": Flavour(
        version="Klipper",
        identity="FIRMWARE_VERSION:v0.12.0 FIRMWARE_NAME:{version}",
        capabilities=(),
        banner=(),
        temperatures=" B:{b:.1f} /{bt:.1f} T0:{t:.1f} /{tt:.1f}",
        missing=frozenset({"M113", "M154", "M155", "M412", "M603", "M876", "M85", "M211", "M503", "M999"}),
        unknown='// Unknown command:"{code}"',
        busy=None,
        checks_lines=False,
        ok_carries=True,
    ),
}


def flavour_name(text: str) -> str:
    """Check the name of a flavour.

    Raises:
        BilingualError: there is none; the message names those there are.

    """
    if text not in FLAVOURS:
        known = ", ".join(sorted(FLAVOURS))
        raise BilingualError(Bilingual(f"it must be one of {known}", f"il faut l'un de ceux-ci : {known}"))
    return text
