"""`eastbound bench` as people and scripts use it."""

from __future__ import annotations

import json

import pytest

from etl.language import set_language
from tests.command import call_english as call
from tests.pipeline.small_insurer import POLICIES, make_workspace

BAD = [*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "5.00", "=1+1")]


@pytest.fixture(autouse=True)
def _english():
    set_language("en")
    yield
    set_language(None)


def test_rules_as_json_and_as_a_table(capsys, tmp_path):
    arguments = ("bench", "rules", "--rows", 300, "--dirty", "0.5", "--only", "pandas", "--folder", tmp_path)
    code, out, _ = call(capsys, *arguments, "--format", "json")
    report = json.loads(out)
    assert code == 0 and report["equal"] is True and [c["name"] for c in report["contenders"]] == ["pandas"]
    assert set(report["contenders"][0]) == {"name", "outcome", "seconds", "ratio", "user_seconds", "rows_rules_per_second", "peak_mb", "findings",
                                            "missing", "extra", "laps"}
    code, out, err = call(capsys, *arguments)
    assert code == 0 and "300 rows of 40 columns" in out and "reference" in out and "round 1: pandas" in err


def test_a_contender_cut_off_is_in_the_table(capsys, tmp_path):
    code, out, _ = call(capsys, "bench", "rules", "--rows", 100, "--only", "naive", "--timeout", "0.01", "--folder", tmp_path)
    assert code == 0 and "cut off: time" in out


@pytest.mark.parametrize("wrong", [("--only", "nobody"), ("--rows", 0), ("--dirty", 2), ("--memory", "much"), ("--repeat", 0), ("--timeout", 0)])
def test_wrong_options(capsys, tmp_path, wrong):
    code, _, err = call(capsys, "bench", "rules", "--folder", tmp_path, *wrong)
    assert code == 2 and wrong[0].lstrip("-") in err


def checked(capsys, tmp_path, policies):
    """A workspace with one run, and how the run ended."""
    root = make_workspace(tmp_path, policies=policies).root
    return root, call(capsys, "run", "-q", "-s", "tiny", "-p", "2026-10", "--report-date", "2026-11-15", "-w", root)[0]


def test_check_of_a_real_run_changes_nothing(capsys, tmp_path):
    root, ended = checked(capsys, tmp_path, BAD)
    assert ended == 1

    def files():
        # Opening the ledger may move bytes of its database.
        return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.name.startswith("ledger.db")}

    before = files()
    code, out, _ = call(capsys, "bench", "check", "-w", root, "--format", "json")
    report = json.loads(out)
    assert code == 0 and [t["table"] for t in report["tables"]] == ["BD", "JF"]
    # Four policies and four payments; the findings are those that the run wrote down.
    assert [t["rows"] for t in report["tables"]] == [4, 4]
    assert report["total"]["findings"] == report["total"]["recorded"] == 2 and report["total"]["rows"] == 8
    assert files() == before and not any((root / "vault" / ".scratch").iterdir())


def test_check_of_one_table_and_of_none(capsys, tmp_path):
    root, _ = checked(capsys, tmp_path, POLICIES)
    code, out, _ = call(capsys, "bench", "check", "-w", root, "--table", "JF")
    assert code == 0 and "JF" in out and "total" in out and "BD" not in out
    code, _, err = call(capsys, "bench", "check", "-w", root, "--table", "XX")
    assert code == 2 and "there is no table XX" in err
