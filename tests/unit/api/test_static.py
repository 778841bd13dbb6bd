"""The page's files: nothing from outside, every word in both languages, nothing set as markup."""

import re
from pathlib import Path

import pytest

from api.app import STATIC
from drivers.base import PrinterState
from scheduler.model import BedState, JobOutcome

SCRIPTS = sorted(STATIC.glob("*.js"))
PAGE = (STATIC / "index.html").read_text("utf-8")
WORDS = (STATIC / "words.js").read_text("utf-8")


def dictionary(language: str) -> dict[str, str]:
    found = re.search(rf"^const {language} = \{{\n(.*?)^\}};", WORDS, re.DOTALL | re.MULTILINE)
    assert found is not None
    return dict(re.findall(r'^  (\w+): "(.*)",$', found.group(1), re.MULTILINE))


def test_both_languages_have_the_same_words_with_the_same_gaps() -> None:
    english, french = dictionary("EN"), dictionary("FR")
    assert len(english) > 100
    assert set(english) == set(french)
    for key, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", french[key])), key


def test_every_word_that_is_used_is_in_the_dictionary() -> None:
    known = set(dictionary("EN"))
    used = set(re.findall(r'data-(?:word|label)="(\w+)"', PAGE))
    for script in SCRIPTS:
        text = script.read_text("utf-8")
        used |= set(re.findall(r'\bword\("(\w+)"', text)) | set(re.findall(r'\bbutton\("(\w+)"', text))
        counted = re.findall(r'\bcounted\("(\w+)"', text)
        used |= {*counted, *(f"{key}_one" for key in counted)}
        used |= {key for pair in re.findall(r'word\([^"()]*\? "(\w+)" : "(\w+)"', text) for key in pair}
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
        "live",
        "connecting",
        "lost",
    )
    assert {key for key in known - used if not key.startswith(families)} == set()


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


@pytest.mark.parametrize("family", ["state_", "outcome_", "bed_state_"])
def test_every_state_has_a_word(family: str) -> None:
    values = {"state_": PrinterState, "outcome_": JobOutcome, "bed_state_": BedState}[family]
    assert {f"{family}{value.value}" for value in values} <= set(dictionary("EN"))


def test_the_words_of_the_page_are_those_of_its_english_dictionary() -> None:
    english = dictionary("EN")
    for key, text in re.findall(r'data-word="(\w+)"[^>]*>([^<]+)<', PAGE):
        assert english[key].startswith(text.rstrip(".")), key


@pytest.mark.parametrize("path", [*SCRIPTS, STATIC / "index.html", STATIC / "style.css"], ids=lambda path: path.name)
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


def test_every_id_that_a_script_looks_for_is_on_the_page() -> None:
    ids = re.findall(r'\bid="([\w-]+)"', PAGE)
    assert len(ids) == len(set(ids))
    for script in SCRIPTS:
        assert set(re.findall(r'find\("([\w-]+)"\)', script.read_text("utf-8"))) <= set(ids), script.name
    assert set(re.findall(r'(?:for|aria-labelledby)="([\w-]+)"', PAGE)) <= set(ids)
