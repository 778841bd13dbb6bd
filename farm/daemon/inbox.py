"""What waits for the daemon's one loop: messages of nodes and requests of people, in the order in which they came. Bounded."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from farm.bus.client import Received
from farm.errors import FarmError
from gcode.texts import Bilingual
from scheduler.draft import Draft

MAX_MESSAGES: Final = 4_000  # the broker's window is far smaller; beyond it nodes repeat what is dropped
MAX_BYTES: Final = 64 * 1024**2  # ... and so is this; a message may have 256 kB, and what comes at QoS 0 knows no window
MAX_REQUESTS: Final = 500
BATCH: Final = 500
BATCH_BYTES: Final = 512 * 1024  # about 1,200 facts: taking them in and committing them stays below the 200 ms of docs/protocol.md
ENOUGH: Final = 100  # messages that are worth a commit of their own
GATHER_REAL_S: Final = 0.05  # what comes within it shares a commit: one for every message would wear a Raspberry Pi's SD card out


@dataclass(slots=True)
class Request:
    """A change that a person asks for: `action` fills a draft, `answer` has its result once that is committed."""

    action: Callable[[Draft], Any]
    answer: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def refuse(self, error: Exception) -> None:
        """Answer with an error, unless nobody waits any more."""
        if not self.answer.done():
            self.answer.set_exception(error)


Item = Received | Request


class Inbox:
    """A queue with two limits."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._requests = 0
        self._bytes = 0
        self._something = asyncio.Event()
        self._hurry = asyncio.Event()  # somebody waits for an answer, or there is enough for a commit
        self._closed: FarmError | None = None
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def receive(self, message: Received) -> None:
        """Queue a message; when there are too many it is dropped, and its node will repeat it."""
        full = len(self._items) - self._requests >= MAX_MESSAGES or self._bytes >= MAX_BYTES
        if self._closed is not None or full:
            self.dropped += 1
            message.acknowledge()
            return
        self._bytes += len(message.payload)
        self._append(message)

    def ask(self, action: Callable[[Draft], Any]) -> "asyncio.Future[Any]":
        """Queue a change; await the result.

        Raises:
            FarmError: too many wait already, or nobody takes them any more.

        """
        if self._closed is not None:
            raise self._closed
        if self._requests >= MAX_REQUESTS:
            raise FarmError(
                Bilingual("The daemon has too much to do.", "Le démon a trop à faire."),
                code="throttled",
                next_step=Bilingual("Try again in a few seconds.", "Réessayez dans quelques secondes."),
            )
        request = Request(action)
        self._requests += 1
        self._append(request)
        return request.answer

    def wake(self) -> None:
        """Have `take` return, also with nothing."""
        self._something.set()
        self._hurry.set()

    async def take(self, timeout_s: float) -> list[Item]:
        """Wait for something, then return what is there, limited in number and in bytes: it is committed together.

        A person's wish is returned at once; messages wait for others, for 50 ms of real time at most.
        """
        if not await _within(timeout_s, self._something):
            return []
        await _within(GATHER_REAL_S, self._hurry)
        batch: list[Item] = []
        size_bytes = 0
        while self._items and len(batch) < BATCH and size_bytes < BATCH_BYTES:
            item = self._items.popleft()
            batch.append(item)
            if isinstance(item, Request):
                self._requests -= 1
            else:
                size_bytes += len(item.payload)
        self._bytes -= size_bytes
        if not self._items:
            self._something.clear()
        if not self._is_urgent():
            self._hurry.clear()
        return batch

    def close(self, error: FarmError) -> None:
        """Refuse the requests that still wait, and every later one."""
        self._closed = error
        for item in self._items:
            if isinstance(item, Request):
                item.refuse(error)
        self._items.clear()
        self._requests = self._bytes = 0

    def _append(self, item: Item) -> None:
        self._items.append(item)
        self._something.set()
        if self._is_urgent():
            self._hurry.set()

    def _is_urgent(self) -> bool:
        return self._requests > 0 or len(self._items) >= ENOUGH or self._bytes >= BATCH_BYTES


async def _within(timeout_s: float, event: asyncio.Event) -> bool:
    """Wait for an event; tell whether it came in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
