"""PrusaSlicer's command line: settings for a profile, models it may be given, what its messages mean. Pure; `farm.slicing` runs it.

Sources: behaviour of PrusaSlicer 2.5.0 as Debian ships it, measured; names of settings from its `--help-fff`.
A 3MF can carry settings of its own, among them `post_process`: a command that PrusaSlicer runs. Measured: it does run it, also from
the command line. So a 3MF goes through `plain_3mf` first, which keeps the geometry and nothing else.
"""

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from gcode.profile import PrinterProfile, limits_of
from gcode.texts import Bilingual, BilingualError, printable

EXECUTABLES: Final = ("prusa-slicer", "PrusaSlicer", "prusa-slicer-console")
MAX_MODEL_BYTES: Final = 100 * 1024**2
MAX_UNPACKED_BYTES: Final = 400 * 1024**2
MAX_COPIES: Final = 50
MAX_MESSAGES: Final = 20
_MAX_MESSAGE: Final = 300
_MAX_ENTRIES: Final = 200
_MAX_RATIO: Final = 200
_STL_FIRST_TRIANGLE_ENDS: Final = 134
_PIECE: Final = 256 * 1024
_FLAVOURS: Final = {"marlin": "marlin2", "marlin-legacy": "marlin", "klipper": "marlin", "reprapfirmware": "reprapfirmware"}


class SlicerError(BilingualError):
    """No program came of it; `messages` are the slicer's own where it said something."""

    code = "slicer"

    def __init__(self, bilingual: Bilingual, messages: "Sequence[SlicerMessage]" = ()) -> None:
        super().__init__(bilingual)
        self.messages = tuple(messages)


class SlicerMissingError(SlicerError):
    """No slicer is installed, or it does not start."""

    code = "slicer-missing"


class ModelError(SlicerError):
    """The file is no STL and no 3MF, or larger than we take."""

    code = "model"


class SettingsError(SlicerError):
    """What was asked for cannot be sliced for this profile."""

    code = "slicer-settings"


class SlicerRefusedError(SlicerError):
    """The slicer ended without a program: `messages` say why."""

    code = "slicer-refused"


class SlicerLimitError(SlicerError):
    """It was ended because it took too much: `limit` is "time", "memory" or "output"."""

    code = "slicer-limit"

    def __init__(self, limit: str, bilingual: Bilingual, messages: "Sequence[SlicerMessage]" = ()) -> None:
        super().__init__(bilingual, messages)
        self.limit = limit


# -- models


class ModelKind(StrEnum):
    """What a file is by its content; the value is the ending that the slicer wants."""

    STL = "stl"
    THREE_MF = "3mf"


def _stl_binary(head: bytes, size_bytes: int) -> bool:
    return len(head) >= 84 and size_bytes == 84 + 50 * int(struct.unpack_from("<I", head, 80)[0]) and size_bytes > 84


def model_kind(stream: BinaryIO) -> ModelKind:
    """Look at a seekable stream and put it back where it stood.

    Raises:
        ModelError: it is neither, cut off, or larger than MAX_MODEL_BYTES.

    """
    begin = stream.tell()
    head = stream.read(1024)
    size_bytes = stream.seek(0, 2) - begin
    stream.seek(begin)
    most = MAX_MODEL_BYTES
    if size_bytes > most:
        raise ModelError(
            Bilingual(
                f"The model has {size_bytes / 1e6:.0f} MB, at most {most / 1e6:.0f} MB are sliced here: simplify it.",
                f"Le modèle fait {size_bytes / 1e6:.0f} Mo, {most / 1e6:.0f} Mo au plus sont tranchés ici : simplifiez-le.",
            )
        )
    if head.startswith(b"PK\x03\x04"):
        return ModelKind.THREE_MF
    if _stl_binary(head, size_bytes) or (head.lstrip().startswith(b"solid") and b"facet" in head):
        return ModelKind.STL
    raise ModelError(
        Bilingual(
            "This is no whole STL or 3MF file: export the model again.",
            "Ce n'est pas un fichier STL ou 3MF entier : exportez le modèle de nouveau.",
        )
    )


