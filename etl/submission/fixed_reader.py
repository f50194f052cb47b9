"""Fixed-width records read back: part of the independent reader, which shares nothing with the writer but the standard.

Lines of the right length become a matrix of bytes; each column of it is decoded by itself, so that a shifted or cut record is
told by line and item. Header and trailer are held against what the records really add up to.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import etl.submission.reader as reader
from etl.standard.definition import Standard, Table
from etl.standard.layout import Field, envelope_layout, fixed_format, pattern_width, record_layout
from etl.submission.problems import Problem

if TYPE_CHECKING:
    import numpy
    import polars

# What a header or a trailer is called, for people.
_CALLED = {"header": ("首记录", "the header record"), "trailer": ("尾记录", "the trailer record")}


class FixedFile:
    """One file of `table`: `pieces` gives its data records in order, then `finish` tells what header and trailer have wrong."""

    def __init__(self, path: Path, table: Table, standard: Standard, digest: hashlib._Hash | None = None) -> None:
        self.path, self.table, self.standard, self.digest = path, table, standard, digest
        self.format = fixed_format(standard)
        self.end = self.format.line_end.encode(self.format.encoding)
        self.layout = record_layout(table, standard)
        self.envelopes = {
            key: envelope_layout(named, table, standard) for key, named in (("header", self.format.head), ("trailer", self.format.trail)) if named
        }
        self.found: dict[str, tuple[int, bytes]] = {}
        self.company: str | None = None

    def pieces(self) -> Iterator[reader.Piece]:
        """The data records, a piece at a time; problem kinds: line_end, record_length, control, reserved, encoding, field, header, trailer."""
        line, waiting = 1, "header" in self.envelopes
        with self.path.open("rb") as stream:
            rest = b""
            while True:
                block = stream.read(reader.PIECE)
                if self.digest is not None:
                    self.digest.update(block)
                data = rest + block
                cut = self._cut(data) if block else len(data)
                body, rest = data[:cut], data[cut:]
                problems: list[Problem] = []
                if body and not body.endswith(self.end):
                    problems.append(
                        self._problem(
                            line + body.count(self.end),
                            "line_end",
                            "最后一行缺少换行符，文件可能被截断",
                            "the last line has no line end; the file may have been cut",
                        )
                    )
                    body += self.end
                if waiting and (body or not block):
                    first, _, others = body.partition(self.end)
                    taken = self._take("header", line, first if body else None, problems)
                    body, line, waiting = (others, line + 1, False) if taken else (body, line, False)
                if not block and "trailer" in self.envelopes:
                    before, _, last = body.removesuffix(self.end).rpartition(self.end)
                    at = line + body.count(self.end) - 1
                    if self._take("trailer", max(at, 1), last if body else None, problems):
                        body = before + self.end if at > line else b""
                if body or problems:
                    piece = self._piece(body, line, problems)
                    line += piece.lines
                    yield piece
                if not block:
                    return

    def finish(self, rows: int, totals: Mapping[str, str], company: str | None, days: Mapping[str, date]) -> list[Problem]:
        """Faults inside header and trailer; `company` and `days` are what they should say, as far as that is known."""
        problems: list[Problem] = []
        said: dict[str, str] = {}
        wanted = {"rows": Decimal(rows), "records": Decimal(rows + len(self.envelopes))}
        for kind, (line, raw) in self.found.items():
            for field in self.envelopes[kind].fields:
                if field.kind == "constant":
                    continue
                if field.kind == "number":
                    total = Decimal(totals.get(field.item, "0")) if field.code == "sum" else wanted[field.code]
                    problems += self._number(kind, line, field, raw[field.start : field.end], total)
                else:
                    text = self._text(field, raw[field.start : field.end])
                    problems += self._named(kind, line, field, text, company or self.company, days)
                    if text is not None and said.setdefault(f"{field.code} {field.date}", text) != text:
                        problems.append(self._problem(line, kind, f"尾记录的 {field.code} 与首记录不同", f"{field.code} is not the same in header and trailer"))
        return problems

    def _cut(self, data: bytes) -> int:
        """Where the lines end that can be judged now; the last one waits where it may be the trailer."""
        cut = data.rfind(self.end) + len(self.end) if self.end in data else 0
        if cut and "trailer" in self.envelopes:
            before = data.rfind(self.end, 0, cut - len(self.end))
            cut = before + len(self.end) if before >= 0 else 0
        return cut

    def _take(self, kind: str, line: int, raw: bytes | None, problems: list[Problem]) -> bool:
        """Whether the line is not a data record: it is the header or trailer, or it is neither and was reported."""
        layout = self.envelopes[kind]
        if (
            raw is not None
            and len(raw) == layout.length
            and all(raw[f.start : f.end] == _constant(f, self.format.encoding) for f in layout.fields if f.kind == "constant")
        ):
            self.found[kind] = (line, raw)
            return True
        zh, en = _CALLED[kind]
        problems.append(
            self._problem(
                line,
                kind,
                f"此处应为{zh}，长 {layout.length} 字节，固定文字与标准一致",
                f"this should be {en} of {layout.length} byte(s) with the standard's constant texts",
            )
        )
        return raw is not None and len(raw) != self.layout.length

    def _piece(self, body: bytes, first: int, problems: list[Problem]) -> reader.Piece:
        import numpy as np
        import polars as pl

        length, size = self.layout.length, self.layout.length + len(self.end)
        octets = np.frombuffer(body, dtype=np.uint8)
        count, over = divmod(len(octets), size)
        if not over and body.count(self.end) == count and (octets.reshape(count, size)[:, length:] == np.frombuffer(self.end, dtype=np.uint8)).all():
            records, numbers, lines = octets.reshape(count, size)[:, :length], np.arange(first, first + count, dtype=np.int64), count
        else:
            split = body.removesuffix(self.end).split(self.end)
            lines = len(split)
            whole = [number for number, line in enumerate(split) if len(line) == length]
            problems += [
                self._problem(
                    first + n, "record_length", f"本行长 {len(line)} 字节，应为 {length} 字节", f"the line has {len(line)} byte(s) instead of {length}"
                )
                for n, line in enumerate(split)
                if len(line) != length
            ]
            records = np.frombuffer(b"".join(split[n] for n in whole), dtype=np.uint8).reshape(len(whole), length)
            numbers = np.array(whole, dtype=np.int64) + first
        columns = {"_line": pl.Series(numbers, dtype=pl.Int64)}
        if len(records):
            problems += self._strange(records, numbers)
        for field in self.layout.fields:
            columns[field.code], found = self._column(records[:, field.start : field.end], field, numbers)
            problems += found
        frame = pl.DataFrame(columns)
        if self.company is None:
            item = next((i.code for i in self.table.items if i.role == "company_code"), None)
            known = frame[item].drop_nulls() if item else []
            self.company = known[0] if len(known) else None
        return reader.Piece(frame, lines, problems)

    def _strange(self, records: numpy.ndarray, numbers: numpy.ndarray) -> list[Problem]:
        """Control characters, and reserved stretches that are not blank."""
        import numpy as np

        control = np.zeros(256, dtype=bool)
        control[[0, 10, 13, *self.end]] = True
        problems = [
            self._problem(n, "control", "本行含空字符、回车或换行符", "the line holds a NUL, carriage return or line feed")
            for n in numbers[control[records].any(axis=1)].tolist()
        ]
        for start, end in self.layout.blanks:
            hits = (records[:, start:end] != ord(" ")).any(axis=1)
            problems += [
                self._problem(n, "reserved", f"保留区第 {start + 1} 至 {end} 字节应为空格", f"the reserved bytes {start + 1} to {end} should be blank")
                for n in numbers[hits].tolist()
            ]
        return problems

    def _column(self, cells: numpy.ndarray, field: Field, numbers: numpy.ndarray) -> tuple[polars.Series, list[Problem]]:
        """The values of a field as a delimited file would carry them; null where there is none or it cannot be read."""
        import numpy as np
        import polars as pl

        if not len(cells):
            return pl.Series([], dtype=pl.String), []
        empty = (cells == np.frombuffer(field.null, dtype=np.uint8)).all(axis=1)
        values, undecodable, unfit = _values(cells, field, self.format.encoding)
        undecodable, unfit = undecodable & ~empty, unfit & ~empty & ~undecodable
        problems = [
            self._problem(
                n,
                "encoding",
                f"本字段不是有效的 {self.format.encoding} 编码，可能错位或截断了字符",
                f"the field is not valid {self.format.encoding}; the record may be shifted or a character cut",
                field.code,
            )
            for n in numbers[undecodable].tolist()
        ]
        zh, en = _form(field)
        problems += [self._problem(n, "field", f"应为{zh}", f"it should be {en}", field.code) for n in numbers[unfit].tolist()]
        return values.set(pl.Series(empty | undecodable | unfit), None), problems

    def _number(self, kind: str, line: int, field: Field, raw: bytes, wanted: Decimal) -> list[Problem]:
        import numpy as np

        values, undecodable, unfit = _values(np.frombuffer(raw, dtype=np.uint8).reshape(1, -1), field, self.format.encoding)
        if not (undecodable | unfit).any() and Decimal(values[0]) == wanted:
            return []
        named = f"{field.code}({field.item})" if field.item else field.code
        return [self._problem(line, "control_total", f"控制合计 {named} 应为 {wanted:f}", f"the control total {named} should be {wanted:f}", field.item)]

    def _named(self, kind: str, line: int, field: Field, text: str | None, company: str | None, days: Mapping[str, date]) -> list[Problem]:
        """Table, company and days of a header or trailer."""
        zh = en = ""
        if field.code == "table" and text != self.table.code:
            zh, en = f"表代码应为 {self.table.code}", f"the table should be {self.table.code}"
        elif field.code == "company":
            listed = self.standard.codes.get(self.standard.company_codes or "")
            if company is not None and text != company:
                zh, en = f"机构代码应为 {company}", f"the company should be {company}"
            elif company is None and (text is None or (listed is not None and text not in listed.names)):
                zh, en = "机构代码不在代码表内", "the company is not in its code table"
        elif field.kind == "date":
            day = days.get(field.code)
            if day is not None and text != day.strftime(field.date):
                zh, en = f"{field.code} 应为 {day.strftime(field.date)}", f"{field.code} should be {day.strftime(field.date)}"
            elif day is None and not _is_day(text, field.date):
                zh, en = f"{field.code} 不是 {field.date} 格式的有效日期", f"{field.code} is not a date of the form {field.date}"
        return [self._problem(line, kind, zh, en)] if zh else []

    def _text(self, field: Field, raw: bytes) -> str | None:
        import numpy as np

        values, undecodable, unfit = _values(np.frombuffer(raw, dtype=np.uint8).reshape(1, -1), field, self.format.encoding)
        return None if (undecodable | unfit).any() else values[0]

    def _problem(self, line: int, kind: str, zh: str, en: str, item: str = "") -> Problem:
        return Problem(self.path.name, line, item, kind, zh, en)


def _values(cells: numpy.ndarray, field: Field, encoding: str) -> tuple[polars.Series, numpy.ndarray, numpy.ndarray]:
    """Values of a field, which of them cannot be decoded, and which do not stand as the field's rules say."""
    import numpy as np

    outside = np.zeros(len(cells), dtype=bool)
    if field.kind == "date":
        width = min(pattern_width(field.date, encoding) or field.width, field.width)
        inner = slice(0, width) if field.align == "left" else slice(field.width - width, field.width)
        others = np.delete(cells, inner, axis=1)
        outside = (others != ord(field.padding)).any(axis=1)
        cells = cells[:, inner]
    texts = _decoded(cells, encoding)
    undecodable = texts.is_null().to_numpy()
    if field.kind == "date":
        return texts, undecodable, outside
    if field.kind == "number":
        values = _numbers(texts, field)
        return values, undecodable, values.is_null().to_numpy()
    values = texts.str.strip_chars_end(field.padding) if field.align == "left" else texts.str.strip_chars_start(field.padding)
    return values, undecodable, (values == "").fill_null(True).to_numpy()


