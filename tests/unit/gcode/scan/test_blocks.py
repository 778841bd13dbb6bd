"""Blocks of whole lines: every byte in one, no line in two, none longer than it may be."""

from io import BytesIO
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.reader import MAX_LINE_BYTES, read_lines
from gcode.scan.blocks import Block, cut_blocks

PIECES: Final = st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", b"x" * 40, b"y" * 256, b"z" * 257, b"w" * 700])


class Dripping(BytesIO):
    """A stream that gives less than is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7))


class Endless:
    """One line of 100 MB, and how much of it is held at a time."""

    def __init__(self, size_bytes: int, end: bytes) -> None:
        self.left = size_bytes
        self.end = end

    def read(self, size: int, /) -> bytes:
        given = min(size, self.left)
        self.left -= given
        if given:
            return b"x" * given
        end, self.end = self.end, b""
        return end


def lines_of(block: Block) -> list[tuple[bytes, int]]:
    """Each line without its end and cut, with its offset."""
    if block.cut:
        return [(block.content, block.offset)]
    found, offset = [], block.offset
    for line in block.content.splitlines(keepends=True):
        found.append((line.rstrip(b"\r\n")[: MAX_LINE_BYTES + 1], offset))
        offset += len(line)
    return found


@given(st.lists(PIECES, max_size=30).map(b"".join), st.integers(1, 80), st.booleans())
def test_the_lines_are_those_of_the_reader(content: bytes, block_bytes: int, drips: bool) -> None:
    stream = Dripping(content) if drips else BytesIO(content)
    blocks = list(cut_blocks(stream, block_bytes))
    assert sum(block.length for block in blocks) == len(content)
    lines = [line for block in blocks for line in lines_of(block)]
    assert [offset for _, offset in lines] == [line.offset for line in read_lines(BytesIO(content))]
    assert lines == [line for block in cut_blocks(BytesIO(content), 10_000) for line in lines_of(block)]


def test_a_block_holds_what_it_may() -> None:
    blocks = list(cut_blocks(BytesIO(b"12345678\n" * 100), 100))
    assert all(len(block.content) <= 200 and block.content.endswith(b"\n") for block in blocks)
    assert len(blocks) >= 4


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n", b"\r\r\n"])
def test_a_line_of_100_mb_is_cut(end: bytes) -> None:
    blocks = list(cut_blocks(Endless(100_000_000, end), 64 * 1024))
    assert blocks[0].cut
    assert blocks[0].content == b"x" * (MAX_LINE_BYTES + 1)
    assert sum(block.length for block in blocks) == 100_000_000 + len(end)
    assert len(blocks) == (2 if end == b"\r\r\n" else 1)


def test_a_return_at_the_end_of_a_block_waits_for_its_other_half() -> None:
    blocks = list(cut_blocks(BytesIO(b"abc\r\nabcd\r\n"), 4))
    assert [block.content for block in blocks] == [b"abc\r\n", b"abcd\r\n"]


def test_nothing_has_no_blocks() -> None:
    assert list(cut_blocks(BytesIO(b""))) == []
