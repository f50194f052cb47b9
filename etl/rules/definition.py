"""The nouns of checking: rules of four shapes, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from etl.expressions import Expression

FAMILIES = {
    "conditional_required": "CR", "value_range": "VR", "code_range": "CD", "cross_item": "CI", "relation": "RL",
    "uniqueness": "UQ", "reconciliation": "RC",
}
FAMILY_NAMES = {
    "conditional_required": {"zh": "条件必填", "en": "conditional required"}, "value_range": {"zh": "取值范围", "en": "value range"},
    "code_range": {"zh": "码值范围", "en": "code range"}, "cross_item": {"zh": "项间逻辑", "en": "cross-item"},
    "relation": {"zh": "表间关联", "en": "relation"}, "uniqueness": {"zh": "唯一性", "en": "uniqueness"},
    "reconciliation": {"zh": "核对", "en": "reconciliation"}, "required": {"zh": "必填", "en": "required"},
    "length": {"zh": "长度", "en": "length"}, "code_table": {"zh": "业务代码", "en": "code table"},
    "type": {"zh": "类型转换", "en": "type"}, "format": {"zh": "字符格式", "en": "format"},
    "mapping": {"zh": "代码对照", "en": "code mapping"}, "reference": {"zh": "外键引用", "en": "reference"},
    "primary_key": {"zh": "主键重复", "en": "primary key"}, "join": {"zh": "取数关联", "en": "source join"},
}
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Relation:
    """Rows of the rule's table against rows of `to`, joined on `on` (own item -> item of `to`)."""

    to: str
    on: dict[str, str]
    to_where: Expression | None = None
    aggregate: dict[str, Expression] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One side of a reconciliation: an aggregate `value` of `table` per group `by`."""

    table: str
    value: Expression
    by: tuple[str, ...]
    where: Expression | None = None


@dataclass(frozen=True)
class Reconcile:
    left: Side
    right: Side
    tolerance: float = 0.0


@dataclass(frozen=True)
class Rule:
    """A check rule. Exactly one of a row expectation, a relation, a uniqueness or a reconciliation."""

    id: str
    table: str
    item: str
    family: str
    severity: Severity
    message: dict[str, str]
    origin: Literal["authored", "derived"] = "authored"
    when: Expression | None = None
    expect: Expression | None = None
    expected: Expression | None = None
    expected_text: str = ""
    relation: Relation | None = None
    unique: tuple[str, ...] = ()
    reconcile: Reconcile | None = None
    basis: str = ""
    official_id: str | None = None
    effective_from: date | None = None
    effective_to: date | None = None
    examples_pass: tuple[Any, ...] = ()
    examples_fail: tuple[Any, ...] = ()
    # Day of the last change; the jurisdiction whose overlay added, tightened or silenced the rule.
    changed: date | None = None
    jurisdiction: str | None = None
    # Why and on what basis an overlay silenced it: {zh, en, basis}. It is listed, and not run.
    silenced: dict[str, str] | None = None
    # Rules of the same table that must pass before this one can say anything.
    requires: tuple[str, ...] = ()
    # Who answers for its findings, where that is not the owner of the source table.
    department: str = ""
    path: str = ""
    line: int = 0

    @property
    def kind(self) -> Literal["row", "relation", "unique", "reconcile"]:
        if self.reconcile:
            return "reconcile"
        if self.unique:
            return "unique"
        return "relation" if self.relation else "row"

    def in_force(self, day: date) -> bool:
        return (self.effective_from is None or self.effective_from <= day) and (self.effective_to is None or day <= self.effective_to)

    def expectation(self) -> str:
        """What was expected, in the words of the rule."""
        if self.expected_text:
            return self.expected_text
        if self.expect:
            return self.expect.text
        if self.relation:
            return f"{', '.join(self.relation.on)} -> {self.relation.to}.{', '.join(self.relation.on.values())}"
        return "unique " + " + ".join(self.unique) if self.unique else ""

    def tables(self) -> set[str]:
        """Every table the rule reads."""
        found = {self.table}
        if self.relation:
            found.add(self.relation.to)
        if self.reconcile:
            found |= {self.reconcile.left.table, self.reconcile.right.table}
        return found

    def items_read(self) -> set[tuple[str, str]]:
        """(table, item) pairs that the rule looks at."""
        found: set[tuple[str, str]] = set()
        for expression in (self.when, self.expect):
            for name in expression.columns if expression else ():
                table, _, item = name.rpartition(".")
                found.add((table or self.table, item))
        found |= {(self.table, item) for item in self.unique}
        if self.relation:
            found |= {(self.table, own) for own in self.relation.on}
            found |= {(self.relation.to, other) for other in self.relation.on.values()}
            expressions = [self.relation.to_where, *self.relation.aggregate.values()]
            found |= {(self.relation.to, name) for e in expressions if e for name in e.columns}
        if self.reconcile:
            for side in (self.reconcile.left, self.reconcile.right):
                found |= {(side.table, name) for e in (side.value, side.where) if e for name in e.columns}
                found |= {(side.table, name) for name in side.by}
        return found


@dataclass(frozen=True)
class RuleOutcome:
    """What became of one rule in one run: passed, failed, skipped, errored; and how many rows failed."""

    rule: str
    family: str
    severity: str
    table: str
    outcome: Literal["passed", "failed", "skipped", "errored"]
    judged: int
    failed: int
    reason: str = ""
