"""The picture itself: the part is in it, words fit, sizes and layers are checked, the same input gives the same bytes."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from gcode.preview import preview_png
from gcode.preview.scenery import PreviewError
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
