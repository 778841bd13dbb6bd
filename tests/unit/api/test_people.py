"""Makers who print by hand, over HTTP."""

import httpx
import pytest

from api.app import create_app
from api.testing import MemoryControl, MemoryPeople
from farm.config import DaemonSettings
from tests.unit.api.serving import GCODE, TOKEN, client_of
from tests.unit.api.test_problems import check

Maker = tuple[str, dict[str, str]]


@pytest.fixture
async def maker(client: httpx.AsyncClient) -> Maker:
    """A maker's printer and headers."""
    answer = await client.post("/api/v1/makers", json={"name": "Élodie", "profile": "generic-210"})
    assert answer.status_code == 201
    return answer.json()["printer"], {"Authorization": f"Bearer {answer.json()['token']}"}


async def test_a_batch_is_accepted_downloaded_and_reported(
    client: httpx.AsyncClient, people: MemoryPeople, maker: Maker, visor: str
) -> None:
    printer, headers = maker
    offer = people.offer(printer, visor)
    path = f"/api/v1/me/jobs/{offer.job}"
    assert (await client.get("/api/v1/me/jobs", headers=headers)).json() == [offer.model_dump()]
    check(await client.get(f"{path}/file", headers=headers), 409, "not-accepted")
    check(await client.post(f"{path}/report", json={"good": 2}, headers=headers), 409, "not-accepted")
    assert (await client.post(f"{path}/accept", headers=headers)).json()["state"] == "accepted"
    part = await client.get(f"{path}/file", headers={**headers, "Range": "bytes=0-2"})
    assert (part.status_code, part.content) == (206, GCODE[:3])
    check(await client.post(f"{path}/report", json={"good": 2, "scrap": 1}, headers=headers), 422, "invalid")
    assert (await client.post(f"{path}/report", json={"good": 1, "scrap": 1}, headers=headers)).json()["state"] == "reported"
    assert people.reports[offer.job].good == 1
    check(await client.get(f"{path}/file", headers=headers), 409, "not-accepted")


async def test_a_maker_sees_and_touches_only_their_own(
    client: httpx.AsyncClient, people: MemoryPeople, maker: Maker, visor: str
) -> None:
    other = people.offer("prn-of-another", visor)
    path = f"/api/v1/me/jobs/{other.job}"
    assert (await client.get("/api/v1/me/jobs", headers=maker[1])).json() == []
    for method, tail, body in (("POST", "accept", None), ("GET", "file", None), ("POST", "report", {"good": 1})):
        check(await client.request(method, f"{path}/{tail}", headers=maker[1], json=body), 404, "not-found")


async def test_a_maker_who_leaves_is_out_at_once(client: httpx.AsyncClient, maker: Maker) -> None:
    printer, headers = maker
    assert (await client.get("/api/v1/makers")).json() == [
        {"printer": printer, "name": "Élodie", "profile": "generic-210", "token": None}
    ]
    assert (await client.delete(f"/api/v1/makers/{printer}")).status_code == 204
    check(await client.get("/api/v1/me/jobs", headers=headers), 401, "unauthenticated")
    check(await client.delete(f"/api/v1/makers/{printer}"), 404, "not-found")


async def test_a_farm_without_a_peoples_node_says_so(control: MemoryControl, settings: DaemonSettings) -> None:
    app = create_app(control=control, settings=settings, token=TOKEN)
    async with app.router.lifespan_context(app), client_of(app) as client:
        check(await client.post("/api/v1/makers", json={"name": "a", "profile": "b"}), 404, "no-people")
        check(await client.get("/api/v1/me/jobs", headers={"Authorization": "Bearer x"}), 401, "unauthenticated")
