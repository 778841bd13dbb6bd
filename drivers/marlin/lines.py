"""One line on its way to Marlin: comments off, number and checksum on, length checked.

Marlin strips comments before it verifies the checksum, loses the checksum of a line longer than its 96-byte buffer (it then asks
for it again for ever), and knows neither lower case nor an empty line (measured on bugfix-2.1.x).
"""

import re
from typing import Final, NamedTuple

MAX_FRAME_BYTES: Final = 94  # with number and checksum, without the line end; Marlin's MAX_CMD_SIZE is 96
MAX_COMMAND_BYTES: Final = MAX_FRAME_BYTES - len(b"N9999999 *255")
PROBE_NUMBER: Final = 2_000_000_000  # never a real line: the answer tells the last number that was accepted

MOVES: Final = frozenset({b"G0 ", b"G1 ", b"G2 ", b"G3 "})  # as slicers write them; only these are sent beside others
_PLAIN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-. "  # what a move of a slicer is made of
# Marlin answers these only when they are through: nothing may wait behind them, or M108 and M112 are not seen (measured)
BLOCKING: Final = frozenset({b"G4", b"G28", b"G29", b"G34", b"M0", b"M1", b"M109", b"M190", b"M191", b"M303", b"M400", b"M600"})
# Waits that M108 ends
BREAKABLE: Final = frozenset({b"M0", b"M1", b"M109", b"M190", b"M191", b"M303", b"M600"})
# Line numbers, reports, the dead man's switch and the baud rate are ours: the same words in a file would cut the connection
HOST_OWNED: Final = frozenset({b"M85", b"M110", b"M113", b"M154", b"M155", b"M575"})

# Words, names and files follow these: their case is theirs
FREE_TEXT: Final = frozenset(
    {b"M0", b"M1", b"M16", b"M23", b"M28", b"M30", b"M32", b"M33", b"M117", b"M118", b"M486", b"M928"}
    | {b"M81%d" % digit for digit in range(10)}  # macros
)
_WORD: Final = re.compile(rb"[A-Za-z]\d+")
_ZEROS: Final = re.compile(rb"^([A-Z]) *0*(\d)")  # `G01`, `M 104`: Marlin takes them for G1 and M104
_NUMBERED: Final = re.compile(rb"^N\d+\s*(.*?)\s*(?:\*\d+)?$", re.IGNORECASE)
# `M104 s200`: Marlin knows capitals only. Letters with at most a number: what else stands there is a text, and stays
_NUMBERS: Final = re.compile(rb"M\d+(?:\.\d+)?(?: *[A-Za-z](?:[-+]?[0-9.]+|(?![A-Za-z])))* *$")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


_ENDS: Final = tuple(b"*%d\n" % value for value in range(256))  # a checksum as it stands at the end of a line


class LineError(ValueError):
    """A line cannot be sent; the message says why, `french` in French. Both follow on "Line 7 of frame.gcode" or "The line"."""

    def __init__(self, english: str, french: str) -> None:
        super().__init__(english)
        self.french = french


class Frame(NamedTuple):
    """A line with its number. `offset` is where it ends in the file, None for our own lines."""

    number: int
    command: bytes
    offset: int | None = None
    blocking: bool = False
    fence: bool = False


class ProgramLine(NamedTuple):
    """A command of a file, and where in the file the line ends (bytes); None for a line of ours."""

    command: bytes
    end_offset: int | None


def word(command: bytes) -> bytes:
    """The command word: `G1` of `G1 X5`, empty when there is none."""
    match = _WORD.match(command)
    return match.group() if match else b""


def checksum(text: bytes) -> int:
    """All of up to 128 bytes combined by exclusive or, as Marlin computes it. Halves are folded on each other: 1 us, not 3."""
    folded = int.from_bytes(text, "big")
    if len(text) > 64:
        folded ^= folded >> 512
    folded ^= folded >> 256
    folded ^= folded >> 128
    folded ^= folded >> 64
    folded ^= folded >> 32
    folded ^= folded >> 16
    return (folded ^ folded >> 8) & 0xFF


def frame(number: int, command: bytes) -> bytes:
    """The bytes of a numbered line, with its checksum and line end."""
    text = b"N%d %s" % (number, command)
    return text + _ENDS[checksum(text)]


def probe() -> bytes:
    r"""A question that executes nothing: Marlin answers `Last Line: K`. The leading line end closes a line that was cut."""
    return b"\n" + frame(PROBE_NUMBER, b"M105")


def prepare(raw: bytes) -> bytes:
    """The command that a line of a file asks for, or empty when it asks for nothing or for what only the host may say.

    Raises:
        LineError: longer than Marlin takes, binary, or not a command.

    """
    text = raw.strip()
    if text[:3] in MOVES and not text.translate(None, _PLAIN) and len(text) <= MAX_COMMAND_BYTES:
        return text  # nearly all lines: none of what follows would find anything in them
    text = text.partition(b";")[0].strip()
    if not text or text[:1] in {b"(", b"%"}:
        return b""
    if text[:1] in {b"N", b"n"}:
        numbered = _NUMBERED.match(text)
        text = numbered.group(1) if numbered else text
    if _CONTROL.search(text):
        raise LineError("holds binary data", "contient des données binaires")
    if not text[:1].isalpha():
        raise LineError(f"is not a G-code command: {shown(text)}", f"n'est pas une commande G-code : {shown(text)}")
    text = text[:1].upper() + text[1:] if text[:1] in b"Mm" else text.upper()
    if text[1:2] == b" " or (text[1:2] == b"0" and text[2:3].isdigit()):
        text = _ZEROS.sub(rb"\1\2", text, count=1)
    if text[:1] == b"M" and _NUMBERS.match(text) and word(text) not in FREE_TEXT:
        text = text.upper()
    if word(text) in HOST_OWNED:
        return b""
    if len(text) > MAX_COMMAND_BYTES:
        raise LineError(
            f"is {len(text)} bytes long without its comment, the firmware takes {MAX_COMMAND_BYTES}: {shown(text)}",
            f"fait {len(text)} octets sans son commentaire, le micrologiciel en accepte {MAX_COMMAND_BYTES} : {shown(text)}",
        )
    return text


def shown(text: bytes) -> str:
    """A short printable form of untrusted bytes."""
    return repr(text[:40].decode("utf-8", "replace"))
