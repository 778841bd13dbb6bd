"""Opens a file of a stranger as a program: plain G-code text as a stream, whatever it is packed in."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final

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
    """What the file is, by its content. A stream that can seek stands at its beginning afterwards."""
    size_bytes = size_of(stream)
    kind = kind_of(_head(stream), size_bytes)
    if size_bytes is not None:
        stream.seek(0)
    return kind


def _head(stream: BinaryIO) -> bytes:
    return Source(stream).peek(HEAD_BYTES)


def open_program(stream: BinaryIO, *, plate: int | None = None, limits: Limits = DEFAULT_LIMITS) -> OpenedProgram:
    """Open the file in `stream` (from its beginning, where it can seek), which stays the caller's to close.

    Args:
        stream: the file; only archives need one that can seek.
        plate: which plate of a `.gcode.3mf`; needed when it has several.
        limits: what it may ask for.

    Raises:
        ContainerError: not a program, not readable, or over a limit.

    """
    del plate
    size_bytes = size_of(stream)
    source = Source(stream)
    meter = Meter(source, limits)
    kind = first = kind_of(source.peek(HEAD_BYTES), size_bytes)
    layer = source
    depth = 0
    while kind in UNPACKERS:
        depth += 1
        if depth > MAX_PACKING:
            raise ContainerError("nested", depth=depth)
        layer = Source(as_stream(_metered(UNPACKERS[kind](layer, limits), Meter(source, limits))))
        kind = kind_of(layer.peek(HEAD_BYTES))
    if kind is Kind.GCODE:
        return OpenedProgram(first, as_stream(_metered(_all(layer), meter)))
    if depth and kind not in PROGRAMS and kind is not Kind.EMPTY:
        raise ContainerError("packed-archive", kind=kind.value)
    raise refusal(kind)


def _metered(pieces: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
    return map(meter.count, pieces)


def _all(source: Source) -> Iterator[bytes]:
    read: Callable[[], bytes] = lambda: source.read(CHUNK_BYTES)  # noqa: E731
    return iter(read, b"")
