"""The library: verdicts and releases of programs, drafts, requesters and what they approve, and who answers for what.

Expand only. A program from before counts as what it was, good enough to be allocated, and as not checked (`checked` is empty): the
daemon checks it again after its start. A revision from before is released, and nobody is named for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and tables."""
    _revisions()
    _programs()
    op.add_column("orders", sa.Column("requester", sa.String(64), nullable=False, server_default=""))
    _found()
    _requesters()
    _audit()


def _revisions() -> None:
    op.add_column("revisions", sa.Column("draft", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("revisions", sa.Column("released_by", sa.String(80), nullable=False, server_default=""))
    op.add_column("revisions", sa.Column("released_at_s", sa.Float(), nullable=True))


def _programs() -> None:
    for name, length in (("uploaded_sha256", 64), ("checked", 64), ("profile_revision", 64), ("released_by", 80)):
        op.add_column("programs", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    op.add_column("programs", sa.Column("verdict", sa.String(20), nullable=False, server_default="pass"))
    op.add_column("programs", sa.Column("rule_set", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("programs", sa.Column("trust", sa.Text(), nullable=False, server_default=""))
    op.add_column("programs", sa.Column("released_at_s", sa.Float(), nullable=True))
    op.add_column("programs", sa.Column("released_for", sa.Text(), nullable=False, server_default=""))
    op.add_column("programs", sa.Column("release_reason", sa.String(500), nullable=False, server_default=""))
    op.add_column("programs", sa.Column("worse_since_s", sa.Float(), nullable=True))


def _found() -> None:
    op.create_table(
        "program_facts",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "program_reports",
        sa.Column("id", sa.String(length=140), nullable=False),
        sa.Column("program", sa.String(length=64), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("profile_revision", sa.String(length=64), nullable=False),
        sa.Column("rule_set", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _requesters() -> None:
    op.create_table(
        "requesters",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("approves", sa.Boolean(), nullable=False),
        sa.Column("created_at_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=140), nullable=False),
        sa.Column("requester", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("approved_by", sa.String(length=80), nullable=False),
        sa.Column("approved_at_s", sa.Float(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at_s", sa.Float(), nullable=False),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=140), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_time", "audit", ["at_s"], unique=False)
    op.create_index("audit_by_subject", "audit", ["subject", "at_s"], unique=False)
