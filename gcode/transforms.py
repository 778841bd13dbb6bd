"""Changes of a program on its way into the library, as streams: secrets and pictures out of comments, house start and end blocks.

Everything else stays byte for byte what it was: line ends, bytes that are no text, a missing end of the last line. Memory is
bounded whatever the lines are. `cleaned` puts them together; `gcode.house` has the blocks.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from gcode.house import plan_house_blocks
from gcode.profile import PrinterProfile

_CHUNK_BYTES: Final = 256 * 1024
_MAX_LINE_BYTES: Final = 1024**2  # a longer line is passed on in pieces
SECRETS, THUMBNAILS, START_LINES, END_LINES = "secrets", "thumbnails", "start-lines", "end-lines"

# Settings of PrusaSlicer, SuperSlicer, Orca, Slic3r and their relatives that name a printer's place in a network or open it.
_KEYS: Final = (
    rb"print_?host(?:_(?:apikey|user|password|port|cafile|webui|client_cert(?:_password)?|devicename))?",
    rb"octoprint_(?:host|apikey)",
    rb"flashforge_serial_number",
    rb"physical_printer_settings_id",
    rb"post_process",  # paths of the person's computer, and what is given to the programs there
    rb"serial_port",
)
# Any key that ends in one of these, as plugins and scripts write them.
_WORDS: Final = rb"api[_-]?key|passw(?:or)?d|passwd|secret|access[_-]?code|token|user_?name|printhost_user"
_SECRET: Final = re.compile(
    rb"((?<![a-z0-9_-])(?:%b|[a-z0-9_-]{0,40}(?:%b))[\"']?[ \t]*[=:][ \t]*)([^ \t].*)" % (b"|".join(_KEYS), _WORDS),
    re.IGNORECASE | re.DOTALL,
)
_HINTS: Final = tuple(b"host octoprint serial physical post_process key pass secret code token user /home/".split())
_NOTHING: Final = frozenset({b'""', b"''", b"nil", b"-1", b"0"})  # values that tell nobody anything
# A folder of a person: /home/NAME, /Users/NAME, C:\Users\NAME.
_HOME: Final = re.compile(rb"(/home/|/Users/|[A-Za-z]:\\{1,2}Users\\{1,2})([^/\\\r\n\"';]{1,80})")
_MAX_COMMENT_BYTES: Final = 4_096  # of one comment that are searched; slicers write a setting a line

_PICTURE_BEGIN: Final = re.compile(rb"[ \t]*;\s{0,4}(?:thumbnail(?:_[A-Z]{1,12})?|png|jpg) begin \d{1,5}[x* ]\d{1,5} \d{1,8}\b")
_PICTURE_END: Final = re.compile(rb"[ \t]*;\s{0,4}(?:thumbnail(?:_[A-Z]{1,12})?|png|jpg) end\b")
_PICTURE_LINE: Final = re.compile(
    rb"W22[0-2](?: [0-9a-f]+)?\s*$|;;?[gs]image:|M10086 ;|;\s{0,4}thumbnail: data:image/"
    rb"|M4010 (?:X\d+ Y\d+|I\d+ T\d+ '[0-9a-f]+')\s*$"
)
_PICTURE_HINT: Final = re.compile(rb"(?:thumbnail(?:_[A-Z]{1,12})?|png|jpg) begin |W22[0-2]|image:|M10086|M4010|thumbnail: data")

Counts = Counter[str]


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Read `stream` in pieces that end where a line does, unless the line is longer than a megabyte."""
    carry = b""
    while piece := stream.read(_CHUNK_BYTES):
        carry += piece
        end = carry.rfind(b"\n") + 1
        if end == 0 and len(carry) > _MAX_LINE_BYTES:
            end = len(carry)
        if end:
            yield carry[:end]
            carry = carry[end:]
    if carry:
        yield carry


def strip_secrets(pieces: Iterable[bytes], counts: Counts) -> Iterator[bytes]:
    """Empty the values of settings in comments that open a printer, or that name a person or a place in a network."""
    for piece in pieces:
        # Plain searches first: they pass over a megabyte in milliseconds, an expression would take a hundred.
        if _hinted(piece):
            yield b"".join(_without_secret(line, counts) for line in piece.splitlines(keepends=True))
        else:
            yield piece


