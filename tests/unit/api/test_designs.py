"""Designs over HTTP."""

import httpx

from api.testing import MemoryControl
from farm.request_bodies import OrderRequest
from farm.views import StockView
from tests.unit.api.serving import GCODE, add_visor
from tests.unit.api.test_problems import check


async def test_designs_have_their_newest_revision_first(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    await add_visor(control, GCODE + b";2", revision="visor-frame-r2")
    await add_visor(control, GCODE + b";3", revision="visor-frame-r3", draft=True)
    (design,) = (await client.get("/api/v1/designs")).json()
    assert (design["id"], design["name"]) == ("visor-frame", "visor-frame")
    assert design["revisions"] == ["visor-frame-r3", "visor-frame-r2", "visor-frame-r1"]
    assert (design["drafts"], design["recalled"]) == (["visor-frame-r3"], [])


async def test_a_recalled_revision_is_set_aside_everywhere(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    order = await control.place_order(OrderRequest(design="visor-frame", quantity=9))
    control.stock_rows["visor-frame-r1"] = StockView(revision="visor-frame-r1", parts=4)
    answer = await client.post("/api/v1/revisions/visor-frame-r1/recall")
    assert answer.status_code == 200
    told = answer.json()
    assert [job["recalled"] for job in told["running"]] == [True]
    assert (told["stock_set_aside"], told["open_orders"]) == (4, [order.id])
    assert (await client.get("/api/v1/designs")).json()[0]["recalled"] == ["visor-frame-r1"]
    assert (await client.get("/api/v1/farm")).json()["stock"] == [{"revision": "visor-frame-r1", "parts": 4, "recalled": True}]
    refused = await client.post("/api/v1/orders", json={"revision": "visor-frame-r1", "quantity": 1})
    assert refused.status_code == 409
    assert (await client.post("/api/v1/revisions/other/recall")).json()["code"] == "not-found"


async def test_a_draft_is_ordered_once_somebody_has_released_it(client: httpx.AsyncClient, control: MemoryControl) -> None:
    await add_visor(control, GCODE, draft=True)
    wanted = {"design": "visor-frame", "quantity": 1}
    check(await client.post("/api/v1/orders", json=wanted), 409, "revision-draft")
    path = "/api/v1/revisions/visor-frame-r1"
    view = (await client.get(path)).json()
    assert (view["state"], [program["parts"] for program in view["programs"]]) == ("draft", [2])
    released = await client.post(f"{path}/release", json={"by": "Eve", "reason": "tested on three printers"})
    assert (released.status_code, released.json()["state"], released.json()["released_by"]) == (200, "released", "Eve")
    assert (await client.post(f"{path}/release")).json() == released.json()  # no body: nothing changes any more
    assert (await client.post("/api/v1/orders", json=wanted)).status_code == 201
    check(await client.post(f"{path}/release", json={"by": ""}), 422, "invalid")
    check(await client.get("/api/v1/revisions/other"), 404, "not-found")
    check(await client.post("/api/v1/revisions/other/release"), 404, "not-found")


async def test_a_recall_names_who_and_why(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    answer = await client.post("/api/v1/revisions/visor-frame-r1/recall", json={"by": "Eve", "reason": "brittle"})
    assert answer.status_code == 200
    assert control.recalled_by == "Eve"
    check(await client.post("/api/v1/revisions/visor-frame-r1/release"), 409, "recalled")
