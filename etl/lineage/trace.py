"""Trace a serial number: the submitted line, the mapped row, expressions and code maps, and the source rows as extracted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.engines.local import Engine, literal
from etl.errors import EastboundError
from etl.mapping.compile import LINEAGE, compile_trace
from etl.mapping.definition import Branch, MappingSet
from etl.standard.definition import DataItem, Table

# How a private text is shown: (privacy class, text, the data item where the text is one) -> text.
Show = Callable[[str, str, "DataItem | None"], str]


class SerialUnknown(EastboundError):
    zh = "流水号 {serial} 不在{where}中；用 eastbound runs 查看已有运行，或用 --run 指定"
    en = "serial number {serial} is not in {where}; list runs with eastbound runs, or name one with --run"


@dataclass(frozen=True)
class SourceRow:
    """A source row as extracted; `part` is the alias that the mapping uses for it."""

    system: str
    table: str
    key: str
    part: str
    row: dict[str, Any]


@dataclass(frozen=True)
class ItemTrace:
    """How one data item of the line came about."""

    item: str
    name: str
    value: str | None
    kind: str
    expression: str
    columns: tuple[str, ...] = ()
    code_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    path: str = ""
    line: int = 0


@dataclass(frozen=True)
class Trace:
    """A submitted line and everything behind it. Values are masked unless it was made with `reveal`."""

    serial: str
    run: str
    table: str
    items: dict[str, str | None]
    origins: tuple[ItemTrace, ...]
    sources: tuple[SourceRow, ...]


def find_serial(engine: Engine, serial: str, tables: dict[str, Path]) -> tuple[str, int] | None:
    """(table, row) of a serial number among serial files (table -> Parquet of row, serial)."""
    for table, path in tables.items():
        if path.is_file():
            found = engine.rows(f"SELECT \"row\" FROM read_parquet({literal(str(path))}) WHERE serial = ?", [serial])
            if found:
                return table, int(found[0][0])
    return None


def trace_row(engine: Engine, table: Table, mappings: MappingSet, row: int, *, serial: str, run: str,
              standardised: Path, extracted: Callable[[str, str], Path], show: Show | None,
              company: tuple[str, str]) -> Trace:
    """Trace one row of a standardised table. `extracted` gives the Parquet of a source table; `show` masks for display.

    `show` is None for revealed values. Source columns carry no privacy class of their own: without `show` being None
    a column is masked by the class of the items that are made from it, and shown as `***` when no item uses it.
    """
    mapping = mappings.tables[table.code]
    found = engine.dicts(f"SELECT * FROM read_parquet({literal(str(standardised))}) WHERE _row = ?", [row])[0]
    branch = mapping.branches[found["_branch"]]
    items = {}
    for item in table.items:
        if item.assigned:
            items[item.code] = {"serial": serial, "company_code": company[0], "company_name": company[1]}[item.role or ""]
            continue
        items[item.code] = _shown(found[item.code], item, show)
    for system, name in sorted(branch.sources):
        engine.view_parquet("src", f"{system}.{name}", extracted(system, name))
    classes = column_classes(table, branch)
    sources: list[SourceRow] = []
    for alias, system, name in [(branch.alias, branch.system, branch.table), *((j.alias, j.system, j.table) for j in branch.joins)]:
        for source in engine.dicts(compile_trace(mapping, branch, alias, mappings.code_maps), [found["_src_row"]]):
            values = {k: v for k, v in source.items() if k not in LINEAGE}
            shown = {k: _as_text(v) if show is None else _masked_source(v, classes.get(f"{alias}.{k}", "unmapped"), show) for k, v in values.items()}
            sources.append(SourceRow(system, name, source["_src_key"], alias, shown))
    return Trace(serial, run, table.code, items, _origins(table, mappings, branch, items, mapping.path), tuple(sources))


def column_classes(table: Table, branch: Branch) -> dict[str, str | None]:
    """Source column (alias.column) -> privacy class of what is made from it; None for columns of open items.

    A column that several items use takes a private class before none. Columns of joins' conditions and filters are keys, open.
    """
    classes: dict[str, str | None] = {}

    def take(columns: Iterable[str], privacy: str | None) -> None:
        for column in columns:
            if classes.get(column) is None:
                classes[column] = privacy

    for code, source in branch.items.items():
        take(source.expression.columns if source.expression else (), table.by_code[code].privacy)
    for join in branch.joins:
        for name, value in join.values.items():
            # What is made from an aggregated value is made from the columns below it.
            take(value.columns, classes.get(f"{join.alias}.{name}"))
        for own, expression in join.pairs:
            # Both sides of a join hold the same value: what is private on one is private on the other.
            sides = [f"{join.alias}.{own}", *expression.columns]
            take(sides, next((classes[side] for side in sides if classes.get(side)), None))
        take(join.where.columns if join.where else (), None)
    take(branch.where.columns if branch.where else (), None)
    return classes


def _masked_source(value: Any, privacy: str | None, show: Show) -> str | None:
    text = _as_text(value)
    if text is None:
        return None
    return text if privacy is None else show(privacy, text, None)


def _shown(value: Any, item: DataItem, show: Show | None) -> str | None:
    text = _as_text(value)
    return show(item.privacy, text, item) if text is not None and item.privacy and show else text


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _origins(table: Table, mappings: MappingSet, branch: Branch, items: dict[str, str | None], path: str) -> tuple[ItemTrace, ...]:
    origins: list[ItemTrace] = []
    for item in table.mapped_items:
        source = branch.items[item.code]
        text = source.expression.text if source.expression else str(source.constant if source.kind == "constant" else item.default)
        kind = source.kind
        if kind == "expression" and item.default is not None and items[item.code] == _as_text(item.default):
            kind = "expression or default"
        used = {name: {k: v for k, v in mappings.code_maps[name].entries.items() if v == items[item.code]} for name in source.maps}
        origins.append(ItemTrace(item.code, item.name.get("zh", ""), items[item.code], kind, text,
                                 source.expression.columns if source.expression else (), used, source.why, path, source.line))
    return tuple(origins)

