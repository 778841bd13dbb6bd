"""The whole farm at once."""

import httpx

from api.testing import MemoryControl
from farm.views import AlarmView, FarmView, OrderRequest


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
