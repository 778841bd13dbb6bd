"""One daemon a data folder."""

import errno
import os
from pathlib import Path

import pytest

from farm.daemon.lock import FILE_NAME, DataLock, check_unused
from farm.errors import ConfigurationError


def test_the_second_is_refused_and_told_which_process_holds_it(tmp_path: Path) -> None:
    first = DataLock(tmp_path / "data")
    with pytest.raises(ConfigurationError, match=f"process {os.getpid()}") as refused:
        DataLock(tmp_path / "data")
    assert refused.value.code == "data-folder-in-use"
    first.release()
    DataLock(tmp_path / "data").release()


def test_a_lock_file_that_was_left_behind_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("99999\n")
    lock = DataLock(tmp_path)
    assert (tmp_path / FILE_NAME).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as refused:
        DataLock(tmp_path / "file" / "data")
    assert "--data" in refused.value.next_step


def test_that_a_folder_is_used_can_be_found_out_without_making_or_taking_it(tmp_path: Path) -> None:
    check_unused(tmp_path / "data")
    assert not (tmp_path / "data").exists()
    first = DataLock(tmp_path / "data")
    with pytest.raises(ConfigurationError, match=f"process {os.getpid()}") as refused:
        check_unused(tmp_path / "data")
    assert refused.value.code == "data-folder-in-use"
    first.release()
    check_unused(tmp_path / "data")
    DataLock(tmp_path / "data").release()


def test_the_folder_is_private(tmp_path: Path) -> None:
    lock = DataLock(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    lock.release()


def test_on_a_full_disk_it_is_taken_although_nobody_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        lock = DataLock(tmp_path)
    with pytest.raises(ConfigurationError, match="process unknown"):
        DataLock(tmp_path)
    lock.release()
