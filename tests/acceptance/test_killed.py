"""A run killed without warning, at any stage, goes on to the same bytes; and its clear files do not lie about for ever."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from etl.ledger import open_ledger
from etl.pipeline import start_run
from etl.workspace import Workspace
from tests.acceptance.conftest import REQUEST
from tests.acceptance.test_first_submission import content

ROOT = Path(__file__).parents[2]


def eastbound(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "etl", "--lang", "en", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def copy_of(month, folder: Path) -> Workspace:
    shutil.copytree(month.workspace.root / "demo", folder / "demo")
    shutil.copytree(month.workspace.keys_folder, folder / "keys")
    shutil.copy(month.workspace.root / "workspace.yaml", folder)
    return Workspace.open(folder)


def kill_at(workspace: Workspace, line: str) -> str:
    """Start a run and kill it when it reports `line`; returns the run's id."""
    process = subprocess.Popen(eastbound("run", "-s", "east_life_2020", "-p", "2026-10", "--report-date", "2026-11-15", "-w", str(workspace.root)),
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment(), cwd=ROOT)
    assert process.stderr is not None
    seen = []
    for text in process.stderr:
        seen.append(text)
        if text.startswith(line):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stderr.close()
    assert process.returncode == -signal.SIGKILL, "".join(seen)
    with open_ledger(workspace.ledger_place) as ledger:
        (run,) = ledger.runs()
        assert run.status == "running"
    return run.id


@pytest.mark.parametrize("line", ["extract life_admin", "standardise GRXZB", "check GRBDB", "mask BBXRB", "write GRBDB", "seal"])
def test_killed_run_resumes_to_the_same_bytes(clean_month, tmp_path, line):
    workspace = copy_of(clean_month, tmp_path / "ws")
    run = kill_at(workspace, line)
    done = subprocess.run(eastbound("resume", run, "-w", str(workspace.root), "--format", "json"), capture_output=True, text=True, env=environment(), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout)
    assert about["status"] == "sealed"
    assert content(workspace.root / about["package"]) == content(clean_month.package)
    assert len(list((workspace.root / "packages" / "east_life_2020" / "2026-10").iterdir())) == 1
    assert list((workspace.root / "vault" / run).rglob("*.parquet")) == []


def test_new_run_lays_a_dead_one_down(clean_month, tmp_path):
    workspace = copy_of(clean_month, tmp_path / "ws")
    dead = kill_at(workspace, "standardise GRXZB")
    assert list((workspace.root / "vault" / dead).rglob("*.parquet"))
    assert start_run(workspace, REQUEST).status == "sealed"
    with open_ledger(workspace.ledger_place) as ledger:
        assert ledger.run(dead).status == "interrupted"
    assert list((workspace.root / "vault" / dead).rglob("*.parquet")) == []
