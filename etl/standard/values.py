"""Values written into packs (defaults, constants, examples): do they fit the data item they are meant for?"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any

from etl.standard.definition import DataItem


def value_fault(item: DataItem, value: Any) -> tuple[str, str] | None:
    """What is wrong with `value` as a value of `item`, in Chinese and English; None when it fits.

    A number with more decimals than the item has does not fit: nothing in the house rounds.
    """
    if item.type == "text":
        if not isinstance(value, str):
            return f"{item.code} 为文本：{value!r} 应加引号", f"{item.code} is text: put {value!r} in quotes"
        return None
    if item.type == "date":
        if isinstance(value, datetime) or not isinstance(value, date):
            return f"{item.code} 为日期：应写作 2024-01-31（不加引号）", f"{item.code} is a date: write it as 2024-01-31 without quotes"
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{item.code} 为数值，不能是 {value!r}", f"{item.code} is a number, not {value!r}"
    number = Decimal(repr(value))
    if not number.is_finite():
        return f"{item.code} 不能是 {value!r}", f"{item.code} cannot be {value!r}"
    scale = item.scale if item.type == "decimal" else 0
    digits = max(item.length, scale + 1) - scale if item.type == "decimal" else 18
    if abs(number) >= Decimal(10) ** digits:
        return f"{item.code} 的 {value!r} 整数部分超过 {digits} 位", f"{item.code}: {value!r} has more than {digits} digits before the point"
    if number != number.quantize(Decimal(1).scaleb(-scale), context=Context(prec=400)):
        return f"{item.code} 最多 {scale} 位小数，{value!r} 不符", f"{item.code} has at most {scale} decimals, unlike {value!r}"
    return None
