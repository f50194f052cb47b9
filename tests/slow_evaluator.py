"""The language once more, slowly and in Python: an expression over one row, with the three truth values of SQL.

Numbers are int, Decimal, or float once something was divided. It shares the parser with the house and nothing else.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

from sqlglot import exp

from etl.expressions.reference import TWINS
from etl.expressions.syntax import call_of

Row = dict[str, Any]


class Evaluator:
    """`codes` holds {in_codes: {TABLE: {values}}, in_texts: ...}; `parameters` the dates of period_start() and others."""

    def __init__(self, codes: dict[str, dict[str, set[str]]], parameters: dict[str, date]) -> None:
        self.codes, self.parameters = codes, parameters

    def value(self, node: exp.Expression, row: Row) -> Any:
        kind = type(node).__name__
        method = getattr(self, f"_{kind.lower()}", None)
        if method:
            return method(node, row)
        called = call_of(node)
        assert called is not None, kind
        return self._call(*called, row)

    def _paren(self, node, row):
        return self.value(node.this, row)

    _tsordstodate = _paren

    def _column(self, node, row):
        return row[".".join(part.name for part in node.parts)]

    def _literal(self, node, row):
        if node.is_string:
            return node.name
        return Decimal(node.name) if "." in node.name else int(node.name)

    def _boolean(self, node, row):
        return bool(node.this)

    def _null(self, node, row):
        return None

    def _neg(self, node, row):
        value = self.value(node.this, row)
        return None if value is None else -value

    def _cast(self, node, row):
        return date.fromisoformat(node.this.name)

    def _and(self, node, row):
        sides = [self.value(node.this, row), self.value(node.expression, row)]
        return False if False in sides else None if None in sides else True

    def _or(self, node, row):
        sides = [self.value(node.this, row), self.value(node.expression, row)]
        return True if True in sides else None if None in sides else False

    def _not(self, node, row):
        value = self.value(node.this, row)
        return None if value is None else not value

    def _is(self, node, row):
        value, other = self.value(node.this, row), node.expression
        if isinstance(other, exp.Not):
            return value is not None
        return value is None if isinstance(other, exp.Null) else value is bool(other.this)

    def _compare(self, node, row, test):
        return compare(self.value(node.this, row), self.value(node.expression, row), test)

    def _eq(self, node, row):
        return self._compare(node, row, lambda a, b: a == b)

    def _neq(self, node, row):
        return self._compare(node, row, lambda a, b: a != b)

    def _lt(self, node, row):
        return self._compare(node, row, lambda a, b: order(a) < order(b))

    def _lte(self, node, row):
        return self._compare(node, row, lambda a, b: order(a) <= order(b))

    def _gt(self, node, row):
        return self._compare(node, row, lambda a, b: order(a) > order(b))

    def _gte(self, node, row):
        return self._compare(node, row, lambda a, b: order(a) >= order(b))

    def _nullsafeeq(self, node, row):
        left, right = self.value(node.this, row), self.value(node.expression, row)
        if left is None or right is None:
            return left is right
        left, right = same_kind(left, right)
        return left == right

    def _nullsafeneq(self, node, row):
        return not self._nullsafeeq(node, row)

    def _between(self, node, row):
        value, low, high = (self.value(part, row) for part in (node.this, node.args["low"], node.args["high"]))
        sides = [compare(low, value, lambda a, b: order(a) <= order(b)), compare(value, high, lambda a, b: order(a) <= order(b))]
        return False if False in sides else None if None in sides else True

    def _in(self, node, row):
        value = self.value(node.this, row)
        found = [compare(value, self.value(one, row), lambda a, b: a == b) for one in node.expressions]
        return True if True in found else None if None in found else False

    def _like(self, node, row):
        text, pattern = self.value(node.this, row), self.value(node.expression, row)
        if text is None or pattern is None:
            return None
        wild = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
        return re.fullmatch(wild, text, re.DOTALL) is not None

    def _dpipe(self, node, row):
        left, right = self.value(node.this, row), self.value(node.expression, row)
        return None if left is None or right is None else left + right

    def _arithmetic(self, node, row, work):
        left, right = self.value(node.this, row), self.value(node.expression, row)
        if left is None or right is None:
            return None
        return work(*same_kind(left, right))

    def _add(self, node, row):
        return self._arithmetic(node, row, lambda a, b: a + b)

    def _sub(self, node, row):
        return self._arithmetic(node, row, lambda a, b: a - b)

    def _mul(self, node, row):
        return self._arithmetic(node, row, lambda a, b: a * b)

    def _div(self, node, row):
        return self._arithmetic(node, row, lambda a, b: None if b == 0 else float(a) / float(b))

    def _mod(self, node, row):
        return self._arithmetic(node, row, lambda a, b: None if b == 0 else int(math.fmod(a, b)))

    def _case(self, node, row):
        for branch in node.args["ifs"]:
            met = self.value(branch.this, row)
            if node.this is not None:
                met = compare(self.value(node.this, row), met, lambda a, b: a == b)
            if met is True:
                return self.value(branch.args["true"], row)
        default = node.args.get("default")
        return None if default is None else self.value(default, row)

    def _call(self, name: str, arguments: list[exp.Expression], row: Row) -> Any:
        if name in self.codes:
            value = self.value(arguments[1], row)
            return None if value is None else value in self.codes[name][arguments[0].name]
        if name in self.parameters:
            return self.parameters[name]
        values = [self.value(argument, row) for argument in arguments]
        if name in TWINS:
            return TWINS[name](*values)
        if name == "coalesce":
            return next((value for value in values if value is not None), None)
        if name == "concat":
            return "".join(value for value in values if value is not None)
        if name in ("least", "greatest"):
            present = [value for value in values if value is not None]
            return (min if name == "least" else max)(present, key=order, default=None)
        if name == "nullif":
            return None if values[0] is None or (values[1] is not None and same_kind(*values)[0] == same_kind(*values)[1]) else values[0]
        return None if any(value is None for value in values) else PLAIN[name](*values)


def compare(left: Any, right: Any, test: Callable[[Any, Any], bool]) -> bool | None:
    """`test` of two values, None where one of them is unknown."""
    return None if left is None or right is None else test(*same_kind(left, right))


def same_kind(left: Any, right: Any) -> tuple[Any, Any]:
    """Numbers that meet a float become floats, as on the engine."""
    if isinstance(left, float) != isinstance(right, float):
        return float(left), float(right)
    return left, right


def order(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _round(value: Any, places: int = 0) -> Any:
    if isinstance(value, float):
        scaled = abs(value) * 10**places
        return math.copysign(math.floor(scaled + 0.5) / 10**places, value)
    return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _floor(value: Any) -> Any:
    return float(math.floor(value)) if isinstance(value, float) else Decimal(value).to_integral_value(ROUND_FLOOR)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """A pattern as the engine reads it: \\d and \\w are ASCII, $ is the very end, even after a line end."""
    return re.compile(re.sub(r"(\\.|\[[^\]]*\])|\$", lambda found: found[1] or r"\Z", text), re.ASCII)


def _ceil(value: Any) -> Any:
    return float(math.ceil(value)) if isinstance(value, float) else Decimal(value).to_integral_value(ROUND_CEILING)


PLAIN = {
    "length": len, "substr": lambda t, start, count=10**6: t[start - 1:start - 1 + count],
    "upper": str.upper, "lower": str.lower, "trim": lambda t: t.strip(" \u00a0\u3000"), "replace": str.replace,
    "abs": abs, "round": _round, "floor": _floor, "ceil": _ceil,
    "regexp_matches": lambda t, pattern: _pattern(pattern).search(t) is not None,
    "starts_with": str.startswith, "ends_with": str.endswith, "contains": lambda t, part: part in t, "strpos": lambda t, part: t.find(part) + 1,
    "lpad": lambda t, width, fill: (fill * width)[: max(0, width - len(t))] + t[:width],
    "year": lambda d: d.year, "month": lambda d: d.month, "day": lambda d: d.day,
    "last_day": lambda d: d.replace(day=calendar.monthrange(d.year, d.month)[1]),
}
