"""Hosts by name and address: which of them are this machine alone, and a port of it that is free."""

import os
import socket
from ipaddress import IPv6Address, ip_address
from itertools import count
from pathlib import Path
from typing import Final

_SYSTEMS_PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")  # lowest and highest that outgoing connections get
_LINUX_LOWEST: Final = 32_768
_LOWEST_PORT: Final = 10_240
_STRIDE: Final = 7_919  # processes are often started one right after the other: their walks begin far apart
_walk = count(os.getpid() * _STRIDE)


def is_loopback(host: str) -> bool:
    """Whether only this machine is reached by `host`: `localhost` or a loopback address, also one wrapped in IPv6."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses now: for farms that are made for a moment (demo, benches, tests).

    The system gives it to no outgoing connection, so that it is still free when it is listened on, and again after a restart. Every
    process walks through the ports from a place of its own: two that look at the same time find different ones.

    Raises:
        OSError: none is free.

    """
    ports = range(_LOWEST_PORT, _lowest_of_the_system())
    for _ in ports:
        port = ports[next(_walk) % len(ports)]
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        chosen: int = probe.getsockname()[1]
        return chosen


def _lowest_of_the_system() -> int:
    try:
        return int(_SYSTEMS_PORTS.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _LINUX_LOWEST


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
