"""limits.toml: read strictly, and only ever narrowing."""

import json
from contextlib import suppress
from dataclasses import fields, replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.checks import Verdict, check, inspect
from gcode.limits import (
    MAX_FILE_BYTES,
    Limits,
    LimitsError,
    OwnerLimits,
    as_record,
    from_record,
    length_refused,
    limits_of_nobody,
    narrowed,
    parse_limits,
    size_refused,
)
from gcode.profile import Box
from tests.unit.gcode.samples import SMALL, profile, program

WHOLE = """
max_nozzle_c = 240
max_bed_c = 80
max_chamber_c = 40
volume = { min = [10, 10, 0], max = [100, 90.5, 50] }
max_print_h = 24
max_file_bytes = 1_000_000
forbidden_codes = ["m600", "G2", "ps"]
accept_trusted = true
quiet_hours = ["22:00-07:00", "12:30-13:00"]
[printers."Ender at the window"]
max_nozzle_c = 230.5
accept_trusted = false
"""


def test_every_key_is_read() -> None:
    found = parse_limits(WHOLE.encode())
    assert found.common == Limits(
        max_nozzle_c=240,
        max_bed_c=80,
        max_chamber_c=40,
        volume_min=(10, 10, 0),
        volume_max=(100, 90.5, 50),
        max_print_h=24,
        max_file_bytes=1_000_000,
        forbidden_codes=frozenset({"M600", "G2", "PS"}),
        accept_trusted=True,
        quiet_hours=((79_200.0, 25_200.0), (45_000.0, 46_800.0)),
    )
    assert all(getattr(found.common, one.name) != getattr(Limits(), one.name) for one in fields(Limits))


def test_what_is_said_of_one_printer_replaces_key_by_key() -> None:
    found = parse_limits(WHOLE.encode())
    own = found.of("Ender at the window")
    assert own == replace(found.common, max_nozzle_c=230.5, accept_trusted=False)
    assert found.of("another") == found.common


def test_without_a_file_nothing_is_narrowed_and_trust_is_not_accepted() -> None:
    assert parse_limits(b"") == OwnerLimits()
    assert narrowed(profile(), Limits()) == profile()
    assert not Limits().accept_trusted


def test_the_template_is_a_limits_file_that_allows_what_none_does() -> None:
    content = files("configs").joinpath("limits.toml").read_bytes()
    assert parse_limits(content) == OwnerLimits()
    lines = [line.removeprefix("# ") for line in content.decode().splitlines() if " = " in line or line.startswith("# [printers")]
    shown = [line for line in lines if line[0].isalpha() or line[0] == "["]
    parsed = parse_limits("\n".join(line for line in shown if "limits.toml" not in line and "limits = " not in line).encode())
    assert parsed.common.max_nozzle_c == 240
    assert parsed.of("Ender at the window").max_nozzle_c == 230
    for one in fields(Limits):
        assert one.name in content.decode() or one.name.startswith("volume_"), one.name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("max_nozzle_c = 'hot'", "max_nozzle_c"),
        ("max_nozzle_c = -1", "max_nozzle_c"),
        ("max_nozzle_c = nan", "max_nozzle_c"),
        ("max_nozzle_c = true", "max_nozzle_c"),
        ("max_bed_c = 1e9", "max_bed_c"),
        ("max_nozle_c = 200", "max_nozle_c"),
        ("volume = { min = [0, 0] }", "volume.min"),
        ("volume = { min = [0, 0, true] }", "volume.min"),
        ("volume = { low = [0, 0, 0] }", "volume"),
        ("forbidden_codes = 'M600'", "forbidden_codes"),
        ("forbidden_codes = ['G1']", "forbidden_codes"),
        ("forbidden_codes = ['P']", "forbidden_codes"),
        ("forbidden_codes = ['P5']", "forbidden_codes"),
        ("forbidden_codes = ['rm -rf']", "forbidden_codes"),
        ("accept_trusted = 1", "accept_trusted"),
        ("quiet_hours = '22:00-07:00'", "quiet_hours"),
        ("quiet_hours = ['22:00-25:00']", "quiet_hours"),
        ("quiet_hours = ['22:00-22:00']", "quiet_hours"),
        ("max_file_bytes = -5", "max_file_bytes"),
        ("printers = 3", "printers"),
        ("[printers.a]\nmax_bed = 3", "printers.a.max_bed"),
        ("[printers.a.printers.b]\nmax_bed_c = 3", "printers.a.printers"),
        ("max_nozzle_c = ", "TOML"),
        ("\udcff", "TOML"),
    ],
)
def test_a_mistake_is_named_in_both_languages(text: str, named: str) -> None:
    with pytest.raises(LimitsError) as wrong:
        parse_limits(text.encode("utf-8", "surrogateescape"))
    assert named in wrong.value.bilingual.en
    assert named in wrong.value.bilingual.fr
    assert wrong.value.bilingual.en != wrong.value.bilingual.fr
    assert wrong.value.code == "limits-unreadable"


