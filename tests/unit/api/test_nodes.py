"""Nodes over HTTP."""

import httpx

from api.testing import MemoryControl


async def test_nodes_are_listed_by_name(client: httpx.AsyncClient, control: MemoryControl) -> None:
    control.add_node("nod-0", name="Zoé")
    listed = (await client.get("/api/v1/nodes")).json()
    assert [(row["name"], row["printers"]) for row in listed] == [("Zoé", []), ("nod-1", ["prn-1"])]
