"""Programs: added once, fetched in pieces."""

import asyncio
import hashlib

import httpx
import pytest
from fastapi import FastAPI

from api import programs
from api.testing import MemoryControl
from tests.unit.api.serving import FIELDS, GCODE, client_of
from tests.unit.api.test_problems import check

SHA256 = hashlib.sha256(GCODE).hexdigest()


async def add(client: httpx.AsyncClient, content: bytes = GCODE, **fields: str) -> httpx.Response:
    return await client.post("/api/v1/programs", data={**FIELDS, **fields}, files={"file": ("visor.gcode", content)})


async def test_a_program_is_added_listed_and_read(client: httpx.AsyncClient) -> None:
    answer = await add(client, material="PETG", name="visor")
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/programs/{SHA256}"
    view = answer.json()
    assert (view["sha256"], view["parts"], view["material"], view["name"]) == (SHA256, 2, "PETG", "visor")
    assert (await client.get("/api/v1/programs")).json() == [view]
    assert (await client.get(answer.headers["location"])).json() == view


async def test_the_same_file_again_changes_nothing(client: httpx.AsyncClient, control: MemoryControl) -> None:
    assert (await add(client)).status_code == 201
    again = await add(client)
    assert again.status_code == 200
    assert again.json()["sha256"] == SHA256
    assert len(control.programs()) == 1
    assert list(control.incoming_folder.iterdir()) == []


async def test_wrong_fields_are_named_and_no_file_stays(client: httpx.AsyncClient, control: MemoryControl) -> None:
    body = check(await add(client, parts="0", colour="red", profile="../etc"), 422, "invalid")
    assert {row["pointer"] for row in body["errors"]} == {"#/parts", "#/colour", "#/profile"}  # type: ignore[attr-defined] # JSON
    check(await client.post("/api/v1/programs", data={"design": "x"}, files={"file": ("a", GCODE)}), 422, "invalid")
    assert list(control.incoming_folder.iterdir()) == []


async def test_empty_fields_of_a_web_form_mean_the_defaults(client: httpx.AsyncClient) -> None:
    answer = await add(client, material="", sha256="", name="")
    assert answer.status_code == 201
    assert answer.json()["material"] == "PLA"


async def test_what_the_farm_refuses_is_told_and_removed(client: httpx.AsyncClient, control: MemoryControl) -> None:
    check(await add(client, b"just text"), 422, "not-gcode")
    check(await add(client, sha256="0" * 64), 422, "hash-mismatch")
    control.full = True
    check(await add(client), 507, "store-full")
    assert list(control.incoming_folder.iterdir()) == []
    assert control.programs() == []


async def test_only_a_few_uploads_at_once(client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(5):
        for _ in range(programs.MAX_UPLOADS):
            await app.state.uploads.acquire()
    answer = await add(client)
    check(answer, 429, "throttled")
    assert answer.headers["retry-after"] == "10"
    app.state.uploads.release()
    assert (await add(client)).status_code == 201


async def test_unknown_and_misspelt_programs(client: httpx.AsyncClient) -> None:
    for tail in ("", "/file"):
        check(await client.get(f"/api/v1/programs/{'0' * 64}{tail}"), 404, "not-found")
        check(await client.get(f"/api/v1/programs/{'A' * 64}{tail}"), 422, "invalid")
        check(await client.get(f"/api/v1/programs/..%2f..%2fetc{tail}"), 404, "not-found")


async def test_the_whole_file(client: httpx.AsyncClient, visor: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file")
    assert answer.content == GCODE
    assert answer.headers["etag"] == f'"{visor}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [("bytes=0-3", 0, 4), ("bytes=5-", 5, len(GCODE)), ("bytes=-4", len(GCODE) - 4, len(GCODE)), ("bytes=3-99999", 3, len(GCODE))],
)
async def test_a_range_resumes_a_download(client: httpx.AsyncClient, visor: str, wanted: str, begin: int, end: int) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.content == GCODE[begin:end]
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(GCODE)}"


@pytest.mark.parametrize("wanted", [f"bytes={len(GCODE)}-", "bytes=99999-100000", "bytes=-0"])
async def test_a_range_behind_the_end(client: httpx.AsyncClient, visor: str, wanted: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"Range": wanted})
    check(answer, 416, "range")
    assert answer.headers["content-range"] == f"bytes */{len(GCODE)}"


@pytest.mark.parametrize(
    "wanted", ["bytes=5-3", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes=-", "bytes", "bytes=0-" + "9" * 400]
)
async def test_ranges_that_we_do_not_understand_are_ignored(client: httpx.AsyncClient, visor: str, wanted: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, GCODE)


async def test_if_range_of_another_file_sends_all_of_it(client: httpx.AsyncClient, visor: str) -> None:
    path = f"/api/v1/programs/{visor}/file"
    other = await client.get(path, headers={"Range": "bytes=3-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, GCODE)
    same = await client.get(path, headers={"Range": "bytes=3-", "If-Range": f'"{visor}"'})
    assert (same.status_code, same.content) == (206, GCODE[3:])
    behind = await client.get(path, headers={"Range": "bytes=999-", "If-Range": '"other"'})
    assert behind.status_code == 200


async def test_a_known_file_is_not_sent_again(client: httpx.AsyncClient, visor: str) -> None:
    answer = await client.get(f"/api/v1/programs/{visor}/file", headers={"If-None-Match": f'"{visor}"'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_file_that_vanished_from_the_disk_is_our_fault(app: FastAPI, control: MemoryControl, visor: str) -> None:
    control.program_file_path(visor).unlink()
    async with client_of(app) as client:
        check(await client.get(f"/api/v1/programs/{visor}/file"), 500, "internal")
