"""The farm as people see it: from what is in memory, never waiting for the disk."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import TypeAdapter

from drivers.base import PrinterState
from farm.bus.messages import PrinterReport, ReasonNote
from farm.clock import Clock
from farm.daemon import node_troubles
from farm.daemon.absent import REASONS, Blind
from farm.daemon.healing import Healed
from farm.daemon.removal import is_recalled
from farm.daemon.world import World
from farm.store.backup import Backup
from farm.views import (
    BackupView,
    DesignView,
    FenceView,
    HealedView,
    HealingView,
    JobView,
    NodeView,
    OccupationView,
    OrderState,
    OrderView,
    PrinterView,
    ProgramView,
    RecallView,
    StockView,
)
from scheduler.arithmetic import to_allocate
from scheduler.eligibility import Reason, is_suspect, order_reason
from scheduler.matching import Explainer
from scheduler.model import Allocation, Farm, Job, NodeRecord, Order, PrinterNow, Program, Rules

_WARNINGS: Final = TypeAdapter(list[ReasonNote])
_LOST: Final = "printer-trouble"  # contact is lost: what to do about it is told in mid-print too


def job_view(job: Job, farm: Farm) -> JobView:
    """One job."""
    state = "collected" if job.collected else "running" if job.outcome is None else "ended"
    return JobView(
        id=job.id,
        order=job.order,
        revision=job.revision,
        program=job.program,
        printer=job.printer,
        node=job.node,
        allocation=job.allocation,
        parts=job.parts,
        state=state,
        outcome=job.outcome,
        detail=job.detail,
        detail_fr=job.detail_fr or job.detail,
        detail_code=job.detail_code,
        good=job.good,
        scrap=job.scrap,
        started_at=job.started_at_s,
        ended_at=job.ended_at_s,
        collected_at=job.collected_at_s,
        collected_by=job.collected_by,
        written_off=job.written_off,
        recalled=is_recalled(farm, job.revision),
    )


def program_view(farm: Farm, program: Program) -> ProgramView:
    """One program."""
    revision = farm.revisions.get(program.revision)
    return ProgramView(
        sha256=program.sha256,
        name=program.name,
        design=revision.design if revision is not None else "",
        revision=program.revision,
        profile=program.profile,
        parts=program.parts,
        material=program.material,
        nozzle_mm=program.nozzle_mm,
        size_bytes=program.size_bytes,
        estimated_s=program.estimated_s,
        filament_mm=program.filament_mm,
        filament_g=program.filament_g,
        layers=program.layers,
        created_at=program.created_at_s,
        warnings=_WARNINGS.validate_json(program.warnings),
        uploaded_sha256=program.uploaded_sha256 or program.sha256,
        verdict=program.verdict,
        usable=program.usable,
        checked=bool(program.checked),
        profile_revision=program.profile_revision,
        rule_set=program.rule_set,
        trust=[word.partition("=")[0] for word in program.trust.split()],
        released_by=program.released_by,
        released_at=program.released_at_s,
        release_reason=program.release_reason,
        worse_since=program.worse_since_s,
    )


def healing_view(world: World) -> HealingView | None:
    """How far a restored farm has healed; None when there is nothing to heal."""
    healing = world.healing
    if healing is None:
        return None
    known, untold = [record for record in world.durable.node_records.values() if not record.revoked], world.untold
    missing = sorted(record.name or record.id for record in known if record.id in untold)
    return HealingView(
        why=healing.why.value,
        since=healing.since_s,
        backup_at=healing.backup_at_s,
        nodes=len(known),
        told=len(known) - len(missing),
        missing=missing,
        found=healing.found,
    )


def healed_view(healed: Healed | None) -> HealedView | None:
    """How the last healing ended; None when there was none."""
    if healed is None:
        return None
    return HealedView(
        why=healed.why.value,
        since=healed.since_s,
        ended=healed.ended_s,
        nodes=healed.nodes,
        told=healed.nodes - len(healed.missing),
        missing=list(healed.missing),
        found=healed.found,
    )


def backup_view(made: Backup) -> BackupView:
    """One backup."""
    return BackupView(name=made.path.name, path=str(made.path.resolve()), made_at=made.made_at_s, size_bytes=made.size_bytes)


def recall_view(before: Farm, after: Farm, revision: str) -> RecallView:
    """What a recall has found: `before` it, what was still to be started."""
    held = (item for item in before.allocations.values() if item.revision == revision)
    stock = after.stock.get(revision)
    running = [job for job in after.jobs.values() if job.revision == revision and job.outcome is None and not job.collected]
    return RecallView(
        revision=revision,
        running=[job_view(job, after) for job in running],
        withdrawn_jobs=sum(max(0, item.jobs - item.started) for item in held),
        stock_set_aside=stock.parts if stock is not None else 0,
        open_orders=sorted(order.id for order in after.orders.values() if order.revision == revision and order.open),
    )


def _occupation(report: PrinterReport, farm: Farm) -> OccupationView | None:
    seen = report.occupation
    if seen is None:
        return None
    job = seen.job
    return OccupationView(
        id=seen.id,
        kind=seen.kind,
        job=job.job if job is not None else None,
        order=job.order if job is not None else None,
        outcome=seen.outcome,
        running=job is not None and seen.outcome is None,
        good_at_most=job.parts if job is not None and seen.outcome is not None else 0,
        recalled=job is not None and is_recalled(farm, job.revision),
    )


def _note(reason: Reason) -> ReasonNote:
    return ReasonNote(code=reason.code, en=reason.en, fr=reason.fr)


class Presenter:
    """Views of one moment; what they share is worked out once.

    `blind`: nothing of the nodes is taken in, so that their silence is ours, and nobody is shown as lost because of it.
    """

    def __init__(
        self,
        world: World,
        rules: Rules,
        clock: Clock,
        rejected: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
        *,
        blind: Blind | None = None,
    ) -> None:
        self._world = world
        self._rejected = rejected
        self._rules = rules
        self._blind = blind
        self.farm = world.farm(blind.since_s if blind is not None else clock.boot_s())
        self._explainer = Explainer(self.farm, rules)
        self._held = {item.printer: item for item in self.farm.allocations.values() if item.jobs > item.started}

    def printers(self) -> list[PrinterView]:
        """All printers, by name."""
        views = (self.printer(printer) for printer in self.farm.printers.values())
        return sorted(views, key=lambda view: (view.name, view.id))

    def printer(self, printer: PrinterNow) -> PrinterView:
        """One printer."""
        report, telemetry = self._world.reports[printer.id], self._world.telemetry(printer)
        held: Allocation | None = self._held.get(printer.id)
        online = self._online(printer.node)
        return PrinterView(
            id=printer.id,
            node=printer.node,
            name=printer.name,
            driver=report.driver,
            profile=printer.profile,
            material=printer.material,
            nozzle_mm=printer.nozzle_mm,
            state=(telemetry.state if telemetry is not None else report.state) if online else PrinterState.OFFLINE,
            bed=printer.bed,
            occupation=_occupation(report, self.farm),
            ready=printer.ready,
            why_not=self._why_not(printer, report),
            online=online,
            progress=telemetry.progress if telemetry is not None else None,
            remaining_s=telemetry.remaining_s if telemetry is not None else None,
            nozzle_c=telemetry.nozzle_c if telemetry is not None else None,
            nozzle_target_c=telemetry.nozzle_target_c if telemetry is not None else None,
            bed_c=telemetry.bed_c if telemetry is not None else None,
            bed_target_c=telemetry.bed_target_c if telemetry is not None else None,
            note=telemetry.note if telemetry is not None else None,
            note_fr=telemetry.note_fr if telemetry is not None else None,
            fault=report.fault,
            prompt=report.prompt if online else None,
            firmware=report.firmware,
            capabilities=report.capabilities,
            allocation=held.id if held is not None else None,
            order=held.order if held is not None else None,
            jobs_left=held.jobs - held.started if held is not None else 0,
        )

    def _why_not(self, printer: PrinterNow, report: PrinterReport) -> list[ReasonNote]:
        if self._blind is not None:
            return [self._blind.reason]
        if report.reason is not None and report.reason.code in REASONS:
            return [report.reason]
        notes, own = [_note(reason) for reason in self._explainer.printer(printer)], report.reason
        if own is None or own in notes or (printer.running and own.code != _LOST):
            return notes
        if own.code in node_troubles.REASONS:  # whatever else is done about this printer, nothing starts until that is mended
            return [own, *notes]
        return notes if report.state is PrinterState.IDLE else [*notes, own]

    def _online(self, node: str) -> bool:
        now = self.farm.nodes.get(node)
        link = self._world.links.get(node)
        return now is not None and link is not None and link.acknowledged and not is_suspect(now, self._rules)

    def reported(self) -> set[str]:
        """The printers that nodes which are heard now report."""
        reports = ((key, link.report) for key, link in self._world.links.items() if link.report is not None and self._online(key))
        return {shown.id for key, report in reports if self._world.record(key) is not None for shown in report.printers}

    def nodes(self) -> list[NodeView]:
        """All nodes that were not removed, by name."""
        views = (self.node(record) for record in self.farm.node_records.values() if not record.revoked)
        return sorted(views, key=lambda view: (view.name, view.id))

    def node(self, record: NodeRecord) -> NodeView:
        """One node."""
        now, link = self.farm.nodes.get(record.id), self._world.links.get(record.id)
        report = link.report if link is not None else None
        heard = link is not None and link.acknowledged
        behind = report.journal.head - record.seq if report is not None and report.journal.epoch == record.epoch else 0
        return NodeView(
            id=record.id,
            name=record.name,
            online=self._online(record.id),
            suspect=now is not None and is_suspect(now, self._rules),
            silent_s=round(now.silent_s, 1) if heard and now is not None else None,
            agent=report.agent if report is not None else "",
            printers=sorted(key for key, printer in self.farm.printers.items() if printer.node == record.id),
            journal_behind=max(0, behind),
            told=link is not None and link.replayed,
            rejected=dict(self._rejected.get(record.id, {})),
            not_known=self._blind.reason if self._blind is not None else None,
        )

    def orders(self) -> list[OrderView]:
        """All orders: open ones first, by priority and age."""
        ordered = sorted(
            self.farm.orders.values(), key=lambda order: (not order.open, -order.priority, order.created_at_s, order.id)
        )
        return [self.order(order) for order in ordered]

    def order(self, order: Order) -> OrderView:
        """One order."""
        revision, requester = self.farm.revisions.get(order.revision), self.farm.requesters.get(order.requester)
        state: OrderState = "cancelled" if order.cancelled else "open" if order.open else "met"
        return OrderView(
            id=order.id,
            design=revision.design if revision is not None else "",
            revision=order.revision,
            quantity=order.quantity,
            good=order.good,
            scrap=order.scrap,
            expected=self._explainer.totals.expected.get(order.id, 0),
            to_allocate=to_allocate(self.farm, order, self._explainer.totals),
            owed=order.owed,
            priority=order.priority,
            destination=order.destination,
            state=state,
            created_at=order.created_at_s,
            met_at=order.met_at_s,
            why_waiting=self._why_waiting(order),
            recalled=is_recalled(self.farm, order.revision),
            requester=order.requester,
            requester_name=requester.name if requester is not None else "",
        )

    def _why_waiting(self, order: Order) -> list[ReasonNote]:
        closed = order_reason(self.farm, order) if order.open else None
        if closed is None and order.open and self._blind is not None:
            return [self._blind.reason]
        return [_note(reason) for reason in ([closed] if closed is not None else self._explainer.order(order))]

    def stock(self) -> list[StockView]:
        """Parts that no order has taken, by revision."""
        return [
            StockView(revision=item.revision, parts=item.parts, recalled=is_recalled(self.farm, item.revision))
            for item in sorted(self.farm.stock.values(), key=lambda item: item.revision)
            if item.parts > 0
        ]

    def fence(self) -> FenceView | None:
        """Why this daemon only watches."""
        fence = self._world.fence
        if fence is None:
            return None
        record = self.farm.node_records.get(fence.node)
        name = record.name if record is not None and record.name else fence.node
        return FenceView(why=fence.why.value, node=name, heard=fence.heard, known=fence.known, counted=fence.counted.value)

    def waiting(self) -> list[JobView]:
        """Jobs whose parts wait for a hand that has not spoken yet, the longest first; nobody can collect at a removed node."""
        told = {word.job for word in self.farm.pending_collects.values()}
        gone = {record.id for record in self.farm.node_records.values() if record.revoked}
        uncollected = [job for job in self.farm.jobs.values() if not job.collected and job.id not in told and job.node not in gone]
        ended = [job for job in uncollected if job.outcome is not None]
        return [job_view(job, self.farm) for job in sorted(ended, key=lambda job: (job.ended_at_s or 0.0, job.id))]


def programs_view(farm: Farm) -> list[ProgramView]:
    """All programs, newest first."""
    ordered = sorted(farm.programs.values(), key=lambda program: (-program.created_at_s, program.sha256))
    return [program_view(farm, program) for program in ordered]


def designs(farm: Farm) -> list[DesignView]:
    """All designs, by name, each with its revisions, newest first."""
    revisions: dict[str, list[str]] = {}
    for revision in sorted(farm.revisions.values(), key=lambda revision: (-revision.created_at_s, revision.id)):
        revisions.setdefault(revision.design, []).append(revision.id)
    views = (
        DesignView(
            id=design.id,
            name=design.name,
            revisions=found,
            recalled=[key for key in found if is_recalled(farm, key)],
            drafts=[key for key in found if farm.revisions[key].draft and not is_recalled(farm, key)],
        )
        for design in farm.designs.values()
        for found in [revisions.get(design.id, [])]
    )
    return sorted(views, key=lambda view: (view.name, view.id))
