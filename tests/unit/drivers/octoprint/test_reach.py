import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from drivers.octoprint import reach
from drivers.octoprint.reach import LimitedSocket, ReachError, connect, resolve, why_not


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # the passwords of a cloud machine
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",  # the same through NAT64
        "2002:a9fe:a9fe::1",  # and through 6to4
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "224.0.0.251",
        "ff02::fb",
        "255.255.255.255",
        "octopi.local",  # not resolved yet
    ],
)
def test_what_can_be_no_printer_is_refused(address: str) -> None:
    reason = why_not(address)
    assert reason is not None
    assert reason.en != reason.fr


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "192.168.1.20", "10.0.0.7", "fe80::1%eth0", "fd00::7", "8.8.8.8"])
def test_an_operators_own_url_may_name_any_machine(address: str) -> None:
    assert why_not(address) is None


@pytest.mark.parametrize("address", ["192.168.1.20", "10.0.0.7", "172.16.0.1", "fd00::7", "100.64.1.1", "::ffff:192.168.1.20"])
def test_strangers_may_name_private_networks(address: str) -> None:
    assert why_not(address, stranger=True) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "8.8.8.8", "169.254.1.1", "fe80::1", "172.32.0.1"])
def test_strangers_may_name_nothing_else(address: str) -> None:
    assert why_not(address, stranger=True) is not None


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost"])
def test_other_ways_to_write_an_address_are_seen_through(host: str) -> None:
    with pytest.raises(ReachError):
        resolve(host, 80, stranger=True)


def answers(*addresses: str) -> Any:
    def getaddrinfo(_host: str, port: int, **_rest: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return getaddrinfo


def test_what_is_refused_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("169.254.169.254", "192.168.1.20"))
    assert [place for _, place in resolve("octopi.local", 80)] == [("192.168.1.20", 80)]
    monkeypatch.setattr(socket, "getaddrinfo", answers("169.254.169.254"))
    with pytest.raises(ReachError, match=r"169\.254"):
        resolve("octopi.local", 80)


def test_a_name_with_very_many_addresses_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(*(f"10.0.{n}.1" for n in range(200))))
    assert len(resolve("octopi.local", 80)) == reach.MAX_ADDRESSES


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_what_was_checked_is_connected_to(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers another address the second time (DNS rebinding) is not asked a second time."""
    asked = []

    def once(host: str, port: int, **rest: object) -> list[Any]:
        asked.append(host)
        answer: list[Any] = answers("127.0.0.1" if len(asked) == 1 else "169.254.169.254")(host, port, **rest)
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", once)
    with connect("octopi.local", listening.getsockname()[1], 5.0) as sock:
        assert sock.getpeername() == listening.getsockname()
    assert asked == ["octopi.local"]


def test_the_next_address_is_tried(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.2", "127.0.0.1"))
    with connect("octopi.local", listening.getsockname()[1], 5.0) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        connect("127.0.0.1", port, 5.0)


def pair(listening: socket.socket) -> tuple[LimitedSocket, socket.socket]:
    sock = connect("127.0.0.1", listening.getsockname()[1], 5.0)
    return sock, listening.accept()[0]


def test_a_socket_receives_no_longer_than_it_may(listening: socket.socket) -> None:
    sock, other = pair(listening)
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.02):
            other.send(b".")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        sock.deadline_s = time.monotonic() + 0.3
        with sock.makefile("rb") as file, pytest.raises(TimeoutError):
            file.read(100_000)
    finally:
        ended.set()
        dripping.join()
        sock.close()
        other.close()


def test_a_socket_receives_no_more_than_it_may(listening: socket.socket) -> None:
    sock, other = pair(listening)
    with sock, other:
        sock.left_bytes = 10
        other.sendall(b"x" * 100)
        buffer = bytearray(64)
        assert sock.recv_into(buffer) > 0
        with pytest.raises(TimeoutError):
            sock.recv_into(buffer)