def _hinted(text: bytes) -> bool:
    lower = text.lower()
    return any(hint in lower for hint in _HINTS)


def _without_secret(line: bytes, counts: Counts) -> bytes:
    command, mark, comment = line.partition(b";")
    if not mark or not _hinted(comment[:_MAX_COMMENT_BYTES]):
        return line
    end = line[len(line.rstrip(b"\r\n")) :]
    text, rest = comment[:_MAX_COMMENT_BYTES].rstrip(b"\r\n"), comment[_MAX_COMMENT_BYTES:].rstrip(b"\r\n")
    match = _SECRET.search(text)
    if match and match[2].strip() not in _NOTHING:
        counts[SECRETS] += 1
        text, rest = text[: match.start(2)], b""
    text, names = _HOME.subn(rb"\1-", text)
    counts[SECRETS] += names
    return command + mark + text + rest + end


def strip_thumbnails(pieces: Iterable[bytes], counts: Counts) -> Iterator[bytes]:
    """Leave out the pictures that slicers put into comments (and into commands of a display)."""
    inside = False
    goes_on, keep = False, True  # a line over several pieces stays or goes whole: the rest of a comment alone would be a command
    for piece in pieces:
        if not inside and keep and not _PICTURE_HINT.search(piece):
            yield piece
            goes_on = not piece.endswith((b"\n", b"\r"))
            continue
        kept: list[bytes] = []
        for line in piece.splitlines(keepends=True):
            if not goes_on:
                inside, keep = _after_line(line, inside=inside, counts=counts)
            goes_on = not line.endswith((b"\n", b"\r"))
            if keep:
                kept.append(line)
        yield b"".join(kept)


def _after_line(line: bytes, *, inside: bool, counts: Counts) -> tuple[bool, bool]:
    """Whether a picture goes on after this line, and whether the line stays. A picture ends with its mark, or with the comments."""
    if inside:
        if _PICTURE_END.match(line):
            return False, False
        if line.lstrip().startswith(b";"):
            return True, False
    if _PICTURE_BEGIN.match(line):
        counts[THUMBNAILS] += 1
        return True, False
    if _PICTURE_LINE.match(line):
        counts[THUMBNAILS] += not line.startswith((b"W220", b"M10086", b"M4010 I", b"W222"))
        return False, False
    return False, True


class Cleaned(Iterator[bytes]):
    """The pieces of a changed program; `counts` says how often what was changed, complete when the last piece has been read."""

    def __init__(self, pieces: Iterator[bytes], counts: Counts) -> None:
        self._pieces = pieces
        self.counts = counts

    def __next__(self) -> bytes:
        return next(self._pieces)

    def summary(self) -> dict[str, int]:
        """How many secrets, thumbnails, start lines and end lines were taken out; only those that were."""
        return {kind: count for kind, count in sorted(self.counts.items()) if count}


def cleaned(stream: BinaryIO, profile: PrinterProfile | None = None, *, thumbnails: bool = False) -> Cleaned:
    """The program in `stream` (plain G-code) without secrets.

    With a profile whose `house_blocks` is set its start and end code take the place of the file's own; the stream must be one that
    can seek then, is read from its beginning, and several times. `thumbnails`: leave pictures out, too.

    Raises:
        HouseBlocksError: the file's own start and end cannot be told from the rest, or the exchange would change what is printed.

    """
    counts: Counts = Counter()
    pieces = blocks(stream)
    if profile is not None and profile.house_blocks:
        plan = plan_house_blocks(stream, profile)
        counts[START_LINES], counts[END_LINES] = plan.start_lines, plan.end_lines
        pieces = plan.apply(stream)
    steps: list[Callable[[Iterable[bytes], Counts], Iterator[bytes]]] = [strip_secrets]
    if thumbnails:
        steps.append(strip_thumbnails)
    for step in steps:
        pieces = step(pieces, counts)
    return Cleaned(pieces, counts)
