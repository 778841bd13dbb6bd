"""Profiles: every bundled one is whole and safe, and a wrong file names its key."""

from importlib.resources import files

import pytest

from gcode.profile import Box, ProfileError, bundled_profiles, parse_profile
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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nozzle_mm = 0.4", "nozzle_mm = 0.4\nmax_nozle_c = 200", "max_nozle_c is unknown"),
        ("max_nozzle_c =", "max_chamber = 60\nmax_nozzle_c =", r"heat\.max_chamber is unknown"),
        ('flavour = "marlin"', 'flavour = "merlin"', "it must be one of marlin, marlin-legacy"),
        ("max = [210, 210, 200]", "max = [210, 0, 200]", "volume: each max must be above its min"),
        ("filament_mm = 1.75", "filament_mm = 0", "filament_mm is 0; it must be above 0"),
        ("max_bed_c = 100", "max_bed_c = 10", "must not be above"),
    ],
)
def test_a_profile_that_makes_no_sense_is_told(old: str, new: str, message: str) -> None:
    assert old in SOURCE
    with pytest.raises(ProfileError, match=message):
        parse_profile(SOURCE.replace(old, new, 1).encode())


def test_a_revision_changes_with_what_is_said_and_not_with_how() -> None:
    first = parse_profile(SOURCE.encode()).revision
    assert len(first) == 12
    assert parse_profile(f"# another comment\n{SOURCE}\n\n".encode()).revision == first
    assert parse_profile(SOURCE.replace("max_bed_c = 100", "max_bed_c = 99").encode()).revision != first


def test_what_a_profile_may_say_more() -> None:
    more = """
[allowed]
lines = ["M907 E538"]
codes = ["G280"]
macros = ["start_print"]
[time]
homing_s = 35
[[keep_out]]
min = [0, 200, 0]
max = [30, 210, 10]
"""
    found = parse_profile((SOURCE.replace('id = "', 'resumes = true\nnozzles_mm = [0.4, 0.6]\nid = "', 1) + more).encode())
    assert [set(names) for names in (found.allowed_lines, found.allowed_codes, found.macros)] == [
        {"M907 E538"},
        {"G280"},
        {"START_PRINT"},
    ]
    assert (found.resumes, found.nozzles_mm, found.homing_s, found.house_blocks) == (True, (0.4, 0.6), 35.0, False)
    assert found.keep_out == (Box(0, 200, 0, 30, 210, 10),)


def test_bytes_that_are_no_text_are_told() -> None:
    with pytest.raises(ProfileError):
        parse_profile(b"\xff\xfe")
