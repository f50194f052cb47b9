"""Cells of a workbook, read the strict way: every oddity is either put right and noted, or a fault with sheet and cell."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from etl.errors import EastboundError

# Excel and Word leave these at the ends of a text; none of them can be seen.
_STRAY = " \t\r\n\v\f\u00a0\u3000\u200b\u200c\u200d\u2060\ufeff"


class NotAWorkbook(EastboundError):
    zh = "{path} 不是 .xlsx 工作簿（旧版 .xls 或加密文件须先用 Excel 另存为未加密的 .xlsx）"
    en = "{path} is not an .xlsx workbook (save an old .xls or an encrypted file as an .xlsx without a password first)"


class CellFault(EastboundError):
    zh = "{workbook} 工作表“{sheet}” {cell}：{problem_zh}"
    en = "{workbook} sheet '{sheet}' {cell}: {problem_en}"


class SheetFault(EastboundError):
    zh = "{workbook} 工作表“{sheet}”：{problem_zh}"
    en = "{workbook} sheet '{sheet}': {problem_en}"


@dataclass(frozen=True)
class Note:
    """Something that was put right or decided while reading; the reader of the workbook should know."""

    sheet: str
    cell: str
    zh: str
    en: str

    def sentence(self, language: str) -> str:
        place = f"{self.sheet}!{self.cell}" if self.cell else self.sheet
        text = self.zh if language == "zh" else self.en
        return f"{place}: {text}" if place else text


@dataclass
class Reading:
    """One reading of a workbook: all faults and all notes, in order."""

    workbook: str
    faults: list[EastboundError] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, zh: str, en: str, sheet: str = "", cell: str = "") -> None:
        self.notes.append(Note(sheet, cell, zh, en))


def open_workbook(path: Path) -> Any:
    """An openpyxl workbook with formulas as formulas. Raises NotAWorkbook, or FileNotFoundError."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        return openpyxl.load_workbook(path, data_only=False)
    except FileNotFoundError:
        raise
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, SyntaxError):
        raise NotAWorkbook(path=str(path)) from None


def trimmed(text: str) -> str:
    return text.strip(_STRAY)


def half_width(text: str) -> str:
    """Full-width letters, digits, brackets and commas as half-width ones; blanks at the ends and around brackets gone."""
    return re.sub(r"\s*([(),])\s*", r"\1", trimmed(unicodedata.normalize("NFKC", text)))


