"""Real DAGs in a real Airflow: a month through killed workers and a killed scheduler, and its split into jurisdictions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time

import pytest

from etl.approvals import approval_of
from etl.ledger import open_ledger
from etl.pipeline.units import STAGES
from tests.dags.airflow_env import Airflow, airflow, command, environment, migrate
from tests.dags.insurers import POOLS, contents, eastbound, make_insurer, personal_values, runs_of, twin_of

MONTH = {"period": "2026-10", "report_date": "2026-11-15"}


def lock_holder(workspace, run: str, stage: str) -> int | None:
    """The process that is at a unit of a stage, by the note beside its lock."""
    for note in (workspace.root / "locks").glob("*.json"):
        if run in note.name and f" {stage} ".replace(" ", "%20%") in note.name:
            try:
                return int(json.loads(note.read_text(encoding="utf-8"))["pid"])
            except (OSError, ValueError):
                continue
    return None


def kill_worker(server: Airflow, workspace, run: str, stage: str) -> set[tuple]:
    """Kill a task's process in a stage; returns what was done by then: (stage, table, when)."""
    pid = server.wait(lambda: lock_holder(workspace, run, stage), 240, f"a worker in {stage}")
    os.kill(pid, signal.SIGKILL)
    return done_in(workspace, run)


def done_in(workspace, run: str) -> set[tuple]:
    with open_ledger(workspace.ledger_place) as ledger:
        return {(c.stage, c.table, c.finished_at) for c in ledger.stages(run)}


def trigger(server: Airflow, dag: str, conf: dict, user: str = "maker") -> str:
    return server.post(f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf}, user=user)["dag_run_id"]


def state(server: Airflow, dag: str, dag_run: str) -> str:
    return server.get(f"/api/v2/dags/{dag}/dagRuns/{dag_run}")["state"]


def ended(server: Airflow, dag: str, dag_run: str, seconds: float = 420) -> str:
    """How a DAG run ended; the tasks that failed are named where it did not go well."""
    found = server.wait(lambda: state(server, dag, dag_run) in ("success", "failed") and state(server, dag, dag_run), seconds, f"the end of {dag}")
    if found == "failed":
        tasks = server.get(f"/api/v2/dags/{dag}/dagRuns/{dag_run}/taskInstances?limit=500")["task_instances"]
        print([(t["task_id"], t["map_index"], t["state"]) for t in tasks if t["state"] not in ("success", "skipped")])
    return found


def tries(server: Airflow, dag_run: str, task: str, number: int = -1) -> int:
    answer = server.call("GET", f"/api/v2/dags/east_monthly/dagRuns/{dag_run}/taskInstances/{task}" + (f"/{number}" if number >= 0 else ""))
    return int(answer.json()["try_number"]) if answer.is_success else 0


def unpause(server: Airflow, *dags: str) -> None:
    for dag in dags:
        server.wait(lambda dag=dag: server.call("GET", f"/api/v2/dags/{dag}").status_code == 200, 120, f"{dag} to be parsed")
        server.patch(f"/api/v2/dags/{dag}", {"is_paused": False})


@pytest.fixture(scope="module")
def insurer(tmp_path_factory):
    return make_insurer(tmp_path_factory.mktemp("month") / "ws")


@pytest.fixture(scope="module")
def server(insurer):
    home = insurer.root.parent / "home"
    # A scheduler that comes back looks every few seconds for the tasks of the one that died, instead of every few minutes.
    env = environment(home, insurer.root, AIRFLOW__CORE__PARALLELISM="3", EASTBOUND_RETRY_SECONDS="1", EASTBOUND_RETRIES="6",
                      AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL="10", AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD="10",
                      AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT="30", AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL="5")
    migrate(env)
    command(env, "pools", "import", str(POOLS))
    with airflow(env) as running:
        yield running


