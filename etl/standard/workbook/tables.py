"""Tables and their items out of a workbook: a sheet per table, title, header, one row per item."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from etl.packs.shape import hint
from etl.standard.workbook.cells import Reading, Sheet, at, half_width
from etl.standard.workbook.columnmap import ColumnMap, missing_sheets, places
from etl.standard.workbook.oracle import parse_type

_CAPTURE = {"全量": "full", "增量": "incremental", "变化量": "change"}


@dataclass(frozen=True)
class SheetItem:
    """One row of a table's sheet. `codes` is what the cell says: the code or the Chinese name of a code table."""

    code: str
    name: str
    name_en: str
    type: str
    length: int
    scale: int
    key: bool
    required: bool
    codes: str
    note: str
    provenance: str
    length_provenance: str
    cell: str


@dataclass(frozen=True)
class SheetTable:
    """One data sheet. `carries` are the fields that its columns hold."""

    code: str
    name: str
    sheet: str
    order: int
    items: tuple[SheetItem, ...]
    carries: frozenset[str]
    listed: dict[str, Any] = field(default_factory=dict)


def read_tables(workbook: Any, chosen: ColumnMap, reading: Reading) -> list[SheetTable]:
    """Every table of a workbook, in the order of the sheets; faults and notes are collected in `reading`."""
    missing_sheets(chosen, workbook, reading)
    sheets = chosen.chosen(workbook)
    if not sheets:
        reading.faults.append(_no_sheets(reading, chosen, len(workbook.worksheets)))
        return []
    _look_before(workbook, chosen, reading)
    listed = _read_list(workbook, chosen.inner.get("list"), reading)
    tables: list[SheetTable] = []
    for worksheet in sheets:
        sheet = Sheet(worksheet, reading)
        table = _table(sheet, chosen, len(tables) + 1, listed)
        if table is None:
            continue
        other = next((t for t in tables if t.code.lower() == table.code.lower()), None)
        if other:
            sheet.fault(chosen.title_row, 1, f"表 {table.code} 已在工作表“{other.sheet}”中", f"table {table.code} is on sheet '{other.sheet}' already")
            continue
        tables.append(table)
    known = {table.code for table in tables}
    lost = [code for code in listed if code not in known]
    if lost and not reading.faults:
        reading.note(f"表清单中的 {', '.join(lost)} 没有数据工作表", f"{', '.join(lost)}: in the list of tables, but without a data sheet")
    return tables


def _no_sheets(reading: Reading, chosen: ColumnMap, count: int) -> Any:
    from etl.standard.workbook.cells import SheetFault

    return SheetFault(workbook=reading.workbook, sheet="*",
                      problem_zh=f"数据工作表应从第 {chosen.first_sheet + 1} 个开始，但只有 {count} 个；如布局不同，请用 --columns 说明 first_sheet",
                      problem_en=f"data sheets should begin with the {chosen.first_sheet + 1}th, but there are {count}; for another layout say first_sheet with --columns")


def _look_before(workbook: Any, chosen: ColumnMap, reading: Reading) -> None:
    """A sheet in front of the data sheets that looks like one would be lost without a word."""
    if chosen.sheets or not chosen.title_row:
        return
    for worksheet in workbook.worksheets[:chosen.first_sheet]:
        sheet = Sheet(worksheet, Reading(reading.workbook))
        columns = places(chosen, sheet) or {}
        if _title(sheet, chosen.title_row, report=False) and columns and not isinstance(_type_at(sheet, chosen.first_row, columns), tuple):
            Sheet(worksheet, reading).fault(
                chosen.title_row, 1, f"像是数据工作表，却在第 {chosen.first_sheet + 1} 个之前；请移到后面，或用 --columns 说明 first_sheet",
                f"looks like the title of a data sheet, but stands before the {chosen.first_sheet + 1}th sheet; move it, or say first_sheet with --columns")


