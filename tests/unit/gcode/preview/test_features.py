"""Names of slicers, and what they mean to us."""

import pytest

from gcode.preview import features
from gcode.preview.features import feature_of


@pytest.mark.parametrize("name", ["External perimeter", "WALL-OUTER", "Outer wall", "outer perimeter"])
def test_an_outer_wall_is_one_thing_in_every_slicer(name: str) -> None:
    assert feature_of(name) is features.EXTERNAL


def test_an_unknown_name_stays_in_both_languages_without_its_control_characters() -> None:
    feature = feature_of("Magic\x1b[31m goo", 3)
    assert feature.name.en == feature.name.fr == "Magic [31m goo"
    assert feature.id == "other-3"


def test_unknown_names_do_not_look_alike() -> None:
    looks = {(feature_of(f"kind {number}", number).colour, feature_of(f"kind {number}", number).pattern) for number in range(12)}
    assert len(looks) == 12


def test_a_long_name_is_cut() -> None:
    assert len(feature_of("x" * 500).name.en) == features.MAX_NAME


def test_no_name_is_a_line_without_a_mark() -> None:
    assert feature_of("\x00") is features.UNMARKED


def test_no_two_kinds_look_alike_in_colour_and_pattern() -> None:
    kinds = [value for value in vars(features).values() if isinstance(value, features.Feature) and value is not features.UNMARKED]
    assert len(kinds) >= 15
    assert len({kind.colour for kind in kinds}) == len(kinds)
    assert len({kind.pattern for kind in kinds}) >= len(kinds) - 3
    assert len({kind.name.fr for kind in kinds}) == len({kind.name.en for kind in kinds}) == len(kinds)
