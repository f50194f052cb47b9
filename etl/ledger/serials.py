"""Serial numbers (流水号): which block of a day's numbers a package gets.

A sequence runs per company and report date, from 1, over all standards. Source: the serial number's definition
in the 2020 life standard (company code + report date + ten digits that restart each day), confidence E.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from etl.ledger.errors import SerialsExhausted
from etl.ledger.models import BatchAllocationRow, EventNumberRow
from etl.ledger.models import SerialAllocationRow as Row

LIMIT = 9_999_999_999


def allocate(connection: Connection, company: str, report_date: date, standard: str, period: str, count: int) -> int:
    """First number of a block of `count`; call inside a write transaction.

    The same company, report date, standard and period gets its latest block again where that is big enough, or can
    grow because it is the last of the day: a re-run then gives the same bytes. Otherwise the next free numbers.
    """
    if count < 0:
        raise ValueError("count is negative")
    day = (Row.company == company, Row.report_date == report_date)
    mine = connection.execute(
        sa.select(Row.first, Row.count).where(*day, Row.standard == standard, Row.period == period).order_by(Row.first.desc()).limit(1)
    ).first()
    last = connection.execute(sa.select(Row.first, Row.count).where(*day).order_by(Row.first.desc()).limit(1)).first()
    free = last.first + last.count if last else 1
    if mine is not None and count <= mine.count:
        return mine.first
    first = mine.first if mine is not None and mine.first == last.first else free
    if first + count - 1 > LIMIT:
        raise SerialsExhausted(company=company, report_date=report_date.isoformat(), count=count, first=first, limit=LIMIT)
    if mine is not None and first == mine.first:
        connection.execute(sa.update(Row).where(*day, Row.first == first).values(count=count))
    elif count:
        connection.execute(sa.insert(Row), {"company": company, "report_date": report_date, "first": first, "count": count,
                                            "standard": standard, "period": period})
    return first


def allocate_batch(connection: Connection, company: str, kind: str, standard: str, period: str, part: int) -> int:
    """Number of a batch, from 1 per company over all kinds and standards; asked again for the same part, the same number."""
    batch = BatchAllocationRow
    found = connection.execute(sa.select(batch.sequence).where(
        batch.company == company, batch.kind == kind, batch.standard == standard, batch.period == period, batch.part == part)).scalar()
    if found is not None:
        return int(found)
    last = connection.execute(sa.select(sa.func.max(batch.sequence)).where(batch.company == company)).scalar() or 0
    connection.execute(sa.insert(batch), {"company": company, "sequence": last + 1, "kind": kind, "standard": standard, "period": period, "part": part})
    return int(last) + 1


def number_events(connection: Connection, company: str, day: date, standard: str, period: str, events: Sequence[str]) -> dict[str, int]:
    """A number for each event: the one it has, or the next of a block of the day's serial numbers."""
    row = EventNumberRow
    known = {event: int(number) for event, number in connection.execute(
        sa.select(row.event, row.sequence).where(row.company == company, row.day == day, row.standard == standard))}
    fresh = [event for event in dict.fromkeys(events) if event not in known]
    if fresh:
        # The block grows where it can; what of it is taken already stays with its owner.
        first = allocate(connection, company, day, standard, period, len(known) + len(fresh))
        taken = set(known.values())
        free = (number for number in range(first, LIMIT + 1) if number not in taken)
        numbers = dict(zip(fresh, free, strict=False))
        connection.execute(sa.insert(row), [
            {"company": company, "day": day, "standard": standard, "event": event, "sequence": number} for event, number in numbers.items()])
        known |= numbers
    return {event: known[event] for event in events}
