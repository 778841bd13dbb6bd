"""The contract of a driver: the one small Protocol between the node agent (or `farm try`) and a kind of printer.

A driver speaks to one machine. It knows nothing of orders, allocations or beds: it starts a file under a job id, tells what the
machine does, and never guesses. Everything here is light to import: no driver library is loaded before a printer needs it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, runtime_checkable


class PrinterState(StrEnum):
    """One vocabulary for every kind of machine."""

    OFFLINE = "offline"  # nothing answers
    CONNECTING = "connecting"
    IDLE = "idle"
    PREPARING = "preparing"  # our job was accepted: transfer, heating, homing
    PRINTING = "printing"
    PAUSED = "paused"
    ATTENTION = "attention"  # the machine waits for a person (filament, prompt)
    FINISHING = "finishing"  # last moves or cool-down of our job; the latter also when its end was told, and it is no job any more
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
    PROMPTS = "prompts"  # asks questions that a person answers from afar (`Answering`)
    SNAPSHOT = "snapshot"  # has a camera (`Camera`)
    EJECT = "eject"  # can push a finished part off its bed (`Ejecting`)
    POWER = "power"  # its mains can be switched (`Powered`)
    TRANSCRIPT = "transcript"  # keeps the last minutes of what was said on the wire (`Recorded`)


@dataclass(frozen=True, slots=True)
class Temperature:
    """Degrees Celsius; `target_c` is 0 when the heater is off."""

    actual_c: float
    target_c: float


class Recovery(StrEnum):
    """What it takes until the printer can print again after a fault."""

    BY_ITSELF = "by-itself"  # the driver goes on without anybody
    BY_HAND = "by-hand"  # a person looks, clears or resets, and then it prints again
    NEVER = "never"  # not before it is repaired: a part is broken, or this machine cannot be driven at all


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault record: `code` is ours and stable, `text` is the machine's own line (untrusted text).

    Where the words of `text` are ours it is a `gcode.texts.Told`, which knows its French.
    """

    code: str
    text: str
    meaning_en: str
    meaning_fr: str
    action_en: str
    action_fr: str
    recovery: Recovery = Recovery.BY_HAND


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question of the machine. `id` is new for each question, so that a late answer does not answer the next one.

    `text` and `choices` are the machine's (untrusted text), or ours where they have French: `choices_fr` is empty or as long as
    `choices`. A prompt without choices is answered by choice 0: "go on".
    """

    id: str
    text: str
    choices: tuple[str, ...] = ()
    text_fr: str | None = None
    choices_fr: tuple[str, ...] = ()


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
    note_fr: str | None = None  # the same in French, where the words are ours and not the machine's
    prompt: Prompt | None = None  # with PROMPTS: what it asks now


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The status is another than before. Only the newest matters."""

    status: PrinterStatus


@dataclass(frozen=True, slots=True)
class PrintEnded:
    """A file that was started under `job` has ended. Sent once for each job that this driver object started or resumed."""

    job: str
    end: PrintEnd
    detail: str  # `gcode.texts.Told` where the words are ours and not the machine's: it knows its French
    fault: Fault | None = None
    by_person: bool = False  # cancelled at the machine: do not send it to the same printer again unasked


@dataclass(frozen=True, slots=True)
class Bookmark:
    """What the driver wants to have back in `trace` when this process dies under `job`: opaque, at most BOOKMARK_CHARACTERS.

    Only the newest of a job matters, and it need not survive a power cut: whoever keeps it never waits for the disk.
    """

    job: str
    text: str


BOOKMARK_CHARACTERS: Final = 512

DriverEvent = StatusChanged | PrintEnded | Bookmark
EventListener = Callable[[DriverEvent], None]


@dataclass(frozen=True, slots=True)
class JobTrace:
    """What the machine can tell about a job after we were away: running, ended, or (not running, `end` None) it cannot tell."""

    running: bool
    end: PrintEnd | None = None
    detail: str = ""  # as that of `PrintEnded`


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """What a kind of driver can do, for pages and for `farm printers`."""

    name: str
    capabilities: frozenset[Capability] = field(default_factory=frozenset)


