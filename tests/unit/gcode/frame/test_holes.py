"""The punchings are those of the standards, by whatever name they are called."""

import pytest

from gcode.frame import FrameError
from gcode.frame.holes import HOLE_NAMES, HOLE_STANDARDS, hole_standard


def test_iso_838_and_its_extension() -> None:
    """6 +- 0.5 mm, 80 mm apart, 12 mm from the edge; 888 has one more 80 mm outside each."""
    iso, four = HOLE_STANDARDS["iso838"], HOLE_STANDARDS["888"]
    assert list(iso.places_mm) == [-40, 40]
    assert list(four.places_mm) == [-120, -40, 40, 120]
    assert (iso.smallest_mm, iso.largest_mm, iso.edge_mm) == (5.5, 6.5, 12)
    assert (four.smallest_mm, four.largest_mm, four.edge_mm) == (iso.smallest_mm, iso.largest_mm, iso.edge_mm)
    assert (iso.span_mm, four.span_mm) == (80, 240)


def test_north_america_punches_three_holes_four_and_a_quarter_inches_apart() -> None:
    found = HOLE_STANDARDS["us3"]
    assert found.places_mm == pytest.approx((-4.25 * 25.4, 0, 4.25 * 25.4))
    assert (found.smallest_mm, found.largest_mm) == pytest.approx((9 / 32 * 25.4, 5 / 16 * 25.4), abs=0.1), (
        "by the punches there are"
    )
    assert found.edge_mm == pytest.approx(0.5 * 25.4)


@pytest.mark.parametrize(
    ("name", "found"), [("4-hole", "888"), ("2-hole", "iso838"), ("us", "us3"), ("3-hole", "us3"), ("888", "888")]
)
def test_other_names(name: str, found: str) -> None:
    assert hole_standard(name).id == found
    assert name in HOLE_NAMES


@pytest.mark.parametrize("standard", HOLE_STANDARDS.values(), ids=lambda standard: standard.id)
def test_each_is_symmetric_and_named_in_both_languages(standard: object) -> None:
    found = hole_standard(getattr(standard, "id"))  # noqa: B009 - the fixture's type is wide
    assert sorted(-place for place in found.places_mm) == list(found.places_mm)
    assert found.smallest_mm < found.largest_mm
    assert found.name.en != found.name.fr


def test_an_unknown_punching_is_told_with_those_there_are() -> None:
    with pytest.raises(FrameError, match=r"holes is 7-hole\. .*iso838, 888, us3") as caught:
        hole_standard("7-hole")
    assert caught.value.parameter == "holes"
    assert "façon dont la feuille est perforée" in caught.value.bilingual.fr
