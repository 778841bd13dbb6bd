"""Nodes over HTTP."""

import httpx

from api.testing import MemoryControl


async def test_nodes_are_listed_by_name(client: httpx.AsyncClient, control: MemoryControl) -> None:
    control.add_node("nod-0", name="Zoé")
    listed = (await client.get("/api/v1/nodes")).json()
    assert [(row["name"], row["printers"]) for row in listed] == [("Zoé", []), ("nod-1", ["prn-1"])]


async def test_a_node_is_removed_unless_it_is_the_peoples_or_the_last(client: httpx.AsyncClient, control: MemoryControl) -> None:
    control.add_node("people")
    control.add_node("nod-2")
    assert (await client.delete("/api/v1/nodes/people")).json()["code"] == "people-node"
    assert (await client.delete("/api/v1/nodes/nod-2")).status_code == 204
    assert (await client.delete("/api/v1/nodes/nod-2")).status_code == 404
    assert (await client.delete("/api/v1/nodes/nod-1")).json()["code"] == "last-node"
    assert (await client.delete("/api/v1/nodes/nod-1?also_last=true")).status_code == 204
    assert (await client.get("/api/v1/printers")).json() == []
