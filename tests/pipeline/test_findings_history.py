"""Findings over several runs: new, still open, fixed; against the run before and against last month."""

from __future__ import annotations

import json
import sqlite3
from datetime import date

import pytest

from etl.engines import open_engine
from etl.ledger import open_ledger
from etl.pipeline import RunRequest, start_run
from etl.submission.definition import Period
from tests.command import call_english
from tests.pipeline.small_insurer import POLICIES, make_workspace

OCTOBER = RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))
SEPTEMBER = RunRequest("tiny", Period.parse("2026-09"), date(2026, 10, 15))
# Terminated, and no end date.
BAD = [("P004", "王五", "4", "2026-01-01", None, "50.00", None), ("P005", "赵六", "4", "2026-01-01", None, "50.00", None)]


def findings(workspace, run, folder="findings"):
    with open_engine() as engine:
        path = workspace.run_folder(run) / folder
        return {row["source_key"]: row for file in sorted(path.glob("*.parquet")) for row in engine.dicts(f"SELECT * FROM read_parquet('{file}')")}


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path, policies=[*POLICIES, *BAD])


def database(workspace):
    return workspace.root.parent / "core.db"


def test_new_open_and_fixed_within_a_period(workspace):
    first = start_run(workspace, OCTOBER)
    seen = findings(workspace, first.run)
    assert {k: (f["state"], f["first_seen"], f["month_state"]) for k, f in seen.items()} == {
        "P004": ("new", first.run, None), "P005": ("new", first.run, None)}
    with sqlite3.connect(database(workspace)) as core:
        core.execute("UPDATE Policy SET EndDate = '2026-02-01' WHERE PolNo = 'P005'")
        core.execute("UPDATE Policy SET State = '4', EndDate = NULL WHERE PolNo = 'P003'")
    second = start_run(workspace, OCTOBER)
    assert {k: (f["state"], f["first_seen"]) for k, f in findings(workspace, second.run).items()} == {
        "P004": ("open", first.run), "P003": ("new", second.run)}
    assert [*findings(workspace, second.run, "fixed")] == ["P005"]
    third = start_run(workspace, OCTOBER)
    assert {k: (f["state"], f["first_seen"]) for k, f in findings(workspace, third.run).items()} == {
        "P004": ("open", first.run), "P003": ("open", second.run)}
    assert findings(workspace, third.run, "fixed") == {}


def test_against_last_month(workspace):
    september = start_run(workspace, SEPTEMBER)
    with sqlite3.connect(database(workspace)) as core:
        core.execute("UPDATE Policy SET EndDate = '2026-02-01' WHERE PolNo = 'P005'")
        core.execute("UPDATE Policy SET State = '4', EndDate = NULL WHERE PolNo = 'P003'")
    october = start_run(workspace, OCTOBER)
    # New within October, since it is October's first run; against September one is old and one is new.
    assert {k: (f["state"], f["month_state"], f["first_seen"]) for k, f in findings(workspace, october.run).items()} == {
        "P004": ("new", "open", september.run), "P003": ("new", "new", october.run)}
    assert [*findings(workspace, october.run, "fixed")] == ["P005"]


def test_the_command_shows_states_and_what_is_fixed(workspace, capsys):
    first = start_run(workspace, OCTOBER)
    with sqlite3.connect(database(workspace)) as core:
        core.execute("UPDATE Policy SET EndDate = '2026-02-01' WHERE PolNo = 'P005'")
    start_run(workspace, OCTOBER)

    def told(*options):
        return call_english(capsys, "findings", "-w", workspace.root, *options)

    def listed(*options):
        code, printed, _ = told("--format", "json", *options)
        return code, [(f["source_key"], f["state"]) for f in json.loads(printed)]

    assert listed("--state", "open") == (1, [("P004", "open")]) and listed("--state", "new") == (0, [])
    assert listed("--fixed", "period") == (0, [("P005", "new")])
    code, _, errors = told("--run", first.run, "--fixed", "period")
    assert code == 2 and "no earlier run" in errors
    with open_ledger(workspace.ledger_place) as ledger:
        assert {len(o.version) for o in ledger.findings(first.run)} == {16}
