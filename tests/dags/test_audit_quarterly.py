"""The audit files of a quarter through the real DAG: the road, an approval given by the command meanwhile, a package per province."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from etl.ledger import open_ledger
from tests.dags.airflow_env import environment, migrate
from tests.dags.insurers import contents, eastbound, make_insurer, runs_of, twin_of


@pytest.mark.slow
def test_quarter_by_province_is_that_of_the_command(tmp_path):
    workspace = make_insurer(tmp_path / "ws")
    twin = twin_of(workspace, tmp_path / "twin")
    env = environment(tmp_path / "home", workspace.root, EASTBOUND_RETRY_SECONDS="1")
    migrate(env)
    conf = '{"period": "2026Q3", "report_date": "2026-11-15", "tables_per_task": 10}'
    with (tmp_path / "out").open("wb") as out:
        dag = subprocess.Popen([sys.executable, "-m", "airflow", "dags", "test", "audit_quarterly", "-c", conf], env=env, cwd=env["AIRFLOW_HOME"], stdout=out,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            run = _sealed(workspace, dag)
            assert eastbound("approve", run, "--as", "li", "-w", workspace.root).returncode == 0
            code = dag.wait(timeout=240)
        finally:
            if dag.poll() is None:
                os.killpg(dag.pid, 9)
    told = (tmp_path / "out").read_text(encoding="utf-8", errors="replace")
    assert code == 0 and "DagRun Finished: dag_id=audit_quarterly" in told, told[-4000:]

    done = eastbound("run", "-s", "audit_life", "-p", "2026Q3", "--report-date", "2026-11-15", "-w", twin.root, "--format", "json")
    assert done.returncode == 0, done.stderr
    (other,) = runs_of(twin, "audit_life")
    assert eastbound("approve", other.id, "--as", "li", "-w", twin.root).returncode == 0
    assert eastbound("split", other.id, "-w", twin.root).returncode == 0
    made = contents(workspace.root / "packages")
    assert made == contents(twin.root / "packages")
    assert len({name.split("/")[2] for name in made} - {"001"}) > 5  # provinces


def _sealed(workspace, dag: subprocess.Popen) -> str:
    """The run as soon as it is sealed and waits for its approval."""
    end = time.monotonic() + 240
    while time.monotonic() < end and dag.poll() is None:
        if (workspace.root / "ledger.db").is_file():
            with open_ledger(workspace.ledger_place) as ledger:
                sealed = [run.id for run in ledger.runs("audit_life") if run.status == "sealed"]
            if sealed:
                return sealed[0]
        time.sleep(1)
    raise AssertionError("the run was not sealed")
