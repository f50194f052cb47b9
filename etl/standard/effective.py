"""What of a standard is in force on a day: tables and data items may come and go inside one edition."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from etl.errors import EastboundError
from etl.standard.definition import DataItem, Standard, Table


class KeyNotInForce(EastboundError):
    zh = "标准 {standard} 的表 {table} 在 {day} 没有生效的主键数据项；请检查其 effective"
    en = "table {table} of {standard} has no key item in force on {day}; check the effective dates of its items"


def in_force_on(standard: Standard, day: date) -> Standard:
    """The standard without the tables and items that are not in force on `day`, and without references to them.

    The very same object where everything is in force. Raises KeyNotInForce for a table left without a key.
    """
    if all(table.in_force(day) and all(item.in_force(day) for item in table.items) for table in standard.tables.values()):
        return standard
    kept = {code: [item for item in table.items if item.in_force(day)] for code, table in standard.tables.items() if table.in_force(day)}
    known = {(code, item.code) for code, items in kept.items() for item in items}
    tables: dict[str, Table] = {}
    for code, items in kept.items():
        if not any(item.key and not item.assigned for item in items):
            raise KeyNotInForce(standard=standard.name, table=code, day=day.isoformat())
        tables[code] = replace(standard.tables[code], items=tuple(_without_lost_reference(item, known) for item in items))
    return replace(standard, tables=tables)


def _without_lost_reference(item: DataItem, known: set[tuple[str, str]]) -> DataItem:
    return replace(item, refs=None) if item.refs and (item.refs.table, item.refs.item) not in known else item
