"""`farm try PRINTER_URL FILE.gcode`: prints one file on one printer, without daemon or broker, to see whether it works."""

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from drivers.base import Driver, DriverEvent, PrintEnd, PrintEnded, PrinterState, PrinterStatus, StatusChanged
from drivers.errors import DriverError
from drivers.registry import open_driver
from farm.errors import FarmError, InvalidError, NotFoundError
from farm.ids import new_id

if TYPE_CHECKING:
    from gcode.checks import Finding

CHUNK_BYTES: Final = 1024 * 1024
CANCEL_S: Final = 120.0  # a bed that heats cannot be interrupted on every firmware
STOP_S: Final = 5.0
CTRL_C: Final = 130
_COMMAND: Final = re.compile(rb"(?m)^[ \t]*(?:N\d+[ \t]*)?[GMT]\d", re.IGNORECASE)
_UNCHECKED: Final = "farm: the file is not checked against a printer; --profile generic-210 (or another profile) does that."
_SLICE: Final = "Slice the model to plain G-code for this printer and give that file."


class InterruptedTrialError(FarmError):
    """A person pressed Ctrl-C before or during the print."""

    code = "interrupted"
    exit_code = CTRL_C


def check_file(file: Path) -> None:
    """Make sure that `file` can be G-code at all, before a printer is touched.

    Raises:
        NotFoundError: there is no such file.
        InvalidError: it is a folder, empty, binary, or holds no command.

    """
    if not file.exists():
        raise NotFoundError(f"There is no file {file}.", next_step="Check the name.")
    if not file.is_file():
        raise InvalidError(f"{file} is no file.", next_step="Give the path of one G-code file.")
    found = False
    tail = b""
    try:
        with file.open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                if b"\0" in chunk:
                    raise InvalidError(f"{file} is a binary file, not plain G-code.", next_step=_SLICE)
                found = found or _COMMAND.search(tail + chunk) is not None
                tail = chunk[chunk.rfind(b"\n") + 1 :][-64:]
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}.", next_step="Check who may read it.") from error
    if not found:
        what = "is empty" if file.stat().st_size == 0 else "holds no G-code command"
        raise InvalidError(f"{file} {what}.", next_step=_SLICE)


def check_against(file: Path, profile_id: str) -> list[str]:
    """Make sure that `file` keeps the rules of a class of printers; return what is doubtful but allowed, a line each.

    Raises:
        NotFoundError: there is no such profile.
        InvalidError: a rule is broken; the message has the first places.

    """
    from gcode.checks import inspect  # noqa: PLC0415 - only with --profile
    from gcode.profile import bundled_profiles  # noqa: PLC0415
    from gcode.rules import Severity  # noqa: PLC0415

    profiles = bundled_profiles()
    if profile_id not in profiles:
        known = ", ".join(sorted(profiles))
        raise NotFoundError(f"There is no profile {profile_id}.", next_step=f"There are: {known}.")
    with file.open("rb") as content:
        report = inspect(content, profiles[profile_id]).report
    if report.printable:
        return [f"{_place(finding)} {finding.rule.fix_en}" for finding in report.findings]
    broken = [finding for finding in report.findings if finding.severity is Severity.REJECT]
    places = " ".join(_place(finding) for finding in broken[:3])
    raise InvalidError(f"{file} must not be printed on {profile_id}: {places}", next_step=broken[0].rule.fix_en)


def _place(finding: "Finding") -> str:
    first = finding.hits[0]
    text = finding.rule.explanation_en
    return f"{text.removesuffix('.')} (line {first.line})." if first.line else text


