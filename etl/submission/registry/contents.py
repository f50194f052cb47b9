"""What is in a day's zips: transactions, and COUNT and SUM as the reconciliation wants them; and the platform's error files."""

from __future__ import annotations

import hashlib
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from etl.ledger.registry import RegistryFigure
from etl.submission.registry.definition import ErrorRow, TableLayout
from etl.submission.registry.errors import BatchUnfit, ErrorFileUnfit
from etl.submission.zip_package import ENCODING, LINE_END, SEPARATOR, make_batch, open_batch, read_batch_zip

if TYPE_CHECKING:
    from etl.standard.definition import Standard
    from etl.submission.zip_package import DayBatch

TRANSACTION, COMPANY = "TransactionNo", "CompanyCode"
MAX_ERROR_TEXT = 1024 * 1024 * 1024
_TRANSACTION_NO = r"[0-9A-Z]{6}[0-9]{18}"
_ERROR_FIELDS = 6


def layouts_of(standard: Standard) -> tuple[TableLayout, ...]:
    """The submitted tables of a registry pack; money (two decimals) is summed."""
    return tuple(TableLayout(t.code, tuple(i.code for i in t.items), tuple(i.code for i in t.items if i.type == "decimal" and i.scale == 2))
                 for t in standard.tables.values() if t.submitted)


def inspect_batch(batch: DayBatch, company: str, layouts: Sequence[TableLayout]) -> list[str]:
    """The transaction numbers in a zip, sorted, after holding the file against what is said of it. Raises BatchUnfit."""
    def unfit(zh: str, en: str) -> BatchUnfit:
        return BatchUnfit(batch=batch.batch_no, problem_zh=zh, problem_en=en)

    path = Path(batch.zip_path)
    if not path.is_file():
        raise unfit("文件不存在", "the file does not exist")
    found = open_batch(path, batch.trans_date)
    if (found.batch_no, found.kind, found.batch_no[:6]) != (batch.batch_no, batch.kind, company):
        raise unfit("批次号、类别或机构不符", "number, kind or company is another")
    if (found.md5, found.trans_count, found.tables) != (batch.md5, batch.trans_count, dict(batch.tables)):
        raise unfit("MD5、交易数或各表行数不符", "MD5, number of transactions or rows per table is another")
    known = {layout.table: layout for layout in layouts}
    transactions: set[str] = set()
    for table, rows in read_batch_zip(path).items():
        if table not in known:
            raise unfit(f"多出表 {table}", f"table {table} is not one of the standard's")
        width = len(known[table].items)
        if any(len(row) != width or row[1] != company or re.fullmatch(_TRANSACTION_NO, row[0], re.ASCII) is None for row in rows):
            raise unfit(f"{table} 有行的列数、机构代码或交易号不合规", f"{table} has rows with a wrong number of items, company code or transaction number")
        transactions.update(row[0] for row in rows)
    return sorted(transactions)


def count_figures(zips: Iterable[tuple[Path, set[str]]], layouts: Sequence[TableLayout]) -> list[RegistryFigure]:
    """COUNT of rows and SUM of money per table over the given zips, each with the transactions of it that count."""
    rows: dict[str, int] = {layout.table: 0 for layout in layouts}
    sums: dict[tuple[str, str], Decimal] = {(layout.table, item): Decimal("0.00") for layout in layouts for item in layout.sums}
    places = {layout.table: [(layout.items.index(item), item) for item in layout.sums] for layout in layouts}
    for path, counted in zips:
        for table, lines in read_batch_zip(path).items():
            for line in lines:
                if line[0] in counted:
                    rows[table] += 1
                    for place, item in places[table]:
                        if line[place]:
                            sums[table, item] += _number(line[place], path, table, item)
    figures = [RegistryFigure(table, TRANSACTION, "COUNT", Decimal(count), None) for table, count in rows.items()]
    return figures + [RegistryFigure(table, item, "SUM", total, None) for (table, item), total in sums.items()]


def assemble(zips: Iterable[tuple[Path, set[str]]], company: str, day: date, batch_no: str, target: Path) -> DayBatch:
    """A detail zip in folder `target` with the given transactions of the given zips, byte for byte, in the order of their numbers."""
    texts: dict[str, list[list[str]]] = {}
    for path, wanted in zips:
        for table, lines in read_batch_zip(path).items():
            texts.setdefault(table, []).extend(line for line in lines if line[0] in wanted)
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The texts hold clear personal data: they exist for a moment, below the folder of the zips, for their owner alone.
    with tempfile.TemporaryDirectory(dir=target, prefix=".texts-") as folder:
        for table, lines in texts.items():
            lines.sort(key=lambda line: line[0])
            (Path(folder) / f"{table}.txt").write_bytes("".join(SEPARATOR.join(line) + LINE_END for line in lines).encode(ENCODING))
        return make_batch(Path(folder), sorted(texts), company, "DET", day, batch_no, target)


def read_error_file(path: Path, batch_no: str, company: str, transactions: set[str]) -> list[ErrorRow]:
    """The rows of a platform's error zip (txt lines of six fields, SOH between them). Raises ErrorFileUnfit.

    A row about another batch, company or transaction means that this is not the file that was asked for.
    """
    def unfit(zh: str, en: str) -> ErrorFileUnfit:
        return ErrorFileUnfit(batch=batch_no, problem_zh=zh, problem_en=en)

    texts = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir() and e.filename.lower().endswith(".txt")]
            if sum(e.file_size for e in entries) > MAX_ERROR_TEXT:
                raise unfit("解压后过大", "it is too large when unpacked")
            texts = [archive.read(entry).decode("utf-8") for entry in entries]
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError):
        raise unfit("压缩包损坏", "the zip is damaged") from None
    except UnicodeDecodeError:
        raise unfit("不是 UTF-8", "it is not UTF-8") from None
    rows = []
    for text in texts:
        for number, line in enumerate(text.split("\n"), 1):
            line = line.removesuffix("\r")
            if not line:
                continue
            fields = line.split("\x01")
            if len(fields) != _ERROR_FIELDS:
                raise unfit(f"第 {number} 行不是 {_ERROR_FIELDS} 个字段", f"line {number} has not {_ERROR_FIELDS} fields")
            row = ErrorRow(*fields)
            if row.company != company or row.batch_no != batch_no or row.transaction_no not in transactions:
                raise unfit(f"第 {number} 行属于别的机构、批次或交易", f"line {number} is about another company, batch or transaction")
            rows.append(row)
    if not rows:
        raise unfit("没有错误行", "it holds no error row")
    return rows


def file_md5(path: Path) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def theirs_of(kpis: Iterable) -> Mapping[tuple[str, str, str], Decimal]:
    """The platform's figures of a reply by (table, field, check)."""
    return {(kpi.table, kpi.field, kpi.check): kpi.theirs for kpi in kpis if kpi.theirs is not None}


def _number(text: str, path: Path, table: str, item: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise BatchUnfit(batch=path.name, problem_zh=f"{table}.{item} 有非数字", problem_en=f"{table}.{item} holds something that is no number")
    return value
