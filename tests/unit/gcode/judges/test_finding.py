"""Figures as they read in every language."""

from gcode.judges.finding import above, below, outside, unlike


def test_a_figure_and_its_limit() -> None:
    assert above(300.0, 260.0, "°C") == ("300 > 260 °C", 300.0, 260.0)
    assert below(0.5, 1.0) == ("0.5 < 1", 0.5, 1.0)


def test_a_range() -> None:
    assert outside(5, 0, 5) is None
    assert outside(0, 0, 5) is None
    assert outside(6, 0, 5, "mm") == above(6, 5, "mm")
    assert outside(-1, 0, 5, "mm") == below(-1, 0, "mm")


def test_names_from_outside_are_cut() -> None:
    assert unlike("x" * 500, "MK3S").text == "x" * 40 + " ≠ MK3S"
