"""What a session looks like from outside: the status for pages, and errors in both languages."""

from typing import Final

from drivers.base import PrintEnd, PrinterState, PrinterStatus
from drivers.errors import (
    Bilingual,
    DriverError,
    FirmwareError,
    NotAPrinterError,
    PrinterBusyError,
    TransferError,
    UnreachableError,
    WithdrawnError,
    note_of,
)
from drivers.marlin.errands import Purpose
from drivers.marlin.events import JobEnded, Refused
from drivers.marlin.job import Phase
from drivers.marlin.protocol import Protocol
from gcode.texts import both

_STATES: Final = {
    Phase.CLOSED: PrinterState.OFFLINE,
    Phase.GREETING: PrinterState.CONNECTING,
    Phase.LOCATING: PrinterState.CONNECTING,
    Phase.SETUP: PrinterState.CONNECTING,
    Phase.READY: PrinterState.IDLE,
    Phase.REATTACHING: PrinterState.CONNECTING,
    Phase.ERRAND: PrinterState.IDLE,
    Phase.STARTING: PrinterState.PREPARING,
    Phase.RUNNING: PrinterState.PRINTING,
    Phase.PAUSING: PrinterState.PRINTING,
    Phase.PAUSED: PrinterState.PAUSED,
    Phase.RESUMING: PrinterState.PAUSED,
    Phase.ABORTING: PrinterState.FINISHING,
    Phase.DRAINING: PrinterState.FINISHING,
    Phase.KILLED: PrinterState.FAULT,
}
_ASKING: Final = frozenset({Phase.READY, Phase.STARTING, Phase.RUNNING, Phase.PAUSING, Phase.RESUMING, Phase.DRAINING})
_NOT_IDLE: Final = {
    PrinterState.OFFLINE: Bilingual("offline", "hors ligne"),
    PrinterState.CONNECTING: Bilingual("connecting", "en connexion"),
    PrinterState.IDLE: Bilingual("busy for a moment", "occupée un instant"),
    PrinterState.PREPARING: Bilingual("preparing", "en préparation"),
    PrinterState.PRINTING: Bilingual("printing", "en impression"),
    PrinterState.PAUSED: Bilingual("paused", "en pause"),
    PrinterState.ATTENTION: Bilingual("waiting for a person", "en attente d'une personne"),
    PrinterState.FINISHING: Bilingual("finishing", "en train de finir"),
    PrinterState.FAULT: Bilingual("stopped by a fault", "en panne"),
    PrinterState.FOREIGN: Bilingual("busy with another print", "occupée par une autre impression"),
}
_WAIT: Final = Bilingual("Wait until it is idle and try again.", "Attendez qu'elle soit libre et réessayez.")
_NO_WAITING: Final = {  # what does not end by itself
    PrinterState.OFFLINE: Bilingual("Switch it on and check its cable.", "Allumez-la et vérifiez son câble."),
    PrinterState.PAUSED: Bilingual("Resume or cancel its print first.", "Reprenez ou annulez d'abord son impression."),
    PrinterState.ATTENTION: Bilingual("Answer what it asks first.", "Répondez d'abord à ce qu'elle demande."),
    PrinterState.FAULT: Bilingual(
        "Look at it and mend the cause; then reset it and try again.",
        "Regardez-la et réparez la cause ; puis réinitialisez-la et réessayez.",
    ),
}


def state_of(protocol: Protocol) -> PrinterState:
    """One word for what the session does."""
    if protocol.silent:
        return PrinterState.OFFLINE
    if protocol.phase is Phase.READY and protocol.reported.foreign:
        return PrinterState.FOREIGN
    asks = protocol.reported.user_wait or (protocol.job is not None and protocol.reported.prompt is not None)
    if protocol.phase in _ASKING and asks:
        return PrinterState.ATTENTION
    if protocol.phase is Phase.RUNNING and protocol.job is not None:
        return PrinterState.PRINTING if protocol.job.modes.extruded else PrinterState.PREPARING
    if protocol.errand is not None and protocol.errand.purpose is Purpose.EJECT:
        return PrinterState.FINISHING
    return _STATES[protocol.phase]


