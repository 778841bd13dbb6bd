"""Designs: what can be ordered."""

from fastapi import APIRouter

from api.deps import ControlDep
from farm.views import DesignView

router = APIRouter(prefix="/designs", tags=["designs"])


@router.get("")
async def list_designs(control: ControlDep) -> list[DesignView]:
    """All designs with their revisions, newest first."""
    return control.designs()
