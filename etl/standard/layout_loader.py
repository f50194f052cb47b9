"""Loading fixed-width formats: the format's own keys, the places of items, and whether every record can be laid out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from etl.packs.shape import Shape, hint
from etl.standard.definition import DataItem, EnvelopeField, FieldLayout, FileFormat, FixedFormat, Standard, Table
from etl.standard.layout import (
    ALIGNS,
    COUNTS,
    DAYS,
    DECIMALS,
    ENVELOPE_NAMES,
    SIGNS,
    Field,
    RecordLayout,
    envelope_layout,
    needed_width,
    number_width,
    pattern_width,
    record_layout,
)

LAYOUT_KEYS = {"width", "position", "align", "padding", "sign", "decimals", "null"}
FIXED_KEYS = {
    "kind",
    "encoding",
    "line_end",
    "null",
    "date",
    "length_unit",
    "file_name",
    "folder",
    "align",
    "padding",
    "sign",
    "decimals",
    "header",
    "trailer",
}
ENVELOPE_KEYS = {"text", "field", "item", "date", "width", "align", "padding", "sign", "decimals"}


def fixed_options(shape: Shape, raw: dict) -> FixedFormat:
    """The block `format` of a standard whose kind is `fixed`."""
    shape.keys(raw, FIXED_KEYS, "format")
    plain = FileFormat()
    texts = {
        key: shape.text(raw[key], "format", key) if key in raw else getattr(plain, key)
        for key in ("encoding", "line_end", "null", "date", "length_unit", "file_name", "folder")
    }
    align, padding = ({"text": a, "number": b} for a, b in (ALIGNS, (" ", "0")))
    for key, target in (("align", align), ("padding", padding)):
        given = shape.mapping(raw.get(key), "format", key)
        shape.keys(given, target, "format", key)
        for family in set(given) & set(target):
            target[family] = _chosen(shape, given[family], key, "format", key, family) or target[family]
    head, trail = (
        tuple(
            field
            for index, one in enumerate(shape.listing(raw.get(key), "format", key))
            if (field := _envelope_field(shape, one, "format", key, index)) is not None
        )
        for key in ("header", "trailer")
    )
    return FixedFormat(
        **texts,
        align=align,
        padding=padding,
        sign=shape.one_of(raw.get("sign"), SIGNS, "format", "sign", default="leading"),
        decimals=shape.one_of(raw.get("decimals"), DECIMALS, "format", "decimals", default="point"),
        head=head,
        trail=trail,
    )


def field_layout(shape: Shape, raw: Mapping[str, Any], *at: Any) -> FieldLayout:
    """Width, position, alignment and so on of one item or field; what is not given is None."""
    return FieldLayout(
        width=_from_one(shape, raw.get("width"), *at, "width"),
        position=_from_one(shape, raw.get("position"), *at, "position"),
        align=shape.one_of(raw.get("align"), ALIGNS, *at, "align"),
        padding=_chosen(shape, raw.get("padding"), "padding", *at, "padding"),
        sign=shape.one_of(raw.get("sign"), SIGNS, *at, "sign"),
        decimals=shape.one_of(raw.get("decimals"), DECIMALS, *at, "decimals"),
        null=shape.text(raw["null"], *at, "null") if "null" in raw else None,
    )


def reserved_stretches(shape: Shape, raw: Any) -> tuple[FieldLayout, ...]:
    """`reserved` of a table: stretches of blanks that belong to no item."""
    found = []
    for index, one in enumerate(shape.listing(raw, "reserved")):
        given = shape.mapping(one, "reserved", index)
        shape.keys(given, ("position", "width", "note"), "reserved", index)
        found.append(field_layout(shape, given, "reserved", index))
        if not found[-1].width or not found[-1].position:
            shape.fault("reserved", index, zh="reserved 的每一段须有 position 和 width", en="each stretch of reserved needs position and width")
            found.pop()
    return tuple(found)


def check_layouts(standard: Standard, shape: Shape, tables: Mapping[str, Shape]) -> None:
    """Every submitted table must have a record that can be written and read back without doubt."""
    if not isinstance(standard.format, FixedFormat):
        for table in standard.tables.values():
            for item in (item for item in table.items if item.layout != FieldLayout()):
                tables[table.code].fault(
                    *_place(item, table, tables),
                    zh=f"{item.code}：width、position 等只用于 format 的 kind 为 fixed 的标准",
                    en=f"{item.code}: width, position and the like are for a standard whose format has kind fixed",
                )
        return
    if not _format_usable(standard.format, shape):
        return
    for table in standard.submitted_tables:
        _check_over_time(table, standard, tables)
        for key, named in (("header", standard.format.head), ("trailer", standard.format.trail)):
            layout = envelope_layout(named, table, standard)
            for index, (one, field) in enumerate(zip(named, layout.fields, strict=True)):
                _check_envelope(one, field, table, standard, shape, "format", key, index)


def _format_usable(fmt: FixedFormat, shape: Shape) -> bool:
    before = len(shape.errors)
    try:
        plain = all(chr(code).encode(fmt.encoding) == bytes([code]) for code in range(128)) and b"\x1b" not in "\u4e2d\u3042".encode(fmt.encoding, "ignore")
    except LookupError:
        return False  # told by the loader
    except UnicodeEncodeError:
        plain = False
    if not plain:
        shape.fault("format", "encoding", zh=f"编码 {fmt.encoding} 不是 ASCII 的超集", en=f"encoding {fmt.encoding} does not extend ASCII")
        return False
    if re.fullmatch(r"[\x01-\x1f]+", fmt.line_end) is None:
        shape.fault("format", "line_end", zh='line_end 应由控制字符组成，如 "\\r\\n"', en='line_end must consist of control characters, such as "\\r\\n"')
    if _width_of(fmt.date, fmt.encoding) is None:
        shape.fault("format", "date", zh=f"日期格式 {fmt.date!r} 不定长或无法编码", en=f"date pattern {fmt.date!r} has no constant width or cannot be encoded")
    if _unfit(fmt.null, fmt):
        shape.fault("format", "null", zh="null 的写法含控制字符或无法编码", en="the text of null holds control characters or cannot be encoded")
    if fmt.length_unit not in ("bytes", "characters"):
        return False  # told by the loader
    return len(shape.errors) == before


def _check_over_time(table: Table, standard: Standard, tables: Mapping[str, Shape]) -> None:
    """Check the record as it is on each day on which an item comes or goes; a fault is told once."""
    days = {date.min} | {item.effective_from for item in table.items if item.effective_from}
    days |= {item.effective_to + timedelta(days=1) for item in table.items if item.effective_to and item.effective_to < date.max}
    errors, told = tables[table.code].errors, set()
    for day in sorted(days):
        items = tuple(item for item in table.items if item.in_force(day))
        before = len(errors)
        if items:
            _check_record(replace(table, items=items), standard, tables)
        new, errors[before:] = errors[before:], []
        errors += [error for error in new if str(error) not in told]
        told |= {str(error) for error in new}


def _check_record(table: Table, standard: Standard, tables: Mapping[str, Shape]) -> None:
    shape = tables[table.code]
    before = len(shape.errors)
    for item in table.items:
        at = _place(item, table, tables)
        if item.layout.null is not None and _unfit(item.layout.null, standard.format):
            shape.fault(
                *at,
                "null",
                zh=f"{item.code}：null 的写法含控制字符或无法编码",
                en=f"{item.code}: the text of null holds control characters or cannot be encoded",
            )
    placed = [item for item in table.items if item.layout.position is not None]
    if placed and len(placed) < len(table.items):
        missing = next(item for item in table.items if item.layout.position is None)
        shape.fault(
            *_place(missing, table, tables),
            zh=f"{missing.code} 缺少 position：一张表的数据项要么全部写 position，要么都不写",
            en=f"{missing.code} has no position: either all items of a table have one, or none",
        )
    if table.reserved and not placed:
        shape.fault("reserved", zh="有 reserved 时，每个数据项都须写 position", en="where there is reserved, every item needs a position")
    if len(shape.errors) > before:
        return
    layout = record_layout(table, standard)
    for item, field in zip(table.items, layout.fields, strict=True):
        at = _place(item, table, tables)
        needed = needed_width(item, standard)
        if field.width < needed:
            shape.fault(
                *at,
                "width",
                zh=f"{item.code} 宽 {field.width} 字节，装不下允许的最长值（{needed} 字节）",
                en=f"{item.code} is {field.width} byte(s) wide, but the longest value allowed takes {needed}",
            )
        _check_setting(field, item.code, shape, *at)
    _check_places(table, layout, shape, tables)


def _check_places(table: Table, layout: RecordLayout, shape: Shape, tables: Mapping[str, Shape]) -> None:
    """No byte belongs to two items or to none."""
    stretches = [
        (field.start, field.end, item.code, (*_place(item, table, tables), "position")) for item, field in zip(table.items, layout.fields, strict=True)
    ]
    stretches += [(start, end, "reserved", ("reserved", index)) for index, (start, end) in enumerate(layout.blanks)]
    taken, before = 0, ""
    for start, end, name, at in sorted(stretches, key=lambda s: s[:2]):
        if start < taken:
            shape.fault(
                *at,
                zh=f"{name} 从第 {start + 1} 字节起，与 {before} 重叠（至第 {taken} 字节）",
                en=f"{name} starts at byte {start + 1} and overlaps {before}, which ends at {taken}",
            )
        elif start > taken:
            shape.fault(
                *at,
                zh=f"{name} 前的第 {taken + 1} 至 {start} 字节不属于任何数据项；如为保留区，请写入 reserved",
                en=f"bytes {taken + 1} to {start} before {name} belong to no item; list them under reserved if they stay blank",
            )
        if end >= taken:
            taken, before = end, name


def _check_envelope(one: EnvelopeField, field: Field, table: Table, standard: Standard, shape: Shape, *at: Any) -> None:
    fmt = standard.format
    needed, name = 1, one.name or "text"
    if one.name in DAYS:
        width = _width_of(field.date, fmt.encoding)
        if width is None:
            shape.fault(*at, zh=f"日期格式 {field.date!r} 不定长或无法编码", en=f"date pattern {field.date!r} has no constant width or cannot be encoded")
            return
        needed = width
    elif not one.name:
        if _unfit(one.text, fmt):
            shape.fault(*at, zh="text 含控制字符或无法编码", en="text holds control characters or cannot be encoded")
            return
        needed = len(one.text.encode(fmt.encoding))
    elif one.name == "table":
        needed = len(table.code.encode(fmt.encoding))
    elif one.name == "sum":
        code = one.items.get(table.code)
        item = table.by_code.get(code or "")
        if code is not None and (item is None or item.type not in ("decimal", "integer")):
            zh, en = hint(code, [i.code for i in table.items if i.type in ("decimal", "integer")])
            shape.fault(*at, "item", zh=f"表 {table.code} 没有数值项 {code}{zh}", en=f"table {table.code} has no number {code}{en}")
            return
        if item is not None:
            needed = number_width(item.length, field.scale, field.decimals, field.sign)
    if field.width < needed:
        shape.fault(*at, zh=f"{name} 宽 {field.width} 字节，装不下 {needed} 字节", en=f"{name} is {field.width} byte(s) wide, but {needed} are needed")
    _check_setting(field, name, shape, *at)


def _check_setting(field: Field, name: str, shape: Shape, *at: Any) -> None:
    """Padding that would change a number, and a null that has no room."""
    if field.kind == "number":
        if field.padding == "0" and field.align == "left":
            shape.fault(
                *at,
                zh=f"{name}：左对齐的数值不能用 0 填充，值会改变",
                en=f"{name}: zeros after a number on the left would change it; align it right or pad with blanks",
            )
        elif field.padding in "123456789.+-":
            shape.fault(*at, zh=f"{name}：数值不能用 {field.padding!r} 填充", en=f"{name}: a number cannot be padded with {field.padding!r}")
    if len(field.null) > field.width:
        shape.fault(*at, zh=f"{name} 宽 {field.width} 字节，装不下空值的写法", en=f"{name} is {field.width} byte(s) wide, too narrow for the text of null")


def _envelope_field(shape: Shape, raw: Any, *at: Any) -> EnvelopeField | None:
    data = shape.mapping(raw, *at)
    shape.keys(data, ENVELOPE_KEYS, *at)
    name = shape.one_of(data.get("field"), ENVELOPE_NAMES, *at, "field")
    if ("text" in data) == ("field" in data):
        shape.fault(
            *at,
            zh=f"每一段须有 text 或 field 之一；field 可为 {'、'.join(ENVELOPE_NAMES)}",
            en=f"each part has either text or field; field is one of {', '.join(ENVELOPE_NAMES)}",
        )
        return None
    if "field" in data and name is None:
        return None
    wanted = data.get("item")
    if (wanted is not None) != (name == "sum"):
        shape.fault(*at, zh="field: sum 须有 item（表 → 数据项），其他段不能有", en="field: sum needs item (table -> item), and no other part takes it")
        return None
    items = {str(key): shape.text(value, *at, "item", key) for key, value in shape.mapping(wanted, *at, "item").items()}
    if name in ("table", "company", *COUNTS, "sum") and data.get("width") is None:
        shape.fault(*at, zh=f"{name} 缺少 width", en=f"{name} needs a width")
        return None
    return EnvelopeField(
        name or "", shape.text(data.get("text"), *at, "text"), items, shape.text(data.get("date"), *at, "date"), field_layout(shape, data, *at)
    )


def _chosen(shape: Shape, value: Any, key: str, *at: Any) -> str | None:
    """An alignment or a padding character; None for nothing or a fault."""
    if key == "align":
        return shape.one_of(value, ALIGNS, *at)
    if value is None:
        return None
    text = shape.text(value, *at)
    if re.fullmatch(r"[ -~]", text) is None:
        shape.fault(*at, zh='填充应为一个可见的 ASCII 字符或空格（" " 加引号）', en='padding should be one printable ASCII character (a blank in quotes: " ")')
        return None
    return text


def _from_one(shape: Shape, value: Any, *at: Any) -> int | None:
    if value is None:
        return None
    number = shape.number(value, *at, default=1)
    if number < 1 or number > 1_000_000:
        shape.fault(*at, zh=f"{at[-1]} 应在 1 到 1000000 之间", en=f"{at[-1]} should be from 1 to 1000000")
        return 1
    return number


def _place(item: DataItem, table: Table, tables: Mapping[str, Shape]) -> tuple:
    listed = tables[table.code].document.data["items"]
    return ("items", next(n for n, raw in enumerate(listed) if isinstance(raw, dict) and raw.get("code") == item.code))


def _width_of(pattern: str, encoding: str) -> int | None:
    try:
        return pattern_width(pattern, encoding) or None
    except ValueError:  # an encoding error is one, too
        return None


def _unfit(text: str, fmt: FileFormat) -> bool:
    """True where `text` cannot stand inside a record."""
    try:
        text.encode(fmt.encoding)
    except UnicodeEncodeError:
        return True
    return any(ord(character) < 32 for character in text)
