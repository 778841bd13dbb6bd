"""The temporary folder of a virtual printer's port, and those that killed processes left behind.

A folder belongs to the process that holds its lock: the kernel drops that lock however the process dies, and process ids, which are
used again and mean another process in another container, decide nothing.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "essaim-virtual-"
_OURS: Final = re.compile(rf"{_PREFIX}[0-9]+-[a-z0-9_]+")  # with a process id, for people who look
_YOUNG_S: Final = 60.0  # younger ones may belong to a process that has not locked its own yet
_MOST: Final = 1_000  # at one start


class PortFolder:
    """A folder that is ours until `close`. Blocking, some milliseconds. Raises OSError: it cannot be made."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Remove it, with what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_leftovers(parent: Path | None = None) -> int:
    """Remove folders of this user whose process is dead, and return how many. Blocking. `parent`: where temporary files are."""
    removed = 0
    with suppress(OSError), os.scandir(parent or tempfile.gettempdir()) as entries:
        for entry in entries:
            if removed == _MOST:
                break
            if _OURS.fullmatch(entry.name):
                removed += _remove_dead(Path(entry.path))
    return removed


def _remove_dead(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        found = os.fstat(handle)
        if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode) or abs(time.time() - found.st_mtime) < _YOUNG_S:
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except OSError:
        return False  # somebody lives there, or somebody else removes it now
    finally:
        os.close(handle)
    return True
