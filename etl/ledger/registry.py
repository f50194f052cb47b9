"""The policy registry's daily cycle in the ledger: what was sent, what came of it, which transaction stands where.

Every method is one transaction, so that a killed program finds either the state before a step or the state after it.
Error texts of the platform are not kept here: they may quote personal values. They stay in the error file, in the vault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import Connection, select

from etl.errors import EastboundError
from etl.ledger.database import writing
from etl.ledger.ledger import Ledger
from etl.ledger.registry_models import RegistryBatchRow as Batch
from etl.ledger.registry_models import RegistryDayRow as Day
from etl.ledger.registry_models import RegistryFaultRow as Fault
from etl.ledger.registry_models import RegistryFigureRow as Figure
from etl.ledger.registry_models import RegistryTransactionRow as Transaction

SENT, ACCEPTED, REJECTED = "sent", "accepted", "rejected"
_CHUNK = 500


class TransactionsSentBefore(EastboundError):
    zh = "批次 {batch} 中有 {count} 个交易号已经报送过或未被退回，不能再报（首个：{first}）"
    en = "batch {batch} holds {count} transaction number(s) that were sent before and not rejected; they cannot be sent again (first: {first})"
    exit_code = 3


class RegistryStateChanged(EastboundError):
    zh = "{day} 的状态已是 {found}，不是 {wanted}：另一个程序正在处理该日"
    en = "the state of {day} is {found}, not {wanted}: another program is at work on that day"
    exit_code = 3


@dataclass(frozen=True)
class RegistryDay:
    """One reported day. `state` is the flag of the daily cycle, `round` the number of reconciliations begun."""

    company: str
    day: date
    state: str
    round: int
    query_no: str | None
    updated_at: datetime


@dataclass(frozen=True)
class RegistryBatch:
    """One zip of a day; `number` counts the day's zips from 1, `rejected` the transactions that came back."""

    batch_no: str
    company: str
    day: date
    number: int
    kind: str
    state: str
    transactions: int
    rows: int
    path: str
    md5: str
    query_no: str | None
    reply: str | None
    rejected: int
    updated_at: datetime


@dataclass(frozen=True)
class RegistryFault:
    """One error row of the platform. `code` is its ErrorCode; the text is left in the error file."""

    batch_no: str
    line: int
    table: str
    transaction_no: str
    code: str


@dataclass(frozen=True)
class RegistryFigure:
    """COUNT or SUM of a field in one reconciliation, ours and (once answered) the platform's."""

    table: str
    field: str
    check: str
    ours: Decimal
    theirs: Decimal | None

    @property
    def differs(self) -> bool:
        return self.theirs is not None and self.ours != self.theirs


