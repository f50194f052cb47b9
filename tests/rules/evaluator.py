"""Rules judged slowly and in plain Python, and random rows made to hit their edges."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
from slow_evaluator import Evaluator
from sqlglot import exp

from etl.expressions.blank import clean_text
from etl.expressions.reference import TWINS
from etl.rules.definition import Rule
from etl.standard import DataItem, Standard, Table

Row = dict[str, Any]

# How a data item's values come into the engine.
ARROW = {"text": lambda item: pa.string(), "integer": lambda item: pa.int64(), "date": lambda item: pa.date32(),
         "decimal": lambda item: pa.decimal128(max(item.length, item.scale + 1), item.scale)}

# Of both sexes, one of them with X, one born before 1900, two on leap days, one in a year to come.
GOOD_IDS = ("11010519491231002X", "440524188001010014", "110101199003074493", "350203201502280016", "440300199003074427", "110101200002290018", "110101299912310017")
# Check digit; year 0000, 29 and 30 February, 31 April, month 13 and 0, day 0, all with the right check digit; area; case, length, start, width, inside.
BAD_IDS = (
    "110105194912310021", "110105000012310026", "110105202402300017", "110101190002290011", "110101202302290019", "110101202404310017", "110101202413010016",
    "110101202400100012", "110101202401000013", "110101000012310012", "010101199003070018", "11010519491231002x", "1101051949123100", "1101051949123100210",
    "A1010519491231002X", "１10105194912310021", "+1010519491231002X", "-10105194912310021", "1101051949123100e1", "1101051949.1231002", "11010519491231 02X", "1101051949123100XX",
    # As a number it is the good 110101197001070000.
    "1.1010119700107e17",
)
CREDIT_CODES = ("91350100M000100Y43", "91350100M000100Y44", "91350100I000100Y43", "９1350100M000100Y43", "91350100m000100y43")
PHONES = ("13800138000", "12800138000", "1380013800", "１３８００１３８０００", "010-88886666", "0755-26668888", "4008-888-888", "+85261234567")
ODD_TEXTS = (
    "", " ", "\u3000", "\u00a0\u3000 ", "0", "-1", "０", "ＡＢＣ１２３", "张三", " 张三\u3000", "\u00a0张 三", "张\u3000三", "张三\n", "\t张三", "a\x01b", "\x7f", "𠮷田", "O'Brien", "50%",
    "a_b", "a\\b", "null", "NULL", "测试", "无", "未知", "其他", "999999", "000000", "1234567890", "2026", "202610", "abcxyz", "ABCXYZ", "x" * 40, "\u200b", "é",
)
LAST = date(9999, 12, 31)


class Judge:
    """The verdict on a row, straight from the definition of a row rule."""

    def __init__(self, standard: Standard, day: date, parameters: dict[str, date]) -> None:
        codes: dict[str, dict[str, set[str]]] = {"in_codes": {}, "in_texts": {}, "in_codes_ever": {}, "in_texts_ever": {}}
        for table in standard.codes.values():
            for ending, values in (("", table.on(day)), ("_ever", table.values)):
                codes[f"in_codes{ending}"][table.code] = {value.code for value in values}
                codes[f"in_texts{ending}"][table.code] = {value.name for value in values}
        self.evaluator = Evaluator(codes, parameters)

    def judged(self, rule: Rule, row: Row) -> bool | None:
        """What the rule's expectation is for the row; None: the rule does not apply to it or cannot tell."""
        if rule.when is not None and self.evaluator.value(rule.when.tree, row) is not True:
            return None
        assert rule.expect is not None
        return self.evaluator.value(rule.expect.tree, row)

    def verdict(self, rule: Rule, row: Row, judged: bool | None) -> bool | None:
        """True: the row passes; False: it is a finding; None: neither."""
        # An empty value whose code could not be mapped is told once, by the finding about the code map.
        return None if judged is False and rule.family == "required" and rule.item in row["_unmapped"] else judged


