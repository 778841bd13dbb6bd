"""Reports: verdicts, where and how often, and text that nobody may trust."""

import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.checks import CheckReport, Judge, Verdict, check, inspect, is_clean
from gcode.frame import frame_program
from gcode.interpreter import read_facts
from gcode.machine import Machine
from gcode.profile import bundled_profiles
from gcode.reader import parse_line
from gcode.rules import RULE_SET_VERSION, RULES, Severity, TextRule
from tests.unit.gcode.samples import END, LINE, SMALL, START, profile, program


def report(text: str) -> CheckReport:
    return check(program(text), profile())


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (SMALL, Verdict.PASS),
        (START + LINE, Verdict.REJECT),  # heaters left on
        (SMALL.replace("G28\n", ""), Verdict.PASS),  # a warning
        (SMALL + "M907 E500\n", Verdict.TRUSTED_ONLY),
        (SMALL + "M907 E500\nM500\n", Verdict.REJECT),
    ],
)
def test_the_worst_finding_decides(text: str, verdict: Verdict) -> None:
    found = report(text)
    assert found.verdict is verdict
    assert found.printable == (verdict is not Verdict.REJECT)


def test_a_finding_says_where_how_often_and_what() -> None:
    text = SMALL + "M500\n" + "M104 S0 ; fine\n" + "M502\n"
    (finding,) = report(text).findings
    assert (finding.rule.id, finding.severity, finding.count) == ("stored-settings", Severity.REJECT, 2)
    first, second = finding.hits
    assert text.encode()[first.offset :].startswith(b"M500")
    assert text.encode()[second.offset :].startswith(b"M502")
    assert text.splitlines()[first.line - 1] == "M500"
    assert (first.text, first.detail) == ("M500", "M500")


def test_only_the_first_five_hits_are_kept() -> None:
    (finding,) = report(SMALL + "M500\n" * 1000).findings
    assert finding.count == 1000
    assert len(finding.hits) == 5
    assert [hit.line for hit in finding.hits] == [SMALL.count("\n") + number for number in range(1, 6)]


def test_findings_come_in_the_order_of_the_table() -> None:
    found = report("M500\nG1 X9999 E5\nM997\n").findings
    order = [row.rule.id for row in RULES]
    positions = [order.index(finding.rule.id) for finding in found]
    assert positions == sorted(positions)
    assert len(positions) > 3


def test_a_finding_about_the_whole_file_has_line_zero() -> None:
    (finding,) = report(START + LINE).findings
    assert finding.rule.id == "heaters-left-on"
    assert (finding.hits[0].line, finding.hits[0].text) == (0, "")


def test_untrusted_text_is_printable_and_short() -> None:
    (finding,) = [f for f in report(SMALL + "M117 \x1b[31m" + "x" * 200 + "\n").findings if f.rule.id == "not-text"]
    assert finding.hits[0].text.isprintable()
    assert len(finding.hits[0].text) <= 80


ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "content",
    [
        (ROOT / "LICENSE").read_bytes(),
        Path(sys.executable).read_bytes()[:200_000],
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
        b"\0" * 5000,
        b"# A title\n\nWords [in brackets], {braces}.\nG28 is a command.\n",
    ],
    ids=["licence", "program", "image", "zeros", "words"],
)
def test_of_what_is_no_gcode_this_is_said_first(content: bytes) -> None:
    found = check(BytesIO(content), profile())
    assert found.verdict is Verdict.REJECT
    assert found.findings[0].rule.id == "not-gcode"
    assert "no G-code" in found.findings[0].rule.explanation_en


def test_a_header_without_its_print_is_gcode_all_the_same() -> None:
    found = report("; a comment\n" * 500 + "G28\nM104 S200\n")
    assert "not-gcode" not in [finding.rule.id for finding in found.findings]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("profile_id", sorted(bundled_profiles()))
def test_a_frame_that_was_cut_off_is_refused(profile_id: str, share: float) -> None:
    content = frame_program(profile(profile_id))
    assert check(BytesIO(content), profile(profile_id)).verdict is Verdict.PASS
    cut = check(BytesIO(content[: int(len(content) * share)]), profile(profile_id))
    assert cut.verdict is Verdict.REJECT
    rejected = [finding.rule for finding in cut.findings if finding.severity is Severity.REJECT]
    (rule,) = [rule for rule in rejected if rule.id == "heaters-left-on"]
    assert "cut off" in rule.explanation_en
    assert "coupé" in rule.explanation_fr


