"""Designs over HTTP."""

import httpx

from api.testing import MemoryControl
from farm.views import OrderRequest, StockView
from tests.unit.api.serving import GCODE, add_visor


async def test_designs_have_their_newest_revision_first(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    await add_visor(control, GCODE + b";2", revision="visor-frame-r2")
    expected = [{"id": "visor-frame", "name": "visor-frame", "revisions": ["visor-frame-r2", "visor-frame-r1"], "recalled": []}]
    assert (await client.get("/api/v1/designs")).json() == expected


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
