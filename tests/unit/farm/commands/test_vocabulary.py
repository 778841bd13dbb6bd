"""The words of the terminal are those of the page."""

import re
from pathlib import Path
from typing import get_args

import pytest

from drivers.base import PrinterState, Recovery
from farm.bus.topics import Stream
from farm.commands.vocabulary import (
    AUDIT_ACTIONS_FR,
    AUDIT_PEOPLE_FR,
    BED_STATES,
    JOB_STATES,
    NODE_STATES,
    ORDER_STATES,
    OUTCOMES,
    PEOPLE,
    PRINTER_STATES,
    RECOVERIES,
    REJECTIONS,
    REVISION_STATES,
    Words,
    word,
)
from farm.daemon import receive
from farm.views import JobState, OrderState, RevisionState
from gcode.texts import Bilingual
from scheduler.model import BedState, JobOutcome

STATIC = Path(__file__).parents[4] / "api" / "static"


def page_words() -> dict[str, str]:
    """What the page says in French, by its key."""
    found: dict[str, str] = {}
    for name in ("words.js", "words_library.js", "words_people.js"):
        french = (STATIC / name).read_text("utf-8").partition("const FR = {")[2].partition("\n};")[0]
        assert french, name
        found |= dict(re.findall(r'^  (\w+): "(.*)",$', french, re.MULTILINE))
    return found


def test_every_reason_why_a_message_was_not_taken_in_has_words() -> None:
    daemon = Path(receive.__file__).parent
    sources = "\n".join(path.read_text("utf-8") for path in daemon.glob("*.py"))
    codes = set(re.findall(r'rejections\.add\(.*?, f?"([^"]+)"[,)]', sources))
    readable = [f"unreadable-{stream}" for stream in (*receive._READERS, Stream.TELEMETRY)]
    assert "unreadable-{stream}" in codes, "the sources are read"
    assert {*codes - {"unreadable-{stream}"}, *readable} == set(REJECTIONS)
    assert all(words.en == code for code, words in REJECTIONS.items()), "English as the API says it"


def test_the_audit_and_the_node_of_people_are_told_in_words_of_the_page() -> None:
    page = page_words()
    said = {f"audit_{action.replace('.', '_').replace('-', '_')}": french for action, french in AUDIT_ACTIONS_FR.items()}
    said |= {f"audit_by_{who}": french for who, french in AUDIT_PEOPLE_FR.items()}
    assert said == {key: page[key] for key in said}
    assert page["node_people"] == PEOPLE["people"].fr


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (ORDER_STATES, get_args(OrderState)),
        (JOB_STATES, get_args(JobState)),
        (OUTCOMES, tuple(JobOutcome)),
        (PRINTER_STATES, tuple(PrinterState)),
        (BED_STATES, tuple(BedState)),
        (REVISION_STATES, get_args(RevisionState)),
        (RECOVERIES, tuple(Recovery)),
    ],
)
def test_every_state_has_its_words(words: Words, names: tuple[str, ...]) -> None:
    assert set(names) <= set(words)
    assert all(all(word(words, name)) for name in names)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (ORDER_STATES, "order_{}"),
        (OUTCOMES, "outcome_{}"),
        (PRINTER_STATES, "state_{}"),
        (REVISION_STATES, "revision_{}"),
        (RECOVERIES, "recovery_{}"),
    ],
)
def test_the_page_says_the_same(words: Words, key: str) -> None:
    page = page_words()
    for name, said in words.items():
        shown = page[key.format(name.replace("-", "_"))]
        assert said.fr == (shown if said.fr[0].isupper() else shown[0].lower() + shown[1:])


def test_the_page_says_the_same_of_beds_and_nodes() -> None:
    page = page_words()
    for name, said in BED_STATES.items():
        assert page[f"bed_state_{name}"] == f"plateau {said.fr}"
    for name, said in NODE_STATES.items():
        assert page[f"node_{name}"].startswith(said.fr)


def test_what_a_newer_part_says_is_shown_as_it_is() -> None:
    assert word(PRINTER_STATES, "purring") == Bilingual("purring", "purring")
    assert word(PRINTER_STATES, PrinterState.IDLE) == Bilingual("idle", "au repos")
