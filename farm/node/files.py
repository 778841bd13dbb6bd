"""The node's G-code files, by hash: fetched ahead for every allocation, verified, kept until the room is needed.

`data/programs/<sha256>.gcode`. Nothing is written here but whole files; a `.part` beside one is a transfer to be resumed.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Final, Protocol

from farm.errors import FarmError, TooLargeError
from farm.language import system_words
from farm.log import get_logger
from farm.node.ballast import free_bytes
from farm.node.fetch import DamagedError, Source, fetch, hash_of
from gcode.texts import Bilingual

_log = get_logger(__name__)
_THREADS: Final = 2  # one file does not wait behind a slow one; more would only share a home's line
_FIRST_RETRY_S: Final = 1.0  # real time: this is about the network
_LAST_RETRY_S: Final = 60.0
_FREE_SOME: Final = Bilingual("Free some space.", "Libérez de la place.")
_jitter = random.SystemRandom()


class ProgramCache(Protocol):
    """What the agent needs of a cache of programs."""

    @property
    def present(self) -> frozenset[str]:
        """The hashes of the programs that are here and verified."""
        ...

    def want(self, sizes: Mapping[str, int], keep: Iterable[str] = ()) -> None:
        """Have these programs (hash -> size in bytes, most urgent first) here; keep those in `keep`, too."""
        ...

    def take(self, sha256: str) -> Path | None:
        """The file, for a start; None when it is not there any more."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


