"""Texts are studied once, and what they say is the same as if every line were read."""

import numpy as np
import pytest

from gcode.checks import MAX_HITS, Judge
from gcode.machine import Machine
from gcode.scan.columns import TEXTS, Events
from gcode.scan.remarks import COMMAND, NOTHING, UNSURE, Remark, Remarks
from tests.unit.gcode.samples import profile


def judge() -> Judge:
    return Judge(profile(), Machine())


def remarks(*judges: Judge) -> Remarks:
    return Remarks(judges)


def remark(known: Remarks, raw: bytes) -> Remark:
    found = known.study(raw)
    assert isinstance(found, Remark)
    return found


@pytest.mark.parametrize("raw", [b";", b"; perimeter", b";WIDTH:0.5", b"; thumb = 16x16", b" ; x"])
def test_a_comment_that_says_nothing(raw: bytes) -> None:
    assert remarks(judge()).study(raw) == NOTHING


@pytest.mark.parametrize("raw", [b"M107", b"M73 P5 R10", b"G92 E0", b"M83", b"M117 Layer 3 ; x"])
def test_a_command_that_says_nothing(raw: bytes) -> None:
    assert remarks(judge()).study(raw) == COMMAND


@pytest.mark.parametrize(
    "raw", [b";LAYER_CHANGE", b"; thumbnail begin 1x1 4", b";TIME:5", b"M104 S200", b"G4 S1", b"M84", b"\x00", b"hello you"]
)
def test_what_only_the_interpreters_way_shows(raw: bytes) -> None:
    assert remark(remarks(judge()), raw).whole


def test_comments_of_people_with_secrets_are_judged_each_time() -> None:
    assert remark(remarks(), b"; api_key = abcdef").whole


def test_features_and_limits_are_known_for_what_they_are() -> None:
    known = remarks(judge())
    assert remark(known, b";TYPE:External perimeter").feature == "External perimeter"
    assert remark(known, b"M204 S800").limits
    assert not remark(known, b"M204 S800").whole
    assert remark(known, b"M204 S800 ;LAYER_CHANGE").whole


def test_what_changes_nothing_the_second_time_is_passed_over() -> None:
    known = remarks(judge())
    for raw, later in ((b"M106 S255", COMMAND), (b"M486 S1", COMMAND)):
        first = remark(known, raw)
        assert first.whole
        known.was_read(raw, first)
        assert known.study(raw) == later
    again = remark(known, b"M104 S200")
    known.was_read(b"M104 S200", again)
    assert known.study(b"M104 S200") is again


@pytest.mark.parametrize("times", [1, MAX_HITS, MAX_HITS + 4])
def test_judges_see_the_first_places_and_the_count(times: int) -> None:
    one, slow = judge(), judge()
    known = remarks(one)
    found = remark(known, b"M907 E538")
    assert found.judges == (one,)
    for number in range(1, times + 1):
        known.ask(found, number, number * 10)
        slow.line(found.line._replace(number=number, offset=number * 10))
    known.finish()
    assert one._tallies == slow._tallies
    assert sum(tally.count for tally in one._tallies.values()) == times


def test_a_fan_too_fast_is_still_counted_when_its_line_is_passed_over() -> None:
    one = judge()
    known = remarks(one)
    first = remark(known, b"M106 S300")
    known.was_read(b"M106 S300", first)
    later = remark(known, b"M106 S300")
    assert (later.whole, later.judges) == (False, (one,))


def test_memory_is_bounded_and_nothing_that_was_counted_is_lost() -> None:
    one = judge()
    known = remarks(one)
    found = remark(known, b"M907 E538")
    for number in range(MAX_HITS + 3):
        known.ask(found, number, 0)
    for number in range(20_000):
        known.study(b"M117 text %d" % number)
    assert len(known._known) <= 8192
    assert [tally.count for tally in one._tallies.values()] == [MAX_HITS + 3]
    known.finish()
    assert [tally.count for tally in one._tallies.values()] == [MAX_HITS + 3]


def events(content: bytes, text: list[int] | None = None) -> Events:
    lines = content.splitlines(keepends=True)
    ends = np.add.accumulate([len(line) for line in lines])
    begins = ends - [len(line) for line in lines]
    count = np.arange(len(lines))
    return Events(count, count, begins, ends - 1, None if text is None else np.array(text))


def test_codes_of_lines() -> None:
    known = remarks()
    content = b"; x\nM107\n;TYPE:Skirt\n; y\n"
    for raw in content.split(b"\n")[:3]:
        known.study(raw)
    assert known.codes(content, events(content), 0).tolist() == [NOTHING, COMMAND, UNSURE, UNSURE]


def test_codes_of_texts_that_the_parser_has_numbered() -> None:
    known = remarks()
    content = b"; x\nM107\n; x\n; y\n"
    known.number(5, NOTHING)
    known.number(TEXTS - 1, COMMAND)
    known.number(-1, NOTHING)
    assert known.codes(content, events(content, [5, TEXTS - 1, 5, -1]), 0).tolist() == [NOTHING, COMMAND, NOTHING, UNSURE]
