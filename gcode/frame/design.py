"""The dimensions of a visor frame, each with its meaning and its bounds, and the standard frame of a printer.

The shape follows the frames that hospitals accepted in 2020 (flat bands of about 158 x 180 x 5 mm): a forehead band, a front arc
that holds a punched A4 sheet away from the face, two arms with hooks for an elastic. A pin stands out of the front arc with a round
head; its neck passes the smallest hole of the standard, the diagonal of its head is larger than the largest one.
"""

from dataclasses import dataclass, replace
from math import hypot, sqrt
from typing import Final, NamedTuple

from gcode.frame.errors import FrameError, between, not_allowed
from gcode.frame.holes import HoleStandard, hole_standard
from gcode.frame.lettering import LARGEST_STROKE_MM, MAX_LETTERS, letters_missing, text_width_mm
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual

BED_MARGIN_MM: Final = 6.0  # the skirt, and a finger's breadth from the edge of the bed
_SHORTEST_ARM_MM: Final = 45.0
_WALL_MM: Final = 3.24
_LINE: Final = 1.35  # nozzles
_HOLDS_BY_MM: Final = 0.05
_NARROWEST_LINE: Final = 0.75  # of the line width: below, a line of this nozzle does not hold together
_TEXT_RIM_MM: Final = 0.5  # of plain band above and below the letters


class Dimension(NamedTuple):
    """What a number of the design means and the bounds it must keep."""

    low: float
    high: float
    meaning: Bilingual
    unit: str = "mm"


DIMENSIONS: Final = {
    "head_width_mm": Dimension(110, 180, Bilingual("the clear width between the temples", "la largeur libre entre les tempes")),
    "head_depth_mm": Dimension(
        75, 220, Bilingual("the depth from the forehead to the ends of the arms", "la profondeur du front au bout des branches")
    ),
    "forehead_depth_mm": Dimension(
        30, 80, Bilingual("how far the forehead bows out before the temples", "l'avancée du front par rapport aux tempes")
    ),
    "forehead_offset_mm": Dimension(
        15, 60, Bilingual("the distance from the forehead to the sheet", "la distance du front à la feuille")
    ),
    "height_mm": Dimension(2.5, 7.5, Bilingual("the height of the band", "la hauteur du bandeau")),
    "line_width_mm": Dimension(0.2, 2.0, Bilingual("the width of one printed line", "la largeur d'une ligne imprimée")),
    "wall_lines": Dimension(
        2, 16, Bilingual("how many lines side by side make the band", "le nombre de lignes côte à côte dans le bandeau"), ""
    ),
    "layer_height_mm": Dimension(0.05, 0.6, Bilingual("the height of one layer", "la hauteur d'une couche")),
    "pin_mm": Dimension(1.2, 6.0, Bilingual("the width of a pin's neck", "la largeur du col d'un téton")),
    "pin_neck_mm": Dimension(0.4, 6.0, Bilingual("the length of a pin's neck", "la longueur du col d'un téton")),
    "pin_head_mm": Dimension(
        0,
        12,
        Bilingual("the width of a pin's head (0: as the holes ask)", "la largeur de la tête d'un téton (0 : selon les trous)"),
    ),
    "hook_gap_mm": Dimension(2.0, 15.0, Bilingual("the clear width in a hook", "la largeur libre dans un crochet")),
    "hook_length_mm": Dimension(2.0, 25.0, Bilingual("the length of a hook's free leg", "la longueur de la patte d'un crochet")),
    "skin_radius_mm": Dimension(0, 2.5, Bilingual("the rounding of the edges at the skin", "l'arrondi des bords contre la peau")),
}


