import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from farm.node.page import server as module
from farm.node.page.server import (
    MAX_BODY_BYTES,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    Answer,
    BadRequestError,
    Request,
    Server,
    parse_head,
)
from tests.unit.farm.node.fake_farm import until


class Site:
    """A server that answers with what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.waits = asyncio.Event()
        self.waits.set()
        self.server = Server(self.answer)
        self.port = 0

    async def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        await self.waits.wait()
        return Answer(200, b"hello", "text/plain", {"X-Extra": "1"})

    async def say(self, content: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(content)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    made.port = await made.server.listen("127.0.0.1", 0)
    yield made
    await made.server.close()


async def test_a_connection_that_comes_with_the_end_is_closed_too() -> None:
    class Writer:
        def __init__(self) -> None:
            self.transport = self
            self.aborted = 0

        def abort(self) -> None:
            self.aborted += 1

    site, writer = Site(), Writer()
    site.server._accept(asyncio.StreamReader(), cast("asyncio.StreamWriter", writer))
    await site.server.close()  # before the request could begin
    assert writer.aborted == 1


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


async def test_a_request_is_answered_and_the_connection_closed(site: Site) -> None:
    answer = await site.say(b"GET /a/b?token=x HTTP/1.1\r\nHost: here\r\nAccept-Language: fr\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"hello"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    for line in (
        b"Content-Type: text/plain",
        b"Content-Length: 5",
        b"Connection: close",
        b"X-Extra: 1",
        b"Cache-Control: no-store",
    ):
        assert line in head
    assert b"default-src 'none'" in head
    assert b"frame-ancestors 'none'" in head
    assert site.asked == [Request("GET", "/a/b", {"host": "here", "accept-language": "fr"})]


async def test_a_body_is_read_to_its_length(site: Site) -> None:
    assert status(await site.say(b'POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n{"a"rest')) == 200
    assert site.asked[0].body == b'{"a"'


async def test_head_has_no_body(site: Site) -> None:
    answer = await site.say(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5" in answer


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (b"DELETE / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET http://evil/ HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"GET /" + b"x" * 600 + b" HTTP/1.1\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused(site: Site, sent: bytes, wanted: int) -> None:
    assert status(await site.say(sent)) == wanted
    assert site.asked == []


async def test_a_head_without_end_is_refused(site: Site) -> None:
    answer = await site.say(b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * MAX_HEAD_BYTES))
    assert answer == b"" or status(answer) == 431
    assert site.asked == []
    assert status(await site.say(b"GET / HTTP/1.1\r\n\r\n")) == 200, "the others are served"


async def test_who_sends_slowly_is_sent_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_S", 0.05)
    assert await site.say(b"GET / HTTP/1.1\r\n") == b""
    assert await site.say(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc") == b""
    assert site.asked == []


async def test_connections_are_limited(site: Site) -> None:
    site.waits.clear()
    many = [asyncio.create_task(site.say(b"GET / HTTP/1.1\r\n\r\n")) for _ in range(MAX_CONNECTIONS)]
    await until(lambda: len(site.asked) == MAX_CONNECTIONS)
    refused = await site.say(b"GET / HTTP/1.1\r\n\r\n")
    assert refused == b"" or status(refused) == 503, "what was not read may be reset"
    assert len(site.asked) == MAX_CONNECTIONS
    site.waits.set()
    assert {status(answer) for answer in await asyncio.gather(*many)} == {200}
    assert status(await site.say(b"GET / HTTP/1.1\r\n\r\n")) == 200


async def test_closing_ends_what_is_under_way(site: Site) -> None:
    site.waits.clear()
    waiting = asyncio.create_task(site.say(b"GET / HTTP/1.1\r\n\r\n"))
    await until(lambda: site.asked)
    await site.server.close()
    assert await waiting == b""
    with pytest.raises(OSError, match="Connect call failed"):
        await site.say(b"GET / HTTP/1.1\r\n\r\n")


async def test_a_port_in_use_is_told(site: Site) -> None:
    with pytest.raises(OSError, match="in use"):
        await Server(site.answer).listen("127.0.0.1", site.port)


def test_headers_are_lower_case_and_trimmed() -> None:
    request, length = parse_head(b"POST /x HTTP/1.0\r\nCONTENT-length: 12 \r\nX-A:\t b \r\n\r\n")
    assert (request.headers, length) == ({"content-length": "12", "x-a": "b"}, 12)
    with pytest.raises(BadRequestError):
        parse_head(b"GET /\x00 HTTP/1.1\r\n\r\n")
