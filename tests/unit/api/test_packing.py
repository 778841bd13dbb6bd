"""The packed form of a program over HTTP: for who takes it, resumed by Range, each form with its own ETag."""

import asyncio
import hashlib
import threading
from pathlib import Path

import httpx
import pytest
import zstandard
from fastapi import FastAPI

from api import packing
from api.packing import MAX_PACKINGS, Packing, takes_zstd
from api.testing import MemoryControl
from tests.patience import PATIENCE_S
from tests.unit.api.serving import GCODE, add_visor
from tests.unit.api.test_problems import check

LARGE = GCODE + b"; a comment\n" * 5000
SHA256 = hashlib.sha256(LARGE).hexdigest()
PATH = f"/api/v1/programs/{SHA256}/file"
ZSTD = {"Accept-Encoding": "zstd, identity;q=0.5"}


@pytest.mark.parametrize(
    ("value", "takes"),
    [
        ("", False),
        ("identity", False),
        ("gzip, deflate, br", False),
        ("gzip, deflate, br, zstd", True),
        ("zstd", True),
        ("ZSTD;q=0.1", True),
        ("gzip , zstd ; q=1.0", True),
        ("zstd;q=0", False),
        ("zstd;q=0.000, gzip", False),
        ("*", False),
        ("zstd;q=x", False),
        ("zstdx", False),
        ("x" * 500 + ",zstd", False),
    ],
)
def test_who_takes_zstd(value: str, takes: bool) -> None:
    assert takes_zstd(value) is takes


@pytest.fixture
async def large(control: MemoryControl) -> None:
    await add_visor(control, LARGE)


async def raw(client: httpx.AsyncClient, **headers: str) -> tuple[httpx.Response, bytes]:
    """The answer and its body as it went over the wire."""
    async with client.stream("GET", PATH, headers=headers) as answer:
        return answer, b"".join([piece async for piece in answer.aiter_raw()])


@pytest.mark.usefixtures("large")
async def test_who_takes_it_gets_the_packed_form(client: httpx.AsyncClient) -> None:
    answer, body = await raw(client, **ZSTD)
    assert answer.headers["content-encoding"] == "zstd"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(body) < len(LARGE) / 10
    assert zstandard.ZstdDecompressor().decompress(body) == LARGE
    assert answer.headers["etag"].startswith(f'"{SHA256}-zstd-')


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("accepted", ["identity", "gzip, deflate", "*"])
async def test_others_get_the_plain_form(client: httpx.AsyncClient, accepted: str) -> None:
    answer, body = await raw(client, **{"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"
    assert body == LARGE
    assert answer.headers["etag"] == f'"{SHA256}"'


@pytest.mark.usefixtures("large")
async def test_a_range_of_the_packed_form_goes_on_with_the_same_bytes(client: httpx.AsyncClient) -> None:
    whole, body = await raw(client, **ZSTD)
    answer, rest = await raw(client, **ZSTD, **{"Range": "bytes=20-", "If-Range": whole.headers["etag"]})
    assert answer.status_code == 206
    assert answer.headers["content-encoding"] == "zstd"
    assert answer.headers["content-range"] == f"bytes 20-{len(body) - 1}/{len(body)}"
    assert body[:20] + rest == body


@pytest.mark.usefixtures("large")
async def test_a_range_of_the_one_form_is_no_range_of_the_other(client: httpx.AsyncClient) -> None:
    whole, _ = await raw(client, **ZSTD)
    plain, body = await raw(client, **{"Accept-Encoding": "identity", "Range": "bytes=20-", "If-Range": whole.headers["etag"]})
    assert (plain.status_code, body) == (200, LARGE)
    packed, _ = await raw(client, **ZSTD, **{"Range": "bytes=20-", "If-Range": f'"{SHA256}"'})
    assert packed.status_code == 200


@pytest.mark.usefixtures("large")
async def test_who_has_all_of_it_is_told_so(client: httpx.AsyncClient) -> None:
    _, body = await raw(client, **ZSTD)
    answer = await client.get(PATH, headers={**ZSTD, "Range": f"bytes={len(body)}-"})
    check(answer, 416, "range")
    assert answer.headers["content-range"] == f"bytes */{len(body)}"


@pytest.mark.usefixtures("large")
async def test_unchanged(client: httpx.AsyncClient) -> None:
    whole, _ = await raw(client, **ZSTD)
    answer, body = await raw(client, **ZSTD, **{"If-None-Match": whole.headers["etag"]})
    assert (answer.status_code, body) == (304, b"")
    other, _ = await raw(client, **{"Accept-Encoding": "identity", "If-None-Match": whole.headers["etag"]})
    assert other.status_code == 200


async def test_a_small_program_is_sent_as_it_is(client: httpx.AsyncClient, visor: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers=ZSTD)
    assert "content-encoding" not in answer.headers
    assert answer.content == GCODE


@pytest.mark.usefixtures("large")
async def test_a_program_that_takes_long_to_pack_is_sent_as_it_is(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(packing, "pack", lambda _path, **_: go_on.wait(PATIENCE_S) and None)
    app.state.packing = Packing(patience_s=0.01)
    answer, body = await raw(client, **ZSTD)
    assert "content-encoding" not in answer.headers
    assert body == LARGE
    go_on.set()
    await app.state.packing.close()


async def test_who_asks_for_the_same_program_waits_for_the_same_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    go_on = threading.Event()

    def pack(path: Path, **_: object) -> Path:
        asked.append(path)
        assert go_on.wait(PATIENCE_S)
        return path.with_suffix(".zst")

    monkeypatch.setattr(packing, "pack", pack)
    busy = Packing(patience_s=PATIENCE_S)
    paths = [Path(f"{number}.gcode") for number in range(MAX_PACKINGS)]
    waiting = [asyncio.create_task(busy.packed(path)) for path in (*paths, *paths)]
    await asyncio.sleep(0)  # all of them have asked
    assert await busy.packed(Path("more.gcode")) is None, "others are not kept waiting"
    go_on.set()
    assert await asyncio.gather(*waiting) == [path.with_suffix(".zst") for path in (*paths, *paths)]
    assert sorted(asked) == paths
    assert not busy._tasks


async def test_a_packing_that_fails_means_the_plain_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(_path: Path, **_: object) -> Path:
        raise OSError("the disk")

    monkeypatch.setattr(packing, "pack", pack)
    assert await Packing().packed(Path("x.gcode")) is None
