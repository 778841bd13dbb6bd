"""Jobs over HTTP."""

import httpx
import pytest

from api.testing import MemoryControl
from farm.request_bodies import CollectRequest, OrderRequest
from tests.unit.api.test_problems import check


@pytest.fixture
async def orders(control: MemoryControl, visor: str) -> list[str]:
    """Two orders; the first has three jobs, the second one."""
    first = await control.place_order(OrderRequest(design="visor-frame", quantity=6))
    for _ in range(3):
        job = control.finish("prn-1")
        await control.collect("prn-1", CollectRequest(job=job.id, good=2))
    second = await control.place_order(OrderRequest(design="visor-frame", quantity=2))
    return [first.id, second.id]


async def test_jobs_come_newest_first_in_pages(client: httpx.AsyncClient, orders: list[str]) -> None:
    everything = (await client.get("/api/v1/jobs")).json()
    assert [row["order"] for row in everything] == [orders[1], *[orders[0]] * 3]
    pages = [(await client.get("/api/v1/jobs", params={"limit": 3, "offset": offset})).json() for offset in (0, 3)]
    assert [len(page) for page in pages] == [3, 1]
    assert pages[0] + pages[1] == everything


async def test_jobs_of_one_order(client: httpx.AsyncClient, orders: list[str]) -> None:
    assert len((await client.get("/api/v1/jobs", params={"order": orders[0]})).json()) == 3
    check(await client.get("/api/v1/jobs", params={"order": "ord-0"}), 404, "not-found")


@pytest.mark.parametrize("query", [{"limit": 1_001}, {"limit": "x"}, {"offset": -1}, {"order": "a b"}, {"order": "x" * 65}])
async def test_paging_is_limited(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    check(await client.get("/api/v1/jobs", params=query), 422, "invalid")


async def test_a_running_job_is_commanded(client: httpx.AsyncClient, control: MemoryControl, orders: list[str]) -> None:
    job = (await client.get("/api/v1/jobs")).json()[0]["id"]
    path = f"/api/v1/jobs/{job}/command"
    for action, state in (("pause", "paused"), ("resume", "printing"), ("cancel", "idle")):
        assert (await client.post(path, json={"action": action})).status_code == 202
        assert control.printer("prn-1").state == state
    check(await client.post(path, json={"action": "pause"}), 409, "job-ended")
    check(await client.post(path, json={"action": "explode"}), 422, "invalid")
    check(await client.post("/api/v1/jobs/job-0/command", json={"action": "pause"}), 404, "not-found")
    check(await client.get("/api/v1/jobs/job-0"), 404, "not-found")
