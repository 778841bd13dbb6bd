"""Reads G-code line by line from a binary file object, in bounded memory whatever the file holds.

The syntax is the one Marlin reads (https://marlinfw.org/meta/gcode/): a letter and a number, parameters of a letter and an optional
decimal number without exponent, `;` begins a comment, `N<number> ... *<checksum>` wraps a line recorded from a serial port.
A carriage return ends a line as well as a line feed does, because it does so in the firmware: nothing hides behind one here.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import reduce
from operator import xor
from typing import Final, NamedTuple, Protocol

MAX_LINE_BYTES: Final = 256  # Marlin's own buffer is 96; comments may be longer and are cut here
MAX_NUMBER: Final = 1e6  # no coordinate, feed rate or temperature of a desktop printer is near it
_CHUNK_BYTES: Final = 64 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_COMMAND: Final = re.compile(r"\s*([A-Z])\s*(-?\d+(?:\.\d+)?)\s*(.*)", re.IGNORECASE | re.DOTALL)
_NUMBERED: Final = re.compile(r"\s*N\s*-?\d+\s*", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")


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


class Line(NamedTuple):
    """One line: its number (from 1), its byte offset in the file, and what it says.

    `code` is normalised (`G1`, `M862.3`, `T0`) and empty when the line has no command. A parameter without a number is 0.0, as in
    Marlin. `text` is the argument text as it stands, for commands that take a string. `text` and `comment` are untrusted.
    """

    number: int
    offset: int
    code: str
    parameters: dict[str, float]
    text: str
    comment: str
    defect: Defect | None = None


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


def _parameters(text: str) -> tuple[dict[str, float], Defect | None]:
    values = {letter: float(number) if number else 0.0 for letter, number in _PARAMETER.findall(text)}
    absurd = any(abs(value) > MAX_NUMBER for value in values.values())
    return values, Defect.ABSURD_NUMBER if absurd else None


def _code(letter: str, number: str) -> str:
    whole, _, part = number.partition(".")
    return f"{letter.upper()}{int(whole)}.{part}" if part else f"{letter.upper()}{int(whole)}"


def parse_line(raw: bytes, number: int = 1, offset: int = 0) -> Line:
    """Understand one line (its end may be on it). Never raises: what cannot be understood is a `Defect`."""
    body_bytes, _, comment_bytes = raw.rstrip(b"\r\n").partition(b";")
    comment = comment_bytes.decode("utf-8", "replace").strip()
    if not body_bytes or body_bytes.isspace():
        defect = Defect.BINARY if _CONTROL.search(raw) else None
        return Line(number, offset, "", {}, "", comment, defect)
    if len(body_bytes) > MAX_LINE_BYTES:
        return Line(number, offset, "", {}, "", "", Defect.TOO_LONG)
    body = body_bytes.decode("utf-8", "replace")
    if _CONTROL.search(raw) or "\ufffd" in body:
        defect = Defect.BINARY if _CONTROL.search(raw) else Defect.NOT_TEXT
        return Line(number, offset, "", {}, body.strip(), comment, defect)
    body, defect = _checked_body(body)
    match = _COMMAND.match(body)
    if match is None:
        return Line(number, offset, "", {}, body.strip(), comment, defect or Defect.NOT_A_COMMAND)
    text = match[3]
    parameters, absurd = _parameters(text.upper())
    return Line(number, offset, _code(match[1], match[2]), parameters, text.rstrip(), comment, defect or absurd)


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
