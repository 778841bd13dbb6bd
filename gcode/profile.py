"""A class of printers: what fits on its bed, what it may heat, how it is started and ended. Data in `configs/printers/*.toml`."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, cast, get_args

from gcode.entries import wrong_entries
from gcode.kinematics import Junction, MotionLimits
from gcode.texts import Bilingual, BilingualError, both

_REVISION_DIGITS: Final = 12
_CORNERS: Final = frozenset({"min", "max"})
_KEYS: Final[dict[tuple[str, ...], frozenset[str]]] = {
    (): frozenset(
        {"id", "name", "flavour", "model", "nozzle_mm", "nozzles_mm", "filament_mm", "materials", "tools"}
        | {"homes_itself", "resumes", "cancels_objects"}
        | {"volume", "purge", "keep_out", "heat", "motion", "gcode", "allowed", "time"}
    ),
    ("volume",): _CORNERS,
    ("purge",): _CORNERS,
    ("heat",): frozenset({"max_nozzle_c", "max_bed_c", "max_chamber_c", "nozzle_c", "bed_c"}),
    ("motion",): frozenset(
        {"print_speed_mm_s", "first_layer_speed_mm_s", "travel_speed_mm_s", "acceleration_mm_s2", "jerk_mm_s", "limits"}
        | {"retraction_mm", "retraction_speed_mm_s"}
    ),
    ("motion", "limits"): frozenset(
        {"speed_mm_s", "acceleration_mm_s2", "jerk_mm_s", "junction", "junction_deviation_mm", "square_corner_mm_s"}
        | {"print_acceleration_mm_s2", "travel_acceleration_mm_s2", "retract_acceleration_mm_s2"}
    ),
    ("gcode",): frozenset({"start", "end", "house_blocks"}),
    ("allowed",): frozenset({"lines", "codes", "macros"}),
    ("time",): frozenset({"heating_c_s", "bed_heating_c_s", "homing_s", "probing_s"}),
}
FLAVOURS: Final = ("marlin", "marlin-legacy", "klipper", "reprapfirmware", "griffin")


class ProfileError(BilingualError):
    """A profile file is wrong; the message names the key."""

    code = "bad-profile"


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box, millimetres."""

    min_x: float
    min_y: float
    min_z: float
    max_x: float
    max_y: float
    max_z: float


@dataclass(frozen=True, slots=True)
class PrinterProfile:
    """A class of printers. Lengths in mm, temperatures in degrees C, speeds in mm/s, accelerations in mm/s2.

    `purge` is the box around `volume` in which extruding moves are allowed too: many printers draw a purge line beside the bed.
    """

    id: str
    name: str
    flavour: str  # one of FLAVOURS
    volume: Box
    purge: Box
    nozzle_mm: float
    filament_mm: float
    max_nozzle_c: float
    max_bed_c: float
    print_speed_mm_s: float
    first_layer_speed_mm_s: float
    travel_speed_mm_s: float
    acceleration_mm_s2: float
    jerk_mm_s: float
    retraction_mm: float
    retraction_speed_mm_s: float
    nozzle_c: float
    bed_c: float
    materials: tuple[str, ...]
    start_gcode: str  # {nozzle_c} and {bed_c} are filled in
    end_gcode: str
    model: str = ""  # what the firmware calls itself in M862.3, empty when it has no such check
    tools: int = 1  # extruders with a heater of their own
    homes_itself: bool = False  # the firmware homes before a file starts (Ultimaker): a file without G28 is no mistake
    cancels_objects: bool = False  # its Marlin is built to give up one part of several (M486); RepRapFirmware always does
    limits: MotionLimits | None = None  # the firmware's own limits where a source is known
    revision: str = ""  # 12 hexadecimal digits of the SHA-256 of its content: a verdict holds for one revision
    max_chamber_c: float = 0.0  # 0: no heated chamber
    nozzles_mm: tuple[float, ...] = ()  # that people fit to it; `nozzle_mm` is the usual one
    keep_out: tuple[Box, ...] = ()  # clips and the like: no plastic may be laid there
    allowed_lines: frozenset[str] = frozenset()  # commands, letter for letter, that need no trust on this printer ("M907 E538")
    allowed_codes: frozenset[str] = frozenset()  # beyond those of the flavour ("G280")
    macros: frozenset[str] = frozenset()  # Klipper: names that this printer's configuration has
    house_blocks: bool = False  # its own start and end code replace those of a file
    resumes: bool = False  # a print may be taken up again at a layer (gcode.resume)
    heating_c_s: float = 2.0  # how fast the nozzle heats, for the allowance in the estimate
    bed_heating_c_s: float = 0.3
    homing_s: float = 20.0  # one G28
    probing_s: float = 60.0  # one mesh (G29, G80)
    forbidden_codes: frozenset[str] = frozenset()  # commands that its owner does not want (gcode/limits.py)


