"""Deciding on packages that the road has sealed: what the workspace and the files on disk add to the ledger's rules."""

from __future__ import annotations

import json
import sqlite3
from datetime import date

import pytest
import sqlalchemy as sa

from etl.approvals import approval_of, decide, require_approval
from etl.approvals.decision import ApprovalUnproven, NotAnApprover, NotApproved, NothingSealed, ReasonPersonal, ReasonTooLong, plain_reason, sealed_run
from etl.approvals.summary import summary, waiting
from etl.ledger import open_ledger
from etl.ledger.approvals import ApprovalBook, PackageChanged, RunNotSealed, RunSuperseded, SamePerson
from etl.packs.yamlfile import PackFileBroken
from etl.pipeline import RunRequest, start_run
from etl.pipeline.road import actor
from etl.submission.definition import Period
from etl.submission.package import MANIFEST, canonical_json
from etl.workspace import Workspace
from tests.pipeline.small_insurer import POLICIES, make_workspace, write_core

BAD = [*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "50.00", None)]
SMALL = [*POLICIES[:2], ("P003", "𠮷田", "1", "2026-10-01", None, "9.90", None), ("P005", "赵六", "1", "2026-10-02", None, "8.80", None)]


@pytest.fixture(autouse=True)
def _zhang_is_logged_in(monkeypatch):
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, "zhang")


def run_of(workspace, period: str = "2026-10"):
    found = start_run(workspace, RunRequest("tiny", Period.parse(period), date(2026, 11, 15)))
    with open_ledger(workspace.ledger_place) as ledger:
        return ledger.run(found.run)


