"""All domain types of the scheduler, and the words that daemon and node share. Frozen; a change makes a new value.

Words: docs/glossary.md. Times are seconds of farm time (`farm.clock`): `*_at_s` on the wall clock, durations end in plain `_s`.
Lengths are millimetres. What survives a restart is stored (`Durable`); what is only known from the newest report is not (`*Now`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from scheduler.refused import Refused


class BedState(StrEnum):
    """What is on a bed. Only a clear bed is printed on."""

    CLEAR = "clear"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"


class OccupationKind(StrEnum):
    """Why a bed is not clear. Every occupation has an id, and *collect* and *bed cleared* name it."""

    JOB = "job"
    FOREIGN = "foreign"  # somebody printed from the panel or from another program
    UNKNOWN = "unknown"  # the agent was blind for too long to know


class JobOutcome(StrEnum):
    """How a job ended on the machine. It says nothing about good parts: a hand says that when it collects."""

    PRINTED = "printed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # nobody knows how far it came: a person decides


class Verdict(StrEnum):
    """What may be done with a program on printers of its profile. The same words as `gcode.checks.Verdict`."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    TRUSTED_ONLY = "trusted-only"  # when a named person has released it
    REJECT = "reject"


@dataclass(frozen=True, slots=True, order=True)
class DesiredVersion:
    """The pair that every comparison of desired states uses (docs/protocol.md: `genpair`)."""

    generation: int
    version: int


# --- durable: what is wanted -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Design:
    """What is made."""

    id: str
    name: str
    created_at_s: float


@dataclass(frozen=True, slots=True)
class Revision:
    """A numbered version of a design: a draft until a named person releases it, and recalled when it must not be used.

    Only a released one is allocated; a recalled one is not counted or put into stock either.
    """

    id: str
    design: str
    created_at_s: float
    recalled: bool = False
    draft: bool = False
    released_by: str = ""  # empty: it was made before anybody had to release one
    released_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """One G-code file, by its hash, that prints `parts` of a revision on printers of one profile."""

    sha256: str
    name: str
    revision: str
    profile: str
    parts: int
    material: str
    nozzle_mm: float
    size_bytes: int
    estimated_s: float
    filament_mm: float
    filament_g: float
    layers: int
    width_mm: float  # what the extruding moves reach, from the bed's origin
    depth_mm: float
    height_mm: float
    created_at_s: float
    warnings: str = "[]"  # what the check found and let pass: JSON, a list of {"code", "en", "fr"}
    uploaded_sha256: str = ""  # of what was uploaded; another one when that was packed or held a secret
    verdict: Verdict = Verdict.PASS
    checked: str = ""  # rule set and revisions of all profiles that it was checked with; empty: by an older Essaim
    profile_revision: str = ""
    rule_set: int = 0
    trust: str = ""  # what a person must answer for, when `verdict` is trusted-only: words "rule=count"
    released_by: str = ""
    released_at_s: float | None = None
    released_for: str = ""  # the `trust` for which that person answers
    release_reason: str = ""
    worse_since_s: float | None = None  # a later check was stricter than the one before, and nobody has answered for it yet

    @property
    def released(self) -> bool:
        """Whether a named person answers for all that makes it trusted-only."""
        return bool(self.released_by) and self.released_for == self.trust

    @property
    def usable(self) -> bool:
        """Whether it may be allocated."""
        return self.verdict is Verdict.PASS or (self.verdict is Verdict.TRUSTED_ONLY and self.released)


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """What the newest inspection of a program found: `facts` is JSON (docs/gcode.md). Stored, not kept in memory."""

    sha256: str
    facts: str


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """The verdict on a program for one profile, with its findings (`report` is JSON). Stored, not kept in memory.

    It holds for one revision of the profile and one rule set; `id` is `report_key(program, profile)`: the newest one is kept.
    """

    id: str
    program: str
    profile: str
    profile_revision: str
    rule_set: int
    verdict: Verdict
    report: str


