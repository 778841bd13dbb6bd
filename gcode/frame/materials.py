"""How a material wants to be cooled while it is laid, and how fast it may be pressed.

Fans after the profile bundle of PrusaSlicer 2.5.0 (PrusaResearch.ini, filaments *PLA*, *PET*, *ABS*, *FLEX*); the flow is below its
figures for PLA (15 mm3/s), because many hot ends in a network of homes are plainer than its own.
"""

from dataclasses import dataclass
from typing import Final

from gcode.profile import PrinterProfile


@dataclass(frozen=True, slots=True)
class Material:
    """Fans from 0 to 1; `fan_from_layer` counts from 0."""

    name: str
    fan: float
    bridge_fan: float
    fan_from_layer: int
    max_flow_mm3_s: float


_PLA: Final = Material("PLA", 1.0, 1.0, 1, 8.0)
_ABS: Final = Material("ABS", 0.0, 0.25, 3, 8.0)
MATERIALS: Final = {
    material.name: material
    for material in (
        _PLA,
        Material("PETG", 0.4, 0.5, 3, 8.0),
        _ABS,
        Material("ASA", 0.0, 0.25, 3, 8.0),
        Material("PP", 0.4, 0.5, 3, 6.0),
        Material("TPU", 0.8, 0.8, 3, 1.5),
    )
}


def material_of(profile: PrinterProfile) -> Material:
    """The material that the profile's temperatures are for: its first. One that is not known is cooled like PLA."""
    return MATERIALS.get(profile.materials[0].upper(), _PLA) if profile.materials else _PLA
