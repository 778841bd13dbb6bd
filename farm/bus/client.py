"""The MQTT client of daemon and node: stays connected to the first broker of a list that answers, and says so when it cannot.

What a caller may rely on:
- A message is acknowledged to the broker only when its handler calls `acknowledge` (the daemon: after the commit). The broker then
  holds back further QoS 1 messages: that is the brake when the store is slow.
- Nothing is kept for a later connection. `publish` answers False when it cannot hand a message over; its owner repeats it, at the
  latest when `on_connected` is called.
- Loss and recovery are logged once each, and again only when the cause changes.
"""

import asyncio
import math
import random
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm.bus.connection import Connection, Login, Received, Will
from farm.bus.messages import Envelope
from farm.bus.topics import DELIVERY, Stream, topic
from farm.bus.transport import CHECK_THE_WAY, Address, parse_url, tls_context
from farm.errors import ConfigurationError, FarmError, UnreachableError
from farm.log import get_logger
from gcode.texts import Bilingual, Told

__all__ = ["BusClient", "Callbacks", "Login", "Patience", "Received", "Will", "check_login", "encoded"]

_log = get_logger(__name__)
_MAX_URLS: Final = 8
_STEADY_S: Final = 10.0  # a connection that lasted this long starts the back-off afresh; two clients that fight over an id do not
_LOOK_AGAIN_S: Final = 60.0  # how long may be quiet can change meanwhile
_GOODBYE_S: Final = 1.0
_UNHEARD: Final = Told("broker-quiet", "nothing was heard on it for too long", "rien n'y a été entendu depuis trop longtemps")
_jitter = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an attempt may take, and how long to wait between two walks through the list of brokers (doubling, with jitter)."""

    attempt_s: float = 10.0  # a step of it: name and connection, TLS, login, subscription
    first_s: float = 0.5
    most_s: float = 30.0  # a workshop's broker that was restarted is found again within half a minute

    def delay_s(self, walks: int) -> float:
        """Seconds to wait after `walks` walks without success: 50 to 100 % of the full time, so that nodes do not come in step."""
        return min(self.most_s, self.first_s * 2.0 ** min(walks, 16)) * _jitter.uniform(0.5, 1.0)


def _ignore() -> None:
    pass


def _ignore_reason(_reason: str) -> None:
    pass


def _ignore_error(_error: FarmError) -> None:
    pass


def _log_too_large(topic_name: str, size_bytes: int) -> None:
    _log.warning("bus.too-large", topic=topic_name, size_bytes=size_bytes)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the owner of a client wants to hear. All are called on the loop and must not block it.

    `on_message`: once a message; may be called before `on_connected`. `on_connected`: a connection is made and its subscriptions
    are granted. `on_lost`: with the reason, when that connection ended, unless by `close`. `last_will`: asked before every attempt,
    because a will names its connection. `on_unreachable`: an attempt failed for another reason than the one before. `quiet_s`: real
    seconds without a live message after which the next broker of the list is tried, because nobody may be listening on this one.
    `on_too_large`: with topic and size, once a packet over the limit; it was dropped.
    """

    on_message: Callable[[Received], None]
    on_connected: Callable[[], None] = _ignore
    on_lost: Callable[[str], None] = _ignore_reason
    last_will: Callable[[], Will | None] = lambda: None
    on_unreachable: Callable[[FarmError], None] = _ignore_error
    quiet_s: Callable[[], float] = lambda: math.inf
    on_too_large: Callable[[str, int], None] = _log_too_large