def report_key(program: str, profile: str) -> str:
    """What identifies the newest report on a program for a profile."""
    return f"{program}/{profile}"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for parts, such as a group of hospitals. One that `approves` gets only parts of revisions that it has approved."""

    id: str
    name: str
    approves: bool
    created_at_s: float


@dataclass(frozen=True, slots=True)
class Approval:
    """A requester takes parts of a revision; `id` is `approval_key(requester, revision)`."""

    id: str
    requester: str
    revision: str
    approved_by: str
    approved_at_s: float
    note: str = ""


def approval_key(requester: str, revision: str) -> str:
    """What identifies an approval."""
    return f"{requester}/{revision}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who answers for what: `who` did `action` to `subject`, and why. Stored, not kept in memory."""

    id: str
    at_s: float
    who: str
    action: str
    subject: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """A demand: `quantity` parts of a revision. `good` counts collected parts only, own and from stock, and never falls."""

    id: str
    revision: str
    quantity: int
    priority: int
    destination: str
    created_at_s: float
    good: int = 0
    scrap: int = 0
    cancelled: bool = False
    met_at_s: float | None = None
    requester: str = ""  # empty: nobody in particular

    @property
    def open(self) -> bool:
        """Whether the order still owes parts and nobody took it back."""
        return not self.cancelled and self.good < self.quantity

    @property
    def owed(self) -> int:
        """Parts that are still to be collected."""
        return 0 if self.cancelled else max(0, self.quantity - self.good)


@dataclass(frozen=True, slots=True)
class Allocation:
    """`printer` may start up to `jobs` jobs of `program` for `order`. Bound to one node and printer.

    `jobs` is the ceiling that is published and only falls. `held` is what the daemon still counts on and falls only when freed
    (confirmed, lapsed or hedged). `started` comes from journal facts alone. `lost` counts jobs freed without a confirmation: what
    of them is started all the same returns as late parts. `withdrawn` is the desired version that told the node of a lower ceiling.
    """

    id: str
    node: str
    printer: str
    order: str
    revision: str
    program: str
    parts: int
    estimated_s: float
    jobs: int
    held: int
    autonomy_s: float
    created_at_s: float
    started: int = 0
    lost: int = 0
    withdrawn: DesiredVersion | None = None

    @property
    def unstarted(self) -> int:
        """Jobs that are still expected of this allocation and have not begun."""
        return max(0, self.held - self.started)


@dataclass(frozen=True, slots=True)
class Job:
    """One print of a program on one printer. It ends only by being collected; the machine's `outcome` comes before that."""

    id: str
    node: str
    printer: str
    allocation: str
    order: str
    revision: str
    program: str
    parts: int
    estimated_s: float
    started_at_s: float
    due_at_s: float  # written off after that
    outcome: JobOutcome | None = None
    detail: str = ""
    detail_fr: str = ""  # empty: it ended under an Essaim that kept it in English only
    detail_code: str = ""
    by_person: bool = False
    ended_at_s: float | None = None
    collected_at_s: float | None = None
    collected_by: str | None = None
    good: int = 0
    scrap: int = 0
    written_off: bool = False

    @property
    def collected(self) -> bool:
        """Whether a hand has said what came of it."""
        return self.collected_at_s is not None

    @property
    def expected_parts(self) -> int:
        """Parts that this job is still expected to bring."""
        return 0 if self.collected or self.written_off else self.parts


@dataclass(frozen=True, slots=True)
class Stock:
    """Good parts of a revision that no order has taken yet."""

    revision: str
    parts: int


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node that joined. `epoch` and `seq` say how far its journal is committed; `version` is that of its desired state.

    `past_epochs` names the ledgers it had before, newest first, separated by blanks: what is still under way from one of them is
    neither news nor a reason to withdraw anything.
    """

    id: str
    name: str
    joined_at_s: float
    password_hash: str
    revoked: bool = False
    version: int = 0
    epoch: str = ""
    seq: int = 0
    past_epochs: str = ""
    tag: str = ""  # of the fact `seq`, when it is known: see farm.bus.messages.fact_tag


@dataclass(frozen=True, slots=True)
class PrinterRecord:
    """A printer that a node has reported, and that belongs to it: known also while the node is away."""

    id: str
    node: str
    name: str
    driver: str
    profile: str
    material: str
    nozzle_mm: float
    capabilities: str = ""  # words separated by blanks


@dataclass(frozen=True, slots=True)
class PendingCollect:
    """A hand's word that is repeated to the node until its fact arrives (docs/protocol.md: *collect* has no deadline)."""

    id: str
    node: str
    printer: str
    job: str  # or the occupation of a bed that is only cleared
    good: int
    scrap: int
    by: str
    clear_only: bool
    created_at_s: float


