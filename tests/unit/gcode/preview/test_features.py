"""Names of slicers, and what they mean to us."""

import pytest

from gcode.preview import features
from gcode.preview.features import feature_of
from gcode.preview.scenery import DARK, LIGHT


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


WORDS = {
    "PrusaSlicer": (
        "Perimeter=perimeter, External perimeter=external, Overhang perimeter=overhang, Internal infill=infill, "
        "Solid infill=solid, Top solid infill=top, Ironing=ironing, Bridge infill=bridge, Gap fill=gap, "
        "Skirt/Brim=skirt, Support material=support, Support material interface=interface, Wipe tower=tower, Custom=custom"
    ),
    "OrcaSlicer": (
        "Inner wall=perimeter, Outer wall=external, Overhang wall=overhang, Sparse infill=infill, Internal solid infill=solid, "
        "Top surface=top, Bottom surface=solid, Bridge=bridge, Internal Bridge=bridge, Gap infill=gap, Skirt=skirt, Brim=skirt, "
        "Support=support, Support interface=interface, Support transition=support, Prime tower=tower"
    ),
    "Cura": (
        "WALL-INNER=perimeter, WALL-OUTER=external, FILL=infill, SKIN=solid, SKIRT=skirt, SUPPORT=support, "
        "SUPPORT-INTERFACE=interface, PRIME-TOWER=tower"
    ),
    "Simplify3D": (
        "inner perimeter=perimeter, outer perimeter=external, infill=infill, solid layer=solid, gap fill=gap, bridge=bridge, "
        "support=support, dense support=interface, prime pillar=tower"
    ),
}


@pytest.mark.parametrize("slicer", WORDS)
def test_the_words_of_each_slicer(slicer: str) -> None:
    for pair in WORDS[slicer].split(", "):
        name, _, kind = pair.partition("=")
        assert feature_of(name).id == feature_of(name.upper()).id == kind, name


def test_colours_are_red_green_and_blue() -> None:
    assert (features.EXTERNAL.colour, features.SOLID.colour) == ((0xF2, 0x8C, 0x28), (0x9A, 0x6B, 0xD6))
    assert (features.INTERFACE.colour, features.TRAVEL.colour) == ((0x2C, 0x7A, 0x41), (0x5C, 0x6F, 0x82))
    assert feature_of("mud", 1).colour == (0xC0, 0xA3, 0x6E)
    assert feature_of("mud", 5).colour == feature_of("clay", 1).colour


def test_no_kind_has_nearly_the_colour_of_the_bed() -> None:
    """Gap fill had: a line of it on a light bed was not seen."""
    for kind in (value for value in vars(features).values() if isinstance(value, features.Feature)):
        for theme in (LIGHT, DARK):
            apart = sum((one - other) ** 2 for one, other in zip(kind.colour, theme.bed, strict=True)) ** 0.5
            assert apart > 60, f"{kind.id}: {apart:.0f} of 441"


@pytest.mark.parametrize(("number", "pattern"), [(0, (2, 1)), (1, (3, 2)), (2, (4, 1)), (3, (2, 2))])
def test_patterns_of_unknown_kinds(number: int, pattern: tuple[float, float]) -> None:
    assert feature_of("mud", number).pattern == pattern
