"""Beads of plastic in pixels: where they should be, the higher over the lower, no gaps, nothing outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gcode.preview import raster
from gcode.preview.features import feature_of
from gcode.preview.raster import draw, in_one, shadow
from gcode.preview.reading import read_drawing
from gcode.preview.strokes import Drawing, line_sizes_mm, no_strokes
from gcode.preview.view import View, view_of
from tests.unit.gcode.preview.plates import START, square, stream, tower


def canvas(width: int = 400, height: int = 400) -> raster.Pixels:
    return np.zeros((height, width), np.uint32)


def seen(text: str, view: View) -> raster.Pixels:
    image = canvas()
    draw(image, read_drawing(stream(text)), view)
    return image


def from_above(scale: float = 5.0) -> View:
    """(0, 0) at the lower left, 80 mm wide."""
    top = view_of("top")
    return View(top.right, top.up, top.towards, scale, (0.0, 400.0))


def test_a_line_is_where_it_should_be_and_has_no_gaps() -> None:
    image = seen(START + "G1 X10 Y40 Z0.2 F6000\nG1 X70 Y40 E2.5\n", from_above())
    rows, columns = np.nonzero(image)
    assert columns.min() == 50
    assert columns.max() == pytest.approx(350, abs=1)
    assert abs(rows.mean() - 200) < 1
    middle = image[200, 52:348]
    assert (middle > 0).all()
    assert 2 <= len(set(rows.tolist())) <= 5, "0.5 mm at 5 px/mm"


def test_a_slanting_line_has_no_holes() -> None:
    image = seen(START + "G1 X10 Y10 Z0.3 F6000\nG1 X70 Y47 E9\n", from_above()) > 0
    inner = image[1:-1, 1:-1]
    holes = ~inner & image[:-2, 1:-1] & image[2:, 1:-1] & image[1:-1, :-2] & image[1:-1, 2:]
    assert inner.sum() > 500
    assert holes.sum() == 0


def test_the_higher_line_hides_the_lower_whatever_their_order_in_the_file() -> None:
    low = ";TYPE:External perimeter\nG1 X10 Y40 Z0.2\nG1 X70 Y40 E2.5\n"
    high = ";TYPE:Skirt/Brim\nG1 X40 Y10 Z0.4\nG1 X40 Y70 E2.5\n"
    for order in (low + high, high + low):
        colour = int(seen(START + order, from_above())[200, 200])
        red, green = colour >> 16, colour >> 8 & 255
        assert green > red, "the skirt's green, not the wall's orange"


def test_the_same_program_gives_the_same_pixels() -> None:
    view = view_of("isometric").fitted([(40, 40, 0), (60, 60, 1)], (20, 20, 380, 380))
    assert (seen(tower(5), view) == seen(tower(5), view)).all()


def test_what_lies_outside_is_left_out() -> None:
    image = seen(START + "G1 X-500 Y40 Z0.2\nG1 X900000 Y40 E2.5\nG1 X40 Y-900000 E9\n", from_above())
    assert (image[200] > 0).all(), "what comes from far away and goes far away has no gaps here"
    assert (image > 0).sum() < image.size / 10


def test_leaving_out_what_is_hidden_changes_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    view = view_of("isometric").fitted([(40, 40, 0), (60, 60, 12)], (20, 20, 380, 380))
    text = tower(60) + tower(60, feature="Perimeter", side=19).removeprefix(START)
    monkeypatch.setattr(raster, "_BATCH", 40)
    fast = seen(text, view)
    monkeypatch.setattr(raster._Sheet, "_in_sight", lambda _self, beads: np.arange(len(beads.counts)))
    whole = seen(text, view)
    assert (fast != whole).mean() < 0.002
    assert (whole > 0).mean() > 0.1


def test_light_comes_from_above_and_the_left() -> None:
    """Of a bead along Y the left flank is brighter than the right one."""
    top = view_of("top")
    image = seen(START + "G1 X40 Y10 Z0.4\nG1 X40 Y70 E20\n", View(top.right, top.up, top.towards, 20.0, (-600.0, 1000.0)))
    row = image[200, :].astype(np.int64) >> 16
    lit = np.flatnonzero(row)
    assert len(lit) > 10
    assert row[lit[len(lit) // 5]] > row[lit[-len(lit) // 5]] + 20


def test_too_much_to_draw_is_drawn_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = seen(tower(5), from_above())
    monkeypatch.setattr(raster, "MAX_SAMPLES", 2000)
    coarse = seen(tower(5), from_above())
    assert 0 < (coarse > 0).sum() < (fine > 0).sum()


def test_nothing_to_draw() -> None:
    image = canvas()
    draw(image, Drawing(no_strokes(), (), (), 2.4), from_above())
    assert not image.any()
    assert not shadow((10, 10), Drawing(no_strokes(), (), (), 2.4), from_above()).any()


def test_a_shadow_falls_away_from_the_light_and_farther_from_what_is_higher() -> None:
    def shadow_of(z_mm: float) -> tuple[float, float]:
        text = START + f"G1 X10 Y40 Z{z_mm}\n" + square(20, 20, 10)
        rows, columns = np.nonzero(shadow((400, 400), read_drawing(stream(text)), from_above()))
        return float(columns.mean()), float(rows.mean())

    near, far = shadow_of(0.2), shadow_of(20)
    assert near == pytest.approx((125, 275), abs=3)
    assert far[0] > near[0] + 20, "to the right"
    assert far[1] < near[1] - 20, "and to the back"


def test_colours_in_one_number() -> None:
    assert in_one(np.array([[255, 128, 1]], np.uint32)).tolist() == [0xFF8001]


WIDE, HIGH = 330, 210  # pixels: not square, so that nothing may be mixed up
places = st.tuples(st.integers(-30, 110), st.integers(-30, 80))
lines = st.lists(st.tuples(places, places, st.sampled_from((0.2, 0.4, 5.0))), min_size=1, max_size=6)
Line = tuple[tuple[int, int], tuple[int, int], float]


def program(found: list[Line]) -> str:
    """Each line on its own: 0.05 mm of filament a mm, about 0.6 mm wide on 0.2 mm."""
    text = START
    for (x1, y1), (x2, y2), z in found:
        text += f"G1 X{x1} Y{y1} Z{z} F6000\nG1 X{x2} Y{y2} E{np.hypot(x2 - x1, y2 - y1) * 0.05:.4f}\n"
    return text


def away_px(view: View, begin: NDArray[np.float32], end: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of each pixel: how far it is from a line, and whether it is beside it and not beyond its ends."""
    (x1, y1), (x2, y2) = view.pixels(np.array([begin, end], np.float64))
    length = float(np.hypot(x2 - x1, y2 - y1))
    across = np.array([(x2 - x1) / length, (y2 - y1) / length])
    y, x = np.mgrid[0:HIGH, 0:WIDE] + 0.5
    along = (x - x1) * across[0] + (y - y1) * across[1]
    beyond = along - np.clip(along, 0, length)
    return np.hypot((x - x1) * across[1] - (y - y1) * across[0], beyond), (along > 1) & (along < length - 1)


