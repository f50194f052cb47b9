"""Load rule files and hold each rule against the standard: unknown items, wrong types and bad examples are load errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import EastboundError, raise_problems
from etl.expressions import Expression, ExpressionBroken, Scope, parse_expression
from etl.expressions.parse import FAMILIES as TYPE_FAMILIES
from etl.packs.roots import PackRoots, rule_files
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import read_yaml
from etl.rules.definition import FAMILIES, Reconcile, Relation, Rule, Side
from etl.standard.definition import Standard, Table

RULE_KEYS = {
    "id", "official_id", "family", "when", "expect", "expected", "severity", "message", "basis", "effective", "examples",
    "relation", "unique", "reconcile", "requires", "department", "changed", "note",
}
FILE_KEYS = ("table", "changed", "rules", "tighten", "silence", "note")


def load_rules(standard: Standard, roots: PackRoots | None = None, tables: set[str] | None = None, jurisdiction: str | None = None) -> list[Rule]:
    """All authored rules of a standard, in file order; with those of a jurisdiction's overlay where one is named.

    Raises PackFileBroken, Problems or OverlayUnknown.
    """
    roots = roots or PackRoots.of()
    folder = roots.rules(standard.name)
    rules = load_rule_folder(folder, standard, tables) if folder else []
    if jurisdiction is None:
        return rules
    from etl.rules.overlays import overlaid

    return overlaid(rules, standard, jurisdiction, roots, tables)


def load_rule_folder(folder: Path, standard: Standard, tables: set[str] | None = None) -> list[Rule]:
    """Load the rule files of one folder (see `load_rules`)."""
    errors: list[EastboundError] = []
    rules: dict[str, Rule] = {}
    requiring: list[tuple[Shape, int, Rule]] = []
    for path in rule_files(folder):
        if tables and path.stem not in tables:
            continue
        shape = Shape(read_yaml(path), errors)
        for key in ("tighten", "silence"):
            if isinstance(shape.document.data, dict) and key in shape.document.data:
                shape.fault(key, zh=f"{key} 只能写在 local/<辖区代码>/ 下的文件中；此处请直接修改规则", en=f"{key} belongs in a file below local/<jurisdiction>/; here, change the rule itself")
        for index, rule in _file(shape, standard):
            if rule.id in rules:
                shape.fault("rules", index, "id", zh=f"规则编号 {rule.id} 重复，另见 {rules[rule.id].path}", en=f"rule id {rule.id} appears twice; see {rules[rule.id].path}")
            rules[rule.id] = rule
            if rule.requires:
                requiring.append((shape, index, rule))
    for shape, index, rule in requiring:
        check_requirements(shape, index, rule, rules, standard)
    raise_problems(errors)
    return list(rules.values())


def check_requirements(shape: Shape, index: int, rule: Rule, rules: dict[str, Rule], standard: Standard) -> None:
    """What a rule requires must be rules of its table, authored or derived, and lead back to no rule that requires it."""
    from etl.rules.derived import derived_rules

    derived = {r.id for r in derived_rules(standard, standard.tables[rule.table])}
    own = {r.id for r in rules.values() if r.table == rule.table} | derived
    for name in rule.requires:
        if name not in own:
            zh, en = hint(name, own)
            shape.fault("rules", index, "requires", zh=f"表 {rule.table} 没有规则 {name}{zh}", en=f"table {rule.table} has no rule {name}{en}")
    seen, ahead = set(), list(rule.requires)
    while ahead:
        name = ahead.pop()
        if name == rule.id:
            shape.fault("rules", index, "requires", zh=f"{rule.id} 绕一圈又依赖自己", en=f"{rule.id} requires itself in a circle")
            return
        if name in rules and name not in seen:
            seen.add(name)
            ahead += rules[name].requires


def rules_within(standard: Standard, rules: Sequence[Rule]) -> list[Rule]:
    """The rules that look only at tables and items that `standard` has (on its day)."""
    known = {(table.code, item.code) for table in standard.tables.values() for item in table.items}
    return [rule for rule in rules if rule.tables() <= standard.tables.keys() and (rule.table, rule.item) in known
            and {(table, item) for table, item in rule.items_read() if item not in (rule.relation.aggregate if rule.relation else ())} <= known]


def item_scope(table: Table, standard: Standard, extra: dict[str, str] | None = None, aggregates: bool = False) -> Scope:
    """The columns an expression over `table` may use."""
    columns = {item.code: TYPE_FAMILIES[item.type] for item in table.mapped_items}
    columns.update(extra or {})
    return Scope(columns, frozenset(standard.codes), aggregates=aggregates)


def partner_scope(table: Table, standard: Standard, relation: Relation) -> Scope:
    """The columns that the expectation of a relation of `table` may use."""
    target = item_scope(standard.tables[relation.to], standard)
    extra = {name: e.family for name, e in relation.aggregate.items()} or {f"{relation.to}.{name}": family for name, family in target.columns.items()}
    return item_scope(table, standard, extra)


def _file(shape: Shape, standard: Standard, jurisdiction: str | None = None) -> Iterator[tuple[int, Rule]]:
    data = shape.root(FILE_KEYS)
    changed = shape.day(data.get("changed"), "changed")
    code = shape.text(data.get("table"), "table")
    table = standard.tables.get(code)
    if table is None:
        zh, en = hint(code, standard.tables)
        shape.fault("table", zh=f"标准 {standard.name} 没有表 {code}{zh}", en=f"standard {standard.name} has no table {code}{en}")
        return
    for index, raw in enumerate(shape.listing(data.get("rules"), "rules")):
        if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
            shape.fault("rules", index, zh="规则缺少 id", en="a rule without id")
            continue
        before = len(shape.errors)
        rule = RuleReader(shape, ("rules", index), raw, table, standard, changed, jurisdiction).rule()
        if rule and len(shape.errors) == before:
            yield index, rule


class RuleReader:
    """Reads one rule; `at` is its place in the file, `changed` the day that the file gives for its rules."""

    def __init__(self, shape: Shape, at: tuple, raw: dict, table: Table, standard: Standard, changed: date | None = None, jurisdiction: str | None = None) -> None:
        self.shape, self.at, self.raw, self.table, self.standard = shape, at, raw, table, standard
        self.changed, self.jurisdiction = changed, jurisdiction
        self.id = str(raw["id"])
        self.own = item_scope(table, standard)

    def fault(self, *at: Any, zh: str, en: str) -> None:
        self.shape.fault(*self.at, *at, zh=f"{self.id}：{zh}", en=f"{self.id}: {en}")

    def parse(self, text: Any, scope: Scope, *at: Any, expect: str | None = "bool") -> Expression | None:
        if text is None:
            return None
        if isinstance(text, (dict, list)):
            self.fault(*at, zh="应是表达式", en="an expression is wanted here")
            return None
        try:
            return parse_expression(text, scope, expect)
        except ExpressionBroken as error:
            self.fault(*at, zh=error.sentence("zh"), en=error.sentence("en"))
            return None

    def rule(self) -> Rule | None:
        raw = self.raw
        for key in raw:
            if key not in RULE_KEYS:
                zh, en = hint(key, RULE_KEYS)
                self.fault(key, zh=f"未知键 {key}{zh}", en=f"unknown key {key}{en}")
        self.shape.texts(raw.get("note"), *self.at, "note")
        family = raw.get("family")
        item = self.item(family)
        if raw.get("severity") not in ("error", "warning"):
            self.fault("severity", zh="severity 应为 error 或 warning", en="severity must be error or warning")
        message = self.shape.texts(raw.get("message"), *self.at, "message")
        if not (message.get("zh") and message.get("en")):
            self.fault("message", zh="message 需有 zh 与 en", en="message needs zh and en")
        kind = self.kind(family) if isinstance(family, str) else None
        if item is None or kind is None:
            return None
        relation = reconcile = None
        unique: tuple[str, ...] = ()
        scope = self.own
        if kind == "relation":
            relation, scope = self.relation()
        elif kind == "unique":
            unique = self.unique()
        elif kind == "reconcile":
            reconcile = self.reconcile()
        effective = self.shape.mapping(raw.get("effective"), *self.at, "effective")
        self.shape.keys(effective, ("from", "to"), *self.at, "effective")
        examples = self.examples(kind)
        requires = self.shape.names(raw.get("requires"), *self.at, "requires") if raw.get("requires") is not None else ()
        return Rule(
            id=self.id, table=self.table.code, item=item, family=family, severity=raw.get("severity"), message=message,
            when=self.parse(raw.get("when"), self.own, "when"), expect=self.parse(raw.get("expect"), scope, "expect"),
            expected=self.parse(raw.get("expected"), scope, "expected", expect=None), relation=relation, unique=unique, reconcile=reconcile,
            requires=requires, department=self.shape.text(raw.get("department"), *self.at, "department"),
            basis=self.shape.text(raw.get("basis"), *self.at, "basis"), official_id=self.shape.text(raw.get("official_id"), *self.at, "official_id") or None,
            effective_from=self.shape.day(effective.get("from"), *self.at, "effective", "from"),
            effective_to=self.shape.day(effective.get("to"), *self.at, "effective", "to"),
            changed=self.shape.day(raw.get("changed"), *self.at, "changed") or self.changed, jurisdiction=self.jurisdiction,
            examples_pass=examples["pass"], examples_fail=examples["fail"], path=str(self.shape.document.path), line=self.shape.document.line(*self.at),
        )

    def item(self, family: Any) -> str | None:
        """The item that the id names; the id must fit table, family and standard."""
        if not isinstance(family, str) or family not in FAMILIES:
            zh, en = hint(family, FAMILIES)
            self.fault("family", zh=f"未知规则类别 {family}，应为 {'、'.join(FAMILIES)}{zh}", en=f"family {family} is not one of {', '.join(FAMILIES)}{en}")
            return None
        match = re.fullmatch(r"([A-Z0-9]+)-([A-Za-z0-9_]+)-([A-Za-z0-9_]+)-([A-Z]{2})-(\d{2,})", self.id)
        # A local rule's number begins with the jurisdiction, so that no two packs ever give one id to different rules.
        local = self.jurisdiction or ""
        if (not match or match[1] != self.standard.prefix or match[2] != self.table.code or match[4] != FAMILIES[family]
                or (local and not re.fullmatch(rf"{local}\d\d", match[5]))):
            wanted = f"{self.standard.prefix}-{self.table.code}-<item>-{FAMILIES[family]}-{local}<nn>"
            self.fault("id", zh=f"规则编号应形如 {wanted}", en=f"the rule's id should read {wanted}")
            return None
        if match[3] not in self.table.by_code:
            zh, en = hint(match[3], self.table.by_code)
            self.fault("id", zh=f"表 {self.table.code} 没有数据项 {match[3]}{zh}", en=f"table {self.table.code} has no item {match[3]}{en}")
            return None
        return match[3]

    def kind(self, family: Any) -> str | None:
        """row, relation, unique or reconcile; keys that its kind would not read are faults, not silently passed over."""
        shapes = [key for key in ("relation", "unique", "reconcile") if self.raw.get(key)]
        if len(shapes) > 1 or (not shapes and self.raw.get("expect") is None):
            self.fault(zh="应有 expect、relation、unique、reconcile 之一", en="give expect, or one of relation, unique, reconcile")
            return None
        kind = shapes[0] if shapes else "row"
        wanted = {"relation": "relation", "uniqueness": "unique", "reconciliation": "reconcile"}
        if family in FAMILIES and kind != wanted.get(family, "row"):
            needed = wanted.get(family, "expect")
            self.fault("family", zh=f"类别 {family} 需有 {needed}", en=f"family {family} needs {needed}")
        unread = {"row": (), "relation": ("expected",), "unique": ("expect", "expected"), "reconcile": ("when", "expect", "expected")}[kind]
        for key in unread:
            if self.raw.get(key) is not None:
                self.fault(key, zh=f"{kind} 规则不能有 {key}", en=f"a {kind} rule takes no {key}")
        return kind

    def unique(self) -> tuple[str, ...]:
        raw = self.shape.mapping(self.raw["unique"], *self.at, "unique")
        self.shape.keys(raw, ("items",), *self.at, "unique")
        items = self.shape.names(raw.get("items"), *self.at, "unique", "items")
        self.known(items, self.table, "unique")
        if not items:
            self.fault("unique", zh="unique.items 为空", en="unique.items is empty")
        return items

    def known(self, names: Sequence[str], table: Table, *at: Any) -> bool:
        mapped = [item.code for item in table.mapped_items]
        missing = [name for name in names if name not in mapped]
        for name in missing:
            zh, en = hint(name, mapped)
            self.fault(*at, zh=f"{table.code} 没有数据项 {name}{zh}", en=f"{table.code} has no item {name}{en}")
        return not missing

    def relation(self) -> tuple[Relation | None, Scope]:
        raw = self.shape.mapping(self.raw["relation"], *self.at, "relation")
        code = self.shape.text(raw.get("to"), *self.at, "relation", "to")
        target = self.standard.tables.get(code)
        on = {str(own): self.shape.text(other, *self.at, "relation", "on", own) for own, other in self.shape.mapping(raw.get("on"), *self.at, "relation", "on").items()}
        if target is None or set(raw) - {"to", "on", "to_where", "aggregate"} or not on:
            zh, en = hint(code, self.standard.tables) if target is None else ("", "")
            self.fault("relation", zh=f"relation 应含 to（已有的表）与 on，可含 to_where、aggregate{zh}",
                       en=f"relation takes to (an existing table) and on, and may take to_where and aggregate{en}")
            return None, self.own
        own_known, other_known = self.known(list(on), self.table, "relation", "on"), self.known(list(on.values()), target, "relation", "on")
        if not own_known or not other_known:
            return None, self.own
        for own, other in on.items():
            if TYPE_FAMILIES[self.table.by_code[own].type] != TYPE_FAMILIES[target.by_code[other].type]:
                self.fault("relation", "on", zh=f"{own} 与 {other} 类型不同", en=f"{own} and {other} differ in type")
        partner = item_scope(target, self.standard)
        aggregates: dict[str, Expression] = {}
        for name, text in self.shape.mapping(raw.get("aggregate"), *self.at, "relation", "aggregate").items():
            value = self.parse(text, item_scope(target, self.standard, aggregates=True), "relation", "aggregate", name, expect=None)
            if name in self.own.columns:
                self.fault("relation", "aggregate", name, zh=f"{name} 与本表数据项同名，请改名", en=f"{name} is the name of an item of this table; choose another")
            if value is not None:
                aggregates[str(name)] = value
        if raw.get("aggregate") and self.raw.get("expect") is None:
            self.fault(zh="有 aggregate 时需有 expect", en="an aggregate relation needs expect")
        relation = Relation(target.code, on, self.parse(raw.get("to_where"), partner, "relation", "to_where"), aggregates)
        return relation, partner_scope(self.table, self.standard, relation)

    def reconcile(self) -> Reconcile | None:
        raw = self.shape.mapping(self.raw["reconcile"], *self.at, "reconcile")
        self.shape.keys(raw, ("left", "right", "tolerance"), *self.at, "reconcile")
        left, right = self.side(raw, "left"), self.side(raw, "right")
        tolerance = raw.get("tolerance") or 0
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 <= tolerance < float("inf"):
            self.fault("reconcile", "tolerance", zh="tolerance 应为非负数", en="tolerance should be a number from 0 on")
            return None
        if left is None or right is None:
            return None
        families = [[TYPE_FAMILIES[self.standard.tables[side.table].by_code[name].type] for name in side.by] for side in (left, right)]
        if families[0] != families[1]:
            self.fault("reconcile", zh="两侧分组项的个数或类型不同", en="the two sides group by different numbers or types of items")
        return Reconcile(left, right, float(tolerance))

    def side(self, raw: dict, key: str) -> Side | None:
        side = self.shape.mapping(raw.get(key), *self.at, "reconcile", key)
        table = self.standard.tables.get(self.shape.text(side.get("table"), *self.at, "reconcile", key, "table"))
        if table is None or set(side) - {"table", "value", "by", "where"}:
            self.fault("reconcile", key, zh=f"{key} 应含 table、value、by，可含 where", en=f"{key} takes table, value and by, and may take where")
            return None
        by = self.shape.names(side.get("by"), *self.at, "reconcile", key, "by")
        known = self.known(by, table, "reconcile", key, "by")
        if side.get("value") is None:
            self.fault("reconcile", key, zh=f"{key} 缺少 value", en=f"{key} has no value")
        value = self.parse(side.get("value"), item_scope(table, self.standard, aggregates=True), "reconcile", key, "value", expect="number")
        where = self.parse(side.get("where"), item_scope(table, self.standard), "reconcile", key, "where")
        return Side(table.code, value, by, where) if known and value is not None else None

    def examples(self, kind: str) -> dict[str, tuple[dict, ...]]:
        raw = self.shape.mapping(self.raw.get("examples"), *self.at, "examples")
        self.shape.keys(raw, ("pass", "fail"), *self.at, "examples")
        found: dict[str, tuple[dict, ...]] = {}
        for key in ("pass", "fail"):
            listed = self.shape.listing(raw.get(key), *self.at, "examples", key)
            for number, example in enumerate(listed):
                good = isinstance(example, dict) and (kind == "row" or all(
                    isinstance(rows, list) and all(isinstance(row, dict) for row in rows) for rows in example.values()))
                if not good:
                    what = ("一行数据", "a row") if kind == "row" else ("{表: [行, ...]}", "{TABLE: [row, ...]}")
                    self.fault("examples", key, number, zh=f"样例应写作 {what[0]}", en=f"an example should be {what[1]}")
            if not listed:
                self.fault("examples", zh=f"examples 缺少 {key} 样例", en=f"examples has no {key} case")
            found[key] = tuple(listed)
        return found
