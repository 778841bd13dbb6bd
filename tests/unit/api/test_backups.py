"""Backups over HTTP."""

import httpx

from api.testing import MemoryControl


async def test_a_backup_is_made_listed_and_fetched(client: httpx.AsyncClient) -> None:
    made = await client.post("/api/v1/backups")
    assert made.status_code == 201
    assert made.json()["size_bytes"] == 16
    second = (await client.post("/api/v1/backups")).json()
    listed = (await client.get("/api/v1/backups")).json()
    assert listed == [second, made.json()]
    fetched = await client.get(f"/api/v1/backups/{made.json()['name']}/file")
    assert fetched.content == b"SQLite format 3\0"
    assert fetched.headers["content-type"] == "application/vnd.sqlite3"


async def test_no_other_file_can_be_asked_for(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/backups/none.sqlite3/file")).json()["code"] == "not-found"
    assert (await client.get("/api/v1/backups/..%2Fx/file")).status_code in {404, 422}


async def test_without_room_nothing_is_made(client: httpx.AsyncClient, control: MemoryControl) -> None:
    control.full = True
    refused = await client.post("/api/v1/backups")
    assert (refused.status_code, refused.json()["code"]) == (507, "store-full")
    assert (await client.get("/api/v1/backups")).json() == []
