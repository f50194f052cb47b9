"""What reading the DAG files costs, and what every DAG says about itself. Each file is read in a process of its own, as Airflow does."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import dag_times  # noqa: E402

FILES = dag_times.files()
POOLS = {*json.loads((ROOT / "deploy" / "pools.json").read_text(encoding="utf-8")), "default_pool"}


@pytest.fixture(scope="module")
def read(tmp_path_factory) -> dict[str, dict]:
    home = tmp_path_factory.mktemp("airflow")
    with ThreadPoolExecutor(2) as two:
        return dict(zip([path.name for path in FILES], two.map(lambda path: dag_times.read(path, home), FILES)))


def test_the_dags_are_there(read):
    assert sorted(dag for facts in read.values() for dag in facts["dags"]) == [
        "audit_quarterly", "deadline_watch", "east_first_load", "east_monthly", "east_provincial", "registry_daily"]


@pytest.mark.parametrize("name", [path.name for path in FILES])
def test_file_is_read_without_errors_and_without_heavy_modules(read, name):
    assert read[name]["errors"] == []
    # Seconds depend on the machine (`make dags-time` shows them); what makes them many is one of these.
    assert read[name]["heavy"] == []
    assert not {module for module in read[name]["etl"] if module.split(".")[1:2] in (["pipeline"], ["engines"], ["rules"], ["ledger"], ["demo"])}


@pytest.mark.parametrize("dag", ["audit_quarterly", "deadline_watch", "east_first_load", "east_monthly", "east_provincial", "registry_daily"])
def test_dag_explains_itself_and_its_tasks_have_retries_and_a_pool_that_exists(read, dag):
    facts = next(facts["about"][dag] for facts in read.values() if dag in facts["about"])
    assert "中文" in facts["doc"] and "English" in facts["doc"]
    assert "eastbound" in facts["tags"]
    assert facts["tasks"]
    for task, about in facts["tasks"].items():
        assert about["owner"] == "eastbound", task
        assert about["retries"] >= 1, task
        assert about["pool"] in POOLS, task


def test_reading_core_systems_is_limited_by_the_pool_of_each(read):
    tasks = read["east_monthly.py"]["about"]["east_monthly"]["tasks"]
    pools = {name.removeprefix("extract."): about["pool"] for name, about in tasks.items() if about["pool"].startswith("core_")}
    assert pools == {system.name: f"core_{system.name}" for system in sorted((ROOT / "mappings" / "sources").iterdir()) if (system / "source.yaml").is_file()}


def test_a_broken_file_is_told(tmp_path):
    (tmp_path / "broken.py").write_text("from airflow.sdk import dag\nimport nothing_like_this\n", encoding="utf-8")
    (tmp_path / "heavy.py").write_text("from airflow.sdk import dag\nimport duckdb\n\n@dag(schedule=None)\ndef heavy(): ...\nheavy()\n", encoding="utf-8")
    broken, heavy = (dag_times.read(tmp_path / name, tmp_path / "home") for name in ("broken.py", "heavy.py"))
    assert broken["dags"] == [] and "nothing_like_this" in broken["errors"][0]
    assert heavy["dags"] == ["heavy"] and "duckdb" in heavy["heavy"]


def test_the_command_prints_a_line_for_a_file():
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "dag_times.py"), "deadline_watch.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1:] for line in done.stdout.splitlines()] == [["s", "deadline_watch.py", "deadline_watch"]]
