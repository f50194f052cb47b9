"""Twelve months of history by Airflow's own backfill of `east_monthly`: the same bytes as the command gives, month by month."""

from __future__ import annotations

import calendar
import json
import os
import shutil
from datetime import date

import pytest

from etl.approvals import approval_of, decide
from etl.demo.insurer import create_insurer
from etl.ledger import open_ledger
from etl.privacy.keys import Keyring
from etl.workspace import Workspace
from tests.dags.airflow_env import airflow, command, environment, migrate
from tests.dags.insurers import POOLS, contents, eastbound, runs_of, twin_of
from tests.dags.test_months import ended, trigger, unpause

# About a minute each; fewer of them, counted from the last, for trying something out.
MONTHS = [f"{year}-{month:02}" for year, month in [(2025, 11), (2025, 12), *((2026, month) for month in range(1, 11))]][-int(os.environ.get("EASTBOUND_TEST_MONTHS", "12")):]
SYSTEMS = ("life_admin", "claims", "service", "finance", "hr", "reinsurance", "pension", "investment", "related")


def make_history(folder) -> Workspace:
    """A company that keeps month-end copies of its core systems: the addresses name the month."""
    workspace = Workspace(folder, "000999", {name: f"sqlite:///archive/{{period}}/{name}.db" for name in SYSTEMS})
    workspace.save()
    for month in MONTHS:
        year, number = map(int, month.split("-"))
        place = folder / "archive" / month
        place.mkdir(parents=True)
        create_insurer({name: f"sqlite:///{place / f'{name}.db'}" for name in SYSTEMS}, policies=60, seed=11,
                       as_of=date(year, number, calendar.monthrange(year, number)[1]), truth=place / "truth")
    Keyring.open(workspace.keys_folder)
    return workspace


@pytest.mark.slow
def test_backfill_of_twelve_months(tmp_path):
    workspace = make_history(tmp_path / "ws")
    twin = twin_of(workspace, tmp_path / "twin")
    accepted = MONTHS[1]
    # One of the months was submitted and approved long ago: the backfill leaves it alone.
    told = eastbound("run", "-s", "east_life_2020", "-p", accepted, "--report-date", "2026-11-15", "-w", workspace.root)
    assert told.returncode == 0, told.stderr
    with open_ledger(workspace.ledger_place) as ledger:
        (before,) = ledger.runs()
        decide(workspace, ledger, before.id, "approved", checker="li", login="li")
    env = environment(tmp_path / "home", workspace.root, AIRFLOW__CORE__PARALLELISM="3", EASTBOUND_RETRY_SECONDS="1")
    migrate(env)
    command(env, "pools", "import", str(POOLS))
    conf = {"approval": "later", "tables_per_task": 60, "report_date": "2026-11-15"}
    # Asked for before the scheduler is up: SQLite, which is for tests and trying out, has one writer at a time.
    command(env, "dags", "reserialize")
    command(env, "dags", "unpause", "east_monthly", "--yes")
    command(env, "backfill", "create", "--dag-id", "east_monthly", "--from-date", f"{MONTHS[0]}-01", "--to-date", "2026-10-31", "--max-active-runs", "1",
            "--dag-run-conf", json.dumps(conf))
    with airflow(env) as server:
        found = server.wait(lambda: _settled(server), 1200, "the end of the backfill")
        _the_dag_does_what_is_not_approved(server, workspace)
    assert len(found) == len(MONTHS) and {run["state"] for run in found} == {"success"}, [(run["dag_run_id"], run["state"]) for run in found]
    runs = runs_of(workspace)
    assert sorted(run.period for run in runs) == sorted([MONTHS[0], *MONTHS]) and {run.status for run in runs} == {"sealed"}
    assert [run.id for run in runs if run.period == accepted] == [before.id]
    first, again = (workspace.root / "packages" / "east_life_2020" / MONTHS[0] / number for number in ("001", "002"))
    assert contents(first) == contents(again)
    shutil.rmtree(again)
    # In the same order: on one report date the serial numbers run on from package to package.
    for month in [accepted, *(month for month in MONTHS if month != accepted)]:
        told = eastbound("run", "-s", "east_life_2020", "-p", month, "--report-date", "2026-11-15", "-w", twin.root, "-q")
        assert told.returncode == 0, told.stderr
        assert contents(workspace.root / "packages" / "east_life_2020" / month) == contents(twin.root / "packages" / "east_life_2020" / month), month
    table = json.loads(eastbound("runs", "coverage", "-s", "east_life_2020", "--from", MONTHS[0], "--to", MONTHS[-1], "--format", "json", "-w", workspace.root).stdout)
    (east,) = table["standards"]
    assert east["gaps"] == []
    assert {one["period"]: one["state"] for one in east["periods"]} == {month: "sealed" if month == MONTHS[0] else "approved" for month in MONTHS}


def _the_dag_does_what_is_not_approved(server, workspace: Workspace) -> None:
    """All months but the first are approved: `east_first_load` runs that one alone."""
    with open_ledger(workspace.ledger_place) as ledger:
        for run in ledger.runs():
            if run.period != MONTHS[0] and approval_of(ledger, run) is None:
                decide(workspace, ledger, run.id, "approved", checker="li", login="li")
    unpause(server, "east_first_load")
    load = trigger(server, "east_first_load", {"first": MONTHS[0], "last": MONTHS[-1], "report_date": "2026-11-15", "tables_per_task": 60})
    assert ended(server, "east_first_load", load) == "success"
    month = server.get(f"/api/v2/dags/east_monthly/dagRuns/first_load__{MONTHS[0]}")
    assert (month["state"], month["conf"]["period"], month["conf"]["approval"]) == ("success", MONTHS[0], "later")


def _settled(server) -> list[dict] | None:
    runs = server.get("/api/v2/dags/east_monthly/dagRuns?limit=100")["dag_runs"]
    return runs if len(runs) == len(MONTHS) and all(run["state"] in ("success", "failed") for run in runs) else None
