"""Holding back: where the standard sends what is clean, the transactions with an error finding stay behind.

`on_error: hold_transactions` names the items that make a transaction (`hold_key`). A row with an error finding holds
every row, in every table, that shares its transaction; a row of a table without those items is held alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines.local import Engine, literal, quote
from etl.files import whole_file

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext
    from etl.standard.definition import Table


def held_rows(context: RunContext, engine: Engine) -> dict[str, set[int]]:
    """`_row` numbers to hold back, by table; empty for a standard that blocks the package instead."""
    if context.standard.on_error != "hold_transactions":
        return {}
    keys = context.standard.hold_key
    held: dict[str, set[int]] = {}
    transactions: set[tuple] = set()
    for table in context.tables:
        files = [p for p in (context.findings(table.code), context.findings(f"{table.code}.stage")) if p.is_file()]
        listed = ", ".join(literal(str(p)) for p in files)
        rows = {int(r[0]) for r in engine.rows(
            f"SELECT DISTINCT \"row\" FROM read_parquet([{listed}]) WHERE severity = 'error' AND \"row\" IS NOT NULL")} if files else set()
        held[table.code] = rows
        if _has(table, keys):
            transactions |= set(_transactions(context, engine, table, rows))
            aside = engine.rows(f"SELECT DISTINCT {_list(keys)} FROM read_parquet({literal(str(context.set_aside(table.code)))})")
            transactions |= {row for row in aside if None not in row}
    for table in context.tables:
        if transactions and _has(table, keys):
            numbers = engine.rows(f"SELECT _row, {_list(keys)} FROM read_parquet({literal(str(context.standardised(table.code)))})")
            held[table.code] |= {int(row[0]) for row in numbers if row[1:] in transactions}
    return {table: rows for table, rows in held.items() if rows}


def note_held(context: RunContext, engine: Engine, held: dict[str, set[int]]) -> None:
    """Leave `held.json` in the run's folder: the transactions that stay behind, and their rows by table."""
    if context.standard.on_error != "hold_transactions":
        return
    transactions: set[str] = set()
    for table in context.tables:
        if held.get(table.code) and _has(table, context.standard.hold_key):
            transactions |= {"|".join(parts) for parts in _transactions(context, engine, table, held[table.code])}
    about = {"hold_key": list(context.standard.hold_key), "transactions": sorted(transactions), "tables": {code: len(rows) for code, rows in sorted(held.items())}}
    with whole_file(context.folder / "held.json") as partial:
        partial.write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")


def _has(table: Table, keys: tuple[str, ...]) -> bool:
    return bool(keys) and all(key in table.by_code for key in keys)


def _list(keys: tuple[str, ...]) -> str:
    return ", ".join(f"CAST({quote(key)} AS VARCHAR)" for key in keys)


def _transactions(context: RunContext, engine: Engine, table: Table, rows: set[int]) -> list[tuple]:
    if not rows:
        return []
    _numbers(engine, rows)
    found = engine.rows(f"SELECT DISTINCT {_list(context.standard.hold_key)} FROM read_parquet({literal(str(context.standardised(table.code)))}) "
                        f"WHERE _row IN (SELECT n FROM _held)")
    return [row for row in found if None not in row]


def without_held(context: RunContext, engine: Engine, table: Table, held: dict[str, set[int]]) -> Path:
    """The clear rows to send: the standardised file itself, or a copy in the vault without the held rows."""
    source = context.standardised(table.code)
    if not held.get(table.code):
        return source
    target = context.vault.folder(context.run, "sent") / f"{table.code}.parquet"
    _numbers(engine, held[table.code])
    # What is sent is numbered without gaps; `_standard_row` leads back to the row that was checked.
    engine.write_parquet(
        f"SELECT * REPLACE (row_number() OVER (ORDER BY _row) AS _row), _row AS _standard_row FROM read_parquet({literal(str(source))}) "
        f"WHERE _row NOT IN (SELECT n FROM _held) ORDER BY _row", target)
    return target


def _numbers(engine: Engine, rows: set[int]) -> None:
    import pyarrow as pa

    engine.connection.register("_held", pa.table({"n": pa.array(sorted(rows), pa.int64())}))
