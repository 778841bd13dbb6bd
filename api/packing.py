"""Which form of a program goes over the wire: packed with zstd for who takes that, made at the first such request."""

import asyncio
import re
from pathlib import Path
from typing import Final

from farm.store.packed import pack

PATIENCE_S: Final = 3.0  # of a request, while a large program is packed: a node waits ten for the first byte
MAX_PACKINGS: Final = 2  # at once; others meanwhile get the plain form
_CODING: Final = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q=(\d(?:\.\d{0,3})?))?\s*")


def takes_zstd(accept_encoding: str) -> bool:
    """Whether this Accept-Encoding (RFC 9110, 12.5.3) names zstd and does not refuse it. Who says nothing gets the plain form."""
    for coding in accept_encoding[:400].split(","):
        match = _CODING.fullmatch(coding)
        if match and match[1].lower() == "zstd":
            return match[2] is None or float(match[2]) > 0
    return False


class Packing:
    """The packings under way: who asks for the same program waits for the same one.

    Args:
        reserve_bytes: what they leave free on the disk.
        patience_s: how long a request waits before it takes the plain form.

    """

    def __init__(self, reserve_bytes: int = 0, *, patience_s: float = PATIENCE_S) -> None:
        self._reserve_bytes = reserve_bytes
        self._patience_s = patience_s
        self._tasks: dict[Path, asyncio.Task[Path | None]] = {}

    async def packed(self, path: Path) -> Path | None:
        """The packed form of the program at `path`; None: send the plain one."""
        task = self._tasks.get(path)
        if task is None:
            if len(self._tasks) >= MAX_PACKINGS:
                return None
            task = asyncio.create_task(asyncio.to_thread(pack, path, reserve_bytes=self._reserve_bytes), name="packing")
            task.add_done_callback(lambda done: self._forget(path, done))
            self._tasks[path] = task
        done, _ = await asyncio.wait({task}, timeout=self._patience_s)
        return None if not done or task.exception() is not None else task.result()

    def _forget(self, path: Path, task: asyncio.Task[Path | None]) -> None:
        del self._tasks[path]
        if not task.cancelled():
            task.exception()  # the plain form has the same trouble, and says so

    async def close(self) -> None:
        """Wait for what is under way: a thread cannot be ended, and what it makes is whole or not there."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
