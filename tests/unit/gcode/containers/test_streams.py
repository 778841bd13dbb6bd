"""Streams that count, and stop."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.containers.errors import ContainerError
from gcode.containers.limits import Limits
from gcode.containers.streams import Meter, Source, as_stream


class Trickle:
    """Gives less than is asked for, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int, /) -> bytes:
        piece, self._content = self._content[: min(size, 3)], self._content[min(size, 3) :]
        return piece


def test_what_is_peeked_is_read_again() -> None:
    source = Source(Trickle(b"0123456789"))
    assert source.peek(5) == b"01234"
    assert source.taken == 0
    assert source.read(2) == b"01"
    assert source.exactly(6, "x") == b"234567"
    assert source.taken == 8
    assert source.peek(100) == b"89"


def test_less_than_asked_for_exactly_is_truncated() -> None:
    source = Source(Trickle(b"01234"))
    with pytest.raises(ContainerError) as caught:
        source.exactly(6, "gzip")
    assert (caught.value.code, caught.value.offset) == ("truncated", 5)


def test_more_than_the_limit_stops() -> None:
    meter = Meter(lambda: 10**9, Limits(expanded_bytes=10))
    assert meter.count(bytes(10)) == bytes(10)
    with pytest.raises(ContainerError) as caught:
        meter.count(b"1")
    assert caught.value.code == "too-large"


def test_a_ratio_counts_only_from_some_size_on() -> None:
    meter = Meter(lambda: 10, Limits(ratio=5, ratio_from_bytes=100))
    meter.count(bytes(100))
    with pytest.raises(ContainerError) as caught:
        meter.count(b"1")
    assert caught.value.code == "ratio"
    Meter(lambda: 21, Limits(ratio=5, ratio_from_bytes=100)).count(bytes(105))


@given(st.lists(st.binary(max_size=20)), st.integers(1, 30))
def test_pieces_are_one_stream(pieces: list[bytes], size: int) -> None:
    stream = as_stream(iter(pieces))
    assert not stream.seekable()
    read = b"".join(iter(lambda: stream.read(size), b""))
    assert read == b"".join(pieces)


def test_a_stream_gives_lines() -> None:
    assert list(as_stream(iter([b"G2", b"8\nG1 X", b"1\n\n", b"M84"]))) == [b"G28\n", b"G1 X1\n", b"\n", b"M84"]


def test_an_error_of_the_pieces_comes_out_of_a_read() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"G28\n"
        raise ContainerError("zip-encrypted")

    stream = as_stream(pieces())
    assert stream.read(4) == b"G28\n"
    with pytest.raises(ContainerError):
        stream.read(1)
