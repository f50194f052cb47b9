"""Rules that a standard implies by itself: required, length, code table, characters, primary and foreign keys."""

from __future__ import annotations

from etl.expressions import Scope, parse_expression
from etl.expressions.parse import quote_text
from etl.rules.definition import Relation, Rule
from etl.rules.loader import item_scope
from etl.standard.definition import DataItem, Standard, Table


def derived_rules(standard: Standard, table: Table) -> list[Rule]:
    """The derived rules of one table. TYPE, MAP and JOIN findings come from standardising; see `stage_rule`."""
    scope = item_scope(table, standard)
    rules: list[Rule] = []
    for item in table.mapped_items:
        rules.extend(_item_rules(standard, table, item, scope))
    keys = tuple(item.code for item in table.key_items)
    rules.append(Rule(
        id=f"{standard.prefix}-{table.code}-UNQ", table=table.code, item=keys[0], family="primary_key", severity="error", origin="derived",
        unique=keys, message={"zh": f"主键 {'+'.join(keys)} 重复", "en": f"the key {'+'.join(keys)} occurs more than once"},
        expected_text="unique " + " + ".join(keys)))
    return rules


def stage_rule(standard: Standard, table: str, item: str, suffix: str) -> Rule:
    """The rule behind a finding that standardising itself makes: TYPE, MAP or JOIN."""
    messages = {
        "TYPE": ("type", {"zh": f"{item} 的原值无法转换为标准要求的类型，该行已搁置", "en": f"{item}: the source value cannot be converted to the standard's type; the row is set aside"}),
        "MAP": ("mapping", {"zh": f"{item} 的来源代码在代码对照表中没有对应值", "en": f"{item}: the source code has no entry in the code map"}),
        "JOIN": ("join", {"zh": f"{item} 关联到多条来源记录，取数不唯一", "en": f"{item}: the source join meets more than one record"}),
    }
    family, message = messages[suffix]
    return Rule(id=f"{standard.prefix}-{table}-{item}-{suffix}", table=table, item=item, family=family, severity="error", message=message, origin="derived")


def _item_rules(standard: Standard, table: Table, item: DataItem, scope: Scope) -> list[Rule]:
    base = f"{standard.prefix}-{table.code}-{item.code}"
    name = item.name.get("zh", item.code)
    rules: list[Rule] = []

    def add(suffix: str, family: str, expect: str, zh: str, en: str, expected: str) -> None:
        rules.append(Rule(
            id=f"{base}-{suffix}", table=table.code, item=item.code, family=family, severity="error", origin="derived",
            expect=parse_expression(expect, scope, "bool"), message={"zh": zh, "en": en}, expected_text=expected,
            path=str(table.path or ""), line=item.line))

    if item.required:
        add("REQ", "required", f"{item.code} IS NOT NULL", f"{name}必填", f"{item.code} is required", "not empty")
    if item.type == "text":
        measure = "byte_length" if standard.format.length_unit == "bytes" else "length"
        unit = ("字节", "bytes") if measure == "byte_length" else ("字符", "characters")
        add("LEN", "length", f"{measure}({item.code}) <= {item.length}", f"{name}超长，最多 {item.length} {unit[0]}",
            f"{item.code} is longer than {item.length} {unit[1]}", f"<= {item.length} {unit[1]}")
        add("FMT", "format", f"is_plain_text({item.code})",
            f"{name}含控制字符、分隔符或首尾空白", f"{item.code} holds a control or separator character, or blanks at its ends", "no control characters")
    if item.codes and item.codes in standard.codes:
        test = f"{'in_texts' if item.send == 'text' else 'in_codes'}({item.codes}, {item.code})"
        allowed = list(item.allow) + ([item.default] if isinstance(item.default, str) and item.default not in item.allow else [])
        if allowed:
            test += f" OR {item.code} IN ({', '.join(map(quote_text, allowed))})"
        add("CODE", "code_table", test, f"{name}不在业务代码表 {item.codes} 中", f"{item.code} is not in code table {item.codes}", f"in code table {item.codes}")
    if item.refs and item.refs.table in standard.tables:
        conditions = [f"({item.refs.when})"] if item.refs.when else []
        if item.refs.exceptions:
            conditions.append(f"{item.code} NOT IN ({', '.join(map(quote_text, item.refs.exceptions))})")
        rules.append(Rule(
            id=f"{base}-REF", table=table.code, item=item.code, family="reference", severity="error", origin="derived",
            when=parse_expression(" AND ".join(conditions), scope, "bool") if conditions else None,
            relation=Relation(item.refs.table, {item.code: item.refs.item}),
            message={"zh": f"{name}在 {item.refs.table}.{item.refs.item} 中不存在", "en": f"{item.code} does not exist as {item.refs.table}.{item.refs.item}"},
            expected_text=f"exists as {item.refs.table}.{item.refs.item}", path=str(table.path or ""), line=item.line))
    return rules


def all_rules(standard: Standard, authored: list[Rule]) -> list[Rule]:
    """Derived rules of every table followed by the authored ones."""
    return [rule for table in standard.ordered_tables for rule in derived_rules(standard, table)] + authored
