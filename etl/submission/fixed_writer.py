"""Fixed-width records: values set in their places byte for byte, with header and trailer records.

A value is set whole or refused: nothing is cut, no character is split, and nothing is written that would read back as another
value. The engine renders a batch as text; the bytes of each column are then set in a matrix of one row per record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from etl.engines import Engine
from etl.engines.local import quote
from etl.errors import EastboundError, raise_problems
from etl.standard.definition import EnvelopeField, Standard, Table
from etl.standard.layout import Field, RecordLayout, envelope_layout, fixed_format, record_layout

if TYPE_CHECKING:
    import numpy
    import pyarrow

    from etl.submission.writer import _Column

PIECE_BYTES = 16 * 1024 * 1024


class ValueTooWide(EastboundError):
    zh = "{table}.{item} 有 {rows} 行的值超过 {width} 字节；定长文件从不截断，请更正数据或放宽标准中的宽度"
    en = "{table}.{item}: {rows} row(s) hold a value of more than {width} byte(s); nothing is ever cut, so mend them or widen the field"


class ValueHoldsPadding(EastboundError):
    zh = "{table}.{item} 有 {rows} 行的值在填充一侧带有填充字符 {padding!r}，读取方会丢掉它；请更正，或换一种填充"
    en = "{table}.{item}: {rows} row(s) have the padding {padding!r} at the padded end and would lose it; mend them or pad with another character"


class ValueNegative(EastboundError):
    zh = "{table}.{item} 有 {rows} 行为负数，而标准规定该项不带符号（sign: none）"
    en = "{table}.{item}: {rows} row(s) are negative, but the standard gives the field no sign (sign: none)"


def fixed_pieces(
    engine: Engine, table: Table, standard: Standard, columns: Sequence[_Column], rows: int, totals: Mapping[str, str], known: Mapping[str, Any]
) -> Iterator[bytes]:
    """The file's bytes, a batch at a time. `known`: company (code) and the days a header or trailer may carry.

    Raises ValueTooWide, ValueHoldsPadding, ValueNegative, ValueReadsAsNull, ValueBreaksLine, ValueNotEncodable, WriteSourceUnfit.
    """
    fmt = fixed_format(standard)
    end = fmt.line_end.encode(fmt.encoding)
    known = {"table": table.code, "rows": rows, "records": rows + bool(fmt.head) + bool(fmt.trail), "totals": totals, **known}
    _refuse_negative(engine, table, columns, record_layout(table, standard))
    if fmt.head:
        yield _envelope(fmt.head, table, standard, known) + end
    yield from _records(engine, table, standard, columns, rows)
    if fmt.trail:
        yield _envelope(fmt.trail, table, standard, known) + end


def _records(engine: Engine, table: Table, standard: Standard, columns: Sequence[_Column], rows: int) -> Iterator[bytes]:
    import numpy as np

    from etl.submission.writer import WriteSourceUnfit, _require_order, _source

    fmt = fixed_format(standard)
    layout = record_layout(table, standard)
    end = np.frombuffer(fmt.line_end.encode(fmt.encoding), dtype=np.uint8)
    texts = ", ".join(f"{_text_sql(column, field)} AS {quote(field.code)}" for column, field in zip(columns, layout.fields, strict=True))
    done, faults = 0, Counter()
    batch_rows = max(1_000, PIECE_BYTES // (layout.length + len(end)))
    with engine.connection.sql(f"SELECT _row, {texts} FROM {_source(table)}").to_arrow_reader(batch_rows) as reader:
        for batch in reader:
            _require_order(table, batch.column(0), done)
            done += batch.num_rows
            records = np.full((batch.num_rows, layout.length + len(end)), ord(" "), dtype=np.uint8)
            for index, field in enumerate(layout.fields):
                records[:, field.start : field.end] = _set(batch.column(index + 1), field, fmt.encoding, fmt.line_end, faults)
            records[:, layout.length :] = end
            if not faults:
                yield records.tobytes()
    raise_problems([_fault(kind, table, field, count, fmt.encoding) for (kind, field), count in faults.items()])
    if done != rows:
        raise WriteSourceUnfit(table=table.code, problem_zh=f"应写 {rows} 行，实写 {done} 行", problem_en=f"{rows} rows expected, {done} written")


def _text_sql(column: _Column, field: Field) -> str:
    """The value as text; a number with its sign, and with its zeros where it is padded with zeros."""
    if field.kind != "number":
        return column.text
    digits = f"replace({column.text}, '-', '')"
    if field.decimals == "implied":
        digits = f"replace({digits}, '.', '')"
    lead, trail = "''", "''"
    if field.sign != "none":
        positive = "+" if field.sign.endswith("_always") else "" if field.sign == "leading" else " "
        sign = f"CASE WHEN {column.value} < 0 THEN '-' ELSE '{positive}' END"
        lead, trail = (sign, trail) if field.sign.startswith("leading") else (lead, sign)
    if field.padding == "0":
        # Written out rather than padded by a function that would cut a number which is too long.
        digits = f"repeat('0', greatest({field.width} - length({lead}) - length({digits}) - length({trail}), 0)) || {digits}"
    return f"{lead} || {digits} || {trail}"


def _set(values: pyarrow.Array, field: Field, encoding: str, line_end: str, faults: Counter) -> numpy.ndarray:
    """A column as bytes of the field's width, one row each; what cannot be set is counted in `faults`."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    values = values.cast(pa.large_string())
    empty = np.asarray(pc.is_null(values))
    offsets, data = _encoded(values, field, encoding, faults)
    lengths = np.diff(offsets)
    matrix = np.full((len(values), field.width), ord(field.padding), dtype=np.uint8)
    begin = np.arange(len(values)) * field.width + (0 if field.align == "left" else field.width - lengths)
    target, octets = np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[0], offsets[-1]), data[offsets[0] : offsets[-1]]
    wide = lengths > field.width
    if wide.any():
        faults["wide", field] += int(wide.sum())
        fitting = np.repeat(~wide, lengths)
        target, octets = target[fitting], octets[fitting]
    matrix.ravel()[target] = octets
    if field.kind == "text":
        at_end = pc.ends_with if field.align == "left" else pc.starts_with
        if lost := int(np.asarray(pc.fill_null(at_end(values, pattern=field.padding), False)).sum()):
            faults["padding", field] += lost
    null = np.frombuffer(field.null, dtype=np.uint8)
    missing = np.asarray(pc.fill_null(pc.equal(values, ""), False))
    if like_null := int((missing | ~empty & ~wide & (lengths > 0) & (matrix == null).all(axis=1)).sum()):
        faults["null", field] += like_null
    broken = np.zeros(256, dtype=bool)
    broken[[0, 10, 13, *(ord(character) for character in line_end)]] = True
    if breaking := int(broken[matrix].any(axis=1).sum()):
        faults["break", field] += breaking
    matrix[empty] = null
    return matrix


