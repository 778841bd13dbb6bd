"""What a thread makes for somebody who may be gone when it is done.

`asyncio.to_thread` gives its result to who waits for it. A thread cannot be ended: when the one who waits is cancelled, it goes on.
What it then opens, a file, a lock or a connection, belongs to nobody: `made` gives such a thing back. What it works on must not be
taken away from it: `finished` waits for its end.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Made = TypeVar("_Made")


async def made(make: Callable[[], _Made], undo: Callable[[_Made], object]) -> _Made:
    """Run `make` in a thread and return what it made; when this is cancelled meanwhile, `undo` gets it as soon as it is there.

    Raises:
        Exception: what `make` raises.

    """
    outcome: Future[_Made] = Future()

    def run() -> None:
        outcome.set_result(make())

    try:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, run))
    except asyncio.CancelledError:
        outcome.add_done_callback(lambda done: undo(done.result()))
        raise
    return outcome.result()


async def finished(work: Callable[[], _Made]) -> _Made:
    """Run `work` in a thread and return what it returns; who is cancelled meanwhile is cancelled when it is done.

    Raises:
        Exception: what `work` raises.

    """
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise
