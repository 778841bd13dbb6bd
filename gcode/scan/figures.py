"""Comments that are a name and a figure (`;WIDTH:0.45`): slicers with lines of varying width write thousands, hardly two alike.

Such a comment says nothing whatever its figure is when the same name with another figure says nothing; that is asked once a name.
"""

import re
from collections.abc import Callable
from typing import Final

import numpy as np

from gcode.scan.columns import Integers
from gcode.scan.numbers import PADDING, Bytes, Flags, read_numbers

_MAX_NAMES: Final = 256
_WORTH: Final = 128  # fewer are looked at one by one
_LONGEST_HEAD: Final = 8  # bytes, of those that are recognised many at once
_MAX_HEADS: Final = 16
_FIGURE: Final = re.compile(rb"(;[ \t]{0,4}[A-Za-z_]{1,32}:)[ \t]*-?[0-9.]{1,20}")


class Figures:
    """Names that say nothing with a figure. `is_silent` is asked about a comment."""

    def __init__(self, is_silent: Callable[[bytes], bool]) -> None:
        self._is_silent = is_silent
        self._names: dict[bytes, bool] = {}
        self._heads: list[tuple[int, int, int]] = []  # length, mask and value of the first bytes as a number

    def knows(self, raw: bytes) -> bool:
        """Whether it is such a comment that says nothing."""
        match = _FIGURE.fullmatch(raw)
        if match is None:
            return False
        head = match[1]
        silent = self._names.get(head)
        if silent is None:
            silent = self._learn(head)
        return silent

    def _learn(self, head: bytes) -> bool:
        if len(self._names) >= _MAX_NAMES:
            self._names.clear()
            self._heads.clear()
        silent = self._names[head] = self._is_silent(head + b"1")
        if silent and len(head) <= _LONGEST_HEAD and len(self._heads) < _MAX_HEADS:
            mask = (1 << 8 * len(head)) - 1
            self._heads.append((len(head), mask, int.from_bytes(head, "little")))
        return silent

    def among(self, content: bytes, begin: Integers, end: Integers) -> Flags:
        """Which of the lines of `content` are such comments, as far as their names were met before."""
        found = np.zeros(len(begin), bool)
        if len(begin) < _WORTH or not self._heads:
            return found
        text: Bytes = np.frombuffer(content + bytes(PADDING), np.uint8)
        heads = np.ndarray((len(content),), "<u8", text, 0, (1,))[begin]
        for length, mask, value in self._heads:
            rows = ((heads & np.uint64(mask)) == np.uint64(value)).nonzero()[0]
            rows = rows[end[rows] > begin[rows] + length]
            if len(rows):
                found[rows] = read_numbers(text, begin[rows] + length, end[rows]).good
        return found
