"""The first ledger: runs, counts, artefacts, findings, mappings, serial numbers, audit chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The chain is append-only in the database too; whoever removes these guards still breaks the hashes.
SQLITE_GUARD = """
CREATE TRIGGER audit_events_no_{verb} BEFORE {verb} ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END
"""
POSTGRES_GUARD = (
    """
CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit_events is append-only'; END $$
""",
    """
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()
""",
)


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "runs",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("standard", sa.String(80), nullable=False),
        sa.Column("period", sa.String(20), nullable=False),
        sa.Column("report_date", sa.Date(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("pack_fingerprint", sa.String(80), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("package", sa.Text()),
        sa.Column("package_sha256", sa.String(64)),
        sa.Column("message", sa.JSON()),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_token", sa.String(120)),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_standard_period", "runs", ["standard", "period"])
    op.create_table(
        "stage_counts",
        sa.Column("run", sa.String(40), sa.ForeignKey("runs.id", name="fk_stage_counts_run"), nullable=False),
        sa.Column("stage", sa.String(40), nullable=False),
        sa.Column("table", sa.String(120), nullable=False),
        sa.Column("rows_in", sa.BigInteger(), nullable=False),
        sa.Column("rows_out", sa.BigInteger(), nullable=False),
        sa.Column("rows_aside", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("finished_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("run", "stage", "table", name="pk_stage_counts"),
    )
    op.create_table(
        "artefacts",
        sa.Column("run", sa.String(40), sa.ForeignKey("runs.id", name="fk_artefacts_run"), nullable=False),
        sa.Column("path", sa.String(500), nullable=False),
        sa.Column("stage", sa.String(40), nullable=False),
        sa.Column("table", sa.String(120), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "path", name="pk_artefacts"),
    )
    op.create_table(
        "findings_summary",
        sa.Column("run", sa.String(40), sa.ForeignKey("runs.id", name="fk_findings_summary_run"), nullable=False),
        sa.Column("rule", sa.String(120), nullable=False),
        sa.Column("family", sa.String(40), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("table", sa.String(120), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("judged", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "rule", name="pk_findings_summary"),
    )
    op.create_table(
        "mapping_counts",
        sa.Column("run", sa.String(40), sa.ForeignKey("runs.id", name="fk_mapping_counts_run"), nullable=False),
        sa.Column("table", sa.String(120), nullable=False),
        sa.Column("item", sa.String(120), nullable=False),
        sa.Column("mapped", sa.BigInteger(), nullable=False),
        sa.Column("defaulted", sa.BigInteger(), nullable=False),
        sa.Column("constant", sa.BigInteger(), nullable=False),
        sa.Column("unmapped", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "table", "item", name="pk_mapping_counts"),
    )
    op.create_table(
        "serial_allocations",
        sa.Column("company", sa.String(40), nullable=False),
        sa.Column("report_date", sa.Date(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("standard", sa.String(80), nullable=False),
        sa.Column("period", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("company", "report_date", "first", name="pk_serial_allocations"),
    )
    op.create_table(
        "audit_events",
        sa.Column("seq", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("action", sa.String(80), nullable=False),
        sa.Column("subject", sa.String(500), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_events"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(SQLITE_GUARD.format(verb=verb))
    elif op.get_bind().dialect.name == "postgresql":
        for statement in POSTGRES_GUARD:
            op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a ledger is evidence; it is never taken back to an older shape")
