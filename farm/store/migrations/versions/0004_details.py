"""Jobs: how one ended in French, too, and as a code (docs/decisions/0009).

Expand only. What ended before has neither: its English stands for both.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns."""
    op.add_column("jobs", sa.Column("detail_fr", sa.String(500), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("detail_code", sa.String(80), nullable=False, server_default=""))
