"""What drivers want to have back when this process dies in the middle of a print: the newest `Bookmark` of each running job.

One small file a printer, written in place and never flushed: what a process wrote outlives it in the kernel's page cache, also
after kill -9. A power cut takes it, and may: by then the printer has lost its place anyway (docs/decisions/0015). A record says
whose it is and that it is whole, so that one which is torn or of another job is none.
"""

import asyncio
import json
import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from drivers.base import BOOKMARK_CHARACTERS, Bookmark
from farm.log import get_logger
from farm.node.core import NodeState
from gcode.texts import Told

_log = get_logger(__name__)
RECORD_BYTES: Final = 4_096  # a page of the page cache: written whole, and never a second one
_FREE_SOME: Final = Told("disk-full", "Free some space.", "Libérez de la place.")
_LOST_AT_THE_END: Final = Told(
    "no-bookmarks", "no print goes on after this process dies", "si ce programme s'arrête, aucune impression ne pourra continuer"
)
_GAP_S: Final = 0.2  # real time: a driver gives two a second; whatever it gives, no more rounds than these are written


def write(path: Path, mark: Bookmark) -> bool:
    """Put a bookmark in the place of the one before; False when the disk does not take it."""
    content = json.dumps({"job": mark.job, "text": mark.text}, ensure_ascii=False).encode("utf-8", "replace")
    record = b"%08x %s\n" % (crc32(content), content)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            return os.pwrite(descriptor, record.ljust(RECORD_BYTES), 0) == RECORD_BYTES
        finally:
            os.close(descriptor)
    except OSError:
        return False


def read(path: Path, job: str) -> str | None:
    """The bookmark of `job` in this file; None: there is none, it is torn, or it is of another job."""
    try:
        with path.open("rb") as file:
            checksum, _, content = file.read(RECORD_BYTES).rstrip().partition(b" ")
        if int(checksum, 16) != crc32(content):
            return None
        found = json.loads(content)
        return str(found["text"]) if found["job"] == job else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ended(before: NodeState, now: NodeState) -> list[str]:
    """The printers whose job has just ended: nobody will ask for its bookmark."""
    if before.occupations is now.occupations:
        return []
    return sorted(running(before) - running(now))


def running(state: NodeState) -> set[str]:
    """The printers with a job that has not ended, as far as the ledger knows."""
    return {printer for printer, occupied in state.occupations.items() if occupied.running}


class Bookmarks:
    """The bookmarks of one agent. All methods run on its loop; the disk is for `thread`, whose work keeps its order."""

    def __init__(self, folder: Path, thread: ThreadPoolExecutor) -> None:
        self._folder = folder
        self._thread = thread
        self._newest: dict[str, Bookmark] = {}  # printer -> what is to be written
        self._due = asyncio.Event()
        self._trouble = False

    def note(self, printer: str, mark: Bookmark) -> None:
        """Keep this one from now on. It is written at once or a moment later, and only the newest is; a longer one is refused."""
        if len(mark.text) <= BOOKMARK_CHARACTERS:
            self._newest[printer] = mark
            self._due.set()

    def forget(self, printers: Collection[str]) -> None:
        """Remove the bookmarks of these printers."""
        for printer in printers:
            self._newest.pop(printer, None)
        if printers:
            self._thread.submit(_remove, [self._folder / printer for printer in printers])

    async def of(self, printer: str, job: str) -> str | None:
        """The newest bookmark that an earlier process kept for this job."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, read, self._folder / printer, job)

    async def keep(self, printers: Collection[str]) -> None:
        """Write what is noted, for as long as the agent works; at first only the files of these printers are kept."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._remove_others, frozenset(printers))
        while True:
            await self._due.wait()
            self._due.clear()
            newest, self._newest = self._newest, {}
            self._tell(written=await loop.run_in_executor(self._thread, self._write, newest))
            await asyncio.sleep(_GAP_S)

    def _write(self, marks: Mapping[str, Bookmark]) -> bool:
        written = [write(self._folder / printer, mark) for printer, mark in marks.items()]
        return all(written)

    def _remove_others(self, printers: frozenset[str]) -> None:
        with suppress(OSError):
            _remove([path for path in self._folder.iterdir() if path.name not in printers])

    def _tell(self, *, written: bool) -> None:
        if written is not self._trouble:
            return
        self._trouble = not written
        if written:
            _log.info("bookmarks.kept-again")
        else:
            _log.warning("bookmarks.not-kept", note=_LOST_AT_THE_END, next_step=_FREE_SOME)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)