def plain_stl(stream: BinaryIO, output: BinaryIO) -> None:
    """Copy an STL such that PrusaSlicer takes a binary one for binary.

    It looks for a byte above 127 behind the header (measured: a box of 180 mm has none and "cannot be loaded"), so the first
    triangle gets one in its attribute, which nobody reads.
    """
    head = stream.read(_STL_FIRST_TRIANGLE_ENDS)
    stands_at = stream.tell()
    rest_bytes = stream.seek(0, 2) - stands_at
    stream.seek(stands_at)
    if _stl_binary(head, len(head) + rest_bytes):
        head = head[:-2] + b"\xff\xff"
    output.write(head)
    while piece := stream.read(_PIECE):
        output.write(piece)


def _bad_3mf() -> ModelError:
    return ModelError(
        Bilingual(
            "This 3MF cannot be read, or is packed in a way that we do not open: export the model as STL.",
            "Ce 3MF est illisible, ou compressé d'une manière que nous n'ouvrons pas : exportez le modèle en STL.",
        )
    )


def _wanted(archive: ZipFile) -> list[ZipInfo]:
    """The geometry and what points to it; raises ModelError when it cannot be trusted to be of its size."""
    entries = archive.infolist()
    wanted = [entry for entry in entries if re.fullmatch(r"3D/(?:[\w.-]{1,80}/)?[\w.-]{1,80}\.model", entry.filename)]
    names = [entry.filename for entry in wanted]
    whole = sum(entry.file_size for entry in wanted)
    packed = sum(entry.compress_size for entry in wanted)
    if len(entries) > _MAX_ENTRIES or not wanted or len(set(names)) != len(names):
        raise _bad_3mf()
    if whole > MAX_UNPACKED_BYTES or whole > _MAX_RATIO * max(packed, 1024) or any(entry.flag_bits & 1 for entry in wanted):
        raise _bad_3mf()
    return wanted


_CONTENT_TYPES: Final = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>
"""
_RELATIONS: Final = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Target="/{target}" Id="rel-1" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>
"""


def _copy_part(source: ZipFile, entry: ZipInfo, target: ZipFile) -> None:
    """One part, no longer than it claims, without entities (XML that unfolds into more than it is)."""
    before = b""
    left = entry.file_size
    with source.open(entry) as packed, target.open(ZipInfo(entry.filename), "w") as copy:
        while piece := packed.read(_PIECE):
            left -= len(piece)
            if left < 0 or b"<!" in (before + piece).replace(b"<!--", b""):
                raise _bad_3mf()
            before = piece[-3:]
            copy.write(piece)


def plain_3mf(stream: BinaryIO, output: BinaryIO) -> None:
    """Write a 3MF with the geometry of another one and nothing else: no settings, no G-code, no commands.

    Raises:
        ModelError: it cannot be read, is too large unpacked, or holds what geometry has no need of.

    """
    try:
        with ZipFile(stream) as source, ZipFile(output, "w") as target:
            wanted = _wanted(source)
            main = next((entry.filename for entry in wanted if entry.filename.lower() == "3d/3dmodel.model"), wanted[0].filename)
            target.writestr(ZipInfo("[Content_Types].xml"), _CONTENT_TYPES)
            target.writestr(ZipInfo("_rels/.rels"), _RELATIONS.format(target=main))
            for entry in wanted:
                _copy_part(source, entry, target)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError, OverflowError) as error:
        raise _bad_3mf() from error


# -- settings


@dataclass(frozen=True, slots=True)
class Material:
    """A kind of filament. Figures: PrusaSlicer 2.5.0's own profiles "Prusament PLA" and "Prusament PETG" and their parents."""

    name: str
    density_g_cm3: float
    nozzle_c: float | None  # None: as the profile says
    bed_c: float | None
    least_fan_percent: int
    most_fan_percent: int
    fanless_layers: int
    most_flow_mm3_s: float


