"""How data items are carried in the engine's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.standard.definition import DataItem

_PLAIN = {"text": "VARCHAR", "integer": "BIGINT", "date": "DATE"}


def sql_type(item: DataItem) -> str:
    """The column type that carries a data item; a decimal keeps at least one digit before its point."""
    return f"DECIMAL({min(max(item.length, item.scale + 1), 38)},{item.scale})" if item.type == "decimal" else _PLAIN[item.type]
