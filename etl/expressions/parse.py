"""Parse an expression, hold it against the columns it may use, infer its type, and render it for the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

import sqlglot
from sqlglot import exp

from etl.errors import EastboundError
from etl.expressions.functions import (
    AGGREGATES, ANY, BOOL, CONVERSIONS, DATE, MEMBERSHIP, NUMBER, PARAMETERS, PLAIN, REGISTERED, TEXT, Function, expand,
)

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
        return _Renderer(column or quote_column, call).render(self.tree)


def quote_column(name: str) -> str:
    """`c.State` -> `"c"."State"`."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


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
    checker = _Checker(text, scope)
    family = checker.family(tree)
    if expect and family not in (expect, ANY):
        raise ExpressionBroken(expression=text, problem_zh=f"结果应为{_zh(expect)}，实为{_zh(family)}", problem_en=f"should give {expect}, gives {family}")
    return Expression(text, tree, family, tuple(dict.fromkeys(checker.columns)), tuple(dict.fromkeys(checker.code_tables)))


_FAMILY_ZH = {TEXT: "文本", NUMBER: "数值", DATE: "日期", BOOL: "真假值", "timestamp": "时间戳", ANY: "任意", "null": "空"}


def _zh(family: str) -> str:
    return _FAMILY_ZH.get(family, family)


_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)


def call_of(node: exp.Expression) -> tuple[str, list[exp.Expression]] | None:
    """Name and arguments of a function call, whatever class the parser gave it; None if it is no call."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower(), list(node.expressions)
    if isinstance(node, exp.Count):
        return "count", [node.this] if node.this is not None else [exp.Star()]
    special: dict[type, tuple[str, tuple[str, ...]]] = {
        exp.Length: ("length", ("this",)), exp.Substring: ("substr", ("this", "start", "length")),
        exp.Upper: ("upper", ("this",)), exp.Lower: ("lower", ("this",)), exp.Trim: ("trim", ("this",)),
        exp.Abs: ("abs", ("this",)), exp.Round: ("round", ("this", "decimals")), exp.Floor: ("floor", ("this",)),
        exp.Ceil: ("ceil", ("this",)), exp.RegexpLike: ("regexp_matches", ("this", "expression")),
        exp.StartsWith: ("starts_with", ("this", "expression")), exp.EndsWith: ("ends_with", ("this", "expression")),
        exp.Contains: ("contains", ("this", "expression")), exp.Nullif: ("nullif", ("this", "expression")),
        exp.Year: ("year", ("this",)), exp.Month: ("month", ("this",)), exp.Day: ("day", ("this",)),
        exp.LastDay: ("last_day", ("this",)), exp.Sum: ("sum", ("this",)), exp.Min: ("min", ("this",)),
        exp.Max: ("max", ("this",)), exp.Avg: ("avg", ("this",)), exp.StrPosition: ("strpos", ("this", "substr")),
        exp.Replace: ("replace", ("this", "expression", "replacement")), exp.AddMonths: ("add_months", ("this", "expression")),
        exp.ByteLength: ("byte_length", ("this",)), exp.MonthsBetween: ("months_between", ("this", "expression")),
    }
    for kind, (name, keys) in special.items():
        if type(node) is kind:
            return name, [node.args[key] for key in keys if node.args.get(key) is not None]
    if isinstance(node, exp.Pad):
        return "lpad", [a for a in (node.this, node.args.get("expression"), node.args.get("fill_pattern")) if a is not None]
    for kind, name in ((exp.Coalesce, "coalesce"), (exp.Least, "least"), (exp.Greatest, "greatest")):
        if isinstance(node, kind):
            return name, [node.this, *node.expressions]
    if isinstance(node, exp.Concat):
        return "concat", list(node.expressions)
    if isinstance(node, exp.Func) and not isinstance(node, (exp.Case, exp.Cast, exp.If, exp.And, exp.Or, exp.Xor)):
        arguments: list[exp.Expression] = []
        for value in node.args.values():
            if isinstance(value, exp.Expression):
                arguments.append(value)
            elif isinstance(value, list):
                arguments.extend(v for v in value if isinstance(v, exp.Expression))
        return node.sql_name().lower(), arguments
    return None


def _unwrap(node: exp.Expression) -> exp.Expression:
    # year(d) and friends are parsed as year(cast(d as date)); the cast is the parser's, not the author's.
    if isinstance(node, (exp.TsOrDsToDate, exp.Paren)):
        return _unwrap(node.this)
    return node


class _Checker:
    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        self.columns: list[str] = []
        self.code_tables: list[str] = []

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
            self.family(node.this)
            if not isinstance(node.expression, (exp.Null, exp.Boolean)) and not (
                isinstance(node.expression, exp.Not) and isinstance(node.expression.this, exp.Null)
            ):
                raise self.fail("IS 之后只能是 NULL / NOT NULL / TRUE / FALSE", "IS takes NULL, NOT NULL, TRUE or FALSE")
            return BOOL
        if isinstance(node, _COMPARISONS):
            self._same(node.this, node.expression)
            return BOOL
        if isinstance(node, exp.Between):
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
        if isinstance(node, _ARITHMETIC):
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
        name = ".".join(part.name for part in node.parts)
        family = self.scope.columns.get(name)
        if family is None:
            near = get_close_matches(name, list(self.scope.columns), 1)
            hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
            raise self.fail(f"没有数据项或列 {name}{hint_zh}", f"there is no item or column {name}{hint_en}")
        self.columns.append(name)
        return family

    def _cast(self, node: exp.Cast) -> str:
        kind = node.to.this
        if kind == exp.DataType.Type.DATE and isinstance(node.this, exp.Literal):
            from datetime import date

            try:
                date.fromisoformat(node.this.name)
            except ValueError:
                raise self.fail(f"DATE '{node.this.name}' 不是有效日期", f"DATE '{node.this.name}' is not a date") from None
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
            map_name = ".".join(part.name for part in arguments[0].parts)
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


class _Renderer:
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
            return self.column(".".join(part.name for part in node.parts))
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
        if isinstance(node, _COMPARISONS):
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
        if isinstance(node, _ARITHMETIC):
            sign = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}[type(node)]
            right = f"nullif({r(node.expression)}, 0)" if sign in "/%" else r(node.expression)
            return f"({r(node.this)} {sign} {right})"
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
            return f"({self.render(arguments[1])} IN (SELECT {column} FROM {schema}.{quote_column(arguments[0].name)}))"
        if self.call:
            first = [".".join(p.name for p in arguments[0].parts)] if name == "code" and isinstance(arguments[0], exp.Column) else []
            rest = arguments[1:] if first else arguments
            special = self.call(name, [*first, *(self.render(a) for a in rest)], node)
            if special is not None:
                return special
        if name in REGISTERED:
            return expand(name, [self.render(a) for a in arguments])
        if name in PARAMETERS:
            return f"getvariable('{name}')::DATE"
        if name == "to_text":
            return f"CAST({self.render(arguments[0])} AS VARCHAR)"
        if name == "count" and isinstance(arguments[0], exp.Star):
            return "count(*)"
        return f"{name}({', '.join(self.render(a) for a in arguments)})"
