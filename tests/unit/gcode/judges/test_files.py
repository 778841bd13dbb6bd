"""Judges of whole files at their edges."""

from dataclasses import replace
from math import pi
from typing import Any

import pytest

from gcode.facts import ExtruderMode, GcodeFacts, LayerFacts
from gcode.interpreter import read_facts
from gcode.judges import files
from gcode.judges.situation import Situation
from gcode.machine import Machine
from gcode.profile import Box
from gcode.rules.kinds import FileJudge
from tests.unit.gcode.samples import SMALL, profile, program

GOOD = replace(read_facts(program(SMALL), profile()), filament_cm3=30.0, extruding=Box(0, 0, 0.2, 100, 100, 20), layers=100)


CLAIMED = {"claimed_filament_mm": 1000.0}


def ask(judge: FileJudge, facts: GcodeFacts, *, macro_line: int = 0, **printer: Any) -> str | None:
    printing = replace(profile(), **{"nozzles_mm": (), **printer})
    situation = Situation.of(Machine(), printing)
    situation.macro_line = macro_line
    wrong = judge(facts, situation, printing)
    return None if wrong is None else wrong.text


def layer(z_mm: float, height_mm: float) -> LayerFacts:
    return LayerFacts(z_mm, height_mm, 0, 1, 1.0, 1.0)


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (files.not_gcode, {"unreadable": 500}, {"unreadable": 500, "extruding": None}),
        (files.not_gcode, {"unreadable": 9, "extruding": None}, {"unreadable": 10, "extruding": None}),
        (files.nothing_printed, {}, {"extruding": None}),
        (files.heaters_left_on, {"heaters_off_at_end": True}, {"heaters_off_at_end": False}),
        (files.no_homing, {"homes": True}, {"homes": False}),
        (files.time_differs, {"time_s": 115.0, "claimed_time_s": 100.0}, {"time_s": 115.1, "claimed_time_s": 100.0}),
        (files.time_differs, {"time_s": 85.0, "claimed_time_s": 100.0}, {"time_s": 84.9, "claimed_time_s": 100.0}),
        (files.time_differs, {"time_s": 5.0, "claimed_time_s": None}, {"time_s": 5.0, "claimed_time_s": 100.0}),
        (files.filament_differs, {"filament_mm": 1100.0, **CLAIMED}, {"filament_mm": 1101.0, **CLAIMED}),
        (files.filament_differs, {"filament_mm": 10.0, "claimed_filament_mm": None}, {"filament_mm": 5000.0, **CLAIMED}),
        (files.extruder_mode, {"extruder_mode": ExtruderMode(100, 25)}, {"extruder_mode": ExtruderMode(100, 26)}),
        (files.extruder_mode, {"extruder_mode": ExtruderMode(99, 99)}, {"extruder_mode": ExtruderMode(1000, 900)}),
        (files.extruder_mode, {"extruder_mode": ExtruderMode(0, 0, 100, 90)}, {"extruder_mode": ExtruderMode(0, 0, 100, 91)}),
        (files.density, {}, {"filament_cm3": 230.0}),
        (files.density, {"filament_cm3": 0.02}, {"filament_cm3": 0.019}),
        (files.density, {"filament_cm3": 0.0}, {"filament_cm3": 1e-9}),
        (files.thin_layers, {"layer_table": (layer(0.2, 0.02),)}, {"layer_table": (layer(0.2, 0.2), layer(0.21, 0.01))}),
        (files.thin_layers, {"layer_table": ()}, {"layer_table": (layer(0.0, 0.2),)}),
        (files.thin_layers, {"layer_table": (layer(5.0, 0.2),)}, {"layer_table": (layer(-0.1, 0.2),)}),
        (files.thick_layers, {"layer_height_mm": 0.4}, {"layer_height_mm": 0.41}),
        (files.thick_layers, {"layer_height_mm": None}, {"layer_height_mm": 3.0}),
        (files.very_long, {"time_s": 3 * 86_400.0}, {"time_s": 3 * 86_400.0 + 1}),
        (files.claimed_nozzle, {"claimed_nozzle_mm": 0.4}, {"claimed_nozzle_mm": 0.6}),
        (files.claimed_nozzle, {"claimed_nozzle_mm": None}, {"claimed_nozzle_mm": 0.25}),
        (files.other_flavour, {"flavour": "marlin-legacy"}, {"flavour": "griffin"}),
        (files.other_flavour, {"flavour": None}, {"flavour": "reprapfirmware"}),
        (files.other_flavour, {"flavour": "marlin"}, {"flavour": "klipper"}),
    ],
)  # fmt: skip
def test_the_edge(judge: FileJudge, good: dict[str, Any], bad: dict[str, Any]) -> None:
    assert ask(judge, replace(GOOD, **good)) is None
    assert ask(judge, replace(GOOD, **bad)) is not None


@pytest.mark.parametrize("off", [True, False])
def test_a_macro_that_may_have_heated_must_be_followed_by_what_may_switch_off(off: bool) -> None:
    """Behind the last line of plastic: a macro before it is the start of a file that was cut off."""
    cut = replace(GOOD, heaters_off_at_end=off, last_extrusion_line=500)
    assert ask(files.heaters_left_on, cut, macro_line=9) == "M104 S0, M140 S0"
    assert ask(files.heaters_left_on, cut, macro_line=499) is not None
    assert ask(files.heaters_left_on, cut, macro_line=501) is None


