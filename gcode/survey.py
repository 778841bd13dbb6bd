"""What must be known of a file before its first line is read: the flavour that it is written for, and the machine's limits.

Both stand in the comments of its beginning or end. A stream that cannot seek hides them; then the profile decides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import pi
from typing import BinaryIO, Final

from gcode.claims import cura_flavour, slic3r_flavour
from gcode.kinematics import MotionLimits, as_klipper, slower
from gcode.machine import Machine
from gcode.profile import PrinterProfile, limits_of

PLA_DENSITY_G_CM3: Final = 1.24
DEFAULT_FILAMENT_DIAMETER_MM: Final = 1.75
_HEAD_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 128 * 1024  # the settings of a printer with five extruders take 60 KiB
_VOLUMETRIC: Final = "ultigcode"  # its E is mm3 from the first line on

# Each begins with the end of a line, not with ^: a pattern that begins with fixed bytes is found seven times as fast.
_SETTING: Final = re.compile(rb"\n; machine_(max|min)_([a-z_]{1,40}) = (\d{1,7}(?:\.\d{1,6})?)")
_SLIC3R_FLAVOUR: Final = re.compile(rb"\n; gcode_flavor = ([a-z0-9]{1,20})")
_CURA_FLAVOUR: Final = re.compile(rb"\n;FLAVOR:([A-Za-z0-9() ]{1,30})")


@dataclass(frozen=True, slots=True)
class Survey:
    """How a file is read: the machine's rates and limits. Degrees C, mm, g/cm3, seconds."""

    limits: MotionLimits
    flavour: str | None  # that rules: the file's own, else the profile's
    claimed_flavour: str | None  # the file's own
    filament_mm: float  # diameter
    density_g_cm3: float = PLA_DENSITY_G_CM3
    heating_c_s: float = 2.0
    bed_heating_c_s: float = 0.3
    homing_s: float = 20.0
    probing_s: float = 60.0
    ceiling: MotionLimits | None = None  # nothing in the file makes the machine faster than this

    def machine(self) -> Machine:
        """A machine that obeys as this flavour does."""
        machine = Machine(flavour=self.flavour)
        if self.flavour == _VOLUMETRIC:
            area_mm2 = pi * self.filament_mm**2 / 4
            machine.e_mm3 = dict.fromkeys(range(4), area_mm2)
        return machine


def survey(
    stream: BinaryIO,
    profile: PrinterProfile | None = None,
    *,
    density_g_cm3: float = PLA_DENSITY_G_CM3,
    claims: Mapping[str, str] | None = None,
    capped: bool = False,
) -> Survey:
    """Look at both ends of a stream, and put it back where it stood. `claims` are those of a container around the program.

    `capped`: the profile's limits hold too, wherever the file names faster ones (`slower`).
    """
    text = _ends(stream)
    if claims:
        text += b"\n" + "".join(f"; {key} = {value}\n" for key, value in claims.items()).encode("utf-8", "replace")
    claimed = flavour_from_settings(text)
    flavour = claimed or (None if profile is None else profile.flavour)
    limits = limits_from_settings(text) or limits_of(profile)
    if flavour == "klipper" and limits.junction == "jerk":
        limits = as_klipper(limits)
    ceiling = _ceiling(profile, flavour) if capped else None
    if ceiling is not None:
        limits = slower(limits, ceiling)
    if profile is None:
        return Survey(limits, flavour, claimed, DEFAULT_FILAMENT_DIAMETER_MM, density_g_cm3)
    return Survey(
        limits,
        flavour,
        claimed,
        profile.filament_mm,
        density_g_cm3,
        profile.heating_c_s,
        profile.bed_heating_c_s,
        profile.homing_s,
        profile.probing_s,
        ceiling,
    )


def _ceiling(profile: PrinterProfile | None, flavour: str | None) -> MotionLimits:
    limits = limits_of(profile)
    return as_klipper(limits) if flavour == "klipper" and limits.junction == "jerk" else limits


def _ends(stream: BinaryIO) -> bytes:
    """The first 64 KiB and the last 128 KiB of a seekable stream, with line feeds as ends of lines; nothing of any other."""
    if not stream.seekable():
        return b""
    begin = stream.tell()
    try:
        end = stream.seek(0, 2)
        stream.seek(begin)
        head = stream.read(_HEAD_BYTES)
        stream.seek(max(begin + len(head), end - _TAIL_BYTES))
        return (head + b"\n" + stream.read(_TAIL_BYTES)).replace(b"\r", b"\n")
    except (OSError, ValueError):  # a decompressing stream can go back but not to its end
        return b""
    finally:
        stream.seek(begin)


def flavour_from_settings(text: bytes) -> str | None:
    """The flavour that a slicer wrote into the file, in our words; None when it did not, or it is none of ours."""
    text = b"\n" + text
    match = _SLIC3R_FLAVOUR.search(text)
    if match:
        return slic3r_flavour(match[1].decode())
    match = _CURA_FLAVOUR.search(text)
    return cura_flavour(match[1].decode()) if match else None


def _axes(settings: dict[str, float], name: str, default: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, z, e = (settings.get(f"{name}_{axis}", value) for axis, value in zip("xyze", default, strict=True))
    return (x, y, z, e)


def limits_from_settings(text: bytes) -> MotionLimits | None:
    """The machine limits that PrusaSlicer and its relatives write at the end of a file (`; machine_max_...`), or None.

    Of several figures (`1500,1250`) the first is that of the normal mode.
    """
    settings = {f"{match[1].decode()}_{match[2].decode()}": float(match[3]) for match in _SETTING.finditer(b"\n" + text)}
    if "max_acceleration_x" not in settings:
        return None
    default = MotionLimits()
    printing = settings.get("max_acceleration_extruding", default.print_acceleration_mm_s2)
    legacy = b"; gcode_flavor = marlin\n" in text  # it has no travel acceleration of its own
    limits = MotionLimits(
        speed_mm_s=_axes(settings, "max_feedrate", default.speed_mm_s),
        acceleration_mm_s2=_axes(settings, "max_acceleration", default.acceleration_mm_s2),
        jerk_mm_s=_axes(settings, "max_jerk", default.jerk_mm_s),
        print_acceleration_mm_s2=printing,
        travel_acceleration_mm_s2=printing if legacy else settings.get("max_acceleration_travel", printing),
        retract_acceleration_mm_s2=settings.get("max_acceleration_retracting", printing),
        least_print_mm_s=settings.get("min_extruding_rate", 0.0),
        least_travel_mm_s=settings.get("min_travel_rate", 0.0),
    )
    deviation_mm = settings.get("max_junction_deviation", 0.0)
    return replace(limits, junction="deviation", deviation_mm=deviation_mm) if deviation_mm > 0 else limits
