"""The rules as polars expressions, the way somebody who knows polars would write them by hand.

polars has the three-valued logic of SQL, so a rule reads as it does in the pack. Amounts are floats here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import polars as pl
from sqlglot import exp

from etl.bench.definition import PARAMETERS, Course
from etl.expressions.functions import MEMBERSHIP
from etl.expressions.syntax import call_of, column_name
from etl.rules.definition import Rule

ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
ID_SHAPE = "^[1-9][0-9]{5}[12][0-9]{10}[0-9X]$"
USCC_SHAPE = "^[0-9A-HJ-NPQRTUWXY]{18}$"
MOBILE, ASCII = "^1[3-9][0-9]{9}$", "[\x00-\x7f]"
FULL_WIDTH = "[\uff01-\uff5e\u3000]"
NOT_PLAIN = "[\x00-\x1f\x7f]|^[ \u00a0\u3000]|[ \u00a0\u3000]$"

_COMPARE: dict[type, Callable] = {
    exp.EQ: lambda a, b: a == b, exp.NEQ: lambda a, b: a != b, exp.LT: lambda a, b: a < b, exp.LTE: lambda a, b: a <= b,
    exp.GT: lambda a, b: a > b, exp.GTE: lambda a, b: a >= b, exp.Add: lambda a, b: a + b, exp.Sub: lambda a, b: a - b, exp.Mul: lambda a, b: a * b,
}


class NotTranslated(NotImplementedError):
    """The race's rules use only what its contenders were taught."""


def rule_holds(rule: Rule, course: Course) -> pl.Expr:
    """False for a row that breaks the rule, else True (never null)."""
    translate = _Translator(course)
    assert rule.expect is not None
    breaks = ~translate(rule.expect.tree)
    if rule.when:
        breaks = translate(rule.when.tree) & breaks
    return (~breaks).fill_null(True)


class _Translator:
    def __init__(self, course: Course) -> None:
        self.course = course

    def __call__(self, node: exp.Expression) -> pl.Expr:
        if isinstance(node, exp.Paren):
            return self(node.this)
        if isinstance(node, exp.TsOrDsToDate):
            return self(node.this)
        if isinstance(node, exp.Column):
            return pl.col(column_name(node))
        if isinstance(node, exp.Literal):
            return pl.lit(node.name if node.is_string else float(node.name) if "." in node.name else int(node.name))
        if isinstance(node, exp.Cast):
            return pl.lit(node.this.name).str.to_date("%Y-%m-%d")
        if isinstance(node, exp.And):
            return self(node.this) & self(node.expression)
        if isinstance(node, exp.Or):
            return self(node.this) | self(node.expression)
        if isinstance(node, exp.Not):
            return ~self(node.this)
        if isinstance(node, exp.Is):
            return self(node.this).is_not_null() if isinstance(node.expression, exp.Not) else self(node.this).is_null()
        if type(node) in _COMPARE:
            return _COMPARE[type(node)](self(node.this), self(node.expression))
        if isinstance(node, exp.Between):
            return self(node.this).is_between(self(node.args["low"]), self(node.args["high"]))
        if isinstance(node, exp.In):
            return self(node.this).is_in([value.name for value in node.expressions])
        called = call_of(node)
        if called is None:
            raise NotTranslated(type(node).__name__)
        return self._call(*called)

    def _call(self, name: str, arguments: list[exp.Expression]) -> pl.Expr:
        if name in MEMBERSHIP:
            values = members(self.course, name, arguments[0].name)
            return self(arguments[1]).is_in(values)
        if name in PARAMETERS:
            return pl.lit(PARAMETERS[name])
        if name == "regexp_matches":
            return self(arguments[0]).str.contains(arguments[1].name)
        if name == "substr":
            start, length = (int(a.name) for a in arguments[1:])
            return self(arguments[0]).str.slice(start - 1, length)
        if name == "add_days":
            return self(arguments[0]) + timedelta(days=int(arguments[1].name))
        values = [self(a) for a in arguments]
        if name not in FUNCTIONS:
            raise NotTranslated(name)
        return FUNCTIONS[name](*values)


def members(course: Course, function: str, table: str) -> list[str]:
    """The codes or names that a membership test of the race compares with."""
    values = course.standard.codes[table].on(PARAMETERS["period_end"])
    return sorted({value.code if MEMBERSHIP[function][1] == "code" else value.name for value in values})


def plain_groups(pattern: str) -> str:
    """The pattern with groups that only group."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)


def _shaped(text: pl.Expr, shape: str) -> pl.Expr:
    return pl.when(text.str.contains(shape)).then(text)


def _id_birth(text: pl.Expr) -> pl.Expr:
    return _shaped(text, ID_SHAPE).str.slice(6, 8).str.to_date("%Y%m%d", strict=False)


def _is_id_card(text: pl.Expr) -> pl.Expr:
    body = _shaped(text, ID_SHAPE).str.slice(0, 17).cast(pl.Int64)
    total = pl.sum_horizontal((body // 10 ** (16 - place) % 10 * weight for place, weight in enumerate(ID_WEIGHTS)), ignore_nulls=False) % 11
    check = total.replace_strict(list(range(11)), list("10X98765432"), default=None, return_dtype=pl.String)
    return pl.when(text.is_not_null()).then((_id_birth(text).is_not_null() & (check == text.str.slice(17, 1))).fill_null(False))


def _is_uscc(text: pl.Expr) -> pl.Expr:
    shaped, digits, places = _shaped(text, USCC_SHAPE), list(USCC_ALPHABET), list(range(31))
    total = pl.sum_horizontal((shaped.str.slice(place, 1).replace_strict(digits, places, default=None, return_dtype=pl.Int64) * weight
                               for place, weight in enumerate(USCC_WEIGHTS)), ignore_nulls=False)
    check = ((31 - total % 31) % 31).replace_strict(places, digits, default=None, return_dtype=pl.String)
    return pl.when(text.is_not_null()).then((check == text.str.slice(17, 1)).fill_null(False))


def _years_between(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    def whole(a: pl.Expr, b: pl.Expr) -> pl.Expr:
        months = (b.dt.year().cast(pl.Int32) - a.dt.year()) * 12 + b.dt.month().cast(pl.Int32) - a.dt.month()
        short = (b.dt.day() < a.dt.day()) & (b.dt.day() < b.dt.days_in_month())
        return (months - short.cast(pl.Int32)) // 12

    return pl.when(second >= first).then(whole(first, second)).otherwise(-whole(second, first))


FUNCTIONS: dict[str, Callable[..., pl.Expr]] = {
    "abs": lambda a: a.abs(), "length": lambda a: a.str.len_chars().cast(pl.Int64), "byte_length": lambda a: a.str.len_bytes().cast(pl.Int64),
    "is_id_card": _is_id_card, "id_birth_date": _id_birth, "is_uscc": _is_uscc, "years_between": _years_between,
    "id_sex": lambda a: pl.when(_shaped(a, ID_SHAPE).str.slice(16, 1).cast(pl.Int32) % 2 == 1).then(pl.lit("男性")).when(_shaped(a, ID_SHAPE).is_not_null()).then(pl.lit("女性")),
    "id_area": lambda a: _shaped(a, ID_SHAPE).str.slice(0, 6), "is_mobile": lambda a: a.str.contains(MOBILE),
    "is_chinese_text": lambda a: ~a.str.contains(ASCII), "has_full_width": lambda a: a.str.contains(FULL_WIDTH),
    "is_plain_text": lambda a: ~a.str.contains(NOT_PLAIN),
}
