"""Everything at one moment, which is what a decision rests on, and the figures of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.model.fleet import Invite, NodeNow, NodeRecord, PendingCollect, PrinterNow, PrinterRecord, SetAside
from scheduler.model.library import Approval, AuditEntry, Design, Program, ProgramFacts, ProgramReport, Requester, Revision
from scheduler.model.orders import Allocation, Job, Order, Stock

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
