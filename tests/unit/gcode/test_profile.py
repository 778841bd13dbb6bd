"""Profiles: every bundled one is whole and safe, and a wrong file names its key."""

from importlib.resources import files

import pytest

from gcode.profile import ProfileError, bundled_profiles, parse_profile
from tests.unit.gcode.samples import profile

PROFILES = list(bundled_profiles().values())
SOURCE = files("configs").joinpath("printers/generic-210.toml").read_text("utf-8")


def test_the_bundle_has_the_generic_ones_by_id() -> None:
    found = bundled_profiles()
    assert {"generic-210", "generic-300", "prusa-mk3s", "creality-ender3"} <= set(found)
    assert all(key == value.id for key, value in found.items())
    assert list(found) == sorted(found)


@pytest.mark.parametrize("found", PROFILES, ids=lambda found: found.id)
def test_a_bundled_profile_is_plausible(found: object) -> None:
    found = profile(getattr(found, "id"))  # noqa: B009 - the fixture's type is wide
    assert found.volume.max_x > found.volume.min_x
    assert found.purge.min_x <= found.volume.min_x
    assert found.purge.max_y >= found.volume.max_y
    assert found.purge.max_z <= 1, "a purge line is low: higher would let a part hang over the edge"
    assert 150 < found.nozzle_c <= found.max_nozzle_c <= 300
    assert 0 <= found.bed_c <= found.max_bed_c <= 130
    assert "{nozzle_c}" in found.start_gcode
    assert "{bed_c}" in found.start_gcode
    assert "M104 S0" in found.end_gcode
    assert "M140 S0" in found.end_gcode


def test_optional_keys_have_defaults() -> None:
    found = parse_profile(SOURCE.encode())
    assert (found.model, found.tools, found.homes_itself, found.limits) == ("", 1, False, None)


def test_limits_of_the_mk3s() -> None:
    limits = profile("prusa-mk3s").limits
    assert limits is not None
    assert limits.speed_mm_s == (200.0, 200.0, 12.0, 120.0)
    assert limits.print_acceleration_mm_s2 == 1250


def test_limits_fall_back_to_the_plain_acceleration() -> None:
    table = "\n[motion.limits]\nspeed_mm_s = [1, 2, 3, 4]\nacceleration_mm_s2 = [5, 6, 7, 8]\njerk_mm_s = [9, 10, 11, 12]\n"
    limits = parse_profile((SOURCE + table).encode()).limits
    assert limits is not None
    assert limits.jerk_mm_s == (9.0, 10.0, 11.0, 12.0)
    assert limits.travel_acceleration_mm_s2 == 800


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nozzle_mm = 0.4", "", "nozzle_mm"),
        ("nozzle_mm = 0.4", "nozzle_mm = 'wide'", "wide"),
        ("[heat]", "[cold]", "heat"),
        ("max = [210, 210, 200]", "max = [210, 210]", "cannot be read"),
        ("id =", "id ==", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told(old: str, new: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parse_profile(SOURCE.replace(old, new, 1).encode())


def test_bytes_that_are_no_text_are_told() -> None:
    with pytest.raises(ProfileError):
        parse_profile(b"\xff\xfe")
