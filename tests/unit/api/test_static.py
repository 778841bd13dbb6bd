"""The page's files: nothing from outside, every word in both languages, nothing set as markup."""

import re
from pathlib import Path
from typing import get_args

import pytest

from api.pages import STATIC
from drivers.base import PrinterState
from farm.views import RevisionState, UploadState
from gcode.rules.kinds import Severity
from scheduler.model import BedState, JobOutcome, Verdict

SCRIPTS = sorted(STATIC.glob("*.js"))
PAGE = (STATIC / "index.html").read_text("utf-8")
STYLES = sorted(STATIC.glob("*.css"))
WORDS = ("words.js", "words_library.js", "words_people.js")
ENGLISH_LOOKED_AT = (
    r"super\(problem\.detail\)",  # for the console
    r"\.exec\(problem\.next_step\)",  # the beginning of a hash
    r"JSON\.stringify\(\[mine\.phase",  # whether anything is new
    r"\.includes\(printer\.note\)",  # whether it says the same
    r"\(alarm\) => `\$\{alarm\.code\} \$\{alarm\.text\}`",  # the key of a row
    r'"offered", "accepted"',  # words of our own driver
)
ROW = re.compile(r'^  (?:"([\w-]+)"|(\w+)): "(.*)",$', re.MULTILINE)


def rows(name: str, file: str) -> dict[str, str]:
    found = re.search(rf"^(?:export )?const {name} = \{{\n(.*?)^\}};", (STATIC / file).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found is not None
    pairs = [(quoted or plain, text) for quoted, plain, text in ROW.findall(found.group(1))]
    assert len(pairs) == len(found.group(1).strip().splitlines()), "a line that this test cannot read"
    assert len(pairs) == len(dict(pairs)), "a word twice"
    return dict(pairs)


def dictionary(language: str) -> dict[str, str]:
    known: dict[str, str] = {}
    for file in WORDS:
        found = rows(language, file)
        assert set(known) & set(found) == set()
        known |= found
    return known


def test_both_languages_have_the_same_words_with_the_same_gaps() -> None:
    english, french = dictionary("EN"), dictionary("FR")
    assert len(english) > 100
    assert set(english) == set(french)
    for key, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", french[key])), key


def test_every_word_that_is_used_is_in_the_dictionary() -> None:
    known = set(dictionary("EN"))
    used = set(re.findall(r'data-(?:word|label)="(\w+)"', PAGE))
    said: set[str] = set()
    for script in SCRIPTS:
        text = script.read_text("utf-8")
        used |= set(re.findall(r'\bword\("(\w+)"', text)) | set(re.findall(r'\bbutton\("(\w+)"', text))
        counted = re.findall(r'\bcounted\("(\w+)"', text)
        used |= {*counted, *(f"{key}_one" for key in counted)}
        used |= {key for pair in re.findall(r'word\([^"()]*\? "(\w+)" : "(\w+)"', text) for key in pair}
        ours = re.findall(r'\b(?:local\(|ownProblem\("[\w-]+", )"(\w+)"(?:, "(\w+)")?', text)
        used |= {key for pair in ours for key in pair if key} | set(re.findall(r'"((?:fact|program|upload)_\w+)"', text))
        said |= set(re.findall(r'"(\w+)"', text))
    assert used - known == set()
    families = (
        "state_",
        "outcome_",
        "order_",
        "bed_state_",
        "clear_",
        "total_",
        "priority_",
        "manual_",
        "fence_",
        "healing_",
        "recovery_",
        "upload_same_",
        "upload_new_",
        "upload_state_",
        "verdict_",
        "verdicts_",
        "finding_",
        "fact_",
        "program_",
        "revision_",
        "audit_",
        "requester_change_",
        "live",
        "connecting",
        "lost",
    )
    assert {key for key in known - used - said if not key.startswith(families)} == set()


def test_every_number_of_things_has_a_singular() -> None:
    for language in ("EN", "FR"):
        known = dictionary(language)
        totals = {key for key in known if key.startswith("total_") and not key.endswith("_one")}
        assert {f"{key}_one" for key in totals} <= set(known)


def test_the_words_are_those_of_the_glossary() -> None:
    glossary = (STATIC.parents[1] / "docs" / "glossary.md").read_text("utf-8")
    of = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", glossary, re.MULTILINE))
    french = dictionary("FR")
    assert french["collect"] == of["collect"].capitalize()
    assert french["order_owed"] == of["owed"].capitalize()
    assert of["expected"] in french["order_expected"]
    assert french["order_design"] == of["design"].capitalize()


@pytest.mark.parametrize("family", ["state_", "outcome_", "bed_state_", "upload_state_", "revision_", "finding_"])
def test_every_state_has_a_word(family: str) -> None:
    values: dict[str, set[str]] = {
        "state_": {str(value) for value in PrinterState},
        "outcome_": {str(value) for value in JobOutcome},
        "bed_state_": {str(value) for value in BedState},
        "upload_state_": set(get_args(UploadState)),
        "revision_": set(get_args(RevisionState)),
        "finding_": {str(value) for value in Severity},
    }
    assert {f"{family}{value}" for value in values[family]} <= set(dictionary("EN"))


def test_every_verdict_has_a_word_and_a_sign() -> None:
    script = (STATIC / "findings.js").read_text("utf-8")
    signs = re.search(r"^const SIGNS = (.*);$", script, re.MULTILINE)
    assert signs is not None
    for verdict in Verdict:
        key = verdict.value.replace("-", "_")
        assert {f"verdict_{key}", f"verdicts_{key}"} <= set(dictionary("EN"))
        assert re.search(rf'\b"?{verdict.value}"?: "\w+"', signs.group(1)), verdict


def test_everything_that_is_written_down_has_words_and_a_sign() -> None:
    """Every action that the daemon notes in the audit: a new one must be told in both languages, too."""
    files = (STATIC.parents[1] / "farm" / "daemon").glob("*.py")
    noted = {action for file in files for action in re.findall(r'audit\.note\([^"]*"([\w.-]+)"', file.read_text("utf-8"))}
    assert len(noted) >= 12
    script = (STATIC / "audit.js").read_text("utf-8")
    signs = re.search(r"^const SIGNS = \{(.*?)\};$", script, re.DOTALL | re.MULTILINE)
    assert signs is not None
    assert set(re.findall(r'"([\w-]+\.[\w-]+)"', signs.group(1))) == noted
    assert {f"audit_{re.sub('[.-]', '_', action)}" for action in noted} <= set(dictionary("EN"))
    drawn = set(re.findall(r"^  (\w+): \"M", (STATIC / "dom.js").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r': "(\w+)"', signs.group(1))) <= drawn


def test_the_details_that_the_page_takes_apart_are_those_that_are_written() -> None:
    """The page reads names out of details: both sides must agree on their form."""
    names = (STATIC / "audit.js").read_text("utf-8")
    for action, detail, name in (
        ("program.remove", "a: b.gcode: 2 x visor-r1 for generic-210", "a: b.gcode"),
        ("requester.change", "Hospital -> Clinic: keeps no approvals", "Clinic"),
        ("requester.change", "Clinic: keeps approvals", "Clinic"),
        ("requester.add", "Clinic", "Clinic"),
    ):
        pattern = re.search(rf'^  "{re.escape(action)}": /(.*)/s,$', names, re.MULTILINE)
        assert pattern is not None, action
        found = re.fullmatch(pattern.group(1), detail, re.DOTALL)
        assert found is not None, detail
        assert found[found.lastindex or 0] == name
    daemon = STATIC.parents[1] / "farm" / "daemon"
    assert 'f"{program.name}: {program.parts} x {program.revision} for {program.profile}"' in (daemon / "removal.py").read_text(
        "utf-8"
    )
    assert 'f"{before.name} -> {name}"' in (daemon / "requesters.py").read_text("utf-8")


def test_the_page_asks_for_nothing_again_and_again() -> None:
    """What changes is told by the live connection: one timer draws (silences grow by themselves), none asks."""
    timers = {script.name: re.findall(r"setInterval\((.*?)[,)]", script.read_text("utf-8")) for script in SCRIPTS}
    assert {name: found for name, found in timers.items() if found} == {"app.js": ["render"]}


def test_the_page_is_small() -> None:
    """A Raspberry Pi sends it to phones: all of it, before it is packed."""
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 256 * 1024


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_what_the_farm_says_is_shown_in_the_language_of_the_page(script: Path) -> None:
    """`told` chooses the language; who takes the English field itself does not show it, but looks for something in it."""
    text = script.read_text("utf-8")
    taken = {
        line.strip()
        for line in text.splitlines()
        if re.search(r"\b(?:problem|alarm|job|printer)\??\.(?:detail|next_step|text|note)\b", line)
    }
    assert {line for line in taken if not re.search("|".join(ENGLISH_LOOKED_AT), line)} == set()


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES, STATIC / "index.html"], ids=lambda path: path.name)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 500


