"""All domain types of the scheduler, and the words that daemon and node share. Frozen; a change makes a new value.

Words: docs/glossary.md. Times are seconds of farm time (`farm.clock`): `*_at_s` on the wall clock, durations end in plain `_s`.
Lengths are millimetres. What survives a restart is stored (`Durable`); what is only known from the newest report is not (`*Now`).
"""

from scheduler.model.farm import BuildSpace, Declined, Durable, Farm, Rules
from scheduler.model.fleet import (
    BedState,
    Invite,
    NodeNow,
    NodeRecord,
    OccupationKind,
    PendingCollect,
    PrinterNow,
    PrinterRecord,
    SetAside,
)
from scheduler.model.library import (
    Approval,
    AuditEntry,
    Design,
    Program,
    ProgramFacts,
    ProgramReport,
    Requester,
    Revision,
    Verdict,
    approval_key,
    report_key,
)
from scheduler.model.orders import Allocation, DesiredVersion, Job, JobOutcome, Order, Stock

__all__ = [
    "Allocation",
    "Approval",
    "AuditEntry",
    "BedState",
    "BuildSpace",
    "Declined",
    "Design",
    "DesiredVersion",
    "Durable",
    "Farm",
    "Invite",
    "Job",
    "JobOutcome",
    "NodeNow",
    "NodeRecord",
    "OccupationKind",
    "Order",
    "PendingCollect",
    "PrinterNow",
    "PrinterRecord",
    "Program",
    "ProgramFacts",
    "ProgramReport",
    "Requester",
    "Revision",
    "Rules",
    "SetAside",
    "Stock",
    "Verdict",
    "approval_key",
    "report_key",
]
