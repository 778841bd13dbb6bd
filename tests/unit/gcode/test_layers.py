"""Tables of layers and features, whose sums are added by hand."""

import pytest

from gcode.facts import MAX_FEATURES, MAX_LAYERS
from gcode.layers import FeatureTable, LayerTable, first_height_mm, typical_height_mm


def table(*heights: float) -> LayerTable:
    layers = LayerTable()
    for line, height in enumerate(heights, 1):
        layers.mark(line, line * 10, first=line == 1)
        layers.lay(height)
    return layers


def test_a_mark_without_plastic_is_no_layer() -> None:
    layers = LayerTable()
    layers.mark(1, 0, first=True)
    layers.mark(2, 5, first=False)
    layers.lay(0.2)
    assert [(row.line, row.offset, row.z_mm) for row in layers.facts()] == [(2, 5, 0.2)]
    assert layers.count == 1


def test_the_first_mark_drops_what_was_found_before() -> None:
    layers = LayerTable()
    assert layers.begins(0.3)
    layers.begin(1, 0, 0.3)
    layers.lay(0.3)
    layers.mark(2, 9, first=True)
    assert (layers.count, layers.facts()) == (0, ())
    assert not layers.begins(5.0), "from here on marks decide"


def test_without_marks_a_layer_begins_with_a_step() -> None:
    layers = LayerTable()
    layers.begin(1, 0, 0.3)
    assert [layers.begins(z) for z in (0.3, 0.33, 0.27, 0.35, 0.25)] == [False, False, False, True, True]


def test_the_height_of_a_layer_is_its_highest_plastic() -> None:
    layers = table(0.2)
    layers.lay(0.35)
    layers.lay(0.3)
    assert layers.facts()[0].z_mm == 0.35


def test_thickness_is_the_way_down_to_the_next_lower_layer_before() -> None:
    rows = table(0.2, 0.5, 0.35, 0.2, 0.5, 0.6).facts()
    assert [row.height_mm for row in rows] == pytest.approx([0.2, 0.3, 0.15, 0.2, 0.15, 0.1])


def test_first_and_typical_thickness() -> None:
    rows = table(0.3, 0.5, 0.7, 0.9, 1.2).facts()
    assert (first_height_mm(rows), typical_height_mm(rows)) == (0.3, 0.2)
    assert (first_height_mm(()), typical_height_mm(())) == (None, None)
    assert typical_height_mm(table(0.3).facts()) == 0.3


def test_layers_are_counted_beyond_the_table() -> None:
    layers = table(*[0.2] * (MAX_LAYERS + 3))
    assert layers.count == MAX_LAYERS + 3
    assert len(layers.facts()) == MAX_LAYERS


def test_what_a_layer_takes() -> None:
    layers = table(0.2)
    layers.current.time_s += 3
    layers.current.filament_mm += 4
    assert (layers.facts()[0].time_s, layers.facts()[0].filament_mm) == (3, 4)


def test_features_come_in_the_order_of_their_first_line_and_go_on() -> None:
    features = FeatureTable()
    features.current.time_s += 100
    for name, seconds in (("Skirt", 1), ("Infill", 2), ("Skirt", 4)):
        features.select(name)
        features.current.time_s += seconds
    assert [(feature.name, feature.time_s) for feature in features.facts()] == [("Skirt", 5), ("Infill", 2)]


def test_no_more_features_than_the_limit() -> None:
    features = FeatureTable()
    for number in range(MAX_FEATURES + 9):
        features.select(f"kind {number}")
        features.current.time_s += 1
    features.select("kind 3")
    features.current.time_s += 1
    rows = features.facts()
    assert (len(rows), rows[3].time_s) == (MAX_FEATURES, 2)
