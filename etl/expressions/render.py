"""SQL for the engine from the syntax tree of a checked expression."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from etl.expressions.blank import trim_sql
from etl.expressions.functions import MEMBERSHIP, PARAMETERS, REGISTERED, expand
from etl.expressions.syntax import ARITHMETIC, COMPARISONS, call_of, column_name, quote_column, quote_text


class Renderer:
    """SQL of a checked tree. `column` renders a column name; `call` may render a call (None = the usual way).

    Whatever could bind otherwise in its surroundings comes in parentheses.
    """

    def __init__(self, column: Callable[[str], str], call: Callable[[str, list[str], exp.Expression], str | None] | None) -> None:
        self.column = column
        self.call = call

    def render(self, node: exp.Expression) -> str:
        r = self.render
        if isinstance(node, exp.Paren):
            return f"({r(node.this)})"
        if isinstance(node, exp.TsOrDsToDate):
            return r(node.this)
        if isinstance(node, exp.Column):
            return self.column(column_name(node))
        if isinstance(node, exp.Literal):
            return quote_text(node.name) if node.is_string else node.name
        if isinstance(node, exp.Boolean):
            return "TRUE" if node.this else "FALSE"
        if isinstance(node, exp.Null):
            return "NULL"
        if isinstance(node, exp.Neg):
            return f"(-{r(node.this)})"
        if isinstance(node, exp.Cast):
            return f"DATE {quote_text(node.this.name)}" if isinstance(node.this, exp.Literal) else f"CAST({r(node.this)} AS DATE)"
        if isinstance(node, exp.And):
            return f"({r(node.this)} AND {r(node.expression)})"
        if isinstance(node, exp.Or):
            return f"({r(node.this)} OR {r(node.expression)})"
        if isinstance(node, exp.Not):
            return f"(NOT {r(node.this)})"
        if isinstance(node, exp.Is):
            other = node.expression
            tail = "NOT NULL" if isinstance(other, exp.Not) else r(other)
            return f"({r(node.this)} IS {tail})"
        if isinstance(node, COMPARISONS):
            sign = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
                    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM"}[type(node)]
            return f"({r(node.this)} {sign} {r(node.expression)})"
        if isinstance(node, exp.Between):
            return f"({r(node.this)} BETWEEN {r(node.args['low'])} AND {r(node.args['high'])})"
        if isinstance(node, exp.In):
            return f"({r(node.this)} IN ({', '.join(r(v) for v in node.expressions)}))"
        if isinstance(node, exp.Like):
            return f"({r(node.this)} LIKE {r(node.expression)})"
        if isinstance(node, exp.DPipe):
            return f"({r(node.this)} || {r(node.expression)})"
        if isinstance(node, ARITHMETIC):
            sign = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}[type(node)]
            right = f"nullif({r(node.expression)}, 0)" if sign in "/%" else r(node.expression)
            # The engine gives a product of two short decimals no more digits than they have, and breaks where it needs them.
            left = f"({r(node.this)} + CAST(0 AS DECIMAL(38, 0)))" if sign == "*" else r(node.this)
            return f"({left} {sign} {right})"
        if isinstance(node, exp.Case):
            head = f" {r(node.this)}" if node.this is not None else ""
            branches = "".join(f" WHEN {r(b.this)} THEN {r(b.args['true'])}" for b in node.args["ifs"])
            tail = f" ELSE {r(node.args['default'])}" if node.args.get("default") is not None else ""
            return f"(CASE{head}{branches}{tail} END)"
        called = call_of(node)
        assert called is not None, type(node)
        return self._call(node, *called)

    def _call(self, node: exp.Expression, name: str, arguments: list[exp.Expression]) -> str:
        if name in MEMBERSHIP:
            schema, column = MEMBERSHIP[name]
            value = self.render(arguments[1])
            # Nothing is "not in" an empty table either, as long as it is unknown: SQL has it FALSE.
            return f"(CASE WHEN {value} IS NOT NULL THEN {value} IN (SELECT {column} FROM {schema}.{quote_column(arguments[0].name)}) END)"
        if name == "count" and isinstance(arguments[0], exp.Star):
            return "count(*)"
        # Rendered once: `call` may take note of what it renders.
        if name == "code" and isinstance(arguments[0], exp.Column):
            parts = [column_name(arguments[0]), *(self.render(a) for a in arguments[1:])]
        else:
            parts = [self.render(a) for a in arguments]
        special = self.call(name, parts, node) if self.call else None
        if special is not None:
            return special
        if name in REGISTERED:
            return expand(name, parts)
        if name in PARAMETERS:
            return f"getvariable('{name}')::DATE"
        if name == "to_text":
            return f"CAST({parts[0]} AS VARCHAR)"
        if name == "trim":
            return trim_sql(parts[0])
        if name == "any_of":
            # The smallest value, so that the same rows always give the same answer.
            return f"min({parts[0]})"
        return f"{name}({', '.join(parts)})"