MATERIALS: Final = {
    "PLA": Material("PLA", 1.24, None, None, 100, 100, 1, 15),
    "PETG": Material("PETG", 1.27, 240, 85, 30, 50, 3, 8),
}


@dataclass(frozen=True, slots=True)
class SliceOptions:
    """What a person may choose. `infill_percent` 0 to 100."""

    material: str = "PLA"
    layer_height_mm: float = 0.2
    copies: int = 1
    infill_percent: int = 15
    walls: int = 3
    supports: bool = False
    brim_mm: float = 0.0


def _refused(english: str, french: str) -> SettingsError:
    return SettingsError(Bilingual(english, french))


def _checked(profile: PrinterProfile, options: SliceOptions) -> Material:
    material = MATERIALS.get(options.material)
    if material is None:
        known = ", ".join(MATERIALS)
        name = printable(options.material, 40)
        raise _refused(f"There are no settings for {name}: choose {known}.", f"Pas de réglages pour {name} : choisissez {known}.")
    if profile.flavour not in _FLAVOURS:
        raise _refused(
            f"PrusaSlicer cannot write the dialect {profile.flavour} of {profile.name}: slice it with the maker's own slicer.",
            f"PrusaSlicer n'écrit pas le dialecte {profile.flavour} de {profile.name} : utilisez le trancheur du fabricant.",
        )
    least, most = 0.05, 0.8 * profile.nozzle_mm
    height, nozzle = options.layer_height_mm, profile.nozzle_mm
    if not least <= height <= most:
        raise _refused(
            f"Layers of {height:g} mm do not fit a nozzle of {nozzle:g} mm: choose {least:g} to {most:g} mm.",
            f"Des couches de {height:g} mm ne vont pas avec une buse de {nozzle:g} mm : choisissez de {least:g} à {most:g} mm.",
        )
    ranges = (
        ("copies", options.copies, 1, MAX_COPIES),
        ("infill_percent", options.infill_percent, 0, 100),
        ("walls", options.walls, 1, 20),
    )
    for name, value, low, high in (*ranges, ("brim_mm", options.brim_mm, 0, 20)):
        if not low <= value <= high:
            raise _refused(
                f"{name} is {value:g}: choose {low} to {high}.", f"{name} vaut {value:g} : choisissez de {low} à {high}."
            )
    return material


def _code(template: str, nozzle_c: float, bed_c: float) -> str:
    """Start or end code as one line of an .ini; what would be a macro of the slicer is refused."""
    filled = template.replace("{nozzle_c}", f"{nozzle_c:g}").replace("{bed_c}", f"{bed_c:g}")
    if re.search(r"[{}\[\]]", filled):
        raise _refused(
            "The profile's start or end code has brackets that PrusaSlicer would take for its own: change the profile.",
            "Le code de début ou de fin du profil a des accolades que PrusaSlicer prendrait pour les siennes : changez le profil.",
        )
    lines = [line.strip() for line in filled.splitlines() if line.strip()]
    return "\\n".join(line.replace("\\", "\\\\") for line in lines)


def _motion(profile: PrinterProfile) -> dict[str, object]:
    limits = limits_of(profile)
    table: dict[str, object] = {}
    for axis, speed, acceleration, jerk in zip("xyze", limits.speed_mm_s, limits.acceleration_mm_s2, limits.jerk_mm_s, strict=True):
        table[f"machine_max_feedrate_{axis}"] = f"{speed:g}"
        table[f"machine_max_acceleration_{axis}"] = f"{acceleration:g}"
        table[f"machine_max_jerk_{axis}"] = f"{jerk:g}"
    printing, outer = profile.print_speed_mm_s, profile.print_speed_mm_s * 0.7
    slower = ("external_perimeter_speed", "small_perimeter_speed", "top_solid_infill_speed", "gap_fill_speed", "bridge_speed")
    usual = ("perimeter_speed", "infill_speed", "solid_infill_speed", "support_material_speed")
    return {
        **table,
        "machine_limits_usage": "time_estimate_only",
        "machine_max_acceleration_extruding": f"{limits.print_acceleration_mm_s2:g}",
        "machine_max_acceleration_retracting": f"{limits.retract_acceleration_mm_s2:g}",
        "machine_max_acceleration_travel": f"{limits.travel_acceleration_mm_s2:g}",
        "default_acceleration": f"{profile.acceleration_mm_s2:g}",
        **dict.fromkeys(slower, f"{outer:g}"),
        **dict.fromkeys(usual, f"{printing:g}"),
        "first_layer_speed": f"{profile.first_layer_speed_mm_s:g}",
        "travel_speed": f"{profile.travel_speed_mm_s:g}",
        "retract_length": f"{profile.retraction_mm:g}",
        "retract_speed": f"{profile.retraction_speed_mm_s:g}",
    }


