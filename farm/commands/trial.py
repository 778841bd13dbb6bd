"""One print on one printer, followed on this terminal: what `farm try` does."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final, cast

import typer

from drivers.base import (
    Answering,
    Capability,
    Driver,
    DriverEvent,
    PrintEnded,
    PrinterState,
    PrinterStatus,
    Prompt,
    StatusChanged,
)
from drivers.errors import Bilingual, DriverError
from drivers.registry import open_driver
from farm.commands.device import note_of, save_transcript, temperatures
from farm.commands.questions import choice_of, choices_of, words_of
from farm.commands.speech import plain, say
from farm.commands.vocabulary import PRINTER_STATES, word
from farm.errors import FarmError
from farm.ids import new_id
from farm.language import spoken, told

CANCEL_S: Final = 120.0  # a bed that heats cannot be interrupted on every firmware
STOP_S: Final = 5.0
CTRL_C: Final = 130
_CONNECTING: Final = word(PRINTER_STATES, PrinterState.CONNECTING)
_ANSWER_THERE: Final = Bilingual(
    "Answer at the printer, or run this on a terminal.", "Répondez sur l'imprimante, ou lancez ceci dans un terminal."
)
_CANCELLING: Final = Bilingual(
    "Cancelling: heaters off, nozzle up. Ctrl-C again for the emergency stop.",
    "Annulation : chauffe coupée, buse levée. Encore Ctrl-C pour l'arrêt d'urgence.",
)


class InterruptedTrialError(FarmError):
    """A person pressed Ctrl-C before or during the print."""

    code = "interrupted"
    exit_code = CTRL_C


class Display:
    """Shows a print on standard error: a live bar on a terminal, else a line for each new state."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - 10 MB that only a person at a terminal needs
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._console = Console(stderr=True)
        self._shown: str | None = None
        self._asked = False
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(spoken(_CONNECTING), total=1.0)

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.stop()

    def show(self, status: PrinterStatus) -> None:
        """Show the newest status."""
        if status.prompt is not None:
            self._bar.stop()  # a question is typed below it
        elif self._asked:
            self._bar.start()
        self._asked = status.prompt is not None
        self._bar.update(self._task, description=describe(status), completed=status.progress or 0.0)
        if not self._console.is_terminal and status.state.value != self._shown:
            self._shown = status.state.value
            typer.echo(describe(status), err=True)


def describe(status: PrinterStatus) -> str:
    """A status in a few words: state, temperatures in degrees C, what the machine says."""
    note = note_of(status)
    return plain("  ".join([spoken(word(PRINTER_STATES, status.state)), *temperatures(status), *([note] if note else [])]))


class Questions:
    """Asks a person at the terminal what the machine asks. Without a terminal the question is shown, and answered elsewhere."""

    def __init__(
        self, answer: Callable[[Prompt, int], None], *, can_ask: bool, read: Callable[[], str] = sys.stdin.readline
    ) -> None:
        self._answer = answer
        self._can_ask = can_ask
        self._read = read
        self._prompt: Prompt | None = None
        self._reading = False
        self._loop = asyncio.get_running_loop()

    @property
    def asking(self) -> bool:
        """Whether a question waits for an answer."""
        return self._prompt is not None

    def show(self, prompt: Prompt | None) -> None:
        """The machine asks this now, or nothing."""
        known, self._prompt = self._prompt, prompt
        if prompt is None or (known is not None and known.id == prompt.id):
            return
        asked = words_of(prompt)
        say(Bilingual(f"The printer asks: {asked.en}", f"L'imprimante demande : {asked.fr}"), err=True)
        if not self._can_ask:
            say(_ANSWER_THERE, err=True)
            return
        for number, words in enumerate(choices_of(prompt), 1):
            say(f"  {number}. {spoken(words)}", err=True)
        if not self._reading:
            self._reading = True
            # nobody waits for this thread: when the machine is answered at its own panel, it ends with the process
            Thread(target=self._wait, name="answers", daemon=True).start()

    def _wait(self) -> None:
        while line := self._read():
            with suppress(RuntimeError):  # the loop is closed: the print is over
                self._loop.call_soon_threadsafe(self._take, line)

    def _take(self, line: str) -> None:
        prompt = self._prompt
        if prompt is None or not line.strip():
            return
        choice = choice_of(prompt, line)
        if choice is None:
            last = len(prompt.choices) or 1
            say(Bilingual(f"Type a number from 1 to {last}.", f"Tapez un nombre de 1 à {last}."), err=True)
        else:
            self._answer(prompt, choice)


