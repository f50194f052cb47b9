"""Which earlier periods count: sealed ones of the same standard, company and length, each with its last sealed run."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from small_profiles import policies
from test_profiles_judge import expect

from etl.ledger.definition import Run
from etl.profiles.definition import ExpectationSet
from etl.profiles.history import ProfilesMissing, earlier_periods, find_ranges
from etl.profiles.profile import write_profiles
from etl.workspace import Workspace


def run(identifier: str, period: str, status: str = "sealed", minute: int = 0, standard: str = "small_2026", company: str = "000001") -> Run:
    moment = datetime(2026, 11, 15, 8, minute, tzinfo=UTC)
    return Run(identifier, standard, period, date(2026, 11, 15), status, moment, moment, company, "", {}, None, None, None, "here", 1)


NOW = run("now", "2026-10", "blocked")


def periods(tmp_path, runs: list[Run], current: Run = NOW) -> list[tuple[str, str]]:
    return [(one.period, one.run) for one in earlier_periods(runs, current, Workspace(tmp_path, "000001"))]


def test_only_sealed_months_before_this_one_the_latest_first(tmp_path):
    runs = [NOW, run("a", "2026-08"), run("b", "2026-09"), run("c", "2026-07", "blocked"), run("d", "2026-06", "failed"), run("e", "2026-11"), run("f", "2026-10"),
            run("g", "2025-12"), run("h", "2026-05", standard="other"), run("i", "2026-05", company="000002"), run("j", "2026Q2"), run("k", "2026-04-30")]
    assert periods(tmp_path, runs) == [("2026-09", "b"), ("2026-08", "a"), ("2025-12", "g")]


def test_a_period_submitted_again_counts_once_with_its_last_package(tmp_path):
    assert periods(tmp_path, [run("late", "2026-09", minute=9), run("early", "2026-09", minute=1)]) == [("2026-09", "late")]


def test_days_are_compared_with_days(tmp_path):
    runs = [run("a", "2026-09"), run("b", "2026-09-29"), run("c", "2026-09-30"), run("d", "2026-10-01")]
    assert periods(tmp_path, runs, run("now", "2026-10-01")) == [("2026-09-30", "c"), ("2026-09-29", "b")]


def test_february_is_a_month(tmp_path):
    assert periods(tmp_path, [run("a", "2026-02"), run("b", "2026Q1")], run("now", "2026-03")) == [("2026-02", "a")]


def test_a_sealed_period_without_profiles_is_known_and_not_used(tmp_path):
    workspace = Workspace(tmp_path, "000001")
    write_profiles([policies("2026-10", 80)], workspace.run_folder("now"))
    write_profiles([policies("2026-08", 100)], workspace.run_folder("a"))
    earlier = earlier_periods([run("a", "2026-08"), run("b", "2026-09")], NOW, workspace)
    assert [one.profiled for one in earlier] == [False, True]
    (found,) = find_ranges(ExpectationSet("small_2026", (expect("rows", down=0.1),)), NOW, workspace.run_folder("now"), earlier)
    assert (found.low, found.periods) == (90, ("2026-08",))


def test_a_run_that_was_not_checked_has_no_profiles(tmp_path):
    with pytest.raises(ProfilesMissing, match="run now has no profiles"):
        find_ranges(ExpectationSet("small_2026"), NOW, tmp_path, [])
