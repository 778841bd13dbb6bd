"""Nodes: the tag of the last fact that was committed, to find out about a ledger that was written back from an image."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; of what was committed before nobody knows the tag."""
    op.add_column("nodes", sa.Column("tag", sa.String(16), nullable=False, server_default=""))
