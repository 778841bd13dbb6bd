import random
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.marlin.lines import frame
from drivers.marlin.transcript import (
    KEEP_BYTES,
    MAX_CHUNK_BYTES,
    MAX_LINE_CHARACTERS,
    MAX_LINES,
    Transcript,
    safe_text,
    without_secrets,
)


def test_both_directions_with_time_and_text() -> None:
    transcript = Transcript()
    transcript.sent(b"N1 G1 X5*99\n", 100.0)
    transcript.heard(b"ok\n", 100.0125)
    transcript.heard(b"T:20.0 /0.0\r\n", 101.5)
    assert transcript.lines() == ["0.000 > N1 G1 X5*99", "0.012 < ok", "1.500 < T:20.0 /0.0"]


def test_nothing_said_is_no_line() -> None:
    transcript = Transcript()
    assert transcript.lines() == []
    transcript.sent(b"", 1.0)
    transcript.heard(b"\n\r\n", 2.0)
    assert transcript.lines() == []
    assert transcript.recent_heard(10) == b"\n\r\n"
    assert Transcript().recent_heard(10) == b""


def test_a_line_in_pieces_has_the_time_of_its_first_byte() -> None:
    transcript = Transcript()
    transcript.heard(b"T:2", 0.0)
    transcript.sent(b"M105\n", 1.0)
    transcript.heard(b"0 /0\nok", 2.0)
    transcript.heard(b" P15\nhalf", 3.0)
    assert transcript.lines() == ["1.000 > M105", "0.000 < T:20 /0", "2.000 < ok P15", "3.000 < half"]


def test_control_characters_are_shown_and_never_done() -> None:
    assert safe_text(b"\x1b[2Jhello\x07\x00x\r") == "\\x1b[2Jhello\\x07\\x00x"
    assert safe_text("caf\u00e9 \u202e \u2028".encode()) == "café \\u202e \\u2028"
    assert safe_text(b"\xff\xfe") == "\\xff\\xfe"
    assert safe_text(b"\x9b31m") == "\\x9b31m"


def test_a_long_line_is_cut() -> None:
    text = safe_text(b"x" * 5000)
    assert len(text) == MAX_LINE_CHARACTERS
    assert text.endswith("…")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('M587 S"home" P"hunter2"', "M587 ***"),
        ('N12 M587 S"home" P"hunter2"*44', "N12 M587 ***"),
        ("N12M588 Shome*4", "N12M588 ***"),
        ("m0589 S1", "m0589 ***"),
        ("M 552 P1.2.3.4", "M 552 ***"),
        ("M551 Phunter2", "M551 ***"),
        ('echo:Unknown command: "M587 S"home" P"hunter2""', 'echo:Unknown command: "M587 ***'),
        ("X-Api-Key: 0123456789ABCDEF", "X-Api-Key: ***"),
        ('{"apikey": "0123 456", "x": 1}', '{"apikey": ***, "x": 1}'),
        ("[ESP101]SSID=home pwd=hunter2", "[ESP101]SSID=*** pwd=***"),
        ("password='a b'", "password=***"),
        ("token:abc", "token:***"),
    ],
)
def test_secrets_are_hidden(said: str, kept: str) -> None:
    assert without_secrets(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "G1 X58.7 M5",
        "M5870 S1",
        "M117 password: open sesame",
        "N4 M118 token: 5*3",
        "M117 M587",
        "M55 P1",
        "M5 521",
        "ok P15 B3",
        "bypass:1",
    ],
)
def test_what_is_no_secret_stays(said: str) -> None:
    assert without_secrets(said) == said


def test_a_secret_that_came_in_pieces_is_hidden() -> None:
    transcript = Transcript()
    for piece in (b"M5", b'87 S"home" P"hun', b'ter2"\n'):
        transcript.sent(piece, 0.0)
    assert transcript.lines() == ["0.000 > M587 ***"]


def test_half_a_secret_is_hidden_too() -> None:
    transcript = Transcript(keep_bytes=400)
    transcript.sent(b'M587 S"home" P"' + b"x" * 90, 0.0)
    transcript.sent(b'hunter2"\nM105\n', 0.0)
    transcript.heard(b"ok\nok\n", 0.0)
    for _ in range(150):
        transcript.heard(b"ok\n", 1.0)
        assert "hunter2" not in "\n".join(transcript.lines())
    transcript = Transcript()
    transcript.sent(b'M587 P"' + b"x" * MAX_CHUNK_BYTES + b'hunter2"\nM105\n', 0.0)
    assert transcript.lines() == ["0.000 > M105"]


def test_old_lines_go_when_the_ring_is_full() -> None:
    transcript = Transcript(keep_bytes=4000)
    for number in range(2000):
        transcript.sent(frame(number, b"G1 X5"), number / 100)
        transcript.heard(b"ok\n", number / 100)
        assert transcript.size_bytes <= 4000 + 100
    lines = transcript.lines()
    assert lines[-2].endswith(frame(1999, b"G1 X5").decode().strip())
    assert 100 < len(lines) < 400
    assert "N0 " not in "\n".join(lines)


