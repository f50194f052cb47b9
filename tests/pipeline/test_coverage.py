"""Which periods were submitted, table by table, and where there is a gap."""

from __future__ import annotations

import json
from datetime import date

import pytest

from etl.deadlines.loader import load_head
from etl.language import set_language
from etl.ledger import open_ledger
from etl.ledger.approvals import APPROVED, ApprovalBook
from etl.packs.roots import PackRoots
from etl.pipeline.coverage import coverage
from etl.pipeline.road import RunRequest, start_run
from etl.submission.definition import Period
from etl.workspace import Workspace
from tests.command import call_english
from tests.pipeline.small_insurer import make_workspace, write_packs

TODAY = date(2026, 11, 22)


@pytest.fixture(autouse=True)
def _language():
    yield
    set_language(None)


@pytest.fixture
def workspace(tmp_path):
    opened = Workspace(tmp_path / "ws", "000123", packs=(str(write_packs(tmp_path / "packs")),))
    opened.save()
    return opened


@pytest.fixture
def ledger(workspace):
    with open_ledger(workspace.ledger_place) as opened:
        yield opened


def noted(ledger, period: str, status: str | None, *, standard="tiny", approved=False, place=None, **rows: int) -> str:
    """A run of a period, its written rows, and how it ended (None: it is at work)."""
    run = ledger.start_run(standard, period, date(2026, 11, 15), company="000123", pack_fingerprint="f", options={"jurisdiction": place})
    ledger.append_event("zhang", "run.start", run.id, {})
    for table, count in rows.items():
        ledger.record_stage(run.id, "write", table, rows_in=count, rows_out=count, rows_aside=0)
    if status:
        ledger.finish_run(run.id, status, package="packages/x", package_sha256="ab" if status == "sealed" else None)
    if approved:
        ApprovalBook(ledger).decide(run.id, APPROVED, checker="li", login="li", package_sha256="ab", after=0)
    return run.id


def cover(workspace, ledger, **options):
    return coverage(ledger, load_head(options.pop("standard", "tiny"), PackRoots.of(*workspace.packs)), today=options.pop("today", TODAY), **options)


def test_states_rows_and_gaps(workspace, ledger):
    first = noted(ledger, "2026-04", "failed")
    april = noted(ledger, "2026-04", "sealed", BD=3, JF=4)
    later = noted(ledger, "2026-04", "blocked", BD=9)
    may = noted(ledger, "2026-05", "sealed", approved=True, BD=5, JF=0)
    august, october = noted(ledger, "2026-08", "blocked", BD=7), noted(ledger, "2026-10", None)
    noted(ledger, "2026-06", "sealed", place="440300", BD=1)
    found = cover(workspace, ledger)
    assert [(one.period.label, one.state, one.run, one.gap, one.rows) for one in found.periods] == [
        ("2026-04", "sealed", april, False, {"BD": 3, "JF": 4}), ("2026-05", "approved", may, False, {"BD": 5, "JF": 0}), ("2026-06", "none", None, True, {}),
        ("2026-07", "none", None, True, {}), ("2026-08", "blocked", august, False, {}), ("2026-09", "none", None, True, {}), ("2026-10", "running", october, False, {})]
    one = found.periods[0]
    assert (one.first_run, one.last_run, one.last_status, one.runs, one.decision) == (first, later, "blocked", 3, "waiting")
    assert found.gaps == ["2026-06", "2026-07", "2026-09"] and list(found.tables) == ["BD", "JF"]
    assert [one.period.label for one in cover(workspace, ledger, jurisdiction="440300").periods] == ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]


def test_a_period_that_is_not_over_is_no_gap_and_the_days_asked_for_decide(workspace, ledger):
    noted(ledger, "2026-09", "sealed", BD=1)
    assert [one.period.label for one in cover(workspace, ledger, today=date(2026, 10, 31)).periods] == ["2026-09"]
    assert [one.period.label for one in cover(workspace, ledger, today=date(2026, 11, 1)).periods] == ["2026-09", "2026-10"]
    asked = cover(workspace, ledger, first=date(2026, 8, 1), last=date(2026, 12, 31))
    assert [(one.period.label, one.gap) for one in asked.periods] == [("2026-08", True), ("2026-09", False), ("2026-10", True), ("2026-11", False), ("2026-12", False)]
    assert cover(workspace, ledger, standard="east_life_2020").periods == ()


