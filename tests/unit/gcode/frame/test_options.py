"""Figures by name."""

from dataclasses import fields, replace

import pytest

from gcode.frame import Adhesion, FrameDesign, FrameError, Plate, default_design, design_from, frame_options, plate_from
from gcode.profile import Box
from tests.unit.gcode.samples import profile


def test_every_figure_has_a_name_a_meaning_and_a_type() -> None:
    options = frame_options()
    assert len({option.name for option in options}) == len(options)
    assert {option.field for option in options} == {
        "size",
        *(field.name for kind in (FrameDesign, Plate) for field in fields(kind)),
    }
    for option in options:
        assert option.name == option.name.lower().replace("_", "-")
        assert option.meaning.en != option.meaning.fr
        assert option.kind in {int, float, str, bool}
        if option.kind in {int, float}:
            assert option.low is not None
            assert option.high is not None
            assert option.default is None or option.low <= float(str(option.default)) <= option.high
        if option.choices:
            assert option.default in option.choices


def test_the_names_of_the_issue() -> None:
    names = {option.name for option in frame_options()}
    assert {
        "count",
        "hole-standard",
        "head-width",
        "head-depth",
        "stack",
        "gap",
        "wall-lines",
        "height",
        "pin",
        "revision",
    } <= names


def test_what_is_not_given_is_the_printers_standard() -> None:
    printer = profile()
    assert design_from(printer) == default_design(printer)
    assert design_from(printer, head_width=None, holes=None, count=2) == default_design(printer)
    assert plate_from() == Plate()
    assert plate_from(count=None, head_width=150.0) == Plate()


def test_figures_by_option_or_field() -> None:
    printer = profile()
    found = design_from(printer, head_width=150.0, hole_standard="iso838", revision="R4", hooks=False)
    assert found == design_from(printer, **{"head-width": 150.0, "holes": "iso838", "revision": "R4", "hooks": False})
    assert (found.head_width_mm, found.holes, found.revision, found.hooks) == (150, "iso838", "R4", False)
    assert design_from(printer, size="child").head_width_mm == 134
    assert plate_from(count=2, stack=3, gap=0.3, adhesion="brim") == Plate(2, 3, 0.3, adhesion=Adhesion.BRIM)


def test_arms_are_as_long_as_the_bed_allows_unless_asked_for() -> None:
    mini = replace(profile(), volume=Box(0, 0, 0, 180, 180, 180))
    assert design_from(mini, hole_standard="us3").depth_mm < 165
    assert design_from(mini, head_depth=140.0).head_depth_mm == 140


def test_unknown_names_and_words_are_told() -> None:
    with pytest.raises(FrameError, match="no figure colour of a frame") as caught:
        design_from(profile(), colour="red")
    assert caught.value.parameter == "colour"
    with pytest.raises(FrameError, match="no figure colour"):
        plate_from(colour="red")
    with pytest.raises(FrameError, match=r"adhesion is glue.* auto, skirt, brim, none"):
        plate_from(adhesion="glue")
    with pytest.raises(FrameError, match="adult or child"):
        design_from(profile(), size="giant")
    with pytest.raises(FrameError, match="count is 99"):
        plate_from(count=99)
