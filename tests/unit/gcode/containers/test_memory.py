"""Files made to eat memory, read in a process that has little: an answer comes, and nothing is killed."""

import gzip
import io
import resource
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

import pytest
import zstandard

from tests.unit.gcode.containers import made

ROOM_MB = 96  # for everything beside the interpreter and what it has loaded
_CHILD = """
import resource, sys
from gcode.containers import ContainerError, open_program
from gcode.reader import read_lines
from gcode.thumbnails import thumbnails
from gcode.transforms import cleaned
import zstandard, heatshrink2.core, zipfile
data = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (data + {room} * 1024**2,) * 2)
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        try:
            thumbnails(file)
            lines = sum(1 for _ in read_lines(open_program(file).stream))
            size = sum(map(len, cleaned(open_program(file).stream, thumbnails=True)))
            print(lines, size)
        except ContainerError as error:
            print(error.code)
"""


class Packer(Protocol):
    """What zlib and zstandard have in common."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def bomb(pack: str, size_bytes: int) -> bytes:
    """`size_bytes` of zeros behind a command, packed without ever being whole in memory."""
    zeros = bytes(1024**2)
    packer: Packer = zstandard.ZstdCompressor(level=1).compressobj() if pack == "zstd" else zlib.compressobj(9, wbits=31)
    parts = [packer.compress(b"G28\n")]
    parts += [packer.compress(zeros) for _ in range(size_bytes // len(zeros))]
    return b"".join(parts) + packer.flush()


def read(*paths: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.format(room=ROOM_MB), *map(str, paths)],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def zip_bomb(name: str, size_bytes: int) -> bytes:
    """An archive whose entry tells the truth about its size."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w", force_zip64=True) as entry:
        entry.write(b"G28\n")
        for _ in range(size_bytes // 1024**2):
            entry.write(bytes(1024**2))
    return whole.getvalue()


def test_bombs_of_every_kind_stop_early(tmp_path: Path) -> None:
    size_bytes = 120 * 1024**2
    block = made.block(made.GCODE, bytes(made_block := 4 * 1024**2), compression=made.DEFLATE)
    files = {
        "gzip": bomb("gzip", size_bytes),
        "zstd": bomb("zstd", size_bytes),
        "gzip in gzip": gzip.compress(bomb("gzip", size_bytes)),
        "zstd in zstd": made.zstd(bomb("zstd", size_bytes)),
        "ufp": zip_bomb("3D/model.gcode", size_bytes),
        "3mf": zip_bomb("Metadata/plate_1.gcode", size_bytes),
        "bgcode": made.bgcode([made.block(made.GCODE, b"G28\n"), *[block] * (size_bytes // made_block)]),
    }
    paths = [written(tmp_path / str(number), content) for number, content in enumerate(files.values())]
    assert max(map(len, files.values())) < 3 * 1024**2
    assert dict(zip(files, read(*paths), strict=True)) == dict.fromkeys(files, "ratio")


def test_a_line_of_a_hundred_megabytes_is_read_within_the_limit(tmp_path: Path) -> None:
    size_bytes = 100 * 1024**2
    with (tmp_path / "command").open("wb") as command, (tmp_path / "comment").open("wb") as comment:
        command.write(b"G28\nG1 X")
        comment.write(b"G28\n;thumbnail: data:image/png;base64,")
        for _ in range(size_bytes // 1024**2):
            command.write(b"1" * 1024**2)
            comment.write(b"A" * 1024**2)
    assert read(tmp_path / "command", tmp_path / "comment") == [f"2 {size_bytes + 8}", "2 4"]


@pytest.mark.slow
def test_two_gigabytes_of_nothing_are_read_within_the_limit(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.write(b"G1 X1\n" * 20_000)
        file.truncate(2 * 1024**3 + 1)
    nothing = tmp_path / "nothing"
    with nothing.open("wb") as file:
        file.truncate(2 * 1024**3)
    assert read(sparse, nothing) == ["too-large", "binary"]


def test_the_limit_is_one_that_python_meets() -> None:
    """A child that takes more than its room fails, so the tests above mean something."""
    code = _CHILD.format(room=ROOM_MB) + "\nx = bytearray(200 * 1024**2)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert "MemoryError" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != 0
