"""The genuine files of 2020 and one sliced since: our figures against the slicers' own."""

from dataclasses import replace

import pytest

from gcode.checks import Verdict, inspect
from gcode.interpreter import read_facts
from gcode.profile import Box
from tests.unit.gcode.samples import ENDER_3, MK3S, ULTIMAKER_3, profile, real_file

pytestmark = pytest.mark.real


def test_the_mk3s_plate() -> None:
    found = inspect(real_file(MK3S), (profile("prusa-mk3s"),))
    facts = found.facts
    assert facts.time_s == pytest.approx(5068, rel=0.01)
    assert facts.claimed_time_s == 5068
    assert facts.filament_mm == pytest.approx(10251.3 + 9 + 12.5, abs=0.05), "the slicer's figure and the intro line"
    assert facts.filament_g == pytest.approx(30.6, abs=0.1)
    assert (facts.first_layer_height_mm, facts.layer_height_mm, facts.layers) == (0.25, 0.4, 13)
    assert facts.slicer == "PrusaSlicer 2.1.0+win64"
    assert facts.printer_model == "MK3S"
    assert found.reports[0].verdict is Verdict.PASS
    assert found.reports[0].findings == ()


def test_the_mk3s_plate_is_for_no_other_printer() -> None:
    report = inspect(real_file(MK3S), (profile("generic-210"),)).reports[0]
    assert report.verdict is Verdict.REJECT
    assert {"other-model", "outside-volume"} <= {finding.rule.id for finding in report.findings}


def test_the_ender_frame() -> None:
    found = inspect(real_file(ENDER_3), (profile("creality-ender3"),))
    facts = found.facts
    assert facts.time_s == pytest.approx(3737, rel=0.01)
    assert facts.filament_mm == pytest.approx(4314.41 + 20, abs=0.05), "the slicer's figure and two purge lines"
    assert facts.layers == 36
    assert (facts.max_nozzle_c, facts.max_bed_c) == (210, 60)
    assert found.reports[0].findings == ()


def test_the_ultimaker_frame() -> None:
    """No limits in the file, so the time is rough; the filament is the header's 24710 mm3 of 2.85 mm."""
    ultimaker = replace(
        profile("generic-300"),
        volume=Box(0, 0, 0, 233, 215, 200),
        nozzle_mm=0.8,
        filament_mm=2.85,
        tools=2,
        homes_itself=True,
        flavour="griffin",
    )
    found = inspect(real_file(ULTIMAKER_3), (ultimaker,))
    facts = found.facts
    assert facts.time_s == pytest.approx(2540, rel=0.05)
    assert facts.filament_mm * 6.3794 == pytest.approx(24710, rel=0.001)
    assert facts.layers == 14
    assert facts.extruding is not None
    assert (facts.extruding.min_x, facts.extruding.max_x, facts.extruding.max_z) == (1.264, 214.247, 4.82)
    assert not facts.homes
    assert found.reports[0].findings == ()


def test_without_a_profile_the_files_own_limits_are_enough() -> None:
    assert read_facts(real_file(ENDER_3)).time_s == pytest.approx(3737, rel=0.01)
