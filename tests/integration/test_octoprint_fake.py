"""The fake OctoPrint of the unit tests and the bench, compared with the real one in all that our client and driver read."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from drivers.octoprint.address import parse_address
from drivers.octoprint.client import Client
from drivers.octoprint.push import EVENTS, Push, open_push
from tests.bench.octoprint_parts import WeighedFake
from tests.integration.octoprint_bench import LONG, SHORT, until
from tests.integration.octoprint_server import FARM_KEY, MAKER_KEY, OctoPrintServer
from tests.unit.drivers.octoprint.fake import KEY, FakeOctoPrint, fake_octoprint

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]
PATH = "farm/compared.gcode"
FILE = f"/api/files/local/{PATH}"


@dataclass(frozen=True)
class Server:
    """A real or fake one to ask."""

    port: int
    key: str

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> requests.Response:
        headers = {"X-Api-Key": self.key if key is None else key}
        return requests.request(method, f"http://127.0.0.1:{self.port}{path}", json=body, headers=headers, timeout=10)

    def upload(self, content: bytes) -> requests.Response:
        fields = {"path": "farm", "print": "false", "select": "false", "userdata": '{"job": "x"}'}
        file = {"file": ("compared.gcode", content, "application/octet-stream")}
        url, headers = f"http://127.0.0.1:{self.port}/api/files/local", {"X-Api-Key": self.key}
        return requests.post(url, data=fields, files=file, headers=headers, timeout=30)


# What is read of each answer, as paths into its JSON
READ = {
    "version": ("server", "text"),
    "user": ("name", "permissions"),
    "login": ("name", "session"),
    "job": ("state", "job.file.path", "job.file.origin", "progress.completion", "progress.filepos", "progress.printTimeLeft"),
    "job at rest": ("state",),  # what was printed last may still be selected
    "temperatures": ("temperature.tool0.actual", "temperature.tool0.target", "temperature.bed.actual", "temperature.bed.target"),
    "error": ("error", "reason"),
    "stored": ("files.local.path",),
    "file": ("path", "size", "hash", "prints"),
    "files": ("free",),
    "folder": ("children",),
    "request": ("app_token", "auth_dialog"),
}


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    names: tuple[tuple[type, str], ...] = ((str, "text"), (list, "list"), (dict, "table"))
    return next((name for kind_of, name in names if isinstance(value, kind_of)), "none")


def read(content: Any, path: str) -> Any:
    for key in path.split("."):
        content = content.get(key) if isinstance(content, dict) else None
    return content


def shape(answer: requests.Response, name: str = "") -> tuple[Any, ...]:
    """Status, and the kinds of what is read."""
    content = answer.json() if READ.get(name) else None
    return (answer.status_code, *((path, kind(read(content, path))) for path in READ.get(name, ())))


def refusals(server: Server) -> dict[str, Any]:
    """What is said to a wrong key and of things that are not there."""
    bad_post = server.ask("POST", FILE, {"command": "select", "print": True}, key="WRONGKEYWRONGKEY")
    return {
        "get with a wrong key": shape(server.ask("GET", "/api/version", key="WRONGKEYWRONGKEY")),
        "post with a wrong key": (bad_post.status_code, "CSRF" in bad_post.text),
        "no such file": shape(server.ask("GET", "/api/files/local/farm/not-there.gcode")),
        "delete of no file": shape(server.ask("DELETE", "/api/files/local/farm/not-there.gcode")),
        "start of no file": shape(
            server.ask("POST", "/api/files/local/farm/not-there.gcode", {"command": "select", "print": True})
        ),
        "no such plugin": shape(server.ask("GET", "/api/plugin/psucontrol")),
    }


def at_rest(server: Server) -> dict[str, Any]:
    """What an idle printer answers, once OctoPrint has heard its first temperatures."""
    deadline_s = time.monotonic() + 60
    while not server.ask("GET", "/api/printer").json()["temperature"]:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return {
        "version": shape(server.ask("GET", "/api/version"), "version"),
        "user": shape(server.ask("GET", "/api/currentuser"), "user"),
        "login": shape(server.ask("POST", "/api/login", {"passive": True}), "login"),
        "job": shape(server.ask("GET", "/api/job"), "job at rest"),
        "temperatures": shape(server.ask("GET", "/api/printer?exclude=sd,state"), "temperatures"),
        "error": shape(server.ask("GET", "/api/printer/error"), "error"),
        "files": shape(server.ask("GET", "/api/files/local"), "files"),
        "folder": shape(server.ask("GET", "/api/files/local/farm"), "folder"),
        "connect": shape(server.ask("POST", "/api/connection", {"command": "connect"})),
        "command": shape(server.ask("POST", "/api/printer/command", {"commands": ["M105"]})),
    }


def of_a_file(server: Server) -> dict[str, Any]:
    """Upload, start, and what is refused while it prints."""
    stored = server.upload(LONG)
    file = server.ask("GET", FILE)
    answers = {
        "stored": (*shape(stored, "stored"), read(stored.json(), "files.local.path")),
        "file": (*shape(file, "file"), file.json()["path"], file.json()["size"], file.json()["hash"]),
        "start": shape(server.ask("POST", FILE, {"command": "select", "print": True})),
    }
    while (job := server.ask("GET", "/api/job")).json()["state"] == "Starting":
        pass
    return {
        **answers,
        "job": (*shape(job, "job"), job.json()["state"], job.json()["job"]["file"]["path"]),
        "delete while it prints": shape(server.ask("DELETE", FILE)),
    }


def enrolment(server: Server) -> dict[str, Any]:
    """The way to a key, as far as nobody clicks."""
    asked = server.ask("POST", "/plugin/appkeys/request", {"app": "compared"}, key="")
    token = asked.json()["app_token"]
    return {
        "probe": shape(server.ask("GET", "/plugin/appkeys/probe", key="")),
        "request": shape(asked, "request"),
        "poll": shape(server.ask("GET", f"/plugin/appkeys/request/{token}", key="")),
    }


def size(message: dict[str, Any]) -> int:
    """Bytes, without the marks of prints in the last half hour, which are as many as there were."""
    return len(json.dumps({key: value for key, value in message.items() if key != "markings"}))


@pytest.fixture
async def fake() -> AsyncIterator[FakeOctoPrint]:
    async with fake_octoprint() as made:
        yield made


@pytest.mark.parametrize("conversation", [at_rest, refusals, of_a_file])
async def test_the_fake_answers_what_the_real_one_answers(
    conversation: Any, octoprint_server: OctoPrintServer, fake: FakeOctoPrint
) -> None:
    await asyncio.to_thread(octoprint_server.make_ready)
    await asyncio.to_thread(Server(octoprint_server.port, FARM_KEY).upload, b"G28\n")  # so that its folder is there
    real = await asyncio.to_thread(conversation, Server(octoprint_server.port, FARM_KEY))
    ours = await asyncio.to_thread(conversation, Server(fake.port, KEY))
    await asyncio.to_thread(octoprint_server.make_ready)
    if conversation is of_a_file:
        assert real["file"][-2:] == (len(LONG), hashlib.sha1(LONG).hexdigest())
    assert ours == real


async def test_the_fake_gives_keys_as_the_real_one_does(octoprint_noisy: OctoPrintServer, fake: FakeOctoPrint) -> None:
    """With the server where few requests for keys are made: it counts them."""
    real = await asyncio.to_thread(enrolment, Server(octoprint_noisy.port, FARM_KEY))
    assert await asyncio.to_thread(enrolment, Server(fake.port, KEY)) == real


# --- the socket -----------------------------------------------------------------------------------------------------------------


class Ear:
    """What a socket tells: events of our subscription, and the last `current`."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.current: dict[str, Any] | None = None

    async def listen(self, push: Push) -> None:
        async for message in push.messages():
            if event := message.get("event"):
                self.events.append((event["type"], event["payload"] or {}))
            self.current = message.get("current", self.current)

    def told(self, kind: str) -> bool:
        return any(name == kind for name, _ in self.events)

    def ended(self) -> bool:
        states = [payload["state_string"] for name, payload in self.events if name == "PrinterStateChanged"]
        return len(states) > 1 and states[-1] == "Operational"

    def sequence(self) -> list[str]:
        """The events in their order, of a change of state also to which."""
        return [f"{name} {payload['state_string']}" if "state_string" in payload else name for name, payload in self.events]

    def payloads(self) -> dict[str, dict[str, str]]:
        """Of each event of a print: what the driver reads of it, and of which kind it is."""
        read_keys = {"path", "origin", "reason", "user", "error", "firmwareError"}
        return {
            name: {key: kind(value) for key, value in payload.items() if key in read_keys}
            for name, payload in self.events
            if name.startswith("Print") and name != "PrinterStateChanged"
        }


