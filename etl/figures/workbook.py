"""Figures against a summary in Excel: cells and tables mapped by the pack, read the strict way, every fault with sheet and cell."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import raise_problems
from etl.figures.compute import compute
from etl.figures.reconciliation import Reconciliation, Result, SheetMap, not_compared
from etl.standard.workbook.cells import NotAWorkbook, Reading, Sheet, SheetFault, at, half_width, open_workbook, trimmed

if TYPE_CHECKING:
    from etl.figures.runs import Book

# A spreadsheet keeps fifteen digits of a number; a longer one was changed when it was typed.
_DIGITS = 15


@dataclass(frozen=True)
class Given:
    """A value that the workbook gives for a figure, in the figure's unit; `member` '' for the whole."""

    figure: str
    by: str
    member: str
    place: str
    value: Decimal


def read_workbook(path: Path, sheets: tuple[SheetMap, ...]) -> tuple[list[Given], Reading]:
    """All values of the mapped cells. Raises NotAWorkbook, or every fault together, each with its sheet and cell.

    A formula counts with the value that Excel last stored for it, and is noted; without a stored value it is a fault.
    """
    import openpyxl

    if not path.is_file():
        raise NotAWorkbook(path=str(path))
    formulas = open_workbook(path)
    stored = openpyxl.load_workbook(path, data_only=True)
    reading = Reading(path.name)
    found: list[Given] = []
    for mapped in sheets:
        if mapped.sheet not in formulas.sheetnames:
            reading.faults.append(SheetFault(workbook=path.name, sheet=mapped.sheet, problem_zh=f"没有这张工作表；有：{'、'.join(formulas.sheetnames)}",
                                             problem_en=f"there is no such sheet; there are {', '.join(formulas.sheetnames)}"))
            continue
        sheet = _Numbers(formulas[mapped.sheet], stored[mapped.sheet], reading)
        for cell, figure in mapped.cells.items():
            place = formulas[mapped.sheet][cell]
            value = sheet.number(place.row, place.column)
            if value is not None:
                found.append(Given(figure, "", "", f"{mapped.sheet}!{cell}", value * mapped.factor))
        if mapped.columns:
            found += _table(sheet, mapped)
    raise_problems(reading.faults)
    return found, reading


class _Numbers(Sheet):
    """A sheet whose cells are read as numbers."""

    def __init__(self, worksheet: Any, stored: Any, reading: Reading) -> None:
        super().__init__(worksheet, reading)
        self.stored = stored

    def number(self, row: int, column: int) -> Decimal | None:
        """The number of a cell, exact; None for what is none, which is a fault or a blank."""
        cell = self.worksheet.cell(row, column)
        value: Any = cell.value
        if cell.data_type == "f":
            value = self.stored.cell(row, column).value
            if value is None:
                self.fault(row, column, "是公式且没有保存的计算结果，请在 Excel 中打开另存，或粘贴为数值", "holds a formula without a stored result; open and save it in Excel, or paste it as a value")
                return None
            self.note(row, column, "是公式，采用了保存的计算结果", "holds a formula; its stored result is taken")
        if value is None or (isinstance(value, str) and not trimmed(value)):
            self.fault(row, column, "是空单元格，应为数值（没有发生填 0）", "is blank where a number is wanted (write 0 where there was nothing)")
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            self.fault(row, column, "不是数值", "holds no number")
            return None
        if isinstance(value, str):
            return self._from_text(row, column, value)
        if abs(value) >= 10**_DIGITS:
            self.fault(row, column, f"超过 {_DIGITS} 位有效数字，Excel 会改变末位；请存为文本", f"has more than {_DIGITS} digits, of which Excel changes the last; keep it as text")
            return None
        # Fifteen digits are what Excel shows of a number; the noise behind them is not the writer's.
        return Decimal(value) if isinstance(value, int) else Decimal(f"{value:.{_DIGITS}g}")

    def _from_text(self, row: int, column: int, value: str) -> Decimal | None:
        text = half_width(value)
        if re.fullmatch(r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", text, re.ASCII):
            text = text.replace(",", "")
        try:
            if not re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text, re.ASCII):
                raise InvalidOperation
            return Decimal(text)
        except InvalidOperation:
            self.fault(row, column, "不是数值", "holds no number")
            return None