class Sheet:
    """One sheet of one reading. Rows and columns count from 1, as people do."""

    def __init__(self, worksheet: Any, reading: Reading) -> None:
        self.worksheet, self.reading, self.name = worksheet, reading, worksheet.title

    def fault(self, row: int, column: int, zh: str, en: str) -> None:
        self.reading.faults.append(CellFault(workbook=self.reading.workbook, sheet=self.name, cell=at(row, column), problem_zh=zh, problem_en=en))

    def sheet_fault(self, zh: str, en: str) -> None:
        self.reading.faults.append(SheetFault(workbook=self.reading.workbook, sheet=self.name, problem_zh=zh, problem_en=en))

    def note(self, row: int, column: int, zh: str, en: str) -> None:
        self.reading.note(zh, en, self.name, at(row, column))

    @property
    def last_row(self) -> int:
        """The last row with something in it; 0 for an empty sheet. Formatted but empty cells do not count."""
        return max((cell.row for row in self.worksheet.iter_rows() for cell in row if not _blank(cell.value)), default=0)

    def blank(self, row: int, column: int) -> bool:
        return _blank(self.worksheet.cell(row, column).value)

    def filled(self, row: int) -> list[int]:
        """The columns of a row that have something in them."""
        return [cell.column for cell in self.worksheet[row] if not _blank(cell.value)]

    def raw(self, row: int, column: int) -> Any:
        return self.worksheet.cell(row, column).value

    def text(self, row: int, column: int | None, *, code: bool = False, lines: bool = False) -> str:
        """The text of a cell, '' for a blank one.

        Blanks at the ends are dropped and noted. A number becomes the text that a person sees; `code` says that its
        leading zeros matter. `lines` keeps line breaks inside. Formulas, error values and logical values are faults.
        """
        if column is None:
            return ""
        cell = self.worksheet.cell(row, column)
        value = cell.value
        if cell.data_type == "f":
            self.fault(row, column, "是公式，请选择性粘贴为数值", "holds a formula; paste it as a value")
            return ""
        if cell.data_type == "e":
            self.fault(row, column, f"是错误值 {value}", f"holds the error value {value}")
            return ""
        if isinstance(value, bool):
            self.fault(row, column, f"是逻辑值 {str(value).upper()}，应为文本", f"holds the logical value {str(value).upper()} where text is wanted")
            return ""
        if isinstance(value, (int, float)):
            return self._number(row, column, value, cell.number_format, code)
        if isinstance(value, (datetime, date, time)):
            if code:
                self.fault(row, column, "是日期，应为文本；请将单元格设为文本格式后重填", "holds a date where text is wanted; format the cell as text and type it again")
                return ""
            return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
        if value is None:
            return ""
        text = trimmed(str(value))
        if text != value and text:
            self.note(row, column, "去掉了首尾空白", "dropped blanks at the ends")
        if not lines and re.search(r"[\r\n]", text):
            text = re.sub(r"[ \t]*[\r\n]+[ \t]*", "", text)
            self.note(row, column, "去掉了单元格内换行", "dropped a line break inside the cell")
        return text.replace("\r\n", "\n")

    def _number(self, row: int, column: int, value: int | float, number_format: str, code: bool) -> str:
        if isinstance(value, float) and not value.is_integer():
            if code:
                self.fault(row, column, f"数值 {value!r} 不是整数，应为文本；请将单元格设为文本格式后重填",
                           f"holds the number {value!r} where text is wanted; format the cell as text and type it again")
                return ""
            return repr(value)
        text = str(int(value))
        if code and re.fullmatch(r"0+", number_format or "") and value >= 0:
            text = text.zfill(len(number_format))
        elif code:
            self.note(row, column, f"数值存储，读作 {text!r}；若有前导零，请改为文本格式", f"stored as a number, read as {text!r}; if it has leading zeros, format the cell as text")
        return text

    def identifier(self, row: int, column: int | None) -> str:
        """A code, mark or type: as `text`, with full-width characters turned to half-width."""
        text = self.text(row, column, code=True)
        plain = half_width(text)
        if column is not None and plain != text and plain != re.sub(r"\s*([(),])\s*", r"\1", text):
            self.note(row, column, f"全角字符，读作 {plain}", f"full-width characters, read as {plain}")
        return plain

    def day(self, row: int, column: int | None) -> date | None:
        """A date: a date cell, or text such as 2024-01-31, 20240131, 2024/1/31, 2024.1.31."""
        if column is None or self.blank(row, column):
            return None
        value = self.raw(row, column)
        if isinstance(value, (datetime, date)):
            return value.date() if isinstance(value, datetime) else value
        before = len(self.reading.faults)
        text = half_width(str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) if isinstance(value, int) and not isinstance(value, bool)
                          else self.text(row, column))
        if len(self.reading.faults) > before:
            return None
        match = re.fullmatch(r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|\.(\d{1,2})\.(\d{1,2})|(\d{2})(\d{2}))", text, re.ASCII)
        try:
            if not match:
                raise ValueError
            year, month, day = (int(part) for part in match.groups() if part is not None)
            return date(year, month, day)
        except ValueError:
            self.fault(row, column, f"{text!r} 不是日期，应写作 2024-01-31", f"{text!r} is not a date; write it as 2024-01-31")
            return None

    def merged(self, first_row: int, columns: set[int], allowed: set[int] = frozenset()) -> None:
        """Report merged cells from `first_row` on that touch `columns`; those inside `allowed` columns may run downwards."""
        for block in self.worksheet.merged_cells.ranges:
            touched = set(range(block.min_col, block.max_col + 1))
            if block.max_row < first_row or not touched & columns or (len(touched) == 1 and touched <= allowed):
                continue
            self.reading.faults.append(CellFault(
                workbook=self.reading.workbook, sheet=self.name, cell=block.coord, problem_zh="是合并单元格，请取消合并并逐格填写",
                problem_en="is a merged cell; unmerge it and fill in each cell"))


def at(row: int, column: int) -> str:
    """A1 notation."""
    from openpyxl.utils import get_column_letter

    return f"{get_column_letter(column)}{row}"


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not trimmed(value))
