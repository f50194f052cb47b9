"""The text writer: a masked Parquet table in, one text file out, exactly as the standard's format says.

Fixed-width records are set by `fixed_writer`; delimited ones here. Each row is rendered to one text in the engine and its
bytes go to the file as they are (UTF-8) or through one codec call per batch. Nothing is quoted or escaped, so a value that holds a separator or a line end refuses the whole table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines import Engine, open_engine
from etl.engines.local import literal, quote
from etl.errors import EastboundError, raise_problems
from etl.files import whole_file
from etl.standard.definition import DataItem, FileFormat, Standard, Table
from etl.submission.definition import Company, Period, WrittenFile
from etl.submission.serial import check_sequence, serial_number, serial_sql

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS = 50_000
_TYPES = {
    "text": r"VARCHAR",
    "date": r"DATE",
    "integer": r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?",
    "decimal": r"DECIMAL\(\d+,(\d+)\)",
}


class FormatUnusable(EastboundError):
    zh = "标准 {standard} 的文件格式无法使用：{problem_zh}"
    en = "the file format of {standard} cannot be used: {problem_en}"


class WriteSourceUnfit(EastboundError):
    zh = "{table} 的待写数据不合要求：{problem_zh}"
    en = "the rows to write for {table} are not fit: {problem_en}"
    exit_code = 3


class ValueBreaksLine(EastboundError):
    zh = "{table}.{item} 有 {rows} 行的值含分隔符、换行符或空字符，写入后文件将无法装载；请用 -FMT 规则定位并在源系统更正"
    en = "{table}.{item}: {rows} row(s) hold a separator, line end or NUL and would break the file; find them by the -FMT rule and mend the source"


class ValueReadsAsNull(EastboundError):
    zh = "{table}.{item} 有 {rows} 行的值与空值的写法相同，读取方会当作空值"
    en = "{table}.{item}: {rows} row(s) hold the very text that stands for null, and would be read as null"


class ValueNotEncodable(EastboundError):
    zh = "{table}.{item} 有 {rows} 行含 {encoding} 无法表示的字符；请更正，或在标准中改用 gb18030 或 utf-8"
    en = "{table}.{item}: {rows} row(s) hold a character that {encoding} cannot carry; mend them, or use gb18030 or utf-8 in the standard"


@dataclass(frozen=True)
class _Column:
    item: DataItem
    value: str  # the value's expression in its own type
    text: str  # the text as sent, NULL where there is none


def write_table(
    source: Path,
    table: Table,
    standard: Standard,
    *,
    company: Company,
    period: Period,
    report_date: date,
    first_sequence: int,
    folder: Path,
    engine: Engine | None = None,
    part: str = "",
    serials: str | None = None,
) -> WrittenFile:
    """Write `source` (Parquet, in the order of `_row` = 1..n) to a file in `folder`, named by the standard.

    Serial numbers run from `first_sequence`. `engine`: one to use instead of starting another. `part`: what `{part}`
    in the file name stands for, where a table is split into files. `serials`: the column of `source` whose serial numbers the
    rows keep, where they have been sent before (`first_sequence` then counts for nothing). Memory stays flat; the same input gives the same bytes.
    Raises ValueBreaksLine, ValueReadsAsNull, ValueNotEncodable (or Problems), WriteSourceUnfit, FormatUnusable, SerialOverflow.
    """
    fmt = standard.format
    if fmt.kind != "fixed":  # a fixed-width format is proved when the standard is loaded
        check_format(standard)
    if standard.serial:
        check_sequence(standard.serial, first_sequence)
    name = _file_name(fmt.file_name, table, company, period, report_date, part)
    with nullcontext(engine) if engine else open_engine() as engine:
        engine.view_parquet("data", table.code, Path(source))
        columns = _columns(engine, table, standard, company, report_date, first_sequence, serials)
        rows, totals = _totals(engine, table, columns)
        if rows and standard.serial and not serials:
            check_sequence(standard.serial, first_sequence + rows - 1)
        if fmt.kind == "fixed":
            from etl.submission.fixed_writer import fixed_pieces

            known = {"company": company.code, "period_start": period.start, "period_end": period.end, "report_date": report_date}
            pieces = fixed_pieces(engine, table, standard, columns, rows, totals, known)
        else:
            if fmt.null:
                _refuse_null_texts(engine, table, fmt, columns)
            if not _countable(fmt):
                _refuse_breaking_values(engine, table, fmt, columns)
            pieces = _pieces(engine, table, fmt, columns, rows)
        first = last = None
        if rows and serials:
            first, last = engine.rows(f"SELECT arg_min({quote(serials)}, _row), arg_max({quote(serials)}, _row) FROM {_source(table)}")[0]
        digest, size = hashlib.sha256(), 0
        path = Path(folder) / name
        with whole_file(path) as partial, partial.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
                digest.update(piece)
                size += len(piece)
    if rows and standard.serial and not serials:
        first = serial_number(standard.serial, company.code, report_date, first_sequence)
        last = serial_number(standard.serial, company.code, report_date, first_sequence + rows - 1)
    return WrittenFile(table.code, name, path, rows, size, digest.hexdigest(), first, last, totals)


def check_format(standard: Standard) -> None:
    """Raise FormatUnusable where separator, line end, null or encoding cannot make an unambiguous file."""
    fmt = standard.format

    def unusable(zh: str, en: str) -> FormatUnusable:
        return FormatUnusable(standard=standard.name, problem_zh=zh, problem_en=en)

    if not fmt.separator or not fmt.line_end:
        raise unusable("分隔符和换行符不能为空", "separator and line end must not be empty")
    if re.fullmatch(r"[\x01-\x1f]+", fmt.line_end) is None:
        raise unusable("换行符只能由控制字符组成", "the line end must consist of control characters")
    if fmt.separator in fmt.line_end or fmt.line_end in fmt.separator or any(c in "\r\n\x00" for c in fmt.separator):
        raise unusable("分隔符与换行符冲突", "separator and line end clash")
    if any(token in fmt.null for token in (fmt.separator, fmt.line_end, "\r", "\n", "\x00")):
        raise unusable("空值的写法中不能含分隔符或换行符", "the text of null must not hold a separator or a line end")
    try:
        plain = all(chr(code).encode(fmt.encoding) == bytes([code]) for code in range(128))
        fmt.separator.encode(fmt.encoding)
    except (UnicodeEncodeError, LookupError):
        plain = False
    if not plain:
        raise unusable(f"编码 {fmt.encoding} 不是 ASCII 的超集", f"encoding {fmt.encoding} does not extend ASCII")


def _file_name(pattern: str, table: Table, company: Company, period: Period, report_date: date, part: str) -> str:
    name = pattern.format(
        company=company.code,
        table=table.code,
        period_start=period.start,
        period_end=period.end,
        report_date=report_date,
        part=part,
    )
    if not name or name != Path(name).name:
        raise WriteSourceUnfit(
            table=table.code, problem_zh=f"文件名 {name!r} 无效", problem_en=f"{name!r} is not a file name"
        )
    return name


def _columns(
    engine: Engine, table: Table, standard: Standard, company: Company, report_date: date, first: int, serials: str | None = None
) -> list[_Column]:
    types = {row[0]: row[1] for row in engine.rows(f"DESCRIBE {_source(table)}")}
    errors: list[EastboundError] = []
    if "_row" not in types:
        errors.append(WriteSourceUnfit(table=table.code, problem_zh="缺少列 _row", problem_en="column _row is missing"))
    columns = []
    for item in table.items:
        if item.role == "serial" and standard.serial:
            text = quote(serials) if serials else serial_sql(standard.serial, company.code, report_date, f"_row + {first - 1}")
            columns.append(_Column(item, text, text))
        elif item.assigned:
            text = literal(company.code if item.role == "company_code" else company.name)
            columns.append(_Column(item, text, text))
        else:
            found = types.get(item.code, "")
            match = re.fullmatch(_TYPES[item.type], found)
            if match is None or (item.type == "decimal" and int(match[1]) > item.scale):
                errors.append(
                    WriteSourceUnfit(
                        table=table.code,
                        problem_zh=f"{item.code} 应为 {item.type}（{item.scale} 位小数），实为 {found or '缺失'}",
                        problem_en=f"{item.code} should be {item.type} (scale {item.scale}) but is {found or 'missing'}",
                    )
                )
            columns.append(
                _column(
                    item,
                    standard.format,
                    rescale=match is not None and item.type == "decimal" and int(match[1]) < item.scale,
                )
            )
    raise_problems(errors)
    return columns


def _column(item: DataItem, fmt: FileFormat, rescale: bool) -> _Column:
    value = quote(item.code)
    if item.type == "text":
        return _Column(item, value, value)
    if item.type == "date":
        return _Column(item, value, f"strftime({value}, {literal(fmt.date)})")
    if rescale:
        value = f"CAST({value} AS DECIMAL(38, {item.scale}))"
    return _Column(item, value, f"CAST({value} AS VARCHAR)")


def _source(table: Table) -> str:
    return f"data.{quote(table.code)}"


def _totals(engine: Engine, table: Table, columns: list[_Column]) -> tuple[int, dict[str, str]]:
    numbers = [c for c in columns if c.item.type in ("decimal", "integer") and not c.item.assigned]
    sums = "".join(f", sum({c.value})" for c in numbers)
    rows, first, last, numbered, *found = engine.rows(
        f"SELECT count(*), min(_row), max(_row), count(_row){sums} FROM {_source(table)}"
    )[0]
    if rows and (first, last, numbered) != (1, rows, rows):
        raise _unordered(table)
    totals = {}
    for column, total in zip(numbers, found, strict=True):
        scale = column.item.scale if column.item.type == "decimal" else 0
        totals[column.item.code] = f"{Decimal(total or 0):.{scale}f}"
    return rows, totals


def _pieces(
    engine: Engine, table: Table, fmt: FileFormat, columns: list[_Column], rows: int
) -> Iterator[bytes | memoryview]:
    """The file's bytes, a batch at a time."""
    if fmt.header:
        yield (fmt.separator.join(c.item.code for c in columns) + fmt.line_end).encode(fmt.encoding)
    null, separator = literal(fmt.null), _sql_text(fmt.separator)
    line = (
        f" || {separator} || ".join(f"coalesce({c.text}, {null})" for c in columns) + f" || {_sql_text(fmt.line_end)}"
    )
    done, broken, piece = 0, False, b""
    query = f"SELECT {line} AS line, _row FROM {_source(table)}"
    with engine.connection.sql(query).to_arrow_reader(BATCH_ROWS) as reader:
        for batch in reader:
            _require_order(table, batch.column(1), done)
            done += batch.num_rows
            data = _text_bytes(batch.column(0))
            broken = _countable(fmt) and not _lines_whole(data, fmt, batch.num_rows, len(columns))
            if broken or (piece := _encoded(data, fmt.encoding)) is None:
                break
            yield piece
    # The engine answers the question which items are at fault only when the reader above is closed.
    if broken:
        _refuse_breaking_values(engine, table, fmt, columns)
    if piece is None:
        _refuse_unencodable(engine, table, fmt, columns)
    if broken or piece is None or done != rows:
        raise WriteSourceUnfit(
            table=table.code,
            problem_zh=f"应写 {rows} 行，实写 {done} 行",
            problem_en=f"{rows} rows expected, {done} written",
        )


