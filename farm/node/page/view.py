"""What the node's page shows of a state. Pure; texts of machines and people stay texts."""

from typing import Any

from farm.node import core
from farm.node.core import Moment, NodeState, Printer
from farm.node.core.starts import autonomy_s, left


def _goes_on_s(state: NodeState, printer: Printer, moment: Moment) -> float | None:
    """How long this printer still starts what it was given, without the farm; None: it was given nothing."""
    if not core.open_allocations(state, printer.setup.id):
        return None
    if state.contact_s is None:
        return 0.0
    return max(0.0, state.contact_s + _autonomy_s(state, printer) - moment.boot_s)


def _autonomy_s(state: NodeState, printer: Printer) -> float:
    waiting = core.open_allocations(state, printer.setup.id)
    return max((autonomy_s(printer.setup, allocation) for allocation in waiting), default=0.0)


def _printer(state: NodeState, printer: Printer, moment: Moment, factor: float) -> dict[str, Any]:
    shown = core.printer_report(state, printer, moment).model_dump(mode="json")
    now = core.telemetry(printer.status, factor=factor).model_dump(mode="json", exclude={"state", "job"})
    waiting = sum(left(state, allocation) for allocation in core.open_allocations(state, printer.setup.id))
    return {**shown, **now, "waiting": waiting, "goes_on_s": _goes_on_s(state, printer, moment)}


def _age(since_s: float | None, moment: Moment) -> float | None:
    return None if since_s is None else max(0.0, moment.boot_s - since_s)


def view(state: NodeState, moment: Moment, *, name: str, online: bool, factor: float = 1.0) -> dict[str, Any]:
    """Everything on the page; ages and durations in seconds of farm time."""
    printers = [_printer(state, printer, moment, factor) for printer in state.printers.values()]
    by_person = state.gone_on_s is not None and state.gone_on_s == state.contact_s
    going = [printer["goes_on_s"] for printer in printers if printer["goes_on_s"] is not None]
    return {
        "name": name,
        "farm": {
            "online": online,
            "contact_age_s": _age(state.contact_s, moment),
            "by_person": by_person,
            "report_every_s": state.settings.report_every_s,
            "goes_on_s": max(going, default=None),
            "would_go_on_s": max((_autonomy_s(state, printer) for printer in state.printers.values()), default=0.0),
            "waiting": sum(printer["waiting"] for printer in printers),
            "untold": max(0, state.journal.head - state.journal.acked),
        },
        "disk": {"writable": state.writable, "nearly_full": state.nearly_full},
        "limits_trouble": None if state.limits_trouble is None else state.limits_trouble.model_dump(mode="json"),
        "printers": sorted(printers, key=lambda printer: str(printer["name"]).casefold()),
    }
