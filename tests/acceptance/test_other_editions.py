"""Editions of which little is known run like the one that is known: loaded, run over the demo insurer, sealed without a finding."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from etl.engines import open_engine
from etl.ledger import open_ledger
from etl.packs.roots import PackRoots
from etl.pipeline import RunRequest, start_run
from etl.pipeline.foreign import check_files
from etl.pipeline.tracing import trace_serial
from etl.rules.derived import all_rules
from etl.rules.findings import FindingFilter, query_findings, register_findings
from etl.rules.loader import load_rules
from etl.standard import load_standard
from etl.submission.definition import Period
from etl.submission.package import verify_package
from etl.workspace import Workspace
from tests.acceptance.test_killed import copy_of

HEAD = ["LSH", "BXJGDM", "BXJGMC"]
# standard -> period, prefix of its rules, tables that no core system of the demo can fill
PACKS = {
    "east_life_2024": ("2026-10", "EL24", {"D00803_BDHKXXB"}),
    "east_property": ("2026-10", "EP", {"D0705_ZBXPATHXXB", "D0804_ZJLPFYXXB", "D1304_QCXBDGCSBXXB", "D1608_BZBXGYGWFZXXB"}),
    "audit_life": ("2025Q2", "AL", set()),
}


def run(workspace: Workspace, standard: str):
    return start_run(workspace, RunRequest(standard, Period.parse(PACKS[standard][0]), date(2026, 11, 20)))


def lines(package: Path, table: str, encoding: str = "utf-8", separator: str = "\x01") -> list[list[str]]:
    (file,) = package.glob(f"*-{table}-*.txt")
    return [line.split(separator) for line in file.read_text(encoding=encoding).splitlines()]


def core(workspace: Workspace, system: str, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(workspace.root / "demo" / f"{system}.db")) as database, database:
        return database.execute(sql).fetchall()


def sealed(workspace: Workspace, name: str) -> Path:
    """Run a pack; what holds for each of them is asserted here."""
    period, prefix, empty = PACKS[name]
    result = run(workspace, name)
    assert (result.status, result.findings) == ("sealed", {"error": 0, "warning": 0})
    standard = load_standard(name)
    with open_ledger(workspace.ledger_place) as ledger:
        outcomes = ledger.findings(result.run)
        assert ledger.run(result.run).period == period
        rows = {count.table: count.rows_out for count in ledger.stages(result.run) if count.stage == "standardise"}
    # What reads a table that nothing delivers has judged nothing, and says so.
    assert {(outcome.outcome, "is not delivered" in outcome.reason) for outcome in outcomes} <= {("passed", False), ("skipped", True)}
    assert {outcome.table for outcome in outcomes if outcome.outcome == "passed"} == set(standard.tables) - empty
    assert {outcome.outcome for outcome in outcomes if outcome.table in empty} <= {"skipped"}
    assert {outcome.rule.split("-")[0] for outcome in outcomes} == {prefix}
    assert {rule.id for rule in all_rules(standard, load_rules(standard))} == {outcome.rule for outcome in outcomes}
    assert {table for table, count in rows.items() if count == 0} == empty
    assert verify_package(result.package) == []
    check = check_files(result.package, name, PackRoots.of())
    assert check.findings == []
    assert sorted(check.files) == sorted(path.name for path in result.package.glob("*.txt"))
    return result.package


def test_life_2024(clean_month, tmp_path):
    workspace = copy_of(clean_month, tmp_path / "ws")
    package = sealed(workspace, "east_life_2024")
    assert package.name == "000999310000-20261031"
    policies = lines(package, "D00705_GRBDB")
    assert len(policies) == core(workspace, "life_admin", "SELECT count(*) FROM LCCont")[0][0]
    assert {row[1] for row in policies} == {"000999"} and {row[5] for row in policies} == {"个人", "团体"}
    # the unit is the one that issued the policy, under the number and name that the table of branches gives it
    issued = dict(core(workspace, "life_admin", "SELECT ContNo, SignCom FROM LCCont"))
    branches = {row[3]: row[4] for row in lines(package, "FZJGXXB")}
    assert all(row[3] == issued[row[7]] and row[4] == branches[row[3]] for row in policies)
    open_cases = core(workspace, "claims", "SELECT count(*) FROM LLCase WHERE CaseState <> '50' OR EndCaseDate >= '20261001'")[0][0]
    assert len(lines(package, "LPAJXXB")) == open_cases > 0


def test_property(clean_month, tmp_path):
    workspace = copy_of(clean_month, tmp_path / "ws")
    package = sealed(workspace, "east_property")
    standard = load_standard("east_property")
    assert all([item.code for item in table.items[:4]] == [*HEAD, "CJRQ"] for table in standard.tables.values())
    (company,) = lines(package, "D0101_JGXXB")
    assert company[3] == "2026-10-31" and company[7] == "未记录"
    customers = {row[4]: row for row in lines(package, "D0302_TTKHXXB")}
    known = core(workspace, "life_admin", "SELECT CustomerNo, GrpName, Corporation FROM LDGrp")
    assert {number: name for number, name, _ in known} == {number: row[6] for number, row in customers.items()}
    # the organisation's name is sent as it is, the person's is not
    assert all(len(customers[number][5]) == 64 and head not in customers[number][5] for number, _, head in known)


def test_audit_quarter(clean_month, tmp_path):
    """A quarter that has passed: April to June 2025, its payments, claims and surrenders, and the ledger's three months."""
    workspace = copy_of(clean_month, tmp_path / "ws")
    package = sealed(workspace, "audit_life")
    assert package.name == "000999-20250630"
    # One file per province and table: each line lies in its own province's file.
    parts: dict[str, list[list[str]]] = {}
    provinces = {code for code, in core(workspace, "life_admin", "SELECT DISTINCT RegArea FROM LDCom")}
    for path in sorted(package.glob("*.txt")):
        company, province, table, day = path.stem.split("-")
        assert (company, day) == ("000999", "20250630") and province in provinces
        head, *rows = [line.split("|") for line in path.read_text(encoding="gb18030").splitlines()]
        assert head[:4] == ["BXJGDM", "BXJGMC", "SSDM", "SSLSH"] or table != "BFSS"
        assert {row[2] for row in rows} == {province}
        parts.setdefault(table, []).extend(rows)
    assert set(parts) == {"BDXX", "BFSS", "LPXX", "TBXX"}
    assert len({path.stem.split("-")[1] for path in package.glob("*-BDXX-*.txt")}) > 1
    premiums = parts["BFSS"]
    assert {row[-1][:6] for row in premiums} == {"202504", "202505", "202506"}
    paid = core(workspace, "life_admin", "SELECT PayNo FROM LJAPay WHERE ConfDate BETWEEN '2025-04-01' AND '2025-06-30 23:59'")
    assert Counter(row[3] for row in premiums) == Counter(number for number, in paid)
    # a line without serial number is traced by its table and place
    surrender = parts["TBXX"][0]
    trace = trace_serial(workspace, "000999:TBXX:1")
    assert (trace.sources[0].table, trace.sources[0].key) == ("LPEdorItem", surrender[3])