@dataclass(frozen=True, slots=True)
class Invite:
    """A code for one maker; only its hash is kept."""

    id: str
    code_hash: str
    name: str
    expires_at_s: float
    claimed_by: str | None = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A fact that could not be understood: kept and shown, while the stream goes on."""

    id: str
    node: str
    epoch: str
    seq: int
    content: str
    reason: str
    created_at_s: float


Durable = (
    Design
    | Revision
    | Program
    | ProgramFacts
    | ProgramReport
    | Requester
    | Approval
    | AuditEntry
    | Order
    | Allocation
    | Job
    | Stock
    | NodeRecord
    | PrinterRecord
    | PendingCollect
    | Invite
    | SetAside
)


# --- volatile: what the newest reports say -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PrinterNow:
    """A printer as its node last reported it, or as it is kept while its node was not heard yet."""

    id: str
    node: str
    name: str
    profile: str
    material: str
    nozzle_mm: float
    bed: BedState
    ready: bool
    running: bool  # a job or a foreign print is being printed now
    occupation: str | None = None
    job: str | None = None  # of ours, on the bed: running, or waiting to be collected
    autonomy_s: float | None = None  # the most its owner allows
    by_hand: bool = False  # a person is the driver
    why_not_ready: tuple[str, str, str] | None = None  # its node's own reason: a code, a sentence in English and in French
    refused: tuple[Refused, ...] = ()  # programs that its node does not print on it
    checks: str = ""  # what these refusals rest on; empty: an older node, which repeats them all


@dataclass(frozen=True, slots=True)
class NodeNow:
    """A node as the bus last knew it. Silences are seconds on the daemon's boot clock, measured at the time of the snapshot."""

    id: str
    silent_s: float  # since the last acknowledged report, or since the daemon started
    reported: DesiredVersion | None = None  # the version that its newest report shows
    reported_epoch: str = ""
    reported_head: int = 0  # the journal's head in that report
    replayed: bool = True  # False until its journal was heard up to its head under this generation
    online: bool = True  # False: its last will was heard; that only hastens *suspect*


@dataclass(frozen=True, slots=True)
class Declined:
    """A printer did not start a program that it was given, `times` in a row: until `until_s` of uptime others come first."""

    times: int
    until_s: float


@dataclass(frozen=True, slots=True)
class BuildSpace:
    """What a class of printers can reach, from the bed's origin."""

    width_mm: float
    depth_mm: float
    height_mm: float


@dataclass(frozen=True, slots=True)
class Farm:
    """Everything a decision may depend on, at one moment. Nobody changes its mappings: a `scheduler.draft.Draft` makes new ones.

    `jobs` are those that nobody has collected (and, while facts are taken in, the collected ones that they name); `allocations` are
    those under which a job may still be started or is expected. `program_facts`, `program_reports` and `audit` hold only what is
    about to be stored.
    """

    generation: int
    uptime_s: float  # of the daemon: nothing is freed or written off in its first heartbeat round
    restored: bool = False  # and not healed yet: nothing is allocated in that round either
    designs: Mapping[str, Design] = field(default_factory=dict)
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    programs: Mapping[str, Program] = field(default_factory=dict)
    program_facts: Mapping[str, ProgramFacts] = field(default_factory=dict)
    program_reports: Mapping[str, ProgramReport] = field(default_factory=dict)
    requesters: Mapping[str, Requester] = field(default_factory=dict)
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    audit: Mapping[str, AuditEntry] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    allocations: Mapping[str, Allocation] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    stock: Mapping[str, Stock] = field(default_factory=dict)
    node_records: Mapping[str, NodeRecord] = field(default_factory=dict)
    printer_records: Mapping[str, PrinterRecord] = field(default_factory=dict)
    pending_collects: Mapping[str, PendingCollect] = field(default_factory=dict)
    invites: Mapping[str, Invite] = field(default_factory=dict)
    set_aside: Mapping[str, SetAside] = field(default_factory=dict)
    build_spaces: Mapping[str, BuildSpace] = field(default_factory=dict)  # by profile
    printers: Mapping[str, PrinterNow] = field(default_factory=dict)
    nodes: Mapping[str, NodeNow] = field(default_factory=dict)
    declined: Mapping[tuple[str, str], Declined] = field(default_factory=dict)  # by (printer, program); forgotten at a restart


@dataclass(frozen=True, slots=True)
class Rules:
    """The figures of the contract (docs/protocol.md). `configs/farm.toml` sets some of them."""

    report_every_s: float = 30.0
    autonomy_s: float = 12 * 3600.0
    manual_autonomy_s: float = 3 * 86_400.0
    clearing_s: float = 1800.0  # the usual time until a hand clears a bed
    suspect_after_s: float = 90.0  # three reports missed
    lapse_margin_s: float = 60.0
    hedge_after_s: float = 900.0
    write_off_slack_s: float = 900.0
    write_off_ratio: float = 0.25  # of the estimated time
    guide: int = 2  # guided self-scheduling: an allocation takes at most 1 / (guide x eligible printers) of what is left
    start_patience_s: float = 300.0  # at the tail, unstarted jobs are taken back from a live node after that
