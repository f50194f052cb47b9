"""How long Airflow takes to read each file in dags/, in a process of its own each, as the DAG processor does it.

    python tools/dag_times.py            a table of seconds; exit code 1 where a file cannot be read
    python tools/dag_times.py FILE ...   these files only
    python tools/dag_times.py --json     the same for scripts

Seconds are the file's own: what Airflow itself takes to start is not counted. Every parse costs that time again, twice a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DAGS = ROOT / "dags"
# Modules that take long to load and that no DAG file needs: the work is imported inside the tasks.
HEAVY = ("duckdb", "pandas", "polars", "pyarrow", "sqlglot", "numpy", "great_expectations", "openpyxl", "pandera")
MARK = "EASTBOUND-DAG-TIME "
ONE = """
import json, sys
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
from airflow.plugins_manager import get_timetables_plugins  # plugins are loaded once per process, before any file
get_timetables_plugins()
before = set(sys.modules)
bag = DagBag(sys.argv[2], bundle_path=__import__("pathlib").Path(sys.argv[1]), bundle_name="dags-folder")
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sys.argv[3] + json.dumps({
    "seconds": sum(stat.duration.total_seconds() for stat in bag.dagbag_stats), "dags": sorted(bag.dags), "errors": list(bag.import_errors.values()),
    "about": {dag.dag_id: {"doc": dag.doc_md or "", "tags": sorted(dag.tags), "tasks": {
        task.task_id: {"owner": task.owner, "retries": task.retries, "pool": task.pool} for task in dag.tasks}} for dag in bag.dags.values()},
    "heavy": sorted(new & set(sys.argv[4].split(","))), "etl": sorted(name for name in set(sys.modules) - before if name.partition(".")[0] == "etl")}))
"""


def files(dags: Path = DAGS) -> list[Path]:
    """The files that hold DAGs: those right in the folder."""
    return sorted(dags.glob("*.py"))


def read(path: Path, home: Path) -> dict[str, Any]:
    """Read one file in a fresh process: seconds, dags, errors, and which heavy modules and modules of `etl` came with it."""
    env = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(path.parent), "AIRFLOW__CORE__PLUGINS_FOLDER": str(path.parent / "plugins"),
           "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PYTHONPATH": os.pathsep.join([str(ROOT), str(path.parent)])}
    done = subprocess.run([sys.executable, "-c", ONE, str(path.parent), str(path), MARK, ",".join(HEAVY)], env=env, capture_output=True, text=True)
    line = next((line for line in done.stdout.splitlines() if line.startswith(MARK)), None)
    if line is None:
        return {"seconds": 0.0, "dags": [], "errors": [done.stderr.strip()[-2000:]], "about": {}, "heavy": [], "etl": []}
    return json.loads(line.removeprefix(MARK))


def main(arguments: list[str]) -> int:
    only = {word for word in arguments if not word.startswith("--")}
    with tempfile.TemporaryDirectory() as home:
        found = {path.name: read(path, Path(home)) for path in files() if path.name in (only or {path.name})}
    if "--json" in arguments:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for name, facts in found.items():
            print(f"{facts['seconds']:6.2f} s  {name}  {', '.join(facts['dags'])}")
            for error in facts["errors"]:
                print(error, file=sys.stderr)
    return 1 if any(facts["errors"] for facts in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
