"""The application: `uvicorn --factory api.app:create_app`. Puts routes, gate, live updates, pages and the daemon together."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI

from api import (
    audit,
    backups,
    designs,
    enrolment,
    health,
    hub,
    jobs,
    nodes,
    openapi,
    orders,
    pages,
    people,
    printers,
    problems,
    programs,
    requesters,
    session,
    set_aside,
)
from api import farm as whole_farm
from api.auth import Gate, Guard, operator_token
from api.deps import People
from api.limits import BodyLimit, SecurityHeaders
from api.packing import Packing
from farm.addresses import is_loopback
from farm.config import DaemonSettings, load
from farm.control import Control
from farm.errors import ConfigurationError, FarmError
from farm.language import system_words
from gcode.texts import Bilingual

PREFIX: Final = "/api/v1"


@cache
def _routes() -> APIRouter:
    # they are the same in every application of a process: what FastAPI works out of them is worked out once
    router = APIRouter(prefix=PREFIX)
    things = (orders, printers, jobs, nodes, set_aside, designs, programs, requesters, audit, enrolment, people)
    for module in (*things, session, backups, whole_farm, hub):
        router.include_router(module.router)
    router.include_router(programs.uploads_router)
    router.include_router(programs.profiles_router)
    return router


def _settings(given: DaemonSettings | None) -> DaemonSettings:
    path = os.environ.get("FARM_CONFIG")
    return given or load(DaemonSettings, Path(path) if path else None)


async def _start_farm(settings: DaemonSettings, stack: AsyncExitStack) -> tuple[Control, People]:
    """Start the daemon, then the people's node; the stack ends them the other way round."""
    from farm.daemon import Daemon  # noqa: PLC0415 - tests of the routes need no store, no broker and no node
    from farm.people.library import Library  # noqa: PLC0415
    from farm.people.node import PeopleNode  # noqa: PLC0415

    clock = settings.clock.clock()
    daemon = await stack.enter_async_context(Daemon(settings, clock))

    def design_of(revision: str) -> str:
        names = (design.name for design in daemon.control.designs() if revision in design.revisions)
        return next(names, revision)

    makers = PeopleNode(
        settings.data / "people",
        daemon.people_identity(),
        clock,
        autonomy_s=settings.farm.manual_autonomy_s,
        library=Library(daemon.control.program_file, design_of, settings.profiles_folder),
    )
    stack.push_async_callback(makers.close)
    await makers.start()
    return daemon.control, makers


def _not_started(error: OSError) -> Bilingual:
    where = f" ({error.filename})" if error.filename else ""
    return Bilingual(f"The daemon could not start: {error}.", f"Le démon n'a pas pu démarrer : {system_words(error).fr}{where}.")


def create_app(
    *,
    control: Control | None = None,
    people: People | None = None,
    settings: DaemonSettings | None = None,
    token: str | None = None,
) -> FastAPI:
    """Make the application. Without `control` it runs a whole daemon for as long as it is served.

    Settings come from the file that FARM_CONFIG names, and the environment. `token` replaces the operator token of the data folder.

    Raises:
        ConfigurationError: the settings cannot be read. Whatever hinders the daemon is raised when the application starts.

    """
    chosen = _settings(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                running, makers = (control, people) if control is not None else await _start_farm(chosen, stack)
            except FarmError as error:
                app.state.start_failure = error  # `farm serve` tells it in one line
                raise
            except OSError as error:
                app.state.start_failure = failure = ConfigurationError(
                    _not_started(error),
                    next_step=Bilingual(
                        "Check the disk, and that this user may write the data folder.",
                        "Vérifiez le disque, et que cet utilisateur peut écrire dans le dossier de données.",
                    ),
                )
                raise failure from error
            app.state.control, app.state.people = running, makers
            stack.push_async_callback(app.state.packing.close)
            secret = token if token is not None else await asyncio.to_thread(operator_token, chosen.data)
            app.state.guard = Guard(
                token=secret,
                loopback=is_loopback(chosen.http.host),
                nodes=running,
                makers=makers,
                names=chosen.http.names,
            )
            app.state.hub = await stack.enter_async_context(hub.Hub(running))
            yield

    app = FastAPI(
        title="Essaim", version="1", lifespan=lifespan, openapi_url=f"{PREFIX}/openapi.json", docs_url=None, redoc_url=None
    )
    app.state.settings = chosen
    app.state.placed_orders = orders.PlacedOrders()
    app.state.uploads = asyncio.Semaphore(programs.MAX_UPLOADS)
    app.state.packing = Packing(chosen.http.upload_reserve_bytes)
    app.add_middleware(BodyLimit, max_upload_bytes=chosen.http.max_upload_bytes)
    app.add_middleware(Gate)
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    app.include_router(_routes())
    app.include_router(health.router)
    app.include_router(pages.router)
    app.mount("/static", pages.files, name="static")
    openapi.document(app)
    return app
