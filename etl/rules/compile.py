"""Compile rules to SQL: one scan for all row rules of a table, a query each for relations and the rest.

Every compiled query yields `_row` (the failing row's number in its table) and `_rule` (the index given).
"""

from __future__ import annotations

from collections.abc import Sequence

from etl.engines.local import literal, quote
from etl.expressions import Expression
from etl.rules.definition import Rule, Side


def own_column(name: str) -> str:
    return f"t.{quote(name)}"


def _sql(expression: Expression | None, column=own_column) -> str:
    return expression.sql(column) if expression else "TRUE"


def failing_condition(rule: Rule) -> str:
    """SQL that is TRUE for a row that fails a row rule; NULL or FALSE otherwise.

    A row whose code could not be mapped is reported once, by MAP: it does not fail for being empty as well.
    """
    condition = f"NOT {_sql(rule.expect)}"
    if rule.family == "required":
        condition += f" AND NOT coalesce(list_contains(t._unmapped, {literal(rule.item)}), FALSE)"
    return f"{_sql(rule.when)} AND {condition}" if rule.when else condition


def compile_row_rules(table: str, rules: Sequence[Rule]) -> str:
    """One pass over `data.<table>` for all its row rules."""
    cases = ",\n    ".join(f"CASE WHEN {failing_condition(rule)} THEN {index} END" for index, rule in enumerate(rules))
    return (
        f"SELECT _row, unnest(_failed) AS _rule FROM (\n  SELECT t._row, list_filter([\n    {cases}\n  ], lambda x: x IS NOT NULL) AS _failed\n"
        f"  FROM data.{quote(table)} AS t) WHERE len(_failed) > 0"
    )


def compile_relation(rule: Rule) -> str:
    """Rows without partner; or whose partner, or whose partners taken together, break the expectation."""
    relation = rule.relation
    assert relation is not None
    own, target = f"data.{quote(rule.table)} AS t", f"data.{quote(relation.to)}"
    present = " AND ".join(f"t.{quote(own_item)} IS NOT NULL" for own_item in relation.on)
    when = f"{_sql(rule.when)} AND {present}" if rule.when else present
    where_target = _sql(relation.to_where, lambda name: quote(name))

    def joined(alias: str) -> str:
        return " AND ".join(f"t.{quote(a)} = {alias}.{quote(b)}" for a, b in relation.on.items())

    if relation.aggregate:
        keys = ", ".join(quote(b) for b in relation.on.values())
        values = ", ".join(f"{e.sql(quote)} AS {quote(name)}" for name, e in relation.aggregate.items())

        def column(name: str) -> str:
            if name in relation.aggregate:
                counted = relation.aggregate[name].text.strip().lower().startswith("count")
                return f"coalesce(a.{quote(name)}, 0)" if counted else f"a.{quote(name)}"
            return own_column(name)

        assert rule.expect is not None
        return (f"SELECT t._row FROM {own} LEFT JOIN (SELECT {keys}, {values} FROM {target} WHERE {where_target} GROUP BY {keys}) AS a "
                f"ON {joined('a')} WHERE {when} AND NOT {rule.expect.sql(column)}")
    if rule.expect is not None:
        def partner_column(name: str) -> str:
            prefix, _, item = name.rpartition(".")
            return f"p.{quote(item)}" if prefix else own_column(name)

        return (f"SELECT DISTINCT t._row FROM {own} JOIN (SELECT * FROM {target} WHERE {where_target}) AS p ON {joined('p')} "
                f"WHERE {when} AND NOT {rule.expect.sql(partner_column)}")
    keys = ", ".join(quote(b) for b in relation.on.values())
    # A parent set aside for a bad value still exists: its children are not orphans.
    aside = ", ".join(quote(b) for b in relation.on.values())
    return (f"SELECT t._row FROM {own} ANTI JOIN (SELECT {keys} FROM {target} WHERE {where_target} "
            f"UNION ALL SELECT {aside} FROM aside.{quote(relation.to)}) AS p ON {joined('p')} WHERE {when}")


def compile_unique(rule: Rule) -> str:
    """Every row of a group that shares its values."""
    items = ", ".join(own_column(name) for name in rule.unique)
    present = " AND ".join(f"{own_column(name)} IS NOT NULL" for name in rule.unique)
    return (f"SELECT _row FROM (SELECT t._row, count(*) OVER (PARTITION BY {items}) AS _n FROM data.{quote(rule.table)} AS t "
            f"WHERE {_sql(rule.when)} AND {present}) WHERE _n > 1")


def compile_reconcile(rule: Rule) -> str:
    """Groups whose two sums differ: `_key`, `_left`, `_right`."""
    reconcile = rule.reconcile
    assert reconcile is not None

    def side(s: Side) -> str:
        keys = "".join(f"CAST({quote(name)} AS VARCHAR) AS k{i}, " for i, name in enumerate(s.by))
        group = (" GROUP BY " + ", ".join(f"k{i}" for i in range(len(s.by)))) if s.by else ""
        return f"(SELECT {keys}{s.value.sql(quote)} AS v FROM data.{quote(s.table)} WHERE {_sql(s.where, quote)}{group})"

    count = len(reconcile.left.by)
    on = " AND ".join(f"l.k{i} IS NOT DISTINCT FROM r.k{i}" for i in range(count)) or "TRUE"
    key = " || '|' || ".join(f"coalesce(l.k{i}, r.k{i}, '')" for i in range(count)) or "''"
    return (f"SELECT {key} AS _key, coalesce(l.v, 0) AS _left, coalesce(r.v, 0) AS _right FROM {side(reconcile.left)} AS l "
            f"FULL OUTER JOIN {side(reconcile.right)} AS r ON {on} WHERE abs(coalesce(l.v, 0) - coalesce(r.v, 0)) > {reconcile.tolerance!r}")


def compile_single(rule: Rule) -> str:
    """The query of one rule that is not a row rule and not a reconciliation."""
    return compile_unique(rule) if rule.kind == "unique" else compile_relation(rule)
