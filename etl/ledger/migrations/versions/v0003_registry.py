"""The policy registry's daily cycle: days, batches, transactions, error rows, figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "registry_days",
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(4), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("query_no", sa.String(120)),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("company", "day", name="pk_registry_days"),
    )
    op.create_table(
        "registry_batches",
        sa.Column("batch_no", sa.String(40), nullable=False),
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(4), nullable=False),
        sa.Column("state", sa.String(4), nullable=False),
        sa.Column("transactions", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("md5", sa.String(32), nullable=False),
        sa.Column("query_no", sa.String(120)),
        sa.Column("reply", sa.String(40)),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("batch_no", name="pk_registry_batches"),
    )
    op.create_index("ix_registry_batches_company_day", "registry_batches", ["company", "day"])
    op.create_table(
        "registry_transactions",
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("transaction_no", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("batch_no", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("company", "transaction_no", name="pk_registry_transactions"),
    )
    op.create_index("ix_registry_transactions_company_day_state", "registry_transactions", ["company", "day", "state"])
    op.create_table(
        "registry_faults",
        sa.Column("batch_no", sa.String(40), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("table", sa.String(120), nullable=False),
        sa.Column("transaction_no", sa.String(40), nullable=False),
        sa.Column("code", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("batch_no", "line", name="pk_registry_faults"),
    )
    op.create_table(
        "registry_figures",
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("table", sa.String(120), nullable=False),
        sa.Column("field", sa.String(120), nullable=False),
        sa.Column("check", sa.String(8), nullable=False),
        sa.Column("ours", sa.String(60), nullable=False),
        sa.Column("theirs", sa.String(60)),
        sa.PrimaryKeyConstraint("company", "day", "round", "table", "field", "check", name="pk_registry_figures"),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is evidence; it is never taken back to an older shape")
