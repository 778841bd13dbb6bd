import pytest

from drivers.virtual.bed import Bed
from drivers.virtual.machine import Machine
from drivers.virtual.options import FirmwareOptions


class Voice:
    """A machine that writes down what it says."""

    def __init__(self, options: FirmwareOptions | None = None) -> None:
        self.said: list[str] = []
        self.bed = Bed()
        self.machine = Machine(options or FirmwareOptions(), self.bed, self.said.append)
        self.machine.cold_extrusion = True


@pytest.fixture
def voice() -> Voice:
    return Voice()


def test_report_of_place_is_that_of_marlin(voice: Voice) -> None:
    machine = voice.machine
    machine.jump((19.0, 29.0, 0.5, 2.95))
    assert machine.where(machine.place) == "X:19.00 Y:29.00 Z:0.50 E:2.95 Count X:1520 Y:2320 Z:200"


def test_report_has_no_negative_zero(voice: Voice) -> None:
    machine = voice.machine
    machine.offset = [0.0, 0.0, 0.0, 0.0]
    assert machine.where((-0.0, 0.0, 0.0, 0.0)).startswith("X:0.00 ")


def test_report_of_temperatures_is_that_of_marlin(voice: Voice) -> None:
    assert voice.machine.temperatures() == " T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0"
    voice.machine.hotend.set_target(200.0, 0.0)
    assert voice.machine.temperatures() == " T:25.00 /200.00 B:25.00 /0.00 @:127 B@:0"


def test_offsets_are_between_logical_and_machine_coordinates(voice: Voice) -> None:
    machine = voice.machine
    machine.offset = [10.0, 0.0, 0.0, 0.0]
    assert machine.target({"X": 5.0}) == (15.0, 0.0, 0.0, 0.0)
    machine.absolute[0] = False
    assert machine.target({"X": 5.0}) == (5.0, 0.0, 0.0, 0.0)


def test_letters_without_a_number_move_nothing(voice: Voice) -> None:
    voice.machine.jump((1.0, 2.0, 3.0, 4.0))
    assert voice.machine.target({"X": None}) == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(("extruded", "reason"), [(5.0, "cold"), (-5.0, "cold")])
def test_cold_filament_is_not_moved_in_any_direction(voice: Voice, extruded: float, reason: str) -> None:
    voice.machine.cold_extrusion = False
    voice.machine.move_to((1.0, 0.0, 0.0, extruded))
    assert voice.said == [f"echo: {reason} extrusion prevented"]
    assert voice.machine.place[3] == extruded


def test_cold_start_forgets_settings_and_targets_but_no_heat(voice: Voice) -> None:
    machine = voice.machine
    machine.hotend.be(150.0, 0.0)
    machine.hotend.set_target(200.0, 0.0)
    machine.limits.speed[0] = 1.0
    machine.absolute = [False] * 4
    machine.feedrate = 99.0
    machine.homed = [True] * 3
    machine.cold_start()
    assert machine.hotend.target_c == 0.0
    assert machine.hotend.reading_c() == 150.0
    assert machine.limits.speed[0] == 500.0
    assert machine.absolute == [True] * 4
    assert machine.feedrate == 25.0
    assert machine.homed == [False] * 3


def test_stop_leaves_the_place_where_the_head_is(voice: Voice) -> None:
    machine = voice.machine
    machine.move_to((100.0, 0.0, 0.0, 0.0))
    machine.now_s = 2.0
    machine.stop_motion()
    assert machine.place == machine.planner.reached
    assert 45 < machine.place[0] < 55


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_only_homed_axes_have_ends(axis: int) -> None:
    machine = Voice(FirmwareOptions(bed_mm=200.0, beyond_bed_mm=3.0, height_mm=180.0)).machine
    machine.homed[axis] = True
    machine.move_to((900.0, 900.0, 900.0, 0.0))
    wanted = [900.0, 900.0, 900.0]
    wanted[axis] = 203.0 if axis < 2 else 180.0
    assert machine.place[:3] == tuple(wanted)


def test_executed_moves_reach_the_bed(voice: Voice) -> None:
    machine = voice.machine
    machine.move_to((10.0, 0.0, 0.2, 1.5))
    machine.planner.advance(60.0)
    assert voice.bed.extruded_mm == 1.5
    assert voice.bed.parts[0].height_mm == 0.2
