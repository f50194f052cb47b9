"""Turning source values into what the standard wants, as SQL, with the condition under which each conversion fails."""

from __future__ import annotations

import re

from sqlglot import exp

from etl.engines.local import literal, quote
from etl.engines.types import sql_type
from etl.expressions import Expression
from etl.expressions.blank import clean_text_sql
from etl.expressions.syntax import quote_text
from etl.mapping.definition import CodeMap
from etl.standard.definition import DataItem

# Calls that may fail for a value; the rest of the language cannot.
CONVERTING = ("parse_date", "parse_number", "code")
_CASE_LIMIT = 400
# Digits with an optional sign and point, and what DECIMAL(38,8) holds exactly.
_NUMBER = r"[+-]?([0-9]{1,30}(\.[0-9]{0,8}0*)?|\.[0-9]{1,8}0*)"
# Formats in which one part follows another without a separator read 2024111 as 11 January as well as 1 November.
_RUN_TOGETHER = re.compile(r"%-?[a-zA-Z]%")


class Conversions:
    """Renders expressions of one mapping and remembers the faults they may meet.

    `bad`: (condition, reason, original text) of values that do not convert. `unmapped`: (condition, map, original
    text) of codes without entry. A conversion inside a CASE can only fail where its branch is taken.
    """

    def __init__(self, code_maps: dict[str, CodeMap], system: str) -> None:
        self.bad: list[tuple[str, str, str]] = []
        self.unmapped: list[tuple[str, str, str]] = []
        self._maps, self._system = code_maps, system

    def sql(self, expression: Expression) -> str:
        return expression.sql(column_sql, self._call)

    def item_sql(self, item: DataItem, expression: Expression) -> str:
        """The expression in the item's type."""
        sql = self.sql(expression)
        if item.type == "text":
            return clean_text_sql(sql)
        if item.type in ("decimal", "integer"):
            cast = f"try_cast({sql} AS {sql_type(item)})"
            self.bad.append((f"({sql}) IS NOT NULL AND ({cast} IS NULL OR {cast} <> ({sql}))", "scale", f"CAST({sql} AS VARCHAR)"))
            return cast
        return f"CAST({sql} AS DATE)"

    def filter_sql(self, expression: Expression) -> str:
        """A filter in which a comparison whose value does not convert is NULL (unknown), whatever else it would say."""
        return self._judged(expression.tree)

    def _judged(self, node: exp.Expression) -> str:
        if isinstance(node, exp.Paren):
            return self._judged(node.this)
        if isinstance(node, (exp.And, exp.Or)):
            return f"({self._judged(node.this)} {'AND' if isinstance(node, exp.And) else 'OR'} {self._judged(node.expression)})"
        if isinstance(node, exp.Not):
            return f"(NOT {self._judged(node.this)})"
        before = len(self.bad)
        sql = _part(node).sql(column_sql, self._call)
        unreadable = " OR ".join(f"({condition})" for condition, _, _ in self.bad[before:])
        return f"(CASE WHEN {unreadable} THEN NULL ELSE {sql} END)" if unreadable else sql

    def _call(self, name: str, arguments: list[str], node: exp.Expression) -> str | None:
        if name not in CONVERTING:
            return None
        if name == "code":
            map_name = arguments[0] if "." in arguments[0] else f"{self._system}.{arguments[0]}"
            text = f"CAST({arguments[1]} AS VARCHAR)"
            sql = _lookup(self._maps[map_name], text)
            self.unmapped.append((self._when(node, f"{arguments[1]} IS NOT NULL AND {sql} IS NULL"), map_name, text))
            return sql
        sql = date_sql(*arguments) if name == "parse_date" else number_sql(arguments[0])
        reason = "date" if name == "parse_date" else "number"
        self.bad.append((self._when(node, f"{arguments[0]} IS NOT NULL AND {sql} IS NULL"), reason, arguments[0]))
        return sql

    def _when(self, node: exp.Expression, condition: str) -> str:
        silent = Conversions(self._maps, self._system)
        taken = [_part(part).sql(column_sql, silent._call) for part in _guards(node)]
        return " AND ".join([*(f"coalesce({sql}, FALSE)" for sql in taken), condition])


def _part(node: exp.Expression) -> Expression:
    return Expression("", node)


def _guards(node: exp.Expression) -> list[exp.Expression]:
    """The conditions under which the branches of the CASEs around `node` are taken."""
    guards: list[exp.Expression] = []
    child, parent = node, node.parent
    while parent is not None:
        if isinstance(parent, exp.Case) and child is not parent.this:
            for branch in parent.args["ifs"]:
                condition = branch.this if parent.this is None else exp.EQ(this=parent.this.copy(), expression=branch.this.copy())
                if branch is child:
                    if _is_result(branch, node):
                        guards.append(condition)
                    break
                guards.append(exp.Not(this=_never_null(condition)))
        child, parent = parent, parent.parent
    return guards


def _is_result(branch: exp.Expression, node: exp.Expression) -> bool:
    """True when `node` stands after THEN, not after WHEN."""
    result = branch.args["true"]
    while node is not None and node is not branch:
        if node is result:
            return True
        node = node.parent
    return False


def _never_null(condition: exp.Expression) -> exp.Expression:
    return exp.Coalesce(this=condition.copy(), expressions=[exp.false()])


def column_sql(name: str) -> str:
    alias, _, column = name.partition(".")
    return f"{quote(alias)}.{quote(column)}"


def date_sql(text: str, pattern: str) -> str:
    """The date in a text, NULL where it has none or could mean another one."""
    stamp = f"try_strptime({text}, {pattern})"
    strict = f" AND strftime({stamp}, {pattern}) = {text}" if _RUN_TOGETHER.search(pattern) else ""
    # An engine may take the year 0000 for 1 BC; no core system means that.
    return f"(CASE WHEN {stamp} >= TIMESTAMP '0001-01-01'{strict} THEN CAST({stamp} AS DATE) END)"


def number_sql(text: str) -> str:
    """The number in a text, NULL where it is none or would have to be rounded."""
    return f"(CASE WHEN regexp_full_match({text}, {quote_text(_NUMBER)}) THEN try_cast({text} AS DECIMAL(38,8)) END)"


def _lookup(code_map: CodeMap, text: str) -> str:
    if len(code_map.entries) <= _CASE_LIMIT:
        branches = "".join(f" WHEN {literal(source)} THEN {literal(target)}" for source, target in code_map.entries.items())
        return f"(CASE {text}{branches} END)" if branches else "CAST(NULL AS VARCHAR)"
    pairs = ", ".join(f"{literal(s)}: {literal(t)}" for s, t in code_map.entries.items())
    return f"(MAP {{{pairs}}}[{text}])"
