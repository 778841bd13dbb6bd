"""Hosts by name and address: which of them are this machine alone, and a port of it that is free."""

import socket
from ipaddress import IPv6Address, ip_address


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
    """A TCP port of the loopback interface that nobody uses now: for farms that are made for a moment (demo, benches, tests)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
