"""Every rule has a program that breaks it and one that does not, texts in both languages, and a place in the table."""

import ast
import hashlib
import json
from dataclasses import asdict
from inspect import getsource
from types import ModuleType

import pytest

import gcode.judges.bounds
import gcode.judges.comments
import gcode.judges.course
import gcode.judges.files
import gcode.judges.finding
import gcode.judges.flavours
import gcode.judges.lines
import gcode.judges.moves
import gcode.judges.situation
import gcode.judges.spelling
import gcode.judges.words
import gcode.rules
import gcode.rules.bounds
import gcode.rules.defects
import gcode.rules.files
import gcode.rules.forbidden
import gcode.rules.kinds
import gcode.rules.moves
import gcode.rules.trusted
from gcode.checks import check
from gcode.judges.flavours import ALL_FLAVOURS, ALLOWED
from gcode.rules import RULE_SET_VERSION, RULES, AnyRule, CourseRule, LineRule, Severity, Treatment, is_known, treatment
from gcode.rules.forbidden import FORBIDDEN
from gcode.rules.trusted import NEEDS_TRUST
from tests.gcode_rules_page import PAGE, page
from tests.unit.gcode.marlin_commands import MARLIN_COMMANDS
from tests.unit.gcode.rules.examples import EXAMPLES, Example, inside
from tests.unit.gcode.samples import SMALL, program

BASE = Example("", "")


def broken(example: Example, lines: str) -> set[str]:
    report = check(program(example.program(lines)), example.printer)
    return {finding.rule.id for finding in report.findings}


def test_every_rule_has_an_example_and_its_own_name() -> None:
    assert list(EXAMPLES) == sorted(EXAMPLES, key=[row.rule.id for row in RULES].index), "in the order of the table"
    assert len(EXAMPLES) == len(RULES)


def test_a_good_program_breaks_none() -> None:
    assert broken(Example("", "", whole=True), SMALL) == set()


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_breaks_a_rule_breaks_only_that_one(name: str) -> None:
    example = EXAMPLES[name]
    assert broken(example, example.broken) == {name} | example.companions


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_near_it_breaks_none(name: str) -> None:
    example = EXAMPLES[name]
    assert broken(example, example.kept) == set()


@pytest.mark.parametrize("row", RULES, ids=lambda row: row.rule.id)
def test_texts_are_whole_sentences_in_both_languages(row: AnyRule) -> None:
    rule = row.rule
    for text in (rule.explanation_en, rule.explanation_fr, rule.fix_en, rule.fix_fr):
        assert text[0].isupper()
        assert text.endswith(".")
    assert rule.explanation_en != rule.explanation_fr
    assert rule.fix_en != rule.fix_fr
    assert rule.id.replace("-", "").isalpha(), "an anchor of the page"


def test_no_two_rules_say_the_same() -> None:
    for texts in zip(*((row.rule.explanation_en, row.rule.explanation_fr) for row in RULES), strict=True):
        assert len(set(texts)) == len(RULES)


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
        "M403 E0 F0",
        "M702 C",
        "M555 X1 Y2 W3 H4",
        "M572 S0.03",
        "M593 X F40",
        "M142 S36",
        "M118 A1 filmon:arm",
    ):
        rejected = [f.rule.id for f in check(program(inside(line)), BASE.printer).findings if f.severity is Severity.REJECT]
        assert rejected == [], line


# What a change of rules, lists or judges changes. After one: raise RULE_SET_VERSION and write the new pair here, so that every
# verdict that was kept for the old rules is void.
PINNED = (9, "ff97bf19ff16650c")

_JUDGES = (
    gcode.judges.bounds, gcode.judges.comments, gcode.judges.course, gcode.judges.files, gcode.judges.finding,
    gcode.judges.flavours, gcode.judges.lines, gcode.judges.moves, gcode.judges.situation,
    gcode.judges.spelling, gcode.judges.words,
    gcode.rules, gcode.rules.bounds, gcode.rules.defects, gcode.rules.files, gcode.rules.forbidden, gcode.rules.kinds,
    gcode.rules.moves, gcode.rules.trusted,
)  # fmt: skip


def _code_of(module: ModuleType) -> str:
    """What a module does: its source without comments, docstrings, layout and the version itself."""
    tree = ast.parse(getsource(module))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _says_nothing(one)]  # type: ignore[attr-defined]  # ast.AST has no body
    return ast.unparse(tree)


