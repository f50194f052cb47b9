"""`eastbound approve` and `approvals` as people and scripts use them."""

from __future__ import annotations

import json

import pytest

from etl.language import set_language
from etl.ledger import open_ledger
from etl.workspace import Workspace
from tests import command
from tests.pipeline.small_insurer import POLICIES, make_workspace, write_core

SMALL = [*POLICIES[:2], ("P003", "𠮷田", "1", "2026-10-01", None, "9.90", None)]
BAD = [*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "50.00", None)]


@pytest.fixture(autouse=True)
def _zhang_is_logged_in(monkeypatch):
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, "zhang")
    set_language("en")
    yield
    set_language(None)


@pytest.fixture
def call(capsys, tmp_path):
    """Run a command on the workspace; gives (exit code, output, errors)."""
    def run(*arguments, language: str = "en") -> tuple[int, str, str]:
        return command.call(capsys, "--lang", language, *arguments, "-w", tmp_path / "ws")

    return run


def run_of(call, period: str = "2026-10") -> dict:
    return json.loads(call("run", "-s", "tiny", "-p", period, "--report-date", "2026-11-15", "--format", "json")[1])


def test_nothing_waits_before_anything_ran(call, tmp_path):
    make_workspace(tmp_path)
    assert call("approvals") == (0, "No package waits for approval.\n", "")
    assert json.loads(call("approvals", "--format", "json")[1]) == {"waiting": [], "decisions": []}
    code, _, err = call("approve", "-s", "tiny", "-p", "2026-10")
    assert code == 2 and "tiny 2026-10 has no sealed run (it was never run)" in err


def test_the_whole_way_on_the_screen(call, tmp_path):
    make_workspace(tmp_path, policies=SMALL)
    run = run_of(call)
    number, sha = run["run"], run["package_sha256"]
    code, out, _ = call("approvals")
    assert code == 0 and "Waiting for approval" in out and number in out and "anyone but zhang" in out
    code, out, err = call("approve", number)
    assert code == 2 and f"run {number} was started or resumed by zhang; someone else has to decide" in err
    assert all(part in out for part in (run["package"], sha, "rows: 7 in 2 tables; 0 set aside", "maker: zhang", "state: waiting")) and "Approved" not in out
    code, out, _ = call("approve", number, "--as", "li", "--note", "ledger compared")
    assert code == 0 and out.splitlines()[-1] == f"Approved by li (account zhang): run {number}, package {sha[:16]}…"
    # One warning, for the premium of 9.90, and it is new.
    assert [line.split() for line in out.splitlines() if line.startswith((" error", " warning", "error", "warning"))] == [["error", "0", "0", "0"], ["warning", "1", "1", "0"]]
    code, out, err = call("approve", number, "--as", "wang", "--reject", "--reason", "late")
    assert code == 2 and "was approved by li at" in err and "withdraw it first" in err
    code, out, _ = call("approvals", number)
    assert code == 0 and "state: approved" in out and "ledger compared" in out
    code, out, _ = call("approve", number, "--as", "wang", "--withdraw", "--reason", "机构漏报", language="zh")
    assert code == 0 and out.splitlines()[-1] == f"已撤回批准：运行 {number}，决定人 wang（登录账户 zhang），报送包 {sha[:16]}…"
    code, out, _ = call("approvals", language="zh")
    assert code == 0 and "待批准" in out and "已撤回" in out and "zhang 以外的任何人" in out
    assert call("approvals", number)[0] == 1