def _heat(profile: PrinterProfile, material: Material) -> dict[str, object]:
    nozzle_c = min(profile.nozzle_c if material.nozzle_c is None else material.nozzle_c, profile.max_nozzle_c)
    bed_c = min(profile.bed_c if material.bed_c is None else material.bed_c, profile.max_bed_c)
    return {
        "temperature": f"{nozzle_c:g}",
        "first_layer_temperature": f"{nozzle_c:g}",
        "bed_temperature": f"{bed_c:g}",
        "first_layer_bed_temperature": f"{bed_c:g}",
        "start_gcode": _code(profile.start_gcode, nozzle_c, bed_c),
        "end_gcode": _code(profile.end_gcode, nozzle_c, bed_c),
        "min_fan_speed": material.least_fan_percent,
        "max_fan_speed": material.most_fan_percent,
        "fan_always_on": 1,
        "disable_fan_first_layers": material.fanless_layers,
        "filament_type": material.name,
        "filament_density": f"{material.density_g_cm3:g}",
        "filament_max_volumetric_speed": f"{material.most_flow_mm3_s:g}",
    }


def prusaslicer_settings(profile: PrinterProfile, options: SliceOptions = SliceOptions()) -> str:
    """A flat .ini for `--load`: everything that the profile knows; the rest is PrusaSlicer's own default.

    Raises:
        SettingsError: the material, layer height or flavour does not go with the profile, or a figure is out of range.

    """
    material = _checked(profile, options)
    volume = profile.volume
    xs, ys = (volume.min_x, volume.max_x), (volume.min_y, volume.max_y)
    corners = ((xs[0], ys[0]), (xs[1], ys[0]), (xs[1], ys[1]), (xs[0], ys[1]))
    table: dict[str, object] = {
        "printer_technology": "FFF",
        "gcode_flavor": _FLAVOURS[profile.flavour],
        "bed_shape": ",".join(f"{x:g}x{y:g}" for x, y in corners),
        "max_print_height": f"{volume.max_z:g}",
        "nozzle_diameter": f"{profile.nozzle_mm:g}",
        "filament_diameter": f"{profile.filament_mm:g}",
        "layer_height": f"{options.layer_height_mm:g}",
        "first_layer_height": f"{max(options.layer_height_mm, 0.2) if profile.nozzle_mm >= 0.4 else options.layer_height_mm:g}",
        "perimeters": options.walls,
        "fill_density": f"{options.infill_percent}%",
        "fill_pattern": "rectilinear" if options.infill_percent == 100 else "gyroid",
        "support_material": int(options.supports),
        "support_material_auto": 1,
        "brim_width": f"{options.brim_mm:g}",
        "skirts": 1,
        "use_relative_e_distances": 1,
        "before_layer_gcode": ";BEFORE_LAYER_CHANGE\\nG92 E0",
        "gcode_comments": 0,
        "post_process": "",
        **_motion(profile),
        **_heat(profile, material),
    }
    return "".join(f"{key} = {value}\n" for key, value in table.items())


def prusaslicer_arguments(model: str, output: str, settings: str, folder: str, options: SliceOptions = SliceOptions()) -> list[str]:
    """Arguments after the executable's name. No --center: with it PrusaSlicer no longer checks whether the model fits the bed."""
    copies = ["--duplicate", str(options.copies)] if options.copies > 1 else []
    return ["--export-gcode", "--datadir", folder, "--load", settings, "--loglevel", "1", *copies, "-o", output, "--", model]


