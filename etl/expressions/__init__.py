"""The one expression language of rules and mappings: SQL expressions, parsed and type-checked when a pack is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.expressions.parse import Expression, ExpressionBroken, Scope, parse_expression

__all__ = ["Expression", "ExpressionBroken", "Scope", "parse_expression"]


def __getattr__(name: str) -> Any:
    # The parser takes half a second to load, and most who come here want `blank` only: timetables do, whenever Airflow reads a DAG file.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from etl.expressions import parse

    return getattr(parse, name)
