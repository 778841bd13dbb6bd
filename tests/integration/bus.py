"""What the tests of real brokers share: a free port, a listener that remembers, and clients that end with the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from farm.bus.client import BusClient, Callbacks, Login, Patience, Received, Will
from tests.patience import PATIENCE_S

QUICK = Patience(attempt_s=5.0, first_s=0.05, most_s=0.2)


class Ear:
    """Remembers what a client hears; acknowledges unless told not to."""

    def __init__(self, *, acknowledges: bool = True) -> None:
        self.messages: list[Received] = []
        self.connections = 0
        self.losses: list[str] = []
        self._acknowledges = acknowledges

    def hear(self, message: Received) -> None:
        self.messages.append(message)
        if self._acknowledges:
            message.acknowledge()

    def connected(self) -> None:
        self.connections += 1

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    def callbacks(self, will: Will | None = None) -> Callbacks:
        return Callbacks(self.hear, self.connected, self.losses.append, lambda: will)


@asynccontextmanager
async def client(
    urls: Sequence[str],
    login: Login,
    ear: Ear | None = None,
    *,
    subscriptions: Sequence[str] = (),
    ca_file: Path | None = None,
    will: Will | None = None,
) -> AsyncIterator[BusClient]:
    """A connected client."""
    listener = ear or Ear()
    bus = BusClient(urls, login, listener.callbacks(will), subscriptions=subscriptions, ca_file=ca_file, patience=QUICK)
    bus.start()
    try:
        await bus.wait_connected(PATIENCE_S)
        yield bus
    finally:
        await bus.close()


async def until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds; TimeoutError names it."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is in other processes
            await asyncio.sleep(0.01)
