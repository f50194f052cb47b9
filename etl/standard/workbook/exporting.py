"""A standard as a workbook in the regulator's own layout: to read, to pass on, to import again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.files import whole_file
from etl.standard.definition import Standard, Table
from etl.standard.workbook.oracle import type_text

CAPTURE = {"full": "全量", "incremental": "增量", "change": "变化量"}
_HEADER = ("序号", "数据项英文名", "数据项中文名", "主键", "可空", "类型", "说明", "业务代码表", "可信度", "长度可信度")
_WIDTHS = (6, 16, 24, 6, 6, 16, 60, 14, 14, 14)


def export_workbook(standard: Standard, path: Path) -> int:
    """Write `standard` to `path`, whole or not at all; returns the number of data sheets. The same standard gives the same cells.

    Auxiliary tables are the house's own and are left out. What the layout has no column for (privacy, references,
    defaults, code or text) is not in the workbook.
    """
    import openpyxl

    book = openpyxl.Workbook()
    # A fixed time: the same standard gives the same file contents.
    book.properties.creator, book.properties.created, book.properties.modified = "eastbound", datetime(2020, 1, 1), datetime(2020, 1, 1)
    tables = sorted(standard.submitted_tables, key=lambda table: (table.number, table.code))
    about = book.active
    about.title = "说明"
    _rows(about, [("标准", standard.title.get("zh", standard.name)), ("名称", standard.name), ("版本", standard.version),
                  ("数据工作表", f"从第 4 个工作表起，共 {len(tables)} 张表"), ("主键", "Y = 主键"), ("可空", "N = 不可为空"),
                  ("可信度", "E 已公布；R 拼合；I 推断；G 常识；reconstructed 本项目重建，报送前须与监管工作簿核对")], (14, 90), head=False)
    _rows(book.create_sheet("表清单"), [("序号", "主题域", "表中文名", "表英文名", "数据项数", "采集方式", "可信度")] + [
        (t.number, t.subject.get("zh", ""), t.name.get("zh", ""), t.code, len(t.items), CAPTURE.get(t.capture, ""), t.provenance) for t in tables],
        (6, 18, 34, 18, 10, 10, 14))
    _rows(book.create_sheet("业务代码表"), [("代码表", "代码表名称", "代码", "名称", "英文名称", "生效日期", "失效日期", "可信度")] + [
        (code, table.name.get("zh", ""), value.code, value.name, value.name_en, value.valid_from, value.valid_to, value.provenance)
        for code, table in standard.codes.items() for value in table.values], (12, 26, 16, 40, 40, 12, 12, 14))
    taken = set(book.sheetnames)
    for table in tables:
        _table(book.create_sheet(_sheet_name(table, taken)), table)
    with whole_file(path) as partial, partial.open("wb") as stream:
        book.save(stream)
    return len(tables)


def _table(sheet: Any, table: Table) -> None:
    from openpyxl.styles import Alignment

    rows: list[Sequence[Any]] = [(f"{table.name.get('zh', '')}（{table.code}）",), _HEADER]
    for number, item in enumerate(table.items, 1):
        note = item.note if isinstance(item.note, str) else str((item.note or {}).get("zh") or (item.note or {}).get("en") or "")
        rows.append((number, item.code, item.name.get("zh", ""), "Y" if item.key else None, "N" if item.required else None, type_text(item), note or None,
                     item.codes, item.provenance or None, item.length_provenance or None))
    _rows(sheet, rows, _WIDTHS, head_row=2)
    sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=8)
    sheet["A1"].alignment = Alignment(horizontal="center")
    for row in sheet.iter_rows(min_row=3, min_col=7, max_col=7):
        row[0].alignment = Alignment(wrap_text=True, vertical="top")


def _rows(sheet: Any, rows: Iterable[Sequence[Any]], widths: Sequence[int], head: bool = True, head_row: int = 1) -> None:
    from openpyxl.styles import Font, PatternFill
    from openpyxl.utils import get_column_letter

    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            if value is None or value == "":
                continue
            cell = sheet.cell(number, column, value)
            if isinstance(value, str):
                # Text stays text: codes keep their zeros, and nothing that begins with = becomes a formula.
                cell.data_type, cell.number_format = "s", "@"
    for column, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    if head:
        for cell in sheet[head_row]:
            cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="E7ECF3")
        sheet.freeze_panes = sheet.cell(head_row + 1, 1)


def _sheet_name(table: Table, taken: set[str]) -> str:
    """The table's Chinese name as a sheet may be named; with its code where that is taken."""
    name = re.sub(r"[\[\]:*?/\\']", "", table.name.get("zh", "") or table.code)[:31] or table.code
    if name.lower() in {other.lower() for other in taken}:
        name = f"{name[:30 - len(table.code)]}_{table.code}"
    taken.add(name)
    return name
