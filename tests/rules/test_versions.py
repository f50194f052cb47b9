from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date

import pytest

from etl.ledger import open_ledger
from etl.ledger.definition import RuleOutcome
from etl.rules.derived import all_rules
from etl.rules.loader import load_rules
from etl.rules.versions import fingerprint, version_history, versions
from etl.standard import load_standard

ROW = """
id: SM24-BD-BDZT-CR-01
family: conditional_required
when: BDZT = '终止'
expect: ZZRQ IS NOT NULL AND (BF >= 0 OR BF IS NULL)
severity: error
message: {zh: 终止须有日期, en: a terminated policy has a date}
effective: {from: 2021-01-01}
examples: {pass: [{BDZT: 有效}], fail: [{BDZT: 终止}]}
"""


@pytest.fixture
def version(read_rules):
    """Version of the one rule in a text."""
    def of(text: str) -> str:
        [rule] = read_rules(text)
        return fingerprint(rule)

    return of


@pytest.mark.parametrize(("old", "new"), [
    ("when: BDZT = '终止'", "when:   ( BDZT='终止' )"),
    ("expect: ZZRQ IS NOT NULL AND (BF >= 0 OR BF IS NULL)", "expect: |\n  (ZZRQ is not null)\n  and ((BF>=0) or BF is null)"),
    ("zh: 终止须有日期", "zh: 请补充日期"),
    ("examples: {pass: [{BDZT: 有效}], fail: [{BDZT: 终止}]}", "examples: {pass: [{BDZT: 中止}, {BDZT: 有效}], fail: [{BDZT: 终止, BF: 1}]}\nbasis: other (R)"),
])
def test_what_changes_no_outcome_changes_no_version(version, old, new):
    assert old in ROW
    assert version(ROW.replace(old, new)) == version(ROW)


@pytest.mark.parametrize(("old", "new"), [
    ("'终止'", "'中止'"), ("BDZT = ", "BDZT <> "), ("BF >= 0 OR", "BF > 0 OR"), ("BF >= 0 OR", "BF >= 0 AND"), ("BF >= 0 OR", "BF >= 0.5 OR"),
    ("ZZRQ IS NOT NULL AND", "ZZRQ IS NULL AND"), ("BF >= 0", "abs(BF) >= 0"), ("severity: error", "severity: warning"),
    ("2021-01-01}", "2022-01-01}"), ("2021-01-01}", "2021-01-01, to: 2030-12-31}"), ("when: BDZT = '终止'\n", ""),
    ("ZZRQ IS NOT NULL AND (BF >= 0 OR BF IS NULL)", "ZZRQ IS NOT NULL AND BF >= 0 OR BF IS NULL"),
])
def test_what_changes_the_outcome_changes_the_version(version, old, new):
    assert old in ROW
    assert version(ROW.replace(old, new)) != version(ROW)


def test_relations_and_reconciliations_have_versions_of_all_their_parts():
    rules = load_rules(load_standard("east_life_2020"))
    relation = next(rule for rule in rules if rule.relation and rule.relation.to_where and len(rule.relation.aggregate) > 0)
    for changed in (replace(relation.relation, to="XZDYB"), replace(relation.relation, to_where=None), replace(relation.relation, on={"A": "B"}),
                    replace(relation.relation, aggregate={}), replace(relation.relation, exceptions=("0",))):
        assert fingerprint(replace(relation, relation=changed)) != fingerprint(relation)
    two = next(rule for rule in rules if rule.relation and len(rule.relation.on) > 1)
    assert fingerprint(replace(two, relation=replace(two.relation, on=dict(reversed(two.relation.on.items()))))) == fingerprint(two)
    reconcile = next(rule for rule in rules if rule.reconcile)
    for changed in (replace(reconcile.reconcile, tolerance=7.0), replace(reconcile.reconcile, left=reconcile.reconcile.right),
                    replace(reconcile.reconcile, right=replace(reconcile.reconcile.right, where=None if reconcile.reconcile.right.where else reconcile.when))):
        if changed != reconcile.reconcile:
            assert fingerprint(replace(reconcile, reconcile=changed)) != fingerprint(reconcile)
    unique = next(rule for rule in rules if len(rule.unique) > 1)
    assert fingerprint(replace(unique, unique=unique.unique[::-1])) == fingerprint(unique)
    assert fingerprint(replace(unique, unique=unique.unique[:1])) != fingerprint(unique)
    assert fingerprint(replace(unique, requires=("X",))) != fingerprint(unique)
    assert fingerprint(replace(unique, silenced={"zh": "停", "en": "off", "basis": "b"})) != fingerprint(unique)


def test_rules_that_say_different_things_have_different_versions_and_every_process_finds_the_same():
    standard = load_standard("east_life_2020")
    found = versions(all_rules(standard, load_rules(standard)))
    assert all(len(version) == 16 and set(version) <= set("0123456789abcdef") for version in found.values())
    assert len(set(found.values())) == len(found)
    script = ("from etl.rules.versions import versions; from etl.rules.derived import all_rules; from etl.rules.loader import load_rules\n"
              "from etl.standard import load_standard; import hashlib; s = load_standard('east_life_2020'); v = versions(all_rules(s, load_rules(s)))\n"
              "print(hashlib.sha256(repr(sorted(v.items())).encode()).hexdigest())")
    seen = {subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert len(seen) == 1


def test_the_history_of_a_rule_says_which_runs_used_which_version(tmp_path):
    rules = load_rules(load_standard("east_life_2020"))[:2]
    old, new = rules[0], replace(rules[0], severity="warning" if rules[0].severity == "error" else "error")
    with open_ledger(tmp_path / "ledger.db") as ledger:
        ids = []
        for period, rule, kept in (("2026-08", old, ""), ("2026-09", old, fingerprint(old)), ("2026-10", new, fingerprint(new))):
            run = ledger.start_run("east_life_2020", period, date(2026, 11, 15), company="000999", pack_fingerprint=fingerprint(rule))
            ledger.record_findings(run.id, [RuleOutcome(rule.id, rule.family, rule.severity, rule.table, "failed", 10, 3, version=kept)])
            ids.append(run.id)
        history = version_history(ledger, old.id, "east_life_2020", lambda run: new if run.id == ids[2] else old)
        assert [(h["version"], h["text"]["severity"], [run["run"] for run in h["runs"]]) for h in history] == [
            (fingerprint(new), new.severity, [ids[2]]), (fingerprint(old), old.severity, [ids[1], ids[0]])]
        # Where a run's copy of the packs is gone, the ledger still knows the version, and nobody guesses the text.
        gone = version_history(ledger, old.id, "east_life_2020", lambda run: None)
        assert [(h["version"], h["text"], len(h["runs"])) for h in gone] == [(fingerprint(new), None, 1), (fingerprint(old), None, 1), ("", None, 1)]
        assert version_history(ledger, "unknown", "east_life_2020", lambda run: None) == []
