"""What a slicer says about its own file in comments: name, time, filament, nozzle, material, flavour.

Known are PrusaSlicer and its relatives (SuperSlicer, Orca, Bambu Studio, Slic3r), Cura (also as Griffin and UltiGCode),
Simplify3D, ideaMaker, KISSlicer. Untrusted: shown and compared, never obeyed for a decision (`gcode.survey` takes the machine
limits from the same comments, to refine the time estimate).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_TEXT_LENGTH: Final = 80
_MAX_TOOLS: Final = 16
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([dhms])", re.ASCII)
_SECONDS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?(?!\d)", re.ASCII)
_FLAVOURS: Final = {
    "marlin": "marlin-legacy",  # PrusaSlicer's name for Marlin before 2.0 and Prusa's own
    "marlin2": "marlin",
    "klipper": "klipper",
    "reprapfirmware": "reprapfirmware",
}
_CURA_FLAVOURS: Final = {
    "marlin": "marlin",
    "marlin(volumetric)": "marlin",
    "griffin": "griffin",
    "cheetah": "griffin",
    "ultigcode": "ultigcode",
    "reprap": "reprapfirmware",
}


@dataclass(slots=True)
class Claims:
    """None where the file says nothing."""

    slicer: str | None = None
    time_s: float | None = None
    filament_mm: float | None = None
    filament_mm3: float | None = None
    filament_g: float | None = None
    printer_model: str | None = None
    flavour: str | None = None
    nozzle_mm: float | None = None
    material: str | None = None
    initial_nozzle_c: dict[int, float] = field(default_factory=dict)  # Griffin's firmware heats to it before the file begins
    initial_bed_c: float | None = None
    slicer_version_due: bool = False

    def read(self, comment: str) -> None:
        """Take what one comment says; the first claim of a kind holds."""
        found = _reader_of(comment)
        if found is not None:
            take, text = found
            take(self, text)


_Reader = Callable[[Claims, str], None]


def _reader_of(comment: str) -> tuple[_Reader, str] | None:
    """Who understands a comment, and the text for him."""
    key, text = _key_and_text(comment)
    take = _READERS.get(key)
    if take is not None:
        return take, text
    for prefix, reader in _PREFIXES.get(key[:4], ()):
        if comment.startswith(prefix):
            return reader, comment[len(prefix) :]
    return None


def _key_and_text(comment: str) -> tuple[str, str]:
    """What stands before the first colon or equals sign, and behind it, without the blanks around it."""
    key, _, text = comment.partition("=")
    if ":" in key:
        key, _, text = comment.partition(":")
    return key.rstrip(), text.lstrip()


def is_claim(comment: str) -> bool:
    """Whether `Claims.read` takes anything from a comment: a scan passes over all others."""
    return _reader_of(comment) is not None


def may_be_claim(start: str) -> bool:
    """Whether a comment without colon and equals sign may be one, by its first four characters."""
    return start in _PREFIXES


def _duration_s(text: str) -> float | None:
    parts = _DURATION.findall(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts else None


def time_claim(seconds: float) -> str:
    """A time as PrusaSlicer writes it, and as `Claims` reads it."""
    whole = round(seconds)
    return f"{whole // 3600}h {whole // 60 % 60}m {whole % 60}s" if whole >= 3600 else f"{whole // 60}m {whole % 60}s"


def _number(text: str) -> float | None:
    match = _NUMBER.match(text)
    return float(match[0]) if match else None


def _sum(text: str) -> float | None:
    """One figure an extruder: `12.5, 3.1`."""
    numbers = [_number(part.strip()) for part in text.split(",")[:_MAX_TOOLS]]
    found = [number for number in numbers if number is not None]
    return sum(found) if found else None


def _slicer(claims: Claims, text: str) -> None:
    name = text.strip(" :=").removeprefix("by ").partition(" on ")[0].partition(", ")[0].strip()[:_TEXT_LENGTH]
    claims.slicer = claims.slicer or name or None


def _slicer_version(claims: Claims, text: str) -> None:
    if claims.slicer and text and text not in claims.slicer:
        claims.slicer = f"{claims.slicer} {text[:20]}"


def _bambu(claims: Claims, text: str) -> None:
    _slicer(claims, f"BambuStudio {text.strip()}")


def _kisslicer(claims: Claims, _text: str) -> None:
    claims.slicer_version_due = claims.slicer is None
    _slicer(claims, "KISSlicer")


def _kisslicer_version(claims: Claims, text: str) -> None:
    if claims.slicer_version_due:
        claims.slicer_version_due = False
        _slicer_version(claims, text.strip())


def _time_in_words(claims: Claims, text: str) -> None:
    claims.time_s = claims.time_s or _duration_s(text)


def _total_time_in_words(claims: Claims, text: str) -> None:
    """Bambu: `model printing time: 40m 1s; total estimated time: 43m 33s`."""
    _time_in_words(claims, text.partition("total estimated time:")[2] or text)


def _time_in_long_words(claims: Claims, text: str) -> None:
    """Simplify3D: `0 hours 37 minutes`."""
    short = re.sub(r"\s*(hour|minute|second|day)s?", lambda match: match[1][0], text)
    _time_in_words(claims, short)


def _time_min(claims: Claims, text: str) -> None:
    minutes = _number(text)
    if minutes is not None and claims.time_s is None:
        claims.time_s = minutes * 60


def _time_s(claims: Claims, text: str) -> None:
    claims.time_s = claims.time_s or _number(text)


def _cura_filament(claims: Claims, text: str) -> None:
    """`1.5m, 0.2m`, or `1234mm3` of volumetric Marlin."""
    total = _sum(text)
    if total is None:
        return
    if "mm3" in text:
        _volume(claims, text)
    elif claims.filament_mm is None:
        claims.filament_mm = total * 1000


def _filament_mm(claims: Claims, text: str) -> None:
    claims.filament_mm = claims.filament_mm if claims.filament_mm is not None else _sum(text)


def _filament_g(claims: Claims, text: str) -> None:
    claims.filament_g = claims.filament_g if claims.filament_g is not None else _sum(text)


def _slic3r_filament(claims: Claims, text: str) -> None:
    """`1234.5mm (2.9cm3)`."""
    if "mm" in text:
        _filament_mm(claims, text)


def _volume(claims: Claims, text: str) -> None:
    total = _sum(text)
    if total is not None:
        claims.filament_mm3 = (claims.filament_mm3 or 0.0) + total


def _printer_model(claims: Claims, text: str) -> None:
    claims.printer_model = claims.printer_model or text.strip()[:_TEXT_LENGTH] or None


def _flavour(claims: Claims, text: str) -> None:
    claims.flavour = claims.flavour or _FLAVOURS.get(text.strip().lower())


def _cura_flavour(claims: Claims, text: str) -> None:
    claims.flavour = claims.flavour or cura_flavour(text)


def cura_flavour(text: str) -> str | None:
    """Our word for Cura's `;FLAVOR:`; None for one that is none of ours."""
    return _CURA_FLAVOURS.get(text.strip().lower().replace(" ", ""))