@dataclass
class _Transfer:
    """One program on its way. `stop` ends the thread, `wake` the wait between two attempts."""

    size_bytes: int
    stop: Event = field(default_factory=Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def end(self) -> None:
        self.stop.set()
        self.wake.set()


class Programs:
    """What is here and what is on its way. All methods run on one event loop; disk and network work in threads of its own.

    Args:
        folder: made when it is missing.
        source: the farm.
        max_bytes: of all files together; what is needed now is never evicted for it.
        on_change: called when `present` has changed.
        reserve_bytes: what a transfer leaves free on the disk: programs come again, what the ledger writes does not.

    """

    def __init__(
        self, folder: Path, source: Source, *, max_bytes: int, on_change: Callable[[], None], reserve_bytes: int = 0
    ) -> None:
        self._folder = folder
        self._source = source
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._on_change = on_change
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="programs")
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._transfers: dict[str, _Transfer] = {}
        self._needed: frozenset[str] = frozenset()
        self._sizes: dict[str, int] = {}
        self.present: frozenset[str] = frozenset()
        self.problems: dict[str, FarmError] = {}

    def path(self, sha256: str) -> Path:
        """Where the file of a program is, or will be."""
        return self._folder / f"{sha256}.gcode"

    def want(self, sizes: Mapping[str, int], keep: Iterable[str] = ()) -> None:
        """Have these programs (hash -> size in bytes, most urgent first) here; never evict them, nor those in `keep`."""
        self._needed = frozenset(sizes) | frozenset(keep)
        self._sizes = dict(sizes)
        for sha256, transfer in self._transfers.items():
            if sha256 not in sizes:
                transfer.end()
                self.problems.pop(sha256, None)
        self._begin_missing()

    def take(self, sha256: str) -> Path | None:
        """The file, for a start; None when it is not there any more (somebody deleted it), and then it is fetched again."""
        path = self.path(sha256)
        try:
            # The least recently used goes first; when it was written stays: another printer may be printing it, and a driver that
            # sees it written anew fails that job.
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except OSError:
            self._forget(sha256)
            return None
        return path

    async def close(self) -> None:
        """End all transfers; what arrived is kept."""
        self._closing = True
        for transfer in self._transfers.values():
            transfer.end()
        await asyncio.gather(*(transfer.task for transfer in self._transfers.values() if transfer.task is not None))
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin_missing(self) -> None:
        """Begin what is wanted and not here. One that is just being ended begins again when its thread has let go of the file."""
        for sha256, size_bytes in self._sizes.items():
            if self._closing or sha256 in self.present or sha256 in self._transfers:
                continue
            transfer = _Transfer(size_bytes)
            self._transfers[sha256] = transfer
            transfer.task = asyncio.create_task(self._obtain(sha256, transfer), name=f"program-{sha256[:12]}")

    def _forget(self, sha256: str) -> None:
        if sha256 in self.present:
            self.present -= {sha256}
            self._on_change()
            self._begin_missing()

    async def _obtain(self, sha256: str, transfer: _Transfer) -> None:
        retry_s = _FIRST_RETRY_S
        try:
            while not transfer.stop.is_set() and not await self._attempt(sha256, transfer):
                with suppress(TimeoutError):
                    async with asyncio.timeout(retry_s * _jitter.uniform(0.75, 1.0)):
                        await transfer.wake.wait()
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
        finally:
            del self._transfers[sha256]
            self._begin_missing()

    async def _attempt(self, sha256: str, transfer: _Transfer) -> bool:
        try:
            await self._loop.run_in_executor(self._pool, self._obtain_once, sha256, transfer)
        except FarmError as error:
            self._failed(sha256, error)
            return False
        except OSError as error:
            says = Bilingual(f"The cache of programs: {error.strerror}.", f"Le cache des programmes : {system_words(error).fr}.")
            self._failed(sha256, FarmError(says, next_step=_FREE_SOME, code="cache-disk"))
            return False
        if not transfer.stop.is_set():
            recovered = self.problems.pop(sha256, None) is not None
            _log.info("program.here", program=sha256[:12], recovered=recovered)
            self.present |= {sha256}
            self._on_change()
        return True

    def _failed(self, sha256: str, error: FarmError) -> None:
        before = self.problems.get(sha256)
        self.problems[sha256] = error
        if before is None or before.code != error.code:
            _log.warning("program.missing", program=sha256[:12], detail=error.detail, next_step=error.next_step)

    # --- in a thread -------------------------------------------------------------------------------------------------------

    def _obtain_once(self, sha256: str, transfer: _Transfer) -> None:
        path = self.path(sha256)
        self._folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if hash_of(path, transfer.stop) == sha256 or transfer.stop.is_set():
                return
            path.unlink()
        self._make_room(sha256, transfer.size_bytes)
        problem = self.problems.get(sha256)
        damaged = problem is not None and problem.code == DamagedError.code
        fetch(self._source, sha256, transfer.size_bytes, path, transfer.stop, plain=damaged)
        _sync_folder(self._folder)

    def _make_room(self, sha256: str, size_bytes: int) -> None:
        """Evict the least recently used until this program fits beside what more urgent ones will take."""
        files = {path: path.stat() for path in self._folder.iterdir() if path.name.endswith((".gcode", ".part"))}
        own = self._part(sha256)
        have = files[own].st_size if own in files else 0
        taken = sum(stat.st_size for path, stat in files.items() if path != own) + size_bytes
        promised = self._promised(sha256, {path: stat.st_size for path, stat in files.items()})
        over = taken + promised - self._max_bytes
        free = free_bytes(self._folder)
        short = 0 if free is None else size_bytes - have + promised + self._reserve_bytes - free
        for path in sorted(files, key=lambda path: files[path].st_atime_ns):
            if over <= 0 and short <= 0:
                return
            name = path.name.partition(".")[0]
            if name in self._needed or name == sha256:
                continue
            with suppress(FileNotFoundError):
                path.unlink()
            over -= files[path].st_size
            short -= files[path].st_size
            self._loop.call_soon_threadsafe(self._forget, name)
        self._check_room(over, short)

    def _check_room(self, over: int, short: int) -> None:
        if over > 0:
            raise TooLargeError(
                Bilingual(
                    f"The programs that are needed now take {self._max_bytes + over} bytes; the cache may have {self._max_bytes}.",
                    f"Les programmes nécessaires prennent {self._max_bytes + over} octets ; le cache peut en avoir "
                    f"{self._max_bytes}.",
                ),
                next_step=Bilingual("Raise [cache] max_bytes in node.toml.", "Augmentez max_bytes dans [cache] de node.toml."),
            )
        if short > 0:
            says = Bilingual(
                f"The disk has {short} bytes too few for the next program.",
                f"Il manque {short} octets sur le disque pour le prochain programme.",
            )
            raise FarmError(says, next_step=_FREE_SOME, code="cache-disk")

    def _part(self, sha256: str) -> Path:
        return self.path(sha256).with_name(f"{sha256}.gcode.part")

    def _promised(self, sha256: str, sizes: Mapping[Path, int]) -> int:
        """What transfers that are more urgent than this one have yet to write."""
        missing = 0
        for other, size_bytes in self._sizes.items():
            if other == sha256:
                break
            if other not in self.present and self.path(other) not in sizes:
                missing += max(0, size_bytes - sizes.get(self._part(other), 0))
        return missing


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
