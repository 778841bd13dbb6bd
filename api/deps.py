"""What routes ask for: the running farm, the people's node, the guard and who asks."""

from pathlib import Path
from typing import Annotated, Protocol

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from api.auth import Guard, Principal
from api.hub import Hub
from farm.control import Control
from farm.errors import NotFoundError
from farm.request_bodies import MakerRequest, ManualReport
from farm.views import MakerView, ManualJobView
from gcode.texts import Bilingual


class People(Protocol):
    """The people's node: makers who print by hand. `farm.people.node.PeopleNode` is the implementation."""

    async def add_maker(self, request: MakerRequest) -> MakerView:
        """Add a maker; the answer holds the token, once. ConflictError: the node is full."""
        ...

    async def remove_maker(self, printer: str) -> None:
        """A maker leaves; the token is void at once. NotFoundError."""
        ...

    def makers(self) -> list[MakerView]:
        """All makers, by name."""
        ...

    def authenticate(self, token: str) -> str | None:
        """The printer id of the maker with this token, or None."""
        ...

    def jobs(self, printer: str) -> list[ManualJobView]:
        """What this maker may print or is printing."""
        ...

    def program_file(self, printer: str, job: str) -> Path:
        """The file of a job. NotFoundError."""
        ...

    async def accept(self, printer: str, job: str) -> ManualJobView:
        """The maker will print it. NotFoundError; ConflictError: it was taken back."""
        ...

    async def report(self, printer: str, job: str, report: ManualReport) -> ManualJobView:
        """What came of it. NotFoundError; ConflictError: not accepted; InvalidError: more than its parts."""
        ...


def _control(connection: HTTPConnection) -> Control:
    control: Control = connection.app.state.control
    return control


def _guard(connection: HTTPConnection) -> Guard:
    guard: Guard = connection.app.state.guard
    return guard


def _hub(connection: HTTPConnection) -> Hub:
    hub: Hub = connection.app.state.hub
    return hub


def _people(connection: HTTPConnection) -> People:
    people: People | None = connection.app.state.people
    if people is None:
        raise NotFoundError(
            Bilingual("This farm has no people's node.", "Cette ferme n'a pas de nœud des makers."),
            next_step=Bilingual(
                "It is there when the farm was started with `farm serve`.",
                "Il est là quand la ferme a été démarrée avec `farm serve`.",
            ),
            code="no-people",
        )
    return people


def _principal(request: Request) -> Principal:
    principal: Principal = request.scope["state"]["principal"]
    return principal


ControlDep = Annotated[Control, Depends(_control)]
GuardDep = Annotated[Guard, Depends(_guard)]
HubDep = Annotated[Hub, Depends(_hub)]
PeopleDep = Annotated[People, Depends(_people)]
PrincipalDep = Annotated[Principal, Depends(_principal)]
