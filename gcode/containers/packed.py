"""gzip and zstd as streams of bounded pieces."""

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from gcode.containers.errors import ContainerError
from gcode.containers.kinds import Kind
from gcode.containers.limits import Limits
from gcode.containers.streams import CHUNK_BYTES, Source

_GZIP: Final = 16 + zlib.MAX_WBITS
# A zstd block gives up to 128 KiB and may take four bytes: at most 8 MiB come out of one step (717 MB/s; 1,037 with 64 KiB).
_ZSTD_STEP_BYTES: Final = 256
_ZSTD_HEAD_BYTES: Final = 18


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
    code = "checksum" if str(error).endswith(("incorrect data check", "incorrect length check")) else "damaged"
    return ContainerError(code, offset=source.taken, kind=Kind.GZIP.value, reason=str(error))


def unzstd(source: Source, limits: Limits) -> Iterator[bytes]:
    """Every frame of a zstd file (RFC 8878), one after the other; frames that are to be skipped give nothing.

    Raises:
        ContainerError: damaged, wrong checksum, cut, or it needs a window over the limit.

    """
    try:
        import zstandard  # noqa: PLC0415 - a node and a daemon read few such files
    except ImportError as error:
        raise ContainerError("missing-library", kind=Kind.ZSTD.value, library="zstandard") from error
    data = source.read(_ZSTD_STEP_BYTES)
    while data:
        _check_window(data + source.peek(_ZSTD_HEAD_BYTES), limits, zstandard.get_frame_parameters, zstandard.ZstdError)
        frame = zstandard.ZstdDecompressor(max_window_size=limits.window_bytes).decompressobj()
        while not frame.eof:
            if not data and not (data := source.read(_ZSTD_STEP_BYTES)):
                raise ContainerError("truncated", offset=source.taken, kind=Kind.ZSTD.value)
            try:
                piece = frame.decompress(data)
            except zstandard.ZstdError as error:
                code = "checksum" if "checksum" in str(error) else "damaged"
                raise ContainerError(code, offset=source.taken, kind=Kind.ZSTD.value, reason=str(error)) from error
            data = b""
            if piece:
                yield piece
        data = frame.unused_data or source.read(_ZSTD_STEP_BYTES)


def _check_window(head: bytes, limits: Limits, parameters: Callable[[bytes], object], failure: type[Exception]) -> None:
    """The library refuses a large window too, but only says that it needs too much memory."""
    try:
        window_bytes = getattr(parameters(head), "window_size", 0)
    except failure:
        return  # the decompressor says what is wrong
    if window_bytes > limits.window_bytes:
        raise ContainerError("window", window_bytes=window_bytes, limit_bytes=limits.window_bytes)


UNPACKERS: Final[dict[Kind, Callable[[Source, Limits], Iterator[bytes]]]] = {Kind.GZIP: gunzipped, Kind.ZSTD: unzstd}
