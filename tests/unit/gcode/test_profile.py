"""Profiles: every bundled one is whole and safe, and a wrong file names its key."""

import re
from importlib.resources import files

import pytest

from gcode.frame import default_design
from gcode.frame.program import filled
from gcode.kinematics import Junction
from gcode.profile import (
    Box,
    PrinterProfile,
    ProfileError,
    bundled_ids,
    bundled_profile,
    bundled_profiles,
    parse_profile,
)
from tests.unit.gcode.samples import profile

PROFILES = list(bundled_profiles().values())
SOURCE = files("configs").joinpath("printers/generic-210.toml").read_text("utf-8")


def test_the_bundle_has_the_generic_ones_by_id() -> None:
    found = bundled_profiles()
    generic = {"generic-200", "generic-210", "generic-300", "generic-klipper", "generic-reprapfirmware"}
    creality = {"creality-ender3", "creality-ender3-v2", "creality-ender3-s1", "creality-cr10"}
    others = {"ultimaker-2-plus", "ultimaker-3", "anycubic-i3-mega", "artillery-sidewinder-x1", "cosmyx-nova"}
    assert {*generic, *creality, *others, "prusa-mk3s", "prusa-mk4", "prusa-mini"} == set(found)
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


def entry(name: str) -> str:
    return files("configs").joinpath(f"printers/{name}.toml").read_text("utf-8")


SOURCED = ("volume", "purge", "heat", "motion", "motion.limits", "time", "allowed")
NAMED = re.compile(r"\[[A-Z]\]|our choice|our judgement")


def lines_without_source(text: str) -> list[str]:
    """Figures with no source of their own, nor one beside the name of their table."""
    table, of_table, found = "", False, []
    for line in text.partition("[gcode]")[0].splitlines():
        code, _, comment = line.partition("#")
        if named := re.match(r"\[+([a-z._]+)\]", code):
            table, of_table = named[1], bool(NAMED.search(comment))
        elif table in SOURCED and "=" in code and not of_table and not NAMED.search(comment):
            found.append(line)
    return found


@pytest.mark.parametrize("found", PROFILES, ids=lambda found: found.id)
def test_each_figure_has_its_source_beside_it(found: PrinterProfile) -> None:
    text = entry(found.id)
    assert "common denominators" in text.partition("\nid =")[0] or lines_without_source(text) == []


@pytest.mark.parametrize("found", PROFILES, ids=lambda found: found.id)
def test_each_source_is_named_in_the_head(found: PrinterProfile) -> None:
    head, _, rest = entry(found.id).partition("\nid =")
    used = set(re.findall(r"\[[A-Z]\]", "\n".join(line.partition("#")[2] for line in rest.splitlines())))
    assert used == set(re.findall(r"\[[A-Z]\]", head))


def test_a_figure_without_a_source_would_be_found() -> None:
    text = entry("prusa-mini").replace("max_bed_c = 100    # [F] BED_MAXTEMP 110 less its margin of 10", "max_bed_c = 100")
    assert lines_without_source(text) == ["max_bed_c = 100"]
    assert len(lines_without_source(entry("prusa-mini").replace("[volume] # [P] bed_shape", "[volume] # bed"))) == 2


@pytest.mark.parametrize("found", PROFILES, ids=lambda found: found.id)
def test_its_start_heats_the_bed_first_and_then_homes_and_its_end_leaves_nothing_on(found: PrinterProfile) -> None:
    start, end = filled(found.start_gcode, found), filled(found.end_gcode, found)
    codes = [line.split()[0] for line in start]
    waits = [line for line in start if line.startswith(("M109", "M190"))]
    assert waits[0] == f"M190 S{found.bed_c:g}"
    assert waits[-1] == f"M109 S{found.nozzle_c:g}"
    assert found.homes_itself or codes.index("M190") < codes.index("G28") < codes.index("M83")
    assert codes[-1] == "G92", "what follows counts from nothing"
    assert {"M104 S0", "M140 S0", "M107"} <= set(end)
    assert end.index("G91") < next(number for number, line in enumerate(end) if line.startswith("G1 Z")) < end.index("G90")
    assert end[-1] == "M84"


