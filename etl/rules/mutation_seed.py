"""Made-up rows for tables that a clean submission leaves empty, so that rules about them can be tried as well.

They follow the dictionary (types, code tables, references) and the passing examples of the table's rules as far as that
goes; what rules still find in them belongs to the clean state and counts for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from etl.engines.local import Engine, quote
from etl.rules.compile import compile_row_rules
from etl.rules.definition import Rule
from etl.rules.mutation_world import Row, ValueUnfit, fit
from etl.standard.definition import DataItem, Standard, Table

ROWS = 3


def seed_empty(engine: Engine, standard: Standard, rules: Sequence[Rule]) -> list[str]:
    """Give every empty `base.<TABLE>` that `rules` read a few rows; returns the tables."""
    read = {table for rule in rules for table in rule.tables()}
    seeded = []
    for table in standard.ordered_tables:
        if table.code in read and not engine.one(f"SELECT count(*) FROM base.{quote(table.code)}"):
            _seed(engine, standard, table, [rule for rule in rules if rule.table == table.code])
            seeded.append(table.code)
    return seeded


def _seed(engine: Engine, standard: Standard, table: Table, rules: Sequence[Rule]) -> None:
    day = engine.one("SELECT getvariable('period_start')")
    rows = [{item.code: _value(standard, item, number, day) for item in table.mapped_items if _needed(item)} for number in range(1, ROWS + 1)]
    for number, row in enumerate(rows):
        _link(engine, table, rules, row, number)
    row_rules = [rule for rule in rules if rule.kind == "row"]
    for _ in range(3):
        _store(engine, table, rows)
        failing = engine.rows(compile_row_rules(table.code, row_rules))
        for number, index in failing:
            _follow(table, row_rules[index], rows[number - 1])
        if not failing:
            return
    _store(engine, table, rows)


def _needed(item: DataItem) -> bool:
    return item.required or item.key or item.default is not None or item.refs is not None


def _value(standard: Standard, item: DataItem, number: int, day: date) -> Any:
    codes = standard.codes.get(item.codes or "")
    if item.default is not None:
        wanted: Any = item.default
    elif codes and codes.on(day):
        value = codes.on(day)[number % len(codes.on(day)) if item.key else 0]
        wanted = value.name if item.send == "text" else value.code
    else:
        wanted = {"text": f"{'9' * max(min(item.length, 8) - 1, 0)}{number}"[-item.length:], "date": day}.get(item.type, number)
    try:
        return fit(item, wanted)
    except ValueUnfit:
        return None


def _link(engine: Engine, table: Table, rules: Sequence[Rule], row: Row, number: int) -> None:
    """Take the keys of rows that the table must refer to, one and the same partner as far as rules share items."""
    linked: set[str] = set()
    for rule in sorted((r for r in rules if r.relation and not r.relation.aggregate and r.relation.to != table.code), key=lambda r: -len(r.relation.on)):  # type: ignore[union-attr]
        assert rule.relation is not None
        on = rule.relation.on
        held = [own for own in on if own in linked]
        tests = " AND ".join([f"{quote(on[own])} = ?" for own in held] + [f"{quote(other)} IS NOT NULL" for other in on.values()])
        columns = ", ".join(quote(other) for other in on.values())
        found = engine.rows(f"SELECT DISTINCT {columns} FROM base.{quote(rule.relation.to)} WHERE {tests} ORDER BY ALL", [row[own] for own in held])
        if found:
            row.update(zip(on, found[number % len(found)], strict=True))
            linked |= set(on)


def _follow(table: Table, rule: Rule, row: Row) -> None:
    """Give the row the values of a passing example, for the items that the rule reads."""
    for example in rule.examples_pass[:1]:
        for code in {code for _, code in rule.items_read()} & example.keys():
            try:
                row[code] = fit(table.by_code[code], example[code])
            except ValueUnfit:
                continue


def _store(engine: Engine, table: Table, rows: Sequence[Row]) -> None:
    import pyarrow as pa

    schema = engine.connection.sql(f"SELECT * FROM base.{quote(table.code)} LIMIT 0").to_arrow_table().schema
    lineage = [{"_row": number, "_src_system": "made-up", "_src_table": table.code, "_src_key": str(number)} for number in range(1, len(rows) + 1)]
    engine.connection.register("_seed_rows", pa.Table.from_pylist([{**row, **extra} for row, extra in zip(rows, lineage, strict=True)], schema=schema))
    engine.execute(f"CREATE OR REPLACE TABLE base.{quote(table.code)} AS SELECT * FROM _seed_rows")
    engine.connection.unregister("_seed_rows")
    engine.execute(f"CREATE OR REPLACE VIEW data.{quote(table.code)} AS SELECT * FROM base.{quote(table.code)}")