def slic3r_flavour(text: str) -> str | None:
    """Our word for `gcode_flavor` of PrusaSlicer and its relatives."""
    return _FLAVOURS.get(text.strip().lower())


def _nozzle(claims: Claims, text: str) -> None:
    claims.nozzle_mm = claims.nozzle_mm or _number(text)


def _material(claims: Claims, text: str) -> None:
    """`PLA;PLA;PETG`: each kind once."""
    kinds = dict.fromkeys(part.strip() for part in re.split("[;,]", text) if part.strip())
    claims.material = claims.material or "/".join(kinds)[:_TEXT_LENGTH] or None


def _initial_bed(claims: Claims, text: str) -> None:
    claims.initial_bed_c = _number(text)


def _initial_nozzle(tool: int) -> _Reader:
    def take(claims: Claims, text: str) -> None:
        claims.initial_nozzle_c[tool] = _number(text) or 0.0

    return take


_READERS: Final[dict[str, _Reader]] = {
    "GENERATOR.NAME": _slicer,
    "GENERATOR.VERSION": _slicer_version,
    "version": _kisslicer_version,
    "estimated printing time": _time_in_words,
    "estimated printing time (normal mode)": _time_in_words,
    "total estimated time": _time_in_words,
    "model printing time": _total_time_in_words,
    "Build time": _time_in_long_words,
    "Build Time": _time_in_long_words,
    "Estimated Build Time": _time_min,
    "PRINT.TIME": _time_s,
    "Print Time": _time_s,
    "TIME": _time_s,
    "filament used": _slic3r_filament,
    "filament used [mm]": _filament_mm,
    "total filament length [mm]": _filament_mm,
    "Filament length": _filament_mm,
    "Filament used": _cura_filament,
    "MATERIAL": _volume,
    "MATERIAL2": _volume,
    "filament used [g]": _filament_g,
    "total filament weight [g]": _filament_g,
    "Plastic weight": _filament_g,
    "printer_model": _printer_model,
    "TARGET_MACHINE.NAME": _printer_model,
    "FLAVOR": _cura_flavour,
    "gcode_flavor": _flavour,
    "nozzle_diameter": _nozzle,
    "NOZZLE_DIAMETER": _nozzle,
    "Nozzle Diameter #1": _nozzle,
    "filament_type": _material,
    "Material Name#1": _material,
    "Material Name #1": _material,
    "BUILD_PLATE.INITIAL_TEMPERATURE": _initial_bed,
}
for _tool in range(_MAX_TOOLS):
    _READERS[f"EXTRUDER_TRAIN.{_tool}.INITIAL_TEMPERATURE"] = _initial_nozzle(_tool)
    _READERS[f"EXTRUDER_TRAIN.{_tool}.NOZZLE.DIAMETER"] = _nozzle
    _READERS[f"EXTRUDER_TRAIN.{_tool}.MATERIAL.VOLUME_USED"] = _volume

_PREFIXES: Final[dict[str, tuple[tuple[str, _Reader], ...]]] = {
    "gene": (("generated by", _slicer),),
    "Gene": (("Generated with", _slicer), ("Generated by", _slicer)),
    "G-Co": (("G-Code generated by", _slicer),),
    "Slic": (("Sliced by", _slicer),),
    "Bamb": (("BambuStudio", _bambu),),
    "KISS": (("KISSlicer", _kisslicer),),
    "vers": (("version ", _kisslicer_version),),
    "extr": (("extruderDiameter,", _nozzle),),
    "prin": (("printMaterial,", _material),),
}
