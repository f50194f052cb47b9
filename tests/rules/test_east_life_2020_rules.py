"""The authored rules of east_life_2020: every example of every rule does what it says."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest

from etl.engines import open_engine
from etl.packs.roots import builtin_root, rule_files
from etl.rules.compile import RowScan
from etl.rules.definition import FAMILIES
from etl.rules.derived import all_rules
from etl.rules.examples import load_rows, run_examples
from etl.rules.loader import load_rules
from etl.standard import load_standard

NAME = "east_life_2020"
STANDARD = load_standard(NAME)
RULES = load_rules(STANDARD)
FILES = [path.stem for path in rule_files(builtin_root() / "validation_rules" / NAME)]


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
    families = Counter(rule.family for rule in RULES)
    assert len(RULES) >= 400 and families.keys() == FAMILIES.keys()
    assert {family: count for family, count in families.items() if count < 40} == {}


@pytest.mark.parametrize("table", [table.code for table in STANDARD.ordered_tables])
def test_the_row_rules_of_a_table_are_one_scan_of_it(engine, tmp_path, table):
    rules = [rule for rule in all_rules(STANDARD, RULES) if rule.table == table and rule.kind == "row"]
    # As in a run: a view over a file.
    load_rows(engine, STANDARD.tables[table], [])
    engine.write_parquet(f'SELECT * FROM data."{table}"', tmp_path / "table.parquet")
    engine.execute(f'DROP TABLE data."{table}"')
    engine.view_parquet("data", table, tmp_path / "table.parquet")
    with engine.unpushed():
        [plan] = json.loads(engine.rows(f"EXPLAIN (FORMAT json) {RowScan(table, rules).sql}")[0][1])
    engine.execute(f'DROP VIEW data."{table}"')

    def scans(node):
        here = [node["name"].strip()] if "PARQUET" in node["name"].upper() else []
        return here + [scan for child in node.get("children", []) for scan in scans(child)]

    assert len(rules) > 5 and len(scans(plan)) == 1, scans(plan)


def test_no_rule_stands_twice_under_different_ids():
    said = Counter((r.table, r.when and r.when.text, r.expect and r.expect.text, str(r.relation), r.unique, str(r.reconcile)) for r in RULES)
    assert [what for what, count in said.items() if count > 1] == []


def test_ids_are_unique_among_derived_rules_too():
    every = all_rules(STANDARD, RULES)
    assert [rule for rule, count in Counter(r.id for r in every).items() if count > 1] == []


def test_every_rule_says_where_it_comes_from():
    assert [rule.id for rule in RULES if not rule.basis or not rule.effective_from] == []
