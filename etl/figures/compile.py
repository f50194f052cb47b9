"""SQL of figures: the rows that make one up, and their aggregate. Only expressions of packs, rendered; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection

from etl.engines.local import quote
from etl.expressions import Expression
from etl.figures.definition import Figure, Join, RowSet

# Where the tables of a run's role are in the engine.
SCHEMAS = {"current": "data", "previous": "previous", "later": "later", "other": "other"}
# (role, table) pairs that the engine has.
Known = Callable[[str, str], bool]


def column(name: str) -> str:
    """An own item as `t."ITEM"`, a joined one as `"TABLE"."ITEM"`."""
    table, _, item = name.rpartition(".")
    return f"{quote(table)}.{quote(item)}" if table else f"t.{quote(item)}"


def _sql(expression: Expression) -> str:
    return expression.sql(column)


def table_sql(table: str, roles: Collection[str], known: Known) -> str:
    """The rows of a table over the runs of `roles`; `_n` says which of them a row is from."""
    there = [(number, role) for number, role in enumerate(roles) if known(role, table)]
    selects = [f"SELECT *, {number} AS _n FROM {quote(SCHEMAS[role])}.{quote(table)}" for number, role in there]
    # A table that is joined and that no run has: nothing is found in it.
    return "(" + " UNION ALL BY NAME ".join(selects) + ")" if selects else ""


def _join_sql(join: Join, roles: Collection[str], known: Known) -> str:
    """At most one row per key, the first: a total is never doubled by what is looked up."""
    keys = ", ".join(quote(item) for item in join.on.values())
    where = f" WHERE {join.where.sql(quote)}" if join.where else ""
    found = table_sql(join.table, roles, known)
    on = " AND ".join(f"{column(own)} = {quote(join.table)}.{quote(other)}" for own, other in join.on.items())
    return f" LEFT JOIN (SELECT * FROM {found}{where} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY _n, _row) = 1) AS {quote(join.table)} ON {on}"


def conditions(rows: RowSet, where: Expression | None, flow: bool) -> list[str]:
    """What a row has to fulfil, as SQL; `flow` adds that its date lies in the period."""
    found = [_sql(expression) for expression in (rows.where, where) if expression]
    if flow and rows.date:
        found.append(f"({column(rows.date)} BETWEEN getvariable('period_start')::DATE AND getvariable('period_end')::DATE)")
    return found


def from_sql(rows: RowSet, known: Known) -> str:
    return f"FROM {table_sql(rows.table, rows.runs, known)} AS t" + "".join(_join_sql(join, rows.looked_up, known) for join in rows.joins)


def chosen_sql(rows: RowSet, known: Known, where: list[str], columns: dict[str, str]) -> str:
    """One row for each row that counts, with `columns` (name -> SQL)."""
    once = ""
    if rows.once_per:
        keys = ", ".join(column(item) for item in rows.once_per)
        once = f" QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY t._n, t._row) = 1"
    listed = ", ".join(f"{sql} AS {quote(name)}" for name, sql in columns.items())
    filtered = f" WHERE {' AND '.join(where)}" if where else ""
    return f"SELECT {listed} {from_sql(rows, known)}{filtered}{once}"


def amount_sql(figure: Figure) -> str:
    """What one row adds: the aggregated expression, 1 where rows are counted."""
    if figure.value is None:
        return "1"
    sql = _sql(figure.value)
    return f"CASE WHEN {sql} IS NOT NULL THEN 1 END" if figure.aggregate == "count" else sql


def figure_sql(figure: Figure, known: Known, by: str | None) -> str:
    """(member, value, rows) of a figure over rows; one line without `by`, else one per member of the dimension."""
    assert figure.source
    member = column(figure.source.by[by]) if by else "CAST(NULL AS VARCHAR)"
    chosen = chosen_sql(figure.source, known, conditions(figure.source, figure.where, figure.period == "flow"),
                        {"_member": member, "_amount": amount_sql(figure)})
    group = " GROUP BY _member ORDER BY _member NULLS LAST" if by else ""
    head = "_member" if by else "CAST(NULL AS VARCHAR)"
    return f"SELECT {head}, {figure.aggregate}(_amount), count(*) FROM ({chosen}){group}"


def unjudged_sql(figure: Figure, known: Known) -> str:
    """How many rows could not be judged: no condition is false, and at least one has nothing to look at."""
    assert figure.source
    # A date that may be missing, such as that of an end, says by its absence that the row is no case.
    where = conditions(figure.source, figure.where, figure.period == "flow" and figure.source.dated)
    if not where:
        return "SELECT 0"
    return f"SELECT count(*) {from_sql(figure.source, known)} WHERE ({' AND '.join(where)}) IS NULL"
