"""Requesters over HTTP: who gets parts of which revisions."""

from typing import Any

import httpx

from api.testing import MemoryControl
from tests.unit.api.serving import GCODE, add_visor
from tests.unit.api.test_problems import check

PATH = "/api/v1/requesters"
YES = {"revision": "visor-frame-r1", "by": "Dr. House", "note": "closed top"}


async def add(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"name": "Hospitals", "approves": True, **fields})
    assert answer.status_code == 201
    view: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{PATH}/{view['id']}"
    return view


async def test_an_order_waits_for_the_approval_of_who_asks(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    await add(client)
    wanted = {"design": "visor-frame", "quantity": 2, "requester": "Hospitals"}
    check(await client.post("/api/v1/orders", json=wanted), 409, "not-approved")
    approved = await client.post(f"{PATH}/Hospitals/approvals", json=YES)
    assert approved.status_code == 200
    assert [(item["revision"], item["approved_by"]) for item in approved.json()["approvals"]] == [("visor-frame-r1", "Dr. House")]
    order = (await client.post("/api/v1/orders", json=wanted)).json()
    assert (order["requester_name"], order["revision"]) == ("Hospitals", "visor-frame-r1")
    assert (await client.get("/api/v1/revisions/visor-frame-r1")).json()["approved_by"] == [order["requester"]]
    assert (await client.get(f"{PATH}/Hospitals")).json()["open_orders"] == 1
    check(await client.delete(f"{PATH}/Hospitals"), 409, "requester-in-use")


async def test_an_approval_is_withdrawn_by_its_revision(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    view = await add(client)
    await client.post(f"{PATH}/{view['id']}/approvals", json=YES)
    path = f"{PATH}/{view['id']}/approvals/visor-frame-r1/withdraw"
    answer = await client.post(path, json={"by": "Dr. House", "reason": "it broke"})
    assert (answer.status_code, answer.json()["approvals"]) == (200, [])
    check(await client.post(path), 404, "not-found")
    actions = [entry["action"] for entry in (await client.get("/api/v1/audit", params={"subject": view["id"]})).json()]
    assert actions == ["approval.withdraw", "approval.add", "requester.add"]


async def test_changed_listed_and_removed(client: httpx.AsyncClient) -> None:
    view = await add(client)
    await add(client, name="Abbey")
    changed = await client.patch(f"{PATH}/{view['id']}", json={"approves": False})
    assert (changed.status_code, changed.json()["approves"]) == (200, False)
    assert [row["name"] for row in (await client.get(PATH)).json()] == ["Abbey", "Hospitals"]
    assert (await client.delete(f"{PATH}/{view['id']}", params={"by": "Eve"})).status_code == 204
    check(await client.get(f"{PATH}/{view['id']}"), 404, "not-found")


async def test_what_is_refused(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    await add(client)
    check(await client.post(PATH, json={"name": "Hospitals"}), 409, "name-taken")
    for wrong in ({}, {"name": ""}, {"name": "x" * 81}, {"name": "a", "colour": "red"}, {"name": "a\u202eb"}):
        check(await client.post(PATH, json=wrong), 422, "invalid")
    check(await client.post(f"{PATH}/nobody/approvals", json=YES), 404, "not-found")
    check(await client.post(f"{PATH}/Hospitals/approvals", json={**YES, "revision": "r9"}), 404, "not-found")
    check(await client.post(f"{PATH}/Hospitals/approvals", json={**YES, "by": "operator"}), 422, "invalid")
    check(
        await client.post("/api/v1/orders", json={"design": "visor-frame", "quantity": 1, "requester": "firemen"}), 404, "not-found"
    )
    control.full = True
    check(await client.post(PATH, json={"name": "Firemen"}), 507, "store-full")


async def test_a_recalled_revision_is_not_approved(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    await add(client)
    await add_visor(control, GCODE + b";2", revision="visor-frame-r2")
    await client.post("/api/v1/revisions/visor-frame-r1/recall")
    check(await client.post(f"{PATH}/Hospitals/approvals", json=YES), 409, "recalled")
