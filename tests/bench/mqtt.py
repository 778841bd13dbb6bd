"""The least of an MQTT 3.1.1 client: enough for a thousand simulated nodes in one process, and too little for anything else.

A thousand clients of paho would cost more processor time than the daemon that is measured. Packet layouts: OASIS MQTT 3.1.1.
"""

import asyncio
from collections.abc import Callable
from typing import Final

_CONNECT: Final = 0x10
_CONNACK: Final = 0x20
_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40
_SUBSCRIBE: Final = 0x82
_SUBACK: Final = 0x90
_PING: Final = b"\xc0\x00"
_CLEAN_USER_PASSWORD: Final = 0xC2
_QOS_1: Final = 0x02
_RETAIN: Final = 0x01
_KEEPALIVE_S: Final = 60
_PING_EVERY_S: Final = 20.0


def _length(value: int) -> bytes:
    """A remaining length: seven bits a byte, the least first."""
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def _text(value: str) -> bytes:
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def packet(first: int, *parts: bytes) -> bytes:
    """A whole control packet."""
    body = b"".join(parts)
    return bytes((first,)) + _length(len(body)) + body


class LightClient(asyncio.Protocol):
    """One connection with one subscription. `on_message` gets topic and payload; messages are acknowledged before that."""

    def __init__(self, username: str, password: str, topic_filter: str, on_message: Callable[[str, bytes], None]) -> None:
        self._login = (username, password)
        self._filter = topic_filter
        self._on_message = on_message
        self._buffer = bytearray()
        self._identifier = 0
        self._transport: asyncio.Transport | None = None
        self._pinging: asyncio.TimerHandle | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unacknowledged = 0  # our QoS 1 messages that the broker has not taken yet

    async def open(self, port: int) -> None:
        """Connect to this machine's broker, log in and subscribe.

        Raises:
            OSError: nobody listens, or the broker closed the connection (a wrong password too).

        """
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port)
        await self.ready

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send a message at QoS 1."""
        self.unacknowledged += 1
        first = _PUBLISH | _QOS_1 | (_RETAIN if retain else 0)
        self._write(packet(first, _text(topic), self._next_identifier(), payload))

    def close(self) -> None:
        """End it without a goodbye."""
        if self._pinging is not None:
            self._pinging.cancel()
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side ----------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        username, password = self._login
        header = _text("MQTT") + bytes((4, _CLEAN_USER_PASSWORD)) + _KEEPALIVE_S.to_bytes(2, "big")
        self._write(packet(_CONNECT, header, _text(username), _text(username), _text(password)))
        self._ping()

    def connection_lost(self, exc: Exception | None) -> None:
        """The broker is gone, or did not let us in."""
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("the broker closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Take the packets that are whole."""
        self._buffer += data
        while (size := self._whole()) is not None:
            head, total = size
            content = bytes(self._buffer[head:total])
            first = self._buffer[0]
            del self._buffer[:total]
            self._take(first, content)

    def _whole(self) -> tuple[int, int] | None:
        """(bytes of the header, bytes in all) of the first packet, when all of it is here."""
        value = shift = 0
        for position in range(1, min(5, len(self._buffer))):
            byte = self._buffer[position]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                total = position + 1 + value
                return (position + 1, total) if len(self._buffer) >= total else None
        return None

    def _take(self, first: int, content: bytes) -> None:
        kind = first & 0xF0
        if kind == _CONNACK:
            if content[1]:
                self.ready.set_exception(ConnectionRefusedError(f"the broker answered {content[1]}"))
                return
            self._write(packet(_SUBSCRIBE, self._next_identifier(), _text(self._filter), b"\x01"))
        elif kind == _SUBACK:
            self.ready.set_result(None)
        elif kind == _PUBACK:
            self.unacknowledged -= 1
        elif kind == _PUBLISH:
            self._message(first, content)

    def _message(self, first: int, content: bytes) -> None:
        end = 2 + int.from_bytes(content[:2], "big")
        topic = content[2:end].decode()
        if first & 0x06:
            self._write(packet(_PUBACK, content[end : end + 2]))
            end += 2
        self._on_message(topic, content[end:])

    def _next_identifier(self) -> bytes:
        self._identifier = self._identifier % 65_535 + 1
        return self._identifier.to_bytes(2, "big")

    def _ping(self) -> None:
        self._write(_PING)
        self._pinging = asyncio.get_running_loop().call_later(_PING_EVERY_S, self._ping)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
