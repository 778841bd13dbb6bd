"""Designs: what can be ordered."""

from fastapi import APIRouter

from api.deps import ControlDep
from api.problems import documented
from farm.views import DesignView, RecallView

router = APIRouter(tags=["designs"])


@router.get("/designs")
async def list_designs(control: ControlDep) -> list[DesignView]:
    """All designs with their revisions, newest first."""
    return control.designs()


@router.post("/revisions/{revision}/recall", responses=documented(404, 507))
async def recall_revision(revision: str, control: ControlDep) -> RecallView:
    """Nothing more of it is started, counted or given out. What prints now goes on until a person cancels it."""
    return await control.recall_revision(revision)
