"""Draws strokes as round beads of plastic into an array of pixels, the lower ones first: no plotting library, only NumPy.

In a parallel projection from above a point hides another only when it is higher, so drawing by height needs no depth buffer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gcode.preview.strokes import Drawing, Strokes, line_sizes_mm, thinned
from gcode.preview.view import View

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Pixels = NDArray[np.uint32]  # 0x00RRGGBB, (height, width)
Mask = NDArray[np.bool_]

MAX_SAMPLES: Final = 40_000_000  # points that are set; some 30 ns each
_CHUNK_SAMPLES: Final = 400_000
_NEAR_PX: Final = 0.71  # points this near to each other, whatever the direction, leave no pixel out
_LONGEST_STROKE_PX: Final = 8192  # one longer than any picture is of rubbish coordinates
_LIGHT: Final = np.array([-0.42, -0.50, 0.757])  # from the left, from the front, from above
_AMBIENT: Final = 0.50
_BELOW: Final = 0.35  # rad: how far round the side of a bead is drawn


@dataclass(frozen=True, slots=True)
class _Beads:
    """Strokes as they appear: their ends in pixels, and for each angle round the bead where it is and what colour."""

    begin: Singles  # (n, 2)
    across: Singles  # (n, 2): from begin to end
    counts: NDArray[np.int64]  # samples along
    offset: Singles  # (n, k, 2)
    colour: NDArray[np.uint32]  # (n, k)


def _angles(widest_px: float) -> Floats:
    """Enough of them round a bead that no pixel is left out between two."""
    count = min(max(ceil((pi / 2 + _BELOW) * widest_px / _NEAR_PX) + 1, 3), 32)
    return np.linspace(-_BELOW, pi + _BELOW, count)


def _sideways(strokes: Strokes) -> Floats:
    """Unit vectors in the plane, square to each stroke."""
    along = (strokes.end - strokes.start).astype(np.float64)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    return np.stack([-along[:, 1] / length, along[:, 0] / length, np.zeros(len(length))], axis=1)


def _packed(colours: Floats) -> NDArray[np.uint32]:
    """(..., 3) of 0 to 255 as one number each."""
    whole = np.clip(colours, 0, 255).astype(np.uint32)
    return in_one(whole)


def in_one(colours: Pixels) -> Pixels:
    """(..., 3) red, green and blue as one number each."""
    packed: Pixels = colours[..., 0] << np.uint32(16) | colours[..., 1] << np.uint32(8) | colours[..., 2]
    return packed


def _brightness(view: View, normal: Floats, glow: Floats) -> Floats:
    """Light on a surface with `normal` (n, k, 3); `glow` (n) is brighter the higher the layer."""
    diffuse = np.maximum(normal @ _LIGHT, 0.0)
    halfway = view.towards + _LIGHT
    shine = np.maximum(normal @ (halfway / np.linalg.norm(halfway)), 0.0) ** 24
    brightness: Floats = (_AMBIENT + 0.62 * diffuse) * glow[:, None] + 0.10 * shine
    return brightness


def _glow(strokes: Strokes) -> Floats:
    """0.86 at the foot of the part, 1.04 at its top: the eye reads height from it."""
    z = strokes.end[:, 2].astype(np.float64)
    lowest, highest = float(z.min()), float(z.max())
    return 0.86 + 0.18 * (z - lowest) / max(highest - lowest, 1e-6)


def _beads(drawing: Drawing, view: View, sizes: tuple[Floats, Floats], pixel: float) -> _Beads:
    strokes, (width, height) = drawing.strokes, sizes
    angles = _angles(float(width.max()) * view.scale_px_mm / pixel)
    sideways = _sideways(strokes)
    cosines, sines = np.cos(angles), np.sin(angles)
    upright = np.array([0.0, 0.0, 1.0])
    normal = sideways[:, None, :] * cosines[None, :, None] + upright * sines[None, :, None]
    round_mm = sideways[:, None, :] * (cosines[None, :] * width[:, None] / 2)[..., None]
    round_mm = round_mm + upright * ((sines[None, :] - 1) * height[:, None] / 2)[..., None]
    palette = np.array([feature.colour for feature in drawing.features], np.float64)
    shade = _brightness(view, normal, _glow(strokes))
    colour = _packed(palette[strokes.feature][:, None, :] * shade[..., None] + 6)
    flat = View(view.right, view.up, view.towards, view.scale_px_mm)
    begin, end = view.pixels(strokes.start.astype(np.float64)), view.pixels(strokes.end.astype(np.float64))
    offset = flat.pixels(round_mm.reshape(-1, 3)).reshape(len(strokes), len(angles), 2)
    single = np.float32
    return _Beads(begin.astype(single), (end - begin).astype(single), _counts(begin, end, pixel), offset.astype(single), colour)


def _counts(begin: Floats, end: Floats, pixel: float) -> NDArray[np.int64]:
    across = (end - begin) / pixel
    length = np.minimum(np.hypot(across[:, 0], across[:, 1]), _LONGEST_STROKE_PX)
    counts: NDArray[np.int64] = np.ceil(length / _NEAR_PX).astype(np.int64) + 1
    return counts


def _chunks(counts: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Slices of strokes with about `most` samples each."""
    begin = 0
    edges = np.searchsorted(np.cumsum(counts), np.arange(most, int(counts.sum()) + most, most))
    for edge in edges:
        end = min(int(edge) + 1, len(counts))
        if end > begin:
            yield slice(begin, end)
        begin = max(begin, end)


