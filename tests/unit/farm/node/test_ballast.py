import errno
import os
import zlib
from pathlib import Path

import pytest

from farm.node import ballast as module
from farm.node.ballast import FULL_BYTES, Ballast, free_bytes, is_full
from tests.unit.farm.node.full_disk import MIB, small_disk


def test_it_is_really_allocated_and_freed(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, MIB)
    assert not ballast.there()
    assert ballast.make()
    found = (tmp_path / "ballast").stat()
    assert found.st_size == MIB
    assert found.st_blocks * 512 >= MIB, "a sparse file would make no room"
    assert found.st_mode & 0o777 == 0o600
    assert ballast.there()
    sizes = []
    while ballast.give():
        assert not ballast.there()
        sizes.append((tmp_path / "ballast").stat().st_size if (tmp_path / "ballast").exists() else 0)
    assert sizes == [MIB * left // 8 for left in range(7, -1, -1)], "slice by slice"
    assert not (tmp_path / "ballast").exists()


def test_one_that_is_there_is_left_alone(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, MIB)
    assert ballast.make()
    before = (tmp_path / "ballast").stat()
    assert ballast.make()
    assert (tmp_path / "ballast").stat().st_ino == before.st_ino


@pytest.mark.parametrize("size", [0, MIB // 2, 2 * MIB])
def test_one_of_another_size_is_made_anew(tmp_path: Path, size: int) -> None:
    Ballast(tmp_path, size).make()
    ballast = Ballast(tmp_path, MIB)
    assert not ballast.there()
    assert ballast.make()
    assert (tmp_path / "ballast").stat().st_size == MIB


def test_a_sparse_one_does_not_count(tmp_path: Path) -> None:
    with (tmp_path / "ballast").open("wb") as file:
        file.truncate(MIB)
    ballast = Ballast(tmp_path, MIB)
    assert not ballast.there()
    assert ballast.make()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= MIB


def test_without_a_size_none_is_kept_and_none_is_missed(tmp_path: Path) -> None:
    Ballast(tmp_path, MIB).make()
    ballast = Ballast(tmp_path, 0)
    assert not ballast.wanted
    assert ballast.make()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "made"), [(2 * MIB, True), (2 * MIB - 1, False), (0, False), (None, False)])
def test_it_leaves_as_much_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int | None, made: bool) -> None:
    monkeypatch.setattr(module, "free_bytes", lambda _folder: free)
    assert Ballast(tmp_path, MIB).make() is made
    assert (tmp_path / "ballast").exists() is made


def test_an_allocation_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    assert not Ballast(tmp_path, MIB).make()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_reserves_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_in_name(descriptor: int, _begin: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    monkeypatch.setattr(os, "posix_fallocate", only_in_name)
    ballast = Ballast(tmp_path, MIB + 1)
    assert ballast.make()
    content = (tmp_path / "ballast").read_bytes()
    assert len(content) == MIB + 1
    assert len(zlib.compress(content)) > MIB, "what can be compressed may take no room"
    assert ballast.there()


def test_what_is_left_of_it_stays_until_there_is_room_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ballast = Ballast(tmp_path, MIB)
    ballast.make()
    ballast.give()
    monkeypatch.setattr(module, "free_bytes", lambda _folder: MIB)
    assert not ballast.make()
    assert (tmp_path / "ballast").stat().st_size == MIB * 7 // 8
    monkeypatch.setattr(module, "free_bytes", lambda _folder: MIB * 9 // 8)
    assert ballast.make()
    assert ballast.there()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "precious"
    other.write_text("x")
    (tmp_path / "ballast").symlink_to(other)
    assert Ballast(tmp_path, MIB).make()
    assert other.read_text() == "x"
    assert not (tmp_path / "ballast").is_symlink()


def test_how_much_is_free(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    assert free is not None
    assert free > FULL_BYTES
    assert not is_full(tmp_path)
    assert free_bytes(tmp_path / "absent") is None
    assert not is_full(tmp_path / "absent")


@pytest.mark.real
def test_on_a_real_disk_it_makes_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        ballast = Ballast(disk.path, MIB)
        assert ballast.make()
        disk.fill()
        assert is_full(disk.path)
        assert ballast.there()
        assert ballast.give()
        assert disk.free_bytes == MIB // 8
        assert not ballast.make(), "what it gave it does not take back at once"
        disk.fill()
        assert ballast.give(), "who took the first slice has not taken all"
        assert disk.free_bytes == MIB // 8
        disk.empty()
        assert ballast.make()