def _table(sheet: _Numbers, mapped: SheetMap) -> list[Given]:
    """One line per member under the header row, up to the first line without anything."""
    headers = {half_width(sheet.text(mapped.header_row, column)): column for column in sheet.filled(mapped.header_row)} if sheet.last_row >= mapped.header_row else {}
    columns: dict[str, int] = {}
    for head in (mapped.member, *mapped.columns):
        if half_width(head) not in headers:
            sheet.sheet_fault(f"第 {mapped.header_row} 行没有表头“{head}”", f"row {mapped.header_row} has no header '{head}'")
        else:
            columns[head] = headers[half_width(head)]
    if len(columns) < len(mapped.columns) + 1:
        return []
    found: list[Given] = []
    seen: dict[str, int] = {}
    for row in range(mapped.first_row, sheet.last_row + 1):
        if all(sheet.blank(row, column) for column in columns.values()):
            break
        member = sheet.identifier(row, columns[mapped.member])
        if not member:
            sheet.fault(row, columns[mapped.member], f"缺少“{mapped.member}”", f"has no {mapped.member}")
            continue
        if member in mapped.skip:
            continue
        if member in seen:
            sheet.fault(row, columns[mapped.member], f"{member} 与第 {seen[member]} 行重复", f"{member} stands in row {seen[member]} already")
            continue
        seen[member] = row
        for head, figure in mapped.columns.items():
            value = sheet.number(row, columns[head])
            if value is not None:
                found.append(Given(figure, mapped.by, member, f"{mapped.sheet}!{at(row, columns[head])}", value * mapped.factor))
    return found


def against_workbook(book: Book, one: Reconciliation, workbook: Path | None, target: Path) -> Result:
    """Compare every mapped cell with its figure; a member that only one side knows counts as missing on the other."""
    from etl.figures.reconcile import compare_values, differing_rows, lacking

    if workbook is None:
        return not_compared(one.id, "没有给出汇总表；用 --workbook 文件.xlsx", "no summary was given; use --workbook FILE.xlsx")
    given, reading = read_workbook(workbook, one.sheets)
    figures = book.figures()
    book.open_for(figures, sorted({value.figure for value in given}))
    notes = [(note.sentence("zh"), note.sentence("en")) for note in reading.notes]
    right = {_key(value.figure, value.by, value.member): value.value for value in given}
    left: dict[str, Decimal] = {}
    for by in sorted({value.by for value in given}):
        wanted = sorted({value.figure for value in given if value.by == by})
        for name, values in compute(book.engine, figures, wanted, book.tables, by or None).items():
            if values[0].value is None and values[0].member is None:
                # No value is not 0: the cells stay without a partner, and why is said.
                notes.append(lacking(figures.figures[name], values[0]))
                continue
            left |= {_key(name, by, value.member or ""): value.value for value in values if value.value is not None}
            if by:
                # Where nothing happened there are no rows: the sum is 0, on either side.
                listed = {value.member for value in given if value.figure == name and value.by == by}
                left |= {key: Decimal(0) for member in listed if (key := _key(name, by, member)) not in left and not right[key]}
                left = {key: value for key, value in left.items() if value or key in right}
    # The same money stands in the whole and in its parts: a total over cells would mean nothing.
    result = compare_values(book.engine, one.id, left, right, one.tolerance, target, totals=False)
    places = {_key(value.figure, value.by, value.member): value.place for value in given}
    for row in differing_rows(book.engine, result.file) if result.file else ():
        if row["key"] in places:
            notes.append((f"{places[row['key']]}：与指标 {row['key']} 不符", f"{places[row['key']]}: is not what figure {row['key']} comes to"))
    return replace(result, left=None, right=None, notes=tuple(notes))


def _key(figure: str, by: str, member: str) -> str:
    return f"{figure}|{by}|{member}" if by else figure
