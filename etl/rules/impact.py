"""What a changed rule set would find in data that were checked before: findings that appear, vanish, stay."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etl.engines.local import Engine, literal, parquet_sql, quote
from etl.expressions import Expression
from etl.rules.definition import Rule
from etl.rules.report import Setting, Show
from etl.rules.run import check_table
from etl.rules.versions import fingerprint
from etl.standard.definition import CodeTable, Standard

JUDGED = ("passed", "failed")


@dataclass(frozen=True)
class RuleChange:
    """A rule that the two sets do not share. `affected`: it says the same, but a code table that it reads or a rule that it
    requires has changed."""

    change: Literal["added", "removed", "changed", "affected"]
    before: Rule | None
    after: Rule | None

    @property
    def rule(self) -> Rule:
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True)
class RuleImpact:
    """What a change does in one run: findings before = vanishes + stays, after = appears + stays.

    The three are None where one of the outcomes is no verdict (skipped, errored, or `absent`: the run's data have not what
    the rule reads): nothing can be compared then.
    """

    rule: str
    table: str
    family: str
    severity: str
    change: str
    version_before: str
    version_after: str
    outcome_before: str
    outcome_after: str
    appears: int | None
    vanishes: int | None
    stays: int | None


def changed_rules(before: Iterable[Rule], after: Iterable[Rule], *, recoded: Iterable[str] = (), pattern: str | None = None) -> list[RuleChange]:
    """Rules of one set only, and those whose versions differ, by id. `pattern` picks rules: `*` or `%` stand for anything."""
    old, new = ({rule.id: rule for rule in rules} for rules in (before, after))
    codes = set(recoded)
    kinds: dict[str, Literal["added", "removed", "changed", "affected"]] = {}
    for id_ in old.keys() | new.keys():
        if id_ not in old or id_ not in new:
            kinds[id_] = "removed" if id_ in old else "added"
        elif fingerprint(old[id_]) != fingerprint(new[id_]):
            kinds[id_] = "changed"
        elif codes & set(_code_tables(new[id_])):
            kinds[id_] = "affected"
    while more := [id_ for id_ in new.keys() - kinds.keys() if kinds.keys() & set(new[id_].requires)]:
        kinds |= dict.fromkeys(more, "affected")
    like = pattern.replace("%", "*") if pattern else "*"
    return [RuleChange(kinds[id_], old.get(id_), new.get(id_)) for id_ in sorted(kinds) if fnmatch.fnmatchcase(id_, like)]


def recoded_tables(before: Standard, after: Standard) -> list[str]:
    """Code tables whose codes, names or dates differ."""
    def content(table: CodeTable | None) -> list[tuple]:
        return sorted((v.code, v.name, str(v.valid_from), str(v.valid_to)) for v in table.values) if table else []

    return [code for code in sorted(before.codes.keys() | after.codes.keys()) if content(before.codes.get(code)) != content(after.codes.get(code))]


def _code_tables(rule: Rule) -> list[str]:
    sides = (rule.reconcile.left, rule.reconcile.right) if rule.reconcile else ()
    relation = (rule.relation.to_where, *rule.relation.aggregate.values()) if rule.relation else ()
    expressions: list[Expression | None] = [rule.when, rule.expect, *relation, *(e for side in sides for e in (side.value, side.where))]
    return [code for e in expressions if e for code in e.code_tables]


def run_changes(engine: Engine, standard: Standard, changes: Sequence[RuleChange], others: Iterable[Rule], folder: Path, *,
                show: Show, setting: Setting | None = None) -> dict[str, str]:
    """Check the changed and added rules against `data.*`; findings go to `folder`. Returns rule id -> outcome.

    `others` are the rules of the new set: those of them that a changed rule requires run as well.
    """
    known = {rule.id: rule for rule in others}
    wanted = {change.after.id: change.after for change in changes if change.after is not None}
    while more := {name for rule in wanted.values() for name in rule.requires if name in known} - wanted.keys():
        wanted |= {name: known[name] for name in more}
    by_table: dict[str, list[Rule]] = {}
    for rule in wanted.values():
        by_table.setdefault(rule.table, []).append(rule)
    outcomes: dict[str, str] = {}
    for code, rules in sorted(by_table.items()):
        for outcome in check_table(engine, standard, standard.tables[code], rules, folder / f"{code}.parquet", show=show, setting=setting):
            outcomes[outcome.rule] = outcome.outcome
    return outcomes


def compare_findings(engine: Engine, changes: Sequence[RuleChange], before: Sequence[Path], after: Sequence[Path], target: Path, *,
                     outcomes_before: Mapping[str, str], outcomes_after: Mapping[str, str], labels: Mapping[str, str]) -> list[RuleImpact]:
    """Write the findings that appear or vanish to `target` (Parquet: change, `labels`, then as findings) and count by rule.

    A finding is known by its rule and its row, or its group where it is about a group of rows.
    """
    was = {c.rule.id: "" if c.before is None else outcomes_before.get(c.rule.id, "absent") for c in changes}
    now = {c.rule.id: "" if c.after is None else outcomes_after.get(c.rule.id, "absent") for c in changes}
    compared = [id_ for id_ in was if was[id_] in ("", *JUDGED) and now[id_] in ("", *JUDGED)]
    _view(engine, "_impact_before", before, compared)
    _view(engine, "_impact_after", after, compared)
    # A rule that the other set does not have finds nothing there, whatever an older file says.
    same = "x.rule = y.rule AND x._ident = y._ident"
    marks = "".join(f", {literal(value)} AS {quote(name)}" for name, value in labels.items())
    sides = [f"SELECT {literal(change)} AS change{marks}, x.* EXCLUDE (_ident) FROM {here} AS x ANTI JOIN {there} AS y ON {same}"
             for change, here, there in (("appears", "_impact_after", "_impact_before"), ("vanishes", "_impact_before", "_impact_after"))]
    engine.write_parquet(f"SELECT * FROM ({' UNION ALL BY NAME '.join(sides)}) ORDER BY change, rule, key, \"row\"", target)
    counts = {(rule, change): int(n) for rule, change, n in engine.rows(f"SELECT rule, change, count(*) FROM read_parquet({literal(str(target))}) GROUP BY ALL")}
    stays = {rule: int(n) for rule, n in engine.rows(f"SELECT x.rule, count(*) FROM _impact_after AS x SEMI JOIN _impact_before AS y ON {same} GROUP BY ALL")}
    found = []
    for change in changes:
        id_ = change.rule.id
        numbers = (counts.get((id_, "appears"), 0), counts.get((id_, "vanishes"), 0), stays.get(id_, 0)) if id_ in compared else (None, None, None)
        found.append(RuleImpact(
            id_, change.rule.table, change.rule.family, change.rule.severity, change.change, fingerprint(change.before) if change.before else "",
            fingerprint(change.after) if change.after else "", was[id_], now[id_], *numbers))
    return found


def _view(engine: Engine, name: str, files: Sequence[Path], rules: Sequence[str]) -> None:
    wanted = ", ".join(map(literal, rules)) or "NULL"
    identity = "coalesce(CAST(\"row\" AS VARCHAR), key, '')"
    if files:
        source = parquet_sql(files)
    else:
        source = ("(SELECT CAST(NULL AS VARCHAR) AS rule, CAST(NULL AS VARCHAR) AS key, CAST(NULL AS BIGINT) AS \"row\" WHERE FALSE)")
    engine.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT *, {identity} AS _ident FROM {source} WHERE rule IN ({wanted})")
