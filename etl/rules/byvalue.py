"""Judge a rule over one item on the item's distinct values: a million rows hold five statuses and two sexes.

For an item with few values, reading its column says how often each occurs. Every rule that reads nothing else is judged on those
values; what is left for the scan of the rows is a comparison with the values that fail, and nothing where none does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from etl.engines.local import Engine, literal, machine_failed, quote
from etl.rules.definition import Rule
from etl.rules.judged import judged_condition

SAMPLE_ROWS = 20_480
FEW_VALUES = 2_048
# More failing values than this are not listed; the rule is judged row by row.
MOST_FAILING = 64


@dataclass(frozen=True)
class ByValue:
    """What judging by value said: rows judged, and SQL of the rows that fail (None: none does)."""

    judged: int
    failing: str | None


def judge_by_value(engine: Engine, table: str, rules: Sequence[tuple[int, Rule]], failing_sql: Any,
                   conditions: Collection[str] = ()) -> tuple[dict[int, ByValue], dict[str, int]]:
    """Judge the row rules that read a single item with few values. `failing_sql(rule)` is SQL over `t` of a failing row.

    Rules that are not in the answer have to be judged row by row. The second part of the answer is the number of rows
    for those of `conditions` (SQL over `t`) that read such an item alone.
    """
    candidates: dict[str, list[tuple[int, Rule]]] = {}
    for index, rule in rules:
        item = single_item(rule)
        if item is not None:
            candidates.setdefault(item, []).append((index, rule))
    counted: dict[str, list[str]] = {}
    for condition in conditions:
        read = set(re.findall(r't\."([^"]+)"', condition))
        if len(read) == 1:
            counted.setdefault(read.pop(), []).append(condition)
    answers: dict[int, ByValue] = {}
    counts: dict[str, int] = {}
    for item in _with_few_values(engine, table, sorted(candidates | counted)):
        engine.execute(f"CREATE OR REPLACE TEMP TABLE _values AS {values_sql(table, item)}")
        answers |= _judge_item(engine, item, candidates.get(item, []), failing_sql)
        counts |= _count(engine, counted.get(item, []))
        engine.execute("DROP TABLE _values")
    return answers, counts


def _count(engine: Engine, conditions: list[str]) -> dict[str, int]:
    import duckdb

    if not conditions:
        return {}
    wanted = ", ".join(f"coalesce(sum(t._n) FILTER (WHERE {condition}), 0)" for condition in conditions)
    try:
        found = engine.rows(f"SELECT {wanted} FROM _values AS t")[0]
    except duckdb.Error as error:
        if machine_failed(error):
            raise
        return {}
    return dict(zip(conditions, map(int, found), strict=True))


def single_item(rule: Rule) -> str | None:
    """The one item that a row rule reads, None where it reads more or none."""
    names = {name for expression in (rule.when, rule.expect) if expression for name in expression.columns}
    return names.pop() if rule.kind == "row" and len(names) == 1 else None


def values_sql(table: str, item: str) -> str:
    """How often each value of an item occurs (`_n`); reads that column alone."""
    return f"SELECT {quote(item)}, count(*) AS _n FROM data.{quote(table)} GROUP BY {quote(item)}"


def _with_few_values(engine: Engine, table: str, items: list[str]) -> list[str]:
    """Items whose first rows hold few values. A wrong guess costs time, never a finding."""
    if not items:
        return []
    counts = ", ".join(f"count(DISTINCT {quote(item)})" for item in items)
    names = ", ".join(quote(item) for item in items)
    found = engine.rows(f"SELECT {counts} FROM (SELECT {names} FROM data.{quote(table)} LIMIT {SAMPLE_ROWS})")[0]
    return [item for item, count in zip(items, found, strict=True) if count <= FEW_VALUES]


def _judge_item(engine: Engine, item: str, rules: list[tuple[int, Rule]], failing_sql: Any) -> dict[int, ByValue]:
    import duckdb

    if not rules:
        return {}
    columns = []
    for number, (_, rule) in enumerate(rules):
        columns.append(f"{judged_condition(rule)} AS _j{number}")
        columns.append(f"coalesce({failing_sql(rule)}, FALSE) AS _f{number}")
    wanted = []
    for number in range(len(rules)):
        wanted.append(f"coalesce(sum(_n) FILTER (WHERE _j{number}), 0)")
        wanted.append(f"list(_v ORDER BY _v) FILTER (WHERE _f{number})")
    unmapped = "CAST([] AS VARCHAR[]) AS _unmapped"
    try:
        found = engine.rows(
            f"SELECT {', '.join(wanted)} FROM (SELECT t.{quote(item)} AS _v, t._n, {', '.join(columns)} "
            f"FROM (SELECT *, {unmapped} FROM _values) AS t)")[0]
    except duckdb.Error as error:
        if machine_failed(error):
            raise
        # The scan of the rows finds out which rule it was.
        return {}
    answers: dict[int, ByValue] = {}
    for number, (index, rule) in enumerate(rules):
        judged, failing = int(found[2 * number]), found[2 * number + 1]
        if not failing:
            answers[index] = ByValue(judged, None)
            continue
        condition = _among(item, failing)
        if condition is not None:
            # An empty value may be one that could not be mapped: only the row can tell.
            extra = f" AND {failing_sql(rule)}" if rule.family == "required" else ""
            answers[index] = ByValue(judged, condition + extra)
    return answers


def _among(item: str, values: list[Any]) -> str | None:
    """SQL of the rows whose value is one of `values` (None among them); None where they cannot be listed."""
    if len(values) > MOST_FAILING or any(isinstance(value, str) and "\x00" in value for value in values):
        return None
    column = f"t.{quote(item)}"
    parts = [f"{column} IS NULL"] if None in values else []
    present = [_value(value) for value in values if value is not None]
    if present:
        parts.append(f"{column} IN ({', '.join(present)})")
    return "(" + " OR ".join(parts) + ")"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return literal(value)
    return f"DATE {literal(value.isoformat())}" if isinstance(value, date) else str(value)