@pytest.mark.parametrize("found", PROFILES, ids=lambda found: found.id)
def test_what_is_kept_out_lies_on_the_bed_and_leaves_its_middle_free(found: PrinterProfile) -> None:
    volume = found.volume
    x, y = (volume.min_x + volume.max_x) / 2, (volume.min_y + volume.max_y) / 2
    for box in found.keep_out:
        assert volume.min_x <= box.min_x < box.max_x <= volume.max_x
        assert volume.min_y <= box.min_y < box.max_y <= volume.max_y
        assert not box.min_x < x < box.max_x
        assert not box.min_y < y < box.max_y
    assert found.nozzle_mm in found.nozzles_mm


def test_what_the_ultimakers_have_that_others_have_not() -> None:
    third, second = profile("ultimaker-3"), profile("ultimaker-2-plus")
    assert (third.flavour, third.tools, third.homes_itself, third.heating_c_s) == ("griffin", 2, True, 1.4)
    assert (second.flavour, second.tools, second.homes_itself) == ("marlin-legacy", 1, False)
    assert (second.filament_mm, third.filament_mm) == (2.85, 2.85)
    assert (len(second.keep_out), len(third.keep_out)) == (4, 5)
    assert Box(0, 214, 0, 33.5, 223, 205) in second.keep_out


def test_the_mk3s_takes_the_motor_currents_of_genuine_files_only() -> None:
    found = profile("prusa-mk3s")
    assert (found.flavour, found.model) == ("marlin-legacy", "MK3S")
    assert found.allowed_lines == {"M907 E430", "M907 E538"}
    assert {key: value.model for key, value in bundled_profiles().items() if value.model} == {
        "prusa-mini": "MINI",
        "prusa-mk3s": "MK3S",
        "prusa-mk4": "MK4",
    }


def test_only_a_small_bed_gets_the_small_frame() -> None:
    usual = default_design(profile("generic-300")).head_depth_mm
    assert [found.id for found in PROFILES if default_design(found).head_depth_mm < usual] == ["prusa-mini"]


def test_optional_keys_have_defaults() -> None:
    found = parse_profile(SOURCE.encode())
    assert (found.model, found.tools, found.homes_itself, found.limits) == ("", 1, False, None)


def test_limits_of_the_mk3s() -> None:
    limits = profile("prusa-mk3s").limits
    assert limits is not None
    assert limits.speed_mm_s == (200.0, 200.0, 12.0, 120.0)
    assert limits.print_acceleration_mm_s2 == 1250


def test_limits_fall_back_to_the_plain_acceleration() -> None:
    limits = parse_profile((SOURCE + LIMITS).encode()).limits
    assert limits is not None
    assert limits.jerk_mm_s == (9.0, 10.0, 11.0, 12.0)
    assert limits.travel_acceleration_mm_s2 == 800


LIMITS = "\n[motion.limits]\nspeed_mm_s = [1, 2, 3, 4]\nacceleration_mm_s2 = [5, 6, 7, 8]\njerk_mm_s = [9, 10, 11, 12]\n"


@pytest.mark.parametrize(
    ("more", "junction", "deviation_mm", "corner_mm_s"),
    [
        ("", "jerk", 0.013, 5.0),
        ('junction = "deviation"\njunction_deviation_mm = 0.02\n', "deviation", 0.02, 5.0),
        ('junction = "corner"\nsquare_corner_mm_s = 8\n', "corner", 0.013, 8.0),
    ],
)
def test_how_corners_are_limited(more: str, junction: Junction, deviation_mm: float, corner_mm_s: float) -> None:
    limits = parse_profile((SOURCE + LIMITS + more).encode()).limits
    assert limits is not None
    assert (limits.junction, limits.deviation_mm, limits.corner_mm_s) == (junction, deviation_mm, corner_mm_s)


