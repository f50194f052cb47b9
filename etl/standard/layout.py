"""Fixed-width records as the standard lays them out: where each field lies and how its value is set in it.

Both the writer and the reader take places and rules from here, and nothing else from each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from etl.standard.definition import DataItem, EnvelopeField, FieldLayout, FixedFormat, Standard, Table

SIGNS = ("leading", "trailing", "leading_always", "trailing_always", "none")
DECIMALS = ("point", "implied")
ALIGNS = ("left", "right")
DAYS = ("period_start", "period_end", "report_date")
COUNTS = ("rows", "records")
ENVELOPE_NAMES = ("table", "company", *DAYS, *COUNTS, "sum")
# Some way through every month, weekday and width of day: a pattern whose width changes shows here.
_SAMPLE_DAYS = [date(2026, month, day) for month in range(1, 13) for day in (1, 10, 23)]


@dataclass(frozen=True)
class Field:
    """A field of a record: bytes `start` (from 0) to `end` (exclusive), and how a value stands in them.

    `kind`: text, date, number or constant. `null` is the whole field of a null, in bytes. `decimals` and `sign` matter for numbers.
    """

    code: str
    start: int
    width: int
    kind: str
    align: str = "left"
    padding: str = " "
    scale: int = 0
    decimals: str = "point"
    sign: str = "none"
    null: bytes = b""
    date: str = ""
    text: str = ""
    item: str = ""

    @property
    def end(self) -> int:
        return self.start + self.width


@dataclass(frozen=True)
class RecordLayout:
    """A record of `length` bytes without its line end. `blanks` are reserved stretches (start, end)."""

    fields: tuple[Field, ...]
    length: int
    blanks: tuple[tuple[int, int], ...] = ()


def record_layout(table: Table, standard: Standard) -> RecordLayout:
    """Where the items of `table` lie, in the order of the table. The format of `standard` must be a FixedFormat."""
    fields, at = [], 0
    for item in table.items:
        given = item.layout
        start = at if given.position is None else given.position - 1
        fields.append(_item_field(item, standard, start))
        at = fields[-1].end
    blanks = tuple(((r.position or 1) - 1, (r.position or 1) - 1 + (r.width or 0)) for r in table.reserved)
    return RecordLayout(tuple(fields), max([f.end for f in fields] + [end for _, end in blanks]), blanks)


def envelope_layout(named: Iterable[EnvelopeField], table: Table, standard: Standard) -> RecordLayout:
    """The header or trailer record of a file of `table`."""
    fields, at = [], 0
    for one in named:
        fields.append(_envelope_field(one, table, standard, at))
        at = fields[-1].end
    return RecordLayout(tuple(fields), at)


def needed_width(item: DataItem, standard: Standard) -> int:
    """Bytes that the longest value allowed takes in the encoding of the file."""
    fmt = fixed_format(standard)
    if item.type == "date":
        return pattern_width(fmt.date, fmt.encoding) or 1
    if item.type == "text":
        if item.role == "serial" and standard.serial:
            return standard.serial.length
        return item.length if fmt.length_unit == "bytes" else item.length * widest_character(fmt.encoding)
    scale = item.scale if item.type == "decimal" else 0
    return number_width(item.length, scale, item.layout.decimals or fmt.decimals, item.layout.sign or fmt.sign)


def number_width(digits: int, scale: int, decimals: str, sign: str) -> int:
    """Bytes of the longest number of `digits` digits, `scale` of them decimals."""
    return digits + (1 if scale and decimals == "point" else 0) + (0 if sign == "none" else 1)


def pattern_width(pattern: str, encoding: str) -> int | None:
    """Bytes of a date in `pattern`; None where not every date takes the same."""
    widths = {len(day.strftime(pattern).encode(encoding)) for day in _SAMPLE_DAYS}
    return widths.pop() if len(widths) == 1 else None


def widest_character(encoding: str) -> int:
    """The most bytes that one character takes in `encoding`."""
    return max(len(character.encode(encoding, "ignore")) for character in "a\u00e9\u4e2d\U00020bb7")


def fixed_format(standard: Standard) -> FixedFormat:
    """The format of a standard that is known to be a fixed-width one."""
    assert isinstance(standard.format, FixedFormat)
    return standard.format


def _item_field(item: DataItem, standard: Standard, start: int) -> Field:
    fmt = fixed_format(standard)
    kind = {"text": "text", "date": "date"}.get(item.type, "number")
    width = item.layout.width or needed_width(item, standard)
    return _field(item.code, start, width, kind, item.layout, fmt, scale=item.scale if item.type == "decimal" else 0, date=fmt.date)


def _envelope_field(one: EnvelopeField, table: Table, standard: Standard, start: int) -> Field:
    fmt = fixed_format(standard)
    given = one.layout
    if not one.name:
        return _field("", start, given.width or len(one.text.encode(fmt.encoding)), "constant", given, fmt, text=one.text)
    if one.name in DAYS:
        pattern = one.date or fmt.date
        return _field(one.name, start, given.width or pattern_width(pattern, fmt.encoding) or 1, "date", given, fmt, date=pattern)
    if one.name == "sum":
        item = table.by_code.get(one.items.get(table.code, ""))
        scale = item.scale if item is not None and item.type == "decimal" else 0
        return _field(one.name, start, given.width or 1, "number", given, fmt, scale=scale, item=item.code if item else "")
    if one.name in COUNTS:
        # A count has no sign unless its field asks for one.
        return _field(one.name, start, given.width or 1, "number", replace(given, sign=given.sign or "none"), fmt)
    return _field(one.name, start, given.width or 1, "text", given, fmt)


def _field(code: str, start: int, width: int, kind: str, given: FieldLayout, fmt: FixedFormat, **more: object) -> Field:
    family = "number" if kind == "number" else "text"
    align = given.align or fmt.align[family]
    null = (fmt.null if given.null is None else given.null).encode(fmt.encoding)
    null = null.ljust(width) if align == "left" else null.rjust(width)
    return Field(
        code,
        start,
        width,
        kind,
        align,
        given.padding or fmt.padding[family],
        sign=given.sign or fmt.sign,
        decimals=given.decimals or fmt.decimals,
        null=null,
        **more,
    )
