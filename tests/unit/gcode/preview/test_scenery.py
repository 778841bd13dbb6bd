"""What pictures say beside the plastic."""

import pytest

from gcode.preview.reading import read_drawing
from gcode.preview.scenery import grid_mm, ground_box, headline, listed, number, part_box, scale_bar_mm
from gcode.profile import bundled_profiles
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


def test_a_grid_of_a_sane_size() -> None:
    assert list(grid_mm(-5, 31)) == [0, 10, 20, 30]
    assert list(grid_mm(0, 1e9)) == []
