"""Rule versions: a fingerprint of everything that changes what a rule finds, kept with every run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from etl.expressions import Expression
from etl.expressions.syntax import call_of, column_name
from etl.rules.compare import texts_of
from etl.rules.definition import Reconcile, Relation, Rule, Side

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run

LENGTH = 16


def fingerprint(rule: Rule) -> str:
    """The rule's fingerprint, 16 hex digits: when, expect, relation, unique, reconcile, requires, severity,
    effective dates, silenced or not.

    The same whatever the file's order and blanks, the message, the basis and the examples.
    """
    said = {
        "kind": rule.kind, "table": rule.table, "when": _canonical(rule.when), "expect": _canonical(rule.expect),
        "relation": _relation(rule.relation), "unique": sorted(rule.unique), "reconcile": _reconcile(rule.reconcile),
        "requires": sorted(rule.requires), "severity": rule.severity, "effective": [str(rule.effective_from or ""), str(rule.effective_to or "")],
        # An empty value whose code could not be mapped does not count against `required` rules.
        "required": rule.family == "required", "silenced": bool(rule.silenced),
    }
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:LENGTH]


def _canonical(expression: Expression | None) -> str:
    return "" if expression is None else _node(expression.tree)


def _node(node: exp.Expression) -> str:
    """A tree as text: names, literals and operations, without the parentheses and blanks that somebody wrote."""
    if isinstance(node, (exp.Paren, exp.TsOrDsToDate)):
        return _node(node.this)
    if isinstance(node, exp.Column):
        return column_name(node)
    if isinstance(node, exp.Literal):
        return json.dumps(node.name, ensure_ascii=False) if node.is_string else node.name
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    if isinstance(node, exp.DataType):
        return str(node.this.name).lower()
    called = None if isinstance(node, (exp.Binary, exp.Not, exp.Neg, exp.In, exp.Between, exp.Null, exp.Star)) else call_of(node)
    if called:
        return f"{called[0]}({', '.join(_node(argument) for argument in called[1])})"
    parts = []
    for key, value in sorted(node.args.items()):
        nodes = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, exp.Expression)]
        if nodes:
            parts.append(f"{key}={'; '.join(map(_node, nodes))}")
    return f"{type(node).__name__.lower()}[{', '.join(parts)}]"


def _relation(relation: Relation | None) -> Any:
    if relation is None:
        return None
    return {"to": relation.to, "on": sorted(relation.on.items()), "where": _canonical(relation.to_where), "exceptions": sorted(relation.exceptions),
            "aggregate": sorted((name, _canonical(value)) for name, value in relation.aggregate.items())}


def _reconcile(reconcile: Reconcile | None) -> Any:
    if reconcile is None:
        return None
    pairs = sorted(zip(reconcile.left.by, reconcile.right.by, strict=True))
    return {"left": _side(reconcile.left), "right": _side(reconcile.right), "by": pairs, "tolerance": repr(float(reconcile.tolerance))}


def _side(side: Side) -> list[str]:
    return [side.table, _canonical(side.value), _canonical(side.where)]


def versions(rules: Iterable[Rule]) -> dict[str, str]:
    """Rule id -> version."""
    return {rule.id: fingerprint(rule) for rule in rules}


def version_history(ledger: Ledger, rule: str, standard: str, said: Callable[[Run], Rule | None]) -> list[dict[str, Any]]:
    """The versions of one rule that runs have used, the latest first: {version, text, runs: [{run, period, ...}]}.

    `said` gives the rule as a run's own copy of the packs has it, None when that copy is gone. `text` is what the rule says
    there. Runs of a time before versions were kept get theirs from that copy too.
    """
    found: dict[str, dict[str, Any]] = {}
    known: dict[str, Rule | None] = {}
    for run, outcome in ledger.rule_history(rule, standard):
        packs = f"{run.pack_fingerprint} {run.options.get('jurisdiction')} {run.period}"
        if outcome.version not in found and packs not in known:
            known[packs] = said(run)
        then = known.get(packs)
        version = outcome.version or (fingerprint(then) if then else "")
        entry = found.setdefault(version, {"version": version, "text": texts_of(then) if then else None, "runs": []})
        entry["runs"].append({"run": run.id, "period": run.period, "report_date": run.report_date.isoformat(), "status": run.status,
                              "outcome": outcome.outcome, "failed": outcome.failed})
    return list(found.values())
