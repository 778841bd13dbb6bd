"""Reads G-code line by line from a binary file object, in bounded memory whatever the file holds.

The syntax is the one Marlin reads (https://marlinfw.org/meta/gcode/): a letter and a number, parameters of a letter and an optional
decimal number without exponent, `;` begins a comment, `N<number> ... *<checksum>` wraps a line recorded from a serial port.
A carriage return ends a line as well as a line feed does, because it does so in the firmware: nothing hides behind one here.
Parentheses are no comments, as in Marlin. Klipper's extended commands (https://www.klipper3d.org/G-Codes.html) are a word with
arguments `KEY=VALUE`: at least two letters or `_`, then digits too. Klipper calls no name that goes on behind a digit
(https://www.klipper3d.org/Command_Templates.html, naming of macros): such a word is on no list, and nobody's macro there.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import reduce
from operator import xor
from typing import Final, NamedTuple, Protocol

MAX_LINE_BYTES: Final = 256  # Marlin's own buffer is 96; comments may be longer and are cut here
MAX_NUMBER: Final = 1e6  # no coordinate, feed rate or temperature of a desktop printer is near it
MAX_MOVE_BYTES: Final = 80  # Marlin forgets what is behind the 95th byte; a number and a checksum in front and behind take 13
MOVES: Final = frozenset({"G0", "G1", "G2", "G3"})
ARCS: Final = frozenset({"G2", "G3"})
MAX_BEFORE_WORDS: Final = 32  # characters in front of words for people, spaces included: where a long line is cut depends on it
_CHUNK_BYTES: Final = 64 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OUTLINES: Final = "EXCLUDE_OBJECT"  # what it and its like are told harms nobody
_OUTLINE: Final = "EXCLUDE_OBJECT_DEFINE"  # its polygon may be longer than any line that a firmware has to hold
_TEXT_CODES: Final = frozenset({"M16", "M23", "M28", "M30", "M32", "M117", "M118", "M928"})  # what follows is no parameter
_NO_PARAMETERS: Final[dict[str, float]] = {}

_FLAGS: Final = re.ASCII | re.IGNORECASE
_NUMBER: Final = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
_SMALL_NUMBER: Final = r"[-+]?(?:\d{1,6}(?:\.\d*)?|\.\d+)"  # below MAX_NUMBER
_PLAIN_MOVE: Final = re.compile(rf"(G[0-3])((?: [XYZEFIJR]{_SMALL_NUMBER})+) ?\r?\n?", re.ASCII)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_COMMAND: Final = re.compile(r"\s*([A-Z])\s*(-?\d+(?:\.\d+)?)\s*(.*)", _FLAGS | re.DOTALL)
_WORD: Final = re.compile(r"\s*([A-Z_][A-Z_][A-Z0-9_]*)(?:\s+(.*))?", _FLAGS | re.DOTALL)
_ARGUMENT: Final = r"""([A-Z_][A-Z0-9_]*)=("[^"]*"|'[^']*'|[^\s"']*)"""
_ARGUMENTS: Final = re.compile(rf"(?:{_ARGUMENT}(?:\s+|$))*", _FLAGS)
_ONE_ARGUMENT: Final = re.compile(_ARGUMENT, _FLAGS)
_NUMBERED: Final = re.compile(r"\s*N\s*-?\d+\s*", _FLAGS)
_PARAMETER: Final = re.compile(rf"([A-Z])\s*({_NUMBER})?", _FLAGS)
_NUMBERS_ONLY: Final = re.compile(rf"(?:[A-Z]\s*{_NUMBER}\s*)*", _FLAGS)
_EXPONENT: Final = re.compile(r"\de[-+]?\d|\dE\+\d")  # X1e-05 is a number of a program; X1E-.5 is two words without a space
_QUOTED: Final = re.compile(r'"[^"]*"')
_STRICT_CODES: Final = MOVES | {"G5"}
# Heat, positions, modes and limits: firmwares differ in what they make of anything but capitals, each once, with plain numbers
_EXACT_CODES: Final = frozenset(
    {
        *("G4", "G10", "G11", "G17", "G18", "G19", "G20", "G21", "G28", "G54", "G90", "G91", "G92", "M17"),
        *("M18", "M82", "M83", "M84", "M85", "M104", "M109", "M140", "M141", "M149", "M190", "M191", "M200", "M201"),
        *("M202", "M203", "M204", "M205", "M207", "M208", "M209", "M211", "M220", "M221", "M290", "M302", "M564", "M566"),
        *("M568", "M900"),
    }
)
_EXACT_WORDS: Final = re.compile(rf"(?:[A-Z] *(?:{_NUMBER})? *)*", re.ASCII)
_MISREAD: Final = re.compile(r"[\d.]E[-+]?\d|(?<![\d.])0X")  # 2E2, 2.E2 and 0X1F, which some firmwares take for one number
# the same where it depends on the firmware which number it is; E0 and E0.5 behind a digit change nothing
_TIGHT: Final = re.compile(r"[\d.]E[-+]?0*[1-9]|(?<![\d.])0X", _FLAGS)
_UNUSUAL: Final = re.compile(r"[^XYZEFIJKR\d\s.+-]")  # in a move: a word for an axis or a tool that we do not know
# RepRapFirmware obeys several commands of a line, and Prusa's 8-bit firmware looks for a G anywhere in it
_SECOND: Final = re.compile(r"[GM] *\d", _FLAGS)
_OTHER_MOVE: Final = re.compile(r"[GMNTHa-z]")  # G1 H1 and H2 know no limits on RepRapFirmware; Marlin may know no small letters
_SILENT_CODES: Final = (_TEXT_CODES - {"M118"}) | {"M0", "M1"}  # words for people ("insert M3 nuts"), and names of files
_NAMING: Final = "M486"  # A and what follows is the name of a part
WORDY_CODES: Final = _SILENT_CODES | {"M118", _NAMING}
_MACRO: Final = "M98"  # RepRapFirmware, alone: the name of a file, in quotes, may have the form of a command
_FREE_CODES: Final = _SILENT_CODES | {_NAMING}  # a second command in them is a matter of the firmware, which rules know
_NAME: Final = re.compile(r"[AN].*", _FLAGS | re.DOTALL)
_MAX_EXACT_BYTES: Final = 64  # Marlin forgets what is behind the 95th byte of a line, number and checksum included


