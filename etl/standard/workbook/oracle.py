"""Oracle column types as the regulator writes them, and the house's item types: one from the other and back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from etl.standard.definition import DataItem

# The widest integer that every engine of the house counts exactly; wider whole numbers are decimals of scale 0.
_WIDEST_INTEGER = 18
_KNOWN = "VARCHAR2(n)、CHAR(n)、NUMBER(p)、NUMBER(p,s)、INTEGER、DATE"
_KNOWN_EN = "VARCHAR2(n), CHAR(n), NUMBER(p), NUMBER(p,s), INTEGER, DATE"


@dataclass(frozen=True)
class ItemShape:
    """Type, length and scale of an item."""

    type: str
    length: int
    scale: int = 0


def parse_type(text: str) -> ItemShape | tuple[str, str]:
    """The item shape of a half-width Oracle type, or what is wrong with it in Chinese and English."""
    match = re.fullmatch(r"([A-Z][A-Z0-9 ]*?)\s*(?:\((\d+)(?: ?(?:CHAR|BYTE))?(?:,(-?\d+))?\))?", text.upper(), re.ASCII)
    if not match:
        return f"类型 {text!r} 写法有误，已知：{_KNOWN}", f"type {text!r} cannot be read; known are {_KNOWN_EN}"
    name, length, scale = match[1], int(match[2]) if match[2] else None, int(match[3]) if match[3] else None
    if name in ("VARCHAR2", "VARCHAR", "NVARCHAR2", "NVARCHAR", "CHAR", "NCHAR"):
        if scale is not None:
            return f"类型 {text!r} 写法有误，已知：{_KNOWN}", f"type {text!r} cannot be read; known are {_KNOWN_EN}"
        if length is None and name not in ("CHAR", "NCHAR"):
            return f"类型 {text!r} 缺少长度", f"type {text!r} has no length"
        if length == 0:
            return f"类型 {text!r} 的长度为 0", f"type {text!r} has a length of 0"
        return ItemShape("text", length or 1)
    if name in ("NUMBER", "DECIMAL", "NUMERIC"):
        if length is None:
            return f"类型 {text!r} 缺少精度，应写作 NUMBER(18,2)", f"type {text!r} has no precision; write NUMBER(18,2)"
        if not 1 <= length <= 38 or (scale is not None and not 0 <= scale < length):
            return f"类型 {text!r} 的精度应为 1 至 38 且大于小数位", f"type {text!r}: the precision should be 1 to 38 and above the scale"
        if scale is None and length <= _WIDEST_INTEGER:
            return ItemShape("integer", length)
        return ItemShape("decimal", length, scale or 0)
    if name in ("INTEGER", "INT", "SMALLINT") and length is None:
        return ItemShape("integer", _WIDEST_INTEGER)
    if name == "DATE" and length is None:
        return ItemShape("date", 10)
    return f"未知类型 {text!r}，已知：{_KNOWN}", f"unknown type {text!r}; known are {_KNOWN_EN}"


def type_text(item: DataItem) -> str:
    """The Oracle type of an item."""
    if item.type == "text":
        return f"VARCHAR2({item.length})"
    if item.type == "date":
        return "DATE"
    return f"NUMBER({item.length},{item.scale})" if item.type == "decimal" else f"NUMBER({item.length})"
