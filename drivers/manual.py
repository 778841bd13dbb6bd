"""`manual://?printer=NAME`: a person is the driver. A job is offered; who prints by hand accepts it, and says when it is done.

There is no machine that could be asked, so nothing is known that the person has not said: a job that was offered before a restart
of ours is still theirs. What came of it is reported with the parts, so the bed is as free as the person says.
"""

from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs

from drivers.base import (
    Capability,
    DriverInfo,
    EventListener,
    JobTrace,
    PrintEnd,
    PrintEnded,
    PrinterState,
    PrinterStatus,
    StatusChanged,
)
from drivers.errors import AddressError, Bilingual, PrinterBusyError
from gcode.texts import Told

INFO: Final = DriverInfo("manual", frozenset({Capability.CANCEL, Capability.SURVIVES_AGENT, Capability.PROVES_IDLE}))
MAX_ENDED: Final = 32  # how many ends are remembered for `trace`
_REPORTED: Final = Told("printed", "reported by hand", "annoncée à la main")
_GIVEN_UP: Final = Told("cancelled", "given up by hand", "abandonnée à la main")
_WITHDRAWN: Final = Told("cancelled", "withdrawn", "reprise par la ferme")
_STOPPED: Final = Told("cancelled", "stopped", "arrêtée")
OFFERED: Final = "offered"
ACCEPTED: Final = "accepted"


class ManualPrinter:
    """A printer that only its owner can see. The status note is `OFFERED` or `ACCEPTED` while there is a job."""

    info = INFO

    def __init__(self, listener: EventListener, *, name: str = "", accepted: str | None = None) -> None:
        self.name = name
        self._accepted_before = accepted  # the job that the person accepted from an earlier process
        self._listener = listener
        self._job: str | None = None
        self._ended: dict[str, PrintEnd] = {}
        self._status = PrinterStatus()

    @property
    def status(self) -> PrinterStatus:
        """The newest status."""
        return self._status

    @property
    def job(self) -> str | None:
        """The job that was offered and not reported yet."""
        return self._job

    @property
    def accepted(self) -> bool:
        """Whether the person has accepted the job."""
        return self._status.note == ACCEPTED

    async def connect(self) -> None:
        """Nothing to connect: the person is there, or comes."""
        if self._status.state is PrinterState.OFFLINE:
            self._become(PrinterState.IDLE)

    async def close(self) -> None:
        """Nothing to let go of. What the person says from now on, nobody hears: the next process asks again."""
        self._status, self._job = PrinterStatus(), None

    async def start(self, program: Path, job: str) -> None:  # noqa: ARG002 - the person downloads it from the farm
        """Offer `job`.

        Raises:
            PrinterBusyError: another job is offered already, or `connect` was not called.

        """
        if self._status.state is PrinterState.OFFLINE:
            raise PrinterBusyError(
                Bilingual("Nobody is connected.", "Personne n'est connecté."),
                next_step=Bilingual("Connect first.", "Connectez d'abord."),
            )
        if self._job is not None:
            raise PrinterBusyError(
                Bilingual("Another batch is waiting for this maker.", "Un autre lot attend déjà ce maker."),
                next_step=Bilingual("Wait until it is reported.", "Attendez qu'il soit rendu."),
            )
        self._job = job
        self._become(PrinterState.PREPARING, job, OFFERED)

    def accept(self, job: str) -> bool:
        """The person prints it; False: that job is not offered. Accepting twice is accepting once."""
        if job != self._job:
            return False
        self._become(PrinterState.PRINTING, job, ACCEPTED)
        return True

    def report_done(self, job: str) -> bool:
        """The person has printed it, and says elsewhere how many parts are good; False: that job is not here."""
        return self._end(job, PrintEnd.DONE, _REPORTED)

    def give_up(self, job: str) -> bool:
        """The person does not print it; False: that job is not here."""
        return self._end(job, PrintEnd.CANCELLED, _GIVEN_UP, by_person=True)

    async def pause(self, job: str) -> None:
        """Nothing that we could pause."""

    async def resume(self, job: str) -> None:
        """Nothing that we could resume."""

    async def cancel(self, job: str) -> None:
        """Take the offer back. Somebody who prints already may still report good parts."""
        self._end(job, PrintEnd.CANCELLED, _WITHDRAWN)

    async def emergency_stop(self) -> None:
        """Nobody can be stopped from afar: the offer is taken back."""
        if self._job is not None:
            self._end(self._job, PrintEnd.CANCELLED, _STOPPED)

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:  # noqa: ARG002
        """The person still has the job, unless this process was told what became of it."""
        if job in self._ended:
            return JobTrace(running=False, end=self._ended[job])
        if job == self._job:
            return JobTrace(running=True)  # as it is: accepted stays accepted
        self._job = job
        if job == self._accepted_before:
            self._become(PrinterState.PRINTING, job, ACCEPTED)
        else:
            self._become(PrinterState.PREPARING, job, OFFERED)
        return JobTrace(running=True)

    def _end(self, job: str, end: PrintEnd, detail: str, *, by_person: bool = False) -> bool:
        if job != self._job:
            return False
        self._job = None
        self._ended[job] = end
        while len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        self._listener(PrintEnded(job, end, detail, by_person=by_person))
        self._become(PrinterState.IDLE)
        return True

    def _become(self, state: PrinterState, job: str | None = None, note: str | None = None) -> None:
        self._status = PrinterStatus(state, job=job, note=note)
        self._listener(StatusChanged(self._status))


def from_url(parts: SplitResult, listener: EventListener) -> ManualPrinter:
    """Make the driver for `manual://?printer=NAME`; no I/O.

    Raises:
        AddressError: an unknown key, or more than the one key.

    """
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.netloc or parts.path.strip("/") or set(query) - {"printer"} or len(query.get("printer", [])) > 1:
        url = parts.geturl()
        raise AddressError(
            Bilingual(f"{url!r} is no manual printer.", f"{url!r} n'est pas une imprimante manuelle."),
            next_step=Bilingual("Example: manual://?printer=anna", "Exemple : manual://?printer=anna"),
        )
    return ManualPrinter(listener, name=query.get("printer", [""])[0])
