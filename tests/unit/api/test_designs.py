"""Designs over HTTP."""

import httpx

from api.testing import MemoryControl
from tests.unit.api.serving import GCODE, add_visor


async def test_designs_have_their_newest_revision_first(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    await add_visor(control, GCODE + b";2", revision="visor-frame-r2")
    expected = [{"id": "visor-frame", "name": "visor-frame", "revisions": ["visor-frame-r2", "visor-frame-r1"]}]
    assert (await client.get("/api/v1/designs")).json() == expected
