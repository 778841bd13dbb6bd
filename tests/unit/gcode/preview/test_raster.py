"""Beads of plastic in pixels: where they should be, the higher over the lower, no gaps, nothing outside."""

import numpy as np
import pytest

from gcode.preview import raster
from gcode.preview.raster import draw, in_one, shadow
from gcode.preview.reading import read_drawing
from gcode.preview.strokes import Drawing, no_strokes
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
