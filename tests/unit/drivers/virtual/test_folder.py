"""What a killed process left behind is removed, and nothing else."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from drivers.virtual.folder import DEMO, PORT, HeldFolder, remove_leftovers
from drivers.virtual.printer import VirtualPrinter, VirtualSettings

HOLDER = """
import sys, time
from drivers.virtual.folder import HeldFolder
print(HeldFolder(sys.argv[1]).path, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files of this test and of its processes are here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(folder: Path) -> Path:
    """As if it were made some time ago."""
    an_hour_ago_s = time.time() - 3_600
    os.utime(folder, (an_hour_ago_s, an_hour_ago_s))
    return folder


def left(parent: Path, name: str = "essaim-virtual-1-ab_c12de") -> Path:
    (parent / name).mkdir()
    (parent / name / "printer").symlink_to("/dev/pts/none")
    return aged(parent / name)


@pytest.mark.parametrize(("purpose", "other"), [(PORT, DEMO), (DEMO, PORT)])
def test_what_a_killed_process_held_is_removed_once_it_is_dead(temporary: Path, purpose: str, other: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, purpose], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        folder = aged(Path(holder.stdout.readline().strip()))
        assert folder.parent == temporary
        assert folder.name.startswith(f"essaim-{purpose}-{holder.pid}-")
        assert remove_leftovers(purpose) == 0
        assert folder.is_dir()
        holder.send_signal(signal.SIGKILL)
    assert remove_leftovers(other) == 0
    assert remove_leftovers(purpose) == 1
    assert not folder.exists()


def test_our_own_folder_is_kept_and_removed_by_ourselves() -> None:
    folder = HeldFolder(PORT)
    assert folder.path.stat().st_mode & 0o077 == 0
    aged(folder.path)
    assert remove_leftovers(PORT) == 0
    (folder.path / "printer").symlink_to("/dev/pts/none")
    folder.close()
    assert not folder.path.exists()


def test_one_that_was_made_just_now_is_left_alone(temporary: Path) -> None:
    folder = left(temporary)
    os.utime(folder)
    assert remove_leftovers(PORT) == 0
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["essaim-virtual-abcd1234", "essaim-virtual-1-x.old", "essaim-virtual-", "other-1-abcd"])
def test_what_has_another_name_is_left_alone(temporary: Path, name: str) -> None:
    folder = left(temporary, name)
    assert remove_leftovers(PORT) == 0
    assert folder.is_dir()


def test_a_link_to_somewhere_else_is_not_followed(temporary: Path) -> None:
    other = temporary / "precious"
    other.mkdir()
    aged(other)
    (temporary / "essaim-virtual-1-ab_c12de").symlink_to(other)
    (temporary / "essaim-virtual-2-ab_c12de").write_text("a file")
    assert remove_leftovers(PORT) == 0
    assert other.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_belongs_to_another_user_is_left_alone(temporary: Path) -> None:
    folder = left(temporary)
    os.chown(folder, 12_345, 12_345)
    aged(folder)
    assert remove_leftovers(PORT) == 0
    assert folder.is_dir()


def test_a_missing_folder_of_temporary_files_is_no_trouble(tmp_path: Path) -> None:
    assert remove_leftovers(PORT, tmp_path / "none") == 0


async def test_a_printer_that_is_switched_on_tidies_up(temporary: Path) -> None:
    dead = left(temporary)
    printer = VirtualPrinter(VirtualSettings(), lambda _event: None)
    await printer.connect()
    try:
        assert not dead.exists()
        (own,) = temporary.glob("essaim-virtual-*")
        assert (own / "printer").is_symlink()
    finally:
        await printer.close()
    assert list(temporary.glob("essaim-virtual-*")) == []
