"""The authored rules of east_life_2020: every example of every rule does what it says."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from etl.engines import open_engine
from etl.packs.roots import builtin_root
from etl.rules.definition import FAMILIES
from etl.rules.derived import all_rules
from etl.rules.examples import run_examples
from etl.rules.loader import load_rules
from etl.standard import load_standard

NAME = "east_life_2020"
STANDARD = load_standard(NAME)
RULES = load_rules(STANDARD)
FILES = sorted(path.stem for path in (builtin_root() / "validation_rules" / NAME).glob("*.yaml"))


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as opened:
        opened.load_codes(STANDARD.codes.values(), date(2026, 10, 31))
        opened.set_parameters(period_start=date(2026, 10, 1), period_end=date(2026, 10, 31), report_date=date(2026, 11, 15))
        yield opened


@pytest.mark.parametrize("table", FILES)
def test_every_example_does_what_it_says(engine, table):
    rules = [rule for rule in RULES if rule.table == table]
    run, faults = run_examples(engine, STANDARD, rules)
    assert [f"{fault.path}:{fault.line} {fault.rule} {fault.en}" for fault in faults] == []
    assert run == sum(len(rule.examples_pass) + len(rule.examples_fail) for rule in rules) >= 2 * len(rules) > 0


def test_there_are_enough_rules_and_all_families_are_among_them():
    assert len(RULES) >= 150
    assert {rule.family for rule in RULES} == set(FAMILIES)


def test_no_rule_stands_twice_under_different_ids():
    said = Counter((r.table, r.when and r.when.text, r.expect and r.expect.text, str(r.relation), r.unique, str(r.reconcile)) for r in RULES)
    assert [what for what, count in said.items() if count > 1] == []


def test_ids_are_unique_among_derived_rules_too():
    every = all_rules(STANDARD, RULES)
    assert [rule for rule, count in Counter(r.id for r in every).items() if count > 1] == []


def test_every_rule_says_where_it_comes_from():
    assert [rule.id for rule in RULES if not rule.basis or not rule.effective_from] == []
