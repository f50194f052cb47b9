"""How many rows could a rule judge? Exactly those where its condition holds and its expectation has a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from etl.engines.local import Engine, machine_failed, quote
from etl.expressions.known import TRUE, Call, all_of, known
from etl.rules.definition import Rule


def own_column(name: str) -> str:
    return f"t.{quote(name)}"


@dataclass(frozen=True)
class Judged:
    """`sure` is SQL that holds for the rows a rule judges, and for those where `doubtful` (None: nowhere) holds as well."""

    sure: str
    doubtful: str | None = None


def judged_condition(rule: Rule, column: Callable[[str], str] = own_column) -> str | None:
    """SQL that is TRUE for the rows of its own table that the rule judges; None where partners have a say.

    A uniqueness judges the rows that have all its items; a relation without expectation those that have the items to
    look up. Whether a relation with an expectation can judge a row depends on its partner, too.
    """
    conditions = [rule.when.sql(column)] if rule.when else []
    if rule.kind == "row":
        assert rule.expect is not None
        return all_of([*conditions, known(rule.expect.tree, column).sql])
    if rule.kind == "unique":
        return all_of([*conditions, *(f"({column(name)} IS NOT NULL)" for name in rule.unique)])
    if rule.relation and rule.expect is None:
        return all_of([*conditions, *(f"({column(name)} IS NOT NULL)" for name in rule.relation.on)])
    return None


def judged_rows(rule: Rule, never_null: Collection[str], call: Call | None = None) -> Judged:
    """As `judged_condition` of a row rule, in two parts, so that costly functions are not evaluated for counting alone.

    Few rows are doubtful: they are found by the scan that judges, which has the functions' values at hand (`call`).
    """
    assert rule.expect is not None
    found = known(rule.expect.tree, own_column, None, never_null, optimistic=True)
    sure = all_of([*([rule.when.sql(own_column)] if rule.when else []), found.sql])
    if not found.doubtful:
        return Judged(sure)
    when = rule.when.sql(own_column, call) if rule.when else TRUE
    # What is rare comes first: the rest is then asked of few rows.
    return Judged(sure, f"({rule.expect.sql(own_column, call)} IS NULL AND {all_of([when, found.sql])})")


def count_rows(engine: Engine, table: str, conditions: Collection[str], rows: int, nulls: Mapping[str, int] | None) -> dict[str, int]:
    """Rows of `data.<table>` for which each condition holds: what `nulls` (empty values per column) tells, else one scan."""
    counts: dict[str, int] = {}
    asked: list[str] = []
    for condition in dict.fromkeys(conditions):
        plain = re.fullmatch(r'\(?t\."([^"]+)" IS NOT NULL\)?|\(NOT \(t\."([^"]+)" IS NULL\)\)', condition)
        item = plain and (plain[1] or plain[2])
        if condition == TRUE or not rows:
            counts[condition] = rows
        elif item and nulls is not None and item in nulls:
            counts[condition] = rows - nulls[item]
        else:
            asked.append(condition)
    return counts | (_counted(engine, table, asked) if asked else {})


def count_judged(engine: Engine, table: str, rules: Sequence[tuple[int, Rule]], rows: int, nulls: Mapping[str, int] | None) -> dict[int, int]:
    """Rows that each rule judges by its own table alone (see `judged_condition`)."""
    conditions = {index: judged_condition(rule) for index, rule in rules}
    counts = count_rows(engine, table, [c for c in conditions.values() if c is not None], rows, nulls)
    return {index: counts[condition] for index, condition in conditions.items() if condition is not None}


def _counted(engine: Engine, table: str, conditions: Sequence[str]) -> dict[str, int]:
    """Rows per condition. One that breaks counts none: its rule breaks as well, and says so."""
    import duckdb

    try:
        found = engine.rows(f"SELECT {', '.join(f'count_if({c})' for c in conditions)} FROM data.{quote(table)} AS t")[0]
    except duckdb.Error as error:
        if machine_failed(error):
            raise
        if len(conditions) == 1:
            return {conditions[0]: 0}
        half = len(conditions) // 2
        return _counted(engine, table, conditions[:half]) | _counted(engine, table, conditions[half:])
    return dict(zip(conditions, map(int, found), strict=True))
