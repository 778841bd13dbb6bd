"""The whole farm at once."""

import httpx

from api.testing import MemoryControl
from farm.request_bodies import OrderRequest
from farm.views import AlarmView, FarmView, FenceView


async def test_the_snapshot_is_everything(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    await control.place_order(OrderRequest(design="visor-frame", quantity=2))
    control.finish("prn-1")
    farm = FarmView.model_validate((await client.get("/api/v1/farm")).json())
    assert farm == control.snapshot()
    assert [job.printer for job in farm.waiting] == ["prn-1"]


async def test_alarms(client: httpx.AsyncClient, control: MemoryControl) -> None:
    alarm = AlarmView(code="disk-low", text="Little room.", next_step="Make some.", since=1.0)
    control.alarm_rows.append(alarm)
    assert (await client.get("/api/v1/alarms")).json() == [alarm.model_dump()]


async def test_a_take_over_goes_above_what_was_heard_and_heals(client: httpx.AsyncClient, control: MemoryControl) -> None:
    control.fence = FenceView(why="taken-over", node="garage", heard=7, known=1)
    shown = (await client.get("/api/v1/farm")).json()
    assert (shown["fence"]["heard"], shown["healing"]) == (7, None)
    refused = await client.post("/api/v1/farm/healing/done")
    assert (refused.status_code, refused.json()["code"]) == (503, "fenced")
    assert (await client.post("/api/v1/farm/take-over")).json() == {"generation": 8}
    shown = (await client.get("/api/v1/farm")).json()
    assert (shown["generation"], shown["fence"], shown["healing"]["missing"]) == (8, None, ["nod-1"])
    assert (await client.post("/api/v1/farm/healing/done")).status_code == 204
    assert (await client.get("/api/v1/farm")).json()["healing"] is None
