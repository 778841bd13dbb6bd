"""The application with everything real behind it: store, broker, scheduler and people's node, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.config import BrokerSection, DaemonSettings, HttpSection
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.unit.api.serving import served

pytestmark = [pytest.mark.real, pytest.mark.slow]
FIELDS = {"design": "square", "revision": "square-1", "profile": "generic-210", "parts": "2", "material": "PLA"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    require("mosquitto", find_mosquitto() is not None)
    settings = DaemonSettings(
        data=tmp_path / "data",
        http=HttpSection(port=free_port()),
        broker=BrokerSection(kind="mosquitto", port=free_port()),
    )
    async with (
        served(create_app(settings=settings)) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=60) as client,
    ):
        yield client


async def ask(client: httpx.AsyncClient, method: str, path: str, status: int = 200, **more: Any) -> Any:
    answer = await client.request(method, path, **more)
    assert answer.status_code == status, answer.text
    return answer.json()


async def ask_until(client: httpx.AsyncClient, path: str, met: Callable[[Any], bool], **more: Any) -> Any:
    async with asyncio.timeout(60):
        while True:
            if met(answer := await ask(client, "GET", path, **more)):
                return answer
            await asyncio.sleep(0.2)


async def test_a_maker_prints_an_order_by_hand(client: httpx.AsyncClient) -> None:
    health = await ask(client, "GET", "/readyz")
    assert health["checks"] == {"store": "ok", "broker": "ok", "scheduler": "ok", "live": "ok"}
    content = small_program()
    program = await ask(client, "POST", "/api/v1/programs", 201, data=FIELDS, files={"file": ("square.gcode", content)})
    again = await ask(client, "POST", "/api/v1/programs", 200, data=FIELDS, files={"file": ("square.gcode", content)})
    assert again == program
    order = await ask(client, "POST", "/api/v1/orders", 201, json={"design": "square", "quantity": 2})
    maker = await ask(client, "POST", "/api/v1/makers", 201, json={"name": "Élodie", "profile": "generic-210"})
    me = {"Authorization": f"Bearer {maker['token']}"}
    jobs = await ask_until(client, "/api/v1/me/jobs", bool, headers=me)
    path = f"/api/v1/me/jobs/{jobs[0]['job']}"
    await ask(client, "POST", f"{path}/accept", headers=me)
    assert (await client.get(f"{path}/file", headers=me)).content == content
    await ask(client, "POST", f"{path}/report", headers=me, json={"good": 2})
    met = await ask_until(client, f"/api/v1/orders/{order['id']}", lambda row: row["state"] == "met")
    assert (met["good"], met["owed"]) == (2, 0)
    job = await ask(client, "GET", f"/api/v1/jobs/{jobs[0]['job']}")
    assert (job["state"], job["collected_by"], job["good"]) == ("collected", "Élodie", 2)


async def test_errors_of_the_real_farm_are_problems(client: httpx.AsyncClient, tmp_path: Path) -> None:
    unknown = await ask(client, "POST", "/api/v1/orders", 404, json={"design": "nothing", "quantity": 1})
    assert unknown["next_step"]
    bad = await ask(client, "POST", "/api/v1/programs", 422, data=FIELDS, files={"file": ("a.gcode", b"not G-code at all")})
    assert bad["next_step"]
    assert list((tmp_path / "data" / "programs" / "incoming").iterdir()) == []
    await ask(client, "POST", "/api/v1/printers/printer-0/emergency-stop", 404)
    await ask(client, "POST", "/api/v1/enrolments/claim", 404, json={"code": "BCDF-GHJK", "name": "x"})
    assert (tmp_path / "data" / "operator.token").stat().st_mode & 0o777 == 0o600
