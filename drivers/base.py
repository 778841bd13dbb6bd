"""The contract of a driver: the one small Protocol between the node agent (or `farm try`) and a kind of printer.

A driver speaks to one machine. It knows nothing of orders, allocations or beds: it starts a file under a job id, tells what the
machine does, and never guesses. Everything here is light to import: no driver library is loaded before a printer needs it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class PrinterState(StrEnum):
    """One vocabulary for every kind of machine."""

    OFFLINE = "offline"  # nothing answers
    CONNECTING = "connecting"
    IDLE = "idle"
    PREPARING = "preparing"  # our job was accepted: transfer, heating, homing
    PRINTING = "printing"
    PAUSED = "paused"
    ATTENTION = "attention"  # the machine waits for a person (filament, prompt)
    FINISHING = "finishing"  # last moves or cool-down of our job
    FAULT = "fault"  # the machine refuses to go on; a person resets it
    FOREIGN = "foreign"  # it prints something that is not ours


class PrintEnd(StrEnum):
    """What became of a started file."""

    DONE = "done"  # every line was executed
    FAILED = "failed"
    CANCELLED = "cancelled"  # by us or by a person at the machine
    INTERRUPTED = "interrupted"  # contact was lost and the machine cannot tell


class Capability(StrEnum):
    """What a kind of printer can do beyond starting a file and telling its state."""

    PAUSE = "pause"
    CANCEL = "cancel"
    EMERGENCY_STOP = "emergency-stop"
    TEMPERATURES = "temperatures"
    CONSOLE = "console"
    SURVIVES_AGENT = "survives-agent"  # a print goes on when our process dies (OctoPrint), or stops (serial streaming)
    PROVES_IDLE = "proves-idle"  # can prove that nothing was printed while we were away


@dataclass(frozen=True, slots=True)
class Temperature:
    """Degrees Celsius; `target_c` is 0 when the heater is off."""

    actual_c: float
    target_c: float


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault record: `code` is ours and stable, `text` is the machine's own line (untrusted text)."""

    code: str
    text: str
    meaning_en: str
    meaning_fr: str
    action_en: str
    action_fr: str


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What a printer is doing now. `progress` is 0.0-1.0 of the file; `remaining_s` is real seconds, None when unknown."""

    state: PrinterState = PrinterState.OFFLINE
    job: str | None = None
    progress: float | None = None
    remaining_s: float | None = None
    nozzle: Temperature | None = None
    bed: Temperature | None = None
    firmware: str | None = None
    fault: Fault | None = None
    note: str | None = None  # what the machine says or waits for, as text


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The status is another than before. Only the newest matters."""

    status: PrinterStatus


@dataclass(frozen=True, slots=True)
class PrintEnded:
    """A file that was started under `job` has ended. Sent once for each job that this driver object started or resumed."""

    job: str
    end: PrintEnd
    detail: str
    fault: Fault | None = None
    by_person: bool = False  # cancelled at the machine: do not send it to the same printer again unasked


DriverEvent = StatusChanged | PrintEnded
EventListener = Callable[[DriverEvent], None]


@dataclass(frozen=True, slots=True)
class JobTrace:
    """What the machine can tell about a job after we were away: running, ended, or (not running, `end` None) it cannot tell."""

    running: bool
    end: PrintEnd | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """What a kind of driver can do, for pages and for `farm printers`."""

    name: str
    capabilities: frozenset[Capability] = field(default_factory=frozenset)


class Driver(Protocol):
    """One printer. All methods are called from one event loop; none blocks it.

    Events go to the listener given at construction, on that loop. Methods raise `drivers.errors.DriverError` and nothing else.
    A driver reconnects by itself after a loss (with back-off, logging once on loss and once on recovery) until `close`.
    """

    info: DriverInfo

    @property
    def status(self) -> PrinterStatus:
        """The newest status."""
        ...

    async def connect(self) -> None:
        """Open, identify and become IDLE (or what the machine is doing).

        Raises:
            DriverError: the first attempt failed; the message says why. The driver goes on trying when `connect` was called with
                a running agent behind it; `farm try` closes it.

        """
        ...

    async def close(self) -> None:
        """Let go of the printer.

        With SURVIVES_AGENT a running print goes on. Without, nobody would feed it or watch its heat any more: stop feeding, heaters
        off, nozzle up, and end the job INTERRUPTED before returning. In at most 10 s, also when the machine does not answer.
        """
        ...

    async def start(self, program: Path, job: str) -> None:
        """Print the plain G-code file `program` under the id `job`; return when the machine has provably begun.

        Raises:
            PrinterBusyError: something else is printing; nothing was sent.
            TransferError: the file did not arrive; nothing is printing.

        """
        ...

    async def pause(self, job: str) -> None:
        """Hold `job`. No-op when it is not running."""
        ...

    async def resume(self, job: str) -> None:
        """Go on with `job`. No-op when it is not paused."""
        ...

    async def cancel(self, job: str) -> None:
        """End `job` and make the machine safe (heaters off, nozzle away). No-op when it is not running."""
        ...

    async def emergency_stop(self) -> None:
        """Stop heat and motion at once, whatever is running."""
        ...

    async def trace(self, job: str) -> JobTrace:
        """Ask the machine what became of `job`, which an earlier process started. Reattaches to it when it still runs."""
        ...
