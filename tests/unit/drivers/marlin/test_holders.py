"""Who holds a port: with real locks of real processes, and with a /proc that is made up."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.marlin.holders import MAX_NAME, Holder, holder_of, name_of
from drivers.marlin.link import close_port, open_port

_OPENS = "import fcntl, sys; file = open(sys.argv[1], 'rb+', buffering=0); {}; print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def port() -> Iterator[str]:
    """A pty: a device of the kernel like any port."""
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("lock", ["fcntl.flock(file, fcntl.LOCK_EX)", "pass"], ids=["locks", "opens"])
def test_another_process_that_holds_a_port_is_named(port: str, lock: str) -> None:
    assert holder_of(port) is None, "we have it open ourselves"
    with subprocess.Popen(
        [sys.executable, "-c", _OPENS.format(lock), port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert holder_of(port) == Holder(child.pid, name_of(child.pid))
        assert "python" in name_of(child.pid)
        child.communicate()
    assert holder_of(port) is None


def test_our_own_driver_is_nobody_else(port: str) -> None:
    serial = open_port(port, 115_200)
    try:
        assert holder_of(port) is None
    finally:
        close_port(serial)


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    assert holder_of(str(tmp_path / "ttyUSB0")) is None


def _proc(folder: Path, device: Path, line: str) -> Path:
    """A /proc with one lock of a device; `{}` is its place."""
    status = device.stat()
    (folder / "proc").mkdir()
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    (folder / "proc" / "locks").write_text(f"1: POSIX  ADVISORY  WRITE 5 fe:00:1 0 EOF\nrubbish\n{line.format(place)}\n")
    return folder / "proc"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2: FLOCK  ADVISORY  WRITE 4242 {} 0 EOF", Holder(4242, "klippy")),
        ("2: FLOCK  ADVISORY  WRITE 4243 {} 0 EOF", Holder(4243, "")),  # ended meanwhile
        ("2: FLOCK  ADVISORY  WRITE 0 {} 0 EOF", Holder(0, "")),  # in another container
        ("2: FLOCK  ADVISORY  WRITE -1 {} 0 EOF", Holder(0, "")),
        ("2: -> FLOCK  ADVISORY  WRITE 4242 {} 0 EOF", None),  # waits for it
        ("2: FLOCK  ADVISORY  WRITE 4242 {}9 0 EOF", None),
        ("2: FLOCK  ADVISORY  WRITE ours {} 0 EOF", None),
    ],
)
def test_a_lock_that_is_shown_to_everybody(tmp_path: Path, line: str, found: Holder | None) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    # not in the parameters: the workers of one run must have the same tests
    proc = _proc(tmp_path, device, line.replace("ours", str(os.getpid())))
    (proc / "4242").mkdir()
    (proc / "4242" / "comm").write_text("klippy\n")
    assert holder_of(str(device), proc) == found


def test_a_name_is_printable_and_short(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "comm").write_bytes(b"a\x1b[31m\xff" + b"b" * 200)
    name = name_of(1, tmp_path)
    assert name.isprintable()
    assert len(name) == MAX_NAME
    assert name_of(2, tmp_path) == ""