def _encoded(values: pyarrow.Array, field: Field, encoding: str, faults: Counter) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Offsets and bytes of the values in `encoding`; a value that it cannot carry is counted and left out."""
    import pyarrow as pa

    offsets, data = _buffers(values)
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8") or not (data[offsets[0] : offsets[-1]] > 127).any():
        return offsets, data
    texts = values.to_pylist()
    encoded = {text: _encode(text, encoding) for text in set(texts) - {None}}
    if lost := sum(text is not None and encoded[text] is None for text in texts):
        faults["encoding", field] += lost
    return _buffers(pa.array([encoded.get(text) for text in texts], pa.large_binary()))


def _encode(text: str, encoding: str) -> bytes | None:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None


def _buffers(values: pyarrow.Array) -> tuple[numpy.ndarray, numpy.ndarray]:
    import numpy as np

    _, offsets, data = values.buffers()
    if not len(values) or data is None:
        return np.zeros(len(values) + 1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    return np.frombuffer(offsets, dtype=np.int64)[values.offset : values.offset + len(values) + 1], np.frombuffer(data, dtype=np.uint8)


def _refuse_negative(engine: Engine, table: Table, columns: Sequence[_Column], layout: RecordLayout) -> None:
    from etl.submission.writer import _source

    unsigned = [c for c, f in zip(columns, layout.fields, strict=True) if f.kind == "number" and f.sign == "none"]
    if unsigned:
        counts = engine.rows(f"SELECT {', '.join(f'count(*) FILTER ({c.value} < 0)' for c in unsigned)} FROM {_source(table)}")[0]
        raise_problems([ValueNegative(table=table.code, item=c.item.code, rows=n) for c, n in zip(unsigned, counts, strict=True) if n])


def _fault(kind: str, table: Table, field: Field, rows: int, encoding: str) -> EastboundError:
    from etl.submission.writer import ValueBreaksLine, ValueNotEncodable, ValueReadsAsNull

    named = {"table": table.code, "item": field.code, "rows": rows}
    if kind == "wide":
        return ValueTooWide(**named, width=field.width)
    if kind == "padding":
        return ValueHoldsPadding(**named, padding=field.padding)
    if kind == "encoding":
        return ValueNotEncodable(**named, encoding=encoding)
    return (ValueReadsAsNull if kind == "null" else ValueBreaksLine)(**named)


def _envelope(named: Sequence[EnvelopeField], table: Table, standard: Standard, known: Mapping[str, Any]) -> bytes:
    """A header or trailer record, without its line end."""
    encoding = standard.format.encoding
    parts = []
    for field in envelope_layout(named, table, standard).fields:
        if field.kind == "constant":
            text = field.text
        elif field.kind == "date":
            day: date = known[field.code]
            text = day.strftime(field.date)
        elif field.kind == "number":
            total = known["totals"].get(field.item, "0") if field.code == "sum" else known[field.code]
            text = _number_text(Decimal(total), field, table)
        else:
            text = known[field.code]
        raw, padding = text.encode(encoding), field.padding.encode()
        if len(raw) > field.width:
            raise ValueTooWide(table=table.code, item=field.item or field.code, rows=1, width=field.width)
        parts.append(raw.ljust(field.width, padding) if field.align == "left" else raw.rjust(field.width, padding))
    return b"".join(parts)


def _number_text(number: Decimal, field: Field, table: Table) -> str:
    if number < 0 and field.sign == "none":
        raise ValueNegative(table=table.code, item=field.item or field.code, rows=1)
    digits = f"{abs(number):.{field.scale}f}"
    if field.decimals == "implied":
        digits = digits.replace(".", "")
    mark = "-" if number < 0 else "+" if field.sign.endswith("_always") else " " if field.sign == "trailing" else ""
    lead, trail = (mark, "") if field.sign.startswith("leading") else ("", mark) if field.sign != "none" else ("", "")
    if field.padding == "0":
        digits = digits.rjust(field.width - len(lead) - len(trail), "0")
    return lead + digits + trail
