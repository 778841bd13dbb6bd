"""What the daemon knows, in memory: the durable farm as committed, and what the bus last told.

Only the daemon's loop changes it. Everything that is read for people or for decisions comes from here and never waits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from farm.bus.messages import PrinterReport, PrinterTelemetry, Report
from farm.daemon.absent import NOT_HEARD, report_of, waiting_jobs
from farm.daemon.fence import Fence
from farm.daemon.healing import Healing, read_healed, read_healing
from farm.daemon.translate import printer_now
from farm.store.repository import StoredFarm
from scheduler.draft import Draft, key_of
from scheduler.model import (
    Allocation,
    AuditEntry,
    BuildSpace,
    DesiredVersion,
    Farm,
    Job,
    NodeNow,
    NodeRecord,
    PrinterNow,
    ProgramFacts,
    ProgramReport,
)

NEVER: Final = (-1, -1)


@dataclass(slots=True)
class NodeLink:
    """What the bus last told of a node. `heard_s` is the boot clock at its last acknowledged report, or at our start.

    `seen` is the newest (boot, report) of all, `alive` the newest that was not retained: only that one is a sign of life.
    """

    heard_s: float
    epoch: str = ""  # of the ledger that numbered these reports
    seen: tuple[int, int] = NEVER
    alive: tuple[int, int] = NEVER
    alive_s: float = 0.0  # boot clock when `alive` came
    acknowledged: bool = False
    report: Report | None = None
    online: bool = True
    connection: int = -1
    replayed: bool = False
    telemetry_key: tuple[int, int] = NEVER
    telemetry: dict[str, PrinterTelemetry] = field(default_factory=dict)

    def follow(self, epoch: str) -> bool:
        """Begin to number reports afresh when the node has a new ledger: it may count its boots from an old image. Tell whether."""
        if self.epoch == epoch:
            return False
        self.epoch = epoch
        self.seen = self.alive = self.telemetry_key = NEVER
        return True

    def adopt(self, newer: "NodeLink") -> None:
        """Take over what reports and last wills have changed in a copy; telemetry came straight to us meanwhile."""
        self.follow(newer.epoch)
        self.seen, self.report = newer.seen, newer.report
        self.alive, self.alive_s = newer.alive, newer.alive_s
        self.online, self.connection = newer.online, newer.connection


class World:
    """The farm as the daemon knows it. `started_s` is the boot clock of farm time at the daemon's start."""

    def __init__(self, stored: StoredFarm, build_spaces: Mapping[str, BuildSpace], started_s: float) -> None:
        self.started_s = started_s
        self.same_time = False  # whether the steady clock goes on where the last run left it
        self.links = {key: NodeLink(heard_s=started_s) for key in stored.nodes}
        self.printers: dict[str, PrinterNow] = {}
        self.reports: dict[str, PrinterReport] = {}
        self.fence: Fence | None = None
        self.healing = read_healing(stored.meta)
        self.healed = read_healed(stored.meta)
        self.heard_generation = stored.generation
        self._durable = Farm(
            generation=stored.generation,
            uptime_s=0.0,
            designs=stored.designs,
            revisions=stored.revisions,
            programs=stored.programs,
            requesters=stored.requesters,
            approvals=stored.approvals,
            orders=stored.orders,
            allocations={key: item for key, item in stored.allocations.items() if not is_spent(item)},
            jobs=stored.jobs,
            stock=stored.stock,
            node_records=stored.nodes,
            printer_records=stored.printers,
            pending_collects=stored.pending_collects,
            invites=stored.invites,
            set_aside=stored.set_aside,
            build_spaces=build_spaces,
        )
        waiting = waiting_jobs(stored.jobs.values())
        for key, record in stored.printers.items():
            if self.record(record.node) is not None:
                self.reports[key] = report_of(record, waiting.get(key), NOT_HEARD)
                self.printers[key] = printer_now(record.node, self.reports[key])

    def farm(self, boot_s: float) -> Farm:
        """The whole farm at this moment of the boot clock."""
        return replace(
            self._durable,
            uptime_s=boot_s - self.started_s,
            restored=self.healing is not None,
            printers=self.printers,
            nodes={key: self._node_now(key, link, boot_s) for key, link in self.links.items()},
        )

    @property
    def durable(self) -> Farm:
        """The committed part, with the printers; enough to take facts in."""
        return replace(self._durable, printers=self.printers)

    @property
    def fenced(self) -> bool:
        """Whether somebody else acts in our place, or our store was put back: then we only watch."""
        return self.fence is not None

    @property
    def listening(self) -> bool:
        """Whether we have told nobody our new generation yet: a node that shows it all the same has it from somebody else."""
        return self.healing is not None and not self.healing.told

    @property
    def untold(self) -> set[str]:
        """The nodes of the farm that have not told everything under this generation."""
        known = (key for key, record in self._durable.node_records.items() if not record.revoked)
        return {key for key in known if key not in self.links or not self.links[key].replayed}

    @property
    def generation(self) -> int:
        """The daemon's fencing token."""
        return self._durable.generation

    def current(self, node: str) -> DesiredVersion:
        """The version of the desired state that the node should show."""
        return DesiredVersion(self.generation, self._durable.node_records[node].version)

    def link(self, node: str, boot_s: float) -> NodeLink:
        """What the bus told of a node."""
        return self.links.setdefault(node, NodeLink(heard_s=boot_s))

    def adopt(self, draft: Draft, remembered: Iterable[tuple[type[Job] | type[Allocation], str]] = ()) -> None:
        """A draft was committed: it is the truth now. What is over leaves the memory, it stays in the store."""
        for change in draft.changes:
            if isinstance(change, Job) and change.collected:
                draft.release(Job, change.id)
            elif isinstance(change, Allocation) and is_spent(change):
                draft.release(Allocation, change.id)
            elif isinstance(change, AuditEntry | ProgramFacts | ProgramReport):
                draft.release(type(change), key_of(change))
        for kind, key in remembered:
            self._release_if_over(draft, kind, key)
        self._durable = replace(draft.farm, printers={}, nodes={})

    def _release_if_over(self, draft: Draft, kind: type[Job] | type[Allocation], key: str) -> None:
        job, allocation = draft.farm.jobs.get(key), draft.farm.allocations.get(key)
        over = (job is not None and job.collected) if kind is Job else (allocation is not None and is_spent(allocation))
        if over:
            draft.release(kind, key)

    def take_over(self, generation: int, healing: Healing, boot_s: float) -> None:
        """A higher generation was committed: nodes tell everything again, and patience begins afresh."""
        self._durable = replace(self._durable, generation=generation, declined={})
        self.fence, self.healing, self.started_s = None, healing, boot_s
        for link in self.links.values():
            link.replayed, link.heard_s = False, boot_s

    def show_printers(self, node: str, shown: Mapping[str, tuple[PrinterNow, PrinterReport]]) -> bool:
        """Take over the printers of a node; tell whether one of them is another than before."""
        gone = [key for key, printer in self.printers.items() if printer.node == node and key not in shown]
        for key in gone:
            del self.printers[key], self.reports[key]
        changed = bool(gone)
        for key, (printer, report) in shown.items():
            changed = changed or self.printers.get(key) != printer
            self.printers[key], self.reports[key] = printer, report
        return changed

    def drop_printer(self, printer: str) -> None:
        """Forget a printer until its node reports it again."""
        self.printers.pop(printer, None)
        self.reports.pop(printer, None)

    def telemetry(self, printer: PrinterNow) -> PrinterTelemetry | None:
        """The newest figures of a printer."""
        link = self.links.get(printer.node)
        return link.telemetry.get(printer.id) if link is not None else None

    def record(self, node: str) -> NodeRecord | None:
        """A node that joined, and was not removed."""
        record = self._durable.node_records.get(node)
        return record if record is not None and not record.revoked else None

    @staticmethod
    def _node_now(key: str, link: NodeLink, boot_s: float) -> NodeNow:
        report = link.report
        return NodeNow(
            id=key,
            silent_s=max(0.0, boot_s - link.heard_s),
            reported=DesiredVersion(report.generation, report.desired_version) if report is not None else None,
            reported_epoch=report.journal.epoch if report is not None else "",
            reported_head=report.journal.head if report is not None else 0,
            replayed=link.replayed,
            online=link.online,
        )


def is_spent(allocation: Allocation) -> bool:
    """Whether nothing can be started or is expected under an allocation any more."""
    return allocation.started >= allocation.jobs and not allocation.unstarted and not allocation.lost
