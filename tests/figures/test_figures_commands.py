"""`eastbound figures` and `eastbound reconcile` over runs of the small insurer: two months, another standard, a workbook."""

from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import date
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
from figure_cli import call

from etl.ledger import open_ledger
from etl.pipeline import RunRequest, start_run
from etl.submission.definition import Period
from tests.pipeline.small_insurer import PAYMENTS, POLICIES, make_workspace, write_core

FIGURES = """\
dimensions:
  branch: {name: {zh: 状态, en: State}}
  channel: {name: {zh: 状态, en: State}, codes: STATE}
rows:
  payments: {from: JF, joins: {BD: {"on": {BDH: BDH}}}, date: RQ, where: BD.XM IS NOT NULL, by: {branch: BD.ZT, channel: BD.ZT}}
  policies: {from: BD, date: SXRQ, by: {branch: ZT}}
figures:
  - {id: premium, name: {zh: 保费, en: Premium}, definition: {zh: 本月保费, en: Premium of the month}, unit: yuan, period: flow, rows: payments, value: sum(JE)}
  - {id: opening, name: {zh: 期初件数, en: Opening}, definition: {zh: 期初, en: At the opening}, unit: count, period: opening, rows: policies, value: count(*),
     where: SXRQ < period_start()}
  - {id: closing, name: {zh: 期末件数, en: Closing}, definition: {zh: 期末, en: At the closing}, unit: count, period: closing, rows: policies, value: count(*),
     where: SXRQ <= period_end()}
  - {id: average, name: {zh: 件均, en: Average}, definition: {zh: 件均, en: Per policy}, unit: yuan, period: flow, formula: premium / closing}
  - {id: impossible, name: {zh: 无, en: None}, definition: {zh: 无, en: None}, unit: ratio, period: flow, formula: premium / (closing - closing)}
"""
TEXTS = "name: {zh: 核对, en: Check}, definition: {zh: 核对, en: Check}"
RECONCILIATIONS = f"""\
reconciliations:
  - {{id: other, {TEXTS}, left: {{from: JF, date: RQ, key: [BDH, XH], amount: JE}}, right: {{standard: tiny2, from: JF, date: RQ, key: [BDH, XH], amount: JE}}}}
  - {{id: opening, {TEXTS}, kind: figures, left: {{figure: opening}}, right: {{figure: closing, run: previous}}}}
  - {{id: growth, {TEXTS}, left: {{from: BD, key: [BDH], amount: LJBF}}, right: [{{run: previous, from: BD, key: [BDH], amount: LJBF}}]}}
  - {{id: summary, {TEXTS}, kind: workbook, tolerance: {{absolute: 0.5}}, sheets: [{{sheet: S, factor: 10000, cells: {{B2: premium}}, header_row: 4, by: branch, member: 状态,
      columns: {{保费: premium}}}}]}}
  - {{id: rule_outcomes, {TEXTS}, kind: rules, rules: {{ids: [TN-BD-ZZRQ-CR-01]}}}}
"""


