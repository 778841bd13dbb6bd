"""Pictures that slicers put into a file: found, and made safe to show. docs/gcode.md lists the ways to write one.

Nothing of a stranger's file reaches a browser as it was: a picture is decoded within limits and encoded anew, or dropped with a
reason. Decoding needs Pillow, which only the daemon has; finding needs nothing.
"""

import base64
import binascii
import io
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from gcode.containers import OpenedProgram, RawThumbnail, open_program

if TYPE_CHECKING:
    from PIL.Image import Image

Thumbnail = RawThumbnail

SEARCHED_BYTES: Final = 4 * 1024**2  # slicers write pictures at the beginning; four of 480 x 240 are half a megabyte
MAX_BYTES: Final = 2 * 1024**2  # of one picture
MAX_PIXELS: Final = 4_000_000
MAX_QOI_PIXELS: Final = 500_000  # Pillow decodes it in Python: a second for this many
MAX_THUMBNAILS: Final = 16
MAX_SIDE_PX: Final = 1_024  # of what is shown

_MAX_BASE64: Final = (MAX_BYTES + 2) // 3 * 4
_MAX_LINE_BYTES: Final = 3 * 1024**2  # a picture of Snapmaker's is one line
_BEGIN: Final = re.compile(rb";\s{0,4}(thumbnail(_JPG|_QOI)?|png|jpg) begin (\d{1,5})[x*](\d{1,5}) (\d{1,8})\b")
_END: Final = re.compile(rb";\s{0,4}(thumbnail(_JPG|_QOI)?|png|jpg) end\b")
_DATA_URL: Final = re.compile(rb";\s{0,4}thumbnail: data:image/(png|jpeg|jpg);base64,([A-Za-z0-9+/=]{4,})\s*$")
_WEEDO: Final = re.compile(rb"W220 ([0-9a-f]{2,400})\s*$")
_MKS: Final = re.compile(rb";;?([gs])image:([0-9a-f]{8,})\s*$")
_MKS_MORE: Final = re.compile(rb"M10086 ;([0-9a-f]{8,})\s*$")
_QIDI_SIZE: Final = re.compile(rb"M4010 X(\d{1,4}) Y(\d{1,4})\s*$")
_QIDI: Final = re.compile(rb"M4010 I\d{1,8} T\d{1,8} '([0-9a-f]{4,400})'\s*$")
_MARKS: Final = (
    b"; thumbnail",
    b";thumbnail",
    b"; png",
    b";png",
    b"; jpg",
    b";jpg",
    b"W220 ",
    b";gimage:",
    b";simage:",
    b";;gimage:",
    b"M4010 X",
)
_FORMATS: Final = {b"thumbnail": "png", b"png": "png", b"thumbnail_JPG": "jpg", b"jpg": "jpg", b"thumbnail_QOI": "qoi"}
_PILLOW_NAMES: Final = {"png": "PNG", "jpg": "JPEG", "qoi": "QOI"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture made anew from what was decoded: safe to show."""

    format: str  # "png" or "jpeg"
    width_px: int
    height_px: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why a picture is not shown, in English and French."""

    reason: str
    reason_fr: str


class _Lines:
    """Lines of the text with their offsets, up to SEARCHED_BYTES."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._again = b""
        self.offset = 0  # of the line that comes next

    def __iter__(self) -> Iterator[bytes]:
        while self.offset < SEARCHED_BYTES and (line := self._again or self._stream.readline(_MAX_LINE_BYTES)):
            self._again = b""
            self.offset += len(line)
            yield line

    def give_back(self, line: bytes) -> None:
        """The line that was just read belongs to something else: it comes again."""
        self._again = line
        self.offset -= len(line)


def thumbnails(stream: BinaryIO) -> list[Thumbnail]:
    """The pictures of a file of any kind: those of its container, then those in comments at the beginning of its text.

    Raises:
        ContainerError: the file cannot be opened or read.

    """
    return thumbnails_of(open_program(stream))


def thumbnails_of(program: OpenedProgram) -> list[Thumbnail]:
    """The pictures of an opened program; its text is read up to SEARCHED_BYTES and cannot be read again.

    Raises:
        ContainerError: the file is damaged.

    """
    lines = _Lines(program.stream)
    found = list(program.thumbnails)
    rest = iter(lines)
    for line in rest:
        if not line.startswith(_MARKS):
            continue
        for pattern, take in _TAKERS:
            match = pattern.match(line)
            picture = take(match, rest, lines) if match else None
            if picture is not None:
                found.append(picture)
                break
        if len(found) >= MAX_THUMBNAILS:
            break
    return found[:MAX_THUMBNAILS]


def _take_block(match: re.Match[bytes], rest: Iterator[bytes], lines: _Lines) -> Thumbnail | None:
    """Base64 in comments up to the mark of the end. What is no base64 stays in: decoding says so."""
    offset = lines.offset
    encoded = bytearray()
    for line in rest:
        if _END.match(line):
            break
        if not line.startswith(b";"):
            lines.give_back(line)
            break
        encoded += line[1:].strip()
        if len(encoded) > _MAX_BASE64:
            return Thumbnail("large", int(match[3]), int(match[4]), b"", offset)
    claimed = int(match[5])
    try:
        data = base64.b64decode(bytes(encoded), validate=True)
    except binascii.Error:
        return Thumbnail("base64", int(match[3]), int(match[4]), b"", offset)
    if claimed not in {len(encoded), len(data), len(encoded.rstrip(b"="))}:
        return Thumbnail("length", int(match[3]), int(match[4]), b"", offset)
    return Thumbnail(_FORMATS[match[1]], int(match[3]), int(match[4]), data, offset)


def _take_data_url(match: re.Match[bytes], _rest: Iterator[bytes], lines: _Lines) -> Thumbnail | None:
    offset = lines.offset - len(match.string) + match.start(2)
    try:
        data = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return Thumbnail("base64", 0, 0, b"", offset)
    return Thumbnail("png" if match[1] == b"png" else "jpg", 0, 0, data, offset)


def _hexadecimal(first: bytes, pattern: re.Pattern[bytes], rest: Iterator[bytes], lines: _Lines) -> bytes:
    """The digits of this line and of the lines of that pattern behind it. An odd digit at the end is left out."""
    digits = bytearray(first)
    for line in rest:
        match = pattern.match(line)
        if match is None or len(digits) > 2 * MAX_BYTES:
            lines.give_back(line)
            break
        digits += match[1]
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))


def _take_weedo(match: re.Match[bytes], rest: Iterator[bytes], lines: _Lines) -> Thumbnail | None:
    offset = lines.offset - len(match.string) + match.start(1)
    return Thumbnail("jpg", 0, 0, _hexadecimal(match[1], _WEEDO, rest, lines), offset)


def _take_mks(match: re.Match[bytes], rest: Iterator[bytes], lines: _Lines) -> Thumbnail | None:
    """Rows of a square picture, two bytes a pixel."""
    offset = lines.offset - len(match.string) + match.start(2)
    data = _hexadecimal(match[2], _MKS_MORE, rest, lines)
    side_px = int((len(data) // 2) ** 0.5)
    return Thumbnail("rgb565", side_px, side_px, data, offset)


def _take_qidi(match: re.Match[bytes], rest: Iterator[bytes], lines: _Lines) -> Thumbnail | None:
    offset = lines.offset
    return Thumbnail("rgb565-runs", int(match[1]), int(match[2]), _hexadecimal(b"", _QIDI, rest, lines), offset)


_Taker = Callable[[re.Match[bytes], Iterator[bytes], _Lines], Thumbnail | None]
_TAKERS: Final[tuple[tuple[re.Pattern[bytes], _Taker], ...]] = (
    (_BEGIN, _take_block),
    (_DATA_URL, _take_data_url),
    (_WEEDO, _take_weedo),
    (_MKS, _take_mks),
    (_QIDI_SIZE, _take_qidi),
)

_BAD_BASE64: Final = Dropped("its base64 is wrong", "son base64 est faux")
_BAD_LENGTH: Final = Dropped("it has not the length that it claims", "elle n'a pas la longueur annoncée")
_TOO_LARGE: Final = Dropped("it is too large", "elle est trop grande")
_UNREADABLE: Final = Dropped("it cannot be decoded", "elle ne se décode pas")
_OTHER_SIZE: Final = Dropped("it has not the size that it claims", "elle n'a pas la taille annoncée")
_UNKNOWN: Final = Dropped("its format is unknown", "son format est inconnu")
_NO_PILLOW: Final = Dropped("this installation has no Pillow", "cette installation n'a pas Pillow")
_NEVER: Final = {"base64": _BAD_BASE64, "length": _BAD_LENGTH, "large": _TOO_LARGE}


def decoded(thumbnail: Thumbnail, *, max_side_px: int = MAX_SIDE_PX) -> Picture | Dropped:
    """The picture as one that may be shown, at most `max_side_px` wide and high; or why it may not. Never raises."""
    if thumbnail.format in _NEVER:
        return _NEVER[thumbnail.format]
    if len(thumbnail.data) > MAX_BYTES or thumbnail.width_px * thumbnail.height_px > MAX_PIXELS:
        return _TOO_LARGE
    try:
        from PIL import Image  # noqa: PLC0415 - heavy, and only the daemon shows pictures
    except ImportError:
        return _NO_PILLOW
    failures = (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        KeyError,
        TypeError,
        struct.error,
        OverflowError,
        MemoryError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _made_anew(thumbnail, max_side_px)
    except failures:  # whatever a decoder stumbles over
        return _UNREADABLE


def _made_anew(thumbnail: Thumbnail, max_side_px: int) -> Picture | Dropped:
    from PIL import Image  # noqa: PLC0415

    if thumbnail.format.startswith("rgb565"):
        return _encoded(_from_pixels(thumbnail), "PNG", max_side_px)
    name = _PILLOW_NAMES.get(thumbnail.format)
    if name is None:
        return _UNKNOWN
    with Image.open(io.BytesIO(thumbnail.data), formats=(name,)) as image:
        width_px, height_px = image.size
        if width_px * height_px > (MAX_QOI_PIXELS if name == "QOI" else MAX_PIXELS):
            return _TOO_LARGE
        if thumbnail.width_px and (width_px, height_px) != (thumbnail.width_px, thumbnail.height_px):
            return _OTHER_SIZE
        image.load()
        return _encoded(image, "JPEG" if name == "JPEG" else "PNG", max_side_px)


def _encoded(image: "Image", name: str, max_side_px: int) -> Picture:
    """Pixels alone go over: no comments, colour profiles or other parts of the file."""
    from PIL import Image  # noqa: PLC0415

    pixels = image.convert("RGB" if name == "JPEG" or image.mode == "RGB" else "RGBA")
    pixels.thumbnail((max_side_px, max_side_px))
    clean = Image.frombytes(pixels.mode, pixels.size, pixels.tobytes())
    output = io.BytesIO()
    clean.save(output, name)
    return Picture(name.lower(), clean.width, clean.height, output.getvalue())


def _from_pixels(thumbnail: Thumbnail) -> "Image":
    """Pixels of 16 bits: MKS writes the low byte first; Qidi the high one, and runs.

    Raises:
        ValueError: there are not as many as the size says.

    """
    from PIL import Image  # noqa: PLC0415

    size = (thumbnail.width_px, thumbnail.height_px)
    if thumbnail.format == "rgb565":
        words = struct.unpack(f"<{len(thumbnail.data) // 2}H", thumbnail.data[: len(thumbnail.data) // 2 * 2])
    else:
        words = _unrun(thumbnail.data, size[0] * size[1])
    if not words or len(words) != size[0] * size[1]:
        raise ValueError("other pixels than the size says")
    colours = {
        word: bytes(((word >> 11) * 255 // 31, (word >> 5 & 63) * 255 // 63, (word & 31) * 255 // 31)) for word in set(words)
    }
    return Image.frombytes("RGB", size, b"".join(map(colours.__getitem__, words)))


def _unrun(data: bytes, most: int) -> tuple[int, ...]:
    """A colour whose lowest bit of green is set is followed by how often it comes, with 0x3000 added."""
    words = struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])
    pixels: list[int] = []
    place = 0
    while place < len(words) and len(pixels) <= most:
        repeated = words[place] & 0x20
        pixels += [words[place]] * (words[place + 1] - 0x3000 if repeated else 1)
        place += 2 if repeated else 1
    return tuple(pixels)


def best(found: list[Thumbnail], *, max_side_px: int = MAX_SIDE_PX) -> Picture | None:
    """The largest of the pictures that can be decoded, for a page; None when there is none."""
    return next((picture for picture in _largest_first(found, max_side_px) if isinstance(picture, Picture)), None)


def why_none(found: list[Thumbnail]) -> Dropped | None:
    """Why the largest of them is not shown; None when it is, or when there is none."""
    first = next(_largest_first(found, MAX_SIDE_PX), None)
    return first if isinstance(first, Dropped) else None


def _largest_first(found: list[Thumbnail], max_side_px: int) -> Iterator[Picture | Dropped]:
    for thumbnail in sorted(found, key=lambda one: (one.width_px * one.height_px, len(one.data)), reverse=True):
        yield decoded(thumbnail, max_side_px=max_side_px)
