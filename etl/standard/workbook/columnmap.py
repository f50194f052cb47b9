"""Column maps: which sheets and columns of a workbook hold what. Data, so that another layout needs no code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.packs.shape import Shape
from etl.packs.yamlfile import read_yaml
from etl.standard.workbook.cells import Reading, Sheet, half_width, trimmed

FIELDS = {
    "tables": ("number", "code", "name", "name_en", "key", "required", "type", "note", "codes", "provenance", "length_provenance"),
    "list": ("number", "code", "name", "subject", "capture", "provenance"),
    "codes": ("table", "table_name", "code", "name", "name_en", "valid_from", "valid_to", "provenance"),
    "rules": ("id", "official_id", "table", "item", "family", "severity", "when", "expect", "expected", "message_zh", "message_en", "basis",
              "effective_from", "effective_to", "pass", "fail", "note"),
}
NEEDED = {"tables": ("code", "name", "type"), "list": ("code",), "codes": ("code", "name"), "rules": ("table", "item", "message_zh")}
_COMMON = {"kind", "sheets", "first_sheet", "header_row", "first_row", "columns", "optional", "note"}
_OWN = {
    "tables": {"title_row", "marks", "roles", "keys", "list", "codes"},
    "list": set(), "codes": {"title_row", "table", "fill_down"}, "rules": {"constants", "values", "fill_down"},
}


@dataclass(frozen=True)
class ColumnMap:
    """Where things are in a workbook; `columns` as written: a number from 1 on, a letter, or a header text."""

    kind: str
    path: Path
    sheets: tuple[str, ...]
    first_sheet: int
    title_row: int
    header_row: int
    first_row: int
    columns: dict[str, int | str]
    optional: frozenset[str]
    options: dict[str, Any] = field(default_factory=dict)
    inner: dict[str, ColumnMap] = field(default_factory=dict)

    def chosen(self, workbook: Any) -> list[Any]:
        """The worksheets the map speaks of, in their order."""
        if self.sheets:
            return [sheet for sheet in workbook.worksheets if trimmed(sheet.title) in self.sheets]
        return workbook.worksheets[self.first_sheet:]


def builtin_map() -> ColumnMap:
    """The layout of the regulator's list of data structures."""
    return load_map(Path(__file__).with_name("layout.yaml"))


def load_map(path: Path) -> ColumnMap:
    """Read a column map. Raises PackFileBroken or Problems with file and line."""
    errors: list[EastboundError] = []
    shape = Shape(read_yaml(path), errors)
    raw = shape.mapping(shape.document.data)
    kind = shape.one_of(raw.get("kind"), ("tables", "codes", "rules"), "kind")
    if kind is None and not errors:
        shape.fault(zh="缺少键 kind，应为 tables、codes、rules", en="key kind is missing: tables, codes or rules")
    chosen = _map(shape, kind, raw) if kind else None
    raise_problems(errors)
    assert chosen is not None
    return chosen