def compose(protocol: Protocol, *, searching: bool, firmware: str | None, note: Bilingual | None) -> PrinterStatus:
    """The status; `searching`: the speed is looked for; `note`: what a person should know of the port."""
    job, reported = protocol.job, protocol.reported
    said, said_fr = note_of(reported.note or note)
    return PrinterStatus(
        state=PrinterState.CONNECTING if searching else state_of(protocol),
        job=job.name if job is not None else None,
        progress=round(job.progress, 3) if job is not None else None,
        nozzle=reported.nozzle,
        bed=reported.bed,
        firmware=firmware,
        fault=protocol.fault,
        note=said,
        note_fr=said_fr,
        prompt=reported.prompt,
    )


def not_idle(device: str, state: PrinterState) -> PrinterBusyError:
    """It does something else, or can do nothing."""
    words = _NOT_IDLE[state]
    return PrinterBusyError(
        Bilingual(f"The printer at {device} is {words.en}.", f"L'imprimante sur {device} est {words.fr}."),
        next_step=_NO_WAITING.get(state, _WAIT),
    )


def long_at_something(device: str) -> PrinterBusyError:
    """It answers that it works, and goes on working."""
    return PrinterBusyError(
        Bilingual(
            f"The printer at {device} is in the middle of something long.",
            f"L'imprimante sur {device} est au milieu d'une longue action.",
        ),
        next_step=Bilingual(
            "Wait until it has finished heating or homing, or reset it.",
            "Attendez la fin de la chauffe ou de la prise d'origine, ou réinitialisez-la.",
        ),
    )


def went_away(device: str, reason: Bilingual) -> UnreachableError:
    """The port is gone."""
    return UnreachableError(
        Bilingual(f"{device} went away: {reason.en}.", f"{device} a disparu : {reason.fr}."),
        next_step=Bilingual("Check cable and power.", "Vérifiez le câble et l'alimentation."),
    )


def no_contact(device: str) -> UnreachableError:
    """Nothing can be sent."""
    return UnreachableError(
        Bilingual(f"There is no contact with {device}.", f"Pas de contact avec {device}."),
        next_step=Bilingual("Switch the printer off at the mains.", "Coupez l'imprimante au secteur."),
    )


def let_go(device: str) -> UnreachableError:
    """The driver was closed meanwhile."""
    return UnreachableError(
        Bilingual(f"The printer at {device} was let go.", f"L'imprimante sur {device} a été libérée."),
        next_step=Bilingual("Connect it and try again.", "Connectez-la et réessayez."),
    )


def not_here_yet(device: str) -> UnreachableError:
    """It has not told yet who it is."""
    return UnreachableError(
        Bilingual(f"The printer at {device} does not answer yet.", f"L'imprimante sur {device} ne répond pas encore."),
        next_step=Bilingual("Check cable and power; it is asked again.", "Vérifiez le câble et l'alimentation ; on redemande."),
    )


def refused(device: str, event: Refused) -> NotAPrinterError:
    """Who answers cannot be driven."""
    why = Bilingual(f"The printer at {device} is not driven: {event.why.en}", f"Imprimante refusée sur {device} : {event.why.fr}")
    return NotAPrinterError(why, next_step=event.next_step)


def not_begun(event: JobEnded) -> DriverError:
    """The job ended before its first line."""
    fault = event.ending.fault
    if fault is not None:
        return FirmwareError(fault, next_step=Bilingual(fault.action_en, fault.action_fr))
    if event.ending.end is PrintEnd.CANCELLED:
        return WithdrawnError()
    detail = both(event.ending.detail)
    return TransferError(
        Bilingual(f"The print did not begin: {detail.en}", f"L'impression n'a pas commencé : {detail.fr}"),
        next_step=Bilingual("Try again.", "Réessayez."),
    )
