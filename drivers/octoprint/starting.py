"""How a job begins on an OctoPrint: checked, uploaded, commanded once, proven. And what may not come between.

The answer 204 to a start command proves nothing (four at once all got 204, one printed), so a start waits until OctoPrint says that
it prints the job's path, and never gives the command twice. From the command on the proof goes on whoever waits for it: what prints
has an end that somebody is told, and what does not print is deleted, so that it cannot begin later.
"""

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from drivers.errors import (
    AuthenticationError,
    Bilingual,
    DriverError,
    FirmwareError,
    PrinterBusyError,
    TransferError,
    WithdrawnError,
)
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.job import OpenJob
from drivers.octoprint.machine import LINES_A_S
from drivers.octoprint.reading import ACTIVE, Phase, PrintRecord
from drivers.octoprint.timing import Timing
from drivers.octoprint.watch import Watch

KEEP_FILES: Final = 3  # uploads of ours that stay at OctoPrint: their print records answer `trace` after a restart of the agent
_AGAIN: Final = Bilingual("Look at OctoPrint, then start again.", "Regardez OctoPrint, puis recommencez.")
_JOB: Final = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")
_DOES_NOT_PRINT: Final = Bilingual(
    "OctoPrint took the start command but does not print.", "OctoPrint a accepté le départ mais n'imprime pas."
)