def test_the_report_names_profile_and_rule_set() -> None:
    found = check(program(SMALL), profile("generic-300"))
    assert (found.profile, found.rule_set) == ("generic-300", RULE_SET_VERSION)


def test_one_pass_gives_the_same_facts() -> None:
    assert inspect(program(SMALL), (profile(),)).facts == read_facts(program(SMALL), profile())


def test_a_file_without_an_end_of_line_is_whole() -> None:
    assert report(SMALL.rstrip("\n")).findings == ()


def test_an_empty_and_a_binary_file_are_rejected() -> None:
    assert report("").verdict is Verdict.REJECT
    assert check(BytesIO(bytes(range(256)) * 100), profile()).verdict is Verdict.REJECT


def test_a_danger_behind_a_carriage_return_is_found() -> None:
    assert report(SMALL + "; harmless\rM997\n").verdict is Verdict.REJECT


def test_a_danger_in_lower_case_or_without_spaces_is_found() -> None:
    assert report(SMALL + "m104s300\n").verdict is Verdict.REJECT


@given(st.binary(max_size=3000))
def test_no_bytes_break_the_check(content: bytes) -> None:
    found = inspect(BytesIO(content), (profile(),))
    assert found.facts.size_bytes == len(content)
    assert all(len(finding.hits) <= 5 for finding in found.reports[0].findings)


def test_one_reading_judges_for_many_profiles() -> None:
    asked = (profile("prusa-mk3s"), replace(profile(), revision="0123456789ab", max_nozzle_c=190))
    found = inspect(program(SMALL), asked)
    assert found.reports == tuple(check(program(SMALL), one) for one in asked)
    assert [report.profile for report in found.reports] == ["prusa-mk3s", "generic-210"]
    assert [report.verdict for report in found.reports] == [Verdict.PASS, Verdict.REJECT]
    assert found.reports[1].profile_revision == "0123456789ab"


def test_the_first_profile_gives_the_filament() -> None:
    thick = replace(profile(), filament_mm=2.85)
    assert inspect(program(SMALL), (thick, profile())).facts == read_facts(program(SMALL), thick)


@pytest.mark.parametrize(
    ("profile_id", "lines"),
    [
        ("prusa-mini", "M201 X2500 Y2500 Z400 E5000\nM204 P1250 R1250 T2500\nM204 T2500"),  # machine limits, travel acceleration
        ("prusa-mk4", "G1 X0 Y-4 Z15 F4800\nG1 E2 F2400\nG0 E7 X15 Z0.2 F500\nG0 X25 E4 F500"),  # the purge line comes down
    ],
)
def test_what_prusaslicer_itself_writes_for_a_printer_needs_nobodys_word(profile_id: str, lines: str) -> None:
    report = check(program(f"{START}G90\nM83\n{lines}\n{LINE}M104 S0\nM140 S0\n"), profile(profile_id))
    assert [(one.rule.id, one.hits) for one in report.findings if one.severity is not Severity.WARN] == []


def judge_of(macros: frozenset[str] = frozenset()) -> Judge:
    return Judge(replace(profile(), macros=macros), Machine())


@pytest.mark.parametrize(
    ("code", "remembered"), [("M104", True), ("M84", True), ("G28", True), ("CLEAN", True), ("M106", False), ("", False)]
)
def test_a_judge_says_which_commands_it_remembers(code: str, remembered: bool) -> None:
    assert judge_of(frozenset({"clean"})).remembers(code) is remembered


@pytest.mark.parametrize(
    ("code", "flavour", "remembered"),
    [
        ("_START", "klipper", True),
        ("M9876", "klipper", True),
        ("PS", "klipper", True),
        ("SET", "klipper", True),
        ("M106", "klipper", False),
        ("_START", "marlin", False),
        ("M98", "reprapfirmware", True),
        ("M98", "marlin", False),
        ("", "klipper", False),
    ],
)
def test_an_unknown_command_may_be_a_macro_of_klipper(code: str, flavour: str, remembered: bool) -> None:
    assert Judge(replace(profile(), flavour=flavour), Machine()).remembers(code) is remembered


