"""Alive and ready."""

import asyncio

import httpx
from fastapi import FastAPI

from api.testing import MemoryControl
from gcode.texts import Told
from tests.unit.api.serving import client_of
from tests.unit.api.test_problems import check


async def test_alive_even_when_nothing_works(client: httpx.AsyncClient, control: MemoryControl) -> None:
    control.health_checks["broker"] = "not connected"
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready_when_every_check_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    checks = {"store": "ok", "broker": "ok", "scheduler": "ok", "live": "ok"}
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "checks": checks, "checks_fr": checks})


async def test_not_ready_names_what_is_wrong_to_the_operator_alone(
    client: httpx.AsyncClient, app: FastAPI, control: MemoryControl
) -> None:
    control.health_checks["broker"] = Told("broker", "not connected", "non connecté")
    body = check(await client.get("/readyz"), 503, "not-ready")
    assert (body["detail"], body["detail_fr"]) == ("Not ready: broker.", "Pas prêt : le courtier.")
    assert body["checks_fr"] == {"store": "ok", "broker": "non connecté", "scheduler": "ok", "live": "ok"}
    assert body["checks"] == {"store": "ok", "broker": "not connected", "scheduler": "ok", "live": "ok"}
    async with client_of(app, address="192.0.2.7") as stranger:
        body = check(await stranger.get("/readyz"), 503, "not-ready")
        assert (body["checks"], body["checks_fr"], body["detail_fr"]) == ({}, {}, "Pas prêt : le démon.")
        control.health_checks["broker"] = "ok"
        assert (await stranger.get("/readyz")).json() == {"ready": True, "checks": {}, "checks_fr": {}}


async def test_live_updates_that_died_make_the_daemon_not_ready(client: httpx.AsyncClient, app: FastAPI) -> None:
    app.state.hub._task.cancel()
    await asyncio.wait({app.state.hub._task})
    body = check(await client.get("/readyz"), 503, "not-ready")
    assert (body["detail"], body["detail_fr"]) == ("Not ready: live.", "Pas prêt : les nouvelles en direct.")
    well = {"store": "ok", "broker": "ok", "scheduler": "ok"}
    assert (body["checks"], body["checks_fr"]) == ({**well, "live": "stopped"}, {**well, "live": "à l'arrêt"})
