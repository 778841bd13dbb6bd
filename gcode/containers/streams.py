"""Streams that are read once, forwards, and stop at limits: how much was taken in, how much came out, and what that may be."""

import io
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from gcode.containers.errors import ContainerError
from gcode.containers.limits import Limits

CHUNK_BYTES: Final = 64 * 1024
_BUFFER_BYTES: Final = 256 * 1024


class ByteSource(Protocol):
    """Anything that gives bytes in pieces."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Source:
    """The file as it was given: counts what is read, and gives back what was read too much."""

    def __init__(self, stream: ByteSource, head: bytes = b"") -> None:
        self._stream = stream
        self._head = head
        self.taken = 0  # bytes

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
        else:
            piece = self._stream.read(size)
        self.taken += len(piece)
        return piece

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or all that are left, without taking them."""
        while len(self._head) < size and (piece := self._stream.read(size - len(self._head))):
            self._head += piece
        return self._head[:size]

    def exactly(self, size: int, kind: str) -> bytes:
        """`size` bytes.

        Raises:
            ContainerError: the file ends before.

        """
        parts, missing = [], size
        while missing and (piece := self.read(min(missing, CHUNK_BYTES))):
            parts.append(piece)
            missing -= len(piece)
        if missing:
            raise ContainerError("truncated", offset=self.taken, kind=kind)
        return b"".join(parts)


class Meter:
    """Counts what one layer of packing gives against what the file has.

    Raises (from `count`):
        ContainerError: more than the limit in all, or absurdly more than the file has.

    """

    def __init__(self, taken: Callable[[], int], limits: Limits, *, zstd: bool = False) -> None:
        self._taken = taken
        self._limits = limits
        self._ratio = limits.zstd_ratio if zstd else limits.ratio
        self.given = 0  # bytes

    def count(self, piece: bytes) -> bytes:
        """Let one piece through."""
        self.given += len(piece)
        limits = self._limits
        if self.given > limits.expanded_bytes:
            raise ContainerError("too-large", limit_bytes=limits.expanded_bytes)
        if self.given > limits.ratio_from_bytes and self.given > self._ratio * self._taken():
            raise ContainerError("ratio", limit=self._ratio)
        return piece


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a raw stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer is wider
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def as_stream(pieces: Iterator[bytes]) -> io.BufferedReader:
    """A binary stream that cannot seek, with `read`, `readline`, `peek` and iteration; errors of `pieces` come out of its reads."""
    return io.BufferedReader(_Pieces(pieces), _BUFFER_BYTES)