def _title(sheet: Sheet, row: int, report: bool = True) -> tuple[str, str] | None:
    """(Chinese name, code) out of 表中文名（表英文名）."""
    column = next(iter(sheet.filled(row)), 1)
    text = sheet.text(row, column)
    match = re.fullmatch(r"(.+?)\s*[（(]\s*([^（()）]+?)\s*[）)]", text)
    code = half_width(match[2]) if match else ""
    if match and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", code):
        if code != match[2] and report:
            sheet.note(row, column, f"表英文名读作 {code}", f"the table's code is read as {code}")
        return match[1], code
    if report:
        sheet.fault(row, column, f"应为标题“表中文名（表英文名）”，现为 {text!r}" if text else "缺少标题“表中文名（表英文名）”",
                    f"should be a title such as 个人保单表（GRBDB）, not {text!r}" if text else "the title is missing; write for example 个人保单表（GRBDB）")
    return None


def _table(sheet: Sheet, chosen: ColumnMap, order: int, listed: dict[str, dict]) -> SheetTable | None:
    last = sheet.last_row
    if last == 0:
        sheet.sheet_fault("是空表，请填写或删除", "is empty; fill it in or delete it")
        return None
    if sheet.worksheet.sheet_state != "visible":
        sheet.reading.note("是隐藏的工作表，照样读取", "is a hidden sheet, read all the same", sheet.name)
    title = _title(sheet, chosen.title_row) if chosen.title_row else (sheet.name, half_width(sheet.name))
    if chosen.header_row and not sheet.filled(chosen.header_row):
        sheet.fault(chosen.header_row, 1, "缺少表头行", "the header row is missing")
        return None
    columns = places(chosen, sheet)
    if columns is None:
        return None
    sheet.merged(chosen.header_row or chosen.first_row, set(columns.values()))
    if chosen.header_row and not isinstance(_type_at(sheet, chosen.header_row, columns), tuple):
        sheet.fault(chosen.header_row, columns["code"], f"第 {chosen.header_row} 行应为表头，却像是数据项；请补上表头行",
                    f"row {chosen.header_row} should be the header but looks like an item; add the header row")
    items: dict[str, SheetItem] = {}
    number: int | None = None
    for row in range(chosen.first_row, last + 1):
        filled = [c for c in columns.values() if not sheet.blank(row, c)]
        if not filled:
            sheet.note(row, columns["code"], "空行，已跳过", "a blank row, passed over")
            continue
        if sheet.filled(row)[:1] == [1] and filled == [columns.get("number")] and not sheet.text(row, 1).isdigit():
            sheet.note(row, 1, "视为脚注，已跳过", "taken as a footnote and passed over")
            continue
        number = _counted(sheet, row, columns.get("number"), number)
        item = _item(sheet, row, columns, chosen)
        if item is None:
            continue
        # Engines do not tell big letters from small ones in a column's name.
        other = items.setdefault(item.code.lower(), item)
        if other is not item:
            sheet.fault(row, columns["code"], f"数据项 {item.code} 与 {other.cell} 重复", f"item {item.code} is in {other.cell} already")
    if last < chosen.first_row:
        sheet.sheet_fault("没有任何数据项", "has no items")
    if title is None or not items:
        return None
    return SheetTable(title[1], title[0], sheet.name, order, tuple(items.values()), frozenset(columns), listed.get(title[1], {}))


def _type_at(sheet: Sheet, row: int, columns: dict[str, int]) -> Any:
    value = sheet.raw(row, columns["type"])
    return parse_type(half_width(value)) if isinstance(value, str) and value else ("", "")


def _counted(sheet: Sheet, row: int, column: int | None, before: int | None) -> int | None:
    """Numbers that jump may tell of a lost row: say so."""
    if column is None or sheet.blank(row, column):
        return before
    text = half_width(sheet.text(row, column))
    if not text.isdigit():
        return before
    if before is not None and int(text) != before + 1:
        sheet.note(row, column, f"序号从 {before} 跳到 {text}，是否缺行？", f"the numbers jump from {before} to {text}; is a row missing?")
    return int(text)


