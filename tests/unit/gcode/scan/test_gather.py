"""Facts of columns of moves, against the interpreter's own collector where it is the oracle, and by hand."""

from math import inf

import numpy as np
import pytest

from gcode.profile import Box
from gcode.scan.columns import Columns, MoveFlag
from gcode.scan.gather import FeatureMark, Gatherer, LayerMark, Mark, Moves, Points

LAYS = MoveFlag.EXTRUDES | MoveFlag.LAST


def moves(*rows: tuple[float, float, float, float, int], tools: tuple[int, ...] = (), first: int = 1) -> Moves:
    """From (x, y, z, filament, flags); each begins where the one before ended."""
    table = np.array(rows, float).reshape(-1, 5).T
    end = table[:3].copy()
    start = np.hstack([np.zeros((3, 1)), end[:, :-1]]) if rows else end
    line = np.arange(first, first + len(rows))
    tool = np.array(tools or [0] * len(rows), np.uint8)
    return Moves(Columns(line, line * 10, start, end, table[3].copy(), np.full(len(rows), 10.0), tool, table[4].astype(np.uint8)))


def test_boxes() -> None:
    gatherer = Gatherer()
    assert (gatherer.extruding(), gatherer.travel(), gatherer.began) == (None, None, False)
    gatherer.add(moves((50, 60, 5, 0, 4)), ())
    assert (gatherer.extruding(), gatherer.travel(), gatherer.began) == (None, Box(50, 60, 5, 50, 60, 5), True)
    gatherer.add(moves((10, 10, 0.2, 0, 4), (20, 5, 0.2, 1, LAYS), (90, 1, 9, 0, 4)), ())
    assert gatherer.extruding() == Box(10, 5, 0.2, 20, 10, 0.2)
    gatherer.add(moves((15, 8, 0.2, 0, 4), (12, 8, 0.4, 1, LAYS)), ())
    assert gatherer.extruding() == Box(10, 5, 0.2, 20, 10, 0.4)
    assert gatherer.travel() == Box(10, 1, 0.2, 90, 60, 9)
    assert gatherer.last_extrusion_line == 2


def test_filament_of_each_tool_is_the_most_that_was_fed() -> None:
    gatherer = Gatherer()
    gatherer.add(moves((1, 0, 0, 5, 0), (2, 0, 0, -2, 0), (3, 0, 0, 0, 0), tools=(0, 0, 3)), ())
    gatherer.add(moves((1, 0, 0, 2, 0), (2, 0, 0, 1.5, 0), (3, 0, 0, 4, 0), (4, 0, 0, -4, 0), tools=(0, 1, 0, 1)), ())
    assert gatherer.filament_mm() == {0: 9.0, 1: 1.5}


def test_arcs_are_counted_once_each() -> None:
    gatherer = Gatherer()
    arc, last = MoveFlag.ARC, MoveFlag.ARC | MoveFlag.LAST
    gatherer.add(
        moves((1, 0, 0, 0, arc), (2, 0, 0, 0, arc), (3, 0, 0, 0, last), (4, 0, 0, 0, MoveFlag.LAST), (5, 0, 0, 0, last)), ()
    )
    assert gatherer.arcs == 2


def layers(gatherer: Gatherer) -> list[tuple[float, int, float, float]]:
    return [(row.z_mm, row.line, row.time_s, row.filament_mm) for row in gatherer.layers.facts()]


def test_layers_by_their_marks() -> None:
    gatherer = Gatherer()
    marks: list[Mark] = [
        LayerMark(2, 100, 1000, first=True),
        LayerMark(4, 200, 2000, first=False),
        LayerMark(6, 300, 3000, first=False),
    ]
    rows = [
        (1, 0, 0.3, 1, LAYS),
        (2, 0, 0.3, 1, LAYS),
        (3, 0, 0.2, 2, LAYS),
        (4, 0, 0.2, 3, LAYS),
        (5, 0, 0.6, 0, 4),
        (6, 0, 0.4, 5, LAYS),
    ]
    gatherer.add(moves(*rows), marks)
    gatherer.add(moves((7, 0, 9, 0, 4)), ())
    gatherer.settle(np.arange(1.0, 8.0))
    assert layers(gatherer) == [(0.2, 100, 7.0, 5.0), (0.4, 200, 11.0, 5.0)]
    assert gatherer.layers.count == 2  # nothing is laid behind the last mark
    assert gatherer.time_s == 28