def test_the_words_of_the_page_are_those_of_its_english_dictionary() -> None:
    english = dictionary("EN")
    for key, text in re.findall(r'data-word="(\w+)"[^>]*>([^<]+)<', PAGE):
        assert english[key].startswith(text.rstrip(".")), key


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES, STATIC / "index.html"], ids=lambda path: path.name)
def test_nothing_comes_from_outside_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "@import" not in text
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_text_is_never_markup(path: Path) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|setHTML|createContextualFragment|\beval\(|new Function",
        path.read_text("utf-8"),
    )


def test_every_import_is_a_file_of_ours() -> None:
    for script in SCRIPTS:
        for name in re.findall(r'from "(.+)"', script.read_text("utf-8")):
            assert name.startswith("./")
            assert (STATIC / name).is_file(), (script.name, name)


def test_all_scripts_are_asked_for_at_once() -> None:
    """A browser would find them one behind the other, a round trip each."""
    asked = re.findall(r'<link rel="modulepreload" href="/static/([\w.]+)">', PAGE)
    assert asked == [script.name for script in SCRIPTS if script.name != "app.js"]


def test_every_id_that_a_script_looks_for_is_on_the_page() -> None:
    ids = re.findall(r'\bid="([\w-]+)"', PAGE)
    assert len(ids) == len(set(ids))
    for script in SCRIPTS:
        assert set(re.findall(r'find\("([\w-]+)"\)', script.read_text("utf-8"))) <= set(ids), script.name
    assert set(re.findall(r'(?:for|aria-labelledby)="([\w-]+)"', PAGE)) <= set(ids)