MACRO_START = "PRINT_START BED=60 EXTRUDER=215\n"
PRINTED = f"G90\nM83\n{LINE}"


@pytest.mark.parametrize("heat", ["", "M190 S0\nM109 S0\n", "M140 S60\nM104 S215\n"], ids=["none", "zero", "before"])
@pytest.mark.parametrize("later", ["", "M104 S210\nM140 S55\n"], ids=["all of it", "changed"])
@pytest.mark.parametrize(
    "names",
    [
        ("PRINT_START BED=60 EXTRUDER=215", "PRINT_END"),
        ("_START", "_END"),
        ("G32\nPRINT_BEGIN", "M9876"),
        ("PS BED=60", "PE"),
        ("PS", "EE2"),
    ],
)
def test_a_person_answers_for_macros_that_heat(names: tuple[str, str], heat: str, later: str) -> None:
    start, end = names
    klipper = profile("generic-klipper")
    report = check(program(f"{heat}{start}\n{PRINTED}{later}{end}\n"), klipper)
    assert {one.rule.id for one in report.findings} == {"unknown-command"}
    assert report.verdict is Verdict.TRUSTED_ONLY
    called = frozenset(line.split()[0] for line in f"{start}\n{end}".splitlines())
    assert check(program(f"{heat}{start}\n{PRINTED}{later}{end}\n"), replace(klipper, macros=called)).verdict is Verdict.PASS
    for listed in (frozenset[str](), called):
        cut = check(program(f"{heat}{start}\n{PRINTED}{later}"), replace(klipper, macros=listed))
        assert cut.verdict is Verdict.REJECT, "nothing in it switches the heaters off"
        assert "heaters-left-on" in {one.rule.id for one in cut.findings}


@pytest.mark.parametrize("rest", ["EXCLUDE_OBJECT_EN", "EX", "SET", "M19"])
def test_a_file_for_klipper_that_was_cut_in_the_midst_of_a_command_ends_with_no_macro(rest: str) -> None:
    klipper = profile("generic-klipper")
    for start in ("M140 S60\nM104 S215\nG28\n", MACRO_START):
        cut = check(program(f"{start}{PRINTED}{rest}"), klipper)
        assert cut.verdict is Verdict.REJECT
        assert "heaters-left-on" in {one.rule.id for one in cut.findings}
    assert check(program(f"{MACRO_START}{PRINTED}{rest} A=1\n"), klipper).verdict is Verdict.TRUSTED_ONLY, "nobody cuts there"
    named = replace(klipper, macros=frozenset({rest, "PRINT_START"}))
    assert check(program(f"{MACRO_START}{PRINTED}{rest}\n"), named).verdict is Verdict.PASS, "the printer has one of that name"


DUET_START = 'M98 P"start.g"\n'


@pytest.mark.parametrize("heat", ["", "M190 S0\nM109 S0\n", "M140 S60\nM104 S215\n"], ids=["none", "zero", "before"])
@pytest.mark.parametrize("end", ['M98 P"end.g"', "M104 S0\nM140 S0"], ids=["macro", "off"])
def test_a_person_answers_for_files_of_reprapfirmware_that_heat(heat: str, end: str) -> None:
    """What start.g does is not in the file: it may heat, home and switch off, as a macro of Klipper does."""
    duet = profile("generic-reprapfirmware")
    content = f"{heat}{DUET_START}{PRINTED}{end}\n"
    report = check(program(content), duet)
    assert {one.rule.id for one in report.findings} == {"macro"}
    assert report.verdict is Verdict.TRUSTED_ONLY
    listed = replace(duet, macros=frozenset({"start.g", "end.g"}))
    assert check(program(content), listed).verdict is Verdict.PASS
    for one in (duet, listed):
        cut = check(program(f"{heat}{DUET_START}{PRINTED}"), one)
        assert cut.verdict is Verdict.REJECT, "nothing in it switches the heaters off"
        assert "heaters-left-on" in {found.rule.id for found in cut.findings}


