"""An increment over the demo insurer: after a day of changes the package is that of a full run, byte for byte, and the book stays clean."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from etl.commands.demo import SYSTEMS
from etl.demo.change import change_insurer
from etl.ledger import open_ledger
from etl.ledger.capture import capture_counts
from etl.pipeline import start_run
from etl.workspace import Workspace
from tests.acceptance.conftest import REQUEST


def content(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.txt"))}


@pytest.mark.slow
def test_a_day_of_changes_captured_as_an_increment(clean_month, tmp_path):
    root = shutil.copytree(clean_month.workspace.root, tmp_path / "ws")
    workspace = replace(Workspace.open(root), capture_base="sealed")
    workspace.save()
    # In another place the databases are others, for all that a capture can know.
    before = start_run(workspace, replace(REQUEST, capture="incremental"))
    done = change_insurer({name: workspace.url(name) for name in SYSTEMS}, share=0.02)
    captured = start_run(workspace, replace(REQUEST, capture="incremental"))
    full = start_run(workspace, REQUEST)
    assert (captured.status, captured.findings) == (full.status, full.findings) == ("sealed", {"error": 0, "warning": 0})
    assert content(captured.package) == content(full.package) != content(before.package) == content(clean_month.package)
    with open_ledger(workspace.ledger_place) as ledger:
        assert {c.reason for c in capture_counts(ledger, before.run)} == {"source_moved"}
        counts = {f"{c.system}.{c.table}": c for c in capture_counts(ledger, captured.run)}
    policies = counts["life_admin.LCCont"]
    assert (policies.mode, policies.base_run, policies.rows_read < 300) == ("incremental", before.run, True)
    assert (policies.inserted, policies.updated, policies.deleted) == (done.kinds["new"] + done.kinds["entered late"], 0, done.kinds["deleted"])
    assert (counts["life_admin.LDPerson"].updated, counts["life_admin.LDPerson"].inserted) == (done.kinds["updated"] + done.kinds["updated twice"], 0)
    assert (counts["hr.Staff"].mode, counts["hr.Staff"].reason, counts["hr.Staff"].unchanged) == ("change", "no_watermark", 535)
