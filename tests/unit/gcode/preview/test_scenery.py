"""What pictures say beside the plastic."""

from collections.abc import Iterable
from contextlib import nullcontext

import pytest

from gcode.preview.features import EXTERNAL, TRAVEL, Colour
from gcode.preview.reading import read_drawing
from gcode.preview.scenery import (
    DARK,
    LIGHT,
    PreviewError,
    caption,
    checked_layer,
    checked_size,
    checked_view,
    corners,
    grid_mm,
    ground_box,
    headline,
    length_label,
    listed,
    number,
    part_box,
    scale_bar_mm,
)
from gcode.preview.strokes import Drawing
from gcode.preview.view import VIEWS
from gcode.profile import Box, bundled_profiles
from tests.unit.gcode.preview.plates import START, stream, tower

PROFILE = bundled_profiles()["generic-210"]
SKIRT = ";TYPE:Skirt/Brim\nG1 X0 Y0\nG1 X200 Y0 E2\n"


@pytest.mark.parametrize(("available", "bar"), [(57, 50), (49, 20), (19.9, 10), (1, 1), (0.7, 0.5), (0, 0), (-3, 0)])
def test_a_scale_bar_has_a_round_length_that_fits(available: float, bar: float) -> None:
    assert scale_bar_mm(available) == pytest.approx(bar)


def test_the_size_of_the_part_is_without_its_skirt() -> None:
    box = part_box(read_drawing(stream(tower(2) + SKIRT)))
    assert box is not None
    assert (box.min_x, box.max_x, box.min_y, box.max_y) == pytest.approx((40, 60, 40, 60))


def test_a_file_of_a_skirt_alone_has_the_size_of_the_skirt() -> None:
    box = part_box(read_drawing(stream(START + "G1 Z0.2\n" + SKIRT)))
    assert box is not None
    assert box.max_x == pytest.approx(200)


def test_from_above_the_whole_bed_is_shown_and_a_little_of_what_is_beyond() -> None:
    box = ground_box(read_drawing(stream(tower(2) + ";TYPE:Perimeter\nG1 X-5 Y0\nG1 X90000 Y0 E2\n")), PROFILE)
    assert (box.min_x, box.max_x) == pytest.approx((-5, PROFILE.volume.max_x + 20))


def test_the_headline_counts_in_the_readers_language() -> None:
    one = read_drawing(stream(tower(1)))
    assert headline(one, None, "en")[1] == "1 layer"
    assert headline(one, None, "fr") == ["20 × 20 × 0,2 mm", "1 couche"]


def test_most_filament_first() -> None:
    rows = listed(read_drawing(stream(tower(3) + ";TYPE:Internal infill\nG1 X60 Y60 E36\n")))
    assert [(feature.id, percent) for feature, percent in rows] == [("infill", 75), ("external", 25)]


def test_numbers() -> None:
    assert (number(3.14159, "en", 2), number(3.14159, "fr", 2)) == ("3.14", "3,14")


@pytest.mark.parametrize(
    ("length_mm", "english", "french"), [(50.0, "50 mm", "50 mm"), (0.5, "0.5 mm", "0,5 mm"), (1000.0, "1000 mm", "1000 mm")]
)
def test_lengths_are_written_as_the_reader_writes_them(length_mm: float, english: str, french: str) -> None:
    assert (length_label(length_mm, "en"), length_label(length_mm, "fr")) == (english, french)


def test_a_caption_tells_the_share_and_travel_has_none() -> None:
    assert caption(EXTERNAL, 42, "en") == "outer wall 42 %"
    assert caption(EXTERNAL, 0, "fr") == "paroi extérieure <1 %"
    assert caption(TRAVEL, 0, "fr") == "déplacement"


def test_the_headline_of_a_layer_tells_its_height_and_size() -> None:
    drawing = read_drawing(stream(tower(3)))
    assert headline(drawing, 2, "en") == ["layer 2 of 3", "z 0.40 mm · 20 × 20 mm"]
    assert headline(drawing, 3, "fr") == ["couche 3 sur 3", "z 0,60 mm · 20 × 20 mm"]
    assert headline(drawing, None, "en") == ["20 × 20 × 0.6 mm", "3 layers"]
    assert headline(drawing, None, "fr")[1] == "3 couches"
    nothing = read_drawing(stream(START))
    assert (headline(nothing, None, "en"), headline(nothing, 1, "fr")) == (["nothing is printed here"], ["rien n'est imprimé ici"])


def test_where_nothing_is_laid_the_bed_is_shown_or_a_hundred_millimetres() -> None:
    nothing = read_drawing(stream(START))
    assert part_box(nothing) is None
    assert ground_box(nothing, PROFILE) == PROFILE.volume
    assert ground_box(nothing, None) == Box(0, 0, 0, 100, 100, 1)


@pytest.mark.parametrize("side", [(2, 2), (0, 0)], ids=["travel", "nothing"])
def test_travel_is_no_part(side: tuple[int, int]) -> None:
    box = part_box(read_drawing(stream(tower(1) + f"G1 X{100 + side[0]} Y{100 + side[1]}\n"), travels=True))
    assert box is not None
    assert (box.max_x, box.max_y) == pytest.approx((60, 60))


@pytest.mark.parametrize(
    ("low", "high", "lines"),
    [(0, 20, [0, 10, 20]), (0.1, 19.9, [10]), (-10, 0, [-10, 0]), (1, 9, []), (0, 2000, range(0, 2001, 10)), (0, 2010, [])],
)
def test_lines_of_a_grid(low: float, high: float, lines: Iterable[float]) -> None:
    assert list(grid_mm(low, high)) == list(lines)


