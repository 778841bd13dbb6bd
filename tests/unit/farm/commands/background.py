"""Serves an application from a thread, for clients that block."""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any, Self

from fastapi import FastAPI

from tests.patience import PATIENCE_S
from tests.prompt_server import PromptServer

TOKEN = "operator-" + "t" * 40


class BackgroundServer:
    """A uvicorn in its own thread and event loop; `url` is where it listens."""

    def __init__(self, app: FastAPI, port: int = 0) -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = PromptServer(app)
        self._thread = threading.Thread(target=self._run, name="background server")
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # a test has ended it already, to see what is told then
            self._loop.call_soon_threadsafe(self._server.end)
        self._thread.join(PATIENCE_S)
        self._listening.close()
        assert not self._thread.is_alive()

    def call(self, function: Any, *arguments: Any, **more: Any) -> Any:
        """Call a function, or run a coroutine function, on the server's loop and return its result."""

        async def on_loop() -> Any:
            result = function(*arguments, **more)
            return await result if asyncio.iscoroutine(result) else result

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(PATIENCE_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
        while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving
