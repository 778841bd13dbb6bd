"""The picture itself: the part is in it, words fit, sizes and layers are checked, the same input gives the same bytes."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gcode.preview import preview_png
from gcode.preview.features import EXTERNAL, INFILL, SKIRT
from gcode.preview.png import Scene
from gcode.preview.reading import read_drawing
from gcode.preview.scenery import DARK, LIGHT, PreviewError, Theme
from gcode.profile import Box, PrinterProfile, bundled_profiles
from tests.unit.gcode.preview.plates import START, coloured, pixels, stream, tower


def profile(**changes: object) -> PrinterProfile:
    return replace(bundled_profiles()["generic-210"], **changes)  # type: ignore[arg-type]  # any field


def test_the_part_is_in_the_middle_of_the_oblique_view() -> None:
    image = pixels(preview_png(stream(tower(40)), view="isometric", profile=profile()))
    assert image.shape == (720, 960, 3)
    rows, columns = np.nonzero(coloured(image)[:640])
    assert abs(columns.mean() - 480) < 60
    assert columns.max() - columns.min() > 450, "as large as it may be"
    assert rows.min() > 50, "below the words"


def test_from_above_the_part_is_where_it_stands_on_the_bed() -> None:
    """A square from 40 to 60 mm on a bed of 210 mm: left of the middle and in the lower half."""
    image = coloured(pixels(preview_png(stream(tower(3)), profile=profile())))[:640]
    rows, columns = np.nonzero(image)
    assert columns.mean() < 480
    assert rows.mean() > 360
    assert columns.max() - columns.min() == pytest.approx(rows.max() - rows.min(), abs=3), "a square"


def test_only_the_layer_that_was_asked_for() -> None:
    two = tower(1) + ";LAYER_CHANGE\nG1 Z0.4\n;TYPE:Skirt/Brim\nG1 X90 Y90\nG1 X150 Y90 E3\n"
    first = coloured(pixels(preview_png(stream(two), layer=1, profile=profile())))
    second = coloured(pixels(preview_png(stream(two), layer=2, profile=profile())))
    assert (first[:640] & second[:640]).sum() == 0
    assert first.any()
    assert second.any()


def test_obliquely_a_layer_shows_what_stands_when_it_is_done() -> None:
    """The legend's percentages do not tell: the same part, less of it."""
    low = coloured(pixels(preview_png(stream(tower(40)), layer=1, view="isometric", profile=profile())))[:640].sum()
    high = coloured(pixels(preview_png(stream(tower(40)), layer=40, view="isometric", profile=profile())))[:640].sum()
    whole = coloured(pixels(preview_png(stream(tower(40)), view="isometric", profile=profile())))[:640].sum()
    assert low < high
    assert high == whole


def test_the_same_program_gives_the_same_bytes() -> None:
    assert preview_png(stream(tower(3))) == preview_png(stream(tower(3)))


def test_dark_is_dark() -> None:
    light, dark = (pixels(preview_png(stream(tower(2)), dark=dark)).mean() for dark in (False, True))
    assert dark < 80
    assert light > 180


def test_words_in_french() -> None:
    english, french = (preview_png(stream(tower(2)), language=language) for language in ("en", "fr"))
    assert english != french


def test_a_small_picture_has_no_words_and_a_larger_part() -> None:
    image = coloured(pixels(preview_png(stream(tower(9)), view="isometric", width_px=96, height_px=72)))
    _, columns = np.nonzero(image)
    assert columns.max() - columns.min() > 55


def test_keep_out_areas_are_marked() -> None:
    clip = Box(100, 150, 0, 140, 190, 5)
    without, with_clip = (pixels(preview_png(stream(tower(2)), profile=profile(keep_out=boxes))) for boxes in ((), (clip,)))
    changed = np.abs(with_clip - without).max(axis=2) > 40
    assert changed.sum() > 300
    rows, columns = np.nonzero(changed)
    assert columns.min() > 480 - 50
    assert rows.max() < 360


