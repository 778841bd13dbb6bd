"""Orders: how many parts of a design are wanted, and what is still owed."""

import asyncio
from collections import OrderedDict
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response

from api.deps import ControlDep
from api.problems import documented
from farm.control import Control
from farm.errors import InvalidError
from farm.request_bodies import OrderChange, OrderRequest
from farm.views import JobView, OrderView
from gcode.texts import Bilingual

router = APIRouter(prefix="/orders", tags=["orders"])

_MAX_REMEMBERED: Final = 1_000
_Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=100)]


class PlacedOrders:
    """Requests that carried an Idempotency-Key: sent again, each is answered with the order it made.

    The newest 1,000 are remembered, in memory: a restart of the daemon forgets them.
    """

    def __init__(self) -> None:
        self._placed: OrderedDict[str, tuple[OrderRequest, asyncio.Task[OrderView]]] = OrderedDict()

    async def place(self, key: str, request: OrderRequest, control: Control) -> OrderView:
        """Place the order of `key`, or return the one it has placed.

        Raises:
            InvalidError: the key was used for another request.

        """
        known = self._placed.get(key)
        if known is None:
            known = self._placed[key] = (request, asyncio.create_task(_coroutine(control, request)))
            known[1].add_done_callback(lambda task: self._forget_failure(key, task))
            while len(self._placed) > _MAX_REMEMBERED:
                self._placed.popitem(last=False)
        if known[0] != request:
            raise InvalidError(
                Bilingual(
                    "This Idempotency-Key was used for another order.", "Cette Idempotency-Key a servi pour une autre commande."
                ),
                next_step=Bilingual("Use a new key for a new order.", "Utilisez une nouvelle clé pour une nouvelle commande."),
                code="key-reused",
            )
        return await asyncio.shield(known[1])

    def _forget_failure(self, key: str, task: asyncio.Task[OrderView]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._placed.pop(key, None)


async def _coroutine(control: Control, request: OrderRequest) -> OrderView:
    return await control.place_order(request)


@router.get("")
async def list_orders(control: ControlDep) -> list[OrderView]:
    """All orders: open ones first, by priority and age."""
    return control.orders()


@router.post("", status_code=201, responses=documented(404, 409, 422, 507))
async def place_order(
    order: OrderRequest, control: ControlDep, request: Request, response: Response, key: _Key = None
) -> OrderView:
    """Ask for parts. With an Idempotency-Key the request can be sent again without ordering twice."""
    placed: PlacedOrders = request.app.state.placed_orders
    view = await (control.place_order(order) if key is None else placed.place(key, order, control))
    response.headers["Location"] = f"/api/v1/orders/{view.id}"
    return view


@router.get("/{order}", responses=documented(404))
async def read_order(order: str, control: ControlDep) -> OrderView:
    """One order."""
    return control.order(order)


@router.patch("/{order}", responses=documented(404, 409, 422, 507))
async def change_order(order: str, change: OrderChange, control: ControlDep) -> OrderView:
    """Change quantity or priority of an open order. Good parts are never taken away."""
    return await control.change_order(order, change)


@router.post("/{order}/cancel", responses=documented(404, 409, 507))
async def cancel_order(order: str, control: ControlDep) -> OrderView:
    """Take an order back: nothing more is started for it; what is printing goes on and becomes stock."""
    return await control.cancel_order(order)


@router.get("/{order}/jobs", responses=documented(404, 422))
async def list_attempts(
    order: str,
    control: ControlDep,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[JobView]:
    """Every attempt for an order, newest first: where, how it ended and why, and what was good of it."""
    return await control.jobs(order=order, limit=limit, offset=offset)