class Display:
    """Shows a print on standard error: a live bar on a terminal, else a line for each new state."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - 10 MB that only a person at a terminal needs
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._console = Console(stderr=True)
        self._shown: str | None = None
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("connecting", total=1.0)

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.stop()

    def show(self, status: PrinterStatus) -> None:
        """Show the newest status."""
        self._bar.update(self._task, description=describe(status), completed=status.progress or 0.0)
        if not self._console.is_terminal and status.state.value != self._shown:
            self._shown = status.state.value
            typer.echo(describe(status), err=True)


def describe(status: PrinterStatus) -> str:
    """A status in a few words: state, temperatures in degrees C, what the machine says."""
    words = [status.state.value]
    for name, heater in (("nozzle", status.nozzle), ("bed", status.bed)):
        if heater is not None:
            words.append(f"{name} {heater.actual_c:.0f}/{heater.target_c:.0f} °C")
    return "  ".join([*words, *(text for text in (status.note,) if text)])


class Trial:
    """One print on one printer."""

    def __init__(self, url: str, file: Path, display: Display) -> None:
        self._file = file
        self._display = display
        self._ended: asyncio.Future[PrintEnded] = asyncio.get_running_loop().create_future()
        self._interrupt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._driver: Driver = open_driver(url, self._listen)
        self.job = new_id("job")

    def _listen(self, event: DriverEvent) -> None:
        if isinstance(event, StatusChanged):
            self._display.show(event.status)
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
                await self._driver.close()

    def _must_be_free(self) -> None:
        status = self._driver.status
        if status.state is PrinterState.FAULT and status.fault is not None:
            raise DriverError(f"The printer is in fault: {status.fault.meaning_en}", next_step=status.fault.action_en)

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
        raise InterruptedTrialError("Interrupted before the print began.", next_step="Nothing was printed.")

    async def _finish(self) -> PrintEnded:
        await _first(self._ended, self._interrupt)
        if not self._ended.done():
            await self._cancel()
        if not self._ended.done():
            raise DriverError("The printer did not confirm that it stopped.", next_step="Switch it off by hand now.")
        return self._ended.result()

    async def _cancel(self) -> None:
        typer.echo("Cancelling: heaters off, nozzle up. Ctrl-C again for the emergency stop.", err=True)
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


async def _run(url: str, file: Path) -> tuple[str, PrintEnded]:
    with Display() as display:
        trial = Trial(url, file, display)
        return trial.job, await trial.run()


def _tell(ended: PrintEnded) -> None:
    if ended.end is PrintEnd.DONE:
        return
    typer.echo(f"farm: the print ended as {ended.end.value}: {ended.detail}", err=True)
    if ended.fault is not None:
        typer.echo(f"farm: the printer said {ended.fault.text!r}. {ended.fault.action_en}", err=True)


def try_print(
    url: Annotated[str, typer.Argument(metavar="PRINTER_URL", help="Such as marlin:///dev/ttyUSB0?baud=115200 or virtual://")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Plain G-code.")],
    json_output: Annotated[bool, typer.Option("--json", help="End with one line of JSON on standard output.")] = False,
    profile: Annotated[
        str | None, typer.Option(help="Check FILE first against this class of printers, such as generic-210.")
    ] = None,
) -> None:
    """Print FILE on one printer, without daemon or broker. Ctrl-C cancels the print and makes the machine safe."""
    check_file(file)
    if profile is None:
        typer.echo(_UNCHECKED, err=True)
    else:
        for warning in check_against(file, profile):
            typer.echo(f"farm: warning: {warning}", err=True)
    began_s = time.monotonic()
    job, ended = asyncio.run(_run(url, file))
    seconds = round(time.monotonic() - began_s, 1)
    _tell(ended)
    if json_output:
        printer = url.partition("?")[0]  # what follows may name a key
        typer.echo(json.dumps({"job": job, "end": ended.end.value, "seconds": seconds, "printer": printer}))
    elif ended.end is PrintEnd.DONE:
        typer.echo(f"Done in {seconds:g} s.")
    sys.stdout.flush()
    if ended.end is not PrintEnd.DONE:
        raise typer.Exit(CTRL_C if ended.end is PrintEnd.CANCELLED and not ended.by_person else 1)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("try")(try_print)
