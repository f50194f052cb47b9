"""Rules as plain texts, so that two sets of them can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from etl.rules.definition import Rule, Side
from etl.standard.definition import Standard


def rule_texts(standard: Standard, rules: Iterable[Rule]) -> dict[str, dict[str, Any]]:
    """{id without the standard's prefix: {field: text}}: what a rule checks and says, not where it stands in its file."""
    return {rule.id.removeprefix(f"{standard.prefix}-"): texts_of(rule) for rule in rules}


def texts_of(rule: Rule) -> dict[str, Any]:
    """What a rule checks and says, {field: text}; '' where it has none of it."""
    relation = ""
    if rule.relation:
        on = ", ".join(f"{own} = {rule.relation.to}.{other}" for own, other in rule.relation.on.items())
        where = f" where {rule.relation.to_where.text}" if rule.relation.to_where else ""
        relation = f"{on}{where}" + "".join(f"; {name}: {value.text}" for name, value in rule.relation.aggregate.items())
    reconcile = ""
    if rule.reconcile:
        reconcile = f"{_side(rule.reconcile.left)} = {_side(rule.reconcile.right)}, tolerance {rule.reconcile.tolerance:g}"
    return {
        "family": rule.family, "severity": rule.severity, "when": rule.when.text if rule.when else "", "expect": rule.expect.text if rule.expect else "",
        "expected": rule.expected.text if rule.expected else "", "relation": relation, "unique": ", ".join(rule.unique), "reconcile": reconcile,
        "message": rule.message.get("zh", ""), "official_id": rule.official_id or "",
        "effective": f"{rule.effective_from or ''}..{rule.effective_to or ''}" if rule.effective_from or rule.effective_to else "",
    }


def _side(side: Side) -> str:
    where = f" where {side.where.text}" if side.where else ""
    return f"{side.table} {side.value.text}{where} by {', '.join(side.by)}"