@dataclass(frozen=True, slots=True)
class FrameDesign:
    """Dimensions of a frame in millimetres; `DIMENSIONS` says what each means. The defaults are a standard adult frame.

    `holes` names the punching (`gcode.frame.holes`); `revision` is raised on the outer face of the right arm, empty: nothing.

    Raises:
        FrameError: a dimension is out of its bounds, or two contradict each other; it names the dimension.

    """

    head_width_mm: float = 146.0
    head_depth_mm: float = 142.0
    forehead_depth_mm: float = 48.0
    forehead_offset_mm: float = 38.0
    height_mm: float = 4.8
    line_width_mm: float = 0.54
    wall_lines: int = 6
    layer_height_mm: float = 0.3
    holes: str = "888"
    pin_mm: float = 2.4
    pin_neck_mm: float = 0.8
    pin_head_mm: float = 0.0
    hooks: bool = True
    hook_gap_mm: float = 5.0
    hook_length_mm: float = 6.0
    skin_radius_mm: float = 1.0
    revision: str = ""

    def __post_init__(self) -> None:
        for name, dimension in DIMENSIONS.items():
            value = getattr(self, name)
            if not dimension.low <= value <= dimension.high:  # NaN fails too
                raise not_allowed(name, value, dimension.meaning, between(dimension.low, dimension.high, dimension.unit))
        _check_lines(self)
        _check_pins(self)
        _check_band(self)
        _check_revision(self)

    @property
    def standard(self) -> HoleStandard:
        """How the sheet is punched."""
        return hole_standard(self.holes)

    @property
    def wall_mm(self) -> float:
        """Thickness of the band."""
        return self.wall_lines * self.line_width_mm

    @property
    def layers(self) -> int:
        """Whole layers in the height."""
        return round(self.height_mm / self.layer_height_mm)

    @property
    def printed_height_mm(self) -> float:
        """Of the whole layers."""
        return self.layers * self.layer_height_mm

    @property
    def pin_diagonal_mm(self) -> float:
        """The smallest round hole that a pin's neck passes."""
        return hypot(self.pin_mm, self.printed_height_mm)

    @property
    def head_mm(self) -> float:
        """Width of a pin's head: as asked for, or so that its diagonal is held by the largest hole of the standard."""
        if self.pin_head_mm:
            return self.pin_head_mm
        held_mm = self.standard.largest_mm + _HOLDS_BY_MM
        return max(sqrt(max(held_mm**2 - self.printed_height_mm**2, 0.0)), self.pin_mm + self.line_width_mm)

    @property
    def head_diagonal_mm(self) -> float:
        """The largest round hole that a pin's head does not fall out of."""
        return hypot(self.head_mm, self.printed_height_mm)

    @property
    def head_middle_mm(self) -> float:
        """From the front face to the middle of a pin's head: the neck is what is seen between face and head."""
        return self.pin_neck_mm + sqrt(self.head_mm**2 - self.pin_mm**2) / 2

    @property
    def pin_reach_mm(self) -> float:
        """How far a pin stands out of the front face."""
        return self.head_middle_mm + self.head_mm / 2

    @property
    def front_depth_mm(self) -> float:
        """From the temples to the face of the sheet."""
        return self.forehead_depth_mm + self.forehead_offset_mm

    @property
    def arm_length_mm(self) -> float:
        """From the fork at the temple to the very end."""
        return self.head_depth_mm - self.forehead_depth_mm

    @property
    def depth_mm(self) -> float:
        """From the face of the sheet to the ends of the arms, without the pins."""
        return self.head_depth_mm + self.forehead_offset_mm

    @property
    def width_mm(self) -> float:
        """From temple to temple, outside, without the pins."""
        return self.head_width_mm + 2 * self.wall_mm


def _check_lines(design: FrameDesign) -> None:
    if design.wall_lines % 2 or design.wall_lines != int(design.wall_lines):
        raise not_allowed(
            "wall_lines", design.wall_lines, DIMENSIONS["wall_lines"].meaning, Bilingual("an even number", "un nombre pair")
        )
    if design.layer_height_mm > 0.8 * design.line_width_mm:
        most = 0.8 * design.line_width_mm
        raise not_allowed(
            "layer_height_mm",
            design.layer_height_mm,
            DIMENSIONS["layer_height_mm"].meaning,
            Bilingual(f"at most 0.8 x line_width_mm, here {most:g} mm", f"au plus 0,8 x line_width_mm, ici {most:g} mm"),
        )
    if design.layers < 3:
        raise not_allowed(
            "height_mm",
            design.height_mm,
            DIMENSIONS["height_mm"].meaning,
            Bilingual("three layers or more", "trois couches ou plus"),
        )


