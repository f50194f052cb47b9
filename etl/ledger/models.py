"""SQLAlchemy models of the ledger. Only `etl.ledger` sees them; others get the dataclasses of `definition`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, DateTime, Float, ForeignKey, Index, Integer, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware in Python whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s",
    })


class RunRow(Base):
    __tablename__ = "runs"
    __table_args__ = (Index(None, "standard", "period"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    standard: Mapped[str] = mapped_column(String(80))
    period: Mapped[str] = mapped_column(String(20))
    report_date: Mapped[date] = mapped_column(Date)
    status: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    company: Mapped[str] = mapped_column(String(40))
    pack_fingerprint: Mapped[str] = mapped_column(String(80))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    package: Mapped[str | None] = mapped_column(Text)
    package_sha256: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    process_token: Mapped[str | None] = mapped_column(String(120))


class StageCountRow(Base):
    __tablename__ = "stage_counts"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(40), primary_key=True)
    table: Mapped[str] = mapped_column(String(120), primary_key=True)
    rows_in: Mapped[int] = mapped_column(BigInteger)
    rows_out: Mapped[int] = mapped_column(BigInteger)
    rows_aside: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Float)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ArtefactRow(Base):
    __tablename__ = "artefacts"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    path: Mapped[str] = mapped_column(String(500), primary_key=True)
    stage: Mapped[str] = mapped_column(String(40))
    table: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)


class FindingsSummaryRow(Base):
    __tablename__ = "findings_summary"
    __table_args__ = (Index("ix_findings_summary_rule", "rule"),)

    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    rule: Mapped[str] = mapped_column(String(120), primary_key=True)
    family: Mapped[str] = mapped_column(String(40))
    severity: Mapped[str] = mapped_column(String(20))
    table: Mapped[str] = mapped_column(String(120))
    outcome: Mapped[str] = mapped_column(String(20))
    judged: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    version: Mapped[str] = mapped_column(String(16), server_default="")


class MappingCountRow(Base):
    __tablename__ = "mapping_counts"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    table: Mapped[str] = mapped_column(String(120), primary_key=True)
    item: Mapped[str] = mapped_column(String(120), primary_key=True)
    mapped: Mapped[int] = mapped_column(BigInteger)
    defaulted: Mapped[int] = mapped_column(BigInteger)
    constant: Mapped[int] = mapped_column(BigInteger)
    unmapped: Mapped[int] = mapped_column(BigInteger)


class CaptureCountRow(Base):
    __tablename__ = "capture_counts"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    system: Mapped[str] = mapped_column(String(120), primary_key=True)
    table: Mapped[str] = mapped_column(String(120), primary_key=True)
    mode: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(40))
    base_run: Mapped[str | None] = mapped_column(String(40))
    watermark: Mapped[str | None] = mapped_column(String(60))
    rows_read: Mapped[int] = mapped_column(BigInteger)
    inserted: Mapped[int | None] = mapped_column(BigInteger)
    updated: Mapped[int | None] = mapped_column(BigInteger)
    deleted: Mapped[int | None] = mapped_column(BigInteger)
    unchanged: Mapped[int | None] = mapped_column(BigInteger)
    place: Mapped[str] = mapped_column(String(64))


class SerialAllocationRow(Base):
    __tablename__ = "serial_allocations"

    company: Mapped[str] = mapped_column(String(40), primary_key=True)
    report_date: Mapped[date] = mapped_column(Date, primary_key=True)
    first: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)
    standard: Mapped[str] = mapped_column(String(80))
    period: Mapped[str] = mapped_column(String(20))


class BatchAllocationRow(Base):
    __tablename__ = "batch_allocations"
    __table_args__ = (UniqueConstraint("company", "kind", "standard", "period", "part"),)

    company: Mapped[str] = mapped_column(String(40), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(3))
    standard: Mapped[str] = mapped_column(String(80))
    period: Mapped[str] = mapped_column(String(30))
    part: Mapped[int] = mapped_column(Integer)


class EventNumberRow(Base):
    __tablename__ = "event_numbers"
    __table_args__ = (UniqueConstraint("company", "day", "sequence"),)

    company: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    standard: Mapped[str] = mapped_column(String(80), primary_key=True)
    event: Mapped[str] = mapped_column(String(200), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


class ApprovalRow(Base):
    __tablename__ = "approvals"
    # Of two people who decide on the same state of affairs, the second finds the number taken.
    __table_args__ = (UniqueConstraint("run", "kind", "number"), Index(None, "standard", "period"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    standard: Mapped[str] = mapped_column(String(80))
    period: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    number: Mapped[int] = mapped_column(Integer)
    decision: Mapped[str] = mapped_column(String(20))
    maker: Mapped[str] = mapped_column(String(120))
    checker: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)
    package_sha256: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[int] = mapped_column(Integer)


class AuditEventRow(Base):
    __tablename__ = "audit_events"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(500))
    detail: Mapped[str] = mapped_column(Text)
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