def _item(sheet: Sheet, row: int, columns: dict[str, int], chosen: ColumnMap) -> SheetItem | None:
    faults = len(sheet.reading.faults)
    code = sheet.identifier(row, columns["code"])
    if not code and len(sheet.reading.faults) == faults:
        sheet.fault(row, columns["code"], "缺少数据项英文名（拼音）", "the item's pinyin name is missing")
    elif code and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", code):
        sheet.fault(row, columns["code"], f"数据项英文名 {code!r} 只能由字母、数字和下划线组成，以字母开头", f"the item's name {code!r} may hold letters, digits and underscores only, and begins with a letter")
    before = len(sheet.reading.faults)
    name = sheet.text(row, columns["name"])
    if not name and len(sheet.reading.faults) == before:
        sheet.fault(row, columns["name"], "缺少数据项中文名", "the item's Chinese name is missing")
    before = len(sheet.reading.faults)
    written = sheet.identifier(row, columns["type"])
    shape = parse_type(written) if written else ("缺少类型", "the type is missing")
    if isinstance(shape, tuple):
        if len(sheet.reading.faults) == before:
            sheet.fault(row, columns["type"], *shape)
        shape = None
    marks = {name: _mark(sheet, row, columns.get(name), chosen.options.get("marks", {}).get(name) or {}) for name in ("key", "required")}
    codes = sheet.text(row, columns.get("codes"), code=True)
    note = sheet.text(row, columns.get("note"), lines=True)
    if len(sheet.reading.faults) > faults or shape is None:
        return None
    # Only a workbook that says nothing at all of provenance is the regulator's own: a blank there is "not known".
    published = "" if "provenance" in columns else "E"
    return SheetItem(
        code=code, name=name, name_en=sheet.text(row, columns.get("name_en")), type=shape.type, length=shape.length, scale=shape.scale, key=marks["key"],
        required=marks["required"], codes=codes, note=note, provenance=sheet.text(row, columns.get("provenance")) or published,
        length_provenance=sheet.text(row, columns.get("length_provenance")) or published, cell=at(row, columns["code"]),
    )


def _mark(sheet: Sheet, row: int, column: int | None, marks: dict[str, Any]) -> bool:
    text = sheet.identifier(row, column).upper()
    yes, no = ([str(mark).upper() for mark in marks.get(answer) or ()] for answer in ("yes", "no"))
    if text in yes:
        return True
    if text and text not in no:
        known = [*yes, *no]
        sheet.fault(row, column or 1, f"标记 {text!r} 无效，应为 {'、'.join(known)} 或空", f"mark {text!r} is not one of {', '.join(known)} or blank")
    return False


def _read_list(workbook: Any, chosen: ColumnMap | None, reading: Reading) -> dict[str, dict[str, Any]]:
    """What the list of tables says, where the workbook has one: {table: {number, subject, capture, provenance}}."""
    found: dict[str, dict[str, Any]] = {}
    for worksheet in chosen.chosen(workbook) if chosen else ():
        sheet = Sheet(worksheet, Reading(reading.workbook))
        columns = places(chosen, sheet)
        if columns is None:
            reading.note("表头与预期不同，未读取", "has other headers than expected and was not read", worksheet.title)
            continue
        sheet = Sheet(worksheet, reading)
        for row in range(chosen.first_row, sheet.last_row + 1):
            code = sheet.identifier(row, columns["code"])
            if not code:
                continue
            number = half_width(sheet.text(row, columns.get("number")))
            capture = sheet.text(row, columns.get("capture"))
            if capture and capture not in _CAPTURE:
                zh, en = hint(capture, _CAPTURE)
                sheet.fault(row, columns["capture"], f"采集方式 {capture!r} 应为全量、增量、变化量{zh}", f"capture {capture!r} should be 全量, 增量 or 变化量{en}")
            found[code] = {"number": int(number) if number.isdigit() else None, "subject": sheet.text(row, columns.get("subject")),
                           "capture": _CAPTURE.get(capture, ""), "provenance": sheet.text(row, columns.get("provenance"))}
    return found
