"""What routes are given."""

import httpx
from fastapi import FastAPI

from api.auth import OPERATOR, Guard
from api.deps import ControlDep, GuardDep, HubDep, PeopleDep, PrincipalDep
from api.testing import MemoryControl, MemoryPeople


async def test_routes_get_the_parts_of_the_running_farm(
    app: FastAPI, client: httpx.AsyncClient, control: MemoryControl, people: MemoryPeople
) -> None:
    seen: list[object] = []

    async def route(control: ControlDep, guard: GuardDep, hub: HubDep, people: PeopleDep, who: PrincipalDep) -> None:
        seen.extend((control, guard, hub, people, who))

    app.add_api_route("/api/v1/test-only", route)
    assert (await client.get("/api/v1/test-only")).status_code == 200
    assert seen[0] is control
    assert isinstance(seen[1], Guard)
    assert seen[2] is app.state.hub
    assert seen[3] is people
    assert seen[4] == OPERATOR
