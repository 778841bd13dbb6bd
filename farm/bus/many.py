"""The daemon's half of a list of brokers: a connection to each of them at once, because every node is on one that it chose.

What a caller may rely on is what `farm.bus.client` says, and:
- Everything is said on every broker that is connected; what a node hears twice is harmless by the contract (docs/protocol.md).
- A broker that hangs holds up nobody: a message counts as handed over as soon as one broker took it.
- Brokers need know nothing of each other. When two names lead to one and the same, each connection has a client id of its own, so
  that they do not throw each other out.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from farm.bus.client import BusClient, Callbacks, Login, Patience, encoded, no_answer
from farm.bus.messages import Envelope
from farm.bus.topics import DELIVERY, Stream, topic
from farm.bus.transport import parse_url
from farm.errors import ConfigurationError, FarmError
from gcode.texts import Bilingual, Told

__all__ = ["BrokerState", "EveryBroker"]


@dataclass(frozen=True, slots=True)
class BrokerState:
    """One broker of the list, `host:port`. `problem` says why it is not connected; empty when it is, or was not tried yet.

    It is a `Told` where its French is known: `both` gives the two.
    """

    broker: str
    connected: bool
    problem: str = ""


class EveryBroker:
    """Publishes to and receives from all brokers of a list; the same interface as `BusClient`.

    Args:
        urls: brokers; one that is named twice is used once.
        login: the same on each.
        callbacks: `on_connected` and `on_lost` are called for each broker, with `on_unreachable` whenever `brokers` has changed.
        subscriptions: as `BusClient`, on each broker.
        ca_file: as `BusClient`.
        patience: of the attempts to connect, for each broker.

    Raises:
        ConfigurationError: no URL, a bad one, too many, or an unreadable `ca_file`.

    """

    def __init__(
        self,
        urls: Sequence[str],
        login: Login,
        callbacks: Callbacks,
        *,
        subscriptions: Sequence[str] = (),
        ca_file: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._addresses = list(dict.fromkeys(parse_url(url) for url in urls))
        if not self._addresses:
            raise ConfigurationError(
                Bilingual("There must be at least one broker URL.", "Il faut au moins une URL de courtier."),
                next_step=Bilingual("List it in the configuration.", "Écrivez-la dans la configuration."),
            )
        self._callbacks = callbacks
        self._some = asyncio.Event()
        self._slow: set[asyncio.Task[bool]] = set()
        self._problems: dict[str, str] = {}
        self._clients: dict[str, BusClient] = {}
        for number, address in enumerate(self._addresses, start=1):
            name = str(address)
            self._clients[name] = BusClient(
                [address.url],
                replace(login, client_id=_client_id(login, number)),
                replace(
                    callbacks,
                    on_connected=partial(self._on_connected, name),
                    on_lost=partial(self._on_lost, name),
                    on_unreachable=partial(self._on_unreachable, name),
                ),
                subscriptions=subscriptions,
                ca_file=ca_file,
                patience=patience,
            )

    @property
    def connected(self) -> bool:
        """Whether at least one broker is connected now."""
        return any(client.connected for client in self._clients.values())

    @property
    def brokers(self) -> list[BrokerState]:
        """All of them, in the order of the list."""
        return [
            BrokerState(name, client.connected, "" if client.connected else self._problems.get(name, ""))
            for name, client in self._clients.items()
        ]

    def start(self) -> None:
        """Begin to connect to all of them, in the background."""
        for client in self._clients.values():
            client.start()

    async def wait_connected(self, timeout_s: float) -> None:
        """Wait for the first connection; attempts go on in the background whatever this raises.

        Raises:
            FarmError: why the newest attempt failed, after `timeout_s`.

        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._some.wait()
        except TimeoutError:
            problems = [client.problem for client in self._clients.values() if client.problem is not None]
            raise (problems[0] if problems else no_answer(self._addresses)) from None

    async def publish(self, topic_name: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        """Hand a message to every broker that is connected; True as soon as one took it, False when none did.

        Raises:
            TooLargeError: over 256 kB.

        """
        ready = [client for client in self._clients.values() if client.connected]
        if len(ready) == 1:
            return await ready[0].publish(topic_name, payload, qos=qos, retain=retain)
        tasks = {asyncio.create_task(client.publish(topic_name, payload, qos=qos, retain=retain)) for client in ready}
        self._slow |= tasks
        for task in tasks:
            task.add_done_callback(self._slow.discard)
        return await _first_taken(tasks)

    async def say(self, node: str, stream: Stream, message: Envelope) -> bool:
        """Publish a message of the contract on a stream of `node`, as that stream is delivered. As `publish`."""
        delivery = DELIVERY[stream]
        return await self.publish(topic(node, stream), encoded(message), qos=delivery.qos, retain=delivery.retain)

    async def close(self, timeout_s: float = 2.0) -> None:
        """Send what waits, say goodbye to each and end. Safe to call twice."""
        await asyncio.gather(*(client.close(timeout_s) for client in self._clients.values()))
        for task in self._slow:
            task.cancel()
        await asyncio.gather(*self._slow, return_exceptions=True)

    def _on_connected(self, name: str) -> None:
        self._problems.pop(name, None)
        self._some.set()
        self._callbacks.on_connected()

    def _on_lost(self, name: str, reason: str) -> None:
        self._problems[name] = reason
        if not self.connected:
            self._some.clear()
        self._callbacks.on_lost(reason)

    def _on_unreachable(self, name: str, error: FarmError) -> None:
        self._problems[name] = Told(error.code, error.detail, error.detail_fr)
        self._callbacks.on_unreachable(error)


def _client_id(login: Login, number: int) -> str:
    first = login.client_id or login.username
    return first if number == 1 else f"{first}-{number}"


async def _first_taken(tasks: set[asyncio.Task[bool]]) -> bool:
    """Whether one of them took the message; those that hang go on by themselves, as far as their own limits allow."""
    waiting = tasks
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        errors = [error for task in done if (error := task.exception()) is not None]
        if errors:
            raise errors[0]
        if any(task.result() for task in done):
            return True
    return False
