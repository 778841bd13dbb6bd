"""How tests reach the application: in memory, or over a real socket served by uvicorn."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from api.testing import MemoryControl
from farm.request_bodies import ProgramRequest
from tests.patience import PATIENCE_S
from tests.prompt_server import PromptServer

TOKEN = "operator-" + "t" * 40
GCODE = b"G28\nG1 X10 Y10 E1\nM104 S0\n"
FIELDS = {"design": "visor-frame", "revision": "visor-frame-r1", "profile": "generic-210", "parts": "2"}


def client_of(
    app: FastAPI, *, address: str = "127.0.0.1", base_url: str = "http://127.0.0.1:8080", **more: Any
) -> httpx.AsyncClient:
    """A client of an application in memory that comes from `address`."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url=base_url, **more)


async def add_visor(control: MemoryControl, content: bytes, **fields: Any) -> str:
    """Add a program and return its SHA-256."""
    upload = control.incoming_folder / "upload"
    upload.write_bytes(content)
    request = ProgramRequest.model_validate({**FIELDS, **fields})
    return (await control.add_program(upload, request)).sha256


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free port of loopback; yields its host and port as `127.0.0.1:port`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = PromptServer(app)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
                if task.done():
                    task.result()
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.end()
            await task


async def until(met: Callable[[], bool]) -> None:
    """Wait until `met()`."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)