class Driver(Protocol):
    """One printer. All methods are called from one event loop; none blocks it.

    Events go to the listener given at construction, on that loop. Methods raise `drivers.errors.DriverError` and nothing else.
    `info` may change when the machine is seen: what it can do is looked up again with every status.
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

        A job has one answer: these errors and `FirmwareError`, after which nothing of it prints or will print and no end is told,
        or its one `PrintEnded`. When the caller is cancelled meanwhile, what prints is followed to its end all the same.

        Raises:
            PrinterBusyError: something else is printing; nothing was sent.
            TransferError: the file did not arrive; nothing is printing.
            WithdrawnError: it was cancelled meanwhile; nothing is printing.

        """
        ...

    async def pause(self, job: str) -> None:
        """Hold `job`. No-op when it is not running."""
        ...

    async def resume(self, job: str) -> None:
        """Go on with `job`. No-op when it is not paused."""
        ...

    async def cancel(self, job: str) -> None:
        """End `job` and make the machine safe (heaters off, nozzle away). No-op when it is not running.

        While its `start` is under way: it does not begin any more, or ends as soon as it has begun.
        """
        ...

    async def emergency_stop(self) -> None:
        """Stop heat and motion at once, whatever is running."""
        ...

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:
        """Ask the machine what became of `job`, which an earlier process started. Reattaches to it when it still runs.

        `program` is the job's file when it is still there, `bookmark` the newest one that an earlier process gave for it: a driver
        that feeds its machine line by line needs both to go on, and otherwise makes the machine safe.
        """
        ...


# What some kinds of printer can do besides. A driver that names the capability has the method; `CAPABILITY_PROTOCOLS` says which.


@runtime_checkable
class Answering(Protocol):
    """PROMPTS."""

    async def answer(self, prompt: str, choice: int) -> None:
        """Answer the question `prompt` (its id) by the choice with this index. No-op when it is not asked any more."""
        ...


@runtime_checkable
class Console(Protocol):
    """CONSOLE."""

    async def console(self, line: str) -> list[str]:
        """Send one line of G-code and return what the machine said to it, at most 200 lines, after at most 30 s.

        Raises:
            PrinterBusyError: a job runs; nothing was sent.

        """
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A camera picture: `media_type` is image/jpeg or image/png, checked by the content's first bytes."""

    content: bytes
    media_type: str


@runtime_checkable
class Camera(Protocol):
    """SNAPSHOT."""

    async def snapshot(self) -> Picture:
        """Take a picture now; at most 4 MB.

        Raises:
            UnreachableError, NotAPrinterError: the camera does not answer, or what answers is no picture.

        """
        ...


@runtime_checkable
class Ejecting(Protocol):
    """EJECT."""

    async def eject(self) -> None:
        """Push what is on the bed off it, and return when the machine has done so. Nobody has seen that the bed is clear.

        Raises:
            PrinterBusyError: it prints, or the bed is too warm still.

        """
        ...


@runtime_checkable
class Powered(Protocol):
    """POWER."""

    async def power(self, *, on: bool) -> None:
        """Switch the printer's mains, and return when it is so.

        Raises:
            PrinterBusyError: it prints, or its nozzle is too hot to lose its fan.

        """
        ...


@runtime_checkable
class Recorded(Protocol):
    """TRANSCRIPT."""

    def transcript(self) -> list[str]:
        """The last minutes on the wire, oldest first: `12.345 > G1 X5`, `12.350 < ok`; without secrets, at most 4,000 lines."""
        ...


CAPABILITY_PROTOCOLS: Final[dict[Capability, tuple[str, type]]] = {
    Capability.PROMPTS: ("answer", Answering),
    Capability.CONSOLE: ("console", Console),
    Capability.SNAPSHOT: ("snapshot", Camera),
    Capability.EJECT: ("eject", Ejecting),
    Capability.POWER: ("power", Powered),
    Capability.TRANSCRIPT: ("transcript", Recorded),
}
