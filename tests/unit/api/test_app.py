"""The application as a whole."""

import errno
from pathlib import Path

import httpx
import pytest

from api import app as application
from api.app import create_app
from api.testing import MemoryControl
from farm.errors import ConfigurationError
from farm.room import is_for_want_of_room
from tests.unit.api.serving import client_of


async def test_the_page_and_its_parts_are_served(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name, kind in (("app.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        answer = await client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/app.py"]
)
async def test_nothing_but_the_page_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_no_page_of_the_framework_loads_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await client.get(path)).status_code == 404


async def test_settings_come_from_the_named_file(control: MemoryControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "farm.toml"
    config.write_text(f'data = "{tmp_path / "data"}"\n[http]\nhost = "0.0.0.0"\nmax_upload_bytes = 2048\n')
    monkeypatch.setenv("FARM_CONFIG", str(config))
    app = create_app(control=control)
    assert app.state.settings.http.max_upload_bytes == 2048
    async with app.router.lifespan_context(app), client_of(app) as client:
        assert (await client.get("/api/v1/farm")).status_code == 401  # it listens beyond loopback


def test_settings_that_cannot_be_read_are_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        create_app()


async def test_after_the_end_nothing_runs_on(control: MemoryControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_DATA", str(tmp_path))
    app = create_app(control=control)
    async with app.router.lifespan_context(app):
        assert app.state.hub.running
    assert not app.state.hub.running


async def test_a_full_disk_at_the_start_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("FARM_DATA", str(tmp_path))
    monkeypatch.setattr(application, "_start_farm", full)
    app = create_app()
    with pytest.raises(ConfigurationError, match="No space left on device") as told:
        async with app.router.lifespan_context(app):
            pass
    assert told.value.detail_fr.startswith("Le démon n'a pas pu démarrer : ")
    assert "No space" not in told.value.detail_fr
    assert is_for_want_of_room(app.state.start_failure)
