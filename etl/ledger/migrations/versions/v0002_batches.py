"""Batch numbers, and numbers of business events, for standards that are sent by transactions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_allocations",
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(3), nullable=False),
        sa.Column("standard", sa.String(80), nullable=False),
        sa.Column("period", sa.String(30), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("company", "sequence", name="pk_batch_allocations"),
        sa.UniqueConstraint("company", "kind", "standard", "period", "part", name="uq_batch_allocations_company_kind_standard_period_part"),
    )
    op.create_table(
        "event_numbers",
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("standard", sa.String(80), nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("company", "day", "standard", "event", name="pk_event_numbers"),
        sa.UniqueConstraint("company", "day", "sequence", name="uq_event_numbers_company_day_sequence"),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is evidence; it is never taken back to an older shape")
