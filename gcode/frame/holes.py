"""How visor sheets are punched: where the holes are, how large they may be, and who says so.

ISO 838 is the ordinary European office punch. Four holes, 80 mm apart each, are its usual extension, often called 888; no standard
names it, its middle holes are those of ISO 838. North America punches three holes 4 1/4 inches apart; no standard gives their size,
punches make 9/32 to 5/16 inch (7.1 to 7.9 mm). Both after https://en.wikipedia.org/wiki/Hole_punch, read in 2026.
"""

from dataclasses import dataclass
from typing import Final

from gcode.frame.errors import not_allowed
from gcode.texts import Bilingual


@dataclass(frozen=True, slots=True)
class HoleStandard:
    """A way to punch a sheet: places of the holes along its upper edge from the middle, and the holes' diameters, all in mm."""

    id: str
    name: Bilingual
    places_mm: tuple[float, ...]
    smallest_mm: float
    largest_mm: float
    edge_mm: float  # from the middle of a hole to the sheet's edge

    @property
    def span_mm(self) -> float:
        """Between the two outermost holes."""
        return self.places_mm[-1] - self.places_mm[0]


HOLE_STANDARDS: Final = {
    standard.id: standard
    for standard in (
        HoleStandard(
            "iso838",
            Bilingual("2 holes, 80 mm apart (ISO 838)", "2 trous, à 80 mm l'un de l'autre (ISO 838)"),
            (-40.0, 40.0),
            5.5,
            6.5,
            12.0,
        ),
        HoleStandard(
            "888",
            Bilingual("4 holes, 80 mm apart each (888)", "4 trous, à 80 mm les uns des autres (888)"),
            (-120.0, -40.0, 40.0, 120.0),
            5.5,
            6.5,
            12.0,
        ),
        HoleStandard(
            "us3",
            Bilingual("3 holes, 4 1/4 inches apart (North America)", "3 trous, à 4 pouces 1/4 (Amérique du Nord)"),
            (-107.95, 0.0, 107.95),
            7.1,
            8.0,
            12.7,
        ),
    )
}
_ALIASES: Final = {"2-hole": "iso838", "4-hole": "888", "3-hole": "us3", "us": "us3"}
HOLE_NAMES: Final = (*HOLE_STANDARDS, *_ALIASES)
MEANING: Final = Bilingual("the way the sheet is punched", "la façon dont la feuille est perforée")


def hole_standard(name: str) -> HoleStandard:
    """A standard by its id or another common name.

    Raises:
        FrameError: there is none of this name.

    """
    found = HOLE_STANDARDS.get(_ALIASES.get(name, name))
    if found is None:
        names = ", ".join(HOLE_NAMES)
        raise not_allowed("holes", name[:20], MEANING, Bilingual(f"one of {names}", names))
    return found
