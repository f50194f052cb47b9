"""Serial numbers (流水号): which block of a day's numbers a package gets.

A sequence runs per company and report date, from 1, over all standards. Source: the serial number's definition
in the 2020 life standard (company code + report date + ten digits that restart each day), confidence E.
"""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from etl.ledger.errors import SerialsExhausted
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
