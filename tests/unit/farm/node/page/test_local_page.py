import asyncio
import errno
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from farm.addresses import free_port
from farm.config import NodeSettings, PageSection
from farm.errors import ConfigurationError
from farm.node.page import local_page as module
from farm.node.page.local_page import LocalPage, noted_address, read_token, token_of, token_path, url_of
from tests.patience import PATIENCE_S
from tests.unit.farm.node.fake_farm import until, workshop


@asynccontextmanager
async def opened(folder: Path, **section: Any) -> AsyncIterator[LocalPage]:
    async with workshop(folder, "left") as shop:
        settings = shop.settings.model_copy(update={"page": PageSection(**{"port": 0, **section})})
        page = LocalPage(shop.agent, settings)
        serving = asyncio.create_task(page.serve())
        try:
            yield page
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


def get(port: int, path: str = "/api/state", host: str = "127.0.0.1", **headers: str) -> tuple[int, bytes]:
    asked = urllib.request.Request(f"http://{host}:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_it_is_open_on_loopback_and_noted_for_the_command_line(tmp_path: Path) -> None:
    async with opened(tmp_path) as page:
        await until(lambda: page.port)
        assert page.port is not None
        status, body = await asyncio.to_thread(get, page.port)
        assert (status, json.loads(body)["name"]) == (200, "left bench")
        assert noted_address(tmp_path) == ("127.0.0.1", page.port)
        assert not (tmp_path / "page.token").exists(), "on this machine alone nobody needs one"
        port = page.port
    assert not page.open
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(get, port)


async def test_beyond_loopback_it_asks_for_a_token_that_only_its_user_can_read(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with opened(tmp_path, host="0.0.0.0") as page:
            await until(lambda: page.port)
            assert page.port is not None
            token = (tmp_path / "page.token").read_text().strip()
            assert (tmp_path / "page.token").stat().st_mode & 0o777 == 0o600
            assert (await asyncio.to_thread(get, page.port))[0] == 401
            assert (await asyncio.to_thread(get, page.port, Authorization=f"Bearer {token}"))[0] == 200
            assert (await asyncio.to_thread(get, page.port, "/"))[0] == 200
    assert token not in str(logs)
    assert token not in (tmp_path / "page.json").read_text()
    async with opened(tmp_path, host="0.0.0.0") as page:
        await until(lambda: page.port)
        assert (tmp_path / "page.token").read_text().strip() == token, "a bookmark goes on to work"


async def test_a_port_in_use_is_told_once_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as other, structlog.testing.capture_logs() as logs:
        async with opened(tmp_path, port=other.getsockname()[1]) as page:
            await until(lambda: any(line["event"] == "page.closed" for line in logs))
            await asyncio.sleep(0.1)
            assert not page.open
            (told,) = [line for line in logs if line["event"] == "page.closed"]
            assert "[page] port" in told["next_step"]
            assert told["detail"].fr == "un autre programme a déjà ce port"
            other.close()
            await until(lambda: page.port)
            assert any(line["event"] == "page.open" for line in logs)


async def test_an_address_that_cannot_be_noted_leaves_the_port_to_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, failed = module._note_address, list[int]()

    def full(data: Path, host: str, port: int) -> None:
        if not failed:
            failed.append(port)
            raise OSError(errno.ENOSPC, "No space left on device")
        note(data, host, port)

    monkeypatch.setattr(module, "_RETRY_S", 0.05)
    monkeypatch.setattr(module, "_note_address", full)
    port = free_port()
    async with opened(tmp_path, port=port) as page:
        await until(lambda: page.port)
        assert page.port == port
        assert failed == [port]
        assert (await asyncio.to_thread(get, port))[0] == 200


async def test_a_token_that_cannot_be_kept_keeps_the_page_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.02)
    token = tmp_path / "absent" / "token"
    async with opened(tmp_path, host="0.0.0.0", token_file=token) as page:
        await asyncio.sleep(0.2)
        assert not page.open
        token.parent.mkdir()
        await until(lambda: page.port)
        assert len(token.read_text().strip()) == 43


@pytest.mark.parametrize("content", [b"", b"short\n", b"two words that are long enough", b"\xff" * 30 + b"\n "])
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigurationError, match="holds no token"):
        token_of(tmp_path / "token")


def test_a_token_is_made_once(tmp_path: Path) -> None:
    path = token_path(NodeSettings(data=tmp_path))
    assert read_token(path) is None
    token = token_of(path)
    assert token_of(path) == read_token(path) == token
    other = tmp_path / "other"
    other.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        token_of(other)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_token_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t" * 43)
    (tmp_path / "token").chmod(0)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_token(tmp_path / "token")


def test_addresses_as_a_browser_wants_them() -> None:
    assert url_of("127.0.0.1", 8081) == "http://127.0.0.1:8081/"
    assert url_of("::1", 8081) == "http://[::1]:8081/"
    assert url_of("atelier.local", 80) == "http://atelier.local:80/"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"host": "h"}', '{"host": "h", "port": "x"}'])
def test_a_note_that_cannot_be_read_is_no_note(tmp_path: Path, content: str) -> None:
    assert noted_address(tmp_path) is None
    (tmp_path / "page.json").write_text(content)
    assert noted_address(tmp_path) is None
