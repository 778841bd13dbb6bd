"""MeatPack, against packed text written by hand from its public description, and by an encoder of our own."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.containers.meatpack import MeatPackError, unpacked
from tests.unit.gcode.containers.made import meatpacked

ON = b"\xff\xff\xfb"


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (bytes([0x1D, 0xC0]), b"G10\n"),  # the low half comes first
        (bytes([0xBE, 0x21]), b"X 12"),
        (bytes([0x0C]), b"\n"),  # after a line feed the other half is nothing
        (bytes([0xFC]), b"\n"),
        (bytes([0x1F]) + b"M", b"M1"),  # the first character is whole
        (bytes([0xF1]) + b"M", b"1M"),  # the second is
        (bytes([0xFF]) + b"ME", b"ME"),  # both are
        (bytes([0xAF]) + "é".encode()[:1] + bytes([0xAF]) + "é".encode()[1:], b"\xc3.\xa9."),
    ],
)
def test_two_characters_to_a_byte(packed: bytes, text: bytes) -> None:
    assert unpacked(ON + packed) == text


def test_a_block_begins_unpacked() -> None:
    assert unpacked(b"G1 X1\n") == b"G1 X1\n"


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (ON + b"\x1d" + b"\xff\xff\xfa" + b"abc", b"G1abc"),
        (ON + b"\xff\xff\xf9" + b"abc", b"abc"),
        (ON + b"\xff\xff\xf7\xb1", b"1E"),
        (ON + b"\xff\xff\xf7\xff\xff\xf6\xb1", b"1 "),
        (ON + b"\xff\xff\xf7\xff\xff\xf9" + ON + b"\xb1", b"1 "),  # a reset forgets that there were no spaces
        (ON + b"\xff\xff\xf8\xb1", b"1 "),  # the question to a printer means nothing in a file
    ],
)
def test_commands(packed: bytes, text: bytes) -> None:
    assert unpacked(packed) == text


@pytest.mark.parametrize("packed", [ON + b"\x1f", ON + b"\xf1", ON + b"\xff", ON + b"\xffM", b"\xff\xff", b"\xff\xff\x05"])
def test_what_ends_in_the_middle_or_commands_something_unknown_is_an_error(packed: bytes) -> None:
    with pytest.raises(MeatPackError):
        unpacked(packed)


@given(st.text(st.sampled_from("0123456789. \nGXYZEFM;é-"), max_size=200), st.booleans())
def test_what_was_packed_comes_back(text: str, no_spaces: bool) -> None:
    raw = text.encode()
    packed = meatpacked(raw, no_spaces=no_spaces)
    expected = raw if raw[-1:] in {b"\n", b""} else None
    found = unpacked(packed)
    assert found == expected if expected is not None else found.removesuffix(b"\n") == raw


@given(st.binary(max_size=400))
def test_anything_is_text_of_at_most_twice_the_length_or_an_error(packed: bytes) -> None:
    with suppress(MeatPackError):
        assert len(unpacked(ON + packed)) <= 2 * len(packed)
