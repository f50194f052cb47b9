"""What the pages read, and how they choose a language; the pages themselves, behind a login, are in test_pages.py."""

from __future__ import annotations

from contextvars import copy_context
from datetime import UTC, date, datetime

import pytest

from etl.deadlines import definition
from etl.language import set_language
from etl.ledger import open_ledger
from etl.workspace import Workspace, WorkspaceMissing
from tests.dags.airflow_env import in_process

in_process()

from starlette.requests import Request  # noqa: E402

from eastbound_dags.pages import _page, preferred  # noqa: E402 - after Airflow's settings
from eastbound_dags.reading import NoSuchRun, findings_of, run_about, runs_about, shanghai  # noqa: E402


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("EASTBOUND_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("EASTBOUND_LANG", "en")
    monkeypatch.setattr(definition, "today_in_shanghai", lambda: date(2026, 11, 17))
    made = Workspace(tmp_path, "000999")
    made.save()
    yield made
    set_language(None)      # tasks choose it for their process


def begin(ledger, period: str = "2026-09", standard: str = "east_life_2020", **options) -> str:
    return ledger.start_run(standard, period, date(2026, 10, 20), company="000999", pack_fingerprint="f", options=options).id


@pytest.mark.parametrize(("header", "language"), [
    ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB,en;q=0.9,zh;q=0.8", "en"), ("en;q=0.3, zh;q=0.7", "zh"), ("fr, zh;q=0.1", "zh"), ("fr", "en"), ("", "en"),
    ("*", "en"), ("zh;q=0", "en"), ("ZH-Hans", "zh"), (",;=", "en"),
])
def test_the_language_that_the_browser_prefers(header, language):
    assert preferred(header) == language


def test_moments_are_told_in_shanghai():
    assert shanghai(datetime(2026, 10, 31, 16, 0, 0, tzinfo=UTC)) == "2026-11-01 00:00:00"
    assert shanghai(datetime(2026, 10, 31, 15, 59, 59)) == "2026-10-31 23:59:59"        # the ledger's times are UTC
    assert shanghai(None) == ""


def test_parts_of_a_package_are_listed_with_the_whole(workspace):
    with open_ledger(workspace.ledger_place) as ledger:
        whole = begin(ledger)
        second, first = begin(ledger, part_of=whole, jurisdiction="320000"), begin(ledger, part_of=whole, jurisdiction="310000")
        begin(ledger, "2026-08")
    assert [(part["run"], part["jurisdiction"]) for part in run_about(whole)["parts"]] == [(first, "310000"), (second, "320000")]
    assert run_about(first)["part_of"] == whole and run_about(first)["parts"] == []
    assert {row["run"]: row["jurisdiction"] for row in runs_about(None, 1)["rows"]}[second] == "320000"


def test_deadlines_that_matter_now(workspace):
    with open_ledger(workspace.ledger_place) as ledger:
        run = begin(ledger, owner="airflow:east_monthly/scheduled__1")
    told = runs_about(None, 1)
    # On 17 November: September's (15 October) and October's (16 November, a Monday) have passed, November's is ahead.
    assert [(one["period"], str(one["due"]), one["state"], one["days_late"], one["run"]) for one in told["deadlines"]] == [
        ("2026-09", "2026-10-15", "late", 33, run), ("2026-10", "2026-11-16", "late", 1, ""), ("2026-11", "2026-12-15", "due", 0, "")]
    assert told["deadlines"][2]["left"] == 20       # 18 to 20 November (3), three weeks of 5, 14 and 15 December
    assert told["rows"][0]["by"] == "airflow:east_monthly/scheduled__1" and told["rows"][0]["status"] == "running"


def test_more_late_deadlines_than_are_shown_are_counted(workspace):
    with open_ledger(workspace.ledger_place) as ledger:
        begin(ledger, "2026-10-01", "registry_life_2")
    told = runs_about(None, 1)
    # 1 October to 15 November are 46 days, due the next day each; 16 November is due on the 17th.
    assert [one["period"] for one in told["deadlines"] if one["state"] == "late"] == [f"2026-{day}" for day in (
        *(f"10-{n}" for n in range(27, 32)), *(f"11-{n:02}" for n in range(1, 16)))]
    assert [one["period"] for one in told["deadlines"] if one["state"] == "due"] == ["2026-11-16", "2026-11-17", "2026-11-18"]
    assert "26 more are late" in told["problem"]


def test_a_year_without_a_calendar_is_told_beside_the_runs(workspace, monkeypatch):
    monkeypatch.setattr(definition, "today_in_shanghai", lambda: date(2098, 1, 5))
    with open_ledger(workspace.ledger_place) as ledger:
        begin(ledger)
    told = runs_about(None, 1)
    assert told["deadlines"] == [] and "no complete calendar of 2098" in told["problem"] and len(told["rows"]) == 1


def test_what_is_not_there_is_a_sentence(workspace, tmp_path, monkeypatch):
    for unknown in ("nope", "../..", ""):
        with pytest.raises(NoSuchRun):
            run_about(unknown)
        with pytest.raises(NoSuchRun):
            findings_of(unknown, {}, 1)
    monkeypatch.setenv("EASTBOUND_WORKSPACE", str(tmp_path / "elsewhere"))
    with pytest.raises(WorkspaceMissing):
        runs_about(None, 1)
    request = Request({"type": "http", "method": "GET", "path": "/eastbound/runs", "root_path": "/eastbound", "query_string": b"", "headers": [], "server": ("a", 80), "scheme": "http"})
    # In a context of its own, as the server does it: the language stays there.
    answer = copy_context().run(_page, request, "en", "runs.html", lambda: runs_about(None, 1))
    assert answer.status_code == 503 and b"is not a workspace" in answer.body
    assert not (tmp_path / "elsewhere").exists()