def _encoded(data: memoryview, encoding: str) -> bytes | memoryview | None:
    """The bytes to write, or None where the encoding lacks a character."""
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        return data
    try:
        return str(data, "utf-8").encode(encoding)
    except UnicodeEncodeError:
        return None


def _require_order(table: Table, numbers: pyarrow.Array, done: int) -> None:
    import numpy as np

    found = numbers.to_numpy(zero_copy_only=False)
    if not np.array_equal(found, np.arange(done + 1, done + 1 + len(found))):
        raise _unordered(table)


def _unordered(table: Table) -> WriteSourceUnfit:
    return WriteSourceUnfit(
        table=table.code, problem_zh="_row 不是按顺序的 1..n", problem_en="_row does not run from 1 to n in order"
    )


def _text_bytes(column: pyarrow.Array) -> memoryview:
    """The UTF-8 bytes of a string array, one value after the other, without a copy."""
    import numpy as np
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        column = column.cast(pa.large_string())
    _, offsets, data = column.buffers()
    if not len(column) or data is None:
        return memoryview(b"")
    width = np.int32 if pa.types.is_string(column.type) else np.int64
    bounds = np.frombuffer(offsets, dtype=width)[[column.offset, column.offset + len(column)]]
    return memoryview(data)[int(bounds[0]) : int(bounds[1])]