def _check_pins(design: FrameDesign) -> None:
    smallest_mm = design.standard.smallest_mm
    if design.pin_mm > design.wall_mm:
        wall = f"{design.wall_mm:g}"
        raise not_allowed(
            "pin_mm",
            design.pin_mm,
            DIMENSIONS["pin_mm"].meaning,
            Bilingual(f"at most the wall's {wall} mm", f"au plus l'épaisseur du bandeau, {wall} mm"),
        )
    if design.pin_diagonal_mm > smallest_mm:
        section, hole = f"{design.pin_mm:g} x {design.printed_height_mm:g} mm", f"{smallest_mm:g} mm"
        raise FrameError(
            Bilingual(
                f"A pin of pin_mm x height_mm = {section} does not pass a hole of {hole}: make pin_mm or height_mm smaller.",
                f"Un téton de pin_mm x height_mm = {section} ne passe pas un trou de {hole} : réduisez pin_mm ou height_mm.",
            ),
            parameter="pin_mm",
            value=design.pin_mm,
        )
    if design.head_mm < design.pin_mm:
        raise not_allowed(
            "pin_head_mm",
            design.pin_head_mm,
            DIMENSIONS["pin_head_mm"].meaning,
            Bilingual("0, or at least pin_mm", "0, ou au moins pin_mm"),
        )


def _check_band(design: FrameDesign) -> None:
    if design.arm_length_mm < _SHORTEST_ARM_MM:
        least = design.forehead_depth_mm + _SHORTEST_ARM_MM
        raise not_allowed(
            "head_depth_mm",
            design.head_depth_mm,
            DIMENSIONS["head_depth_mm"].meaning,
            Bilingual(
                f"from {least:g} mm up: shorter arms do not hold",
                f"{least:g} mm ou plus : des branches plus courtes ne tiennent pas",
            ),
        )
    clear_mm = design.forehead_offset_mm - 2 * design.wall_mm
    if clear_mm < 2 * design.wall_mm:
        raise not_allowed(
            "forehead_offset_mm",
            design.forehead_offset_mm,
            DIMENSIONS["forehead_offset_mm"].meaning,
            Bilingual(
                f"at least four walls, here {4 * design.wall_mm:g} mm", f"au moins quatre épaisseurs, ici {4 * design.wall_mm:g} mm"
            ),
        )
    narrowest = (design.wall_mm - skin_inset_mm(design, design.layer_height_mm / 2)) / design.wall_lines
    if narrowest < _NARROWEST_LINE * design.line_width_mm:
        raise not_allowed(
            "skin_radius_mm",
            design.skin_radius_mm,
            DIMENSIONS["skin_radius_mm"].meaning,
            Bilingual(
                "smaller, or the wall thicker: its lines grow too thin",
                "plus petit, ou un bandeau plus épais : ses lignes seraient trop fines",
            ),
        )


def _check_revision(design: FrameDesign) -> None:
    meaning = Bilingual("the text on the right arm", "le texte sur la branche droite")
    missing = letters_missing(design.revision)
    if missing or len(design.revision) > MAX_LETTERS:
        allowed = Bilingual(
            f"up to {MAX_LETTERS} of the letters A-Z, digits and . - / #", f"jusqu'à {MAX_LETTERS} lettres A-Z, chiffres et . - / #"
        )
        raise not_allowed("revision", design.revision[:40], meaning, allowed)
    if not design.revision:
        return
    letters_mm = letter_height_mm(design)
    room_mm = design.arm_length_mm - 2 * design.wall_mm - 25
    if letters_mm < 5 * LARGEST_STROKE_MM or text_width_mm(design.revision, letters_mm) > room_mm:
        allowed = Bilingual(
            "shorter, or the arm longer and the band higher", "plus court, ou une branche plus longue et un bandeau plus haut"
        )
        raise not_allowed("revision", design.revision, meaning, allowed)


