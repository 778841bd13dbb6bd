"""What we know of one OctoPrint and of our job on it: a pure state machine. Readings and events go in, effects come out.

Three sources disagree at times, measured with 1.11.8. Events come at once and in order. An answer of `GET /api/job` is fresh. A
throttled `current` message can show what was true seconds ago, so it only brings progress and temperatures, and a state that
contradicts ours is a reason to ask. Nothing at all is told about the time when we were away: then the file's print record speaks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from drivers.base import Fault, PrintEnd, PrintEnded, PrinterState, PrinterStatus, Prompt
from drivers.errors import Bilingual, note_of
from drivers.octoprint.faults import firmware_fault, named_fault, reset_fault, stalled_fault, stopped_fault
from drivers.octoprint.job import Doubt, Effect, OpenJob
from drivers.octoprint.reading import (
    ACTIVE,
    APART,
    Phase,
    PrintRecord,
    Question,
    Reading,
    job_path,
    log_lines_of,
    number_of,
    phase_of,
    table_of,
    temperatures_of,
    text_of,
)
from gcode.texts import Told

OUR_DISCONNECT_S: Final = 5.0  # from our command to the event that tells of it
# Two files selected and started in the same moment make 1.11.8 tell PrintDone, and count a success, for one of which not a line was
# printed, after milliseconds and with no print time (measured). It sends 1,500 lines a second at best (measured): over ten times
# that is no print.
LINES_A_S: Final = 20_000.0
TOO_SOON: Final = Told(
    "too-soon",
    "OctoPrint calls it done sooner than it can send it: another file was started in the same moment.",
    "OctoPrint la dit finie plus tôt qu'il n'a pu l'envoyer : un autre fichier a été lancé au même moment.",
)
COUNTED: Final = Told("printed", "OctoPrint has counted it as printed.", "OctoPrint l'a comptée comme imprimée.")
_SENT: Final = Told("printed", "OctoPrint has sent every line.", "OctoPrint a envoyé toutes les lignes.")
_GONE: Final = Told("file-gone", "Its file is gone from OctoPrint.", "Son fichier a disparu d'OctoPrint.")
_CANCELLED: Final = Told("cancelled", "Cancelled.", "Annulée.")
_LOST: Final = Told(
    "printer-lost",
    "OctoPrint lost the printer, or the print was cancelled while we were away.",
    "OctoPrint a perdu l'imprimante, ou l'impression a été annulée en notre absence.",
)
_FORGOTTEN: Final = Told(
    "forgotten", "OctoPrint was restarted, or forgot the print.", "OctoPrint a redémarré, ou a oublié l'impression."
)
_DISCONNECTED: Final = Told(
    "printer-lost", "OctoPrint was disconnected from the printer.", "OctoPrint a été déconnecté de l'imprimante."
)
_KEPT_APART: Final = Bilingual(
    "A person has disconnected the printer in OctoPrint.", "Quelqu'un a déconnecté l'imprimante dans OctoPrint."
)
_IS_OFF: Final = Bilingual(
    "The printer's mains are switched off (PSU Control).", "L'alimentation de l'imprimante est coupée (PSU Control)."
)
_WAITS: Final = Bilingual("The printer waits for a person.", "L'imprimante attend une personne.")
_WAITS_FOR_FILAMENT: Final = Bilingual("The printer waits for other filament.", "L'imprimante attend un autre filament.")
_NOT_CONNECTED: Final = Bilingual("OctoPrint is not connected to the printer.", "OctoPrint n'est pas connecté à l'imprimante.")
AFTERMATH_S: Final = 5.0  # how long a reading of a print that has just ended may still say "Printing"


_STATES: Final[dict[Phase, PrinterState]] = {
    Phase.CLOSED: PrinterState.OFFLINE,
    Phase.FAILED: PrinterState.OFFLINE,
    Phase.CONNECTING: PrinterState.CONNECTING,
    Phase.OPERATIONAL: PrinterState.IDLE,
    Phase.PRINTING: PrinterState.PRINTING,
    Phase.PAUSED: PrinterState.PAUSED,
    Phase.FINISHING: PrinterState.FINISHING,
    Phase.CANCELLING: PrinterState.FINISHING,
    Phase.TRANSFERRING: PrinterState.FOREIGN,
    Phase.UNKNOWN: PrinterState.ATTENTION,
}


class Machine:
    """One OctoPrint as we know it. Times are seconds of one monotonic clock."""

    def __init__(self, *, stall_s: float) -> None:
        self.online = False
        self.reading = Reading()
        self.job: OpenJob | None = None
        self.fault: Fault | None = None
        self.note: str | Bilingual | None = None  # why it is not online; None before the first attempt has failed
        self.user = ""  # our name at OctoPrint
        self.server: str | None = None  # "OctoPrint 1.11.8"
        self.firmware: str | None = None  # the printer's own; OctoPrint tells it only when it connects
        self.hint: str | Bilingual | None = None  # what a technician could make better, shown when there is nothing else to say
        self.prompt: Prompt | None = None  # what the printer asks
        self.is_off = False  # its mains, as PSU Control knows it
        self.kept_apart = False  # a person pressed Disconnect: it is not for us to press Connect
        self.events = 0  # counts what was taken, so that a slow answer is not taken for newer than an event
        self._stall_s = stall_s
        self._waits_for: Bilingual | None = None
        self._error_reason: str | None = None
        self._reset = False
        self._ended_path: str | None = None
        self._ended_s = 0.0
        self._ours_until_s = float("-inf")
        self._now_s = 0.0

    # --- our job ----------------------------------------------------------------------------------------------------------------

    def open(self, job: str, now_s: float, *, started: bool = False) -> OpenJob:
        """Follow `job` from now on."""
        self.job = OpenJob(job, job_path(job), started=started, moved_s=now_s)
        self._reset = False
        return self.job

    def drop(self, job: OpenJob) -> None:
        """Forget a job that did not begin."""
        if self.job is job:
            self.job = None

    def _end(self, end: PrintEnd, detail: str, *, fault: Fault | None = None, by_person: bool = False) -> Effect:
        if self.job is None:
            return None
        ended = PrintEnded(self.job.job, end, detail, fault=fault, by_person=by_person)
        self._ended_path, self._ended_s = self.job.path, self._now_s
        self._waits_for = None
        self.job = None
        return ended

    def judge(self, reading: Reading, record: PrintRecord | None, now_s: float) -> Effect:
        """Say what became of the open job, which OctoPrint does not print any more, from what OctoPrint remembers.

        None when there is nothing to judge. Idle alone is never taken for done.
        """
        job, self._now_s = self.job, now_s
        if job is None or not job.started or reading.active_with(job.path) or reading.phase is Phase.UNKNOWN:
            return None
        if job.cancelled:
            return self._cancelled(job)
        end, detail = self._verdict(job, reading, record)
        failed = end is PrintEnd.FAILED
        return self._end(end, detail, fault=self.fault if failed else None, by_person=failed and self.kept_apart)

    @staticmethod
    def _verdict(job: OpenJob, reading: Reading, record: PrintRecord | None) -> tuple[PrintEnd, str]:
        if record is None:
            return PrintEnd.INTERRUPTED, _GONE
        if record.successes and job.too_soon(record.last_s):
            return PrintEnd.FAILED, TOO_SOON
        if record.successes:
            return PrintEnd.DONE, COUNTED
        if record.failures and job.cancel_asked:
            return PrintEnd.CANCELLED, _CANCELLED
        if record.failures or job.lost:
            return PrintEnd.FAILED, reading.error or _LOST
        return PrintEnd.INTERRUPTED, _FORGOTTEN

    # --- what comes in ------------------------------------------------------------------------------------------------------------

    def take_reading(self, reading: Reading, now_s: float) -> Effect:
        """Believe a fresh answer of `GET /api/job`."""
        self._now_s = now_s
        kept = self.reading
        self.reading = replace(reading, nozzle=reading.nozzle or kept.nozzle, bed=reading.bed or kept.bed)
        if reading.phase not in APART:
            self.fault, self.kept_apart = None, False
        return self._follow()

    def _follow(self) -> Effect:
        job, reading = self.job, self.reading
        if job is None:
            return None
        if reading.active_with(job.path):
            if reading.position_bytes != job.position_bytes or reading.phase is not Phase.PRINTING:
                job.position_bytes, job.moved_s = reading.position_bytes, self._now_s
            return job.runs(self._now_s)
        job.lost = job.lost or (job.started and reading.phase is Phase.FAILED)
        return Doubt() if job.started and reading.phase is not Phase.UNKNOWN else None

    def take_error(self, reason: str, text: str, lines: Sequence[str] = ()) -> None:
        """Believe `GET /api/printer/error` and the error of `GET /api/job`, after a time when events were missed.

        `lines`: the last ones of OctoPrint's terminal.
        """
        if reason == "firmware":
            self.fault = firmware_fault(text, lines)
        elif "emergency stop" in text.lower():
            self.fault = stopped_fault(text)

    def take_current(self, reading: Reading, temperatures: object, now_s: float) -> bool:
        """Take progress and temperatures of a `current` message; True when its state contradicts ours."""
        self._now_s = now_s
        if isinstance(temperatures, list) and temperatures:
            nozzle, bed = temperatures_of(temperatures[-1])
            self.reading = replace(self.reading, nozzle=nozzle, bed=bed)
        if reading.phase is not self.reading.phase or reading.path != self.reading.path:
            return True
        self.reading = replace(reading, nozzle=self.reading.nozzle, bed=self.reading.bed)
        self._follow()
        return False

    def take_event(self, kind: str, content: object, now_s: float) -> Effect:
        """Take one event of the socket; unknown kinds are nothing."""
        self.events += 1
        self._now_s = now_s
        if signal := self._SIGNALS.get(kind):
            return signal(self)
        report = self._REPORTS.get(kind)
        return report(self, table_of(content)) if report else None

    def _ours(self, content: Mapping[str, Any]) -> OpenJob | None:
        job = self.job
        return job if job and content.get("origin") == "local" and content.get("path") == job.path else None

    def _print_started(self, content: Mapping[str, Any]) -> Effect:
        path = text_of(content.get("path"))
        self.reading = replace(
            self.reading, phase=Phase.PRINTING, path=path, local=content.get("origin") != "sdcard", completion=0.0, remaining_s=None
        )
        self._waits_for = self._ended_path = None
        if (job := self._ours(content)) is None:
            return None
        job.moved_s = self._now_s
        return job.runs(self._now_s)

    def _print_done(self, content: Mapping[str, Any]) -> Effect:
        job = self._ours(content)
        if job is None:
            return None
        seen_s = 0.0 if job.began_s is None else self._now_s - job.began_s
        took_s = number_of(content.get("time"))
        if job.too_soon(seen_s if took_s is None else took_s):
            return self._end(PrintEnd.FAILED, TOO_SOON)
        return self._end(PrintEnd.DONE, _SENT)

    def _print_cancelling(self, content: Mapping[str, Any]) -> Effect:
        if job := self._ours(content):
            job.firmware_error = text_of(content.get("firmwareError"))
        return None

    def _print_cancelled(self, content: Mapping[str, Any]) -> Effect:
        if job := self._ours(content):
            job.cancelled_by = text_of(content.get("user"))
            return Doubt()
        return None

    def _print_failed(self, content: Mapping[str, Any]) -> Effect:
        job = self._ours(content)
        if job is None:
            return None
        if content.get("reason") == "cancelled":
            return self._print_failed_by_cancel(job)
        error = text_of(content.get("error"))
        if error and "emergency stop" in error.lower():
            self.fault = self.fault or stopped_fault(error)
        elif error:
            self.fault = self.fault or named_fault(error)  # the Error event that says so may come after this, under load (measured)
        detail = error or _DISCONNECTED
        return self._end(PrintEnd.FAILED, detail, fault=self.fault, by_person=self.kept_apart)

    def _print_failed_by_cancel(self, job: OpenJob) -> Effect:
        if job.cancelled_by or job.cancel_asked or job.firmware_error or self._reset:
            return self._cancelled(job)
        # nobody's name: from the printer. The PrinterReset that explains it may come before or, under load, after this (measured)
        job.cancelled = True
        return Doubt()

    def _cancelled(self, job: OpenJob) -> Effect:
        if job.firmware_error:
            fault = firmware_fault(job.firmware_error)
            return self._end(PrintEnd.FAILED, job.firmware_error, fault=fault)
        if self._reset:
            fault = reset_fault()
            return self._end(PrintEnd.FAILED, Told(fault.code, fault.meaning_en, fault.meaning_fr), fault=fault)
        by_us = job.cancel_asked and job.cancelled_by in {None, self.user}
        who = Bilingual(job.cancelled_by or "somebody at the printer", job.cancelled_by or "quelqu'un à l'imprimante")
        who = Bilingual("us", "nous") if by_us else who
        detail = Told("cancelled", f"Cancelled by {who.en}.", f"Annulée par {who.fr}.")
        return self._end(PrintEnd.CANCELLED, detail, by_person=not by_us)

    def _printer_reset(self, content: Mapping[str, Any]) -> Effect:
        self._reset = self.job is not None and content.get("idle") is not True
        return self._cancelled(self.job) if self._reset and self.job and self.job.cancelled else None

    def _error(self, content: Mapping[str, Any]) -> Effect:
        self._error_reason = text_of(content.get("reason"))
        self.take_error(self._error_reason or "", text_of(content.get("error")) or "", log_lines_of(content.get("logs")))
        return None

    def take_question(self, question: Question | None, new_id: str) -> None:
        """The printer asks this now, or (None) nothing any more. `new_id` is for a question that was not asked before."""
        if question is None:
            self.prompt = None
        elif self.prompt is None or (self.prompt.text, self.prompt.choices) != (question.text, question.choices):
            self.prompt = Prompt(new_id, question.text, question.choices)

    def _emergency_stop(self) -> Effect:
        # OctoPrint also sends M112 after a silence or too many resends: that is no quarantine
        if self._error_reason is None:
            self.fault = self.fault or stopped_fault()
        return None

    def _connected(self) -> Effect:
        self.fault = self._error_reason = None
        self.kept_apart = False
        return None

    def expect_disconnect(self, now_s: float) -> None:
        """Take the next Disconnect for ours, when it comes soon."""
        self._ours_until_s = now_s + OUR_DISCONNECT_S

    def _disconnecting(self) -> Effect:
        # only a person's or a program's Disconnect says so beforehand (measured)
        self.kept_apart = self._now_s > self._ours_until_s
        return None

    def _disconnected(self) -> Effect:
        self.reading = replace(self.reading, nozzle=None, bed=None)
        self.prompt = None
        if self.job is None or not self.job.started:
            return None
        self.job.lost = True
        return Doubt()

    def _state_changed(self, content: Mapping[str, Any]) -> Effect:
        said = content.get("state_string")
        self.reading = replace(self.reading, phase=phase_of(said), state=text_of(said))
        return self._follow() if self.reading.phase in ACTIVE else None

    def _firmware_data(self, content: Mapping[str, Any]) -> Effect:
        self.firmware = text_of(content.get("name"))
        return None

    def _waiting(self) -> Effect:
        self._waits_for = _WAITS
        return None

    def _filament_change(self) -> Effect:
        self._waits_for = _WAITS_FOR_FILAMENT
        return None

    def _resumed(self) -> Effect:
        self._waits_for = None
        if self.job:
            self.job.moved_s = self._now_s
        return None

    _SIGNALS: ClassVar[dict[str, Callable[["Machine"], Effect]]] = {
        "Connected": _connected,
        "Disconnecting": _disconnecting,
        "Disconnected": _disconnected,
        "EStop": _emergency_stop,
        "FilamentChange": _filament_change,
        "PrintResumed": _resumed,
        "Waiting": _waiting,
    }
    _REPORTS: ClassVar[dict[str, Callable[["Machine", Mapping[str, Any]], Effect]]] = {
        "Error": _error,
        "FirmwareData": _firmware_data,
        "PrintCancelled": _print_cancelled,
        "PrintCancelling": _print_cancelling,
        "PrintDone": _print_done,
        "PrintFailed": _print_failed,
        "PrintStarted": _print_started,
        "PrinterReset": _printer_reset,
        "PrinterStateChanged": _state_changed,
    }

    # --- what it means ------------------------------------------------------------------------------------------------------------

    def status(self, now_s: float) -> PrinterStatus:
        """The status in the words of `drivers.base`."""
        reading = self.reading
        if not self.online:
            state = PrinterState.OFFLINE if self.note else PrinterState.CONNECTING
            note, note_fr = note_of(self.note)
            return PrinterStatus(state, self._job_id(), firmware=self._versions(), fault=self.fault, note=note, note_fr=note_fr)
        state, said = self._state(now_s)
        note, note_fr = note_of(said or self.hint)
        running = self.job is not None and self.job.started and state is not PrinterState.OFFLINE
        return PrinterStatus(
            state=state,
            job=self._job_id(),
            progress=self._progress() if running else None,
            remaining_s=reading.remaining_s if running else None,
            nozzle=reading.nozzle,
            bed=reading.bed,
            firmware=self._versions(),
            fault=self.fault or self._stall(now_s),
            note=note,
            note_fr=note_fr,
            prompt=self.prompt,
        )

    def _versions(self) -> str | None:
        return ", ".join(text for text in (self.firmware, self.server) if text) or None

    def _job_id(self) -> str | None:
        return self.job.job if self.job else None

    def _progress(self) -> float | None:
        completion = self.reading.completion
        return None if completion is None else round(min(max(completion / 100, 0.0), 1.0), 3)

    def _state(self, now_s: float) -> tuple[PrinterState, str | Bilingual | None]:
        reading = self.reading
        if reading.phase in APART:
            return self._apart()
        if self.job and not self.job.started:
            return PrinterState.PREPARING, None
        if reading.phase in ACTIVE:
            return self._active(now_s)
        return self._waiting_for_work()

    def _waiting_for_work(self) -> tuple[PrinterState, str | Bilingual | None]:
        reading = self.reading
        if reading.phase is Phase.UNKNOWN:
            return PrinterState.ATTENTION, _says(reading.state)
        if self.job and reading.phase is Phase.OPERATIONAL:
            return PrinterState.FINISHING, None  # its verdict is not there yet
        if reading.phase is Phase.OPERATIONAL and self.prompt:
            return PrinterState.ATTENTION, self.prompt.text
        return _STATES[reading.phase], None

    def _apart(self) -> tuple[PrinterState, str | Bilingual | None]:
        if self.fault:
            return PrinterState.FAULT, self.fault.text
        if self.kept_apart:
            return PrinterState.OFFLINE, _KEPT_APART
        if self.is_off:
            return PrinterState.OFFLINE, _IS_OFF
        return PrinterState.OFFLINE, self.reading.error or _NOT_CONNECTED

    def _active(self, now_s: float) -> tuple[PrinterState, str | Bilingual | None]:
        job, reading = self.job, self.reading
        if job is None and self._is_aftermath(now_s):
            return PrinterState.FINISHING, None
        if job is None or not reading.active_with(job.path):
            return PrinterState.FOREIGN, _foreign(reading.path)
        if self.prompt or self._waits_for:
            return PrinterState.ATTENTION, self.prompt.text if self.prompt else self._waits_for
        if stall := self._stall(now_s):
            return PrinterState.ATTENTION, stall.text
        return _STATES[reading.phase], None

    def _stall(self, now_s: float) -> Fault | None:
        """Our job prints but its place in the file has not moved for too long: OctoPrint itself notices that late or never."""
        job, reading = self.job, self.reading
        if job is None or reading.phase is not Phase.PRINTING or not reading.active_with(job.path):
            return None
        still_s = now_s - job.moved_s
        return stalled_fault(still_s) if still_s > self._stall_s else None

    def _is_aftermath(self, now_s: float) -> bool:
        reading = self.reading
        if not reading.local or reading.path != self._ended_path:
            return False
        return reading.phase is not Phase.PRINTING or now_s - self._ended_s < AFTERMATH_S


def _foreign(path: str | None) -> Bilingual:
    return Bilingual(f"Prints {path or 'something'}, which is not ours.", f"Imprime {path or 'autre chose'}, qui n'est pas à nous.")


def _says(state: str | None) -> Bilingual:
    return Bilingual(f"OctoPrint says: {state or 'nothing'}", f"OctoPrint dit : {state or 'rien'}")
