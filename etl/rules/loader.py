"""Load rule files and hold each rule against the standard: unknown items, wrong types and bad examples are load errors."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.expressions import Expression, ExpressionBroken, Scope, parse_expression
from etl.expressions.parse import FAMILIES as TYPE_FAMILIES
from etl.packs.roots import PackRoots
from etl.packs.yamlfile import YamlDocument, read_yaml
from etl.rules.definition import FAMILIES, Reconcile, Relation, Rule, Side
from etl.standard.definition import Standard, Table

RULE_KEYS = {
    "id", "official_id", "family", "when", "expect", "expected", "severity", "message", "basis", "effective", "examples",
    "relation", "unique", "reconcile", "note",
}


def load_rules(standard: Standard, roots: PackRoots | None = None, tables: set[str] | None = None) -> list[Rule]:
    """All authored rules of a standard, in file order. Raises PackFileBroken or Problems."""
    folder = (roots or PackRoots.of()).rules(standard.name)
    return load_rule_folder(folder, standard, tables) if folder else []


def load_rule_folder(folder: Path, standard: Standard, tables: set[str] | None = None) -> list[Rule]:
    """Load the rule files of one folder (see `load_rules`)."""
    errors: list[EastboundError] = []
    rules: dict[str, Rule] = {}
    for path in sorted(folder.glob("*.yaml")):
        if tables and path.stem not in tables:
            continue
        document = read_yaml(path)
        for index, rule in _file(document, standard, errors):
            if rule.id in rules:
                errors.append(document.broken("rules", index, "id", zh=f"规则编号 {rule.id} 重复", en=f"rule id {rule.id} appears twice"))
            rules[rule.id] = rule
    raise_problems(errors)
    return list(rules.values())


def item_scope(table: Table, standard: Standard, extra: dict[str, str] | None = None, aggregates: bool = False) -> Scope:
    """The columns an expression over `table` may use."""
    columns = {item.code: TYPE_FAMILIES[item.type] for item in table.mapped_items}
    columns.update(extra or {})
    return Scope(columns, frozenset(standard.codes), aggregates=aggregates)


def _file(document: YamlDocument, standard: Standard, errors: list[EastboundError]):
    data = document.data if isinstance(document.data, dict) else {}
    code = data.get("table")
    table = standard.tables.get(code)
    if table is None:
        near = get_close_matches(str(code), standard.tables, 1)
        hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
        errors.append(document.broken("table", zh=f"标准 {standard.name} 没有表 {code}{hint_zh}", en=f"standard {standard.name} has no table {code}{hint_en}"))
        return
    for index, raw in enumerate(data.get("rules") or []):
        rule = _rule(document, index, raw, table, standard, errors)
        if rule:
            yield index, rule


def _rule(document: YamlDocument, index: int, raw: Any, table: Table, standard: Standard, errors: list[EastboundError]) -> Rule | None:
    at = ("rules", index)
    before = len(errors)
    if not isinstance(raw, dict) or not raw.get("id"):
        errors.append(document.broken(*at, zh="规则缺少 id", en="a rule without id"))
        return None
    rule_id = str(raw["id"])
    for key in raw:
        if key not in RULE_KEYS:
            near = get_close_matches(str(key), RULE_KEYS, 1)
            hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
            errors.append(document.broken(*at, key, zh=f"{rule_id}：未知键 {key}{hint_zh}", en=f"{rule_id}: unknown key {key}{hint_en}"))
    family = raw.get("family")
    item = _item_of(document, at, rule_id, family, table, standard, errors)
    if raw.get("severity") not in ("error", "warning"):
        errors.append(document.broken(*at, "severity", zh=f"{rule_id}：severity 应为 error 或 warning", en=f"{rule_id}: severity must be error or warning"))
    message = raw.get("message") or {}
    if not isinstance(message, dict) or not {"zh", "en"} <= set(message):
        errors.append(document.broken(*at, "message", zh=f"{rule_id}：message 需有 zh 与 en", en=f"{rule_id}: message needs zh and en"))
        message = {}
    shapes = [key for key in ("relation", "unique", "reconcile") if raw.get(key)]
    if len(shapes) > 1 or (not shapes and "expect" not in raw):
        errors.append(document.broken(*at, zh=f"{rule_id}：应有 expect、relation、unique、reconcile 之一", en=f"{rule_id}: give expect, or one of relation, unique, reconcile"))
        return None

    def parse(key: str, text: Any, scope: Scope, expect: str | None = "bool", where: tuple = ()) -> Expression | None:
        if text is None:
            return None
        try:
            return parse_expression(text, scope, expect)
        except ExpressionBroken as error:
            errors.append(document.broken(*at, *(where or (key,)), zh=f"{rule_id}：{error.sentence('zh')}", en=f"{rule_id}: {error.sentence('en')}"))
            return None

    own = item_scope(table, standard)
    relation = reconcile = None
    unique: tuple[str, ...] = ()
    expect_scope = own
    if raw.get("relation"):
        relation, expect_scope = _relation(document, at, rule_id, raw["relation"], table, standard, parse, errors)
        if relation is None:
            return None
        if relation.aggregate and "expect" not in raw:
            errors.append(document.broken(*at, zh=f"{rule_id}：有 aggregate 时需有 expect", en=f"{rule_id}: an aggregate relation needs expect"))
    elif raw.get("unique"):
        unique = tuple((raw["unique"] or {}).get("items") or ())
        for name in unique:
            if name not in table.by_code:
                errors.append(document.broken(*at, "unique", zh=f"{rule_id}：没有数据项 {name}", en=f"{rule_id}: there is no item {name}"))
        if not unique:
            errors.append(document.broken(*at, "unique", zh=f"{rule_id}：unique.items 为空", en=f"{rule_id}: unique.items is empty"))
    elif raw.get("reconcile"):
        reconcile = _reconcile(document, at, rule_id, raw["reconcile"], standard, parse, errors)
    effective = raw.get("effective") or {}
    examples = raw.get("examples") or {}
    for key in ("pass", "fail"):
        if not examples.get(key):
            errors.append(document.broken(*at, "examples", zh=f"{rule_id}：examples 缺少 {key} 样例", en=f"{rule_id}: examples has no {key} case"))
    rule = Rule(
        id=rule_id, table=table.code, item=item or "", family=str(family), severity=raw.get("severity", "error"),
        message={k: str(v) for k, v in message.items()}, when=parse("when", raw.get("when"), own),
        expect=parse("expect", raw.get("expect"), expect_scope), expected=parse("expected", raw.get("expected"), expect_scope, None),
        relation=relation, unique=unique, reconcile=reconcile, basis=str(raw.get("basis") or ""), official_id=raw.get("official_id"),
        effective_from=_date(effective.get("from")), effective_to=_date(effective.get("to")),
        examples_pass=tuple(examples.get("pass") or ()), examples_fail=tuple(examples.get("fail") or ()),
        path=str(document.path), line=document.line(*at),
    )
    return rule if len(errors) == before else None


def _item_of(document: YamlDocument, at: tuple, rule_id: str, family: Any, table: Table, standard: Standard,
             errors: list[EastboundError]) -> str | None:
    match = re.fullmatch(r"([A-Z0-9]+)-([A-Z0-9_]+)-([A-Z0-9]+)-([A-Z]{2})-(\d{2,})", rule_id)
    if family not in FAMILIES:
        errors.append(document.broken(*at, "family", zh=f"{rule_id}：未知规则类别 {family}，应为 {'、'.join(FAMILIES)}",
                                      en=f"{rule_id}: family {family} is not one of {', '.join(FAMILIES)}"))
        return None
    if not match or match[1] != standard.prefix or match[2] != table.code or match[4] != FAMILIES[family]:
        wanted = f"{standard.prefix}-{table.code}-<item>-{FAMILIES[family]}-<nn>"
        errors.append(document.broken(*at, "id", zh=f"规则编号 {rule_id} 应形如 {wanted}", en=f"rule id {rule_id} should read {wanted}"))
        return None
    if match[3] not in table.by_code:
        near = get_close_matches(match[3], table.by_code, 1)
        hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
        errors.append(document.broken(*at, "id", zh=f"{rule_id}：表 {table.code} 没有数据项 {match[3]}{hint_zh}",
                                      en=f"{rule_id}: table {table.code} has no item {match[3]}{hint_en}"))
        return None
    return match[3]


def _relation(document: YamlDocument, at: tuple, rule_id: str, raw: dict, table: Table, standard: Standard, parse, errors):
    at = (*at, "relation")
    target = standard.tables.get(raw.get("to"))
    if target is None or set(raw) - {"to", "on", "to_where", "aggregate"} or not isinstance(raw.get("on"), dict):
        errors.append(document.broken(*at, zh=f"{rule_id}：relation 应含 to（已有的表）与 on，可含 to_where、aggregate",
                                      en=f"{rule_id}: relation takes to (an existing table) and on, and may take to_where and aggregate"))
        return None, None
    for own, other in raw["on"].items():
        if own not in table.by_code or other not in target.by_code:
            errors.append(document.broken(*at, "on", zh=f"{rule_id}：{table.code}.{own} 或 {target.code}.{other} 不存在",
                                          en=f"{rule_id}: {table.code}.{own} or {target.code}.{other} does not exist"))
            return None, None
        if TYPE_FAMILIES[table.by_code[own].type] != TYPE_FAMILIES[target.by_code[other].type]:
            errors.append(document.broken(*at, "on", zh=f"{rule_id}：{own} 与 {other} 类型不同", en=f"{rule_id}: {own} and {other} differ in type"))
    partner = item_scope(target, standard)
    aggregates = {name: parse("aggregate", text, item_scope(target, standard, aggregates=True), None, ("relation", "aggregate", name))
                  for name, text in (raw.get("aggregate") or {}).items()}
    if None in aggregates.values():
        return None, None
    extra = {name: e.family for name, e in aggregates.items() if e}
    if not aggregates:
        extra = {f"{target.code}.{name}": family for name, family in partner.columns.items()}
    relation = Relation(target.code, {str(k): str(v) for k, v in raw["on"].items()},
                        parse("to_where", raw.get("to_where"), partner, "bool", ("relation", "to_where")), aggregates)
    return relation, item_scope(table, standard, extra)


def _reconcile(document: YamlDocument, at: tuple, rule_id: str, raw: dict, standard: Standard, parse, errors) -> Reconcile | None:
    sides: list[Side] = []
    for key in ("left", "right"):
        side = raw.get(key) or {}
        table = standard.tables.get(side.get("table"))
        if table is None or set(side) - {"table", "value", "by", "where"}:
            errors.append(document.broken(*at, "reconcile", key, zh=f"{rule_id}：{key} 应含 table、value、by，可含 where",
                                          en=f"{rule_id}: {key} takes table, value and by, and may take where"))
            return None
        by = tuple(side.get("by") or ())
        for name in by:
            if name not in table.by_code:
                errors.append(document.broken(*at, "reconcile", key, "by", zh=f"{rule_id}：{table.code} 没有数据项 {name}", en=f"{rule_id}: {table.code} has no item {name}"))
        value = parse("value", side.get("value"), item_scope(table, standard, aggregates=True), "number", ("reconcile", key, "value"))
        where = parse("where", side.get("where"), item_scope(table, standard), "bool", ("reconcile", key, "where"))
        if value is None:
            return None
        sides.append(Side(table.code, value, by, where))
    if len(sides[0].by) != len(sides[1].by):
        errors.append(document.broken(*at, "reconcile", zh=f"{rule_id}：两侧分组项个数不同", en=f"{rule_id}: the two sides group by different numbers of items"))
    return Reconcile(sides[0], sides[1], float(raw.get("tolerance") or 0))


def _date(value: Any) -> date | None:
    return value if isinstance(value, date) else date.fromisoformat(value) if value else None
