"""What the commands share that speak to one printer from this terminal, without daemon or agent."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, cast

import typer

from drivers.base import Capability, Driver, DriverEvent, Fault, PrinterStatus, Recorded, StatusChanged
from drivers.errors import DriverError
from drivers.registry import open_driver, shown
from farm.commands.speech import number_of, say
from farm.commands.vocabulary import PRINTER_STATES, word
from farm.errors import FarmError, InvalidError
from farm.language import speaks_french, spoken, system_words
from gcode.texts import Bilingual, Told

CLOSE_S: Final = 15.0  # `Driver.close` promises ten
_NOZZLE: Final = Bilingual("nozzle", "buse")
_BED: Final = Bilingual("bed", "plateau")
_TRANSCRIPT: Final = Bilingual("transcript", "la transcription")
_NO_TRANSCRIPT: Final = Bilingual(
    "farm: this kind of printer keeps no transcript.", "farm: cette sorte d'imprimante ne garde pas de transcription."
)


class Teller:
    """Tells on standard error what a printer does: a line for each new state or note."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, event: DriverEvent) -> None:
        """Take an event of the driver."""
        if not isinstance(event, StatusChanged):
            return
        text = spoken(state_of(event.status))
        if text != self._told:
            self._told = text
            say(text, err=True)


def note_of(status: PrinterStatus) -> str | None:
    """What the machine says or waits for, in the person's language where the words are ours."""
    return status.note_fr if status.note_fr and speaks_french() else status.note


def state_of(status: PrinterStatus) -> Bilingual:
    """The state of a printer, and what it says of it."""
    state, note = word(PRINTER_STATES, status.state), note_of(status)
    return Bilingual(f"{state.en}: {note}", f"{state.fr} : {note}") if note else state


def temperatures(status: PrinterStatus) -> list[str]:
    """`nozzle 199/200 °C` and `bed 60/60 °C`, as far as they are known, in the person's language."""
    named = ((_NOZZLE, status.nozzle), (_BED, status.bed))
    return [f"{spoken(name)} {heater.actual_c:.0f}/{heater.target_c:.0f} °C" for name, heater in named if heater is not None]


def fault_record(fault: Fault) -> dict[str, Any]:
    """A fault for programs: code, the machine's text, meaning and action in both languages."""
    return {
        "code": fault.code,
        "text": fault.text,
        "text_fr": fault.text.fr if isinstance(fault.text, Told) else None,
        "meaning": {"en": fault.meaning_en, "fr": fault.meaning_fr},
        "action": {"en": fault.action_en, "fr": fault.action_fr},
        "recovery": fault.recovery.value,
    }


def shown_url(url: str) -> str:
    """A printer URL without what may be a secret."""
    return shown(url)


def write_file(path: Path, content: bytes, what: Bilingual) -> None:
    """Write a file for a person; only they may read it. `what` it is stands with its article in French.

    Raises:
        InvalidError: it cannot be written.

    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its rights
            file.write(content)
    except OSError as error:
        raise InvalidError(
            Bilingual(f"{path} cannot be written: {error.strerror}.", f"Impossible d'écrire {path} : {system_words(error).fr}."),
            next_step=Bilingual(f"Choose another place for the {what.en}.", f"Choisissez un autre lieu pour {what.fr}."),
        ) from error


def save_transcript(driver: Driver, path: Path) -> int:
    """Write what was said on the wire to `path`; returns the number of lines, 0 (and no file) when the driver keeps none."""
    if Capability.TRANSCRIPT not in driver.info.capabilities:
        say(_NO_TRANSCRIPT, err=True)
        return 0
    lines = cast("Recorded", driver).transcript()
    write_file(path, "".join(f"{line}\n" for line in lines).encode(), _TRANSCRIPT)
    count = len(lines)
    say(
        Bilingual(
            f"farm: {count} lines of transcript in {path}",
            f"farm: {number_of(count, 'line').fr} de transcription dans {path}",
        ),
        err=True,
    )
    return count


@asynccontextmanager
async def connected(url: str, transcript: Path | None = None) -> AsyncIterator[Driver]:
    """The driver for `url`, connected; closed afterwards. Its transcript is written also when it could not connect.

    Raises:
        DriverError: the printer cannot be used.
        InvalidError: the transcript cannot be written.

    """
    driver = open_driver(url, Teller())
    try:
        try:
            await driver.connect()
            yield driver
        finally:
            if transcript is not None:
                save_transcript(driver, transcript)
    finally:
        async with asyncio.timeout(CLOSE_S):
            await driver.close()


def check_url(url: str) -> None:
    """Make sure that a driver would take this URL; nothing is connected.

    Raises:
        DriverError: none does.

    """
    open_driver(url, Teller())


def error_record(error: DriverError | FarmError) -> dict[str, Any]:
    """An error for programs, in both languages; where there is English only, it stands for both."""
    return {
        "code": error.code,
        "detail": {"en": error.detail, "fr": error.detail_fr},
        "next_step": {"en": error.next_step, "fr": error.next_step_fr},
    }


@contextmanager
def errors_as_json(url: str, *, wanted: bool) -> Iterator[None]:
    """Tell an error of what is done with `url` on standard output too, as one JSON object, when that is wanted; it goes on."""
    try:
        yield
    except (DriverError, FarmError) as error:
        if wanted:
            typer.echo(json.dumps({"printer": shown_url(url), "error": error_record(error)}, ensure_ascii=False))
        raise
