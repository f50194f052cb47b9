"""Standardise one table: source rows in, standard rows out, and every row set aside with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etl.engines.local import Engine, literal, quote
from etl.engines.types import sql_type
from etl.errors import EastboundError
from etl.mapping.compile import LINEAGE, compile_absent, compile_branch, constant_sql, from_clause
from etl.mapping.definition import MappingSet
from etl.standard.definition import Standard, Table


class RowsLost(EastboundError):
    zh = "表 {table}：取数 {rows_in} 行，标准化得到 {rows_found} 行，行数不守恒；请检查映射的连接条件"
    en = "table {table}: {rows_in} source rows gave {rows_found} standard rows; check the joins of its mapping"
    exit_code = 3


@dataclass(frozen=True)
class ItemCount:
    """How the values of one item came about, in rows."""

    item: str
    mapped: int
    defaulted: int
    constant: int
    unmapped: int


@dataclass(frozen=True)
class Standardised:
    """Result of standardising: rows in = rows out + rows aside."""

    table: str
    rows_in: int
    rows_out: int
    rows_aside: int
    items: tuple[ItemCount, ...]
    unmapped: tuple[tuple[str, str, str, int], ...]   # (item, map, source code, rows)


def standardise_table(engine: Engine, standard: Standard, table: Table, mappings: MappingSet, target: Path, aside: Path) -> Standardised:
    """Compile and run the mapping of `table`; write kept rows to `target` and the others to `aside` (Parquet).

    Kept rows: mapped items (typed), `_row` 1..n in final order, lineage, `_branch`, `_unmapped` (items whose code has
    no entry), `_missing_codes`, `_ambiguous`. Set-aside rows: the same with `_bad` (item, reason, original text).
    """
    mapping = mappings.tables[table.code]
    selects = [compile_branch(mapping, branch, number, table, mappings.code_maps) for number, branch in enumerate(mapping.branches)]
    engine.execute("CREATE OR REPLACE TEMP TABLE _base AS " + (" UNION ALL BY NAME ".join(selects) or compile_absent(table)))
    rows_in = 0
    for branch in mapping.branches:
        rows_in += int(engine.one(f"SELECT count(DISTINCT {quote(branch.alias)}._src_row) {from_clause(branch, mappings.code_maps, mapping.system)}"))
    found = int(engine.one("SELECT count(*) FROM _base"))
    if found != rows_in:
        raise RowsLost(table=table.code, rows_in=rows_in, rows_found=found)
    items = _item_columns(table, mapping)
    names = ", ".join(quote(item.code) for item in table.mapped_items)
    lineage = ", ".join(LINEAGE)
    order = ", ".join([*(quote(item.code) for item in table.key_items), "_src_system", "_src_table", "_src_key", "_src_row", "_branch"])
    unmapped = "list_sort(list_distinct(list_transform(_missing_codes, lambda x: x.item)))"
    kept = (f"SELECT row_number() OVER (ORDER BY {order}) AS _row, {names}, {lineage}, _branch, _unmapped, _missing_codes, _ambiguous "
            f"FROM (SELECT {items}, {lineage}, _branch, {unmapped} AS _unmapped, _missing_codes, _ambiguous FROM _base WHERE len(_bad) = 0) ORDER BY _row")
    rows_out = engine.write_parquet(kept, target)
    rows_aside = engine.write_parquet(
        f"SELECT {names}, {lineage}, _branch, _bad FROM _base WHERE len(_bad) > 0 ORDER BY _src_system, _src_table, _src_row, _branch", aside)
    if rows_out + rows_aside != rows_in:
        raise RowsLost(table=table.code, rows_in=rows_in, rows_found=rows_out + rows_aside)
    result = Standardised(table.code, rows_in, rows_out, rows_aside, _count_items(engine, table, mapping), tuple(
        (r[0], r[1], r[2], int(r[3])) for r in engine.rows(
            "SELECT u.item, u.\"map\", u.original, count(*) FROM (SELECT unnest(_missing_codes) AS u FROM _base) GROUP BY ALL ORDER BY ALL")))
    engine.execute("DROP TABLE _base")
    return result


def _item_columns(table: Table, mapping) -> str:
    columns = []
    for item in table.mapped_items:
        value = quote(item.code)
        if item.default is not None:
            default = f"CAST({constant_sql(item.default)} AS {sql_type(item)})"
            # A code without entry is a finding; it must not hide behind the default.
            missing = f"list_contains(list_transform(_missing_codes, lambda x: x.item), {literal(item.code)})"
            value = f"CASE WHEN {value} IS NULL AND NOT {missing} THEN {default} ELSE {value} END"
        columns.append(f"{value} AS {quote(item.code)}")
    return ", ".join(columns)


def _count_items(engine: Engine, table: Table, mapping) -> tuple[ItemCount, ...]:
    parts = []
    for item in table.mapped_items:
        fixed = [n for n, b in enumerate(mapping.branches) if b.items[item.code].kind == "constant"]
        constant = f"_branch IN ({', '.join(map(str, fixed))})" if fixed else "FALSE"
        missing = f"list_contains(list_transform(_missing_codes, lambda x: x.item), {literal(item.code)})"
        name = quote(item.code)
        defaulted = f"count(*) FILTER ({name} IS NULL AND NOT {missing})" if item.default is not None else "0"
        parts += [f"count(*) FILTER ({name} IS NOT NULL AND NOT {constant})", defaulted, f"count(*) FILTER ({constant})", f"count(*) FILTER ({missing})"]
    row = engine.rows(f"SELECT {', '.join(parts)} FROM _base")[0]
    return tuple(ItemCount(item.code, *(int(v) for v in row[i * 4:i * 4 + 4])) for i, item in enumerate(table.mapped_items))