class RegistryLedger:
    """The registry's part of an open ledger, for one company."""

    def __init__(self, ledger: Ledger, company: str) -> None:
        self._engine, self.company = ledger._engine, company

    # -- reading

    def days(self) -> list[RegistryDay]:
        """Every day begun so far, in order."""
        with self._engine.connect() as connection:
            found = connection.execute(select(Day.__table__).where(Day.company == self.company).order_by(Day.day)).mappings()
            return [RegistryDay(**row) for row in found]

    def day(self, day: date) -> RegistryDay | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(Day.__table__).where(Day.company == self.company, Day.day == day)).mappings().first()
            return RegistryDay(**row) if row else None

    def batches(self, day: date) -> list[RegistryBatch]:
        """The zips of a day, in the order in which they were made."""
        with self._engine.connect() as connection:
            query = select(Batch.__table__).where(Batch.company == self.company, Batch.day == day).order_by(Batch.number)
            return [RegistryBatch(**row) for row in connection.execute(query).mappings()]

    def transactions(self, day: date, state: str | None = None) -> dict[str, str]:
        """Transaction number -> the batch that carried it last, optionally those in one state (sent, accepted, rejected)."""
        query = select(Transaction.transaction_no, Transaction.batch_no).where(Transaction.company == self.company, Transaction.day == day)
        if state is not None:
            query = query.where(Transaction.state == state)
        with self._engine.connect() as connection:
            return {row.transaction_no: row.batch_no for row in connection.execute(query.order_by(Transaction.transaction_no))}

    def counts(self, day: date) -> dict[str, int]:
        """State -> number of the day's transactions."""
        query = select(Transaction.state, sa.func.count()).where(Transaction.company == self.company, Transaction.day == day).group_by(Transaction.state)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def faults(self, batch_no: str) -> list[RegistryFault]:
        with self._engine.connect() as connection:
            found = connection.execute(select(Fault.__table__).where(Fault.batch_no == batch_no).order_by(Fault.line)).mappings()
            return [RegistryFault(**row) for row in found]

    def figures(self, day: date, round: int) -> list[RegistryFigure]:
        query = select(Figure.__table__).where(Figure.company == self.company, Figure.day == day, Figure.round == round)
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(Figure.table, Figure.field, Figure.check)).mappings()
            return [RegistryFigure(r["table"], r["field"], r["check"], Decimal(r["ours"]), None if r["theirs"] is None else Decimal(r["theirs"]))
                    for r in found]

    # -- the steps

    def open_day(self, day: date, state: str) -> None:
        """Begin a day."""
        with writing(self._engine) as connection:
            self._insert_day(connection, day, state)

    def add_batch(self, day: date, batch_no: str, kind: str, *, path: str, md5: str, rows: int, transactions: Sequence[str], state: str,
                  day_state: str | None = None, replacing: bool = False) -> None:
        """Take up a zip and the transactions in it; the day goes to `day_state` (default: the zip's).

        New numbers must never have been sent; numbers that were sent must stand rejected. `replacing` (detail) leaves the
        transactions as they are. Raises TransactionsSentBefore and changes nothing.
        """
        with writing(self._engine) as connection:
            last = connection.execute(select(sa.func.max(Batch.number)).where(Batch.company == self.company, Batch.day == day)).scalar() or 0
            values = {"batch_no": batch_no, "company": self.company, "day": day, "number": last + 1, "kind": kind, "state": state, "path": path,
                      "transactions": len(transactions), "rows": rows, "md5": md5, "rejected": 0, "updated_at": _now()}
            connection.execute(sa.insert(Batch), values)
            if not replacing:
                self._claim(connection, day, batch_no, transactions, again=kind == "FAI")
            if self.day_in(connection, day) is None:
                self._insert_day(connection, day, day_state or state)
            else:
                self._set_day(connection, day, day_state or state)

    def notified(self, batch: RegistryBatch, query_no: str, state: str) -> None:
        """The platform has taken the notification and gave a number to ask by."""
        with writing(self._engine) as connection:
            self._set_batch(connection, batch.batch_no, state=state, query_no=query_no)
            self._set_day(connection, batch.day, state)

    def judged(self, batch: RegistryBatch, reply: str, faults: Iterable[tuple[str, str, str]], rejected: Iterable[str], *, state: str, day_state: str,
               detail: bool = False) -> None:
        """The platform has judged a zip: error rows (table, transaction, code) and the transactions that came back; all others are accepted."""
        rejected = sorted(set(rejected))
        with writing(self._engine) as connection:
            self._set_batch(connection, batch.batch_no, state=state, reply=reply, rejected=len(rejected))
            rows = [{"batch_no": batch.batch_no, "line": n, "table": t, "transaction_no": no, "code": code} for n, (t, no, code) in enumerate(faults, 1)]
            if rows:
                connection.execute(sa.insert(Fault), rows)
            if not detail:
                mine = (Transaction.company == self.company, Transaction.batch_no == batch.batch_no)
                connection.execute(sa.update(Transaction).where(*mine).values(state=ACCEPTED))
                for part in _chunks(rejected):
                    connection.execute(sa.update(Transaction).where(*mine, Transaction.transaction_no.in_(part)).values(state=REJECTED))
            self._set_day(connection, batch.day, day_state)

    def checking(self, day: date, figures: Iterable[RegistryFigure], state: str) -> int:
        """Begin a reconciliation with our figures, or find the one begun; returns its number."""
        with writing(self._engine) as connection:
            found = self.day_in(connection, day)
            if found is None:
                raise RegistryStateChanged(day=day.isoformat(), found="-", wanted=state)
            number = found["round"] + 1
            rows = [{"company": self.company, "day": day, "round": number, "table": f.table, "field": f.field, "check": f.check, "ours": f"{f.ours:f}"}
                    for f in figures]
            if rows:
                connection.execute(sa.insert(Figure), rows)
            self._set_day(connection, day, state, round=number, query_no=None)
            return number

    def asked(self, day: date, query_no: str) -> None:
        """The platform is reconciling and gave a number to ask by."""
        with writing(self._engine) as connection:
            self._set_day(connection, day, None, query_no=query_no)

    def checked(self, day: date, round: int, theirs: Mapping[tuple[str, str, str], Decimal], state: str) -> None:
        """The platform has answered with its own figures, by (table, field, check)."""
        with writing(self._engine) as connection:
            for (table, field, check), value in theirs.items():
                connection.execute(sa.update(Figure).where(
                    Figure.company == self.company, Figure.day == day, Figure.round == round, Figure.table == table, Figure.field == field,
                    Figure.check == check).values(theirs=f"{value:f}"))
            self._set_day(connection, day, state, query_no=None)

    def set_state(self, day: date, state: str, *, was: str, batch_no: str | None = None) -> None:
        """Move a day (and a zip of it) on. Raises RegistryStateChanged where it is no longer in `was`."""
        with writing(self._engine) as connection:
            found = self.day_in(connection, day)
            if found is None or found["state"] != was:
                raise RegistryStateChanged(day=day.isoformat(), found=found["state"] if found else "-", wanted=was)
            self._set_day(connection, day, state)
            if batch_no is not None:
                self._set_batch(connection, batch_no, state=state)

    # -- inside a transaction

    def day_in(self, connection: Connection, day: date) -> Mapping | None:
        return connection.execute(select(Day.__table__).where(Day.company == self.company, Day.day == day)).mappings().first()

    def _claim(self, connection: Connection, day: date, batch_no: str, transactions: Sequence[str], *, again: bool) -> None:
        standing = (Transaction.company == self.company, Transaction.day == day, Transaction.state == REJECTED)
        clash: list[str] = []
        for part in _chunks(transactions):
            chosen = Transaction.transaction_no.in_(part)
            known = set(connection.execute(select(Transaction.transaction_no).where(Transaction.company == self.company, chosen)).scalars())
            fit = set(connection.execute(select(Transaction.transaction_no).where(*standing, chosen)).scalars()) if again else set()
            clash += [number for number in part if number not in fit and (again or number in known)]
            if again:
                connection.execute(sa.update(Transaction).where(*standing, chosen).values(state=SENT, batch_no=batch_no))
            elif not clash:
                connection.execute(sa.insert(Transaction), [
                    {"company": self.company, "transaction_no": n, "day": day, "state": SENT, "batch_no": batch_no} for n in part])
        if clash:
            raise TransactionsSentBefore(batch=batch_no, count=len(clash), first=clash[0])

    def _insert_day(self, connection: Connection, day: date, state: str) -> None:
        connection.execute(sa.insert(Day), {"company": self.company, "day": day, "state": state, "round": 0, "updated_at": _now()})

    def _set_day(self, connection: Connection, day: date, state: str | None, **values: object) -> None:
        if state is not None:
            values["state"] = state
        connection.execute(sa.update(Day).where(Day.company == self.company, Day.day == day).values(updated_at=_now(), **values))

    def _set_batch(self, connection: Connection, batch_no: str, **values: object) -> None:
        connection.execute(sa.update(Batch).where(Batch.batch_no == batch_no).values(updated_at=_now(), **values))


def _chunks(values: Iterable[str]) -> Iterable[list[str]]:
    values = list(values)
    return (values[start:start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _now() -> datetime:
    return datetime.now(UTC)
