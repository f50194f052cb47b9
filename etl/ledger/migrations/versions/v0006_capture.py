"""Capture: how each source table was read, against which earlier run, and what had changed since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "capture_counts",
        sa.Column("run", sa.String(40), sa.ForeignKey("runs.id", name="fk_capture_counts_run"), nullable=False),
        sa.Column("system", sa.String(120), nullable=False),
        sa.Column("table", sa.String(120), nullable=False),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("base_run", sa.String(40), nullable=True),
        sa.Column("watermark", sa.String(60), nullable=True),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("inserted", sa.BigInteger(), nullable=True),
        sa.Column("updated", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.Column("unchanged", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("run", "system", "table", name="pk_capture_counts"),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is evidence; it is never taken back to an older shape")
