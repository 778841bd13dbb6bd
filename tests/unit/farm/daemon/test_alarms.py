"""Conditions hold until they are over; notices are the newest of their kind, and few."""

from farm.daemon.alarms import NEXT_STEPS, Alarms
from scheduler.facts import Notice


def test_a_condition_begins_once_and_ends_once() -> None:
    alarms = Alarms()
    assert alarms.begin("store-full", "full", "make room", 1.0)
    assert not alarms.begin("store-full", "still full", "make room", 2.0)
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
    assert all(alarm.next_step for alarm in alarms.all())


def test_a_condition_that_is_held_says_the_newest_text() -> None:
    alarms = Alarms()
    alarms.hold("x", "one", "do", 1.0)
    alarms.hold("x", "two", "do", 2.0)
    assert [(alarm.text, alarm.since) for alarm in alarms.all()] == [("two", 2.0)]
    assert alarms.end("x")


def test_facts_that_were_set_aside_are_a_condition_and_no_notice() -> None:
    alarms = Alarms()
    alarms.notice(Notice("fact.set-aside", "n1", "x"), "x", 0.0)
    assert alarms.all() == []
