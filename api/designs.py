"""Designs and their revisions: what can be ordered."""

from fastapi import APIRouter

from api.deps import ControlDep
from api.problems import documented
from farm.library_views import RevisionView, SignedRequest
from farm.views import DesignView, RecallView

router = APIRouter(tags=["designs"])


@router.get("/designs")
async def list_designs(control: ControlDep) -> list[DesignView]:
    """All designs with their revisions, newest first."""
    return control.designs()


@router.get("/revisions/{revision}", responses=documented(404))
async def read_revision(revision: str, control: ControlDep) -> RevisionView:
    """One revision: its state, its programs for each class of printers, and which requesters have approved it."""
    return control.revision(revision)


@router.post("/revisions/{revision}/release", responses=documented(404, 409, 422, 507))
async def release_revision(revision: str, control: ControlDep, request: SignedRequest | None = None) -> RevisionView:
    """A draft may be ordered and printed from now on; of a released one this changes nothing."""
    return await control.release_revision(revision, request or SignedRequest())


@router.post("/revisions/{revision}/recall", responses=documented(404, 422, 507))
async def recall_revision(revision: str, control: ControlDep, request: SignedRequest | None = None) -> RecallView:
    """Nothing more of it is started, counted or given out. What prints now goes on until a person cancels it."""
    return await control.recall_revision(revision, request or SignedRequest())