def test_a_macro_of_the_printer_may_home_and_switch_off() -> None:
    left = replace(GOOD, homes=False, heaters_off_at_end=False, last_extrusion_line=8)
    assert ask(files.no_homing, left, macro_line=9) is None
    assert ask(files.heaters_left_on, left, macro_line=9) is None
    assert ask(files.no_homing, left, homes_itself=True) is None


@pytest.mark.parametrize(("flavour", "missing"), [(None, True), ("griffin", False), ("marlin", False), ("ultigcode", False)])
def test_griffin_wants_its_header_and_foreign_files_are_told_once(flavour: str | None, missing: bool) -> None:
    facts = replace(GOOD, flavour=flavour)
    assert (ask(files.no_griffin_header, facts, flavour="griffin") is not None) is missing
    assert (ask(files.other_flavour, facts, flavour="griffin") is None) is (missing or flavour == "griffin")
    assert ask(files.no_griffin_header, facts, flavour="marlin") is None


def test_a_claim_far_above_what_is_used_is_told_where_the_diameter_is_the_printers() -> None:
    def told(found_mm: float, claimed_mm: float, diameter_mm: float = 1.75) -> bool:
        plastic_cm3 = found_mm * pi * diameter_mm**2 / 4000
        facts = replace(GOOD, filament_mm=found_mm, filament_cm3=plastic_cm3, claimed_filament_mm=claimed_mm)
        return ask(files.filament_differs, facts) is not None

    assert [told(827, 1000), told(826, 1000), told(1, 51), told(3870, 10_270)] == [False, True, False, True]
    assert not told(3870, 10_270, diameter_mm=2.85), "read for another printer"
    assert told(5000, 1000, diameter_mm=2.85), "more than is said is more, whatever it is wound from"


def test_wider_nozzles_of_the_class_allow_thicker_layers() -> None:
    thick = replace(GOOD, layer_height_mm=0.5)
    assert ask(files.thick_layers, thick) == "0.5 > 0.4 mm"
    assert ask(files.thick_layers, thick, nozzles_mm=(0.6,)) is None
    assert ask(files.claimed_nozzle, thick, nozzles_mm=(0.6,)) is None


def test_models_are_compared_where_firmware_has_a_name_for_them() -> None:
    claimed = replace(GOOD, printer_model="mk3s")
    assert ask(files.claimed_model, claimed, model="MK3S") is None
    assert ask(files.claimed_model, claimed, model="MK4") == "MK3S ≠ MK4"
    assert ask(files.claimed_model, claimed) is None
    assert ask(files.claimed_model, replace(GOOD, printer_model=None), model="MK4") is None


def test_arcs_where_the_owner_forbids_them() -> None:
    arcs = replace(GOOD, arcs=3)
    assert ask(files.forbidden_arcs, arcs) is None
    assert ask(files.forbidden_arcs, arcs, forbidden_codes=frozenset({"G3"})) == "3 G2, G3"
    assert ask(files.forbidden_arcs, GOOD, forbidden_codes=frozenset({"G2"})) is None


def test_klipper_prints_what_was_sliced_for_marlin() -> None:
    for written in ("klipper", "marlin", "marlin-legacy", None):
        assert ask(files.other_flavour, replace(GOOD, flavour=written), flavour="klipper") is None
    assert ask(files.other_flavour, replace(GOOD, flavour="reprapfirmware"), flavour="klipper") == "reprapfirmware ≠ klipper"
    for flavour in ("griffin", "reprapfirmware"):
        assert ask(files.other_flavour, replace(GOOD, flavour=flavour), flavour=flavour) is None
        assert ask(files.other_flavour, replace(GOOD, flavour="marlin"), flavour=flavour) is not None


def test_a_header_of_griffin_heats() -> None:
    hot = replace(GOOD, flavour="griffin", max_nozzle_c=261.0)
    assert ask(files.header_too_hot, hot, flavour="griffin") == "261 > 260 °C"
    assert ask(files.header_too_hot, replace(hot, max_nozzle_c=200.0, max_bed_c=101.0), flavour="griffin") == "101 > 100 °C"
    assert ask(files.header_too_hot, replace(hot, max_nozzle_c=260.0), flavour="griffin") is None
    assert ask(files.header_too_hot, hot, flavour="marlin") is None, "a comment there"


@pytest.mark.parametrize(
    ("hours", "filament_mm", "idle"), [(1.9, 0.1, False), (2.1, 37.0, True), (2.1, 38.0, False), (100.0, 1799.0, True)]
)
def test_hours_with_hardly_any_plastic(hours: float, filament_mm: float, idle: bool) -> None:
    facts = replace(GOOD, time_s=hours * 3600, filament_mm=filament_mm)
    assert (ask(files.hardly_prints, facts) is not None) == idle
    assert ask(files.hardly_prints, replace(facts, extruding=None)) is None, "a file that prints nothing is another rule's"
