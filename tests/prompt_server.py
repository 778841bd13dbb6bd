"""A uvicorn that ends as soon as it is told to. The usual one looks ten times a second whether it should, and then waits again."""

import asyncio
import socket

import uvicorn
from fastapi import FastAPI

_GRACE_S = 1.0


class PromptServer(uvicorn.Server):
    """Serves an application until `end`, which is called on its loop."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, ws_per_message_deflate=False))
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Serve no longer."""
        self._ending.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(_GRACE_S):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.001)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
            for connection in list(self.server_state.connections):  # whose other side does not take the rest
                connection.transport.abort()
        await self.lifespan.shutdown()
