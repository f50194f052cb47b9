"""The whole road with each capture mode: the same package, and a line of it is traced through layers to its source row."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from etl.capture import increment
from etl.cli import main
from etl.ledger import open_ledger
from etl.ledger.capture import capture_counts
from etl.pipeline import RunRequest, start_run
from etl.pipeline.tracing import trace_serial
from etl.submission.definition import Period
from etl.workspace import Workspace
from tests.pipeline.small_insurer import STATES, write_packs

REQUEST = RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """The small insurer with 30 policies and a watermark, run in full and sealed."""
    monkeypatch.setattr(increment, "LEAST", 10)
    monkeypatch.setattr(increment, "SAMPLE", 2)
    packs = write_packs(tmp_path / "packs")
    source = packs / "mappings/sources/core/source.yaml"
    text = source.read_text(encoding="utf-8").replace("    key: [PolNo]\n", "    key: [PolNo]\n    watermark: Changed\n", 1)
    source.write_text(text.replace("      - {name: Remark, type: text, length: 60}\n", "      - {name: Remark, type: text, length: 60}\n      - {name: Changed, type: timestamp}\n", 1), encoding="utf-8")
    with sqlite3.connect(tmp_path / "core.db") as core:
        core.execute("CREATE TABLE Policy (PolNo VARCHAR(20), Owner VARCHAR(60), State VARCHAR(2), ValidFrom DATE, EndDate DATE, Prem DECIMAL(16,2), Remark VARCHAR(60), Changed TIMESTAMP)")
        core.execute("CREATE TABLE Pay (PolNo VARCHAR(20), SeqNo INTEGER, Amount DECIMAL(16,2), PaidOn VARCHAR(10))")
        for n in range(1, 31):
            core.execute("INSERT INTO Policy VALUES (?, ?, '1', '2026-01-05', NULL, ?, NULL, ?)", (f"P{n:03d}", f"客户{n}", 100 + n, "2026-10-31 09:00:00" if n == 30 else "2026-09-01 09:00:00"))
            core.execute("INSERT INTO Pay VALUES (?, 1, ?, '2026/01/05')", (f"P{n:03d}", 100 + n))
    made = Workspace(tmp_path / "ws", "000123", {"core": f"sqlite:///{tmp_path / 'core.db'}"}, packs=(str(packs),), capture_base="sealed")
    made.save()
    assert start_run(made, REQUEST).status == "sealed" and STATES["1"] == "有效"
    return made


def do(workspace: Workspace, *statements: str) -> None:
    with sqlite3.connect(workspace.systems["core"].removeprefix("sqlite:///")) as core:
        for statement in statements:
            core.execute(statement)


def content(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.txt"))}


def changed(workspace: Workspace) -> None:
    do(workspace, "UPDATE Policy SET Prem = 999, Changed = '2026-11-01 10:00:00' WHERE PolNo = 'P005'", "DELETE FROM Policy WHERE PolNo = 'P010'", "DELETE FROM Pay WHERE PolNo = 'P010'",
       "INSERT INTO Policy VALUES ('P0055', '新客户', '1', '2026-10-05', NULL, 55, '补', '2026-11-01 10:00:00')", "INSERT INTO Pay VALUES ('P0055', 1, 55, '2026/10/05')")


@pytest.mark.parametrize("mode", ["incremental", "change"])
def test_every_mode_gives_the_same_package(workspace, mode):
    changed(workspace)
    captured = start_run(workspace, replace(REQUEST, capture=mode))
    full = start_run(workspace, REQUEST)
    assert captured.status == full.status == "sealed"
    assert content(captured.package) == content(full.package) and len(content(full.package)) == 2
    with open_ledger(workspace.ledger_place) as ledger:
        assert ledger.run(captured.run).options["capture"] == mode
        policy = next(count for count in capture_counts(ledger, captured.run) if count.table == "Policy")
        assert [(s.rows_in, s.rows_out, s.rows_aside) for s in ledger.stages(captured.run) if (s.stage, s.table) == ("extract", "core.Policy")] == [(30, 30, 0)]
    assert (policy.mode, policy.inserted, policy.updated, policy.deleted, policy.unchanged) == (mode, 1, 1, 1, 28)


def test_a_line_is_traced_to_a_row_of_the_base_and_of_the_delta(workspace):
    changed(workspace)
    run = start_run(workspace, replace(REQUEST, capture="incremental")).run
    # In the order of the key: P001 to P005, the new P0055, P006 ...
    for number, policy, premium in ((5, "P005", "999.00"), (6, "P0055", "55.00"), (7, "P006", "106.00")):
        found = trace_serial(workspace, f"00012320261115{number:010d}", run_id=run)
        assert (found.items["BDH"], found.items["BF"]) == (policy, premium)
        assert [(row.table, row.key) for row in found.sources] == [("Policy", policy), ("Pay", f"{policy}|1")]


def test_the_command_shows_what_changed(workspace, capsys):
    import json

    def command(*arguments: str) -> dict:
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--workspace", str(workspace.root)])
        assert caught.value.code == 0
        return json.loads(capsys.readouterr().out)

    changed(workspace)
    run = command("run", "-s", "tiny", "-p", "2026-10", "--report-date", "2026-11-15", "--capture", "incremental", "--format", "json")["run"]
    about = command("runs", "changes", run, "--reported", "--format", "json")
    assert (about["run"], about["capture"]) == (run, "incremental")
    base = about["sources"][0]["base_run"]
    assert [(s["table"], s["mode"], s["reason"], s["base_run"], s["inserted"], s["updated"], s["deleted"], s["unchanged"]) for s in about["sources"]] == [
        ("Pay", "change", "no_watermark", base, 1, 0, 1, 29), ("Policy", "incremental", "", base, 1, 1, 1, 28)]
    assert about["sources"][1]["watermark"] == "2026-11-01 10:00:00"
    assert [(t["table"], t["capture"], t["rows"], t["base_run"], t["inserted"], t["updated"], t["deleted"], t["unchanged"]) for t in about["reported"]] == [
        ("BD", "full", 30, base, 1, 1, 1, 28), ("JF", about["reported"][1]["capture"], 30, base, 1, 0, 1, 29)]
    quick = command("runs", "changes", run, "--format", "json")
    assert [(t["rows"], t["inserted"]) for t in quick["reported"]] == [(30, None), (30, None)]
