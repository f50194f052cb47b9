"""Workbooks for tests: a sound one in the regulator's layout, that a test then damages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl

from etl.errors import EastboundError, Problems
from etl.standard.workbook.columnmap import ColumnMap, builtin_map
from etl.standard.workbook.importing import Imported, ImportOptions, import_tables

HEADER = ["序号", "英文名", "中文名", "主键", "空值", "类型", "说明", "代码表"]
BD = [
    [1, "LSH", "流水号", None, "N", "VARCHAR2(28)", None, None],
    [2, "BXJGDM", "保险机构代码", None, "N", "CHAR(6)", None, None],
    [3, "BDH", "保单号", "Y", "N", "VARCHAR2(50)", "唯一", None],
    [4, "BDZT", "保单状态", None, "N", "VARCHAR2(30)", None, "ZT"],
    [5, "BF", "保费", None, None, "NUMBER(18,2)", "人民币元", None],
    [6, "CS", "次数", None, None, "INTEGER", None, None],
    [7, "SXRQ", "生效日期", None, None, "DATE", None, None],
]
SF = [[1, "BDH", "保单号", "Y", "N", "VARCHAR2(50)", None, None], [2, "XH", "序号", "Y", "N", "NUMBER(6)", None, None]]
CODES = [["代码表", "代码表名称", "代码", "名称", "生效日期", "失效日期"], ["ZT", "保单状态", "01", "有效", None, None], ["ZT", "保单状态", "02", "终止", None, "2023-12-31"]]


def make(path: Path, damage: Any = None, **sheets: list[list[Any]]) -> Path:
    """A workbook with three sheets in front and the data sheets 保单表 and 收付表; `damage(book)` changes it before it is saved."""
    book = openpyxl.Workbook()
    book.active.title = "说明"
    book.active["A1"] = "说明"
    book.create_sheet("修订记录")["A1"] = "修订记录"
    codes = book.create_sheet("业务代码表")
    for row in CODES:
        codes.append(row)
    for name, title, rows in (("保单表", "保单表（BD）", sheets.get("BD", BD)), ("收付表", "收付表（SF）", sheets.get("SF", SF))):
        sheet = book.create_sheet(name)
        for row in ([title], HEADER, *rows):
            sheet.append(row)
    if damage:
        damage(book)
    book.save(path)
    return path


def bring(tmp_path: Path, damage: Any = None, *, chosen: ColumnMap | None = None, **options: Any) -> Imported:
    """Make the workbook, damage it, import it as `small_2025`."""
    path = make(tmp_path / "spec.xlsx", damage)
    return import_tables(path, chosen or builtin_map(), ImportOptions("small_2025", tmp_path / "packs", **options))


def faults(call: Any, *arguments: Any, **options: Any) -> list[EastboundError]:
    """The faults that a call raises, each as an error of its own."""
    try:
        call(*arguments, **options)
    except Problems as problems:
        return problems.errors
    except EastboundError as error:
        return [error]
    raise AssertionError("no fault was raised")
