"""The figures of a frame by name, for a command line or a page: what each is and may be; makes designs and plates of them."""

from dataclasses import dataclass, fields, replace
from typing import Any, Final

from gcode.frame.design import DIMENSIONS, SIZES, FrameDesign, shortened, unshortened
from gcode.frame.errors import FrameError, not_allowed
from gcode.frame.holes import HOLE_NAMES
from gcode.frame.holes import MEANING as HOLES_MEANING
from gcode.frame.lettering import MAX_LETTERS
from gcode.frame.plate import PLATE_DIMENSIONS, Adhesion, Plate
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual


@dataclass(frozen=True, slots=True)
class FrameOption:
    """One figure. `name` as on a command line (`head-width`), `field` as in `FrameDesign` or `Plate` (`head_width_mm`).

    `kind` is the type of its value. `low` and `high` are None for what is no number; `choices` is empty unless it is one of a few.
    `default` is the standard's; None where it depends on the printer.
    """

    name: str
    field: str
    kind: type
    meaning: Bilingual
    default: object
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


_SIZE: Final = FrameOption(
    "size",
    "size",
    str,
    Bilingual("whom the frame is for", "la personne à qui la visière est destinée"),
    "adult",
    choices=tuple(SIZES),
)
_WORDS: Final = {
    "holes": ("hole-standard", HOLES_MEANING, HOLE_NAMES),
    "hooks": ("hooks", Bilingual("whether the arms end in hooks for an elastic", "si les branches finissent en crochets"), ()),
    "revision": (
        "revision",
        Bilingual(
            f"text on the right arm, up to {MAX_LETTERS} letters", f"texte sur la branche droite, {MAX_LETTERS} lettres au plus"
        ),
        (),
    ),
    "adhesion": (
        "adhesion",
        Bilingual("what surrounds the first layer", "ce qui entoure la première couche"),
        tuple(Adhesion),
    ),
}
_OF_THE_PRINTER: Final = frozenset({"line_width_mm", "wall_lines", "layer_height_mm", "head_depth_mm"})


def _option(field: str, default: object) -> FrameOption:
    shown_default = None if field in _OF_THE_PRINTER else default
    if field in _WORDS:
        name, meaning, choices = _WORDS[field]
        kind = bool if isinstance(default, bool) else str
        return FrameOption(name, field, kind, meaning, str(default) if kind is str else default, choices=tuple(map(str, choices)))
    low, high, meaning, unit = {**DIMENSIONS, **PLATE_DIMENSIONS}[field]
    name = field.removesuffix("_mm").replace("_", "-")
    return FrameOption(name, field, type(default), meaning, shown_default, unit, float(low), float(high))


def frame_options() -> tuple[FrameOption, ...]:
    """Every figure that `design_from` and `plate_from` take, in a sensible order."""
    design, plate = SIZES["adult"], Plate()
    of_plate = [_option(field.name, getattr(plate, field.name)) for field in fields(Plate)]
    of_design = [_option(field.name, getattr(design, field.name)) for field in fields(FrameDesign)]
    return (_SIZE, *of_plate, *of_design)


_BY_NAME: Final = {key: option.field for option in frame_options() for key in (option.name.replace("-", "_"), option.field)}
_PLATE_FIELDS: Final = frozenset(field.name for field in fields(Plate))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """By field; what is None was not given."""
    given = {}
    for name, value in options.items():
        field = _BY_NAME.get(name.replace("-", "_"))
        if field is None:
            raise FrameError(
                Bilingual(f"There is no figure {name[:40]} of a frame.", f"Une visière n'a pas de valeur {name[:40]}."),
                parameter=name[:40],
            )
        if value is not None:
            given[field] = value
    return given


def design_from(profile: PrinterProfile, **options: Any) -> FrameDesign:
    """The standard frame of a profile with some figures changed, by the names of `frame_options` (None: not given).

    Options of the plate are let through, so that a command may hand on everything it got. Without `head_depth` the arms are as long
    as the bed allows.

    Raises:
        FrameError: an unknown name, a figure out of its bounds, or figures that contradict each other.

    """
    given = {field: value for field, value in _given(options).items() if field not in _PLATE_FIELDS}
    design = replace(unshortened(profile, str(given.pop("size", "adult"))), **given)
    return design if "head_depth_mm" in given else shortened(design, profile)


def plate_from(**options: Any) -> Plate:
    """A plate of some figures, by the names of `frame_options` (None: not given); those of the design are let through.

    Raises:
        FrameError: an unknown name, or a figure out of its bounds.

    """
    given = {field: value for field, value in _given(options).items() if field in _PLATE_FIELDS}
    if "adhesion" in given and given["adhesion"] not in set(Adhesion):
        names = ", ".join(Adhesion)
        raise not_allowed("adhesion", given["adhesion"], _WORDS["adhesion"][1], Bilingual(names, names))
    if "adhesion" in given:
        given["adhesion"] = Adhesion(given["adhesion"])
    return Plate(**given)
