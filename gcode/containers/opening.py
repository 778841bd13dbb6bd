"""Opens a file of a stranger as a program: plain G-code text as a stream, whatever it is packed in."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from gcode.containers.archives import Archive
from gcode.containers.bgcode import read_bgcode
from gcode.containers.errors import ContainerError
from gcode.containers.kinds import HEAD_BYTES, PROGRAMS, Kind, kind_of, refusal, size_of
from gcode.containers.limits import DEFAULT_LIMITS, Limits
from gcode.containers.packed import UNPACKERS
from gcode.containers.pictures import RawThumbnail
from gcode.containers.streams import CHUNK_BYTES, Meter, Source, as_stream

MAX_PACKING: Final = 2  # gzip in gzip, as some web servers make it


@dataclass(frozen=True, slots=True)
class OpenedProgram:
    """A program whose text can be read once.

    `stream` gives plain G-code and cannot seek; that a file is damaged, or over a limit, may show only while it is read: its reads
    raise ContainerError then. `thumbnails` and `claims` are those of the container, not of comments in the text; both untrusted.
    """

    kind: Kind
    stream: io.BufferedReader
    thumbnails: tuple[RawThumbnail, ...] = ()
    claims: Mapping[str, str] = field(default_factory=dict)


def recognise(stream: BinaryIO) -> Kind:
    """What the file is, by its content. A stream that can seek stands at its beginning afterwards.

    Raises:
        ContainerError: an archive that is damaged or over a limit.

    """
    size_bytes = size_of(stream)
    kind = kind_of(Source(stream).peek(HEAD_BYTES), size_bytes)
    if kind is Kind.ZIP and size_bytes is not None:
        kind = Archive(stream).kind
    if size_bytes is not None:
        stream.seek(0)
    return kind


def open_program(stream: BinaryIO, *, plate: int | None = None, limits: Limits = DEFAULT_LIMITS) -> OpenedProgram:
    """Open the file in `stream` (from its beginning, where it can seek), which stays the caller's to close.

    Args:
        stream: the file; only archives need one that can seek.
        plate: which plate of a `.gcode.3mf`; needed when it has several.
        limits: what it may ask for.

    Raises:
        ContainerError: not a program, not readable, or over a limit.

    """
    size_bytes = size_of(stream)
    source = layer = Source(stream)
    kind = first = kind_of(source.peek(HEAD_BYTES), size_bytes)
    if kind is Kind.ZIP:
        return _opened_archive(stream, size_bytes, plate, limits)
    packing: list[Kind] = []
    while kind in UNPACKERS:
        packing.append(kind)
        if len(packing) > MAX_PACKING:
            raise ContainerError("nested", depth=len(packing))
        meter = Meter(lambda: source.taken, limits, zstd=Kind.ZSTD in packing)
        layer = Source(as_stream(map(meter.count, UNPACKERS[kind](layer, limits))))
        kind = kind_of(layer.peek(HEAD_BYTES))
    return _opened(first, kind, layer, Meter(lambda: source.taken, limits, zstd=Kind.ZSTD in packing))


def _opened(first: Kind, inner: Kind, source: Source, meter: Meter) -> OpenedProgram:
    """What is inside when nothing is packed any more."""
    if inner is Kind.GCODE:
        return OpenedProgram(first, as_stream(map(meter.count, _all(source))))
    if inner is Kind.BGCODE:
        binary = read_bgcode(source)
        text = as_stream(map(meter.count, binary.text))
        return OpenedProgram(first, text, tuple(binary.thumbnails), binary.claims)
    if first is not inner and inner is Kind.ZIP:
        raise ContainerError("packed-archive", kind=inner.value)
    raise refusal(inner)


def _opened_archive(stream: BinaryIO, size_bytes: int | None, plate: int | None, limits: Limits) -> OpenedProgram:
    if size_bytes is None:
        raise ContainerError("zip-seek")
    archive = Archive(stream)
    if archive.kind not in PROGRAMS:
        raise refusal(archive.kind)
    found = archive.program(plate)
    packed_bytes = min(found.entry.compress_size, size_bytes)
    meter = Meter(lambda: packed_bytes, limits)
    layer = Source(as_stream(map(meter.count, archive.text(found, limits))))
    inner = kind_of(layer.peek(HEAD_BYTES))
    if inner is not Kind.GCODE:
        raise refusal(inner)
    return OpenedProgram(found.kind, as_stream(_all(layer)), archive.pictures(found), archive.claims(found))


def _all(source: Source) -> Iterator[bytes]:
    while piece := source.read(CHUNK_BYTES):
        yield piece
