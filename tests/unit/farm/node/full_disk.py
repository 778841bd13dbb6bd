"""A small disk in memory that can really be full. Needs root: mounting is the only honest way."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.real import require

MIB = 1024 * 1024


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Somebody else's file takes all the room that is left, to the last block."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass
        assert self.free_bytes == 0

    def empty(self) -> None:
        """That file is gone again."""
        self._filler.unlink()

    @property
    def free_bytes(self) -> int:
        """What can still be written."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """A disk of this size, mounted at `folder`."""
    require("root, to mount a small disk", os.geteuid() == 0)
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "essaim-test", str(folder)], capture_output=True, check=False
    )
    require("the right to mount a small disk", mounted.returncode == 0)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
