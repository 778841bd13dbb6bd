"""Draws strokes as round beads of plastic into an array of pixels, the higher ones first: no plotting library, only NumPy.

In a parallel projection from above a point hides another only when it is higher, so drawing by height needs no depth buffer, and
what is drawn first hides what comes later.
"""

from collections.abc import Iterator, Sequence
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
Integers = NDArray[np.int64]

MAX_SAMPLES: Final = 60_000_000  # before what is hidden is left out
_BATCH: Final = 4_000
_LOOK_EVERY: Final = 5  # of the samples along a stroke, to see whether it is hidden
_CHUNK_SAMPLES: Final = 400_000
_NEAR_PX: Final = 0.71  # points this near to each other, whatever the direction, leave no pixel out
_LONGEST_STROKE_PX: Final = 8192  # one longer than any picture is of rubbish coordinates
_MARGIN_PX: Final = 100.0
_LIGHT: Final = np.array([-0.42, -0.50, 0.757])  # from the left, from the front, from above
_AMBIENT: Final = 0.50
_BELOW: Final = 0.35  # rad: how far round the side of a bead is drawn


@dataclass(frozen=True, slots=True)
class _Beads:
    """Strokes as they appear: their ends in pixels, and for each angle round the bead where it is and what colour."""

    begin: Singles  # (n, 2)
    across: Singles  # (n, 2): from begin to end
    counts: Integers  # samples along
    offset: Singles  # (n, k, 2)
    colour: NDArray[np.uint32]  # (n, k)

    def chosen(self, which: Integers | slice) -> "_Beads":
        """Some of them."""
        return _Beads(self.begin[which], self.across[which], self.counts[which], self.offset[which], self.colour[which])


def _angles(strokes: Strokes, view: View, widest_px: float) -> Floats:
    """For each stroke those round its bead that look towards us, near enough to each other that no pixel is left out; (n, k)."""
    facing = _sideways(strokes) @ view.towards
    first = np.arctan2(-facing, view.towards[2])  # below it, and above it by a half turn, the bead looks away
    low, high = np.maximum(first, -_BELOW), np.minimum(first + pi, pi + _BELOW)
    most = float((high - low).max())
    count = min(max(ceil(most / 2 * widest_px / _NEAR_PX) + 1, 3), 32)
    angles: Floats = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, count)
    return angles


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


def _glow(strokes: Strokes, layer_z_mm: Sequence[float]) -> Floats:
    """0.86 at the foot of the part, 1.04 at its top: the eye reads height from it."""
    z = strokes.end[:, 2].astype(np.float64)
    return 0.86 + 0.18 * np.clip(z / max((*layer_z_mm, 1e-6)), 0.0, 1.0)


def _beads(drawing: Drawing, view: View, sizes: tuple[Floats, Floats], pixel: float, shape: tuple[int, int]) -> _Beads:
    strokes, (width, height) = drawing.strokes, sizes
    angles = _angles(strokes, view, float(width.max()) * view.scale_px_mm / pixel)
    sideways = _sideways(strokes)
    cosines, sines = np.cos(angles), np.sin(angles)
    upright = np.array([0.0, 0.0, 1.0])
    normal = sideways[:, None, :] * cosines[..., None] + upright * sines[..., None]
    round_mm = sideways[:, None, :] * (cosines * width[:, None] / 2)[..., None]
    round_mm = round_mm + upright * ((sines - 1) * height[:, None] / 2)[..., None]
    palette = np.array([feature.colour for feature in drawing.features], np.float64)
    shade = _brightness(view, normal, _glow(strokes, drawing.layer_z_mm))
    colour = _packed(palette[strokes.feature][:, None, :] * shade[..., None] + 6)
    flat = View(view.right, view.up, view.towards, view.scale_px_mm)
    begin, end = view.pixels(strokes.start.astype(np.float64)), view.pixels(strokes.end.astype(np.float64))
    offset = flat.pixels(round_mm.reshape(-1, 3)).reshape(*angles.shape, 2)
    begin, end = _within_reach(begin, end, shape)
    single = np.float32
    counts = _counts(begin, end, _NEAR_PX * pixel)
    return _Beads(begin.astype(single), (end - begin).astype(single), counts, offset.astype(single), colour)


def _counts(begin: Floats, end: Floats, near_px: float) -> Integers:
    """Points along each line that are at most so far from each other."""
    across = end - begin
    length = np.minimum(np.hypot(across[:, 0], across[:, 1]), _LONGEST_STROKE_PX)
    counts: Integers = np.ceil(length / near_px).astype(np.int64) + 1
    return counts