def _along(begin: Singles, across: Singles, counts: NDArray[np.int64]) -> tuple[Singles, NDArray[np.int64]]:
    """Points evenly along each stroke, and which stroke each is of."""
    which = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (number / np.maximum(counts - 1, 1)[which]).astype(np.float32)
    return begin[which] + across[which] * share[:, None], which


def _set(image: Pixels, places: Singles, colours: NDArray[np.uint32]) -> None:
    """Colour the pixels; of those named twice the last holds."""
    rows, columns = image.shape
    x, y = places[..., 0], places[..., 1]
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    index = y[inside].astype(np.int64) * columns + x[inside].astype(np.int64)
    image.reshape(-1)[index] = colours[inside]


def by_height(drawing: Drawing) -> Drawing:
    """The strokes from the lowest to the highest; those of a height in the order of the file."""
    strokes = drawing.strokes
    order = np.argsort(strokes.end[:, 2], kind="stable")
    return Drawing(strokes.chosen(order), drawing.features, drawing.layer_z_mm, drawing.filament_area_mm2)


def draw(image: Pixels, drawing: Drawing, view: View) -> None:
    """Draw all strokes into `image`. Beyond MAX_SAMPLES they are drawn with wider steps."""
    if not len(drawing.strokes):
        return
    ordered = by_height(_fine_enough(drawing, view))
    sizes = line_sizes_mm(ordered)
    for chunk in _spans(len(ordered.strokes)):
        part = Drawing(ordered.strokes.chosen(chunk), ordered.features, ordered.layer_z_mm, ordered.filament_area_mm2)
        _draw_part(image, part, view, (sizes[0][chunk], sizes[1][chunk]), _step(ordered, view, sizes[0]))


def _fine_enough(drawing: Drawing, view: View) -> Drawing:
    """Without points that are nearer than a pixel to the one before."""
    strokes = thinned(drawing.strokes, 1.0 / view.scale_px_mm)
    return Drawing(strokes, drawing.features, drawing.layer_z_mm, drawing.filament_area_mm2)


def _spans(count: int, most: int = 10_000) -> Iterator[NDArray[np.int64]]:
    for begin in range(0, count, most):
        yield np.arange(begin, min(begin + most, count))


def _step(drawing: Drawing, view: View, width: Floats) -> float:
    """Pixels between samples: 1, or more where there is more to draw than time."""
    strokes = drawing.strokes
    begin, end = view.pixels(strokes.start.astype(np.float64)), view.pixels(strokes.end.astype(np.float64))
    samples = int(_counts(begin, end, 1.0).sum()) * len(_angles(float(width.max()) * view.scale_px_mm))
    return sqrt(max(samples / MAX_SAMPLES, 1.0))


def _draw_part(image: Pixels, drawing: Drawing, view: View, sizes: tuple[Floats, Floats], pixel: float) -> None:
    beads = _beads(drawing, view, sizes, pixel)
    around = beads.offset.shape[1]
    for chunk in _chunks(beads.counts, max(_CHUNK_SAMPLES // around, 1)):
        middle, which = _along(beads.begin[chunk], beads.across[chunk], beads.counts[chunk])
        places = middle[:, None, :] + beads.offset[chunk][which]
        _set(image, places, beads.colour[chunk][which])


def shadow(shape: tuple[int, int], drawing: Drawing, view: View) -> Mask:
    """Where the part keeps the light from the bed (z = 0), a line a stroke: to be blurred."""
    image = np.zeros(shape, np.uint32)
    strokes = thinned(drawing.strokes, 2.0 / view.scale_px_mm)
    slope = _LIGHT / _LIGHT[2]
    for chunk in _spans(len(strokes)):
        ends = [strokes.start[chunk].astype(np.float64), strokes.end[chunk].astype(np.float64)]
        begin, end = (view.pixels(points - points[:, 2:] * slope) for points in ends)
        counts = _counts(begin, end, 1.0)
        for part in _chunks(counts, _CHUNK_SAMPLES):
            places, _ = _along(begin[part].astype(np.float32), (end - begin)[part].astype(np.float32), counts[part])
            _set(image, places, np.ones(len(places), np.uint32))
    return image > 0