def _decoded(cells: numpy.ndarray, encoding: str) -> polars.Series:
    """Each row of bytes as text, null where the bytes are not valid."""
    import numpy as np
    import polars as pl
    import pyarrow as pa

    count, width = cells.shape
    data = np.ascontiguousarray(cells)
    plain = not (data > 127).any()
    if plain or encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        offsets = np.arange(count + 1, dtype=np.int64) * width
        array = pa.LargeBinaryArray.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
        # What does not pass is left to Python, which says which rows they are.
        with contextlib.suppress(pl.exceptions.ComputeError):
            return pl.Series(array, dtype=pl.Binary).cast(pl.String)
    whole = data.tobytes()
    raw = [whole[at : at + width] for at in range(0, len(whole), width)]
    # Names, codes and places come again and again: each is decoded once.
    texts = {one: _decode(one, encoding) for one in set(raw)}
    return pl.Series([texts[one] for one in raw], dtype=pl.String)


def _decode(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _numbers(texts: polars.Series, field: Field) -> polars.Series:
    """Numbers as `-12.50`, null where the text is not one by the rules of the field."""
    import polars as pl

    lead = {"leading": "(-?)", "leading_always": "([+-])"}.get(field.sign, "()")
    trail = {"trailing": "([ -])", "trailing_always": "([+-])"}.get(field.sign, "()")
    point = field.scale and field.decimals == "point"
    digits = rf"([0-9]+)(?:\.([0-9]{{1,{field.scale}}}))?" if point else "([0-9]+)()"
    padding = "" if field.padding == "0" else rf"\x{ord(field.padding):02x}*"
    left, right = (padding, "") if field.align == "right" else ("", padding)
    groups = texts.str.extract_groups(f"^{left}{lead}{digits}{trail}{right}$")
    first, whole, fraction, last = (groups.struct.field(str(n)) for n in (1, 2, 3, 4))
    whole = whole.str.strip_chars_start("0").str.zfill(1)
    frame = pl.DataFrame({"whole": whole, "fraction": fraction, "negative": (first == "-") | (last == "-")})
    value = pl.col("whole")
    if point:
        value = value + pl.when(pl.col("fraction").is_null()).then(pl.lit("")).otherwise("." + pl.col("fraction"))
    elif field.scale:
        padded = value.str.zfill(field.scale + 1)
        value = padded.str.head(-field.scale) + "." + padded.str.tail(field.scale)
    return frame.select(pl.when("negative").then("-" + value).otherwise(value).alias(field.code)).to_series()


def _form(field: Field) -> tuple[str, str]:
    """What a field should look like, in Chinese and English."""
    if field.kind == "number":
        decimals = (f"，末 {field.scale} 位为小数", f", the last {field.scale} being decimals") if field.scale and field.decimals == "implied" else ("", "")
        return (
            f"以 {field.padding!r} 填充的数（符号：{field.sign}）{decimals[0]}",
            f"a number padded with {field.padding!r} (sign: {field.sign}){decimals[1]}",
        )
    if field.kind == "date":
        return f"日期 {field.date}，其余为 {field.padding!r}", f"a date {field.date}, the rest {field.padding!r}"
    return "非空文本，或空值的规定写法", "a text that is not empty, or the text of null"


def _constant(field: Field, encoding: str) -> bytes:
    raw, padding = field.text.encode(encoding), field.padding.encode()
    return raw.ljust(field.width, padding) if field.align == "left" else raw.rjust(field.width, padding)


def _is_day(text: str | None, pattern: str) -> bool:
    try:
        return text is not None and datetime.strptime(text, pattern).strftime(pattern) == text
    except ValueError:
        return False
