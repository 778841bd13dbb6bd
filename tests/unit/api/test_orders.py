"""Orders over HTTP."""

import asyncio

import httpx
import pytest

from api.orders import PlacedOrders
from api.testing import MemoryControl
from farm.errors import InvalidError, NotFoundError
from farm.request_bodies import OrderRequest
from scheduler.model import JobOutcome
from tests.unit.api.test_problems import check

BODY = {"design": "visor-frame", "quantity": 5, "priority": 2, "destination": "CHU"}


async def test_an_order_from_beginning_to_end(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    answer = await client.post("/api/v1/orders", json=BODY)
    assert answer.status_code == 201
    order = answer.json()
    assert answer.headers["location"] == f"/api/v1/orders/{order['id']}"
    assert (order["owed"], order["expected"], order["revision"], order["destination"]) == (5, 2, "visor-frame-r1", "CHU")
    assert (await client.get("/api/v1/orders")).json() == [order]
    assert (await client.get(answer.headers["location"])).json() == order
    changed = await client.patch(answer.headers["location"], json={"quantity": 3, "priority": -1})
    assert (changed.json()["quantity"], changed.json()["priority"], changed.json()["owed"]) == (3, -1, 3)
    cancelled = await client.post(f"{answer.headers['location']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"], cancelled.json()["owed"]) == (200, "cancelled", 0)
    check(await client.patch(answer.headers["location"], json={"quantity": 9}), 409, "conflict")


async def test_what_cannot_be_ordered(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    check(await client.post("/api/v1/orders", json={"design": "unknown", "quantity": 1}), 404, "not-found")
    for wrong in ({"quantity": 0}, {"quantity": 10**7}, {"quantity": None}, {"priority": 101}, {"destination": "x" * 201}):
        check(await client.post("/api/v1/orders", json={**BODY, **wrong}), 422, "invalid")
    control.full = True
    check(await client.post("/api/v1/orders", json=BODY), 507, "store-full")
    assert control.orders() == []


async def test_unknown_orders(client: httpx.AsyncClient) -> None:
    check(await client.get("/api/v1/orders/ord-0"), 404, "not-found")
    check(await client.patch("/api/v1/orders/ord-0", json={"quantity": 1}), 404, "not-found")
    check(await client.post("/api/v1/orders/ord-0/cancel"), 404, "not-found")


async def test_the_same_request_with_its_key_orders_once(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    key = {"Idempotency-Key": "abc"}
    answers = await asyncio.gather(*(client.post("/api/v1/orders", json=BODY, headers=key) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [201] * 5
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(control.orders()) == 1
    check(await client.post("/api/v1/orders", json={**BODY, "quantity": 6}, headers=key), 422, "key-reused")
    assert (await client.post("/api/v1/orders", json=BODY, headers={"Idempotency-Key": "def"})).status_code == 201
    assert len(control.orders()) == 2
    check(await client.post("/api/v1/orders", json=BODY, headers={"Idempotency-Key": "x" * 101}), 422, "invalid")


async def test_a_failure_is_not_remembered(control: MemoryControl, visor: str) -> None:
    placed, request = PlacedOrders(), OrderRequest(design="nothing", quantity=1)
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await placed.place("key", request, control)
    order = await placed.place("key", OrderRequest(design="visor-frame", quantity=1), control)
    assert control.orders() == [order]


async def test_the_memory_for_keys_is_bounded(control: MemoryControl, visor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.orders._MAX_REMEMBERED", 2)
    placed, request = PlacedOrders(), OrderRequest(design="visor-frame", quantity=1)
    for key in ("a", "b", "c", "a"):
        await placed.place(key, request, control)
    assert len(control.orders()) == 4  # `a` was forgotten
    with pytest.raises(InvalidError):
        await placed.place("c", OrderRequest(design="visor-frame", quantity=2), control)


async def test_the_attempts_of_an_order_are_told_with_how_they_ended(
    client: httpx.AsyncClient, control: MemoryControl, visor: str
) -> None:
    order = await control.place_order(OrderRequest(design="visor-frame", quantity=9))
    control.finish("prn-1", JobOutcome.FAILED)
    (attempt,) = (await client.get(f"/api/v1/orders/{order.id}/jobs")).json()
    assert (attempt["printer"], attempt["outcome"], attempt["state"]) == ("prn-1", "failed", "ended")
    assert (await client.get(f"/api/v1/orders/{order.id}/jobs?offset=1")).json() == []
    assert (await client.get("/api/v1/orders/none/jobs")).status_code == 404
