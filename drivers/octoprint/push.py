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

from drivers.errors import Bilingual, DriverError
from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.client import Login
from drivers.octoprint.tls import context_for, trouble

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
_SUBSCRIPTION: Final = {"state": {"logs": False, "messages": False}, "events": list(EVENTS), "plugins": ["action_command_prompt"]}
_LISTENING: Final = {**_SUBSCRIPTION, "state": {"logs": "^(Send|Recv): ", "messages": False}}
_PROXY_STEP: Final = Bilingual(
    "Let the proxy before OctoPrint pass websockets (proxy_http_version 1.1, Upgrade).",
    "Laissez passer les websockets par le proxy devant OctoPrint (proxy_http_version 1.1, Upgrade).",
)
_CLOSED: Final = Bilingual("OctoPrint closed its socket after the login.", "OctoPrint a fermé sa connexion après l'identification.")
_REFUSED: Final = Bilingual("OctoPrint's live socket cannot be opened.", "La connexion en direct ne s'ouvre pas.")
_SILENT: Final = Bilingual(
    "OctoPrint's live socket stays silent after the login.",
    "La connexion en direct reste muette après l'identification.",
)


class PushError(DriverError):
    """The socket cannot be opened, though OctoPrint answers otherwise: a proxy that passes no websockets is the usual cause."""

    code = "octoprint-push"

    def __init__(self, detail: Bilingual, *, next_step: Bilingual = _PROXY_STEP) -> None:
        super().__init__(detail, next_step=next_step)


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

    async def listen(self, *, logs: bool) -> None:
        """Have the printer's terminal lines in `current` messages, more often, or no more. A closed socket listens to nothing."""
        wanted = _LISTENING if logs else _SUBSCRIPTION
        try:
            for message in ({"throttle": 1 if logs else THROTTLE}, {"subscribe": wanted}):
                await self._connection.send(json.dumps(message))
        except WebSocketException:
            return

    async def authenticate(self, login: Login) -> dict[str, Any]:
        """Subscribe and log in; return the content of `history`.

        Raises:
            PushError: the socket closed, or stayed silent because the login was not accepted.

        """
        # the login last: the other way round `history`, which can have 150 kB, comes twice (measured)
        for message in ({"throttle": THROTTLE}, {"subscribe": _SUBSCRIPTION}, {"auth": f"{login.name}:{login.session}"}):
            await self._connection.send(json.dumps(message))
        async for message in self.messages():
            if isinstance(history := message.get("history"), dict):
                return history
        raise PushError(_CLOSED)


def _decode(frame: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


@asynccontextmanager
async def open_push(
    address: OctoPrintAddress, login: Login, *, host: str | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Push, dict[str, Any]]]:
    """Open and authenticate a socket; it is closed on leaving. Gives the socket and the content of `history`.

    `host`: the numerical address that was checked, where OctoPrint answered; the name is still what a certificate has to have.

    Raises:
        PushError: no websocket there, its certificate is not trusted, or the login was not accepted within `OPEN_TIMEOUT_S`.
        AddressError: the certificate authority's file cannot be used.

    """
    if context is None and address.scheme == "https":
        context = await asyncio.to_thread(context_for, address.ca_file)
    elsewhere: dict[str, Any] = {"host": host, "port": int(address.authority.rpartition(":")[2])} if host else {}
    try:
        connection = await _NoRedirect(
            address.socket_url,
            ssl=context,
            proxy=None,
            **elsewhere,
            compression=None,
            logger=_silent_logger(),
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=PING_EVERY_S,
            ping_timeout=PING_EVERY_S,
            close_timeout=2.0,
        )
    except (WebSocketException, OSError) as error:  # TimeoutError is an OSError
        if isinstance(error, ssl.SSLError):
            untrusted = trouble(error)
            next_step = Bilingual(untrusted.next_step, untrusted.next_step_fr)
            raise PushError(Bilingual(untrusted.detail, untrusted.detail_fr), next_step=next_step) from error
        raise PushError(_REFUSED) from error
    try:
        push = Push(connection)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                history = await push.authenticate(login)
        except (TimeoutError, WebSocketException) as error:
            raise PushError(_SILENT) from error
        yield push, history
    finally:
        await connection.close()