@pytest.mark.parametrize("name", ["top", "isometric"])
@given(lines, st.sampled_from((3.0, 5.5)))
def test_plastic_is_where_the_program_lays_it_and_nowhere_else(name: str, found: list[Line], scale: float) -> None:
    found = [line for line in found if line[0] != line[1]]
    drawing = read_drawing(stream(program(found)))
    direction = view_of(name)
    view = View(direction.right, direction.up, direction.towards, scale, (20.0, 190.0))
    image = canvas(WIDE, HIGH)
    draw(image, drawing, view)
    widths, heights = line_sizes_mm(drawing)
    may, must = np.zeros((HIGH, WIDE), bool), np.zeros((HIGH, WIDE), bool)
    for row in range(len(drawing.strokes)):
        away, beside = away_px(view, drawing.strokes.start[row], drawing.strokes.end[row])
        half_px = float(widths[row]) / 2 * scale
        sinks_px = 0.0 if name == "top" else float(heights[row]) * scale
        may |= away < half_px + sinks_px + 1.5
        if name == "top":
            must |= (away < half_px - 0.9) & beside
    assert not (image.astype(bool) & ~may).any(), "nothing elsewhere"
    assert not (must & ~image.astype(bool)).any(), "and no holes"


@given(lines)
def test_a_shadow_is_a_line_for_each_line_moved_away_from_the_light(found: list[Line]) -> None:
    found = [line for line in found if line[0] != line[1]]
    drawing = read_drawing(stream(program(found)))
    view = View(view_of("top").right, view_of("top").up, view_of("top").towards, 3.0, (20.0, 190.0))
    mask = shadow((HIGH, WIDE), drawing, view)
    near = np.zeros((HIGH, WIDE), bool)
    slope = raster._LIGHT / raster._LIGHT[2]
    for row in range(len(drawing.strokes)):
        start, end = (points[row] - points[row][2] * slope for points in (drawing.strokes.start, drawing.strokes.end))
        away, _ = away_px(view, start, end)
        near |= away < 1.5
        under = away < 0.2
        assert under.sum() < 30 or mask[under].mean() > 0.6
    assert not (mask & ~near).any()


@pytest.mark.parametrize(("batch", "chunk"), [(1, 400_000), (4_000, 20), (1, 20), (4_000, 400_000)])
def test_how_much_is_drawn_at_once_hides_nothing(batch: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cross of three heights: what lies highest is seen, whatever came in which batch."""
    beams = [
        ("External perimeter", 0.6, "X10 Y40", "X70 Y40"),
        ("Skirt/Brim", 0.4, "X40 Y10", "X40 Y70"),
        ("Bridge", 0.2, "X20 Y20", "X60 Y60"),
    ]
    text = START + "".join(f";TYPE:{kind}\nG1 {begin} Z{z}\nG1 {end} E9\n" for kind, z, begin, end in beams)
    whole = seen(text, from_above())
    monkeypatch.setattr(raster, "_BATCH", batch)
    monkeypatch.setattr(raster, "_CHUNK_SAMPLES", chunk)
    parted = seen(text, from_above())
    assert ((parted > 0) == (whole > 0)).all()
    colours = [feature_of(kind).colour for kind, *_ in beams]
    for place, wanted in (((200, 200), 0), ((120, 200), 1), ((280, 120), 2)):
        shown = int(parted[place])
        found = np.array([shown >> 16, shown >> 8 & 255, shown & 255], np.float64)
        shades = [found @ np.array(colour) / np.linalg.norm(found) / np.linalg.norm(colour) for colour in colours]
        assert int(np.argmax(shades)) == wanted


def test_higher_layers_are_brighter_and_lines_keep_their_colour() -> None:
    text = START + ";TYPE:Gap fill\nG1 X10 Y20 Z0.2\nG1 X70 Y20 E2.5\nG1 X10 Y60 Z0.4\nG1 X70 Y60 E2.5\n"
    image = seen(text, from_above()).astype(np.int64)
    low, high = int(image[300, 200]), int(image[100, 200])
    assert (high & 255) > (low & 255) + 3
    grey = feature_of("Gap fill").colour
    for value in (low, high):
        shown = (value >> 16, value >> 8 & 255, value & 255)
        assert all(0.5 < part / colour < 1.35 for part, colour in zip(shown, grey, strict=True))
