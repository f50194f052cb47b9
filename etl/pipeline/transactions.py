"""Transaction numbers (交易号): one for all rows, in all tables, that tell of one business event.

A mapping gives the item with `role: transaction` the event's own key (`NB|` and the policy number); here each distinct key
becomes a number. Keys are numbered in sorted order, and a key keeps its number when the day is run again: a transaction
that was held back or refused, and is sent later, is then the same transaction.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines.local import Engine, literal, quote
from etl.submission.serial import serial_number

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext


def number_transactions(context: RunContext, engine: Engine) -> None:
    """Replace event keys by transaction numbers in the standardised and set-aside rows; nothing to do for a standard without them.

    Numbers carry the last day of the period, not the report date: the day on which the business was confirmed.
    """
    form = context.standard.transaction
    tables = [table for table in context.tables if table.transaction_item]
    if form is None or not tables:
        return
    files: list[tuple[Path, str]] = []
    for table in tables:
        assert table.transaction_item is not None
        files += [(path, table.transaction_item.code) for path in (context.standardised(table.code), context.set_aside(table.code))]
    keys = " UNION ".join(f"SELECT {quote(item)} AS event FROM read_parquet({literal(str(path))})" for path, item in files)
    events = [row[0] for row in engine.rows(f"SELECT event FROM ({keys}) WHERE event IS NOT NULL ORDER BY event")]
    request = context.request
    numbers = context.ledger.number_events(context.company.code, request.period.end, context.standard.name, request.period.label, events)
    texts = {event: serial_number(form, context.company.code, request.period.end, number) for event, number in numbers.items()}
    _register(engine, texts)
    for path, item in files:
        columns = "t.number" if texts else "CAST(NULL AS VARCHAR)"
        engine.write_parquet(
            f"SELECT s.* REPLACE ({columns} AS {quote(item)}) FROM read_parquet({literal(str(path))}) AS s "
            f"LEFT JOIN _events AS t ON t.event = s.{quote(item)} ORDER BY {_order(engine, path)}", path)
    engine.connection.unregister("_events")


def _order(engine: Engine, path: Path) -> str:
    """The order that standardising gave the file."""
    names = {row[0] for row in engine.rows(f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})")}
    return "s._row" if "_row" in names else "s._src_system, s._src_table, s._src_row, s._branch"


def _register(engine: Engine, texts: dict[str, str]) -> None:
    import pyarrow as pa

    ordered = sorted(texts)
    engine.connection.register("_events", pa.table({"event": pa.array(ordered, pa.string()), "number": pa.array([texts[e] for e in ordered], pa.string())}))
