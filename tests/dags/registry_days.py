"""Days of `registry_daily` with real Airflow, in a process that can be thrown away: `python -m tests.dags.registry_days FACTS`.

FACTS is JSON: home, workspace, and `runs`, one DAG run after the other: {"logical_date": ..., "conf": {...}, "only": [tasks that are not just
marked as done]}. Prints a JSON object per DAG run, behind a mark.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.dags.airflow_env import DAGS, REPOSITORY, adopt, environment, migrate

MARK = "DAG RUN: "


def lean_folder(folder: Path) -> Path:
    """A DAGs folder with the registry's DAG alone: Airflow reads the whole folder at each run of a DAG."""
    if folder.is_dir():
        return folder
    folder.mkdir(parents=True)
    for name in ("registry_daily.py", "eastbound_dags", "plugins", ".airflowignore"):
        (folder / name).symlink_to(DAGS / name)
    return folder


def prepare(home: Path, workspace: Path, migrated: bool = False, **settings: str) -> dict[str, str]:
    """The environment of an Airflow for these runs, its database made unless it is `migrated` already."""
    env = environment(home, workspace, dags=lean_folder(home / "dags"), EASTBOUND_RETRY_SECONDS="1", EASTBOUND_LANG="en", **settings)
    if not migrated:
        migrate(env)
    return env


def start(env: dict[str, str], *runs: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "tests.dags.registry_days", json.dumps(runs)], env=env, cwd=REPOSITORY, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[str], timeout: float = 900) -> tuple[list[dict[str, Any]], str]:
    """What each DAG run came to, and everything that was printed: the tasks' logs."""
    out, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, out[-6000:]
    return [json.loads(line.removeprefix(MARK)) for line in out.splitlines() if line.startswith(MARK)], out


def main(runs: list[dict[str, Any]]) -> None:
    adopt(dict(os.environ))
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    for run in runs:
        # Read anew, as each task does: the parameters of a run stay in the object.
        bag = DagBag(f"{os.environ['AIRFLOW__CORE__DAGS_FOLDER']}/registry_daily.py")
        assert not bag.import_errors, bag.import_errors
        dag = bag.dags["registry_daily"]
        marked = f"(?!({'|'.join(map(re.escape, run['only']))})$).*" if run.get("only") else None
        done = dag.test(logical_date=datetime.fromisoformat(run["logical_date"]), run_conf=run.get("conf"), mark_success_pattern=marked and re.compile(marked))
        tasks = {f"{ti.task_id}{'' if ti.map_index < 0 else f'[{ti.map_index}]'}": [ti.state, ti.try_number, ti.rendered_map_index] for ti in done.get_task_instances()}
        with create_session() as session:
            kept = session.query(XComModel).filter(XComModel.dag_id == dag.dag_id, XComModel.run_id == done.run_id)
            xcom = [[x.task_id, x.map_index, x.key, XComModel.deserialize_value(x)] for x in kept]
        interval = [moment and moment.isoformat() for moment in (done.data_interval_start, done.data_interval_end)]
        print(MARK + json.dumps({"state": str(done.state), "tasks": tasks, "xcom": xcom, "interval": interval}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
