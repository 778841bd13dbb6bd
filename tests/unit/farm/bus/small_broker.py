"""A few lines of MQTT 3.1.1 in this process: a broker that answers as the test says, also wrongly."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 4, 8, 12, 14


def packet(first: int, body: bytes) -> bytes:
    """A whole packet; the length in sevens of bits (MQTT 3.1.1, 2.2.3)."""
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes([first]) + bytes(digits) + body


def publish(topic: str, payload: bytes, *, packet_id: int = 0, retain: bool = False) -> bytes:
    """PUBLISH at QoS 1 when it has a `packet_id`, else QoS 0."""
    name = topic.encode()
    middle = packet_id.to_bytes(2, "big") if packet_id else b""
    return packet(0x30 | (2 if packet_id else 0) | int(retain), len(name).to_bytes(2, "big") + name + middle + payload)


@dataclass
class SmallBroker:
    """Remembers what it was told; `code` is its CONNACK. `mute`: never answers. `puback` false: never acknowledges."""

    code: int = 0
    grant: int = 1
    mute: bool = False
    puback: bool = True
    greeting: bytes = b""  # sent after SUBACK
    port: int = 0
    connects: list[bytes] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    goodbyes: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    reading: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                await self.reading.wait()
                kind, body = await self._packet(reader)
                self._answer(kind, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _packet(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        first = (await reader.readexactly(1))[0]
        length, shift = 0, 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 127) << shift
            shift += 7
            if not digit & 128:
                break
        return first, await reader.readexactly(length)

    def _answer(self, first: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        kind = first >> 4
        if kind == CONNECT:
            self.connects.append(body)
            if not self.mute:
                writer.write(packet(0x20, bytes([0, self.code])))
        elif kind == SUBSCRIBE:
            writer.write(packet(0x90, body[:2] + bytes([self.grant])) + self.greeting)
        elif kind == PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            at = end + (2 if first & 6 else 0)
            self.published.append((body[2:end].decode(), body[at:]))
            if first & 6 and self.puback:
                writer.write(packet(0x40, body[end:at]))
        elif kind == PUBACK:
            self.acknowledged.append(int.from_bytes(body, "big"))
        elif kind == DISCONNECT:
            self.goodbyes += 1

    def drop(self) -> None:
        """Cut all connections."""
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


@asynccontextmanager
async def running(broker: SmallBroker, context: ssl.SSLContext | None = None) -> AsyncIterator[SmallBroker]:
    """Serve on a free port of loopback, over TLS with a `context`."""
    broker.reading.set()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", broker.port, ssl=context)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        broker.drop()
        await server.wait_closed()
        await asyncio.sleep(0)
