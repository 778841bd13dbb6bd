import pytest

from drivers.base import Recovery
from drivers.marlin import faults
from drivers.marlin.faults import BY_CODE, RULES, FaultRule, Severity, recognise
from gcode.texts import Told

# The machine's own lines, from the recordings; and the code that stands for each
LINES = [
    ("Error:Thermal Runaway, system stopped! Heater_ID: E0", "thermal-runaway"),
    ("echo:THERMAL RUNAWAY", "thermal-runaway"),
    ("Error:Heating failed, system stopped! Heater_ID: E0", "heating-failed"),
    ("Error:Heating failed, system stopped! Heater_ID: bed", "heating-failed"),
    ("echo:Heating Failed", "heating-failed"),
    ("Error:MAXTEMP triggered, system stopped! Heater_ID: E0", "max-temperature"),
    ("echo:Err: MAXTEMP", "max-temperature"),
    ("Error:MINTEMP triggered, system stopped! Heater_ID: E0", "min-temperature"),
    ("Error:!! KILL caused by too much inactive time - current command: M85 S20", "inactivity-kill"),
    ("echo:M112 Shutdown", "emergency-stop"),
    ("Error:Printer halted. kill() called!", "killed"),
    ("Error:Printer stopped due to errors. Fix the error and use M999 to restart.", "stopped"),
    ("echo: cold extrusion prevented", "cold-extrusion"),
    ("echo: too long extrusion prevented", "long-extrusion"),
    ("Error:Homing Failed", "homing-failed"),
    ("Error:Probing Failed", "probing-failed"),
]


@pytest.mark.parametrize(("line", "code"), LINES)
def test_every_line_is_recognised(line: str, code: str) -> None:
    rule = recognise(line)
    assert rule is not None
    assert rule.code == code
    assert rule.fault(line).text == line


def test_every_row_with_words_has_a_line_here() -> None:
    assert {rule.code for rule in RULES if rule.words} == {code for _, code in LINES}


@pytest.mark.parametrize(
    "line",
    ["echo:busy: processing", "Error:checksum mismatch, Last Line: 3", 'echo:Unknown command: "M117 MINTEMP"', "T:25.0 /0.0", ""],
)
def test_other_lines_are_no_fault(line: str) -> None:
    assert recognise(line) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_row_speaks_both_languages_and_says_what_to_do(rule: FaultRule) -> None:
    texts = (rule.meaning_en, rule.meaning_fr, rule.action_en, rule.action_fr)
    assert all(text.endswith(".") for text in texts)
    assert len(set(texts)) == 4


def test_codes_are_unique_and_kebab_case() -> None:
    assert len(BY_CODE) == len(RULES)
    assert all(code == code.lower() and " " not in code for code in BY_CODE)


def test_thermal_faults_kill() -> None:
    for code in ("thermal-runaway", "heating-failed", "max-temperature", "min-temperature", "killed", "stopped"):
        assert BY_CODE[code].severity is Severity.KILLED


def test_cold_extrusion_fails_only_the_job() -> None:
    assert BY_CODE["cold-extrusion"].severity is Severity.JOB


def test_a_record_keeps_at_most_200_characters_of_the_machine() -> None:
    assert len(faults.fault("reset", "x" * 1000).text) == 200


def test_a_record_keeps_the_french_of_our_own_words_and_the_machine_has_none() -> None:
    ours = faults.fault("line-refused", Told("line-refused", "line 5" + "x" * 1000, "ligne 5" + "x" * 1000)).text
    assert isinstance(ours, Told)
    assert (ours.code, len(ours), len(ours.fr), ours.fr[:7]) == ("line-refused", 200, 200, "ligne 5")
    assert not isinstance(faults.fault("reset", "start").text, Told)


@pytest.mark.parametrize(
    ("code", "recovery"),
    [
        ("heating-failed", Recovery.NEVER),
        ("thermal-runaway", Recovery.BY_HAND),
        ("stopped", Recovery.BY_HAND),
        ("other-machine", Recovery.BY_HAND),
        ("unplugged", Recovery.BY_ITSELF),
        ("chatter", Recovery.BY_ITSELF),
    ],
)
def test_a_record_says_what_it_takes_to_print_again(code: str, recovery: Recovery) -> None:
    assert faults.fault(code, "").recovery is recovery


def test_what_is_deaf_never_recovers_by_itself() -> None:
    assert all(rule.recovery is not Recovery.BY_ITSELF for rule in RULES if rule.severity is Severity.KILLED)
    assert all(rule.recovery is Recovery.BY_ITSELF for rule in RULES if rule.severity is Severity.LINK)
