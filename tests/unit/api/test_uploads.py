"""Uploads as they really come: in pieces, cut, too large, stalled; over a real socket where the socket matters."""

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import requests
from fastapi import FastAPI, Request

from api import uploads
from api.app import create_app
from api.problems import MalformedError, RequestError, StalledError
from api.testing import MemoryControl
from farm.config import DaemonSettings, HttpSection
from farm.errors import StoreFullError, TooLargeError
from tests.patience import PATIENCE_S
from tests.unit.api.serving import FIELDS, GCODE, TOKEN, served, until
from tests.unit.api.test_problems import check

LIMIT = 100_000


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    shown = f'; filename="{filename}"' if filename else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + content + b"\r\n"


FILE = part("file", GCODE, "a.gcode")
OTHERS = b"".join(part(name, value.encode()) for name, value in FIELDS.items())
END = b"--b--\r\n"


def request_of(pieces: list[bytes], content_type: str = "multipart/form-data; boundary=b", *, hang: bool = False) -> Request:
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        if not waiting and hang:
            await asyncio.sleep(3600)
        piece = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": piece, "more_body": bool(waiting) or hang}

    return Request({"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}, receive)


async def read(folder: Path, pieces: list[bytes], **more: Any) -> tuple[bytes, dict[str, str]]:
    content_type = more.pop("content_type", "multipart/form-data; boundary=b")
    request = request_of(pieces, content_type, hang=more.pop("hang", False))
    async with uploads.uploaded(request, folder, max_file_bytes=LIMIT, **more) as (path, fields):
        assert path.parent == folder
        return path.read_bytes(), fields


@pytest.mark.parametrize("body", [OTHERS + FILE + END, FILE + OTHERS + END], ids=["fields first", "file first"])
@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
async def test_fields_and_file_in_any_order_and_any_pieces(tmp_path: Path, body: bytes, size: int) -> None:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert await read(tmp_path, pieces) == (GCODE, FIELDS)
    assert list(tmp_path.iterdir()) == []


async def test_content_that_looks_like_a_boundary_is_content(tmp_path: Path) -> None:
    tricky = b"G1 X1\r\n--bx\r\n--\r\n-\r\n--b" + b"\r" + b"x" * 300_00
    body = part("file", tricky) + END
    pieces = [body[at : at + 1009] for at in range(0, len(body), 1009)]
    assert (await read(tmp_path, pieces))[0] == tricky


async def test_a_large_file_is_written_while_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_WRITE_BYTES", 1_000)
    seen: list[int] = []
    written = uploads._write

    async def spy(file: Any, form: Any) -> None:
        await written(file, form)
        seen.append(sum(entry.stat().st_size for entry in tmp_path.iterdir()))

    monkeypatch.setattr(uploads, "_write", spy)
    content = bytes(range(256)) * 40
    body = part("file", content) + END
    assert (await read(tmp_path, [body[at : at + 500] for at in range(0, len(body), 500)]))[0] == content
    assert len(seen) >= 9
    assert seen == sorted(seen)
    assert seen[0] < len(content)


BAD: list[tuple[str, list[bytes], dict[str, Any], type[Exception], str]] = [
    ("no end", [OTHERS + FILE], {}, MalformedError, "truncated"),
    ("cut in the file", [OTHERS, FILE[:-10]], {}, MalformedError, "truncated"),
    ("cut in a header", [OTHERS, FILE[:20]], {}, MalformedError, "truncated"),
    ("nothing", [b""], {}, MalformedError, "truncated"),
    ("no file", [OTHERS + END], {}, MalformedError, "no-file"),
    ("empty file", [OTHERS + part("file", b"", "a") + END], {}, MalformedError, "no-file"),
    ("two files", [FILE + FILE + END], {}, MalformedError, "malformed"),
    ("a field twice", [part("a", b"1") + part("a", b"2") + FILE + END], {}, MalformedError, "malformed"),
    ("no name", [b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END], {}, MalformedError, "malformed"),
    ("no header", [b"--b\r\n\r\nx\r\n" + END], {}, MalformedError, "malformed"),
    ("not the boundary", [b"--other\r\n" + FILE + END], {}, MalformedError, "malformed"),
    ("bad UTF-8", [part("a", b"\xff") + FILE + END], {}, MalformedError, "malformed"),
    ("no form", [b"{}"], {"content_type": "application/json"}, MalformedError, "malformed"),
    ("no boundary", [FILE], {"content_type": "multipart/form-data"}, MalformedError, "malformed"),
    ("long boundary", [FILE], {"content_type": "multipart/form-data; boundary=" + "b" * 300}, MalformedError, "malformed"),
    ("too large", [part("file", b"x" * (LIMIT + 1)) + END], {}, TooLargeError, "too-large"),
    ("large field", [part("a", b"x" * 5_000)], {}, TooLargeError, "too-large"),
    ("many fields", [b"".join(part(f"f{n}", b"x") for n in range(17))], {}, TooLargeError, "too-large"),
    ("endless header", [b"--b\r\n" + b"A" * 100_000], {}, MalformedError, "malformed"),
    ("stalled", [OTHERS, FILE[:30]], {"hang": True, "stall_s": 0.05}, StalledError, "stalled"),
]


@pytest.mark.parametrize(("pieces", "more", "kind", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_what_is_no_whole_form_leaves_no_file(
    tmp_path: Path, pieces: list[bytes], more: dict[str, Any], kind: type[RequestError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        await read(tmp_path, pieces, **more)
    assert caught.value.code == code
    assert caught.value.detail_fr != caught.value.detail
    assert caught.value.next_step_fr != caught.value.next_step
    assert list(tmp_path.iterdir()) == []


async def test_a_file_of_exactly_the_limit_is_taken(tmp_path: Path) -> None:
    assert len((await read(tmp_path, [part("file", b"x" * LIMIT) + END]))[0]) == LIMIT


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    async def full(*_: object) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr(uploads, "_write", full)
    with pytest.raises(StoreFullError):
        await read(tmp_path, [FILE + END])
    assert list(tmp_path.iterdir()) == []


class Disk:
    """As many bytes free as the test says; what is uploaded takes of them."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.asked = 0

    def usage(self, folder: Path) -> Any:
        self.asked += 1
        used = sum(entry.stat().st_size for entry in folder.iterdir())
        return SimpleNamespace(free=self.free - used)


async def test_an_upload_that_would_leave_too_little_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", Disk(1_000_000).usage)
    request = request_of([FILE + END])
    request.scope["headers"].append((b"content-length", b"400001"))
    read_at_all = False

    async def receive() -> dict[str, Any]:
        nonlocal read_at_all
        read_at_all = True
        return {"type": "http.request", "body": FILE + END}

    with pytest.raises(StoreFullError) as caught:
        async with uploads.uploaded(Request(request.scope, receive), tmp_path, max_file_bytes=LIMIT, reserve_bytes=600_000):
            pass
    assert caught.value.code == "disk-nearly-full"
    assert not read_at_all
    assert list(tmp_path.iterdir()) == []


async def test_an_upload_of_unknown_length_ends_where_the_reserve_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", disk.usage)
    body = part("file", b"x" * 1_500_000) + END
    pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
    request = request_of(pieces)
    with pytest.raises(StoreFullError, match="nearly full"):
        async with uploads.uploaded(request, tmp_path, max_file_bytes=10**7, reserve_bytes=1_000_000):
            pass
    assert disk.asked > 2
    assert list(tmp_path.iterdir()) == []


async def test_what_leaves_the_reserve_alone_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", Disk(2_000_000).usage)
    assert (await read(tmp_path, [part("file", b"x" * LIMIT) + END], reserve_bytes=1_500_000))[0] == b"x" * LIMIT


async def test_who_is_gone_before_the_file_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making, go_on, made = Event(), Event(), list[int]()
    mkstemp = tempfile.mkstemp

    def slow(*arguments: Any) -> tuple[int, str]:
        making.set()
        assert go_on.wait(PATIENCE_S)
        descriptor, name = mkstemp(*arguments)
        made.append(descriptor)
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", slow)
    upload = asyncio.create_task(read(tmp_path, [FILE + END]))
    await until(making.is_set)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(made[0])


async def test_a_disk_that_takes_a_part_of_what_it_is_given_loses_nothing(tmp_path: Path) -> None:
    taken = bytearray()

    class Nearly:
        def write(self, content: memoryview) -> int:
            taken.extend(content[:7])
            return min(7, len(content))

    form = uploads._Form(LIMIT, unwritten=bytearray(GCODE))
    await uploads._write(cast("Any", Nearly()), form)
    assert taken == GCODE
    assert form.unwritten == b""


async def test_another_fault_of_the_disk_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(uploads, "_write", broken)
    with pytest.raises(OSError, match="broken"):
        await read(tmp_path, [FILE + END])
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_was_moved_away_is_not_missed(tmp_path: Path) -> None:
    async with uploads.uploaded(request_of([FILE + END]), tmp_path, max_file_bytes=LIMIT) as (path, _):
        path.rename(tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == GCODE


# --- over a real socket


@pytest.fixture
async def address(control: MemoryControl, tmp_path: Path) -> AsyncIterator[str]:
    settings = DaemonSettings(data=tmp_path, http=HttpSection(max_upload_bytes=LIMIT))
    app: FastAPI = create_app(control=control, settings=settings, token=TOKEN)
    async with served(app) as address:
        yield address


async def raw(address: str, head: str, body: bytes, *, cut: bool = False) -> bytes:
    """Send bytes as they are; with `cut` the connection is closed after them without waiting."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head.replace("\n", "\r\n").encode() + body)
        await writer.drain()
        if cut:
            return b""
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read(65_536)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def head(address: str, length: int | None) -> str:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST /api/v1/programs HTTP/1.1\nHost: {address}\nContent-Type: multipart/form-data; boundary=b\n{size}\n\n"


async def test_a_body_that_ends_in_the_middle_is_400(address: str, control: MemoryControl) -> None:
    body = OTHERS + FILE[:-12]
    answer = await raw(address, head(address, len(body)), body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"truncated"' in answer
    assert list(control.incoming_folder.iterdir()) == []


async def test_a_chunked_body_that_ends_in_the_middle_is_400(address: str, control: MemoryControl) -> None:
    body = OTHERS + FILE
    answer = await raw(address, head(address, None), f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"truncated"' in answer
    assert list(control.incoming_folder.iterdir()) == []


async def test_a_connection_that_breaks_in_the_middle_leaves_no_file(address: str, control: MemoryControl) -> None:
    sending = asyncio.create_task(raw(address, head(address, 90_000), OTHERS + FILE[:-12]))
    await until(lambda: bool(list(control.incoming_folder.iterdir())))
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: not list(control.incoming_folder.iterdir()))
    assert control.programs() == []


async def test_a_file_over_the_limit_is_413_also_for_a_client_that_sends_it_all_first(address: str, control: MemoryControl) -> None:
    for size in (LIMIT + 1, LIMIT + 80_000, 20_000_000):
        file = {"file": ("a.gcode", b"G1 X1\n" * (size // 6 + 1))}
        answer = await asyncio.to_thread(
            requests.post, f"http://{address}/api/v1/programs", data=FIELDS, files=file, timeout=PATIENCE_S
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large"), size
    assert list(control.incoming_folder.iterdir()) == []


async def test_a_length_that_promises_too_much_is_refused_before_the_body_comes(address: str) -> None:
    expecting = head(address, 10**12).replace("\n\n", "\nExpect: 100-continue\n\n")
    answer = await raw(address, expecting, b"")
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_chunked_body_over_the_limit_is_413(address: str, control: MemoryControl) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield OTHERS
        yield b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        for _ in range(300):
            yield b"x" * 1_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        check(await client.post("/api/v1/programs", content=endless(), headers=headers), 413, "too-large")
    assert list(control.incoming_folder.iterdir()) == []


async def test_a_whole_program_over_a_real_socket(address: str, control: MemoryControl) -> None:
    content = GCODE * 3_000
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        answer = await client.post("/api/v1/programs", data=FIELDS, files={"file": ("a.gcode", content)})
        assert answer.status_code == 201
        again = await client.get(
            answer.headers["location"] + "/file", headers={"Range": "bytes=1000-", "Accept-Encoding": "identity"}
        )
        assert (again.status_code, again.content) == (206, content[1000:])