class BusClient:
    """Publishes and receives; reconnects by itself until `close`. Everything runs on the loop it was started on.

    Args:
        urls: brokers, tried in this order: `mqtt://host:port`, `mqtts://host:port`.
        login: user name (which is the client id too) and password.
        callbacks: what the owner wants to hear.
        subscriptions: topic filters, subscribed at QoS 1 on every connection; what matches none of them is dropped.
        ca_file: the authority of `mqtts://` brokers; None: those of the system.
        patience: of the attempts to connect.

    Raises:
        ConfigurationError: no URL, a bad one, or an unreadable `ca_file`.

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
        if not 0 < len(urls) <= _MAX_URLS:
            raise ConfigurationError(
                Bilingual(f"There must be 1 to {_MAX_URLS} broker URLs.", f"Il faut de 1 à {_MAX_URLS} URL de courtiers."),
                next_step=Bilingual("List them in the configuration.", "Écrivez-les dans la configuration."),
            )
        self._addresses = [parse_url(url) for url in urls]
        self._context = tls_context(ca_file) if any(address.tls for address in self._addresses) else None
        self._login = login
        self._callbacks = callbacks
        self._subscriptions = list(subscriptions)
        self._patience = patience or Patience()
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bus-connect")
        self._closing = False
        self._heard_s = 0.0
        self._cause: str | None = None  # of the newest failure, by its code
        self._logged: set[str] = set()  # since the last connection: of several brokers each may fail in its own way
        self.problem: FarmError | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection with granted subscriptions now."""
        return self._connection is not None

    def start(self) -> None:
        """Begin to connect, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._stay_connected(), name=f"bus-{self._login.username}")

    async def wait_connected(self, timeout_s: float) -> None:
        """Wait for a connection; attempts go on in the background whatever this raises.

        Raises:
            FarmError: why the newest attempt failed, after `timeout_s`.

        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        except TimeoutError:
            raise self.problem or no_answer(self._addresses) from None

    async def publish(self, topic_name: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        """Hand over a message; False: not connected or too many waiting, its owner repeats it (see `Connection.send`).

        Raises:
            TooLargeError: over 256 kB.

        """
        connection = self._connection
        if connection is None:
            return False
        return await connection.send(topic_name, payload, qos=qos, retain=retain)

    async def say(self, node: str, stream: Stream, message: Envelope) -> bool:
        """Publish a message of the contract on a stream of `node`, as that stream is delivered. As `publish`."""
        delivery = DELIVERY[stream]
        return await self.publish(topic(node, stream), encoded(message), qos=delivery.qos, retain=delivery.retain)

    async def close(self, timeout_s: float = 2.0) -> None:
        """Send what waits, say goodbye (no last will) and end. Safe to call twice."""
        self._closing = True
        if self._connection is not None:
            await self._connection.close(timeout_s)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _stay_connected(self) -> None:
        walks = 0
        while True:
            steady = False
            for address in self._addresses:
                if self._closing:  # saying goodbye to one is no reason to go to the next
                    return
                steady = await self._use(address) or steady
            walks = 0 if steady else walks + 1
            await asyncio.sleep(self._patience.delay_s(walks))

    async def _use(self, address: Address) -> bool:
        """Connect to one broker and stay with it; tell whether that lasted."""
        loop = asyncio.get_running_loop()
        connection = Connection(self._hear, self._callbacks.on_too_large)
        try:
            await self._open(connection, address)
        except FarmError as error:
            connection.abort()
            self._note_failure(error)
            return False
        except asyncio.CancelledError:
            connection.abort()
            raise
        since_s = self._heard_s = loop.time()
        try:
            self._note_success(connection, address)
            reason = await self._stay(connection)
        finally:
            self._connection = None
            self._connected.clear()
            connection.abort()
        if not self._closing:
            self._note_loss(address, reason)
        return loop.time() - since_s >= _STEADY_S

    async def _stay(self, connection: Connection) -> str:
        """Return the reason when the connection is lost, or given up: nothing is heard on it, and there is another broker."""
        while len(self._addresses) > 1 and not connection.lost.done():
            left_s = self._heard_s + self._callbacks.quiet_s() - asyncio.get_running_loop().time()
            if left_s <= 0:
                await connection.close(_GOODBYE_S)
                return _UNHEARD
            await asyncio.wait({connection.lost}, timeout=min(left_s, _LOOK_AGAIN_S))
        return await asyncio.shield(connection.lost)

    def _hear(self, message: Received) -> None:
        if not message.retained:
            self._heard_s = asyncio.get_running_loop().time()
        self._callbacks.on_message(message)

    async def _open(self, connection: Connection, address: Address) -> None:
        await connection.open(
            address,
            self._login,
            self._callbacks.last_will(),
            context=self._context if address.tls else None,
            executor=self._executor,
            timeout_s=self._patience.attempt_s,
        )
        await connection.subscribe(self._subscriptions, self._patience.attempt_s)

    def _note_success(self, connection: Connection, address: Address) -> None:
        _log.info("bus.connected", broker=str(address), recovered=self._cause is not None)
        self._cause = self.problem = None
        self._logged = set()
        self._connection = connection
        self._connected.set()
        asyncio.get_running_loop().call_soon(self._callbacks.on_connected)  # on its own: what it raises must not end the client

    def _note_failure(self, error: FarmError) -> None:
        self.problem = error
        if error.code not in self._logged:
            self._logged.add(error.code)
            _log.warning("bus.unreachable", detail=error.detail, next_step=error.next_step)
        if self._cause != error.code:
            self._cause = error.code
            asyncio.get_running_loop().call_soon(self._callbacks.on_unreachable, error)

    def _note_loss(self, address: Address, reason: str) -> None:
        self._cause = "broker-unreachable"
        self._logged = {self._cause}  # the attempts that follow are part of this loss
        _log.warning("bus.lost", broker=str(address), reason=reason)
        asyncio.get_running_loop().call_soon(self._callbacks.on_lost, reason)


def encoded(message: Envelope) -> bytes:
    """A message of the contract as it travels."""
    return message.model_dump_json(exclude_none=True).encode()


def no_answer(addresses: Sequence[Address]) -> UnreachableError:
    """The reason while nothing worse is known."""
    where = ", ".join(map(str, addresses))
    return UnreachableError(
        Bilingual(f"No broker has answered yet at {where}.", f"Aucun courtier n'a encore répondu à {where}."),
        next_step=CHECK_THE_WAY,
        code="broker-unreachable",
    )


async def check_login(url: str, login: Login, *, ca_file: Path | None = None, timeout_s: float = 5.0) -> None:
    """Connect, log in and say goodbye. Give the login a client id of its own, or it ends the session of its user.

    Raises:
        UnreachableError: nothing answers there, or not as a broker does.
        CertificateError: TLS failed.
        LoginRefusedError: wrong user name or password.
        ConfigurationError: bad URL or CA file.

    """
    address = parse_url(url)
    context: ssl.SSLContext | None = tls_context(ca_file) if address.tls else None
    connection = Connection(lambda _message: None, lambda _topic, _size_bytes: None)
    with ThreadPoolExecutor(1, thread_name_prefix="bus-check") as executor:
        try:
            await connection.open(address, login, None, context=context, executor=executor, timeout_s=timeout_s)
            await connection.close(timeout_s)
        finally:
            connection.abort()