def test_lines_older_than_ten_minutes_are_not_told() -> None:
    transcript = Transcript()
    transcript.heard(b"old\n", 0.0)
    transcript.heard(b"new\n", 500.0)
    assert len(transcript.lines()) == 2
    transcript.heard(b"newest\n", 700.0)
    assert [line.split()[-1] for line in transcript.lines()] == ["new", "newest"]


def test_old_blocks_are_dropped_with_their_memory() -> None:
    transcript = Transcript(keep_bytes=400_000, keep_s=10.0)
    for second in range(60):
        transcript.heard(b"x" * 2000 + b"\n", float(second))
    assert transcript.size_bytes < 20 * 2100 + 17_000


def test_at_most_four_thousand_lines_the_newest() -> None:
    transcript = Transcript()
    for number in range(9000):
        transcript.heard(b"%d\n" % number, 0.0)
    lines = transcript.lines()
    assert len(lines) == MAX_LINES
    assert lines[-1].endswith("8999")


def test_a_device_that_never_stops_talking_fills_no_memory() -> None:
    transcript = Transcript()
    for number in range(200):
        transcript.heard(random.Random(number).randbytes(65_536), 0.0)
    assert transcript.size_bytes <= KEEP_BYTES + MAX_CHUNK_BYTES + 100
    assert all(line.isprintable() for line in transcript.lines())


def test_memory_is_what_was_said_and_little_more() -> None:
    tracemalloc.start()
    transcript = Transcript()
    for number in range(20_000):
        transcript.sent(frame(number, b"G1 X10.5 Y20.25 E0.0412"), number / 300)
        transcript.heard(b"ok\n", number / 300)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 1.5 * KEEP_BYTES


def test_the_last_bytes_of_the_machine_are_there_raw() -> None:
    transcript = Transcript(keep_bytes=400)
    for number in range(100):
        transcript.sent(b"AT\n", 0.0)
        transcript.heard(b"%02d\xff\n" % number, 0.0)
    assert transcript.recent_heard(8) == b"98\xff\n99\xff\n"
    transcript.heard(b"new", 5.0)
    assert transcript.recent_heard(100, since_s=4.0) == b"new"


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300), st.floats(0, 5)), max_size=60))
def test_lines_are_always_clean_ordered_text(chunks: list[tuple[bool, bytes, float]]) -> None:
    transcript = Transcript(keep_bytes=2000)
    now_s = 0.0
    for ours, data, after_s in chunks:
        now_s += after_s
        (transcript.sent if ours else transcript.heard)(data, now_s)
    for line in transcript.lines():
        assert line.isprintable()
        assert re.match(r"\d+\.\d{3} [<>] .", line)
        assert len(line) < MAX_LINE_CHARACTERS + 30


@given(
    st.lists(
        st.tuples(st.sampled_from([b"ok\n", b"ok\nok\n", b"ok", b"T:20 /0\n", b""]), st.binary(max_size=40), st.floats(0, 3)),
        max_size=60,
    )
)
def test_an_exchange_is_what_both_sides_say_one_after_the_other(said: list[tuple[bytes, bytes, float]]) -> None:
    together, apart = Transcript(), Transcript()
    now_s = 100.0
    for heard, sent, later_s in said:
        now_s += later_s
        together.exchanged(heard, sent, now_s)
        apart.heard(heard, now_s)
        apart.sent(sent, now_s)
    assert together.lines() == apart.lines()
    assert together.size_bytes == apart.size_bytes


def test_an_exchange_stays_in_order_and_keeps_what_is_too_long_for_one_step() -> None:
    transcript = Transcript()
    transcript.exchanged(b"ok\n", b"N1 G1 X1*1\n", 1.0)
    transcript.exchanged(b"ok\n", b"N2 G1 X2*2\n", 1.5)
    transcript.exchanged(b"ok\n", b"", 2.0)
    transcript.exchanged(b"ok\n", b"x\n" + b"y" * MAX_CHUNK_BYTES + b"\nz\n", 2.5)
    assert transcript.lines() == [
        *("0.000 < ok", "0.000 > N1 G1 X1*1", "0.500 < ok", "0.500 > N2 G1 X2*2"),
        *("1.000 < ok", "1.500 < ok", "1.500 > z"),
    ]


def test_an_exchange_before_the_block_began_counts_from_its_beginning() -> None:
    transcript = Transcript()
    transcript.heard(b"start\n", 10.0)
    transcript.exchanged(b"ok\n", b"N1 G1 X1*1\n", 9.0)
    assert transcript.lines()[1:] == ["0.000 < ok", "0.000 > N1 G1 X1*1"]


def test_exchanges_are_forgotten_like_all_that_is_said() -> None:
    transcript = Transcript(keep_bytes=4_096)
    for number in range(5_000):
        transcript.exchanged(b"ok\n", frame(number, b"G1 X1"), number / 100)
    assert transcript.size_bytes <= 4_096 + 100
    assert transcript.lines()[-1].endswith(frame(4_999, b"G1 X1").decode().strip())
