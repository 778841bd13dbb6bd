"""The whole farm at once: what a page shows when it opens, and what `farm status` prints."""

from fastapi import APIRouter

from api.deps import ControlDep
from api.problems import documented
from farm.views import AlarmView, FarmView, TakeOverView

router = APIRouter(tags=["farm"])


@router.get("/farm")
async def read_farm(control: ControlDep) -> FarmView:
    """Everything at once."""
    return control.snapshot()


@router.get("/alarms")
async def list_alarms(control: ControlDep) -> list[AlarmView]:
    """What a person must see."""
    return control.alarms()


@router.post("/farm/take-over", responses=documented(507))
async def take_over(control: ControlDep) -> TakeOverView:
    """This daemon acts from now on, above every other that nodes have heard of. They tell again what they did."""
    return await control.take_over()


@router.post("/farm/healing/done", status_code=204, responses=documented(503, 507))
async def finish_healing(control: ControlDep) -> None:
    """Wait no longer for nodes that have not told again what they did since the backup. Whenever they do, it counts."""
    await control.finish_healing()