# -- messages


@dataclass(frozen=True, slots=True)
class SlicerMessage:
    """Something that the slicer said: `id` is "other" for what we do not know. `original` is untrusted, cleaned text."""

    id: str
    text: Bilingual
    original: str


@dataclass(slots=True)
class SlicerLog:
    """Takes the slicer's output line by line; keeps at most MAX_MESSAGES."""

    percent: int = 0
    step: str = ""
    messages: list[SlicerMessage] = field(default_factory=list)

    def take(self, line: str) -> None:
        """One line of either stream."""
        progress = re.match(r"(\d{1,3}) => (.*)", line)
        if progress:
            self.percent, self.step = min(int(progress[1]), 100), printable(progress[2], 80)
            return
        text = printable(_STAMP.sub("", line), _MAX_MESSAGE)
        if not text or text.startswith(_NOISE) or len(self.messages) >= MAX_MESSAGES:
            return
        if not any(message.original == text for message in self.messages):
            self.messages.append(_understood(text))

    @property
    def why(self) -> Bilingual:
        """The first message that we understand, or everything that was said."""
        known = next((message.text for message in self.messages if message.id != "other"), None)
        if known is not None:
            return known
        said = " ".join(message.original for message in self.messages)[:_MAX_MESSAGE]
        return Bilingual(said or "It gave no reason.", said or "Il n'a pas donné de raison.")


_STAMP: Final = re.compile(r"^(?:\[[^\]]{1,40}\]\s*){1,4}|^\s*what\(\):\s*")
_NOISE: Final = ("Initializing StaticPrintConfigs", "terminate called after", "Slicing result exported")

_KNOWN: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        "does-not-fit",
        r"could not fit on the bed|outside of the print volume|exceeds the maximum build volume",
        "The model does not fit the printer's bed: turn it, make it smaller, or choose a larger printer.",
        "Le modèle ne tient pas sur le plateau : tournez-le, réduisez-le ou choisissez une imprimante plus grande.",
    ),
    (
        "nothing-to-print",
        r"No layers were detected|no extrusions in the first layer|Nothing to print",
        "There is nothing to print in the model: check its size (millimetres?) and whether it lies on the bed.",
        "Il n'y a rien à imprimer dans le modèle : vérifiez sa taille (en millimètres ?) et s'il repose sur le plateau.",
    ),
    (
        "unreadable-model",
        r"Loading of a model file failed|has the wrong size|syntactically very wrong|is an empty file|Unable to open the file",
        "The model cannot be read: export it again.",
        "Le modèle est illisible : exportez-le de nouveau.",
    ),
    (
        "custom-code",
        r"invalid custom G-code|Parsing error at line",
        "PrusaSlicer does not understand the start or end code of the profile: correct the profile.",
        "PrusaSlicer ne comprend pas le code de début ou de fin du profil : corrigez le profil.",
    ),
    (
        "settings",
        r"Error while reading config file|Invalid value provided|Layer height can't be greater|invalid value",
        "PrusaSlicer refuses a setting: choose another layer height, or correct the profile.",
        "PrusaSlicer refuse un réglage : choisissez une autre hauteur de couche, ou corrigez le profil.",
    ),
    (
        "no-memory",
        r"std::bad_alloc|out of memory|Cannot allocate",
        "The model needs more memory than it may take here: simplify it.",
        "Le modèle demande plus de mémoire que permis ici : simplifiez-le.",
    ),
    (
        "no-room",
        r"No space left|write failed|Failed writing|is the disk full",
        "The program could not be written: make room on the disk.",
        "Le programme n'a pas pu être écrit : faites de la place sur le disque.",
    ),
)


def _understood(text: str) -> SlicerMessage:
    for name, pattern, english, french in _KNOWN:
        if re.search(pattern, text):
            return SlicerMessage(name, Bilingual(english, french), text)
    return SlicerMessage("other", Bilingual(text, text), text)