def test_an_unknown_kind_of_corner_is_told() -> None:
    with pytest.raises(ProfileError, match=r"motion\.limits\.junction is 'round'; it must be one of jerk, deviation, corner"):
        parse_profile((SOURCE + LIMITS + 'junction = "round"\n').encode())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nozzle_mm = 0.4", "", "nozzle_mm"),
        ("nozzle_mm = 0.4", "nozzle_mm = 'wide'", "nozzle_mm is 'wide'; it must be a number from 0.1 to 3"),
        ("[heat]", "[cold]", "heat"),
        ("max = [210, 210, 200]", "max = [210, 210]", r"volume\.max is \[210, 210\]; it must be a list of 3 values"),
        ("nozzle_mm = 0.4", "nozzle_mm = " + "[" * 5000, "cannot be read"),
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
        ("filament_mm = 1.75", "filament_mm = 0", "filament_mm is 0; it must be a number from 1 to 4"),
        ("max_bed_c = 100", "max_bed_c = 10", "must not be above"),
    ],
)
def test_a_profile_that_makes_no_sense_is_told(old: str, new: str, message: str) -> None:
    assert old in SOURCE
    with pytest.raises(ProfileError, match=message):
        parse_profile(SOURCE.replace(old, new, 1).encode())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_nozzle_c =", "max_nozzle_c = nan #", "heat.max_nozzle_c is nan; it must be a number from 100 to 500"),
        ("max_nozzle_c =", "max_nozzle_c = inf #", "heat.max_nozzle_c is inf; it must be a number from 100 to 500"),
        ("max_nozzle_c =", "max_nozzle_c = 99999 #", "heat.max_nozzle_c is 99999; it must be a number from 100 to 500"),
        ("max_nozzle_c =", "max_nozzle_c = 'hot' #", "heat.max_nozzle_c is 'hot'; it must be a number from 100 to 500"),
        ("max_nozzle_c =", "max_nozzle_c = true #", "heat.max_nozzle_c is True; it must be a number from 100 to 500"),
        ("max_bed_c =", "max_bed_c = 201 #", "heat.max_bed_c is 201; it must be a number from 0 to 200"),
        ("max_bed_c =", "max_chamber_c = 121\nmax_bed_c =", "heat.max_chamber_c is 121; it must be a number from 0 to 120"),
        ("[heat]", "[[keep_out]]\nmin = [0, 0, 0]\nmax = [1, 1, 0]\n[heat]", "keep_out: each max must be above its min"),
    ],
)
def test_a_limit_that_limits_nothing_is_told(old: str, new: str, message: str) -> None:
    assert old in SOURCE
    with pytest.raises(ProfileError, match=re.escape(message)):
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
    found = parse_profile(
        (SOURCE.replace("nozzles_mm = [0.25, 0.3,", "resumes = true\ncancels_objects = true\nnozzles_mm = [", 1) + more).encode()
    )
    assert [set(names) for names in (found.allowed_lines, found.allowed_codes, found.macros)] == [
        {"M907 E538"},
        {"G280"},
        {"START_PRINT"},
    ]
    assert (found.resumes, found.nozzles_mm, found.homing_s, found.house_blocks) == (True, (0.4, 0.5, 0.6, 0.8), 35.0, False)
    assert found.keep_out == (Box(0, 200, 0, 30, 210, 10),)
    assert (found.cancels_objects, parse_profile(SOURCE.encode()).cancels_objects) == (True, False)


def test_bytes_that_are_no_text_are_told() -> None:
    with pytest.raises(ProfileError):
        parse_profile(b"\xff\xfe")


def test_one_bundled_profile_is_the_one_among_all() -> None:
    """Each is found by the name of its file, so that nobody has to read the others for it."""
    assert bundled_ids() == list(bundled_profiles())


def test_a_bundled_profile_has_the_id_that_its_file_is_called() -> None:
    for key, found in bundled_profiles().items():
        assert found.id == key
        assert bundled_profile(key) == found
