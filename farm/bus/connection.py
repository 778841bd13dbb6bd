"""One MQTT 3.1.1 connection, from the socket to its end: the only module that imports paho.

paho runs inside the event loop: its socket is registered with `add_reader` and `add_writer`, a timer drives its keepalive, and it
has no thread. A connection is used once: the next one starts with nothing in flight, because every message of ours is repeated by
its owner (docs/protocol.md) and a queue that outlives a connection would only repeat what is stale by then.
"""

import asyncio
import re
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from farm.bus.messages import MAX_PACKET_BYTES
from farm.bus.transport import Address, LoginRefusedError, open_socket
from farm.errors import NotAllowedError, TooLargeError, UnreachableError
from gcode.texts import Bilingual, Told

KEEPALIVE_S: Final = 30  # less than half of the 60 s after which proxies and home routers cut a quiet connection
_MISC_EVERY_S: Final = 1.0  # how often paho looks whether a ping is due
_WINDOW: Final = 100  # QoS 1 messages that the broker has not acknowledged yet
_MAX_WAITING: Final = 1_000  # callers that wait for room in the window
_MAX_PENDING_TOPICS: Final = 4_096  # QoS 0 messages that wait for a slow socket, one a topic
_MAX_INCOMING_BYTES: Final = 16 * 1024**2  # up to here a packet that is too large is read and dropped; beyond, the connection is
_MAX_PACKETS_A_TURN: Final = 64  # that TLS has already decrypted; then the loop gets its turn
_FIXED_HEADER_BYTES: Final = 9  # MQTT 3.1.1: type 1, remaining length 4 at most, length of the topic 2, packet id 2
_CLOSED: Final = Told("broker-closed", "the broker closed the connection", "le courtier a fermé la connexion")
_LOGIN_REFUSED: Final = frozenset({"Bad user name or password", "Not authorized"})  # CONNACK 4 and 5, in paho's words


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects. `client_id` is the user name unless a second connection of the same user needs its own."""

    username: str
    password: str = field(repr=False)
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when this connection ends without a goodbye."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came. `acknowledge` tells the broker (QoS 1) that it is in safe hands; call it once, or never."""

    topic: str
    payload: bytes
    retained: bool
    acknowledge: Callable[[], None]


class _Paho(paho.Client):
    """paho with a socket that is already connected: its own way blocks the loop and leaks the socket of a failed handshake."""

    def __init__(self, login: Login, prepared: socket.socket) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id or login.username,
            clean_session=True,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._prepared = prepared
        self.username_pw_set(login.username, login.password)
        self.max_inflight_messages_set(0)  # the window is ours

    def _create_socket(self) -> socket.socket:
        return self._prepared

    @property
    def incoming_bytes(self) -> int:
        """The size of the packet that is being received."""
        return self._in_packet["remaining_length"]

    def close_socket(self) -> None:
        """End it without a goodbye."""
        self._sock_close()