def test_a_grid_of_another_step() -> None:
    assert list(grid_mm(1, 7, 2.0)) == [2, 4, 6]
    assert list(grid_mm(0, 8, 2.0, 4)) == [0, 2, 4, 6, 8]
    assert list(grid_mm(0, 10, 2.0, 4)) == []


@pytest.mark.parametrize("layers", [1, 3])
def test_a_purge_line_of_the_start_code_is_no_part(layers: int) -> None:
    purge = "G1 X5 Y-3 Z0.3\nG1 X190 Y-3 E9\n"
    box = part_box(read_drawing(stream(START + purge + tower(layers).removeprefix(START))))
    assert box is not None
    assert (box.min_x, box.min_y, box.max_x, box.max_y) == pytest.approx((40, 40, 60, 60))
    alone = part_box(read_drawing(stream(START + purge + ";LAYER_CHANGE\n")))
    assert alone is not None
    assert (alone.min_x, alone.max_x) == pytest.approx((5, 190))


def test_lines_without_a_mark_are_the_part() -> None:
    box = part_box(read_drawing(stream(START + "G1 X50 Y50 Z0.2\nG1 X70 Y55 E1\n" + SKIRT)))
    assert box is not None
    assert (box.min_x, box.max_x, box.max_y) == pytest.approx((50, 70, 55))


@pytest.mark.parametrize(("layer", "there"), [(None, True), (1, True), (3, True), (0, False), (4, False), (-1, False)])
def test_layers_count_from_one(layer: int | None, there: bool) -> None:
    with nullcontext() if there else pytest.raises(PreviewError, match="the file has 3, counted from 1"):
        checked_layer(layer, read_drawing(stream(tower(3))))


def test_all_eight_corners() -> None:
    found = corners(Box(1, 2, 3, 4, 5, 6))
    assert len(set(found)) == 8
    assert {x for x, _, _ in found} == {1, 4}
    assert {y for _, y, _ in found} == {2, 5}
    assert {z for _, _, z in found} == {3, 6}


def test_a_grid_of_a_sane_size() -> None:
    assert list(grid_mm(-5, 31)) == [0, 10, 20, 30]
    assert list(grid_mm(0, 1e9)) == []


def laid(box: tuple[float, float, float, float]) -> Drawing:
    low_x, low_y, high_x, high_y = box
    return read_drawing(stream(START + f";TYPE:Perimeter\nG1 X{low_x} Y{low_y} Z0.2\nG1 X{high_x} Y{high_y} E9\n"))


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ((50, 60, 70, 80), (0, 0, 210, 210)),
        ((-5, -7, 215, 213), (-5, -7, 215, 213)),
        ((-500, -700, 2150, 2130), (-20, -20, 230, 230)),
        ((-5, 60, 70, 80), (-5, 0, 210, 210)),
        ((50, -7, 70, 80), (0, -7, 210, 210)),
        ((50, 60, 215, 80), (0, 0, 215, 210)),
        ((50, 60, 70, 900), (0, 0, 210, 230)),
    ],
)
def test_each_side_of_the_ground_reaches_as_far_as_plastic_near_the_bed(
    part: tuple[float, float, float, float], shown: tuple[float, float, float, float]
) -> None:
    box = ground_box(laid(part), PROFILE)
    assert (box.min_x, box.min_y, box.max_x, box.max_y) == pytest.approx(shown)
    alone = ground_box(laid(part), None)
    assert (alone.min_x, alone.min_y, alone.max_x, alone.max_y) == pytest.approx(part)


@pytest.mark.parametrize(
    ("size", "allowed"),
    [
        *(((32, 32), True), ((31, 32), False), ((32, 31), False)),
        *(((2400, 32), True), ((2401, 32), False), ((32, 2401), False)),
        *(((2000, 2000), True), ((2001, 2000), False), ((2000, 2001), False), ((2400, 1666), True), ((2400, 1667), False)),
    ],
)
def test_sizes_of_pictures_have_both_bounds_on_both_sides(size: tuple[int, int], allowed: bool) -> None:
    with nullcontext() if allowed else pytest.raises(PreviewError, match="4 Mpx"):
        checked_size(*size)


def test_views_have_names() -> None:
    for name in VIEWS:
        checked_view(name)
    with pytest.raises(PreviewError, match="top, isometric"):
        checked_view("Top")


def test_only_the_largest_kinds_are_listed() -> None:
    text = START + "G1 Z0.2\n" + "".join(f";TYPE:kind {n}\nG1 X{n * 9 % 200} Y{n * 5 % 190} E{n + 1}\n" for n in range(20))
    rows = listed(read_drawing(stream(text)))
    assert len(rows) == 12
    shares = [percent for _, percent in rows]
    assert shares == sorted(shares, reverse=True)
    assert rows[0][0].name.en == "kind 19"


def test_themes_can_be_read() -> None:
    """Words stand off the sky and the ground by the ratio that WCAG asks of them (4.5), faint ones too."""
    for theme in (LIGHT, DARK):
        for back in (theme.sky, theme.ground):
            assert contrast(theme.text, back) > 7
            assert contrast(theme.faint, back) > 4.5
        assert contrast(theme.grid, theme.bed) > 1.05
        assert contrast(theme.edge, theme.bed) > 1.5
        assert contrast(theme.keep_out, theme.bed) > 2.5


def contrast(first: Colour, second: Colour) -> float:
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
