"""What the reader checks of a table's fields: required, length, type, code, company and serial numbers.

Part of the independent reader: nothing here may come from the writer or its serial numbers.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from datetime import date
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from etl.standard.definition import DataItem, FileFormat, Standard, Table
from etl.submission.problems import Problem

if TYPE_CHECKING:
    import numpy
    import polars

# Sums must be exact; the default context would round them to 28 digits.
_EXACT = Context(prec=100)


class TableChecks:
    """Checks of one file; pieces come in file order, `finish` gives what only the whole file can tell."""

    def __init__(self, file: str, table: Table, standard: Standard, expect_company: str | None, part: bool = False) -> None:
        self.file, self.table, self.standard, self.expect_company = file, table, standard, expect_company
        self.sums = {i.code: Decimal(0) for i in table.items if i.type in ("decimal", "integer") and not i.assigned}
        self.codes = {i.code: sent_values(i, standard) for i in table.items if i.codes}
        roles = {i.role: i for i in table.items if i.role}
        self.company_code, self.company_name = roles.get("company_code"), roles.get("company_name")
        self.serials = SerialRun(file, roles["serial"].code, standard, part) if "serial" in roles and standard.serial else None

    @property
    def first_serial(self) -> str | None:
        return self.serials.first if self.serials else None

    @property
    def last_serial(self) -> str | None:
        return self.serials.last if self.serials else None

    def totals(self) -> dict[str, str]:
        """Sum of every decimal and integer item, as text with the item's scale."""
        return {code: f"{total:.{_scale(self.table.by_code[code])}f}" for code, total in self.sums.items()}

    def check(self, fields: polars.DataFrame) -> list[Problem]:
        if not len(fields):
            return []
        lines = fields["_line"].to_numpy()
        problems: list[Problem] = []
        for item in self.table.items:
            column = fields[item.code]

            def found(bad: polars.Series, kind: str, zh: str, en: str, item: DataItem = item) -> None:
                if bad.any():
                    hits = bad.fill_null(False).to_numpy()
                    problems.extend(Problem(self.file, line, item.code, kind, zh, en) for line in lines[hits].tolist())

            if item.required or item.assigned:
                found(column.is_null(), "required", "必填项为空", "a required item is empty")
            self._length(item, column, found)
            if item.type != "text":
                self._typed(item, column, found)
            if item.code in self.codes:
                found(
                    _is_not_in(column, self.codes[item.code]),
                    "code",
                    f"不在代码表 {item.codes} 内",
                    f"not in code table {item.codes}",
                )
        problems += self._company(fields, lines)
        if self.serials:
            problems += self.serials.check(
                fields[self.serials.item], fields[self.company_code.code] if self.company_code else None, lines
            )
        return problems

    def finish(self) -> list[Problem]:
        return self.serials.finish() if self.serials else []

    def _length(self, item: DataItem, column: polars.Series, found: Callable[..., None]) -> None:
        if item.type != "text":
            return
        fmt = self.standard.format
        if fmt.length_unit == "characters":
            found(
                column.str.len_chars() > item.length,
                "length",
                f"超过 {item.length} 个字符",
                f"longer than {item.length} characters",
            )
            return
        found(
            _too_many_bytes(column, item.length, fmt),
            "length",
            f"超过 {item.length} 字节",
            f"longer than {item.length} bytes",
        )

    def _typed(self, item: DataItem, column: polars.Series, found: Callable[..., None]) -> None:
        import polars as pl

        if item.type == "date":
            fmt = self.standard.format.date
            found(_not_dates(column, fmt), "type", f"不是 {fmt} 格式的有效日期", f"not a date of the form {fmt}")
            return
        whole = max(item.length - item.scale, 1) if item.type == "decimal" else item.length
        scale = _scale(item)
        fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
        good = column.str.contains(rf"^-?[0-9]{{1,{whole}}}{fraction}$")
        found(
            ~good,
            "type",
            f"不是整数位至多 {whole} 位、小数至多 {scale} 位的数",
            f"not a number of at most {whole} digits before the point and {scale} after it",
        )
        if item.code in self.sums:
            numbers = column.filter(good.fill_null(False)).cast(pl.Decimal(38, scale))
            self.sums[item.code] = _EXACT.add(self.sums[item.code], Decimal(numbers.sum() or 0))

    def _company(self, fields: polars.DataFrame, lines: numpy.ndarray) -> list[Problem]:
        problems: list[Problem] = []
        listed = self.standard.codes.get(self.standard.company_codes or "")
        names = listed.names if listed else {}
        if self.company_code:
            code = self.company_code.code
            column = fields[code]
            if self.expect_company is not None:
                bad = column.is_not_null() & (column != self.expect_company)
                problems += self._at(
                    lines,
                    bad,
                    code,
                    "company",
                    f"机构代码应为 {self.expect_company}",
                    f"the company should be {self.expect_company}",
                )
            if names:
                bad = _is_not_in(column, frozenset(names))
                problems += self._at(
                    lines,
                    bad,
                    code,
                    "company",
                    f"机构代码不在代码表 {listed.code} 内",
                    f"the company is not in code table {listed.code}",
                )
        if self.company_name:
            code = self.company_name.code
            column = fields[code]
            problems += self._at(
                lines,
                column.str.contains(r"[\x00-\x7f]"),
                code,
                "company_name",
                "机构名称含半角字符",
                "the company's name holds ASCII characters",
            )
            if names and self.company_code:
                wanted = fields[self.company_code.code].replace_strict(list(names), list(names.values()), default=None)
                problems += self._at(
                    lines,
                    wanted.is_not_null() & column.is_not_null() & (column != wanted),
                    code,
                    "company_name",
                    "机构名称与代码表不符",
                    "the company's name is not the one in the code table",
                )
        return problems

    def _at(self, lines: numpy.ndarray, bad: polars.Series, item: str, kind: str, zh: str, en: str) -> list[Problem]:
        hits = bad.fill_null(False).to_numpy()
        return [Problem(self.file, line, item, kind, zh, en) for line in lines[hits].tolist()] if hits.any() else []