def test_layers_by_their_height_where_there_are_no_marks() -> None:
    gatherer = Gatherer()
    rows = [
        (1, 0, 5, 0, 4),
        (1, 0, 0.2, 0, 4),
        (2, 0, 0.2, 1, LAYS),
        (3, 0, 0.23, 1, LAYS),
        (4, 0, 0.6, 0, 4),
        (5, 0, 0.4, 1, LAYS),
    ]
    gatherer.add(moves(*rows), ())
    gatherer.add(moves((6, 0, 0.4, 2, LAYS), (7, 0, 0.2, 2, LAYS), first=7), ())
    gatherer.settle(np.ones(8))
    assert layers(gatherer) == [(0.23, 3, 3.0, 2.0), (0.4, 6, 2.0, 3.0), (0.2, 8, 1.0, 2.0)]


def test_a_rising_wall_begins_a_layer_at_each_step_from_where_the_last_began() -> None:
    gatherer = Gatherer()
    gatherer.add(moves(*((x, 0, 0.2 + x * 0.015, 1, LAYS) for x in range(12))), ())
    assert [line for _, line, _, _ in layers(gatherer)] == [1, 4, 7, 10]


def test_features_get_what_follows_them() -> None:
    gatherer = Gatherer()
    gatherer.add(moves((1, 0, 0, 1, 0), (2, 0, 0, 2, 0), (3, 0, 0, 4, 0)), [FeatureMark(1, "Skirt"), FeatureMark(3, "Infill")])
    gatherer.add(
        moves((1, 0, 0, 8, 0), (2, 0, 0, 16, 0)), [FeatureMark(1, "Skirt"), FeatureMark(1, "Infill"), FeatureMark(2, "Skirt")]
    )
    gatherer.settle(np.array([1.0, 2.0, 4.0]))
    gatherer.settle(np.array([8.0, 16.0]))
    found = [(feature.name, feature.time_s, feature.filament_mm) for feature in gatherer.features.facts()]
    assert found == [("Skirt", 6.0, 6.0), ("Infill", 24.0, 24.0)]


def test_seconds_may_come_later_and_in_other_parts() -> None:
    gatherer = Gatherer()
    for _ in range(3):
        gatherer.add(moves((1, 0, 0, 1, 0), (2, 0, 0, 1, 0)), [FeatureMark(0, "a"), FeatureMark(1, "b")])
    gatherer.settle(np.zeros(0))
    gatherer.settle(np.array([1.0, 10.0, 1.0, 10.0, 1.0]))
    gatherer.settle(np.array([10.0]))
    assert [feature.time_s for feature in gatherer.features.facts()] == [3.0, 30.0]
    assert not gatherer._runs


def test_points_and_rows_of_moves() -> None:
    some = moves((1, 2, 3, 0, 4), (5, 6, 7, 1, LAYS))
    assert some.lays.tolist() == [False, True]
    assert (some.laying.tolist(), some.travels.tolist(), some.speeds) == ([1], [0], (10, 10))
    assert (some.starts, some.ends) == (Box(0, 0, 0, 1, 2, 3), Box(1, 2, 3, 5, 6, 7))
    assert (some.laid_starts.box, some.laid_ends.box) == (Box(1, 2, 3, 1, 2, 3), Box(5, 6, 7, 5, 6, 7))
    assert some.travel_ends.places.tolist() == [[1], [2], [3]]
    assert Points.of(np.empty((3, 0))).box is None


@pytest.mark.parametrize("value", [inf, 1e300])
def test_absurd_places_are_only_far_away(value: float) -> None:
    gatherer = Gatherer()
    gatherer.add(moves((value, 0, 0, 1, LAYS)), ())
    box = gatherer.travel()
    assert box is not None
    assert box.max_x == value
