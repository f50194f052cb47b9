"""Zip packages of the policy registry: batch numbers, `I_<BatchNo>_<nnn>.zip`, reading one back, and cutting out some transactions.

A batch is one zip with a folder named by the company code, in it one text file per table that has rows. The number in the
name counts the text files. The same input gives the same bytes: entries are sorted and carry a fixed time.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from etl.errors import EastboundError
from etl.files import whole_file

Kind = Literal["INC", "FAI", "HIS", "DET"]
KINDS: tuple[str, ...] = ("INC", "FAI", "HIS", "DET")
SEPARATOR = "\x01"
LINE_END = "\n"
ENCODING = "utf-8"
# What a zip can say at the earliest: a real time would make every repetition a different file.
EPOCH = (1980, 1, 1, 0, 0, 0)
_NAME = re.compile(r"(?P<letter>[HI])_(?P<batch>.{6}[LP](?:HIS|INC|FAI|DET)[0-9]{10})_(?P<files>[0-9]{3})\.zip")
_ENTRY = re.compile(r"(?P<company>[^/\\]+)/(?P<table>[A-Za-z][A-Za-z0-9_]*)\.txt")


class BatchRefused(EastboundError):
    zh = "批次 {batch} 无法生成：{problem_zh}"
    en = "batch {batch} cannot be made: {problem_en}"


class BatchUnreadable(EastboundError):
    zh = "{name} 不是可读的批次压缩包：{problem_zh}"
    en = "{name} is not a readable batch: {problem_en}"


@dataclass(frozen=True)
class DayBatch:
    """One zip of one day. `trans_count`: distinct transaction numbers; `tables`: rows per table that is in the zip; `md5`: of the zip."""

    batch_no: str
    kind: Kind
    trans_date: date
    trans_count: int
    zip_path: Path
    md5: str
    tables: dict[str, int] = field(default_factory=dict)


def batch_number(company: str, kind: Kind, sequence: int, data_type: Literal["L", "P"] = "L") -> str:
    """BatchNo (20): company code 6, L life or P property, kind 3, ten digits. Raises BatchRefused."""
    text = f"{company}{data_type}{kind}{sequence:010d}"
    if kind not in KINDS or len(company) != 6 or not 1 <= sequence <= 9_999_999_999 or len(text) != 20:
        raise BatchRefused(batch=text, problem_zh="批次号应为 20 位：机构代码 6 位、L 或 P、INC/FAI/HIS/DET、序号 10 位",
                           problem_en="a batch number has 20 characters: company 6, L or P, INC/FAI/HIS/DET, sequence 10")
    return text


def zip_name(batch_no: str, files: int) -> str:
    """The zip's name: H for history, I for everything else, the batch number, the number of text files in three digits."""
    return f"{'H' if batch_no[7:10] == 'HIS' else 'I'}_{batch_no}_{files:03d}.zip"


def make_batch(text_folder: Path, tables: Iterable[str] | Mapping[str, str], company: str, kind: Kind, trans_date: date, batch_no: str,
               target: Path, *, separator: str = SEPARATOR, line_end: str = LINE_END, encoding: str = ENCODING, mode: int = 0o600) -> DayBatch:
    """Zip the texts of `tables` (codes, or code -> file name in `text_folder`) into a file of the right name in folder `target`.

    Tables without rows are left out. The first field of each line is the transaction number. Folder and file are made for
    their owner alone (the registry gets clear personal data). Raises BatchRefused.
    """
    names = dict(tables) if isinstance(tables, Mapping) else {code: f"{code}.txt" for code in tables}
    texts: dict[str, bytes] = {}
    for code, name in names.items():
        data = (Path(text_folder) / name).read_bytes()
        if data:
            texts[code] = data
    return _zip(texts, company, kind, trans_date, batch_no, Path(target), separator.encode(encoding), line_end.encode(encoding), mode)


def read_batch_zip(path: Path, *, separator: str = SEPARATOR, line_end: str = LINE_END, encoding: str = ENCODING) -> dict[str, list[list[str]]]:
    """Table -> rows as lists of texts ('' where the file has nothing). Raises BatchUnreadable."""
    return {table: [line.split(separator) for line in _lines(data.decode(encoding), line_end)] for table, data in _texts(path).items()}


