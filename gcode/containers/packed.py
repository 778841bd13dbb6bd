"""gzip and zstd as streams of bounded pieces."""

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from gcode.containers.errors import ContainerError
from gcode.containers.kinds import Kind
from gcode.containers.limits import Limits
from gcode.containers.streams import CHUNK_BYTES, ByteSource, Source

_GZIP: Final = 16 + zlib.MAX_WBITS


def gunzipped(source: Source, _limits: Limits) -> Iterator[bytes]:
    """Every member of a gzip file, one after the other, as RFC 1952 has it; zeros after the last one are padding.

    Raises:
        ContainerError: damaged, wrong checksum or length, or cut.

    """
    data = source.read(CHUNK_BYTES)
    while data:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            if not data and not (data := source.read(CHUNK_BYTES)):
                raise ContainerError("truncated", offset=source.taken, kind=Kind.GZIP.value)
            try:
                piece = member.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise _damaged(error, source) from error
            data = member.unconsumed_tail
            if piece:
                yield piece
        data = _after_padding(member.unused_data, source)


def _after_padding(data: bytes, source: Source) -> bytes:
    while not (rest := data.lstrip(b"\0")):
        if not (data := source.read(CHUNK_BYTES)):
            return b""
    return rest


def _damaged(error: zlib.error, source: Source) -> ContainerError:
    code = "checksum" if "incorrect" in str(error) and "check" in str(error) and "header" not in str(error) else "damaged"
    return ContainerError(code, offset=source.taken, kind=Kind.GZIP.value, reason=str(error))


UNPACKERS: Final[dict[Kind, Callable[[Source, Limits], Iterator[bytes]]]] = {Kind.GZIP: gunzipped}
__all__ = ["UNPACKERS", "ByteSource", "gunzipped"]
