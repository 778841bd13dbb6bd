"""Binary G-code (`.bgcode`): a file header, then blocks with a header, parameters, data and a checksum each.

Written from the public specification (libbgcode, doc/specifications.md, version 1). Blocks stand in the order of the specification;
those of metadata may be missing, because all that is wanted is the program.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gcode.containers.errors import ContainerError
from gcode.containers.kinds import Kind
from gcode.containers.meatpack import MeatPackError, unpacked
from gcode.containers.pictures import RawThumbnail
from gcode.containers.streams import Source

MAX_BLOCK_BYTES: Final = 4 * 1024**2  # slicers write 64 KiB
MAX_METADATA_BYTES: Final = 1024**2
MAX_THUMBNAILS: Final = 16
MAX_BLOCKS: Final = 100_000  # 6 GB of blocks as slicers write them
MAX_CLAIMS: Final = 2_000
MAX_CLAIM_CHARACTERS: Final = 4_096

_KIND: Final = Kind.BGCODE.value
_VERSION: Final = 1
_FILE_HEADER: Final = struct.Struct("<4sIH")
_BLOCK_HEADER: Final = struct.Struct("<HHI")
_WORD: Final = struct.Struct("<I")
_FILE, _GCODE, _SLICER, _PRINTER, _PRINT, _THUMBNAIL = range(6)
_ORDER: Final = {_FILE: 0, _PRINTER: 1, _THUMBNAIL: 2, _PRINT: 3, _SLICER: 4, _GCODE: 5}
_MANY: Final = frozenset({_THUMBNAIL, _GCODE})
_FORMATS: Final = {0: "png", 1: "jpg", 2: "qoi"}
_PLAIN, _DEFLATE, _HEATSHRINK_11, _HEATSHRINK_12 = range(4)
_HEATSHRINK_WINDOWS: Final = {_HEATSHRINK_11: 11, _HEATSHRINK_12: 12}
_HEATSHRINK_MOST: Final = 8  # sixteen bytes out of sixteen bits


class _Block(NamedTuple):
    """One block: where it began, its parameters, and its data, unpacked and with a true checksum."""

    kind: int
    offset: int
    parameters: tuple[int, ...]
    data: bytes


@dataclass(slots=True)
class BinaryGcode:
    """What comes before the G-code, and the G-code as a stream of pieces."""

    claims: dict[str, str] = field(default_factory=dict)
    thumbnails: list[RawThumbnail] = field(default_factory=list)
    text: Iterator[bytes] = field(default_factory=lambda: iter(()))


def _bad(code: str, offset: int, **values: object) -> ContainerError:
    return ContainerError(code, offset=offset, kind=_KIND, **values)


class _Reader:
    """Blocks in their order, each at most once but thumbnails and G-code."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._last = -1
        self._checked = False

    def open(self) -> None:
        """Read the file header."""
        _magic, version, checksum = _FILE_HEADER.unpack(self._source.exactly(_FILE_HEADER.size, _KIND))
        if version != _VERSION:
            raise _bad("bgcode-version", 4, version=version)
        if checksum > 1:
            raise _bad("damaged", 8, reason=f"there is no kind of checksum {checksum}")
        self._checked = checksum == 1

    def blocks(self) -> Iterator[_Block]:
        """Read blocks up to the end of the file."""
        for _ in range(MAX_BLOCKS):
            if not self._source.peek(1):
                return
            yield self._block()
        raise _bad("bgcode-blocks", self._source.taken, limit=MAX_BLOCKS)

    def _block(self) -> _Block:
        offset = self._source.taken
        header = self._source.exactly(_BLOCK_HEADER.size, _KIND)
        kind, compression, size = _BLOCK_HEADER.unpack(header)
        self._check_order(kind, offset)
        packed_size = size
        if compression != _PLAIN:
            word = self._source.exactly(_WORD.size, _KIND)
            header += word
            (packed_size,) = _WORD.unpack(word)
        most = MAX_BLOCK_BYTES if kind in _MANY else MAX_METADATA_BYTES
        if max(size, packed_size) > most:
            raise _bad("bgcode-block-size", offset, size_bytes=max(size, packed_size), limit_bytes=most)
        parameters = self._source.exactly(6 if kind == _THUMBNAIL else 2, _KIND)
        data = self._source.exactly(packed_size, _KIND)
        self._check_sum(header + parameters, data, offset)
        values = struct.unpack(f"<{len(parameters) // 2}H", parameters)
        return _Block(kind, offset, values, _expanded(data, compression, size, offset))

    def _check_order(self, kind: int, offset: int) -> None:
        rank = _ORDER.get(kind)
        if rank is None:
            raise _bad("damaged", offset, reason=f"there is no kind of block {kind}")
        if rank < self._last or (rank == self._last and kind not in _MANY):
            raise _bad("bgcode-order", offset)
        self._last = rank

    def _check_sum(self, head: bytes, data: bytes, offset: int) -> None:
        if self._checked:
            (claimed,) = _WORD.unpack(self._source.exactly(_WORD.size, _KIND))
            if zlib.crc32(data, zlib.crc32(head)) != claimed:
                raise _bad("checksum", offset)


