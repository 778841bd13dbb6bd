"""Which hosts are this machine alone: what is trusted rests on it; and ports for farms that are made for a moment."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from farm import addresses
from farm.addresses import free_port, is_loopback

LOWEST = 10_240


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "192.168.1.4", "::ffff:192.168.1.4", "localhost.example", "farm.local", "2130706433"]
)
def test_not_only_this_machine(host: str) -> None:
    assert not is_loopback(host)


# --- free ports


def systems_own() -> range:
    lowest, highest = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return range(int(lowest), int(highest) + 1)


def test_a_free_port_can_be_listened_on_and_no_outgoing_connection_gets_it() -> None:
    port = free_port()
    assert port >= LOWEST
    assert port not in systems_own()
    socket.create_server(("127.0.0.1", port)).close()


def test_no_port_is_named_twice_although_nobody_listens_yet() -> None:
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100


def test_processes_that_are_started_together_look_in_different_places() -> None:
    command = [sys.executable, "-c", "from farm.addresses import free_port; print(*(free_port() for _ in range(100)))"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (set(process.communicate()[0].split()) for process in both)
    assert (len(first), len(second), first & second) == (100, 100, set())


def test_a_port_in_use_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(addresses, "_LOWEST_PORT", port)
    monkeypatch.setattr(addresses, "_SYSTEMS_PORTS", tmp_path / "range")
    (tmp_path / "range").write_text(f"{port + 2}\t60999\n")
    with ExitStack() as stack:
        stack.enter_context(socket.create_server(("127.0.0.1", port)))
        assert free_port() == port + 1
        assert free_port() == port + 1
        stack.enter_context(socket.create_server(("127.0.0.1", port + 1)))
        assert free_port() not in {port, port + 1}, "the system finds another"


@pytest.mark.parametrize("text", ["", "many\n", None, "1024\t60999\n", "32768\t60999\n"])
def test_a_system_that_says_nothing_or_takes_all_leaves_a_port_all_the_same(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_SYSTEMS_PORTS", tmp_path / "range")
    if text is not None:
        (tmp_path / "range").write_text(text)
    socket.create_server(("127.0.0.1", free_port())).close()