async def hear(port: int, key: str, folder: Path, scene: Any) -> tuple[dict[str, Any], Ear]:
    """`history`, and what the socket tells while `scene` is played."""
    key_file = folder / "key"
    key_file.write_text(key)
    client = Client(parse_address(urlsplit(f"octoprint+http://127.0.0.1:{port}?key_file={key_file}")))
    ear = Ear()
    await asyncio.to_thread(client.probe)
    login = await asyncio.to_thread(client.passive_login)
    async with open_push(client.address, login) as (push, history):
        task = asyncio.create_task(ear.listen(push))
        await scene(ear)
        await until(ear.ended)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    client.close()
    return history, ear


@pytest.mark.parametrize("end", ["done", "cancelled by us", "cancelled by a person", "cancelled at the printer"])
async def test_the_fake_tells_of_a_print_what_the_real_one_tells(
    end: str, octoprint_server: OctoPrintServer, fake: FakeOctoPrint, tmp_path: Path
) -> None:
    server, farm = octoprint_server, Server(octoprint_server.port, FARM_KEY)
    await asyncio.to_thread(server.make_ready)
    await asyncio.to_thread(farm.upload, SHORT if end == "done" else LONG)
    who = {"cancelled by us": "farm", "cancelled by a person": "maker"}.get(end)

    async def really(ear: Ear) -> None:
        await asyncio.to_thread(farm.ask, "POST", FILE, {"command": "select", "print": True})
        await until(lambda: "PrinterStateChanged Printing" in ear.sequence())
        if end == "cancelled at the printer":
            await asyncio.to_thread(server.break_printer, "action_custom cancel")
        elif who:
            await asyncio.to_thread(server.post, "/api/job", {"command": "cancel"}, FARM_KEY if who == "farm" else MAKER_KEY)
        await until(lambda: ear.told("PrintDone") or ear.told("PrintFailed"))

    async def faked(_: Ear) -> None:
        fake.tell_start(PATH)
        if end == "done":
            fake.tell_done()
        else:
            fake.tell_cancel(who)

    _, real = await hear(server.port, FARM_KEY, tmp_path, really)
    _, ours = await hear(fake.port, KEY, tmp_path, faked)
    assert {name for name, _ in real.events} <= set(EVENTS)  # nothing that we did not subscribe to
    assert ours.sequence()[:-2] == real.sequence()[:-2]
    assert set(ours.sequence()[-2:]) == set(real.sequence()[-2:])  # the real one tells PrintFailed and Operational in either order
    told, faked_told = real.payloads(), ours.payloads()
    told.get("PrintCancelled", {}).pop("reason", None)  # now and then: OctoPrint adds it to the same table for PrintFailed
    assert faked_told == told


async def test_the_fakes_messages_have_what_is_read_of_the_real_ones(
    octoprint_server: OctoPrintServer, fake: FakeOctoPrint, tmp_path: Path
) -> None:
    await asyncio.to_thread(octoprint_server.make_ready)

    async def idle(ear: Ear) -> None:
        fake.push({"current": fake.current()})
        await until(lambda: ear.current)
        ear.events.append(("PrinterStateChanged", {"state_string": "Printing"}))
        ear.events.append(("PrinterStateChanged", {"state_string": "Operational"}))

    real_history, real = await hear(octoprint_server.port, FARM_KEY, tmp_path, idle)
    fake_history, ours = await hear(fake.port, KEY, tmp_path, idle)
    assert real.current is not None
    assert ours.current is not None
    paths = ("state.text", "job.file.path", "job.file.origin", "progress.completion", "progress.filepos", "temps")
    for real_message, our_message in ((real_history, fake_history), (real.current, ours.current)):
        for path in paths:
            kinds = kind(read(our_message, path)), kind(read(real_message, path))
            assert kinds[0] == kinds[1] or "none" in kinds, path  # nothing selected, or the file of the test before
    assert size(WeighedFake().current()) == pytest.approx(size(real.current), rel=0.2)  # the bench weighs these
