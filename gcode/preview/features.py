"""The kinds of line that slicers mark in comments: one list for all slicers, with a colour, a pattern and a name in both languages.

Colour is never the only signal: in drawings each kind has a pattern along its middle, and the legend has both beside the name.
`gcode.marks` finds the names; these are from genuine files of PrusaSlicer and Cura, and from the published words of OrcaSlicer,
Bambu Studio, Simplify3D and KISSlicer.
"""

from dataclasses import dataclass
from typing import Final

from gcode.texts import Bilingual, printable

MAX_NAME: Final = 40
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Feature:
    """One kind of line. `pattern` is dashes and gaps in line widths along its middle; empty: none."""

    id: str
    name: Bilingual
    colour: Colour
    pattern: tuple[float, ...] = ()


def _feature(feature: str, english: str, french: str, colour: int, *pattern: float) -> Feature:
    return Feature(feature, Bilingual(english, french), (colour >> 16, colour >> 8 & 255, colour & 255), pattern)


EXTERNAL: Final = _feature("external", "outer wall", "paroi extérieure", 0xF28C28)
PERIMETER: Final = _feature("perimeter", "inner wall", "paroi intérieure", 0xFFC94D, 6, 2)
OVERHANG: Final = _feature("overhang", "overhang", "surplomb", 0x3B5BDB, 1, 1)
INFILL: Final = _feature("infill", "infill", "remplissage", 0xB23A48, 1, 2)
SOLID: Final = _feature("solid", "solid infill", "remplissage plein", 0x9A6BD6, 3, 1.5)
TOP: Final = _feature("top", "top surface", "surface supérieure", 0xE8486B, 8, 1.5)
BRIDGE: Final = _feature("bridge", "bridge", "pont", 0x4D9DE0, 4, 1, 1, 1)
GAP: Final = _feature("gap", "gap fill", "comblement", 0x7A5230, 1, 1)
SKIRT: Final = _feature("skirt", "skirt and brim", "jupe et bordure", 0x16907D, 2, 2)
SUPPORT: Final = _feature("support", "support", "support", 0x6ABF69, 1, 3)
INTERFACE: Final = _feature("interface", "support interface", "interface de support", 0x2C7A41, 2, 1)
IRONING: Final = _feature("ironing", "ironing", "lissage", 0xF7A1C4, 5, 1)
TOWER: Final = _feature("tower", "wipe tower", "tour de purge", 0xA9D18E, 6, 1, 1, 1)
CUSTOM: Final = _feature("custom", "start and end code", "code de début et de fin", 0x8D99AE, 4, 4)
UNMARKED: Final = _feature("unmarked", "printed line", "ligne imprimée", 0xF28C28)
TRAVEL: Final = _feature("travel", "travel", "déplacement", 0x5C6F82, 3, 3)

_OTHER_COLOURS: Final = (0x7C93A6, 0xC0A36E, 0x5E8C8A, 0xA07A9C)

_KNOWN: Final[dict[str, Feature]] = {
    **dict.fromkeys(("external perimeter", "outer wall", "wall-outer", "outer perimeter", "external", "perimeter path"), EXTERNAL),
    **dict.fromkeys(("perimeter", "inner wall", "wall-inner", "inner perimeter", "loop path"), PERIMETER),
    **dict.fromkeys(("overhang perimeter", "overhang wall"), OVERHANG),
    **dict.fromkeys(("internal infill", "sparse infill", "fill", "infill"), INFILL),
    **dict.fromkeys(("solid infill", "internal solid infill", "skin", "bottom surface", "solid layer"), SOLID),
    **dict.fromkeys(("top solid infill", "top surface"), TOP),
    **dict.fromkeys(("bridge infill", "bridge", "internal bridge infill", "internal bridge"), BRIDGE),
    **dict.fromkeys(("gap fill", "gap infill"), GAP),
    **dict.fromkeys(("skirt/brim", "skirt", "brim"), SKIRT),
    **dict.fromkeys(("support material", "support", "support transition", "support (may stack) path"), SUPPORT),
    **dict.fromkeys(("support material interface", "support-interface", "support interface", "dense support"), INTERFACE),
    "ironing": IRONING,
    **dict.fromkeys(("wipe tower", "prime-tower", "prime tower", "prime pillar"), TOWER),
    "custom": CUSTOM,
}


def feature_of(name: str, number: int = 0) -> Feature:
    """The kind that a slicer's name means. An unknown one keeps its (cleaned) name in both languages; `number` picks its colour."""
    known = _KNOWN.get(name.lower())
    if known is not None:
        return known
    shown = printable(name, MAX_NAME)
    if not shown:
        return UNMARKED
    colour = _OTHER_COLOURS[number % len(_OTHER_COLOURS)]
    return _feature(f"other-{number}", shown, shown, colour, 2 + number % 3, 1 + number % 2)