def cleaned(table: Table, row: Row) -> Row:
    """The row as the house reads it."""
    texts = {item.code for item in table.mapped_items if item.type == "text"}
    return {name: clean_text(value) if name in texts else value for name, value in row.items()}


class Rows:
    """Random rows of one table. Their values come from what the rules speak of, and from just beside it."""

    def __init__(self, standard: Standard, table: Table, rules: Sequence[Rule], parameters: dict[str, date], seed: int) -> None:
        self.random = random.Random(f"{seed} {standard.name} {table.code}")
        self.standard, self.table, self.rules, self.parameters = standard, table, rules, parameters
        self.items = {item.code: item for item in table.mapped_items}
        self.by_type: dict[str, list[str]] = {}
        for item in table.mapped_items:
            self.by_type.setdefault(item.type, []).append(item.code)
        # The product of two decimals has 18 digits on the engine: a rule on which it overflows is errored, which is no verdict.
        products = [node for rule in rules for e in (rule.when, rule.expect) if e for node in e.tree.find_all(exp.Mul)]
        self.multiplied = {column.name for node in products for column in node.find_all(exp.Column)}
        self.pools = {item.code: self._pool(item) for item in table.mapped_items}

    def plain(self, count: int) -> list[Row]:
        """Rows of independent values: rules of several items rarely apply to them."""
        return [self._row({}) for _ in range(count)]

    def at_the_edges(self) -> list[Row]:
        """Rows in which every text is missing, too long by little or by much, or holds what no file may carry."""
        made: list[Row] = []
        for odd in (lambda item: None, lambda item: "x" * (item.length + 1), lambda item: "长" * (item.length // 3 + 1), lambda item: "张\x01三", lambda item: "张三\n"):
            given = {item.code: odd(item) for item in self.items.values() if item.type == "text" and item.length < 4100}
            made += [self._row({name: value for name, value in given.items() if self.random.random() < 0.5}), self._row(given)]
        return made

    def near_examples(self) -> list[Row]:
        """For every example of a rule: a row that has its values, and one with a value of those changed; the rest is random."""
        rows = []
        for rule in self.rules:
            items = dict.fromkeys(name for e in (rule.when, rule.expect) if e for name in e.columns)
            for example in (*rule.examples_pass, *rule.examples_fail):
                given = dict.fromkeys(items) | {name: self._number(name, value) for name, value in example.items()}
                rows.append(self._row(given))
                if given:
                    changed = self.random.choice(list(given))
                    rows.append(self._row({**given, changed: self._draw(changed, given)}))
        return rows

    def _row(self, given: Row) -> Row:
        row = dict(given)
        for name in self.random.sample(list(self.items), len(self.items)):
            if name not in row:
                row[name] = self._draw(name, row)
        empty = [name for name, value in row.items() if value is None]
        row["_unmapped"] = self.random.sample(empty, min(len(empty), 2)) if self.random.random() < 0.2 else []
        return row

    def _number(self, name: str, value: Any) -> Any:
        return Decimal(repr(value)) if isinstance(value, float) else value

    def _draw(self, name: str, row: Row) -> Any:
        item, chance = self.items[name], self.random.random()
        if chance < 0.15:
            return None
        others = [row[other] for other in self.by_type[item.type] if row.get(other) is not None]
        if others and chance < 0.35:
            value = self.random.choice(others)
            if item.type == "date" and self.random.random() < 0.5:
                value = shifted(value, self.random.choice((-366, -1, 1, 15, 31, 365)))
            elif item.type != "text" and item.type != "date" and self.random.random() < 0.5:
                value = self.random.choice((-value, value + 1, value - 1, value * 2))
            if self._fits(item, value):
                return value
        return self.random.choice(self.pools[name])

    def _fits(self, item: DataItem, value: Any) -> bool:
        if item.type in ("text", "date"):
            return True
        scale = item.scale if item.type == "decimal" else 0
        whole = min(max(item.length - scale, 1) if item.type == "decimal" else 15, 5 if item.code in self.multiplied else 15)
        return abs(value) < Decimal(10) ** whole and value == round(Decimal(value), scale)

    def _pool(self, item: DataItem) -> list[Any]:
        spoken = [node for rule in self.rules for e in (rule.when, rule.expect) if e and item.code in e.columns for node in e.tree.walk()]
        if item.type == "text":
            return self._texts(item, spoken)
        if item.type == "date":
            found = [date.fromisoformat(node.this.name) for node in spoken if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal)]
            found += [*self.parameters.values(), date(2024, 2, 29), date(2023, 2, 28), date(1900, 1, 1), date(2000, 2, 29)]
            births = [TWINS["id_birth_date"](text) for text in GOOD_IDS]
            return [*(shifted(day, by) for day in found for by in (-1, 0, 1)), *births, LAST, LAST, LAST, date(1, 1, 1)]
        step = Decimal(1).scaleb(-item.scale) if item.type == "decimal" else 1
        spoken_numbers = [Decimal(node.name) for node in spoken if isinstance(node, exp.Literal) and not node.is_string]
        numbers = [Decimal(0), Decimal(0), Decimal(100), Decimal("0.5"), Decimal("1000000"), *spoken_numbers, *(-n for n in spoken_numbers)]
        drawn = [Decimal(self.random.randint(-10**8, 10**8)).scaleb(-item.scale if item.type == "decimal" else 0) for _ in range(8)]
        near = [n + by for n in dict.fromkeys(numbers) for by in (-step, 0, step)]
        fitting = [n for n in (*near, *drawn) if self._fits(item, n)]
        return [int(n) if item.type == "integer" else n for n in fitting]

    def _texts(self, item: DataItem, spoken: Sequence[exp.Expression]) -> list[str]:
        found = list(dict.fromkeys(node.name for node in spoken if isinstance(node, exp.Literal) and node.is_string and len(node.name) < 60))
        calls = {str(node.this) for node in spoken if isinstance(node, exp.Anonymous)}
        tables = {node.expressions[0].name for node in spoken if isinstance(node, exp.Anonymous) and str(node.this).startswith("in_")}
        if item.codes:
            tables.add(item.codes)
        for code in sorted(tables & self.standard.codes.keys()):
            values = self.standard.codes[code].values
            chosen = self.random.sample(values, min(len(values), 6))
            found += [text for value in chosen for text in ((value.name,) * 2 + (value.code,) if item.send == "text" else (value.code,) * 2 + (value.name,))]
        found += [*item.allow, *([item.default] if isinstance(item.default, str) else [])]
        if calls & {"is_id_card", "id_birth_date", "id_sex", "id_area"}:
            found += [*GOOD_IDS, *GOOD_IDS, *BAD_IDS]
            found += [text[:6] for text in GOOD_IDS]
        if "is_uscc" in calls:
            found += [*CREDIT_CODES[:1] * 3, *CREDIT_CODES]
        if "is_mobile" in calls:
            found += PHONES
        beside = [f(text) for text in found for f in (lambda t: f" {t}\u3000", lambda t: t + "0", lambda t: t[:-1])]
        odd = [*ODD_TEXTS, *self.random.sample((*GOOD_IDS, *BAD_IDS, *CREDIT_CODES, *PHONES), 3)]
        if item.length < 4100:
            # One byte more than fits, just what fits, and too many characters of three bytes.
            odd += ["x" * (item.length + 1), "x" * item.length, "长" * (item.length // 3 + 1), "长" * (item.length // 3), "长" * (item.length + 1)]
        return found * max(1, len(odd) // max(1, len(found))) + self.random.sample(beside, min(len(beside), len(odd))) + odd


def shifted(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, 1), LAST.toordinal()))
