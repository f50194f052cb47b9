"""Planted faults: one of every kind, told truly, found under a rule that exists, and taken out without a trace."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections import Counter
from datetime import date

import pytest

from etl.demo.errors import RepairMismatch
from etl.demo.insurer import create_insurer, repair_insurer
from etl.demo.planting import KINDS
from etl.rules.derived import all_rules
from etl.rules.loader import load_rules
from etl.sources.loader import load_source
from etl.standard.loader import load_standard
from tests.demo.rows import POLICIES, SEED, SYSTEMS, content, rows, sqlite_urls, texts


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    create_insurer(sqlite_urls(folder), policies=POLICIES, seed=SEED, truth=folder)
    return folder


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    summary = create_insurer(sqlite_urls(folder), policies=POLICIES, seed=SEED, fault_rate=0.001, truth=folder)
    return folder, summary


def truth(folder) -> list[dict[str, str]]:
    with (folder / "faults.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_of_every_kind(faulty):
    folder, summary = faulty
    told = truth(folder)
    assert list(told[0]) == ["fault", "system", "table", "key", "item", "rule"]
    assert len(KINDS) >= 125 and Counter(row["fault"] for row in told) == dict.fromkeys((kind.name for kind in KINDS), 1)
    assert summary.faults == len(told) == len(KINDS)
    assert not (folder / "faults.csv.partial").exists()


def test_twenty_kinds_at_least_in_the_newer_systems():
    newer = Counter(kind.system for kind in KINDS if kind.system in ("hr", "reinsurance", "pension", "investment", "related"))
    assert len(newer) == 5 and min(newer.values()) >= 5 and sum(newer.values()) >= 20
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_consequences_are_told_narrowly(faulty):
    """Every consequence names a rule that exists, a planted fault, and a row of a core system or a group of a reconciliation."""
    folder, _ = faulty
    with (folder / "consequences.csv").open(encoding="utf-8", newline="") as stream:
        told = list(csv.DictReader(stream))
    assert told and list(told[0]) == ["fault", "rule", "system", "table", "key", "of"]
    assert len({tuple(row.values()) for row in told}) == len(told)
    planted = {(row["fault"], row["key"]) for row in truth(folder)}
    standard = load_standard("east_life_2020")
    rules = {rule.id: rule for rule in all_rules(standard, load_rules(standard))}
    for row in told:
        assert (row["fault"], row["of"]) in planted, row
        if not row["rule"].endswith(("-MAP", "-TYPE", "-JOIN")):
            assert (row["system"] == "") == (rules[row["rule"]].family == "reconciliation"), row
        if row["system"]:
            key = load_source(row["system"]).tables[row["table"]].key
            where = " AND ".join(f'trim(CAST("{column}" AS TEXT)) = ?' for column in key)
            assert rows(folder, row["system"], f'SELECT 1 FROM "{row["table"]}" WHERE {where}', *row["key"].split("|")), row


def test_an_insurer_without_the_newer_systems(tmp_path):
    urls = {system: url for system, url in sqlite_urls(tmp_path).items() if system in ("life_admin", "claims", "service", "finance")}
    summary = create_insurer(urls, policies=POLICIES, seed=SEED, fault_rate=0.001, truth=tmp_path)
    assert summary.faults == sum(kind.system in urls for kind in KINDS) > 100
    assert repair_insurer(urls, truth=tmp_path) == summary.faults


def test_another_month_has_rows_for_every_kind(tmp_path):
    """Quarterly accounts and contributions are not rendered in every month."""
    summary = create_insurer(sqlite_urls(tmp_path), policies=POLICIES, seed=SEED, fault_rate=0.001, as_of=date(2026, 9, 30), truth=tmp_path)
    assert summary.faults == len(KINDS)


def test_a_higher_rate_plants_more_on_different_rows(tmp_path):
    summary = create_insurer(sqlite_urls(tmp_path), policies=2000, seed=SEED, fault_rate=0.1, truth=tmp_path / "faults.csv")
    told = truth(tmp_path)
    assert summary.faults == len(told) == 200
    assert len({(row["system"], row["table"], row["key"]) for row in told}) == 200
    assert set(Counter(row["fault"] for row in told)) == {kind.name for kind in KINDS}


def test_rules_named_exist():
    standard = load_standard("east_life_2020")
    rules = {rule.id: rule for rule in all_rules(standard, load_rules(standard))}
    for kind in KINDS:
        table, item = kind.item.split(".")
        assert item in standard.tables[table].by_code, kind.name
        if kind.rule in rules:
            assert (rules[kind.rule].table, rules[kind.rule].item) == (table, item), kind.name
        else:
            # Made while standardising, one per item: they have no line of their own among the rules.
            assert kind.rule in (f"EL20-{table}-{item}-TYPE", f"EL20-{table}-{item}-MAP"), kind.name


def test_truth_names_rows_that_differ_from_a_clean_insurer(clean, faulty):
    folder, _ = faulty
    kinds = {kind.name: kind for kind in KINDS}
    for fault in truth(folder):
        key = load_source(fault["system"]).tables[fault["table"]].key
        where = " AND ".join(f'trim(CAST("{column}" AS TEXT)) = ?' for column in key)
        sql = f'SELECT * FROM "{fault["table"]}" WHERE {where}'
        before, after = (set(map(tuple, rows(place, fault["system"], sql, *fault["key"].split("|")))) for place in (clean, folder))
        assert after and after != before, fault["fault"]
        assert len(after - before) == 1 and (kinds[fault["fault"]].copy or len(after) == 1), fault["fault"]


def test_only_spoilt_tables_differ(clean, faulty):
    folder, _ = faulty
    before, after = content(clean), content(folder)
    touched = {f"{row['system']}.{row['table']}" for row in truth(folder)}
    assert {name for name in before if before[name] != after[name]} == touched


def test_repair_restores_the_clean_insurer(clean, faulty, tmp_path):
    folder, summary = faulty
    for name in (*(f"{system}.db" for system in SYSTEMS), "faults.csv", "consequences.csv", "faults.undo.jsonl"):
        shutil.copy(folder / name, tmp_path / name)
    assert repair_insurer(sqlite_urls(tmp_path), truth=tmp_path) == summary.faults
    assert content(tmp_path) == content(clean)
    assert repair_insurer(sqlite_urls(tmp_path), truth=tmp_path) == 0
    assert truth(tmp_path) == truth(folder)


def test_repair_refuses_when_a_spoilt_row_is_gone(faulty, tmp_path):
    folder, _ = faulty
    for name in (*(f"{system}.db" for system in SYSTEMS), "faults.csv", "consequences.csv", "faults.undo.jsonl"):
        shutil.copy(folder / name, tmp_path / name)
    first = next(row for row in truth(folder) if row["fault"] == "call_back_kind_unmappable")
    with sqlite3.connect(tmp_path / "service.db") as connection:
        connection.execute('DELETE FROM "CallBack" WHERE "CallId" = ?', (first["key"],))
    before = content(tmp_path)
    with pytest.raises(RepairMismatch):
        repair_insurer(sqlite_urls(tmp_path), truth=tmp_path)
    assert content(tmp_path) == before


def test_same_seed_same_faults(faulty, tmp_path):
    folder, _ = faulty
    create_insurer(sqlite_urls(tmp_path), policies=POLICIES, seed=SEED, fault_rate=0.001, truth=tmp_path)
    assert truth(tmp_path) == truth(folder)
    assert content(tmp_path) == content(folder)


def test_a_clean_insurer_tells_of_no_faults(clean):
    assert not any((clean / name).exists() for name in ("faults.csv", "consequences.csv", "faults.undo.jsonl"))
    assert repair_insurer(sqlite_urls(clean), truth=clean) == 0


def test_faults_on_postgresql(faulty, postgres_url, tmp_path):
    folder, summary = faulty
    urls = dict.fromkeys(SYSTEMS, postgres_url)
    create_insurer(urls, policies=POLICIES, seed=SEED, fault_rate=0.001, truth=tmp_path)
    assert truth(tmp_path) == truth(folder)
    assert [json.loads(line)["key"] for line in (tmp_path / "faults.undo.jsonl").read_text().splitlines()] == [
        json.loads(line)["key"] for line in (folder / "faults.undo.jsonl").read_text().splitlines()]
    assert repair_insurer(urls, truth=tmp_path) == summary.faults
    create_insurer(sqlite_urls(tmp_path), policies=POLICIES, seed=SEED)
    for system in SYSTEMS:
        for name in load_source(system).tables:
            assert texts(postgres_url, name) == texts(sqlite_urls(tmp_path)[system], name), name
