"""The page about this driver has every fault and every fact; tests/unit/test_docs.py checks that the tests it names exist."""

import re
from pathlib import Path

import pytest

from drivers.marlin.faults import RULES
from drivers.marlin.options import _KEYS
from drivers.marlin.quirks import QUIRKS
from tests import shared_data

PAGE = (Path(__file__).parents[4] / "docs" / "drivers" / "marlin.md").read_text("utf-8")
FACTS = shared_data.FOLDER.parent / "facts" / "marlin.md"
SHOWN_BY = re.compile(r"`tests/[\w/]+\.py: test_\w+` \|$")


def _rows(title: str) -> list[str]:
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def test_every_fault_of_the_driver_has_its_row() -> None:
    rows = _rows("Faults by their codes")
    assert [row.split("`")[1] for row in rows] == [rule.code for rule in RULES]


@pytest.mark.parametrize("title", ["On the wire", "Faults by their codes"])
def test_every_row_names_the_test_that_shows_it(title: str) -> None:
    rows = _rows(title)
    assert len(rows) > 20
    assert [row for row in rows if not SHOWN_BY.search(row)] == []


def test_every_key_of_the_url_is_told() -> None:
    assert [row.split("`")[1] for row in _rows("The URL")] == list(_KEYS)


def test_every_kind_of_firmware_is_told() -> None:
    assert [row.split("|")[1].strip() for row in _rows("Kinds of firmware")] == [quirk.code for quirk in QUIRKS]


@pytest.mark.skipif(not FACTS.is_file(), reason="the facts are not on this machine")
def test_every_line_of_the_facts_is_met() -> None:
    table = FACTS.read_text("utf-8").partition("| line | meaning | action |")[2].partition("\n## ")[0]
    words = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)[1:]
    wanted = [word for cell in words for word in re.findall(r"`([^`]+)`", cell)]
    assert len(wanted) > 12
    rules = " ".join(rule.words or "" for rule in RULES)
    known = f"{PAGE} {rules}".lower()
    parts = [part.strip(" .").lower() for word in wanted for part in word.split("...") if len(part) > 3]
    assert [part for part in parts if not any(piece in known for piece in (part, part.split("/")[0], part.split(".")[0]))] == []
