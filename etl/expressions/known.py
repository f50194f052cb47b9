"""When is the outcome of an expression known? SQL that is TRUE exactly where the expression is not NULL.

A rule that compares an empty item cannot judge its row: the comparison is NULL. How many rows a rule could judge is part
of its outcome, and counting them should not cost what judging them costs. So the condition is worked out from the
syntax tree: most of the time it only asks whether some items are empty. Where the tree does not tell, the expression
itself is evaluated; the answer is exact either way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlglot import exp

from etl.expressions.functions import MEMBERSHIP, PARAMETERS, PLAIN, REGISTERED
from etl.expressions.render import Renderer
from etl.expressions.syntax import ARITHMETIC, COMPARISONS, call_of, column_name

TRUE = "TRUE"
# NULL although no argument is NULL.
_SOMETIMES = {"id_birth_date", "id_sex", "id_area"}
# These, and those that are not NULL although an argument is.
_PECULIAR = _SOMETIMES | {"nullif", "coalesce", "least", "greatest", "concat"}
STRICT = frozenset(set(PLAIN) | set(REGISTERED)) - _PECULIAR


Call = Callable[[str, list[str], exp.Expression], "str | None"]


@dataclass(frozen=True)
class Known:
    """`sql` is TRUE where the expression has a value, `TRUE` where it always has one.

    With `doubtful` it may also be TRUE where the expression is NULL nevertheless: a function in it may know nothing of
    a value that is there, as `id_birth_date` of a passport number.
    """

    sql: str
    doubtful: bool = False


def known(tree: exp.Expression, column: Callable[[str], str], call: Call | None = None, never_null: Collection[str] = (), optimistic: bool = False) -> Known:
    """When `tree` has a value. `never_null` are columns without empty values.

    Functions that may know nothing of a value are evaluated; with `optimistic` they are not, and the answer is doubtful.
    """
    reader = _Known(column, call, frozenset(never_null), optimistic)
    return Known(reader.known(tree), reader.doubtful)


def all_of(conditions: list[str]) -> str:
    """The conditions joined by AND, each once, without those that always hold."""
    kept = list(dict.fromkeys(c for c in conditions if c != TRUE))
    return TRUE if not kept else kept[0] if len(kept) == 1 else "(" + " AND ".join(kept) + ")"


def any_of(conditions: list[str]) -> str:
    """The conditions joined by OR; `TRUE` where one of them always holds."""
    if TRUE in conditions:
        return TRUE
    kept = list(dict.fromkeys(conditions))
    return kept[0] if len(kept) == 1 else "(" + " OR ".join(kept) + ")"


class _Known:
    def __init__(self, column: Callable[[str], str], call: Call | None, never_null: frozenset[str], optimistic: bool) -> None:
        self.renderer = Renderer(column, call)
        self.never_null, self.optimistic, self.doubtful = never_null, optimistic, False

    def known(self, node: exp.Expression) -> str:
        if isinstance(node, (exp.Paren, exp.TsOrDsToDate, exp.Not, exp.Neg, exp.Cast)):
            return self.known(node.this)
        if isinstance(node, exp.Column):
            return TRUE if column_name(node) in self.never_null else f"({self.renderer.render(node)} IS NOT NULL)"
        if isinstance(node, (exp.Literal, exp.Boolean, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ)):
            return TRUE
        if isinstance(node, (exp.Div, exp.Mod)):
            # The language has NULL for a division by zero.
            divisor = node.expression
            zero = TRUE if isinstance(divisor, exp.Literal) and float(divisor.name) != 0 else f"({self.renderer.render(divisor)} <> 0)"
            return all_of([self.known(node.this), self.known(divisor), zero])
        if isinstance(node, (*COMPARISONS, *ARITHMETIC, exp.Like, exp.DPipe)):
            return all_of([self.known(node.this), self.known(node.expression)])
        if isinstance(node, exp.Between):
            bounds = [self.known(node.args["low"]), self.known(node.args["high"])]
            # Beyond one bound the outcome is known although the other is empty.
            return self.known(node.this) if bounds == [TRUE, TRUE] else self.evaluated(node)
        if isinstance(node, exp.In):
            return self.known(node.this) if all(isinstance(v, exp.Literal) for v in node.expressions) else self.evaluated(node)
        if isinstance(node, (exp.And, exp.Or)):
            return self.junction(node)
        called = call_of(node)
        return self.call(node, *called) if called else self.evaluated(node)

    def junction(self, node: exp.And | exp.Or) -> str:
        """Known where both sides are, or where one of them decides alone."""
        sides = [node.this, node.expression]
        known = [self.known(side) for side in sides]
        if known[0] == known[1]:
            return known[0]
        # A side that decides is itself known: it says nothing new where the other side is always known.
        deciding = [self.deciding(node, side) for side, other in zip(sides, reversed(known), strict=True) if other != TRUE]
        return any_of([all_of(known), *deciding])

    def deciding(self, node: exp.And | exp.Or, side: exp.Expression) -> str:
        sql = self.renderer.render(side)
        return f"(coalesce({sql}, FALSE))" if isinstance(node, exp.Or) else f"(NOT coalesce({sql}, TRUE))"

    def call(self, node: exp.Expression, name: str, arguments: list[exp.Expression]) -> str:
        if name in PARAMETERS:
            return TRUE
        if name in MEMBERSHIP:
            return self.known(arguments[1])
        if name in STRICT:
            return all_of([self.known(argument) for argument in arguments])
        if name in ("coalesce", "least", "greatest"):
            return any_of([self.known(argument) for argument in arguments])
        if name in _SOMETIMES and self.optimistic:
            self.doubtful = True
            return all_of([self.known(argument) for argument in arguments])
        return self.evaluated(node)

    def evaluated(self, node: exp.Expression) -> str:
        return f"({self.renderer.render(node)} IS NOT NULL)"