class SerialRun:
    """Serial numbers of a file: each of the standard's form, one after the other without gap or repetition.

    A `part` of a package keeps the numbers of the whole: they rise, and those of other parts are left out.
    """

    def __init__(self, file: str, item: str, standard: Standard, part: bool = False) -> None:
        self.file, self.item, self.part = file, item, part
        assert standard.serial is not None
        self.length = standard.serial.length
        self.parts = serial_parts(standard.serial.pattern, standard.serial.length)
        self.first: str | None = None
        self.last: str | None = None
        self.day: str | None = None
        # Stretches of consecutive numbers as (first number, first line, how many): one for a file in order.
        self.stretches: list[tuple[int, int, int]] = []

    def check(self, column: polars.Series, company: polars.Series | None, lines: numpy.ndarray) -> list[Problem]:
        import polars as pl

        good = (column.str.len_chars() == self.length).fill_null(False)
        day = None
        for kind, start, width, extra in self.parts:
            part = column.str.slice(start, width)
            if kind == "literal":
                good &= (part == extra).fill_null(False)
            elif kind == "company" and company is not None:
                good &= (part == company).fill_null(False)
            elif kind == "report_date":
                good &= ~_not_dates(part, extra).fill_null(True)
                day = part
            elif kind == "sequence":
                good &= part.str.contains(r"^[0-9]+$").fill_null(False) & (part.str.strip_chars("0") != "").fill_null(
                    False
                )
                sequence = part
        problems = (
            []
            if good.all()
            else self._problems(
                lines[~good.to_numpy()],
                "serial",
                f"流水号不是标准规定的 {self.length} 位格式",
                f"the serial number does not have the standard's form of {self.length} characters",
            )
        )
        if not good.any():
            return problems
        kept, at = column.filter(good), lines[good.to_numpy()]
        self.first = self.first if self.first is not None else kept[0]
        self.last = kept[-1]
        if day is not None:
            days = day.filter(good)
            self.day = self.day or days[0]
            problems += self._problems(
                at[(days != self.day).to_numpy()],
                "serial",
                "流水号日期与首行不同",
                "the serial number's date differs from the first line's",
            )
        problems += self._continue(sequence.filter(good).cast(pl.Int64).to_numpy(), at)
        return problems

    def finish(self) -> list[Problem]:
        """Numbers that occur twice, wherever in the file."""
        import numpy as np

        ordered = sorted(self.stretches)
        if all(a[0] + a[2] <= b[0] for a, b in zip(ordered, ordered[1:], strict=False)):
            return []
        numbers = np.concatenate([np.arange(n, n + count) for n, _, count in self.stretches])
        at = np.concatenate([np.arange(line, line + count) for _, line, count in self.stretches])
        first_seen = np.zeros(len(numbers), dtype=bool)
        first_seen[np.unique(numbers, return_index=True)[1]] = True
        return self._problems(at[~first_seen], "serial_duplicate", "流水号重复", "the serial number occurs twice")

    def _continue(self, numbers: numpy.ndarray, at: numpy.ndarray) -> list[Problem]:
        import numpy as np

        # Number minus line stays the same while both run on together, also across lines that could not be read.
        drift = numbers - at
        starts = np.flatnonzero(np.diff(drift)) + 1
        bounds = [0, *starts.tolist(), len(numbers)]
        gaps = []
        for begin, end in zip(bounds, bounds[1:], strict=False):
            number, line, count = int(numbers[begin]), int(at[begin]), int(at[end - 1] - at[begin]) + 1
            if self.stretches:
                last_number, last_line, last_count = self.stretches[-1]
                if number - line == last_number - last_line:
                    self.stretches[-1] = (last_number, last_line, line + count - last_line)
                    continue
                if not self.part or number < last_number + last_count:
                    gaps.append(line)
            self.stretches.append((number, line, count))
        return self._problems(
            np.array(gaps, dtype=np.int64),
            "serial_gap",
            "流水号与上一行不连续",
            "the serial number does not follow the line before",
        )

    def _problems(self, lines: numpy.ndarray, kind: str, zh: str, en: str) -> list[Problem]:
        return [Problem(self.file, line, self.item, kind, zh, en) for line in lines.tolist()]


