"""Columns of strokes: thinning keeps ends, filament and layers; sizes come from the filament."""

from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.preview.features import EXTERNAL, INFILL, TRAVEL
from gcode.preview.strokes import (
    Drawing,
    Strokes,
    Thinner,
    continues,
    every_other_layer,
    heights_mm,
    joined,
    lengths_mm,
    line_sizes_mm,
    no_strokes,
    thinned,
    up_to_layer,
)

AREA = pi * 1.75**2 / 4


def path(points: list[tuple[float, float]], *, layer: int = 0, feature: int = 1, filament_mm: float = 0.1) -> Strokes:
    places = np.array([(x, y, 0.2 * (layer + 1)) for x, y in points], np.float32)
    count = len(points) - 1
    return Strokes(
        places[:-1],
        places[1:],
        np.full(count, filament_mm, np.float32),
        np.full(count, layer, np.int32),
        np.full(count, feature, np.uint8),
    )


def drawing(strokes: Strokes, layers: int = 1) -> Drawing:
    return Drawing(strokes, (TRAVEL, EXTERNAL, INFILL), tuple(0.2 * (number + 1) for number in range(layers)), AREA)


FINE = [(number * 0.1, 0.0) for number in range(101)]


def test_points_nearer_than_the_tolerance_go_and_the_ends_stay() -> None:
    few = thinned(path(FINE), 1.0)
    assert 9 <= len(few) <= 12
    assert few.start[0].tolist() == path(FINE).start[0].tolist()
    assert few.end[-1].tolist() == path(FINE).end[-1].tolist()
    assert continues(few).all()
    assert few.filament_mm.sum() == pytest.approx(10.0, rel=1e-5)


def test_paths_of_two_layers_kinds_or_places_are_never_joined() -> None:
    pieces = [path(FINE), path(FINE, layer=1), path(FINE, feature=2), path([(x, y + 5) for x, y in FINE])]
    few = thinned(joined(pieces), 100.0)
    assert len(few) == 4
    assert few.layer.tolist() == [0, 1, 0, 0]
    assert few.feature.tolist() == [1, 1, 2, 1]


def test_long_lines_stay_as_they_are() -> None:
    corners = path([(0, 0), (50, 0), (50, 50), (0, 50), (0, 0)])
    assert thinned(corners, 1.0).end.tolist() == corners.end.tolist()


@given(
    st.lists(st.tuples(st.floats(-500, 500, width=32), st.floats(-500, 500, width=32)), min_size=2, max_size=60),
    st.floats(0.05, 20),
)
def test_thinning_never_leaves_the_path_further_than_its_tolerance(points: list[tuple[float, float]], tolerance_mm: float) -> None:
    before = path(points)
    after = thinned(before, tolerance_mm)
    assert lengths_mm(after).sum() <= lengths_mm(before).sum() * (1 + 1e-6) + 1e-3
    kept = {tuple(place) for place in [*after.start.tolist(), *after.end.tolist()]}
    every = [*before.start.tolist(), before.end[-1].tolist()]
    assert kept <= {tuple(place) for place in every}
    missing = [place for place in every if tuple(place) not in kept]
    for place in missing:
        nearest = min(float(np.hypot(place[0] - other[0], place[1] - other[1])) for other in kept)
        assert nearest <= tolerance_mm * (1 + 1e-3) + 1e-3
    assert float(after.filament_mm.sum()) == pytest.approx(float(before.filament_mm.sum()), rel=1e-4)


def test_nothing_is_nothing() -> None:
    assert len(thinned(no_strokes(), 1.0)) == 0
    assert len(joined([])) == 0
    assert len(Thinner().strokes()) == 0


def test_a_thinner_never_holds_more_than_it_may() -> None:
    thinner = Thinner(most=1000)
    for layer in range(200):
        thinner.add(path([(x, y + layer % 3) for x, y in FINE], layer=layer))
        assert len(thinner.strokes()) <= 1000
    layers = thinner.strokes().layer
    assert layers.min() == 0
    assert layers.max() == 199


def test_a_thinner_is_bounded_even_when_nothing_joins() -> None:
    thinner = Thinner(most=500)
    for row in range(4000):
        thinner.add(path([(0, row), (10, row)], layer=0))
    assert 1 <= len(thinner.strokes()) <= 500


