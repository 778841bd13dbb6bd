"""Opening a file of any kind, of anybody."""

import gzip
from contextlib import suppress
from functools import partial
from io import BytesIO, RawIOBase
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.containers import ContainerError, Kind, Limits, open_program, recognise
from tests.unit.gcode.containers import made
from tests.unit.gcode.containers.made import CONTAINERS, TEXT

packed = partial(gzip.compress, mtime=0)  # the same bytes for every worker: they are names of tests


class Pipe(RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, content: bytes) -> None:
        self._content = BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]  # typeshed's Buffer is wider
        return self._content.readinto(buffer)


def read(content: bytes, limits: Limits | None = None) -> bytes:
    opened = open_program(BytesIO(content)) if limits is None else open_program(BytesIO(content), limits=limits)
    return opened.stream.read()


def refused(content: bytes, limits: Limits | None = None) -> ContainerError:
    with pytest.raises(ContainerError) as caught:
        read(content, limits)
    return caught.value


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_its_program(name: str) -> None:
    assert TEXT in read(CONTAINERS[name])
    opened = open_program(BytesIO(CONTAINERS[name]))
    assert opened.kind == name.partition("-")[0]
    assert recognise(BytesIO(CONTAINERS[name])) is opened.kind


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in {"ufp", "3mf"}])
def test_a_stream_that_cannot_seek_will_do(name: str) -> None:
    pipe = cast("BinaryIO", Pipe(CONTAINERS[name]))
    assert TEXT in open_program(pipe).stream.read()


def test_an_archive_needs_a_file() -> None:
    with pytest.raises(ContainerError) as caught:
        open_program(cast("BinaryIO", Pipe(made.ufp())))
    assert caught.value.code == "zip-seek"
    assert recognise(cast("BinaryIO", Pipe(made.ufp()))) is Kind.ZIP


def test_a_stream_is_read_from_its_beginning_and_stays_open() -> None:
    stream = BytesIO(TEXT)
    stream.seek(5)
    assert recognise(stream) is Kind.GCODE
    assert stream.tell() == 0
    stream.seek(7)
    opened = open_program(stream)
    assert opened.stream.read() == TEXT
    opened.stream.close()
    assert not stream.closed


def test_pictures_and_claims_come_along() -> None:
    binary = open_program(BytesIO(packed(made.small_bgcode())))
    assert binary.claims["printer_model"] == "MK4"
    assert [picture.data for picture in binary.thumbnails] == [b"a picture"]
    bambu = open_program(BytesIO(made.plates(1, 2)), plate=2)
    assert bambu.claims["prediction"] == "7200"
    assert [picture.data for picture in bambu.thumbnails] == [b"picture 2"]


def test_packed_more_than_twice_is_refused() -> None:
    assert refused(packed(packed(packed(TEXT)))).code == "nested"
    assert read(made.zstd(packed(TEXT))) == TEXT


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (packed(b""), "empty"),
        (made.zipped({"3D/3dmodel.model": b"<model/>"}), "model"),
        (made.zipped({"a": b"b"}), "archive"),
        (packed(made.ufp()), "packed-archive"),
        (packed(b"\x89PNG\r\n\x1a\n"), "picture"),
        (made.ufp(b"%PDF-1.7"), "document"),
        (made.ufp(made.ufp()), "archive"),
        (made.ufp(packed(TEXT)), "archive"),
        (made.plates(1, 2), "plates"),
    ],
)
def test_what_holds_no_program_is_named(content: bytes, code: str) -> None:
    assert refused(content).code == code


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_limit_of_the_text_holds_for_every_container(name: str) -> None:
    assert refused(CONTAINERS[name], Limits(expanded_bytes=len(TEXT) - 1)).code == "too-large"


BOMB = b"G28\n" + bytes(3_000_000)
TIGHT = Limits(ratio=200, ratio_from_bytes=1_000_000)


@pytest.mark.parametrize(
    "content",
    [
        packed(BOMB),
        made.zstd(BOMB),
        made.ufp(BOMB),
        packed(packed(BOMB)),
        made.zstd(made.zstd(BOMB)),
        made.bgcode([made.block(made.GCODE, BOMB, compression=made.DEFLATE)]),
    ],
)
def test_a_bomb_stops_at_the_ratio(content: bytes) -> None:
    assert refused(content, TIGHT).code == "ratio"


def test_a_bomb_of_the_layer_between_stops_too() -> None:
    """Layers that shrink again: what is between them counts as well."""
    members = packed(b"") * 400_000  # eight megabytes that unpack to nothing
    assert refused(made.zstd(packed(TEXT) + members), TIGHT).code == "ratio"


def test_a_program_that_packs_well_is_no_bomb() -> None:
    text = b"".join(b"G1 X%d.%03d Y%d.%03d E.0%d\n" % (i % 200, i * 7 % 1000, i % 190, i * 3 % 1000, i % 90) for i in range(60_000))
    assert read(packed(text), Limits(ratio_from_bytes=1000)) == text


def test_a_stack_of_frames_packs_very_well_and_is_no_bomb() -> None:
    """Alike layer by layer and frame by frame, but for their heights: zstd sees a whole frame back, gzip does not."""
    frame = b"".join(b"G1 X%d.%03d Y%d.%03d E.0%d\n" % (i % 200, i * 7 % 1000, i % 190, i * 3 % 1000, i % 90) for i in range(5_000))
    stack = b"".join(b"G1 Z%.2f\n" % (0.2 + 5.6 * number) + frame for number in range(100))
    packed = made.zstd(stack)
    assert len(stack) > 250 * len(packed)
    assert read(packed, Limits(ratio_from_bytes=1_000_000)) == stack
    assert refused(packed, Limits(ratio_from_bytes=1_000_000, zstd_ratio=100)).code == "ratio"


@given(name=st.sampled_from(sorted(CONTAINERS)), data=st.data())
def test_changed_bytes_give_a_program_or_an_error(name: str, data: st.DataObject) -> None:
    content = bytearray(CONTAINERS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    with suppress(ContainerError):
        assert len(read(bytes(content))) < 100_000


@pytest.mark.parametrize("name", CONTAINERS)
def test_cut_after_any_byte_it_is_a_shorter_program_or_an_error(name: str) -> None:
    content = CONTAINERS[name]
    for size in range(len(content)):
        try:
            text = read(content[:size])
        except ContainerError:
            continue
        assert name == "gcode", size
        assert text == content[:size]


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"GCDE\x01\0\0\0\0\0", b"PK\x03\x04", b"PK\x05\x06"]),
)
def test_anything_is_a_program_or_an_error(content: bytes, beginning: bytes) -> None:
    with suppress(ContainerError):
        read(beginning + content)