@pytest.mark.slow
def test_month_through_killed_workers_and_a_killed_scheduler(insurer, server, tmp_path):
    unpause(server, "east_monthly", "east_provincial")
    away = insurer.root / "hr.away"
    (insurer.root / "demo" / "hr.db").rename(away)  # a core system that is down at the start
    dag_run = trigger(server, "east_monthly", {**MONTH, "tables_per_task": 8})
    server.wait(lambda: runs_of(insurer), 120, "the run to begin")
    (run,) = runs_of(insurer)
    # The same month triggered twice: the second one is turned away at once.
    second = trigger(server, "east_monthly", MONTH)
    assert ended(server, "east_monthly", second) == "failed"
    assert tries(server, second, "begin") == 1
    assert [one.id for one in runs_of(insurer)] == [run.id]
    # A table that fails while the others succeed: something lies where it is to be written.
    obstacle = insurer.vault_folder / run.id / "standard" / "KHHFB.parquet"
    (obstacle / "in the way").mkdir(parents=True)
    server.wait(lambda: tries(server, dag_run, "extract.hr") > 1, 240, "the second try of a core system that is down")
    away.rename(insurer.root / "demo" / "hr.db")
    done: set[tuple] = set()
    for stage in STAGES:
        done |= kill_worker(server, insurer, run.id, stage)
        if stage == "standardise":
            server.wait(lambda: max(tries(server, dag_run, "standardise.tables", n) for n in range(6)) > 1, 240, "the second try of a table that fails")
            shutil.rmtree(obstacle)
            server.stop("scheduler", kill=True)
            time.sleep(1)
            server.start("scheduler")
    question = f"/api/v2/dags/east_monthly/dagRuns/{dag_run}/taskInstances/approve/-1/hitlDetails"
    server.wait(lambda: server.call("GET", question).status_code == 200, 420, "the approval to be asked for")

    # The bytes are those of the command, and nothing was sealed twice.
    twin = twin_of(insurer, tmp_path / "twin")
    told = eastbound("run", "-s", "east_life_2020", "-p", "2026-10", "--report-date", "2026-11-15", "-w", twin.root)
    assert told.returncode == 0, told.stderr
    assert contents(insurer.root / "packages") == contents(twin.root / "packages")
    # What was done when a worker died was not done again: the ledger's notes are the very same. Checks and texts are made again by design.
    kept = {(stage, table, at) for stage, table, at in done if stage in ("extract", "standardise", "mask")}
    assert {stage for stage, _, _ in kept} == {"extract", "standardise", "mask"}
    assert kept <= done_in(insurer, run.id)
    assert list((insurer.vault_folder / run.id).rglob("*.parquet")) == []

    time.sleep(8)  # an answer within the seconds in which the worker still lets go of the task is lost (a race of Airflow's); the task would ask again
    # Approved in Airflow by another person: one truth, in the ledger; the split follows by itself.
    server.patch(question, {"chosen_options": ["Approve"], "params_input": {"reason": ""}}, user="checker")
    assert ended(server, "east_monthly", dag_run) == "success"
    with open_ledger(insurer.ledger_place) as ledger:
        found = approval_of(ledger, run.id)
        assert (found.maker, found.checker) == ("maker", "checker")
        assert ledger.verify_chain().ok
    split = server.wait(lambda: server.get("/api/v2/dags/east_provincial/dagRuns")["dag_runs"], 120, "the split to begin")[0]["dag_run_id"]
    assert ended(server, "east_provincial", split) == "success"
    told = eastbound("split", run.id, "-w", twin.root)
    assert told.returncode != 0  # the twin's run is another one, and not approved
    whole = json.loads(eastbound("split", run.id, "-w", insurer.root, "--format", "json").stdout)
    assert whole["union"]["equal"] is True

    # Nothing personal in Airflow's database.
    with sqlite3.connect(insurer.root.parent / "home" / "airflow.db") as metadata:
        stored = "\n".join(str(row) for table in ("xcom", "rendered_task_instance_fields", "log", "dag_run") for row in metadata.execute(f"SELECT * FROM {table}"))
    assert run.id in stored
    assert not [value for value in personal_values(insurer) if value in stored]


@pytest.mark.slow
def test_log_of_a_task_says_what_became_of_the_rows(insurer, server):
    """After the month above: rows in, out, set aside; no personal value."""
    logs = list((insurer.root.parent / "home" / "logs").rglob("*.log"))
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in logs)
    for line in ("extract life_admin: rows in ", "standardise GRBDB: rows in ", "write GRBDB: rows in ", "findings of run ", ", set aside 0"):
        assert line in text
    assert not [value for value in personal_values(insurer) if value in text]