def _map(shape: Shape, kind: str, raw: dict, *at: Any) -> ColumnMap:
    shape.keys(raw, _COMMON | _OWN[kind], *at)
    shape.texts(raw.get("note"), *at, "note")
    columns = shape.mapping(raw.get("columns"), *at, "columns")
    shape.keys(columns, FIELDS[kind], *at, "columns")
    for name, column in columns.items():
        if isinstance(column, bool) or not isinstance(column, (int, str)) or column == "" or (isinstance(column, int) and column < 1):
            shape.fault(*at, "columns", name, zh=f"列 {name} 应为从 1 起的列号、列字母或表头文字", en=f"column {name} should be a number from 1 on, a letter, or a header text")
    constants = shape.mapping(raw.get("constants"), *at, "constants") if kind == "rules" else {}
    for name in NEEDED[kind]:
        if name not in columns and name not in constants:
            shape.fault(*at, "columns", zh=f"缺少列 {name}", en=f"column {name} is missing")
    if kind == "codes" and "table" not in columns and raw.get("table") is None:
        shape.fault(*at, zh="代码表名称从何而来：给出列 table，或 table: sheet | title | 代码表代码", en="where is the code table's name: give column table, or table: sheet | title | CODE")
    inner = {}
    if kind == "tables":
        for name in ("list", "codes"):
            if raw.get(name):
                inner[name] = _map(shape, name, shape.mapping(raw[name], *at, name), *at, name)
    header = shape.number(raw.get("header_row"), *at, "header_row", default=1)
    options = {key: raw[key] for key in _OWN[kind] - {"title_row", "list", "codes"} if key in raw}
    for key in set(options) - {"table", "fill_down"}:
        inside = shape.mapping(options[key], *at, key)
        if key in ("values", "constants"):
            shape.keys(inside, FIELDS[kind], *at, key)
    marks = shape.mapping(options.get("marks"), *at, "marks")
    shape.keys(marks, ("key", "required"), *at, "marks")
    for name, answers in marks.items():
        shape.keys(shape.mapping(answers, *at, "marks", name), ("yes", "no"), *at, "marks", name)
    fill = shape.names(raw.get("fill_down"), *at, "fill_down")
    return ColumnMap(
        kind=kind, path=shape.document.path, sheets=shape.names(raw.get("sheets"), *at, "sheets"), first_sheet=shape.number(raw.get("first_sheet"), *at, "first_sheet"),
        title_row=shape.number(raw.get("title_row"), *at, "title_row"), header_row=header,
        first_row=shape.number(raw.get("first_row"), *at, "first_row", default=header + 1), columns=dict(columns),
        optional=frozenset(shape.names(raw.get("optional"), *at, "optional")), options={**options, "fill_down": fill}, inner=inner,
    )


def places(chosen: ColumnMap, sheet: Sheet) -> dict[str, int] | None:
    """Field -> column number on this sheet; None, with faults, where a needed header is not there."""
    from openpyxl.utils import column_index_from_string

    headers = {half_width(str(cell.value)): cell.column for cell in sheet.worksheet[chosen.header_row] if cell.value is not None} if chosen.header_row else {}
    found: dict[str, int] = {}
    lost: list[str] = []
    for name, column in chosen.columns.items():
        if isinstance(column, int):
            found[name] = column
        elif half_width(column) in headers:
            found[name] = headers[half_width(column)]
        elif column.isascii() and column.isalpha() and column.isupper() and len(column) <= 3:
            found[name] = column_index_from_string(column)
        elif name not in chosen.optional:
            lost.append(column)
    for column in lost:
        sheet.sheet_fault(f"第 {chosen.header_row} 行没有表头“{column}”", f"row {chosen.header_row} has no header '{column}'")
    return None if lost else found


def chosen_sheets(chosen: ColumnMap, workbook: Any, reading: Reading) -> Iterator[tuple[Sheet, dict[str, int]]]:
    """The chosen sheets with the places of their columns. An empty sheet, or one without a wanted column, is a fault and left out."""
    for worksheet in chosen.chosen(workbook):
        sheet = Sheet(worksheet, reading)
        if sheet.last_row == 0:
            sheet.sheet_fault("是空表，请填写或删除", "is empty; fill it in or delete it")
            continue
        columns = places(chosen, sheet)
        if columns is not None:
            yield sheet, columns


def missing_sheets(chosen: ColumnMap, workbook: Any, reading: Reading) -> None:
    """Report sheets that the map names and the workbook does not have."""
    from etl.standard.workbook.cells import SheetFault

    known: Sequence[str] = [trimmed(sheet.title) for sheet in workbook.worksheets]
    for name in chosen.sheets:
        if name not in known:
            reading.faults.append(SheetFault(workbook=reading.workbook, sheet=name, problem_zh=f"没有这个工作表；有：{'、'.join(known)}",
                                             problem_en=f"there is no such sheet; there are {', '.join(known)}"))