def test_the_bed_is_drawn_without_a_profile_too() -> None:
    image = pixels(preview_png(stream(tower(2)), view="isometric"))
    assert coloured(image).any()


def test_nothing_printed_is_said_in_words() -> None:
    empty = preview_png(stream(START), profile=profile())
    assert not coloured(pixels(empty)).any()
    assert empty != preview_png(stream(START), profile=profile(), language="fr")


@pytest.mark.parametrize("layer", [0, -1, 4, 10**9])
def test_a_layer_that_is_not_there(layer: int) -> None:
    with pytest.raises(PreviewError, match="the file has 3") as caught:
        preview_png(stream(tower(3)), layer=layer)
    assert "le fichier en a 3" in caught.value.bilingual.fr


@pytest.mark.parametrize("size", [(31, 100), (100, 5), (2401, 100), (2400, 2400), (0, 0), (-5, 100)])
def test_a_picture_too_large_or_too_small_is_refused_before_the_file_is_read(size: tuple[int, int]) -> None:
    with pytest.raises(PreviewError, match="outside the limits"):
        preview_png(stream("\x00" * 10), width_px=size[0], height_px=size[1])


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(PreviewError, match="isometric"):
        preview_png(stream(tower(1)), view="back")


def test_hostile_names_make_a_picture_like_any_other() -> None:
    names = ["<script>alert(1)</script>", "\u202eevil", "a" * 5000, "漢字", "\ud7ff&\"'"]
    body = "".join(f";TYPE:{name}\nG1 X{10 + 5 * n} Y{10 + 3 * n} Z0.2 E1\n" for n, name in enumerate(names))
    with Image.open(BytesIO(preview_png(stream(START + body)))) as picture:
        picture.load()
        assert picture.size == (960, 720)
        assert not picture.info, "no text chunks"


def test_a_part_far_from_any_bed_does_not_break_the_picture() -> None:
    text = START + "G1 X-900000 Y900000 Z0.2\nG1 X900000 Y-900000 E2.5\n"
    for view in ("top", "isometric"):
        assert pixels(preview_png(stream(text), view=view, profile=profile())).shape == (720, 960, 3)
        assert pixels(preview_png(stream(text), view=view)).shape == (720, 960, 3)


@pytest.mark.parametrize(("dark", "theme"), [(False, LIGHT), (True, DARK)])
def test_the_sky_is_lighter_above_and_the_bed_has_its_own_colour(dark: bool, theme: Theme) -> None:
    image = pixels(preview_png(stream(tower(2)), profile=profile(), width_px=280, height_px=200, dark=dark))
    assert tuple(image[0, 0]) == theme.sky
    assert np.abs(image[-1, 0] - np.array(theme.ground)).max() <= 1
    middle = np.abs(image[100, 0] - (np.array(theme.sky) + np.array(theme.ground)) / 2).max()
    assert middle <= 1.5, "half way down it is half way between"
    bed = (image == np.array(theme.bed)).all(axis=2)
    rows, columns = np.nonzero(bed)
    assert columns.max() - columns.min() == pytest.approx(176, abs=3), "nine tenths of the height without the edge, and square"
    assert rows.max() - rows.min() == pytest.approx(176, abs=3)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(139.5, abs=1)


