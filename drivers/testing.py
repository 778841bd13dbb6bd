"""A driver that obeys a script: for tests of whatever stands on drivers, here and in other projects."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult

from drivers.base import (
    Bookmark,
    Capability,
    DriverEvent,
    DriverInfo,
    EventListener,
    Fault,
    JobTrace,
    PrintEnd,
    PrintEnded,
    PrinterState,
    PrinterStatus,
    Prompt,
    StatusChanged,
)
from drivers.errors import Bilingual, DriverError, PrinterBusyError, note_of
from gcode.texts import LANGUAGES, both

CAPABILITIES: Final = frozenset(
    {
        Capability.PAUSE,
        Capability.CANCEL,
        Capability.EMERGENCY_STOP,
        Capability.SURVIVES_AGENT,
        Capability.PROMPTS,
        Capability.TRANSCRIPT,
    }
)
STOPPED: Final = Fault(
    "stopped",
    "Emergency stop",
    "It was stopped.",
    "Elle a été arrêtée.",
    "Look at it, then switch it off and on.",
    "Regardez-la, puis éteignez-la et rallumez-la.",
)
_BUSY: Final = Bilingual("It prints already.", "Elle imprime déjà.")
_WAIT: Final = Bilingual("Wait.", "Attendez.")


class Heard:
    """A listener that keeps what a driver tells."""

    def __init__(self) -> None:
        self.events: list[DriverEvent] = []

    def __call__(self, event: DriverEvent) -> None:
        """Keep it."""
        self.events.append(event)

    @property
    def ends(self) -> list[PrintEnded]:
        """What became of jobs, in order."""
        return [event for event in self.events if isinstance(event, PrintEnded)]

    @property
    def statuses(self) -> list[PrinterStatus]:
        """All that was told of the machine, in order."""
        return [event.status for event in self.events if isinstance(event, StatusChanged)]


@dataclass
class Script:
    """What the machine does. Change it between calls."""

    connect_errors: list[Exception] = field(default_factory=list)  # raised by as many calls of `connect`
    start_error: Exception | None = None
    act_error: DriverError | None = None
    trace: JobTrace | None = None  # what `trace` answers; None: what the driver itself knows
    trace_errors: list[DriverError] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)


class ScriptedDriver:
    """Obeys the `Driver` protocol without a machine. `calls` lists what was asked of it, `traced` what `trace` was given."""

    def __init__(
        self, listener: EventListener, *, capabilities: frozenset[Capability] = CAPABILITIES, script: Script | None = None
    ) -> None:
        self.info = DriverInfo("scripted", capabilities)
        self.script = script or Script()
        self.calls: list[tuple[Any, ...]] = []
        self.traced: list[tuple[str, Path | None, str | None]] = []
        self.closed = False
        self._listener = listener
        self._status = PrinterStatus()
        self._questions = 0
        self._ended: dict[str, JobTrace] = {}
        self.left: str | None = None  # the job that went on when the driver was closed

    @property
    def status(self) -> PrinterStatus:
        """The newest status."""
        return self._status

    def _tell(self, event: DriverEvent) -> None:
        if not self.closed:
            self._listener(event)

    def becomes(self, state: PrinterState, **fields: Any) -> None:
        """The machine changes its state."""
        self._status = replace(self._status, state=state, **fields)
        self._tell(StatusChanged(self._status))

    def finishes(
        self, end: PrintEnd = PrintEnd.DONE, detail: str = "", *, fault: Fault | None = None, by_person: bool = False
    ) -> None:
        """The job that runs ends, and the machine is idle."""
        job = self._status.job or ""
        self._ended[job] = JobTrace(running=False, end=end, detail=detail)
        self._tell(PrintEnded(job, end, detail, fault, by_person=by_person))
        self.becomes(PrinterState.IDLE, job=None, progress=None, prompt=None)

    def asks(self, text: str | Bilingual, *choices: str | Bilingual) -> Prompt:
        """The machine asks a person something; what is in both languages is the driver's own question."""
        self._questions += 1
        said, said_fr = note_of(text)
        english, french = (tuple(both(choice).spoken(language) for choice in choices) for language in LANGUAGES)
        prompt = Prompt(f"prompt-{self._questions}", said or "", english, said_fr, () if french == english else french)
        self.becomes(PrinterState.ATTENTION, prompt=prompt)
        return prompt

    def bookmarks(self, text: str) -> None:
        """The driver gives a bookmark of the job that runs."""
        self._tell(Bookmark(self._status.job or "", text))

    async def connect(self) -> None:
        """Become idle, or fail as the script says."""
        self.calls.append(("connect",))
        if self.script.connect_errors:
            raise self.script.connect_errors.pop(0)
        self.becomes(PrinterState.IDLE)

    async def close(self) -> None:
        """Let go of the machine; a print that needs us ends."""
        if self._status.job is not None and Capability.SURVIVES_AGENT not in self.info.capabilities:
            self.finishes(PrintEnd.INTERRUPTED, "closed")
        self.left = self._status.job or self.left
        self.closed = True
        self._status = PrinterStatus()

    async def start(self, program: Path, job: str) -> None:
        """Print `job`, or fail as the script says."""
        self.calls.append(("start", program, job))
        if self.script.start_error is not None:
            raise self.script.start_error
        if self._status.state is not PrinterState.IDLE:
            raise PrinterBusyError(_BUSY, next_step=_WAIT)
        self.becomes(PrinterState.PRINTING, job=job, progress=0.0)

    def _asked(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if self.script.act_error is not None:
            raise self.script.act_error

    async def pause(self, job: str) -> None:
        """Pause, or fail as the script says."""
        self._asked("pause", job)
        if (self._status.job, self._status.state) == (job, PrinterState.PRINTING):
            self.becomes(PrinterState.PAUSED)

    async def resume(self, job: str) -> None:
        """Go on, or fail as the script says."""
        self._asked("resume", job)
        if (self._status.job, self._status.state) == (job, PrinterState.PAUSED):
            self.becomes(PrinterState.PRINTING)

    async def cancel(self, job: str) -> None:
        """End the job, or fail as the script says."""
        self._asked("cancel", job)
        if self._status.job == job:
            self.finishes(PrintEnd.CANCELLED)

    async def emergency_stop(self) -> None:
        """Stop, or fail as the script says: the job is lost, and the machine wants to be reset."""
        self._asked("emergency-stop")
        if self._status.job is not None:
            self._tell(PrintEnded(self._status.job, PrintEnd.FAILED, "emergency stop", STOPPED))
        self.becomes(PrinterState.FAULT, job=None, progress=None, prompt=None, fault=STOPPED)

    async def answer(self, prompt: str, choice: int) -> None:
        """Go on, or fail as the script says."""
        self._asked("answer", prompt, choice)
        if self._status.prompt is not None and self._status.prompt.id == prompt:
            self.becomes(PrinterState.PRINTING if self._status.job is not None else PrinterState.IDLE, prompt=None)

    def transcript(self) -> list[str]:
        """What the script says."""
        return list(self.script.transcript)

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:
        """Answer as the script says; a job that runs is the machine's from then on."""
        self.calls.append(("trace", job))
        self.traced.append((job, program, bookmark))
        if self.script.trace_errors:
            raise self.script.trace_errors.pop(0)
        if self.script.trace is None:
            return JobTrace(running=True) if job == self._status.job else self._ended.get(job, JobTrace(running=False))
        if self.script.trace.running:
            self.becomes(PrinterState.PRINTING, job=job)
        return self.script.trace


def from_url(_parts: SplitResult, listener: EventListener) -> ScriptedDriver:
    """Make a driver as the registry does."""
    return ScriptedDriver(listener)