def test_an_allowed_line_of_reprapfirmware_excuses_nothing() -> None:
    duet = profile("generic-reprapfirmware")
    content = f'M140 S60\nM104 S215\nG28\n{PRINTED}M98 P"light.g"\n'
    by_code, by_line = replace(duet, allowed_codes=frozenset({"M98"})), replace(duet, allowed_lines=frozenset({'M98 P"light.g"'}))
    for allowing in (by_code, by_line):
        report = check(program(content), allowing)
        assert [one.rule.id for one in report.findings] == ["heaters-left-on"]
        assert report.verdict is Verdict.REJECT
    started = f'{DUET_START}{PRINTED}M98 P"light.g"\nM98 P"end.g"\n'
    assert {one.rule.id for one in check(program(started), by_line).findings} == {"macro"}, "another file than the one it allows"


def test_an_allowed_command_needs_no_trust_and_excuses_nothing() -> None:
    klipper = profile("generic-klipper")
    content = f"M140 S60\nM104 S215\nG28\n{PRINTED}LIGHT ON=0\n"
    by_code, by_line = (
        replace(klipper, allowed_codes=frozenset({"LIGHT"})),
        replace(klipper, allowed_lines=frozenset({"LIGHT ON=0"})),
    )
    for allowing in (by_code, by_line):
        report = check(program(content), allowing)
        assert [one.rule.id for one in report.findings] == ["heaters-left-on"]
        assert report.verdict is Verdict.REJECT


def test_what_no_list_has_is_no_macro_on_a_printer_without_macros() -> None:
    report = check(program(f"{MACRO_START}{PRINTED}PRINT_END\n"), profile())
    assert {"unknown-command", "cold-extrusion", "no-homing"} <= {one.rule.id for one in report.findings}


@pytest.mark.parametrize(
    ("text", "found"), [("M907 E538", True), ("M106 S300", True), ("\x01", True), ("M106 S255", False), ("; x", False)]
)
def test_a_judge_says_whether_anything_is_wrong_with_a_line(text: str, found: bool) -> None:
    judge = judge_of()
    line = parse_line(text.encode())
    assert judge.finds(line) is found
    judge.line(line)
    assert bool(judge._tallies) is found


TIGHT = "G1X30Y20E2 ; wall\nG1X31Y20E-.5\nG1X60Y20E1U4\nG0X10\nG1X20Y20\n"


def test_the_spelling_of_a_move_is_judged_once_for_all_printers_of_a_flavour() -> None:
    """With the same words as for each printer alone, and with what a profile itself allows."""
    allowing: dict[str, dict[str, Any]] = {
        "plain": {},
        "code": {"allowed_codes": frozenset({"G1"})},
        "line": {"allowed_lines": frozenset({"G1 X30Y20E2"})},
    }
    printers = [
        replace(profile(), id=f"{flavour} {name}", flavour=flavour, **allowed)
        for flavour in ("marlin", "marlin-legacy", "klipper", "reprapfirmware", "griffin")
        for name, allowed in allowing.items()
    ]
    text = f"{START}M83\n{TIGHT}{LINE}{END}"
    together = inspect(program(text), printers).reports
    assert list(together) == [check(program(text), printer) for printer in printers]
    counted = {one.profile: sum(f.count for f in one.findings if f.rule.id.startswith("joined")) for one in together}
    assert [counted[f"marlin {name}"] for name in allowing] == [2, 0, 1]
    assert [counted[f"marlin-legacy {name}"] for name in allowing] == [2, 2, 2], "what is rejected no profile allows"
    assert [counted[f"klipper {name}"] for name in allowing] == [0, 0, 0]


@pytest.mark.parametrize("words", ["G1X30Y20E2", "G1 X5 U2", "G0X60", "G2X5I1J1P1E2"])
def test_what_is_judged_of_the_spelling_of_a_move_depends_on_the_flavour_alone(words: str) -> None:
    line = parse_line(words.encode())
    for row in RULES:
        if isinstance(row, TextRule) and row.of_moves:
            for printer in bundled_profiles().values():
                assert row.judge(line, printer) == row.judge(line, replace(profile(), flavour=printer.flavour))


def test_a_line_that_stands_there_again_is_counted() -> None:
    one, other = judge_of(), judge_of()
    line = parse_line(b"M907 E538")
    for judge, times in ((one, 9), (other, 5)):
        for _ in range(times):
            judge.line(line)
    other.again(line, 4)
    assert one._tallies == other._tallies


@pytest.mark.parametrize(("comment", "clean"), [("", True), ("perimeter", True), ("api_key = abc", False), ("@pause", False)])
def test_comments_that_no_rule_minds(comment: str, clean: bool) -> None:
    assert is_clean(comment) is clean
