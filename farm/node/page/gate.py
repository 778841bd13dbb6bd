"""Who may use the node's page. On loopback: who is on this machine. In the local network: who has the token.

A browser may be led here by a foreign page, so the Host header must be a name of ours (DNS rebinding), and what changes something
must not come from another origin and must be JSON, which no form of a foreign page can send.
"""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from farm.addresses import is_loopback
from farm.keys import same
from farm.node.page.server import Request

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _host(text: str) -> str:
    """The host of a Host header, without port and brackets; empty when it is none. Ports differ: ssh may have changed it."""
    try:
        return (urlsplit(f"//{text}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Gate:
    """The rules for one address.

    Args:
        host: where the page listens.
        names: how others may call this machine.
        token: what every request of the API needs; None: nothing (loopback only).

    """

    def __init__(self, host: str, names: Iterable[str], token: str | None) -> None:
        own = socket.gethostname().lower()
        self._token = token
        self._beyond = not is_loopback(host)
        self._names = _LOOPBACK_NAMES | {name.lower().removesuffix(".") for name in names}
        if self._beyond:
            self._names |= {own, f"{own.partition('.')[0]}.local", host.lower()}

    def refuse(self, request: Request) -> tuple[int, str] | None:
        """Return (HTTP status, code) when the request is refused, or None."""
        if not self._known(_host(request.headers.get("host", ""))):
            return 421, "wrong-host"
        if request.method == "POST":
            if not _same_origin(request):
                return 403, "foreign-origin"
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return 415, "not-json"
        return None if self._token is None or not request.path.startswith("/api/") else self._without_token(request, self._token)

    def _known(self, host: str) -> bool:
        # a page of somebody else has a name: an address in the Host header cannot be a rebound name
        return host in self._names or (self._beyond and _is_address(host))

    @staticmethod
    def _without_token(request: Request, token: str) -> tuple[int, str] | None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        return None if kind.lower() == "bearer" and same(given.strip(), token) else (401, "token-needed")


def _same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    if site not in {"same-origin", "none"}:
        return False
    if origin is None:
        return True  # no browser: those say it with every POST
    scheme, _, host = origin.lower().partition("://")
    return scheme in {"http", "https"} and host == request.headers.get("host", "").lower()
