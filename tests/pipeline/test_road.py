"""The road over a small insurer: what is sealed, blocked, held back, set aside, resumed."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from etl.ledger import open_ledger, period_lock
from etl.ledger.errors import PeriodLocked
from etl.pipeline import RunRequest, resume_run, start_run
from etl.pipeline.road import RunSealedAlready
from etl.pipeline.tracing import RevealRefused, trace_serial
from etl.submission.definition import Period
from tests.pipeline.small_insurer import PAYMENTS, POLICIES, make_workspace

REQUEST = RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))


def lines(package: Path, table: str) -> list[list[str]]:
    text = (package / f"000123-{table}-20261031.txt").read_bytes().decode("utf-8")
    return [line.split("\x01") for line in text.split("\n")[:-1]]


def content(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_clean_month_is_sealed(tmp_path):
    workspace = make_workspace(tmp_path)
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed" and result.findings == {"error": 0, "warning": 0}
    policies = lines(result.package, "BD")
    assert [row[0] for row in policies] == ["000123202611150000000001", "000123202611150000000002", "000123202611150000000003"]
    assert policies[1][1:4] == ["000123", "小保险公司", "P002"]
    assert policies[1][5:] == ["终止", "2025-03-01", "2026-09-30", "250.50", "501.00", "未记录"]
    assert policies[2][-1] == "两端有空白"
    assert len(policies[0][4]) == 64 and policies[0][4] != policies[1][4]
    assert [row[0][-10:] for row in lines(result.package, "JF")] == ["0000000004", "0000000005", "0000000006", "0000000007"]


def test_second_run_gives_the_same_bytes(tmp_path):
    workspace = make_workspace(tmp_path)
    first, second = start_run(workspace, REQUEST), start_run(workspace, REQUEST)
    assert first.package != second.package
    assert content(first.package) == content(second.package)


def test_error_blocks_and_nothing_is_sent(tmp_path):
    workspace = make_workspace(tmp_path, policies=[*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "5.00", None)])
    result = start_run(workspace, REQUEST)
    assert result.status == "blocked" and result.package is None
    assert result.findings == {"error": 1, "warning": 1}
    assert not (workspace.root / "packages").exists()


def test_mended_source_then_sealed(tmp_path):
    import sqlite3

    workspace = make_workspace(tmp_path, policies=[*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "50.00", None)])
    assert start_run(workspace, REQUEST).status == "blocked"
    with sqlite3.connect(tmp_path / "core.db") as core:
        core.execute("UPDATE Policy SET EndDate = '2026-02-01' WHERE PolNo = 'P004'")
    assert start_run(workspace, REQUEST).status == "sealed"


def test_unmappable_code_and_unreadable_date_are_findings_and_rows_balance(tmp_path):
    workspace = make_workspace(tmp_path, policies=[*POLICIES, ("P004", "王五", "9", "2026-01-01", None, "50.00", None)],
                               payments=[*PAYMENTS, ("P001", 2, "5.00", "2026/13/01")])
    result = start_run(workspace, REQUEST)
    assert result.status == "blocked"
    with open_ledger(workspace.ledger_place) as ledger:
        failed = {o.rule: o.failed for o in ledger.findings(result.run) if o.outcome == "failed"}
        counts = {s.table: (s.rows_in, s.rows_out, s.rows_aside) for s in ledger.stages(result.run) if s.stage == "standardise"}
    assert failed == {"TN-BD-ZT-MAP": 1, "TN-JF-RQ-TYPE": 1}
    assert counts == {"BD": (4, 4, 0), "JF": (5, 4, 1)}


def test_hold_back_sends_the_rest(tmp_path):
    workspace = make_workspace(tmp_path, on_error="hold_transactions", policies=[*POLICIES, ("P0015", "王五", "4", "2026-01-01", None, "50.00", None)],
                               payments=[*PAYMENTS, ("P0015", 1, "50.00", "2026/01/01")])
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed" and result.findings["error"] == 1
    assert [row[3] for row in lines(result.package, "BD")] == ["P001", "P002", "P003"]
    assert [row[3] for row in lines(result.package, "JF")] == ["P001", "P002", "P002", "P003"]
    assert [row[0][-2:] for row in lines(result.package, "BD") + lines(result.package, "JF")] == [f"{n:02d}" for n in range(1, 8)]
    with open_ledger(workspace.ledger_place) as ledger:
        masked = {s.table: (s.rows_in, s.rows_out, s.rows_aside) for s in ledger.stages(result.run) if s.stage == "mask"}
    assert masked == {"BD": (4, 3, 1), "JF": (5, 4, 1)}
    found = trace_serial(workspace, "000123202611150000000002", run_id=result.run)
    assert found.items["BDH"] == "P002"


def test_gb18030(tmp_path):
    workspace = make_workspace(tmp_path, encoding="gb18030")
    result = start_run(workspace, REQUEST)
    raw = (result.package / "000123-BD-20261031.txt").read_bytes()
    assert raw.split(b"\n")[0].split(b"\x01")[2] == "小保险公司".encode("gb18030")


@pytest.mark.parametrize("stage", ["extract", "standardise", "check", "mask", "write"])
def test_resumed_run_ends_in_the_same_bytes(tmp_path, stage):
    workspace = make_workspace(tmp_path)
    whole = start_run(workspace, REQUEST)
    part = start_run(workspace, REQUEST, until=stage)
    assert part.status == "interrupted"
    assert list((workspace.root / "vault" / part.run).rglob("*.parquet")) == []
    resumed = resume_run(workspace, part.run)
    assert resumed.status == "sealed"
    assert content(resumed.package) == content(whole.package)
    with pytest.raises(RunSealedAlready):
        resume_run(workspace, part.run)


def test_second_run_of_a_period_at_work_is_refused(tmp_path):
    workspace = make_workspace(tmp_path)
    with period_lock(workspace.root, "tiny", "2026-10", "other-run"):
        with pytest.raises(PeriodLocked) as caught:
            start_run(workspace, REQUEST)
    assert "other-run" in caught.value.sentence("en") and "2026-10" in caught.value.sentence("zh")


def test_trace_masks_and_reveals_with_the_right_key_only(tmp_path):
    workspace = make_workspace(tmp_path)
    start_run(workspace, REQUEST)
    found = trace_serial(workspace, "000123202611150000000002")
    assert found.items["XM"] == "李**"
    assert {(s.table, s.key) for s in found.sources} == {("Policy", "P002"), ("Pay", "P002|1"), ("Pay", "P002|2")}
    assert next(s for s in found.sources if s.table == "Policy").row["Owner"] == "李**"
    origin = next(o for o in found.origins if o.item == "ZT")
    assert origin.expression == "code(state, p.State)" and origin.code_maps == {"core.state": {"4": "终止"}}
    clear = trace_serial(workspace, "000123202611150000000002", reveal=True, key_file=workspace.keys_folder / "vault.key")
    assert next(s for s in clear.sources if s.table == "Policy").row == {
        "PolNo": "P002", "Owner": "李四", "State": "4", "ValidFrom": "2025-03-01", "EndDate": "2026-09-30", "Prem": "250.50", "Remark": None}
    with pytest.raises(RevealRefused):
        trace_serial(workspace, "000123202611150000000002", reveal=True, key_file=workspace.keys_folder / "masking.key")
    with open_ledger(workspace.ledger_place) as ledger:
        assert [e.action for e in ledger.events(subject="000123202611150000000002")] == ["trace.reveal"]
        assert ledger.verify_chain().ok
