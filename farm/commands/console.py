"""`farm printers console`: lines of G-code to one printer and what it says: typed, from a pipe, or from the command line."""

import asyncio
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, Final, cast

import typer

from drivers.base import Capability, Console, Driver, PrinterState
from drivers.errors import Bilingual, DriverError, PrinterBusyError
from farm.commands.asking import UnansweredError, agreed
from farm.commands.device import connected, errors_as_json, temperatures
from farm.commands.speech import plain
from farm.commands.vocabulary import PRINTER_STATES, word
from farm.errors import InvalidError
from farm.language import spoken, told

MAX_LINE_CHARACTERS: Final = 500
HISTORY_LINES: Final = 1_000
_EMERGENCY: Final = "M112"
_BUSY: Final = frozenset(
    {PrinterState.PREPARING, PrinterState.PRINTING, PrinterState.PAUSED, PrinterState.FINISHING, PrinterState.FOREIGN}
)
_WORD: Final = re.compile(r"\s*(?:N\d+\s*)?([A-Za-z])\s*0*(\d+)")
# word -> what it does that nobody undoes
_WARNINGS: Final = {
    "M303": Bilingual("it heats for minutes", "elle chauffe pendant des minutes"),
    "M500": Bilingual("it writes the settings of the machine for good", "elle enregistre les réglages de la machine pour de bon"),
    "M502": Bilingual(
        "it forgets the settings of the machine (M500 after it makes that last)",
        "elle oublie les réglages de la machine (M500 ensuite rend cela durable)",
    ),
    "M504": Bilingual("it checks and may erase the stored settings", "elle vérifie les réglages enregistrés et peut les effacer"),
    "M524": Bilingual("it ends the print from the card", "elle met fin à l'impression depuis la carte"),
    "M997": Bilingual(
        "it restarts the board for a firmware update", "elle redémarre la carte mère pour une mise à jour du micrologiciel"
    ),
}
_HINT: Final = Bilingual(
    "One line of G-code at a time; M112 is the emergency stop; Ctrl-D ends.",
    "Une ligne de G-code à la fois ; M112 est l'arrêt d'urgence ; Ctrl-D termine.",
)
_SURE: Final = Bilingual("Send it all the same?", "L'envoyer quand même ?")


def word_of(line: str) -> str:
    """The command word of a line as Marlin reads it: `M112` of `n4 m0112*7`; empty when there is none."""
    found = _WORD.match(line)
    return f"{found[1].upper()}{found[2]}" if found else ""


def console(
    url: Annotated[str, typer.Argument(metavar="PRINTER_URL", help="Such as marlin:///dev/ttyUSB0 or virtual://")],
    command: Annotated[
        list[str] | None, typer.Option("--command", "-c", help="Send this line and end; may be given again.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line that was sent, also for an error.")] = False,
    transcript: Annotated[Path | None, typer.Option(help="At the end write what was said on the wire into this file.")] = None,
) -> None:
    """Send lines of G-code to a printer that is idle, and show what it says to each."""
    with errors_as_json(url, wanted=json_output):
        asyncio.run(_talk(url, command or [], json_output=json_output, transcript=transcript))


async def _talk(url: str, commands: list[str], *, json_output: bool, transcript: Path | None) -> None:
    async with connected(url, transcript) as driver:
        refuse_busy(driver)
        session = ConsoleSession(driver, json_output=json_output, ask=not commands and sys.stdin.isatty())
        if commands:
            for line in commands:
                await session.send(line)
        else:
            await session.run()


def refuse_busy(driver: Driver) -> None:
    """Make sure that the printer has a console and nothing to do.

    Raises:
        InvalidError: this kind of printer has no console.
        PrinterBusyError: something is printed.

    """
    if Capability.CONSOLE not in driver.info.capabilities:
        raise InvalidError(
            Bilingual(
                f"A printer of the kind {driver.info.name} has no console.",
                f"Une imprimante du type {driver.info.name} n'a pas de console.",
            ),
            next_step=Bilingual(
                "An OctoPrint has one when its key's user has the permission MONITOR_TERMINAL.",
                "Un OctoPrint en a une quand l'utilisateur de sa clé a le droit MONITOR_TERMINAL.",
            ),
        )
    if driver.status.state in _BUSY or driver.status.job is not None:
        state = word(PRINTER_STATES, driver.status.state)
        raise PrinterBusyError(
            Bilingual(f"The printer is {state.en}: nothing was sent.", f"État de l'imprimante : {state.fr}. Rien n'a été envoyé."),
            next_step=Bilingual(
                "Wait for its end, or cancel the print first.", "Attendez la fin, ou annulez d'abord l'impression."
            ),
        )


