"""What bounds and marks every request: the size of its body, and the headers that tell browsers to trust nothing else."""

import asyncio
import contextlib
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import refuse
from farm.errors import TooLargeError
from gcode.texts import Bilingual, octets

MAX_BODY_BYTES: Final = 64 * 1024
FORM_SLACK_BYTES: Final = 64 * 1024  # fields and boundaries around an uploaded file
UPLOAD_PATH: Final = "/api/v1/programs"
_DRAIN_BYTES: Final = 256 * 1024 * 1024  # of a refused body are read all the same: else the sender sees a reset, no answer
_DRAIN_S: Final = 5.0

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; img-src 'self' data:"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """ASGI middleware: the same security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to whatever is answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caching = "no-store" if scope["path"].startswith("/api/") else "no-cache"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)  # a route may be stricter
                headers.setdefault("Cache-Control", caching)
            await send(message)

        await self.app(scope, receive, with_headers)


def _too_large(limit: int) -> TooLargeError:
    """For a body over `limit`, bytes: a file, or what is said in JSON, whose limit stands in no configuration."""
    if limit == MAX_BODY_BYTES:
        size = octets(limit)
        return TooLargeError(
            Bilingual(f"The body is larger than {size.en}.", f"Le corps de la requête dépasse {size.fr}."),
            next_step=Bilingual("Send less.", "Envoyez moins."),
        )
    size = octets(limit - FORM_SLACK_BYTES)
    return TooLargeError(
        Bilingual(f"The file is larger than {size.en}.", f"Le fichier dépasse {size.fr}."),
        next_step=Bilingual(
            "Send less, or raise the limit in farm.toml ([http] max_upload_bytes).",
            "Envoyez moins, ou élevez la limite dans farm.toml ([http] max_upload_bytes).",
        ),
    )


class _BodyTooLargeError(HTTPException):
    """Raised inside `receive`: the framework lets exceptions of this kind through to its handlers."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """ASGI middleware: no body is larger than its route may take, whatever its headers promise."""

    def __init__(self, app: ASGIApp, max_upload_bytes: int) -> None:
        self.app = app
        self.max_upload_bytes = max_upload_bytes

    def limit_of(self, scope: Scope) -> int:
        """Bytes that the body of this request may have."""
        return self.max_upload_bytes + FORM_SLACK_BYTES if scope["path"] == UPLOAD_PATH else MAX_BODY_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is promised too large, and cut off what turns out to be."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limit_of(scope)
        if _promised(scope) > limit:
            if not any(name == b"expect" for name, _ in scope["headers"]):
                await _drain(receive)
            await refuse(_too_large(limit), scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _BodyTooLargeError
            return message

        await self.app(scope, counted, send)


def _promised(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _drain(receive: Receive) -> None:
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while seen < _DRAIN_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