def _expanded(data: bytes, compression: int, size: int, offset: int) -> bytes:
    """The data of a block, of just the size that its header names."""
    if compression == _PLAIN:
        return data
    if compression == _DEFLATE:
        whole = _inflated(data, size, offset)
    elif compression in _HEATSHRINK_WINDOWS:
        whole = _unshrunk(data, _HEATSHRINK_WINDOWS[compression], size, offset)
    else:
        raise _bad("damaged", offset, reason=f"there is no compression {compression}")
    if len(whole) != size:
        raise _bad("bgcode-size", offset, size_bytes=size)
    return whole


def _inflated(data: bytes, size: int, offset: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        return inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise _bad("damaged", offset, reason=str(error)) from error


def _unshrunk(data: bytes, window: int, size: int, offset: int) -> bytes:
    try:
        from heatshrink2.core import decode  # noqa: PLC0415 - only for such files
    except ImportError as error:
        raise ContainerError("missing-library", kind=_KIND, library="heatshrink2") from error
    if size > _HEATSHRINK_MOST * len(data):
        raise _bad("bgcode-size", offset, size_bytes=size)
    try:
        return bytes(decode(data, window_sz2=window, lookahead_sz2=4))
    except (RuntimeError, ValueError) as error:
        raise _bad("damaged", offset, reason=str(error)) from error


def _text(block: _Block) -> bytes:
    (encoding,) = block.parameters
    if encoding == 0:
        return block.data
    if encoding > 2:
        raise _bad("damaged", block.offset, reason=f"there is no encoding {encoding}")
    try:
        return unpacked(block.data)
    except MeatPackError as error:
        raise _bad("damaged", block.offset, reason=str(error)) from error


def _take_claims(block: _Block, claims: dict[str, str]) -> None:
    if block.parameters != (0,):
        raise _bad("damaged", block.offset, reason=f"there is no encoding {block.parameters[0]} of metadata")
    for line in block.data.decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("=")
        if equals and key and len(claims) < MAX_CLAIMS:
            claims.setdefault(key.strip()[:80], value.strip()[:MAX_CLAIM_CHARACTERS])


def _take_thumbnail(block: _Block, thumbnails: list[RawThumbnail]) -> None:
    """A picture of an unknown format is no reason to refuse a program."""
    picture, width_px, height_px = block.parameters
    if picture in _FORMATS and len(thumbnails) < MAX_THUMBNAILS:
        thumbnails.append(RawThumbnail(_FORMATS[picture], width_px, height_px, block.data, block.offset))


def _comments(claims: dict[str, str]) -> bytes:
    """The metadata as slicers write them into a plain file, so that whoever reads the text finds them."""
    producer = claims.get("Producer")
    lines = [f"; generated by {producer}"] if producer else []
    lines += [f"; {key} = {value}" for key, value in claims.items() if not key.startswith("Produce")]
    return "".join(f"{line.translate(_NO_CONTROL)}\n" for line in lines).encode("utf-8", "replace")


_NO_CONTROL: Final = dict.fromkeys((*range(32), 127, 0x85, 0x2028, 0x2029), " ")


def read_bgcode(source: Source) -> BinaryGcode:
    """Read everything before the G-code; the G-code itself is read while its text is.

    Raises (also from `text`):
        ContainerError: another version, a wrong checksum, size or order, an unknown kind, over a limit, or cut.

    """
    reader = _Reader(source)
    reader.open()
    blocks = reader.blocks()
    found = BinaryGcode()
    for block in blocks:
        if block.kind == _GCODE:
            found.text = _program(found.claims, block, blocks)
            return found
        if block.kind == _THUMBNAIL:
            _take_thumbnail(block, found.thumbnails)
        else:
            _take_claims(block, found.claims)
    raise _bad("bgcode-no-program", source.taken)


def _program(claims: dict[str, str], first: _Block, others: Iterator[_Block]) -> Iterator[bytes]:
    if comments := _comments(claims):
        yield comments
    yield _text(first)
    for block in others:
        yield _text(block)
