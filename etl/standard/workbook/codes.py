"""Code tables out of a workbook: one sheet for all of them, or a sheet each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from etl.standard.definition import CodeValue
from etl.standard.workbook.cells import Reading, Sheet, at, half_width
from etl.standard.workbook.columnmap import ColumnMap, chosen_sheets, missing_sheets


@dataclass
class SheetCodes:
    """One code table as the workbook has it."""

    code: str
    name: str
    values: list[CodeValue] = field(default_factory=list)
    seen: dict[str, list[tuple[CodeValue, str]]] = field(default_factory=dict)


def read_codes(workbook: Any, chosen: ColumnMap, reading: Reading, needed: bool = True) -> dict[str, SheetCodes]:
    """The code tables by code. `needed` says that a sheet that is named and not there is a fault."""
    if needed:
        missing_sheets(chosen, workbook, reading)
    found: dict[str, SheetCodes] = {}
    for sheet, columns in chosen_sheets(chosen, workbook, reading):
        _sheet(sheet, chosen, columns, found)
    return found


def _sheet(sheet: Sheet, chosen: ColumnMap, columns: dict[str, int], found: dict[str, SheetCodes]) -> None:
    down = {columns[name] for name in chosen.options.get("fill_down", ()) if name in columns}
    sheet.merged(chosen.header_row, set(columns.values()), down)
    own = _name_of_sheet(sheet, chosen) if "table" not in columns else None
    above: dict[int, str] = {}

    def cell(row: int, name: str, code: bool = False) -> str:
        column = columns.get(name)
        text = sheet.identifier(row, column) if code else sheet.text(row, column)
        if column in down:
            text = above[column] = text or above.get(column, "")
        return text

    for row in range(chosen.first_row, sheet.last_row + 1):
        if all(sheet.blank(row, column) for column in columns.values()):
            sheet.note(row, columns["code"], "空行，已跳过", "a blank row, passed over")
            continue
        faults = len(sheet.reading.faults)
        table = (cell(row, "table", True), cell(row, "table_name")) if own is None else own
        code, name = cell(row, "code", True), cell(row, "name")
        first, last = sheet.day(row, columns.get("valid_from")), sheet.day(row, columns.get("valid_to"))
        english, provenance = cell(row, "name_en"), cell(row, "provenance")
        if len(sheet.reading.faults) == faults:
            for value, column, zh, en in ((table[0], columns.get("table", 1), "缺少代码表", "the code table is missing"),
                                          (code, columns["code"], "缺少代码", "the code is missing"), (name, columns["name"], "缺少名称", "the name is missing")):
                if not value:
                    sheet.fault(row, column, zh, en)
            if table[0] and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", table[0]):
                sheet.fault(row, columns.get("table", 1), f"代码表代码 {table[0]!r} 只能由字母、数字和下划线组成", f"the code table's code {table[0]!r} may hold letters, digits and underscores only")
        if first and last and first > last:
            sheet.fault(row, columns["valid_from"], "生效日期晚于失效日期", "the first day is after the last")
        if len(sheet.reading.faults) > faults:
            continue
        entry = found.setdefault(table[0], SheetCodes(table[0], table[1]))
        _add(sheet, row, columns["code"], entry, CodeValue(code, name, english, first, last, provenance or ("" if "provenance" in columns else "E")))


def _add(sheet: Sheet, row: int, column: int, entry: SheetCodes, value: CodeValue) -> None:
    for other, place in entry.seen.get(value.code, ()):
        if (other.valid_from or date.min) <= (value.valid_to or date.max) and (value.valid_from or date.min) <= (other.valid_to or date.max):
            sheet.fault(row, column, f"代码表 {entry.code} 的代码 {value.code} 与 {place} 重复（有效期重叠）",
                        f"code {value.code} of {entry.code} is in {place} already (for the same time)")
            return
    entry.values.append(value)
    entry.seen.setdefault(value.code, []).append((value, f"{sheet.name}!{at(row, column)}"))


def _name_of_sheet(sheet: Sheet, chosen: ColumnMap) -> tuple[str, str]:
    """Code and name of the one code table of a sheet: from its title, its name, or the map."""
    source = str(chosen.options["table"])
    if source not in ("sheet", "title"):
        return source, sheet.name
    row = chosen.title_row or 1
    text = sheet.text(row, next(iter(sheet.filled(row)), 1)) if source == "title" else sheet.name
    match = re.fullmatch(r"(.*?)\s*[（(]\s*([^（()）]+?)\s*[）)]", text)
    return (half_width(match[2]), match[1]) if match else (half_width(text), "")
