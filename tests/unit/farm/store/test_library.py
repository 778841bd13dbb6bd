"""The library of programs."""

import hashlib
from pathlib import Path

import pytest

from farm.errors import InvalidError, NotFoundError
from farm.store.library import Library
from farm.store.packed import packed_path

CONTENT = b"G28\nG1 X1 E1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def library(folder: Path) -> Library:
    made = Library(folder / "programs")
    made.open()
    return made


def upload(made: Library, content: bytes = CONTENT) -> Path:
    path = made.incoming / "upload"
    path.write_bytes(content)
    return path


def test_takes_a_file_once_and_finds_it_by_hash(tmp_path: Path) -> None:
    made = library(tmp_path)
    for _ in range(2):
        assert made.take(upload(made), SHA256) == SHA256
    assert made.existing(SHA256).read_bytes() == CONTENT
    assert list(made.incoming.iterdir()) == []


def test_refuses_another_hash_than_promised_and_leaves_nothing(tmp_path: Path) -> None:
    made = library(tmp_path)
    with pytest.raises(InvalidError, match="promised"):
        made.take(upload(made, CONTENT[:-3]), SHA256)
    assert list(made.incoming.iterdir()) == []
    with pytest.raises(NotFoundError, match="no program"):
        made.existing(SHA256)


def test_opening_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    made = library(tmp_path)
    made.take(upload(made), SHA256)
    packed = packed_path(made.path(SHA256))
    packed.write_bytes(b"packed")
    unfinished = packed.with_name(f"{packed.name}.4711.part")
    unfinished.write_bytes(b"pac")
    upload(made)
    assert list(library(tmp_path).incoming.iterdir()) == []
    assert not unfinished.exists()
    assert packed.exists()
    assert made.existing(SHA256).read_bytes() == CONTENT


def test_a_picture_lies_beside_its_program_whole_or_not_at_all(tmp_path: Path) -> None:
    made = library(tmp_path)
    with pytest.raises(NotFoundError, match="no preview"):
        made.existing_picture(SHA256, "preview")
    made.keep_picture(SHA256, "preview", b"one")
    made.keep_picture(SHA256, "preview", b"two")
    assert made.existing_picture(SHA256, "preview").read_bytes() == b"two"
    assert made.existing_picture(SHA256, "preview").parent == made.path(SHA256).parent
    assert list(made.incoming.iterdir()) == []
    with pytest.raises(NotFoundError):
        made.existing_picture(SHA256, "thumbnail")


def test_what_is_removed_leaves_nothing_and_may_be_missing(tmp_path: Path) -> None:
    made = library(tmp_path)
    sha256 = made.take(upload(made))
    made.keep_picture(sha256, "preview", b"png")
    packed_path(made.path(sha256)).write_bytes(b"zst")
    for _ in range(2):
        made.remove(sha256, ["preview", "thumbnail"])
        assert list(made.path(sha256).parent.iterdir()) == []
