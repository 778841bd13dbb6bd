"""Cuts a stream into blocks of whole lines, in bounded memory however long a line is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gcode.reader import MAX_LINE_BYTES, ByteSource

BLOCK_BYTES: Final = 256 * 1024  # the columns of a block fit into the processor's cache


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file; `offset` is bytes from its beginning.

    `length` is how much of the file they are: more than `content` when this is a single line that was cut, since it is longer than
    a block. Its end is not in `content` then.
    """

    content: bytes
    offset: int
    length: int

    @property
    def cut(self) -> bool:
        """Whether this is the beginning of one very long line."""
        return self.length > len(self.content)


def _filled(stream: ByteSource, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end: a decompressing stream gives small pieces."""
    piece = stream.read(size)
    if not piece or len(piece) >= size:
        return piece
    pieces, missing = [piece], size - len(piece)
    while missing > 0 and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _lines_end(content: bytes) -> int:
    """Behind the last end of a line, 0 without one. A carriage return at the very end may be half of an end: it waits."""
    return max(content.rfind(b"\n"), content.rfind(b"\r", 0, -1)) + 1


def _first_end(content: bytes) -> int:
    """Behind the first end of a line, 0 without one."""
    feed, carriage = content.find(b"\n"), content.find(b"\r", 0, -1)
    if carriage >= 0 and (feed < 0 or carriage < feed):
        return carriage + 2 if content[carriage + 1 : carriage + 2] == b"\n" else carriage + 1
    return feed + 1


class _Cutter:
    def __init__(self, stream: ByteSource, block_bytes: int) -> None:
        self._stream = stream
        self._block_bytes = block_bytes
        self._carry = b""
        self._offset = 0

    def _more(self) -> bool:
        piece = _filled(self._stream, self._block_bytes)
        self._carry += piece
        return bool(piece)

    def _taken(self, size: int) -> Block:
        block = Block(self._carry[:size], self._offset, size)
        self._carry = self._carry[size:]
        self._offset += size
        return block

    def blocks(self) -> Iterator[Block]:
        while self._more():
            end = _lines_end(self._carry)
            if end:
                yield self._taken(end)
            elif len(self._carry) > max(self._block_bytes, MAX_LINE_BYTES + 1) and not self._carry.endswith(b"\r"):
                yield self._long_line()
        if self._carry:
            yield self._taken(len(self._carry))

    def _long_line(self) -> Block:
        """Pass over a line that does not end in the carry; keep its beginning."""
        content, length = self._carry[: MAX_LINE_BYTES + 1], 0
        while True:
            end = _first_end(self._carry)
            if end:
                break
            held = self._carry.endswith(b"\r")  # perhaps half of its end
            length += len(self._carry) - held
            self._carry = self._carry[len(self._carry) - held :]
            if not self._more():
                end = len(self._carry)
                break
        length += end
        self._carry = self._carry[end:]
        block = Block(content, self._offset, length)
        self._offset += length
        return block


def cut_blocks(stream: ByteSource, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """The blocks of `stream` from where it stands. Holds at most two of them."""
    return _Cutter(stream, block_bytes).blocks()
