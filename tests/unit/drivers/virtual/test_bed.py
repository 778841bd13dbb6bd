import json
from dataclasses import replace

import pytest

from drivers.virtual.bed import Bed, Part, PartRule
from drivers.virtual.motion import Block


def move(extruded_mm: float, z: float = 0.3, *, swept: bool = True, cut: bool = False, at_s: float = 10.0) -> Block:
    return Block(
        origin=(0.0, 0.0, z, 0.0),
        target=(10.0, 0.0, z, extruded_mm),
        length=10.0,
        unit=(1.0, 0.0, 0.0),
        speed=50.0,
        acceleration=3000.0,
        junction=0.0,
        extruded_mm=extruded_mm,
        swept=swept,
        cut=cut,
        start_s=at_s,
        end_s=at_s + 1.0,
    )


def print_part(bed: Bed, filament_mm: float = 100.0, height_mm: float = 5.0) -> None:
    """Home, print two moves, retract, raise, motors off."""
    bed.homed_z(0.0)
    bed.executed(move(filament_mm / 2), heaters_on=True)
    bed.executed(move(filament_mm / 2, height_mm), heaters_on=True)
    bed.executed(move(-2.0, height_mm, swept=False), heaters_on=True)
    bed.motors_off(20.0)


def test_a_part_is_measured() -> None:
    bed = Bed()
    print_part(bed)
    (part,) = bed.parts
    assert part.extruded_mm == pytest.approx(100.0)
    assert part.height_mm == 5.0
    assert (part.end, part.end_s, part.begin_s) == ("motors-off", 20.0, 10.0)
    assert bed.parts_finished == 1
    assert bed.collisions == 0


def test_retraction_takes_no_plastic_back_and_unretraction_adds_none() -> None:
    bed = Bed()
    bed.homed_z(0.0)
    for extruded_mm in (10.0, -3.0, 3.0, 5.0, -3.0):
        bed.executed(move(extruded_mm), heaters_on=True)
    assert bed.extruded_mm == pytest.approx(15.0)
    assert bed.net_mm == pytest.approx(12.0)
    assert bed.parts[0].extruded_mm == pytest.approx(15.0)


def test_second_part_counts_its_own_filament_only() -> None:
    bed = Bed()
    print_part(bed, 100.0)
    bed.remove_parts(30.0)
    print_part(bed, 60.0)
    # The two millimetres retracted at the end of the first part have to come back first.
    assert bed.parts[1].extruded_mm == pytest.approx(58.0)
    assert bed.parts_finished == 2
    assert bed.collisions == 0


def test_printing_onto_a_part_is_a_collision_and_gives_no_good_part() -> None:
    bed = Bed()
    print_part(bed)
    print_part(bed)
    assert bed.collisions == 1
    assert [part.on_occupied_bed for part in bed.parts] == [False, True]
    assert bed.parts_finished == 1
    assert len(bed.standing) == 2


def test_collected_parts_still_count() -> None:
    bed = Bed()
    print_part(bed)
    assert bed.remove_parts(30.0) == 1
    assert bed.remove_parts(31.0) == 0
    assert bed.standing == []
    assert bed.parts_finished == 1


def test_priming_in_one_place_is_no_part() -> None:
    bed = Bed()
    bed.executed(move(20.0, swept=False), heaters_on=True)
    assert bed.parts == []
    assert bed.extruded_mm == 20.0


def test_filament_before_homing_belongs_to_no_part() -> None:
    bed = Bed()
    bed.executed(move(20.0, swept=False), heaters_on=True)
    print_part(bed, 100.0)
    assert bed.parts[0].extruded_mm == pytest.approx(100.0)


def test_unhomed_print_begins_with_its_first_move() -> None:
    bed = Bed()
    bed.executed(move(20.0, swept=False), heaters_on=True)
    bed.executed(move(3.0), heaters_on=True)
    assert bed.parts[0].extruded_mm == pytest.approx(3.0)