def test_what_scripts_get(call, tmp_path):
    make_workspace(tmp_path)
    run = run_of(call)
    code, out, _ = call("approve", "-s", "tiny", "-p", "2026-10", "--as", "li", "--reject", "--reason", "amounts", "--format", "json")
    about = json.loads(out)
    assert code == 0 and (about["run"], about["state"], about["package_sha256"], about["figures"]) == (run["run"], "rejected", run["package_sha256"], 0)
    assert about["tables"] == [{"table": "BD", "rows": 3, "rows_aside": 0}, {"table": "JF", "rows": 4, "rows_aside": 0}]
    assert {name: about["decision"][name] for name in ("number", "decision", "maker", "checker", "reason")} == {
        "number": 1, "decision": "rejected", "maker": "zhang", "checker": "li", "reason": "amounts"}
    assert about["decisions"] == [about["decision"]]
    again = json.loads(call("approve", run["run"], "--as", "li", "--note", "settled", "--format", "json")[1])
    assert again["state"] == "approved" and [one["decision"] for one in again["decisions"]] == ["approved", "rejected"]
    listed = json.loads(call("approvals", "--format", "json")[1])
    assert listed == {"waiting": [], "decisions": again["decisions"]}
    second = run_of(call)
    waits = json.loads(call("approvals", "--standard", "tiny", "--format", "json")[1])["waiting"]
    assert [(one["run"], one["state"], one["makers"], one["approvers"], one["package_sha256"]) for one in waits] == [
        (second["run"], "waiting", ["zhang"], None, run["package_sha256"])]
    assert json.loads(call("approvals", run["run"], "--format", "json")[1])["state"] == "superseded"
    assert call("approvals", run["run"])[0] == 1
    assert json.loads(call("approvals", "--period", "2026-09", "--format", "json")[1]) == {"waiting": [], "decisions": []}
    with open_ledger(tmp_path / "ws/ledger.db") as ledger:
        assert [(e.actor, e.detail["checker"]) for e in ledger.events(subject=run["run"]) if "checker" in e.detail] == [("zhang", "li"), ("zhang", "li")]
        assert ledger.verify_chain().ok


def test_the_account_that_is_logged_in_decides_unless_a_name_is_given(call, tmp_path, monkeypatch):
    make_workspace(tmp_path)
    number = run_of(call)["run"]
    monkeypatch.setenv("LOGNAME", "li")
    code, out, _ = call("approve", number)
    assert code == 0 and f"Approved by li: run {number}" in out


def test_only_listed_approvers_through_the_command(call, tmp_path):
    made = make_workspace(tmp_path)
    Workspace(made.root, made.company, made.systems, packs=made.packs, approvers=("li",)).save()
    number = run_of(call)["run"]
    code, _, err = call("approve", number, "--as", "chen")
    assert code == 2 and "chen is not among the approvers of workspace.yaml, who are: li" in err
    assert json.loads(call("approvals", "--format", "json")[1])["waiting"][0]["approvers"] == ["li"]
    assert call("approve", number, "--as", "LI")[0] == 0


def test_a_blocked_run_is_told_and_the_later_one_noted(call, tmp_path):
    make_workspace(tmp_path)
    good = run_of(call)
    write_core(tmp_path / "core.db", BAD)
    bad = run_of(call)
    code, _, err = call("approve", bad["run"], "--as", "li")
    assert code == 2 and f"run {bad['run']} has no sealed package (it is blocked)" in err
    code, out, _ = call("approvals", bad["run"])
    assert code == 1 and "state: blocked" in out and "package: none" in out
    code, out, _ = call("approve", good["run"], "--as", "li")
    assert code == 0 and f"Note: run {bad['run']} of the same period was started later (blocked)" in out


def test_a_touched_package_is_refused(call, tmp_path):
    workspace = make_workspace(tmp_path)
    run = run_of(call)
    (workspace.root / run["package"] / "000123-JF-20261031.txt").write_bytes(b"x")
    code, _, err = call("approve", run["run"], "--as", "li", language="zh")
    assert code == 2 and f"运行 {run['run']} 的报送包已不是封包时的原样" in err
    assert json.loads(call("approvals", "--format", "json")[1])["decisions"] == []


@pytest.mark.parametrize(("arguments", "told"), [
    (("R", "--reject", "--withdraw", "--reason", "x"), "not both"), (("R", "--reason", "x"), "a note on an approval is --note"),
    (("R", "--reject", "--note", "x"), "is --reason"), ((), "give RUN, or --standard and --period together"),
    (("-s", "tiny"), "give RUN, or --standard and --period together"), (("R", "-s", "tiny"), "not both"), (("list",), "the list is: eastbound approvals"),
    (("20990101-aaaaaa",), "the ledger has no run 20990101-aaaaaa"),
])
def test_bad_usage(call, tmp_path, arguments, told):
    make_workspace(tmp_path)
    code, out, err = call("approve", *arguments)
    assert code == 2 and told in err and out == ""


def test_rejecting_needs_a_reason_and_a_name_needs_letters(call, tmp_path):
    make_workspace(tmp_path)
    number = run_of(call)["run"]
    code, _, err = call("approve", number, "--as", "li", "--reject")
    assert code == 2 and "rejecting needs a reason: --reason TEXT" in err
    code, _, err = call("approve", number, "--as", " ")
    assert code == 2 and "the name of who decides is empty" in err
    code, _, err = call("approve", number, "--as", "li", "--reject", "--reason", "call 13800138000")
    assert code == 2 and "a mobile phone number" in err and "13800138000" not in err
