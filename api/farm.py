"""The whole farm at once: what a page shows when it opens, and what `farm status` prints."""

from fastapi import APIRouter

from api.deps import ControlDep
from farm.views import AlarmView, FarmView

router = APIRouter(tags=["farm"])


@router.get("/farm")
async def read_farm(control: ControlDep) -> FarmView:
    """Everything at once."""
    return control.snapshot()


@router.get("/alarms")
async def list_alarms(control: ControlDep) -> list[AlarmView]:
    """What a person must see."""
    return control.alarms()