class ConsoleSession:
    """A person (`ask`), or a program, at the console of one printer."""

    def __init__(self, driver: Driver, *, json_output: bool, ask: bool) -> None:
        self._driver = driver
        self._json = json_output
        self._ask = ask

    async def run(self) -> None:
        """Take lines until the end of the input. For a person an error is no end."""
        if self._ask:
            typer.echo(" ".join([spoken(_HINT), *temperatures(self._driver.status)]), err=True)
            _remember_lines()
        read = _typed if self._ask else _piped
        while (line := await _in_a_thread_of_its_own(read)) is not None:
            try:
                await self.send(line)
            except DriverError as error:
                if not self._ask:
                    raise
                typer.echo(f"farm: {plain(told(error))}", err=True)

    async def send(self, line: str) -> None:
        """Send one line and show what the machine says; nothing for an empty line or a comment.

        Raises:
            DriverError: it could not be sent; `drivers.base.Console` says why.
            InvalidError: it is too long for any firmware.

        """
        text = line.partition(";")[0].strip()
        if not text:
            return
        if len(text) > MAX_LINE_CHARACTERS:
            raise InvalidError(
                Bilingual(
                    f"A line of {len(text)} characters is no G-code.",
                    f"Une ligne de {len(text)} caractères n'est pas du G-code.",
                ),
                next_step=Bilingual("Send one command at a time.", "Envoyez une commande à la fois."),
            )
        if not await self._sure(word_of(text)):
            return
        if word_of(text) == _EMERGENCY:
            await self._driver.emergency_stop()
            state = word(PRINTER_STATES, self._driver.status.state)
            stopped = Bilingual(f"emergency stop: {state.en}", f"arrêt d'urgence : {state.fr}")
            self._show(text, [stopped.en if self._json else spoken(stopped)])
            return
        self._show(text, await cast("Console", self._driver).console(text))

    async def _sure(self, word: str) -> bool:
        """A warning before what cannot be undone; a person is asked."""
        harm = _WARNINGS.get(word)
        if harm is None:
            return True
        text = Bilingual(f"warning: {word}: {harm.en}.", f"attention : {word} : {harm.fr}.")
        typer.echo(f"farm: {spoken(text)}", err=True)
        return not self._ask or await asyncio.to_thread(_confirm)

    def _show(self, sent: str, said: list[str]) -> None:
        if self._json:
            typer.echo(json.dumps({"sent": sent, "said": said}, ensure_ascii=False))
        else:
            for text in said:
                typer.echo(plain(text))
        sys.stdout.flush()


def _confirm() -> bool:
    try:
        return agreed(_SURE)
    except (typer.Abort, UnansweredError):
        return False


async def _in_a_thread_of_its_own(read: Callable[[], str | None]) -> str | None:
    """Wait for a line. After Ctrl-C nobody waits for this thread, as would be done for one of a pool: it ends with the process."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()

    def deliver(text: str | None) -> None:
        if not line.done():
            line.set_result(text)

    def wait() -> None:
        text = read()
        with suppress(RuntimeError):  # the loop is closed: nobody wants it any more
            loop.call_soon_threadsafe(deliver, text)

    Thread(target=wait, name="console", daemon=True).start()
    return await line


def _typed() -> str | None:
    """What a person types; None at Ctrl-D."""
    try:
        return input("> ")
    except EOFError:
        typer.echo("", err=True)
        return None


def _piped() -> str | None:
    """A line of standard input, cut at a length that no G-code has; None at its end."""
    return sys.stdin.readline(MAX_LINE_CHARACTERS * 4) or None


def _remember_lines() -> None:
    """Arrow keys and a history for `input`, in this session only: lines may hold secrets."""
    readline: Any
    try:
        import readline  # noqa: PLC0415 - only on a terminal
    except ImportError:
        return
    readline.set_history_length(HISTORY_LINES)
    readline.parse_and_bind("set enable-bracketed-paste off")
