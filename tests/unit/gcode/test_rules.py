"""Every rule has a program that breaks it and one that does not, and texts in both languages."""

from dataclasses import replace

import pytest

from gcode.checks import check
from gcode.kinematics import MotionLimits
from gcode.rules import RULES, Severity
from tests.unit.gcode.samples import END, LINE, SMALL, START, profile, program

PROFILE = replace(profile(), limits=MotionLimits(acceleration_mm_s2=(1000, 1000, 100, 5000)))


def broken(text: str) -> set[str]:
    return {finding.rule.id for finding in check(program(text), PROFILE).findings}


def inside(line: str) -> str:
    """A good program with one line more in its middle."""
    return START + line + "\n" + LINE + END


BREAKERS = {
    "not-gcode": "Permission is hereby granted, free of charge,\n" * 3,
    "not-text": inside("G1 X1\x00"),
    "line-too-long": inside("M117 " + "x" * 300),
    "bad-checksum": inside("N5 G1 X1*1"),
    "absurd-number": inside("G1 X99999999"),
    "placeholder": inside("M106 S{fan_speed}"),
    "firmware-update": inside("M997"),
    "stored-settings": inside("M500"),
    "heater-tuning": inside("M303 E0 S200"),
    "emergency": inside("M112"),
    "calibration": inside("M92 E500"),
    "memory-card": inside("M28 evil.g"),
    "raw-bus": inside("M260 A99"),
    "pin-control": inside("M42 P4 S255"),
    "endstops-off": inside("M211 S0"),
    "cold-extrusion-allowed": inside("M302 P1"),
    "nozzle-too-hot": inside("M104 S300"),
    "bed-too-hot": inside("M140 S150"),
    "missing-heater": inside("M104 T1 S200\nM104 T1 S0"),
    "missing-tool": inside("T1\nT0"),
    "other-model": inside('M862.3 P "MK4"'),
    "other-nozzle": inside("M862.1 P0.8"),
    "outside-volume": inside("G1 X10 Y10 Z5\nG1 X500 E1"),
    "below-bed": inside("G1 Z-2"),
    "travel-outside": inside("G1 X500\nG1 X10"),
    "cold-extrusion": "G28\nG90\nM83\n" + LINE,
    "nothing-printed": "; no line of plastic\nG28\nM84\n",
    "not-a-command": inside("START_PRINT"),
    "unknown-command": inside("M9876"),
    "machine-tuning": inside("M907 E500"),
    "limits-raised": inside("M201 X5000"),
    "waits-for-person": inside("M600"),
    "no-homing": SMALL.replace("G28\n", ""),
    "heaters-left-on": START + LINE,
    "time-differs": SMALL + "; estimated printing time (normal mode) = 2h 0m 0s\n",
    "filament-differs": SMALL.replace("E2", "E200") + "; filament used [mm] = 100\n",
}


def test_every_rule_has_a_breaker() -> None:
    assert set(BREAKERS) == {row.rule.id for row in RULES}
    assert len(BREAKERS) == len(RULES)


def test_a_good_program_breaks_none() -> None:
    assert broken(SMALL) == set()


@pytest.mark.parametrize("name", BREAKERS)
def test_the_breaker_breaks_exactly_its_rule(name: str) -> None:
    companions = {"not-gcode": {"nothing-printed", "not-a-command", "no-homing"}}
    assert broken(BREAKERS[name]) == {name} | companions.get(name, set())


@pytest.mark.parametrize("row", RULES, ids=lambda row: row.rule.id)
def test_texts_are_whole_sentences_in_both_languages(row: object) -> None:
    rule = getattr(row, "rule")  # noqa: B009 - three kinds of rows share it
    for text in (rule.explanation_en, rule.explanation_fr, rule.fix_en, rule.fix_fr):
        assert text[0].isupper()
        assert text.endswith(".")
    assert rule.explanation_en != rule.explanation_fr
    assert rule.fix_en != rule.fix_fr


def test_what_genuine_files_contain_is_not_rejected() -> None:
    """Seen in 25 genuine files (facts): a flat list of forbidden commands would reject them."""
    for line in (
        "M907 E538",
        "M302 S160",
        "M569 S0 E",
        "M301 P10 I1 D50",
        "M900 K30",
        "M221 S95",
        "M486 S1",
        "M73 P5 R10",
        "G80",
        "M115 U3.8.1",
    ):
        rejected = [f.rule.id for f in check(program(inside(line)), PROFILE).findings if f.severity is Severity.REJECT]
        assert rejected == [], line
