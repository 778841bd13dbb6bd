"""A very small HTTP server on the agent's own loop: one request a connection, everything limited.

No thread, no library: `http.server` would be as large with its threads, uvicorn several times that, of an agent's 50 MB.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

MAX_HEAD_BYTES: Final = 8 * 1024
MAX_BODY_BYTES: Final = 4 * 1024
MAX_CONNECTIONS: Final = 32
_READ_S: Final = 10.0  # real time, for the whole request: who sends a byte now and then is sent away
_WRITE_S: Final = 10.0
_ANSWER_S: Final = 90.0  # a pause waits for the moves that the machine has planned
_FIRST_LINE: Final = re.compile(r"(GET|HEAD|POST) (/[!-~]{0,500}) HTTP/1\.[01]")
_HEADER: Final = re.compile(r"([A-Za-z0-9-]{1,64}):[ \t]*([ -~\x80-\xff]*)")
_ALWAYS: Final = {
    "Connection": "close",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. Header names are in lower case; `path` is without its query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int = 200
    content: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class BadRequestError(Exception):
    """It is no request that we understand."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


def parse_head(head: bytes) -> tuple[Request, int]:
    """Read the request line and the headers; return them and the length of the body.

    Raises:
        BadRequestError: malformed, a header doubled, a transfer encoding, or a body over the limit.

    """
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    asked = _FIRST_LINE.fullmatch(first)
    if asked is None:
        raise BadRequestError
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None or found[1].lower() in headers:
            raise BadRequestError
        headers[found[1].lower()] = found[2].strip()
    if "transfer-encoding" in headers:
        raise BadRequestError(501)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise BadRequestError
    if int(length) > MAX_BODY_BYTES:
        raise BadRequestError(413)
    return Request(asked[1], asked[2].partition("?")[0], headers), int(length)


async def _read(reader: asyncio.StreamReader) -> Request:
    head, length = parse_head(await reader.readuntil(b"\r\n\r\n"))
    return Request(head.method, head.path, head.headers, await reader.readexactly(length))


def _encode(answer: Answer, *, body: bool) -> bytes:
    headers = {**_ALWAYS, "Content-Type": answer.kind, "Content-Length": str(len(answer.content)), **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (answer.content if body else b"")


class Server:
    """Listens on one address; `answer` is asked for every request and must not raise."""

    def __init__(self, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Begin to serve; return the port.

        Raises:
            OSError: the port is in use, or the address is not of this machine.

        """
        self._server = await asyncio.start_server(self._accept, host, port, limit=MAX_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """End every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="page-request")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # nothing, unless it was cancelled before it began, or the other side does not take the rest of its answer
        task.add_done_callback(lambda _task: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                answer, body = await self._handle(reader)
                async with asyncio.timeout(_WRITE_S):
                    writer.write(_encode(answer, body=body))
                    await writer.drain()
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_WRITE_S):
                    await writer.wait_closed()

    async def _handle(self, reader: asyncio.StreamReader) -> tuple[Answer, bool]:
        if len(self._connections) > MAX_CONNECTIONS:
            return Answer(503, headers={"Retry-After": "2"}), True
        try:
            async with asyncio.timeout(_READ_S):
                request = await _read(reader)
        except asyncio.LimitOverrunError:
            return Answer(431), True
        except BadRequestError as error:
            return Answer(error.status), True
        async with asyncio.timeout(_ANSWER_S):
            return await self._answer(request), request.method != "HEAD"
