"""Sessions: how a browser beyond loopback becomes the operator's."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.auth import COOKIE, SESSION_LIFE_S, address_of, cookie_of
from api.deps import GuardDep
from api.problems import documented
from farm.request_bodies import RequestBody

router = APIRouter(prefix="/session", tags=["session"])


class SignIn(RequestBody):
    """The operator token, as `operator.token` in the data folder of the daemon has it."""

    token: str = Field(min_length=1, max_length=200, repr=False)


class SessionView(BaseModel):
    """Whether who asks is the operator."""

    operator: bool


@router.get("")
async def who_am_i(request: Request, guard: GuardDep) -> SessionView:
    """Tell a page whether it must ask for the token."""
    return SessionView(operator=guard.is_operator(request.scope))


@router.post("", responses=documented(401, 403, 422, 429))
async def sign_in(request: Request, response: Response, body: SignIn, guard: GuardDep) -> SessionView:
    """Exchange the operator token for a session cookie that scripts cannot read and other sites cannot send."""
    secret = guard.sign_in(address_of(request.scope), body.token.strip())
    response.set_cookie(COOKIE, secret, max_age=int(SESSION_LIFE_S), path="/", secure=True, httponly=True, samesite="strict")
    return SessionView(operator=True)


@router.delete("", status_code=204)
async def sign_out(request: Request, response: Response, guard: GuardDep) -> None:
    """End the session, here and in the browser."""
    guard.sessions.close(cookie_of(request.headers))
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
