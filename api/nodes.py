"""Nodes: the agents beside the printers."""

from fastapi import APIRouter

from api.deps import ControlDep
from farm.views import NodeView

router = APIRouter(prefix="/nodes", tags=["nodes"])


@router.get("")
async def list_nodes(control: ControlDep) -> list[NodeView]:
    """All nodes, by name."""
    return control.nodes()
