"""`eastbound calendar` on a real ledger, whose moments of sealing are set to given ones."""

from __future__ import annotations

import json
import sqlite3
from datetime import date

import pytest

from etl.language import set_language
from etl.ledger import open_ledger
from etl.workspace import Workspace
from tests import command
from tests.deadlines.calendars import write_days


@pytest.fixture(autouse=True)
def _english():
    set_language("en")
    yield
    set_language(None)


@pytest.fixture
def workspace(tmp_path):
    opened = Workspace(tmp_path, "000999")
    opened.save()
    return opened


def seal(workspace, standard: str, period: str, at: str, *, status="sealed", jurisdiction=None) -> str:
    """A run closed at a moment given in UTC; returns its id."""
    with open_ledger(workspace.ledger_place) as ledger:
        run = ledger.start_run(standard, period, date(2026, 11, 15), company="000999", pack_fingerprint="f", options={"jurisdiction": jurisdiction})
        ledger.finish_run(run.id, status)
    with sqlite3.connect(workspace.ledger_place) as connection:
        connection.execute("UPDATE runs SET finished_at = ? WHERE id = ?", (at + ".000000", run.id))
    return run.id


def call(capsys, workspace, *arguments, language="en") -> tuple[int, str, str]:
    return command.call(capsys, "--lang", language, "calendar", "-w", workspace.root, *arguments)


def lines(out: str) -> list[str]:
    return [" ".join(line.split()) for line in out.splitlines() if line.strip()]


def test_due_late_and_done(capsys, workspace):
    first = seal(workspace, "east_life_2020", "2026-09", "2026-10-15 15:30:00")
    second = seal(workspace, "east_life_2020", "2026-10", "2026-11-16 16:30:00")
    code, out, _ = call(capsys, workspace, "--today", "2026-12-01", "--to", "2026-12-31")
    assert code == 1
    told = lines(out)
    assert f"east_life_2020 national 2026-09 2026-10-15 Thu done sealed 2026-10-15 23:30 ({first})" in told
    assert f"east_life_2020 national 2026-10 2026-11-16 Mon late sealed 2026-11-17 00:30 ({second}); 1 day(s) late; moved from 2026-11-15" in told
    assert "east_life_2020 national 2026-11 2026-12-15 Tue due 10 working day(s) left" in told
    assert "1 due, 1 late, 1 done." in out and "310000" in out
    code, out, _ = call(capsys, workspace, "--today", "2026-12-01", "--from", "2026-12-01", "--to", "2026-12-31")
    assert code == 0 and "1 due, 0 late, 0 done." in out


def test_in_chinese(capsys, workspace):
    seal(workspace, "east_life_2020", "2026-10", "2026-11-16 16:30:00")
    code, out, _ = call(capsys, workspace, "--today", "2026-12-01", language="zh")
    assert code == 1
    assert "逾期" in out and "迟 1 日" in out and "由 2026-11-15 顺延" in out and "2026-11-16 周一" in out and "剩 10 个工作日" in out and "全国" in out


def test_json_of_a_year(capsys, workspace):
    run = seal(workspace, "east_life_2020", "2026-08", "2026-09-15 01:02:03")
    code, out, _ = call(capsys, workspace, "--year", "2026", "-s", "east_life_2020", "--today", "2026-09-20", "--format", "json")
    about = json.loads(out)
    assert code == 1
    assert about["counts"] == {"due": 3, "late": 8, "done": 1} and 2026 in about["known_years"] and about["today"] == "2026-09-20"
    by_period = {row["period"]: row for row in about["deadlines"]}
    assert len(by_period) == 12 and by_period["2025-12"]["due"] == "2026-01-15" and by_period["2026-01"]["nominal"] == "2026-02-15"
    assert by_period["2026-01"]["due"] == "2026-02-24"
    assert by_period["2026-08"] == {
        "standard": "east_life_2020", "name": by_period["2026-08"]["name"], "jurisdiction": None, "period": "2026-08", "period_end": "2026-08-31", "nominal": "2026-09-15",
        "due": "2026-09-15", "state": "done", "run": run, "run_status": "sealed", "sealed_at": "2026-09-15T01:02:03+00:00", "working_days_left": None, "days_late": 0}
    # 21 to 24 and 28 to 30 September, 8, 9, 10 (a make-up Saturday), 12 to 15 October
    assert by_period["2026-09"]["working_days_left"] == 14
    assert about["overlays_without_runs"] == [{"standard": "east_life_2020", "jurisdiction": "310000"}, {"standard": "east_life_2020", "jurisdiction": "440300"}]


