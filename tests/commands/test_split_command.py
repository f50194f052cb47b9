"""`eastbound split` as people and scripts see it: tables, JSON, exit codes; what the other commands show of parts."""

from __future__ import annotations

import json
import shutil
from datetime import date

import pytest

from etl.language import set_language
from etl.pipeline import RunRequest, start_run
from etl.submission.definition import Period
from tests.command import call_english as call
from tests.pipeline.small_provinces import make_workspace, write_overlay
from tests.pipeline.test_provinces import STRICT


@pytest.fixture
def month(tmp_path):
    workspace = make_workspace(tmp_path)
    result = start_run(workspace, RunRequest("prov", Period.parse("2026-10"), date(2026, 11, 15)))
    yield workspace, result.run
    set_language(None)


def test_all_parts_and_the_proof(month, capsys):
    workspace, run = month
    place = ("-w", workspace.root)
    code, out, err = call(capsys, "split", run, *place)
    assert code == 1 and "is not approved yet" in err
    code, out, _ = call(capsys, "split", run, "--unapproved", *place)
    assert code == 0 and "The parts are the whole: 22 rows, line by line, and every control total" in out
    assert "packages/prov/2026-10/310000/001/000123310000-20261031" in out and "1/1" in out
    code, out, _ = call(capsys, "split", run, "--unapproved", "--format", "json", *place)
    told = json.loads(out)
    assert [(part["jurisdiction"], part["status"], part["rows"], part["done_before"]) for part in told["parts"]] == [
        ("110000", "sealed", 6, True), ("310000", "sealed", 5, True), ("440300", "sealed", 11, True)]
    assert (told["union"]["equal"], len(told["union"]["tables"])) == (True, 6)
    # Parts are runs of their own: shown when they are asked for, judged in the calendar, waiting for approval, and not in the way elsewhere.
    part = told["parts"][1]["run"]
    assert json.loads(call(capsys, "runs", "show", part, "--format", "json", *place)[1])["tables"] == [
        {"table": table, "rows_in": 1, "rows_out": 1, "rows_aside": 0} for table in ("BD", "DW", "GX", "JF", "KH")]
    assert [row["run"] for row in json.loads(call(capsys, "runs", "list", "--format", "json", *place)[1])] == [run]
    assert len(json.loads(call(capsys, "runs", "list", "--parts", "--format", "json", *place)[1])) == 4
    assert call(capsys, "trace", "000123202611150000000006", *place)[0] == 0
    assert {w["run"] for w in json.loads(call(capsys, "approvals", "--format", "json", *place)[1])["waiting"]} == {run, *(p["run"] for p in told["parts"])}
    dues = json.loads(call(capsys, "calendar", "--today", "2026-11-13", "--from", "2026-11-01", "--to", "2026-11-30", "--format", "json", *place)[1])["deadlines"]
    assert [(due["jurisdiction"], due["run"]) for due in dues] == [(None, run), *((p["jurisdiction"], p["run"]) for p in told["parts"])]
    assert call(capsys, "verify", workspace.root / told["parts"][0]["package"], "--packs", workspace.packs[0])[0] == 0


def test_some_parts_are_no_failure_and_a_blocked_one_is_a_finding(month, capsys):
    workspace, run = month
    write_overlay(workspace, "310000", BD=STRICT)
    code, out, _ = call(capsys, "split", run, "--jurisdiction", "440300", "--unapproved", "-w", workspace.root)
    assert code == 0 and "no sealed package yet of: 110000, 310000" in out
    code, out, _ = call(capsys, "split", run, "--unapproved", "-w", workspace.root)
    assert code == 1 and "310000 is blocked by its local rules, the others are not" in out
    part = json.loads(call(capsys, "split", run, "--jurisdiction", "310000", "--unapproved", "--format", "json", "-w", workspace.root)[1])["parts"][0]["run"]
    code, out, _ = call(capsys, "findings", "--run", part, "--format", "json", "-w", workspace.root)
    assert code == 1 and [(f["rule"], f["key"], f["value"]) for f in json.loads(out)] == [("PV-BD-BF-VR-31000001", "P1", "1000.00")]


def test_a_union_that_fails_has_its_own_exit_code(month, capsys):
    workspace, run = month
    assert call(capsys, "split", run, "--unapproved", "-w", workspace.root)[0] == 0
    shutil.rmtree(workspace.root / "packages/prov/2026-10/440300")
    code, out, _ = call(capsys, "split", run, "--jurisdiction", "110000", "--unapproved", "-w", workspace.root)
    assert code == 3 and "The parts are not the whole: 22 rows against 11" in out and "packages that are not as sealed: 440300" in out
    assert call(capsys, "split", run, "--jurisdiction", "500000", "--unapproved", "-w", workspace.root)[0] == 2
    assert call(capsys, "split", "20990101-abcdef", "-w", workspace.root)[0] == 2
