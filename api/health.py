"""Whether the daemon is alive, and whether it can do its work: for service managers and proxies."""

from fastapi import APIRouter, Request

from api.deps import ControlDep, GuardDep, HubDep
from api.problems import NotReadyError, documented
from farm.views import HealthView

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive. Says nothing about its work."""
    return {"status": "alive"}


@router.get("/readyz", responses=documented(503))
async def readyz(request: Request, control: ControlDep, hub: HubDep, guard: GuardDep) -> HealthView:
    """The store, the broker, the scheduler and the live updates work. What is wrong is told to the operator alone."""
    health = control.health()
    checks = {**health.checks, "live": "ok" if hub.running else "stopped"}
    ready = health.ready and hub.running
    if not guard.is_operator(request.scope):
        checks = {}
    if not ready:
        raise NotReadyError(checks)
    return HealthView(ready=True, checks=checks)
