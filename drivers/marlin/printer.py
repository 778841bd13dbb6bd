"""A Marlin printer on a serial port, as a Driver: `marlin:///dev/serial/by-id/...?baud=115200`."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, ParamSpec, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote

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
from drivers.errors import (
    AddressError,
    DriverError,
    FirmwareError,
    PrinterBusyError,
    TransferError,
    UnreachableError,
)
from drivers.marlin.events import Event, JobBegun, JobEnded, NotUnderstood, Ready
from drivers.marlin.job import IN_JOB, Ending, Phase
from drivers.marlin.link import Link, close_port
from drivers.marlin.opening import PortOpener
from drivers.marlin.program import ProgramReader, check
from drivers.marlin.protocol import Protocol
from drivers.marlin.transcript import Transcript

CONNECT_S: Final = 40.0  # opening, boot loader and identification end long before; longer is a machine at something long
FIRST_RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 10.0
STOP_CONFIRM_S: Final = 3.0
SAFE_S: Final = 6.0  # for `close` in mid-print: a firmware without emergency parser may be busy heating for minutes
LAST_WORDS_S: Final = 0.3  # so many bytes take 5 ms at 115200 baud; the rest is for a slow USB adapter
MAX_ENDED: Final = 32  # how many ends we remember for `trace`
# Unnumbered, so that a machine that lost our place obeys too; it reads them when it is through with what it does.
_LAST_WORDS: Final = b"\nM108\nM104 S0\nM140 S0\nM107\n"
_INTERRUPTED: Final = "The agent was stopped in mid-print: heaters off, nozzle up."
_UNREACHED: Final = "The agent was stopped while the printer could not be reached: look whether its heaters are on."
_UNCONFIRMED: Final = "The agent was stopped; the printer did not confirm that its heaters are off: look at it."
_P = ParamSpec("_P")
_T = TypeVar("_T")

_STATES: Final = {
    Phase.CLOSED: PrinterState.OFFLINE,
    Phase.GREETING: PrinterState.CONNECTING,
    Phase.LOCATING: PrinterState.CONNECTING,
    Phase.SETUP: PrinterState.CONNECTING,
    Phase.READY: PrinterState.IDLE,
    Phase.STARTING: PrinterState.PREPARING,
    Phase.RUNNING: PrinterState.PRINTING,
    Phase.PAUSING: PrinterState.PRINTING,
    Phase.PAUSED: PrinterState.PAUSED,
    Phase.RESUMING: PrinterState.PAUSED,
    Phase.ABORTING: PrinterState.FINISHING,
    Phase.DRAINING: PrinterState.FINISHING,
    Phase.KILLED: PrinterState.FAULT,
}


class MarlinPrinter:
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
            }
        ),
    )

    def __init__(self, device: str, baud: int | None, listener: EventListener) -> None:
        self._device = device
        self._listener = listener
        self._transcript = Transcript()
        self._port = PortOpener(device, baud, self._transcript)
        self._lost: asyncio.Future[str] | None = None
        self._protocol = Protocol()
        self._status = PrinterStatus()
        self._link: Link | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._attempt: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] | None = None
        self._stopped: asyncio.Event | None = None
        self._over = asyncio.Event()  # the job that `close` interrupts
        self._reader: ProgramReader | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._starting = False
        self._ended: dict[str, JobEnded] = {}

    @property
    def status(self) -> PrinterStatus:
        """The newest status."""
        return self._status

    # contact
    async def connect(self) -> None:
        """Open, identify, become idle. See `Driver.connect`."""
        if self._supervisor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="marlin")
            self._attempt = asyncio.get_running_loop().create_future()
            self._supervisor = asyncio.create_task(self._supervise())
        elif self._protocol.phase in {Phase.CLOSED, Phase.GREETING, Phase.LOCATING, Phase.SETUP}:
            self._attempt = self._attempt or asyncio.get_running_loop().create_future()
        if self._attempt is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._attempt), CONNECT_S)
        except TimeoutError:
            raise PrinterBusyError(
                f"The printer at {self._device} is in the middle of something long.",
                next_step="Wait until it has finished heating or homing, or reset it.",
            ) from None
        finally:
            self._attempt = None

    def _connected(self, error: DriverError | None) -> None:
        if self._attempt is not None and not self._attempt.done():
            if error is None:
                self._attempt.set_result(None)
            else:
                self._attempt.set_exception(error)

    async def close(self) -> None:
        """Let go of the printer. A print would stand still and hot: it is made safe first, within SAFE_S, and ends INTERRUPTED."""
        await self._interrupt()
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        if self._feeding is not None:
            self._feeding.cancel()
            with suppress(asyncio.CancelledError):
                await self._feeding
        self._drop_reader()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None

    async def _interrupt(self) -> None:
        job = self._protocol.job
        if job is None:
            return
        self._over.clear()
        detail = _INTERRUPTED if self._protocol.phase in IN_JOB else _UNREACHED
        self._protocol.abort(Ending(PrintEnd.INTERRUPTED, detail), self._now_s())
        self._flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(SAFE_S):
                await self._over.wait()
        if not self._over.is_set():
            await self._leave(job.name)

    async def _leave(self, job: str) -> None:
        """The machine has not confirmed in time. What it is told now it obeys as soon as it listens."""
        if self._link is not None:
            self._link.write(_LAST_WORDS)
            await asyncio.sleep(LAST_WORDS_S)
        self._protocol = Protocol()
        self._job_ended(JobEnded(job, Ending(PrintEnd.INTERRUPTED, _UNCONFIRMED)))

    async def _supervise(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            try:
                await self._hold_port()
                retry_s = FIRST_RETRY_S
            except DriverError as error:
                self._connected(error)
            self._protocol.lost(self._now_s())
            self._flush()
            await self._port.wait(retry_s)
            retry_s = min(retry_s * 2, MAX_RETRY_S)

    async def _hold_port(self) -> None:
        """Open the port and serve it until it is gone."""
        port = await self._port.open(self._run, self._publish)
        self._lost = lost = asyncio.get_running_loop().create_future()
        link = Link(port, self._receive, self._lose)
        try:
            self._link = link
            self._protocol.opened(self._now_s())
            self._flush()
            reason = await lost
            self._connected(UnreachableError(f"{self._device} went away: {reason}.", next_step="Check cable and power."))
        finally:
            self._link = None
            await self._run(close_port, link.detach())

    def _lose(self, reason: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    async def _run(self, function: Callable[_P, _T], *arguments: _P.args, **keywords: _P.kwargs) -> _T:
        assert not keywords
        assert self._executor is not None
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    # the engine
    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def _receive(self, data: bytes) -> None:
        self._transcript.heard(data, self._now_s())
        self._protocol.receive(data, self._now_s())
        self._flush()

    def _timed_out(self) -> None:
        self._timer = None
        self._protocol.on_timeout(self._now_s())
        self._flush()

    def _flush(self) -> None:
        """After anything happened: send, tell, arm the timer, read ahead."""
        data = self._protocol.data_to_send()
        if self._link is not None:
            self._transcript.sent(data, self._now_s())
            self._link.write(data)
        for event in self._protocol.events():
            self._tell(event)
        self._arm()
        if self._protocol.wants_program and self._feeding is None and self._reader is not None:
            self._feeding = asyncio.create_task(self._feed(self._reader))
        if self._stopped is not None and not self._protocol.stopping:
            self._stopped.set()
        self._publish()

    def _arm(self) -> None:
        deadline_s = self._protocol.deadline_s
        if deadline_s is None or (self._timer is not None and self._timer.when() <= deadline_s):
            return  # an early timer only looks and arms again
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline_s, self._timed_out)

    async def _feed(self, reader: ProgramReader) -> None:
        try:
            lines, complete = await self._run(reader.read_batch)
        except TransferError as error:
            self._feeding = None
            self._protocol.feed_failed(str(error), self._now_s())
        else:
            self._feeding = None
            if reader is self._reader:
                self._protocol.feed(lines, complete=complete, now_s=self._now_s())
        self._flush()

    def _drop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and self._executor is not None:
            self._executor.submit(reader.close)

    # what the protocol tells
    def _tell(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._connected(None)
        elif isinstance(event, NotUnderstood):
            self._connected(self._port.not_understood(self._now_s()))
            if self._port.must_search:
                self._lose("its speed is another now")
        elif isinstance(event, JobBegun):
            if self._begun is not None and not self._begun.done():
                self._begun.set_result(None)
        else:
            self._job_ended(event)

    def _job_ended(self, event: JobEnded) -> None:
        self._over.set()
        self._drop_reader()
        self._ended[event.name] = event
        while len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        ending = event.ending
        if self._begun is not None and not self._begun.done():
            self._begun.set_exception(_not_begun(event))
            return
        self._listener(PrintEnded(event.name, ending.end, ending.detail, ending.fault, ending.by_person))

    def _publish(self) -> None:
        status = self._compose()
        if status != self._status:
            self._status = status
            self._listener(StatusChanged(status))

    def _compose(self) -> PrinterStatus:
        protocol, job = self._protocol, self._protocol.job
        return PrinterStatus(
            state=self._state(),
            job=job.name if job is not None else None,
            progress=round(job.progress, 3) if job is not None else None,
            nozzle=protocol.reported.nozzle,
            bed=protocol.reported.bed,
            firmware=self._firmware(),
            fault=protocol.fault,
            note=protocol.reported.note or self._port_note(),
        )

    def _firmware(self) -> str | None:
        name, found = self._protocol.identity.firmware, self._port.found
        return f"{name}, {found} baud" if name and found else name

    def _port_note(self) -> str | None:
        if self._port.searching is not None:
            return f"Looking for the speed: {self._port.searching} baud."
        return self._port.note

    def transcript(self) -> list[str]:
        """The last minutes on the wire. See `drivers.base.Recorded`."""
        return self._transcript.lines()

    def _state(self) -> PrinterState:
        protocol, job = self._protocol, self._protocol.job
        if self._port.searching is not None:
            return PrinterState.CONNECTING
        if protocol.silent:
            return PrinterState.OFFLINE
        if protocol.phase is Phase.READY and protocol.reported.foreign:
            return PrinterState.FOREIGN
        if protocol.phase is Phase.RUNNING and job is not None:
            if protocol.reported.user_wait:
                return PrinterState.ATTENTION
            return PrinterState.PRINTING if job.modes.extruded else PrinterState.PREPARING
        return _STATES[protocol.phase]

    # commands
    def _must_be_idle(self) -> None:
        if self._starting or self._protocol.phase is not Phase.READY or self._protocol.reported.foreign:
            state = self._status.state.value
            raise PrinterBusyError(f"The printer at {self._device} is {state}.", next_step="Wait until it is idle and try again.")

    async def start(self, program: Path, job: str) -> None:
        """Print `program` as `job`. See `Driver.start`; a fault before the first line is a FirmwareError."""
        self._must_be_idle()
        self._starting = True
        try:
            size = await self._run(check, program)
        finally:
            self._starting = False
        self._must_be_idle()
        self._begun = asyncio.get_running_loop().create_future()
        self._reader = ProgramReader(program)
        self._protocol.start(job, size.size_bytes, self._now_s())
        self._flush()
        try:
            await self._begun
        except asyncio.CancelledError:
            await self.cancel(job)
            raise
        finally:
            self._begun = None

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
        """Stop feeding, heaters off, nozzle up. Returns at once; `PrintEnded` comes when the machine is safe."""
        if self._runs(job):
            self._protocol.cancel(self._now_s())
            self._flush()

    async def emergency_stop(self) -> None:
        """M112, and wait up to 3 s until the machine confirms it.

        Raises:
            UnreachableError: there is no contact.

        """
        if self._link is None:
            raise UnreachableError(f"There is no contact with {self._device}.", next_step="Switch the printer off at the mains.")
        self._stopped = asyncio.Event()
        self._protocol.emergency_stop(self._now_s())
        self._flush()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), STOP_CONFIRM_S)
        self._stopped = None

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:  # noqa: ARG002
        """What became of `job`. A serial print does not survive the process that feeds it: the machine is made safe."""
        if self._runs(job):
            return JobTrace(running=True)
        if (ended := self._ended.get(job)) is not None:
            return JobTrace(running=False, end=ended.ending.end, detail=ended.ending.detail)
        if self._protocol.was_reset:
            detail = "The printer was reset since; the print cannot go on."
        else:
            detail = "The print was cut off when the program that fed it ended; the printer was not reset."
            self._protocol.make_safe(self._now_s())
            self._flush()
        return JobTrace(running=False, end=PrintEnd.INTERRUPTED, detail=detail)


def _not_begun(event: JobEnded) -> DriverError:
    ending = event.ending
    if ending.fault is not None:
        return FirmwareError(ending.fault, next_step=ending.fault.action_en)
    return TransferError(f"The print did not begin: {ending.detail}", next_step="Try again.")


def from_url(parts: SplitResult, listener: EventListener) -> MarlinPrinter:
    """Make the driver for `marlin:///dev/...?baud=N`; without `baud`, or with `auto`, the speed is looked for. No I/O.

    Raises:
        AddressError: no device path, an unknown key, or a baud rate that is no number.

    """
    example = "Example: marlin:///dev/ttyUSB0?baud=115200 (three slashes)."
    device = unquote(parts.path)
    if parts.netloc or not device.startswith("/") or device == "/":
        raise AddressError(f"The printer URL {parts.geturl()!r} names no device.", next_step=example)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {"baud"}):
        raise AddressError(
            f"The printer URL has an unknown key: {', '.join(unknown)}.", next_step=f"The only key is baud. {example}"
        )
    baud = options.get("baud", "auto")
    if baud == "auto":
        return MarlinPrinter(device, None, listener)
    if not baud.isascii() or not baud.isdigit() or not 1_200 <= int(baud) <= 4_000_000:
        raise AddressError(f"{baud!r} is not a baud rate.", next_step=f"Use auto, or a number such as 115200 or 250000. {example}")
    return MarlinPrinter(device, int(baud), listener)
