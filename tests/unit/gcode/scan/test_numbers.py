"""Numbers that are read many at once: the very double that `float` gives, or nothing."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcode.scan.numbers import PADDING, Numbers, read_numbers

PLAIN = re.compile(rb"-?(\d+\.?\d*|\.\d+) *")


def read(*texts: bytes) -> Numbers:
    """As they stand behind the letters of a line."""
    content, begins, ends = b"", [], []
    for text in texts:
        content += b"X"
        begins.append(len(content))
        content += text
        ends.append(len(content))
    padded = np.frombuffer(content + bytes(PADDING), np.uint8)
    return read_numbers(padded, np.array(begins), np.array(ends))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0.0),
        (b"1", 1.0),
        (b"-12.5", -12.5),
        (b".5", 0.5),
        (b"-.25 ", -0.25),
        (b"7.  ", 7.0),
        (b"12345678", 12345678.0),
        (b"123456789", 123456789.0),
        (b"1234.56789", 1234.56789),
        (b"12345678.9012345", 12345678.9012345),
        (b"0.1", 0.1),
        (b"000000000000.3", 0.3),
    ],
)
def test_decimal_numbers(text: bytes, value: float) -> None:
    numbers = read(text)
    assert numbers.good.tolist() == [True]
    assert numbers.value.tolist() == [value]
    assert numbers.dotted.tolist() == [b"." in text]


ODD = (
    b"| |.|-|-.|+1|--1|1.2.3|1 2|1\t|\t1| 1|1e5|1,5|0x10|\xff|1\x00|1234567890123456|12345678.90.1|1.234567890.1|NaN|1     "
    b"|99999999999999999|1234567:|12345678:1"
)


@pytest.mark.parametrize("text", ODD.split(b"|"))
def test_what_has_another_shape_is_left_to_the_reader(text: bytes) -> None:
    assert read(b"5", text, b"6").good.tolist() == [True, False, True]


def test_minus_nought_stays_what_it_is() -> None:
    value = read(b"-0").value
    assert np.signbit(value).tolist() == [True]


@given(st.lists(st.one_of(st.from_regex(PLAIN, fullmatch=True), st.binary(max_size=20)), min_size=1, max_size=30))
@example([b"9007199254740993", b"999999999999999", b"-99999999.9999999"])
def test_every_number_is_the_one_that_python_reads(texts: list[bytes]) -> None:
    numbers = read(*texts)
    for text, value, good in zip(texts, numbers.value.tolist(), numbers.good.tolist(), strict=True):
        if good:
            assert PLAIN.fullmatch(text)
            assert value == float(text)
        elif PLAIN.fullmatch(text):
            assert len(text.strip(b"- ")) > 15 or text.endswith(b"    ")
