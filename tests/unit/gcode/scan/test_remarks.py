"""Texts are studied once, and what they say is the same as if every line were read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcode.checks import MAX_HITS, Judge
from gcode.machine import Machine
from gcode.scan.columns import TEXTS, Events
from gcode.scan.remarks import COMMAND, NOTHING, UNSURE, Remark, Remarks, is_picture
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
    for raw, later in ((b"M106 S255", COMMAND), (b"M486 S1", COMMAND), (b"; printing object a id:0 copy 1", NOTHING)):
        first = remark(known, raw)
        assert first.whole
        known.was_read(first)
        assert known.study(raw) == later
    again = remark(known, b"M104 S200")
    known.was_read(again)
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
    known.was_read(first)
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
    known.number(5, b"; x", NOTHING)
    known.number(TEXTS - 1, b"M107", COMMAND)
    known.number(-1, b"; y", NOTHING)
    assert known.codes(content, events(content, [5, TEXTS - 1, 5, -1]), 0).tolist() == [NOTHING, COMMAND, NOTHING, UNSURE]


def test_a_number_of_a_name_counts_only_where_no_figure_says_anything() -> None:
    known = remarks()
    content = b";WIDTH:0.45\n;TIME:70\n"
    shared = [TEXTS + 1, TEXTS + 2]
    for number, raw in zip(shared, content.splitlines(), strict=True):
        known.number(number, raw, NOTHING)  # whatever this figure says, another may say more
    assert known.codes(content, events(content, shared), 0).tolist() == [NOTHING, UNSURE]


def test_frequent_texts_that_say_something_are_kept_by_their_number() -> None:
    known = remarks(judge())
    for number, raw in enumerate([b";TYPE:Skirt", b"M204 S800", b"M104 S200", b"; x"], 1):
        known.number(number, raw, known.study(raw))
    known.number(5, b"M204 S1", replace(remark(known, b"M204 S1"), judges=(judge(),)))
    kept = [(one.feature or one.limits) if isinstance(one, Remark) else one for one in known.frequent[1:6]]
    assert kept == ["Skirt", True, None, NOTHING, None]
    known.number(-1, b"M204 S800", known.study(b"M204 S800"))
    known.number(TEXTS + 3, b"M204 S800", known.study(b"M204 S800"))
    assert sum(one is not None for one in known.frequent) == 3, "a shared number is not for one text"


BASE64 = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", min_size=30, max_size=90)
HEARD = st.sampled_from(["", "", "OCTO1", "octo2", "thumbnail", "KISSlicer", "BambuStudio", "Bamb", "key", "END", "LAYER", "TYPE"])


@given(HEARD, BASE64, st.sampled_from(["; ", ";", ";  "]), st.sampled_from(["", "", "=", "=="]))
@example("", "apikey".rjust(40, "A"), "; ", "==")
@example("KISSlicer", "A" * 40, "; ", "")
def test_a_line_of_a_picture_says_nothing_as_if_it_were_studied(start: str, text: str, mark: str, end: str) -> None:
    raw = f"{mark}{start}{text}{end}".encode()
    if is_picture(raw):
        assert remarks()._studied(raw) == NOTHING


def test_lines_of_pictures_are_recognised_and_not_kept() -> None:
    known = remarks()
    for number in range(100):
        assert known.study(b"; iVBORw0KGgoAAAANSUhEUgAAAQAAAAEACAYAAABccqhmAAA%08d" % number) == NOTHING
    assert not known._known
    assert not is_picture(b"; short")