def _within_reach(begin: Floats, end: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Lines without the far ends of those that are longer than any picture: their samples would lie too far apart."""
    far = (np.abs(end - begin).max(axis=1) > _LONGEST_STROKE_PX).nonzero()[0]
    if not len(far):
        return begin, end
    start, across = begin[far], end[far] - begin[far]
    high = np.array([shape[1], shape[0]], np.float64) + _MARGIN_PX
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.stack([(-_MARGIN_PX - start) / across, (high - start) / across])
    first = np.clip(np.nan_to_num(shares.min(axis=0), nan=0.0).max(axis=1), 0.0, 1.0)
    last = np.clip(np.nan_to_num(shares.max(axis=0), nan=1.0).min(axis=1), first, 1.0)
    near_begin, near_end = begin.copy(), end.copy()
    near_begin[far] = start + across * first[:, None]
    near_end[far] = start + across * last[:, None]
    return near_begin, near_end


def _chunks(counts: Integers, most: int) -> Iterator[slice]:
    """Slices of strokes with about `most` samples each."""
    begin = 0
    edges = np.searchsorted(np.cumsum(counts), np.arange(most, int(counts.sum()) + most, most))
    for edge in edges:
        end = min(int(edge) + 1, len(counts))
        if end > begin:
            yield slice(begin, end)
        begin = max(begin, end)


def _along(begin: Singles, across: Singles, counts: Integers) -> tuple[Singles, Integers]:
    """Points evenly along each stroke, and which stroke each is of."""
    which = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (number / np.maximum(counts - 1, 1)[which]).astype(np.float32)
    return begin[which] + across[which] * share[:, None], which


def _pixel(shape: tuple[int, int], places: Singles) -> NDArray[np.int32]:
    """The number of the pixel that holds each place; -1 outside the picture."""
    rows, columns = shape
    x, y = places[..., 0], places[..., 1]
    index = y.astype(np.int32)
    index *= columns
    index += x.astype(np.int32)
    if x.min() < 0 or y.min() < 0 or x.max() >= columns or y.max() >= rows:
        index[~((x >= 0) & (x < columns) & (y >= 0) & (y < rows))] = -1
    return index


def by_height(drawing: Drawing) -> Drawing:
    """The strokes from the lowest to the highest; those of a height in the order of the file."""
    strokes = drawing.strokes
    order = np.argsort(strokes.end[:, 2], kind="stable")
    return Drawing(strokes.chosen(order), drawing.features, drawing.layer_z_mm, drawing.filament_area_mm2)


def draw(image: Pixels, drawing: Drawing, view: View) -> None:
    """Draw all strokes into `image`, the highest first: what it hides is not drawn. Beyond MAX_SAMPLES steps are wider."""
    if not len(drawing.strokes):
        return
    ordered = by_height(_fine_enough(drawing, view))
    width, height = line_sizes_mm(ordered)
    step = _step(ordered, view, width)
    sheet = _Sheet(image)
    for chunk in reversed(list(_spans(len(ordered.strokes), _BATCH))):
        part = Drawing(ordered.strokes.chosen(chunk), ordered.features, ordered.layer_z_mm, ordered.filament_area_mm2)
        sheet.add(_beads(part, view, (width[chunk], height[chunk]), step, sheet.shape))


class _Sheet:
    """A picture that fills up from the top of the part downwards."""

    def __init__(self, image: Pixels) -> None:
        self.shape = (image.shape[0], image.shape[1])
        self._image = image.reshape(-1)
        self._covered = np.zeros(self._image.size + 1, bool)
        self._covered[-1] = True  # outside of the picture nothing is seen

    def add(self, beads: _Beads) -> None:
        """Draw beads below all that were drawn before; among themselves the last is the highest."""
        seen = beads.chosen(self._in_sight(beads))
        around = beads.offset.shape[1]
        drawn = []
        for chunk in _chunks(seen.counts, max(_CHUNK_SAMPLES // around, 1)):
            part = seen.chosen(chunk)
            middle, which = _along(part.begin, part.across, part.counts)
            index = _pixel(self.shape, middle[:, None, :] + part.offset[which])
            fresh = ~self._covered[index]
            places = index[fresh]
            self._image[places] = part.colour[which][fresh]
            drawn.append(places)
        for places in drawn:
            self._covered[places] = True

    def _in_sight(self, beads: _Beads) -> Integers:
        """Those of which a look at a few points sees anything."""
        counts = (beads.counts + _LOOK_EVERY - 2) // _LOOK_EVERY + 1
        middle, which = _along(beads.begin, beads.across, counts)
        few = slice(0, None, max(beads.offset.shape[1] // 4, 1))
        open_ = ~self._covered[_pixel(self.shape, middle[:, None, :] + beads.offset[:, few][which])]
        return np.unique(which[open_.any(axis=1)])


def _fine_enough(drawing: Drawing, view: View) -> Drawing:
    """Without points that are nearer than a pixel to the one before."""
    strokes = thinned(drawing.strokes, 1.0 / view.scale_px_mm)
    return Drawing(strokes, drawing.features, drawing.layer_z_mm, drawing.filament_area_mm2)


def _spans(count: int, most: int) -> Iterator[slice]:
    for begin in range(0, count, most):
        yield slice(begin, min(begin + most, count))


def _step(drawing: Drawing, view: View, width: Floats) -> float:
    """Pixels between samples: 1, or more where there is more to draw than time."""
    strokes = drawing.strokes
    begin, end = view.pixels(strokes.start.astype(np.float64)), view.pixels(strokes.end.astype(np.float64))
    around = max(float(width.mean()) * view.scale_px_mm * 2, 3.0)
    samples = float(_counts(begin, end, _NEAR_PX).sum()) * around
    return sqrt(max(samples / MAX_SAMPLES, 1.0))


def shadow(shape: tuple[int, int], drawing: Drawing, view: View) -> Mask:
    """Where the part keeps the light from the bed (z = 0), a line a stroke: to be blurred."""
    mask = np.zeros(shape[0] * shape[1] + 1, bool)
    strokes = thinned(drawing.strokes, 2.0 / view.scale_px_mm)
    slope = _LIGHT / _LIGHT[2]
    for chunk in _spans(len(strokes), _BATCH):
        ends = [strokes.start[chunk].astype(np.float64), strokes.end[chunk].astype(np.float64)]
        begin, end = (view.pixels(points - points[:, 2:] * slope) for points in ends)
        counts = _counts(begin, end, 1.0)
        for part in _chunks(counts, _CHUNK_SAMPLES):
            places, _ = _along(begin[part].astype(np.float32), (end - begin)[part].astype(np.float32), counts[part])
            mask[_pixel(shape, places)] = True
    return mask[:-1].reshape(shape)
