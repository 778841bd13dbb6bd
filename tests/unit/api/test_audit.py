"""The audit over HTTP."""

import httpx
import pytest

from api.testing import MemoryControl
from tests.unit.api.test_problems import check


async def test_entries_are_listed_newest_first_and_in_pages(client: httpx.AsyncClient, control: MemoryControl) -> None:
    for name in ("one", "two", "three"):
        control.pass_time(1.0)
        await client.post("/api/v1/requesters", json={"name": name, "by": "Eve"})
    rows = (await client.get("/api/v1/audit")).json()
    assert [(row["who"], row["action"], row["detail"]) for row in rows] == [
        ("Eve", "requester.add", name) for name in ("three", "two", "one")
    ]
    assert (await client.get("/api/v1/audit", params={"limit": 1, "offset": 1})).json() == rows[1:2]
    assert (await client.get("/api/v1/audit", params={"subject": rows[2]["subject"]})).json() == rows[2:]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1_001}, {"offset": -1}, {"subject": "x" * 141}])
async def test_pages_have_bounds(client: httpx.AsyncClient, wrong: dict[str, int | str]) -> None:
    check(await client.get("/api/v1/audit", params=wrong), 422, "invalid")