def limits_of(profile: PrinterProfile | None) -> MotionLimits:
    """The motion limits of a profile: its own table, or made from its plain figures. None gives a cautious Cartesian machine."""
    if profile is None:
        return MotionLimits()
    if profile.limits is not None:
        return profile.limits
    default = MotionLimits()
    acceleration, jerk = profile.acceleration_mm_s2, profile.jerk_mm_s
    return MotionLimits(
        acceleration_mm_s2=(acceleration, acceleration, *default.acceleration_mm_s2[2:]),
        jerk_mm_s=(jerk, jerk, *default.jerk_mm_s[2:]),
        print_acceleration_mm_s2=acceleration,
        travel_acceleration_mm_s2=acceleration,
        retract_acceleration_mm_s2=acceleration,
    )


def _box(table: dict[str, Any], key: str) -> Box:
    corners = table[key]
    return Box(*(float(value) for value in (*corners["min"], *corners["max"])))


def _axes(table: dict[str, Any], key: str) -> tuple[float, float, float, float]:
    x, y, z, e = (float(value) for value in table[key])
    return (x, y, z, e)


def _junction(table: dict[str, Any]) -> Junction:
    name = table.get("junction", "jerk")
    for known in get_args(Junction):
        if name == known:
            return cast("Junction", known)
    raise _not_one_of("motion.limits.junction", name, get_args(Junction))


def _not_one_of(key: str, value: str, allowed: Sequence[str]) -> ProfileError:
    listed = ", ".join(allowed)
    return ProfileError(
        Bilingual(f"{key} is {value!r}; it must be one of {listed}", f"{key} est {value!r} ; il faut l'un de ceux-ci : {listed}")
    )


def _unreadable(why: Bilingual) -> ProfileError:
    return ProfileError(Bilingual(f"the profile cannot be read: {why.en}", f"le profil ne peut pas être lu : {why.fr}"))


def _limits(motion: dict[str, Any]) -> MotionLimits | None:
    table = motion.get("limits")
    if table is None:
        return None
    acceleration_mm_s2, default = float(motion["acceleration_mm_s2"]), MotionLimits()
    return MotionLimits(
        speed_mm_s=_axes(table, "speed_mm_s"),
        acceleration_mm_s2=_axes(table, "acceleration_mm_s2"),
        jerk_mm_s=_axes(table, "jerk_mm_s"),
        print_acceleration_mm_s2=float(table.get("print_acceleration_mm_s2", acceleration_mm_s2)),
        travel_acceleration_mm_s2=float(table.get("travel_acceleration_mm_s2", acceleration_mm_s2)),
        retract_acceleration_mm_s2=float(table.get("retract_acceleration_mm_s2", acceleration_mm_s2)),
        junction=_junction(table),
        deviation_mm=float(table.get("junction_deviation_mm", default.deviation_mm)),
        corner_mm_s=float(table.get("square_corner_mm_s", default.corner_mm_s)),
    )


def parse_profile(content: bytes) -> PrinterProfile:
    """Read one profile file.

    Raises:
        ProfileError: not TOML, a key is missing, unknown or of the wrong type, a figure is out of its bounds
            (`gcode.entries`) or contradicts another; the message names it.

    """
    try:
        table = tomllib.loads(content.decode())
        for wrong in wrong_entries(table):
            raise ProfileError(wrong)
        profile = _profile(table)
        _require_known(table)
    except KeyError as error:
        raise ProfileError(Bilingual(f"the key {error} is missing", f"la clé {error} manque")) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, ProfileError):
            raise
        raise _unreadable(both(str(error))) from error
    _require_sense(profile)
    return profile


