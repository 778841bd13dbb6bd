"""Nodes: the agents beside the printers."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import ControlDep
from api.problems import documented
from farm.views import NodeView

router = APIRouter(prefix="/nodes", tags=["nodes"])


@router.get("")
async def list_nodes(control: ControlDep) -> list[NodeView]:
    """All nodes, by name."""
    return control.nodes()


@router.get("/{node}", responses=documented(404))
async def read_node(node: str, control: ControlDep) -> NodeView:
    """One node, with the messages of it that were rejected."""
    return control.node(node)


@router.delete("/{node}", status_code=204, responses=documented(404, 409, 507))
async def remove_node(
    node: str, control: ControlDep, also_last: Annotated[bool, Query(description="even if nothing prints then")] = False
) -> None:
    """Shut a node out for good: its password is void at once, what it holds is given to others once its lease has ended."""
    await control.remove_node(node, also_last=also_last)
