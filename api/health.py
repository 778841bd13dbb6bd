"""Whether the daemon is alive, and whether it can do its work: for service managers and proxies."""

from typing import Final

from fastapi import APIRouter, Request

from api.deps import ControlDep, GuardDep, HubDep
from api.problems import NotReadyError, documented
from farm.views import HealthView
from gcode.texts import Bilingual

router = APIRouter(tags=["health"])
_RUNNING: Final = Bilingual("ok", "ok")
_STOPPED: Final = Bilingual("stopped", "à l'arrêt")


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive. Says nothing about its work."""
    return {"status": "alive"}


@router.get("/readyz", responses=documented(503))
async def readyz(request: Request, control: ControlDep, hub: HubDep, guard: GuardDep) -> HealthView:
    """The store, the broker, the scheduler and the live updates work. What is wrong is told to the operator alone."""
    health = control.health()
    live = _RUNNING if hub.running else _STOPPED
    checks = {**health.checks, "live": live.en}
    checks_fr = {**health.checks_fr, "live": live.fr}
    ready = health.ready and hub.running
    if not guard.is_operator(request.scope):
        checks, checks_fr = {}, {}
    if not ready:
        raise NotReadyError(checks, checks_fr)
    return HealthView(ready=True, checks=checks, checks_fr=checks_fr)
