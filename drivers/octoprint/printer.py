"""The OctoPrint driver: starts a file under a job id and follows it, also through losses of the network and of OctoPrint.

A print is ours when it prints the path `farm/<job>.gcode`. `starting` proves that it does; `watch` follows it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
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
    Bilingual,
    PrinterBusyError,
    UnreachableError,
)
from drivers.listening import guarded
from drivers.octoprint.address import OctoPrintAddress, parse_address
from drivers.octoprint.camera import take_picture
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.form import count_commands_of
from drivers.octoprint.job import OpenJob
from drivers.octoprint.machine import COUNTED, LINES_A_S, TOO_SOON
from drivers.octoprint.permissions import POWER, QUESTIONS, TERMINAL, lacking
from drivers.octoprint.publisher import Publisher
from drivers.octoprint.reading import ACTIVE, APART, Phase, PrintRecord, Reading, job_path
from drivers.octoprint.starting import Starter
from drivers.octoprint.terminal import checked
from drivers.octoprint.timing import Timing
from drivers.octoprint.watch import Watch
from gcode.texts import Told

PAUSING_LOOKS: Final = 100
PAUSING_LOOK_S: Final = 0.3  # a pause waits for the moves that the machine has planned, up to half a minute
_NO_FILE: Final = Told("file-gone", "OctoPrint has no file of this job.", "OctoPrint n'a pas de fichier de cette impression.")
_NO_END: Final = Told(
    "forgotten", "OctoPrint has its file but remembers no end of it.", "OctoPrint a son fichier mais ne se souvient pas de sa fin."
)
_AWAY: Final = Told(
    "failed-while-away", "It failed or was cancelled while we were away.", "Elle a échoué ou a été annulée en notre absence."
)
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
        self._watch = Watch(self._client, self._publisher, self._timing, self._learned)
        self._starter = Starter(self._client, self._watch, self._timing)
        self._answering: set[str] = set()  # questions whose answer is on its way
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
            WithdrawnError: it was cancelled or stopped meanwhile; nothing is printing.

        """
        await self._starter.start(program, job)

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
        """End `job`; its end is told as an event. No-op when it is not running.

        One whose `start` has not been proven yet does not begin any more: then `start` says so, and no end is told. Should it print
        all the same it is cancelled as soon as that is seen.
        """
        self._starter.withdraw(job)
        opened = self._watch.machine.job
        if opened and opened.job == job:
            opened.cancel_asked = True
        # OctoPrint's command names no job: between this look and the command only a person could have put another one there
        if await self._reading_of(job):
            if opened:
                opened.unwanted = False
            await self._command(self._client.cancel)

    async def emergency_stop(self) -> None:
        """Send M112, whatever is printing. The printer stays FAULT until a person presses Connect in OctoPrint.

        A job on its way to the printer does not begin any more.

        Raises:
            UnreachableError: the command cannot get to the printer.

        """
        self._starter.withdraw()
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
        """Answer the printer's question. No-op when it is not asked any more, or an answer is on its way.

        Raises:
            AuthenticationError: the key's user lacks PLUGIN_ACTION_COMMAND_PROMPT_INTERACT.

        """
        asked = self._watch.machine.prompt
        if asked is None or asked.id != prompt or prompt in self._answering:
            return  # OctoPrint's command names no question: a second answer would be one to the next question
        if asked.choices:
            self._check_allowed(QUESTIONS)
        self._answering.add(prompt)
        try:
            if asked.choices:
                await self._watch.call(self._client.choose, choice)
            else:  # OctoPrint answers only questions with choices; Marlin goes on at M876
                await self._watch.call(self._client.send_gcode, "M876 S0")
        finally:
            self._answering.discard(prompt)
        if self._watch.machine.prompt is asked:
            self._watch.machine.take_question(None, "")
            self._watch.publish()

    async def console(self, line: str) -> list[str]:
        """Send one line of G-code and return what the machine said to it.

        Raises:
            PrinterBusyError: a job runs or is on its way, or it is no line; nothing was sent.
            AuthenticationError: the key's user lacks MONITOR_TERMINAL: nobody would see the answer.

        """
        line = checked(line)
        self._check_allowed(TERMINAL)
        async with self._starter.turn:  # from the check to the answer: nothing begins meanwhile
            self._starter.check_free()
            await self._starter.check_ready()
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
        async with self._starter.turn:  # from the check to the switch: nothing begins meanwhile
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

        One that is followed already is said to run until its end is told: there is one word about it.

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
        if machine.job is not None and machine.job.job == job:
            await self._watch.look()  # so that its end is looked for
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
        async with self._starter.turn:  # the next print must not begin before: it would get these lines in its middle
            await self._watch.call(self._client.send_gcode, *_SAFE_GCODE)


def from_url(parts: SplitResult, listener: EventListener) -> OctoPrintDriver:
    """The driver for `octoprint+http://host:port/prefix?key_file=/path`; touches neither file nor network.

    Raises:
        AddressError: the URL cannot be used; the message says why and never repeats the URL.

    """
    return OctoPrintDriver(parse_address(parts), listener)
