"""Puts a picture together: sky, bed with its grid, shadow, plastic, words; at twice its size, so that edges are smooth."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np

from gcode.preview import raster
from gcode.preview.lettering import Lettering
from gcode.preview.scenery import (
    Theme,
    caption,
    corners,
    grid_mm,
    ground_box,
    headline,
    length_label,
    listed,
    part_box,
    scale_bar_mm,
)
from gcode.preview.strokes import Drawing
from gcode.preview.view import View, view_of
from gcode.profile import Box, PrinterProfile

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_FINER: Final = 2
_WORDS_FROM_PX: Final = 300  # a smaller picture has none
_MARGIN: Final = 0.05
_FLOOR_MM: Final = 25.0  # of bed that is shown around a part without a profile
_SHADOW: Final = 0.42
_FOOTER: Final = 0.8


@dataclass(frozen=True, slots=True)
class Scene:
    """All that decides a picture."""

    drawing: Drawing
    profile: PrinterProfile | None
    view: str
    width_px: int
    height_px: int
    layer: int | None
    language: str
    theme: Theme

    @property
    def speaks(self) -> bool:
        """Whether there is room for words."""
        return min(self.width_px, self.height_px * 4 / 3) >= _WORDS_FROM_PX


def _text_px(scene: Scene) -> float:
    return min(max(min(scene.width_px, scene.height_px * 4 / 3) / 52, 11.0), 26.0)


def _legend_rows(scene: Scene, lettering: Lettering) -> list[list[tuple[float, int]]]:
    """Rows of (x, index of the legend's entry) that fit the width."""
    size, rows, x = _text_px(scene), [[]], _MARGIN * scene.width_px  # type: float, list[list[tuple[float, int]]], float
    for index, (feature, percent) in enumerate(listed(scene.drawing)):
        wide = lettering.width_px(caption(feature, percent, scene.language)) + size * 3.4
        if x + wide > scene.width_px * (1 - _MARGIN) and rows[-1]:
            rows.append([])
            x = _MARGIN * scene.width_px
        rows[-1].append((x, index))
        x += wide
    return rows


def _fitted(scene: Scene, legend_px: float) -> View:
    """The view with the part (or, from above, the bed) as large as it may be."""
    box = part_box(scene.drawing)
    if scene.view == "top" or box is None:
        box = ground_box(scene.drawing, scene.profile)
        shown = corners(Box(box.min_x, box.min_y, 0.0, box.max_x, box.max_y, 0.0))
    else:
        shown = corners(Box(box.min_x, box.min_y, 0.0, box.max_x, box.max_y, box.max_z))
    side = _MARGIN * scene.width_px
    top = _text_px(scene) * 4.2 if scene.speaks else _MARGIN * scene.height_px
    area = (side, top, scene.width_px - side, scene.height_px - max(legend_px, _MARGIN * scene.height_px))
    finer = tuple(value * _FINER for value in area)
    return view_of(scene.view).fitted(shown, (finer[0], finer[1], finer[2], finer[3]))


def _sky(scene: Scene) -> "Image":
    """Lighter above than below."""
    from PIL import Image  # noqa: PLC0415 - only who draws loads Pillow

    high, low = np.array(scene.theme.sky, np.float64), np.array(scene.theme.ground, np.float64)
    share = np.linspace(0, 1, scene.height_px * _FINER)[:, None]
    column = (high + (low - high) * share).astype(np.uint8)[:, None, :]
    return Image.fromarray(np.ascontiguousarray(np.repeat(column, scene.width_px * _FINER, axis=1)))


def _floor(scene: Scene) -> Box:
    if scene.profile is not None:
        return scene.profile.volume
    box = ground_box(scene.drawing, None)
    spread = _FLOOR_MM
    return Box(box.min_x - spread, box.min_y - spread, 0, box.max_x + spread, box.max_y + spread, 0)


def _draw_bed(canvas: "ImageDraw", scene: Scene, view: View) -> None:
    """The bed's surface with a line every 10 mm, a stronger one every 50, and where nothing may be laid."""
    floor, theme = _floor(scene), scene.theme
    outline = [(floor.min_x, floor.min_y), (floor.max_x, floor.min_y), (floor.max_x, floor.max_y), (floor.min_x, floor.max_y)]
    polygon = [view.pixel(x, y) for x, y in outline]
    canvas.polygon(polygon, theme.bed)
    lines = [((x, floor.min_y), (x, floor.max_y), x) for x in grid_mm(floor.min_x, floor.max_x)]
    lines += [((floor.min_x, y), (floor.max_x, y), y) for y in grid_mm(floor.min_y, floor.max_y)]
    for begin, end, value in lines:
        canvas.line([view.pixel(*begin), view.pixel(*end)], theme.grid, 3 if value % 50 == 0 else 1)
    if scene.profile is None:
        return
    for box in scene.profile.keep_out:
        _draw_keep_out(canvas, box, scene, view)
    canvas.line([*polygon, polygon[0]], theme.edge, 2 * _FINER)


def _draw_keep_out(canvas: "ImageDraw", box: Box, scene: Scene, view: View) -> None:
    """Its outline and hatching."""
    around = [
        (box.min_x, box.min_y),
        (box.max_x, box.min_y),
        (box.max_x, box.max_y),
        (box.min_x, box.max_y),
        (box.min_x, box.min_y),
    ]
    canvas.line([view.pixel(x, y) for x, y in around], scene.theme.keep_out, _FINER)
    for x in grid_mm(box.min_x, box.max_x, 2.0):
        canvas.line([view.pixel(x, box.min_y), view.pixel(x, box.max_y)], scene.theme.keep_out, 1)


def _darkened(picture: "Image", scene: Scene, view: View) -> "Image":
    """With the soft shadow of the part on the bed."""
    from PIL import Image, ImageChops, ImageFilter  # noqa: PLC0415 - only who draws loads Pillow

    half = view.shrunk(_FINER)
    mask = raster.shadow((scene.height_px, scene.width_px), scene.drawing, half)
    soft = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
    soft = soft.filter(ImageFilter.GaussianBlur(max(half.scale_px_mm * 0.8, 1.5))).resize(picture.size)
    light = soft.point([round(255 - value * _SHADOW) for value in range(256)])
    return ImageChops.multiply(picture, Image.merge("RGB", (light, light, light)))


def _with_plastic(picture: "Image", scene: Scene, view: View) -> "Image":
    from PIL import Image  # noqa: PLC0415 - only who draws loads Pillow

    packed = raster.in_one(np.asarray(picture, np.uint32))
    raster.draw(packed, scene.drawing, view)
    unpacked = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
    return Image.fromarray(unpacked)


def _write_words(picture: "Image", scene: Scene, view: View, rows: list[list[tuple[float, int]]]) -> None:
    """Title, scale and legend."""
    from PIL import ImageDraw  # noqa: PLC0415 - only who draws loads Pillow

    theme, size = scene.theme, _text_px(scene)
    canvas = ImageDraw.Draw(picture)
    heading, text = Lettering(picture, size * 1.35), Lettering(picture, size)
    margin = _MARGIN * scene.width_px
    first, *more = headline(scene.drawing, scene.layer, scene.language)
    heading.write(margin, size * 0.9, first, theme.text)
    for number, line in enumerate(more):
        text.write(margin, size * (2.6 + 1.4 * number), line, theme.faint)
    _draw_scale(canvas, scene, view.scale_px_mm / _FINER, text)
    entries = listed(scene.drawing)
    for number, row in enumerate(rows):
        y = scene.height_px - size * (1.7 * (len(rows) - number) + 0.5)
        for x, index in row:
            feature, percent = entries[index]
            canvas.rounded_rectangle([x, y + size * 0.15, x + size * 1.4, y + size * 0.95], size * 0.25, feature.colour, theme.edge)
            text.write(x + size * 1.9, y, caption(feature, percent, scene.language), theme.text)


def _draw_scale(canvas: "ImageDraw", scene: Scene, scale_px_mm: float, text: Lettering) -> None:
    """A bar of round length at the top right; lengths across the picture are true in both views."""
    length_mm = scale_bar_mm(scene.width_px / 5 / scale_px_mm)
    size, right = _text_px(scene), scene.width_px * (1 - _MARGIN)
    left, y = right - length_mm * scale_px_mm, size * 2.9
    canvas.line([(left, y), (right, y)], scene.theme.text, 2)
    for x in (left, right):
        canvas.line([(x, y - size * 0.35), (x, y + size * 0.35)], scene.theme.text, 2)
    label = length_label(length_mm, scene.language)
    text.write((left + right - text.width_px(label)) / 2, y - size * 1.7, label, scene.theme.text)


def picture_of(scene: Scene) -> bytes:
    """The PNG of a scene; the same scene gives the same bytes with one version of Pillow."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only who draws loads Pillow

    measure = Lettering(Image.new("RGB", (1, 1)), _text_px(scene))
    rows = _legend_rows(scene, measure) if scene.speaks else []
    view = _fitted(scene, _text_px(scene) * (1.7 * len(rows) + 1.0) if rows else 0.0)
    picture = _sky(scene)
    _draw_bed(ImageDraw.Draw(picture), scene, view)
    picture = _with_plastic(_darkened(picture, scene, view), scene, view)
    picture = picture.resize((scene.width_px, scene.height_px), Image.Resampling.BOX)
    if rows:  # a footer on which the legend can be read, whatever lies behind it
        footer = (0, scene.height_px - round(_text_px(scene) * (1.7 * len(rows) + 0.9)), scene.width_px, scene.height_px)
        behind = picture.crop(footer)
        picture.paste(Image.blend(behind, Image.new("RGB", behind.size, scene.theme.ground), _FOOTER), footer)
    if scene.speaks:
        _write_words(picture, scene, view, rows)
    output = BytesIO()
    picture.save(output, "PNG", compress_level=6)
    return output.getvalue()