def bed_sides(image: NDArray[np.int64]) -> tuple[int, int]:
    """The columns of the bed's left and right edges, half way down."""
    (edges,) = np.nonzero(np.abs(image[image.shape[0] // 2 + 1] - np.array(LIGHT.edge)).max(axis=1) <= 12)
    return int(edges.min()), int(edges.max())


def test_the_bed_has_a_line_every_ten_millimetres_and_a_stronger_one_every_fifty() -> None:
    image = pixels(preview_png(stream(tower(1)), profile=profile(), width_px=2000, height_px=1600))
    grid = np.abs(image - np.array(LIGHT.grid)).max(axis=2) <= 8
    (edges,) = np.nonzero(np.abs(image[800] - np.array(LIGHT.edge)).max(axis=1) <= 2)
    left, right = edges.min(), edges.max()
    scale = (right - left) / 210
    row = round(800 + 2.5 * scale)
    places = [
        round(float(np.mean(run)))
        for run in np.split(np.nonzero(grid[row])[0], np.nonzero(np.diff(np.nonzero(grid[row])[0]) > 1)[0] + 1)
        if left + 3 < run[0] < right - 3
    ]
    assert len(places) == 20
    assert np.diff(places) == pytest.approx(10 * scale, abs=1.5)
    darkness = [int((LIGHT.bed[0] - image[row, place - 2 : place + 3, 0]).sum()) for place in places]
    fifties = [darkness[index] for index in (4, 9, 14, 19)]
    assert min(fifties) > 1.8 * max(darkness[index] for index in range(20) if index % 5 != 4)


@pytest.mark.parametrize(
    ("size", "speaks"), [((300, 225), True), ((299, 225), False), ((300, 224), False), ((2400, 224), False), ((300, 2400), True)]
)
def test_words_need_300_pixels(size: tuple[int, int], speaks: bool) -> None:
    drawing = read_drawing(stream(tower(1)))
    assert Scene(drawing, None, "top", *size, None, "en", LIGHT).speaks is speaks
    ink = (pixels(preview_png(stream(tower(1)), width_px=size[0], height_px=size[1])).max(axis=2) < 90)[: size[1] // 8]
    assert bool(ink.any()) is speaks


def test_the_legend_shows_the_colours_of_what_is_drawn() -> None:
    text = tower(1) + ";TYPE:Internal infill\nG1 X60 Y60 E4\n"
    footer = pixels(preview_png(stream(text), profile=profile()))[640:]
    for feature in (EXTERNAL, INFILL):
        swatch = (footer == np.array(feature.colour)).all(axis=2)
        rows, columns = np.nonzero(swatch)
        assert swatch.sum() > 60, feature.id
        assert columns.max() - columns.min() < 30
        assert rows.max() - rows.min() < 20
    assert not (footer == np.array(SKIRT.colour)).all(axis=2).any()


@pytest.mark.parametrize("view", ["top", "isometric"])
def test_the_scale_bar_is_as_long_as_it_says(view: str) -> None:
    """20 mm on a bed of 100 mm: twice as long in pixels on a bed of half the size."""
    runs = []
    for side in (100.0, 50.0):
        square_bed = profile(volume=Box(0, 0, 0, side, side, 50))
        part = START + f";TYPE:Perimeter\nG1 X0 Y0 Z0.2\nG1 X{side} Y0 E3\nG1 X{side} Y{side} E3\n"
        image = pixels(preview_png(stream(part), profile=square_bed, view=view))
        ink = (np.abs(image - np.array(LIGHT.text)).max(axis=2) <= 2)[:120, 480:]
        runs.append(int(ink.sum(axis=1).max()))
    if view == "top":
        scale = (720 * 0.95 - 4.2 * 960 / 52) / 100
        assert runs[0] == pytest.approx(20 * scale, abs=25)
    assert 100 < runs[0] <= 960 / 5 + 3
    assert runs[1] == pytest.approx(runs[0], rel=0.03), "10 mm on a bed of half the size"


def test_a_clip_has_the_colour_of_a_warning() -> None:
    image = pixels(preview_png(stream(START), profile=profile(keep_out=(Box(100, 150, 0, 140, 190, 5),))))
    rows, columns = np.nonzero((image[..., 0] - image[..., 1] > 60) & (image[..., 2] - image[..., 1] < 40))
    left, right = bed_sides(image)
    scale = (right - left) / 210
    assert columns.min() == pytest.approx(left + 100 * scale, abs=4)
    assert columns.max() - columns.min() == pytest.approx(40 * scale, rel=0.1)
    assert rows.max() - rows.min() == pytest.approx(40 * scale, rel=0.1)