def test_a_table_for_no_printer_is_named_with_the_nearest_one() -> None:
    owner = parse_limits(b'[printers."ender at window"]\nmax_bed_c = 50\n')
    assert limits_of_nobody(owner, ["ender at window", "other"]) is None
    assert limits_of_nobody(OwnerLimits(), []) is None
    wrong = limits_of_nobody(owner, ["Prusa", "Ender at the window"])
    assert wrong is not None
    assert wrong.bilingual.en == (
        'limits.toml: printers."ender at window": this node has no printer of that name, so this limits nothing. '
        "Did you mean 'Ender at the window'? Its other printers: 'Prusa'."
    )
    assert "Vouliez-vous dire 'Ender at the window'" in wrong.bilingual.fr


def test_a_table_for_no_printer_without_a_near_one_lists_some_of_those_there() -> None:
    owner = parse_limits(b"[printers.Nobody]\nmax_bed_c = 50\n")
    alone = limits_of_nobody(owner, [])
    assert alone is not None
    assert "it has none" in alone.bilingual.en
    many = limits_of_nobody(owner, [f"printer {number:03} {'x' * 60}" for number in range(128)])
    assert many is not None
    assert "mean" not in many.bilingual.en
    assert many.bilingual.en.endswith(", ….")
    assert max(len(many.bilingual.en), len(many.bilingual.fr)) < 400, "with its next step it fits a report"


def test_a_huge_file_is_not_parsed() -> None:
    with pytest.raises(LimitsError, match="too large"):
        parse_limits(b"#" * (MAX_FILE_BYTES + 1))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    with suppress(LimitsError):
        assert parse_limits(content).common.revision


# --- narrowing --------------------------------------------------------------------------------------------------------------------


def test_limits_never_widen_a_profile() -> None:
    wide = Limits(1000, 500, 500, (-900, -900, -900), (900, 900, 900))
    assert narrowed(profile(), wide) == profile()


def test_the_tighter_limit_of_both_holds() -> None:
    tight = narrowed(profile(), parse_limits(WHOLE.encode()).common)
    assert (tight.max_nozzle_c, tight.max_bed_c, tight.max_chamber_c) == (240, 80, 0)
    assert tight.volume == Box(10, 10, 0, 100, 90.5, 50)
    assert tight.purge == Box(10, 10, 0, 100, 90.5, 1)
    assert tight.forbidden_codes == {"M600", "G2", "PS"}
    assert tight.revision == profile().revision


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        (Limits(max_nozzle_c=199), "nozzle-too-hot"),
        (Limits(max_bed_c=59), "bed-too-hot"),
        (Limits(volume_max=(40, 200, 200)), "outside-volume"),
        (Limits(forbidden_codes=frozenset({"G28"})), "forbidden-command"),
    ],
)
def test_what_the_profile_lets_pass_the_owner_refuses(limits: Limits, rule: str) -> None:
    assert check(program(SMALL), profile()).verdict is Verdict.PASS
    report = check(program(SMALL), narrowed(profile(), limits))
    assert [finding.rule.id for finding in report.findings] == [rule]
    assert report.verdict is Verdict.REJECT


def test_size_and_length_are_refused_in_both_languages() -> None:
    assert size_refused(100, Limits(max_file_bytes=100)) is None
    assert size_refused(100, Limits()) is None
    refused = size_refused(101, Limits(max_file_bytes=100))
    assert refused is not None
    assert "101" in refused.en
    assert "101" in refused.fr
    facts = inspect(program(SMALL), (profile(),)).facts
    whole_h = (facts.time_s + facts.heating_s + facts.homing_s) / 3600
    assert facts.homing_s > 0
    assert length_refused(facts, Limits(max_print_h=whole_h * 1.01)) is None
    assert length_refused(facts, Limits()) is None
    refused = length_refused(facts, Limits(max_print_h=whole_h * 0.99))
    assert refused is not None
    assert refused.en != refused.fr


# --- what passes to the process that judges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", WHOLE])
def test_a_record_comes_back_through_json(text: str) -> None:
    limits = parse_limits(text.encode()).common
    record: dict[str, Any] = json.loads(json.dumps(as_record(limits)))
    assert from_record(record) == limits


def test_the_revision_changes_with_what_may_be_printed_only() -> None:
    limits = parse_limits(WHOLE.encode()).common
    assert limits.revision == parse_limits((WHOLE + "# a comment\n").encode()).common.revision
    assert limits.revision == replace(limits, quiet_hours=()).revision
    assert len(limits.revision) == 12
    changed: list[dict[str, Any]] = [
        {"max_nozzle_c": 1.0},
        {"max_bed_c": 1.0},
        {"max_chamber_c": 1.0},
        {"volume_min": None},
        {"volume_max": None},
        {"max_print_h": 1.0},
        {"max_file_bytes": 1},
        {"forbidden_codes": frozenset()},
        {"accept_trusted": False},
    ]
    revisions = {replace(limits, **change).revision for change in changed}
    assert len(revisions) == len(changed)
    assert limits.revision not in revisions


@pytest.mark.parametrize("content", [b"a = " + b"[" * 9_000, b"max_nozzle_c = " + b"9" * 5_000, b"a = '\xff'"])
def test_what_no_reader_of_toml_can_take_is_a_mistake_in_the_file(content: bytes) -> None:
    with pytest.raises(LimitsError, match="cannot be read"):
        parse_limits(content)
