"""The packed form of a program on a node: named by its ETag, unpacked within its size."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
import zstandard

from farm.node.unpacking import PackedPart, UnpackError, can_unpack

PROGRAM = b"G1 X10 Y20 E0.5\n" * 10_000
PACKED = zstandard.ZstdCompressor().compress(PROGRAM)
SHA256 = "a" * 64
GO_ON = Event()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / f"{SHA256}.gcode.part"


def arrived(part: Path, content: bytes = PACKED, etag: str = '"abc-zstd-1-2"') -> PackedPart:
    packed = PackedPart.of(part)
    packed.begin(etag).write_bytes(content)
    return packed


def test_nothing_has_arrived(part: Path) -> None:
    packed = PackedPart.of(part)
    assert (packed.have, packed.etag, packed.whole) == (0, "", False)


def test_what_has_arrived_is_found_again_with_its_etag(part: Path) -> None:
    assert arrived(part).have == len(PACKED)
    again = PackedPart.of(part)
    assert (again.have, again.etag) == (len(PACKED), '"abc-zstd-1-2"')
    assert again.path.name == f"{SHA256}.gcode.abc-zstd-1-2.zst.part"


def test_of_several_the_newest_is_kept(part: Path) -> None:
    folder = part.parent
    old, new = (folder / f"{SHA256}.gcode.{name}.zst.part" for name in ("old", "new"))
    other = folder / f"{'b' * 64}.gcode.x.zst.part"
    for path in (old, new, other):
        path.write_bytes(b"x")
    old.touch()
    os.utime(old, (1, 1))
    assert PackedPart.of(part).path == new
    assert sorted(path.name for path in folder.iterdir()) == sorted([new.name, other.name])


@pytest.mark.parametrize("etag", ["", "abc", '"../../etc/passwd"', 'W/"abc"', '"' + "a" * 200 + '"'])
def test_an_etag_that_is_no_file_name_is_never_gone_on_with(part: Path, etag: str) -> None:
    packed = arrived(part, etag=etag)
    assert packed.path.parent == part.parent
    assert packed.have == 0
    assert packed.path.exists()


def test_it_is_unpacked_and_gone(part: Path) -> None:
    packed = arrived(part)
    packed.unpack(part, len(PROGRAM), GO_ON)
    assert part.read_bytes() == PROGRAM
    assert list(part.parent.iterdir()) == [part]


@pytest.mark.parametrize(
    ("content", "size"),
    [(PACKED, len(PROGRAM) - 1), (PACKED, len(PROGRAM) + 1), (PACKED[:-9], len(PROGRAM)), (b"no zstd", 7), (b"", 1)],
)
def test_what_is_not_just_the_program_is_an_error(part: Path, content: bytes, size: int) -> None:
    with pytest.raises(UnpackError):
        arrived(part, content).unpack(part, size, GO_ON)
    assert part.stat().st_size <= size


def test_a_bomb_stops_at_the_size_of_the_program(part: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    with pytest.raises(UnpackError, match="more than 1000 bytes"):
        arrived(part, bomb).unpack(part, 1000, GO_ON)
    assert part.stat().st_size <= 1000


def test_a_large_window_is_refused(part: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=24, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(UnpackError):
        arrived(part, packer.compress(PROGRAM) + packer.flush()).unpack(part, len(PROGRAM), GO_ON)


def test_an_agent_that_ends_keeps_what_has_arrived(part: Path) -> None:
    stop = Event()
    stop.set()
    packed = arrived(part)
    packed.unpack(part, len(PROGRAM), stop)
    assert PackedPart.of(part).have == len(PACKED)


def test_zstandard_is_loaded_only_when_there_is_something_to_unpack() -> None:
    code = "import sys, farm.node.files, farm.node.unpacking as u; u.can_unpack(); sys.exit('zstandard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_zstandard_nothing_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_unpack()
    monkeypatch.setattr("farm.node.unpacking.find_spec", lambda _name: None)
    assert not can_unpack()