def _revision(table: dict[str, Any]) -> str:
    """Of what the file says, whatever its comments and layout: 12 hexadecimal digits."""
    return sha256(json.dumps(table, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:_REVISION_DIGITS]


def _require_known(table: dict[str, Any]) -> None:
    """A key that nobody reads is a mistyped one: a limit that its author believes in."""
    for place, keys in _KEYS.items():
        inside: Any = table
        for name in place:
            inside = inside.get(name, {})
        if not isinstance(inside, dict):
            name = ".".join(place)
            raise _unreadable(Bilingual(f"{name} must be a table", f"{name} doit être une table"))
        unknown = set(inside) - keys
        if unknown:
            key = ".".join((*place, min(unknown)))
            raise ProfileError(Bilingual(f"the key {key} is unknown", f"la clé {key} est inconnue"))


def _require_sense(profile: PrinterProfile) -> None:
    if profile.flavour not in FLAVOURS:
        raise _not_one_of("flavour", profile.flavour, FLAVOURS)
    for name, box in (("volume", profile.volume), ("purge", profile.purge), *(("keep_out", one) for one in profile.keep_out)):
        if not (box.min_x < box.max_x and box.min_y < box.max_y and box.min_z < box.max_z):
            raise ProfileError(Bilingual(f"{name}: each max must be above its min", f"{name} : chaque max doit dépasser son min"))
    if profile.nozzle_c > profile.max_nozzle_c or profile.bed_c > profile.max_bed_c:
        raise ProfileError(
            Bilingual(
                "heat: nozzle_c and bed_c must not be above max_nozzle_c and max_bed_c",
                "heat : nozzle_c et bed_c ne doivent pas dépasser max_nozzle_c et max_bed_c",
            )
        )


def _profile(table: dict[str, Any]) -> PrinterProfile:
    motion, heat, gcode, allowed = table["motion"], table["heat"], table["gcode"], table.get("allowed", {})
    nozzle_mm, time = float(table["nozzle_mm"]), table.get("time", {})
    return PrinterProfile(
        id=str(table["id"]),
        name=str(table["name"]),
        flavour=str(table["flavour"]),
        volume=_box(table, "volume"),
        purge=_box(table, "purge"),
        nozzle_mm=nozzle_mm,
        filament_mm=float(table["filament_mm"]),
        max_nozzle_c=float(heat["max_nozzle_c"]),
        max_bed_c=float(heat["max_bed_c"]),
        nozzle_c=float(heat["nozzle_c"]),
        bed_c=float(heat["bed_c"]),
        print_speed_mm_s=float(motion["print_speed_mm_s"]),
        first_layer_speed_mm_s=float(motion["first_layer_speed_mm_s"]),
        travel_speed_mm_s=float(motion["travel_speed_mm_s"]),
        acceleration_mm_s2=float(motion["acceleration_mm_s2"]),
        jerk_mm_s=float(motion["jerk_mm_s"]),
        retraction_mm=float(motion["retraction_mm"]),
        retraction_speed_mm_s=float(motion["retraction_speed_mm_s"]),
        materials=tuple(str(material) for material in table["materials"]),
        start_gcode=str(gcode["start"]),
        end_gcode=str(gcode["end"]),
        model=str(table.get("model", "")),
        tools=int(table.get("tools", 1)),
        homes_itself=bool(table.get("homes_itself", False)),
        cancels_objects=bool(table.get("cancels_objects", False)),
        limits=_limits(motion),
        revision=_revision(table),
        max_chamber_c=float(heat.get("max_chamber_c", 0.0)),
        nozzles_mm=tuple(float(value) for value in table.get("nozzles_mm", [nozzle_mm])),
        keep_out=tuple(_box({"keep_out": corners}, "keep_out") for corners in table.get("keep_out", [])),
        allowed_lines=frozenset(str(line) for line in allowed.get("lines", [])),
        allowed_codes=frozenset(str(code) for code in allowed.get("codes", [])),
        macros=frozenset(str(name).upper() for name in allowed.get("macros", [])),
        house_blocks=bool(gcode.get("house_blocks", False)),
        resumes=bool(table.get("resumes", False)),
        heating_c_s=float(time.get("heating_c_s", 2.0)),
        bed_heating_c_s=float(time.get("bed_heating_c_s", 0.3)),
        homing_s=float(time.get("homing_s", 20.0)),
        probing_s=float(time.get("probing_s", 60.0)),
    )


_ENDING: Final = ".toml"


def _bundled() -> Traversable:
    return files("configs").joinpath("printers")


def bundled_ids() -> list[str]:
    """The ids of the profiles that come with Essaim, in order: the names of their files."""
    return sorted(entry.name.removesuffix(_ENDING) for entry in _bundled().iterdir() if entry.name.endswith(_ENDING))


def bundled_profile(profile_id: str) -> PrinterProfile:
    """One of `bundled_ids`. All of them together take as long to read as half a frame."""
    return parse_profile(_bundled().joinpath(profile_id + _ENDING).read_bytes())


def bundled_profiles() -> dict[str, PrinterProfile]:
    """The profiles that come with Essaim, by id."""
    return {profile.id: profile for profile in map(bundled_profile, bundled_ids())}
