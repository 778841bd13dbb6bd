"""Jobs: single prints, good or bad."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import ControlDep
from api.problems import documented
from farm.bus.messages import Id
from farm.request_bodies import JobCommandRequest
from farm.views import CommandAccepted, JobView

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("", responses=documented(404, 422))
async def list_jobs(
    control: ControlDep,
    order: Annotated[Id | None, Query(description="only jobs for this order")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[JobView]:
    """Jobs, newest first, a page at a time: fewer than `limit` means that there are no more."""
    return await control.jobs(order=order, limit=limit, offset=offset)


@router.get("/{job}", responses=documented(404))
async def read_job(job: str, control: ControlDep) -> JobView:
    """One job."""
    return await control.job(job)


@router.post("/{job}/command", status_code=202, responses=documented(404, 409, 422))
async def command_job(job: str, command: JobCommandRequest, control: ControlDep) -> CommandAccepted:
    """Pause, resume or cancel a running job."""
    return await control.command_job(job, command.action)
