"""The OctoPrint driver: starts a file under a job id and follows it, also through losses of the network and of OctoPrint.

A print is ours when it prints the path `farm/<job>.gcode`. The answer 204 to a start command proves nothing (four at once all got
204, one printed), so `start` waits until OctoPrint says that it prints that path, and never gives the command twice.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult

from drivers.base import (
    Capability,
    DriverEvent,
    DriverInfo,
    EventListener,
    JobTrace,
    Picture,
    PrintEnd,
    PrintEnded,
    PrinterStatus,
)
from drivers.errors import (
    AuthenticationError,
    Bilingual,
    DriverError,
    FirmwareError,
    PrinterBusyError,
    TransferError,
    UnreachableError,
)
from drivers.listening import guarded
from drivers.octoprint.address import OctoPrintAddress, parse_address
from drivers.octoprint.camera import take_picture
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.form import count_commands_of
from drivers.octoprint.machine import COUNTED, LINES_A_S, TOO_SOON, OpenJob
from drivers.octoprint.permissions import POWER, QUESTIONS, TERMINAL, lacking
from drivers.octoprint.publisher import Publisher
from drivers.octoprint.reading import ACTIVE, APART, Phase, PrintRecord, Reading, job_path
from drivers.octoprint.terminal import checked
from drivers.octoprint.timing import Timing
from drivers.octoprint.watch import Watch
from gcode.texts import Told

KEEP_FILES: Final = 3  # uploads of ours that stay at OctoPrint: their print records answer `trace` after a restart of the agent
PAUSING_LOOKS: Final = 100
PAUSING_LOOK_S: Final = 0.3  # a pause waits for the moves that the machine has planned, up to half a minute
_NO_FILE: Final = Told("file-gone", "OctoPrint has no file of this job.", "OctoPrint n'a pas de fichier de cette impression.")
_NO_END: Final = Told(
    "forgotten", "OctoPrint has its file but remembers no end of it.", "OctoPrint a son fichier mais ne se souvient pas de sa fin."
)
_AWAY: Final = Told(
    "failed-while-away", "It failed or was cancelled while we were away.", "Elle a échoué ou a été annulée en notre absence."
)
_AGAIN: Final = Bilingual("Look at OctoPrint, then start again.", "Regardez OctoPrint, puis recommencez.")
_JOB: Final = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")
# OctoPrint's own script after a cancel can be changed by its owner; heaters are off and the nozzle is away in any case
_SAFE_GCODE: Final = ("M104 S0", "M140 S0", "M107", "G91", "G1 Z5 F600", "G90")


_ALWAYS: Final = frozenset(
    {Capability.PAUSE, Capability.CANCEL, Capability.EMERGENCY_STOP, Capability.TEMPERATURES, Capability.SURVIVES_AGENT}
)
TOUCHABLE_C: Final = 50.0  # below, a nozzle needs its fan no more


class OctoPrintDriver:
    """One printer behind an OctoPrint. See `drivers.base.Driver` for the contract.

    `info` names what the URL promises, and after the first session what this OctoPrint has and the key's user may use.
    """

    info = DriverInfo("octoprint", _ALWAYS)

    def __init__(self, address: OctoPrintAddress, listener: EventListener, timing: Timing | None = None) -> None:
        self._timing = timing or Timing()
        self._listener = guarded(listener)
        self._client = Client(address)
        self._publisher = Publisher(self._heard)
        self._console = asyncio.Lock()
        self._watch = Watch(self._client, self._publisher, self._timing, self._learned)
        promised = {Capability.SNAPSHOT: address.camera is not None, Capability.POWER: address.switches_power}
        self._learned(frozenset(capability for capability, is_promised in promised.items() if is_promised))

    def _learned(self, found: frozenset[Capability]) -> None:
        self.info = DriverInfo("octoprint", _ALWAYS | found)

    @property
    def status(self) -> PrinterStatus:
        """The newest status."""
        return self._publisher.status

    async def connect(self) -> None:
        """Find OctoPrint, log in, and have it connect its printer.

        Raises:
            DriverError: the first attempt failed; the driver goes on trying until `close`.

        """
        await self._watch.open()

    async def close(self) -> None:
        """Let go of OctoPrint. A running print goes on."""
        await self._watch.close()

    # --- start --------------------------------------------------------------------------------------------------------------------

    async def start(self, program: Path, job: str) -> None:
        """Upload `program` as the file of `job` and print it; return when OctoPrint provably prints it.

        When OctoPrint stops answering just after the command, nobody knows whether it prints. Then this returns, and the end of
        the job is told (done, failed, interrupted) when OctoPrint answers again.

        Raises:
            PrinterBusyError, FirmwareError: it cannot print now; nothing was sent.
            TransferError: the file did not arrive whole, or OctoPrint does not answer or refuses us; nothing is printing.

        """
        if not _JOB.match(job):
            raise TransferError(
                Bilingual("The job's id does not make a file name.", "L'identifiant du travail ne fait pas un nom de fichier."),
                next_step=Bilingual("Use letters, digits, points and dashes.", "Utilisez lettres, chiffres, points et tirets."),
            )
        self._check_free()
        await _certainly_not_begun(self._check_ready())
        self._check_free()  # somebody may have been faster while we asked
        opened = self._watch.machine.open(job, self._watch.now_s())
        self._watch.publish()
        try:
            await _certainly_not_begun(self._transfer(program, opened))
            await self._command_start(opened)
        except BaseException:
            self._watch.machine.drop(opened)
            self._watch.publish()
            raise
        try:
            await self._prove(opened)
            await self._confirm(opened)
        finally:
            # cancelled in between, it may print or not: as a started job it gets a verdict
            opened.started = True

    def _check_free(self) -> None:
        if self._watch.machine.job is not None:
            raise PrinterBusyError(
                Bilingual("A job is open on this printer.", "Un travail est en cours sur cette imprimante."),
                next_step=Bilingual("Wait for its end.", "Attendez sa fin."),
            )

    async def _check_ready(self) -> None:
        reading = await self._watch.look()
        fault = self._watch.machine.fault
        if fault:
            raise FirmwareError(fault, next_step=Bilingual(fault.action_en, fault.action_fr))
        if reading.phase in ACTIVE:
            raise PrinterBusyError(
                Bilingual(f"OctoPrint prints {reading.path}.", f"OctoPrint imprime {reading.path}."),
                next_step=Bilingual("Wait for its end or cancel it in OctoPrint.", "Attendez la fin ou annulez dans OctoPrint."),
            )
        if reading.phase is not Phase.OPERATIONAL:
            raise PrinterBusyError(
                Bilingual("OctoPrint is not connected to its printer.", "OctoPrint n'est pas connecté à son imprimante."),
                next_step=Bilingual("Press Connect in OctoPrint.", "Cliquez sur « Connect » dans OctoPrint."),
            )
        if prompt := self._watch.machine.prompt:
            raise PrinterBusyError(
                Bilingual(f"The printer asks something: {prompt.text}", f"L'imprimante demande : {prompt.text}"),
                next_step=Bilingual("Answer it first.", "Répondez-lui d'abord."),
            )

    async def _transfer(self, program: Path, opened: OpenJob) -> None:
        earlier = await self._watch.call(self._client.read_record, opened.path)
        if earlier and (earlier.successes or earlier.failures):
            raise PrinterBusyError(
                Bilingual("OctoPrint has printed this job before.", "OctoPrint a déjà imprimé ce travail."),
                next_step=Bilingual("Start it again under a new id.", "Recommencez sous un autre identifiant."),
            )
        await self._tidy()
        lines = await self._watch.call(self._client.upload_program, program, opened.job)
        opened.least_s = lines / LINES_A_S
        if opened.cancel_asked:
            await self._watch.call(self._client.remove_file, opened.path)
            raise TransferError(
                Bilingual("The job was cancelled before it began.", "Le travail a été annulé avant de commencer."),
                next_step=Bilingual("Start another one.", "Lancez-en un autre."),
            )

    async def _tidy(self) -> None:
        try:
            await self._watch.call(self._client.tidy, KEEP_FILES)
        except AnswerError:
            return  # old files harm nobody today

    async def _command_start(self, opened: OpenJob) -> None:
        try:
            await self._watch.call(self._client.start_printing, opened.path)
        except (AnswerError, AuthenticationError) as error:
            if await self._is_gone(opened.path):
                detail = Bilingual(
                    f"OctoPrint did not take the job: {error.detail}", f"OctoPrint n'a pas pris le travail : {error.detail_fr}"
                )
                raise PrinterBusyError(detail, next_step=_AGAIN) from error
        except DriverError:
            return  # only the answer is missing: what OctoPrint does is the proof

    async def _is_gone(self, path: str) -> bool:
        """Delete the file: what is deleted cannot begin later. OctoPrint refuses that while it prints it."""
        try:
            return await self._watch.call(self._client.remove_file, path)
        except DriverError:
            return False

    async def _prove(self, opened: OpenJob) -> None:
        began_s = seen_s = self._watch.now_s()
        while self._watch.machine.job is opened and not opened.started:
            await self._watch.wait_news(1.0)
            now_s = self._watch.now_s()
            try:
                if await self._has_begun(opened):
                    return
                seen_s = now_s
                if now_s - began_s > self._timing.proof_s:
                    await self._give_up(opened)
                    return
            except PrinterBusyError:
                raise
            except DriverError:
                if now_s - seen_s > self._timing.blind_proof_s:
                    return

    async def _confirm(self, opened: OpenJob) -> None:
        # measured with starts at the same moment: PrintStarted names one file, and another that was selected just then is printed
        if self._watch.machine.job is not opened:
            return
        try:
            reading = await self._watch.look()
        except DriverError:
            return  # then nobody knows, and the job gets a verdict
        if self._watch.machine.job is opened and reading.phase in ACTIVE and not reading.active_with(opened.path):
            await self._give_up(opened)

    async def _has_begun(self, opened: OpenJob) -> bool:
        if opened.started or self._watch.machine.job is not opened:
            return True
        await self._watch.look()
        record = await self._watch.call(self._client.read_record, opened.path)
        if record is not None and record != PrintRecord():  # a short file is done before we look
            opened.started = True
            await self._watch.judge()
        return opened.started

    async def _give_up(self, opened: OpenJob) -> None:
        if not await self._is_gone(opened.path):
            return
        if self._watch.machine.job is not opened:
            return  # its end was told meanwhile: to refuse the start as well would give one job two answers
        self._watch.machine.drop(opened)
        self._watch.publish()
        detail = Bilingual(
            "OctoPrint took the start command but does not print.", "OctoPrint a accepté le départ mais n'imprime pas."
        )
        raise PrinterBusyError(detail, next_step=_AGAIN)

    # --- commands -----------------------------------------------------------------------------------------------------------------

    async def pause(self, job: str) -> None:
        """Hold `job`. No-op when it is not running."""
        if (reading := await self._reading_of(job)) and reading.phase is Phase.PRINTING:
            await self._command(self._client.pause)

    async def resume(self, job: str) -> None:
        """Go on with `job`. No-op when it is not paused. OctoPrint passes over a resume while it is `Pausing`: that is waited for.

        Raises:
            PrinterBusyError: it does not get to the end of its pause.

        """
        for _ in range(PAUSING_LOOKS):
            reading = await self._reading_of(job)
            if reading is None or reading.phase is not Phase.PAUSED:
                return
            if reading.state != "Pausing":
                await self._command(self._client.resume)
                return
            await asyncio.sleep(PAUSING_LOOK_S)
        raise PrinterBusyError(
            Bilingual("OctoPrint is still pausing.", "OctoPrint est encore en train de mettre en pause."),
            next_step=Bilingual("Wait for the pause, then resume.", "Attendez la pause, puis reprenez."),
        )

    async def cancel(self, job: str) -> None:
        """End `job`; its end is told as an event. No-op when it is not running."""
        opened = self._watch.machine.job
        if opened and opened.job == job:
            opened.cancel_asked = True
        # OctoPrint's command names no job: between this look and the command only a person could have put another one there
        if await self._reading_of(job):
            await self._command(self._client.cancel)

    async def emergency_stop(self) -> None:
        """Send M112, whatever is printing. The printer stays FAULT until a person presses Connect in OctoPrint.

        Raises:
            UnreachableError: the command cannot get to the printer.

        """
        try:
            await self._watch.call_urgently(self._client.send_gcode, "M112")
        except AnswerError as error:
            detail = Bilingual(
                "OctoPrint is not connected to the printer: the stop cannot get there.",
                "OctoPrint n'est pas connecté à l'imprimante : l'arrêt ne peut pas lui parvenir.",
            )
            step = Bilingual("Switch the printer off by hand.", "Éteignez l'imprimante à la main.")
            raise UnreachableError(detail, next_step=step) from error

    async def _reading_of(self, job: str) -> Reading | None:
        reading = await self._watch.look()
        return reading if reading.active_with(job_path(job)) else None

    async def _command(self, command: Callable[[], None]) -> None:
        try:
            await self._watch.call(command)
        except AnswerError as error:
            if error.status != 409:  # 409: it has ended meanwhile
                raise

    # --- what an OctoPrint may have besides -----------------------------------------------------------------------------------

    async def answer(self, prompt: str, choice: int) -> None:
        """Answer the printer's question. No-op when it is not asked any more.

        Raises:
            AuthenticationError: the key's user lacks PLUGIN_ACTION_COMMAND_PROMPT_INTERACT.

        """
        asked = self._watch.machine.prompt
        if asked is None or asked.id != prompt:
            return
        if asked.choices:
            self._check_allowed(QUESTIONS)
            await self._watch.call(self._client.choose, choice)
        else:  # OctoPrint answers only questions with choices; Marlin goes on at M876
            await self._watch.call(self._client.send_gcode, "M876 S0")
        if self._watch.machine.prompt is asked:
            self._watch.machine.take_question(None, "")
            self._watch.publish()

    async def console(self, line: str) -> list[str]:
        """Send one line of G-code and return what the machine said to it.

        Raises:
            PrinterBusyError: a job runs, another line is being answered, or it is no line; nothing was sent.
            AuthenticationError: the key's user lacks MONITOR_TERMINAL: nobody would see the answer.

        """
        line = checked(line)
        self._check_allowed(TERMINAL)
        self._check_free()
        await self._check_ready()
        async with self._console:
            return await self._watch.converse(line)

    async def snapshot(self) -> Picture:
        """Take a picture now.

        Raises:
            UnreachableError, NotAPrinterError, AuthenticationError: see `camera.take_picture`.

        """
        return await self._watch.call(take_picture, self._client)

    async def power(self, *, on: bool) -> None:
        """Switch the printer's mains by OctoPrint's PSU Control plugin.

        Raises:
            PrinterBusyError: it prints, or its nozzle is over 50 degrees C.
            UnreachableError: OctoPrint has no such plugin, or the mains did not obey.

        """
        self._check_allowed(POWER)
        if not on:
            await self._check_cold()
        await self._watch.call(self._client.switch_power, on)
        if await self._watch.call(self._client.read_power) is not on:
            raise UnreachableError(
                Bilingual("The printer's mains did not obey.", "L'alimentation de l'imprimante n'a pas obéi."),
                next_step=Bilingual("Look at PSU Control in OctoPrint.", "Regardez PSU Control dans OctoPrint."),
            )
        self._watch.machine.is_off = not on
        if on:
            await self._watch.want_printer()

    async def _check_cold(self) -> None:
        reading = await self._watch.look()
        if self._watch.machine.job is not None or reading.phase in ACTIVE:
            raise PrinterBusyError(
                Bilingual("It prints.", "Elle imprime."), next_step=Bilingual("Wait for the end.", "Attendez la fin.")
            )
        if reading.phase in APART:
            return  # nobody can know; and after a thermal fault the mains are what should go off
        nozzle, _ = await self._watch.call(self._client.read_temperatures)
        if nozzle is None or nozzle.actual_c > TOUCHABLE_C or nozzle.target_c > 0:
            heat = "?" if nozzle is None else f"{nozzle.actual_c:.0f}"
            detail = Bilingual(f"Its nozzle is too hot to lose its fan: {heat} °C.", f"Buse trop chaude : {heat} °C.")
            step = Bilingual("Switch the heater off and wait.", "Coupez la chauffe et patientez.")
            raise PrinterBusyError(detail, next_step=step)

    def _check_allowed(self, permission: str) -> None:
        if self._watch.version is not None:
            lacking(frozenset({permission}), self._client.permissions)

    # --- after a restart of the agent -------------------------------------------------------------------------------------------

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:  # noqa: ARG002 - OctoPrint keeps the place itself
        """Ask OctoPrint what became of `job`; follow it from now on when it still runs.

        Raises:
            DriverError: OctoPrint does not answer: ask again later.

        """
        machine = self._watch.machine
        if self._watch.version is None:  # not connected yet: the key is read by the probe
            await self._watch.call(self._client.probe)
        reading = await self._watch.call(self._client.read_job)
        if reading.active_with(job_path(job)):
            if machine.job is None:
                machine.open(job, self._watch.now_s(), started=True)
            await self._watch.look()
            return JobTrace(running=True)
        lines = await self._watch.call(count_commands_of, program) if program else 0
        return await self._remembered(job, lines / LINES_A_S)

    async def _remembered(self, job: str, least_s: float) -> JobTrace:
        record = await self._watch.call(self._client.read_record, job_path(job))
        if record == PrintRecord():
            await asyncio.sleep(self._timing.record_s)
            record = await self._watch.call(self._client.read_record, job_path(job))
        if record is None:
            return JobTrace(running=False, detail=_NO_FILE)
        if record.last_success is None:
            return JobTrace(running=False, detail=_NO_END)
        if record.last_success and OpenJob(job, "", least_s=least_s).too_soon(record.last_s):
            return JobTrace(running=False, end=PrintEnd.FAILED, detail=TOO_SOON)
        if record.last_success:
            return JobTrace(running=False, end=PrintEnd.DONE, detail=COUNTED)
        return JobTrace(running=False, end=PrintEnd.FAILED, detail=_AWAY)

    def _heard(self, event: DriverEvent) -> None:
        if isinstance(event, PrintEnded) and event.end is PrintEnd.CANCELLED and not event.by_person:
            self._watch.spawn(self._make_safe())
        self._listener(event)

    async def _make_safe(self) -> None:
        await self._watch.call(self._client.send_gcode, *_SAFE_GCODE)


async def _certainly_not_begun(steps: Coroutine[Any, Any, None]) -> None:
    """Before the start command every failure is one of those that promise that nothing prints."""
    try:
        await steps
    except (PrinterBusyError, FirmwareError, TransferError):
        raise
    except DriverError as error:
        detail, next_step = Bilingual(error.detail, error.detail_fr), Bilingual(error.next_step, error.next_step_fr)
        raise TransferError(detail, next_step=next_step) from error


def from_url(parts: SplitResult, listener: EventListener) -> OctoPrintDriver:
    """The driver for `octoprint+http://host:port/prefix?key_file=/path`; touches neither file nor network.

    Raises:
        AddressError: the URL cannot be used; the message says why and never repeats the URL.

    """
    return OctoPrintDriver(parse_address(parts), listener)
