"""The syntax tree that the parser gives, read the way the language means it; and quoting."""

from __future__ import annotations

from sqlglot import exp

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)


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
            return name, [node.args[key] for key in keys if node.args.get(key) is not None] + _beyond(node, keys)
    if isinstance(node, exp.Pad):
        return "lpad" if node.args.get("is_left") else "rpad", [a for a in (node.this, node.args.get("expression"), node.args.get("fill_pattern")) if a is not None]
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


def _beyond(node: exp.Expression, keys: tuple[str, ...]) -> list[exp.Expression]:
    # What the author wrote beyond the arguments we know (a flag, a position): to be counted, never to be dropped.
    extra: list[exp.Expression] = []
    for key, value in node.args.items():
        if key not in keys:
            values = value if isinstance(value, list) else [value]
            extra += [exp.Literal.string(v) if isinstance(v, str) else v for v in values if isinstance(v, (exp.Expression, str))]
    return extra


def column_name(node: exp.Expression) -> str:
    """A column as it is written: `BDZT`, or `c.State` with an alias."""
    assert isinstance(node, exp.Column), type(node)
    return ".".join(part.name for part in node.parts)


def quote_column(name: str) -> str:
    """`c.State` -> `"c"."State"`."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