def subset_batch(batch: DayBatch, transaction_numbers: Iterable[str], *, batch_no: str, target: Path, kind: Kind = "FAI",
                 separator: str = SEPARATOR, line_end: str = LINE_END, encoding: str = ENCODING, mode: int = 0o600) -> DayBatch:
    """A new batch with only those transactions of `batch`, every row of them byte for byte. Raises BatchRefused where one is not in it."""
    wanted = {number.encode(encoding) for number in transaction_numbers}
    mark, end = separator.encode(encoding), line_end.encode(encoding)
    texts: dict[str, bytes] = {}
    found: set[bytes] = set()
    for table, data in _texts(batch.zip_path).items():
        lines = [line for line in data.split(end) if line.partition(mark)[0] in wanted]
        if lines:
            found |= {line.partition(mark)[0] for line in lines}
            texts[table] = end.join(lines) + end
    if wanted - found:
        raise BatchRefused(batch=batch_no, problem_zh=f"有 {len(wanted - found)} 个交易号不在批次 {batch.batch_no} 中",
                           problem_en=f"{len(wanted - found)} transaction number(s) are not in batch {batch.batch_no}")
    return _zip(texts, batch.batch_no[:6], kind, batch.trans_date, batch_no, Path(target), mark, end, mode)


def open_batch(path: Path, trans_date: date, *, separator: str = SEPARATOR, line_end: str = LINE_END, encoding: str = ENCODING) -> DayBatch:
    """The batch in an existing zip. `trans_date` is not in it and comes from whoever keeps it. Raises BatchUnreadable."""
    path = Path(path)
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise BatchUnreadable(name=path.name, problem_zh="文件名应为 I_批次号_文件数.zip", problem_en="its name should read I_<BatchNo>_<nnn>.zip")
    texts = _texts(path)
    tables, transactions = _count(texts, separator.encode(encoding), line_end.encode(encoding))
    return DayBatch(match["batch"], match["batch"][7:10], trans_date, transactions, path, _md5(path), tables)  # type: ignore[arg-type]


def _zip(texts: Mapping[str, bytes], company: str, kind: Kind, trans_date: date, batch_no: str, target: Path, separator: bytes, line_end: bytes,
         mode: int) -> DayBatch:
    if batch_no != batch_number(batch_no[:6], kind, int(batch_no[10:]) if batch_no[10:].isdigit() else 0, batch_no[6:7]) or batch_no[:6] != company:  # type: ignore[arg-type]
        raise BatchRefused(batch=batch_no, problem_zh=f"批次号与机构 {company}、类别 {kind} 不符", problem_en=f"it does not belong to company {company} and kind {kind}")
    if not texts:
        raise BatchRefused(batch=batch_no, problem_zh="没有任何数据", problem_en="there is nothing in it")
    target.mkdir(parents=True, exist_ok=True, mode=0o777 if mode & 0o077 else 0o700)
    path = target / zip_name(batch_no, len(texts))
    with whole_file(path, mode=mode) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for table in sorted(texts):
            entry = zipfile.ZipInfo(f"{company}/{table}.txt", EPOCH)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, (stat.S_IFREG | 0o600) << 16
            archive.writestr(entry, texts[table], compresslevel=6)
    os.chmod(path, mode)
    tables, transactions = _count(texts, separator, line_end)
    return DayBatch(batch_no, kind, trans_date, transactions, path, _md5(path), tables)


def _texts(path: Path) -> dict[str, bytes]:
    """Table -> bytes of every entry; refuses anything that a batch may not hold."""
    path = Path(path)

    def broken(zh: str, en: str) -> BatchUnreadable:
        return BatchUnreadable(name=path.name, problem_zh=zh, problem_en=en)

    match = _NAME.fullmatch(path.name)
    texts: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                inside = _ENTRY.fullmatch(entry.filename)
                if inside is None or (match and inside["company"] != match["batch"][:6]) or inside["table"] in texts:
                    raise broken("内含机构目录之外、重复或非 txt 的文件", "it holds a file that is outside the company's folder, doubled, or not a txt")
                texts[inside["table"]] = archive.read(entry)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, RuntimeError):
        raise broken("压缩包损坏", "the zip is damaged") from None
    if match and int(match["files"]) != len(texts):
        raise broken(f"文件名说有 {int(match['files'])} 个文件，实有 {len(texts)} 个", f"its name speaks of {int(match['files'])} files, but it holds {len(texts)}")
    return texts


def _count(texts: Mapping[str, bytes], separator: bytes, line_end: bytes) -> tuple[dict[str, int], int]:
    rows: dict[str, int] = {}
    transactions: set[bytes] = set()
    for table in sorted(texts):
        lines = texts[table].removesuffix(line_end).split(line_end)
        rows[table] = len(lines)
        transactions |= {line.partition(separator)[0] for line in lines}
    return rows, len(transactions)


def _lines(text: str, line_end: str) -> list[str]:
    return text.removesuffix(line_end).split(line_end) if text else []


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
