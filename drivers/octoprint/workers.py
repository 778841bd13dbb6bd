"""Threads for blocking requests, shared by all OctoPrints of a process.

Two threads a printer would be a hundred with fifty printers, nearly all asleep: a question takes milliseconds twice a minute. Here
is one bounded pool, made with the first printer and ended with the last. Each printer holds at most two of its threads (an upload
and a question), so that one that answers nothing cannot keep the others waiting, and an emergency stop has threads of its own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final, TypeVar

from drivers.errors import Bilingual, UnreachableError

_T = TypeVar("_T")
THREADS: Final = 24
URGENT_THREADS: Final = 4
PER_PRINTER: Final = 2


def closed() -> UnreachableError:
    """The error of whoever asks a printer that was let go."""
    return UnreachableError(
        Bilingual("The printer was closed.", "L'imprimante a été fermée."),
        next_step=Bilingual("Open it again.", "Rouvrez-la."),
    )


class _Pools:
    """The two pools and who uses them. All on one thread at a time: event loops of one process, one after the other in tests."""

    current: ClassVar["_Pools | None"] = None

    def __init__(self) -> None:
        self.users = 0
        self.usual = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="octoprint")
        self.urgent = ThreadPoolExecutor(max_workers=URGENT_THREADS, thread_name_prefix="octoprint-urgent")


class Workers:
    """One printer's share. `close` it."""

    def __init__(self) -> None:
        if _Pools.current is None:
            _Pools.current = _Pools()
        self._pools: _Pools | None = _Pools.current
        self._pools.users += 1
        self._turn = asyncio.Semaphore(PER_PRINTER)

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run it in a thread when it is this printer's turn.

        Raises:
            UnreachableError: the printer was closed before the function began, or meanwhile.

        """
        async with self._turn:
            return await self._run_in(self._open().usual, function, *arguments)

    async def run_urgently(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run it in a thread that is kept for what cannot wait.

        Raises:
            UnreachableError: as for `run`.

        """
        return await self._run_in(self._open().urgent, function, *arguments)

    async def _run_in(self, pool: ThreadPoolExecutor, function: Callable[..., _T], *arguments: Any) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._pools is None and task is not None and not task.cancelling():
                raise closed() from None  # the pool gave up what waited in it; nobody cancelled who asked
            raise

    def _open(self) -> _Pools:
        if self._pools is None:
            raise closed()
        return self._pools

    def close(self) -> None:
        """Give the share back; the last one ends the threads as soon as they have nothing to do."""
        pools, self._pools = self._pools, None
        if pools is None:
            return
        pools.users -= 1
        if pools.users == 0:
            _Pools.current = None
            pools.usual.shutdown(wait=False, cancel_futures=True)
            pools.urgent.shutdown(wait=False, cancel_futures=True)
