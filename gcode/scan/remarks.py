"""Lines that are no plain moves, looked up by their bytes: the same few texts stand in a file a thousand times.

A text is studied once: whether the reader of events or a judge takes anything from it. Most say nothing and are only counted; the
frequent ones that do say something (features, limits) are obeyed without reading them again; the rest goes the interpreter's way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gcode.checks import MAX_HITS, Judge, is_clean
from gcode.claims import may_be_claim
from gcode.events import says_nothing
from gcode.marks import feature_name, object_mark
from gcode.reader import Line, parse_line
from gcode.scan.columns import TEXTS, Events
from gcode.scan.figures import Figures

NOTHING: Final = 0  # a comment that says nothing
COMMAND: Final = 1  # a command that says nothing
UNSURE: Final = 2  # not studied yet, or it says something

_MAX_TEXTS: Final = 8192  # of at most 257 bytes
_LIMITS: Final = frozenset({"M201", "M203", "M204", "M205"})
_PICTURE: Final = re.compile(rb"; ?(?!thum|[Oo][Cc][Tt][Oo])([A-Za-z0-9+/]{4})[A-Za-z0-9+/]{36,255}")
_REPEATABLE: Final = frozenset({"M106", "M486"})  # the second time they change nothing


def is_picture(raw: bytes) -> bool:
    """Whether a comment can only be a line of a picture: one long word of base64, which says nothing to anybody.

    A file may have thousands, no two alike. Those that begin like something that is heard are studied like any other comment; the
    last of a picture may have the equals signs of a secret.
    """
    match = _PICTURE.fullmatch(raw)
    return match is not None and not may_be_claim(match[1].decode("ascii"))


@dataclass(slots=True, eq=False)
class Remark:
    """A text that says something: a feature, limits, something for judges, or (`whole`) what only the interpreter's way shows.

    `judges` are those who find something wrong with the line, of whom none remembers it. `repeatable`: read once, the line says the
    readers of events nothing new any more.
    """

    line: Line
    raw: bytes
    whole: bool = False
    feature: str | None = None
    limits: bool = False
    repeatable: bool = False
    judges: tuple[Judge, ...] = ()
    asked: int = 0  # times that `judges` have seen it
    untold: int = 0  # times more that it stood there


Found = int | Remark
Codes = NDArray[np.int8]


class Remarks:
    """What is known of texts, in bounded memory."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self._judges = judges
        self._known: dict[bytes, Found] = {}
        self._codes: Codes = np.full(
            2 * TEXTS + 1, UNSURE, np.int8
        )  # of texts that the parser has numbered; the last one is for -1
        self.frequent: list[Found | None] = [None] * (2 * TEXTS + 1)  # the same, and features and limits: who asks need not study
        self._figures = Figures(lambda raw: self._studied(raw) == NOTHING)
        self._untold: list[Remark] = []

    def codes(self, content: bytes, events: Events, begin: int) -> Codes:
        """NOTHING, COMMAND or UNSURE for each of the lines; `begin` is the byte of `content` where theirs count from."""
        if events.text is not None:
            return self._codes[events.text]
        get = self._known.get
        begins, ends = (events.begin + begin).tolist(), (events.end + begin).tolist()
        found = [get(content[first:end]) for first, end in zip(begins, ends, strict=True)]
        codes = np.array([one if one.__class__ is int else UNSURE for one in found], np.int8)
        unsure = (codes == UNSURE).nonzero()[0]
        codes[unsure[self._figures.among(content, events.begin[unsure] + begin, events.end[unsure] + begin)]] = NOTHING
        return codes

    def number(self, text: int, raw: bytes, found: Found) -> None:
        """A text that was studied has this number, or it is one of those that share it."""
        if text < 0:
            return
        if isinstance(found, int):
            if text < TEXTS or self._figures.knows(raw):
                self._codes[text] = self.frequent[text] = found
        elif text < TEXTS and not found.judges and (found.feature is not None or found.limits):
            self.frequent[text] = found

    def study(self, raw: bytes) -> Found:
        """Find out what a text says."""
        found = self._known.get(raw)
        if found is None and (self._figures.knows(raw) or is_picture(raw)):
            return NOTHING  # there are too many different ones to remember
        if found is None:
            if len(self._known) >= _MAX_TEXTS:
                self.finish()
                self._known.clear()
            found = self._known[raw] = self._studied(raw)
        return found

    def _studied(self, raw: bytes) -> Found:
        line = parse_line(raw)
        code, comment = line.code, line.comment
        if line.defect or not is_clean(comment) or (code and any(judge.remembers(code) for judge in self._judges)):
            return Remark(line, raw, whole=True)
        if not code:
            feature = feature_name(comment)
            known = object_mark(comment) is not None
            return NOTHING if says_nothing(line) else Remark(line, raw, whole=feature is None, feature=feature, repeatable=known)
        judges = tuple(judge for judge in self._judges if judge.finds(line))
        if says_nothing(line):
            return Remark(line, raw, judges=judges) if judges else COMMAND
        alone = says_nothing(line._replace(code=""))
        limits = alone and code in _LIMITS
        return Remark(line, raw, whole=not limits, limits=limits, repeatable=alone and code in _REPEATABLE, judges=judges)

    def was_read(self, remark: Remark) -> None:
        """It went the interpreter's way; where that changes nothing a second time it is passed over from now on."""
        if remark.repeatable:
            nothing = COMMAND if remark.line.code else NOTHING
            self._known[remark.raw] = Remark(remark.line, remark.raw, judges=remark.judges) if remark.judges else nothing

    def ask(self, remark: Remark, number: int, offset: int) -> None:
        """Tell the judges of a line at this place; after the first places they only count."""
        if remark.asked < MAX_HITS:
            remark.asked += 1
            line = remark.line._replace(number=number, offset=offset)
            for judge in remark.judges:
                judge.line(line)
        else:
            if not remark.untold:
                self._untold.append(remark)
            remark.untold += 1

    def finish(self) -> None:
        """Tell the judges what was only counted."""
        for remark in self._untold:
            for judge in remark.judges:
                judge.again(remark.line, remark.untold)
            remark.untold = 0
        self._untold.clear()
