"""The rule book against the demo insurer: each rule is shown one fault in clean data, fires, and nothing unrelated does."""

from __future__ import annotations

from datetime import date

import pytest

from etl.commands.demo import SYSTEMS, create
from etl.pipeline import RunRequest, start_run
from etl.pipeline.mutation import mutation_check
from etl.rules.definition import FAMILIES
from etl.rules.loader import load_rules
from etl.standard import load_standard
from etl.submission.definition import Period
from etl.workspace import Workspace

# The quick sample: so many rules of each family, of tables that have all families between them.
SAMPLE, TABLES = 6, ("BFMXB", "LPBDMXB", "GRXZB")


def wrong(told) -> list[tuple]:
    return [(m.rule, m.outcome, m.changed, m.unrelated, m.reason) for m in told.report.mutants if m.outcome != "fired"]


def test_a_sample_of_every_family_fires(clean_month):
    families: dict[str, list[str]] = {}
    for rule in load_rules(load_standard("east_life_2020"), tables=set(TABLES)):
        families.setdefault(rule.family, []).append(rule.id)
    sample = {id_ for ids in families.values() for id_ in ids[:SAMPLE]}
    told = mutation_check(clean_month.workspace, "east_life_2020", clean_month.run, only=sample)
    assert wrong(told) == [] and {m.rule for m in told.report.mutants} == sample
    assert {m.family for m in told.report.mutants} == set(FAMILIES) and len(sample) >= 30


@pytest.mark.slow
def test_every_rule_of_the_rule_book_fires_and_nothing_unrelated_with_it(clean_month):
    told = mutation_check(clean_month.workspace, "east_life_2020", clean_month.run, derived=True)
    assert wrong(told) == [] and len(told.report.mutants) > 3000
    assert told.report.seeded == ()


@pytest.mark.slow
def test_every_rule_of_the_registry_fires(tmp_path):
    create(tmp_path, policies=300, seed=11, faults=0.0, urls={name: f"sqlite:///demo/{name}.db" for name in SYSTEMS}, as_of=date(2026, 10, 31))
    workspace = Workspace.open(tmp_path)
    assert start_run(workspace, RunRequest("registry_life_2", Period.parse("2026-10-15"), date(2026, 10, 16))).status == "sealed"
    told = mutation_check(workspace, "registry_life_2", derived=True)
    assert wrong(told) == [] and len(told.report.mutants) > 900