def test_heaters_off_and_head_raised_is_an_end() -> None:
    bed = Bed()
    bed.homed_z(0.0)
    bed.executed(move(50.0, 5.0), heaters_on=True)
    bed.executed(move(0.0, 15.0), heaters_on=True)
    assert bed.parts[0].end == ""
    bed.executed(move(0.0, 6.0), heaters_on=False)
    assert bed.parts[0].end == ""
    bed.executed(move(0.0, 15.0, at_s=40.0), heaters_on=False)
    assert (bed.parts[0].end, bed.parts[0].end_s) == ("heaters-off", 41.0)
    assert bed.parts_finished == 1


@pytest.mark.parametrize("reason", ["reset", "killed"])
def test_interrupted_part_is_not_finished(reason: str) -> None:
    bed = Bed()
    bed.homed_z(0.0)
    bed.executed(move(50.0), heaters_on=True)
    bed.interrupted(reason, 30.0)
    assert bed.parts[0].end == reason
    assert bed.parts_finished == 0


def test_resumed_part_goes_on_growing_without_homing_z() -> None:
    bed = Bed()
    bed.homed_z(0.0)
    bed.executed(move(50.0), heaters_on=True)
    bed.interrupted("reset", 30.0)
    bed.executed(move(30.0, 2.0), heaters_on=True)
    bed.motors_off(60.0)
    (part,) = bed.parts
    assert part.extruded_mm == pytest.approx(80.0)
    assert (part.end, part.resets) == ("motors-off", 1)
    assert bed.collisions == 0
    assert bed.parts_finished == 1


def test_printing_on_after_the_part_was_taken_is_a_new_part() -> None:
    bed = Bed()
    bed.homed_z(0.0)
    bed.executed(move(50.0), heaters_on=True)
    bed.remove_parts(20.0)
    assert bed.parts[0].end == "removed"
    bed.executed(move(30.0), heaters_on=True)
    assert [part.extruded_mm for part in bed.parts] == [pytest.approx(50.0), pytest.approx(30.0)]
    assert bed.parts_finished == 0


def test_homing_ends_a_part() -> None:
    bed = Bed()
    bed.homed_z(0.0)
    bed.executed(move(50.0), heaters_on=True)
    bed.homed_z(30.0)
    assert bed.parts[0].end == "homed"


def test_released_steppers_are_noted_in_the_part_that_grows() -> None:
    bed = Bed()
    bed.motors_released()
    bed.homed_z(0.0)
    bed.executed(move(50.0), heaters_on=True)
    bed.motors_released()
    assert bed.parts[0].released == 1


WHOLE = Part(1, 0.0, on_occupied_bed=False, extruded_mm=100.0, height_mm=5.0, end="motors-off")


@pytest.mark.parametrize(
    ("part", "rule", "finished"),
    [
        (WHOLE, PartRule(), True),
        (replace(WHOLE, end=""), PartRule(), False),
        (replace(WHOLE, end="killed"), PartRule(), False),
        (replace(WHOLE, on_occupied_bed=True), PartRule(), False),
        (replace(WHOLE, cut_moves=1), PartRule(), False),
        (WHOLE, PartRule(minimum_mm=101.0), False),
        (WHOLE, PartRule(minimum_height_mm=6.0), False),
        (WHOLE, PartRule(expected_mm=100.4), True),
        (WHOLE, PartRule(expected_mm=100.6), False),
        (WHOLE, PartRule(expected_mm=99.4), False),
        (WHOLE, PartRule(expected_mm=95.0, tolerance_mm=10.0), True),
    ],
)
def test_what_counts_as_finished(part: Part, rule: PartRule, finished: bool) -> None:
    assert part.finished(rule) is finished


def test_cut_moves_are_counted() -> None:
    bed = Bed()
    bed.homed_z(0.0)
    bed.executed(move(5.0, cut=True), heaters_on=True)
    bed.executed(move(5.0), heaters_on=True)
    assert bed.parts[0].cut_moves == 1


def test_snapshot_is_json() -> None:
    bed = Bed()
    print_part(bed)
    found = json.loads(json.dumps(bed.snapshot(), allow_nan=False))
    assert found["parts_finished"] == found["standing"] == 1
    assert found["extruded_mm"] == 100.0
    assert found["parts"][0]["finished"] is True
