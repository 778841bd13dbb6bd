"""What is drawn of a file: its layers as the facts count them, its kinds of line, its travels."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given

from gcode.interpreter import make_collector, read_facts
from gcode.preview import strokes
from gcode.preview.reading import MAX_FEATURES, read_drawing
from gcode.preview.strokes import START_CODE
from gcode.profile import bundled_profiles
from gcode.reader import read_lines
from tests.unit.gcode.preview.plates import START, square, stream, tower
from tests.unit.gcode.samples import ENDER_3, MK3S, ULTIMAKER_3, real_file
from tests.unit.gcode.scan.programs import programs


def test_every_layer_and_kind_of_line() -> None:
    drawn = read_drawing(stream(tower(3) + ";TYPE:Internal infill\nG1 X60 Y60 E1\n"))
    assert drawn.layer_z_mm == pytest.approx((0.2, 0.4, 0.6))
    assert [drawn.features[row].id for row in drawn.strokes.feature] == ["external"] * 12 + ["infill"]
    assert drawn.strokes.layer.tolist() == [0] * 4 + [1] * 4 + [2] * 5


def test_only_one_layer() -> None:
    drawn = read_drawing(stream(tower(5)), layer=2)
    assert len(drawn.strokes) == 4
    assert drawn.strokes.end[:, 2] == pytest.approx(0.6)
    assert drawn.layers == 5, "all are counted"


def test_what_comes_before_the_first_mark_is_start_code() -> None:
    purge = "G1 Z0.3\nG1 X5 Y5\nG1 X60 Y5 E9\n"
    drawn = read_drawing(stream(START + purge + tower(2).removeprefix(START)))
    assert drawn.layers == 2
    assert drawn.strokes.layer.tolist() == [-1] + [0] * 4 + [1] * 4
    assert len(read_drawing(stream(START + purge + tower(2)), layer=0).strokes) == 4, "not part of the first layer"


def test_without_marks_a_layer_begins_with_a_new_height() -> None:
    body = "".join(f"G1 Z{z}\n{square(10, 10, 5)}" for z in (0.2, 0.4, 0.41, 0.6))
    assert read_drawing(stream(START + body)).layer_z_mm == pytest.approx((0.2, 0.41, 0.6)), "0.01 mm is no layer"


def test_a_mark_without_plastic_is_no_layer() -> None:
    assert read_drawing(stream(START + ";LAYER:0\n;LAYER:1\nG1 Z0.2\n" + square(1, 1, 5))).layers == 1


def test_travels_only_when_asked() -> None:
    assert (read_drawing(stream(tower(2))).strokes.feature > 0).all()
    drawn = read_drawing(stream(tower(2)), travels=True)
    travels = drawn.strokes.chosen(drawn.strokes.feature == 0)
    assert len(travels) == 1, "from the origin to the first square; later squares begin where the last one ended"
    assert travels.end[0].tolist() == pytest.approx([40, 40, 0.2])
    assert travels.filament_mm.sum() == 0
    assert travels.layer.tolist() == [0], "a travel leads to what is laid next"


def test_a_retraction_and_its_return_are_no_plastic() -> None:
    assert len(read_drawing(stream(START + "G1 X5 Y5 Z1\nG1 E-2\nG1 X9 Y5 E2\n")).strokes) == 0


def test_the_area_of_the_filament_is_the_profiles() -> None:
    fine, thick = read_drawing(stream(tower(1))), read_drawing(stream(";FLAVOR:Griffin\n" + tower(1)))
    assert fine.filament_area_mm2 == pytest.approx(2.405, abs=0.001)
    assert thick.filament_area_mm2 == pytest.approx(6.379, abs=0.001)
    profile = bundled_profiles()["prusa-mk3s"]
    assert read_drawing(stream(";FLAVOR:Griffin\n" + tower(1)), profile).filament_area_mm2 == fine.filament_area_mm2


def test_a_thousand_kinds_of_line_do_not_fill_the_memory() -> None:
    body = "".join(f";TYPE:kind {number}\nG1 X{number % 50} Y{number % 7} Z0.2 E1\n" for number in range(1000))
    drawn = read_drawing(stream(START + body))
    assert len(drawn.features) <= MAX_FEATURES + 2
    assert int(drawn.strokes.feature.max()) < len(drawn.features)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 4000, b"G1 X1e308 E1\nG1 XNaN\n", b"x" * 500_000, b";TYPE:\n;LAYER:\n"])
def test_rubbish_lays_nothing(content: bytes) -> None:
    assert len(read_drawing(BytesIO(content)).strokes) == 0


@pytest.mark.real
@pytest.mark.parametrize("name", [ENDER_3, MK3S, ULTIMAKER_3])
def test_layers_are_those_of_the_facts(name: str) -> None:
    facts, drawn = read_facts(real_file(name)), read_drawing(real_file(name))
    assert drawn.layer_z_mm == tuple(row.z_mm for row in facts.layer_table)
    filament = np.bincount(drawn.strokes.layer + 1, drawn.strokes.filament_mm)[1:]
    laid = [row.filament_mm for row in facts.layer_table]
    assert filament.sum() == pytest.approx(sum(laid), rel=0.03), "but for what is drawn back and given back"


def laid(content: bytes) -> list[tuple[int, float, float, float, float]]:
    """Layer, end and filament of every move that lays plastic, by the interpreter."""
    collector = make_collector(BytesIO(content), None)
    rows: list[tuple[int, float, float, float, float]] = []
    for line in read_lines(BytesIO(content)):
        before = collector._layers.count
        moves = collector.feed(line)
        if collector._layers.count < before:  # the first mark: all that was start code
            rows = [(START_CODE, *row[1:]) for row in rows]
        rows += [(collector._layers.count - 1, *move.end, move.filament_mm) for move in moves if move.extrudes]
    return rows


@given(programs())
def test_any_program_is_drawn_as_the_interpreter_reads_it(content: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strokes, "thinned", lambda found, _tolerance_mm: found)
        drawn = read_drawing(BytesIO(content)).strokes
    expected = laid(content)
    assert drawn.layer.tolist() == [row[0] for row in expected]
    ours = np.column_stack([drawn.end, drawn.filament_mm]) if len(drawn) else np.empty((0, 4))
    assert ours == pytest.approx(np.array([row[1:] for row in expected], np.float64).reshape(-1, 4), rel=1e-5, abs=1e-4)
