"""The rules as pandas masks, the way somebody who knows pandas would write them by hand.

pandas has no third truth value with its default types: a comparison with a missing value is False, and so is
`str.contains` on one. So each condition is written twice, as the mask of rows where it is true and the mask of rows
where it is false; a missing value is in neither. Amounts are floats here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from etl.bench.definition import PARAMETERS, Course
from etl.bench.polars_rules import (
    ASCII,
    FULL_WIDTH,
    ID_SHAPE,
    ID_WEIGHTS,
    MOBILE,
    NOT_PLAIN,
    USCC_ALPHABET,
    USCC_SHAPE,
    USCC_WEIGHTS,
    NotTranslated,
    members,
    plain_groups,
)
from etl.expressions.functions import MEMBERSHIP
from etl.expressions.syntax import call_of, column_name
from etl.rules.definition import Rule

Mask: TypeAlias = pd.Series
_INVERSE: dict[type, type] = {exp.EQ: exp.NEQ, exp.NEQ: exp.EQ, exp.LT: exp.GTE, exp.GTE: exp.LT, exp.GT: exp.LTE, exp.LTE: exp.GT}
_OPERATORS: dict[type, Callable] = {
    exp.EQ: lambda a, b: a == b, exp.LT: lambda a, b: a < b, exp.LTE: lambda a, b: a <= b, exp.GT: lambda a, b: a > b, exp.GTE: lambda a, b: a >= b,
    exp.NEQ: lambda a, b: (a != b) & _there(a) & _there(b), exp.Add: lambda a, b: a + b, exp.Sub: lambda a, b: a - b, exp.Mul: lambda a, b: a * b,
}
_USCC_VALUES = np.full(256, 0, dtype=np.int64)
for _place, _character in enumerate(USCC_ALPHABET):
    _USCC_VALUES[ord(_character)] = _place


def breaks_rule(rule: Rule, course: Course, frame: pd.DataFrame) -> Mask:
    """True for the rows of `frame` that break the rule."""
    masks = Masks(course, frame)
    assert rule.expect is not None
    broken = masks.false(rule.expect.tree)
    return masks.true(rule.when.tree) & broken if rule.when else broken


def _there(value: Any) -> Any:
    return value.notna() if isinstance(value, pd.Series) else True


class Masks:
    """Masks and values of expressions over one frame."""

    def __init__(self, course: Course, frame: pd.DataFrame) -> None:
        self.course, self.frame = course, frame

    def true(self, node: exp.Expression) -> Mask:
        """Where the condition is true."""
        if isinstance(node, exp.Paren):
            return self.true(node.this)
        if isinstance(node, exp.And):
            return self.true(node.this) & self.true(node.expression)
        if isinstance(node, exp.Or):
            return self.true(node.this) | self.true(node.expression)
        if isinstance(node, exp.Not):
            return self.false(node.this)
        if isinstance(node, exp.Is):
            value = self.value(node.this)
            return value.notna() if isinstance(node.expression, exp.Not) else value.isna()
        if type(node) in _INVERSE:
            return _OPERATORS[type(node)](self.value(node.this), self.value(node.expression))
        if isinstance(node, exp.Between):
            value = self.value(node.this)
            return (value >= self.value(node.args["low"])) & (value <= self.value(node.args["high"]))
        return self._test(node)[0]

    def false(self, node: exp.Expression) -> Mask:
        """Where the condition is false."""
        if isinstance(node, exp.Paren):
            return self.false(node.this)
        if isinstance(node, exp.And):
            return self.false(node.this) | self.false(node.expression)
        if isinstance(node, exp.Or):
            return self.false(node.this) & self.false(node.expression)
        if isinstance(node, exp.Not):
            return self.true(node.this)
        if isinstance(node, exp.Is):
            return ~self.true(node)
        if type(node) in _INVERSE:
            return _OPERATORS[_INVERSE[type(node)]](self.value(node.this), self.value(node.expression))
        if isinstance(node, exp.Between):
            value = self.value(node.this)
            return (value < self.value(node.args["low"])) | (value > self.value(node.args["high"]))
        holds, judged = self._test(node)
        return ~holds & judged.notna()

    def _test(self, node: exp.Expression) -> tuple[Mask, pd.Series]:
        """Where a test of one value holds, and the value."""
        if isinstance(node, exp.In):
            value = self.value(node.this)
            return value.isin([v.name for v in node.expressions]), value
        name, arguments = call_of(node) or (type(node).__name__, [])
        if name in MEMBERSHIP:
            value = self.value(arguments[1])
            return value.isin(members(self.course, name, arguments[0].name)), value
        if name not in TESTS and name != "regexp_matches":
            raise NotTranslated(name)
        value = self.value(arguments[0])
        if name == "regexp_matches":
            return value.str.contains(plain_groups(arguments[1].name)), value
        return TESTS[name](value), value

    def value(self, node: exp.Expression) -> Any:
        """A column, a constant, or what is computed of them."""
        if isinstance(node, (exp.Paren, exp.TsOrDsToDate)):
            return self.value(node.this)
        if isinstance(node, exp.Column):
            return self.frame[column_name(node)]
        if isinstance(node, exp.Literal):
            return node.name if node.is_string else float(node.name)
        if isinstance(node, exp.Cast):
            return pd.Timestamp(node.this.name)
        if type(node) in _OPERATORS:
            return _OPERATORS[type(node)](self.value(node.this), self.value(node.expression))
        name, arguments = call_of(node) or (type(node).__name__, [])
        if name in PARAMETERS:
            return pd.Timestamp(PARAMETERS[name])
        if name == "substr":
            start, length = (int(a.name) for a in arguments[1:])
            return self.value(arguments[0]).str[start - 1: start - 1 + length]
        if name == "add_days":
            return self.value(arguments[0]) + pd.Timedelta(days=int(arguments[1].name))
        if name not in VALUES:
            raise NotTranslated(name)
        return VALUES[name](*(self.value(a) for a in arguments))


def _shaped(text: pd.Series, shape: str) -> pd.Series:
    """The texts that have the shape, with their place."""
    return text[text.str.contains(shape)]


def _bytes(text: pd.Series) -> np.ndarray:
    """Texts of 18 ASCII characters as a matrix of bytes."""
    return np.array(text.tolist(), dtype="S18").view(np.uint8).reshape(len(text), 18)


def _is_id_card(text: pd.Series) -> Mask:
    shaped = _shaped(text, ID_SHAPE)
    holds = pd.Series(False, index=text.index)
    if len(shaped):
        characters = _bytes(shaped)
        total = (characters[:, :17].astype(np.int64) - 48) @ np.array(ID_WEIGHTS)
        checks = np.frombuffer(b"10X98765432", dtype=np.uint8)[total % 11] == characters[:, 17]
        holds[shaped.index] = checks & _born(shaped).notna().to_numpy()
    return holds


def _born(shaped: pd.Series) -> pd.Series:
    return pd.to_datetime(shaped.str[6:14], format="%Y%m%d", errors="coerce")


def _is_uscc(text: pd.Series) -> Mask:
    shaped = _shaped(text, USCC_SHAPE)
    holds = pd.Series(False, index=text.index)
    if len(shaped):
        values = _USCC_VALUES[_bytes(shaped)]
        holds[shaped.index] = (31 - values[:, :17] @ np.array(USCC_WEIGHTS) % 31) % 31 == values[:, 17]
    return holds


def _id_sex(text: pd.Series) -> pd.Series:
    shaped = _shaped(text, ID_SHAPE)
    return shaped.str[16].isin(list("13579")).map({True: "男性", False: "女性"}).astype("str").reindex(text.index)


def _years_between(first: Any, second: Any) -> pd.Series:
    def whole(a: Any, b: Any) -> pd.Series:
        months = (b.dt.year - a.dt.year) * 12 + b.dt.month - a.dt.month
        short = (b.dt.day < a.dt.day) & ~b.dt.is_month_end
        return (months - short) // 12

    return whole(first, second).where(~(second < first), -whole(second, first))


def _byte_length(text: pd.Series) -> pd.Series:
    lengths = pc.binary_length(pa.array(text, pa.large_string(), from_pandas=True))
    return pd.Series(lengths.to_numpy(zero_copy_only=False), index=text.index)


TESTS: dict[str, Callable[[pd.Series], Mask]] = {
    "is_id_card": _is_id_card, "is_uscc": _is_uscc, "is_mobile": lambda a: a.str.contains(MOBILE),
    "is_chinese_text": lambda a: ~a.str.contains(ASCII) & a.notna(), "has_full_width": lambda a: a.str.contains(FULL_WIDTH),
    "is_plain_text": lambda a: ~a.str.contains(NOT_PLAIN) & a.notna(),
}
VALUES: dict[str, Callable[..., pd.Series]] = {
    "abs": lambda a: a.abs(), "length": lambda a: a.str.len(), "byte_length": _byte_length, "years_between": _years_between,
    "id_birth_date": lambda a: _born(_shaped(a, ID_SHAPE)).reindex(a.index), "id_sex": _id_sex,
    "id_area": lambda a: _shaped(a, ID_SHAPE).str[:6].reindex(a.index),
}
