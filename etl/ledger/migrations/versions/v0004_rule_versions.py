"""Why a rule was skipped or broke, and which version of the rule was at work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("findings_summary", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    op.add_column("findings_summary", sa.Column("version", sa.String(16), nullable=False, server_default=""))
    op.create_index("ix_findings_summary_rule", "findings_summary", ["rule"])


def downgrade() -> None:
    raise NotImplementedError("a ledger is evidence; it is never taken back to an older shape")
