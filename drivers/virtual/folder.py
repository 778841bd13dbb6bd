"""Temporary folders of what is virtual (a printer's port, a whole demo), and those that killed processes left behind.

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

PORT: Final = "virtual"
DEMO: Final = "demo"
_YOUNG_S: Final = 60.0  # younger ones may belong to a process that has not locked its own yet
_MOST: Final = 1_000  # at one start


class HeldFolder:
    """A folder that is ours until `close`; `purpose` is part of its name. Blocking, some milliseconds.

    Raises:
        OSError: it cannot be made.

    """

    def __init__(self, purpose: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"essaim-{purpose}-{os.getpid()}-"))  # the process, for people who look
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Remove it, with what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_leftovers(purpose: str, parent: Path | None = None) -> int:
    """Remove folders of this user and purpose whose process is dead; return how many. Blocking. `parent`: of temporary files."""
    ours = re.compile(rf"essaim-{re.escape(purpose)}-[0-9]+-[a-z0-9_]+")
    removed = 0
    with suppress(OSError), os.scandir(parent or tempfile.gettempdir()) as entries:
        for entry in entries:
            if removed == _MOST:
                break
            if ours.fullmatch(entry.name):
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
