"""The naive statement: one scan, a list with a CASE WHEN for every rule, filtered and unnested.

This is how the product once compiled its row rules. It is kept as it was, functions and all, so that whatever the
product learns can be measured against it; it shares nothing with `etl.rules.compile` that could make it faster too.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from etl.engines.local import literal, quote
from etl.expressions import Expression
from etl.expressions.functions import MEMBERSHIP
from etl.expressions.render import Renderer
from etl.rules.definition import Rule

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"

_id_sum = " + ".join(f"(ascii(substr({{0}}, {place + 1}, 1)) - 48) * {weight}" for place, weight in enumerate(_ID_WEIGHTS))
_ID_SHAPE = "regexp_full_match({0}, '[1-9][0-9]{{5}}[12][0-9]{{10}}[0-9X]')"
_ID_DATE = "try_cast(substr({0}, 7, 4) || '-' || substr({0}, 11, 2) || '-' || substr({0}, 13, 2) AS DATE)"
_uscc_sum = " + ".join(f"(strpos('{_USCC_ALPHABET}', substr({{0}}, {place + 1}, 1)) - 1) * {weight}" for place, weight in enumerate(_USCC_WEIGHTS))

# The registered functions as plain SQL over their arguments.
FUNCTIONS = {
    "is_id_card": (f"CASE WHEN {{0}} IS NULL THEN NULL WHEN NOT {_ID_SHAPE} THEN FALSE WHEN {_ID_DATE} IS NULL THEN FALSE "
                   f"ELSE substr('10X98765432', (({_id_sum}) % 11) + 1, 1) = substr({{0}}, 18, 1) END"),
    "id_birth_date": f"CASE WHEN {_ID_SHAPE} THEN {_ID_DATE} END",
    "id_sex": f"CASE WHEN {_ID_SHAPE} THEN CASE WHEN (ascii(substr({{0}}, 17, 1)) - 48) % 2 = 1 THEN '男性' ELSE '女性' END END",
    "id_area": f"CASE WHEN {_ID_SHAPE} THEN substr({{0}}, 1, 6) END",
    "is_uscc": ("CASE WHEN {0} IS NULL THEN NULL WHEN NOT regexp_full_match({0}, '[0-9A-HJ-NPQRTUWXY]{{18}}') THEN FALSE "
                f"ELSE substr('{_USCC_ALPHABET}', ((31 - ({_uscc_sum}) % 31) % 31) + 1, 1) = substr({{0}}, 18, 1) END"),
    "is_mobile": "regexp_full_match({0}, '1[3-9][0-9]{{9}}')",
    "is_chinese_text": "NOT regexp_matches({0}, '[\\x00-\\x7F]')",
    "has_full_width": "regexp_matches({0}, '[\\x{{FF01}}-\\x{{FF5E}}\\x{{3000}}]')",
    "is_plain_text": ("NOT regexp_matches({0}, '[\\x00-\\x1F\\x7F]|^[\\x{{20}}\\x{{A0}}\\x{{3000}}]|[\\x{{20}}\\x{{A0}}\\x{{3000}}]$')"),
    "byte_length": "strlen({0})",
    "years_between": "(CASE WHEN {1} >= {0} THEN date_sub('year', {0}, {1}) ELSE -date_sub('year', {1}, {0}) END)",
    "add_days": ("CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN CAST(greatest(least({0} + to_days(CAST(greatest(least({1}, 4000000), "
                 "-4000000) AS INTEGER)), TIMESTAMP '9999-12-31'), TIMESTAMP '0001-01-01') AS DATE) END"),
}


class NaiveRenderer(Renderer):
    """SQL with every function spelt out where it is called, and every membership as a sub-query of its own."""

    def __init__(self) -> None:
        super().__init__(lambda name: f"t.{quote(name)}", None)

    def _call(self, node: exp.Expression, name: str, arguments: list[exp.Expression]) -> str:
        if name in MEMBERSHIP:
            schema, column = MEMBERSHIP[name]
            value = self.render(arguments[1])
            return f"(CASE WHEN {value} IS NOT NULL THEN {value} IN (SELECT {column} FROM {schema}.{quote(arguments[0].name)}) END)"
        if name in FUNCTIONS:
            return "(" + FUNCTIONS[name].format(*(f"({self.render(argument)})" for argument in arguments)) + ")"
        return super()._call(node, name, arguments)


def naive_sql(expression: Expression) -> str:
    return NaiveRenderer().render(expression.tree)


def naive_condition(rule: Rule) -> str:
    """TRUE for a row that breaks the row rule."""
    assert rule.expect is not None
    condition = f"NOT {naive_sql(rule.expect)}"
    return f"{naive_sql(rule.when)} AND {condition}" if rule.when else condition


def naive_statement(table: str, rules: Sequence[Rule]) -> str:
    """`rule` and `row` of every finding, in one scan of `data.<table>`."""
    cases = ",\n    ".join(f"CASE WHEN {naive_condition(rule)} THEN {literal(rule.id)} END" for rule in rules)
    return (f"SELECT unnest(_failed) AS rule, _row AS \"row\" FROM (\n  SELECT t._row, list_filter([\n    {cases}\n  ], lambda x: x IS NOT NULL) AS _failed\n"
            f"  FROM data.{quote(table)} AS t) WHERE len(_failed) > 0")
