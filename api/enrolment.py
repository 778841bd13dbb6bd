"""Enrolment: codes for makers who bring their own printers."""

from typing import Final

from fastapi import APIRouter, Response

from api.deps import ControlDep
from api.problems import documented
from farm.errors import NotFoundError
from farm.request_bodies import EnrolmentClaim, InviteRequest
from farm.views import EnrolmentGrant, InviteView
from gcode.texts import Bilingual

router = APIRouter(prefix="/enrolments", tags=["enrolments"])


PEM: Final = "application/x-pem-file"


@router.get("/ca", response_class=Response, responses={200: {"content": {PEM: {}}}, **documented(404)})
async def authority(control: ControlDep) -> Response:
    """The farm's own certificate authority. Nodes compare it with the pin in their code before they trust it."""
    if control.authority_pem is None:
        raise NotFoundError(
            Bilingual(
                "This farm has no certificate authority of its own.",
                "Cette ferme n'a pas d'autorité de certification à elle.",
            ),
            next_step=Bilingual(
                "It has one when its daemon listens beyond loopback; behind a proxy the proxy's certificate counts.",
                "Elle en a une quand son démon écoute au-delà de cette machine ; "
                "derrière un proxy, c'est le certificat du proxy qui compte.",
            ),
            code="no-authority",
        )
    return Response(control.authority_pem, media_type=PEM)


@router.post("/invites", status_code=201, responses=documented(409, 422, 507))
async def invite(request: InviteRequest, control: ControlDep) -> InviteView:
    """Make a code for one maker."""
    return await control.invite(request)


@router.post("/claim", responses=documented(404, 409, 422, 429, 507))
async def claim(request: EnrolmentClaim, control: ControlDep) -> EnrolmentGrant:
    """A node redeems its code. One answer for unknown, used and expired ones; guessing is slowed down for all at once."""
    return await control.claim(request)
