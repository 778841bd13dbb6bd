"""What a file says of its machine before the first line is read."""

import io
from dataclasses import replace
from io import BytesIO

import pytest

from gcode.kinematics import MotionLimits
from gcode.reader import parse_line
from gcode.survey import limits_from_settings, survey
from tests.unit.gcode.samples import profile

SETTINGS = b"""G1 X1
; gcode_flavor = marlin
; machine_max_acceleration_e = 5000,4000
; machine_max_acceleration_extruding = 500
; machine_max_acceleration_retracting = 900
; machine_max_acceleration_travel = 1500,1250
; machine_max_acceleration_x = 600,960
; machine_max_acceleration_y = 700
; machine_max_acceleration_z = 100
; machine_max_feedrate_x = 200
; machine_max_jerk_x = 9
"""


def test_limits_from_the_settings_block() -> None:
    limits = limits_from_settings(SETTINGS)
    assert limits is not None
    assert limits.acceleration_mm_s2 == (600.0, 700.0, 100.0, 5000.0)
    assert limits.speed_mm_s == (200.0, *MotionLimits().speed_mm_s[1:])
    assert limits.jerk_mm_s[0] == 9
    assert (limits.print_acceleration_mm_s2, limits.retract_acceleration_mm_s2) == (500, 900)


def test_old_marlin_has_no_travel_acceleration_of_its_own() -> None:
    old = limits_from_settings(SETTINGS)
    new = limits_from_settings(SETTINGS.replace(b"= marlin\n", b"= marlin2\n"))
    assert old is not None
    assert new is not None
    assert (old.travel_acceleration_mm_s2, new.travel_acceleration_mm_s2) == (500, 1500)


def test_no_settings_no_limits() -> None:
    assert limits_from_settings(b"G1 X1\n; machine_max_jerk_x = 8\n") is None


def test_the_tail_is_read_and_the_stream_put_back() -> None:
    stream = BytesIO(b"G28\n" * 50_000 + SETTINGS.replace(b"\n", b"\r\n"))
    stream.seek(8)
    assert survey(stream).limits.speed_mm_s[0] == 200
    assert stream.tell() == 8


def test_the_head_is_read_too() -> None:
    found = survey(BytesIO(b";FLAVOR:Griffin\n" + SETTINGS.replace(b"gcode_flavor", b"x") + b"G1 X1\n" * 100_000))
    assert found.limits.speed_mm_s[0] == 200
    assert (found.flavour, found.claimed_flavour) == ("griffin", "griffin")


def test_a_stream_that_cannot_seek_has_no_tail() -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    assert survey(Pipe(SETTINGS)).limits == MotionLimits()


def test_the_claims_of_a_container_stand_for_the_ends_of_its_stream() -> None:
    found = survey(BytesIO(b""), claims={"machine_max_acceleration_x": "123", "gcode_flavor": "klipper", "printer_model": "é"})
    assert found.limits.acceleration_mm_s2[0] == 123
    assert (found.claimed_flavour, found.limits.junction) == ("klipper", "corner")


def test_a_stream_without_an_end_has_no_tail_but_keeps_its_place() -> None:
    class OnlyBack(BytesIO):
        def seek(self, position: int, whence: int = 0, /) -> int:
            if whence == 2:
                raise io.UnsupportedOperation
            return super().seek(position, whence)

    stream = OnlyBack(SETTINGS)
    assert survey(stream).limits == MotionLimits()
    assert stream.tell() == 0


@pytest.mark.parametrize(
    ("text", "flavour"),
    [
        (b"; gcode_flavor = marlin\n", "marlin-legacy"),
        (b"; gcode_flavor = marlin2\n", "marlin"),
        (b"; gcode_flavor = reprapfirmware\n", "reprapfirmware"),
        (b"; gcode_flavor = machinekit\n", None),
        (b";FLAVOR:Marlin\n;TIME:1\n", "marlin"),
        (b";FLAVOR:UltiGCode\r\n", "ultigcode"),
        (b"G28\n", None),
    ],
)
def test_the_flavour_that_a_file_is_written_for(text: bytes, flavour: str | None) -> None:
    assert survey(BytesIO(text)).claimed_flavour == flavour


def test_the_profile_rules_where_the_file_is_silent() -> None:
    klipper = replace(profile(), flavour="klipper", filament_mm=2.85, heating_c_s=7)
    silent = survey(BytesIO(b"G28\n"), klipper)
    assert (silent.flavour, silent.claimed_flavour, silent.limits.junction) == ("klipper", None, "corner")
    assert (silent.filament_mm, silent.heating_c_s) == (2.85, 7)
    assert silent.machine().flavour == "klipper"
    assert survey(BytesIO(b";FLAVOR:Marlin\n"), klipper).flavour == "marlin"


def test_the_extruder_of_ultigcode_counts_cubic_millimetres() -> None:
    machine = survey(BytesIO(b";FLAVOR:UltiGCode\n"), replace(profile(), filament_mm=2.85)).machine()
    (move,) = machine.apply(parse_line(b"G1 X10 E6.3794"))
    assert move.filament_mm == pytest.approx(1, rel=1e-4)


def test_least_speeds_and_a_junction_deviation_of_the_settings() -> None:
    found = limits_from_settings(
        SETTINGS + b"; machine_min_extruding_rate = 3,2\n; machine_min_travel_rate = 4\n; machine_max_junction_deviation = 0.02\n"
    )
    assert found is not None
    assert (found.least_print_mm_s, found.least_travel_mm_s) == (3, 4)
    assert (found.junction, found.deviation_mm) == ("deviation", 0.02)


def test_what_a_file_claims_makes_a_capped_machine_no_faster() -> None:
    printer = profile("prusa-mk3s")
    claims = {"machine_max_acceleration_x": "90000", "machine_max_acceleration_extruding": "90000"}
    free, capped = (survey(BytesIO(), printer, claims=claims, capped=capped) for capped in (False, True))
    assert printer.limits is not None
    assert (free.limits.acceleration_mm_s2[0], free.limits.print_acceleration_mm_s2, free.ceiling) == (90000, 90000, None)
    assert capped.limits.acceleration_mm_s2[0] == printer.limits.acceleration_mm_s2[0]
    assert capped.limits.print_acceleration_mm_s2 == printer.limits.print_acceleration_mm_s2


def test_a_slower_file_stays_slow_when_it_is_capped() -> None:
    claims = {"machine_max_acceleration_x": "50", "machine_max_feedrate_x": "10"}
    found = survey(BytesIO(), profile("prusa-mk3s"), claims=claims, capped=True)
    assert (found.limits.acceleration_mm_s2[0], found.limits.speed_mm_s[0]) == (50, 10)