def test_little_is_kept_whole() -> None:
    thinner = Thinner(most=1000)
    thinner.add(path([(0, 0), (10, 0), (10, 10)]))
    assert len(thinner.strokes()) == 2


def test_every_other_layer_keeps_the_last_and_the_start_code() -> None:
    strokes = joined([path([(0, 0), (1, 0)], layer=layer) for layer in (-1, 0, 1, 2, 3)])
    assert every_other_layer(strokes, 2).layer.tolist() == [-1, 0, 2, 3]


def test_a_layer_is_as_thick_as_the_gap_below_it() -> None:
    assert heights_mm([0.3, 0.5, 0.7]) == pytest.approx([0.3, 0.2, 0.2])
    assert heights_mm([0.2, 0.4, 0.2, 0.4]) == pytest.approx([0.2, 0.2, 0.2, 0.2]), "two parts one after the other"
    assert len(heights_mm([])) == 0


def test_a_line_is_as_wide_as_its_filament_fills() -> None:
    """0.45 mm wide and 0.2 high with round ends, as slicers count."""
    section_mm2 = (0.45 - 0.2) * 0.2 + pi * 0.1**2
    width, height = line_sizes_mm(drawing(path([(0, 0), (100, 0)], filament_mm=100 * section_mm2 / AREA)))
    assert width == pytest.approx([0.45], rel=1e-3)
    assert height == pytest.approx([0.2])


def test_absurd_filament_makes_no_absurd_line() -> None:
    width, _ = line_sizes_mm(drawing(path([(0, 0), (1, 0)], filament_mm=1e6)))
    assert width[0] <= 2
    width, _ = line_sizes_mm(drawing(path([(0, 0), (1, 0)], filament_mm=0.0)))
    assert width[0] >= 0.2


def test_up_to_a_layer() -> None:
    strokes = joined([path([(0, 0), (1, 0)], layer=layer) for layer in (-1, 0, 1, 2)])
    assert up_to_layer(drawing(strokes, 3), 2).strokes.layer.tolist() == [-1, 0, 1]


@pytest.mark.parametrize(
    ("gap_mm", "layer", "feature", "goes_on"),
    [(0.0, 0, 1, True), (0.001, 0, 1, False), (0.0, 1, 1, False), (0.0, 0, 2, False), (5.0, 1, 2, False)],
)
def test_a_line_goes_on_in_the_same_place_layer_and_kind_alone(gap_mm: float, layer: int, feature: int, goes_on: bool) -> None:
    """Each of the three by itself ends a path; heights are equal here."""
    first = path([(0, 0), (1, 0)])
    second = path([(1 + gap_mm, 0), (2, 0)])
    second = Strokes(second.start, second.end, second.filament_mm, second.layer + layer, second.feature - 1 + np.uint8(feature))
    assert continues(joined([first, second])).tolist() == [goes_on]
    assert len(thinned(joined([first, second]), 10.0)) == (1 if goes_on else 2)


@pytest.mark.parametrize(
    ("z_mm", "layer", "filament_mm", "width_mm", "height_mm"),
    [
        (0.3, -1, 1.0, None, 0.2),  # start code has no layer of its own
        (0.3, 0, 1.0, None, 0.3),
        (5.0, 0, 1.0, None, 1.0),
        (0.001, 0, 1e-6, 0.25, 0.05),
        (0.2, 0, 1e-6, 0.25, 0.2),
        (0.2, 0, 1e6, 1.6, 0.2),
    ],
)
def test_sizes_of_lines_and_their_limits(
    z_mm: float, layer: int, filament_mm: float, width_mm: float | None, height_mm: float
) -> None:
    """A bead of width w and height h has the section h (w - h (1 - pi / 4))."""
    drawing = Drawing(path([(0, 0), (10, 0)], layer=layer, filament_mm=filament_mm), (TRAVEL, EXTERNAL), (z_mm,), AREA)
    width, height = line_sizes_mm(drawing)
    expected = filament_mm * AREA / 10 / height_mm + height_mm * (1 - pi / 4) if width_mm is None else width_mm
    assert (width.tolist(), height.tolist()) == ([pytest.approx(expected)], [pytest.approx(height_mm)])
