"""Lines that are no plain moves, looked up by their bytes: the same few texts stand in a file a thousand times.

A text is studied once: whether the reader of events or a judge takes anything from it. Most say nothing and are only counted; the
frequent ones that do say something (features, limits) are obeyed without reading them again; the rest goes the interpreter's way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gcode.checks import MAX_HITS, Judge, is_clean
from gcode.events import says_nothing
from gcode.marks import feature_name
from gcode.reader import Line, parse_line
from gcode.scan.columns import TEXTS, Events
from gcode.scan.figures import Figures

NOTHING: Final = 0  # a comment that says nothing
COMMAND: Final = 1  # a command that says nothing
UNSURE: Final = 2  # not studied yet, or it says something

_MAX_TEXTS: Final = 8192  # of at most 257 bytes
_LIMITS: Final = frozenset({"M201", "M203", "M204", "M205"})
_REPEATABLE: Final = frozenset({"M106", "M486"})  # the second time they change nothing


@dataclass(slots=True, eq=False)
class Remark:
    """A text that says something: a feature, limits, something for judges, or (`whole`) what only the interpreter's way shows.

    `judges` are those who find something wrong with the line, of whom none remembers it. `repeatable`: read once, the line says the
    readers of events nothing new any more.
    """

    line: Line
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
        self._codes: Codes = np.full(TEXTS + 1, UNSURE, np.int8)  # of texts that the parser has numbered; the last one is for -1
        self._figures = Figures(lambda raw: self._studied(parse_line(raw)) == NOTHING)
        self._untold: list[Remark] = []

    def codes(self, content: bytes, events: Events, begin: int) -> Codes:
        """NOTHING, COMMAND or UNSURE for each of the lines; `begin` is the byte of `content` where theirs count from."""
        if events.text is None:
            get = self._known.get
            begins, ends = (events.begin + begin).tolist(), (events.end + begin).tolist()
            found = [get(content[first:end]) for first, end in zip(begins, ends, strict=True)]
            codes = np.array([one if one.__class__ is int else UNSURE for one in found], np.int8)
        else:
            codes = self._codes[events.text]
        unsure = (codes == UNSURE).nonzero()[0]
        figures = unsure[self._figures.among(content, events.begin[unsure] + begin, events.end[unsure] + begin)]
        codes[figures] = NOTHING
        if events.text is not None:
            numbers = events.text[figures]
            self._codes[numbers[numbers >= 0]] = NOTHING
        return codes

    def number(self, text: int, code: int) -> None:
        """A text that says nothing has this number."""
        if text >= 0:
            self._codes[text] = code

    def study(self, raw: bytes) -> Found:
        """Find out what a text says."""
        found = self._known.get(raw)
        if found is None and self._figures.knows(raw):
            return NOTHING  # there are too many different ones to remember
        if found is None:
            if len(self._known) >= _MAX_TEXTS:
                self.finish()
                self._known.clear()
            found = self._known[raw] = self._studied(parse_line(raw))
        return found

    def _studied(self, line: Line) -> Found:
        code, comment = line.code, line.comment
        if line.defect or not is_clean(comment) or (code and any(judge.remembers(code) for judge in self._judges)):
            return Remark(line, whole=True)
        if not code:
            feature = feature_name(comment)
            return NOTHING if says_nothing(line) else Remark(line, whole=feature is None, feature=feature)
        judges = tuple(judge for judge in self._judges if judge.finds(line))
        if says_nothing(line):
            return Remark(line, judges=judges) if judges else COMMAND
        alone = says_nothing(line._replace(code=""))
        limits = alone and code in _LIMITS
        return Remark(line, whole=not limits, limits=limits, repeatable=alone and code in _REPEATABLE, judges=judges)

    def was_read(self, raw: bytes, remark: Remark) -> None:
        """It went the interpreter's way; where that changes nothing a second time it is passed over from now on."""
        if remark.repeatable:
            self._known[raw] = Remark(remark.line, judges=remark.judges) if remark.judges else COMMAND

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
