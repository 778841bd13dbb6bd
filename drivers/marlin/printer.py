"""A Marlin printer on a serial port, as a Driver: `marlin:///dev/serial/by-id/...?baud=115200`."""

import asyncio
import threading
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult

from drivers.base import (
    Capability,
    DriverInfo,
    EventListener,
    JobTrace,
    PrintEnd,
    PrinterState,
)
from drivers.errors import Bilingual, FirmwareError, PrinterBusyError, TransferError, WithdrawnError
from drivers.marlin import recovery, telling
from drivers.marlin.ejecting import eject_lines, too_warm
from drivers.marlin.errands import Errand, Purpose, console_line
from drivers.marlin.job import Phase
from drivers.marlin.lines import LineError, word
from drivers.marlin.options import Options, read_options
from drivers.marlin.program import ProgramReader, ProgramSize, check
from drivers.marlin.shell import Shell
from gcode.texts import Told, told

STOP_CONFIRM_S: Final = 8.0  # three times M112, 2 s apart, and the reset line between
CONSOLE_S: Final = 30.0
EJECT_S: Final = 600.0
CLAIM_S: Final = 20.0  # a move in the making ends before it
_CUT_OFF: Final = Told(
    "cut-off",
    "The print was cut off when the program that fed it ended; the printer was not reset.",
    "L'impression a été coupée quand le programme qui l'alimentait s'est arrêté ; l'imprimante n'a pas redémarré.",
)
_MADE_SAFE: Final = Bilingual("heaters off, nozzle up.", "chauffages coupés, buse relevée.")
_WAS_RESET: Final = Told(
    "reset",
    "The printer was reset since; the print cannot go on.",
    "L'imprimante a redémarré entre-temps ; l'impression ne peut pas continuer.",
)
_STANDS_ELSEWHERE: Final = Told(
    "cut-off", "The printer does not stand where the file says", "L'imprimante n'est pas là où le fichier le dit"
)