class Trial:
    """One print on one printer."""

    def __init__(self, url: str, file: Path, display: Display, transcript: Path | None = None) -> None:
        self._file = file
        self._transcript = transcript
        self._display = display
        self._ended: asyncio.Future[PrintEnded] = asyncio.get_running_loop().create_future()
        self._interrupt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._driver: Driver = open_driver(url, self._listen)
        self._questions = Questions(self._answer, can_ask=sys.stdin.isatty())
        self._answering: set[asyncio.Task[None]] = set()
        self.job = new_id("job")

    def _listen(self, event: DriverEvent) -> None:
        if isinstance(event, StatusChanged):
            self._display.show(event.status)
            self._questions.show(event.status.prompt)
        elif isinstance(event, PrintEnded) and event.job == self.job and not self._ended.done():
            self._ended.set_result(event)

    async def run(self) -> PrintEnded:
        """Print; after Ctrl-C, cancel and make the machine safe.

        Raises:
            DriverError: the printer cannot be used.
            InterruptedTrialError: Ctrl-C before the print began.

        """
        with self._signals():
            try:
                await self._or_interrupt(self._driver.connect())
                self._must_be_free()
                await self._or_interrupt(self._driver.start(self._file, self.job))
                return await self._finish()
            finally:
                try:
                    if self._transcript is not None:
                        save_transcript(self._driver, self._transcript)
                finally:
                    await self._driver.close()

    def _answer(self, prompt: Prompt, choice: int) -> None:
        if Capability.PROMPTS in self._driver.info.capabilities:
            task = asyncio.create_task(self._send_answer(prompt, choice))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _send_answer(self, prompt: Prompt, choice: int) -> None:
        try:
            await cast("Answering", self._driver).answer(prompt.id, choice)
        except DriverError as error:
            say(f"farm: {told(error)}", err=True)

    def _must_be_free(self) -> None:
        status = self._driver.status
        if status.state is PrinterState.FAULT and status.fault is not None:
            fault = status.fault
            said = Bilingual(f"The printer is in fault: {fault.meaning_en}", f"L'imprimante est en panne : {fault.meaning_fr}")
            raise DriverError(said, next_step=Bilingual(fault.action_en, fault.action_fr))

    async def _or_interrupt(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, or stop it at Ctrl-C."""
        task = asyncio.create_task(work)
        await _first(task, self._interrupt)
        if task.done():
            await task
            return
        task.cancel()
        with suppress(asyncio.CancelledError, DriverError):
            await task
        if self._driver.status.job is not None:
            await _first(self._ended, timeout_s=CANCEL_S)
        raise InterruptedTrialError(
            Bilingual("Interrupted before the print began.", "Interrompu avant le début de l'impression."),
            next_step=Bilingual("Nothing was printed.", "Rien n'a été imprimé."),
        )

    async def _finish(self) -> PrintEnded:
        await _first(self._ended, self._interrupt)
        if not self._ended.done():
            await self._cancel()
        if not self._ended.done():
            raise DriverError(
                Bilingual("The printer did not confirm that it stopped.", "L'imprimante n'a pas confirmé son arrêt."),
                next_step=Bilingual("Switch it off by hand now.", "Éteignez-la à la main maintenant."),
            )
        return self._ended.result()

    async def _cancel(self) -> None:
        say(_CANCELLING, err=True)
        self._interrupt = asyncio.get_running_loop().create_future()
        await self._driver.cancel(self.job)
        await _first(self._ended, self._interrupt, timeout_s=CANCEL_S)
        if not self._ended.done():
            await self._driver.emergency_stop()
            await _first(self._ended, timeout_s=STOP_S)

    def _interrupted(self) -> None:
        if not self._interrupt.done():
            self._interrupt.set_result(None)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


async def _first(*awaited: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    """Wait until one of them is done, whatever its outcome."""
    await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
