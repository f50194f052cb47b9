"""The one expression language of rules and mappings: SQL expressions, parsed and type-checked when a pack is loaded."""

from etl.expressions.parse import Expression, ExpressionBroken, Scope, parse_expression

__all__ = ["Expression", "ExpressionBroken", "Scope", "parse_expression"]
