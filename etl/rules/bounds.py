"""What a failing value should have been, and how far it is off, read from the rule's own comparison.

A finding says `expected` and `difference`. Where a rule gives no `expected` of its own, the comparison of its item
inside `expect` does: `JZRQ >= SQJFRQ` expects at or after the date in SQJFRQ, and the difference is in days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from etl.expressions import Expression
from etl.expressions.render import Renderer
from etl.expressions.syntax import column_name
from etl.rules.definition import Rule
from etl.standard.definition import Table

_SIGNS: dict[type[exp.Expression], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


@dataclass(frozen=True)
class Bound:
    """The item is compared by `sign` with `other`; `holds` is the comparison itself."""

    sign: str
    other: exp.Expression
    holds: exp.Expression


def bounds_of(expect: Expression, item: str) -> list[Bound]:
    """The comparisons of `item` alone against something else that `expect` demands, in the order they are written."""
    found: list[Bound] = []
    _collect(expect.tree, item, found)
    return found


def _collect(node: exp.Expression, item: str, found: list[Bound]) -> None:
    if isinstance(node, exp.Paren):
        _collect(node.this, item, found)
    elif isinstance(node, exp.And):
        _collect(node.this, item, found)
        _collect(node.expression, item, found)
    elif isinstance(node, exp.Or):
        # "empty, or compared so": a value that fails is not empty.
        sides = [side for side in (node.this, node.expression) if not _asks_for_null(side)]
        if len(sides) == 1:
            _collect(sides[0], item, found)
    elif isinstance(node, exp.Between) and _is_item(node.this, item):
        for kind, bound in ((exp.GTE, node.args["low"]), (exp.LTE, node.args["high"])):
            found.append(Bound(_SIGNS[kind], bound, kind(this=node.this, expression=bound)))
    elif type(node) in _SIGNS:
        sign = _SIGNS[type(node)]
        if _is_item(node.this, item) and not _mentions(node.expression, item):
            found.append(Bound(sign, node.expression, node))
        elif _is_item(node.expression, item) and not _mentions(node.this, item):
            found.append(Bound(_MIRRORED[sign], node.this, node))


def _asks_for_null(node: exp.Expression) -> bool:
    node = node.unnest() if isinstance(node, exp.Paren) else node
    return isinstance(node, exp.Is) and isinstance(node.expression, exp.Null)


def _is_item(node: exp.Expression, item: str) -> bool:
    node = node.unnest() if isinstance(node, exp.Paren) else node
    return isinstance(node, exp.Column) and column_name(node) == item


def _mentions(node: exp.Expression, item: str) -> bool:
    return any(column_name(column) == item for column in node.find_all(exp.Column))


def expected_sql(rule: Rule, table: Table, column: Callable[[str], str], private: Callable[[exp.Expression], bool]) -> tuple[str, str]:
    """(expected, difference) as SQL of texts, NULL where the rule does not tell.

    `private(tree)` says whether an expression reads private items: those are neither shown nor subtracted.
    """
    nothing = "CAST(NULL AS VARCHAR)"
    item = table.by_code.get(rule.item)
    if rule.expect is None or item is None or item.assigned:
        return nothing, nothing
    bounds = [b for b in bounds_of(rule.expect, rule.item) if not private(b.other)]
    if rule.expected is not None:
        if private(rule.expected.tree):
            return nothing, nothing
        other = tried(rule.expected.sql(column))
        return f"CAST({other} AS VARCHAR)", _difference(item.type, column(rule.item), other, rule.expected.family, item.privacy)
    render = Renderer(column, None).render
    expected, difference = [], []
    for bound in bounds:
        other, holds = render(bound.other), render(bound.holds)
        sign = "" if bound.sign == "=" else bound.sign + " "
        expected.append(f"WHEN NOT {holds} THEN '{sign}' || CAST({other} AS VARCHAR)")
        amount = _difference(item.type, column(rule.item), other, "date" if item.type == "date" else "number", item.privacy)
        difference.append(f"WHEN NOT {holds} THEN {amount}")
    if not bounds:
        return nothing, nothing
    numeric = item.type != "text" and not item.privacy
    return tried(f"CASE {' '.join(expected)} END"), tried(f"CASE {' '.join(difference)} END") if numeric else nothing


def tried(sql: str) -> str:
    """What was expected may fail to compute for a row; the finding stands all the same. (The engine tries no sub-query.)"""
    return sql if "(SELECT " in sql else f"TRY({sql})"


def _difference(kind: str, value: str, other: str, family: str, privacy: str | None) -> str:
    """Value minus expectation: an amount for numbers, days for dates."""
    if privacy or (kind == "date") != (family == "date") or kind == "text" or family not in ("number", "date"):
        return "CAST(NULL AS VARCHAR)"
    if kind == "date":
        # In days.
        return f"CAST(date_diff('day', {other}, {value}) AS VARCHAR)"
    return amount_sql(f"({value} - {other})")


def amount_sql(sql: str) -> str:
    """A number as text: two places, more only where they say something."""
    return f"CASE WHEN {sql} = round({sql}, 2) THEN CAST(CAST({sql} AS DECIMAL(38,2)) AS VARCHAR) ELSE CAST({sql} AS VARCHAR) END"
