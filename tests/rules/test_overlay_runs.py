"""A run of a jurisdiction: its local rules count, a resumed run keeps them, and the commands show what was silenced and why."""

from __future__ import annotations

import json
from datetime import date

import pytest

from etl.language import set_language
from etl.ledger import open_ledger
from etl.pipeline import RunRequest, resume_run, start_run
from etl.pipeline.road import open_context
from etl.submission.definition import Period
from tests.command import call_english as call
from tests.pipeline.small_insurer import make_workspace

OVERLAY = """
table: BD
changed: 2026-11-21
rules:
  - id: TN-BD-SXRQ-VR-31000001
    family: value_range
    expect: SXRQ >= DATE '2026-01-01'
    severity: warning
    message: {zh: 生效过早, en: Effective too early}
    basis: test
    examples: {pass: [{SXRQ: 2026-01-01}], fail: [{SXRQ: 2025-12-31}]}
tighten:
  - id: TN-BD-BF-VR-01
    severity: error
    expect: BF >= 100
    basis: test
    examples: {pass: [{BF: 100}], fail: [{BF: 99.99}]}
silence:
  - id: TN-BD-ZZRQ-CR-01
    reason: {zh: 本地不适用, en: does not apply here}
    basis: test (G)
"""
LIST = ("rules", "list", "-s", "tiny", "--origin", "authored")


@pytest.fixture
def workspace(tmp_path):
    made = make_workspace(tmp_path)
    folder = tmp_path / "packs/validation_rules/tiny/local/310000"
    folder.mkdir(parents=True)
    (folder / "BD.yaml").write_text(OVERLAY, encoding="utf-8")
    yield made
    set_language(None)


def request(jurisdiction: str | None) -> RunRequest:
    return RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15), jurisdiction=jurisdiction)


def outcomes(workspace, run: str) -> dict[str, tuple[str, str, int]]:
    with open_ledger(workspace.ledger_place) as ledger:
        return {o.rule: (o.severity, o.outcome, o.failed) for o in ledger.findings(run)}


def test_a_run_of_a_jurisdiction_is_judged_by_its_rules(workspace):
    plain = start_run(workspace, request(None))
    assert (plain.status, plain.findings) == ("sealed", {"error": 0, "warning": 0})
    assert not any("31000001" in rule for rule in outcomes(workspace, plain.run))
    # P002 took effect in 2025; P003 pays 99.90, which is 10 or more and less than 100.
    local = start_run(workspace, request("310000"))
    assert (local.status, local.findings) == ("blocked", {"error": 1, "warning": 1})
    found = outcomes(workspace, local.run)
    assert found["TN-BD-SXRQ-VR-31000001"] == ("warning", "failed", 1)
    assert found["TN-BD-BF-VR-01"] == ("error", "failed", 1)
    assert found.get("TN-BD-ZZRQ-CR-01", ("error", "skipped", 0)) == ("error", "skipped", 0)


def test_a_resumed_run_keeps_its_jurisdiction(workspace):
    stopped = start_run(workspace, request("310000"), until="standardise")
    with open_ledger(workspace.ledger_place) as ledger:
        context = open_context(workspace, stopped.run, ledger)
        assert context.request == request("310000")
        assert [rule.id for rule in context.silenced] == ["TN-BD-ZZRQ-CR-01"]
        assert "TN-BD-ZZRQ-CR-01" not in {rule.id for rule in context.rules}
    assert resume_run(workspace, stopped.run).findings == {"error": 1, "warning": 1}


def test_commands_take_a_jurisdiction(capsys, workspace, tmp_path):
    packs = ("--packs", tmp_path / "packs")
    code, out, _ = call(capsys, *LIST, *packs, "--jurisdiction", "310000", "--format", "json")
    listed = {rule["id"]: rule for rule in json.loads(out)}
    assert code == 0 and list(listed) == ["TN-BD-ZZRQ-CR-01", "TN-BD-BF-VR-01", "TN-BD-SXRQ-VR-31000001"]
    assert listed["TN-BD-ZZRQ-CR-01"]["silenced"] == {"zh": "本地不适用", "en": "does not apply here", "basis": "test (G)"}
    assert {rule["jurisdiction"] for rule in listed.values()} == {"310000"} and listed["TN-BD-BF-VR-01"]["changed"] == "2026-11-21"
    code, out, _ = call(capsys, *LIST, *packs, "--jurisdiction", "310000")
    assert code == 0 and "silenced" in out and "does not apply here" in " ".join(out.split())
    code, out, _ = call(capsys, *LIST, *packs)
    assert code == 0 and "silenced" not in out and "31000001" not in out
    code, out, _ = call(capsys, "rules", "show", "TN-BD-BF-VR-01", "-s", "tiny", *packs, "--jurisdiction", "310000", "--format", "json")
    assert code == 0 and json.loads(out)["expect"] == "(BF >= 10) AND (BF >= 100)"
    code, out, _ = call(capsys, "rules", "test", "-s", "tiny", *packs, "--jurisdiction", "310000", "--format", "json")
    told = json.loads(out)
    assert (code, told["rules"], told["fired"], told["faults"]) == (0, 3, 3, [])


def test_an_unknown_jurisdiction_stops_before_a_run_begins(capsys, workspace):
    code, _, err = call(capsys, "run", "-s", "tiny", "-p", "2026-10", "--report-date", "2026-11-15", "-w", workspace.root, "--jurisdiction", "440300")
    assert code == 2 and "no local rules of jurisdiction 440300; there are: 310000" in err
    with open_ledger(workspace.ledger_place) as ledger:
        assert ledger.runs() == []
    code, _, err = call(capsys, *LIST, "--packs", workspace.root.parent / "packs", "--jurisdiction", "440300")
    assert code == 2 and "there are: 310000" in err