def _countable(fmt: FileFormat) -> bool:
    """True when counting bytes proves that no value breaks a line.

    Tokens of several bytes can also arise across a boundary; for them every value is looked at instead.
    """
    return len(fmt.separator.encode()) == 1 and fmt.line_end in ("\n", "\r\n")


def _lines_whole(data: memoryview, fmt: FileFormat, rows: int, columns: int) -> bool:
    """True when the separators and line ends are just those that the writer put there: no value holds one."""
    import numpy as np

    octets = np.frombuffer(data, dtype=np.uint8)
    wanted = {ord(fmt.separator): rows * (columns - 1), 10: rows, 13: rows if fmt.line_end == "\r\n" else 0, 0: 0}
    return all(int(np.count_nonzero(octets == octet)) == count for octet, count in wanted.items())


def _refuse_breaking_values(engine: Engine, table: Table, fmt: FileFormat, columns: list[_Column]) -> None:
    """Raise ValueBreaksLine for every item that holds such values; return when there are none."""
    tokens = ["\x00", "\r", "\n", fmt.separator, fmt.line_end]
    # A value that ends in the first part of a token would complete it together with what follows.
    endings = [token[:size] for token in (fmt.separator, fmt.line_end) for size in range(1, len(token))]
    tests = [
        (
            c,
            " OR ".join(
                [f"contains({c.text}, {_sql_text(t)})" for t in tokens]
                + [f"ends_with({c.text}, {_sql_text(e)})" for e in endings]
            ),
        )
        for c in columns
    ]
    _refuse(engine, table, tests, ValueBreaksLine)


