"""Facts of nodes that the farm could not understand: kept until a person has looked. Their content is text, never markup."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import ControlDep
from api.problems import documented
from farm.views import SetAsideView

router = APIRouter(prefix="/set-aside", tags=["nodes"])


@router.get("", responses=documented(422))
async def list_set_aside(
    control: ControlDep,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[SetAsideView]:
    """Facts that were set aside, newest first."""
    return control.set_aside(limit=limit, offset=offset)


@router.delete("/{fact}", status_code=204, responses=documented(404, 507))
async def look_at_set_aside(fact: str, control: ControlDep) -> None:
    """Somebody has looked at it: it is shown no more."""
    await control.look_at_set_aside(fact)
