"""The pages over HTTP: packed for who takes that, and sent once."""

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.pages import STATIC, Pages

PLAIN = {"Accept-Encoding": "identity"}
PACKED = {"Accept-Encoding": "br;q=0.1, gzip"}


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[tuple[Path, httpx.AsyncClient]]:
    """A folder of pages of its own."""
    app = FastAPI()
    app.mount("/", Pages(directory=tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield tmp_path, client


async def body_on_the_wire(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
    async with client.stream("GET", path, headers=headers) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/library.css", "/static/icon.svg"])
async def test_each_is_packed_for_who_takes_it_and_the_same(client: httpx.AsyncClient, path: str) -> None:
    content = (STATIC / (path.removeprefix("/static/").strip("/") or "index.html")).read_bytes()
    packed, raw = await body_on_the_wire(client, path, PACKED)
    assert (packed.status_code, packed.headers["content-encoding"], packed.headers["vary"]) == (200, "gzip", "Accept-Encoding")
    assert gzip.decompress(raw) == content
    assert packed.headers["content-length"] == str(len(raw))
    plain, raw = await body_on_the_wire(client, path, PLAIN)
    assert raw == content
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]
    assert plain.headers["content-type"] == packed.headers["content-type"]
    assert "default-src 'self'" in packed.headers["content-security-policy"]
    assert packed.headers["cache-control"] == "no-cache"  # asked for by its ETag each time: an upgrade is seen at once


@pytest.mark.parametrize("headers", [PLAIN, PACKED])
async def test_what_the_browser_has_is_not_sent_again(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    first = await client.get("/static/app.js", headers=headers)
    again = await client.get("/static/app.js", headers={**headers, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await client.get("/static/app.js", headers={**headers, "If-None-Match": '"another"'})
    assert other.status_code == 200


@pytest.mark.parametrize("refusing", ["gzip;q=0", "gzip; q=0.0, br", "deflate", ""])
async def test_who_refuses_gzip_gets_the_plain_form(client: httpx.AsyncClient, refusing: str) -> None:
    answer, raw = await body_on_the_wire(client, "/static/api.js", {"Accept-Encoding": refusing})
    assert "content-encoding" not in answer.headers
    assert raw == (STATIC / "api.js").read_bytes()


async def test_a_part_and_a_head_are_of_the_plain_form(client: httpx.AsyncClient) -> None:
    part, raw = await body_on_the_wire(client, "/static/api.js", {**PACKED, "Range": "bytes=0-9"})
    assert (part.status_code, raw) == (206, (STATIC / "api.js").read_bytes()[:10])
    head = await client.head("/static/api.js", headers=PACKED)
    assert (head.status_code, head.headers["content-length"]) == (200, str((STATIC / "api.js").stat().st_size))


async def test_a_file_that_was_replaced_is_packed_anew(folder: tuple[Path, httpx.AsyncClient]) -> None:
    place, client = folder
    (place / "a.js").write_text("old")
    first = await client.get("/a.js", headers=PACKED)
    (place / "a.js").write_text("new")
    os.utime(place / "a.js", ns=(1, 2_000_000_000))
    second = await client.get("/a.js", headers={**PACKED, "If-None-Match": first.headers["etag"]})
    assert (first.text, second.text, second.status_code) == ("old", "new", 200)
    assert (await client.get("/b.js", headers=PACKED)).status_code == 404


async def test_the_whole_page_is_light_on_the_wire(client: httpx.AsyncClient) -> None:
    """What a phone fetches at the first visit, from a Raspberry Pi."""
    files = ["/", *(f"/static/{path.name}" for path in STATIC.iterdir() if path.name != "index.html")]
    sizes = [len((await body_on_the_wire(client, path, PACKED))[1]) for path in files]
    assert sum(sizes) < 96 * 1024
