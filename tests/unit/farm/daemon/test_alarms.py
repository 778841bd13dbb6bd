"""Conditions hold until they are over; notices are the newest of their kind, and few."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import farm.daemon
import scheduler
from farm.bus.many import BrokerState
from farm.clock import Clock
from farm.daemon import brokers, set_aside
from farm.daemon.alarms import NEXT_STEPS, QUIET, Alarms, store_trouble
from farm.daemon.fence import Fence, FenceWhy, fence_step, fence_text
from farm.daemon.guard import Guard
from farm.errors import FarmError, StoreFullError
from gcode.texts import Bilingual
from scheduler.facts import Notice
from scheduler.model import Farm as Known
from scheduler.model import SetAside


def both(text: str) -> Bilingual:
    return Bilingual(text, f"{text} (fr)")


def test_a_condition_begins_once_and_ends_once() -> None:
    alarms = Alarms()
    assert alarms.begin("store-full", both("full"), both("make room"), 1.0)
    assert not alarms.begin("store-full", both("still full"), both("make room"), 2.0)
    assert [(alarm.code, alarm.text, alarm.since) for alarm in alarms.all()] == [("store-full", "full", 1.0)]
    assert alarms.end("store-full")
    assert not alarms.end("store-full")
    assert alarms.all() == []


def test_the_newest_notice_of_a_kind_and_node_stands_for_all() -> None:
    alarms = Alarms()
    for seq in range(3):
        alarms.notice(Notice("collect.refused", "n1", f"fact {seq}"), "left bench", float(seq))
    alarms.notice(Notice("collect.refused", "n2", "fact"), "right bench", 9.0)
    assert [alarm.text for alarm in alarms.all()] == ["right bench: fact", "left bench: fact 2"]


def test_notices_are_bounded() -> None:
    alarms = Alarms()
    for number in range(200):
        alarms.notice(Notice("journal.skipped", f"n{number}", "x"), "x", 0.0)
    assert len(alarms.all()) == 50


def test_a_hole_heals_by_itself_and_alarms_nobody() -> None:
    alarms = Alarms()
    alarms.notice(Notice("journal.hole", "n1", "x"), "x", 0.0)
    assert alarms.all() == []


def test_every_alarm_has_a_next_step() -> None:
    alarms = Alarms()
    for code in (*NEXT_STEPS, "something-new"):
        alarms.notice(Notice(code, "n1", "x"), "x", 0.0)
    assert all(alarm.next_step and alarm.next_step_fr for alarm in alarms.all())


def told_in_sources() -> Iterator[tuple[str, int]]:
    """The code of every notice that the scheduler and the daemon give, and how many texts it has."""
    for package in (scheduler, farm.daemon):
        for path in Path(package.__path__[0]).glob("*.py"):
            for found in ast.walk(ast.parse(path.read_text())):
                if not isinstance(found, ast.Call) or not found.args or not isinstance(found.args[0], ast.Constant):
                    continue
                name = ast.unparse(found.func).rpartition(".")[2]
                if name in {"notice", "Notice"}:  # of an intake, its node is known
                    yield str(found.args[0].value), len(found.args) - (2 if name == "Notice" else 1)


def test_every_notice_for_people_has_a_next_step_and_both_languages() -> None:
    told = list(told_in_sources())
    codes = {code for code, _ in told}
    assert {"ledger.old", "collect.refused", *QUIET} <= codes, "the sources are read"
    assert codes - QUIET == NEXT_STEPS.keys()
    assert [code for code, texts in told if texts < 2 and code not in QUIET] == []


@pytest.mark.parametrize("states", ["+-", "++-", "--", "-"])
def test_brokers_are_told_of_in_both_languages(states: str) -> None:
    alarms = Alarms()
    brokers.show(
        alarms,
        [BrokerState(f"{n}:1", connected=one == "+", problem="" if one == "+" else "cut") for n, one in enumerate(states)],
        1.0,
    )
    check(alarms)


@pytest.mark.parametrize(
    "error",
    [
        StoreFullError(Bilingual("full", "plein"), next_step=Bilingual("room", "place")),
        FarmError(Bilingual("broken", "cassé"), next_step=Bilingual("mend", "réparez")),
    ],
)
def test_a_store_is_told_of_in_both_languages(error: FarmError) -> None:
    alarms = Alarms()
    alarms.begin("store", *store_trouble(error), 1.0)
    check(alarms)


@pytest.mark.parametrize("name", ["scheduler", "publisher"])
def test_loops_are_told_of_in_both_languages(name: str) -> None:
    alarms = Alarms()
    Guard(name, alarms, Clock(), lambda: None).failed(KeyError("x"))
    check(alarms)
    assert name not in alarms.all()[0].text_fr


@pytest.mark.parametrize("count", [1, 2])
def test_facts_that_were_set_aside_are_told_of_in_both_languages(count: int) -> None:
    alarms = Alarms()
    rows = [SetAside(f"f{number}", "n1", "e", number, "{}", "?", 1.0) for number in range(count)]
    set_aside.show(alarms, Known(1, 0.0, set_aside={row.id: row for row in rows}))
    check(alarms)


@pytest.mark.parametrize("why", FenceWhy)
def test_fences_are_told_of_in_both_languages(why: FenceWhy) -> None:
    alarms = Alarms()
    fence = Fence(why, "n1", 4, 3)
    alarms.begin("fenced", fence_text(fence, "left bench"), fence_step(fence), 1.0)
    check(alarms)


def check(alarms: Alarms) -> None:
    (alarm,) = alarms.all()
    assert alarm.text_fr
    assert alarm.next_step_fr
    assert alarm.text_fr != alarm.text
    assert alarm.next_step_fr != alarm.next_step


def test_a_condition_that_is_held_says_the_newest_text() -> None:
    alarms = Alarms()
    alarms.hold("x", both("one"), both("do"), 1.0)
    alarms.hold("x", both("two"), both("do"), 2.0)
    assert [(alarm.text, alarm.text_fr, alarm.since) for alarm in alarms.all()] == [("two", "two (fr)", 2.0)]
    assert alarms.end("x")


def test_facts_that_were_set_aside_are_a_condition_and_no_notice() -> None:
    alarms = Alarms()
    alarms.notice(Notice("fact.set-aside", "n1", "x"), "x", 0.0)
    assert alarms.all() == []
