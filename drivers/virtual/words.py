"""A G-code line as Marlin's parser reads it."""

import re
from dataclasses import dataclass
from typing import Final

_NUMBERED: Final = re.compile(r"N[-+]?\d+ *")
_CODE: Final = re.compile(r"([GMT])(\d+)(?:\.\d+)? *")
_WORD: Final = re.compile(r"([A-Z]) *([-+]?(?:\d+\.?\d*|\.\d+))?")

# These take text behind the code, which is not a list of parameters.
_TEXT_CODES: Final = frozenset({"M117", "M118", "M0", "M1"})


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `code` is empty when the line is none (`hello`, lower case); `text` is what an error message quotes."""

    code: str
    text: str
    rest: str  # what follows the code
    words: dict[str, float | None]  # parameters; None for a letter without a number

    def number(self, letter: str, default: float) -> float:
        """The value of a parameter; `default` when it is missing or has no number."""
        value = self.words.get(letter)
        return default if value is None else value


def read_command(line: str) -> Command:
    """Read a checked line: line number and checksum are taken off, parameters are split."""
    if line[:1] == "N" and (numbered := _NUMBERED.match(line)):
        line = line[numbered.end() :]
    star = line.find("*")
    if star >= 0:
        line = line[:star].rstrip(" ")
    head = _CODE.match(line)
    if head is None:
        return Command("", line, "", {})
    code = f"{head[1]}{int(head[2])}"
    rest = line[head.end() :]
    if code in _TEXT_CODES:
        return Command(code, line, rest, {})
    return Command(code, line, rest, {letter: float(value) if value else None for letter, value in _WORD.findall(rest)})
