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
# Matched after leading white space; no pattern here takes more than one pass over the text.
_TEXTS: Final[tuple[tuple[re.Pattern[bytes], Kind], ...]] = (
    (re.compile(rb"solid\b[^\n]{0,200}\r?\n\s*(facet|endsolid)\b"), Kind.STL),
    (re.compile(rb"ply\r?\nformat "), Kind.PLY),
    (re.compile(rb"<!doctype html|<html", re.IGNORECASE), Kind.HTML),
    (re.compile(rb"(<\?xml[^>]{0,200}\?>\s{0,20})?<amf\b"), Kind.AMF),
    (re.compile(rb"<\?xml\b"), Kind.XML),
    (re.compile(rb'[{\[]\s*["{\[]'), Kind.JSON),
)
_OBJ: Final = re.compile(rb"^v +[-+0-9.eE]+ +[-+0-9.eE]+ +[-+0-9.eE]+", re.MULTILINE)
# A comment as slicers write it, or a command: a letter and a number, perhaps after a line number.
_GCODE_LINE: Final = re.compile(rb"^[ \t]*(;|(N ?-?\d+ ?)?[GMT] ?-?\d)", re.MULTILINE | re.IGNORECASE)
_CONTROL: Final = bytes({*range(32), 127} - {*b"\t\n\r\f"})
_MOST_STRANGE: Final = (
    0.1  # of the bytes of a text; more is something else. A text with fewer has bad lines, which the checks name.
)
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
    """A file that goes on with zeros, as after a power cut, is judged by what is before them."""
    text = head.partition(b"\0")[0].lstrip()
    for pattern, kind in _TEXTS:
        if pattern.match(text):
            return kind
    if not text:
        return Kind.BINARY if head.strip() else Kind.EMPTY
    if _strange(text) > _MOST_STRANGE * len(text):
        return Kind.BINARY
    if _GCODE_LINE.search(text.replace(b"\r", b"\n")):
        return Kind.GCODE
    if b"\0" in head:
        return Kind.BINARY
    return Kind.OBJ if _OBJ.search(text) else Kind.TEXT


def _strange(text: bytes) -> int:
    controls = len(text) - len(text.translate(None, _CONTROL))
    return controls + text.decode("utf-8", "replace").count("\ufffd")


def size_of(stream: BinaryIO) -> int | None:
    """Bytes from the beginning to the end of a stream that can seek, which then stands at its beginning; None for others."""
    if not stream.seekable():
        return None
    size_bytes = stream.seek(0, 2)
    stream.seek(0)
    return size_bytes


def refusal(kind: Kind) -> ContainerError:
    """The error for a kind that holds no program."""
    return ContainerError(_CODES.get(kind, "archive"), kind=kind.value)