class Connection:
    """A connection to one broker. Open it once, use it until `lost` is done, then forget it.

    All methods and callbacks run on the loop. `on_message` is called once a message, each call on its own, so that a handler that
    raises disturbs neither paho nor the next message.
    """

    def __init__(self, on_message: Callable[[Received], None], on_too_large: Callable[[str, int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_too_large = on_too_large
        self._answer: asyncio.Future[str] = self._loop.create_future()  # CONNACK, in words
        self._granted: asyncio.Future[bool] = self._loop.create_future()  # SUBACK
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._client: _Paho | None = None
        self._socket: socket.socket | None = None
        self._patterns: list[re.Pattern[str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._window = asyncio.Semaphore(_WINDOW)
        self._waiting = 0
        self._unacknowledged: set[int] = set()
        self._pending: OrderedDict[str, tuple[bytes, bool]] = OrderedDict()

    async def open(
        self,
        address: Address,
        login: Login,
        will: Will | None,
        *,
        context: ssl.SSLContext | None,
        executor: Executor,
        timeout_s: float,
    ) -> None:
        """Connect and log in.

        Raises:
            UnreachableError: nothing answers, or not in time, or not as a broker does.
            CertificateError: TLS failed.
            LoginRefusedError: wrong user name or password.

        """
        given_up = Event()
        opening = self._loop.run_in_executor(executor, _open_unless, given_up, address, context, timeout_s)
        try:
            prepared = await asyncio.shield(opening)
        except asyncio.CancelledError:
            given_up.set()  # the thread closes what it opens after this; the callback, what it had opened before
            opening.add_done_callback(_close_when_opened)
            raise
        self._client = client = _Paho(login, prepared)
        self._wire(client)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.connect(address.host, address.port, keepalive=KEEPALIVE_S)
        self._tick()
        await self._first_of(self._answer, timeout_s)
        answer = self._answer.result() if self._answer.done() else "no answer"
        if answer != "Success":
            self.abort()
            raise _refusal(answer, address, login)

    async def subscribe(self, filters: Sequence[str], timeout_s: float) -> None:
        """Subscribe at QoS 1 and wait until the broker granted it. Messages may arrive before that.

        Raises:
            NotAllowedError: the broker refuses a filter.
            UnreachableError: no answer in time.

        """
        if self._client is None or not filters:
            return
        self._patterns = [topic_pattern(name) for name in filters]
        self._client.subscribe([(name, 1) for name in filters])
        await self._first_of(self._granted, timeout_s)
        if not self._granted.done():
            raise UnreachableError(
                Bilingual("The broker does not answer a subscription.", "Le courtier ne répond pas à un abonnement."),
                next_step=Bilingual("Look at the broker's log.", "Regardez le journal du courtier."),
                code="broker-unreachable",
            )
        if not self._granted.result():
            wanted = ", ".join(filters)
            raise NotAllowedError(
                Bilingual(
                    f"The broker does not grant the subscription to {wanted}.",
                    f"Le courtier n'accorde pas l'abonnement à {wanted}.",
                ),
                next_step=Bilingual(
                    "Install the access list of configs/mosquitto on that broker.",
                    "Installez sur ce courtier la liste d'accès de configs/mosquitto.",
                ),
                code="broker-subscription",
            )

    async def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> bool:
        """Hand a message to the connection; False when it is lost, or too many wait already.

        QoS 0: never waits; while the socket is slow the newest message of a topic replaces the one before. QoS 1: waits for room
        in the window of unacknowledged messages. True never means "arrived": who needs to know waits for an answer of the peer.

        Raises:
            TooLargeError: the packet would have more than 256 kB.

        """
        size_bytes = len(payload) + len(topic.encode()) + _FIXED_HEADER_BYTES
        if size_bytes > MAX_PACKET_BYTES:
            raise TooLargeError(
                Bilingual(
                    f"A message of {size_bytes} bytes on {topic} is over the limit of {MAX_PACKET_BYTES}.",
                    f"Un message de {size_bytes} octets sur {topic} dépasse la limite de {MAX_PACKET_BYTES}.",
                ),
                next_step=Bilingual("Send it in parts.", "Envoyez-le en plusieurs parties."),
            )
        if qos == 0:
            return self._send_newest(topic, payload, retain)
        if self.lost.done() or self._waiting >= _MAX_WAITING:
            return False
        self._waiting += 1
        try:
            await self._window.acquire()
        finally:
            self._waiting -= 1
        if self._client is None or self.lost.done():
            return False
        self._unacknowledged.add(self._client.publish(topic, payload, qos, retain).mid)
        return True

    async def close(self, timeout_s: float) -> None:
        """Say goodbye, so that the will is not published; what waits is sent first, for `timeout_s` at most."""
        deadline_s = self._loop.time() + timeout_s
        while (self._unacknowledged or self._pending) and not self.lost.done() and self._loop.time() < deadline_s:
            await asyncio.wait({self.lost}, timeout=0.01)
        if self._client is not None and not self.lost.done():
            self._client.disconnect()
            await asyncio.wait({self.lost}, timeout=max(0.1, deadline_s - self._loop.time()))
        self.abort()

    def abort(self, reason: str = "closed") -> None:
        """Close the socket without a goodbye. Safe at any time, and more than once."""
        if self._timer is not None:
            self._timer.cancel()
        self._end(reason)
        client, self._client = self._client, None
        if client is not None:
            client.close_socket()

    async def _first_of(self, answer: asyncio.Future[Any], timeout_s: float) -> None:
        futures: set[asyncio.Future[Any]] = {answer, self.lost}
        await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

    # --- paho's side -----------------------------------------------------------------------------------------------------------

    def _wire(self, client: _Paho) -> None:
        client.on_socket_open = self._socket_opened
        client.on_socket_close = self._socket_closes
        client.on_socket_register_write = self._wants_to_write
        client.on_socket_unregister_write = self._has_written
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_message = self._received

    def _socket_opened(self, _client: Any, _data: Any, sock: Any) -> None:
        self._socket = sock
        self._loop.add_reader(sock.fileno(), self._readable)

    def _socket_closes(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.remove_reader(sock.fileno())
        self._loop.remove_writer(sock.fileno())

    def _wants_to_write(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.add_writer(sock.fileno(), self._writable)

    def _has_written(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.remove_writer(sock.fileno())

    def _readable(self) -> None:
        """Read what is there: the selector does not see what TLS has already decrypted."""
        for _ in range(_MAX_PACKETS_A_TURN):
            if self._client is None or self._socket is None:
                return
            self._client.loop_read()
            if self._client.incoming_bytes > _MAX_INCOMING_BYTES:
                size_bytes = self._client.incoming_bytes
                self.abort(Told("packet-too-large", f"a packet of {size_bytes} bytes", f"un paquet de {size_bytes} octets"))
                return
            if self.lost.done() or not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                return
        self._loop.call_soon(self._readable)

    def _writable(self) -> None:
        client = self._client
        if client is None:
            return
        client.loop_write()
        while self._pending and not client.want_write() and not self.lost.done():
            topic, (payload, retain) = self._pending.popitem(last=False)
            client.publish(topic, payload, 0, retain)

    def _send_newest(self, topic: str, payload: bytes, retain: bool) -> bool:
        if self._client is None or self.lost.done():
            return False
        if not self._pending and not self._client.want_write():
            self._client.publish(topic, payload, 0, retain)
            return True
        self._pending.pop(topic, None)
        self._pending[topic] = (payload, retain)
        if len(self._pending) > _MAX_PENDING_TOPICS:
            self._pending.popitem(last=False)
        return True

    def _tick(self) -> None:
        if self._client is not None and not self.lost.done():
            self._client.loop_misc()
            self._timer = self._loop.call_later(_MISC_EVERY_S, self._tick)

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not self._answer.done():
            self._answer.set_result(str(reason))

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        told = str(reason)
        self._end(_CLOSED if told == "Unspecified error" else told)  # paho's words for an end of file

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: Sequence[Any], _properties: Any) -> None:
        if not self._granted.done():
            self._granted.set_result(not any(reason.is_failure for reason in reasons))

    def _published(self, _client: Any, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        if mid in self._unacknowledged:
            self._unacknowledged.discard(mid)
            self._window.release()

    def _received(self, client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        acknowledge = partial(self._acknowledge, client, message.mid, message.qos)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            acknowledge()
            return
        if len(message.payload) > MAX_PACKET_BYTES:
            self._on_too_large(topic, len(message.payload))
            acknowledge()
        elif self._is_for_us(topic):
            self._loop.call_soon(self._on_message, Received(topic, bytes(message.payload), message.retain, acknowledge))
        else:
            acknowledge()

    def _is_for_us(self, topic: str) -> bool:
        """The embedded broker sends retained messages that nobody asked for (amqtt 0.12.1)."""
        return any(pattern.fullmatch(topic) for pattern in self._patterns)

    def _acknowledge(self, client: _Paho, mid: int, qos: int) -> None:
        if client is self._client and not self.lost.done():
            client.ack(mid, qos)

    def _end(self, reason: str) -> None:
        if self.lost.done():
            return
        self.lost.set_result(reason)
        for _ in range(self._waiting):
            self._window.release()


def topic_pattern(topic_filter: str) -> re.Pattern[str]:
    """The topics that a filter with `+` and `#` stands for."""
    body = re.escape(topic_filter).replace(r"\+", "[^/]*")
    if body.endswith(r"/\#"):
        body = body[: -len(r"/\#")] + "(/.*)?"
    return re.compile(body.replace(r"\#", ".*"), re.DOTALL)


def _open_unless(given_up: Event, address: Address, context: ssl.SSLContext | None, timeout_s: float) -> socket.socket:
    """Open a socket, in a thread. When nobody waits any more, the loop may be gone too, and nobody else would close it."""
    opened = open_socket(address, context, timeout_s)
    if given_up.is_set():
        opened.close()
    return opened


def _close_when_opened(opening: "asyncio.Future[socket.socket]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _refusal(answer: str, address: Address, login: Login) -> UnreachableError | LoginRefusedError:
    if answer in _LOGIN_REFUSED:
        return LoginRefusedError(
            Bilingual(
                f"The broker at {address} does not accept the password of {login.username}.",
                f"Le courtier à {address} n'accepte pas le mot de passe de {login.username}.",
            ),
            next_step=Bilingual(
                "If this node was removed from the farm, join again with a new code.",
                "Si ce nœud a été retiré de la ferme, rejoignez-la avec un nouveau code.",
            ),
        )
    return UnreachableError(
        Bilingual(
            f"What listens at {address} does not answer as a broker does: {answer}.",
            f"Ce qui écoute à {address} ne répond pas comme un courtier : {answer}.",
        ),
        next_step=Bilingual(
            "Check the port, and whether it wants mqtts:// instead of mqtt://.",
            "Vérifiez le port, et s'il faut mqtts:// au lieu de mqtt://.",
        ),
        code="broker-unreachable",
    )