class ByteSource(Protocol):
    """Anything that gives bytes in pieces: a file, a decompressing stream."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Defect(StrEnum):
    """Why a line cannot be understood or trusted."""

    TOO_LONG = "too-long"
    BINARY = "binary"
    NOT_TEXT = "not-text"
    NOT_A_COMMAND = "not-a-command"
    BAD_CHECKSUM = "bad-checksum"
    ABSURD_NUMBER = "absurd-number"
    DOUBTFUL = "doubtful"  # firmwares read the line in different ways
    UNREADABLE_NUMBER = "unreadable-number"  # in a move: a word without a number, an exponent, a decimal comma, rubbish


class Line(NamedTuple):
    """One line: its number (from 1), its byte offset in the file, and what it says.

    `code` is normalised (`G1`, `M862.3`, `T0`, or Klipper's `SET_FAN_SPEED`) and empty when the line has no command. A parameter
    without a number is 0.0, as in Marlin. `text` is the argument text as it stands, for commands that take a string; the
    arguments of an extended command are only there (`arguments` reads them). `text` and `comment` are untrusted.
    `tight` is the whole command as it stands, where that matters: a number runs into an E or an X, or a move has a word that is
    none of ours. We obey such a line as it is meant; whether the firmware of a printer does too, the rules say (`joined-words`).
    """

    number: int
    offset: int
    code: str
    parameters: dict[str, float]
    text: str
    comment: str
    defect: Defect | None = None
    tight: str = ""


def arguments(text: str) -> dict[str, str]:
    """The `KEY=VALUE` arguments of an extended command, keys in upper case. Values are untrusted text."""
    return {key.upper(): value.strip("\"'") for key, value in _ONE_ARGUMENT.findall(text)}


def number_in(values: dict[str, str], key: str) -> float | None:
    """The number that an argument of an extended command is; None when it is missing, no decimal number, or absurd."""
    text = values.get(key, "")
    if not re.fullmatch(_NUMBER, text, re.ASCII):
        return None
    value = float(text)
    return value if abs(value) <= MAX_NUMBER else None


def _checked_body(body: str) -> tuple[str, Defect | None]:
    """Take the number and checksum off a recorded line."""
    numbered = _NUMBERED.match(body)
    if numbered is None:
        return body, None
    body_end = body.rfind("*")
    if body_end < 0:
        return body[numbered.end() :], None
    claimed = body[body_end + 1 :].strip()
    actual = reduce(xor, body[:body_end].encode(), 0)
    defect = None if claimed == str(actual) else Defect.BAD_CHECKSUM
    return body[numbered.end() : body_end], defect


def _parameters(code: str, letter: str, text: str) -> tuple[dict[str, float], Defect | None]:
    if code in _TEXT_CODES:
        return _NO_PARAMETERS, None
    bare = _QUOTED.sub("", text) if '"' in text else text
    if code == _NAMING:
        bare = _NAME.sub("", text)
    values = {key.upper(): float(number) if number else 0.0 for key, number in _PARAMETER.findall(bare)}
    if any(abs(value) > MAX_NUMBER for value in values.values()):
        return values, Defect.ABSURD_NUMBER
    if code in _STRICT_CODES and (_NUMBERS_ONLY.fullmatch(text) is None or (letter == "G" and _EXPONENT.search(text))):
        return values, Defect.UNREADABLE_NUMBER
    return values, None


def _has_two_letters(text: str) -> bool:
    """Whether a letter stands in it twice."""
    letters = [character for character in text if character.isalpha()]
    return len(letters) > len(set(letters))


def has_no_centre(code: str, parameters: dict[str, float]) -> bool:
    """Whether a move is an arc that names no circle, or names it twice: Marlin and RepRapFirmware refuse it, others go straight."""
    if code not in ARCS:
        return False
    by_offset = bool(parameters.get("I") or parameters.get("J") or parameters.get("K"))
    return by_offset if parameters.get("R") else "R" in parameters or not by_offset


def _is_doubtful_move(code: str, letter: str, text: str, parameters: dict[str, float], size: int) -> bool:
    """The same for what moves: what else it may hold is said by `_parameters`. Prusa's 8-bit firmware obeys no `g1`."""
    return (
        size > MAX_MOVE_BYTES
        or letter.islower()
        or _OTHER_MOVE.search(text) is not None
        or _has_two_letters(text)
        or has_no_centre(code, parameters)
    )


def _is_doubtful(code: str, letter: str, text: str, size: int) -> bool:
    """Whether a command may mean something else to another firmware than to us.

    Marlin knows capitals only, skips spaces but no tabs, stops at `*`, knows no quotes and no parentheses; Prusa's 8-bit firmware
    takes the first of two equal letters, quoted or not, others the last; some read `S2E2` as 200 and `S0x1F` as 31.
    """
    searched = _QUOTED.sub("", text) if code == _MACRO else text
    if letter.islower() or (code not in _FREE_CODES and _SECOND.search(searched) is not None):
        return True
    if code not in _EXACT_CODES and letter != "T":
        return False
    return (
        size > _MAX_EXACT_BYTES
        or _has_two_letters(text)
        or _EXACT_WORDS.fullmatch(text) is None
        or _MISREAD.search(text) is not None
    )


def _code(letter: str, number: str) -> str:
    whole, _, part = number.partition(".")
    return f"{letter.upper()}{int(whole)}.{part}" if part else f"{letter.upper()}{int(whole)}"


def _word(body: str) -> tuple[str, str] | None:
    """Name and arguments of an extended command, or None."""
    match = _WORD.fullmatch(body)
    if match is None:
        return None
    text = (match[2] or "").rstrip()
    return (match[1].upper(), text) if _ARGUMENTS.fullmatch(text) else None


def _is_doubtful_word(name: str, text: str) -> bool:
    """Whether Klipper may take other arguments from it than we do: behind # it reads none, and of two equal ones the last."""
    if name.startswith(_OUTLINES):
        return False
    keys = [key.upper() for key, _ in _ONE_ARGUMENT.findall(text)]
    return len(keys) > len(set(keys)) or "#" in _QUOTED.sub("", text)


def _tight(code: str, body: str, text: str) -> str:
    """See `Line.tight`."""
    if code in WORDY_CODES:
        return ""
    unusual = code in MOVES and _UNUSUAL.search(text.replace("P", "") if code in ARCS else text) is not None
    bare = _QUOTED.sub("", body) if '"' in body else body
    return body.strip() if unusual or _TIGHT.search(bare) else ""


def _long_line(body: bytes, number: int, offset: int) -> Line:
    start = body.lstrip()[: len(_OUTLINE) + 1].decode("ascii", "replace").upper()
    if start.rstrip() == _OUTLINE and not _CONTROL.search(body):
        text = body.decode("utf-8", "replace").strip()[len(_OUTLINE) :].strip()
        return Line(number, offset, _OUTLINE, _NO_PARAMETERS, text, "")
    defect = Defect.BINARY if _CONTROL.search(body) else Defect.TOO_LONG  # zeros of a power cut are no long command
    return Line(number, offset, "", _NO_PARAMETERS, "", "", defect)


def _command(body: str, comment: str, number: int, offset: int) -> Line:
    """A body that is text: a command, an extended command, or neither."""
    size = len(body.rstrip())
    body, defect = _checked_body(body)
    match = _COMMAND.match(body)
    if match is None:
        word = None if defect else _word(body)
        if word is None:
            return Line(number, offset, "", _NO_PARAMETERS, body.strip(), comment, defect or Defect.NOT_A_COMMAND)
        wrong = Defect.DOUBTFUL if _is_doubtful_word(*word) else None
        return Line(number, offset, word[0], _NO_PARAMETERS, word[1], comment, wrong)
    code, text = _code(match[1], match[2]), match[3].rstrip()
    parameters, wrong = _parameters(code, match[1], text)
    if wrong is None and code in _STRICT_CODES:
        wrong = Defect.DOUBTFUL if _is_doubtful_move(code, match[1], text, parameters, size) else None
    elif wrong is None and (
        _is_doubtful(code, match[1], text, len(body.strip())) or (code in WORDY_CODES and size - len(text) > MAX_BEFORE_WORDS)
    ):
        wrong = Defect.DOUBTFUL
    wrong = defect or wrong
    return Line(number, offset, code, parameters, text, comment, wrong, _tight(code, body, text) if wrong is None else "")


def parse_line(raw: bytes, number: int = 1, offset: int = 0) -> Line:
    """Understand one line (its end may be on it). Never raises: what cannot be understood is a `Defect`."""
    if raw[:1] == b"G" and len(raw) <= MAX_MOVE_BYTES:
        plain = _PLAIN_MOVE.fullmatch(raw.decode("latin-1"))
        if plain:
            words = plain[2]
            values = {word[0]: float(word[1:]) for word in words.split()}
            if len(values) == words.count(" ") and not has_no_centre(plain[1], values):
                return Line(number, offset, plain[1], values, words[1:], "")
    body, _, comment_bytes = raw.rstrip(b"\r\n").partition(b";")
    comment = comment_bytes.decode("utf-8", "replace").strip()
    if not body or body.isspace():
        defect = Defect.BINARY if _CONTROL.search(raw) else None
        return Line(number, offset, "", _NO_PARAMETERS, "", comment, defect)
    if len(body) > MAX_LINE_BYTES:
        return _long_line(body, number, offset)
    text = body.decode("utf-8", "replace")
    if _CONTROL.search(raw) or "\ufffd" in text:
        defect = Defect.BINARY if _CONTROL.search(raw) else Defect.NOT_TEXT
        return Line(number, offset, "", _NO_PARAMETERS, text.strip(), comment, defect)
    return _command(text, comment, number, offset)


def _pieces(stream: ByteSource) -> Iterator[tuple[bytes, int]]:
    """Give `(line, its whole length in bytes)`; a line is cut after MAX_LINE_BYTES + 1 bytes while its length goes on counting."""
    carry, skipped = b"", 0
    while chunk := stream.read(_CHUNK_BYTES):
        *lines, carry = (carry + chunk).splitlines(keepends=True)
        if carry.endswith(b"\n"):
            lines.append(carry)
            carry = b""
        for line in lines:
            yield line[: MAX_LINE_BYTES + 1], len(line) + skipped
            skipped = 0
        if len(carry) > MAX_LINE_BYTES + 1 and not carry.endswith(b"\r"):
            skipped += len(carry) - MAX_LINE_BYTES - 1
            carry = carry[: MAX_LINE_BYTES + 1]
    if carry:
        yield carry[: MAX_LINE_BYTES + 1], len(carry) + skipped


def read_lines(stream: ByteSource) -> Iterator[Line]:
    """Read every line of `stream` from where it stands; offsets count from there.

    Holds at most one chunk of 64 KiB. A carriage return at the very end of a chunk waits for the next one, so CR LF is one end.
    """
    offset = 0
    for number, (raw, length) in enumerate(_pieces(stream), 1):
        content = raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
        yield parse_line(content, number, offset)
        offset += length