def found_rules(workspace: Workspace, run_id: str) -> set[str]:
    with open_engine() as engine:
        register_findings(engine, sorted((workspace.run_folder(run_id) / "findings").glob("*.parquet")), {})
        return {finding["rule"] for finding in query_findings(engine, FindingFilter())}


@pytest.mark.parametrize(("standard", "system", "fault", "rule"), [
    ("east_life_2024", "claims", "UPDATE LLRegister SET MngCom = '9999' WHERE RgtNo = (SELECT RgtNo FROM LLCase WHERE CaseState <> '50' LIMIT 1)", "EL24-LPAJXXB-NBJGH-REF"),
    ("east_property", "life_admin", "UPDATE LDGrp SET CertNo = '91310000MA1FL00010' WHERE CustomerNo = (SELECT min(CustomerNo) FROM LDGrp)", "EP-D0302_TTKHXXB-KHZJHM-CI-01"),
    ("audit_life", "finance", "UPDATE Balance SET Credit = Credit + 0.01 WHERE AccountCode = '6031' AND BranchCode = '8631' AND PeriodEnd LIKE '2025-05-31%'", "AL-BFSS-SSJE-RC-01"),
])
def test_one_fault_blocks_the_package(clean_month, tmp_path, standard, system, fault, rule):
    workspace = copy_of(clean_month, tmp_path / "ws")
    with closing(sqlite3.connect(workspace.root / "demo" / f"{system}.db")) as database, database:
        assert database.execute(fault).rowcount == 1
    result = run(workspace, standard)
    assert (result.status, result.package) == ("blocked", None)
    assert rule in found_rules(workspace, result.run)