def _says_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    return isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == "RULE_SET_VERSION"


def table_digest() -> str:
    """Of the table's texts, and of what every judge and list does."""
    texts = json.dumps([asdict(row.rule) for row in RULES], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256((texts + "".join(_code_of(module) for module in _JUDGES)).encode()).hexdigest()[:16]


def test_a_change_of_the_rules_raises_their_version() -> None:
    assert (RULE_SET_VERSION, table_digest()) == PINNED, "raise RULE_SET_VERSION and write both here"


def test_the_page_shows_the_table_as_it_is() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m tests.gcode_rules_page --write"


# --- commands of firmwares ------------------------------------------------------------------------------------------------------


def test_every_command_of_marlin_is_decided() -> None:
    assert len(MARLIN_COMMANDS) == len(set(MARLIN_COMMANDS)) > 250
    unknown = {code for code in MARLIN_COMMANDS if not is_known("marlin", code)}
    # what moves, tunes or stops in ways that no list was made for: trust, as everything unknown
    assert unknown == set("G76 M16 M100 M143 M193 M217 M218 M293 M294 M410 M603 M861 M862 M876".split())  # noqa: SIM905 - a list to read


@pytest.mark.parametrize("flavour", ALL_FLAVOURS)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("G1", Treatment.ALLOWED),
        ("M117", Treatment.ALLOWED),
        ("T3", Treatment.BOUNDED),
        ("M104", Treatment.BOUNDED),
        ("M302", Treatment.BOUNDED),
        ("M600", Treatment.TRUST),
        ("M906", Treatment.TRUST),
        ("M31337", Treatment.TRUST),
        ("M997", Treatment.REJECT),
        ("M500", Treatment.REJECT),
        ("M112", Treatment.REJECT),
        ("M92", Treatment.REJECT),
        ("M42", Treatment.REJECT),
        ("M28", Treatment.REJECT),
    ],
)
def test_what_is_dangerous_everywhere_is_so_for_every_firmware(flavour: str, code: str, expected: Treatment) -> None:
    assert treatment(flavour, code) is expected


@pytest.mark.parametrize(
    ("flavour", "code", "expected"),
    [
        ("reprapfirmware", "M208", Treatment.REJECT),  # axis limits there, retraction elsewhere
        ("marlin", "M208", Treatment.BOUNDED),
        ("reprapfirmware", "M566", Treatment.BOUNDED),  # jerk
        ("marlin", "M566", Treatment.TRUST),
        ("reprapfirmware", "M568", Treatment.BOUNDED),
        ("marlin-legacy", "M603", Treatment.REJECT),  # stops the print on Prusa's 8-bit firmware, sets lengths elsewhere
        ("klipper", "SAVE_CONFIG", Treatment.REJECT),
        ("klipper", "EXCLUDE_OBJECT_START", Treatment.ALLOWED),
        ("klipper", "START_PRINT", Treatment.TRUST),
        ("marlin", "SAVE_CONFIG", Treatment.TRUST),
        ("griffin", "G280", Treatment.ALLOWED),
        ("marlin", "G280", Treatment.TRUST),
        ("griffin", "M900", Treatment.TRUST),
    ],
)
def test_numbers_mean_what_their_firmware_says(flavour: str, code: str, expected: Treatment) -> None:
    assert treatment(flavour, code) is expected


def test_nothing_is_both_allowed_and_forbidden() -> None:
    for flavour in ALL_FLAVOURS:
        for row in (*FORBIDDEN, *NEEDS_TRUST):
            assert isinstance(row, LineRule)
            assert row.commands is not None
            assert not ALLOWED[flavour] & row.commands[flavour], (flavour, row.rule.id)


def test_no_plain_move_is_a_matter_for_lines() -> None:
    """The scan shows plain moves to no rule about lines."""
    for row in RULES:
        if isinstance(row, LineRule | CourseRule) and row.commands is not None:
            assert not {"G0", "G1", "G2", "G3"} & frozenset().union(*row.commands.values()), row.rule.id
    for flavour in ALL_FLAVOURS:
        assert all(is_known(flavour, code) for code in ("G0", "G1", "G2", "G3"))
