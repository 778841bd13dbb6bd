"""OctoPrint's live socket: `ws://host/prefix/sockjs/websocket`, which carries plain JSON both ways.

Without authentication OctoPrint sends one `connected` message and then nothing for ever, so a socket counts as open only when
`history`, which shows the full state, has arrived. Nothing is replayed from a time when we were away.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from drivers.errors import DriverError
from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.client import Login

OPEN_TIMEOUT_S: Final = 10.0
PING_EVERY_S: Final = 20.0
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024  # `history` has up to 300 log lines and half an hour of temperatures
THROTTLE: Final = 4  # times 0.5 s between two `current` messages; events are never throttled
EVENTS: Final = (
    "Connected",
    "Disconnecting",
    "Disconnected",
    "Error",
    "EStop",
    "FilamentChange",
    "FirmwareData",
    "PrintCancelled",
    "PrintCancelling",
    "PrintDone",
    "PrintFailed",
    "PrintPaused",
    "PrintResumed",
    "PrintStarted",
    "PrinterReset",
    "PrinterStateChanged",
    "Waiting",
)
_SUBSCRIPTION: Final = {"state": {"logs": False, "messages": False}, "events": list(EVENTS), "plugins": False}


class PushError(DriverError):
    """The socket cannot be opened, though OctoPrint answers otherwise: a proxy that passes no websockets is the usual cause."""

    code = "octoprint-push"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, next_step="Let the proxy before OctoPrint pass websockets (proxy_http_version 1.1, Upgrade).")


class _NoRedirect(connect):
    """websockets follows redirections; a key's session must not wander to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _silent_logger() -> logging.Logger:
    # websockets logs every frame at DEBUG level, and the first one holds our session
    logger = logging.getLogger("drivers.octoprint.socket")
    logger.disabled = True
    return logger


class Push:
    """An authenticated socket. Iterate over `messages`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Every message, one after the other; ends when the socket closes or OctoPrint wants a new login."""
        try:
            async for frame in self._connection:
                message = _decode(frame)
                if "reauthRequired" in message:
                    return
                yield message
        except WebSocketException:
            return

    async def authenticate(self, login: Login) -> dict[str, Any]:
        """Log in and subscribe; return the content of `history`.

        Raises:
            PushError: the socket closed, or stayed silent because the login was not accepted.

        """
        for message in ({"auth": f"{login.name}:{login.session}"}, {"throttle": THROTTLE}, {"subscribe": _SUBSCRIPTION}):
            await self._connection.send(json.dumps(message))
        async for message in self.messages():
            if isinstance(history := message.get("history"), dict):
                return history
        raise PushError("OctoPrint closed its socket after the login.")


def _decode(frame: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _context(address: OctoPrintAddress) -> ssl.SSLContext | None:
    if address.scheme != "https":
        return None
    return ssl.create_default_context(cafile=str(address.ca_file) if address.ca_file else None)


@asynccontextmanager
async def open_push(address: OctoPrintAddress, login: Login) -> AsyncIterator[tuple[Push, dict[str, Any]]]:
    """Open and authenticate a socket; it is closed on leaving. Gives the socket and the content of `history`.

    Raises:
        PushError: no websocket there, or the login was not accepted within `OPEN_TIMEOUT_S`.

    """
    try:
        connection = await _NoRedirect(
            address.socket_url,
            ssl=await asyncio.to_thread(_context, address),
            proxy=None,
            compression=None,
            logger=_silent_logger(),
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=PING_EVERY_S,
            ping_timeout=PING_EVERY_S,
            close_timeout=2.0,
        )
    except (WebSocketException, OSError) as error:  # TimeoutError is an OSError
        raise PushError("OctoPrint's live socket cannot be opened.") from error
    try:
        push = Push(connection)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                history = await push.authenticate(login)
        except (TimeoutError, WebSocketException) as error:
            raise PushError("OctoPrint's live socket stays silent after the login.") from error
        yield push, history
    finally:
        await connection.close()
