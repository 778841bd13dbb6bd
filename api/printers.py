"""Printers: what each does, and the hands that it needs."""

from fastapi import APIRouter

from api.deps import ControlDep
from api.problems import documented
from farm.request_bodies import AnswerRequest, ClearBedRequest, CollectRequest
from farm.views import CommandAccepted, PrinterView

router = APIRouter(prefix="/printers", tags=["printers"])


@router.get("")
async def list_printers(control: ControlDep) -> list[PrinterView]:
    """All printers, by name."""
    return control.printers()


@router.get("/{printer}", responses=documented(404))
async def read_printer(printer: str, control: ControlDep) -> PrinterView:
    """One printer."""
    return control.printer(printer)


@router.post("/{printer}/collect", status_code=202, responses=documented(404, 409, 422, 507))
async def collect(printer: str, request: CollectRequest, control: ControlDep) -> CommandAccepted:
    """Say what a hand took off the bed: only now parts count. Names the job, so that a stale click does nothing."""
    return await control.collect(printer, request)


@router.post("/{printer}/clear-bed", status_code=202, responses=documented(404, 409, 422, 507))
async def clear_bed(printer: str, request: ClearBedRequest, control: ControlDep) -> CommandAccepted:
    """Say that the bed is clear, whatever was on it."""
    return await control.clear_bed(printer, request)


@router.post("/{printer}/emergency-stop", status_code=202, responses=documented(404, 409, 503))
async def emergency_stop(printer: str, control: ControlDep) -> CommandAccepted:
    """Stop heat and motion at once. Over a network this is no substitute for the switch at the machine."""
    return await control.emergency_stop(printer)


@router.post("/{printer}/answer", status_code=202, responses=documented(404, 409, 422, 503))
async def answer(printer: str, request: AnswerRequest, control: ControlDep) -> CommandAccepted:
    """Answer what the machine asks (`prompt` of the printer). Names the question, so that a stale click does nothing."""
    return await control.answer(printer, request)


@router.delete("/{printer}", status_code=204, responses=documented(404, 409, 507))
async def remove_printer(printer: str, control: ControlDep) -> None:
    """Forget a printer that is gone, and that its node does not report. If it comes back it is reported again."""
    await control.remove_printer(printer)
