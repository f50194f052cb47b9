"""Compile a mapping to SQL over the extracted tables (`src."system.table"`), with every value that could not be turned
into what the standard wants listed beside the row."""

from __future__ import annotations

from typing import Any

from etl.engines.local import literal, quote
from etl.engines.types import sql_type
from etl.mapping.conversions import Conversions, column_sql
from etl.mapping.definition import Branch, CodeMap, Join, TableMapping
from etl.standard.definition import Table

__all__ = [
    "LINEAGE", "column_sql", "compile_branch", "compile_trace", "constant_sql", "from_clause", "source_view",
]

LINEAGE = ("_src_system", "_src_table", "_src_key", "_src_row", "_batch")


def source_view(system: str, table: str) -> str:
    return f"src.{quote(f'{system}.{table}')}"


def compile_branch(mapping: TableMapping, branch: Branch, number: int, table: Table, code_maps: dict[str, CodeMap]) -> str:
    """One branch as a query: items (typed, before defaults), lineage, `_branch`, `_bad`, `_missing_codes`, `_ambiguous`."""
    columns = [f"{quote(branch.alias)}.{name}" for name in LINEAGE]
    columns.append(f"{number} AS _branch")
    bad: list[str] = []
    reported: set[str] = set()
    unmapped: list[str] = []
    for item in table.mapped_items:
        source = branch.items[item.code]
        if source.kind == "expression":
            assert source.expression is not None
            convert = Conversions(code_maps, mapping.system)
            columns.append(f"{convert.item_sql(item, source.expression)} AS {quote(item.code)}")
            bad += _bad_cases(item.code, convert)
            reported |= {condition for condition, _, _ in convert.bad}
            unmapped += [f"CASE WHEN {c} THEN {{'item': {literal(item.code)}, 'map': {literal(m)}, 'original': {o}}} END" for c, m, o in convert.unmapped]
        else:
            columns.append(f"CAST({constant_sql(source.constant)} AS {sql_type(item)}) AS {quote(item.code)}")
    # A date that the filter cannot read says nothing about whether the row belongs here: set aside, not passed over.
    if branch.where is not None:
        convert = Conversions(code_maps, mapping.system)
        unknown = f"{convert.filter_sql(branch.where)} IS NULL"
        # One value is one finding: what an item reports already is not said again for the key.
        convert.bad = [(f"{unknown} AND {condition}", reason, original) for condition, reason, original in convert.bad if condition not in reported]
        bad += _bad_cases(table.key_items[0].code, convert)
    columns.append(f"{_present(bad, 'reason')} AS _bad")
    columns.append(f"{_present(unmapped, 'map')} AS _missing_codes")
    ambiguous = [f"CASE WHEN {quote(j.alias)}._matches > 1 THEN {literal(j.alias)} END" for j in branch.joins if j.kind == "left"]
    columns.append(f"list_filter(CAST([{', '.join(ambiguous)}] AS VARCHAR[]), lambda x: x IS NOT NULL) AS _ambiguous")
    return f"SELECT {', '.join(columns)} {from_clause(branch, code_maps, mapping.system)}"


def compile_absent(table: Table) -> str:
    """The columns of `compile_branch` without a row: for a table of which no core system has data."""
    columns = [f"CAST(NULL AS {sql_type(item)}) AS {quote(item.code)}" for item in table.mapped_items]
    columns += [f"CAST(NULL AS {'BIGINT' if name == '_src_row' else 'VARCHAR'}) AS {name}" for name in LINEAGE]
    columns += ["CAST(NULL AS INTEGER) AS _branch", f"{_present([], 'reason')} AS _bad", f"{_present([], 'map')} AS _missing_codes", "CAST([] AS VARCHAR[]) AS _ambiguous"]
    return f"SELECT {', '.join(columns)} WHERE FALSE"


def _bad_cases(item: str, convert: Conversions) -> list[str]:
    return [f"CASE WHEN {c} THEN {{'item': {literal(item)}, 'reason': {literal(r)}, 'original': {o}}} END" for c, r, o in convert.bad]


def _present(cases: list[str], middle: str) -> str:
    kind = f"STRUCT(item VARCHAR, {quote(middle)} VARCHAR, original VARCHAR)[]"
    return f"list_filter(CAST([{', '.join(cases)}] AS {kind}), lambda x: x IS NOT NULL)"


def constant_sql(value: Any) -> str:
    """SQL of a constant or default from a pack."""
    if value is None:
        return "NULL"
    return literal(value.isoformat() if hasattr(value, "isoformat") else str(value))


def from_clause(branch: Branch, code_maps: dict[str, CodeMap], system: str, upto: str | None = None, raw: bool = False) -> str:
    """FROM and WHERE of a branch. With `upto`, only the joins up to that alias; with `raw`, that one joins its single rows.

    A row whose filter cannot be judged because a date in it cannot be read is let through, to be set aside later.
    """
    convert = Conversions(code_maps, system)
    parts = [f"FROM {source_view(branch.system, branch.table)} AS {quote(branch.alias)}"]
    for join in branch.joins:
        parts.append(_join_sql(join, convert, raw and join.alias == upto))
        if join.alias == upto:
            break
    if branch.where is not None and upto is None:
        filtering = Conversions(code_maps, system)
        where = filtering.filter_sql(branch.where)
        unreadable = " OR ".join(f"({condition})" for condition, _, _ in filtering.bad)
        parts.append(f"WHERE coalesce({where}, {unreadable})" if unreadable else f"WHERE {where}")
    return " ".join(parts)


def _join_sql(join: Join, convert: Conversions, raw: bool) -> str:
    keys = ", ".join(quote(column) for column, _ in join.pairs)
    on = " AND ".join(f"{quote(join.alias)}.{quote(column)} = {convert.sql(expression)}" for column, expression in join.pairs)
    inside = quote(join.alias)
    where = f" WHERE {convert.sql(join.where)}" if join.where else ""
    view = f"{source_view(join.system, join.table)} AS {inside}{where}"
    if raw:
        body = f"SELECT {inside}.* FROM {view}"
    elif join.kind == "left":
        body = (f"SELECT {inside}.*, count(*) OVER (PARTITION BY {keys}) AS _matches FROM {view} "
                f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY _src_row) = 1")
    else:
        values = ", ".join(f"{expression.sql(column_sql)} AS {quote(name)}" for name, expression in join.values.items())
        body = f"SELECT {keys}, {values} FROM {view} GROUP BY {keys}"
    return f"LEFT JOIN ({body}) AS {quote(join.alias)} ON {on}"


def compile_trace(mapping: TableMapping, branch: Branch, alias: str, code_maps: dict[str, CodeMap]) -> str:
    """The rows of `alias` behind one driving row (parameter: its `_src_row`)."""
    if alias == branch.alias:
        return f"SELECT * FROM {source_view(branch.system, branch.table)} WHERE _src_row = ?"
    join = next(j for j in branch.joins if j.alias == alias)
    drop = " EXCLUDE (_matches)" if join.kind == "left" else ""
    return (f"SELECT DISTINCT {quote(alias)}.*{drop} {from_clause(branch, code_maps, mapping.system, alias, raw=join.kind == 'aggregate')} "
            f"WHERE {quote(branch.alias)}._src_row = ? AND {quote(alias)}._src_row IS NOT NULL ORDER BY _src_row")