def letter_height_mm(design: FrameDesign) -> float:
    """Of the letters of the revision."""
    return design.printed_height_mm - 2 * _TEXT_RIM_MM


def skin_inset_mm(design: FrameDesign, above_mm: float) -> float:
    """How far the skin side steps back at a height above the frame's bottom: a quarter round that ends in a slope of 45 degrees."""
    radius = design.skin_radius_mm
    to_face_mm = min(above_mm, design.printed_height_mm - above_mm)
    if to_face_mm >= radius:
        return 0.0
    if to_face_mm < radius * (1 - sqrt(0.5)):
        return radius * (2 - sqrt(2)) - to_face_mm
    return radius - sqrt(radius**2 - (radius - to_face_mm) ** 2)


SIZES: Final = {
    "adult": FrameDesign(),
    # A child's head is about a twelfth narrower and shorter; the front stays as long, because the sheet's holes do.
    "child": FrameDesign(head_width_mm=134.0, head_depth_mm=128.0, forehead_depth_mm=46.0, forehead_offset_mm=42.0),
}


def _lines_for(nozzle_mm: float) -> tuple[int, float]:
    """How many lines of what width make the wall: as near to 1.35 nozzles as an even number allows."""
    choices = [(lines, min(_WALL_MM / lines, 1.5 * nozzle_mm)) for lines in (2, 4, 6, 8, 10, 12)]
    lines, width = min(choices, key=lambda choice: abs(choice[1] / nozzle_mm - _LINE) + abs(choice[0] * choice[1] - _WALL_MM))
    return lines, round(width, 4)


def _layer_height_for(nozzle_mm: float) -> float:
    return next((height for height in (0.3, 0.2, 0.15, 0.1) if height <= 0.75 * nozzle_mm), 0.05)


def unshortened(profile: PrinterProfile, size: str = "adult") -> FrameDesign:
    """The standard frame with lines for this nozzle, whether or not it fits the bed.

    Raises:
        FrameError: `size` is not in `SIZES`.

    """
    base = SIZES.get(size)
    if base is None:
        meaning = Bilingual("whom the frame is for", "la personne à qui la visière est destinée")
        raise not_allowed("size", size[:20], meaning, Bilingual(" or ".join(SIZES), " ou ".join(SIZES)))
    lines, width_mm = _lines_for(profile.nozzle_mm)
    return replace(base, wall_lines=lines, line_width_mm=width_mm, layer_height_mm=_layer_height_for(profile.nozzle_mm))


def default_design(profile: PrinterProfile, size: str = "adult") -> FrameDesign:
    """The standard frame with lines for this nozzle, and with shorter arms on a short bed.

    Raises:
        FrameError: the bed is too short for arms that hold, or `size` is not in `SIZES`.

    """
    return shortened(unshortened(profile, size), profile)


def shortened(design: FrameDesign, profile: PrinterProfile) -> FrameDesign:
    """The same frame, its arms cut where the bed is shorter than the frame.

    Raises:
        FrameError: the arms would be too short to hold.

    """
    volume = profile.volume
    bed_mm = volume.max_y - volume.min_y
    pins_mm = design.pin_reach_mm if 0.0 in design.standard.places_mm else 0.0
    spare_mm = bed_mm - 2 * BED_MARGIN_MM - design.depth_mm - pins_mm - 2 * design.line_width_mm
    if spare_mm >= 0:
        return design
    missing_mm = _SHORTEST_ARM_MM - (design.arm_length_mm + spare_mm)
    if missing_mm > 0:
        raise FrameError(
            Bilingual(
                f"The bed of {profile.name} is {bed_mm:.0f} mm deep: even with the shortest arms that hold, "
                f"the frame needs {bed_mm + missing_mm:.0f} mm.",
                f"Le plateau de {profile.name} mesure {bed_mm:.0f} mm de profondeur : même avec les branches les plus courtes "
                f"qui tiennent, la visière en demande {bed_mm + missing_mm:.0f}.",
            ),
            parameter="head_depth_mm",
            value=design.head_depth_mm,
        )
    return replace(design, head_depth_mm=design.head_depth_mm + spare_mm)