class MarlinPrinter(Shell):
    """One printer. `device` is the port's path, `baud` its speed, None to find it. See `drivers.base.Driver` for the methods."""

    info = DriverInfo(
        "marlin",
        frozenset(
            {
                Capability.PAUSE,
                Capability.CANCEL,
                Capability.EMERGENCY_STOP,
                Capability.TEMPERATURES,
                Capability.TRANSCRIPT,
                Capability.PROMPTS,
                Capability.CONSOLE,
            }
        ),
    )

    def __init__(self, device: str, baud: int | None, listener: EventListener, *, options: Options | None = None) -> None:
        super().__init__(device, baud, listener, options=options)
        if self._options.eject_file is not None:
            self.info = DriverInfo("marlin", self.info.capabilities | {Capability.EJECT})

    def transcript(self) -> list[str]:
        """The last minutes on the wire. See `drivers.base.Recorded`."""
        return self._transcript.lines()

    # commands
    def _must_be_idle(self) -> None:
        state = telling.state_of(self._protocol)
        if self._starting is not None or self._protocol.phase is not Phase.READY or state is not PrinterState.IDLE:
            raise telling.not_idle(self._device, state)

    async def start(self, program: Path, job: str) -> None:
        """Print `program` as `job`. See `Driver.start`; a fault before the first line is a FirmwareError."""
        size = await self._checked(program, job)
        self._must_be_idle()
        self._begun = asyncio.get_running_loop().create_future()
        self._reader = ProgramReader(program, size)
        self._protocol.start(job, size.size_bytes, self._now_s())
        self._flush()
        try:
            await self._begun
        except asyncio.CancelledError:
            await self.cancel(job)
            raise
        finally:
            self._begun = None

    async def _checked(self, program: Path, job: str) -> ProgramSize:
        """Read the file, unless the job is cancelled meanwhile: that takes minutes for a large one."""
        self._must_be_idle()
        self._starting, self._withdrawn = job, threading.Event()
        withdrawn = self._withdrawn.is_set
        try:
            size = await self._run(check, program, lambda: self._letting_go or withdrawn())
        except asyncio.CancelledError:
            self._withdrawn.set()
            raise
        except TransferError:
            if withdrawn():
                raise WithdrawnError from None
            raise
        finally:
            self._starting = None
        if withdrawn():
            raise WithdrawnError
        return size

    def _runs(self, job: str) -> bool:
        return self._protocol.job is not None and self._protocol.job.name == job

    async def pause(self, job: str) -> None:
        """Hold after the line in flight; the nozzle is lifted, heaters stay on."""
        if self._runs(job):
            self._protocol.pause(self._now_s())
            self._flush()

    async def resume(self, job: str) -> None:
        """Go back to the part and on."""
        if self._runs(job):
            self._protocol.resume(self._now_s())
            self._flush()

    async def cancel(self, job: str) -> None:
        """Stop feeding, heaters off, nozzle up. Returns at once; `PrintEnded` comes when the machine is safe.

        A job whose `start` has not sent anything yet does not begin any more: then `start` says so, and no end is told.
        """
        if job == self._starting:
            self._withdrawn.set()
        if self._runs(job):
            self._protocol.cancel(self._now_s())
            self._flush()

    async def emergency_stop(self) -> None:
        """M112, and wait until the machine confirms it; unconfirmed, its reset line is pulled where the port has one.

        Raises:
            UnreachableError: there is no contact.
            FirmwareError: nothing confirms it: switch it off at the mains.

        """
        if self._link is None:
            raise telling.no_contact(self._device)
        self._protocol.emergency_stop(self._now_s())
        self._flush()
        await self._until(lambda: not self._protocol.stopping, STOP_CONFIRM_S)
        fault = self._protocol.fault
        if fault is not None and fault.code == "stop-unconfirmed":
            raise FirmwareError(fault, next_step=Bilingual(fault.action_en, fault.action_fr))

    async def answer(self, prompt: str, choice: int) -> None:
        """Answer a question of the machine. See `drivers.base.Answering`.

        Raises:
            PrinterBusyError: the question has no such choice.

        """
        try:
            self._protocol.answer(prompt, choice, self._now_s())
        except IndexError:
            raise PrinterBusyError(
                Bilingual(f"The question has no choice {choice}.", f"La question n'a pas de choix {choice}."),
                next_step=Bilingual("Look at the question again.", "Regardez la question à nouveau."),
            ) from None
        self._flush()

    async def console(self, line: str) -> list[str]:
        """Send one line and return what the machine said. See `drivers.base.Console`.

        Raises:
            PrinterBusyError: it is not idle, or the line is not for a person to send; nothing was sent.

        """
        self._must_be_idle()
        try:
            command = console_line(line)
        except LineError as error:
            raise PrinterBusyError(
                Bilingual(f"The line {error}.", f"La ligne {error.french}."),
                next_step=Bilingual("Send one plain G-code command.", "Envoyez une seule commande G-code."),
            ) from None
        errand = Errand(Purpose.CONSOLE, [command], waits_for_report=word(command) in {b"M105", b"M155"})
        await self._run_errand(errand, CONSOLE_S)
        return errand.said

    async def eject(self) -> None:
        """Push the part off the bed by the lines of `eject_file`. See `drivers.base.Ejecting`.

        Raises:
            PrinterBusyError: it has no `eject_file`, it prints, the bed is too warm, or it did not get to the end.
            TransferError: the file cannot be read or holds what cannot be sent.

        """
        self._must_be_idle()
        if self._options.eject_file is None:
            raise PrinterBusyError(
                Bilingual("This printer has no ejection.", "Cette imprimante n'a pas d'éjection."),
                next_step=Bilingual(
                    "Take the part off by hand, or name an eject_file in its URL.",
                    "Retirez la pièce à la main, ou nommez un eject_file dans son adresse.",
                ),
            )
        lines = await self._run(eject_lines, self._options.eject_file)
        self._must_be_idle()
        if (error := too_warm(self._protocol.reported.bed, self._options.eject_below_c)) is not None:
            raise error
        errand = Errand(Purpose.EJECT, lines)
        await self._run_errand(errand, EJECT_S)
        if not errand.done:
            raise PrinterBusyError(
                Bilingual("The ejection did not get to its end.", "L'éjection n'est pas allée à son terme."),
                next_step=Bilingual("Look at the bed.", "Regardez le plateau."),
            )

    async def _run_errand(self, errand: Errand, limit_s: float) -> None:
        self._protocol.run(errand, self._now_s())
        self._flush()
        await self._until(lambda: errand.done or self._protocol.errand is not errand, limit_s)

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:
        """What became of `job`: gone on with when that is certain to be exact, otherwise the machine is made safe.

        Raises:
            UnreachableError: the machine has not told yet who it is, or it was let go meanwhile; ask again.

        """
        if self._runs(job):
            return JobTrace(running=True)
        if (ended := self._ended.get(job)) is not None:
            return JobTrace(running=False, end=ended.ending.end, detail=ended.ending.detail)
        if self._protocol.phase in {Phase.CLOSED, Phase.GREETING, Phase.LOCATING}:
            raise telling.not_here_yet(self._device)
        if self._protocol.was_reset:
            self._make_safe()  # its line number says so; if it was only counted anew, it may still be hot
            end = PrintEnd.FAILED if bookmark is not None else PrintEnd.INTERRUPTED
            return JobTrace(running=False, end=end, detail=_WAS_RESET)
        why_not = await self._reattach(job, program, bookmark)
        if why_not is None:
            return JobTrace(running=True)
        if self._letting_go:
            raise telling.let_go(self._device)  # nothing can be made safe any more
        self._make_safe()
        why = Bilingual(f"{why_not}: {_MADE_SAFE.en}", f"{told(why_not).fr} : {_MADE_SAFE.fr}")
        return JobTrace(running=False, end=PrintEnd.INTERRUPTED, detail=_CUT_OFF.and_then(why))

    def _make_safe(self) -> None:
        self._protocol.make_safe(self._now_s())
        self._flush()

    async def _reattach(self, job: str, program: Path | None, bookmark: str | None) -> str | None:
        """Go on with the job; or say why not."""
        protocol = self._protocol
        found = (protocol.found_line, protocol.identity.machine)
        following = asyncio.ensure_future(self._run(recovery.prepare, job, program, bookmark, *found))
        try:
            prepared = await asyncio.shield(following)
        except asyncio.CancelledError:
            following.add_done_callback(recovery.forget)  # its thread goes on, and opens the file for nobody
            raise
        claim, reader = prepared.claim, prepared.reader
        if claim is None or reader is None:
            return prepared.why_not
        if protocol is not self._protocol or protocol.phase is not Phase.READY or recovery.too_late(claim):
            reader.close()
            return recovery.TOO_LATE
        protocol.reattach(claim, self._now_s())
        self._reader = reader
        self._flush()
        await self._until(lambda: protocol.claim is not claim, CLAIM_S)
        if self._runs(job):
            return None
        self._drop_reader()
        return _STANDS_ELSEWHERE


def from_url(parts: SplitResult, listener: EventListener) -> MarlinPrinter:
    """Make the driver for `marlin:///dev/...?baud=N`; without `baud`, or with `auto`, the speed is looked for. No I/O.

    Raises:
        AddressError: no device path, an unknown key, or a value out of its range.

    """
    options = read_options(parts)
    return MarlinPrinter(options.device, options.baud, listener, options=options)
