"""Live updates: the whole farm, then what changed, and nobody slowed down by a client that sleeps."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api import hub
from api.app import create_app
from api.hub import NO_TALKING, QUEUE_LENGTH, Client, Hub, Mirror
from api.testing import MemoryControl
from farm.config import DaemonSettings, HttpSection
from farm.errors import ConflictError, UnreachableError
from farm.request_bodies import CollectRequest, OrderRequest
from farm.views import AlarmView
from gcode.texts import told
from tests.patience import PATIENCE_S
from tests.unit.api.serving import TOKEN, served, until


@asynccontextmanager
async def page(address: str, **headers: str) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"ws://{address}/api/v1/live", additional_headers=headers, proxy=None, open_timeout=PATIENCE_S
    ) as connection:
        yield connection


async def hear(connection: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return json.loads(await connection.recv())


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    async with served(app) as address:
        yield address


# --- the mirror


def test_only_changed_rows_are_told(control: MemoryControl) -> None:
    control.add_printer("prn-2", "Atelier 2")
    mirror = Mirror()
    assert mirror.update(control.snapshot()) is not None
    assert mirror.update(control.snapshot()) is None
    control.change_printer("prn-2", nozzle_c=100.0)
    told = json.loads(mirror.update(control.snapshot()) or "")
    assert told["type"] == "changes"
    assert [(row["id"], row["nozzle_c"]) for row in told["printers"]] == [("prn-2", 100.0)]
    assert set(told) == {"type", "now", "printers", "gone"}


def test_rows_that_went_away_are_told(control: MemoryControl) -> None:
    mirror = Mirror()
    mirror.update(control.snapshot())
    del control.printer_rows["prn-1"]
    told = json.loads(mirror.update(control.snapshot()) or "")
    assert told["gone"] == {"printers": ["prn-1"]}


def test_time_and_silence_alone_are_no_news(control: MemoryControl) -> None:
    mirror = Mirror()
    mirror.update(control.snapshot())
    control.pass_time(100)
    control.node_rows["nod-1"] = control.node_rows["nod-1"].model_copy(update={"silent_s": 99.0})
    assert mirror.update(control.snapshot()) is None
    control.node_rows["nod-1"] = control.node_rows["nod-1"].model_copy(update={"suspect": True})
    told = json.loads(mirror.update(control.snapshot()) or "")
    assert (told["now"], told["nodes"][0]["silent_s"]) == (control.now, 99.0)


def test_alarms_and_the_name_come_as_a_whole(control: MemoryControl) -> None:
    mirror = Mirror()
    mirror.update(control.snapshot())
    control.alarm_rows.append(AlarmView(code="a", text="b", next_step="c", since=1.0))
    told = json.loads(mirror.update(control.snapshot()) or "")
    assert [alarm["code"] for alarm in told["alarms"]] == ["a"]
    control.alarm_rows.clear()
    assert json.loads(mirror.update(control.snapshot()) or "")["alarms"] == []


async def test_following_the_changes_gives_what_the_farm_is(control: MemoryControl, visor: str) -> None:
    mirror = Mirror()
    mirror.update(control.snapshot())
    seen = json.loads(mirror.whole())["farm"]
    known = {name: {row["id"]: row for row in seen[name]} for name in hub.COLLECTIONS}

    await control.place_order(OrderRequest(design="visor-frame", quantity=4))
    for _ in range(2):
        job = control.finish("prn-1")
        for step in (None, control.collect("prn-1", CollectRequest(job=job.id, good=2))):
            if step is not None:
                await step
            told = json.loads(mirror.update(control.snapshot()) or "{}")
            for name in hub.COLLECTIONS:
                known[name] |= {row["id"]: row for row in told.get(name, [])}
                for gone in told.get("gone", {}).get(name, []):
                    del known[name][gone]
    expected = control.snapshot().model_dump(mode="json")
    for name in hub.COLLECTIONS:
        assert known[name] == {row["id"]: row for row in expected[name]}
    assert expected["orders"][0]["state"] == "met"


# --- the hub


async def test_a_client_that_sleeps_is_dropped_and_the_others_hear_all(control: MemoryControl) -> None:
    async with Hub(control) as live:
        sleeping, awake = live.join(), live.join()
        await awake.queue.get()
        for number in range(QUEUE_LENGTH + 3):
            control.change_printer("prn-1", nozzle_c=float(number + 1_000))
            live._look()
            assert json.loads(await awake.queue.get())["printers"][0]["nozzle_c"] == number + 1_000
        assert sleeping.dropped.is_set()
        assert not awake.dropped.is_set()
        assert sleeping.queue.qsize() == QUEUE_LENGTH
        assert live._clients == {awake}


async def test_a_new_client_misses_nothing_between_its_snapshot_and_the_first_change(control: MemoryControl) -> None:
    async with Hub(control) as live:
        first = live.join()
        await first.queue.get()
        control.change_printer("prn-1", nozzle_c=77.0)  # nobody has been told of it yet
        second = live.join()
        assert json.loads(await second.queue.get())["farm"]["printers"][0]["nozzle_c"] == 77.0
        assert json.loads(await first.queue.get())["printers"][0]["nozzle_c"] == 77.0


async def test_nobody_is_encoded_for_while_nobody_looks(control: MemoryControl, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    snapshot = control.snapshot

    def counted() -> Any:
        nonlocal looked
        looked += 1
        return snapshot()

    monkeypatch.setattr(control, "snapshot", counted)
    async with Hub(control) as live:
        await asyncio.sleep(0)
        for _ in range(3):
            control.touch()
            await asyncio.sleep(0.01)
        assert looked == 0
        live.join()
        control.change_printer("prn-1", nozzle_c=1.0)
        await until(lambda: looked >= 2)
        await asyncio.sleep(0.01)
        assert looked == 2


async def test_the_number_of_clients_is_limited(control: MemoryControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_CLIENTS", 1)
    async with Hub(control) as live:
        client = live.join()
        with pytest.raises(UnreachableError):
            live.join()
        live.leave(client)
        live.join()


async def test_a_farm_that_fails_for_a_moment_is_asked_again(control: MemoryControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_RETRY_S", 0.01)
    whole, failures = control.changes, [1, 2]

    def changes() -> AsyncIterator[None]:
        if failures:
            failures.pop()
            raise ConflictError(told("Not now."), next_step=told("Later."))
        return whole()

    monkeypatch.setattr(control, "changes", changes)
    async with Hub(control) as live:
        client = live.join()
        await client.queue.get()
        await asyncio.sleep(0.1)
        control.change_printer("prn-1", nozzle_c=5.0)
        async with asyncio.timeout(PATIENCE_S):
            assert json.loads(await client.queue.get())["printers"][0]["nozzle_c"] == 5.0
        assert live.running


def test_a_full_queue_drops_the_client_not_the_message_of_others() -> None:
    client = Client()
    for number in range(QUEUE_LENGTH):
        client.tell(str(number))
    assert not client.dropped.is_set()
    client.tell("one too many")
    assert client.dropped.is_set()


# --- over a real socket


async def test_a_page_hears_the_whole_farm_and_then_changes(address: str, control: MemoryControl) -> None:
    async with page(address) as connection:
        first = await hear(connection)
        assert first["type"] == "snapshot"
        assert first["farm"] == control.snapshot().model_dump(mode="json")
        control.change_printer("prn-1", name="<b>Atelier</b>")
        assert (await hear(connection))["printers"][0]["name"] == "<b>Atelier</b>"


async def test_messages_are_not_compressed(address: str) -> None:
    async with page(address) as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


async def test_silence_is_broken_now_and_then(app: FastAPI, address: str, control: MemoryControl) -> None:
    app.state.hub.alive_s = 0.05
    async with page(address) as connection:
        await hear(connection)
        assert await hear(connection) == {"type": "alive", "now": control.now}


async def test_a_page_that_leaves_is_forgotten(app: FastAPI, address: str) -> None:
    async with page(address) as connection:
        await hear(connection)
        assert len(app.state.hub._clients) == 1
    await until(lambda: not app.state.hub._clients)


async def test_a_page_has_nothing_to_say(app: FastAPI, address: str) -> None:
    async with page(address) as connection:
        await hear(connection)
        await connection.send("hello")
        with pytest.raises(ConnectionClosed) as caught:
            await hear(connection)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == NO_TALKING
    assert not app.state.hub._clients


async def test_a_page_that_does_not_read_is_dropped(app: FastAPI, address: str, control: MemoryControl) -> None:
    """A client whose TCP window is full: the hub must not wait for it."""
    host, port = address.split(":")
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stuck, (host, int(port)))
        opening = (
            f"GET /api/v1/live HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await loop.sock_sendall(stuck, opening.encode())
        await until(lambda: bool(app.state.hub._clients))
        number = 0

        def dropped() -> bool:
            nonlocal number
            number += 1
            control.change_printer("prn-1", note=f"{number}" * 40_000)
            return not app.state.hub._clients

        await until(dropped)
    assert number >= QUEUE_LENGTH


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}])
async def test_a_foreign_page_hears_nothing(address: str, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with page(address, **headers):
            pass
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body or b"")["code"] == "foreign-origin"


async def test_a_rebound_name_hears_nothing(address: str) -> None:
    port = address.split(":")[1]
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://evil.example:{port}/api/v1/live", host="127.0.0.1", proxy=None):
            pass
    assert caught.value.response.status_code == 421


async def test_our_own_page_hears(address: str) -> None:
    async with page(address, Origin=f"http://{address}") as connection:
        assert (await hear(connection))["type"] == "snapshot"


async def test_beyond_loopback_listening_needs_a_credential(control: MemoryControl, tmp_path: Path) -> None:
    settings = DaemonSettings(data=tmp_path, http=HttpSection(host="0.0.0.0"))
    async with served(create_app(control=control, settings=settings, token=TOKEN)) as address:
        with pytest.raises(InvalidStatus) as caught:
            async with page(address):
                pass
        assert caught.value.response.status_code == 401
        async with page(address, Authorization=f"Bearer {TOKEN}") as connection:
            assert (await hear(connection))["type"] == "snapshot"


async def test_too_many_pages_are_told_so(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_CLIENTS", 0)
    with pytest.raises(InvalidStatus) as caught:
        async with page(address):
            pass
    assert caught.value.response.status_code == 503
    assert json.loads(caught.value.response.body or b"")["code"] == "too-many-pages"
