"""Decimal numbers of many words at once: eight characters are eight bytes of one integer, and three multiplications add them up.

Exact: a number of at most fifteen digits is a whole number below 2**53 divided by a power of ten below 10**22; both are doubles
without error and IEEE 754 rounds the quotient correctly, so it is the very double that `float(text)` gives. What has another shape
is marked, and read by `gcode.reader`.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gcode.scan.columns import Floats, Integers

Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]

PADDING: Final = 32  # bytes that must be readable behind the text
_WORD_BYTES: Final = 8
_MOST_DIGITS: Final = 15
_MOST_SPACES: Final = 4  # behind a number; more is left to the reader
_SPACE: Final = 32
_MINUS: Final = 45


def _unsigned(value: int) -> np.uint64:
    return np.uint64(value)


_ONE: Final = _unsigned(1)
_THREE: Final = _unsigned(3)
_EIGHT: Final = _unsigned(8)
_ALL_ZERO_DIGITS: Final = _unsigned(0x3030303030303030)
_UP_TO_THE_TOP_BIT: Final = _unsigned(0x7676767676767676)  # a byte above 9 gets its top bit set, and no byte below 0x80 overflows
_TOP_BITS: Final = _unsigned(0x8080808080808080)
_DOT: Final = _unsigned(ord(".") ^ ord("0"))
_BYTES_ABOVE: Final = _unsigned(0x0706050403020100)  # times 256**k, its top byte is 7 - k
_POWERS: Final = 10.0 ** np.arange(_MOST_DIGITS + 1)
_WHOLE_POWERS: Final = np.array([10**power for power in range(_WORD_BYTES + 1)], np.uint64)


class _Digits(NamedTuple):
    value: _Words
    decimals: _Words  # digits behind the dot
    dotted: Flags
    good: Flags


def _digits(word: _Words, width: _Words) -> _Digits:
    """Read the first `width` (0 to 8) bytes of each word, digits with at most one dot; the first character is the lowest byte."""
    # The characters move up to the top, so that what follows them falls off and what fills up from below reads as zeros.
    text = (word ^ _ALL_ZERO_DIGITS) << ((_EIGHT - width) << _THREE)
    odd = ((text + _UP_TO_THE_TOP_BIT) | text) & _TOP_BITS
    place = odd >> _unsigned(7)  # 256**k where byte k is the dot, 0 without one
    dot = place * _unsigned(255)
    good = ((odd & (odd - _ONE)) == 0) & ((text & dot) == place * _DOT)
    dotted = odd != 0
    below = place - _ONE  # every byte when there is no dot
    plain = ((text & below) << (dotted.astype(np.uint64) << _THREE)) | (text & ~(below | dot))
    pairs = (plain & _unsigned(0x0F0F0F0F0F0F0F0F)) * _unsigned(10 * 256 + 1) >> _EIGHT
    fours = (pairs & _unsigned(0x00FF00FF00FF00FF)) * _unsigned(100 * 65536 + 1) >> _unsigned(16)
    value = (fours & _unsigned(0x0000FFFF0000FFFF)) * _unsigned(10000 * 2**32 + 1) >> _unsigned(32)
    decimals = (place * _BYTES_ABOVE) >> _unsigned(56) & _unsigned(7)  # at most 7 also where two dots make it arbitrary
    return _Digits(value, decimals, dotted, good)


def _without_spaces(text: Bytes, end: Integers) -> Integers:
    for _ in range(_MOST_SPACES):
        blank = text[end - 1] == _SPACE
        if not blank.any():
            break
        end = end - blank
    return end


def _read_long(windows: _Words, begin: Integers, width: Integers) -> tuple[Floats, Flags, Flags]:
    """Numbers of 9 to 16 characters: two words each."""
    first = _digits(windows[begin], np.full(len(begin), _EIGHT))
    rest = (width - _WORD_BYTES).astype(np.uint64)
    second = _digits(windows[begin + _WORD_BYTES], rest)
    more = rest - second.dotted
    value = first.value * _WHOLE_POWERS[more] + second.value
    decimals = np.where(first.dotted, first.decimals + rest, second.decimals)
    dotted = first.dotted | second.dotted
    good = first.good & second.good & ~(first.dotted & second.dotted) & (width - dotted <= _MOST_DIGITS)
    return value / _POWERS[np.minimum(decimals, _MOST_DIGITS)], good, dotted


class Numbers(NamedTuple):
    """`value` holds where `good`; `dotted`: there is a decimal dot."""

    value: Floats
    good: Flags
    dotted: Flags


def read_numbers(text: Bytes, begin: Integers, end: Integers) -> Numbers:
    """Read the numbers that stand in `text[begin:end]`: digits with at most one dot, a minus before them, spaces behind them.

    `text` has PADDING bytes more than its content. Whatever is not such a number is not `good` (its value is arbitrary).
    """
    windows: _Words = np.ndarray((len(text) - _WORD_BYTES + 1,), "<u8", text, 0, (1,))
    end = _without_spaces(text, end)
    negative = text[begin] == _MINUS
    begin = begin + negative
    width = end - begin
    digits = _digits(windows[begin], np.minimum(width, _WORD_BYTES).astype(np.uint64))
    value, good, dotted = digits.value / _POWERS[digits.decimals], digits.good, digits.dotted
    good &= width - dotted > 0
    long = (width > _WORD_BYTES).nonzero()[0]
    if len(long):
        good[long] = False
        long = long[width[long] <= 2 * _WORD_BYTES]
        value[long], good[long], dotted[long] = _read_long(windows, begin[long], width[long])
    np.negative(value, out=value, where=negative)
    return Numbers(value, good, dotted)
