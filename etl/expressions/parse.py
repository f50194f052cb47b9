"""Parse an expression, hold it against the columns it may use, and infer its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

import sqlglot
from sqlglot import exp

from etl.errors import EastboundError
from etl.expressions.functions import (
    AGGREGATES,
    ANY,
    BOOL,
    CONVERSIONS,
    DATE,
    MEMBERSHIP,
    NUMBER,
    PARAMETERS,
    PLAIN,
    REGISTERED,
    TEXT,
    Function,
)
from etl.expressions.render import Renderer
from etl.expressions.syntax import ARITHMETIC, COMPARISONS, call_of, column_name, quote_column, quote_text

__all__ = [
    "FAMILIES", "Expression", "ExpressionBroken", "Scope", "call_of", "check_tree", "parse_expression", "quote_column", "quote_text",
]

FAMILIES = {"text": TEXT, "integer": NUMBER, "decimal": NUMBER, "date": DATE, "timestamp": "timestamp"}


class ExpressionBroken(EastboundError):
    zh = "表达式 {expression!r}：{problem_zh}"
    en = "expression {expression!r}: {problem_en}"


@dataclass(frozen=True)
class Scope:
    """What an expression may name: columns with their family, and code tables for membership.

    `columns` maps a column as written (`BDZT`, or `c.State` with an alias) to text, number, date, timestamp.
    """

    columns: Mapping[str, str]
    code_tables: frozenset[str] = frozenset()
    aggregates: bool = False
    conversions: bool = False
    code_maps: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Expression:
    """A checked expression: its text, syntax tree, family, and the columns that it uses (as written)."""

    text: str
    tree: exp.Expression = field(repr=False, compare=False)
    family: str = ANY
    columns: tuple[str, ...] = ()
    code_tables: tuple[str, ...] = ()

    def sql(self, column: Callable[[str], str] | None = None, call: Callable[[str, list[str], exp.Expression], str | None] | None = None) -> str:
        """SQL for the engine. `column` renders a column name; `call` may render a call (None = the usual way)."""
        return Renderer(column or quote_column, call).render(self.tree)


def parse_expression(text: object, scope: Scope, expect: str | None = None) -> Expression:
    """Parse and check `text`. Raises ExpressionBroken for syntax, unknown names, wrong types.

    `expect` names the family the whole must have (`bool` for rules), or None for any.
    """
    if not isinstance(text, str):
        text = "TRUE" if text is True else "FALSE" if text is False else str(text)
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        first = str(error).splitlines()[0]
        raise ExpressionBroken(expression=text, problem_zh=f"语法错误：{first}", problem_en=f"syntax error: {first}") from None
    except RecursionError:
        raise ExpressionBroken(expression=text[:60], problem_zh="嵌套过深，请拆分", problem_en="it is nested too deeply; split it") from None
    if any(node.comments for node in tree.walk()):
        raise ExpressionBroken(expression=text, problem_zh="含注释：-- 之后的内容不会被执行；减去负数写作 a - (-b)，注释写在 YAML 的 # 之后",
                               problem_en="it holds a comment: nothing after -- is read; write a - (-b) to subtract a negative number, and comments after # in YAML")
    return check_tree(text, tree, scope, expect)


def check_tree(text: str, tree: exp.Expression, scope: Scope, expect: str | None = None) -> Expression:
    """As `parse_expression`, of a syntax tree or a part of one; `text` is what messages call it."""
    checker = _Checker(text, scope)
    try:
        family = checker.family(tree)
    except RecursionError:
        raise ExpressionBroken(expression=text[:60], problem_zh="嵌套过深，请拆分", problem_en="it is nested too deeply; split it") from None
    if expect and family not in (expect, ANY):
        raise ExpressionBroken(expression=text, problem_zh=f"结果应为{_zh(expect)}，实为{_zh(family)}", problem_en=f"should give {expect}, gives {family}")
    return Expression(text, tree, family, tuple(dict.fromkeys(checker.columns)), tuple(dict.fromkeys(checker.code_tables)))


_FAMILY_ZH = {TEXT: "文本", NUMBER: "数值", DATE: "日期", BOOL: "真假值", "timestamp": "时间戳", ANY: "任意", "null": "空"}


def _zh(family: str) -> str:
    return _FAMILY_ZH.get(family, family)


def _is_date(text: str) -> bool:
    # Python reads more than the engine does, such as 20240131 and 2024-W05-3.
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


class _Checker:
    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        self.columns: list[str] = []
        self.code_tables: list[str] = []
        self.in_aggregate = False

    def fail(self, zh: str, en: str) -> ExpressionBroken:
        return ExpressionBroken(expression=self.text, problem_zh=zh, problem_en=en)

    def family(self, node: exp.Expression) -> str:
        if isinstance(node, (exp.Paren, exp.TsOrDsToDate)):
            return self.family(node.this)
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Literal):
            return TEXT if node.is_string else NUMBER
        if isinstance(node, exp.Boolean):
            return BOOL
        if isinstance(node, exp.Null):
            return "null"
        if isinstance(node, exp.Neg):
            return self._require(node.this, NUMBER)
        if isinstance(node, exp.Cast):
            return self._cast(node)
        if isinstance(node, (exp.And, exp.Or)):
            self._require(node.this, BOOL)
            self._require(node.expression, BOOL)
            return BOOL
        if isinstance(node, exp.Not):
            self._require(node.this, BOOL)
            return BOOL
        if isinstance(node, exp.Is):
            if isinstance(node.expression, exp.Boolean):
                self._require(node.this, BOOL)
            else:
                self.family(node.this)
            if not isinstance(node.expression, (exp.Null, exp.Boolean)) and not (
                isinstance(node.expression, exp.Not) and isinstance(node.expression.this, exp.Null)
            ):
                raise self.fail("IS 之后只能是 NULL / NOT NULL / TRUE / FALSE", "IS takes NULL, NOT NULL, TRUE or FALSE")
            return BOOL
        if isinstance(node, COMPARISONS):
            self._same(node.this, node.expression)
            return BOOL
        if isinstance(node, exp.Between):
            if node.args.get("symmetric"):
                raise self.fail("不允许 BETWEEN SYMMETRIC", "BETWEEN SYMMETRIC is not part of the language")
            self._same(node.this, node.args["low"])
            self._same(node.this, node.args["high"])
            return BOOL
        if isinstance(node, exp.In):
            if node.args.get("query") or node.args.get("unnest") or node.args.get("field"):
                raise self.fail("IN 之后应是值列表；代码表用 in_codes(表, 值)", "IN takes a list of values; for code tables use in_codes(TABLE, value)")
            for value in node.expressions:
                self._same(node.this, value)
            return BOOL
        if isinstance(node, exp.Like):
            self._require(node.this, TEXT)
            self._require(node.expression, TEXT)
            return BOOL
        if isinstance(node, exp.DPipe):
            self._require(node.this, TEXT)
            self._require(node.expression, TEXT)
            return TEXT
        if isinstance(node, ARITHMETIC):
            self._require(node.this, NUMBER)
            self._require(node.expression, NUMBER)
            return NUMBER
        if isinstance(node, exp.Case):
            return self._case(node)
        called = call_of(node)
        if called:
            return self._call(*called)
        raise self.fail(f"不允许 {type(node).__name__}", f"{type(node).__name__} is not part of the language")

    def _column(self, node: exp.Column) -> str:
        name = column_name(node)
        family = self.scope.columns.get(name)
        if family is None:
            near = [c for c in self.scope.columns if c.lower() == name.lower()] or get_close_matches(name, list(self.scope.columns), 1)
            hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
            raise self.fail(f"没有数据项或列 {name}{hint_zh}", f"there is no item or column {name}{hint_en}")
        if self.scope.aggregates and not self.in_aggregate:
            raise self.fail(f"{name} 应放在 sum、count、min、max 等汇总函数之内", f"{name} should be inside sum, count, min, max or another aggregate")
        self.columns.append(name)
        return family

    def _cast(self, node: exp.Cast) -> str:
        kind = node.to.this
        if kind == exp.DataType.Type.DATE and isinstance(node.this, exp.Literal):
            if not _is_date(node.this.name):
                raise self.fail(f"DATE '{node.this.name}' 不是有效日期，应写作 DATE '2024-01-31'", f"DATE '{node.this.name}' is not a date; write DATE '2024-01-31'")
            return DATE
        if kind == exp.DataType.Type.DATE and self.family(node.this) in ("timestamp", DATE):
            return DATE
        raise self.fail("只允许 DATE '2024-01-31' 形式的转换；转文本用 to_text", "the only casts are DATE '2024-01-31' and timestamp to date; for text use to_text")

    def _case(self, node: exp.Case) -> str:
        if node.this is not None:
            for branch in node.args["ifs"]:
                self._same(node.this, branch.this)
        result = "null"
        values = [branch.args["true"] for branch in node.args["ifs"]]
        for branch in node.args["ifs"]:
            if node.this is None:
                self._require(branch.this, BOOL)
        if node.args.get("default") is not None:
            values.append(node.args["default"])
        for value in values:
            family = self.family(value)
            if "null" not in (family, result) and ANY not in (family, result) and family != result:
                raise self.fail(f"CASE 的分支类型不一致：{_zh(result)} 与 {_zh(family)}", f"the branches of CASE differ: {result} and {family}")
            result = family if result in ("null", ANY) else result
        return ANY if result == "null" else result

    def _call(self, name: str, arguments: list[exp.Expression]) -> str:
        if name in MEMBERSHIP:
            if len(arguments) != 2 or not isinstance(arguments[0], exp.Column):
                raise self.fail(f"{name} 应写作 {name}(代码表, 值)", f"{name} is written {name}(CODETABLE, value)")
            table = arguments[0].name
            if table not in self.scope.code_tables:
                near = get_close_matches(table, self.scope.code_tables, 1)
                hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
                raise self.fail(f"没有代码表 {table}{hint_zh}", f"there is no code table {table}{hint_en}")
            self.code_tables.append(table)
            self._require(arguments[1], TEXT)
            return BOOL
        if name == "code" and self.scope.conversions:
            if len(arguments) != 2 or not isinstance(arguments[0], exp.Column):
                raise self.fail("code 应写作 code(对照表, 列)", "code is written code(map, column)")
            map_name = column_name(arguments[0])
            if self.scope.code_maps and not self.scope.code_maps(map_name):
                raise self.fail(f"没有代码对照表 {map_name}", f"there is no code map {map_name}")
            self.family(arguments[1])
            return TEXT
        function = self._function(name)
        if function is None:
            known = [*PLAIN, *REGISTERED, *PARAMETERS, *MEMBERSHIP]
            near = get_close_matches(name, known, 1)
            hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
            raise self.fail(f"没有函数 {name}{hint_zh}", f"there is no function {name}{hint_en}")
        return self._arguments(function, arguments)

    def _function(self, name: str) -> Function | None:
        found = PLAIN.get(name) or REGISTERED.get(name) or PARAMETERS.get(name)
        if found is None and self.scope.aggregates:
            found = AGGREGATES.get(name)
        if found is None and self.scope.conversions:
            found = CONVERSIONS.get(name)
        return found

    def _arguments(self, function: Function, arguments: list[exp.Expression]) -> str:
        if function.name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            return NUMBER
        wanted = list(function.arguments)
        repeats = bool(wanted) and wanted[-1].endswith("*")
        if repeats:
            wanted = [w.rstrip("*") for w in wanted]
        least, most = len(wanted) - function.optional - (1 if repeats else 0), None if repeats else len(wanted)
        if len(arguments) < least or (most is not None and len(arguments) > most):
            raise self.fail(f"{function.name} 的参数个数不对", f"{function.name} takes {len(wanted)} argument(s), not {len(arguments)}")
        if function.name in AGGREGATES:
            if self.in_aggregate:
                raise self.fail(f"汇总函数不能嵌套：{function.name}", f"an aggregate inside an aggregate: {function.name}")
            self.in_aggregate = True
            try:
                return self._families(function, wanted, arguments)
            finally:
                self.in_aggregate = False
        return self._families(function, wanted, arguments)

    def _families(self, function: Function, wanted: list[str], arguments: list[exp.Expression]) -> str:
        families: list[str] = []
        for index, argument in enumerate(arguments):
            family = wanted[min(index, len(wanted) - 1)]
            families.append(self._require(argument, family) if family != ANY else self.family(argument))
        if function.result != ANY:
            return function.result
        known = [f for f in families if f not in (ANY, "null")]
        if known and any(f != known[0] for f in known):
            raise self.fail(f"{function.name} 的参数类型不一致：{'、'.join(map(_zh, known))}", f"the arguments of {function.name} differ: {', '.join(known)}")
        return known[0] if known else ANY

    def _require(self, node: exp.Expression, family: str) -> str:
        actual = self.family(node)
        if actual not in (family, ANY, "null"):
            raise self.fail(f"{node.sql()} 应为{_zh(family)}，实为{_zh(actual)}", f"{node.sql()} should be {family}, is {actual}")
        return family

    def _same(self, left: exp.Expression, right: exp.Expression) -> None:
        a, b = self.family(left), self.family(right)
        if "null" in (a, b):
            raise self.fail("与 NULL 比较永不成立，请用 IS NULL", "comparing with NULL is never true; use IS NULL")
        if ANY not in (a, b) and a != b:
            raise self.fail(f"不能比较{_zh(a)}（{left.sql()}）与{_zh(b)}（{right.sql()}）", f"cannot compare {a} ({left.sql()}) with {b} ({right.sql()})")
