"""What both kinds of picture need to say beside the plastic: limits, colours of the page, words, a scale, what the legend lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, log10
from typing import Final

import numpy as np

from gcode.preview.features import Colour, Feature
from gcode.preview.strokes import Drawing
from gcode.preview.view import VIEWS
from gcode.profile import Box, PrinterProfile
from gcode.texts import Bilingual, BilingualError

MIN_SIDE_PX: Final = 32
MAX_SIDE_PX: Final = 2400
MAX_PIXELS: Final = 4_000_000
MAX_LEGEND: Final = 12
_BEYOND_BED_MM: Final = 20.0
_BESIDE: Final = frozenset({"skirt", "custom", "tower"})  # kinds of line that are no part of the part
_NOWHERE: Final = Box(0, 0, 0, 100, 100, 1)


class PreviewError(BilingualError):
    """No such picture can be drawn: a layer that the file does not have, or a size beyond the limits."""

    code = "preview"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of everything that is no plastic."""

    sky: Colour
    ground: Colour
    bed: Colour
    grid: Colour
    edge: Colour
    text: Colour
    faint: Colour
    keep_out: Colour


LIGHT: Final = Theme(
    sky=(246, 248, 250),
    ground=(226, 231, 237),
    bed=(212, 219, 227),
    grid=(198, 207, 217),
    edge=(128, 143, 158),
    text=(33, 45, 58),
    faint=(86, 100, 115),
    keep_out=(190, 40, 50),
)
DARK: Final = Theme(
    sky=(34, 41, 50),
    ground=(17, 21, 27),
    bed=(45, 54, 65),
    grid=(58, 69, 82),
    edge=(120, 135, 150),
    text=(226, 233, 240),
    faint=(156, 170, 184),
    keep_out=(240, 100, 100),
)


def checked_size(width_px: int, height_px: int) -> None:
    """Raises PreviewError when the picture would be too small to show anything or too large to make."""
    if min(width_px, height_px) >= MIN_SIDE_PX and max(width_px, height_px) <= MAX_SIDE_PX and width_px * height_px <= MAX_PIXELS:
        return
    limits = f"{MIN_SIDE_PX} - {MAX_SIDE_PX} px, {MAX_PIXELS // 1_000_000} Mpx"
    raise PreviewError(
        Bilingual(
            f"A picture of {width_px} x {height_px} px is outside the limits ({limits}): choose another size.",
            f"Une image de {width_px} x {height_px} px dépasse les limites ({limits}) : choisissez une autre taille.",
        )
    )


def checked_view(view: str) -> None:
    """Raises PreviewError when there is no such view."""
    if view not in VIEWS:
        known = ", ".join(VIEWS)
        raise PreviewError(
            Bilingual(
                f"There is no view {view!r}: choose one of {known}.", f"Il n'y a pas de vue {view!r} : choisissez parmi {known}."
            )
        )


def checked_layer(layer: int | None, drawing: Drawing) -> None:
    """Raises PreviewError when the file has no such layer (from 1)."""
    if layer is None or 1 <= layer <= drawing.layers:
        return
    raise PreviewError(
        Bilingual(
            f"There is no layer {layer}: the file has {drawing.layers}, counted from 1.",
            f"Il n'y a pas de couche {layer} : le fichier en a {drawing.layers}, comptées à partir de 1.",
        )
    )


def part_box(drawing: Drawing) -> Box | None:
    """The box of the part: what is laid in layers and stays; of everything when there is no more; None when nothing is laid."""
    strokes = drawing.strokes
    beside = [row for row, feature in enumerate(drawing.features) if feature.id in _BESIDE]
    laid = strokes.feature > 0
    layered = laid & (strokes.layer >= 0)
    part = layered & ~np.isin(strokes.feature, beside)
    shown = next((strokes.chosen(mask) for mask in (part, layered, laid) if mask.any()), None)
    if shown is None:
        return None
    low = np.minimum(shown.start.min(axis=0), shown.end.min(axis=0))
    high = np.maximum(shown.start.max(axis=0), shown.end.max(axis=0))
    return Box(*(float(value) for value in (*low, *high)))


def ground_box(drawing: Drawing, profile: PrinterProfile | None) -> Box:
    """What a picture from above shows: the bed and what lies little beyond it, or without a profile what is laid."""
    part = part_box(drawing)
    if profile is None:
        return part or _NOWHERE
    bed = profile.volume
    if part is None:
        return bed
    return Box(
        min(bed.min_x, max(part.min_x, bed.min_x - _BEYOND_BED_MM)),
        min(bed.min_y, max(part.min_y, bed.min_y - _BEYOND_BED_MM)),
        bed.min_z,
        max(bed.max_x, min(part.max_x, bed.max_x + _BEYOND_BED_MM)),
        max(bed.max_y, min(part.max_y, bed.max_y + _BEYOND_BED_MM)),
        bed.max_z,
    )


def scale_bar_mm(available_mm: float) -> float:
    """1, 2 or 5 times a power of ten, at most what is available."""
    if available_mm <= 0:
        return 0.0
    power = 10.0 ** floor(log10(available_mm))
    return next((factor * power for factor in (5.0, 2.0, 1.0) if factor * power <= available_mm), power)


def listed(drawing: Drawing) -> list[tuple[Feature, int]]:
    """The kinds of line that are drawn, most filament first, with their share in percent; travel is last and has none."""
    strokes = drawing.strokes
    filament = np.bincount(strokes.feature, strokes.filament_mm, len(drawing.features))
    drawn = np.bincount(strokes.feature, minlength=len(drawing.features))
    total = max(float(filament.sum()), 1e-9)
    rows = [row for row in np.argsort(-filament, kind="stable") if drawn[row]]
    return [(drawing.features[row], round(100 * float(filament[row]) / total)) for row in rows[:MAX_LEGEND]]


def caption(feature: Feature, percent: int, language: str) -> str:
    """A line of the legend."""
    name = feature.name.spoken(language)
    return name if feature.id == "travel" else f"{name} {percent or '<1'} %"


def number(value: float, language: str, digits: int = 1) -> str:
    """With a decimal comma in French."""
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "fr" else text


def length_label(length_mm: float, language: str) -> str:
    """Beside a scale bar."""
    text = f"{length_mm:g} mm"
    return text.replace(".", ",") if language == "fr" else text


def headline(drawing: Drawing, layer: int | None, language: str) -> list[str]:
    """What the picture shows: its size in mm, and which layer."""
    part = part_box(drawing)
    if part is None:
        return [Bilingual("nothing is printed here", "rien n'est imprimé ici").spoken(language)]
    size = " × ".join(number(side, language, 0) for side in (part.max_x - part.min_x, part.max_y - part.min_y))
    if layer is None:
        layers = Bilingual("layers", "couches") if drawing.layers != 1 else Bilingual("layer", "couche")
        return [f"{size} × {number(part.max_z, language)} mm", f"{drawing.layers} {layers.spoken(language)}"]
    named = Bilingual(f"layer {layer} of {drawing.layers}", f"couche {layer} sur {drawing.layers}").spoken(language)
    return [named, f"z {number(drawing.layer_z_mm[layer - 1], language, 2)} mm · {size} mm"]


def corners(box: Box) -> list[tuple[float, float, float]]:
    """All eight."""
    return [(x, y, z) for x in (box.min_x, box.max_x) for y in (box.min_y, box.max_y) for z in (box.min_z, box.max_z)]


def grid_mm(low: float, high: float, step: float = 10.0, most: int = 200) -> Iterable[float]:
    """Multiples of `step` from low to high; none when there would be more than `most`."""
    first, last = -(-low // step), high // step
    return () if last - first > most else (step * index for index in range(int(first), int(last) + 1))
