"""A driver that obeys a script: for tests of whatever stands on drivers, here and in other projects."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

from drivers.base import (
    Capability,
    DriverInfo,
    EventListener,
    Fault,
    JobTrace,
    PrintEnd,
    PrintEnded,
    PrinterState,
    PrinterStatus,
    StatusChanged,
)
from drivers.errors import DriverError, PrinterBusyError


@dataclass
class Script:
    """What the machine does. Change it between calls."""

    connect_errors: list[Exception] = field(default_factory=list)  # raised by as many calls of `connect`
    start_error: Exception | None = None
    act_error: DriverError | None = None
    trace: JobTrace = field(default_factory=lambda: JobTrace(running=False))
    trace_errors: list[DriverError] = field(default_factory=list)


class ScriptedDriver:
    """Obeys the `Driver` protocol without a machine. `calls` lists what was asked of it."""

    def __init__(
        self, listener: EventListener, *, capabilities: frozenset[Capability] = frozenset(), script: Script | None = None
    ) -> None:
        self.info = DriverInfo("scripted", capabilities)
        self.script = script or Script()
        self.calls: list[tuple[Any, ...]] = []
        self.closed = False
        self._listener = listener
        self._status = PrinterStatus()

    @property
    def status(self) -> PrinterStatus:
        """The newest status."""
        return self._status

    def becomes(self, state: PrinterState, **fields: Any) -> None:
        """The machine changes its state."""
        self._status = replace(self._status, state=state, **fields)
        self._listener(StatusChanged(self._status))

    def finishes(self, end: PrintEnd = PrintEnd.DONE, detail: str = "", *, fault: Fault | None = None) -> None:
        """The job that runs ends, and the machine is idle."""
        job = self._status.job or ""
        self._listener(PrintEnded(job, end, detail, fault))
        self.becomes(PrinterState.IDLE, job=None, progress=None)

    async def connect(self) -> None:
        """Become idle, or fail as the script says."""
        self.calls.append(("connect",))
        if self.script.connect_errors:
            raise self.script.connect_errors.pop(0)
        self.becomes(PrinterState.IDLE)

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    async def start(self, program: Path, job: str) -> None:
        """Print `job`, or fail as the script says."""
        self.calls.append(("start", program, job))
        if self.script.start_error is not None:
            raise self.script.start_error
        if self._status.state is not PrinterState.IDLE:
            raise PrinterBusyError("It prints already.", next_step="Wait.")
        self.becomes(PrinterState.PRINTING, job=job, progress=0.0)

    async def _act(self, name: str, *arguments: str) -> None:
        self.calls.append((name, *arguments))
        if self.script.act_error is not None:
            raise self.script.act_error

    async def pause(self, job: str) -> None:
        """Pause, or fail as the script says."""
        await self._act("pause", job)
        self.becomes(PrinterState.PAUSED)

    async def resume(self, job: str) -> None:
        """Go on, or fail as the script says."""
        await self._act("resume", job)
        self.becomes(PrinterState.PRINTING)

    async def cancel(self, job: str) -> None:
        """End the job, or fail as the script says."""
        await self._act("cancel", job)
        self.finishes(PrintEnd.CANCELLED)

    async def emergency_stop(self) -> None:
        """Stop, or fail as the script says."""
        await self._act("emergency-stop")
        self.becomes(PrinterState.FAULT)

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:  # noqa: ARG002
        """Answer as the script says; a job that runs is the machine's from then on."""
        self.calls.append(("trace", job))
        if self.script.trace_errors:
            raise self.script.trace_errors.pop(0)
        if self.script.trace.running:
            self.becomes(PrinterState.PRINTING, job=job)
        return self.script.trace


def from_url(_parts: SplitResult, listener: EventListener) -> ScriptedDriver:
    """Make a driver as the registry does."""
    return ScriptedDriver(listener)
