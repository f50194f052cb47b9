"""Capture in the ledger: per run and source table how it was read, against which earlier run, and what had changed since."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy import select

from etl.ledger.database import writing
from etl.ledger.ledger import Ledger
from etl.ledger.models import CaptureCountRow


@dataclass(frozen=True)
class CaptureCount:
    """How a source table was captured. `mode` is the mode that was really used, `reason` why it is not the one asked for.

    `base_run` is the earlier run that the rows were compared with; without one, `inserted` and the others are None.
    `watermark` is the highest value of the table's watermark. `rows_read` counts the whole rows that crossed the wire.
    `place` is a fingerprint of the database's address.
    """

    system: str
    table: str
    mode: str
    rows_read: int
    reason: str = ""
    base_run: str | None = None
    watermark: str | None = None
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    unchanged: int | None = None
    place: str = ""


def record_capture(ledger: Ledger, run: str, count: CaptureCount) -> None:
    """Note how a table was captured; again replaces. Raises RunUnknown."""
    table = CaptureCountRow.__table__
    with writing(ledger._engine) as connection:
        ledger._get_run(connection, run)
        connection.execute(sa.delete(table).where(table.c.run == run, table.c.system == count.system, table.c.table == count.table))
        connection.execute(sa.insert(table), {"run": run, **asdict(count)})


def capture_counts(ledger: Ledger, run: str) -> list[CaptureCount]:
    """What was noted for a run, by system and table. Raises RunUnknown."""
    table = CaptureCountRow.__table__
    with ledger._engine.connect() as connection:
        ledger._get_run(connection, run)
        rows = connection.execute(select(table).where(table.c.run == run).order_by(table.c.system, table.c.table)).mappings()
        return [CaptureCount(**{name: row[name] for name in CaptureCount.__dataclass_fields__}) for row in rows]
