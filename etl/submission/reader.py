"""The independent reader: what a submission file holds and every way in which it is not as the standard says.

It shares nothing with the writer but `etl.standard`. A file is read in pieces cut at line ends, decoded strictly and
checked column by column; problems say file, line, item and what is wanted, never the value, and are never capped.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from etl.standard.definition import FileFormat, Standard, Table
from etl.submission.checks import TableChecks
from etl.submission.problems import Problem

if TYPE_CHECKING:
    import numpy
    import polars

    from etl.submission.fixed_reader import FixedFile

PIECE = 8 * 1024 * 1024


@dataclass(frozen=True)
class FileReport:
    """What a file holds. `totals`: sum of every decimal and integer item over the readable values, as text."""

    file: str
    table: str
    rows: int
    bytes: int
    sha256: str
    totals: dict[str, str]
    first_serial: str | None
    last_serial: str | None
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """Some consecutive lines: `fields` has one raw String column per item (null = the format's null) and `_line`.

    `lines` counts all lines of the piece; those with a wrong number of separators or undecodable bytes are only in `problems`.
    """

    fields: polars.DataFrame
    lines: int
    problems: list[Problem]


def read_file(path: Path, table: Table, standard: Standard) -> Iterator[polars.DataFrame]:
    """The readable lines as raw text, a piece at a time: `_line` (Int64, from 1) and one String column per item."""
    for piece in _file_pieces(Path(path), table, standard):
        yield piece.fields


def load_lines(path: Path, table: Table, standard: Standard) -> polars.DataFrame:
    """All readable lines of a file as one frame (see `read_file`); the others are in `inspect_file`'s problems."""
    import polars as pl

    pieces = list(read_file(path, table, standard))
    return pl.concat(pieces) if pieces else _frame([], table, standard.format)


def inspect_file(
    path: Path, table: Table, standard: Standard, expect_company: str | None = None, expect_days: Mapping[str, date] | None = None,
    part: bool = False,
) -> FileReport:
    """Read a file and check everything that the standard says of it. A file of no rows is in order.

    Problem kinds: encoding, separators, line_end, header, control, required, length, type, code, serial, serial_gap,
    serial_duplicate, company, company_name; of fixed-width files also record_length, field, reserved, trailer, control_total.
    `expect_days` (period_start, period_end, report_date) is what their header and trailer should say, where that is known.
    `part`: the file is a part of a table, whose serial numbers rise with gaps.
    """
    path = Path(path)
    checks = TableChecks(path.name, table, standard, expect_company, part)
    digest, problems, rows = hashlib.sha256(), [], 0
    fixed = _fixed(path, table, standard, digest)
    for piece in fixed.pieces() if fixed else _pieces(path, table, standard.format, digest):
        rows += piece.lines
        problems += piece.problems
        # A field that could not be read is said to be so once, and not to be empty, too.
        unread = {(problem.line, problem.item) for problem in piece.problems if problem.item}
        found = checks.check(piece.fields)
        problems += [p for p in found if p.kind not in ("required", "serial") or (p.line, p.item) not in unread] if unread else found
    problems += checks.finish()
    if fixed:
        problems += fixed.finish(rows, checks.totals(), expect_company, expect_days or {})
    problems.sort(key=lambda problem: problem.line)
    return FileReport(
        path.name,
        table.code,
        rows,
        path.stat().st_size,
        digest.hexdigest(),
        checks.totals(),
        checks.first_serial,
        checks.last_serial,
        problems,
    )


def _fixed(path: Path, table: Table, standard: Standard, digest: hashlib._Hash | None = None) -> FixedFile | None:
    """The file as one of fixed-width records, where the standard says that it is."""
    if standard.format.kind != "fixed":
        return None
    from etl.submission.fixed_reader import FixedFile

    return FixedFile(path, table, standard, digest)


def _file_pieces(path: Path, table: Table, standard: Standard) -> Iterator[Piece]:
    fixed = _fixed(path, table, standard)
    return fixed.pieces() if fixed else _pieces(path, table, standard.format)


def _pieces(path: Path, table: Table, fmt: FileFormat, digest: hashlib._Hash | None = None) -> Iterator[Piece]:
    """Whole lines, a piece at a time; the header is checked and left out."""
    end = fmt.line_end.encode(fmt.encoding)
    line, header = 1, fmt.header
    with path.open("rb") as stream:
        rest = b""
        while True:
            block = stream.read(PIECE)
            if digest is not None:
                digest.update(block)
            data = rest + block
            cut = data.rfind(end) + len(end) if end in data else 0
            if not block:
                cut = len(data)
            body, rest = data[:cut], data[cut:]
            early: list[Problem] = []
            if header and (body or not block):
                body, early = _take_header(path.name, body, table, fmt)
                header, line = False, line + 1
            if body or early:
                if body and not body.endswith(end):
                    last = line + body.count(end)
                    early.append(_no_line_end(path.name, last))
                    body += end
                piece = _piece(path.name, body, line, table, fmt, early)
                line += piece.lines
                yield piece
            if not block:
                return


def _no_line_end(name: str, line: int) -> Problem:
    return Problem(
        name,
        line,
        "",
        "line_end",
        "最后一行缺少换行符，文件可能被截断",
        "the last line has no line end; the file may have been cut",
    )


def _take_header(name: str, body: bytes, table: Table, fmt: FileFormat) -> tuple[bytes, list[Problem]]:
    wanted = fmt.separator.join(item.code for item in table.items).encode(fmt.encoding)
    first, end, others = body.partition(fmt.line_end.encode(fmt.encoding))
    problems = [] if end or not first else [_no_line_end(name, 1)]
    if first == wanted:
        return others, problems
    return others, [
        *problems,
        Problem(
            name,
            1,
            "",
            "header",
            "首行应为数据项代码，且与标准的次序一致",
            "the first line should be the item codes in the standard's order",
        ),
    ]


def _piece(name: str, body: bytes, first: int, table: Table, fmt: FileFormat, problems: list[Problem]) -> Piece:
    import numpy as np
    import polars as pl

    if not body:
        return Piece(_frame([], table, fmt), 0, problems)
    try:
        lines = _decode(body[: -len(fmt.line_end.encode(fmt.encoding))], fmt).str.split(fmt.line_end).explode()
        numbers = np.arange(first, first + len(lines), dtype=np.int64)
        count = len(lines)
    except UnicodeDecodeError:
        lines, numbers, count = _decode_lines(name, body, first, fmt, problems)
    if _has_controls(body, fmt):
        problems += _control_characters(name, lines, numbers)
    wanted = len(table.items) - 1
    found = lines.str.count_matches(fmt.separator, literal=True)
    wrong = (found != wanted).to_numpy()
    if wrong.any():
        for line, separators in zip(numbers[wrong].tolist(), found.filter(pl.Series(wrong)).to_list(), strict=True):
            problems.append(
                Problem(
                    name,
                    line,
                    "",
                    "separators",
                    f"本行有 {separators} 个分隔符，应为 {wanted} 个",
                    f"the line has {separators} separators instead of {wanted}",
                )
            )
        lines, numbers = lines.filter(pl.Series(~wrong)), numbers[~wrong]
    return Piece(_frame(lines, table, fmt, numbers), count, problems)


def _decode(body: bytes, fmt: FileFormat) -> polars.Series:
    """The text of a piece as a series of one value. Raises UnicodeDecodeError."""
    import polars as pl

    if fmt.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        # Ten times faster than a Python string; what does not pass is left to Python, which says where it fails.
        with contextlib.suppress(pl.exceptions.ComputeError):
            return pl.Series([body], dtype=pl.Binary).cast(pl.String)
    return pl.Series([body.decode(fmt.encoding)], dtype=pl.String)


def _frame(
    lines: polars.Series | list[str], table: Table, fmt: FileFormat, numbers: numpy.ndarray | None = None
) -> polars.DataFrame:
    """Split lines that all have the right number of separators."""
    import polars as pl

    width = len(table.items)
    fields = (
        pl.Series(lines, dtype=pl.String).str.split(fmt.separator).explode()
        if len(lines)
        else pl.Series([], dtype=pl.String)
    )
    columns = {"_line": pl.Series([] if numbers is None else numbers, dtype=pl.Int64)}
    for index, item in enumerate(table.items):
        column = fields.gather_every(width, index) if len(fields) else fields
        columns[item.code] = column.set(column == fmt.null, None)
    return pl.DataFrame(columns)


def _decode_lines(
    name: str, body: bytes, first: int, fmt: FileFormat, problems: list[Problem]
) -> tuple[polars.Series, numpy.ndarray, int]:
    """Line by line, to say which ones do not decode; the others are kept."""
    import numpy as np
    import polars as pl

    decode = codecs.getdecoder(fmt.encoding)
    raw = body.split(fmt.line_end.encode(fmt.encoding))[:-1]
    texts, numbers = [], []
    for number, line in enumerate(raw, start=first):
        try:
            texts.append(decode(line, "strict")[0])
            numbers.append(number)
        except UnicodeDecodeError as error:
            problems.append(
                Problem(
                    name,
                    number,
                    "",
                    "encoding",
                    f"本行第 {error.start + 1} 个字节起不是有效的 {fmt.encoding} 编码",
                    f"the line is not valid {fmt.encoding} from its byte {error.start + 1} on",
                )
            )
    return pl.Series(texts, dtype=pl.String), np.array(numbers, dtype=np.int64), len(raw)


def _has_controls(body: bytes, fmt: FileFormat) -> bool:
    """True when there may be a NUL, CR or LF besides those of the line ends."""
    end = fmt.line_end
    if any(octet.encode() in body for octet in "\x00\r\n" if octet not in end):
        return True
    return len(end) > 1 and any(body.count(o.encode()) != body.count(end.encode()) * end.count(o) for o in "\r\n")


def _control_characters(name: str, lines: polars.Series, numbers: numpy.ndarray) -> list[Problem]:
    hits = lines.str.contains(r"[\x00\r\n]").to_numpy()
    return (
        [
            Problem(
                name,
                line,
                "",
                "control",
                "本行含空字符、回车或换行符",
                "the line holds a NUL, carriage return or line feed",
            )
            for line in numbers[hits].tolist()
        ]
        if hits.any()
        else []
    )