def double(packs: Path, on_error: str = "block_package") -> None:
    """Give `tiny` its figures and reconciliations, and make `tiny2`, a copy of it."""
    rules = packs / "validation_rules/tiny"
    (rules / "figures.yaml").write_text(FIGURES, encoding="utf-8")
    (rules / "reconciliations.yaml").write_text(RECONCILIATIONS, encoding="utf-8")
    for folder in ("standards/tiny", "sources/core/tiny"):
        shutil.copytree(packs / "mappings" / folder, packs / "mappings" / (folder + "2"))
    for path in (packs / "mappings").rglob("*2/*.yaml"):
        text = path.read_text(encoding="utf-8").replace("standard: tiny", "standard: tiny2").replace("prefix: TN", "prefix: TT")
        path.write_text(text.replace("on_error: block_package", f"on_error: {on_error}"), encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A workspace with September and October of `tiny`, and October of its copy `tiny2`, to which one payment was reported differently."""
    root = tmp_path_factory.mktemp("figures")
    workspace = make_workspace(root)
    double(root / "packs")
    for standard, period, day in (("tiny", "2026-09", date(2026, 10, 15)), ("tiny", "2026-10", date(2026, 11, 15))):
        assert start_run(workspace, RunRequest(standard, Period.parse(period), day)).status == "sealed"
    write_core(root / "core.db", payments=[*PAYMENTS[:3], ("P003", 1, "98.90", "2026/10/01"), ("P003", 2, "5.00", "2026/10/02")])
    assert start_run(workspace, RunRequest("tiny2", Period.parse("2026-10"), date(2026, 11, 15))).status == "sealed"
    return workspace.root


def figures(place, *arguments):
    code, out = call("figures", "-w", str(place), "-s", "tiny", "--format", "json", *arguments)
    assert code == 0
    return json.loads(out)


def test_values_of_a_run(place):
    rows = {row["figure"]: row for row in figures(place, "-p", "2026-10")}
    assert {name: row["value"] for name, row in rows.items()} == {"premium": 99.9, "opening": 2, "closing": 3, "average": 33.3, "impossible": None}
    assert rows["impossible"]["reason"] == "division by zero" and rows["premium"]["rows"] == 1
    # Nothing was paid in September, and the table was there: a 0.
    assert {row["figure"]: row["value"] for row in figures(place, "-p", "2026-09")} == {"premium": 0, "opening": 2, "closing": 2, "average": 0, "impossible": None}


def test_split_by_dimension_and_month(place):
    assert [(row["member"], row["member_name"], row["value"]) for row in figures(place, "closing", "--by", "branch")] == [("有效", "", 2), ("终止", "", 1)]
    # A member that only one part knows counts as 0 in the other.
    assert [(row["member"], row["value"]) for row in figures(place, "average", "--by", "branch")] == [("有效", 49.95), ("终止", 0)]
    assert [(row["member"], row["value"]) for row in figures(place, "closing", "--by", "month")] == [("2026-09", 2), ("2026-10", 3)]
    assert [row["reason"] for row in figures(place, "closing", "--by", "channel")] == ["this figure cannot be split by channel"]


def test_rows_of_a_figure_are_masked_and_lead_to_the_source(place, tmp_path):
    code, out = call("figures", "-w", str(place), "-s", "tiny", "--rows", "average", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [(row["figure"], row["key"], row["amount"]) for row in rows] == [("premium", "P003|1", "99.90"), ("closing", "P001", 1), ("closing", "P002", 1), ("closing", "P003", 1)]
    assert rows[0]["items"] == {"JE": "99.90", "BD.XM": "𠮷**"} and rows[0]["source_table"] == "Pay" and rows[0]["serial"] == "000123202611150000000007"
    code, traced = call("trace", rows[0]["serial"], "-w", str(place), "--format", "json")
    assert code == 0 and json.loads(traced)["items"]["JE"] == "99.90"
    code, out = call("figures", "-w", str(place), "-s", "tiny", "--rows", "premium", "--format", "csv")
    assert next(csv.DictReader(io.StringIO(out)))["items"] == "JE=99.90; BD.XM=𠮷**"
    target = tmp_path / "rows.xlsx"
    assert call("figures", "-w", str(place), "-s", "tiny", "-o", str(target))[0] == 0
    sheet = openpyxl.load_workbook(target).active
    assert [cell.value for cell in sheet[1]][:3] == ["figure", "name_zh", "name_en"] and sheet.max_row == 6


def test_the_table_says_unit_and_definition(place):
    code, out = call("figures", "premium", "-w", str(place), "-s", "tiny", "--explain")
    assert code == 0
    for text in ("99.90", "yuan", "Premium of the month", "sum(JE)", "over JF + BD"):
        assert text in out


def test_what_does_not_exist_is_told(place):
    code, out = call("figures", "premum", "-w", str(place), "-s", "tiny")
    assert code == 2 and "did you mean premium?" in out
    code, out = call("figures", "-w", str(place), "-s", "tiny", "-p", "2026-08")
    assert code == 2 and "no run of tiny 2026-08" in out
    code, out = call("reconcile", "nothing", "-w", str(place), "-s", "tiny")
    assert code == 2 and "there is no reconciliation nothing; there are other, opening" in out


def reconcile(place, *arguments):
    code, out = call("reconcile", "-w", str(place), "-s", "tiny", "--format", "json", *arguments)
    return code, {row["reconciliation"]: row for row in json.loads(out)}


def test_reconcile_with_another_submission(place):
    code, found = reconcile(place, "other", "--rows")
    row = found["other"]
    assert code == 1 and row["outcome"] == "differs"
    # Ours 99.90; theirs 98.90 for the same payment, and 5.00 that we do not have.
    assert (row["left"], row["right"], row["difference"]) == (99.9, 103.9, -4)
    assert (row["keys"], row["only_left"], row["only_right"], row["amounts_differ"]) == (2, 0, 1, 1)
    assert [(one["kind"], one["key"], one["difference"]) for one in row["differences"]] == [("amount", "P003|1", "1.0000"), ("only_right", "P003|2", "-5.0000")]
    assert pq.read_table(place / row["file"]).num_rows == 2
    code, out = call("reconcile", "other", "-w", str(place), "-s", "tiny", "--rows")
    assert code == 1 and "P003|2" in out and "only on the right" in out


def test_reconcile_with_the_period_before(place):
    code, found = reconcile(place, "opening", "rule_outcomes")
    assert code == 0 and found["opening"]["outcome"] == "agrees" and (found["opening"]["left"], found["opening"]["right"]) == (2, 2)
    assert found["rule_outcomes"]["outcome"] == "agrees"
    assert reconcile(place, "growth")[1]["growth"]["outcome"] == "agrees"
    # September has no month before, and no run of the other standard.
    code, found = reconcile(place, "-p", "2026-09")
    assert code == 0 and {name: row["outcome"] for name, row in found.items()} == {
        "other": "not_compared", "opening": "not_compared", "growth": "not_compared", "summary": "not_compared", "rule_outcomes": "agrees"}
    assert found["other"]["reason"].startswith("tiny2 has no run within 2026-09") and found["opening"]["reason"] == "there is no run of the period before"


@pytest.mark.parametrize(("whole", "line", "code", "outcome", "differing"), [
    (0.00999, [("有效", 0.00999)], 0, "agrees", []), (0.01, [("有效", 0.00999)], 0, "agrees", []),   # 0.10 yuan off: within 0.5
    (0.0101, [("有效", 0.00999)], 1, "differs", [("amount", "premium", "-1.1000")]),
    (0.00999, [("有效", 0.00999), ("终止", 0)], 0, "agrees", []),
    (0.00999, [("终止", 0.00999)], 1, "differs", [("only_left", "premium|branch|有效", "99.9000"), ("only_right", "premium|branch|终止", "-99.9000")]),
])
def test_reconcile_with_a_summary_in_excel(place, tmp_path, whole, line, code, outcome, differing):
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.title = "S"
    sheet["B2"] = whole
    for row in (("状态", "保费"), *line):
        sheet.append(row) if sheet.max_row >= 4 else [sheet.cell(4, n, value) for n, value in enumerate(row, 1)]
    made.save(tmp_path / "summary.xlsx")
    got, found = reconcile(place, "summary", "--workbook", str(tmp_path / "summary.xlsx"), "--rows")
    assert (got, found["summary"]["outcome"]) == (code, outcome)
    assert [(row["kind"], row["key"], row["difference"]) for row in found["summary"].get("differences", [])] == differing


def test_nothing_clear_is_left_and_the_outcome_is_in_the_audit_chain(place):
    reconcile(place, "other")
    assert not list((place / "vault").rglob("*.parquet"))
    with open_ledger(str(place / "ledger.db")) as ledger:
        events = [event for event in ledger.events() if event.action == "run.reconciled"]
        assert events and events[-1].detail["outcomes"] == {"other": "differs"}
        assert ledger.verify_chain().ok


def test_only_days_that_both_sent_are_compared_and_what_was_held_back_was_not_sent(tmp_path):
    workspace = make_workspace(tmp_path)
    double(tmp_path / "packs", on_error="hold_transactions")
    payments = [*PAYMENTS, ("P001", 2, "5.00", "2026/10/02"), ("P003", 2, "7.00", "2026/10/02")]
    write_core(tmp_path / "core.db", payments=payments)
    assert start_run(workspace, RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))).status == "sealed"
    # The state of P003 becomes one that no code map knows: its transaction is held back.
    write_core(tmp_path / "core.db", policies=[POLICIES[0], POLICIES[1], ("P003", "王五", "7", "2026-10-01", None, "99.90", None)], payments=payments)
    assert start_run(workspace, RunRequest("tiny2", Period.parse("2026-10-02"), date(2026, 10, 3))).status == "sealed"
    code, found = reconcile(workspace.root, "other", "--rows")
    row = found["other"]
    assert code == 1 and (row["left"], row["right"], row["keys"]) == (12, 5, 2)   # 99.90 of 1 October is on no day that both have
    assert [(one["kind"], one["key"], one["difference"]) for one in row["differences"]] == [("only_left", "P003|2", "7.0000")]
    assert row["notes"] == ["1 of 31 days compared: tiny2 has no run of the others"]
