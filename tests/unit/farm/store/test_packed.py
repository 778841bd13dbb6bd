"""The packed form of a program beside its file."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard

from farm.store.packed import SMALLEST_BYTES, pack, packed_path

PROGRAM = b"G1 X10 Y20 E0.5 F1200\n" * 5000


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "abc.gcode"
    path.write_bytes(PROGRAM)
    return path


def test_it_is_made_once_and_unpacks_to_the_program(program: Path) -> None:
    made = pack(program)
    assert made == packed_path(program) == program.with_name("abc.gcode.zst")
    content = made.read_bytes()
    assert len(content) * 10 < len(PROGRAM)
    assert zstandard.ZstdDecompressor().decompress(content) == PROGRAM
    made.write_bytes(b"as it was")
    assert pack(program) == made
    assert made.read_bytes() == b"as it was"
    assert sorted(path.name for path in program.parent.iterdir()) == ["abc.gcode", "abc.gcode.zst"]


def test_a_small_program_is_not_packed(program: Path) -> None:
    program.write_bytes(PROGRAM[: SMALLEST_BYTES - 1])
    assert pack(program) is None


def test_what_the_disk_needs_is_left_free(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.store.packed.shutil.disk_usage", lambda _path: SimpleNamespace(free=len(PROGRAM) + 1000))
    assert pack(program, reserve_bytes=1001) is None
    assert pack(program, reserve_bytes=1000) is not None


def test_a_disk_that_fills_up_leaves_nothing_behind(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("farm.store.packed.os.fsync", full)
    assert pack(program) is None
    assert [path.name for path in program.parent.iterdir()] == ["abc.gcode"]


def test_what_goes_wrong_otherwise_leaves_nothing_behind(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> None:
        raise MemoryError

    monkeypatch.setattr("farm.store.packed.os.fsync", broken)
    with pytest.raises(MemoryError):
        pack(program)
    assert [path.name for path in program.parent.iterdir()] == ["abc.gcode"]


def test_without_zstandard_there_is_no_packed_form(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert pack(program) is None


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        pack(tmp_path / "none.gcode")
