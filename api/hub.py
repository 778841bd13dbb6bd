"""Live updates: one WebSocket a page. First the whole farm, then only the rows that are another than before.

Every message is made once, as text, for all clients. A client that cannot keep up is dropped: it reconnects and gets a fresh whole.
Messages: `{"type": "snapshot", "farm": FarmView}`; `{"type": "changes", "now", and per collection the changed rows, "gone":
{collection: [ids]}}`; `{"type": "alive", "now"}` when nothing else was said for a while, so that a page notices a dead connection.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.auth import refuse
from farm.control import Control
from farm.errors import FarmError, UnreachableError
from farm.log import get_logger
from farm.views import FarmView, NodeView
from gcode.texts import Bilingual

MAX_CLIENTS: Final = 256
QUEUE_LENGTH: Final = 64  # at five changes a second: a client may sleep for 12 s
ALIVE_S: Final = 15.0  # pages reconnect after 40 s of silence
_RETRY_S: Final = 1.0  # after the farm failed to answer
_CLOSE_S: Final = 2.0  # for saying goodbye to a client that does not listen
TRY_AGAIN_LATER: Final = 1013
NO_TALKING: Final = 1008

COLLECTIONS: Final = ("printers", "nodes", "orders", "waiting", "uploads")
_Row = tuple[BaseModel, bytes]

_log = get_logger(__name__)


def comparable(view: BaseModel) -> BaseModel:
    """A row without what changes by mere waiting: pages count a node's silence on themselves."""
    return view.model_copy(update={"silent_s": None}) if isinstance(view, NodeView) else view


class Mirror:
    """What the clients know of the farm, with every row encoded once."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, _Row]] = {name: {} for name in COLLECTIONS}
        self._head: dict[str, Any] = {}

    def update(self, farm: FarmView) -> str | None:
        """Take over the newest snapshot; return the message that tells of the difference, None when there is none."""
        told: dict[str, Any] = {}
        gone: dict[str, list[str]] = {}
        for name in COLLECTIONS:
            changed, left = self._update_rows(name, getattr(farm, name))
            if changed:
                told[name] = changed
            if left:
                gone[name] = left
        head = farm.model_dump(mode="json", exclude=set(COLLECTIONS))
        told |= {key: value for key, value in head.items() if key != "now" and self._head.get(key) != value}
        self._head = head
        if not told and not gone:
            return None
        return orjson.dumps({"type": "changes", "now": farm.now, **told, "gone": gone}).decode()

    def _update_rows(self, name: str, views: Sequence[Any]) -> tuple[list[orjson.Fragment], list[str]]:
        before = self._rows[name]
        after: dict[str, _Row] = {}
        changed: list[orjson.Fragment] = []
        for view in views:
            key = comparable(view)
            known = before.get(view.id)
            if known is not None and known[0] == key:
                after[view.id] = known
            else:
                after[view.id] = (key, view.model_dump_json().encode())
                changed.append(orjson.Fragment(after[view.id][1]))
        self._rows[name] = after
        return changed, [row for row in before if row not in after]

    def whole(self) -> str:
        """The first message of a client."""
        rows = {name: [orjson.Fragment(encoded) for _, encoded in self._rows[name].values()] for name in COLLECTIONS}
        return orjson.dumps({"type": "snapshot", "farm": {**self._head, **rows}}).decode()


class Client:
    """One open page: what it is still to be told."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_LENGTH)
        self.dropped = asyncio.Event()

    def tell(self, message: str) -> None:
        """Queue a message; a client whose queue is full is dropped."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.dropped.set()


class Hub:
    """Waits for changes of the farm and tells all clients. Does nothing while nobody looks."""

    def __init__(self, control: Control, *, alive_s: float = ALIVE_S) -> None:
        self._control = control
        self.alive_s = alive_s
        self._clients: set[Client] = set()
        self._mirror = Mirror()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Hub":
        self._task = asyncio.create_task(self._run(), name="live updates")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def running(self) -> bool:
        """Whether pages hear of changes."""
        return self._task is not None and not self._task.done()

    def join(self) -> Client:
        """Add a client; its first message is the whole farm as it is now.

        Raises:
            UnreachableError: too many pages are open.

        """
        if len(self._clients) >= MAX_CLIENTS:
            raise UnreachableError(
                Bilingual(f"{MAX_CLIENTS} pages are open already.", f"{MAX_CLIENTS} pages sont déjà ouvertes."),
                next_step=Bilingual("Close some of them.", "Fermez-en quelques-unes."),
                code="too-many-pages",
            )
        self._look()  # so that the others hear of what this one will not be told as a change
        client = Client()
        client.tell(self._mirror.whole())
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    async def _run(self) -> None:
        while True:
            try:
                async for _ in self._control.changes():
                    if self._clients:
                        self._look()
            except FarmError as error:
                _log.warning("live.failed", detail=error.detail)
            await asyncio.sleep(_RETRY_S)

    def _look(self) -> None:
        message = self._mirror.update(self._control.snapshot())
        if message is None:
            return
        for client in self._clients:
            client.tell(message)
        for client in [client for client in self._clients if client.dropped.is_set()]:
            self.leave(client)
            _log.info("live.slow_client_dropped")


async def _send(websocket: WebSocket, client: Client, alive_s: float, now: Callable[[], float]) -> None:
    while True:
        try:
            message = await asyncio.wait_for(client.queue.get(), alive_s)
        except TimeoutError:
            message = orjson.dumps({"type": "alive", "now": now()}).decode()
        await websocket.send_text(message)


async def _serve(websocket: WebSocket, client: Client, hub: Hub, now: Callable[[], float]) -> int:
    """Feed one client until it leaves, talks or falls behind; return the code to close with, 0 when it is gone already."""
    sending = asyncio.create_task(_send(websocket, client, hub.alive_s, now))
    hearing = asyncio.create_task(websocket.receive())
    dropping = asyncio.create_task(client.dropped.wait())
    tasks = (sending, hearing, dropping)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if client.dropped.is_set():
        return TRY_AGAIN_LATER
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | OSError):
            raise result
    heard = results[1]
    return NO_TALKING if isinstance(heard, dict) and heard["type"] == "websocket.receive" else 0


router = APIRouter()


@router.websocket("/live")
async def live(websocket: WebSocket) -> None:
    """Feed a page. The gate has looked at its Host, Origin and credential already."""
    hub: Hub = websocket.app.state.hub
    control: Control = websocket.app.state.control
    try:
        client = hub.join()
    except FarmError as error:
        await refuse(error, websocket.scope, websocket.receive, websocket.send)
        return
    try:
        await websocket.accept()
        code = await _serve(websocket, client, hub, lambda: control.snapshot().now)
        if code:
            async with asyncio.timeout(_CLOSE_S):
                await websocket.close(code)
    except (WebSocketDisconnect, TimeoutError):
        pass  # it is gone, or does not even listen to a goodbye
    finally:
        hub.leave(client)
