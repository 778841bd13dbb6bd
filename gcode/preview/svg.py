"""A drawing from above as SVG, written by hand: paths in hundredths of a millimetre, text escaped, nothing that runs or loads."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from gcode.preview.features import Colour, Feature
from gcode.preview.scenery import LIGHT, caption, grid_mm, ground_box, headline, length_label, listed, scale_bar_mm
from gcode.preview.strokes import Drawing, Strokes, continues, every_other_layer, line_sizes_mm, thinned
from gcode.profile import Box, PrinterProfile

MAX_POINTS: Final = 60_000  # about 0.6 MB
_UNITS_PER_MM: Final = 100
_FARTHEST_MM: Final = 10_000.0
_TEXT_PX: Final = 15
_ENTRY_PX: Final = 218
_SIDE_PX: Final = 24
_TOP_PX: Final = 64
_TITLE_ID: Final = "title"


@dataclass(frozen=True, slots=True)
class _Group:
    """Paths of one kind and width, to be drawn at once."""

    feature: Feature
    width_mm: float
    path: str


def _hex(colour: Colour, share: float = 1.0) -> str:
    red, green, blue = (min(int(part * share), 255) for part in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _unseen_left_out(strokes: Strokes) -> Strokes:
    """From above only the highest of lines in the same place is seen: the last of equal ones, to a tenth of a millimetre."""
    ends = np.concatenate([strokes.start[:, :2], strokes.end[:, :2]], axis=1).astype(np.float64)
    cells = np.clip(np.rint(ends * 10) + 20_000, 0, 65_535).astype(np.uint64)
    key = cells[:, 0] << np.uint64(48) | cells[:, 1] << np.uint64(32) | cells[:, 2] << np.uint64(16) | cells[:, 3]
    _, last = np.unique(key[::-1], return_index=True)
    return strokes.chosen(np.sort(len(key) - 1 - last))


def _few_enough(drawing: Drawing, layer: int | None) -> Drawing:
    """By height, without what is hidden, and thinned to MAX_POINTS."""
    strokes = drawing.strokes
    strokes = strokes.chosen(np.argsort(strokes.end[:, 2], kind="stable"))
    if layer is None:
        strokes = _unseen_left_out(strokes)
    tolerance_mm, stride = 0.05, 1
    while len(strokes) and len(strokes) + int((~continues(strokes)).sum()) > MAX_POINTS:
        tolerance_mm *= 2
        strokes = thinned(strokes, tolerance_mm)
        if tolerance_mm > 1:
            stride *= 2
            halved = every_other_layer(strokes, stride)
            strokes = halved if len(halved) < len(strokes) else strokes.chosen(np.arange(0, len(strokes), 2))
    return Drawing(strokes, drawing.features, drawing.layer_z_mm, drawing.filament_area_mm2)


def _path(strokes: Strokes) -> str:
    """`M` where a line begins anew, relative steps otherwise."""
    limit = _FARTHEST_MM
    start = np.rint(np.clip(strokes.start[:, :2], -limit, limit) * _UNITS_PER_MM).astype(int).tolist()
    end = np.rint(np.clip(strokes.end[:, :2], -limit, limit) * _UNITS_PER_MM).astype(int).tolist()
    words, at = [], None
    for (x0, y0), (x1, y1) in zip(start, end, strict=True):
        if at != (x0, y0):
            words.append(f"M{x0} {y0}l{x1 - x0} {y1 - y0}")
        else:
            words.append(f" {x1 - x0} {y1 - y0}")
        at = (x1, y1)
    return "".join(words)


def _groups(drawing: Drawing) -> Iterator[_Group]:
    """Runs of strokes of one kind and layer."""
    strokes = drawing.strokes
    if not len(strokes):
        return
    widths, _ = line_sizes_mm(drawing)
    changes = (strokes.feature[1:] != strokes.feature[:-1]) | (np.abs(widths[1:] - widths[:-1]) > 0.005)
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(strokes)]
    for begin, end in pairwise(edges):
        feature = drawing.features[strokes.feature[begin]]
        yield _Group(feature, float(widths[begin]), _path(strokes.chosen(np.arange(begin, end))))


def _dashes(pattern: tuple[float, ...], width: float) -> str:
    return f' stroke-dasharray="{" ".join(f"{part * width:.0f}" for part in pattern)}"' if pattern else ""


def _drawn(group: _Group, number: int) -> Iterator[str]:
    """A bead: dark edge and light body. Travel is a thin dashed line."""
    width, colour, name = group.width_mm * _UNITS_PER_MM, group.feature.colour, f"p{number}"
    yield f'<defs><path id="{name}" d="{group.path}"/></defs>'
    if group.feature.id == "travel":
        yield f'<use href="#{name}" stroke="{_hex(colour)}" stroke-width="12"{_dashes(group.feature.pattern, 25)}/>'
        return
    yield f'<use href="#{name}" stroke="{_hex(colour, 0.55)}" stroke-width="{width:.0f}"/>'
    yield f'<use href="#{name}" stroke="{_hex(colour)}" stroke-width="{width * 0.74:.0f}"/>'


def _patterned(group: _Group, number: int) -> Iterator[str]:
    """Its pattern along the middle."""
    if group.feature.pattern and group.feature.id != "travel":
        width = group.width_mm * _UNITS_PER_MM
        look = f'stroke="{_hex(group.feature.colour, 0.35)}" stroke-width="{width * 0.2:.0f}"'
        yield f'<use href="#p{number}" {look}{_dashes(group.feature.pattern, width)}/>'


def _rectangle(box: Box, look: str) -> str:
    x, y = box.min_x * _UNITS_PER_MM, box.min_y * _UNITS_PER_MM
    wide, deep = (box.max_x - box.min_x) * _UNITS_PER_MM, (box.max_y - box.min_y) * _UNITS_PER_MM
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{deep:.0f}" {look}/>'


def _bed(floor: Box, profile: PrinterProfile | None) -> Iterator[str]:
    """The bed with a line every 10 mm and its keep-out areas."""
    units = _UNITS_PER_MM
    wide, deep = (floor.max_x - floor.min_x) * units, (floor.max_y - floor.min_y) * units
    yield _rectangle(floor, f'fill="{_hex(LIGHT.bed, 1.1)}"')
    lines = [f"M{x * units:.0f} {floor.min_y * units:.0f}v{deep:.0f}" for x in grid_mm(floor.min_x, floor.max_x)]
    lines += [f"M{floor.min_x * units:.0f} {y * units:.0f}h{wide:.0f}" for y in grid_mm(floor.min_y, floor.max_y)]
    yield f'<path d="{"".join(lines)}" stroke="{_hex(LIGHT.grid)}" stroke-width="15"/>'
    if profile is not None:
        yield _rectangle(floor, f'stroke="{_hex(LIGHT.edge)}" stroke-width="60"')
        for box in profile.keep_out:
            yield _rectangle(box, f'fill="url(#keep-out)" stroke="{_hex(LIGHT.keep_out)}" stroke-width="40"')


_HATCHING: Final = (
    '<pattern id="keep-out" width="300" height="300" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<path d="M0 0V300" stroke="{_hex(LIGHT.keep_out)}" stroke-width="70"/></pattern>'
)


def _legend(drawing: Drawing, language: str, columns: int, y: float) -> Iterator[str]:
    """Each kind as it is drawn, with its name: the swatches are 8 px wide lines."""
    for index, (feature, percent) in enumerate(listed(drawing)):
        x0, y0 = _SIDE_PX + index % columns * _ENTRY_PX, y + index // columns * _TEXT_PX * 1.7
        line = f'd="M{x0:.0f} {y0:.1f}h34"'
        if feature.id == "travel":
            yield f'<path {line} stroke="{_hex(feature.colour)}" stroke-width="2" stroke-dasharray="6 6"/>'
        else:
            yield f'<path {line} stroke="{_hex(feature.colour, 0.55)}" stroke-width="11" stroke-linecap="round"/>'
            yield f'<path {line} stroke="{_hex(feature.colour)}" stroke-width="8" stroke-linecap="round"/>'
            dashes = " ".join(f"{part * 3:g}" for part in feature.pattern)
            if dashes:
                yield f'<path {line} stroke="{_hex(feature.colour, 0.35)}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        text = escape(caption(feature, percent, language))
        yield f'<text x="{x0 + 46:.0f}" y="{y0 + 5:.1f}" fill="{_hex(LIGHT.text)}">{text}</text>'


def _words(lines: list[str], width_px: int, scale: float, language: str) -> Iterator[str]:
    first, *more = (escape(line) for line in lines)
    yield f'<text x="{_SIDE_PX}" y="30" font-size="20" fill="{_hex(LIGHT.text)}">{first}</text>'
    if more:
        yield f'<text x="{_SIDE_PX}" y="51" fill="{_hex(LIGHT.faint)}">{" · ".join(more)}</text>'
    length_mm = scale_bar_mm(width_px / 5 / scale)
    right, left = width_px - _SIDE_PX, width_px - _SIDE_PX - length_mm * scale
    ink = _hex(LIGHT.text)
    yield f'<path d="M{left:.1f} 38v10M{right} 38v10M{left:.1f} 43H{right}" stroke="{ink}" stroke-width="1.5"/>'
    yield f'<text x="{(left + right) / 2:.1f}" y="31" text-anchor="middle" fill="{ink}">{length_label(length_mm, language)}</text>'


def document(drawing: Drawing, profile: PrinterProfile | None, *, layer: int | None, width_px: int, language: str) -> bytes:
    """The whole SVG. The same drawing gives the same bytes."""
    box = ground_box(drawing, profile)
    margin = 2.0 if profile is None else 0.5
    scale = (width_px - 2 * _SIDE_PX) / max(box.max_x - box.min_x + 2 * margin, 1.0)
    deep_px = max(box.max_y - box.min_y + 2 * margin, 1.0) * scale
    columns = max((width_px - _SIDE_PX) // _ENTRY_PX, 1)
    foot = _TOP_PX + deep_px + 22
    height_px = foot + ceil(len(listed(drawing)) / columns) * _TEXT_PX * 1.7 + 4
    lines = headline(drawing, layer, language)
    units = scale / _UNITS_PER_MM
    place = f"translate({_SIDE_PX - (box.min_x - margin) * scale:.3f} {_TOP_PX + (box.max_y + margin) * scale:.3f})"
    groups = list(_groups(_few_enough(drawing, layer)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_px}" height="{height_px:.0f}"',
        f' viewBox="0 0 {width_px} {height_px:.0f}" lang={quoteattr(language)} role="img" aria-labelledby="{_TITLE_ID}">',
        f'<title id="{_TITLE_ID}">{escape(" · ".join(lines))}</title><defs>{_HATCHING}</defs>',
        f'<rect width="{width_px}" height="{height_px:.0f}" fill="{_hex(LIGHT.sky)}"/>',
        f'<g transform="{place} scale({units:.6f} {-units:.6f})" fill="none" stroke-linecap="round" stroke-linejoin="round">',
        *_bed(box if profile is None else profile.volume, profile),
        *(line for number, group in enumerate(groups) for line in _drawn(group, number)),
        *((line for number, group in enumerate(groups) for line in _patterned(group, number)) if layer is not None else ()),
        f'</g><g fill="none" font-family="system-ui,sans-serif" font-size="{_TEXT_PX}">',
        *_words(lines, width_px, scale, language),
        *_legend(drawing, language, columns, foot),
        "</g></svg>\n",
    ]
    return "\n".join(parts).encode()
