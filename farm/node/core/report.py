"""What a node tells: reports of what *is*, and telemetry."""

from math import isfinite

from drivers.base import PrinterStatus, Temperature
from farm.bus.messages import (
    MAX_PACKET_BYTES,
    MAX_REFUSALS,
    JournalPosition,
    Occupation,
    PrinterReport,
    PrinterTelemetry,
    ProgramRefusal,
    PromptNote,
    ReasonNote,
    Report,
)
from farm.node.core.checks import checks_word, refusals, refused_programs
from farm.node.core.contact import remember_sent
from farm.node.core.draft import clip, fault_note, prompt_note
from farm.node.core.starts import why_not_ready
from farm.node.core.state import Moment, NodeState, Occupied, Printer

_MAX_C, _MIN_C, _MAX_S = 2_000.0, -300.0, 1e10
_FEW_PRINTERS = 8  # these fit with every text at its full length
_FEWER_REFUSALS = (MAX_REFUSALS, 6, 1)  # of a printer, where all of them do not fit; what is allocated comes first


def _occupation(occupied: Occupied, now_s: float) -> Occupation:
    age_s = min(max(0.0, now_s - occupied.began_s), _MAX_S)
    return Occupation(id=occupied.id, kind=occupied.kind, job=occupied.job, outcome=occupied.outcome, age_s=age_s)


def printer_report(state: NodeState, printer: Printer, moment: Moment) -> PrinterReport:
    """One printer as it is, for the daemon and for the node's own page."""
    setup, status = printer.setup, printer.status
    occupied = state.occupations.get(setup.id)
    reason = why_not_ready(state, printer, moment)
    return PrinterReport(
        id=setup.id,
        name=clip(setup.name, 80),
        driver=clip(setup.driver, 80),
        profile=setup.profile,
        material=clip(setup.material, 80),
        nozzle_mm=setup.nozzle_mm,
        state=status.state,
        bed=state.bed(setup.id),
        occupation=None if occupied is None else _occupation(occupied, moment.boot_s),
        ready=reason is None,
        reason=reason,
        fault=None if status.fault is None else fault_note(status.fault),
        autonomy_s=setup.autonomy_s,
        capabilities=sorted(setup.capabilities),
        firmware=None if status.firmware is None else clip(status.firmware),
        prompt=None if status.prompt is None else prompt_note(status.prompt),
        refusals=refusals(state, setup.id),
        checks=checks_word(state),
    )


def report(state: NodeState, moment: Moment, *, name: str = "", agent: str = "") -> tuple[NodeState, Report]:
    """Make the next report. It counts as sent now; contact is reckoned from this moment once it is acknowledged."""
    state = remember_sent(state, moment.boot_s)
    wanted = {allocation.id for allocations in state.allocations.values() for allocation in allocations}
    place = state.journal
    message = Report(
        generation=state.generation,
        desired_version=state.version,
        boot=state.boot,
        report=state.report,
        journal=JournalPosition(epoch=place.epoch, oldest=place.oldest, head=place.head, acked=place.acked),
        printers=[printer_report(state, printer, moment) for printer in state.printers.values()],
        name=clip(name, 80),
        agent=clip(agent, 80),
        started={key: jobs for key, jobs in state.started.items() if key in wanted},
    )
    return state, _fitting(message)


def _fitting(message: Report) -> Report:
    """Leave out the long texts when many printers have much to say at once: a report must reach the daemon in one packet."""
    if len(message.printers) <= _FEW_PRINTERS or _fits(message):
        return message
    shorter = (_shorter(message, most) for most in _FEWER_REFUSALS)
    return next((found for found in shorter if _fits(found)), _shorter(message, 0))


def _fits(message: Report) -> bool:
    return len(message.model_dump_json().encode()) <= MAX_PACKET_BYTES * 0.9


def _shorter(message: Report, refusals: int) -> Report:
    short = [
        printer.model_copy(
            update={
                "fault": None,
                "firmware": None,
                "reason": _shortened(printer.reason),
                "prompt": _brief(printer.prompt),
                "refusals": [_without_words(one) for one in printer.refusals[:refusals]],
            }
        )
        for printer in message.printers
    ]
    return message.model_copy(update={"printers": short})


def _shortened(reason: ReasonNote | None) -> ReasonNote | None:
    return reason and ReasonNote(code=reason.code, en=clip(reason.en, 40), fr=clip(reason.fr, 40))


def _without_words(refusal: ProgramRefusal) -> ProgramRefusal:
    return refusal.model_copy(update={"reason": ReasonNote(code=refusal.reason.code, en="", fr="")})


def _brief(prompt: PromptNote | None) -> PromptNote | None:
    return prompt and PromptNote(
        id=prompt.id,
        text=clip(prompt.text, 40),
        choices=[clip(one, 12) for one in prompt.choices],
        text_fr=None if prompt.text_fr is None else clip(prompt.text_fr, 40),
        choices_fr=[clip(one, 12) for one in prompt.choices_fr],
    )


def face(state: NodeState, moment: Moment) -> tuple[object, ...]:
    """What of a state the daemon should hear of at once: when this differs, a report is due."""
    printers = tuple(
        (
            key,
            value.status.state,
            value.status.fault,
            value.status.prompt,
            why_not_ready(state, value, moment),
            state.occupations.get(key),
            value.setup,
        )
        for key, value in state.printers.items()
    )
    return (state.generation, state.version, state.journal.epoch, refused_programs(state), printers)


def _celsius(temperature: Temperature | None) -> tuple[float | None, float | None]:
    if temperature is None or not (isfinite(temperature.actual_c) and isfinite(temperature.target_c)):
        return None, None
    return min(max(temperature.actual_c, _MIN_C), _MAX_C), min(max(temperature.target_c, _MIN_C), _MAX_C)


def telemetry(status: PrinterStatus, *, factor: float = 1.0) -> PrinterTelemetry:
    """The newest of one printer; `factor` turns the driver's real seconds into farm time. Impossible figures are left out."""
    nozzle, bed = _celsius(status.nozzle), _celsius(status.bed)
    progress, remaining_s = status.progress, status.remaining_s
    return PrinterTelemetry(
        state=status.state,
        job=status.job,
        progress=None if progress is None or not isfinite(progress) else min(max(progress, 0.0), 1.0),
        remaining_s=None if remaining_s is None or not isfinite(remaining_s) else min(max(remaining_s * factor, 0.0), _MAX_S),
        nozzle_c=nozzle[0],
        nozzle_target_c=nozzle[1],
        bed_c=bed[0],
        bed_target_c=bed[1],
        note=None if status.note is None else clip(status.note),
        note_fr=None if status.note_fr is None else clip(status.note_fr),
    )