def serial_parts(pattern: str, length: int) -> list[tuple[str, int, int, str]]:
    """(part, start, width, literal text or date format) of a serial number; the company takes the width left over."""
    parts: list[list] = []
    for text, name, spec, _ in string.Formatter().parse(pattern):
        if text:
            parts.append(["literal", len(text), text])
        if name == "sequence":
            parts.append([name, int(re.sub(r"\D", "", spec or "") or 0), ""])
        elif name == "report_date":
            parts.append([name, len(date(2000, 12, 31).strftime(spec or "%Y-%m-%d")), spec or "%Y-%m-%d"])
        elif name:
            parts.append([name, 0, ""])
    left_over = length - sum(width for _, width, _ in parts)
    placed, start = [], 0
    for kind, width, extra in parts:
        width = left_over if kind == "company" else width
        placed.append((kind, start, width, extra))
        start += width
    return placed


def sent_values(item: DataItem, standard: Standard) -> frozenset[str]:
    """The texts that a coded item may carry: codes or their names, as the item is sent, and what it allows besides."""
    values = standard.codes[item.codes].values if item.codes else ()
    listed = {value.name if item.send == "text" else value.code for value in values}
    return frozenset((*listed, *item.allow, *(() if item.default is None else (str(item.default),))))


def _is_not_in(column: polars.Series, allowed: frozenset[str]) -> polars.Series:
    distinct = column.drop_nulls().unique()
    strange = [value for value in distinct.to_list() if value not in allowed] if len(distinct) else []
    return column.is_in(strange)


def _not_dates(column: polars.Series, fmt: str) -> polars.Series:
    import polars as pl

    distinct = column.drop_nulls().unique()
    days = distinct.str.strptime(pl.Date, fmt, strict=False)
    # Written back and compared, since parsing is lenient (2026-1-5).
    return column.is_in(distinct.filter(days.is_null() | (days.dt.strftime(fmt) != distinct).fill_null(True)).to_list())


def _too_many_bytes(column: polars.Series, most: int, fmt: FileFormat) -> polars.Series:
    """Whether a value takes more than `most` bytes in the encoding of the file."""
    if fmt.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        return column.str.len_bytes() > most
    # No encoding here takes more than four bytes for a character: only long values need counting.
    suspects = column.filter((column.str.len_chars() * 4 > most).fill_null(False)).unique()
    return column.is_in([value for value in suspects.to_list() if len(value.encode(fmt.encoding)) > most])


def _scale(item: DataItem) -> int:
    return item.scale if item.type == "decimal" else 0