def resealed(folder) -> str:
    """Change a file of a package and make its manifest anew, as someone who knows the format could; returns the new hash."""
    import hashlib

    from etl.submission.package import _self_hash

    file = folder / "000123-JF-20261031.txt"
    file.write_bytes(file.read_bytes().replace(b"99.90", b"99.91"))
    manifest = json.loads((folder / MANIFEST).read_bytes())
    entry = next(one for one in manifest["tables"] if one["file"] == file.name)
    entry["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest["self"] = _self_hash(manifest)
    (folder / MANIFEST).write_bytes(canonical_json(manifest))
    return manifest["self"]


def test_maker_runs_checker_approves_and_the_package_may_leave(tmp_path):
    workspace = make_workspace(tmp_path)
    run = run_of(workspace)
    with open_ledger(workspace.ledger_place) as ledger:
        assert actor() == "zhang" and ApprovalBook(ledger).makers(run.id) == ("zhang",) and approval_of(ledger, run) is None
        with pytest.raises(NotApproved, match=f"{run.package_sha256[:16]}….*is not approved yet.*anyone but zhang: eastbound approve {run.id}"):
            require_approval(workspace, ledger, run.id)
        with pytest.raises(SamePerson):
            decide(workspace, ledger, run.id, "approved", checker="Zhang", login="zhang")
        made = decide(workspace, ledger, run.id, "approved", checker="li", login="li", reason="已核对\n总账")
        assert (made.maker, made.checker, made.package_sha256, made.reason) == ("zhang", "li", run.package_sha256, "已核对 总账")
        assert approval_of(ledger, run) == approval_of(ledger, run.id) == require_approval(workspace, ledger, run.id) == made
        decide(workspace, ledger, run.id, "withdrawn", checker="wang", login="wang", reason="漏报")
        assert approval_of(ledger, run) is None
        with pytest.raises(NotApproved, match="had its approval withdrawn by wang"):
            require_approval(workspace, ledger, run.id)
        assert ledger.verify_chain().ok
        assert [e.action for e in ledger.events(subject=run.id)] == ["run.start", "run.sealed", "run.approved", "run.approval_withdrawn"]


def test_a_new_run_needs_a_new_approval_even_with_the_same_bytes(tmp_path):
    workspace = make_workspace(tmp_path)
    first = run_of(workspace)
    with open_ledger(workspace.ledger_place) as ledger:
        decide(workspace, ledger, first.id, "approved", checker="li", login="li")
    second = run_of(workspace)
    assert second.package_sha256 == first.package_sha256 and second.package != first.package
    with open_ledger(workspace.ledger_place) as ledger:
        assert approval_of(ledger, second) is None and sealed_run(workspace, ledger, "tiny", "2026-10").id == second.id
        assert [(run.id, state) for run, state in waiting(ledger, "000123")] == [(second.id, "waiting")]
        with pytest.raises(RunSuperseded, match=second.id):
            require_approval(workspace, ledger, first.id)
        with pytest.raises(NotApproved):
            require_approval(workspace, ledger, second.id)
        decide(workspace, ledger, second.id, "rejected", checker="li", login="li", reason="先查差额")
        with pytest.raises(NotApproved, match="was rejected by li"):
            require_approval(workspace, ledger, second.id)
        assert [(run.id, state) for run, state in waiting(ledger, "000123")] == [(second.id, "rejected")]
        made = decide(workspace, ledger, second.id, "approved", checker="wang", login="wang", reason="差额属上月")
        assert require_approval(workspace, ledger, second.id) == made and waiting(ledger, "000123") == [] and ledger.verify_chain().ok


def test_a_package_that_was_touched_is_neither_approved_nor_let_out(tmp_path):
    workspace = make_workspace(tmp_path)
    run = run_of(workspace)
    file = workspace.root / run.package / "000123-JF-20261031.txt"
    whole = file.read_bytes()
    with open_ledger(workspace.ledger_place) as ledger:
        file.write_bytes(whole.replace(b"99.90", b"99.91"))
        with pytest.raises(PackageChanged, match="000123-JF-20261031.txt"):
            decide(workspace, ledger, run.id, "approved", checker="li", login="li")
        assert ApprovalBook(ledger).decisions() == []
        file.write_bytes(whole)
        decide(workspace, ledger, run.id, "approved", checker="li", login="li")
        file.unlink()
        with pytest.raises(PackageChanged):
            require_approval(workspace, ledger, run.id)
        decide(workspace, ledger, run.id, "withdrawn", checker="li", login="li", reason="文件丢失")


def test_an_approval_does_not_carry_over_to_a_package_that_was_sealed_anew(tmp_path):
    workspace = make_workspace(tmp_path)
    run = run_of(workspace)
    with open_ledger(workspace.ledger_place) as ledger:
        decide(workspace, ledger, run.id, "approved", checker="li", login="li")
        sha = resealed(workspace.root / run.package)
        assert sha != run.package_sha256
        with pytest.raises(PackageChanged, match="hash of its manifest is not the one in the ledger"):
            require_approval(workspace, ledger, run.id)
        with ledger._engine.begin() as connection:
            connection.execute(sa.text("UPDATE runs SET package_sha256 = :sha"), {"sha": sha})
        assert approval_of(ledger, run.id) is None
        with pytest.raises(NotApproved, match="is not approved yet"):
            require_approval(workspace, ledger, run.id)
        assert summary(workspace, ledger, ledger.run(run.id))["state"] == "waiting"
        made = decide(workspace, ledger, run.id, "approved", checker="li", login="li")
        assert require_approval(workspace, ledger, run.id) == made and made.package_sha256 == sha


def test_a_blocked_run_cannot_be_approved_and_the_one_sealed_before_stays(tmp_path):
    workspace = make_workspace(tmp_path)
    good = run_of(workspace)
    write_core(tmp_path / "core.db", BAD)
    bad = run_of(workspace)
    assert bad.status == "blocked"
    with open_ledger(workspace.ledger_place) as ledger:
        for refuse in (lambda: decide(workspace, ledger, bad.id, "approved", checker="li", login="li"), lambda: require_approval(workspace, ledger, bad.id)):
            with pytest.raises(RunNotSealed, match="it is blocked"):
                refuse()
        assert sealed_run(workspace, ledger, "tiny", "2026-10").id == good.id
        assert summary(workspace, ledger, good)["later_runs"] == [{"run": bad.id, "status": "blocked"}]
        assert decide(workspace, ledger, good.id, "approved", checker="li", login="li").run == good.id
        with pytest.raises(NothingSealed, match="2026-09 has no sealed run .it was never run.; first: eastbound run"):
            sealed_run(workspace, ledger, "tiny", "2026-09")


def test_the_summary_says_what_is_decided_on(tmp_path):
    workspace = make_workspace(tmp_path, policies=POLICIES, payments=[("P001", 1, "1000.00", "2026/01/05"), ("P001", 2, "5.00", "5 January")])
    (tmp_path / "packs/validation_rules/tiny/figures.yaml").write_text("rows: {}\nfigures: [{id: a}, {id: b}]\n", encoding="utf-8")
    first = run_of(workspace)
    write_core(tmp_path / "core.db", SMALL)
    second, third = run_of(workspace), run_of(workspace)
    with open_ledger(workspace.ledger_place) as ledger:
        assert first.status == "blocked" and summary(workspace, ledger, first)["findings"]["error"]["all"] >= 1
        found = [summary(workspace, ledger, run) for run in (second, third)]
    assert found[0]["tables"] == [{"table": "BD", "rows": 4, "rows_aside": 0}, {"table": "JF", "rows": 4, "rows_aside": 0}]
    assert [(one["state"], one["rows"], one["rows_aside"], one["figures"], one["held_back"], one["after"]) for one in found] == [
        ("superseded", 8, 0, 2, 0, 0), ("waiting", 8, 0, 2, 0, 0)]
    # The premiums 9.90 and 8.80 are below 10; the second run finds both again.
    assert found[0]["findings"] == {"error": {"all": 0, "new": 0, "open": 0}, "warning": {"all": 2, "new": 2, "open": 0}}
    assert found[1]["findings"] == {"error": {"all": 0, "new": 0, "open": 0}, "warning": {"all": 2, "new": 0, "open": 2}}
    assert (found[1]["package_sha256"], found[1]["package"], found[1]["maker"]) == (third.package_sha256, third.package, "zhang")


def test_only_those_whom_the_settings_list_may_decide(tmp_path):
    made = make_workspace(tmp_path)
    Workspace(made.root, made.company, made.systems, packs=made.packs, approvers=("Zhang", " Li Na ", "王经理")).save()
    workspace = Workspace.open(made.root)
    run = run_of(workspace)
    with open_ledger(workspace.ledger_place) as ledger:
        with pytest.raises(NotAnApprover, match="chen is not among the approvers of workspace.yaml, who are: Zhang, Li Na, 王经理"):
            decide(workspace, ledger, run.id, "approved", checker="chen", login="chen")
        with pytest.raises(SamePerson):
            decide(workspace, ledger, run.id, "approved", checker="zhang", login="zhang")
        with pytest.raises(NotApproved, match="may be approved by Li Na, 王经理: eastbound"):
            require_approval(workspace, ledger, run.id)
        assert decide(workspace, ledger, run.id, "approved", checker="li  na", login="root").checker == "Li Na"


@pytest.mark.parametrize("text", ["approvers: []", "approvers:", "approvers: li", "approvers: [li, 5]", "approvers: ['  ']", "approvers: {li: 1}"])
def test_a_list_of_approvers_that_says_nothing_is_refused(tmp_path, text):
    (tmp_path / "workspace.yaml").write_text(f'company: "000123"\n{text}\n', encoding="utf-8")
    with pytest.raises(PackFileBroken, match="workspace.yaml line 2: approvers should be a list of at least one name"):
        Workspace.open(tmp_path)


# 11010519491231002X is the example of GB 11643; with another check digit it is no ID number.
@pytest.mark.parametrize(("text", "what"), [("客户11010519491231002x已核", "an ID card number"), ("call 13800138000", "a mobile phone number"),
                                            ("(19912345678)", "a mobile phone number")])
def test_reasons_with_personal_numbers_are_refused_without_repeating_them(text, what):
    with pytest.raises(ReasonPersonal, match=what) as caught:
        plain_reason(text)
    assert not any(part in caught.value.sentence(language) for part in ("110105", "13800138000", "19912345678") for language in ("zh", "en"))


def test_reasons_may_name_policies_runs_and_rules():
    for text in ("P32202400000395", "000999202611220000009899", "20261115-3fa9c1", "EL20-GRBDB-BDMQRQ-CI-01", "110105194912310021", "12800138000"):
        assert plain_reason(f" {text} ") == text
    assert plain_reason("a\tb\r\nc\x00d") == "a b c d" and plain_reason("x" * 1000) == "x" * 1000
    with pytest.raises(ReasonTooLong, match="1001 characters"):
        plain_reason("x" * 1001)


def test_an_approval_without_its_link_or_in_a_broken_chain_is_not_relied_on(tmp_path):
    workspace = make_workspace(tmp_path)
    run = run_of(workspace)
    with open_ledger(workspace.ledger_place) as ledger:
        decide(workspace, ledger, run.id, "approved", checker="li", login="li")
    with sqlite3.connect(workspace.root / "ledger.db") as connection:
        connection.execute("DROP TRIGGER approvals_no_UPDATE")
        connection.execute("UPDATE approvals SET checker = 'wang'")
    with open_ledger(workspace.ledger_place) as ledger, pytest.raises(ApprovalUnproven, match="does not agree with the ledger's audit chain"):
        require_approval(workspace, ledger, run.id)
    with sqlite3.connect(workspace.root / "ledger.db") as connection:
        connection.execute("UPDATE approvals SET checker = 'li'")
    with open_ledger(workspace.ledger_place) as ledger:
        assert require_approval(workspace, ledger, run.id).checker == "li"
    with sqlite3.connect(workspace.root / "ledger.db") as connection:
        connection.execute("DROP TRIGGER audit_events_no_UPDATE")
        connection.execute("UPDATE audit_events SET actor = 'nobody' WHERE seq = 1")
    with open_ledger(workspace.ledger_place) as ledger, pytest.raises(ApprovalUnproven):
        require_approval(workspace, ledger, run.id)
