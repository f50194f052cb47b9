"""SQLAlchemy models of the policy registry's daily cycle. Only `etl.ledger` sees them; others get the dataclasses of `registry`."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from etl.ledger.models import Base, UtcDateTime


class RegistryDayRow(Base):
    __tablename__ = "registry_days"

    company: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    state: Mapped[str] = mapped_column(String(4))
    round: Mapped[int] = mapped_column(Integer)
    query_no: Mapped[str | None] = mapped_column(String(120))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RegistryBatchRow(Base):
    __tablename__ = "registry_batches"
    __table_args__ = (Index(None, "company", "day"),)

    batch_no: Mapped[str] = mapped_column(String(40), primary_key=True)
    company: Mapped[str] = mapped_column(String(40))
    day: Mapped[date] = mapped_column(Date)
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(4))
    state: Mapped[str] = mapped_column(String(4))
    transactions: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    path: Mapped[str] = mapped_column(Text)
    md5: Mapped[str] = mapped_column(String(32))
    query_no: Mapped[str | None] = mapped_column(String(120))
    reply: Mapped[str | None] = mapped_column(String(40))
    rejected: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RegistryTransactionRow(Base):
    __tablename__ = "registry_transactions"
    __table_args__ = (Index(None, "company", "day", "state"),)

    company: Mapped[str] = mapped_column(String(40), primary_key=True)
    transaction_no: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(12))
    batch_no: Mapped[str] = mapped_column(String(40))


class RegistryFaultRow(Base):
    __tablename__ = "registry_faults"

    batch_no: Mapped[str] = mapped_column(String(40), primary_key=True)
    line: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    table: Mapped[str] = mapped_column(String(120))
    transaction_no: Mapped[str] = mapped_column(String(40))
    code: Mapped[str] = mapped_column(String(120))


class RegistryFigureRow(Base):
    __tablename__ = "registry_figures"

    company: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    table: Mapped[str] = mapped_column(String(120), primary_key=True)
    field: Mapped[str] = mapped_column(String(120), primary_key=True)
    check: Mapped[str] = mapped_column(String(8), primary_key=True)
    ours: Mapped[str] = mapped_column(String(60))
    theirs: Mapped[str | None] = mapped_column(String(60))
