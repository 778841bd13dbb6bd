"""Each key of a profile has bounds, and what is outside of them is told with the key, the value and what it may be."""

import math
import re
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from gcode.entries import ENTRIES, wrong_entries
from gcode.profile import _KEYS

NUMBER = "a number from"


def nested(key: str, value: object) -> dict[str, Any]:
    """A table with this one key."""
    *places, name = key.split(".")
    found: Any = {name: value}
    if places == ["keep_out"]:
        return {"keep_out": [{"min": [0, 0, 0], "max": [1, 1, 1]} | found]}
    for place in reversed(places):
        found = {place: found}
    return dict(found)


def wrong(key: str, value: object) -> list[str]:
    return [one.en for one in wrong_entries(nested(key, value))]


def test_every_key_of_a_profile_has_its_bounds() -> None:
    tables = {".".join(place) for place in _KEYS if place} | {"keep_out"}
    keys = {".".join((*place, name)) for place, names in _KEYS.items() for name in names} - tables
    assert keys | {"keep_out.min", "keep_out.max"} == set(ENTRIES)


@pytest.mark.parametrize("entry", list(files("configs").joinpath("printers").iterdir()), ids=lambda entry: entry.name)
def test_the_bundled_profiles_are_within_them(entry: Any) -> None:
    assert list(wrong_entries(tomllib.loads(entry.read_text("utf-8")))) == []


@pytest.mark.parametrize("key", [key for key, (_, what) in ENTRIES.items() if what.en.startswith(NUMBER)])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 10**400, "hot", True, [1], {}])
def test_a_figure_is_a_finite_number_within_its_bounds(key: str, value: object) -> None:
    (told,) = wrong(key, value)
    assert told.startswith(f"{key} is {repr(value)[:40]}")
    assert "; it must be a number from" in told


@pytest.mark.parametrize("key", ENTRIES)
def test_nothing_takes_a_date_or_a_table(key: str) -> None:
    assert len(wrong(key, tomllib.loads("a = 2020-01-01")["a"])) == 1
    assert len(wrong(key, {"a": 1})) == 1


@pytest.mark.parametrize(
    ("key", "good", "bad", "what"),
    [
        ("heat.max_nozzle_c", [100, 500], [99, 501], "a number from 100 to 500"),
        ("heat.max_bed_c", [0, 200], [-1, 201], "a number from 0 to 200"),
        ("heat.max_chamber_c", [0, 120], [-1, 121], "a number from 0 to 120"),
        ("nozzle_mm", [0.1, 3], [0.09, 3.1], "a number from 0.1 to 3"),
        ("filament_mm", [1, 4], [0.9, 4.1], "a number from 1 to 4"),
        ("tools", [1, 16], [0, 17, 1.5, True, "2"], "a whole number from 1 to 16"),
        ("cancels_objects", [True, False], ["false", 0, 1], "true or false"),
        ("homes_itself", [True, False], ["false", 0, 1], "true or false"),
        ("gcode.house_blocks", [True], ["no"], "true or false"),
        ("id", ["a", "a" * 64], ["", "a" * 65, 7], "a text of 1 to 64 characters"),
        ("gcode.start", ["", "G28\n"], ["x" * 20_001, 1], "a text of 0 to 20000 characters"),
        ("materials", [[], ["PLA"]], ["PLA", [1], ["x" * 41], ["PLA"] * 201], "a list of 0 to 200 values"),
        ("nozzles_mm", [[0.4]], [[], [math.nan], 0.4], "a list of 1 to 20 values, each a number from 0.1 to 3"),
        ("volume.max", [[-2000, 0, 2000]], [[0, 0], [0, 0, 2001], [0, 0, math.inf]], "a list of 3 values"),
        ("keep_out.min", [[0, 0, 0]], [[0, 0, math.nan], "all"], "a list of 3 values"),
        ("motion.print_speed_mm_s", [0.1, 2000], [0, 2001], "a number from 0.1 to 2000"),
        ("motion.jerk_mm_s", [0.01], [0], "a number from 0.01 to 500"),
        ("motion.limits.speed_mm_s", [[1, 2, 3, 4]], [[1, 2, 3], [0, 1, 1, 1], 5], "a list of 4 values"),
        ("allowed.lines", [["M907 E538"]], [[""], ["x" * 97]], "a list of 0 to 200 values"),
    ],
)
def test_bounds(key: str, good: list[Any], bad: list[Any], what: str) -> None:
    for value in good:
        assert wrong(key, value) == []
    for value in bad:
        (told,) = wrong(key, value)
        assert told.startswith(f"{key} is ")
        assert f"; it must be {what}" in told


@pytest.mark.parametrize("key", ["volume", "heat", "motion", "motion.limits", "gcode", "allowed", "time"])
def test_a_table_is_a_table(key: str) -> None:
    assert wrong(key, 5) == [f"{key} is 5; it must be a table"]


@pytest.mark.parametrize("value", [5, [5], [{"min": [0, 0, 0]}], [{"min": [0, 0, 0], "max": [1, 1, 1], "most": 1}], [{}] * 201])
def test_what_is_kept_out_are_boxes(value: object) -> None:
    told = list(wrong_entries({"keep_out": value}))
    assert len(told) == 1
    assert told[0].en.startswith("keep_out is ")
    assert told[0].fr.startswith("keep_out est ")


@pytest.mark.parametrize("key", ENTRIES)
def test_what_a_key_may_be_is_told_in_french_too(key: str) -> None:
    (told,) = wrong_entries(nested(key, None))
    en, fr = (said.partition("; ")[2] for said in told)
    assert fr.startswith("ce doit être ")
    assert re.findall(r"[\d.]+", en) == re.findall(r"[\d.]+", fr), "the same figures"


def test_a_long_value_is_cut_and_an_unknown_key_is_left_to_others() -> None:
    (told,) = wrong("id", "x" * 1000)
    assert told == f"id is '{'x' * 39}...; it must be a text of 1 to 64 characters"
    assert list(wrong_entries({"idd": 5})) == []
