"""Which program holds a serial port now, found without opening it: an open raises DTR, and that resets many boards.

Linux shows every lock of a file with its process to everybody (/proc/locks, see proc(5)); pyserial locks a port that it opens for
itself alone (flock), as our agents, OctoPrint and printcore do. A program that locks nothing is found by its open files, where this
user may look at them.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gcode.texts import Bilingual

PROC: Final = Path("/proc")
MAX_NAME: Final = 40  # characters; the kernel gives 15
_MAX_LOCKS_BYTES: Final = 1 << 20
# `32: FLOCK  ADVISORY  WRITE 19446 00:1a:8 0 EOF`; one that waits has an arrow before its kind
_LOCK: Final = re.compile(r"\d+: \w+ +\w+ +\w+ (-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a port; `pid` 0 and no name where it is hidden (another container)."""

    pid: int
    name: str

    @property
    def text(self) -> Bilingual:
        """What people call it."""
        if not self.name:
            return Bilingual("another program", "un autre programme")
        return Bilingual(f"{self.name} (process {self.pid})", f"{self.name} (processus {self.pid})")


def holder_of(device: str, proc: Path = PROC) -> Holder | None:
    """The other process that holds `device`; None when nobody does that this user may know of. Blocks for some milliseconds."""
    try:
        status = os.stat(device)  # noqa: PTH116 - one look at a device: no object for it
    except OSError:
        return None
    wanted = os.major(status.st_dev), os.minor(status.st_dev), status.st_ino
    for pid, file in _locks(proc):
        if file == wanted and pid != os.getpid():
            return Holder(max(pid, 0), name_of(pid, proc))
    return _by_open_files(os.path.realpath(device), proc)


def name_of(pid: int, proc: Path = PROC) -> str:
    """What a process is called; empty when it is not to be seen."""
    try:
        name = (proc / str(pid) / "comm").read_bytes()[: 4 * MAX_NAME].decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:MAX_NAME]


def _locks(proc: Path) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Each lock that is held: the process, and the file by device (major, minor) and inode."""
    try:
        with (proc / "locks").open("rb") as file:
            text = file.read(_MAX_LOCKS_BYTES).decode("ascii", "replace")
    except OSError:
        return
    for line in text.splitlines():
        found = _LOCK.match(line)
        if found is not None:
            yield int(found[1]), (int(found[2], 16), int(found[3], 16), int(found[4]))


def _by_open_files(real: str, proc: Path) -> Holder | None:
    for process in proc.glob("[0-9]*"):
        pid = int(process.name) if process.name.isdigit() else 0
        if pid == os.getpid():
            continue
        try:
            if any(os.path.realpath(link) == real for link in (process / "fd").iterdir()):
                return Holder(pid, name_of(pid, proc))
        except OSError:
            continue  # another user's process, or one that has just ended
    return None