def test_before_a_standard_is_in_force_nothing_is_missing(workspace, ledger):
    noted(ledger, "2021-02", "sealed", standard="east_life_2020", GRBDB=1)
    found = cover(workspace, ledger, standard="east_life_2020", first=date(2020, 11, 1), last=date(2021, 3, 31))
    assert [(one.period.label, one.gap) for one in found.periods] == [("2020-11", False), ("2020-12", False), ("2021-01", True), ("2021-02", False), ("2021-03", True)]


def test_the_record_has_every_table_in_every_period(workspace, ledger):
    noted(ledger, "2026-09", "sealed", BD=3)
    noted(ledger, "2026-10", "sealed", BD=4, JF=2)
    record = cover(workspace, ledger, tables={"JF": {"zh": "交费"}, "BD": {"zh": "保单"}}).as_record()
    assert [(t["table"], t["rows"], [(p["period"], p["state"], p["rows"]) for p in t["periods"]]) for t in record["tables"]] == [
        ("JF", 2, [("2026-09", "none", None), ("2026-10", "sealed", 2)]), ("BD", 7, [("2026-09", "sealed", 3), ("2026-10", "sealed", 4)])]
    assert [one["rows"] for one in record["periods"]] == [3, 6] and record["gaps"] == []


def test_the_command_draws_years_of_months(workspace, ledger, capsys):
    noted(ledger, "2025-11", "sealed", approved=True, BD=3, JF=0)
    noted(ledger, "2026-01", "sealed", BD=4)
    noted(ledger, "2026-02", "blocked")
    code, out, _ = call_english(capsys, "runs", "coverage", "-w", workspace.root, "--to", "2026-04", "--today", "2026-11-22")
    told = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    assert code == 0 and "table name 2025 11-12 2026 1-4 rows sent" in told
    assert "BD Policies A- SB-- 7" in told and "JF Payments 0- .B-- 0" in told
    assert "approved 1, sealed 1, blocked 1, gap: no run 3" in told and "gaps: 2025-12, 2026-03..2026-04" in told
    assert call_english(capsys, "runs", "coverage", "-w", workspace.root, "--from", "2026-05", "--to", "2026-04")[0] == 2
    _, out, _ = call_english(capsys, "runs", "coverage", "-w", workspace.root, "--from", "2026-01", "--to", "2026-02", "--format", "json")
    [record] = json.loads(out)["standards"]
    assert [(one["period"], one["state"]) for one in record["periods"]] == [("2026-01", "sealed"), ("2026-02", "blocked")] and record["tables"][0]["name"] == "Policies"


def test_days_are_counted_by_month(workspace, ledger, capsys):
    for day, status, approved in (("2026-10-30", "sealed", True), ("2026-10-31", "sealed", False), ("2026-11-01", "blocked", False), ("2026-11-03", "sealed", False)):
        noted(ledger, day, status, standard="registry_life_2", approved=approved, JYXX=2)
    _, out, _ = call_english(capsys, "runs", "coverage", "-w", workspace.root, "-s", "registry_life_2", "--from", "2026-10-29", "--to", "2026-11-04", "--today", "2026-11-22")
    told = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    assert any(line.startswith("2026-10 2/3 1 1 ") and line.endswith(" 4") for line in told), "two of three days, one approved, one missing, 4 rows"
    assert any(line.startswith("2026-11 1/4 0 blocked 1 2 ") and line.endswith(" 2") for line in told)
    assert "gaps: 2026-10-29, 2026-11-02, 2026-11-04" in told
    assert any(line.startswith("JYXX 3 6") for line in told), "three days, six rows"


def test_a_real_run_covers_its_tables(tmp_path, capsys):
    workspace = make_workspace(tmp_path)
    run = start_run(workspace, RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))).run
    _, out, _ = call_english(capsys, "runs", "coverage", "-w", workspace.root, "--format", "json", "--to", "2026-10")
    [record] = json.loads(out)["standards"]
    assert [(t["table"], t["rows"]) for t in record["tables"]] == [("BD", 3), ("JF", 4)] and record["periods"][0]["run"] == run
