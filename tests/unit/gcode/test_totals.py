"""From what was counted to facts: sums over tools, claims in other units, what is off at the end."""

from dataclasses import replace
from io import BytesIO
from math import pi

import pytest

from gcode.events import EventReader
from gcode.facts import ExtruderMode, GcodeFacts
from gcode.layers import FeatureTable, LayerTable
from gcode.reader import read_lines
from gcode.survey import survey
from gcode.totals import Totals, facts_of
from tests.unit.gcode.samples import profile

THICK = replace(profile(), filament_mm=2.85)


def facts(text: str = "", filament_mm: dict[int, float] | None = None, density_g_cm3: float = 1.0) -> GcodeFacts:
    found = survey(BytesIO(text.encode()), THICK, density_g_cm3=density_g_cm3)
    events = EventReader(found.machine(), found)
    for line in read_lines(BytesIO(text.encode())):
        events.machine.apply(line)
        events.feed(line)
    totals = Totals(
        size_bytes=7,
        lines=3,
        commands=2,
        time_s=5,
        filament_mm=filament_mm or {},
        layers=LayerTable(),
        features=FeatureTable(),
        extruding=None,
        travel=None,
        extruder_mode=ExtruderMode(1, 2, 3, 4),
        arcs=6,
        last_extrusion_line=8,
        last_command_line=9,
    )
    return facts_of(totals, events)


def test_a_row_a_tool_and_their_sums() -> None:
    found = facts("M104 T1 S240\n", {1: 100.0, 0: 300.0}, density_g_cm3=1.25)
    section_mm2 = pi * 2.85**2 / 4
    assert [tool.tool for tool in found.tool_table] == [0, 1]
    assert found.tool_table[1].filament_cm3 == pytest.approx(100 * section_mm2 / 1000)
    assert found.tool_table[1].filament_g == pytest.approx(100 * section_mm2 / 1000 * 1.25)
    assert [tool.max_nozzle_c for tool in found.tool_table] == [0, 240]
    assert (found.filament_mm, found.tools) == (400, (0, 1))
    assert found.filament_cm3 == pytest.approx(400 * section_mm2 / 1000)
    assert found.filament_g == pytest.approx(found.filament_cm3 * 1.25)


def test_what_was_counted_is_passed_on() -> None:
    found = facts()
    assert (found.size_bytes, found.lines, found.commands, found.time_s) == (7, 3, 2, 5)
    assert (found.arcs, found.last_extrusion_line, found.last_command_line) == (6, 8, 9)
    assert found.extruder_mode == ExtruderMode(1, 2, 3, 4)
    assert (found.layers, found.filament_mm, found.max_nozzle_c) == (0, 0, 0)


def test_a_claimed_volume_is_a_length_of_the_profiles_filament() -> None:
    assert facts("; MATERIAL:6379.4\n").claimed_filament_mm == pytest.approx(1000, rel=1e-4)
    assert facts(";MATERIAL:6379.4\n;filament used [mm] = 7\n").claimed_filament_mm == 7
    assert facts().claimed_filament_mm is None


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("", True),
        ("M104 S200\nM104 S0\n", True),
        ("M104 S200\n", False),
        ("M140 S60\n", False),
        ("M141 S40\n", False),
        ("M104 S200\nM140 S60\nTURN_OFF_HEATERS\n", True),
    ],
)
def test_heaters_at_the_end(text: str, off: bool) -> None:
    assert facts(text).heaters_off_at_end is off


@pytest.mark.parametrize(
    ("text", "flavour"),
    [
        ("", None),
        ("; gcode_flavor = marlin2\nSET_FAN_SPEED FAN=a SPEED=1\n", "marlin"),
        ("SET_VELOCITY_LIMIT ACCEL=5\n", "klipper"),
        (";FLAVOR:Griffin\n", "griffin"),
    ],
)
def test_the_flavour_is_claimed_or_seen_but_never_the_profiles(text: str, flavour: str | None) -> None:
    assert facts(text).flavour == flavour
