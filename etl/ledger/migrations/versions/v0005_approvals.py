"""Approvals: who decided what on which package."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A decision is never changed, only followed by another one.
SQLITE_GUARD = """
CREATE TRIGGER approvals_no_{verb} BEFORE {verb} ON approvals
BEGIN SELECT RAISE(ABORT, 'approvals is append-only'); END
"""
POSTGRES_GUARD = (
    """
CREATE FUNCTION approvals_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'approvals is append-only'; END $$
""",
    """
CREATE TRIGGER approvals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals
FOR EACH STATEMENT EXECUTE FUNCTION approvals_append_only()
""",
)


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("run", sa.String(40), sa.ForeignKey("runs.id", name="fk_approvals_run"), nullable=False),
        sa.Column("standard", sa.String(80), nullable=False),
        sa.Column("period", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(20), nullable=False),
        sa.Column("maker", sa.String(120), nullable=False),
        sa.Column("checker", sa.String(120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("package_sha256", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.UniqueConstraint("run", "kind", "number", name="uq_approvals_run_kind_number"),
    )
    op.create_index("ix_approvals_standard_period", "approvals", ["standard", "period"])
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(SQLITE_GUARD.format(verb=verb))
    elif op.get_bind().dialect.name == "postgresql":
        for statement in POSTGRES_GUARD:
            op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a ledger is evidence; it is never taken back to an older shape")
