"""The tables of the daemon's database. One table a durable entity of `scheduler.model`, one column a field.

SQLite (WAL, synchronous=FULL) on a Raspberry Pi, PostgreSQL by URL for more. Migrations are in `farm/store/migrations`; a test
keeps them and these tables the same. Times are unix seconds of farm time.
"""

from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

from scheduler.model import (
    Allocation,
    Approval,
    AuditEntry,
    Design,
    Invite,
    Job,
    NodeRecord,
    Order,
    PendingCollect,
    PrinterRecord,
    Program,
    ProgramFacts,
    ProgramReport,
    Requester,
    Revision,
    SetAside,
    Stock,
)

metadata: Final = MetaData()

# What is one of a kind: the generation, the fencing token of docs/protocol.md
meta: Final = Table("meta", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False))

designs: Final = Table(
    "designs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("created_at_s", Float, nullable=False),
)

revisions: Final = Table(
    "revisions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("design", String(64), nullable=False),
    Column("created_at_s", Float, nullable=False),
    Column("recalled", Boolean, nullable=False),
    Column("draft", Boolean, nullable=False),
    Column("released_by", String(80), nullable=False),
    Column("released_at_s", Float),
)

programs: Final = Table(
    "programs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("profile", String(64), nullable=False),
    Column("parts", Integer, nullable=False),
    Column("material", String(40), nullable=False),
    Column("nozzle_mm", Float, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("estimated_s", Float, nullable=False),
    Column("filament_mm", Float, nullable=False),
    Column("filament_g", Float, nullable=False),
    Column("layers", Integer, nullable=False),
    Column("width_mm", Float, nullable=False),
    Column("depth_mm", Float, nullable=False),
    Column("height_mm", Float, nullable=False),
    Column("created_at_s", Float, nullable=False),
    Column("warnings", Text, nullable=False),
    Column("uploaded_sha256", String(64), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("checked", String(64), nullable=False),
    Column("profile_revision", String(64), nullable=False),
    Column("rule_set", Integer, nullable=False),
    Column("trust", Text, nullable=False),
    Column("released_by", String(80), nullable=False),
    Column("released_at_s", Float),
    Column("released_for", Text, nullable=False),
    Column("release_reason", String(500), nullable=False),
    Column("worse_since_s", Float),
)

program_facts: Final = Table(
    "program_facts",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("facts", Text, nullable=False),
)

program_reports: Final = Table(
    "program_reports",
    metadata,
    Column("id", String(140), primary_key=True),
    Column("program", String(64), nullable=False),
    Column("profile", String(64), nullable=False),
    Column("profile_revision", String(64), nullable=False),
    Column("rule_set", Integer, nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("report", Text, nullable=False),
)

requesters: Final = Table(
    "requesters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("approves", Boolean, nullable=False),
    Column("created_at_s", Float, nullable=False),
)

approvals: Final = Table(
    "approvals",
    metadata,
    Column("id", String(140), primary_key=True),
    Column("requester", String(64), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("approved_by", String(80), nullable=False),
    Column("approved_at_s", Float, nullable=False),
    Column("note", String(500), nullable=False),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("who", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(140), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_by_time", "at_s"),
    Index("audit_by_subject", "subject", "at_s"),
)

orders: Final = Table(
    "orders",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("revision", String(64), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("destination", String(200), nullable=False),
    Column("created_at_s", Float, nullable=False),
    Column("good", Integer, nullable=False),
    Column("scrap", Integer, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("met_at_s", Float),
    Column("requester", String(64), nullable=False),
)

allocations: Final = Table(
    "allocations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("printer", String(64), nullable=False),
    Column("order", String(64), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("program", String(64), nullable=False),
    Column("parts", Integer, nullable=False),
    Column("estimated_s", Float, nullable=False),
    Column("jobs", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("autonomy_s", Float, nullable=False),
    Column("created_at_s", Float, nullable=False),
    Column("started", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("withdrawn_generation", Integer),
    Column("withdrawn_version", Integer),
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("printer", String(64), nullable=False),
    Column("allocation", String(64), nullable=False),
    Column("order", String(64), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("program", String(64), nullable=False),
    Column("parts", Integer, nullable=False),
    Column("estimated_s", Float, nullable=False),
    Column("started_at_s", Float, nullable=False),
    Column("due_at_s", Float, nullable=False),
    Column("outcome", String(20)),
    Column("detail", String(500), nullable=False),
    Column("detail_fr", String(500), nullable=False),
    Column("detail_code", String(80), nullable=False),
    Column("by_person", Boolean, nullable=False),
    Column("ended_at_s", Float),
    Column("collected_at_s", Float),
    Column("collected_by", String(80)),
    Column("good", Integer, nullable=False),
    Column("scrap", Integer, nullable=False),
    Column("written_off", Boolean, nullable=False),
    Index("jobs_by_order", "order", "started_at_s"),
    Index("jobs_by_start", "started_at_s"),
    Index("jobs_by_collection", "collected_at_s"),
)

stock: Final = Table(
    "stock",
    metadata,
    Column("revision", String(64), primary_key=True),
    Column("parts", Integer, nullable=False),
)

nodes: Final = Table(
    "nodes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("joined_at_s", Float, nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("epoch", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("past_epochs", Text, nullable=False),
    Column("tag", String(16), nullable=False),
)

printers: Final = Table(
    "printers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("name", String(80), nullable=False),
    Column("driver", String(80), nullable=False),
    Column("profile", String(64), nullable=False),
    Column("material", String(80), nullable=False),
    Column("nozzle_mm", Float, nullable=False),
    Column("capabilities", Text, nullable=False),
)

pending_collects: Final = Table(
    "pending_collects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("printer", String(64), nullable=False),
    Column("job", String(64), nullable=False),
    Column("good", Integer, nullable=False),
    Column("scrap", Integer, nullable=False),
    Column("by", String(80), nullable=False),
    Column("clear_only", Boolean, nullable=False),
    Column("created_at_s", Float, nullable=False),
)

invites: Final = Table(
    "invites",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("code_hash", String(200), nullable=False),
    Column("name", String(80), nullable=False),
    Column("expires_at_s", Float, nullable=False),
    Column("claimed_by", String(64)),
)

set_aside: Final = Table(
    "set_aside",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("epoch", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at_s", Float, nullable=False),
)

TABLES: Final[dict[type, Table]] = {
    Design: designs,
    Revision: revisions,
    Program: programs,
    ProgramFacts: program_facts,
    ProgramReport: program_reports,
    Requester: requesters,
    Approval: approvals,
    AuditEntry: audit,
    Order: orders,
    Allocation: allocations,
    Job: jobs,
    Stock: stock,
    NodeRecord: nodes,
    PrinterRecord: printers,
    PendingCollect: pending_collects,
    Invite: invites,
    SetAside: set_aside,
}

# What is written once and stays: an update that names a column of an index writes that index again
NEVER_CHANGED: Final[dict[Table, frozenset[str]]] = {
    jobs: frozenset({"node", "printer", "allocation", "order", "revision", "program", "parts", "estimated_s", "started_at_s"}),
}
