"""Facts that were set aside, over HTTP."""

import httpx

from api.testing import MemoryControl
from farm.views import SetAsideView


def add(control: MemoryControl, key: str, created_at: float) -> None:
    control.set_aside_rows[key] = SetAsideView(
        id=key, node="nod-1", node_name="Zoé", epoch="e", number=7, reason="odd", content="<b>7</b>", created_at=created_at
    )


async def test_they_are_listed_newest_first_and_paged(client: httpx.AsyncClient, control: MemoryControl) -> None:
    assert (await client.get("/api/v1/set-aside")).json() == []
    for number in range(3):
        add(control, f"f{number}", float(number))
    rows = (await client.get("/api/v1/set-aside")).json()
    assert [row["id"] for row in rows] == ["f2", "f1", "f0"]
    assert rows[0] == {
        "id": "f2", "node": "nod-1", "node_name": "Zoé", "epoch": "e", "number": 7, "reason": "odd", "content": "<b>7</b>",
        "created_at": 2.0, "reason_fr": "",
    }  # fmt: skip
    assert [row["id"] for row in (await client.get("/api/v1/set-aside?limit=1&offset=1")).json()] == ["f1"]


async def test_the_answer_is_json_and_never_markup(client: httpx.AsyncClient, control: MemoryControl) -> None:
    add(control, "f", 1.0)
    answer = await client.get("/api/v1/set-aside")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_limits_are_checked(client: httpx.AsyncClient) -> None:
    for query in ("limit=0", "limit=1001", "offset=-1", "limit=x"):
        assert (await client.get(f"/api/v1/set-aside?{query}")).status_code == 422


async def test_one_that_was_looked_at_is_gone(client: httpx.AsyncClient, control: MemoryControl) -> None:
    add(control, "f", 1.0)
    assert (await client.delete("/api/v1/set-aside/f")).status_code == 204
    gone = await client.delete("/api/v1/set-aside/f")
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
    assert (await client.get("/api/v1/set-aside")).json() == []
