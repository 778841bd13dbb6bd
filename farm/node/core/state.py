"""What a node knows, as frozen values. A step makes a new state; when its commit fails the old one simply stays.

`NodeState` has two halves. The durable half is what the ledger holds; `changes.between` finds what a step altered of it. The other
half is gone after a restart, and must be: contact with the daemon, what the drivers last said, which files were verified.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from drivers.base import Capability, PrinterState, PrinterStatus
from farm.bus.messages import AllocationOrder, Fact, JobReference, ReasonNote, Settings
from farm.node.core.refusals import Refusal
from scheduler.model import BedState, JobOutcome, OccupationKind

# protocol.md: blind for longer than this, somebody may have printed from the panel
BLIND_S: Final = 300.0
# a fast clock is looked at less often than every five minutes of its own: so many looks missed in a row are blindness
BLIND_LOOKS: Final = 40
# reports of this boot whose sending time is remembered; an acknowledgement or a deadline that names an older one is void
KEEP_SENT: Final = 512
# ids of commands that were carried out; a copy of an older one that is still under way meets its deadline or its named bed
KEEP_COMMANDS: Final = 512
# after a start that provably did not begin: doubled up to the last figure, so that a refusing printer is not asked for ever
FIRST_HOLD_S: Final = 30.0
LAST_HOLD_S: Final = 900.0
# after a machine could not be asked about a job: doubled up to the last figure, so that it is not asked without a pause
FIRST_ASK_S: Final = 5.0
LAST_ASK_S: Final = 300.0
# a printer whose fault flickers writes it once in this time: every fact is a write to an SD card
SAME_FAULT_S: Final = 600.0

# (begin, end) in seconds since local midnight; an end before the begin is on the next day
QuietHours = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a step happens, and where its ids come from: the core has neither a clock nor chance of its own."""

    boot_s: float  # farm.clock.Clock.boot_s: durations, leases
    wall_s: float  # farm.clock.Clock.wall_s: for people
    new_id: Callable[[str], str]
    local_day_s: float = 0.0  # since midnight where the node stands, for quiet hours


@dataclass(frozen=True, slots=True)
class PrinterSetup:
    """What node.toml, or a maker's registration, says about a printer. `autonomy_s`: the most that its owner allows."""

    id: str
    name: str
    driver: str
    profile: str
    material: str = "PLA"
    nozzle_mm: float = 0.4
    autonomy_s: float | None = None
    capabilities: frozenset[Capability] = frozenset()
    quiet_hours: QuietHours = ()


@dataclass(frozen=True, slots=True)
class Occupied:
    """What is on a bed. A job's occupation has the id of the job. `outcome` None: it is running, or nobody has asked yet."""

    id: str
    kind: OccupationKind
    began_s: float  # boot clock of the machine boot `NodeState.machine`
    began_wall_s: float
    job: JobReference | None = None
    outcome: JobOutcome | None = None
    gap: bool = False  # we were blind since: what is collected counts, but the bed is unknown afterwards
    autonomy_s: float = 0.0  # of the allocation, for the check before the first command; 0 after a restart

    @property
    def running(self) -> bool:
        """A job that has not ended, as far as the ledger knows."""
        return self.job is not None and self.outcome is None

    @property
    def bed(self) -> BedState:
        """What this says of the bed."""
        unknown = self.kind is OccupationKind.UNKNOWN or self.outcome is JobOutcome.INTERRUPTED
        return BedState.UNKNOWN if unknown else BedState.OCCUPIED


@dataclass(frozen=True, slots=True)
class Printer:
    """One printer as its driver sees it. Nothing here is durable."""

    setup: PrinterSetup
    status: PrinterStatus = field(default_factory=PrinterStatus)
    seen_s: float | None = None  # when its driver last saw the machine; None: not that we can prove
    trouble: Refusal | None = None  # why the driver could not connect
    hold_until_s: float = 0.0
    failed_starts: int = 0
    failed_because: Refusal | None = None  # the last start, while `failed_starts` is not 0
    ask_after_s: float = 0.0
    failed_traces: int = 0  # of the job on the bed
    noted_fault: tuple[str, float] | None = None  # (code, when it was written)


@dataclass(frozen=True, slots=True)
class Checked:
    """What this node found in a program for one printer. `refused`: why it is never printed there, whoever releases it."""

    refused: ReasonNote | None = None
    needs_trust: bool = False  # it is printed when the farm names the person who released it
    trust: frozenset[str] = frozenset()  # the rules that ask for that word
    rule_set: int = 0  # by which it was judged; 0: nobody has said
    unanswered: bool = False  # the farm wants it printed, and names nobody who has answered for that


