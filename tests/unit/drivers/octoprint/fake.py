"""An OctoPrint made of a few variables, for what the real one cannot be made to show. Speaks HTTP and the socket on one port.

It lives in the loop of the test; the driver's threads talk to it over real sockets.
"""

import asyncio
import hashlib
import json
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from farm.addresses import free_port

KEY = "FAKEKEYFAKEKEYFAKEKEY"
PERMISSIONS = ["STATUS", "CONNECTION", "FILES_LIST", "FILES_UPLOAD", "FILES_SELECT", "FILES_DELETE", "PRINT", "CONTROL"]

Answer = tuple[int, Any]  # status and JSON, or status and raw bytes
Handler = Callable[[bytes], Answer]


class FakeOctoPrint:
    """Its variables are what a test sets and reads."""

    def __init__(self) -> None:
        self.port = free_port()  # it is listened on again after a loss: until then the system gives it to nobody
        self.state = "Operational"
        self.error = ""
        self.path: str | None = None
        self.completion: float | None = None
        self.position: int | None = None
        self.files: dict[str, dict[str, Any]] = {}
        self.free = 10**9
        self.asked: list[tuple[str, str, Any]] = []  # method, path, JSON
        self.answers: dict[tuple[str, str], Answer | Handler] = {}  # instead of what it would answer
        self.raw: bytes | None = None  # sent instead of any answer, then the connection is closed
        self.sockets: list[asyncio.StreamWriter] = []
        self.has_socket = True
        self.tls: ssl.SSLContext | None = None
        self.accepts_login = True
        self.starts_print = True
        self.permissions = list(PERMISSIONS)
        self.user = "farm"
        self.key = KEY
        # PSU Control, as its public source (octoprint_psucontrol/__init__.py, `on_api_command`) answers; None: not installed
        self.power: bool | None = None
        self.question: dict[str, Any] | None = None  # as Action Command Prompt answers (measured with 1.11.8)
        self.decision = 202  # of the next polls for an application key: 202 undecided, 200 allowed, 404 refused
        self.log: list[str] = []  # what the printer says to a command, after "Send: ..."
        self.heads: list[bytes] = []  # of all requests
        self._server: asyncio.Server | None = None
        self._writers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._left: list[asyncio.StreamWriter] = []  # whose requests are over; the other side may not have read all of the answer
        self._protocols: dict[asyncio.StreamWriter, ServerProtocol] = {}

    # --- life -------------------------------------------------------------------------------------------------------------

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in (*self._writers.values(), *self._left):
                writer.transport.abort()
            self._left.clear()
            await asyncio.gather(*self._writers, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None
        self.sockets.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._writers[task] = writer
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            del self._writers[task]
            if writer in self.sockets:
                self.sockets.remove(writer)
            self._left.append(writer)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        if self.raw is not None:
            writer.write(self.raw)
            await writer.drain()
            return False
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if target.endswith("/sockjs/websocket"):
            await self._socket(head, reader, writer)
            return False
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = await reader.readexactly(int(length[1])) if length else b""
        self.heads.append(head)
        status, content = self._answer(method, urlsplit(target).path, head, body)
        data = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        location = b"Location: http://127.0.0.1:9/\r\n" if 300 <= status < 400 else b""
        writer.write(b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n" % (status, location, len(data)) + data)
        await writer.drain()
        return True

    # --- HTTP ---------------------------------------------------------------------------------------------------------------

    def _answer(self, method: str, path: str, head: bytes, body: bytes) -> Answer:
        content = json.loads(body) if b"content-type: application/json" in head.lower() else None
        self.asked.append((method, path, content))
        if (method, path) in self.answers:
            answer = self.answers[method, path]
            return answer if isinstance(answer, tuple) else answer(body)
        if path.startswith("/plugin/appkeys/"):
            return self._application_keys(path.removeprefix("/plugin/appkeys/"))
        if self.key.encode() not in head:
            return (400, {"error": "CSRF validation failed"}) if method == "POST" else (403, {"error": "no"})
        if path.startswith("/api/files/local"):
            return self._file(method, path.removeprefix("/api/files/local").strip("/"), content, body)
        return self._simple(method, path, content)

    def _simple(self, method: str, path: str, content: Any) -> Answer:
        table: dict[str, Answer] = {
            "/api/version": (200, {"api": "0.1", "server": "1.11.8", "text": "OctoPrint 1.11.8"}),
            "/api/currentuser": (200, {"name": self.user, "permissions": self.permissions}),
            "/api/login": (200, {"name": self.user, "session": "SESSIONSECRET", "apikey": KEY}),
            "/api/printer/error": (200, {"error": "", "reason": ""}),
            "/api/printer": (200, {"temperature": {"tool0": {"actual": 20.04, "target": 0}, "bed": {"actual": 21, "target": 60}}}),
        }
        if path == "/api/job":
            return (200, self._job()) if method == "GET" else (204, None)
        if path == "/api/connection" and method == "POST":
            self.state = "Operational"
            return 204, None
        if path.startswith("/api/plugin/"):
            return self._plugin(method, path.removeprefix("/api/plugin/"), content or {})
        if path == "/api/printer/command":
            self._say(content)
            return (204, None) if self.state not in {"Offline", "Offline after error"} else (409, {"error": "not operational"})
        return table.get(path, (404, {"error": "nothing here"}))

    def _say(self, content: dict[str, Any]) -> None:
        if self.log:
            lines = [f"Send: {line}" for line in content.get("commands", [])] + self.log
            self.push({"current": self.current() | {"logs": lines}})

    def _application_keys(self, path: str) -> Answer:
        """As 1.11.8 (measured): the key is given once."""
        if path == "probe":
            return 204, None
        if path == "request":
            return 201, {"app_token": "TOKENTOKENTOKEN", "auth_dialog": "http://evil.example/"}
        if self.decision != 200:
            return self.decision, {"message": "..."}
        self.decision, self.key = 404, "GIVENKEYGIVENKEYGIVENKEY"
        return 200, {"api_key": self.key}

    def _plugin(self, method: str, name: str, content: dict[str, Any]) -> Answer:
        if name == "psucontrol" and self.power is not None:
            return self._psu(content)
        if name == "action_command_prompt":
            return self._prompts(method)
        if name == "appkeys" and content.get("command") == "generate":
            self.key = "MADEKEYMADEKEYMADEKEY"
            return 200, {"api_key": self.key, "user_id": content.get("user", self.user)}
        return 404, {"error": "no such plugin"}

    def _prompts(self, method: str) -> Answer:
        if "PLUGIN_ACTION_COMMAND_PROMPT_INTERACT" not in self.permissions:
            return 403, {"error": "no"}
        if method == "GET":
            return 200, json.dumps(self.question).encode()
        if self.question is None:
            return 409, {"error": "No active prompt"}
        self.question = None
        self.push({"plugin": {"plugin": "action_command_prompt", "data": {"action": "close"}}})
        return 204, None

    def _psu(self, content: dict[str, Any]) -> Answer:
        command = content.get("command", "getPSUState")
        if command == "getPSUState":
            return 200, {"isPSUOn": self.power}
        if "PLUGIN_PSUCONTROL_CONTROL" not in self.permissions:
            return 403, {"error": "Insufficient rights"}
        self.power = {"turnPSUOn": True, "turnPSUOff": False}[command]
        return 204, None

    def ask(self, text: str, *choices: str) -> None:
        """The printer asks something."""
        self.question = {"text": text, "choices": list(choices)}
        self.push({"plugin": {"plugin": "action_command_prompt", "data": {"action": "show", **self.question}}})

    def _job(self) -> dict[str, Any]:
        file = {"path": self.path, "name": self.path, "origin": "local" if self.path else None}
        progress = {"completion": self.completion, "filepos": self.position, "printTimeLeft": None}
        return {"job": {"file": file, "user": "farm"}, "progress": progress, "state": self.state, "error": self.error}

    def _file(self, method: str, path: str, content: Any, body: bytes) -> Answer:
        if not path:
            return self._store(body) if method == "POST" else (200, {"files": [], "free": self.free})
        if path == "farm":
            return 200, {"children": list(self.files.values())}
        if path not in self.files:
            return 404, {"error": "no file"}
        if method == "DELETE":
            return self._delete(path)
        if method == "POST":
            if self.starts_print:
                self.path, self.state, self.completion, self.position = path, "Printing", 0.0, 0
            return 204, None
        return 200, self.files[path]

    def _delete(self, path: str) -> Answer:
        if path == self.path and self.state == "Printing":
            return 409, {"error": "in use"}
        del self.files[path]
        return 204, None

    def _store(self, body: bytes) -> Answer:
        fields = {key.decode(): value.decode() for key, value in re.findall(rb'name="(\w+)"\r\n\r\n([^\r]*)\r\n', body)}
        name = re.findall(rb'filename="([^"]+)"', body)[0].decode()
        content = body.split(b"application/octet-stream\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        path = f"{fields['path']}/{name}"
        digest = hashlib.sha1(content).hexdigest()
        self.files[path] = {"path": path, "size": len(content), "hash": digest, "date": len(self.asked), "fields": fields}
        return 201, {"files": {"local": {"path": path}}, "done": True}

    # --- the socket -----------------------------------------------------------------------------------------------------------

    async def _socket(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol(logger=logging.Logger("fake", logging.CRITICAL))  # noqa: LOG001 - a test looks for secrets in logs
        self._protocols[writer] = protocol
        protocol.receive_data(head)
        request = protocol.events_received()[0]
        assert isinstance(request, Request)
        protocol.send_response(protocol.accept(request) if self.has_socket else protocol.reject(400, "no websocket here"))
        self._flush(writer)
        if not self.has_socket:
            return
        self._send(writer, {"connected": {"version": "1.11.8"}})
        while data := await reader.read(65_536):
            protocol.receive_data(data)
            for frame in protocol.events_received():
                if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT:
                    self._hear(writer, json.loads(bytes(frame.data)))
            self._flush(writer)
            if protocol.close_expected():
                return

    def _hear(self, writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        self.asked.append(("SOCKET", next(iter(message)), message))
        if message.get("auth") == f"{self.user}:SESSIONSECRET" and self.accepts_login:
            self._send(writer, {"history": self.current()})
            self.sockets.append(writer)

    def current(self) -> dict[str, Any]:
        job = self._job()
        return {"state": {"text": self.state, "error": self.error}, "job": job["job"], "progress": job["progress"], "temps": []}

    def _send(self, writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        self._protocols[writer].send_text(json.dumps(message).encode())
        self._flush(writer)

    def _flush(self, writer: asyncio.StreamWriter) -> None:
        for data in self._protocols[writer].data_to_send():
            writer.write(data)

    def push(self, message: dict[str, Any]) -> None:
        for writer in self.sockets:
            self._send(writer, message)

    def event(self, kind: str, **content: Any) -> None:
        self.push({"event": {"type": kind, "payload": content}})

    # what the real one tells of a print: events, order and payloads (tests/integration/test_octoprint_fake.py compares)

    def tell_start(self, path: str, *, user: str = "farm") -> None:
        """Somebody starts to print the local file `path`."""
        self.path, self.completion, self.position = path, 0.0, 0
        self._tell_state("Starting")
        self.event("PrintStarted", **self._print(user), user=user)
        self._tell_state("Printing")

    def tell_done(self, *, owner: str = "farm") -> None:
        """What is printed comes to its end."""
        self._tell_state("Finishing")
        self.event("PrintDone", **self._print(owner), time=12.3)
        self.completion = 100.0
        self._tell_state("Operational")

    def tell_cancel(self, user: str | None, *, owner: str = "farm") -> None:
        """What is printed is cancelled; `user` None: from the printer."""
        payload = self._print(owner) | ({"user": user} if user else {})
        where = {"time": 12.3, "progress": 1, "fileposition": 10, "position": dict.fromkeys("xyzetf")}
        self.event("PrintCancelling", **payload)
        self._tell_state("Cancelling")
        self.event("PrintCancelled", **payload, **where)
        self.event("PrintFailed", **payload, **where, reason="cancelled")
        self.completion = None
        self._tell_state("Operational")

    def _print(self, owner: str) -> dict[str, Any]:
        path = self.path or ""
        return {"name": path.rpartition("/")[2], "path": path, "origin": "local", "size": 1000, "owner": owner}

    def _tell_state(self, text: str) -> None:
        self.state = text
        self.event("PrinterStateChanged", state_id=text.upper(), state_string=text)

    def count(self, method: str, path: str) -> int:
        return sum((method, path) == asked[:2] for asked in self.asked)


@asynccontextmanager
async def fake_octoprint() -> AsyncIterator[FakeOctoPrint]:
    fake = FakeOctoPrint()
    await fake.listen()
    try:
        yield fake
    finally:
        await fake.close()