class Starter:
    """Starts the jobs of one OctoPrint.

    `turn` is for what is sent beside prints (a line of the console, heaters off, mains) and for the checks before a start: such a
    line must not end up in a print that began after its own checks. It is never held longer than those requests take.
    """

    def __init__(self, client: Client, watch: Watch, timing: Timing) -> None:
        self.turn = asyncio.Lock()
        self._client = client
        self._watch = watch
        self._timing = timing
        self._coming: str | None = None  # the job that is checked, before there is anything of it
        self._unwanted = False  # it was cancelled

    async def start(self, program: Path, job: str) -> None:
        """See `OctoPrintDriver.start`."""
        opened = await self._opened(job)
        try:
            await _certainly_not_begun(self._transfer(program, opened))
        except BaseException:
            self._watch.machine.drop(opened)
            self._watch.publish()
            raise
        beginning = asyncio.ensure_future(self._begin(opened))
        try:
            await asyncio.shield(beginning)
        except asyncio.CancelledError:
            self._watch.spawn(self._see_through(opened, beginning))
            raise

    def withdraw(self, job: str | None = None) -> None:
        """`job` (None: whichever it is) must not begin any more, wherever its start has got to."""
        self._unwanted = self._unwanted or (self._coming is not None and job in {None, self._coming})
        opened = self._watch.machine.job
        if opened is not None and not opened.started and job in {None, opened.job}:
            opened.unwanted = True

    # --- before anything is sent --------------------------------------------------------------------------------------------------

    async def _opened(self, job: str) -> OpenJob:
        if not _JOB.match(job):
            raise TransferError(
                Bilingual("The job's id does not make a file name.", "L'identifiant du travail ne fait pas un nom de fichier."),
                next_step=Bilingual("Use letters, digits, points and dashes.", "Utilisez lettres, chiffres, points et tirets."),
            )
        self.check_free()
        self._coming, self._unwanted = job, False
        try:
            async with self.turn:
                await _certainly_not_begun(self.check_ready())
                self._check_followed()  # somebody may have been faster while we asked
                if self._unwanted:
                    raise WithdrawnError
                opened = self._watch.machine.open(job, self._watch.now_s())
        finally:
            self._coming = None
        self._watch.publish()
        return opened

    def check_free(self) -> None:
        """Raise PrinterBusyError when a job is open, or on its way."""
        if self._coming is not None:
            raise _busy()
        self._check_followed()

    def _check_followed(self) -> None:
        if self._watch.machine.job is not None:
            raise _busy()

    async def check_ready(self) -> None:
        """Look at OctoPrint; raise PrinterBusyError or FirmwareError when it cannot do anything for us now."""
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
        with suppress(AnswerError):  # old files harm nobody today
            await self._watch.call(self._client.tidy, KEEP_FILES)
        lines = await self._watch.call(self._client.upload_program, program, opened.job)
        opened.least_s = lines / LINES_A_S
        if opened.unwanted:
            await self._watch.call(self._client.remove_file, opened.path)
            raise WithdrawnError

    # --- from the command on ------------------------------------------------------------------------------------------------------

    async def _begin(self, opened: OpenJob) -> None:
        await self._command(opened)
        try:
            await self._prove(opened)
            await self._confirm(opened)
        finally:
            opened.started = True  # it prints, or nobody knows: it gets a verdict

    async def _see_through(self, opened: OpenJob, beginning: asyncio.Future[None]) -> None:
        """Nobody waits for this start any more: the proof goes on, and what did not begin is told as an end."""
        try:
            await beginning
        except (PrinterBusyError, WithdrawnError) as error:
            self._watch.tell_unbegun(opened.job, error)

    async def _command(self, opened: OpenJob) -> None:
        try:
            await self._watch.call(self._client.start_printing, opened.path)
        except (AnswerError, AuthenticationError) as error:
            await self._give_up(
                opened,
                Bilingual(
                    f"OctoPrint did not take the job: {error.detail}", f"OctoPrint n'a pas pris le travail : {error.detail_fr}"
                ),
            )
        except DriverError:
            return  # only the answer is missing: what OctoPrint does is the proof

    async def _is_gone(self, path: str) -> bool:
        """Delete the file: what is deleted cannot begin later. OctoPrint refuses that while it prints it."""
        try:
            return await self._watch.call(self._client.remove_file, path)
        except DriverError:
            return False

    async def _give_up(self, opened: OpenJob, why: Bilingual) -> None:
        """Raise PrinterBusyError, or WithdrawnError, when it is certain that nothing of the job prints or will print."""
        if not await self._is_gone(opened.path):
            return
        if self._watch.machine.job is not opened:
            return  # its end was told meanwhile: to refuse the start as well would give one job two answers
        self._watch.machine.drop(opened)
        self._watch.publish()
        raise WithdrawnError if opened.unwanted else PrinterBusyError(why, next_step=_AGAIN)

    async def _prove(self, opened: OpenJob) -> None:
        began_s = seen_s = self._watch.now_s()
        while self._watch.machine.job is opened and not opened.started and not self._watch.closed:
            await self._watch.wait_news(1.0)
            now_s = self._watch.now_s()
            try:
                if await self._has_begun(opened):
                    return
                seen_s = now_s
                if opened.unwanted:
                    await self._give_up(opened, _DOES_NOT_PRINT)
                if now_s - began_s > self._timing.proof_s:
                    await self._give_up(opened, _DOES_NOT_PRINT)
                    return
            except (PrinterBusyError, WithdrawnError):
                raise
            except DriverError:
                if now_s - seen_s > self._timing.blind_proof_s:
                    return

    async def _has_begun(self, opened: OpenJob) -> bool:
        if opened.started or self._watch.machine.job is not opened:
            return True
        await self._watch.look()
        record = await self._watch.call(self._client.read_record, opened.path)
        if record is not None and record != PrintRecord():  # a short file is done before we look
            opened.started = True
            await self._watch.judge()
        return opened.started

    async def _confirm(self, opened: OpenJob) -> None:
        # measured with starts at the same moment: PrintStarted names one file, and another that was selected just then is printed
        if self._watch.machine.job is not opened:
            return
        try:
            reading = await self._watch.look()
        except DriverError:
            return  # then nobody knows, and the job gets a verdict
        if self._watch.machine.job is opened and reading.phase in ACTIVE and not reading.active_with(opened.path):
            await self._give_up(opened, _DOES_NOT_PRINT)


def _busy() -> PrinterBusyError:
    return PrinterBusyError(
        Bilingual("A job is open on this printer.", "Un travail est en cours sur cette imprimante."),
        next_step=Bilingual("Wait for its end.", "Attendez sa fin."),
    )


async def _certainly_not_begun(steps: Coroutine[Any, Any, None]) -> None:
    """Before the start command every failure is one of those that promise that nothing prints."""
    try:
        await steps
    except (PrinterBusyError, FirmwareError, TransferError):
        raise
    except DriverError as error:
        detail, next_step = Bilingual(error.detail, error.detail_fr), Bilingual(error.next_step, error.next_step_fr)
        raise TransferError(detail, next_step=next_step) from error
