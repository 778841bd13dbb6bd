"""What a file is, by its first bytes and never by its name."""

import re
import struct
from enum import StrEnum
from typing import BinaryIO, Final

from gcode.containers.errors import ContainerError

HEAD_BYTES: Final = 64 * 1024


class Kind(StrEnum):
    """A kind of file. The first six can hold a program; the others are named so that people hear what they sent."""

    GCODE = "gcode"
    GZIP = "gzip"
    ZSTD = "zstd"
    BGCODE = "bgcode"
    UFP = "ufp"
    GCODE_3MF = "3mf"
    MODEL_3MF = "3mf-model"
    STL = "stl"
    OBJ = "obj"
    STEP = "step"
    PLY = "ply"
    AMF = "amf"
    PNG = "png"
    JPEG = "jpeg"
    GIF = "gif"
    WEBP = "webp"
    QOI = "qoi"
    PDF = "pdf"
    HTML = "html"
    XML = "xml"
    JSON = "json"
    ZIP = "zip"
    XZ = "xz"
    BZIP2 = "bzip2"
    RAR = "rar"
    SEVEN_ZIP = "7z"
    TAR = "tar"
    UTF_16 = "utf-16"
    TEXT = "text"
    EMPTY = "empty"
    BINARY = "binary"


PROGRAMS: Final = frozenset({Kind.GCODE, Kind.GZIP, Kind.ZSTD, Kind.BGCODE, Kind.UFP, Kind.GCODE_3MF})
_REFUSED_AS: Final[dict[str, tuple[Kind, ...]]] = {
    "model": (Kind.MODEL_3MF, Kind.STL, Kind.OBJ, Kind.STEP, Kind.PLY, Kind.AMF),
    "picture": (Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.QOI),
    "document": (Kind.PDF, Kind.HTML, Kind.XML, Kind.JSON),
    "archive": (Kind.ZIP, Kind.XZ, Kind.BZIP2, Kind.RAR, Kind.SEVEN_ZIP, Kind.TAR),
    "utf-16": (Kind.UTF_16,),
    "text": (Kind.TEXT,),
    "empty": (Kind.EMPTY,),
    "binary": (Kind.BINARY,),
}
_CODES: Final = {kind: code for code, kinds in _REFUSED_AS.items() for kind in kinds}
_MAGICS: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"\x1f\x8b", Kind.GZIP),
    (b"\x28\xb5\x2f\xfd", Kind.ZSTD),
    (b"GCDE", Kind.BGCODE),
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"GIF8", Kind.GIF),
    (b"qoif", Kind.QOI),
    (b"%PDF-", Kind.PDF),
    (b"\xfd7zXZ\x00", Kind.XZ),
    (b"BZh", Kind.BZIP2),
    (b"Rar!\x1a\x07", Kind.RAR),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (b"ISO-10303-21", Kind.STEP),
    (b"\xff\xfe", Kind.UTF_16),
    (b"\xfe\xff", Kind.UTF_16),
)
_TEXTS: Final[tuple[tuple[re.Pattern[bytes], Kind], ...]] = (
    (re.compile(rb"\s*solid\b[^\n]{0,200}\r?\n\s*(facet|endsolid)\b"), Kind.STL),
    (re.compile(rb"ply\r?\nformat "), Kind.PLY),
    (re.compile(rb"\s*<!doctype html|\s*<html", re.IGNORECASE), Kind.HTML),
    (re.compile(rb"\s*(<\?xml[^>]{0,200}\?>)?\s*<amf\b"), Kind.AMF),
    (re.compile(rb"\s*<\?xml\b"), Kind.XML),
    (re.compile(rb'\s*[{\[]\s*["{\[]'), Kind.JSON),
)
_OBJ: Final = re.compile(rb"^v +[-+0-9.eE]+ +[-+0-9.eE]+ +[-+0-9.eE]+", re.MULTILINE)
# A comment as slicers write it, or a command: a letter and a number, perhaps after a line number.
_GCODE_LINE: Final = re.compile(rb"^[ \t]*(;|(N ?-?\d+ ?)?[GMT] ?-?\d)", re.MULTILINE | re.IGNORECASE)
_PRINTABLE: Final = bytes({*range(32, 127), *range(128, 256), *b"\t\n\r\f"})
_STL_HEAD: Final = struct.Struct("<80xI")


def kind_of(head: bytes, size_bytes: int | None = None) -> Kind:
    """What begins with `head` (up to HEAD_BYTES); `size_bytes` of the whole file tells a binary STL. All zips are ZIP here."""
    if not head:
        return Kind.EMPTY
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind.WEBP
    if head[257:262] == b"ustar":
        return Kind.TAR
    if _binary_stl(head, size_bytes):
        return Kind.STL
    return _kind_of_text(head.removeprefix(b"\xef\xbb\xbf"))


def _binary_stl(head: bytes, size_bytes: int | None) -> bool:
    if len(head) < _STL_HEAD.size or size_bytes is None:
        return False
    (triangles,) = _STL_HEAD.unpack_from(head)
    return bool(size_bytes == _STL_HEAD.size + 50 * triangles)


def _kind_of_text(head: bytes) -> Kind:
    for pattern, kind in _TEXTS:
        if pattern.match(head):
            return kind
    strange = len(head.translate(None, _PRINTABLE))
    if strange * 10 > len(head):  # a file with a few bad bytes is G-code with bad lines: the checks say which
        return Kind.BINARY
    if _GCODE_LINE.search(head.replace(b"\r", b"\n")):
        return Kind.GCODE
    if strange or not head.strip():
        return Kind.BINARY if strange else Kind.EMPTY
    return Kind.OBJ if _OBJ.search(head) else Kind.TEXT


def size_of(stream: BinaryIO) -> int | None:
    """Bytes from the beginning to the end of a stream that can seek, which then stands at its beginning; None for others."""
    if not stream.seekable():
        return None
    size_bytes = stream.seek(0, 2)
    stream.seek(0)
    return size_bytes


def refusal(kind: Kind) -> ContainerError:
    """The error for a kind that holds no program."""
    return ContainerError(_CODES.get(kind, "binary"), kind=kind.value)
