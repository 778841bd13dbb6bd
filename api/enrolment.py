"""Enrolment: codes for makers who bring their own printers."""

from fastapi import APIRouter

from api.deps import ControlDep
from api.problems import documented
from farm.views import EnrolmentClaim, EnrolmentGrant, InviteRequest, InviteView

router = APIRouter(prefix="/enrolments", tags=["enrolments"])


@router.post("/invites", status_code=201, responses=documented(409, 422, 507))
async def invite(request: InviteRequest, control: ControlDep) -> InviteView:
    """Make a code for one maker."""
    return await control.invite(request)


@router.post("/claim", responses=documented(404, 409, 422, 429, 507))
async def claim(request: EnrolmentClaim, control: ControlDep) -> EnrolmentGrant:
    """A node redeems its code. One answer for unknown, used and expired ones; guessing is slowed down for all at once."""
    return await control.claim(request)