@dataclass(frozen=True, slots=True)
class JournalPlace:
    """Where the outbox stands. `base` + sequence number = row of the ledger: a new epoch renumbers without rewriting a row."""

    epoch: str
    oldest: int = 1
    head: int = 0
    acked: int = 0
    base: int = 0


@dataclass(frozen=True, slots=True)
class NodeState:
    """Everything a node knows. Changed only by the functions of `farm.node.core`, each of which makes a new one."""

    # durable
    boot: int
    machine: str  # id of the boot of this computer: boot clocks of another one mean nothing
    journal: JournalPlace
    generation: int = 0
    version: int = 0
    allocations: Mapping[str, tuple[AllocationOrder, ...]] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    started: Mapping[str, int] = field(default_factory=dict)
    occupations: Mapping[str, Occupied] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    owner: str = ""  # the node that wrote this ledger, by its identity; empty: nobody has said
    # of this boot
    printers: Mapping[str, Printer] = field(default_factory=dict)
    untraced: frozenset[str] = frozenset()  # jobs of an earlier process that the machine was not asked about yet
    tracing: frozenset[str] = frozenset()  # of those, the ones that it is being asked about
    contact_s: float | None = None
    gone_on_s: float | None = None  # when a person here last said "go on"; contact counted from then on
    report: int = 0
    sent: Mapping[int, float] = field(default_factory=dict)
    files: frozenset[str] = frozenset()  # programs that are here and verified
    checks: Mapping[tuple[str, str], Checked] = field(default_factory=dict)  # by (printer, program); oldest first
    limits: str = ""  # revision of the owner's limits
    limits_trouble: ReasonNote | None = None  # they cannot be read: nothing starts
    pending: frozenset[str] = frozenset()  # commands that a driver is carrying out
    closing: bool = False
    writable: bool = True
    nearly_full: bool = False  # what is left of the disk is for the end of what runs: see farm.node.ballast
    blind_s: float = BLIND_S  # see `blind_after_s`

    def bed(self, printer: str) -> BedState:
        """Whether a printer's bed is clear."""
        occupied = self.occupations.get(printer)
        return BedState.CLEAR if occupied is None else occupied.bed


@dataclass(frozen=True, slots=True)
class Remembered:
    """The durable half, as the ledger gives it back."""

    journal: JournalPlace
    boot: int = 0
    machine: str = ""
    generation: int = 0
    version: int = 0
    allocations: Mapping[str, tuple[AllocationOrder, ...]] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    started: Mapping[str, int] = field(default_factory=dict)
    occupations: Mapping[str, Occupied] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    owner: str = ""

    def is_of_another(self, owner: str) -> bool:
        """Whether somebody else than `owner` wrote this. What nobody owns yet belongs to whoever opens it."""
        return bool(owner and self.owner) and self.owner != owner


def blind_after_s(look_every_s: float) -> float:
    """How long a printer may go unseen by an agent that looks every `look_every_s` seconds of farm time."""
    return max(BLIND_S, BLIND_LOOKS * look_every_s)


class ActKind(StrEnum):
    """What a person's command asks of a driver."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EMERGENCY_STOP = "emergency-stop"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class StartJob:
    """Ask `may_begin`, then `Driver.start`; answer with `on_started` or `on_start_failed`."""

    printer: str
    job: str
    program: str


@dataclass(frozen=True, slots=True)
class TraceJob:
    """`Driver.trace`; answer with `on_trace` or `on_trace_failed`."""

    printer: str
    job: str


@dataclass(frozen=True, slots=True)
class Act:
    """A person's command to a driver; answer with `on_act_done`."""

    printer: str
    command: str
    kind: ActKind
    job: str | None = None
    prompt: str = ""  # of an answer, as the driver calls it
    choice: int = 0


Instruction = StartJob | TraceJob | Act


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an event: commit `state` and `facts`, and only then do what `instructions` say."""

    state: NodeState
    facts: tuple[Fact, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    refused: str | None = None  # why a message was ignored, for the log


# states in which the driver does not see the machine
UNSEEN: Final = frozenset({PrinterState.OFFLINE, PrinterState.CONNECTING})
BUSY: Final = frozenset(
    {PrinterState.PREPARING, PrinterState.PRINTING, PrinterState.PAUSED, PrinterState.ATTENTION, PrinterState.FINISHING}
)
