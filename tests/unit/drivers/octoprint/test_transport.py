"""Requests to servers that mean no good: each ends soon, small and with a clear error."""

import asyncio
import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from drivers.errors import DriverError, NotAPrinterError, UnreachableError
from drivers.octoprint import reach, transport
from drivers.octoprint.reach import LimitedSocket, ReachError
from drivers.octoprint.transport import MAX_ANSWER_BYTES, Answer, Transport
from farm.addresses import free_port
from tests.patience import PATIENCE_S
from tests.unit.drivers.octoprint.fake import FakeOctoPrint

Behaviour = Callable[[socket.socket, threading.Event], None]


@contextmanager
def server(behave: Behaviour) -> Iterator[Transport]:
    """A server that reads one request and then behaves as told."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection = listening.accept()[0]
            with connection:
                connection.recv(65_536)
                try:
                    behave(connection, ended)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        client = Transport("http", f"127.0.0.1:{listening.getsockname()[1]}")
        try:
            yield client
        finally:
            client.close()
            ended.set()
            thread.join(PATIENCE_S)


def failure(client: Transport) -> DriverError:
    with pytest.raises(DriverError) as caught:
        client.request("GET", "/", headers={"Accept-Encoding": "identity"})
    assert caught.value.detail != caught.value.detail_fr
    assert caught.value.next_step != caught.value.next_step_fr
    return caught.value


def sends(data: bytes) -> Behaviour:
    return lambda connection, _ended: connection.sendall(data)


def drips(head: bytes, drop: bytes) -> Behaviour:
    def behave(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(head)
        while not ended.wait(0.01):
            connection.sendall(drop)

    return behave


def floods(head: bytes, chunk: bytes) -> Behaviour:
    def behave(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(head)
        while not ended.is_set():
            connection.sendall(chunk)

    return behave


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Endless: ",  # it never comes to an end of its head
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(transport, "ANSWER_DEADLINE_S", -9.5)
    with server(drips(head, b"0")) as client:
        error = failure(client)
    assert isinstance(error, UnreachableError)


@pytest.mark.parametrize(
    ("head", "chunk"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65_536),  # the length of a chunk has no end
        (b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"y" * 60_000 + b"\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
)
def test_a_server_that_floods_costs_little(head: bytes, chunk: bytes) -> None:
    with server(floods(head, chunk)) as client:
        tracemalloc.start()
        try:
            error = failure(client)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert isinstance(error, UnreachableError | NotAPrinterError)
    assert peak < 32 * 1024 * 1024


def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with server(sends(head + bomb)) as client:
        error = failure(client)
    assert isinstance(error, NotAPrinterError)
    assert "compressed" in error.detail


def test_a_redirection_is_an_answer_and_not_followed() -> None:
    with server(sends(b"HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")) as client:
        answer = client.request("GET", "/", headers={})
    assert (answer.status, answer.headers["location"]) == (302, "http://169.254.169.254/")


def test_bytes_that_are_no_text_are_handed_on() -> None:
    with server(sends(b"HTTP/1.1 200 OK\r\nX-Odd: \xff\xfe\r\nContent-Length: 2\r\n\r\n\xff\xfe")) as client:
        assert client.request("GET", "/", headers={}).body == b"\xff\xfe"


def test_an_answer_of_the_full_length_is_taken() -> None:
    body = b"x" * MAX_ANSWER_BYTES
    with server(sends(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)) as client:
        assert len(client.request("GET", "/", headers={}).body) == MAX_ANSWER_BYTES


@pytest.mark.parametrize("value", ["key\r\nX-Injected: 1", "key\nX: 1"])
def test_a_header_cannot_be_injected(value: str) -> None:
    with server(sends(b"")) as client:
        with pytest.raises(ValueError, match="header"):
            client.request("GET", "/", headers={"X-Api-Key": value})
        failure(client)  # and the server has seen nothing until now


@pytest.mark.parametrize("target", ["/api/job HTTP/1.1\r\nX: 1", "/a b"])
def test_a_request_line_cannot_be_injected(target: str) -> None:
    seen = []

    def note(connection: socket.socket, _ended: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 204 X\r\n\r\n")

    with server(note) as client:
        try:
            seen.append(client.request("GET", target, headers={}).status)
        except (ValueError, DriverError):
            seen.append(0)
        if seen == [0]:
            client.request("GET", "/", headers={})
    assert seen in ([0], [204])  # refused, or sent with its odd characters quoted


def test_a_name_that_does_not_exist() -> None:
    client = Transport("http", "no-such-host.invalid:80")
    error = failure(client)
    assert "no host of this name" in error.detail


def test_a_port_where_nobody_listens_is_not_called_slow() -> None:
    error = failure(Transport("http", f"127.0.0.1:{free_port()}"))
    assert error.detail.endswith("cannot be reached.")
    assert error.detail_fr.endswith("est injoignable.")


def test_an_answer_that_does_not_come_is_called_slow() -> None:
    def waits(_: socket.socket, ended: threading.Event) -> None:
        ended.wait(PATIENCE_S)

    with server(waits) as client, pytest.raises(UnreachableError) as caught:
        client.request("GET", "/", headers={}, timeout_s=(1.0, 0.2))
    assert caught.value.detail.endswith("did not answer in time.")


def test_an_address_that_is_refused() -> None:
    client = Transport("http", "169.254.169.254:80")
    with pytest.raises(ReachError):
        client.request("GET", "/latest/meta-data", headers={})


async def test_a_pinned_transport_does_not_ask_for_the_name(fake: FakeOctoPrint) -> None:
    client = Transport("http", f"no-such-host.invalid:{fake.port}", pinned="127.0.0.1")
    answer: Answer = await asyncio.to_thread(client.request, "GET", "/plugin/appkeys/probe", headers={})
    client.close()
    assert answer.status == 204
    assert b"Host: no-such-host.invalid" in fake.heads[0]


async def test_after_its_end_no_connection_is_kept(fake: FakeOctoPrint) -> None:
    client = Transport("http", f"127.0.0.1:{fake.port}")
    client.close()
    await asyncio.to_thread(client.request, "GET", "/plugin/appkeys/probe", headers={})
    async with asyncio.timeout(PATIENCE_S):
        while fake._writers:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.005)


async def test_one_connection_serves_many_requests(fake: FakeOctoPrint) -> None:
    client = Transport("http", f"127.0.0.1:{fake.port}")
    for _ in range(5):
        await asyncio.to_thread(client.request, "GET", "/plugin/appkeys/probe", headers={})
    assert len(fake._writers) == 1
    assert client.peer == "127.0.0.1"
    client.close()


def test_a_server_that_goes_away_at_once_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address can no longer be asked of the socket: that failed, and left the socket to the garbage collector."""
    opened: list[LimitedSocket] = []
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def connect_and_lose(*arguments: Any, **options: Any) -> LimitedSocket:
        opened.append(reach.connect(*arguments, **options))
        listening.close()  # resets what it has not accepted
        return opened[-1]

    monkeypatch.setattr(transport, "connect", connect_and_lose)
    client = Transport("http", f"127.0.0.1:{port}")
    with listening, closing(client):
        assert isinstance(failure(client), UnreachableError)
    assert client.peer == "127.0.0.1"
    assert [sock.fileno() for sock in opened] == [-1]
