"""What the stand-in makes of a zip: rows by table, faults by transaction. Written without a look at the code that sends."""

from __future__ import annotations

import datetime
import decimal
import io
import re
import zipfile
from dataclasses import dataclass, field

from etl.demo.platform.tables import Column

NAME = re.compile(r"([HI])_(([0-9A-Z]{6})([LP])(HIS|INC|FAI|DET)(\d{10}))_(\d{3})\.zip", re.ASCII)
NUMBER = re.compile(r"([0-9A-Z]{6})(\d{8})(\d{10})", re.ASCII)
MOST_BYTES = 2 * 1024**3


class Unacceptable(Exception):
    """The zip as a whole is no good; the text is the stand-in's own code for why."""


@dataclass
class Contents:
    """`rows`: table -> rows of fields. `faults`: (table, transaction, code, text)."""

    rows: dict[str, list[list[str]]] = field(default_factory=dict)
    faults: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def transactions(self) -> list[str]:
        return sorted({row[0] for rows in self.rows.values() for row in rows})


def open_zip(name: str, data: bytes, company: str, batch_no: str, tables: dict[str, tuple[Column, ...]]) -> Contents:
    """Read and validate a zip. Raises Unacceptable."""
    parts = NAME.fullmatch(name)
    if not parts or parts[2] != batch_no or parts[3] != company or (parts[1] == "H") != (parts[5] == "HIS"):
        raise Unacceptable("STANDIN-NAME")
    contents = Contents()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as box:
            if box.testzip() is not None or sum(info.file_size for info in box.infolist()) > MOST_BYTES:
                raise Unacceptable("STANDIN-ZIP")
            texts = [info for info in box.infolist() if not info.is_dir()]
            if len(texts) != int(parts[7]):
                raise Unacceptable("STANDIN-FILES")
            for info in texts:
                directory, slash, file = info.filename.partition("/")
                table = file.removesuffix(".txt")
                if directory != company or not slash or not file.endswith(".txt") or table not in tables or table in contents.rows:
                    raise Unacceptable("STANDIN-FILES")
                contents.rows[table] = _rows(box.read(info))
    except zipfile.BadZipFile:
        raise Unacceptable("STANDIN-ZIP") from None
    for table, rows in contents.rows.items():
        _judge(table, tables[table], rows, company, contents.faults)
    return contents


def _rows(raw: bytes) -> list[list[str]]:
    if raw.startswith(b"\xef\xbb\xbf") or b"\r" in raw or b"\0" in raw or not raw.endswith(b"\n"):
        raise Unacceptable("STANDIN-TEXT")
    try:
        lines = raw.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Unacceptable("STANDIN-TEXT") from None
    rows = [line.split("\x01") for line in lines[:-1]]
    if any(NUMBER.fullmatch(row[0]) is None for row in rows):
        # Without a transaction number there is nothing to send back.
        raise Unacceptable("STANDIN-TRANSACTION")
    return rows


def _judge(table: str, columns: tuple[Column, ...], rows: list[list[str]], company: str, faults: list[tuple[str, str, str, str]]) -> None:
    keys = [place for place, column in enumerate(columns) if column.key]
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        number = row[0]

        def fault(code: str, text: str, number: str = number) -> None:
            faults.append((table, number, code, text))

        if len(row) != len(columns):
            fault("E101", f"{len(columns)} fields wanted")
            continue
        if row[1] != company or number[:6] != company:
            fault("E102", "company code")
        for value, column in zip(row, columns):
            wrong = _value(value, column)
            if wrong:
                fault(wrong, column.name)
        key = tuple(row[place] for place in keys)
        if keys and key in seen:
            fault("E108", "key occurs twice")
        seen.add(key)


def _value(value: str, column: Column) -> str | None:
    """Code of what is wrong with a value, or None."""
    if value == "":
        return "E104" if column.required else None
    if column.kind == "text":
        return "E105" if column.length and len(value) > column.length else None
    if column.kind == "date":
        try:
            datetime.date.fromisoformat(value)
        except ValueError:
            return "E107"
        return None
    try:
        number = decimal.Decimal(value)
    except decimal.InvalidOperation:
        return "E106"
    if not number.is_finite():
        return "E106"
    scale = -number.as_tuple().exponent
    if scale > (column.scale if column.kind == "decimal" else 0):
        return "E106"
    digits = len(str(abs(int(number)))) + (column.scale if column.kind == "decimal" else 0)
    return "E105" if column.length and digits > column.length else None
