"""Requesters: who asks for parts, and of which revisions they take them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import ControlDep
from api.problems import documented
from farm.library_views import ApprovalRequest, RequesterChange, RequesterRequest, RequesterView, SignedRequest
from farm.request_bodies import Name

router = APIRouter(prefix="/requesters", tags=["requesters"])


@router.get("")
async def list_requesters(control: ControlDep) -> list[RequesterView]:
    """All requesters, by name, with what they have approved."""
    return control.requesters()


@router.post("", status_code=201, responses=documented(409, 422, 507))
async def add_requester(requester: RequesterRequest, control: ControlDep, response: Response) -> RequesterView:
    """Add one. One that `approves` gets only parts of revisions that it has approved."""
    view = await control.add_requester(requester)
    response.headers["Location"] = f"/api/v1/requesters/{view.id}"
    return view


@router.get("/{requester}", responses=documented(404))
async def read_requester(requester: str, control: ControlDep) -> RequesterView:
    """One requester, by id or name."""
    return control.requester(requester)


@router.patch("/{requester}", responses=documented(404, 409, 422, 507))
async def change_requester(requester: str, change: RequesterChange, control: ControlDep) -> RequesterView:
    """Another name, or whether it keeps approvals. Open orders of revisions that it has not approved wait then."""
    return await control.change_requester(requester, change)


@router.delete("/{requester}", status_code=204, responses=documented(404, 409, 422, 507))
async def remove_requester(requester: str, control: ControlDep, by: Annotated[Name, Query()] = "operator") -> None:
    """Forget one that has no open orders, and its approvals."""
    await control.remove_requester(requester, by)


@router.post("/{requester}/approvals", responses=documented(404, 409, 422, 507))
async def approve(requester: str, approval: ApprovalRequest, control: ControlDep) -> RequesterView:
    """It takes parts of a revision from now on; a second time changes nothing."""
    return await control.approve(requester, approval)


@router.post("/{requester}/approvals/{revision}/withdraw", responses=documented(404, 422, 507))
async def withdraw_approval(
    requester: str, revision: str, control: ControlDep, request: SignedRequest | None = None
) -> RequesterView:
    """It takes no more parts of a revision: its open orders of it wait, and parts in stock are not given to them."""
    return await control.withdraw_approval(requester, revision, request or SignedRequest())
