"""The nodes of a farm in memory, and the facts of theirs that were set aside."""

from farm.control_errors import missing
from farm.errors import NotFoundError
from farm.views import NodeView, SetAsideView
from gcode.texts import Bilingual


class MemoryNodes:
    """The part of `api.testing.MemoryControl` that is about nodes alone."""

    node_rows: dict[str, NodeView]
    set_aside_rows: dict[str, SetAsideView]

    def nodes(self) -> list[NodeView]:
        """All nodes, by name."""
        return sorted(self.node_rows.values(), key=lambda row: row.name)

    def node(self, node: str) -> NodeView:
        """One node. NotFoundError."""
        if node not in self.node_rows:
            raise missing("node", node)
        return self.node_rows[node]

    def set_aside(self, *, limit: int = 200, offset: int = 0) -> list[SetAsideView]:
        """Facts that were set aside, newest first."""
        rows = sorted(self.set_aside_rows.values(), key=lambda row: -row.created_at)
        return rows[offset : offset + limit]

    async def look_at_set_aside(self, fact: str) -> None:
        """Somebody has looked at it. NotFoundError."""
        if self.set_aside_rows.pop(fact, None) is None:
            raise NotFoundError(
                Bilingual(f"No fact {fact} is set aside.", f"Aucun fait {fact} n'est mis de côté."),
                next_step=Bilingual("`farm set-aside` lists them.", "`farm set-aside` en donne la liste."),
            )