def test_blocked_runs_and_jurisdictions(capsys, workspace):
    blocked = seal(workspace, "east_life_2020", "2026-10", "2026-11-10 01:00:00", status="blocked")
    seal(workspace, "east_life_2020", "2026-10", "2026-11-12 01:00:00", jurisdiction="440300")
    code, out, _ = call(capsys, workspace, "--today", "2026-11-12", "--to", "2026-11-30")
    told = lines(out)
    assert code == 0
    assert f"east_life_2020 national 2026-10 2026-11-16 Mon due 2 working day(s) left; run {blocked} was blocked; moved from 2026-11-15" in told
    assert any(line.startswith("east_life_2020 440300 2026-10 2026-11-16 Mon done") for line in told)
    code, out, _ = call(capsys, workspace, "--today", "2026-11-12", "--to", "2026-11-30", "--jurisdiction", "all", "--format", "json")
    assert {row["jurisdiction"] for row in json.loads(out)["deadlines"]} == {None, "310000", "440300"}


def test_days_of_the_registry_share_a_line(capsys, workspace):
    for day in ("2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04"):
        seal(workspace, "registry_life_2", day, f"2026-10-0{int(day[-1]) + 1} 02:00:00" if day != "2026-10-03" else "2026-10-06 02:00:00")
    code, out, _ = call(capsys, workspace, "--today", "2026-10-05", "--from", "2026-10-02", "--to", "2026-10-07")
    told = lines(out)
    assert code == 1
    assert "registry_life_2 national 2026-10-01..2026-10-02 2026-10-02 Fri .. 2026-10-03 Sat done 2 days" in told
    assert any(line.startswith("registry_life_2 national 2026-10-03 2026-10-04 Sun late sealed 2026-10-06 10:00") for line in told)
    assert any(line.startswith("registry_life_2 national 2026-10-04 2026-10-05 Mon done") for line in told)
    assert "registry_life_2 national 2026-10-05..2026-10-06 2026-10-06 Tue .. 2026-10-07 Wed due 2 days" in told


def test_a_missing_year_is_an_error_with_the_way_to_mend_it(capsys, workspace):
    code, out, err = call(capsys, workspace, "--year", "2099", "-s", "east_life_2020")
    assert code == 2 and out == ""
    assert "no complete calendar of 2099" in err and str(workspace.root / "calendar.csv") in err and "2099-01-01,holiday" in err
    code, _, err = call(capsys, workspace, "--year", "2099", "-s", "east_life_2020", language="zh")
    assert code == 2 and "没有 2099 年完整的放假安排" in err and "calendar.csv" in err


def test_company_days_and_bad_lines(capsys, workspace):
    write_days(workspace.root, "2026-10-15,holiday,加放,Extra,local")
    code, out, _ = call(capsys, workspace, "-s", "east_life_2020", "--from", "2026-10-01", "--to", "2026-10-31", "--today", "2026-10-09", "--format", "json")
    assert code == 0 and [row["due"] for row in json.loads(out)["deadlines"]] == ["2026-10-16"]
    write_days(workspace.root, "2026-10-15,off,,,")
    code, _, err = call(capsys, workspace, "-s", "east_life_2020")
    assert code == 2 and "calendar.csv line 2" in err


def test_bad_usage(capsys, workspace):
    assert call(capsys, workspace, "--year", "2026", "--from", "2026-01-01")[0] == 2
    assert call(capsys, workspace, "--from", "2026-02-01", "--to", "2026-01-01")[0] == 2
    assert call(capsys, workspace, "--today", "yesterday")[0] == 2
    code, _, err = call(capsys, workspace, "-s", "east_lief_2020")
    assert code == 2 and "east_lief_2020" in err
    code, _, err = call(capsys, workspace, "-s", "east_life_2020", "--jurisdiction", "999999")
    assert code == 2 and "310000, 440300" in err and "999999" in err
    code, out, _ = call(capsys, workspace)
    assert code == 0 and "There is no run yet" in out
    code, out, _ = call(capsys, workspace, "-s", "audit_life")
    assert code == 0 and "no deadline in the pack of: audit_life" in out
