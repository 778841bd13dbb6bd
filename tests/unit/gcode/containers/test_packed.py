"""gzip and zstd: several members, padding, damage, and bombs that stop early."""

import gzip
import struct
import zlib
from io import BytesIO

import pytest
import zstandard

from gcode.containers.errors import ContainerError
from gcode.containers.limits import Limits
from gcode.containers.packed import gunzipped, unzstd
from gcode.containers.streams import Source
from tests.unit.gcode.containers.made import TEXT, zstd

LIMITS = Limits()
SKIPPED = struct.pack("<II", 0x184D2A50, 5) + b"hello"
BIG = bytes(range(256)) * 4096


def gunzip(content: bytes) -> bytes:
    return b"".join(gunzipped(Source(BytesIO(content)), LIMITS))


def unpack_zstd(content: bytes, limits: Limits = LIMITS) -> bytes:
    return b"".join(unzstd(Source(BytesIO(content)), limits))


@pytest.mark.parametrize("content", [TEXT, BIG, b""])
def test_what_was_packed_comes_back(content: bytes) -> None:
    assert gunzip(gzip.compress(content)) == content
    assert unpack_zstd(zstd(content)) == content


def test_several_members_are_one_text() -> None:
    assert gunzip(gzip.compress(TEXT) * 3) == TEXT * 3
    assert unpack_zstd(zstd(TEXT) * 3) == TEXT * 3


def test_zeros_behind_a_gzip_file_are_padding() -> None:
    assert gunzip(gzip.compress(TEXT) + bytes(100_000)) == TEXT
    assert gunzip(gzip.compress(TEXT) + bytes(100_000) + gzip.compress(BIG)) == TEXT + BIG


def test_a_skippable_frame_gives_nothing() -> None:
    assert unpack_zstd(zstd(TEXT) + SKIPPED + zstd(TEXT)) == TEXT * 2


def test_a_frame_that_does_not_tell_its_size() -> None:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    assert unpack_zstd(packer.compress(BIG) + packer.flush()) == BIG


@pytest.mark.parametrize("size", range(1, 40, 3))
def test_a_cut_file_is_truncated(size: int) -> None:
    for content, unpack in ((gzip.compress(TEXT), gunzip), (zstd(TEXT), unpack_zstd)):
        with pytest.raises(ContainerError) as caught:
            unpack(content[:-size])
        assert caught.value.code == "truncated"
        assert caught.value.offset == len(content) - size


def test_a_changed_checksum_is_told_from_other_damage() -> None:
    whole = bytearray(gzip.compress(TEXT))
    whole[-6] ^= 1
    with pytest.raises(ContainerError) as caught:
        gunzip(bytes(whole))
    assert caught.value.code == "checksum"
    whole = bytearray(zstd(TEXT))
    whole[-1] ^= 1
    with pytest.raises(ContainerError) as caught:
        unpack_zstd(bytes(whole))
    assert caught.value.code == "checksum"


@pytest.mark.parametrize("rest", [b"no gzip", b"\x1f\x8b\x07abcdefghijk"])
def test_something_else_behind_it_is_damage(rest: bytes) -> None:
    with pytest.raises(ContainerError) as caught:
        gunzip(gzip.compress(TEXT) + rest)
    assert caught.value.code == "damaged"
    with pytest.raises(ContainerError) as caught:
        unpack_zstd(zstd(TEXT) + rest)
    assert caught.value.code == "damaged"


def test_a_window_over_the_limit_is_refused_by_its_size() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=24, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = packer.compress(BIG) + packer.flush()
    assert unpack_zstd(content) == BIG
    with pytest.raises(ContainerError) as caught:
        unpack_zstd(content, Limits(window_bytes=8 * 1024**2))
    assert caught.value.code == "window"
    assert "16 MiB, more than 8 MiB" in caught.value.bilingual.en


def test_pieces_are_bounded_however_much_a_few_bytes_unpack_to() -> None:
    zeros = bytes(100_000_000)
    packed = zstd(zeros)
    assert len(packed) < 10_000
    assert max(map(len, unzstd(Source(BytesIO(packed)), LIMITS))) <= 8 * 1024**2
    assert max(map(len, gunzipped(Source(BytesIO(zlib.compress(zeros, wbits=31))), LIMITS))) <= 64 * 1024
