"""A file that is only there to be deleted: on a full disk it makes room for the end of what runs, and for what a hand collects.

It goes slice by slice, because whoever filled the disk may take a slice before we do. Nothing new starts while some of it is gone,
so what is written then is bounded by the beds. It is made again when there is room for it twice: it must not fill the disk itself.
All functions block; `farm.node.keeper` calls them on the ledger's thread.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE_NAME: Final = "ballast"
# SQLite says "disk I/O error" for some writes that found no room (the shared-memory file): with less than this it was the room
FULL_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_SLICES: Final = 8


def free_bytes(folder: Path) -> int | None:
    """What an ordinary user may still write below `folder`; None: the system does not say."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def is_full(folder: Path) -> bool:
    """Whether there is no room to speak of."""
    free = free_bytes(folder)
    return free is not None and free < FULL_BYTES


class Ballast:
    """`size_bytes` of really allocated disk in `folder`; 0: none is kept, and none is missed."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._path = folder / FILE_NAME
        self._size_bytes = size_bytes

    @property
    def wanted(self) -> bool:
        """Whether one should be there."""
        return self._size_bytes > 0

    def there(self) -> bool:
        """Whether it is there, in full and not only in name: a sparse file makes no room."""
        try:
            found = self._path.lstat()
        except OSError:
            return False
        # a file of another size is of another configuration
        return found.st_size == self._size_bytes and found.st_blocks * 512 >= self._size_bytes

    def make(self) -> bool:
        """Have all of it there, if that leaves as much free again; whether it is there (or none is wanted)."""
        if not self.wanted:
            self._remove()
            return True
        if self.there():
            return True
        free = free_bytes(self._path.parent)
        if free is None or free + self._taken_bytes() < 2 * self._size_bytes:
            return False  # a slice that is left stays: it may be needed
        self._remove()
        try:
            self._allocate()
        except OSError:
            self._remove()
            return False
        return True

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
            if os.fstat(descriptor).st_blocks * 512 < self._size_bytes:
                self._fill(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _fill(self, descriptor: int) -> None:
        """A disk that compresses or knows no reservation: what cannot be compressed takes the room."""
        for begin in range(0, self._size_bytes, _CHUNK_BYTES):
            os.pwrite(descriptor, os.urandom(min(_CHUNK_BYTES, self._size_bytes - begin)), begin)

    def give(self) -> bool:
        """Give one slice of the room back; whether there was any. Somebody else may take it: then there are others."""
        left = self._taken_bytes() - -(-self._size_bytes // _SLICES)
        try:
            if left > 0:
                os.truncate(self._path, left)
            else:
                self._path.unlink()
        except OSError:
            return False
        return True

    def _taken_bytes(self) -> int:
        try:
            found = self._path.lstat()
        except OSError:
            return 0
        return min(found.st_size, found.st_blocks * 512)

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink()
