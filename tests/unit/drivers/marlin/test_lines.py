from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.marlin import lines
from drivers.marlin.lines import (
    MAX_COMMAND_BYTES,
    MAX_FRAME_BYTES,
    LineError,
    checksum,
    frame,
    prepare,
    probe,
    word,
)
from drivers.virtual.receiver import Accepted, Receiver


def test_frames_carry_the_checksums_that_real_marlin_accepted() -> None:
    # from the recorded exchanges
    assert frame(1, b"G90") == b"N1 G90*17\n"
    assert frame(3, b"G92 E0") == b"N3 G92 E0*68\n"
    assert frame(12, b"G1 X11 Y11 E0.55 F3000") == b"N12 G1 X11 Y11 E0.55 F3000*4\n"


def test_the_probe_is_the_line_that_real_marlin_answered() -> None:
    assert probe() == b"\nN2000000000 M105*21\n"


@pytest.mark.parametrize(
    ("raw", "command"),
    [
        (b"G1 X5 Y6\n", b"G1 X5 Y6"),
        (b"  G1 X5 ; outer wall\r\n", b"G1 X5"),
        (b"; only words\n", b""),
        (b"\n", b""),
        (b"%\n", b""),
        (b"(a drill says this)\n", b""),
        (b"g1 x4 y5\n", b"G1 X4 Y5"),
        (b"G1 x4\n", b"G1 X4"),
        (b"G01 X4\n", b"G1 X4"),
        (b"G 01 X4\n", b"G1 X4"),
        (b"G00 X4\n", b"G0 X4"),
        (b"G0 X4\n", b"G0 X4"),
        (b"M0104 S200\n", b"M104 S200"),
        (b"M0110 N5\n", b""),
        (b"m 110 N5\n", b""),
        (b"m104 s200\n", b"M104 S200"),
        (b"M117 Layer one\n", b"M117 Layer one"),
        (b"m117 Layer one\n", b"M117 Layer one"),
        (b"M104 s200\n", b"M104 S200"),
        (b"M106 p1s255\n", b"M106 P1S255"),
        (b"M420 v z-0.5\n", b"M420 V Z-0.5"),
        (b"M 0109 s200\n", b"M109 S200"),
        (b"M118 a1 hello\n", b"M118 a1 hello"),
        (b"M23 frame.gco\n", b"M23 frame.gco"),
        (b"M0 a b\n", b"M0 a b"),
        (b"M624 AQaAAA==\n", b"M624 AQaAAA=="),
        (b"N12 G1 X11*100\n", b"G1 X11"),
        (b"n7 G28\n", b"G28"),
        (b"T0\n", b"T0"),
    ],
)
def test_prepare(raw: bytes, command: bytes) -> None:
    assert prepare(raw) == command


@pytest.mark.parametrize("raw", [b"M110 N0", b"M113 S0", b"M155 S0", b"M154 S1", b"M575 B250000", b"m110"])
def test_what_only_the_host_may_say_is_left_out(raw: bytes) -> None:
    assert prepare(raw) == b""


@pytest.mark.parametrize("raw", [b"M1100 X1", b"M15", b"G110"])
def test_similar_words_are_not_left_out(raw: bytes) -> None:
    assert prepare(raw) == raw


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"G1 X1\0\n", "binary"),
        (b"\x89PNG\n", "not a G-code command"),
        (b"12 34\n", "not a G-code command"),
        (b"M117 " + b"x" * 90, "95 bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(raw: bytes, message: str) -> None:
    with pytest.raises(LineError, match=message):
        prepare(raw)


def test_the_longest_command_fits_with_the_longest_number() -> None:
    command = prepare(b"M117 " + b"x" * (MAX_COMMAND_BYTES - 5))
    assert len(frame(9_999_999, command)) - 1 <= MAX_FRAME_BYTES


@given(
    st.integers(1, 9_999_999),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";*"), min_size=1, max_size=60),
)
def test_a_firmware_accepts_every_frame(number: int, text: str) -> None:
    receiver = Receiver()
    receiver.last_number = number - 1
    receiver.put(frame(number, b"M117 " + text.encode()))
    line = receiver.next_line()
    assert isinstance(line, Accepted)
    assert line.number == number


@given(st.binary(max_size=100))
def test_prepare_gives_a_sendable_line_or_says_why_not(raw: bytes) -> None:
    try:
        command = prepare(raw)
    except LineError:
        return
    assert b"\n" not in command
    assert b";" not in command
    assert len(command) <= MAX_COMMAND_BYTES
    assert command == b"" or command[:1].isalpha()


@given(
    st.sampled_from([b"G0 ", b"G1 ", b"G2 ", b"G3 "]),
    st.text(st.sampled_from("XYZEF0123456789.- \t\r;(*gxN\x00\x0b"), max_size=MAX_COMMAND_BYTES),
    st.sampled_from([b"", b"\n", b"\r\n", b" \n"]),
)
def test_the_short_way_of_a_move_prepares_what_the_long_one_does(move: bytes, text: str, end: bytes) -> None:
    raw = move + text.encode() + end
    found = []
    for moves in (lines.MOVES, frozenset[bytes]()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "MOVES", moves)
            try:
                found.append(prepare(raw))
            except LineError as error:
                found.append(str(error).encode())
    assert found[0] == found[1]


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 63, 64, 65, 94, 127, 128])
def test_the_checksum_of_any_length_is_all_bytes_together(length: int) -> None:
    text = bytes((index * 37 + 11) % 256 for index in range(length))
    assert checksum(text) == reduce(xor, text, 0)


def test_word() -> None:
    assert word(b"G28X0") == b"G28"
    assert word(b"M109 S200") == b"M109"
    assert word(b"hello") == b""


def test_checksum_of_nothing_is_nothing() -> None:
    assert checksum(b"") == 0