def _refuse_null_texts(engine: Engine, table: Table, fmt: FileFormat, columns: list[_Column]) -> None:
    _refuse(engine, table, [(c, f"{c.text} = {literal(fmt.null)}") for c in columns], ValueReadsAsNull)


def _refuse(engine: Engine, table: Table, tests: list[tuple[_Column, str]], kind: type[EastboundError]) -> None:
    counts = engine.rows(f"SELECT {', '.join(f'count(*) FILTER ({test})' for _, test in tests)} FROM {_source(table)}")[
        0
    ]
    raise_problems(
        [kind(table=table.code, item=c.item.code, rows=n) for (c, _), n in zip(tests, counts, strict=True) if n]
    )


def _refuse_unencodable(engine: Engine, table: Table, fmt: FileFormat, columns: list[_Column]) -> None:
    errors: list[EastboundError] = []
    for column in columns:
        if column.item.type != "text" or column.item.role == "serial":
            continue
        bad = 0
        for batch in engine.connection.sql(f"SELECT {column.text} AS value FROM {_source(table)}").to_arrow_reader(
            BATCH_ROWS
        ):
            bad += sum(not _encodable(value, fmt.encoding) for value in batch.column(0).to_pylist())
        if bad:
            errors.append(ValueNotEncodable(table=table.code, item=column.item.code, rows=bad, encoding=fmt.encoding))
    raise_problems(errors)
    raise WriteSourceUnfit(
        table=table.code, problem_zh=f"无法用 {fmt.encoding} 编码", problem_en=f"it cannot be encoded in {fmt.encoding}"
    )


def _encodable(value: str | None, encoding: str) -> bool:
    try:
        (value or "").encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _sql_text(text: str) -> str:
    """An SQL expression of a text that may hold control characters."""
    return "(" + " || ".join(f"chr({ord(character)})" for character in text) + ")"
