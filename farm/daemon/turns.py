"""One inspection at a time, people's first: it uses a whole core, and a Raspberry Pi has four.

What runs in the background is given up as soon as a person's file comes, and begun anew when nobody waits: a person waits behind
other people only.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Turns:
    """Who may inspect now."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._people = 0  # that wait, and the one whose turn it is
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._background: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def of_a_person(self) -> AsyncIterator[None]:
        """The turn of a person, after those who came before."""
        self._people += 1
        self._nobody.clear()
        given_up, self._background = self._background, None  # once: a second cancellation would disturb its last words
        if given_up is not None:
            given_up.cancel()
        try:
            async with self._one_at_a_time:
                yield
        finally:
            self._people -= 1
            if not self._people:
                self._nobody.set()

    async def in_background(self, work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """What `work` gives or raises, once it was let end: whenever a person comes it is cancelled, and called again later."""
        while True:
            await self._nobody.wait()
            async with self._one_at_a_time:
                if self._people:  # one who came while we waited for the end of another's
                    continue
                task = asyncio.create_task(work(), name="background-inspection")
                self._background = task
                try:
                    return await task
                except asyncio.CancelledError:
                    if not self._was_given_up(task):
                        raise
                finally:
                    self._background = None

    @staticmethod
    def _was_given_up(task: asyncio.Task[Any]) -> bool:
        """Whether a person came; else we ourselves are to end."""
        ourselves = asyncio.current_task()
        return task.cancelled() and ourselves is not None and not ourselves.cancelling()
