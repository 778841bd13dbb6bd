"""A bookmark: which line number stands for which place in the file, so that another process can go on. Pure.

Numbers are given to the lines of the file and to our own in one row. A bookmark therefore anchors one number that was accepted to
its place in the file, and names the kinds of the lines that were on their way after it. What came after the bookmark is of the
file, except for the few lines of ours that `MAX_UNTOLD` allows for: whoever keeps bookmarks may keep the newest a moment late.
"""

import json
from dataclasses import dataclass
from typing import Final

from drivers.base import BOOKMARK_CHARACTERS
from drivers.marlin.job import Position

VERSION: Final = 1
# Our own lines that a kept bookmark may not know: at most 1 s is between it and us, a pause has 13, noise costs a fence each 60 ms.
MAX_UNTOLD: Final = 24
MAX_KINDS: Final = 64


@dataclass(frozen=True, slots=True)
class Mark:
    """`number` was accepted when the file was sent up to `offset`; `kinds` has `f` (file) or `o` (ours) for each line after it."""

    number: int
    offset: int
    kinds: str
    size_bytes: int
    machine: str
    held: bool = False  # a pause was asked for
    parked_at: Position | None = None  # where it paused, when it stands there lifted


@dataclass(frozen=True, slots=True)
class Kept:
    """A mark as another process finds it: `boot` and `second` (CLOCK_BOOTTIME) say when it was made."""

    mark: Mark
    boot: str
    second: float


def encode(mark: Mark, boot: str, second: float) -> str:
    """The text to keep, at most BOOKMARK_CHARACTERS."""
    at = mark.parked_at
    fields = {
        "v": VERSION,
        "n": mark.number,
        "o": mark.offset,
        "k": mark.kinds,
        "z": mark.size_bytes,
        "m": mark.machine,
        "h": int(mark.held),
        "p": [at.x, at.y, at.z, at.e] if at is not None else None,
        "b": boot,
        "t": int(second * 100) / 100,  # never later than now
    }
    text = json.dumps(fields, separators=(",", ":"))
    assert len(text) <= BOOKMARK_CHARACTERS
    return text


def decode(text: str) -> Kept | None:
    """What a bookmark says, None when it is of another version or no bookmark at all."""
    try:
        found = json.loads(text)
        if found["v"] != VERSION:
            return None
        at = found["p"]
        parked_at = Position(*(float(value) for value in at)) if at is not None else None
        numbers = (int(found["n"]), int(found["o"]), str(found["k"]), int(found["z"]))
        return Kept(Mark(*numbers, str(found["m"]), bool(found["h"]), parked_at), str(found["b"]), float(found["t"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def file_lines(mark: Mark, last_line: int) -> range:
    """How many lines of the file after `mark.offset` the machine has, when it says `last_line`: the range of what is possible.

    Empty when the number cannot be: the machine is behind what it had accepted.
    """
    beyond = last_line - mark.number
    if beyond < 0:
        return range(0)
    certain = mark.kinds[:beyond].count("f")
    most = certain + max(0, beyond - len(mark.kinds))
    return range(max(certain, most - MAX_UNTOLD), most + 1)
