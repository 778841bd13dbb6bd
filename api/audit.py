"""The audit: who released, approved, recalled or withdrew what, and why."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import ControlDep
from api.problems import documented
from farm.library_views import AuditView

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("", responses=documented(422))
async def list_audit(
    control: ControlDep,
    subject: Annotated[str | None, Query(max_length=140)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[AuditView]:
    """Entries, newest first, about one thing (a program, a revision, a requester) or about all."""
    return await control.audit(subject=subject, limit=limit, offset=offset)
