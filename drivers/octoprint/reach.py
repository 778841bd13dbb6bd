"""Which network addresses may be connected to. A name is resolved once, and what was checked is what is connected to.

The printer's URL is its operator's own, so OctoPrint may also be on this machine or behind a VPN; only what can never be a printer
is refused. What strangers name (an mDNS answer, a URL out of somebody's settings) may only be in a private network. Sources: the
address registries that `ipaddress` knows, and the metadata addresses that cloud providers document.
"""

import ipaddress
import math
import socket
import time
from typing import Final

from drivers.errors import Bilingual, DriverError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# what answers there gives a cloud machine's own passwords to whoever asks
_METADATA: Final = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
MAX_ADDRESSES: Final = 8  # of one name; each may cost a connection's time limit


class ReachError(DriverError):
    """The address is none that a printer can have."""

    code = "printer-address-refused"


def _innermost(address: _Address) -> _Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:  # Python 3.11 does not see that ::ffff:169.254.169.254 is link-local
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def why_not(address: str, *, stranger: bool = False) -> Bilingual | None:
    """Why this numerical address must not be connected to; None: it may. `stranger`: the URL is not the operator's own."""
    try:
        inner = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return Bilingual("This is no network address.", "Ce n'est pas une adresse réseau.")
    if inner in _METADATA or inner.is_multicast or inner.is_unspecified or inner == ipaddress.IPv4Address("255.255.255.255"):
        return Bilingual(f"No printer can be at {inner}.", f"Aucune imprimante ne peut être à l'adresse {inner}.")
    if stranger and not any(inner in network for network in _PRIVATE if network.version == inner.version):
        return Bilingual(f"{inner} is in no private network.", f"{inner} n'est dans aucun réseau privé.")
    return None


class LimitedSocket(socket.socket):
    """A socket that receives until `deadline_s` (monotonic) and at most `left_bytes`: a server that drips or floods ends there.

    `peer` is the numerical address it was connected to: the system forgets it when the other side resets the connection.
    """

    peer: str | None = None
    deadline_s: float = math.inf
    left_bytes: float = math.inf

    def recv_into(self, buffer, nbytes: int = 0, flags: int = 0) -> int:  # type: ignore[no-untyped-def]  # the type of a buffer is not public in 3.11
        """Receive, or raise TimeoutError when time or bytes are used up."""
        hurry(self, self.deadline_s, self.left_bytes)
        count = super().recv_into(buffer, nbytes, flags)
        self.left_bytes -= count
        return count


def hurry(sock: socket.socket, deadline_s: float, left_bytes: float) -> None:
    """Shorten the socket's time limit to what is left.

    Raises:
        TimeoutError: nothing is left.

    """
    left_s = deadline_s - time.monotonic()
    if left_s <= 0 or left_bytes < 0:
        raise TimeoutError("the answer does not end")
    limit_s = sock.gettimeout()
    if left_s < math.inf and (limit_s is None or limit_s > left_s):
        sock.settimeout(left_s)


def resolve(host: str, port: int, *, stranger: bool = False) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """The addresses of `host` that may be connected to. Blocks for as long as the system's resolver likes.

    Raises:
        OSError: there is no such name.
        ReachError: all its addresses are refused.

    """
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:MAX_ADDRESSES]
    checked = [(family, place, why_not(str(place[0]), stranger=stranger)) for family, _, _, _, place in answers]
    good = [(family, place) for family, place, reason in checked if reason is None]
    if not good:
        reason = next((reason for _, _, reason in checked if reason), Bilingual("It has no address.", "Elle n'a pas d'adresse."))
        raise ReachError(
            reason,
            next_step=Bilingual("Check the host in the printer's URL.", "Vérifiez l'hôte dans l'URL de l'imprimante."),
        )
    return good  # type: ignore[return-value]  # the second part of a place is its port for both families


def connect(host: str, port: int, timeout_s: float | None, *, stranger: bool = False) -> LimitedSocket:
    """Connect to one of the checked addresses of `host`, each tried for `timeout_s`.

    Raises:
        OSError: none of them answers, or there is no such name.
        ReachError: all are refused.

    """
    last: OSError = OSError("no address")
    for family, place in resolve(host, port, stranger=stranger):
        sock = LimitedSocket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(place)
            sock.peer = place[0]
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise last
